//! Address translation: what chains of the type `nat` do.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::words::{Side, end, is_v6, log, rule, sides};
use super::{End, Firewall, Masquerade, OneToOne, PortForward, Snat};
use crate::nft::{Matcher, NatTarget, PortRange, Protocol, Rule, Statement};
use crate::spec::firewall::Translated;

/// What belongs into the chains of one table.
#[derive(Default)]
pub(super) struct Nat {
    /// `prerouting`.
    pub prerouting: Vec<Rule>,
    /// `output`.
    pub output: Vec<Rule>,
    /// `postrouting`.
    pub postrouting: Vec<Rule>,
    /// Of the filter's `forward`: what was translated on purpose passes.
    pub passing: Vec<Rule>,
}

impl Nat {
    /// What the file says.
    pub fn add(&mut self, firewall: &Firewall) {
        firewall.one_to_one.iter().for_each(|one| self.one_to_one(one));
        firewall.forwards.iter().for_each(|forward| self.forward(forward));
        firewall.snat.iter().for_each(|snat| self.snat(snat));
        firewall.masquerade.iter().for_each(|m| self.masquerade(m));
    }

    fn one_to_one(&mut self, one: &OneToOne) {
        let is_net = one.outside.prefix_len() < one.outside.max_prefix_len();
        let target = |net: IpNet| NatTarget {
            addresses: Some((net.network(), net.broadcast())),
            prefix: is_net,
            ..NatTarget::default()
        };
        for on in &one.on {
            let words = |side, matcher, last| {
                let mut words: Vec<Statement> = end(on, side).into_iter().collect();
                words.extend([Statement::is(matcher), Statement::Counter, last]);
                rule(words, &one.label)
            };
            let to = Statement::Dnat(target(one.inside));
            self.prerouting.push(words(Side::From, Matcher::Daddr(vec![one.outside]), to));
            let from = Statement::Snat(target(one.outside));
            self.postrouting.push(words(Side::To, Matcher::Saddr(vec![one.inside]), from));
        }
    }

    fn forward(&mut self, forward: &PortForward) {
        let ipv6 = forward.to.is_ipv6();
        let nobody = [End::Any];
        for (protocol, range) in forward.ranges() {
            let dnat = forward.dnat(protocol, range);
            let port = Statement::is(Matcher::Dport(protocol, vec![range]));
            let mut here = Vec::new();
            match forward.at {
                Some(at) => here.push(Statement::is(Matcher::Daddr(vec![at.into()]))),
                None => {
                    here.push(Statement::is(Matcher::Family(ipv6)));
                    here.push(Statement::is(Matcher::DaddrLocal));
                }
            }
            for way in forward.ways() {
                let mut words = [&way[..], &here].concat();
                words.extend([port.clone(), Statement::Counter]);
                words.extend(forward.log.as_deref().map(log));
                words.push(dnat.clone());
                self.prerouting.push(rule(words, &forward.label));
            }
            if let Some(hairpin) = &forward.hairpin {
                let comment = format!("{}, from inside", forward.label);
                for (from, _) in sides(&forward.from, &nobody, Some(ipv6)) {
                    let mut words = from;
                    words.extend(outer(forward.at, &hairpin.outer, &hairpin.inner, ipv6));
                    words.extend([port.clone(), Statement::Counter, dnat.clone()]);
                    self.prerouting.push(rule(words.clone(), &comment));
                    self.output.push(rule(words, &comment));
                }
                if !hairpin.beside.is_empty() {
                    let words = vec![
                        Statement::is(Matcher::CtDnat),
                        Statement::is(Matcher::Saddr(hairpin.beside.clone())),
                        Statement::is(Matcher::Daddr(vec![forward.to.into()])),
                        Statement::is(Matcher::Dport(protocol, vec![forward.becomes(range)])),
                        Statement::Counter,
                        Statement::Masquerade { ports: None, random: false },
                    ];
                    self.postrouting.push(rule(words, &comment));
                }
            }
            let words = vec![
                Statement::is(Matcher::CtDnat),
                Statement::is(Matcher::Daddr(vec![forward.to.into()])),
                Statement::is(Matcher::Dport(protocol, vec![forward.becomes(range)])),
                Statement::Counter,
                Statement::Accept,
            ];
            self.passing.push(rule(words, &forward.label));
        }
    }

    fn snat(&mut self, snat: &Snat) {
        let target = match snat.to {
            Translated::Range(first, last) => {
                NatTarget { addresses: Some((first, last)), ..NatTarget::default() }
            }
            Translated::Network(net) => NatTarget {
                addresses: Some((net.network(), net.broadcast())),
                prefix: true,
                ..NatTarget::default()
            },
        };
        let ipv6 = target.addresses.is_some_and(|(first, _)| first.is_ipv6());
        for (side, _) in sides(&snat.from, &snat.out, Some(ipv6)) {
            if snat.ports.is_some() {
                let target = NatTarget { ports: snat.ports, ..target.clone() };
                let mut words = side.clone();
                words.push(with_ports());
                words.extend([Statement::Counter, Statement::Snat(target)]);
                self.postrouting.push(rule(words, &snat.label));
            }
            let mut words = side;
            words.extend([Statement::Counter, Statement::Snat(target.clone())]);
            self.postrouting.push(rule(words, &snat.label));
        }
    }

    /// What leaves by these interfaces gets their address.
    pub fn masquerade(&mut self, masquerade: &Masquerade) {
        for ipv6 in [false, true].into_iter().filter(|v6| masquerade.families[usize::from(*v6)]) {
            for (side, _) in sides(&masquerade.from, &masquerade.out, Some(ipv6)) {
                let random = masquerade.random;
                if masquerade.ports.is_some() {
                    let mut words = side.clone();
                    words.push(with_ports());
                    words.push(Statement::Counter);
                    words.push(Statement::Masquerade { ports: masquerade.ports, random });
                    self.postrouting.push(rule(words, &masquerade.label));
                }
                let mut words = side;
                words.extend([Statement::Counter, Statement::Masquerade { ports: None, random }]);
                self.postrouting.push(rule(words, &masquerade.label));
            }
        }
    }
}

/// Protocols that have ports.
fn with_ports() -> Statement {
    Statement::is(Matcher::Protocol(vec![Protocol::Tcp, Protocol::Udp]))
}

/// The addresses by which those outside know the node.
fn outer(at: Option<IpAddr>, outer: &[IpNet], inner: &[IpNet], ipv6: bool) -> Vec<Statement> {
    if let Some(at) = at {
        return vec![Statement::is(Matcher::Daddr(vec![at.into()]))];
    }
    if !outer.is_empty() {
        return vec![Statement::is(Matcher::Daddr(outer.to_vec()))];
    }
    let mut inner = inner.to_vec();
    inner.push(match ipv6 {
        false => IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)),
        true => IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
    });
    inner.retain(|net| is_v6(net) == ipv6);
    inner.sort();
    inner.dedup();
    vec![Statement::is_not(Matcher::Daddr(inner)), Statement::is(Matcher::DaddrLocal)]
}

impl PortForward {
    fn ranges(&self) -> impl Iterator<Item = (Protocol, PortRange)> + '_ {
        self.ports.iter().flat_map(|(protocol, all)| all.iter().map(|range| (*protocol, *range)))
    }

    /// How packets from outside fit, without their destination.
    fn ways(&self) -> Vec<Vec<Statement>> {
        let mut ways = Vec::new();
        for on in &self.on {
            for from in &self.from {
                let on_is_address = on.family().is_some();
                if [on, from].iter().any(|e| e.family().is_some_and(|f| f != self.to.is_ipv6())) {
                    continue;
                }
                let words = [end(on, Side::From), end(from, Side::From)];
                // Two different conditions on one address are both kept.
                debug_assert!(!on_is_address || words[0].is_some());
                ways.push(words.into_iter().flatten().collect());
            }
        }
        ways
    }

    /// What a port becomes at the target; none for one that is not forwarded.
    pub fn port_for(&self, protocol: Protocol, port: u16) -> Option<u16> {
        let is_in = |range: &PortRange| (range.first..=range.last).contains(&port);
        let (_, range) = self.ranges().find(|(p, range)| *p == protocol && is_in(range))?;
        Some(self.port.map_or(port, |first| first + (port - range.first)))
    }

    /// What a range of ports becomes.
    fn becomes(&self, range: PortRange) -> PortRange {
        match self.port {
            None => range,
            Some(first) => {
                PortRange { first, last: first.saturating_add(range.last - range.first) }
            }
        }
    }

    fn dnat(&self, protocol: Protocol, range: PortRange) -> Statement {
        let target = NatTarget { addresses: Some((self.to, self.to)), ..NatTarget::default() };
        match self.port {
            Some(first) if range.first == range.last => Statement::Dnat(NatTarget {
                ports: Some(PortRange { first, last: first }),
                ..target
            }),
            Some(first) if first != range.first => {
                Statement::DnatShift { address: self.to, protocol, ports: range, first }
            }
            _ => Statement::Dnat(target),
        }
    }
}

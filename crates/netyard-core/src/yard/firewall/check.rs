//! Translations that get in each other's way, and a firewall that shuts out
//! whoever sets it up.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::diag::{Report, firewall as say};
use crate::facts::Facts;
use crate::firewall::{Direction, End, Filter, Firewall, PortForward, Rule, Traffic, Verdict};
use crate::nft::Protocol;
use crate::spec::firewall::FirewallSpec;

pub(super) fn nat(firewall: &Firewall, spec: &FirewallSpec, report: &mut Report) {
    for (at, forward) in firewall.forwards.iter().enumerate() {
        let clash = |other: &&PortForward| other.span != forward.span && same(other, forward);
        if let Some(first) = firewall.forwards[..at].iter().find(clash)
            && let Some(port) = shared_port(first, forward)
        {
            report.push(say::forward_twice(forward.span, first.span, &port));
        }
        let outside = |net: &IpNet| forward.at.is_some_and(|address| net.contains(&address));
        let taken = spec.nat.one_to_one.iter().find(|one| outside(&one.outside.value));
        if let Some(one) = taken {
            report.push(say::forward_at_one_to_one(forward.span, one.outside.span));
        }
    }
    let all = &spec.nat.one_to_one;
    for (at, one) in all.iter().enumerate() {
        let shares = |a: &IpNet, b: &IpNet| a.contains(b) || b.contains(a);
        for other in &all[..at] {
            if shares(&other.outside.value, &one.outside.value) {
                report.push(say::one_to_one_twice(one.outside.span, other.outside.span));
            } else if other.inside.value == one.inside.value
                && other.outside.value.prefix_len() == one.outside.value.prefix_len()
                && same_family(&other.outside.value, &one.outside.value)
            {
                report.push(say::one_to_one_inside_twice(one.inside.span, other.inside.span));
            }
        }
    }
}

fn same_family(a: &IpNet, b: &IpNet) -> bool {
    matches!((a, b), (IpNet::V4(_), IpNet::V4(_)) | (IpNet::V6(_), IpNet::V6(_)))
}

/// True when one packet can be meant by both.
fn same(a: &PortForward, b: &PortForward) -> bool {
    let meets = |a: &[End], b: &[End]| {
        let both = |x: &End| {
            b.iter().any(|y| match (x, y) {
                (End::Interfaces(x), End::Interfaces(y)) => x.iter().any(|name| y.contains(name)),
                (End::Nets(x), End::Nets(y)) => {
                    x.iter().any(|n| y.iter().any(|m| n.contains(m) || m.contains(n)))
                }
                (End::Any, _) | (_, End::Any) => true,
                (x, y) => x == y,
            })
        };
        a.iter().any(both)
    };
    a.to.is_ipv6() == b.to.is_ipv6()
        && (a.at == b.at || a.at.is_none() || b.at.is_none())
        && meets(&a.on, &b.on)
        && meets(&a.from, &b.from)
}

fn shared_port(a: &PortForward, b: &PortForward) -> Option<String> {
    for (protocol, ranges) in &a.ports {
        for (other, others) in &b.ports {
            let meets = |range: &&crate::nft::PortRange| {
                others.iter().any(|o| o.first <= range.last && range.first <= o.last)
            };
            if protocol == other
                && let Some(range) = ranges.iter().find(meets)
            {
                return Some(format!("{} {range}", format!("{protocol:?}").to_lowercase()));
            }
        }
    }
    None
}

/// The session over which this is typed would not be let in again.
pub(super) fn lockout(firewall: &Firewall, facts: &Facts, report: &mut Report) {
    let Some(ssh) = &facts.ssh else { return };
    if firewall.place != crate::state::Place::Host {
        return;
    }
    let packet = Packet { firewall, client: ssh.client, port: ssh.port };
    for pair in firewall.pairs.iter().filter(|p| p.direction == Direction::Input) {
        if !packet.may_come(&pair.from) {
            continue;
        }
        match packet.passes(&pair.filter) {
            Some(true) => return,
            Some(false) if pair.from == [End::Any] => {
                report.push(say::lockout(pair.filter.span, ssh.port));
                return;
            }
            _ => {}
        }
    }
    if let Some(filter) = &firewall.input
        && packet.passes(filter) == Some(false)
    {
        report.push(say::lockout(filter.span, ssh.port));
    }
}

/// The first packet of another session of the same sort.
struct Packet<'a> {
    firewall: &'a Firewall,
    client: Option<IpAddr>,
    port: u16,
}

impl Packet<'_> {
    /// What a filter does with it; none where it leaves that to others. What
    /// may be, such as the interface it comes in by, is taken to be.
    fn passes(&self, filter: &Filter) -> Option<bool> {
        for rule in &filter.rules {
            if !self.is_meant(rule) || !self.may_come(&rule.from) {
                continue;
            }
            let is_sure = rule.from == [End::Any] && rule.to == [End::Any] && rule.limit.is_none();
            match rule.verdict {
                Verdict::Accept => return Some(true),
                _ if is_sure => return Some(false),
                _ => {}
            }
        }
        Some(filter.policy? == Verdict::Accept)
    }

    fn is_meant(&self, rule: &Rule) -> bool {
        let family = self.client.map(|c| c.is_ipv6());
        let ports = |what: &Traffic| match what {
            Traffic::Ports(Protocol::Tcp, ports) => {
                ports.iter().any(|r| (r.first..=r.last).contains(&self.port))
            }
            Traffic::Protocol(protocol) => *protocol == Protocol::Tcp,
            _ => false,
        };
        (rule.what.is_empty() || rule.what.iter().any(ports))
            && (rule.ipv6.is_none() || family.is_none() || rule.ipv6 == family)
    }

    fn may_come(&self, from: &[End]) -> bool {
        let Some(client) = self.client else { return true };
        from.iter().any(|end| match end {
            End::Any | End::NotInterfaces(_) | End::Interfaces(_) => true,
            End::Nets(nets) => nets.iter().any(|n| n.contains(&client)),
            End::Set(name, _) => {
                let mut sets = self.firewall.sets.iter();
                sets.any(|s| s.name == *name && s.nets.iter().any(|n| n.contains(&client)))
            }
        })
    }
}

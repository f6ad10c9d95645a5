//! Services by name.

use crate::diag::{Report, Spanned, firewall as say, yard as diag};
use crate::facts::Facts;
use crate::firewall::Traffic;
use crate::nft::{PortRange, Protocol};
use crate::spec::firewall::{FirewallSpec, What};
use crate::spec::{ExpectSpec, ProbeSpec, Spec};

/// What every yard may call by name, on hosts without a services database, and
/// what has no name there.
const KNOWN: [(&str, &[(Protocol, u16)]); 17] = [
    ("babel", &[(Protocol::Udp, 6696)]),
    ("bgp", &[(Protocol::Tcp, 179)]),
    ("dhcp", &[(Protocol::Udp, 67)]),
    ("dhcpv6", &[(Protocol::Udp, 547)]),
    ("dns", &[(Protocol::Tcp, 53), (Protocol::Udp, 53)]),
    ("domain", &[(Protocol::Tcp, 53), (Protocol::Udp, 53)]),
    ("ftp", &[(Protocol::Tcp, 21)]),
    ("http", &[(Protocol::Tcp, 80)]),
    ("https", &[(Protocol::Tcp, 443)]),
    ("imaps", &[(Protocol::Tcp, 993)]),
    ("mdns", &[(Protocol::Udp, 5353)]),
    ("ntp", &[(Protocol::Udp, 123)]),
    ("smtp", &[(Protocol::Tcp, 25)]),
    ("ssh", &[(Protocol::Tcp, 22)]),
    ("submission", &[(Protocol::Tcp, 587)]),
    ("telnet", &[(Protocol::Tcp, 23)]),
    ("wireguard", &[(Protocol::Udp, 51820)]),
];

/// What rules are about: the services resolved, ports of one protocol joined.
/// None where a name is unknown, which is reported.
pub(super) fn traffic(
    what: &[What],
    spec: &FirewallSpec,
    facts: &Facts,
    report: &mut Report,
) -> Option<Vec<Traffic>> {
    let mut all: Vec<Traffic> = Vec::new();
    let mut failed = false;
    for word in what {
        match word {
            What::Service(name) => match service(name, &spec.services, facts) {
                Some(service) => service.into_iter().for_each(|one| join(&mut all, one)),
                None => {
                    let names =
                        ["icmp", "ping", "any"].into_iter().chain(names(&spec.services, facts));
                    report.push(say::service_unknown(name, names));
                    failed = true;
                }
            },
            other => join(&mut all, plain(other)),
        }
    }
    (!failed).then_some(all)
}

/// `services:` of a firewall.
type Own = [(Spanned<String>, Vec<What>)];

fn service(name: &Spanned<String>, own: &Own, facts: &Facts) -> Option<Vec<Traffic>> {
    if let Some((_, own)) = own.iter().find(|(own, _)| own.value == name.value) {
        return Some(own.iter().map(plain).collect());
    }
    let known = KNOWN.iter().find(|(known, _)| *known == name.value).map(|(_, ports)| *ports);
    let ports = facts.services.get(&name.value).map(Vec::as_slice).or(known)?;
    let one = |(protocol, port): &(Protocol, u16)| {
        Traffic::Ports(*protocol, vec![PortRange { first: *port, last: *port }])
    };
    Some(ports.iter().map(one).collect())
}

/// An expectation with the ports of the services that it names: those that any
/// firewall of the file calls so, else the system's.
pub(in crate::yard) fn with_ports(
    expect: &ExpectSpec,
    spec: &Spec,
    facts: &Facts,
    report: &mut Report,
) -> ExpectSpec {
    let mut probes = Vec::with_capacity(expect.probes.len());
    for probe in &expect.probes {
        let ProbeSpec::Service(udp, name) = &probe.value else {
            probes.push(probe.clone());
            continue;
        };
        let name = Spanned::new(name.clone(), probe.span);
        let ports = ports_of(&name, *udp, spec, facts, report);
        let probe = |port| if *udp { ProbeSpec::Udp(port) } else { ProbeSpec::Tcp(port) };
        probes.extend(ports.into_iter().map(|port| Spanned::new(probe(port), name.span)));
    }
    ExpectSpec { probes, ..expect.clone() }
}

/// The ports of a service; none where it has none, which is reported.
fn ports_of(
    name: &Spanned<String>,
    udp: bool,
    spec: &Spec,
    facts: &Facts,
    report: &mut Report,
) -> Vec<u16> {
    let own = |f: &&FirewallSpec| f.services.iter().any(|(own, _)| own.value == name.value);
    let own = spec.firewalls.iter().find(own).map_or(&[][..], |firewall| &firewall.services);
    let Some(traffic) = service(name, own, facts) else {
        report.push(say::service_unknown(name, names(own, facts)));
        return Vec::new();
    };
    let ports = |wanted: Protocol| -> Vec<u16> {
        let ranges = traffic.iter().filter_map(|one| match one {
            Traffic::Ports(protocol, ranges) if *protocol == wanted => Some(ranges),
            _ => None,
        });
        ranges.flatten().flat_map(|range| range.first..=range.last).collect()
    };
    let (mine, other) = match udp {
        true => ((Protocol::Udp, "udp"), (Protocol::Tcp, "tcp")),
        false => ((Protocol::Tcp, "tcp"), (Protocol::Udp, "udp")),
    };
    let found = ports(mine.0);
    if found.is_empty() {
        let other = (!ports(other.0).is_empty()).then_some(other.1);
        report.push(diag::service_without(name, mine.1, other));
    }
    found
}

/// What a service may be called.
fn names<'a>(own: &'a Own, facts: &'a Facts) -> impl Iterator<Item = &'a str> {
    let own = own.iter().map(|(name, _)| name.value.as_str());
    own.chain(KNOWN.iter().map(|(name, _)| *name)).chain(facts.services.keys().map(String::as_str))
}

fn plain(what: &What) -> Traffic {
    match what {
        What::Ports(protocol, ports) => Traffic::Ports(*protocol, ports.clone()),
        What::Protocol(protocol) => Traffic::Protocol(*protocol),
        What::Ping => Traffic::Ping,
        // Services do not name services.
        What::Icmp | What::Service(_) => Traffic::Icmp,
    }
}

fn join(all: &mut Vec<Traffic>, one: Traffic) {
    if let Traffic::Ports(protocol, ports) = &one {
        for known in all.iter_mut() {
            let Traffic::Ports(p, mine) = known else { continue };
            if p == protocol {
                mine.extend(ports);
                mine.sort_unstable();
                mine.dedup_by(|later, first| {
                    let touches = later.first <= first.last.saturating_add(1);
                    if touches {
                        first.last = first.last.max(later.last);
                    }
                    touches
                });
                return;
            }
        }
    }
    if !all.contains(&one) {
        all.push(one);
    }
}

//! Services by name.

use crate::diag::{Report, Spanned, firewall as say};
use crate::facts::Facts;
use crate::firewall::Traffic;
use crate::nft::{PortRange, Protocol};
use crate::spec::firewall::{FirewallSpec, What};

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
            What::Service(name) => match service(name, spec, facts) {
                Some(service) => service.into_iter().for_each(|one| join(&mut all, one)),
                None => {
                    let own = spec.services.iter().map(|(name, _)| name.value.as_str());
                    let names = own
                        .chain(KNOWN.iter().map(|(name, _)| *name))
                        .chain(["icmp", "ping", "any"])
                        .chain(facts.services.keys().map(String::as_str));
                    report.push(say::service_unknown(name, names));
                    failed = true;
                }
            },
            other => join(&mut all, plain(other)),
        }
    }
    (!failed).then_some(all)
}

fn service(name: &Spanned<String>, spec: &FirewallSpec, facts: &Facts) -> Option<Vec<Traffic>> {
    if let Some((_, own)) = spec.services.iter().find(|(own, _)| own.value == name.value) {
        return Some(own.iter().map(plain).collect());
    }
    let known = KNOWN.iter().find(|(known, _)| *known == name.value).map(|(_, ports)| *ports);
    let ports = facts.services.get(&name.value).map(Vec::as_slice).or(known)?;
    let one = |(protocol, port): &(Protocol, u16)| {
        Traffic::Ports(*protocol, vec![PortRange { first: *port, last: *port }])
    };
    Some(ports.iter().map(one).collect())
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

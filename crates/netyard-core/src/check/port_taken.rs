//! A server of the host sits on a port that a network's server needs.

use super::{Check, Finding, Phase, Scene, Severity};
use crate::state::Place;

/// See the file's head.
pub static CHECK: Check = Check {
    id: "server-port-taken",
    severity: Severity::Warning,
    phase: Phase::Running,
    title: "a DHCP or DNS server does not start",
    means: "a socket that is bound to all addresses leaves no room for one on the same port of one address",
    evidence: "sockets of the namespace (sock_diag) on UDP 53, 67 and 547 and TCP 53, bound to all addresses, with their owner",
    fix: "bind it to its own addresses (dnsmasq: `bind-dynamic` and `interface=`), or stop it",
    find,
};

const SERVERS: [(u16, &str); 3] = [(53, "DNS"), (67, "DHCP"), (547, "DHCPv6")];

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (place, stack) in scene.stacks() {
        // Only who has a network of guests here will want to serve it.
        if *place == Place::Host && scene.yard.is_some() && scene.bridges_on_host().is_empty() {
            continue;
        }
        for listener in &stack.listeners {
            let served = SERVERS.iter().find(|(port, _)| *port == listener.port);
            let Some((port, what)) = served else { continue };
            if !listener.address.is_unspecified() || listener.link != 0 {
                continue;
            }
            let who = match &listener.owner {
                Some((name, pid)) => format!("`{name}` (process {pid})"),
                None => "somebody".to_owned(),
            };
            let text = format!("{who} has {} port {port} ({what}) of all addresses", listener.protocol);
            // A server inside a node is what the node is for.
            let severity = if *place == Place::Host { Severity::Warning } else { Severity::Note };
            let mut finding = CHECK
                .finding(place, text)
                .severity(severity)
                .with("protocol", listener.protocol)
                .with("address", listener.address.to_string())
                .with("port", u64::from(*port));
            if let Some((name, pid)) = &listener.owner {
                finding = finding.with("program", name.as_str()).with("process", *pid);
            }
            found.push(finding.fix("bind it to addresses or interfaces of its own"));
        }
    }
    found
}

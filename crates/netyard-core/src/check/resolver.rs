//! Names are asked of a server that is not there.

use std::net::IpAddr;

use super::{Check, Finding, Phase, Scene, Severity};
use crate::facts::Stack;
use crate::state::Place;

/// See the file's head.
pub static CHECK: Check = Check {
    id: "resolver-unreachable",
    severity: Severity::Error,
    phase: Phase::Running,
    title: "no names are resolved in a namespace",
    means: "a namespace has a loopback of its own: the stub at 127.0.0.53 of the host does not answer there",
    evidence: "`nameserver` lines of `/etc/netns/NAME/resolv.conf`, or of `/etc/resolv.conf`: loopback addresses only, on none of which a socket listens at port 53 in that namespace",
    fix: "a `resolv.conf` of the node's own with a server that it reaches: `dns:` of the node",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (place, stack) in scene.stacks() {
        let Some(resolver) = &stack.resolver else { continue };
        // Nothing resolves names in the fabric.
        let servers = resolver.nameservers.as_slice();
        if *place == Place::Fabric || servers.is_empty() || servers.iter().any(|one| !one.is_loopback()) {
            continue;
        }
        if servers.iter().any(|server| answers(stack, *server)) {
            continue;
        }
        let list: Vec<String> = servers.iter().map(IpAddr::to_string).collect();
        let what = format!(
            "`{}` says to ask {} for names, and nobody listens there",
            resolver.file,
            list.join(", ")
        );
        // Whether a program of a node ever asks for a name is not known.
        let severity = if *place == Place::Host { Severity::Error } else { Severity::Warning };
        let finding = CHECK
            .finding(place, what)
            .severity(severity)
            .with("file", resolver.file.as_str())
            .with("nameserver", list.join(" "))
            .with("port", 53_u64);
        found.push(finding.fix("a `resolv.conf` of its own, with a server that it reaches"));
    }
    found
}

fn answers(stack: &Stack, server: IpAddr) -> bool {
    stack.listeners.iter().any(|listener| {
        listener.port == 53
            && (listener.address == server
                || (listener.address.is_unspecified()
                    && (listener.address.is_ipv6() || server.is_ipv4())))
    })
}

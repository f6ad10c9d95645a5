//! A connection still goes where an older rule led it.

use super::{Check, Finding, Phase, Scene, Severity};
use crate::facts::ruleset::walk::{Packet, Tracked};
use crate::nft::Hook;

/// See the file's head.
pub static CHECK: Check = Check {
    id: "stale-conntrack",
    severity: Severity::Warning,
    phase: Phase::Running,
    title: "a connection still goes to an old target after a change of NAT",
    means: "only the first packet of a connection is translated by rules; what was tracked before keeps its old target as long as packets come, which for UDP may be for ever",
    evidence: "entries of connection tracking whose destination the rules of today would translate to another target",
    fix: "delete those entries: `conntrack -D` with their tuple",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (place, stack) in scene.stacks() {
        let Some(ruleset) = &stack.ruleset else { continue };
        for flow in &stack.flows {
            let mut packet =
                Packet::new(Hook::Prerouting, flow.source, flow.destination, flow.protocol);
            (packet.sport, packet.dport) = (Some(flow.sport), Some(flow.dport));
            packet.state = Tracked::New;
            let Some(now) = ruleset.translations(&packet).into_iter().next() else { continue };
            let Some(address) = now.address else { continue };
            let port = now.port.unwrap_or(flow.dport);
            if (address, port) == (flow.answers_from, flow.answers_port) {
                continue;
            }
            let protocol = if flow.protocol == 6 { "tcp" } else { "udp" };
            let what = format!(
                "{protocol} from `{}` port {} to port {} still goes to `{}`, and rule {} of chain \
                 `{} {} {}` says `{address}`",
                flow.source,
                flow.sport,
                flow.dport,
                flow.answers_from,
                now.by.handle,
                now.by.family,
                now.by.table,
                now.by.chain
            );
            let finding = CHECK
                .finding(place, what)
                .with("protocol", protocol)
                .with("source", flow.source.to_string())
                .with("destination", flow.destination.to_string())
                .with("port", flow.dport)
                .with("goes-to", flow.answers_from.to_string())
                .with("should-go-to", address.to_string())
                .with("table", now.by.table.as_str())
                .with("chain", now.by.chain.as_str())
                .with("handle", now.by.handle);
            found.push(finding.fix(format!(
                "`conntrack -D -p {protocol} -s {} -d {} --sport {} --dport {}`",
                flow.source, flow.destination, flow.sport, flow.dport
            )));
        }
    }
    found
}

//! Frames on a bridge are shown to iptables.

use super::{Check, Finding, Phase, Scene, Severity};
use crate::facts::ruleset::walk::{Fate, Packet};
use crate::facts::{Link, Stack};
use crate::nft::Hook;
use crate::state::Place;

/// See the file's head.
pub static CHECK: Check = Check {
    id: "bridge-netfilter",
    severity: Severity::Warning,
    phase: Phase::Plan,
    title: "frames between ports of one bridge are filtered",
    means: "with `br_netfilter`, frames that are only bridged meet the hook `forward` of the namespace; a bridge's own 0 does not help while the namespace's setting is 1",
    evidence: "`net.bridge.bridge-nf-call-iptables` of the namespace, `IFLA_BR_NF_CALL_IPTABLES` of the bridge, and whether a chain drops a frame from one port of it to another",
    fix: "set `net.bridge.bridge-nf-call-iptables` to 0 where nothing needs it (container engines may), or accept what stays on the bridge",
    find,
};

const GLOBAL: &str = "net/bridge/bridge-nf-call-iptables";

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (place, stack) in scene.stacks() {
        let all = stack.setting(GLOBAL) == Some("1");
        let mut told = Vec::new();
        for link in &stack.links {
            let Some(bridge) = link.bridge else { continue };
            if (all || bridge.calls_iptables) && scene.matters(place, link) {
                told.push(link.name.clone());
                found.extend(judged(place, stack, &link.name, Some(link), all));
            }
        }
        // Bridges that `up` is going to make.
        if *place == Place::Host && all && scene.phase == Phase::Plan {
            let bridges = scene.bridges_on_host().into_iter();
            let new = bridges.filter(|name| !told.contains(name));
            found.extend(new.filter_map(|name| judged(place, stack, &name, None, all)));
        }
    }
    found
}

/// Only where a chain is there that drops one is it more than a possibility.
fn judged(
    place: &Place,
    stack: &Stack,
    bridge: &str,
    link: Option<&Link>,
    all: bool,
) -> Option<Finding> {
    let [from, to] = [[10, 255, 255, 1], [10, 255, 255, 2]].map(Into::into);
    let mut packet = Packet::new(Hook::Forward, from, to, 6);
    let interface = Some((bridge.to_owned(), link.map_or(u32::MAX, |link| link.index)));
    (packet.iif, packet.oif, packet.dport) = (interface.clone(), interface, Some(443));
    let fate = stack.ruleset.as_ref()?.fate(&packet, |_| true);
    let (severity, blame) = match fate {
        Fate::Accepted => (Severity::Note, None),
        Fate::Unclear(blame) => (Severity::Warning, Some(blame)),
        Fate::Dropped(blame) => (Severity::Error, Some(blame)),
    };
    let by = match &blame {
        Some(blame) => format!(
            "chain `{} {} {}` drops frames between ports of bridge `{bridge}`",
            blame.family, blame.table, blame.chain
        ),
        None => format!("frames between ports of bridge `{bridge}` are shown to iptables"),
    };
    let mut finding = CHECK.finding(place, by).severity(severity).with("interface", bridge);
    finding = match all {
        true => finding.with("key", GLOBAL).with("value", "1"),
        false => finding.with("attribute", "IFLA_BR_NF_CALL_IPTABLES").with("value", "1"),
    };
    if let Some(blame) = blame {
        finding = finding
            .with("family", blame.family.to_string())
            .with("table", blame.table)
            .with("chain", blame.chain)
            .with("handle", blame.handle);
    }
    Some(match all {
        true => finding.fix(
            "`sysctl -w net.bridge.bridge-nf-call-iptables=0`, where no container engine needs it",
        ),
        false => finding.fix(format!("`ip link set {bridge} type bridge nf_call_iptables 0`")),
    })
}

//! Two interfaces are on one subnet.

use super::{Check, Finding, Phase, Scene, Severity};
use crate::facts::{Address, Stack};

/// See the file's head.
pub static CHECK: Check = Check {
    id: "subnet-overlap",
    severity: Severity::Error,
    phase: Phase::Running,
    title: "two interfaces are on the same subnet, and half of the packets go the wrong way",
    means: "the most specific route decides, then the older one; who is behind the other interface is not reached",
    evidence: "prefixes of addresses on two interfaces of one namespace of which one holds the other",
    fix: "move one of them to another prefix",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (place, stack) in scene.stacks() {
        let all: Vec<&Address> = stack.addresses.iter().filter(|one| counts(stack, one)).collect();
        let mut told = Vec::new();
        for (at, one) in all.iter().enumerate() {
            for other in &all[at + 1..] {
                let (a, b) = (one.net.trunc(), other.net.trunc());
                let overlap = a.contains(&b) || b.contains(&a);
                let links = (one.link.min(other.link), one.link.max(other.link));
                if one.link == other.link || !overlap || told.contains(&links) {
                    continue;
                }
                let matter = |index: u32| stack.link(index).is_some_and(|l| scene.matters(place, l));
                if !matter(one.link) && !matter(other.link) {
                    continue;
                }
                told.push(links);
                let (here, there) = (stack.name(one.link), stack.name(other.link));
                let what =
                    format!("`{here}` has `{}` and `{there}` has `{}`: one subnet", one.net, other.net);
                let finding = CHECK
                    .finding(place, what)
                    .with("interface", here)
                    .with("address", one.net.to_string())
                    .with("other-interface", there)
                    .with("other-address", other.net.to_string());
                found.push(finding.fix("move one of them to another prefix"));
            }
        }
    }
    found
}

/// Link-local prefixes are everywhere, and a single address is nobody's subnet;
/// ports of one bridge or bond are one link.
fn counts(stack: &Stack, address: &Address) -> bool {
    let link_local = match address.net.addr() {
        std::net::IpAddr::V4(one) => one.is_link_local(),
        std::net::IpAddr::V6(one) => one.is_unicast_link_local(),
    };
    let link = stack.link(address.link);
    let plain = link.is_some_and(|link| !link.loopback && !link.point_to_point);
    let whole = address.net.prefix_len() == address.net.max_prefix_len();
    plain && !link_local && !whole
}

//! Two guests of one network with one hardware address.

use super::{Check, Finding, Phase, Scene, Severity};
use crate::facts::{Link, Stack};
use crate::state::Place;

/// See the file's head.
pub static CHECK: Check = Check {
    id: "mac-twice",
    severity: Severity::Error,
    phase: Phase::Running,
    title: "two guests answer by turns, or neither does",
    means: "a bridge learns an address at the port it was heard at last; with two of them it sends what is for one to the other. Clones of a machine have the same one, and with it the same link-local address and DHCP lease",
    evidence: "`IFLA_ADDRESS` of two interfaces in different namespaces that have addresses of one prefix",
    fix: "give one of them another address",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let all: Vec<(&Place, &Stack, &Link)> =
        scene.stacks().flat_map(|(place, stack)| guests(place, stack)).collect();
    let mut found = Vec::new();
    for (at, (place, stack, link)) in all.iter().enumerate() {
        let twin = all[..at].iter().find(|(other_place, other_stack, other)| {
            other_place != place && other.mac == link.mac && meet((stack, link), (other_stack, other))
        });
        let (Some((other_place, _, other)), Some(mac)) = (twin, link.mac) else { continue };
        let what = format!("`{}` and `{}` of {other_place} have one address, {mac}", link.name, other.name);
        let finding = CHECK
            .finding(place, what)
            .with("interface", link.name.as_str())
            .with("address", mac.to_string())
            .with("other-place", other_place.to_string())
            .with("other-interface", other.name.as_str());
        found.push(finding.fix(format!("another `mac:` for one of them, or `ip link set {} address …`", link.name)));
    }
    found
}

/// Interfaces of a stack that talk for themselves.
fn guests<'s>(
    place: &'s Place,
    stack: &'s Stack,
) -> impl Iterator<Item = (&'s Place, &'s Stack, &'s Link)> {
    let speaks = |link: &&Link| !link.loopback && link.master.is_none() && link.up && link.mac.is_some();
    stack.links.iter().filter(speaks).map(move |link| (place, stack, link))
}

/// True where both have addresses of one prefix.
fn meet((stack, link): (&Stack, &Link), (other_stack, other): (&Stack, &Link)) -> bool {
    let far = |net: &ipnet::IpNet| match net.addr() {
        std::net::IpAddr::V4(one) => !one.is_link_local(),
        std::net::IpAddr::V6(one) => !one.is_unicast_link_local(),
    };
    let own = stack.addresses_of(link.index).map(|one| one.net).filter(far);
    let theirs: Vec<ipnet::IpNet> =
        other_stack.addresses_of(other.index).map(|one| one.net.trunc()).filter(far).collect();
    own.map(|net| net.trunc()).any(|net| theirs.contains(&net))
}

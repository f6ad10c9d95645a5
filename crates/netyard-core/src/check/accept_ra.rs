//! Forwarding makes the kernel deaf to routers.

use super::{Check, Finding, Phase, Scene, Severity};
use crate::facts::{Link, Stack};
use crate::state::Place;

/// See the file's head.
pub static CHECK: Check = Check {
    id: "accept-ra-forwarding",
    severity: Severity::Warning,
    phase: Phase::Plan,
    title: "the IPv6 default route is lost as soon as forwarding goes on",
    means: "a stack that forwards takes no router advertisements with `accept_ra` 1; the default route that came by one goes at once. Programs that listen themselves, as networkd and NetworkManager do, are not concerned",
    evidence: "`net.ipv6.conf.IF.accept_ra` 1 and forwarding on, now or by the yard, on an interface that is no bridge of guests",
    fix: "set `accept_ra` to 2 on the uplink",
    find,
};

/// The kernel made the route for an advertisement (`RTPROT_RA`, linux/rtnetlink.h).
const FROM_ADVERTISEMENT: u8 = 9;
const FORWARDING: &str = "net/ipv6/conf/all/forwarding";

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (place, stack) in scene.stacks() {
        let on = stack.setting(FORWARDING) == Some("1");
        let will = *place == Place::Host && will_forward(scene);
        if !on && !will {
            continue;
        }
        for link in stack.links.iter().filter(|link| concerned(stack, link, on)) {
            let key = format!("net/ipv6/conf/{}/accept_ra", link.name);
            if stack.setting(&key) != Some("1") || is_set(scene, place, &key) {
                continue;
            }
            let loses = has_route(stack, link);
            let what = match loses {
                true => format!("`{}` loses its default route: it came by an advertisement", link.name),
                false => format!("`{}` takes no router advertisements while IPv6 is forwarded", link.name),
            };
            let severity = if loses { Severity::Error } else { Severity::Note };
            let finding = CHECK
                .finding(place, what)
                .severity(severity)
                .with("interface", link.name.as_str())
                .with("key", key)
                .with("value", "1")
                .with("forwarding", FORWARDING);
            found.push(finding.fix(format!("`sysctl -w net.ipv6.conf.{}.accept_ra=2`", link.name)));
        }
    }
    found
}

/// While forwarding is off only a route that is there can be lost; later one
/// cannot see what has been.
fn concerned(stack: &Stack, link: &Link, on: bool) -> bool {
    let plain = !link.loopback && link.bridge.is_none() && link.master.is_none() && link.up;
    plain && (on || has_route(stack, link))
}

fn has_route(stack: &Stack, link: &Link) -> bool {
    stack.routes.iter().any(|route| {
        route.link == link.index
            && route.protocol == FROM_ADVERTISEMENT
            && route.destination.prefix_len() == 0
    })
}

/// The yard turns forwarding on, on the host.
fn will_forward(scene: &Scene<'_>) -> bool {
    let nodes = scene.yard.iter().flat_map(|yard| &yard.nodes);
    let host = nodes.filter(|node| node.place == Place::Host).flat_map(|node| &node.sysctls);
    host.into_iter().any(|setting| setting.key == FORWARDING && setting.value == "1")
}

/// The yard sets this very key.
fn is_set(scene: &Scene<'_>, place: &Place, key: &str) -> bool {
    let nodes = scene.yard.iter().flat_map(|yard| &yard.nodes).filter(|node| node.place == *place);
    nodes.flat_map(|node| node.sysctls.iter().map(move |setting| (node, setting))).any(|(node, setting)| {
        let name = setting.interface.as_ref().and_then(|name| {
            Some(node.interface(name.as_str())?.device.kernel_name.to_string())
        });
        setting.key == key || name.is_some_and(|name| setting.key.replace("{if}", &name) == key)
    })
}

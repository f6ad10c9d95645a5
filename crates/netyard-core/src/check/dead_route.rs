//! A route leads over an interface without carrier.

use super::{Check, Finding, Phase, Scene, Severity};

/// See the file's head.
pub static CHECK: Check = Check {
    id: "dead-route",
    severity: Severity::Error,
    phase: Phase::Running,
    title: "answers leave by a link that is dead",
    means: "a route stays when its interface loses its carrier, and still wins over a longer way that works",
    evidence: "`RTNH_F_LINKDOWN` or `RTNH_F_DEAD` on a route of a table that is asked, and `ignore_routes_with_linkdown` 0",
    fix: "set the link right or remove the route; or set `ignore_routes_with_linkdown` to 1",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    const ALL: &str = "net/ipv4/conf/all/ignore_routes_with_linkdown";
    let mut found = Vec::new();
    for (place, stack) in scene.stacks() {
        for route in stack.routes.iter().filter(|route| route.dead) {
            let Some(link) = stack.link(route.link) else { continue };
            let own = format!("net/ipv4/conf/{}/ignore_routes_with_linkdown", link.name);
            let ignored = [ALL, &own].iter().any(|key| stack.setting(key) == Some("1"));
            let local = match route.destination.addr() {
                std::net::IpAddr::V4(one) => one.is_link_local(),
                std::net::IpAddr::V6(one) => one.is_unicast_link_local() || one.is_multicast(),
            };
            // An interface that is down, and IPv6, which lets a dead route lose.
            if ignored || local || !link.up || route.destination.addr().is_ipv6() {
                continue;
            }
            if !scene.matters(place, link) {
                continue;
            }
            let what = format!(
                "the route to `{}` leads over `{}`, which has no carrier",
                route.destination, link.name
            );
            let finding = CHECK
                .finding(place, what)
                .with("interface", link.name.as_str())
                .with("destination", route.destination.to_string())
                .with("table", route.table)
                .with("flag", "RTNH_F_LINKDOWN");
            found.push(finding.fix(format!(
                "set the link right, or `sysctl -w net.ipv4.conf.{}.ignore_routes_with_linkdown=1`",
                link.name
            )));
        }
    }
    found
}

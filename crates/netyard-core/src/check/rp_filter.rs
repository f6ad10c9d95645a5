//! Packets whose way back is another one are dropped.

use super::{Check, Finding, Phase, Scene, Severity};

/// See the file's head.
pub static CHECK: Check = Check {
    id: "rp-filter",
    severity: Severity::Error,
    phase: Phase::Running,
    title: "packets that come in by another way than answers would go out are dropped",
    means: "with `rp_filter` 1 a packet is dropped unless its source would be reached by the interface it came in by; what counts is the larger of `conf/all` and the interface's own",
    evidence: "the larger of `net.ipv4.conf.all.rp_filter` and `conf/IF/rp_filter` is 1, and `TcpExt.IPReversePathFilter` of `/proc/net/netstat` counts drops",
    fix: "set both to 2 (loose) or 0 where routes are not symmetric",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    const ALL: &str = "net/ipv4/conf/all/rp_filter";
    let mut found = Vec::new();
    for (place, stack) in scene.stacks() {
        let dropped = stack.counter("TcpExt.IPReversePathFilter");
        if dropped == 0 {
            continue;
        }
        let all = stack.number(ALL).unwrap_or(0);
        let own = |name: &str| format!("net/ipv4/conf/{name}/rp_filter");
        let strict = stack.links.iter().filter(|link| !link.loopback && scene.matters(place, link));
        let strict = strict
            .filter(|link| stack.number(&own(&link.name)).is_some_and(|own| own.max(all) == 1));
        let names: Vec<&str> = strict.map(|link| link.name.as_str()).collect();
        let Some(first) = names.first() else { continue };
        let what = format!(
            "{dropped} packets were dropped because their way back is not `{}`",
            names.join("`, `")
        );
        let key = if all == 1 { ALL.to_owned() } else { own(first) };
        let finding = CHECK
            .finding(place, what)
            .with("key", key)
            .with("value", "1")
            .with("interface", names.join(" "))
            .with("counter", "TcpExt.IPReversePathFilter")
            .with("count", dropped);
        found.push(finding.fix(format!(
            "set `net.ipv4.conf.all.rp_filter` and `net.ipv4.conf.{first}.rp_filter` to 2"
        )));
    }
    found
}

//! Messages about routes, rules, neighbours, settings and impairments.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::diag::{Diagnostic, Span, Spanned};
use crate::name::FullName;
use crate::spec::ViaSpec;

/// A gateway that is on no network of the node.
pub fn gateway_unreachable(
    node: &str,
    gateway: IpAddr,
    dev: Option<&FullName>,
    span: Span,
) -> Diagnostic {
    let text = match dev {
        Some(dev) => format!("`{dev}` has no address of a network with `{gateway}` in it"),
        None => "no interface has an address of a network with it in it".to_owned(),
    };
    Diagnostic::error("gateway-unreachable", format!("`{node}` does not reach `{gateway}`"))
        .at(span, text)
        .hint("a gateway is on a network of the node; `dev` with `onlink: true` takes it on trust")
}

/// A gateway on a segment of which all addresses are known, and nobody has it.
pub fn gateway_nobody(segment: &str, gateway: IpAddr, span: Span) -> Diagnostic {
    Diagnostic::warning(
        "gateway-nobody",
        format!("nobody on {segment} has the address `{gateway}`"),
    )
    .at(span, "packets to this gateway get no answer")
    .hint("give the address to a node, or write `node:interface` for the gateway")
}

/// `onlink` without `dev`.
pub fn onlink_without_dev(span: Span) -> Diagnostic {
    Diagnostic::error("route-dev-missing", "an `onlink` gateway needs `dev`")
        .at(span, "nothing else says through which interface it is reached")
}

/// `node:interface` without an address of the family, `IPv4 ` or `IPv6 ` or either.
pub fn via_without_address(via: &Spanned<ViaSpec>, family: &str) -> Diagnostic {
    let name = match &via.value {
        ViaSpec::Interface(name) => name.clone(),
        ViaSpec::Address(address) => address.to_string(),
    };
    Diagnostic::error("via-without-address", format!("`{name}` has no {family}address"))
        .at(via.span, "so it cannot be a gateway")
}

/// A gateway of the other family.
pub fn via_family(gateway: IpAddr, span: Span) -> Diagnostic {
    Diagnostic::error(
        "gateway-family",
        format!("the gateway `{gateway}` is not of the destination's family"),
    )
    .at(span, "")
}

/// A gateway that is neither an address nor `node:interface`.
pub fn via_no_endpoint(text: &str, span: Span) -> Diagnostic {
    Diagnostic::error("gateway-unknown", format!("`{text}` is no gateway"))
        .at(span, "a gateway is an address or `node:interface`")
}

/// A route without a way to go.
pub fn route_nowhere(span: Span) -> Diagnostic {
    Diagnostic::error("route-nowhere", "this route leads nowhere")
        .at(span, "")
        .hint("write `via: ADDRESS`, `dev: INTERFACE`, or `blackhole: true`")
}

/// A route that both stops and leads on.
pub fn route_stops(span: Span) -> Diagnostic {
    Diagnostic::error("route-stops", "a route that drops packets has no next hop").at(span, "")
}

/// Two routes of one node that the kernel cannot tell apart.
pub fn route_twice(node: &str, destination: IpNet, span: Span, first: Span) -> Diagnostic {
    Diagnostic::error("route-twice", format!("`{node}` has two routes to `{destination}`"))
        .at(span, "this one")
        .at(first, "and this one")
        .hint("give them different `metric`s or tables, or join them with `nexthops`")
}

/// A route that an address brings with it.
pub fn route_connected(destination: IpNet, interface: &FullName, span: Span) -> Diagnostic {
    Diagnostic::error(
        "route-connected",
        format!("the address of `{interface}` already brings a route to `{destination}`"),
    )
    .at(span, "the kernel refuses a second one with the same metric")
    .hint("give this one a `metric`")
}

/// A route through an interface that stays down.
pub fn route_down(dev: &Spanned<String>, made: Span) -> Diagnostic {
    Diagnostic::error("route-down", format!("`{}` stays down", dev.value))
        .at(dev.span, "no route can lead through it")
        .at(made, "`up: false`")
}

/// `source:` that the node does not have.
pub fn source_unknown(node: &str, source: &Spanned<IpAddr>) -> Diagnostic {
    Diagnostic::error("source-unknown", format!("`{node}` does not have `{}`", source.value))
        .at(source.span, "a source is an address of the node")
}

/// Two neighbour entries for one address.
pub fn neighbour_twice(node: &str, address: &Spanned<IpAddr>) -> Diagnostic {
    Diagnostic::error(
        "neighbour-twice",
        format!("`{node}` has two neighbour entries for `{}`", address.value),
    )
    .at(address.span, "")
}

/// Two rules that say the same.
pub fn rule_twice(node: &str, span: Span) -> Diagnostic {
    Diagnostic::error("rule-twice", format!("`{node}` has this rule twice")).at(span, "")
}

/// A rule that jumps back.
pub fn rule_jumps_back(target: u32, span: Span) -> Diagnostic {
    Diagnostic::error("rule-jump", format!("a rule cannot go back to priority {target}"))
        .at(span, "`goto` leads to a later rule")
}

/// A rule that jumps to no rule.
pub fn rule_jumps_nowhere(target: u32, span: Span) -> Diagnostic {
    Diagnostic::warning("rule-jump", format!("no rule has priority {target}"))
        .at(span, "the kernel skips this rule")
}

/// A setting that is the host's.
pub fn sysctl_of_host(key: &Spanned<String>, hostname: bool) -> Diagnostic {
    let found = Diagnostic::error(
        "sysctl-of-host",
        format!("`{}` is a setting of the whole machine", key.value),
    )
    .at(key.span, "a node has only those below `net` that the kernel keeps by namespace");
    if hostname {
        return found.hint("write `hostname:`");
    }
    found.hint("set it on the host with sysctl(8)")
}

/// A key that is no path below `/proc/sys`.
pub fn sysctl_bad(key: &Spanned<String>) -> Diagnostic {
    Diagnostic::error("sysctl-key", format!("`{}` is no kernel setting", key.value))
        .at(key.span, "")
        .hint("write it as in `net.ipv4.conf.all.rp_filter`")
}

/// One setting with two values.
pub fn sysctl_twice(key: &str, span: Span, first: Span) -> Diagnostic {
    Diagnostic::error("sysctl-twice", format!("`{key}` has two values"))
        .at(span, "here")
        .at(first, "and here")
}

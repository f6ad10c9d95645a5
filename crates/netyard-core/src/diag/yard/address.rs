//! Messages about addresses and prefixes.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::diag::{Diagnostic, Span};

/// An address that no interface can have.
pub fn address_unusable(net: IpNet, why: &str, span: Span) -> Diagnostic {
    Diagnostic::error("address-unusable", format!("no interface can have the address `{net}`"))
        .at(span, why)
}

/// One address twice in an interface's list.
pub fn address_repeated(name: &str, net: IpNet, span: Span, first: Span) -> Diagnostic {
    Diagnostic::error("address-twice", format!("`{name}` has the address `{net}` twice"))
        .at(span, "here")
        .at(first, "and here")
}

/// One address twice on one segment.
pub fn address_twice(
    segment: &str,
    address: IpAddr,
    [a, b]: [&str; 2],
    span: Span,
    first: Span,
) -> Diagnostic {
    Diagnostic::error("address-twice", format!("{segment} has the address `{address}` twice"))
        .at(span, format!("`{b}` has it here"))
        .at(first, format!("and `{a}` here"))
}

/// One address at two nodes.
pub fn address_taken(address: IpAddr, [a, b]: [&str; 2], span: Span, first: Span) -> Diagnostic {
    Diagnostic::error("address-taken", format!("two nodes have the address `{address}`"))
        .at(span, format!("`{b}` has it here"))
        .at(first, format!("and `{a}` here"))
        .hint("if both networks are to look the same, declare `prefix` in both")
}

/// An explicit address outside of its network's prefixes.
pub fn address_outside(segment: &str, net: IpNet, prefixes: &[IpNet], span: Span) -> Diagnostic {
    let list: Vec<String> = prefixes.iter().map(|p| format!("`{p}`")).collect();
    Diagnostic::warning("address-outside", format!("`{net}` is in no prefix of {segment}"))
        .at(span, format!("it has {}", list.join(", ")))
}

/// An explicit address with another prefix length than its network.
pub fn prefix_length_differs(segment: &str, net: IpNet, prefix: IpNet, span: Span) -> Diagnostic {
    Diagnostic::warning(
        "prefix-length-differs",
        format!("`{net}` and the prefix `{prefix}` of {segment} differ in length"),
    )
    .at(span, format!("write `{}/{}`", net.addr(), prefix.prefix_len()))
}

/// A prefix with too few addresses.
pub fn prefix_full(segment: &str, prefix: IpNet, wanted: usize, span: Span) -> Diagnostic {
    Diagnostic::error("prefix-full", format!("`{prefix}` is too small for {segment}"))
        .at(span, format!("{wanted} interfaces want an address of it"))
        .hint("take a shorter prefix length, or write `address: none` where none is needed")
}

/// No prefix left to allot.
pub fn pools_used_up(segment: &str, v6: bool, span: Span) -> Diagnostic {
    let family = if v6 { "IPv6" } else { "IPv4" };
    Diagnostic::error("pools-used-up", format!("there is no {family} prefix left for {segment}"))
        .at(span, "")
        .hint("add a prefix to `pools`, or give this one a `prefix` of its own")
}

/// Two segments with overlapping prefixes.
pub fn prefixes_overlap(
    [a, b]: [&str; 2],
    [first_prefix, prefix]: [IpNet; 2],
    [first, span]: [Span; 2],
    on_host: bool,
) -> Diagnostic {
    let message = format!("the prefixes of {a} and {b} overlap");
    let found = if on_host {
        Diagnostic::error("prefixes-overlap", message)
            .hint("both are on the host, which can reach only one of them")
    } else {
        Diagnostic::warning("prefixes-overlap", message)
    };
    found.at(span, format!("`{prefix}`")).at(first, format!("`{first_prefix}`"))
}

/// A segment whose prefix the host uses already.
pub fn prefix_on_host(
    segment: &str,
    prefix: IpNet,
    route: IpNet,
    interface: &str,
    span: Span,
    touches: bool,
) -> Diagnostic {
    let message = format!("`{prefix}` of {segment} overlaps a route of the host");
    let found = if touches {
        Diagnostic::error("prefix-on-host", message)
    } else {
        Diagnostic::warning("prefix-on-host", message)
    };
    found
        .at(span, format!("the host reaches `{route}` through `{interface}`"))
        .hint("choose another prefix, or leave it out: netyard finds a free one")
}

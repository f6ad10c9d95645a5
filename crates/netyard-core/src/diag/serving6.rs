//! Messages about what is served on networks for IPv6.

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

use crate::diag::{Diagnostic, Span};

/// An IPv4 address where IPv6 is meant.
pub fn not_ipv6(found: &str, span: Span) -> Diagnostic {
    Diagnostic::error("not-ipv6", format!("`{found}` is not of IPv6"))
        .at(span, "`ra` and `dhcp6` are about IPv6 alone")
}

/// A range that cannot be read.
pub fn bad_range(found: &str, span: Span) -> Diagnostic {
    Diagnostic::error("dhcp6-range", format!("`{found}` is no range of IPv6 addresses"))
        .at(span, "")
        .hint("write first and last address, in quotes: `\"fd00:1::1000-fd00:1::1fff\"`; or `none`")
}

/// A range, or an address, outside of the network.
pub fn outside(found: &str, network: &str, span: Span) -> Diagnostic {
    let message = format!("`{found}` is in no IPv6 prefix of network `{network}`");
    Diagnostic::error("dhcp6-range", message).at(span, "clients could not use it on this link")
}

/// A network without IPv6.
pub fn no_prefix(key: &str, network: &str, span: Span) -> Diagnostic {
    let message = format!("network `{network}` has no IPv6 prefix for `{key}`");
    Diagnostic::error("ipv6-prefix", message)
        .at(span, "")
        .hint("write one: `prefix: [10.1.0.0/24, fd00:1::/64]`, or leave `prefix` out")
}

/// Hosts make no address of such a prefix.
pub fn slaac_needs_64(prefix: Ipv6Net, span: Span) -> Diagnostic {
    let message = format!("hosts make themselves no address in `{prefix}`");
    Diagnostic::error("slaac-prefix", message)
        .at(span, "that takes a /64, no more and no less (RFC 4862)")
        .hint("give the network a /64, or write `slaac: false` and `dhcp6: on`")
}

/// The same where nobody said that they should.
pub fn no_slaac(prefix: Ipv6Net, span: Span) -> Diagnostic {
    let message = format!("hosts will make themselves no address in `{prefix}`, which is no /64");
    Diagnostic::warning("slaac-prefix", message)
        .at(span, "")
        .hint("write `slaac: false` if that is meant, with `dhcp6: on` for addresses")
}

/// A pool that is smaller than what is cut from it.
pub fn pool_too_small(pool: Ipv6Net, length: u8, span: Span) -> Diagnostic {
    let message = format!("`{pool}` has no prefix of the length {length}");
    Diagnostic::error("prefix-delegation", message)
        .at(span, "a pool is at least as large as one prefix")
}

/// A pool that takes addresses of the link away.
pub fn pool_overlaps(pool: Ipv6Net, prefix: Ipv6Net, span: Span) -> Diagnostic {
    let message = format!("the pool `{pool}` overlaps `{prefix}`, which is on the link itself");
    Diagnostic::error("prefix-delegation", message)
        .at(span, "what is delegated is behind other routers")
}

/// What dnsmasq cannot do.
pub fn not_by_dnsmasq(what: &str, span: Span) -> Diagnostic {
    Diagnostic::error("engine", format!("dnsmasq does not know {what}"))
        .at(span, "")
        .hint("leave `engine: dnsmasq` out")
}

/// An address that two are to have.
pub fn fixed_taken(address: Ipv6Addr, other: &str, span: Span) -> Diagnostic {
    Diagnostic::error("dhcp6-static", format!("`{address}` is already that of `{other}`"))
        .at(span, "")
}

/// A client that is nobody.
pub fn no_client(found: &str, network: &str, span: Span) -> Diagnostic {
    let message = format!("`{found}` is neither a node in network `{network}` nor a MAC address");
    Diagnostic::error("dhcp6-static", message).at(span, "").hint(
        "a MAC address is six pairs of hexadecimal digits, in quotes: `\"02:00:00:00:00:01\"`",
    )
}

/// `delegated:` names nothing that could ask.
pub fn nobody_asks<'a>(
    found: &str,
    span: Span,
    known: impl Iterator<Item = &'a str>,
) -> Diagnostic {
    let message = format!("`{found}` is no interface that could ask for a prefix");
    let interface = found.split_once(':').map_or(found, |(_, interface)| interface);
    Diagnostic::error("delegated", message)
        .at(span, "a node and its interface, `gw:wan`; of this machine, `host:eth0`")
        .did_you_mean(interface, known)
}

/// Whoever asks is not in the network.
pub fn not_there(node: &str, network: &str, span: Span) -> Diagnostic {
    let message = format!("`{node}` asks for a prefix for network `{network}`, and is not in it");
    Diagnostic::error("delegated", message)
        .at(span, "it is the one that would lead there")
        .hint("give it an interface in the network; the host has one with `uplink: routed`")
}

/// Somebody else advertises.
pub fn another_serves(node: &str, network: &str, span: Span) -> Diagnostic {
    let message =
        format!("the prefix of network `{network}` comes by `{node}`, which does not serve it");
    Diagnostic::error("delegated", message)
        .at(span, "only who is given it knows how long it lasts")
        .hint(format!("write `serve: {node}` at the network"))
}

/// Nobody tells hosts.
pub fn not_told(network: &str, span: Span) -> Diagnostic {
    let message = format!("nobody tells the hosts of network `{network}` which prefix it is given");
    Diagnostic::warning("delegated", message).at(span, "").hint("write `ra: on` at the network")
}

/// Whoever asks passes nothing on.
pub fn no_router(node: &str, span: Span) -> Diagnostic {
    let message = format!("`{node}` asks for a prefix, and passes no packets on");
    Diagnostic::error("delegated", message)
        .at(span, "nobody behind it could use the prefix")
        .hint("write `forward: true` at the node")
}

/// Two networks with one /64.
pub fn same_number(number: u32, other: &str, span: Span) -> Diagnostic {
    let message = format!("the /64 number {number} is that of network `{other}`, too");
    Diagnostic::error("delegated", message).at(span, "")
}

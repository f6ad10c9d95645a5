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

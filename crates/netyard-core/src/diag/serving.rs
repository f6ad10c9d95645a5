//! Messages about what is served on networks.

use std::net::Ipv4Addr;

use ipnet::IpNet;

use crate::diag::{Diagnostic, Span};

/// An IPv6 address where DHCPv4 takes none.
pub fn not_ipv4(found: &str, span: Span) -> Diagnostic {
    Diagnostic::error("not-ipv4", format!("`{found}` is no IPv4 address"))
        .at(span, "`dhcp` is DHCP for IPv4")
}

/// A range that cannot be read.
pub fn bad_range(found: &str, span: Span) -> Diagnostic {
    Diagnostic::error("dhcp-range", format!("`{found}` is no range of IPv4 addresses"))
        .at(span, "")
        .hint("write first and last address: `10.1.0.100-10.1.0.199`")
}

/// A range outside of the network.
pub fn range_outside(first: Ipv4Addr, last: Ipv4Addr, prefix: IpNet, span: Span) -> Diagnostic {
    let message = format!("the range `{first}-{last}` is not within `{prefix}`");
    Diagnostic::error("dhcp-range", message)
        .at(span, "clients could not use the rest of these addresses")
}

/// Two ranges that share addresses.
pub fn range_overlaps(span: Span, other: Span) -> Diagnostic {
    Diagnostic::error("dhcp-range", "two ranges share addresses").at(span, "here").at(other, "here")
}

/// An option that has no name.
pub fn unknown_option<'a>(
    found: &str,
    span: Span,
    names: impl Iterator<Item = &'a str>,
) -> Diagnostic {
    let message = match found.parse::<u32>() {
        Ok(_) => format!("the DHCP option {found} cannot be set here"),
        Err(_) => format!("there is no DHCP option `{found}`"),
    };
    Diagnostic::error("dhcp-option", message)
        .at(span, "")
        .did_you_mean(found, names)
        .hint("those without a name are written by their code, 1 to 254; those that have a key of their own or are the protocol's are not")
}

/// A value that an option cannot have.
pub fn bad_option(name: &str, found: &str, wanted: &str, span: Span) -> Diagnostic {
    Diagnostic::error("dhcp-option", format!("the DHCP option `{name}` cannot be `{found}`"))
        .at(span, format!("needs {wanted}"))
}

/// Nobody to be given addresses of.
pub fn no_prefix(network: &str, span: Span) -> Diagnostic {
    let message = format!("network `{network}` has no IPv4 prefix to give addresses of");
    Diagnostic::error("dhcp-prefix", message)
        .at(span, "")
        .hint("write `prefix: 10.1.0.0/24`, or leave `prefix` out")
}

/// A prefix without room.
pub fn no_room(network: &str, prefix: IpNet, span: Span) -> Diagnostic {
    let message = format!("`{prefix}` of network `{network}` has no address left to give");
    Diagnostic::error("dhcp-prefix", message).at(span, "")
}

/// A client that is nobody.
pub fn no_client(found: &str, network: &str, span: Span) -> Diagnostic {
    let message = format!("`{found}` is neither a node in network `{network}` nor a MAC address");
    Diagnostic::error("dhcp-static", message).at(span, "").hint(
        "a MAC address is six pairs of hexadecimal digits, in quotes: `\"02:00:00:00:00:01\"`",
    )
}

/// An address that two are to have.
pub fn fixed_taken(address: Ipv4Addr, other: &str, span: Span) -> Diagnostic {
    Diagnostic::error("dhcp-static", format!("`{address}` is already that of `{other}`"))
        .at(span, "")
}

/// An address outside of the network.
pub fn fixed_outside(address: Ipv4Addr, prefix: IpNet, span: Span) -> Diagnostic {
    Diagnostic::error("dhcp-static", format!("`{address}` is not within `{prefix}`"))
        .at(span, "the client could not use it")
}

/// A name that cannot be one.
pub fn bad_name(sort: &str, found: &str, span: Span) -> Diagnostic {
    Diagnostic::error("dns-name", format!("`{found}` cannot be a {sort}"))
        .at(span, "labels of at most 63 bytes, separated by dots, at most 253 bytes in all")
}

/// A server that is nobody, or elsewhere.
pub fn no_server(found: &str, network: &str, is_node: bool, span: Span) -> Diagnostic {
    let message = match is_node {
        true => format!("`{found}` has no address in network `{network}`"),
        false => format!("there is no node `{found}`"),
    };
    Diagnostic::error("serve", message).at(span, "who serves a network needs an address in it")
}

/// A network that has no place to serve from.
pub fn nowhere(network: &str, span: Span) -> Diagnostic {
    let message = format!("there is nobody in network `{network}` who could serve it");
    Diagnostic::error("serve", message)
        .at(span, "")
        .hint("write `serve: NODE`, a node with an address in it")
}

/// Words that say how, where nothing is served.
pub fn nothing_served(key: &str, span: Span) -> Diagnostic {
    Diagnostic::error("serve", format!("`{key}` without anything that is served"))
        .at(span, "")
        .hint("write `dhcp: on` or `dns: on` beside it")
}

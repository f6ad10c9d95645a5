//! Messages about parents, masters, kinds and VLANs.

use crate::diag::{Diagnostic, Span, Spanned, quoted_list};
use crate::name::FullName;

/// `parent:` where there can be none.
pub fn parent_refused(name: &FullName, span: Span) -> Diagnostic {
    Diagnostic::error("parent-refused", format!("interface `{name}` cannot have a parent"))
        .at(span, "")
        .hint("`vlan`, `macvlan`, `macvtap`, `ipvlan` and `vxlan` interfaces can")
}

/// A parent in another node.
pub fn parent_elsewhere(said: &Spanned<String>, node: &str) -> Diagnostic {
    Diagnostic::error("parent-elsewhere", format!("the parent is in another node, `{node}`"))
        .at(said.span, "a parent is in the same node, or on the host")
        .hint("join the nodes with a link, or plug both into a network")
}

/// A parent of a kind on which nothing can sit.
pub fn parent_kind(own: &str, parent: &str, span: Span) -> Diagnostic {
    Diagnostic::error("parent-kind", format!("a `{own}` cannot sit on a `{parent}`")).at(span, "")
}

/// A parent whose frames go elsewhere already.
pub fn parent_busy(parent: &FullName, span: Span, other: Span) -> Diagnostic {
    Diagnostic::error("parent-busy", format!("`{parent}` cannot give its frames to both"))
        .at(span, "this takes them all")
        .at(other, "and so does this")
        .hint(
            "the kernel has one receiver for each interface: a bridge, a bond, macvlans or ipvlans",
        )
}

/// An interface of a node that is not there.
pub fn interface_unknown<'a>(
    node: &str,
    said: &Spanned<String>,
    names: impl Iterator<Item = &'a str>,
) -> Diagnostic {
    let (value, span) = (&said.value, said.span);
    Diagnostic::error("interface-unknown", format!("`{node}` has no interface `{value}`"))
        .at(span, "")
        .did_you_mean(value, names)
}

/// An interface of the host that is not there.
pub fn host_interface_unknown<'a>(
    name: &str,
    span: Span,
    names: impl Iterator<Item = &'a str>,
) -> Diagnostic {
    Diagnostic::error("interface-unknown", format!("the host has no interface `{name}`"))
        .at(span, "")
        .did_you_mean(name, names)
}

/// A master that cannot be one.
pub fn master_kind(said: &Spanned<String>, kind: &str, made: Span) -> Diagnostic {
    Diagnostic::error("master-kind", format!("`{}` cannot be a master", said.value))
        .at(said.span, "a master is a `bridge`, `vrf` or `bond`")
        .at(made, format!("this is a `{kind}`"))
}

/// A member that its master does not take.
pub fn member_kind(name: &FullName, kind: &str, master: &str, span: Span) -> Diagnostic {
    Diagnostic::error(
        "member-kind",
        format!("`{name}` is a `{kind}`, which a `{master}` does not take"),
    )
    .at(span, "")
}

/// Parents and masters that go in a circle.
pub fn relation_loop(node: &str, ring: &[(&str, Span)]) -> Diagnostic {
    let names: Vec<&str> = ring.iter().map(|(name, _)| *name).collect();
    let mut found = Diagnostic::error(
        "relation-loop",
        format!("in `{node}`, {} sit on each other in a circle", quoted_list(&names)),
    );
    for (_, span) in ring {
        found = found.at(*span, "");
    }
    found.hint("an interface cannot be above and below the same other one")
}

/// A bond that nothing belongs to.
pub fn bond_empty(name: &FullName, span: Span) -> Diagnostic {
    Diagnostic::warning("bond-empty", format!("the bond `{name}` has no members"))
        .at(span, "it carries nothing")
        .hint(format!("write `master: {name}` at its members"))
}

/// Two VRFs with one table.
pub fn vrf_table_twice(table: u32, span: Span, first: Span) -> Diagnostic {
    Diagnostic::error("vrf-table", format!("two VRFs of one node have the table {table}"))
        .at(span, "this one")
        .at(first, "and this one")
}

/// A VRF with one of the kernel's tables.
pub fn vrf_table_reserved(name: &FullName, table: u32, span: Span) -> Diagnostic {
    Diagnostic::error("vrf-table", format!("the VRF `{name}` cannot have the table {table}"))
        .at(span, "0 and 253 to 255 are the kernel's own")
}

/// VLANs on a bridge that was told to ignore them.
pub fn vlan_not_filtering(network: &str, span: Span, off: Span) -> Diagnostic {
    Diagnostic::error("vlan-not-filtering", format!("{network} ignores VLANs"))
        .at(span, "this port has some")
        .at(off, "but filtering is off")
        .hint("leave `vlan-filtering` out: it is on where any port has VLANs")
}

/// More ports than a star of bridges takes.
pub fn too_many_ports(network: &str, ports: usize, most: usize, span: Span) -> Diagnostic {
    Diagnostic::error("too-many-ports", format!("{network} has {ports} ports"))
        .at(span, format!("netyard joins at most {most}"))
        .hint("split it into several networks")
}

/// More isolated ports than one bridge takes.
pub fn too_many_isolated(network: &str, ports: usize, most: usize, span: Span) -> Diagnostic {
    Diagnostic::error("too-many-ports", format!("{network} has {ports} isolated ports"))
        .at(span, format!("they must be on one bridge, which takes {most}"))
}

/// Two MTUs on one segment.
pub fn mtu_differs(segment: &str, mtu: u32, span: Span, other: u32, first: Span) -> Diagnostic {
    Diagnostic::error("mtu-differs", format!("{segment} has two MTUs, {other} and {mtu}"))
        .at(span, format!("{mtu} here"))
        .at(first, format!("{other} here"))
        .hint("frames that are too long vanish there without a trace; give all of it one `mtu`")
}

/// An MTU above that of what carries it.
pub fn mtu_above_parent(name: &FullName, mtu: u32, most: u32, span: Span) -> Diagnostic {
    Diagnostic::error("mtu-above-parent", format!("`{name}` cannot have the MTU {mtu}"))
        .at(span, format!("what it sits on carries {most}"))
}

/// IPv6 on too small an MTU.
pub fn mtu_below_ipv6(name: &str, mtu: u32, span: Span) -> Diagnostic {
    Diagnostic::error("mtu-below-ipv6", format!("`{name}` has an IPv6 address and the MTU {mtu}"))
        .at(span, "")
        .hint("the kernel turns IPv6 off below 1280")
}

/// A MAC on a kind that cannot have its own.
pub fn mac_refused(name: &FullName, why: &str, span: Span) -> Diagnostic {
    Diagnostic::error("mac-refused", format!("`{name}` cannot have a MAC address of its own"))
        .at(span, why)
}

/// One MAC twice on one segment.
pub fn mac_twice(segment: &str, mac: crate::addr::Mac, span: Span, first: Span) -> Diagnostic {
    Diagnostic::error("mac-twice", format!("{segment} has the MAC address `{mac}` twice"))
        .at(span, "here")
        .at(first, "and here")
}

/// An MTU for `lo`.
pub fn loopback_mtu(span: Span) -> Diagnostic {
    Diagnostic::error("loopback-mtu", "`lo` has an MTU of its own, 65536, which netyard leaves")
        .at(span, "")
        .hint("no packet leaves by `lo`; give the MTU to the interface by which it does")
}

/// Two VXLANs that the kernel cannot tell apart.
pub fn vxlan_twice(id: u32, port: u16, span: Span, first: Span) -> Diagnostic {
    Diagnostic::error(
        "vxlan-twice",
        format!("there are two VXLANs {id} on UDP port {port} in one namespace"),
    )
    .at(span, "the kernel would not know whose a packet is")
    .at(first, "the other one")
    .hint("give one of them another `id` or another `port`")
}

/// A physical interface that carries the host's way out.
pub fn physical_lockout(name: &str, span: Span) -> Diagnostic {
    Diagnostic::error("physical-lockout", format!("the host's way out leads through `{name}`"))
        .at(span, "lending it would cut the host off")
        .hint("move the host's default route to another interface first")
        .hint(format!("or use `{{ kind: macvlan, parent: host:{name} }}`, which shares it"))
}

/// A physical interface with addresses, which it loses.
pub fn physical_addresses(name: &str, span: Span) -> Diagnostic {
    Diagnostic::warning(
        "physical-addresses",
        format!("the host's addresses on `{name}` will be gone while it is lent"),
    )
    .at(span, "an interface loses its addresses when it moves")
    .hint("`netyard down` gives it back with its addresses and routes as they are now")
}

/// A physical interface that cannot leave its namespace.
pub fn physical_stays(name: &str, kind: &str, span: Span) -> Diagnostic {
    Diagnostic::error("physical-kind", format!("`{name}` is a `{kind}`, which cannot be lent"))
        .at(span, "the kernel does not move it to another namespace")
}

/// A physical interface lent to two.
pub fn physical_twice(name: &str, span: Span, first: Span) -> Diagnostic {
    Diagnostic::error("physical-twice", format!("`{name}` is lent twice"))
        .at(span, "here")
        .at(first, "and here")
}

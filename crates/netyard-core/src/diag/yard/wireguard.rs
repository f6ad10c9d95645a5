//! Messages about WireGuard.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::diag::{Diagnostic, Span, Spanned};

/// A text that is no key; `why` goes after "it".
pub fn key_wrong(what: &str, why: &str, span: Span) -> Diagnostic {
    Diagnostic::error("key-wrong", format!("{what} {why}"))
        .at(span, "a key is 32 bytes in base64: 44 characters, the last one `=`")
}

/// A file of a key that cannot be used; `why` goes after its name.
pub fn key_file(file: &str, why: &str, fix: &str, span: Span) -> Diagnostic {
    Diagnostic::error("key-file", format!("the key file `{file}` {why}")).at(span, "").hint(fix)
}

/// A peer of which nobody knows who it is.
pub fn peer_unnamed(span: Span) -> Diagnostic {
    Diagnostic::error("peer-unnamed", "this peer does not say who it is")
        .at(span, "needs `node`, `public-key` or `name`")
}

/// A peer that is two.
pub fn peer_twofold(node: Span, key: Span) -> Diagnostic {
    Diagnostic::error("peer-twofold", "a peer is a node of this yard or somebody outside")
        .at(node, "a node's key is known")
        .at(key, "this is a key of somebody else")
}

/// An endpoint that is none.
pub fn endpoint_wrong(said: &Spanned<String>) -> Diagnostic {
    Diagnostic::error("endpoint-wrong", format!("`{}` is no endpoint", said.value)).at(
        said.span,
        "an address or a name, and a port: `vpn.example:51820`, `[2001:db8::1]:51820`",
    )
}

/// A birth namespace that is not there.
pub fn birth_unknown<'a>(
    said: &Spanned<String>,
    names: impl Iterator<Item = &'a str>,
) -> Diagnostic {
    let names = names.chain(["host", "fabric", "own"]);
    Diagnostic::error("birth-unknown", format!("there is no node `{}`", said.value))
        .at(said.span, "`host`, `fabric`, `own` or a node of this yard")
        .did_you_mean(&said.value, names)
}

/// A peer that is no WireGuard interface.
pub fn peer_unknown(node: &str, interface: &str, span: Span) -> Diagnostic {
    Diagnostic::error("peer-unknown", format!("`{node}` has no WireGuard interface `{interface}`"))
        .at(span, "")
        .hint(format!("give it `{interface}: {{ kind: wireguard, peers: […] }}`"))
}

/// An interface that is its own peer.
pub fn peer_itself(span: Span) -> Diagnostic {
    Diagnostic::error("peer-itself", "an interface is no peer of its own").at(span, "")
}

/// A peer that does not have this interface as its peer.
pub fn peer_one_sided(own: &str, other: &str, span: Span, made: Span) -> Diagnostic {
    Diagnostic::error("peer-one-sided", format!("`{other}` does not have `{own}` as its peer"))
        .at(span, "so it answers nothing that comes from here")
        .at(made, "a peer is missing here")
        .hint("a link says both at once: `{ ends: [a:wg0, b:wg0], tunnel: wireguard }`")
}

/// One peer twice on an interface.
pub fn peer_repeated(name: &str, span: Span, first: Span) -> Diagnostic {
    Diagnostic::error("peer-repeated", format!("`{name}` has this peer already"))
        .at(span, "again")
        .at(first, "first here")
}

/// Of two peers of one interface, both claim the same addresses.
pub fn allowed_overlap(name: &str, net: IpNet, span: Span, first: Span) -> Diagnostic {
    Diagnostic::error("allowed-ips-overlap", format!("two peers of `{name}` have `{net}`"))
        .at(span, "the last one would take it from the other")
        .at(first, "it is this one's already")
        .hint("one interface for each peer lets routes decide instead")
}

/// A peer with which nothing is exchanged.
pub fn allowed_none(name: &str, span: Span) -> Diagnostic {
    Diagnostic::warning("allowed-ips-none", format!("this peer of `{name}` has no `allowed-ips`"))
        .at(span, "nothing is sent to it, and nothing is taken from it")
}

/// A peer outside whose addresses nobody said.
pub fn allowed_missing(name: &str, span: Span) -> Diagnostic {
    Diagnostic::warning("allowed-ips-none", format!("this peer of `{name}` has no `allowed-ips`"))
        .at(span, "nothing is sent to it, and nothing is taken from it")
        .hint("write `allowed-ips: 0.0.0.0/0` for everything, or the networks behind it")
}

/// Two interfaces on one port of one namespace.
pub fn listen_taken(port: u16, birth: &str, span: Span, first: Span) -> Diagnostic {
    Diagnostic::error("listen-taken", format!("port {port}/udp is taken in `{birth}`"))
        .at(span, "listens there, too")
        .at(first, "listens there already")
}

/// A node peer whose endpoint does not follow from anything.
pub fn endpoint_unknown(own: &str, other: &str, from: &str, to: &str, span: Span) -> Diagnostic {
    Diagnostic::error("endpoint-unknown", format!("nobody knows how `{own}` reaches `{other}`"))
        .at(span, format!("packets leave from `{from}`, and `{to}` has no address there"))
        .hint("say `endpoint: ADDRESS:PORT`, or another `birth`")
}

/// A tunnel's packets cannot leave from its own inside.
pub fn guest_without_key(name: &str, target: &str, span: Span) -> Diagnostic {
    Diagnostic::warning("guest-without-key", format!("peer `{name}` has no key yet"))
        .at(span, "it is left out")
        .hint(format!("`netyard peer-config {target} {name}` makes its configuration"))
}

/// A guest without an address.
pub fn guest_without_address(name: &str, span: Span) -> Diagnostic {
    Diagnostic::error("guest-without-address", format!("peer `{name}` has no address"))
        .at(span, "needs `allowed-ips` with the address it shall have: `10.9.0.7/32`")
}

/// A tunnel between nodes says `kind:` of something else.
pub fn tunnel_end_kind(kind: &str, span: Span, link: Span) -> Diagnostic {
    Diagnostic::error("tunnel-end-kind", format!("the end of a tunnel is no `{kind}`"))
        .at(span, "")
        .at(link, "the link is a tunnel")
        .hint("leave `kind` out, or write `kind: wireguard`")
}

/// The MTU leaves no room for IPv6.
pub fn endpoint_in_tunnel(endpoint: IpAddr, name: &str, span: Span) -> Diagnostic {
    Diagnostic::error(
        "endpoint-in-tunnel",
        format!("the endpoint {endpoint} is behind the tunnel itself"),
    )
    .at(span, format!("`{name}` is born in the node it is in, and sends this address to the peer"))
    .hint("give it a `birth` elsewhere: `birth: host`")
}

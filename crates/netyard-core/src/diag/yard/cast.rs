//! Messages about who is there: nodes, networks, links, and what makes an interface.

use crate::diag::{Diagnostic, Span, Spanned};
use crate::name::{FullName, NodeName};

/// Two networks of one name.
pub fn network_twice(name: &Spanned<FullName>, first: Span) -> Diagnostic {
    Diagnostic::error("network-twice", format!("there are two networks `{}`", name.value))
        .at(name.span, "this one")
        .at(first, "and this one")
}

/// Two nodes of one name.
pub fn node_twice(name: &Spanned<NodeName>, first: Span) -> Diagnostic {
    Diagnostic::error("node-twice", format!("there are two nodes `{}`", name.value))
        .at(name.span, "this one")
        .at(first, "and this one")
}

/// Two links of one name.
pub fn link_twice(name: &Spanned<FullName>, first: Span) -> Diagnostic {
    Diagnostic::error("link-twice", format!("there are two links `{}`", name.value))
        .at(name.span, "this one")
        .at(first, "and this one")
}

/// Two interfaces of one name in one node.
pub fn interface_twice(node: &str, name: &str, span: Span, first: Span) -> Diagnostic {
    Diagnostic::error("interface-twice", format!("`{node}` has two interfaces `{name}`"))
        .at(span, "this one")
        .at(first, "and this one")
}

/// An entry that would make an interface which something else makes.
pub fn made_already(name: &str, span: Span) -> Diagnostic {
    Diagnostic::error("interface-twice", format!("`{name}` is there already"))
        .at(span, "this may only add settings")
        .hint("leave `network` and `kind` out")
}

/// A link's end that is already something else.
pub fn end_twice(node: &str, end: &Spanned<FullName>, first: Span) -> Diagnostic {
    Diagnostic::error("end-twice", format!("`{node}:{}` is used twice", end.value))
        .at(end.span, "a link would make it")
        .at(first, "but this makes it already")
        .hint("give one of them another name")
}

/// A link to a node that is not there.
pub fn node_unknown<'a>(
    name: &Spanned<String>,
    names: impl Iterator<Item = &'a str>,
) -> Diagnostic {
    Diagnostic::error("node-unknown", format!("there is no node `{}`", name.value))
        .at(name.span, "")
        .did_you_mean(&name.value, names)
}

/// An interface into a network that is not there.
pub fn network_unknown<'a>(
    name: &Spanned<String>,
    names: impl Iterator<Item = &'a str>,
) -> Diagnostic {
    Diagnostic::error("network-unknown", format!("there is no network `{}`", name.value))
        .at(name.span, "")
        .did_you_mean(&name.value, names)
}

/// `kind: physical` in the node `host`.
pub fn physical_on_host(name: &FullName, span: Span) -> Diagnostic {
    Diagnostic::error("physical-on-host", format!("the host has `{name}` already"))
        .at(span, "`physical` lends an interface of the host to another node")
}

/// Settings of an interface that nothing makes.
pub fn nothing_makes_it(node: &str, name: &Spanned<FullName>, host: bool) -> Diagnostic {
    let found = Diagnostic::error(
        "interface-without-kind",
        format!("nothing makes the interface `{node}:{}`", name.value),
    )
    .at(name.span, "it has no `network` and no `kind`, and no link ends here");
    if host {
        return found
            .hint("netyard does not change interfaces of the host that it did not make")
            .hint("write `kind: …`, or end a link here");
    }
    found.hint("write `network: …` or `kind: …`, or end a link here")
}

/// Something is on the host, which a yard without root cannot reach.
pub fn host_unreachable(subject: &str, span: Span) -> Diagnostic {
    Diagnostic::error("needs-root", format!("{subject} on the host, and that needs root"))
        .at(span, "")
        .hint("run netyard as root, or keep the yard in namespaces of its own")
}

/// A kind that this kernel lacks.
pub fn kind_missing(what: &str, option: &str, span: Span) -> Diagnostic {
    Diagnostic::error("kind-missing", format!("this kernel has no `{what}`"))
        .at(span, "first needed here")
        .hint(format!("it needs a kernel with `{option}`"))
}

/// A kind whose device the caller may not open.
pub fn device_forbidden(what: &str, device: &str, span: Span) -> Diagnostic {
    let message = format!("a `{what}` needs `{device}`, which you may not open");
    Diagnostic::error("device-forbidden", message)
        .at(span, "first needed here")
        .hint(format!("run netyard as root, or let root `chmod 666 {device}`, as most systems do"))
}

/// A kernel name that must be exact and is taken.
pub fn name_taken(name: &str, span: Span, first: Span) -> Diagnostic {
    Diagnostic::error("name-taken", format!("two interfaces of one namespace are called `{name}`"))
        .at(span, "this one")
        .at(first, "and this one")
}

/// A kernel name that must be exact and is a stranger's on the host.
pub fn name_on_host(name: &str, span: Span) -> Diagnostic {
    Diagnostic::error("name-on-host", format!("the host has an interface `{name}` already"))
        .at(span, "and it is not this yard's")
        .hint("choose another name")
}

/// A namespace's name that somebody else has.
pub fn netns_foreign(netns: &str, span: Span) -> Diagnostic {
    Diagnostic::error("netns-foreign", format!("there is a namespace `{netns}` already"))
        .at(span, "and it is not this yard's")
        .hint("choose another name with `netns:`, or take that one away with `ip netns delete`")
}

/// Two nodes of one yard with one namespace name.
pub fn netns_twice(netns: &str, span: Span, first: Span) -> Diagnostic {
    Diagnostic::error("netns-twice", format!("two namespaces are called `{netns}`"))
        .at(span, "this one")
        .at(first, "and this one")
        .hint("choose another name with `netns:`")
}

/// A namespace name that is no file name.
pub fn netns_bad(name: &Spanned<String>, why: &str) -> Diagnostic {
    Diagnostic::error("netns-name", format!("the namespace name `{}` {why}", name.value))
        .at(name.span, "it must be a file name")
}

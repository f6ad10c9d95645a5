//! Messages about services.

use super::{Diagnostic, Span};

/// `after:` that is neither a service nor something of an interface.
pub fn bad_after(text: &str, span: Span) -> Diagnostic {
    Diagnostic::error("bad-after", format!("`{text}` is nothing that a service can come after"))
        .at(span, "")
        .hint("write a service, `node:service`, `address eth0`, `carrier eth0`, `lease eth0` or `neighbour eth0`")
}

/// Where metrics cannot be served.
pub fn bad_listen(text: &str, span: Span) -> Diagnostic {
    Diagnostic::error("bad-listen", format!("`{text}` is nothing to listen at"))
        .at(span, "")
        .hint("write an address and a port, as in `127.0.0.1:9917`, or `unix:` and a whole path")
}

/// A variable of the environment that cannot be one.
pub fn bad_variable(name: &str, span: Span) -> Diagnostic {
    Diagnostic::error("bad-variable", format!("`{name}` cannot be a variable of the environment"))
        .at(span, "empty, or with `=` in it")
}

/// More than one thing that would make it ready.
pub fn ready_twice(span: Span) -> Diagnostic {
    Diagnostic::error("ready-twice", "a service is ready by one thing")
        .at(span, "more than one of `tcp`, `udp`, `socket` and `notify`")
        .hint("keep the one that comes last")
}

/// A name that netyard's own processes have.
pub fn reserved(name: &str, span: Span) -> Diagnostic {
    Diagnostic::error("reserved-service", format!("a service cannot be called `{name}`"))
        .at(span, "netyard's own processes have such names")
}

/// `after:` a service that is not there.
pub fn no_service<'a>(
    node: &str,
    name: &str,
    span: Span,
    services: impl Iterator<Item = &'a str> + Clone,
) -> Diagnostic {
    Diagnostic::error("no-service", format!("`{node}` has no service `{name}`"))
        .at(span, "unknown service")
        .did_you_mean(name, services)
}

/// A service of a node that is not there.
pub fn no_node<'a>(
    name: &str,
    span: Span,
    nodes: impl Iterator<Item = &'a str> + Clone,
) -> Diagnostic {
    Diagnostic::error("no-node", format!("there is no node `{name}`"))
        .at(span, "unknown node")
        .did_you_mean(name, nodes)
}

/// An interface that the node does not have.
pub fn no_interface<'a>(
    node: &str,
    name: &str,
    span: Span,
    interfaces: impl Iterator<Item = &'a str> + Clone,
) -> Diagnostic {
    Diagnostic::error("no-interface", format!("`{node}` has no interface `{name}`"))
        .at(span, "unknown interface")
        .did_you_mean(name, interfaces)
}

/// Services that wait for each other.
pub fn circle(names: &str, span: Span) -> Diagnostic {
    Diagnostic::error("service-circle", format!("{names} wait for each other"))
        .at(span, "so none of them would ever start")
}

/// A file to include that is not told by its whole path.
pub fn bad_config(path: &str, span: Span) -> Diagnostic {
    Diagnostic::error("bad-config", format!("`{path}` is not the whole path of a file"))
        .at(span, "")
        .hint("write a path that begins with `/`")
}

/// A configuration in the yard's file, and one beside it.
pub fn text_and_config(span: Span) -> Diagnostic {
    Diagnostic::error("text-and-config", "there are both `text` and `config`".to_owned())
        .at(span, "the daemons read one file")
        .hint("leave one of them out")
}

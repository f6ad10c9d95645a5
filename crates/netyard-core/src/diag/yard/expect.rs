//! Messages about what is expected of a yard.

use crate::diag::{Diagnostic, Span, Spanned};
use crate::expect::Family;

/// `result:` and what `ping:` says are not the same.
pub fn ping_contradicts(ping: (&str, Span), result: (&str, Span)) -> Diagnostic {
    let message = format!("a ping cannot be both `{}` and `{}`", ping.0, result.0);
    Diagnostic::error("expect-contradiction", message)
        .at(ping.1, format!("`{}` here", ping.0))
        .at(result.1, format!("`{}` here", result.0))
        .hint("`ping: true` takes what `result` says; or write two expectations")
}

/// A rate that nothing can have.
pub fn rate_of_nothing(span: Span) -> Diagnostic {
    Diagnostic::error("expect-value", "a rate of 0 is none that could be measured")
        .at(span, "")
        .hint("write `ping: blocked` if nothing is to pass")
}

/// A service without a port of that protocol.
pub fn service_without(name: &Spanned<String>, protocol: &str, other: Option<&str>) -> Diagnostic {
    let found = Diagnostic::error(
        "service-unknown",
        format!("the service `{}` has no {} port", name.value, protocol.to_uppercase()),
    )
    .at(name.span, "");
    match other {
        Some(other) => {
            found.hint(format!("it has one of {}: `{other}: {}`", other.to_uppercase(), name.value))
        }
        None => found.hint("write the port's number"),
    }
}

/// A sender that is an address.
pub fn sender_is_address(said: &Spanned<String>) -> Diagnostic {
    let message = format!("`{}` is an address, and a node sends", said.value);
    Diagnostic::error("expect-from", message)
        .at(said.span, "")
        .hint("write the node, or `node:interface` to send from an address of that interface")
}

/// A target that is one on every link.
pub fn target_link_local(said: &Spanned<String>) -> Diagnostic {
    let message = format!("`{}` means something else on every link", said.value);
    Diagnostic::error("expect-link-local", message)
        .at(said.span, "on which one?")
        .hint("write the node or `node:interface`, or an address of its network")
}

/// A target that is nothing.
pub fn target_unknown<'a>(
    said: &Spanned<String>,
    names: impl Iterator<Item = &'a str>,
) -> Diagnostic {
    let message = format!("there is no node `{}`, and an address it is not", said.value);
    Diagnostic::error("node-unknown", message)
        .at(said.span, "")
        .did_you_mean(&said.value, names)
        .hint("a name that the sender is to look up has a dot in it, or is in its `hosts:`")
}

/// The host where the yard has nothing on it.
pub fn host_takes_no_part(span: Span) -> Diagnostic {
    Diagnostic::error("expect-host", "this yard has nothing on the host")
        .at(span, "")
        .hint("with `host: true` in a network the host has an address there")
}

/// A family that the target lacks.
pub fn no_such_family(target: &str, family: Family, span: Span, said: Span) -> Diagnostic {
    Diagnostic::error("expect-family", format!("`{target}` has no {family} address"))
        .at(span, "")
        .at(said, "of this family it is expected")
}

/// Two ends without a common family.
pub fn no_common_family(from: &str, to: &str, span: Span) -> Diagnostic {
    let message = format!("`{from}` and `{to}` have no addresses of one family");
    Diagnostic::error("expect-family", message)
        .at(span, "nothing can be sent there")
        .hint("`family:` says which one is expected all the same")
}

/// A measurement to where netyard cannot receive.
pub fn measured_beyond(target: &str, span: Span) -> Diagnostic {
    Diagnostic::error("expect-beyond", format!("`{target}` is outside the yard"))
        .at(span, "one way can only be measured where netyard receives, too")
        .hint("`to` a node, an interface or an address of this yard")
}

/// A link's rate that the file does not limit.
pub fn link_without_rate(sender: &str, span: Span) -> Diagnostic {
    Diagnostic::error("expect-value", format!("the file does not limit the rate of `{sender}`"))
        .at(span, "what is it to be?")
        .hint("give the link a `rate`, or write one here")
}

/// A link that is not there.
pub fn link_unknown<'a>(
    said: &Spanned<String>,
    names: impl Iterator<Item = &'a str>,
) -> Diagnostic {
    let message = match said.value.as_str() {
        "all" => "no link of this yard has an impairment".to_owned(),
        name => format!("there is no link `{name}`"),
    };
    Diagnostic::error("link-unknown", message)
        .at(said.span, "")
        .did_you_mean(&said.value, names)
        .hint("a link is called by its `name`, or by its ends: `r1:eth1--r2:eth1`")
}

/// More than anybody waits for.
pub fn too_many_expectations(span: Span, most: usize) -> Diagnostic {
    Diagnostic::error("expect-too-many", format!("more than {most} expectations"))
        .at(span, "here it became too many")
        .hint("`netyard test --matrix` shows who reaches whom in a large yard")
}

//! Messages about firewalls and address translation.

use super::{Diagnostic, Span, Spanned, quoted_list};

/// A name that means something of its own.
pub fn name_reserved(name: &Spanned<String>) -> Diagnostic {
    Diagnostic::error("name-reserved", format!("`{}` means something already", name.value))
        .at(name.span, "a word of rules")
        .hint("choose another name")
}

/// A name of a zone, set or service that cannot be one.
pub fn name_bad(name: &Spanned<String>) -> Diagnostic {
    Diagnostic::error(
        "bad-name",
        format!("`{}` cannot be the name of a zone, set or service", name.value),
    )
    .at(name.span, "")
    .hint("a name is up to 64 letters, digits, `-`, `_`, `.` and `+`")
}

/// A service that is not `tcp PORTS`.
pub fn service_text(text: &Spanned<String>) -> Diagnostic {
    Diagnostic::error("bad-value", format!("`{}` is not a service's port", text.value))
        .at(text.span, "")
        .hint("write the protocol and its ports, as in `udp 27000-27050`")
}

/// A short rule that cannot be read.
pub fn rule_text(text: &Spanned<String>) -> Diagnostic {
    Diagnostic::error("bad-value", format!("`{}` is not a rule", text.value))
        .at(text.span, "")
        .hint("write `SERVICE`, `tcp PORTS`, `icmp` or `any`, and behind it `from …` and `to …`")
}

/// A port without its protocol.
pub fn port_without_protocol(span: Span, port: &str) -> Diagnostic {
    Diagnostic::error("port-without-protocol", format!("port {port} of which protocol?"))
        .at(span, "")
        .hint(format!("write `tcp {port}` or `udp {port}`"))
}

/// A range of ports whose end is before its beginning.
pub fn ports_reversed(span: Span, first: u16, last: u16) -> Diagnostic {
    Diagnostic::error("range-reversed", format!("the ports `{first}-{last}` go backwards"))
        .at(span, "")
        .hint(format!("write `{last}-{first}`"))
}

/// A text that is no port.
pub fn ports_bad(span: Span, found: &str) -> Diagnostic {
    Diagnostic::error("bad-value", format!("`{found}` is not a port"))
        .at(span, "")
        .hint("a port is a number from 1 to 65535, or a range such as `8080-8090`")
}

/// A protocol that has no name here.
pub fn protocol_unknown(word: &Spanned<String>) -> Diagnostic {
    let words = ["icmp", "ping", "icmpv6", "tcp", "udp", "sctp", "esp", "ah", "gre"];
    Diagnostic::error("unknown-word", format!("there is no protocol `{}`", word.value))
        .at(word.span, "unknown word")
        .hint(format!("it can be {}, or a number to 255", quoted_list(&words)))
}

/// A line in the log that begins with too much.
pub fn log_too_long(span: Span, length: usize, most: usize) -> Diagnostic {
    Diagnostic::error(
        "log-too-long",
        format!("a line of the log begins with at most {most} bytes, these are {length}"),
    )
    .at(span, "")
}

/// A line in the log that begins with what would end or break it.
pub fn log_text(span: Span) -> Diagnostic {
    Diagnostic::error(
        "log-text",
        "a line of the log begins with letters of one line: no quotes, no control characters",
    )
    .at(span, "")
}

/// A rule of `allow` or `deny` that says nothing.
pub fn rule_empty(span: Span) -> Diagnostic {
    Diagnostic::error("rule-empty", "a rule that says nothing would match everything")
        .at(span, "")
        .hint("write `any` if that is what you mean")
}

/// A forward whose ports lead beyond the last one.
pub fn ports_past_the_last(span: Span, whole: Span, last: u32) -> Diagnostic {
    Diagnostic::error("ports-past-the-last", format!("they would lead to port {last}"))
        .at(span, "counted from here")
        .at(whole, "these ports")
        .hint("the last port is 65535")
}

/// A rate of nothing.
pub fn rate_zero(span: Span) -> Diagnostic {
    Diagnostic::error("rate-zero", "a rate of 0 lets nothing pass")
        .at(span, "")
        .hint("take the rule out, or put it below `deny`")
}

/// A limit beyond what the kernel counts; `most` is how far it does.
pub fn limit_too_large(span: Span, most: &str) -> Diagnostic {
    Diagnostic::error("limit-too-large", "the kernel cannot count this limit")
        .at(span, "")
        .hint(format!("at most {most}"))
}

/// A nat chain before connections are tracked.
pub fn raw_nat_priority(span: Span, said: &str, priority: i64) -> Diagnostic {
    let message = format!("a nat chain cannot have the priority `{said}`");
    let found = Diagnostic::error("raw-priority", message).at(span, "the kernel refuses it");
    match said.parse::<i64>() {
        Ok(_) => found,
        Err(_) => found.hint(format!("`{said}` is {priority}")),
    }
    .hint("connections are tracked at -200, and translated after: write `dstnat` (-100) or `srcnat` (100)")
}

/// A rate in nft's text that has no room in 64 bits.
pub fn raw_rate(span: Span, rate: &str) -> Diagnostic {
    Diagnostic::error("limit-too-large", format!("the rate `{rate}` has no room in 64 bits"))
        .at(span, "")
}

/// A key that only rules of `allow:` have.
pub fn only_in_allow(key: &str, span: Span) -> Diagnostic {
    Diagnostic::error("unknown-key", format!("`{key}` is for rules of `allow`")).at(span, "")
}

/// A key that only rules of `deny:` have.
pub fn only_in_deny(key: &str, span: Span) -> Diagnostic {
    Diagnostic::error("unknown-key", format!("`{key}` is for rules of `deny`")).at(span, "")
}

/// A target of a forward that cannot be read.
pub fn target_bad(text: &Spanned<String>) -> Diagnostic {
    Diagnostic::error("bad-value", format!("`{}` is nowhere a port could lead", text.value))
        .at(text.span, "")
        .hint("write `NODE:PORT`, `ADDRESS:PORT` or `[IPV6]:PORT`; without a port, the same one")
}

/// Ports that lead to a range of another size.
pub fn ranges_differ(span: Span, whole: Span) -> Diagnostic {
    Diagnostic::error("ranges-differ", "the ports here and the ports they lead to differ in number")
        .at(span, "these")
        .at(whole, "of this")
        .hint("name the first port only, or leave it out for the same ones")
}

/// Two firewalls of one node.
pub fn firewall_twice(node: &Spanned<String>, first: Span) -> Diagnostic {
    Diagnostic::error("firewall-twice", format!("`{}` has two firewalls", node.value))
        .at(node.span, "this one")
        .at(first, "and this one")
        .hint("put all that is said of one node into one entry")
}

/// A zone of nothing.
pub fn zone_empty(name: &Spanned<String>) -> Diagnostic {
    Diagnostic::warning("zone-empty", format!("the zone `{}` is empty", name.value))
        .at(name.span, "no packet comes from here or goes there")
        .hint("name interfaces, networks or prefixes, or take the zone out")
}

/// A set of nothing.
pub fn set_empty(name: &Spanned<String>) -> Diagnostic {
    Diagnostic::warning("set-empty", format!("the set `{}` is empty", name.value))
        .at(name.span, "rules about it match nothing")
        .hint("write addresses or prefixes, or take the set out")
}

/// A service without ports.
pub fn service_empty(name: &Spanned<String>) -> Diagnostic {
    Diagnostic::error("list-empty", format!("the service `{}` has no ports", name.value))
        .at(name.span, "a rule about it would be about everything")
        .hint("write its ports, as in `udp 27000-27050`")
}

/// Two zones that share something.
pub fn zones_overlap(name: &Spanned<String>, first: (&str, Span), shared: &str) -> Diagnostic {
    let message = format!("`{shared}` is in the zones `{}` and `{}`", first.0, name.value);
    Diagnostic::warning("zones-overlap", message)
        .at(name.span, "here")
        .at(first.1, "and here")
        .hint("the first of `policies` that fits decides")
}

/// A name that is no zone nor anything else.
pub fn zone_unknown<'a>(
    name: &Spanned<String>,
    node: &str,
    names: impl Iterator<Item = &'a str>,
) -> Diagnostic {
    let message =
        format!("`{}` is no zone, network, set, interface or node for `{node}`", name.value);
    let names: Vec<&str> = names.collect();
    let found = Diagnostic::error("zone-unknown", message).at(name.span, "");
    found.did_you_mean(&name.value, names.iter().copied()).hint(names_here(node, &names))
}

/// Names that are shown of many.
const NAMES: usize = 12;

/// `` for `gw` there are `lan`, `any`, …``
fn names_here(node: &str, names: &[&str]) -> String {
    let more = names.len().saturating_sub(NAMES);
    let first = quoted_list(&names[..names.len() - more]);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("for `{node}` there are {first}{rest}")
}

/// An interface of the host that is not there now.
pub fn interface_absent<'a>(
    name: &str,
    span: Span,
    names: impl Iterator<Item = &'a str>,
) -> Diagnostic {
    Diagnostic::warning("interface-absent", format!("the host has no interface `{name}`"))
        .at(span, "what is said of it holds when it comes")
        .did_you_mean(name, names)
}

/// Something that is no interface where one is needed.
pub fn no_interface(name: &Spanned<String>) -> Diagnostic {
    Diagnostic::error("interface-needed", format!("`{}` is no interface", name.value))
        .at(name.span, "here stand interfaces, or networks of the node")
}

/// `uplink` where there is none.
pub fn no_uplink(name: &Spanned<String>, node: &str) -> Diagnostic {
    let found = Diagnostic::error("no-uplink", format!("`{node}` has no uplink")).at(name.span, "");
    match node {
        "host" => found.hint("write `uplink: masquerade` in a network, or name the interface"),
        _ => found.hint("give an interface a `gateway`, or name the interface"),
    }
}

/// A service that nobody knows.
pub fn service_unknown<'a>(
    name: &Spanned<String>,
    names: impl Iterator<Item = &'a str>,
) -> Diagnostic {
    Diagnostic::error("service-unknown", format!("there is no service `{}`", name.value))
        .at(name.span, "neither in `services` nor among those of the system")
        .did_you_mean(&name.value, names)
        .hint("write its ports: `tcp 8080`, `udp 5000-5010`")
}

/// IPv4 on one side and IPv6 on the other.
pub fn families_mixed(span: Span, other: Span) -> Diagnostic {
    Diagnostic::error("mixed-families", "IPv4 on one side and IPv6 on the other")
        .at(span, "of one family")
        .at(other, "of the other")
        .hint("no packet is of both")
}

/// An interface on the side of the node itself.
pub fn interface_of_self(direction: crate::firewall::Direction, span: Span) -> Diagnostic {
    let (key, side) = match direction {
        crate::firewall::Direction::Output => ("output", "to"),
        _ => ("input", "from"),
    };
    let message = format!("in `{key}` this side is the node itself, not an interface");
    Diagnostic::error("zone-direction", message)
        .at(span, "here stand addresses of the node")
        .hint(format!("write `{side}`, or move the rule to `forward`"))
}

/// `self` where the node is not.
pub fn self_elsewhere(
    direction: crate::firewall::Direction,
    is_source: bool,
    span: Span,
) -> Diagnostic {
    let hint = match (direction, is_source) {
        (_, true) => "what the node itself sends is in `output`",
        (_, false) => "what comes to the node itself is in `input`",
    };
    Diagnostic::error("zone-direction", "`self` is not on this side here").at(span, "").hint(hint)
}

/// A policy between the node and itself.
pub fn self_to_self(span: Span) -> Diagnostic {
    Diagnostic::error("zone-direction", "a policy from the node to itself")
        .at(span, "the loopback always passes")
}

/// `self` where addresses are translated.
pub fn self_in_nat(span: Span) -> Diagnostic {
    Diagnostic::error("zone-direction", "`self` cannot stand here")
        .at(span, "")
        .hint("name interfaces, networks or addresses")
}

/// Networks that stand for each other and differ in size.
pub fn networks_differ(span: Span, whole: Span) -> Diagnostic {
    Diagnostic::error("networks-differ", "what stands for each other is not of one size")
        .at(span, "this")
        .at(whole, "in this")
        .hint("write two addresses, or two networks with the same prefix length")
}

/// A forward to a node that has no address.
pub fn target_without_address(name: &Spanned<String>) -> Diagnostic {
    Diagnostic::error(
        "target-without-address",
        format!("`{}` has no address to lead to", name.value),
    )
    .at(name.span, "")
    .hint("give one of its interfaces an address, or write the address")
}

/// Two forwards of one port.
pub fn forward_twice(span: Span, first: Span, port: &str) -> Diagnostic {
    Diagnostic::error("forward-twice", format!("`{port}` is forwarded twice"))
        .at(span, "here")
        .at(first, "and here, which is asked first")
        .hint("tell them apart by `in`, `at` or `from`, or take one out")
}

/// A forward of a port of an address that stands for another one.
pub fn forward_at_one_to_one(span: Span, one: Span) -> Diagnostic {
    Diagnostic::error("one-to-one-conflict", "all ports of this address lead elsewhere already")
        .at(span, "this forward is never asked")
        .at(one, "because of this")
}

/// Two entries for one outer address.
pub fn one_to_one_twice(span: Span, first: Span) -> Diagnostic {
    Diagnostic::error("one-to-one-conflict", "one address stands for two")
        .at(span, "here")
        .at(first, "and here")
}

/// Two outer addresses for one.
pub fn one_to_one_inside_twice(span: Span, first: Span) -> Diagnostic {
    Diagnostic::error("one-to-one-conflict", "two addresses stand for one")
        .at(span, "here")
        .at(first, "and here: what it sends would bear this one only")
}

/// A hairpin to a target that is itself outside.
pub fn hairpin_outside(span: Span, interface: &str) -> Diagnostic {
    Diagnostic::warning(
        "hairpin-impossible",
        format!("the target is outside itself, behind `{interface}`"),
    )
    .at(span, "there is no inside from where a hairpin would come")
}

/// A rule behind one that decides everything.
pub fn rule_unreachable(span: Span, first: Span) -> Diagnostic {
    Diagnostic::warning("rule-unreachable", "this rule is never reached")
        .at(span, "")
        .at(first, "this decides everything")
}

/// A rule whose packets an earlier one decides.
pub fn rule_shadowed(span: Span, first: Span, same: bool) -> Diagnostic {
    let (message, text) = match same {
        true => ("this rule says nothing new", "this says it already"),
        false => ("this rule is never reached", "this decides the same packets, and before it"),
    };
    let found = Diagnostic::warning("rule-shadowed", message).at(span, "").at(first, text);
    if same { found } else { found.hint("`deny` is asked before `allow`") }
}

/// A policy between zones that an earlier one decides.
pub fn policy_unreachable(span: Span, title: &str, first: Span, other: &str) -> Diagnostic {
    Diagnostic::warning("rule-shadowed", format!("the policy `{title}` is never reached"))
        .at(span, "")
        .at(first, format!("`{other}` decides the same packets, and before it"))
}

/// `allow` where everything passes anyway.
pub fn allow_without_effect(span: Span, filter: Span) -> Diagnostic {
    Diagnostic::warning("allow-without-effect", "everything else passes, too")
        .at(span, "so this allows nothing new")
        .at(filter, "`policy: accept`")
        .hint("write `policy: drop` to let only this pass")
}

/// The session over which this is typed would not be let in again.
pub fn lockout(span: Span, port: u16) -> Diagnostic {
    Diagnostic::warning(
        "lockout",
        format!("port {port}, over which you are logged in, is not allowed"),
    )
    .at(span, "a new session would not be let in")
    .hint(format!("allow `tcp {port}`, or bring it up with a rollback: see `netyard up --help`"))
}

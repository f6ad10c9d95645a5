//! Messages about keys and values: what does not fit its shape.

use super::{Diagnostic, Span, nearest, quoted_list};

/// `a node`, `an interface`.
fn a(noun: &str) -> String {
    let article = if noun.trim_start_matches('`').starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {noun}")
}

/// A sentence as a phrase.
fn phrase(sentence: &str) -> String {
    let mut letters = sentence.trim_end_matches('.').chars();
    letters.next().map(|c| c.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

/// A key that the mapping does not have; `keys` are those it has.
pub fn unknown_key(key: &str, span: Span, shape: &str, keys: &[&str]) -> Diagnostic {
    let message = format!("{} has no key `{key}`", a(shape));
    let diagnostic = Diagnostic::error("unknown-key", message).at(span, "unknown key");
    if nearest(key, keys.iter().copied()).is_some() {
        return diagnostic.did_you_mean(key, keys.iter().copied());
    }
    match keys {
        [] => diagnostic,
        _ => diagnostic.hint(format!("it has {}", quoted_list(keys))),
    }
}

/// A key of one kind of interface in another.
pub fn key_of_other_kind(key: &str, span: Span, shape: &str, kinds: &[&str]) -> Diagnostic {
    Diagnostic::error("unknown-key", format!("{} has no key `{key}`", a(shape)))
        .at(span, "unknown key")
        .hint(format!("it belongs to `kind: {}`", kinds.join("` or `kind: ")))
}

/// A key that must be there is not.
pub fn missing_key(key: &str, span: Span, shape: &str, doc: &str) -> Diagnostic {
    Diagnostic::error("missing-key", format!("{} needs `{key}`", a(shape)))
        .at(span, format!("without `{key}`"))
        .hint(format!("write `{key}:`, {}", phrase(doc)))
}

/// A value of another sort than the key takes.
pub fn wrong_type(key: &str, span: Span, expected: &str, found: &str) -> Diagnostic {
    let diagnostic =
        Diagnostic::error("wrong-type", format!("`{key}` must be {expected}, found {found}"))
            .at(span, "");
    let word = found.trim_start_matches("the text ").trim_matches('`').to_ascii_lowercase();
    if expected.contains("`true` or `false`") {
        match word.as_str() {
            "yes" | "on" | "1" | "y" => return diagnostic.hint("write `true`"),
            "no" | "off" | "0" | "n" => return diagnostic.hint("write `false`"),
            _ => {}
        }
    }
    diagnostic
}

/// A number in quotes where a number is wanted.
pub fn quoted_number(key: &str, span: Span, text: &str) -> Diagnostic {
    Diagnostic::error("wrong-type", format!("`{key}` must be a number, found the text \"{text}\""))
        .at(span, "a text, for its quotes")
        .hint(format!("write `{key}: {text}` without quotes"))
}

/// A number outside its range.
pub fn out_of_range(key: &str, span: Span, found: &str, min: i64, max: i64) -> Diagnostic {
    Diagnostic::error("out-of-range", format!("`{key}` is {found}, not from {min} to {max}"))
        .at(span, format!("{min} to {max}"))
}

/// A time outside the range that the kernel takes.
pub fn time_out_of_range(key: &str, span: Span, min: &str, max: &str) -> Diagnostic {
    Diagnostic::error("out-of-range", format!("`{key}` must be from {min} to {max}"))
        .at(span, format!("{min} to {max}"))
}

/// A word that is not one of the key's.
pub fn unknown_word(key: &str, span: Span, found: &str, words: &[&str]) -> Diagnostic {
    let word = found.trim_start_matches("the text ").trim_matches('`');
    let diagnostic = Diagnostic::error("unknown-word", format!("`{key}` cannot be {found}"))
        .at(span, "unknown word");
    match nearest(word, words.iter().copied()) {
        Some(near) => diagnostic.hint(format!("did you mean `{near}`?")),
        None => diagnostic.hint(format!("it can be {}", quoted_list(words))),
    }
}

/// `kind:` for all interfaces.
pub fn kind_in_defaults(span: Span) -> Diagnostic {
    Diagnostic::error("unknown-key", "defaults of interfaces cannot have a `kind`")
        .at(span, "not all interfaces are of one kind")
        .hint("write `kind:` at each interface")
}

/// A text that is not what its key takes: `noun` is that, `example` one of it.
pub fn bad_value(span: Span, found: &str, noun: &str, example: &str) -> Diagnostic {
    Diagnostic::error("bad-value", format!("{found} is not {noun}"))
        .at(span, format!("not {noun}"))
        .hint(format!("write it as in `{example}`"))
}

/// An address where its prefix length is wanted too.
pub fn no_prefix_length(span: Span, found: &str, host_length: u8) -> Diagnostic {
    let example = if host_length == 32 { 24 } else { 64 };
    Diagnostic::error("no-prefix-length", format!("the address `{found}` has no prefix length"))
        .at(span, "how large is its network?")
        .hint(format!(
            "write `{found}/{example}`, or `{found}/{host_length}` for the address alone"
        ))
}

/// A network whose host bits are not zero.
pub fn host_bits(span: Span, found: &str, network: &str) -> Diagnostic {
    Diagnostic::error("host-bits", format!("`{found}` is an address in a network, not a network"))
        .at(span, "the bits of the host are not zero")
        .hint(format!("the network is `{network}`"))
}

/// A MAC address of a group, which no interface can have.
pub fn group_mac(span: Span, found: &str) -> Diagnostic {
    Diagnostic::error("group-mac", format!("`{found}` is the address of a group of interfaces"))
        .at(span, "the lowest bit of its first byte is 1")
        .hint("begin it with an even number: `02:…` is free for private use")
}

/// A MAC address that no interface can have (`is_valid_ether_addr`, linux/etherdevice.h).
pub fn zero_mac(span: Span) -> Diagnostic {
    Diagnostic::error("zero-mac", "`00:00:00:00:00:00` is the address of no interface")
        .at(span, "the kernel refuses it")
        .hint("`02:…` is free for private use; leave `mac` out and netyard derives one")
}

/// What is to be a word of a file in which words stand apart.
pub fn bad_word(word: &str, span: Span) -> Diagnostic {
    Diagnostic::error("bad-word", format!("{word:?} is not one word"))
        .at(span, "white space and control characters are for other words of the file")
        .hint("`/etc/hosts` and `resolv.conf` have a word here: write one, or a list of them")
}

/// A rate in `mbps`, which means bits to people and bytes to `tc`.
pub fn ambiguous_rate(span: Span, found: &str, bits: &str, bytes: &str) -> Diagnostic {
    Diagnostic::error("bad-value", format!("`{found}` may mean bits or bytes"))
        .at(span, "bits or bytes?")
        .hint(format!("write `{bits}` for bits, `{bytes}` for bytes"))
}

/// A name that cannot be one; `why` reads after "the name `x` …".
pub fn bad_name(sort: &str, name: &str, span: Span, why: &str) -> Diagnostic {
    let shown: String = name.chars().take(40).collect();
    let dots = if shown.len() < name.len() { "…" } else { "" };
    Diagnostic::error("bad-name", format!("the {sort}'s name `{shown}{dots}` {why}"))
        .at(span, why.to_owned())
        .hint("a name is 1 to 255 bytes without white space, `/` and `:`, and begins with no `-`")
}

/// An exact interface name that the kernel does not take.
pub fn bad_kernel_name(name: &str, span: Span, why: &str) -> Diagnostic {
    Diagnostic::error("bad-name", format!("the interface name `{name}` {why}"))
        .at(span, why.to_owned())
        .hint("the kernel takes 1 to 15 bytes; netyard shortens every name that need not be exact")
}

/// A link's end or a gateway that is not `node:interface`.
pub fn bad_endpoint(span: Span, found: &str, why: &str) -> Diagnostic {
    Diagnostic::error("bad-endpoint", format!("`{found}` is not `node:interface`: {why}"))
        .at(span, "")
        .hint("write the node's name, `:` and the interface's name, as in `r1:eth1`")
}

/// A link with more or fewer ends than two.
pub fn not_two_ends(span: Span, found: usize) -> Diagnostic {
    let hint = if found > 2 {
        "to join more than two interfaces, make a network and put `network:` in each"
    } else {
        "write both, as in `[r1:eth1, r2:eth1]`"
    };
    let are = if found == 1 { "is" } else { "are" };
    Diagnostic::error("not-two-ends", format!("a link has two ends, here {are} {found}"))
        .at(span, "")
        .hint(hint)
}

/// `for` in a mapping that is not an item of a list.
pub fn for_outside_list(span: Span) -> Diagnostic {
    Diagnostic::error("for-outside-list", "`for` repeats an item of a list, and this is none")
        .at(span, "not in a list")
        .hint("to repeat a name, write a range in it: `r[1..9]`")
}

/// Two keys of which only one may be there.
pub fn exclude_each_other(shape: &str, first: (&str, Span), second: (&str, Span)) -> Diagnostic {
    let message = format!("{} takes `{}` or `{}`, not both", a(shape), first.0, second.0);
    Diagnostic::error("one-of", message)
        .at(second.1, format!("`{}` here", second.0))
        .at(first.1, format!("`{}` here", first.0))
}

/// None of several keys of which one must be there.
pub fn needs_one_of(shape: &str, span: Span, keys: &[&str]) -> Diagnostic {
    let message = format!("{} needs one of {}", a(shape), quoted_list(keys));
    Diagnostic::error("missing-key", message).at(span, "none of them here")
}

/// A list in which there is nothing, where it says what something is about.
pub fn list_empty(key: &str, span: Span) -> Diagnostic {
    Diagnostic::error("list-empty", format!("`{key}` is an empty list, which matches nothing"))
        .at(span, "nothing in it")
        .hint(format!("write what it is about, or leave `{key}:` out"))
}

/// Addresses of both families in one rule.
pub fn mixed_families(span: Span, other: Span) -> Diagnostic {
    Diagnostic::error("mixed-families", "IPv4 and IPv6 in one entry")
        .at(span, "of one family")
        .at(other, "of the other")
        .hint("write one entry for each family")
}

/// A key that the node `host` does not take.
pub fn not_for_host(key: &str, span: Span) -> Diagnostic {
    Diagnostic::error("not-for-host", format!("the node `host` takes no `{key}`"))
        .at(span, "")
        .hint("`host` is this machine itself; netyard adds interfaces, routes, rules, neighbours and kernel settings to it")
}

/// An empty command.
pub fn empty_command(span: Span) -> Diagnostic {
    Diagnostic::error("empty-command", "a command without a program")
        .at(span, "")
        .hint("write a text for `sh -c`, or a list of a program and its arguments")
}

/// A VLAN id twice on one port.
pub fn vlan_twice(id: u16, span: Span, first: Span) -> Diagnostic {
    Diagnostic::error("vlan-twice", format!("VLAN {id} is named twice for this port"))
        .at(span, "again here")
        .at(first, "first here")
}

/// How many more diagnostics there are than are kept.
pub fn and_more(span: Span, count: usize) -> Diagnostic {
    Diagnostic::error("and-more", format!("and {count} more mistakes"))
        .at(span, "")
        .hint("mend these first")
}

/// Adds that some words would do as well.
pub fn or_words(diagnostic: &mut Diagnostic, words: &[&str]) {
    if matches!(diagnostic.code, "bad-value" | "wrong-type") && !words.is_empty() {
        diagnostic.hints.push(format!("or write {}", quoted_list(words).replace(", ", " or ")));
    }
}

/// The name that stands in for `yard:` cannot be one.
pub fn bad_fallback_name(name: &str, span: Span, why: &str) -> Diagnostic {
    Diagnostic::error(
        "bad-name",
        format!("the yard has no name, and `{name}`, that of its directory, {why}"),
    )
    .at(span, "no `yard:` in this file")
    .hint("write `yard: NAME` at the top")
}

/// A key that means something only beside another.
pub fn needs_beside(key: &str, span: Span, other: &str) -> Diagnostic {
    Diagnostic::error("missing-key", format!("`{key}` means nothing without `{other}`"))
        .at(span, format!("without `{other}`"))
        .hint(format!("add `{other}:`, or take `{key}:` out"))
}

/// A setting of a bridge's port for an interface that is in no bridge.
pub fn needs_bridge(key: &str, span: Span) -> Diagnostic {
    Diagnostic::error(
        "not-in-a-bridge",
        format!("`{key}` is for a port of a bridge, and this interface is in none"),
    )
    .at(span, "")
    .hint("add `network:` or `master:`")
}

/// An uplink that needs an interface by name.
pub fn uplink_not_auto(key: &str, span: Span) -> Diagnostic {
    Diagnostic::error("uplink-auto", format!("`{key}` needs the name of an interface"))
        .at(span, "`auto` is for `masquerade` and `routed`")
        .hint(format!("write `{key}: INTERFACE`"))
}

/// A network that shall go out by the host and not touch it.
pub fn uplink_needs_host(uplink: Span, span: Span) -> Diagnostic {
    Diagnostic::error("uplink-host", "this network's way out leads through the host")
        .at(span, "so it cannot keep off it")
        .at(uplink, "the way out")
        .hint("take `host:` out")
}

/// A measurement against the file's impairment between two nodes, of which the
/// file says nothing.
pub fn measured_by_the_file(key: &str, span: Span) -> Diagnostic {
    let message = format!("the file says nothing of the `{key}` between two nodes");
    Diagnostic::error("expect-value", message)
        .at(span, "what is it to be?")
        .hint(format!("write a value here, or `link:` instead of `from` and `to` to measure a link against its own `{key}`"))
}

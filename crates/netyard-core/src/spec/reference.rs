//! Tables -> the reference page, in Markdown.

use std::fmt::Write as _;

use super::check::expected;
use super::shapes::{self, firewall, serving, serving6};
use crate::container;
use crate::expect;
use crate::interface::{KINDS, bridge, wireguard};
use crate::service::metrics;
use crate::shape::{Field, Shape, Type};

/// The reference page of the file: every key, what it takes and what it does.
pub fn reference() -> String {
    let mut page = String::from(HEAD);
    let sections = [
        ("The file", &shapes::YARD),
        ("`defaults`", &shapes::DEFAULTS),
        ("`networks`", &shapes::NETWORK),
        ("`host` of a network", &shapes::HOST_SIDE),
        ("`uplink` of a network", &shapes::UPLINK),
        ("`delegated` of a network", &shapes::DELEGATED),
        ("`ports` of a network", &shapes::OUTSIDE_PORT),
        ("`libvirt` of a network", &crate::libvirt::SHAPE),
        ("What is served on a network", &serving::SERVING),
        ("`dhcp` of a network", &serving::DHCP),
        ("`dns` of a network", &serving::NAMES),
        ("`ra` of a network", &serving6::RA),
        ("`dhcp6` of a network", &serving6::DHCP6),
        ("`prefix-delegation` of `dhcp6`", &serving6::DELEGATION),
        ("`nodes`", &shapes::NODE),
        ("`dns` of a node", &shapes::DNS),
        ("`container` of a node", &container::SHAPE),
        ("`binds` of a container", &container::BIND),
        ("`limits` of a container", &container::LIMITS),
        ("`vm` of a node", &crate::vm::SHAPE),
        ("`interfaces` of a node", &shapes::INTERFACE),
        ("`port` of an interface", &bridge::PORT),
        ("VLANs of a port", &shapes::PORT_VLANS),
        ("`routes` of a node", &shapes::ROUTE),
        ("`nexthops` of a route", &shapes::HOP),
        ("`rules` of a node", &shapes::RULE),
        ("`neighbours` of a node", &shapes::NEIGHBOUR),
        ("`links`", &shapes::LINK),
        ("A tunnel among `links`", &wireguard::TUNNEL),
        ("`firewall`", &firewall::FIREWALL),
        ("`input`, `output` and `forward` of a firewall", &firewall::FILTER),
        ("`policies` of a firewall", &firewall::POLICY),
        ("`allow` and `deny` of a firewall", &firewall::FILTER_RULE),
        ("`limit` of a rule", &firewall::LIMIT),
        ("`nat` of a firewall", &firewall::NAT),
        ("`masquerade` of `nat`", &firewall::MASQUERADE),
        ("`snat` of `nat`", &firewall::SNAT),
        ("`forward` of `nat`", &firewall::PORT_FORWARD),
        ("`one-to-one` of `nat`", &firewall::ONE_TO_ONE),
        ("What happens to packets", &shapes::IMPAIRMENT),
        ("`expect`", &expect::EXPECT),
        ("`http` of an expectation", &expect::HTTP),
        ("`dns` of an expectation", &expect::DNS),
        ("`metrics`", &metrics::SHAPE),
    ];
    for (title, shape) in sections {
        section(&mut page, "##", title, shape);
    }
    page.push_str(
        "## `services` of a node\n\nThe name of some says what they are; any other is a `run`.\n\n",
    );
    for entry in crate::service::SERVICES {
        section(&mut page, "###", &format!("`{}`", entry.word), entry.shape);
    }
    section(&mut page, "###", "An interface of `babeld`", &crate::service::BABEL_INTERFACE);
    section(&mut page, "###", "A rule of `babeld`", &crate::service::BABEL_RULE);
    section(&mut page, "###", "`run`: any other", crate::service::OTHER.shape);
    section(&mut page, "###", "`ready` of a service", &crate::service::READY);
    section(&mut page, "###", "What every service has", &crate::service::CARE);
    page.push_str(
        "## Kinds of interfaces\n\nThe keys that a kind has beside those of every interface.\n\n",
    );
    for entry in KINDS {
        section(&mut page, "###", &format!("`kind: {}`", entry.word), entry.shape);
    }
    section(&mut page, "###", "`peers` of a `wireguard` interface", &wireguard::PEER);
    page
}

const HEAD: &str = "\
# Reference of netyard.yaml

<!-- Made from the tables of the parser; `netyard schema` gives the same to an editor. -->

**Names** are 1 to 255 bytes of any script without white space, `/` and `:`. Where the kernel
takes fewer, netyard shortens them; keys that say \"exact\" are taken as they are.

**Variables**: `$name`, `${name}` and `$(expression)` stand in any key or value. Expressions have
whole numbers, `+ - * / %`, parentheses, `min(a, b)` and `max(a, b)`; division rounds down and a
remainder is never negative. `$$` is a dollar. In `exec`, what is no variable here is left to the
shell.

**Ranges** in a name make many entries of one: `r[1..9]`, `r[01..09]`, `[a,b,c]`. In the entry,
`$i`, `$j` and `$k` are the values of its first, second and third range; `eth[p=0..3]` calls the
value `$p`. An entry of the same name adds to it.

**Loops**: an item of a list with `for: { i: 1..10 }` is repeated for every value; several variables
are nested loops. An item that is no mapping stands below `item:`.

**Times** are `20ms`, `1.5s` or `250us`; **rates** `100mbit`, `1gbit` or, in bytes, `12MBps`;
**percentages** `0.5%`.

";

fn section(page: &mut String, level: &str, title: &str, shape: &Shape) {
    // Writing to a String cannot fail.
    let _ = writeln!(page, "{level} {title}\n\n{}\n", shape.doc);
    if shape.fields.is_empty() && shape.also.is_empty() {
        return;
    }
    if !shape.fields.is_empty() {
        page.push_str("| key | value | |\n|---|---|---|\n");
        for field in shape.fields {
            row(page, field);
        }
        page.push('\n');
    }
    for also in shape.also {
        let _ = writeln!(page, "Also the keys of {}.\n", title_of(also));
    }
}

fn row(page: &mut String, field: &Field) {
    let required = if field.required { " **Required.**" } else { "" };
    let value = value(&field.ty).replace('|', "\\|");
    let _ = writeln!(
        page,
        "| `{}` | {value} | {}{required} |",
        field.key,
        field.doc.replace('|', "\\|")
    );
}

fn value(ty: &Type) -> String {
    match ty {
        Type::Word([]) => "a kind, below".into(),
        Type::Word(words) => words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", "),
        Type::Int { min, max } => format!("{min} to {max}"),
        Type::Record(shape) => format!("a mapping: {}", title_of(shape)),
        Type::Map(ty) => format!("names, each with {}", value(ty)),
        Type::List(ty) => format!("a list of {}", value(ty)),
        Type::OneOrMore(ty) => format!("{}, or a list of such", value(ty)),
        Type::Either(all) => all.iter().map(value).collect::<Vec<_>>().join("; or "),
        Type::Interface => "an interface".into(),
        Type::Service => "a service, below".into(),
        Type::Settings => "settings".into(),
        _ => expected(ty),
    }
}

fn title_of(shape: &Shape) -> String {
    match shape.name {
        "port VLANs" => "VLANs of a port".into(),
        "impairment" => "what happens to packets".into(),
        "serving" => "what is served on a network".into(),
        name if name.starts_with(['a', 'e', 'i', 'o', 'u']) => format!("an {name}"),
        name => format!("a {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every shape that a value of the type may have, and those within.
    fn walk(ty: &Type, found: &mut Vec<&'static Shape>) {
        match ty {
            Type::Record(shape) => collect(shape, found),
            Type::List(ty) | Type::OneOrMore(ty) | Type::Map(ty) => walk(ty, found),
            Type::Either(all) => all.iter().for_each(|ty| walk(ty, found)),
            Type::Interface => {
                collect(&shapes::INTERFACE, found);
                KINDS.iter().for_each(|entry| collect(entry.shape, found));
            }
            Type::Service => {
                crate::service::SERVICES.iter().for_each(|entry| collect(entry.shape, found));
                collect(crate::service::OTHER.shape, found);
            }
            _ => {}
        }
    }

    fn collect(shape: &'static Shape, found: &mut Vec<&'static Shape>) {
        if found.iter().any(|known| std::ptr::eq(*known, shape)) {
            return;
        }
        found.push(shape);
        shape.also.iter().for_each(|also| collect(also, found));
        shape.fields.iter().for_each(|field| walk(&field.ty, found));
    }

    #[test]
    fn every_key_that_the_parser_knows_is_in_the_reference() {
        let (mut found, page) = (Vec::new(), reference());
        collect(&shapes::YARD, &mut found);
        let table = |shape: &Shape| {
            let mut rows = String::new();
            shape.fields.iter().for_each(|field| row(&mut rows, field));
            rows
        };
        let missing: Vec<&str> = found
            .iter()
            .filter(|shape| {
                !page.contains(&format!("{}\n", shape.doc)) || !page.contains(&table(shape))
            })
            .map(|shape| shape.name)
            .collect();
        assert!(found.len() > 50, "only {} shapes", found.len());
        assert_eq!(missing, Vec::<&str>::new());
    }
}

//! Single values: texts that a table says the form of.

use super::*;

/// What became of a value; none where it was complained of.
type Checked = Option<Spanned<Value>>;
/// The least and the greatest.
type Bounds = (i64, i64);

impl Checker<'_> {
    pub(super) fn scalar(
        &mut self,
        node: &Node,
        scalar: &Scalar,
        ty: &Type,
        at: At,
    ) -> Option<Spanned<Value>> {
        let text = &*scalar.text;
        let value = match ty {
            Type::Text => Some(Value::Text(text.to_owned())),
            Type::Bool => scalar.bool().map(Value::Bool),
            Type::Word(words) if words.contains(&text) => Some(Value::Text(text.to_owned())),
            Type::Int { min, max } => return self.int(node, scalar, (*min, *max), at),
            Type::Range { min, max } => return self.range(node, scalar, (*min, *max), at),
            Type::Duration => scalar::duration(text).map(Value::Duration),
            Type::Percent => scalar::percent(text).map(Value::Percent),
            Type::Rate => return self.rate(node, text),
            Type::Mac => return self.mac(node, text),
            Type::Ip => text.parse().ok().map(Value::Ip),
            Type::Cidr | Type::Prefix => return self.net(node, text, ty),
            Type::Endpoint => return self.endpoint(node, text),
            _ => None,
        };
        if value.is_none() {
            let (span, found) = (node.span, node.describe());
            self.report.push(match (ty, example(ty)) {
                (Type::Word(words), _) => say::unknown_word(at.key, span, &found, words),
                (_, Some((noun, example))) => {
                    say::bad_value(span, &format!("`{}`", shorten(text)), noun, example)
                }
                _ => say::wrong_type(at.key, span, &expected(ty), &found),
            });
        }
        value.map(|value| Spanned::new(value, node.span))
    }

    fn int(&mut self, node: &Node, scalar: &Scalar, bounds: Bounds, at: At) -> Checked {
        let (min, max) = bounds;
        let bare = Scalar { text: scalar.text.clone(), plain: true };
        let digits = scalar.text.trim_start_matches('-');
        let diagnostic = match (scalar.int(), bare.int()) {
            (Some(n), _) if (min..=max).contains(&n) => {
                return Some(Spanned::new(Value::Int(n), node.span));
            }
            (None, Some(_)) => say::quoted_number(at.key, node.span, &scalar.text),
            (None, None) if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) => {
                say::wrong_type(
                    at.key,
                    node.span,
                    &expected(&Type::Int { min, max }),
                    &node.describe(),
                )
            }
            _ => say::out_of_range(at.key, node.span, &shorten(&scalar.text), min, max),
        };
        self.report.push(diagnostic);
        None
    }

    fn range(&mut self, node: &Node, scalar: &Scalar, bounds: Bounds, at: At) -> Checked {
        let (min, max) = bounds;
        let found = shorten(&scalar.text);
        self.report.push(match scalar::range(&scalar.text) {
            None => {
                say::bad_value(node.span, &format!("`{found}`"), "a number or a range", "20-29")
            }
            Some((from, to)) if from < min || to > max => {
                say::out_of_range(at.key, node.span, &found, min, max)
            }
            Some((from, to)) if from > to => {
                crate::diag::expand::range_reversed(node.span, &found, &format!("{to}-{from}"))
            }
            Some((from, to)) => return Some(Spanned::new(Value::Range(from, to), node.span)),
        });
        None
    }

    fn rate(&mut self, node: &Node, text: &str) -> Checked {
        let found = shorten(text);
        self.report.push(match scalar::rate(text) {
            Rate::Bits(bits) => return Some(Spanned::new(Value::Rate(bits), node.span)),
            Rate::Ambiguous(bits, bytes) => say::ambiguous_rate(node.span, &found, &bits, &bytes),
            Rate::Bad => say::bad_value(node.span, &format!("`{found}`"), "a rate", "100mbit"),
        });
        None
    }

    fn mac(&mut self, node: &Node, text: &str) -> Checked {
        let found = shorten(text);
        self.report.push(match text.parse::<Mac>() {
            Ok(mac) if mac.0 == [0; 6] => say::zero_mac(node.span),
            Ok(mac) if mac.is_group() => say::group_mac(node.span, &found),
            Ok(mac) => return Some(Spanned::new(Value::Mac(mac), node.span)),
            Err(_) => say::bad_value(
                node.span,
                &format!("`{found}`"),
                "a MAC address",
                "02:00:00:00:00:01",
            ),
        });
        None
    }

    fn net(&mut self, node: &Node, text: &str, ty: &Type) -> Checked {
        let found = shorten(text);
        let network = matches!(ty, Type::Prefix);
        self.report.push(match scalar::net(text) {
            Net::Prefixed(net) if network && net.trunc() != net => {
                say::host_bits(node.span, &found, &net.trunc().to_string())
            }
            Net::Prefixed(net) => return Some(Spanned::new(Value::Net(net), node.span)),
            Net::Bare(address) => {
                let length = if address.is_ipv4() { 32 } else { 128 };
                say::no_prefix_length(node.span, &found, length)
            }
            Net::Bad => {
                let (noun, example) = example(ty).unwrap_or_default();
                say::bad_value(node.span, &format!("`{found}`"), noun, example)
            }
        });
        None
    }

    fn endpoint(&mut self, node: &Node, text: &str) -> Checked {
        let why = match text.split_once(':') {
            None => Some("it has no `:`".to_owned()),
            Some((node_name, interface)) => {
                let node_name = NodeName::new(node_name).err();
                let interface = FullName::new(interface).err();
                let part = node_name.map(|why| ("the node's name", why));
                part.or(interface.map(|why| ("the interface's name", why)))
                    .map(|(part, why)| format!("{part} {}", why.0))
            }
        };
        if let Some(why) = why {
            self.report.push(say::bad_endpoint(node.span, &shorten(text), &why));
            return None;
        }
        Some(Spanned::new(Value::Text(text.to_owned()), node.span))
    }
}

pub(super) fn words_of(ty: &Type) -> &'static [&'static str] {
    match ty {
        Type::Word(words) => words,
        _ => &[],
    }
}

/// What a type's texts are called, and one of them.
fn example(ty: &Type) -> Option<(&'static str, &'static str)> {
    Some(match ty {
        Type::Duration => ("a time", "20ms"),
        Type::Percent => ("a percentage", "0.5%"),
        Type::Rate => ("a rate", "100mbit"),
        Type::Mac => ("a MAC address", "02:00:00:00:00:01"),
        Type::Ip => ("an address", "10.0.0.1"),
        Type::Cidr => ("an address with its prefix length", "10.0.0.1/24"),
        Type::Prefix => ("a network", "10.0.0.0/24"),
        _ => return None,
    })
}

/// What a value must be, for messages.
pub(in crate::spec) fn expected(ty: &Type) -> String {
    if let Some((noun, example)) = example(ty) {
        return format!("{noun} such as `{example}`");
    }
    match ty {
        Type::Bool => "`true` or `false`".into(),
        Type::Int { min, max } => format!("a whole number from {min} to {max}"),
        Type::Range { min, max } => {
            format!("a number from {min} to {max} or a range such as `20-29`")
        }
        Type::Text => "a text".into(),
        Type::Word(words) => {
            words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(" or ")
        }
        Type::Endpoint => "`node:interface`".into(),
        Type::List(_) => "a list".into(),
        Type::OneOrMore(ty) => format!("{}, or a list of such", expected(ty)),
        Type::Either(all) => all.iter().map(expected).collect::<Vec<_>>().join(", or "),
        _ => "a mapping".into(),
    }
}

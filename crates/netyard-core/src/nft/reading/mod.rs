//! Expressions as nft would write them, whoever made them: what each register
//! holds is followed from load to use.
//!
//! What is not known is written as its name in brackets; nothing is left out.

mod field;
mod translation;

use field::{Field, Form};

use super::expr::{self, Collection, Element, Expr, SET_INTERVAL, VERDICT, words};
use super::span::Span;
use super::{RateLimit, SetKind};

/// Expressions as nft would write them, as well as can be told.
pub fn text_of(expressions: &[Expr]) -> String {
    let mut reading = Reading::default();
    for expression in expressions {
        reading.read(expression);
    }
    reading.words.retain(|word| !word.is_empty());
    reading.words.join(" ")
}

/// What a register holds.
#[derive(Clone, Debug, PartialEq)]
enum Held {
    /// Something of the packet.
    Field(Field),
    /// A constant.
    Value(Vec<u8>),
    /// What a map gives.
    Map(String),
}

/// The same of a rule that somebody else made, in a table of one family: what it
/// counts and what iptables notes in it is left out, and of a set without a name
/// the first few are enough to know it by.
pub(crate) fn foreign_text(expressions: &[Expr], ipv6: Option<bool>) -> String {
    let family = ipv6.map(|ipv6| if ipv6 { 10 } else { 2 });
    let mut reading = Reading { family, most: Some(6), ..Reading::default() };
    let note = |e: &Expr| e.is("match") && e.word(1) == Some("comment");
    for expression in expressions.iter().filter(|e| !e.is("counter") && !note(e)) {
        reading.read(expression);
    }
    reading.words.retain(|word| !word.is_empty());
    reading.words.join(" ")
}

#[derive(Default)]
struct Reading {
    words: Vec<String>,
    /// Of a set without a name, how many are written.
    most: Option<usize>,
    /// Since the last match: where each begins, in words of four bytes.
    registers: Vec<(u32, Held)>,
    family: Option<u8>,
    protocol: Option<u8>,
    /// The words that said so; they go where a field implies them.
    family_word: Option<usize>,
    protocol_word: Option<usize>,
    /// A lower bound that waits for its upper one.
    from: Option<(String, String)>,
}

impl Reading {
    fn read(&mut self, e: &Expr) {
        match &*e.name {
            "meta" | "ct" | "payload" | "fib" | "rt" | "exthdr" | "byteorder" | "socket" => {
                self.load_or_write(e);
            }
            "bitwise" => self.mask(e),
            "cmp" => self.compare(e),
            "range" => {
                if let (Some(Held::Field(field)), Some(low), Some(high)) =
                    (self.take(e.number(1)), e.value(3), e.value(4))
                {
                    let not = if e.number(2) == Some(1) { "!= " } else { "" };
                    let (low, high) = (field.write(low), field.write(high));
                    self.words.push(format!("{} {not}{low}-{high}", field.name));
                }
            }
            "lookup" => self.look_up(e),
            "dynset" => self.learn(e),
            "immediate" => self.immediate(e),
            "nat" | "masq" | "redir" => self.translate(e),
            "reject" => self.words.push(reject(e, self.family)),
            _ => self.words.push(alone(e)),
        }
    }

    fn put(&mut self, register: Option<u32>, held: Held) {
        let Some(at) = register.and_then(words) else { return };
        self.registers.retain(|(other, _)| *other != at);
        self.registers.push((at, held));
        self.registers.sort_by_key(|(at, _)| *at);
    }

    fn held(&self, register: Option<u32>) -> Option<Held> {
        let at = register.and_then(words)?;
        self.registers.iter().find(|(other, _)| *other == at).map(|(_, held)| held.clone())
    }

    /// What a register holds, which a match uses up.
    fn take(&mut self, register: Option<u32>) -> Option<Held> {
        let held = self.held(register);
        self.registers.clear();
        held
    }

    fn load_or_write(&mut self, e: &Expr) {
        if let Some((name, source)) = field::written(e) {
            let value = match (self.held(Some(source)), &*name) {
                (Some(Held::Value(value)), name) if name.contains("mark") => {
                    Form::Mark.write(&value)
                }
                (Some(Held::Value(value)), _) => Form::Big.write(&value),
                (Some(Held::Field(field)), _) => field.name,
                (Some(Held::Map(map)), _) => map,
                (None, _) => "?".to_owned(),
            };
            return self.words.push(format!("{name} set {value}"));
        }
        if e.is("byteorder") {
            return;
        }
        let field = field::loaded(e, self.family, self.protocol);
        if field.needs_family {
            self.drop_word(|r| r.family_word.take());
        }
        if field.needs_protocol {
            self.drop_word(|r| r.protocol_word.take());
        }
        self.put(e.number(1), Held::Field(field));
    }

    fn drop_word(&mut self, which: impl Fn(&mut Self) -> Option<usize>) {
        if let Some(word) = which(self) {
            self.words[word].clear();
        }
    }

    fn mask(&mut self, e: &Expr) {
        let Some(Held::Field(mut field)) = self.held(e.number(1)) else { return };
        field.mask = e.value(4).map(<[u8]>::to_vec);
        self.put(e.number(2), Held::Field(field));
    }

    fn compare(&mut self, e: &Expr) {
        let (op, value) = (e.number(2).unwrap_or_default(), e.value(3).unwrap_or_default());
        let bound = op == super::compile::GTE;
        let held = if bound { self.held(e.number(1)) } else { self.take(e.number(1)) };
        let Some(Held::Field(field)) = held else {
            return self.words.push("[ cmp ]".to_owned());
        };
        let text = field.write(value);
        match (op, self.from.take()) {
            (super::compile::LTE, Some((name, from))) if name == field.name => {
                self.words.push(format!("{name} {from}-{text}"));
            }
            (op, before) => {
                if let Some((name, from)) = before {
                    self.words.push(format!("{name} >= {from}"));
                }
                if bound {
                    self.from = Some((field.name, text));
                    return;
                }
                self.words.push(field.compared(op, value, &text));
                self.note(&field, op, value);
            }
        }
    }

    /// What is known of the packet after a match.
    fn note(&mut self, field: &Field, op: u32, value: &[u8]) {
        let word = Some(self.words.len() - 1);
        let (0, [value]) = (op, value) else {
            // Elsewhere than in `inet` the frame says of which family the packet is.
            let family = match (op, field.form, value) {
                (0, Form::EtherType, [0x08, 0x00]) => 2,
                (0, Form::EtherType, [0x86, 0xdd]) => 10,
                _ => return,
            };
            (self.family, self.family_word) = (Some(family), word);
            return;
        };
        match field.form {
            Form::Family => (self.family, self.family_word) = (Some(*value), word),
            Form::Protocol => (self.protocol, self.protocol_word) = (Some(*value), word),
            _ => {}
        }
    }

    /// The fields that a key is made of, from a register on.
    fn key(&mut self, register: Option<u32>, until: Option<u32>) -> Vec<Field> {
        let first = register.and_then(words).unwrap_or_default();
        let end = until.and_then(words).unwrap_or(u32::MAX);
        let fields = self.registers.iter().filter(|(at, _)| (first..end).contains(at));
        let fields = fields.filter_map(|(_, held)| match held {
            Held::Field(field) => Some(field.clone()),
            Held::Value(_) | Held::Map(_) => None,
        });
        fields.collect()
    }

    fn look_up(&mut self, e: &Expr) {
        let key = self.key(e.number(2), None);
        let names: Vec<&str> = key.iter().map(|field| field.name.as_str()).collect();
        let names = names.join(" . ");
        let form = key.first().map_or(Form::Bytes, |field| field.form);
        let set = match (&e.set, e.set_name()) {
            (Some(set), _) => braces(set, form, self.most),
            (None, Some(name)) if name.starts_with("__") => "{ … }".to_owned(),
            (None, name) => format!("@{}", name.unwrap_or("?")),
        };
        match e.number(3) {
            None => {
                let not = if e.number(5) == Some(1) { "!= " } else { "" };
                self.registers.clear();
                self.words.push(format!("{names} {not}{set}"));
            }
            Some(VERDICT) => {
                self.registers.clear();
                self.words.push(format!("{names} vmap {set}"));
            }
            to => self.put(to, Held::Map(format!("{names} map {set}"))),
        }
    }

    fn learn(&mut self, e: &Expr) {
        let names = |fields: Vec<Field>| {
            fields.into_iter().map(|field| field.name).collect::<Vec<_>>().join(" . ")
        };
        let key = names(self.key(e.number(4), e.number(5)));
        let data = e.number(5).map(|data| names(self.key(Some(data), None)));
        let verb = ["add", "update", "delete"][e.number(3).unwrap_or_default().min(2) as usize];
        let mut word = format!("{verb} @{} {{ {key}", e.set_name().unwrap_or("?"));
        word += &e.inner().map_or_else(String::new, |inner| format!(" {}", alone(&inner)));
        word += &data.map_or_else(String::new, |data| format!(" : {data}"));
        self.registers.clear();
        self.words.push(word + " }");
    }

    fn immediate(&mut self, e: &Expr) {
        match e.verdict() {
            Some((code, chain)) => self.words.push(verdict(code, chain)),
            None => {
                let value = e.value(2).unwrap_or_default().to_vec();
                self.put(e.number(1), Held::Value(value));
            }
        }
    }
}

fn verdict(code: i32, chain: Option<&str>) -> String {
    let chain = chain.unwrap_or_default();
    match code {
        expr::NF_DROP => "drop".to_owned(),
        expr::NF_ACCEPT => "accept".to_owned(),
        expr::NFT_RETURN => "return".to_owned(),
        expr::NFT_JUMP => format!("jump {chain}"),
        expr::NFT_GOTO => format!("goto {chain}"),
        -1 => "continue".to_owned(),
        code => format!("[ verdict {code} ]"),
    }
}

/// An expression that uses no register.
fn alone(e: &Expr) -> String {
    match &*e.name {
        "counter" | "notrack" | "queue" => e.name.to_string(),
        "limit" => RateLimit {
            amount: e.long(1).unwrap_or_default(),
            bytes: e.number(4) == Some(1),
            seconds: e.long(2).unwrap_or(1),
            burst: e.number(3).unwrap_or_default(),
            over: e.number(5) == Some(1),
        }
        .to_string(),
        "connlimit" => {
            let over = if e.number(2) == Some(1) { "over " } else { "" };
            format!("ct count {over}{}", e.number(1).unwrap_or_default())
        }
        "log" => {
            let levels = ["emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"];
            let level = e.number(5).and_then(|level| levels.get(level as usize));
            let prefix = e.word(2).filter(|p| !p.is_empty());
            let prefix = prefix.map_or_else(String::new, |p| format!(" prefix \"{p}\""));
            let level = level.map_or_else(String::new, |level| format!(" level {level}"));
            format!("log{prefix}{level}")
        }
        "flow_offload" => format!("flow add @{}", e.word(1).unwrap_or("?")),
        "target" if e.word(1) == Some("REJECT") => "reject".to_owned(),
        "match" | "target" => format!("xt {} \"{}\"", e.name, e.word(1).unwrap_or("?")),
        other => format!("[ {other} ]"),
    }
}

/// How a packet is refused: that of a port that is not there goes without saying
/// (`NFT_REJECT_*`, linux/netfilter/nf_tables.h).
fn reject(e: &Expr, family: Option<u8>) -> String {
    let code = e.attributes.get(2).and_then(|value| value.first()).copied();
    let name = match (e.number(1), family, code) {
        (Some(1), ..) => "tcp reset",
        (Some(2), _, Some(0)) => "icmpx no-route",
        (Some(2), _, Some(2)) => "icmpx host-unreachable",
        (Some(2), _, Some(3)) => "icmpx admin-prohibited",
        (Some(0), Some(10), Some(0)) => "icmpv6 no-route",
        (Some(0), Some(10), Some(1)) => "icmpv6 admin-prohibited",
        (Some(0), Some(10), Some(3)) => "icmpv6 addr-unreachable",
        (Some(0), Some(2), Some(0)) => "icmp net-unreachable",
        (Some(0), Some(2), Some(1)) => "icmp host-unreachable",
        (Some(0), Some(2), Some(2)) => "icmp prot-unreachable",
        (Some(0), Some(2), Some(9)) => "icmp net-prohibited",
        (Some(0), Some(2), Some(10)) => "icmp host-prohibited",
        (Some(0), Some(2), Some(13)) => "icmp admin-prohibited",
        _ => return "reject".to_owned(),
    };
    format!("reject with {name}")
}

/// What is in a set without a name.
fn braces(set: &Collection, form: Form, most: Option<usize>) -> String {
    let data = |e: &Element| match (expr::verdict_of(&e.data), expr::value_of(&e.data)) {
        (Some((code, chain)), _) => format!(" : {}", verdict(code, chain)),
        (None, Some(value)) => format!(" : {}", Form::Big.write(value)),
        (None, None) => String::new(),
    };
    let kinds = [SetKind::Ipv4, SetKind::Ipv6, SetKind::Port, SetKind::Interface];
    let kind = kinds.into_iter().find(|kind| kind.number() == set.key_type);
    let mut words: Vec<String> = match kind {
        Some(kind) if set.flags & SET_INTERVAL != 0 => {
            let spans: Vec<Span> = kind.spans(&set.elements);
            let quote = |text: String| match kind {
                SetKind::Interface => format!("\"{text}\""),
                _ => text,
            };
            spans.into_iter().map(|span| quote(kind.text(span))).collect()
        }
        _ => {
            let word = |e: &Element| format!("{}{}", form.write(&e.key), data(e));
            set.elements.iter().map(word).collect()
        }
    };
    if let Some(most) = most.filter(|most| *most < words.len()) {
        words.truncate(most);
        words.push("…".to_owned());
    }
    format!("{{ {} }}", words.join(", "))
}

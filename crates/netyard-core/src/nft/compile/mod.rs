//! Rules become what the kernel runs, in the same way as nft does it, so that
//! `nft list` reads them.
//!
//! What a field of a header means depends on the packet: of `inet`, a rule that
//! looks at IPv4 addresses asks first whether it is IPv4, and one that looks at
//! ports which protocol it is.

mod action;
mod matcher;

use ipnet::IpNet;

use super::expr::{self, Collection, Element, Expr, REG_1, register};
use super::span::Span;
use super::{Field, Learned, Protocol, Rule, Set, SetKind, Statement};

pub(crate) const NFPROTO_IPV4: u8 = 2;
pub(crate) const NFPROTO_IPV6: u8 = 10;

/// `payload` bases.
pub(crate) const NETWORK: u32 = 1;
pub(crate) const TRANSPORT: u32 = 2;

/// `cmp` and `range` operators.
pub(crate) const EQ: u32 = 0;
pub(crate) const NEQ: u32 = 1;
pub(crate) const LTE: u32 = 3;
pub(crate) const GTE: u32 = 5;

/// `NFT_META_*`.
pub(crate) mod meta {
    pub(crate) const MARK: u32 = 3;
    pub(crate) const IIFNAME: u32 = 6;
    pub(crate) const OIFNAME: u32 = 7;
    pub(crate) const NFPROTO: u32 = 15;
    pub(crate) const L4PROTO: u32 = 16;
}

/// `NFT_CT_*`.
pub(crate) mod ct {
    pub(crate) const STATE: u32 = 0;
    pub(crate) const STATUS: u32 = 2;
    pub(crate) const MARK: u32 = 3;
    pub(crate) const PROTO_SRC: u32 = 11;
    pub(crate) const SRC_IP: u32 = 19;
    pub(crate) const SRC_IP6: u32 = 21;
}

/// Expressions in the making, and what they know of the packet.
#[derive(Default)]
struct Program {
    expressions: Vec<Expr>,
    family: Option<bool>,
    protocol: Option<u8>,
}

impl Rule {
    /// What the kernel runs for it.
    pub fn compile(&self) -> Vec<Expr> {
        let mut program = Program::default();
        for statement in &self.statements {
            match statement {
                Statement::Match(m) => program.matches(m),
                Statement::Machine(expressions) => program.expressions.extend(expressions.clone()),
                other => program.act(other),
            }
        }
        program.expressions
    }
}

impl Program {
    fn push(&mut self, expression: Expr) {
        self.expressions.push(expression);
    }

    /// Compares the first register with a value.
    fn compare(&mut self, op: u32, value: &[u8]) {
        self.push(Expr::new("cmp").be32(1, REG_1).be32(2, op).data(3, value));
    }

    fn compare_in(&mut self, not: bool, value: &[u8]) {
        self.compare(if not { NEQ } else { EQ }, value);
    }

    fn load_meta(&mut self, key: u32, register: u32) {
        self.push(Expr::new("meta").be32(1, register).be32(2, key));
    }

    fn load(&mut self, base: u32, offset: u32, length: u32, register: u32) {
        let payload = Expr::new("payload").be32(1, register).be32(2, base);
        self.push(payload.be32(3, offset).be32(4, length));
    }

    fn mask(&mut self, mask: &[u8]) {
        let length = u32::try_from(mask.len()).unwrap_or_default();
        let bitwise = Expr::new("bitwise").be32(1, REG_1).be32(2, REG_1).be32(3, length);
        self.push(bitwise.data(4, mask).data(5, &vec![0; mask.len()]));
    }

    /// Goes on only for packets of a family.
    fn need_family(&mut self, ipv6: bool) {
        if self.family != Some(ipv6) {
            self.family = Some(ipv6);
            self.load_meta(meta::NFPROTO, REG_1);
            self.compare(EQ, &[family(ipv6)]);
        }
    }

    /// Goes on only for packets of a protocol.
    fn need_protocol(&mut self, protocol: Protocol) {
        let number = protocol.number();
        if self.protocol != Some(number) {
            self.protocol = Some(number);
            self.load_meta(meta::L4PROTO, REG_1);
            self.compare(EQ, &[number]);
        }
    }

    /// Looks the first register up in a set without a name.
    fn look_up(&mut self, not: bool, set: Collection) {
        let mut lookup = Expr::new("lookup").be32(2, REG_1);
        if not {
            lookup = lookup.be32(5, 1);
        }
        lookup.set = Some(Box::new(set));
        self.push(lookup);
    }

    fn look_up_named(&mut self, not: bool, name: &str) {
        let lookup = Expr::new("lookup").text(1, name).be32(2, REG_1);
        self.push(if not { lookup.be32(5, 1) } else { lookup });
    }

    /// Compares the first register with ranges of values.
    fn spans(&mut self, not: bool, kind: SetKind, spans: Vec<Span>) {
        let spans = Span::disjoint(spans);
        match spans.as_slice() {
            [one] if one.first == one.last => self.compare_in(not, &kind.bytes(one.first)),
            [one] if !not => {
                self.compare(GTE, &kind.bytes(one.first));
                self.compare(LTE, &kind.bytes(one.last));
            }
            [one] => {
                let range = Expr::new("range").be32(1, REG_1).be32(2, NEQ);
                self.push(range.data(3, &kind.bytes(one.first)).data(4, &kind.bytes(one.last)));
            }
            many => self.look_up(not, Collection::anonymous(kind, many)),
        }
    }

    /// Values of one byte.
    fn bytes(&mut self, not: bool, kind: u32, values: impl Iterator<Item = u8>) {
        let mut values: Vec<u8> = values.collect();
        values.sort_unstable();
        values.dedup();
        if let [one] = values.as_slice() {
            return self.compare_in(not, &[*one]);
        }
        let element = |value: &u8| Element { key: vec![*value], ..Element::default() };
        let elements = values.iter().map(element).collect();
        let flags = expr::SET_ANONYMOUS | expr::SET_CONSTANT;
        let size = count(values.len());
        let set =
            Collection { flags, key_type: kind, key_len: 1, size, elements, ..Default::default() };
        self.look_up(not, set);
    }

    /// Loads a field, whose family and protocol the packet has.
    fn load_field(&mut self, field: Field, register: u32) {
        match field {
            Field::Iif => self.load_meta(meta::IIFNAME, register),
            Field::Oif => self.load_meta(meta::OIFNAME, register),
            Field::Saddr(false) => self.load(NETWORK, 12, 4, register),
            Field::Daddr(false) => self.load(NETWORK, 16, 4, register),
            Field::Saddr(true) => self.load(NETWORK, 8, 16, register),
            Field::Daddr(true) => self.load(NETWORK, 24, 16, register),
            Field::Sport(_) => self.load(TRANSPORT, 0, 2, register),
            Field::Dport(_) => self.load(TRANSPORT, 2, 2, register),
            Field::OriginalSaddr(ipv6) => {
                let key = if ipv6 { ct::SRC_IP6 } else { ct::SRC_IP };
                self.push(Expr::new("ct").be32(1, register).be32(2, key).byte(3, 0));
            }
            Field::OriginalSport => {
                self.push(Expr::new("ct").be32(1, register).be32(2, ct::PROTO_SRC).byte(3, 0));
            }
        }
    }

    /// Loads fields one after the other, from the register that begins so many
    /// words after the first; gives how many words they take.
    fn load_fields(&mut self, fields: &[Field], first: u32) -> u32 {
        for field in fields {
            self.need_of(*field);
        }
        let mut at = first;
        for field in fields {
            self.load_field(*field, register(at));
            at += field.words();
        }
        at - first
    }

    /// What must be known of the packet before a field is looked at.
    fn need_of(&mut self, field: Field) {
        match field {
            Field::Saddr(ipv6) | Field::Daddr(ipv6) => self.need_family(ipv6),
            Field::Sport(protocol) | Field::Dport(protocol) => self.need_protocol(protocol),
            // The connection says whether it is of IPv4; nft wants to hear it said.
            Field::OriginalSaddr(ipv6) => self.need_family(ipv6),
            Field::Iif | Field::Oif | Field::OriginalSport => {}
        }
    }
}

impl Field {
    /// How many words of four bytes it takes in a register.
    pub(crate) fn words(self) -> u32 {
        self.kind().len().div_ceil(4)
    }
}

impl Set {
    /// As the kernel has it.
    pub(crate) fn collection(&self) -> Collection {
        let spans: Vec<Span> =
            Span::disjoint(self.elements.iter().filter_map(|e| self.kind.span(e)).collect());
        let intervals = self.has_intervals();
        let mut collection = Collection::of(self.kind, &spans, intervals);
        collection.flags = if intervals { expr::SET_INTERVAL } else { 0 };
        collection.size = 0;
        collection
    }
}

impl Set {
    /// Of its elements, those that are named.
    pub(crate) fn only(&self, elements: &[&str]) -> Vec<Element> {
        let mut spans: Vec<Span> = elements.iter().filter_map(|e| self.kind.span(e)).collect();
        spans.sort_unstable();
        if !self.has_intervals() {
            let one = |s: &Span| Element { key: self.kind.bytes(s.first), ..Element::default() };
            return spans.iter().map(one).collect();
        }
        let mut elements = self.kind.intervals(&spans);
        // The end of nothing, before all, is there since the set was made.
        elements.retain(|e| e.flags == 0 || e.key.iter().any(|b| *b != 0));
        elements
    }

    /// Elements that the kernel tells of, as they are written.
    pub(crate) fn read(&self, elements: &[Element]) -> Vec<String> {
        if self.has_intervals() {
            return self.kind.spans(elements).into_iter().map(|s| self.kind.text(s)).collect();
        }
        let value = |e: &Element| e.key.iter().fold(0_u128, |all, b| all << 8 | u128::from(*b));
        let one = |value| self.kind.text(Span { first: value, last: value });
        elements.iter().map(|element| one(value(element))).collect()
    }
}

impl Learned {
    /// As the kernel has it, without what it has learned.
    pub(crate) fn collection(&self) -> Collection {
        let (key_type, key_len) = concatenation(&self.key);
        let mut set = Collection {
            flags: expr::SET_EVAL,
            key_type,
            key_len,
            size: self.size,
            timeout: u64::from(self.timeout) * 1000,
            ..Default::default()
        };
        if self.timeout > 0 {
            set.flags |= expr::SET_TIMEOUT;
        }
        if !self.data.is_empty() {
            set.flags |= expr::SET_MAP;
            (set.data_type, set.data_len) = concatenation(&self.data);
        }
        set
    }
}

impl Collection {
    /// A set without a name, of ranges of values where any is more than one.
    pub(crate) fn anonymous(kind: SetKind, spans: &[Span]) -> Self {
        Self::of(kind, spans, spans.iter().any(|span| span.first != span.last))
    }

    fn of(kind: SetKind, spans: &[Span], intervals: bool) -> Self {
        let mut elements = match intervals {
            true => kind.intervals(spans),
            false => {
                let one = |s: &Span| Element { key: kind.bytes(s.first), ..Element::default() };
                spans.iter().map(one).collect()
            }
        };
        elements.sort();
        let mut flags = expr::SET_ANONYMOUS | expr::SET_CONSTANT;
        if intervals {
            flags |= expr::SET_INTERVAL;
        }
        Self {
            flags,
            key_type: kind.number(),
            key_len: kind.len(),
            size: count(elements.len()),
            elements,
            ..Self::default()
        }
    }
}

/// nft's number for fields one after the other, and their length: each begins at
/// a word of four bytes.
fn concatenation(fields: &[Field]) -> (u32, u32) {
    let kinds = fields.iter().map(|field| field.kind());
    if let [one] = fields {
        return (one.kind().number(), one.kind().len());
    }
    // TYPE_BITS of nftables' include/datatype.h is 6.
    let number = kinds.fold(0, |all, kind| all << 6 | kind.number());
    let length = fields.iter().map(|field| 4 * field.words()).sum();
    (number, length)
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn family(ipv6: bool) -> u8 {
    if ipv6 { NFPROTO_IPV6 } else { NFPROTO_IPV4 }
}

fn is_ipv6(nets: &[IpNet]) -> bool {
    nets.first().is_some_and(|net| net.addr().is_ipv6())
}

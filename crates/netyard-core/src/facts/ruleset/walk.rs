//! Where one packet ends in a ruleset.
//!
//! The rules are run as the kernel runs them, expression by expression, with
//! registers of which each byte is known or not. So a rule matches, does not, or
//! one cannot tell. What one cannot tell does not stop the walk: it goes on as if
//! the rule did not match, and the answer says what it depends on.
//!
//! A packet passes a hook when every base chain of it lets it: an accept ends one
//! chain and not the next one of a higher priority, a drop ends all.

mod packet;

use std::net::IpAddr;

use super::expression::{Data, Expression, Verdict};
use super::legacy::{self, TargetFate};
use super::register::{Bytes, Registers, equal, known};
use super::{Element, Family, ForeignChain, ForeignRule, ForeignSet, ForeignTable, Ruleset};

pub use packet::{Packet, Tracked};

/// Chains within chains; the kernel refuses more than 16 jumps.
const DEPTH: usize = 32;

/// Who decides over a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blame {
    /// Family of the table.
    pub family: Family,
    /// The table.
    pub table: String,
    /// The chain with the rule; for a policy the base chain.
    pub chain: String,
    /// The handle of the rule; of the chain where it is its policy.
    pub handle: u64,
    /// The base chain by which the packet came here.
    pub base: String,
    /// Priority of the base chain.
    pub priority: i32,
    /// The rule as text; none: it is the policy.
    pub rule: Option<String>,
    /// It is answered, not only dropped.
    pub rejected: bool,
}

/// Where a packet ends at one hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It passes.
    Accepted,
    /// It does not.
    Dropped(Blame),
    /// That depends on something that is not known: the rule that may drop it.
    Unclear(Blame),
}

/// What a rule says of a packet.
enum Said {
    No,
    Yes(Verdict),
    Maybe(Verdict),
    Rejects,
    MaybeRejects,
}

/// What became of it in a chain.
enum End {
    Accepted,
    Dropped(Blame),
    Back,
}

/// A walk through one base chain, and what it could not tell on the way.
struct Walk<'a> {
    table: &'a ForeignTable,
    base: &'a ForeignChain,
    packet: &'a Packet,
    /// A rule that may have accepted it before.
    may_accept: bool,
    /// The first rule that may have dropped it before.
    may_drop: Option<Blame>,
}

impl Ruleset {
    /// Where a packet ends at its hook, in the tables for which `of` is true.
    pub fn fate(&self, packet: &Packet, of: impl Fn(&ForeignTable) -> bool) -> Fate {
        let mut unclear = None;
        for (table, base) in self.at(packet.hook, packet.ipv6()) {
            if !of(table) || base.kind == "nat" {
                continue;
            }
            let mut walk = Walk { table, base, packet, may_accept: false, may_drop: None };
            match walk.run() {
                End::Dropped(blame) if !walk.may_accept => return Fate::Dropped(blame),
                End::Dropped(blame) => unclear = unclear.or(walk.may_drop).or(Some(blame)),
                End::Accepted | End::Back => unclear = unclear.or(walk.may_drop),
            }
        }
        unclear.map_or(Fate::Accepted, Fate::Unclear)
    }
}

impl Walk<'_> {
    fn run(&mut self) -> End {
        match self.chain(self.base, 0) {
            End::Back if self.base.policy_drop => End::Dropped(self.blame(self.base, None, false)),
            End::Back => End::Accepted,
            end => end,
        }
    }

    fn chain(&mut self, chain: &ForeignChain, depth: usize) -> End {
        if depth > DEPTH {
            return End::Back;
        }
        for rule in &chain.rules {
            let (sure, verdict, rejects) = match says(rule, self.table, self.packet) {
                Said::No => continue,
                Said::Yes(verdict) => (true, verdict, false),
                Said::Maybe(verdict) => (false, verdict, false),
                Said::Rejects => (true, Verdict::Drop, true),
                Said::MaybeRejects => (false, Verdict::Drop, true),
            };
            match verdict {
                Verdict::Continue => {}
                Verdict::Accept if sure => return End::Accepted,
                Verdict::Accept | Verdict::Queue => self.may_accept = true,
                Verdict::Drop => {
                    let blame = self.blame(chain, Some(rule), rejects);
                    if sure {
                        return End::Dropped(blame);
                    }
                    self.may_drop.get_or_insert(blame);
                }
                Verdict::Return if sure => return End::Back,
                Verdict::Return => self.may_accept = true,
                Verdict::Jump(to) | Verdict::Goto(to) if !sure => self.maybe_into(&to, depth),
                Verdict::Goto(to) => return self.into(&to, depth),
                Verdict::Jump(to) => match self.into(&to, depth) {
                    End::Back => {}
                    end => return end,
                },
            }
        }
        End::Back
    }

    fn into(&mut self, name: &str, depth: usize) -> End {
        match self.table.chain(name) {
            Some(chain) => self.chain(chain, depth + 1),
            None => End::Back,
        }
    }

    /// Looks into a chain that the packet may or may not go into.
    fn maybe_into(&mut self, name: &str, depth: usize) {
        match self.into(name, depth) {
            End::Accepted => self.may_accept = true,
            End::Dropped(blame) => {
                self.may_drop.get_or_insert(blame);
            }
            End::Back => {}
        }
    }

    fn blame(&self, chain: &ForeignChain, rule: Option<&ForeignRule>, rejected: bool) -> Blame {
        Blame {
            family: self.table.family,
            table: self.table.name.clone(),
            chain: chain.name.clone(),
            handle: rule.map_or(chain.handle, |rule| rule.handle),
            base: self.base.name.clone(),
            priority: self.base.hook.map_or(0, |(_, priority)| priority),
            rule: rule.map(|rule| rule.text(self.table)),
            rejected,
        }
    }
}

fn says(rule: &ForeignRule, table: &ForeignTable, packet: &Packet) -> Said {
    let mut registers = Registers::default();
    let mut sure = true;
    for expression in &rule.expressions {
        match step(expression, table, packet, &mut registers) {
            Step::On => {}
            Step::MaybeOn => sure = false,
            Step::Off => return Said::No,
            Step::Ends(verdict) if sure => return Said::Yes(verdict),
            Step::Ends(verdict) => return Said::Maybe(verdict),
            Step::MaybeEnds(verdict) => return Said::Maybe(verdict),
            Step::Rejects if sure => return Said::Rejects,
            Step::Rejects => return Said::MaybeRejects,
        }
    }
    Said::No
}

/// What one expression does to the rule it is in.
enum Step {
    On,
    MaybeOn,
    Off,
    Ends(Verdict),
    MaybeEnds(Verdict),
    Rejects,
}

impl Step {
    fn of(hit: Option<bool>) -> Self {
        match hit {
            Some(true) => Self::On,
            Some(false) => Self::Off,
            None => Self::MaybeOn,
        }
    }
}

fn step(
    expression: &Expression,
    table: &ForeignTable,
    packet: &Packet,
    registers: &mut Registers,
) -> Step {
    match expression {
        Expression::Meta { key, to } => registers.put(*to, &packet.meta(*key)),
        Expression::Ct { key, to } => registers.put(*to, &packet.ct(*key)),
        Expression::Fib { result, flags, to } => registers.put(*to, &packet.fib(*result, *flags)),
        Expression::Payload { base, offset, length, to } => {
            let header = match base {
                1 => packet.network_header(),
                2 => packet.transport_header(),
                _ => Vec::new(),
            };
            let bytes = *offset as usize..(*offset + *length) as usize;
            let bytes: Bytes = bytes.map(|at| header.get(at).copied().flatten()).collect();
            registers.put(*to, &bytes);
        }
        Expression::Bitwise { from, to, mask, xor } => {
            let bytes = registers.get(*from, mask.len());
            let masked =
                bytes.iter().zip(mask.iter().zip(xor)).map(|(byte, (mask, xor))| match byte {
                    _ if *mask == 0 => Some(*xor),
                    Some(byte) => Some((byte & mask) ^ xor),
                    None => None,
                });
            registers.put(*to, &masked.collect::<Bytes>());
        }
        Expression::Cmp { from, op, value } => {
            return Step::of(compare(&registers.get(*from, value.len()), *op, value));
        }
        Expression::Range { from, not, low, high } => {
            let within = known(&registers.get(*from, low.len()))
                .map(|bytes| (low..=high).contains(&&bytes) != *not);
            return Step::of(within);
        }
        Expression::Lookup { set, from, to, not } => {
            return lookup(table.sets.get(set), *from, *to, *not, registers);
        }
        Expression::Immediate { to, data: Data::Value(value) } => {
            let bytes: Bytes = value.iter().copied().map(Some).collect();
            registers.put(*to, &bytes);
        }
        Expression::Immediate { data: Data::Verdict(verdict), .. } => {
            return Step::Ends(verdict.clone());
        }
        Expression::Limit { over } => return Step::of(Some(!over)),
        Expression::Match { name, revision, info } => {
            return Step::of(legacy::matches(name, *revision, info, packet));
        }
        Expression::Target { name, .. } => {
            return match legacy::target(name) {
                TargetFate::Accept => Step::Ends(Verdict::Accept),
                TargetFate::Reject => Step::Rejects,
                TargetFate::GoesOn => Step::On,
                TargetFate::Unknown => Step::MaybeEnds(Verdict::Queue),
            };
        }
        Expression::Reject => return Step::Rejects,
        Expression::Nat { .. } | Expression::Masquerade | Expression::Redirect { .. } => {
            return Step::Ends(Verdict::Accept);
        }
        Expression::Aside(_) => {}
        Expression::Other(name) if name == "queue" => return Step::Ends(Verdict::Queue),
        Expression::Other(_) => return Step::MaybeOn,
    }
    Step::On
}

fn compare(bytes: &[Option<u8>], op: u32, value: &[u8]) -> Option<bool> {
    let order = || known(bytes).map(|bytes| bytes.as_slice().cmp(value));
    match op {
        0 => equal(bytes, value),
        1 => equal(bytes, value).map(|same| !same),
        2 => order().map(|order| order.is_lt()),
        3 => order().map(|order| order.is_le()),
        4 => order().map(|order| order.is_gt()),
        _ => order().map(|order| order.is_ge()),
    }
}

fn lookup(
    set: Option<&ForeignSet>,
    from: u32,
    to: Option<u32>,
    not: bool,
    registers: &mut Registers,
) -> Step {
    let Some(set) = set else { return Step::MaybeOn };
    let found = set.find(&registers.get(from, set.key_length));
    match (found, to) {
        (None, _) => Step::MaybeOn,
        (Some(None), _) => Step::of(Some(not)),
        (Some(Some(_)), None) => Step::of(Some(!not)),
        (Some(Some(element)), Some(to)) => match &element.data {
            Some(Data::Verdict(verdict)) => Step::Ends(verdict.clone()),
            Some(Data::Value(value)) => {
                let bytes: Bytes = value.iter().copied().map(Some).collect();
                registers.put(to, &bytes);
                Step::On
            }
            None => Step::MaybeOn,
        },
    }
}

impl ForeignSet {
    /// The element that holds a key; the outer none is: one cannot tell.
    fn find(&self, key: &[Option<u8>]) -> Option<Option<&Element>> {
        let Some(key) = known(key) else { return (self.elements.is_empty()).then_some(None) };
        let all = self.elements.iter().find(|element| element.catch_all);
        if self.concatenated && self.elements.iter().any(|element| element.key_end.is_some()) {
            let exact = self.elements.iter().find(|element| element.key == key);
            return exact.map(Some);
        }
        let plain = || self.elements.iter().filter(|element| !element.catch_all);
        if !self.interval {
            return Some(plain().find(|element| element.key == key).or(all));
        }
        // The nearest edge at or below the key; where one interval ends and the
        // next begins, the beginning counts.
        let edge = plain()
            .filter(|element| element.key <= key)
            .max_by(|a, b| a.key.cmp(&b.key).then(b.ends.cmp(&a.ends)));
        Some(edge.filter(|element| !element.ends).or(all))
    }
}

/// Where the destination of a packet is translated to, and by which rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translation {
    /// The new address; none: this stack itself.
    pub address: Option<IpAddr>,
    /// The new port.
    pub port: Option<u16>,
    /// The rule.
    pub by: Blame,
}

impl Ruleset {
    /// All rules that would translate the destination of this packet, the first
    /// of which does. Rules of which one cannot tell are left out.
    pub fn translations(&self, packet: &Packet) -> Vec<Translation> {
        let mut found = Vec::new();
        for (table, base) in self.at(packet.hook, packet.ipv6()) {
            if base.kind == "nat" {
                let walk = Walk { table, base, packet, may_accept: false, may_drop: None };
                walk.translations(base, 0, &mut found);
            }
        }
        found
    }
}

impl Walk<'_> {
    fn translations(&self, chain: &ForeignChain, depth: usize, found: &mut Vec<Translation>) {
        if depth > DEPTH {
            return;
        }
        for rule in &chain.rules {
            match says(rule, self.table, self.packet) {
                Said::Yes(Verdict::Jump(to) | Verdict::Goto(to)) => {
                    if let Some(chain) = self.table.chain(&to) {
                        self.translations(chain, depth + 1, found);
                    }
                }
                Said::Yes(Verdict::Accept) => {
                    if let Some((address, port)) = self.target(rule) {
                        let by = self.blame(chain, Some(rule), false);
                        found.push(Translation { address, port, by });
                    }
                }
                _ => {}
            }
        }
    }

    fn target(&self, rule: &ForeignRule) -> Option<(Option<IpAddr>, Option<u16>)> {
        let mut registers = Registers::default();
        for expression in &rule.expressions {
            match expression {
                Expression::Nat { destination: true, address, port } => {
                    let length = if self.packet.ipv6() { 16 } else { 4 };
                    let address = address.and_then(|from| known(&registers.get(from, length)));
                    return Some((
                        address.and_then(|bytes| crate::wire::ip(&bytes)),
                        port.and_then(|from| port_of(&registers, from)),
                    ));
                }
                Expression::Redirect { port } => {
                    return Some((None, port.and_then(|from| port_of(&registers, from))));
                }
                Expression::Target { name, info } if name == "DNAT" => {
                    let (address, port) = legacy::dnat(info)?;
                    return Some((crate::wire::ip(&address), port));
                }
                expression => {
                    step(expression, self.table, self.packet, &mut registers);
                }
            }
        }
        None
    }
}

fn port_of(registers: &Registers, from: u32) -> Option<u16> {
    let bytes = known(&registers.get(from, 2))?;
    Some(u16::from_be_bytes(bytes.try_into().ok()?))
}

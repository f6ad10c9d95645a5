//! What changes between two tables of one name, in an order in which the kernel
//! takes it: what is named comes before who names it, and goes after.
//!
//! Rules that are in both stay where they are, with what they counted. Of rules
//! in another order, the fewest are taken out and put in again.

use std::collections::HashMap; // looked up, never iterated
use std::fmt;

use super::{Chain, Flowtable, Learned, Other, Rule, Set, Statement, Table};

/// One change to a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit<'a> {
    /// Makes a set, with its elements.
    AddSet(&'a Set),
    /// Takes a set away.
    RemoveSet(&'a Set),
    /// Puts elements into a set that stays.
    AddElements(&'a Set, Vec<&'a str>),
    /// Takes elements out of a set that stays.
    RemoveElements(&'a Set, Vec<&'a str>),
    /// Makes a set that rules fill, empty.
    AddLearned(&'a Learned),
    /// Takes such a set away.
    RemoveLearned(&'a Learned),
    /// Makes a set or map of any sort, with its elements.
    AddOther(&'a Other),
    /// Takes such a set or map away.
    RemoveOther(&'a Other),
    /// Makes a flowtable, without devices.
    AddFlowtable(&'a Flowtable),
    /// Takes a flowtable away.
    RemoveFlowtable(&'a Flowtable),
    /// Makes a chain, without rules.
    AddChain(&'a Chain),
    /// Takes an empty chain away.
    RemoveChain(&'a Chain),
    /// Changes the policy of a base chain to this one's.
    SetPolicy(&'a Chain),
    /// Takes a rule out.
    RemoveRule {
        /// The chain, as it was.
        chain: &'a Chain,
        /// Which of its rules.
        index: usize,
    },
    /// Puts a rule in.
    AddRule {
        /// The chain, as it will be.
        chain: &'a Chain,
        /// Which of its rules.
        index: usize,
        /// The rule of the chain as it was that comes next; none at the end.
        before: Option<usize>,
    },
}

/// What it is about, as nft writes it.
impl fmt::Display for Edit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddSet(set) | Self::RemoveSet(set) => write!(f, "set {}", set.name),
            Self::AddElements(set, _) | Self::RemoveElements(set, _) => {
                write!(f, "elements of set {}", set.name)
            }
            Self::AddLearned(set) | Self::RemoveLearned(set) => {
                write!(f, "{} {}", set.sort(), set.name)
            }
            Self::AddOther(set) | Self::RemoveOther(set) => write!(f, "set {}", set.name),
            Self::AddFlowtable(table) | Self::RemoveFlowtable(table) => {
                write!(f, "flowtable {}", table.name)
            }
            Self::AddChain(chain) | Self::RemoveChain(chain) | Self::SetPolicy(chain) => {
                write!(f, "chain {}", chain.name)
            }
            Self::RemoveRule { chain, index } | Self::AddRule { chain, index, .. } => {
                write!(f, "{}: {}", chain.name, chain.rules[*index])
            }
        }
    }
}

/// What makes `from` into `to`; of a table that is not there, all of it.
pub fn edits<'a>(from: Option<&'a Table>, to: &'a Table) -> Vec<Edit<'a>> {
    let nothing: (&[Set], &[Learned], &[Flowtable], &[Chain]) = (&[], &[], &[], &[]);
    let (sets, learned, flowtables, chains) =
        from.map_or(nothing, |t| (&t.sets, &t.learned, &t.flowtables, &t.chains));
    let mut walk = Walk::default();
    walk.sets(sets, &to.sets);
    walk.learned(learned, &to.learned);
    walk.others(from.map_or(&[], |t| &t.others), &to.others);
    walk.flowtables(flowtables, &to.flowtables);
    walk.chains(chains, &to.chains);
    // A set, flowtable or chain that is made anew goes first, and before it the
    // rules that name it.
    let Walk { out_rules, out_named, named, in_rules, last, .. } = walk;
    [out_rules, out_named, named, in_rules, last].concat()
}

#[derive(Default)]
struct Walk<'a> {
    /// Rules that go.
    out_rules: Vec<Edit<'a>>,
    /// What goes to come again under the same name.
    out_named: Vec<Edit<'a>>,
    /// Sets, flowtables and chains that come; changes of those that stay.
    named: Vec<Edit<'a>>,
    in_rules: Vec<Edit<'a>>,
    /// What goes for good.
    last: Vec<Edit<'a>>,
    /// Names of sets and flowtables that are made anew.
    anew: Vec<&'a str>,
}

impl<'a> Walk<'a> {
    fn sets(&mut self, from: &'a [Set], to: &'a [Set]) {
        for old in from {
            match to.iter().find(|new| new.name == old.name) {
                None => self.last.push(Edit::RemoveSet(old)),
                Some(new) if !old.is_like(new) => {
                    self.anew.push(&old.name);
                    self.out_named.push(Edit::RemoveSet(old));
                    self.named.push(Edit::AddSet(new));
                }
                Some(new) => self.elements(old, new),
            }
        }
        let new = to.iter().filter(|new| from.iter().all(|old| old.name != new.name));
        self.named.extend(new.map(Edit::AddSet));
    }

    fn elements(&mut self, from: &'a Set, to: &'a Set) {
        let not_in = |one: &'a Set, other: &Set| -> Vec<&'a str> {
            let other: std::collections::BTreeSet<&String> = other.elements.iter().collect();
            one.elements.iter().filter(|e| !other.contains(e)).map(String::as_str).collect()
        };
        let (gone, new) = (not_in(from, to), not_in(to, from));
        // An interval that comes may overlap one that goes.
        if !gone.is_empty() {
            self.named.push(Edit::RemoveElements(from, gone));
        }
        if !new.is_empty() {
            self.named.push(Edit::AddElements(to, new));
        }
    }

    fn learned(&mut self, from: &'a [Learned], to: &'a [Learned]) {
        for old in from {
            match to.iter().find(|new| new.name == old.name) {
                None => self.last.push(Edit::RemoveLearned(old)),
                Some(new) if old != new => {
                    self.anew.push(&old.name);
                    self.out_named.push(Edit::RemoveLearned(old));
                    self.named.push(Edit::AddLearned(new));
                }
                Some(_) => {}
            }
        }
        let new = to.iter().filter(|new| from.iter().all(|old| old.name != new.name));
        self.named.extend(new.map(Edit::AddLearned));
    }

    fn others(&mut self, from: &'a [Other], to: &'a [Other]) {
        for old in from {
            match to.iter().find(|new| new.name == old.name) {
                None => self.last.push(Edit::RemoveOther(old)),
                Some(new) if old != new => {
                    self.anew.push(&old.name);
                    self.out_named.push(Edit::RemoveOther(old));
                    self.named.push(Edit::AddOther(new));
                }
                Some(_) => {}
            }
        }
        let new = to.iter().filter(|new| from.iter().all(|old| old.name != new.name));
        self.named.extend(new.map(Edit::AddOther));
    }

    fn flowtables(&mut self, from: &'a [Flowtable], to: &'a [Flowtable]) {
        for old in from {
            match to.iter().find(|new| new.name == old.name) {
                None => self.last.push(Edit::RemoveFlowtable(old)),
                Some(new) if new.priority != old.priority => {
                    self.anew.push(&old.name);
                    self.out_named.push(Edit::RemoveFlowtable(old));
                    self.named.push(Edit::AddFlowtable(new));
                }
                Some(_) => {}
            }
        }
        let new = to.iter().filter(|new| from.iter().all(|old| old.name != new.name));
        self.named.extend(new.map(Edit::AddFlowtable));
    }

    fn chains(&mut self, from: &'a [Chain], to: &'a [Chain]) {
        let mut removed = Vec::new();
        for old in from {
            let new = to.iter().find(|new| new.name == old.name);
            let Some(new) = new.filter(|new| old.hangs_like(new)) else {
                let all = (0..old.rules.len()).map(|index| Edit::RemoveRule { chain: old, index });
                self.out_rules.extend(all);
                match new {
                    Some(_) => self.out_named.push(Edit::RemoveChain(old)),
                    None => removed.push(Edit::RemoveChain(old)),
                }
                continue;
            };
            if old.base != new.base {
                self.named.push(Edit::SetPolicy(new));
            }
        }
        // Chains go before the sets that their rules named.
        removed.append(&mut self.last);
        self.last = removed;
        for new in to {
            let old = from.iter().find(|old| old.name == new.name && old.hangs_like(new));
            if old.is_none() {
                self.named.push(Edit::AddChain(new));
            }
            self.rules(old, new);
        }
    }

    fn rules(&mut self, old: Option<&'a Chain>, new: &'a Chain) {
        let was: &[Rule] = old.map_or(&[], |old| &old.rules);
        let pairs = common(was, &new.rules, |rule| rule.names_any(&self.anew));
        if let Some(old) = old {
            let mut kept = pairs.iter().map(|(old, _)| *old).peekable();
            for index in 0..was.len() {
                if kept.next_if_eq(&index).is_none() {
                    self.out_rules.push(Edit::RemoveRule { chain: old, index });
                }
            }
        }
        let mut next = pairs.iter().peekable();
        for index in 0..new.rules.len() {
            if next.next_if(|(_, new)| *new == index).is_some() {
                continue;
            }
            let before = next.peek().map(|(old, _)| *old);
            self.in_rules.push(Edit::AddRule { chain: new, index, before });
        }
    }
}

impl Set {
    /// True where one becomes the other by its elements alone.
    fn is_like(&self, other: &Self) -> bool {
        self.kind == other.kind && self.has_intervals() == other.has_intervals()
    }
}

impl Chain {
    /// True where one becomes the other by rules and policy alone.
    fn hangs_like(&self, other: &Self) -> bool {
        let place = |c: &Self| c.base.map(|b| (b.kind, b.hook, b.priority));
        place(self) == place(other)
    }
}

impl Rule {
    fn names_any(&self, names: &[&str]) -> bool {
        !names.is_empty() && self.statements.iter().any(|s| s.names(names))
    }
}

impl Statement {
    /// True where it names one of these sets or flowtables.
    fn names(&self, names: &[&str]) -> bool {
        use super::Matcher::{DaddrSet, DportSet, Learned, SaddrSet};
        let named = |name: &String| names.contains(&name.as_str());
        match self {
            Self::Offload(name) => named(name),
            Self::Learn { set, .. } => named(set),
            Self::DnatLearned { map, .. } => named(map),
            Self::Machine(all) => {
                all.iter().filter_map(super::Expr::set_name).any(|n| names.contains(&n))
            }
            Self::Match(m) => match &m.matcher {
                SaddrSet { set, .. } | DaddrSet { set, .. } | DportSet(_, set) => named(set),
                Learned { set, .. } => named(set),
                _ => false,
            },
            _ => false,
        }
    }
}

/// Rules that are in both in the same order: positions in either, ascending.
///
/// The first of equal rules is paired with the first, and so on; of all pairs,
/// the longest run that ascends on both sides stays.
fn common<'a>(
    from: &'a [Rule],
    to: &'a [Rule],
    left_out: impl Fn(&Rule) -> bool,
) -> Vec<(usize, usize)> {
    let head = from.iter().zip(to).take_while(|(a, b)| a == b && !left_out(a)).count();
    let mut places: HashMap<&Rule, Vec<usize>> = HashMap::with_capacity(from.len() - head);
    for index in (head..from.len()).rev().filter(|&index| !left_out(&from[index])) {
        places.entry(&from[index]).or_default().push(index);
    }
    let pairs = (head..to.len()).filter_map(|new| {
        let old = places.get_mut(&to[new])?.pop()?;
        Some((old, new))
    });
    let pairs: Vec<(usize, usize)> = pairs.collect();
    (0..head).map(|index| (index, index)).chain(ascending(&pairs)).collect()
}

/// The longest run of pairs, of which the second ascends, in which the first does.
fn ascending(pairs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    // ends[n]: the pair with the smallest first that ends a run of n + 1.
    let mut ends: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = vec![None; pairs.len()];
    for (number, (old, _)) in pairs.iter().enumerate() {
        let length = ends.partition_point(|&end| pairs[end].0 < *old);
        before[number] = length.checked_sub(1).map(|last| ends[last]);
        match ends.get_mut(length) {
            Some(end) => *end = number,
            None => ends.push(number),
        }
    }
    let mut run = Vec::with_capacity(ends.len());
    let mut next = ends.last().copied();
    while let Some(number) = next {
        run.push(pairs[number]);
        next = before[number];
    }
    run.reverse();
    run
}

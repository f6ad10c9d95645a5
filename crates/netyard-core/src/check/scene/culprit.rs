//! Who drops what of the yard crosses the host.

use super::{Crossing, Scene};
use crate::check::{Check, Finding, Severity};
use crate::facts::ruleset::walk::{Blame, Fate};
use crate::facts::ruleset::{Family, ForeignTable, Ruleset};
use crate::nft::Hook;
use crate::state::Place;

/// Whose a chain is, by the names its owner gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // each variant is the program of its name
pub enum Owner {
    Docker,
    Ufw,
    Firewalld,
    Libvirt,
    /// Not known: the policy of a chain.
    Policy,
    /// Not known: a rule.
    Rule,
}

/// A rule or a policy, and what of the yard it drops.
#[derive(Clone, Debug)]
pub struct Culprit {
    /// It.
    pub blame: Blame,
    /// Whose it is.
    pub owner: Owner,
    /// The hook.
    pub hook: Hook,
    /// What it drops; empty where the host is looked at for itself.
    pub victims: Vec<Crossing>,
    /// True where the walk could not tell whether it does.
    pub unclear: bool,
}

impl Scene<'_> {
    /// Findings of a check about the culprits of an owner on the host; `fix` says
    /// what to do about one of them.
    pub fn accuse(
        &self,
        check: &'static Check,
        owner: Owner,
        fix: fn(&Culprit) -> Vec<String>,
    ) -> Vec<Finding> {
        let Some(ruleset) = self.host().and_then(|host| host.ruleset.as_ref()) else {
            return Vec::new();
        };
        let culprits = match self.yard {
            Some(_) => culprits(ruleset, self.crossings()),
            None => strict_policies(ruleset),
        };
        culprits
            .iter()
            .filter(|culprit| culprit.owner == owner)
            .map(|culprit| culprit.finding(check, fix(culprit)))
            .collect()
    }
}

/// Who drops any of these crossings, each culprit once.
fn culprits(ruleset: &Ruleset, crossings: Vec<Crossing>) -> Vec<Culprit> {
    let mut found: Vec<Culprit> = Vec::new();
    for crossing in crossings {
        let (blame, unclear) = match ruleset.fate(&crossing.packet, |table| !table.is_ours()) {
            Fate::Accepted => continue,
            Fate::Dropped(blame) => (blame, false),
            Fate::Unclear(blame) => (blame, true),
        };
        let hook = crossing.packet.hook;
        if let Some(known) =
            found.iter_mut().find(|one| one.blame == blame && one.unclear == unclear)
        {
            known.victims.push(crossing);
            continue;
        }
        let owner = owner(ruleset, &blame);
        found.push(Culprit { blame, owner, hook, victims: vec![crossing], unclear });
    }
    found
}

/// The chains of the forward hook that drop what no rule accepts: what anybody
/// who wants to forward has to know of a host.
fn strict_policies(ruleset: &Ruleset) -> Vec<Culprit> {
    let mut found: Vec<Culprit> = Vec::new();
    for ipv6 in [false, true] {
        for (table, chain) in ruleset.at(Hook::Forward, ipv6) {
            if !chain.policy_drop || table.is_ours() {
                continue;
            }
            let blame = Blame {
                family: table.family,
                table: table.name.clone(),
                chain: chain.name.clone(),
                handle: chain.handle,
                base: chain.name.clone(),
                priority: chain.hook.map_or(0, |(_, priority)| priority),
                rule: None,
                rejected: false,
            };
            if !found.iter().any(|one| one.blame == blame) {
                let owner = owner(ruleset, &blame);
                let (hook, victims) = (Hook::Forward, Vec::new());
                found.push(Culprit { blame, owner, hook, victims, unclear: false });
            }
        }
    }
    found
}

fn owner(ruleset: &Ruleset, blame: &Blame) -> Owner {
    let table = ruleset.table(blame.family, &blame.table);
    let has = |start: &str| {
        let chains = table.into_iter().flat_map(|table: &ForeignTable| &table.chains);
        chains.into_iter().any(|chain| chain.name.starts_with(start))
    };
    let (chain, name) = (blame.chain.as_str(), blame.table.as_str());
    if name == "firewalld" {
        return Owner::Firewalld;
    }
    if name.starts_with("libvirt") || chain.starts_with("LIBVIRT_") {
        return Owner::Libvirt;
    }
    if name.starts_with("docker") || chain.starts_with("DOCKER") {
        return Owner::Docker;
    }
    if chain.starts_with("ufw") {
        return Owner::Ufw;
    }
    // A policy is of whoever has chains in the table; DOCKER-USER comes before
    // all others, so what is written there helps whoever set it.
    match blame.rule {
        Some(_) => Owner::Rule,
        None if blame.chain == "FORWARD" && has("DOCKER-USER") => Owner::Docker,
        None if has("ufw") => Owner::Ufw,
        None => Owner::Policy,
    }
}

impl Culprit {
    fn finding(&self, check: &'static Check, fixes: Vec<String>) -> Finding {
        let Blame { family, table, chain, handle, base, priority, rule, rejected } = &self.blame;
        let verb = match (self.unclear, rejected) {
            (false, false) => "drops",
            (false, true) => "rejects",
            (true, _) => "may drop",
        };
        let who = match rule {
            Some(_) => format!("rule {handle} of chain `{family} {table} {chain}`"),
            None => format!("the policy of chain `{family} {table} {chain}`"),
        };
        let what = match self.victims.as_slice() {
            [] => "whatever is forwarded and no rule accepts".to_owned(),
            [one] => one.what.clone(),
            [one, rest @ ..] => format!("{} (and {} more)", one.what, rest.len()),
        };
        let needed = self.victims.iter().any(|victim| victim.needed) && !self.unclear;
        let severity = match (self.victims.is_empty(), needed) {
            (true, _) => Severity::Note,
            (_, true) => Severity::Error,
            (_, false) => Severity::Warning,
        };
        let mut finding = check
            .finding(&Place::Host, format!("{who} {verb} {what}"))
            .severity(severity)
            .with("family", family.to_string())
            .with("table", table.as_str())
            .with("chain", chain.as_str())
            .with("handle", *handle)
            .with("hook", hook_word(self.hook))
            .with("priority", *priority);
        finding = match rule {
            Some(rule) => finding.with("rule", rule.as_str()),
            None => finding.with("policy", "drop"),
        };
        if base != chain {
            finding = finding.with("base", base.as_str());
        }
        if let Some(victim) = self.victims.first() {
            finding = finding.with("interface", victim.inside.as_str());
            if let Some(outside) = &victim.outside {
                finding = finding.with("outside", outside.as_str());
            }
        }
        fixes.into_iter().fold(finding, Finding::fix)
    }

    /// The commands that let the yard's packets pass in the culprit's own chain:
    /// before a rule, or before all.
    pub fn accept_before(&self, rule: Option<u64>) -> Vec<String> {
        let Blame { family, table, chain, .. } = &self.blame;
        // What iptables made, iptables must change, or it no longer reads it.
        let iptables = matches!(family, Family::Ip | Family::Ip6)
            && ["filter", "mangle", "raw", "security"].contains(&table.as_str())
            && self.blame.base.chars().all(|c| c.is_ascii_uppercase());
        let ways = match self.hook {
            Hook::Forward => vec![true, false],
            _ => vec![true],
        };
        let command = if *family == Family::Ip6 { "ip6tables" } else { "iptables" };
        let position = rule.map_or_else(String::new, |handle| format!(" position {handle}"));
        ways.into_iter()
            .map(|into| match (iptables, into, self.inside()) {
                (true, true, inside) => format!("`{command} -I {chain} -i {inside} -j ACCEPT`"),
                (true, false, inside) => format!("`{command} -I {chain} -o {inside} -j ACCEPT`"),
                (false, into, inside) => {
                    let side = if into { "iifname" } else { "oifname" };
                    format!("`nft insert rule {family} {table} {chain}{position} {side} {inside} accept`")
                }
            })
            .collect()
    }

    /// The bridge of the first victim; a word to fill in where there is none.
    pub fn inside(&self) -> &str {
        self.victims.first().map_or("BRIDGE", |victim| &victim.inside)
    }

    /// The interface beyond of the first victim.
    pub fn outside(&self) -> &str {
        let outside = self.victims.first().and_then(|victim| victim.outside.as_deref());
        outside.unwrap_or("OUTSIDE")
    }

    /// True where the first victim is of IPv6.
    pub fn ipv6(&self) -> bool {
        self.victims.first().is_some_and(|victim| victim.packet.ipv6())
    }

    /// `iptables` or `ip6tables`, whichever the culprit's table is of.
    pub fn iptables(&self) -> &'static str {
        if self.ipv6() { "ip6tables" } else { "iptables" }
    }
}

/// As nft writes it.
pub fn hook_word(hook: Hook) -> &'static str {
    match hook {
        Hook::Prerouting => "prerouting",
        Hook::Input => "input",
        Hook::Forward => "forward",
        Hook::Output => "output",
        Hook::Postrouting => "postrouting",
    }
}

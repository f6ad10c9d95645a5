//! What is wrong, or will be, with a host and a yard on it.
//!
//! One file for each check: its id, how bad it is, when it can be told, what it
//! means, what is looked at, what to do, and a pure function from a [`Scene`] to
//! its findings. The list is [`CHECKS`]; the command, its help, its JSON and the
//! page `docs/doctor.md` follow from it. A check is one file and its lines here.

#[cfg(test)]
mod edges;
pub mod scene;

use serde_json::{Map, Value, json};

use crate::state::Place;

pub use scene::Scene;

macro_rules! checks {
    ($($(#[$head:meta])* $name:ident),* $(,)?) => {
        $($(#[$head])* pub mod $name;)*

        /// All checks, in the order of the page.
        pub static CHECKS: &[&Check] = &[$(&$name::CHECK),*];
    };
}

checks! {
    policy_drop,
    rule_drop,
    docker,
    ufw,
    firewalld,
    libvirt,
    legacy,
    firewalld_flush,
    flush_ruleset,
    rules_gone,
    table_owner,
    dnat_shadow,
    stale_conntrack,
    conntrack_full,
    forwarding_off,
    sysctl_file,
    redirects_reset,
    bridge_netfilter,
    flowtable,
    rp_filter,
    firewalld_rpfilter,
    valid_mark,
    bridge_mtu,
    bridge_mac,
    own_address,
    port_state,
    no_carrier,
    vlan_self,
    vlan_leak,
    querier,
    macvlan_host,
    subnet_overlap,
    dead_route,
    peer_down,
    peer_astray,
    networkd_routes,
    networkd_claims,
    networkd_manages,
    manager_claims,
    proc_sys,
    dead_netns,
    session_netns,
    renamed,
    loopback,
    accept_ra,
    bridge_ra,
    tentative,
    duplicate,
    same_mac,
    port_taken,
    resolver,
    prefix_64,
    neighbours,
    other_dhcp,
    other_router,
    range_full,
    dnsmasq_deaf,
    wireguard_silent,
    babel_deaf,
    endpoint_missing,
    tunnel_mtu,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Packets are lost now.
    Error,
    /// It will bite.
    Warning,
    /// Good to know.
    Note,
}

impl Severity {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// When it can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Before anything is done.
    Plan,
    /// While it runs.
    Running,
}

impl Phase {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Running => "running",
        }
    }
}

/// One check.
pub struct Check {
    /// Stable, kebab-case: `bridge-mtu`.
    pub id: &'static str,
    /// As a rule; a finding may say another.
    pub severity: Severity,
    /// When it can first be told.
    pub phase: Phase,
    /// What somebody notices: a lower-case phrase.
    pub title: &'static str,
    /// Why that is so.
    pub means: &'static str,
    /// What exactly is looked at.
    pub evidence: &'static str,
    /// What to do.
    pub fix: &'static str,
    /// Looks.
    pub find: fn(&Scene<'_>) -> Vec<Finding>,
}

impl std::fmt::Debug for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id)
    }
}

impl Check {
    /// A finding of this check.
    fn finding(&'static self, place: &Place, message: impl Into<String>) -> Finding {
        Finding {
            check: self,
            severity: self.severity,
            place: place.clone(),
            message: message.into(),
            evidence: Vec::new(),
            fixes: Vec::new(),
        }
    }
}

/// Something that was found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// By which check.
    pub check: &'static Check,
    /// How bad it is here.
    pub severity: Severity,
    /// In which stack.
    pub place: Place,
    /// One lower-case sentence without a full stop, names in backticks.
    pub message: String,
    /// What was seen, by name: `chain`, `handle`, `interface`, `key`.
    pub evidence: Vec<(&'static str, Value)>,
    /// What to do, each one line.
    pub fixes: Vec<String>,
}

impl Finding {
    /// Adds something that was seen.
    fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.evidence.push((name, value.into()));
        self
    }

    /// Adds something to do.
    fn fix(mut self, text: impl Into<String>) -> Self {
        self.fixes.push(text.into());
        self
    }

    /// Says how bad it is here.
    fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// What was seen, by that name.
    pub fn seen(&self, name: &str) -> Option<&Value> {
        self.evidence.iter().find(|(one, _)| *one == name).map(|(_, value)| value)
    }

    /// As JSON writes it.
    pub fn json(&self) -> Value {
        let evidence: Map<String, Value> =
            self.evidence.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        json!({
            "check": self.check.id,
            "severity": self.severity.word(),
            "phase": self.check.phase.word(),
            "place": self.place.to_string(),
            "message": self.message,
            "evidence": evidence,
            "fix": self.fixes,
        })
    }
}

/// All that the checks of these phases find, the worst first.
pub fn judge(scene: &Scene<'_>, phases: &[Phase]) -> Vec<Finding> {
    let mut found: Vec<Finding> = CHECKS
        .iter()
        .filter(|check| phases.contains(&check.phase))
        .flat_map(|check| (check.find)(scene))
        .collect();
    found.sort_by(|a, b| {
        (a.severity, a.check.id, &a.place).cmp(&(b.severity, b.check.id, &b.place))
    });
    found
}

/// Findings as JSON, version 1: `found`, and `unseen`, what could not be read.
pub fn document(yard: Option<&str>, findings: &[Finding], scene: &Scene<'_>) -> Value {
    let found: Vec<Value> = findings.iter().map(Finding::json).collect();
    let unseen: Vec<Value> = scene
        .stacks()
        .flat_map(|(place, stack)| stack.unseen.iter().map(move |(what, why)| (place, what, why)))
        .map(|(place, what, why)| json!({ "place": place.to_string(), "what": what, "why": why }))
        .collect();
    json!({ "version": 1, "yard": yard, "found": found, "unseen": unseen })
}

/// The page `docs/doctor.md`.
pub fn page() -> String {
    let mut page = PAGE.to_owned();
    page += "\n| check | severity | told | what one notices |\n|---|---|---|---|\n";
    for check in CHECKS {
        let (severity, phase) = (check.severity.word(), told(check.phase));
        page += &format!("| [`{0}`](#{0}) | {severity} | {phase} | {1} |\n", check.id, check.title);
    }
    for check in CHECKS {
        page += &format!(
            "\n## {}\n\n**{}** ({}, {}).\n{}.\n\n* Looked at: {}.\n* What to do: {}.\n",
            check.id,
            sentence(check.title),
            check.severity.word(),
            told(check.phase),
            sentence(check.means),
            check.evidence,
            check.fix
        );
    }
    page
}

fn told(phase: Phase) -> &'static str {
    match phase {
        Phase::Plan => "by `plan`, too",
        Phase::Running => "while it runs",
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

const PAGE: &str = "\
# What `netyard doctor` looks for

`netyard doctor` looks at the host and, where there is a yard's file or `--yard NAME`, at the yard in
all its namespaces, and names what is wrong: the check, the exact thing in the kernel or the file
that shows it, and what to do. It changes nothing. Without a file it looks at the host alone.

It ends with 3 when something of severity `error` is found, with 0 otherwise. `--json` writes
everything, with a `version`. What one may not look at without root is said (`unseen`).

The checks that can be told before anything is done are made by `netyard plan` and `netyard up`, too,
for a yard that touches the host; a yard in namespaces of its own has nothing to fear from the
host's firewalls, and none is read for it.

This page is written from the table of the checks; a test keeps it in step.
";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_texts_are_phrases() {
        let ids: BTreeSet<&str> = CHECKS.iter().map(|check| check.id).collect();
        assert_eq!(ids.len(), CHECKS.len());
        for check in CHECKS {
            for text in [check.title, check.means, check.evidence, check.fix] {
                assert!(!text.is_empty() && !text.ends_with('.'), "{}: {text}", check.id);
            }
            assert!(check.id.chars().all(|c| c.is_ascii_lowercase() || "-0123456789".contains(c)));
        }
    }

    #[test]
    fn an_empty_scene_has_nothing_wrong() {
        let survey = crate::facts::Survey::default();
        for phase in [Phase::Plan, Phase::Running] {
            let scene = Scene { survey: &survey, yard: None, phase };
            assert!(judge(&scene, &[Phase::Plan, Phase::Running]).is_empty());
        }
    }
}

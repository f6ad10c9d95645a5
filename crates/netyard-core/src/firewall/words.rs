//! Small words of rules that all chains use.

use ipnet::IpNet;

use super::End;
use crate::nft::{Matcher, Reject, Rule, Statement};
use crate::nft::{Protocol, RateLimit};
use crate::spec::firewall::Verdict;

/// Most bytes of a comment (`NFTNL_UDATA_RULE_COMMENT`, as `nft` takes it).
const COMMENT_MAX: usize = 127;

/// Which side of a packet an end is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    From,
    To,
}

/// A rule with its comment, cut to what the kernel keeps.
pub(super) fn rule(statements: Vec<Statement>, comment: &str) -> Rule {
    let mut text = comment.replace('"', "'");
    if text.len() > COMMENT_MAX {
        let end = (0..=COMMENT_MAX - 3).rev().find(|i| text.is_char_boundary(*i));
        text.truncate(end.unwrap_or(0));
        text.push('…');
    }
    Rule { statements, comment: Some(text) }
}

/// What an end matches; nothing where it is anything.
pub(super) fn end(end: &End, side: Side) -> Option<Statement> {
    let is = Statement::is;
    Some(match (end, side) {
        (End::Any, _) => return None,
        (End::Interfaces(names), Side::From) => is(Matcher::Iif(names.clone())),
        (End::Interfaces(names), Side::To) => is(Matcher::Oif(names.clone())),
        (End::NotInterfaces(names), _) if names.is_empty() => return None,
        (End::NotInterfaces(names), Side::From) => Statement::is_not(Matcher::Iif(names.clone())),
        (End::NotInterfaces(names), Side::To) => Statement::is_not(Matcher::Oif(names.clone())),
        (End::Nets(nets), Side::From) => is(Matcher::Saddr(nets.clone())),
        (End::Nets(nets), Side::To) => is(Matcher::Daddr(nets.clone())),
        (End::Set(set, ipv6), Side::From) => {
            is(Matcher::SaddrSet { set: set.clone(), ipv6: *ipv6 })
        }
        (End::Set(set, ipv6), Side::To) => is(Matcher::DaddrSet { set: set.clone(), ipv6: *ipv6 }),
    })
}

/// Both sides of a packet, in every way they can fit; `ipv6` confines them to a
/// family. With each way the family that it turned out to be of.
pub(super) fn sides(
    from: &[End],
    to: &[End],
    ipv6: Option<bool>,
) -> Vec<(Vec<Statement>, Option<bool>)> {
    let mut ways = Vec::new();
    for source in from {
        for target in to {
            let families = [ipv6, source.family(), target.family()];
            let mut said = families.into_iter().flatten();
            let family = said.next();
            if said.any(|other| Some(other) != family) {
                continue; // one is IPv4, the other IPv6
            }
            let ends = [end(source, Side::From), end(target, Side::To)];
            let mut words: Vec<Statement> = ends.into_iter().flatten().collect();
            let is_said = source.family().or(target.family()).is_some();
            if let (Some(family), false) = (family, is_said) {
                words.insert(0, Statement::is(Matcher::Family(family)));
            }
            ways.push((words, family));
        }
    }
    ways
}

/// The rules that end a packet's way; a refusal takes two, because only TCP has
/// a reset.
pub(super) fn ends(verdict: Verdict) -> Vec<Vec<Statement>> {
    let reject = |how| vec![Statement::Reject(how)];
    match verdict {
        Verdict::Accept => vec![vec![Statement::Accept]],
        Verdict::Drop => vec![vec![Statement::Drop]],
        Verdict::Unreachable => vec![reject(Reject::PortUnreachable)],
        Verdict::Prohibited => vec![reject(Reject::AdminProhibited)],
        Verdict::Reject => vec![
            vec![
                Statement::is(Matcher::Protocol(vec![Protocol::Tcp])),
                Statement::Reject(Reject::TcpReset),
            ],
            reject(Reject::PortUnreachable),
        ],
    }
}

/// True for an IPv6 network.
pub(super) fn is_v6(net: &IpNet) -> bool {
    matches!(net, IpNet::V6(_))
}

/// A name that nft takes: letters, digits, `-`, `_` and `.`, a letter first.
pub(super) fn identifier(text: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let mut name: String =
        text.chars().map(|c| if is_word(c) { c } else { '-' }).take(80).collect();
    if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
        name.insert(0, 'z');
    }
    name
}

/// What a rule logs begins so.
pub(super) fn log(prefix: &str) -> Statement {
    Statement::Log { prefix: prefix.to_owned(), level: crate::nft::LogLevel::Warn }
}

/// The rate a rule keeps to, or what is over it.
pub(super) fn rate(rate: RateLimit, over: bool) -> RateLimit {
    RateLimit { over, ..rate }
}

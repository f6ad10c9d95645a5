//! Rules that no packet ever reaches, or that change nothing.

use ipnet::IpNet;

use crate::diag::{Report, firewall as say};
use crate::firewall::{Direction, End, Filter, Firewall, Rule, Traffic, Verdict};
use crate::nft::Protocol;

pub(super) fn find(firewall: &Firewall, report: &mut Report) {
    for direction in [Direction::Input, Direction::Output, Direction::Forward] {
        let Some(filter) = firewall.filter(direction) else { continue };
        rules(filter, report);
        let allows = |r: &&Rule| r.verdict == Verdict::Accept;
        let is_plain = |r: &Rule| r.log.is_none() && r.connections.is_none();
        let mut allowed = filter.rules.iter().filter(allows).peekable();
        if filter.policy == Some(Verdict::Accept)
            && let Some(first) = allowed.peek()
        {
            let span = first.span;
            if allowed.all(is_plain) {
                report.push(say::allow_without_effect(span, filter.span));
            }
        }
    }
    for (at, pair) in firewall.pairs.iter().enumerate() {
        if firewall.pairs[..at].iter().all(|p| p.filter.span != pair.filter.span) {
            rules(&pair.filter, report); // once, whatever the directions
        }
        let earlier = firewall.pairs[..at].iter().find(|first| {
            first.direction == pair.direction
                && first.filter.policy.is_some()
                && covers(&first.from, &pair.from)
                && covers(&first.to, &pair.to)
        });
        if let Some(first) = earlier {
            report.push(say::policy_unreachable(
                pair.filter.span,
                &pair.title,
                first.filter.span,
                &first.title,
            ));
        }
    }
}

/// Rules that each one is compared with at most: with thousands of them nobody
/// reads every warning, and all pairs would take seconds.
const COMPARED: usize = 500;

fn rules(filter: &Filter, report: &mut Report) {
    let mut earlier: Vec<&Rule> = Vec::new();
    for rule in &filter.rules {
        let found = earlier.iter().copied().find(|first| shadows(first, rule));
        if rule.limit.is_none() && rule.connections.is_none() && earlier.len() < COMPARED {
            earlier.push(rule);
        }
        let Some(first) = found else { continue };
        let is_all = |r: &Rule| {
            r.what.is_empty() && r.from == [End::Any] && r.to == [End::Any] && r.ipv6.is_none()
        };
        report.push(if is_all(first) {
            say::rule_unreachable(rule.span, first.span)
        } else {
            say::rule_shadowed(rule.span, first.span, rule.verdict == first.verdict)
        });
    }
}

fn shadows(first: &Rule, later: &Rule) -> bool {
    let families = first.ipv6.is_none() || first.ipv6 == later.ipv6;
    families
        && covers(&first.from, &later.from)
        && covers(&first.to, &later.to)
        && (first.what.is_empty()
            || (!later.what.is_empty()
                && later.what.iter().all(|w| first.what.iter().any(|f| is_in(w, f)))))
}

/// True when what fits `later` fits `first`, too.
fn covers(first: &[End], later: &[End]) -> bool {
    later.iter().all(|end| first.iter().any(|other| end_covers(other, end)))
}

fn end_covers(first: &End, later: &End) -> bool {
    match (first, later) {
        (End::Any, _) => true,
        (End::Interfaces(all), End::Interfaces(some)) => {
            let fits = |name: &String| {
                all.iter().any(|a| match a.strip_suffix('*') {
                    Some(head) => name.starts_with(head),
                    None => a == name,
                })
            };
            some.iter().all(fits)
        }
        (End::Nets(all), End::Nets(some)) => {
            let fits = |net: &IpNet| all.iter().any(|a| a.contains(net));
            some.iter().all(fits)
        }
        (a, b) => a == b,
    }
}

fn is_in(one: &Traffic, all: &Traffic) -> bool {
    match (one, all) {
        (Traffic::Ports(p, _), Traffic::Protocol(all)) => p == all,
        (Traffic::Ports(p, some), Traffic::Ports(q, all)) => {
            p == q
                && some
                    .iter()
                    .all(|range| all.iter().any(|a| a.first <= range.first && range.last <= a.last))
        }
        (Traffic::Ping, Traffic::Icmp) => true,
        (Traffic::Protocol(Protocol::Icmp | Protocol::Icmpv6), Traffic::Icmp) => true,
        (a, b) => a == b,
    }
}

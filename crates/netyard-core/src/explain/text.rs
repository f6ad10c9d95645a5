//! A journey for people: a line for each hop, what was seen there below it, and
//! at the end what ended it.

use super::sight::{Neighbour, Part, Problem, Refusal, Reverse, Routing, Verdict, Way};
use super::{Culprit, Direction, Hop, Journey, Outcome};
use crate::wire::trace::{Decision, Post};

/// The whole journey; the last line is the judgement.
pub fn text(journey: &Journey) -> String {
    let packet = &journey.packet;
    let mut lines = vec![format!(
        "{} from {} to {}: {packet}, {} bytes",
        packet.kind.word(),
        journey.from,
        journey.to,
        packet.size
    )];
    journey.there.iter().for_each(|hop| show(hop, &mut lines));
    if !journey.back.is_empty() {
        lines.push("and back".to_owned());
    }
    journey.back.iter().for_each(|hop| show(hop, &mut lines));
    lines.extend(journey.stand_in.clone());
    for stale in journey.stale.iter().filter(|stale| !stale.asked) {
        lines.push(format!(
            "note: at {} the connection from port {} still goes to {}; new ones go to {}",
            stale.place, stale.flow.original.source_port, stale.goes_to, stale.new_go_to
        ));
    }
    if let Some((words, from)) = &journey.icmp_error {
        lines.push(format!("{from} answers: {words}"));
    }
    lines.extend(journey.blind.iter().map(|what| format!("not seen: {what}")));
    lines.push(match &journey.outcome {
        Outcome::Arrives => format!("arrives at {} and is answered", journey.to),
        Outcome::Ends(culprit) => {
            let answer = match culprit.direction {
                Direction::There => "",
                Direction::Back => "the answer ",
            };
            let file = culprit.file.iter().map(|file| format!(" ({file})")).collect::<String>();
            let Culprit { place, what, id, .. } = culprit;
            format!("{answer}ends at {place}: {what}{file} [{id}]")
        }
    });
    lines.join("\n") + "\n"
}

fn show(hop: &Hop, lines: &mut Vec<String>) {
    lines.push(format!("  {}: {}", hop.place, headline(hop)));
    let mut add = |what: &str, text: String| lines.push(format!("      {what:<9} {text}"));
    if hop.routed != hop.came {
        add("nat", format!("destination {} becomes {}", end(hop, false), end(hop, true)));
    }
    match &hop.routing {
        Routing::Onward { route, table, rule, .. } => {
            let rule = rule.as_ref().map(|rule| format!(", by rule {rule}")).unwrap_or_default();
            add("route", format!("{route} (table {table}{rule})"));
        }
        Routing::Refused(refusal) => add("route", refused(refusal)),
        Routing::Here | Routing::Unasked => {}
    }
    if let Some(reverse) = hop.reverse.as_ref().filter(|reverse| reverse.rp_filter > 0) {
        add("rp_filter", reverse_words(reverse));
    }
    if hop.forwards == Some(false) && !hop.is_destination() {
        add("sysctl", "does not forward".to_owned());
    }
    for verdict in &hop.verdicts {
        add("nft", verdict_words(verdict));
    }
    if let Some(left) = hop.left.filter(|left| left.source != hop.routed.source) {
        add("nat", format!("source {} becomes {}", hop.routed.source, left.source));
    }
    // Of one that did not come to leave nobody wants to know where it would have gone.
    let leaves = hop.seen.is_none() || hop.was_seen(Post::Left);
    if let Some(neighbour) = hop.neighbour.as_ref().filter(|_| leaves) {
        add("neighbour", neighbour_words(neighbour));
    }
    if let Some(way) = hop.way.as_ref().filter(|_| leaves) {
        add("way", way_words(way));
    }
    for rise in hop.rises.iter().filter(|rise| rise.loss) {
        add("counter", format!("{} +{}", rise.counter, rise.by));
    }
}

/// A destination, before or after translation.
fn end(hop: &Hop, after: bool) -> String {
    let packet = if after { &hop.routed } else { &hop.came };
    match packet.destination_port {
        0 => packet.destination.to_string(),
        port => format!("{} port {port}", packet.destination),
    }
}

fn headline(hop: &Hop) -> String {
    let packet = hop.came;
    match (&hop.iif, &hop.routing) {
        (None, Routing::Onward { interface, .. }) => format!("sends {packet} by {interface}"),
        (None, Routing::Here) => format!("sends {packet} to itself"),
        (None, _) => format!("sends {packet}"),
        (Some(iif), Routing::Here) => {
            let what =
                if hop.was_seen(Post::Received) { "receives" } else { "is the destination of" };
            format!("{what} {packet} by {iif}")
        }
        (Some(iif), Routing::Onward { interface, .. }) => {
            let what = if hop.was_seen(Post::Left) { "forwards" } else { "should forward" };
            format!("{what} {packet} from {iif} to {interface}")
        }
        (Some(iif), _) => format!("gets {packet} by {iif}"),
    }
}

fn refused(refusal: &Refusal) -> String {
    match refusal {
        Refusal::NoRoute(None) => "none".to_owned(),
        Refusal::NoRoute(Some(down)) => format!("none, while {down} is down"),
        Refusal::ByRoute(_, route) => route.clone(),
        Refusal::ReversePath => "refused: the source is behind another interface".to_owned(),
        Refusal::NotForwarding => "refused: no forwarding".to_owned(),
        Refusal::Other(errno) => format!("refused with {errno}"),
    }
}

fn reverse_words(reverse: &Reverse) -> String {
    let mode = if reverse.rp_filter == 1 { "strict" } else { "loose" };
    match &reverse.interface {
        Some(interface) => format!("{mode}, the way back is by {interface}"),
        None => format!("{mode}, and there is no way back"),
    }
}

fn verdict_words(verdict: &Verdict) -> String {
    let Verdict { family, table, chain, .. } = verdict;
    let decision = match verdict.decision {
        Decision::Accept => "accept",
        Decision::Drop => "drop",
        Decision::Taken => "queue",
        Decision::Continue => "continue",
        Decision::Elsewhere => "jump",
    };
    match (verdict.handle, &verdict.rule) {
        (None, _) => format!("{family} {table} {chain}: policy {decision}"),
        (Some(handle), Some(rule)) => {
            format!("{family} {table} {chain}: rule {handle} `{rule}`: {decision}")
        }
        (Some(handle), None) => format!("{family} {table} {chain}: rule {handle}: {decision}"),
    }
}

fn neighbour_words(neighbour: &Neighbour) -> String {
    let Neighbour { address, state, .. } = neighbour;
    match (neighbour.mac, &neighbour.owner) {
        (Some(mac), Some(owner)) => format!("{address} is {mac}, {state} ({owner})"),
        (Some(mac), None) => format!("{address} is {mac}, {state}"),
        (None, Some(owner)) => format!("{address} {state} ({owner})"),
        (None, None) => format!("{address} {state}"),
    }
}

fn way_words(way: &Way) -> String {
    let mut text = String::new();
    for segment in &way.segments {
        let arrow = match (text.is_empty(), segment.part) {
            (true, _) => "",
            (_, Part::In) => " → ",
            _ => " - ",
        };
        let name = match segment.part {
            Part::Bridge => format!("bridge {}", segment.device),
            _ => format!("{}:{}", segment.place, segment.device),
        };
        text.push_str(&format!("{arrow}{name}"));
        for problem in &segment.problems {
            text.push_str(&format!(" ({})", problem_words(problem)));
        }
    }
    text
}

fn problem_words(problem: &Problem) -> String {
    match problem {
        Problem::Down => "down".to_owned(),
        Problem::NoCarrier => "no carrier".to_owned(),
        Problem::PortState(state) => state.clone(),
        Problem::Vlan(Some(vid)) => format!("not VLAN {vid}"),
        Problem::Vlan(None) => "no untagged frames".to_owned(),
        Problem::Isolated(other) => format!("isolated, as {other} is"),
        Problem::Mtu(mtu) => format!("takes {mtu} bytes"),
    }
}

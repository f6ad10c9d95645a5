//! Out of what was seen: where it ended, what ended it, and what to do.

mod link;
mod missing;

use serde::Serialize;

use super::sight::{Refusal, Routing, Verdict};
use super::{Direction, Hop, Journey, Kind, is_private, prompt};
use crate::state::Place;
use crate::wire::lookup::Fate;
use crate::wire::trace::{Decision, Post};

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It arrives and is answered.
    Arrives,
    /// It ends, or its answer does.
    Ends(Culprit),
}

/// What ended a packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Culprit {
    /// What sort of thing it is: `filter-rule`, `no-route`; these do not change.
    pub id: &'static str,
    /// The namespace.
    #[serde(serialize_with = "super::as_text")]
    pub place: Place,
    /// Whether the question ended there or the answer.
    pub direction: Direction,
    /// What, in one sentence.
    pub what: String,
    /// What to do, each a line.
    pub fix: Vec<String>,
    /// The comment of the rule of netyard's that ended it: it leads to its place
    /// in the file.
    #[serde(skip)]
    pub comment: Option<String>,
    /// The place in the file that it comes from, `FILE:LINE:COLUMN`, where that is
    /// known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// Judges a journey by all else that it tells.
pub fn judge(journey: &Journey) -> Outcome {
    if let Some(stale) = journey.stale.iter().find(|stale| stale.asked) {
        return Outcome::Ends(Culprit {
            id: "stale-connection",
            place: stale.place.clone(),
            direction: Direction::There,
            what: format!(
                "a connection tracked from before still goes to {}; new ones go to {}",
                stale.goes_to, stale.new_go_to
            ),
            fix: vec![{
                let original = &stale.flow.original;
                let protocol = if original.protocol == 6 { "tcp" } else { "udp" };
                format!(
                    "`{}conntrack -D -p {protocol} -s {} --sport {} -d {} --dport {}`",
                    prompt(&stale.place, &stale.netns),
                    original.source,
                    original.source_port,
                    original.destination,
                    original.destination_port
                )
            }],
            comment: None,
            file: None,
        });
    }
    if journey.answered {
        return Outcome::Arrives;
    }
    let case = Case { journey };
    let culprit = case.culprit();
    Outcome::Ends(case.not_there(&culprit).unwrap_or(culprit))
}

struct Case<'a> {
    journey: &'a Journey,
}

impl Case<'_> {
    fn culprit(&self) -> Culprit {
        let journey = self.journey;
        let Some(last) = journey.there.last() else {
            return Culprit {
                id: "unknown",
                place: Place::Host,
                direction: Direction::There,
                what: "nothing could be seen of it".to_owned(),
                fix: Vec::new(),
                comment: None,
                file: None,
            };
        };
        let arrived =
            last.was_seen(Post::Received) || (last.seen.is_none() && last.is_destination());
        if let Some(culprit) = journey.there.iter().find_map(|hop| self.dropped(hop)) {
            return culprit;
        }
        if !arrived {
            return self.ended(last);
        }
        if let Some(culprit) = journey.back.iter().find_map(|hop| self.dropped(hop)) {
            return culprit;
        }
        match journey.back.last() {
            Some(hop) => self.ended(hop),
            None => self.silent(last),
        }
    }

    /// A chain that dropped it.
    fn dropped(&self, hop: &Hop) -> Option<Culprit> {
        let verdict = hop.verdicts.iter().find(|verdict| verdict.decision == Decision::Drop)?;
        let by = format!("table `{} {}`, chain `{}`", verdict.family, verdict.table, verdict.chain);
        let (id, what) = match (verdict.handle, &verdict.rule) {
            (Some(handle), Some(rule)) => {
                ("filter-rule", format!("{by}, rule handle {handle} drops it: `{rule}`"))
            }
            (Some(handle), None) => ("filter-rule", format!("{by}, rule handle {handle} drops it")),
            (None, _) => {
                let handle = verdict.chain_handle.map(|handle| format!(" (handle {handle})"));
                let handle = handle.unwrap_or_default();
                let what = format!("{by}{handle}: no rule lets it pass, and the policy is drop");
                ("filter-policy", what)
            }
        };
        let netns = if verdict.place == hop.place { &hop.netns } else { "" };
        Some(Culprit {
            id,
            place: verdict.place.clone(),
            direction: hop.direction,
            what,
            fix: verdict_fix(verdict, &prompt(&verdict.place, netns)),
            comment: own_comment(verdict),
            file: None,
        })
    }

    /// Why it ended at a hop whose chains did not drop it.
    fn ended(&self, hop: &Hop) -> Culprit {
        if let Routing::Refused(refusal) = &hop.routing {
            return self.refused(hop, refusal);
        }
        if hop.iif.is_none() && self.journey.send_error.as_deref() == Some("EMSGSIZE") {
            return self.too_big(hop);
        }
        let onward = matches!(hop.routing, Routing::Onward { .. });
        let left = hop.was_seen(Post::Left);
        if onward
            && !left
            && hop.iif.is_some()
            && let Some(culprit) = self.not_forwarded(hop)
        {
            return culprit;
        }
        if onward && (left || hop.seen.is_none()) {
            if let Some(culprit) = self.in_a_loop(hop) {
                return culprit;
            }
            if let Some(culprit) = self.not_delivered(hop) {
                return culprit;
            }
        }
        if hop.is_destination() {
            return self.silent(hop);
        }
        self.unknown(hop)
    }

    /// Routing refused it.
    fn refused(&self, hop: &Hop, refusal: &Refusal) -> Culprit {
        let to = hop.routed.destination;
        let run = hop.prompt();
        match refusal {
            Refusal::NoRoute(Some(down)) => self.make(
                hop,
                "link-down",
                format!("`{}:{down}` is down, and with it the route to {to}", hop.place),
                vec![format!("`{run}ip link set {down} up`")],
            ),
            Refusal::NoRoute(None) => self.no_route(hop),
            Refusal::ByRoute(fate, route) => {
                let id = match fate {
                    Fate::Blackhole => "blackhole-route",
                    Fate::Prohibit => "prohibit-route",
                    _ => "unreachable-route",
                };
                let (what, word) = match route.contains("lookup") || route.contains("from ") {
                    true => ("rule", "rule"),
                    false => ("route", "route"),
                };
                let family = if to.is_ipv6() { "ip -6" } else { "ip" };
                self.make(
                    hop,
                    id,
                    format!("the {what} `{route}` refuses what goes to {to}"),
                    vec![format!("`{run}{family} {word} del {route}`")],
                )
            }
            Refusal::ReversePath => self.reverse_path(hop),
            Refusal::NotForwarding => self.not_forwarding(hop),
            Refusal::Other(errno) => self.make(
                hop,
                "refused",
                format!("routing refuses {} with {errno}", hop.routed),
                Vec::new(),
            ),
        }
    }

    fn no_route(&self, hop: &Hop) -> Culprit {
        let to = hop.routed.destination;
        let family = if to.is_ipv6() { "ip -6" } else { "ip" };
        let fix = format!(
            "add a route at `{}`: `{}{family} route add {to} via …`",
            hop.place,
            hop.prompt()
        );
        if hop.direction == Direction::There {
            return self.make(hop, "no-route", format!("no route to {to}"), vec![fix]);
        }
        // The answer has nowhere to go. Was its address to be translated on the way there?
        let translator = self.journey.there.iter().find(|there| {
            let router = there.iif.is_some() && matches!(there.routing, Routing::Onward { .. });
            let inside = is_private(there.came.source) && !is_private(there.routed.destination);
            // The answer is for who asked: what asked was not translated.
            router && there.came.source == to && (there.translates || inside)
        });
        match translator {
            Some(router) => {
                let out = match &router.routing {
                    Routing::Onward { interface, .. } => interface.clone(),
                    _ => String::new(),
                };
                self.make(
                    router,
                    "nat-missing",
                    format!(
                        "the source {to} leaves by `{}:{out}` untranslated, and `{}` has no route back to it",
                        router.place, hop.place
                    ),
                    vec![
                        format!("`uplink: masquerade`, or a rule in a nat chain of `{}` that matches `oifname \"{out}\"`: `masquerade`", router.place),
                        format!("or a route back: `{}{family} route add {to} via …`", hop.prompt()),
                    ],
                )
            }
            None => self.make(
                hop,
                "no-return-route",
                format!("it arrives, but there is no route back to {to}"),
                vec![fix],
            ),
        }
    }

    fn reverse_path(&self, hop: &Hop) -> Culprit {
        let iif = hop.iif.as_deref().unwrap_or("?");
        let reverse = hop.reverse.as_ref();
        let way = match reverse.and_then(|reverse| reverse.interface.as_deref()) {
            Some(interface) => {
                format!("the route back to {} leads by `{interface}`", hop.came.source)
            }
            None => format!("there is no route back to {}", hop.came.source),
        };
        let value = reverse.map_or(1, |reverse| reverse.rp_filter);
        let run = hop.prompt();
        self.make(
            hop,
            "rp-filter",
            format!("rp_filter is {value} and it came by `{iif}`, but {way}"),
            vec![
                format!("a route back by `{iif}`, or let answers come another way: `{run}sysctl -w net.ipv4.conf.all.rp_filter=2 net.ipv4.conf.{iif}.rp_filter=2`"),
                "the greater of both values counts".to_owned(),
            ],
        )
    }

    fn not_forwarding(&self, hop: &Hop) -> Culprit {
        let (key, family) = match hop.routed.destination.is_ipv6() {
            true => ("net.ipv6.conf.all.forwarding", "IPv6"),
            false => ("net.ipv4.ip_forward", "IPv4"),
        };
        let by = hop.iif.as_deref().unwrap_or("?");
        let mut fix = vec![format!(
            "`forward: true` at node `{}`, or `{}sysctl -w {key}=1`",
            hop.place,
            hop.prompt()
        )];
        if let Some(before) = self.before(hop)
            && let Routing::Onward { route, gateway: Some(_), .. } = &before.routing
        {
            fix.push(format!("or `{}` should use another router than `{route}`", before.place));
        }
        self.make(
            hop,
            "forwarding-off",
            format!("`{}` does not forward {family} that comes by `{by}`", hop.place),
            fix,
        )
    }

    /// It goes where it came from before.
    fn in_a_loop(&self, hop: &Hop) -> Option<Culprit> {
        let next = hop.way.as_ref()?.segments.last()?;
        let hops = self.hops(hop.direction);
        let again = hops.iter().find(|one| {
            one.place == next.place && one.iif.as_deref() == Some(next.device.as_str())
        })?;
        let Routing::Onward { route, .. } = &hop.routing else { return None };
        let other = match &again.routing {
            Routing::Onward { route, .. } => format!("; there it is `{route}`"),
            _ => String::new(),
        };
        Some(self.make(
            hop,
            "routing-loop",
            format!("the route `{route}` sends it back to `{}`, where it has been", next.place),
            vec![format!("one of both routes is wrong{other}")],
        ))
    }

    fn hops(&self, direction: Direction) -> &[Hop] {
        match direction {
            Direction::There => &self.journey.there,
            Direction::Back => &self.journey.back,
        }
    }

    /// The hop before this one.
    fn before(&self, hop: &Hop) -> Option<&Hop> {
        let hops = self.hops(hop.direction);
        let at = hops.iter().position(|one| std::ptr::eq(one, hop))?;
        hops.get(at.checked_sub(1)?)
    }

    fn too_big(&self, hop: &Hop) -> Culprit {
        let (size, mtu, interface) = match &hop.routing {
            Routing::Onward { mtu, interface, .. } => (hop.routed.size, *mtu, interface.as_str()),
            _ => (hop.routed.size, 0, "?"),
        };
        self.make(
            hop,
            "mtu",
            format!("{size} bytes do not fit through `{}:{interface}`, which takes {mtu}, and may not be cut", hop.place),
            vec![
                format!("`mtu: {size}` on that link, or smaller packets"),
                "for TCP a router may say so to both ends: `mss-clamp: true`".to_owned(),
            ],
        )
    }

    /// It came in and did not go on.
    fn not_forwarded(&self, hop: &Hop) -> Option<Culprit> {
        if hop.forwards == Some(false) {
            return Some(self.not_forwarding(hop));
        }
        if hop.reverse.as_ref().is_some_and(|reverse| reverse.refuses) {
            return Some(self.reverse_path(hop));
        }
        if hop.was_seen(Post::Through) || hop.seen.is_none() {
            return None;
        }
        match &hop.routing {
            Routing::Onward { mtu, .. } if hop.routed.size > *mtu => Some(self.too_big(hop)),
            _ => None,
        }
    }

    /// It left and came nowhere.
    fn not_delivered(&self, hop: &Hop) -> Option<Culprit> {
        if let Some(way) = &hop.way
            && let Some((segment, problem)) = way.problem()
        {
            return Some(self.broken_way(hop, segment, problem));
        }
        if let Routing::Onward { mtu, .. } = &hop.routing
            && hop.routed.size > *mtu
        {
            return Some(self.too_big(hop));
        }
        let neighbour = hop.neighbour.as_ref()?;
        self.no_neighbour(hop, neighbour)
    }

    /// It was given to a socket, and no answer was seen.
    fn silent(&self, hop: &Hop) -> Culprit {
        let packet = &self.journey.packet;
        let (id, what, fix) = match packet.kind {
            Kind::Ping => (
                "no-answer",
                "it arrives, and the namespace does not answer pings".to_owned(),
                format!("`{}sysctl net.ipv4.icmp_echo_ignore_all`", hop.prompt()),
            ),
            kind => {
                let port = hop.routed.destination_port;
                (
                    "no-answer",
                    format!(
                        "it arrives at {} port {port}, and what listens there does not answer",
                        kind.word()
                    ),
                    format!("`{}ss -lnp` shows what listens", hop.prompt()),
                )
            }
        };
        self.make(hop, id, what, vec![fix])
    }

    /// It left for where netyard cannot look.
    fn outside(&self, hop: &Hop, interface: &str) -> Culprit {
        let packet = hop.left.unwrap_or(hop.routed);
        let by = format!("`{}:{interface}`", hop.place);
        if is_private(packet.source) && !is_private(packet.destination) {
            return self.make(
                hop,
                "nat-missing",
                format!("it leaves the yard by {by} with the private source {}, to which nobody outside has a way back", packet.source),
                vec!["`uplink: masquerade` for its network".to_owned()],
            );
        }
        self.make(
            hop,
            "outside",
            format!("it leaves the yard by {by}, and no answer comes back"),
            vec![format!(
                "`{}tcpdump -ni {interface} host {}` shows whether one does",
                hop.prompt(),
                packet.destination
            )],
        )
    }

    fn unknown(&self, hop: &Hop) -> Culprit {
        let known = hop.neighbour.as_ref().is_none_or(|neighbour| neighbour.usable);
        if let Routing::Onward { interface, .. } = &hop.routing
            && hop.way.is_none()
            && hop.was_seen(Post::Left)
            && known
        {
            return self.outside(hop, interface);
        }
        let losses: Vec<String> = hop
            .rises
            .iter()
            .filter(|rise| rise.loss)
            .map(|rise| format!("{} +{}", rise.counter, rise.by))
            .collect();
        let mut what = "it is not seen any more".to_owned();
        if matches!(hop.routing, Routing::Onward { .. }) && hop.was_seen(Post::Left) {
            what = "it leaves, and is not seen any more".to_owned();
        }
        if !hop.legacy_tables.is_empty() {
            let tables = hop.legacy_tables.join(", ");
            what.push_str(&format!(
                "; there are tables of the old iptables, which no trace shows: {tables}"
            ));
        }
        if !losses.is_empty() {
            what.push_str(&format!("; counters that rose: {}", losses.join(", ")));
        }
        self.make(hop, "lost", what, Vec::new())
    }

    fn make(&self, hop: &Hop, id: &'static str, what: String, fix: Vec<String>) -> Culprit {
        let (place, direction) = (hop.place.clone(), hop.direction);
        Culprit { id, place, direction, what, fix, comment: None, file: None }
    }
}

/// What a rule of netyard's says of itself; a chain's policy is that of the file's.
fn own_comment(verdict: &Verdict) -> Option<String> {
    let policy = || format!("{} policy", verdict.chain);
    let comment = verdict.comment.clone().or_else(|| verdict.handle.is_none().then(policy));
    comment.filter(|_| verdict.own)
}

fn verdict_fix(verdict: &Verdict, run: &str) -> Vec<String> {
    let Verdict { family, table, chain, .. } = verdict;
    if verdict.own {
        return vec!["it is in the yard's file: see `firewall:`".to_owned()];
    }
    let mut fix = vec![
        "an accept in another table does not help: each chain of a hook must let it pass"
            .to_owned(),
    ];
    fix.push(match verdict.handle {
        Some(handle) => format!("`{run}nft insert rule {family} {table} {chain} position {handle} … accept`, or `{run}nft delete rule {family} {table} {chain} handle {handle}`"),
        None => format!("`{run}nft add rule {family} {table} {chain} … accept`"),
    });
    fix
}

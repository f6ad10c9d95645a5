//! From namespace to namespace: what was seen of the packet, beside what the
//! kernel's tables say of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use netyard_core::explain::{
    Direction, Hop, Neighbour, Packet, Part, Routing, Scene, Stack, Verdict, Way,
};
use netyard_core::state::Place;
use netyard_core::wire::device::Entry;
use netyard_core::wire::trace::{Decision, Event, Post, Said, family_word};

use super::counter::{self, Counts};
use super::route::Asked;
use super::rules::Rules;
use super::tap::Tap;
use crate::error::Error;
use crate::netns::Worker;
use crate::place::Sites;

/// More namespaces than a packet's time to live lets it cross in earnest.
const MOST: usize = 64;

/// The state of a neighbour that nobody has asked for.
const UNASKED: &str = "unknown";

/// What a walk is made with.
pub(super) struct Walker<'a> {
    pub worker: &'a mut Worker,
    pub sites: &'a mut Sites,
    pub scene: &'a Scene,
    pub taps: &'a BTreeMap<Place, Tap>,
    /// Counters before the packet was sent, and after.
    pub counts: &'a BTreeMap<Place, (Counts, Counts)>,
    /// Namespaces whose trace could not be had.
    pub deaf: &'a BTreeSet<Place>,
    pub rules: &'a mut Rules,
    /// Devices that the yard wants up, by namespace.
    pub wanted_up: &'a BTreeMap<Place, Vec<String>>,
    /// Namespaces that should be listened to, and are not.
    pub missing: BTreeSet<Place>,
}

/// Where a hop leads.
struct Next {
    place: Place,
    index: u32,
    packet: Packet,
}

impl Walker<'_> {
    /// Follows a packet from where it is made.
    pub fn follow(
        &mut self,
        direction: Direction,
        start: &Place,
        packet: &Packet,
    ) -> Result<Vec<Hop>, Error> {
        let mut hops = Vec::new();
        let mut been = BTreeSet::new();
        let mut at = Some(Next { place: start.clone(), index: 0, packet: *packet });
        while let Some(next) = at.take() {
            if hops.len() == MOST || !been.insert((next.place.clone(), next.index)) {
                break;
            }
            let (hop, onward) = self.hop(direction, &next)?;
            hops.push(hop);
            at = onward;
        }
        Ok(hops)
    }

    fn hop(&mut self, direction: Direction, next: &Next) -> Result<(Hop, Option<Next>), Error> {
        let place = &next.place;
        let failed = |e| Error::system(format!("could not look at `{place}`"), e);
        let scene = self.scene;
        let empty = Stack::default();
        let stack = scene.stacks.get(place).unwrap_or(&empty);
        let tap = self.taps.get(place);
        if tap.is_none() && !self.deaf.contains(place) {
            self.missing.insert(place.clone());
        }
        let at = |post| tap.and_then(|tap| tap.at(direction, post));
        let first = if next.index == 0 { Post::Sent } else { Post::Came };
        // A packet that turns round comes by more than one interface.
        let begin = tap.and_then(|tap| tap.by(direction, first, next.index)).or(at(first));
        let came = begin.map_or(next.packet, |(packet, _)| *packet);
        let iif = begin.and_then(|(_, event)| event.iif).or(Some(next.index));
        let iif = iif.filter(|_| next.index != 0);
        let left = at(Post::Left).map(|(packet, _)| *packet);
        let routed = routed_as(&came, at(Post::ToRouting).map(|(packet, _)| packet), left);
        let mark = at(Post::ToRouting).or(at(Post::Left)).map_or(0, |(_, event)| event.mark);
        let wanted_up = self.wanted_up.get(place).map_or(&[][..], Vec::as_slice);
        let asked = Asked { packet: &routed, iif, mark, stack, wanted_up };
        let (worker, sites) = (&mut *self.worker, &mut *self.sites);
        let Some(site) = sites.get_mut(place) else {
            return Err(failed(std::io::ErrorKind::NotFound.into()));
        };
        let socket = site.socket(worker).map_err(failed)?;
        let said = asked.ask(socket).map_err(failed)?;
        let reverse = asked.reverse(socket, came.source);
        let seen = tap.map(|tap| tap.of(direction).filter_map(|(_, event)| event.post()).collect());
        let ipv6 = routed.destination.is_ipv6();
        let mut hop = Hop {
            place: place.clone(),
            netns: stack.netns.clone(),
            direction,
            iif: iif.map(|iif| stack.name(iif)),
            came,
            routed,
            left,
            seen,
            verdicts: self.verdicts(place, direction, |_| true),
            routing: said.routing,
            reverse,
            forwards: iif.map(|iif| stack.forwards(iif, ipv6)),
            translates: self.translates(place),
            neighbour: None,
            way: None,
            rises: self.counts.get(place).map_or_else(Vec::new, |(b, a)| counter::rises(b, a)),
            legacy_tables: self.legacy(place),
        };
        let onward = said.oif.and_then(|oif| self.onward(&mut hop, oif, iif.is_some()));
        Ok((hop, onward))
    }

    /// Looks over the link that the packet leaves by, and gives where it came out.
    fn onward(&mut self, hop: &mut Hop, oif: u32, forwarded: bool) -> Option<Next> {
        let Routing::Onward { gateway, .. } = &hop.routing else { return None };
        let packet = hop.left.unwrap_or(hop.routed);
        let gateway = *gateway;
        let to = gateway.unwrap_or(packet.destination);
        let scene = self.scene;
        let stack = scene.stacks.get(&hop.place)?;
        let entry = stack.neighbour(oif, to);
        let asks = stack.devices.get(&oif).is_some_and(|device| !device.noarp);
        let link = Link { scene, place: &hop.place, oif, size: packet.size };
        let target = link.target(to, entry);
        hop.way = target.as_ref().map(|target| target.2.clone());
        if asks {
            hop.neighbour = Some(link.neighbour(to, entry, target.as_ref(), gateway.is_some()));
        }
        self.overheard(hop);
        self.at_the_door(hop, target.as_ref().map(|target| &target.0));
        let stays = hop.seen.as_ref().is_some_and(|seen| !seen.contains(&Post::Left));
        let refused = forwarded
            && hop.seen.is_none()
            && (hop.forwards == Some(false) || hop.reverse.as_ref().is_some_and(|r| r.refuses));
        let (place, index, way) = target?;
        let came = |tap: &Tap| tap.at(hop.direction, Post::Came).is_some();
        let arrives = match self.taps.get(&place) {
            Some(tap) => came(tap),
            None => {
                if !self.deaf.contains(&place) {
                    self.missing.insert(place.clone());
                }
                // Before anything was sent, nobody has been asked for either.
                let hopeful = |n: &Neighbour| n.usable || n.state == UNASKED;
                let known = hop.neighbour.as_ref().is_none_or(hopeful);
                way.problem().is_none() && known
            }
        };
        (arrives && !stays && !refused).then_some(Next { place, index, packet })
    }

    /// What chains of single devices said where it came in, before anything else
    /// saw it there.
    fn at_the_door(&mut self, hop: &mut Hop, next: Option<&Place>) {
        const NETDEV: u8 = 5; // NFPROTO_NETDEV
        let bridged = hop.way.iter().flat_map(|way| &way.segments);
        let bridged = bridged.filter(|segment| segment.part == Part::Bridge).map(|s| &s.place);
        let places: BTreeSet<Place> = bridged.chain(next).cloned().collect();
        for place in places.into_iter().filter(|place| *place != hop.place) {
            if !self.taps.contains_key(&place) && !self.deaf.contains(&place) {
                self.missing.insert(place.clone());
            }
            let said = self.verdicts(&place, hop.direction, |event| event.family == NETDEV);
            let dropped = said.into_iter().filter(|said| said.decision == Decision::Drop);
            hop.verdicts.extend(dropped);
        }
    }

    /// What chains for frames said in the namespaces whose bridges it passed.
    fn overheard(&mut self, hop: &mut Hop) {
        let Some(way) = &hop.way else { return };
        let bridging = way.segments.iter().filter(|segment| segment.part == Part::Bridge);
        let places: BTreeSet<Place> = bridging.map(|segment| segment.place.clone()).collect();
        for place in places.into_iter().filter(|place| *place != hop.place) {
            if !self.taps.contains_key(&place) && !self.deaf.contains(&place) {
                self.missing.insert(place.clone());
            }
            const BRIDGE: u8 = 7; // NFPROTO_BRIDGE
            let said = self.verdicts(&place, hop.direction, |event| event.family == BRIDGE);
            hop.verdicts.extend(said);
        }
    }

    fn verdicts(
        &mut self,
        place: &Place,
        direction: Direction,
        wanted: impl Fn(&Event) -> bool,
    ) -> Vec<Verdict> {
        let Some(tap) = self.taps.get(place) else { return Vec::new() };
        let mut all: Vec<Verdict> = Vec::new();
        for event in tap.verdicts(direction).filter(|event| wanted(event)) {
            let (handle, decision) = match event.said {
                Said::Rule { handle, verdict } => (Some(handle), verdict),
                Said::Policy(verdict) => (None, verdict),
                Said::Return => continue,
            };
            let rule = handle.and_then(|handle| self.rules.text(place, event, handle));
            let comment = handle.and_then(|handle| self.rules.comment(place, event, handle));
            let verdict = Verdict {
                place: place.clone(),
                family: family_word(event.family).to_owned(),
                table: event.table.clone(),
                chain: event.chain.clone(),
                chain_handle: self.rules.chain_handle(place, event),
                handle,
                rule,
                comment,
                decision,
                own: self.rules.is_own(place, event),
            };
            // Each packet that was sent again says the same.
            if !all.contains(&verdict) {
                all.push(verdict);
            }
        }
        all
    }

    /// True where a `nat` chain looks at what leaves.
    fn translates(&mut self, place: &Place) -> bool {
        self.rules.translates(place)
    }

    fn legacy(&mut self, place: &Place) -> Vec<String> {
        self.rules.legacy(place)
    }
}

/// The packet as routing saw it: of one made here, what it was when it left tells
/// whether its destination was translated before.
fn routed_as(came: &Packet, seen: Option<&Packet>, left: Option<Packet>) -> Packet {
    let after = seen.copied().or(left).unwrap_or(*came);
    Packet { destination: after.destination, destination_port: after.destination_port, ..*came }
}

/// One link, from an interface of a namespace.
struct Link<'a> {
    scene: &'a Scene,
    place: &'a Place,
    oif: u32,
    size: u32,
}

impl Link<'_> {
    fn way(&self, place: &Place, index: u32) -> Option<Way> {
        self.scene.way((self.place, self.oif), (place, index), self.size)
    }

    /// The interface that gets what is for an address: the one whose hardware
    /// address the kernel uses, else the one that has the address.
    fn target(&self, to: IpAddr, entry: Option<Entry>) -> Option<(Place, u32, Way)> {
        let mac = entry.filter(|entry| entry.is_usable()).and_then(|entry| entry.mac);
        let by_mac = mac.into_iter().flat_map(|mac| {
            let stacks = self.scene.stacks.iter();
            stacks.flat_map(move |(place, stack)| {
                let devices = stack.devices.values();
                let own = devices.filter(move |d| d.mac == Some(mac) && d.port.is_none());
                own.map(|device| (place.clone(), device.index))
            })
        });
        let owners: Vec<(Place, u32)> =
            self.scene.owners(to).into_iter().map(|(place, own)| (place, own.index)).collect();
        let mut candidates: Vec<(Place, u32)> = by_mac.collect();
        if mac.is_none() {
            candidates = owners.clone();
        }
        candidates.retain(|(place, index)| (place, *index) != (self.place, self.oif));
        let ways = candidates.into_iter().filter_map(|(place, index)| {
            let way = self.way(&place, index)?;
            let problems: usize = way.segments.iter().map(|s| s.problems.len()).sum();
            let stranger = !owners.contains(&(place.clone(), index));
            Some(((problems, stranger, way.segments.len()), (place, index, way)))
        });
        ways.min_by_key(|(rank, _)| *rank).map(|(_, target)| target)
    }

    fn neighbour(
        &self,
        to: IpAddr,
        entry: Option<Entry>,
        target: Option<&(Place, u32, Way)>,
        is_gateway: bool,
    ) -> Neighbour {
        const PERMANENT: u16 = 0x80; // NUD_PERMANENT, linux/neighbour.h
        let mut owners = self.scene.owners(to);
        // Of several, the one on this link.
        owners.sort_by_key(|(place, own)| match target {
            Some((there, index, _)) => (place, own.index) != (there, *index),
            None => self.way(place, own.index).is_none(),
        });
        let owner = owners.first();
        let usable = entry.is_some_and(Entry::is_usable);
        let device = owner.and_then(|(place, own)| self.scene.device(place, own.index));
        let right = device.and_then(|device| device.mac);
        let wrong = entry.is_some_and(|e| e.state == PERMANENT && e.mac != right);
        Neighbour {
            address: to,
            mac: entry.and_then(|entry| entry.mac),
            state: entry.map_or(UNASKED, Entry::state_word).to_owned(),
            usable,
            owner: owner.map(|(place, own)| self.scene.interface(place, own.index)),
            owner_mac: right.filter(|_| wrong),
            owner_usable: owner.is_none_or(|(_, own)| own.usable),
            others: if usable || !is_gateway { Vec::new() } else { self.routers(to) },
        }
    }

    /// Namespaces that forward and have an address on this link, of the family of
    /// `like`.
    fn routers(&self, like: IpAddr) -> Vec<String> {
        let ipv6 = like.is_ipv6();
        let mut found = Vec::new();
        for (place, stack) in self.scene.stacks.iter().filter(|(place, _)| *place != self.place) {
            for own in stack.reachable(ipv6) {
                if stack.forwards(own.index, ipv6) && self.way(place, own.index).is_some() {
                    let name = self.scene.interface(place, own.index);
                    found.push(format!("`{name}` {}", own.net.addr()));
                }
            }
        }
        found
    }
}

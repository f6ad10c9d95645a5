//! One packet followed through every namespace of a yard that it crosses.
//!
//! It is really sent. Before that, each namespace on its way gets a table of its
//! own whose chains have nft trace it ([`tap`]); who is on the way is found by
//! walking once with the kernel's tables alone, and again after each sending, as
//! long as a walk comes to a namespace that was not listened to. What changes a
//! packet's addresses changes its way; so what was seen goes before what the
//! tables say.
//!
//! Nothing of it outlives the command, not even when it is killed: the tables
//! belong to sockets (`NFT_TABLE_F_OWNER`).

mod counter;
mod flow;
mod probe;
mod route;
mod rules;
mod scene;
mod tap;
mod wait;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use netyard_core::explain::{
    Direction, Hop, Journey, Kind, Missing, Outcome, Packet, Scene, Stale, Token, Traced, VERSION,
    error_words, judge, patterns,
};
use netyard_core::name::YardName;
use netyard_core::state::{Object, Place, State};
use netyard_core::wire::trace::Post;
use rustix::io::Errno;

use crate::error::{Error, ErrorKind, errno_name};
use crate::netns::Worker;
use crate::place::Sites;
use counter::Counts;
use probe::{Heard, Order, Probe, StandIn};
use rules::Rules;
use tap::Tap;
use wait::{ended, reaches, wait};
use walk::Walker;

/// How long an answer may take, from when the packet came further the last time.
const PATIENCE: Duration = Duration::from_millis(1500);
/// How long until it is sent again.
const AGAIN: Duration = Duration::from_millis(500);
/// How long more is listened when it is known that it ended.
const LINGER: Duration = Duration::from_millis(50);
/// How often is walked, sent and listened: each translation of the destination
/// takes one more.
const ROUNDS: usize = 5;

/// What is to be explained.
#[derive(Clone, Debug)]
pub struct Question {
    /// Where the packet is made.
    pub from: Place,
    /// Where that is, as the user said it.
    pub from_words: String,
    /// Its source address; none: the kernel chooses.
    pub source: Option<IpAddr>,
    /// Addresses that it may go to: the first one of a family that both ends have.
    pub to: Vec<IpAddr>,
    /// Where that is, as the user said it.
    pub to_words: String,
    /// What is sent.
    pub kind: Kind,
    /// To which port; 0 for a ping.
    pub port: u16,
    /// From which port; 0: the kernel chooses.
    pub source_port: u16,
    /// The whole IP packet, in bytes; none: an ordinary one.
    pub size: Option<u32>,
    /// IPv6 or IPv4; none: IPv4 where there is a choice.
    pub ipv6: Option<bool>,
}

/// Sends one packet and follows it; `desired` says what should be there.
pub(crate) fn explain(
    worker: &mut Worker,
    sites: &mut Sites,
    yard: &YardName,
    desired: &State,
    question: &Question,
) -> Result<Journey, Error> {
    let scene = scene::gather(worker, sites, yard)?;
    let mut wanted_up: BTreeMap<Place, Vec<String>> = BTreeMap::new();
    for object in desired.objects() {
        if let Object::Interface(interface) = object
            && interface.up
        {
            let names = wanted_up.entry(interface.id.place.clone()).or_default();
            names.push(interface.id.name.to_string());
        }
    }
    let destination = destination(&scene, question)?;
    let mut order = Order {
        kind: question.kind,
        source: question.source,
        source_port: question.source_port,
        destination,
        destination_port: question.port,
        size: question
            .size
            .unwrap_or_else(|| Order::usual_size(question.kind, destination.is_ipv6())),
    };
    let mut experiment =
        Experiment { worker, sites, yard, scene, wanted_up, question, rules: Rules::default() };
    let mut journey = experiment.journey(order)?;
    if question.source_port != 0 && question.kind != Kind::Ping {
        // Does a connection that was there before go elsewhere than a new one?
        order.source_port = 0;
        let fresh = experiment.journey(order)?;
        journey.stale = fresh.stale;
    }
    journey.missing = missing(&experiment.scene, desired);
    journey.outcome = judge(&journey);
    Ok(journey)
}

/// Interfaces that should be there and are not, in namespaces that are.
fn missing(scene: &Scene, desired: &State) -> Vec<Missing> {
    let mut all: Vec<Missing> = Vec::new();
    for object in desired.objects() {
        let Object::Interface(interface) = object else { continue };
        let id = &interface.id;
        let name = id.name.to_string();
        let Some(stack) = scene.stacks.get(&id.place) else { continue };
        if stack.index(&name).is_some() {
            continue;
        }
        let addresses = desired.objects().filter_map(|object| match object {
            Object::Address(address) if address.interface == *id => Some(address.net.addr()),
            _ => None,
        });
        all.push(Missing {
            place: id.place.clone(),
            interface: name,
            addresses: addresses.collect(),
            bridge: interface.kind.kernel_kind() == Some("bridge"),
        });
    }
    all
}

/// The address to send to: of a family that both ends have, on a common link
/// where there is one.
fn destination(scene: &Scene, question: &Question) -> Result<IpAddr, Error> {
    let own: Vec<IpNet> = scene.stacks.get(&question.from).map_or_else(Vec::new, |stack| {
        [false, true].iter().flat_map(|v6| stack.reachable(*v6)).map(|own| own.net).collect()
    });
    let rank = |address: &&IpAddr| {
        let family = question.ipv6.or(question.source.map(|source| source.is_ipv6()));
        let has = own.iter().any(|net| net.addr().is_ipv6() == address.is_ipv6());
        let near = own.iter().any(|net| net.contains(*address));
        (family.is_some_and(|v6| v6 != address.is_ipv6()), !has, address.is_ipv6(), !near)
    };
    let best = question.to.iter().enumerate().min_by_key(|(i, address)| (rank(address), *i));
    let wanted = |address: &IpAddr| question.ipv6.is_none_or(|v6| v6 == address.is_ipv6());
    best.map(|(_, address)| *address).filter(wanted).ok_or_else(|| {
        let family = match question.ipv6 {
            Some(true) => "IPv6 address",
            Some(false) => "IPv4 address",
            None => "address",
        };
        Error::new(ErrorKind::NotFound, format!("`{}` has no {family}", question.to_words))
    })
}

/// All that an explanation works with.
struct Experiment<'a> {
    worker: &'a mut Worker,
    sites: &'a mut Sites,
    yard: &'a YardName,
    scene: Scene,
    wanted_up: BTreeMap<Place, Vec<String>>,
    question: &'a Question,
    rules: Rules,
}

/// One sending, with all that listens.
#[derive(Default)]
struct Rig {
    taps: BTreeMap<Place, Tap>,
    deaf: BTreeSet<Place>,
    blind: Vec<String>,
    stand_ins: Vec<StandIn>,
    stand_in_words: Option<String>,
    before: BTreeMap<Place, Counts>,
    counts: BTreeMap<Place, (Counts, Counts)>,
}

/// What one walk met.
struct Walk {
    there: Vec<Hop>,
    back: Vec<Hop>,
    /// Namespaces that were not listened to.
    missing: BTreeSet<Place>,
}

/// What came of one sending.
#[derive(Default)]
struct Sent {
    answered: bool,
    refused: Option<Errno>,
}

impl Experiment<'_> {
    fn journey(&mut self, order: Order) -> Result<Journey, Error> {
        let token = Token(token());
        let mut probe = self.probe(order, token)?;
        let packet = probe.packet;
        let mut rig = Rig::default();
        let mut wanted: BTreeSet<Place> = BTreeSet::from([self.question.from.clone()]);
        let mut sent = Sent::default();
        let (mut there, mut back) = (Vec::new(), Vec::new());
        for round in 0..ROUNDS {
            // The first walk is by the tables alone, and says where to listen.
            let walk = self.walk(&rig, &packet)?;
            (there, back) = (walk.there, walk.back);
            wanted.extend(walk.missing);
            let stood_in = self.stand_in(&mut rig, &there, order.kind)?;
            let new: Vec<Place> = std::mem::take(&mut wanted)
                .into_iter()
                .filter(|place| !rig.taps.contains_key(place) && !rig.deaf.contains(place))
                .collect();
            if new.is_empty() && !stood_in && round > 0 {
                break;
            }
            for place in &new {
                self.tap(&mut rig, place, &packet, token)?;
            }
            if new.is_empty() && !stood_in {
                break;
            }
            if round > 0 && order.kind == Kind::Tcp {
                // A connection is begun once; the next one is the same again.
                drop(probe);
                let again = Order { source_port: packet.source_port, ..order };
                probe = self.probe(again, token)?;
            }
            sent = self.send(&mut rig, &mut probe, token)?;
            self.look_again()?;
            self.count(&mut rig)?;
        }
        let stale = self.stale(&there, order.source_port)?;
        let icmp_error = icmp_error(&rig, packet.destination.is_ipv6());
        Ok(Journey {
            version: VERSION,
            yard: self.yard.to_string(),
            from: self.question.from_words.clone(),
            to: self.question.to_words.clone(),
            packet,
            there,
            back,
            answered: sent.answered,
            send_error: sent.refused.map(|errno| {
                errno_name(errno).map_or_else(|| errno.raw_os_error().to_string(), str::to_owned)
            }),
            stand_in: rig.stand_in_words,
            stale,
            icmp_error,
            missing: Vec::new(),
            blind: rig.blind,
            outcome: Outcome::Arrives,
        })
    }

    fn enter(&mut self, place: &Place) -> Result<(), Error> {
        let failed = |e| Error::system(format!("could not enter `{place}`"), e);
        let site = self.sites.get(place).ok_or_else(|| {
            Error::new(ErrorKind::NotFound, format!("`{place}` is not up"))
                .hint("`netyard up` brings it up")
        })?;
        self.worker.enter(site.fd()).map_err(failed)
    }

    fn probe(&mut self, order: Order, token: Token) -> Result<Probe, Error> {
        let from = self.question.from.clone();
        self.enter(&from)?;
        Probe::open(order, token)
            .map_err(|e| Error::system(format!("could not make a packet in `{from}`"), e))
    }

    /// Walks there and back with what has been heard.
    fn walk(&mut self, rig: &Rig, packet: &Packet) -> Result<Walk, Error> {
        let mut walker = Walker {
            worker: self.worker,
            sites: self.sites,
            scene: &self.scene,
            taps: &rig.taps,
            counts: &rig.counts,
            deaf: &rig.deaf,
            rules: &mut self.rules,
            wanted_up: &self.wanted_up,
            missing: BTreeSet::new(),
        };
        let there = walker.follow(Direction::There, &self.question.from, packet)?;
        let arrived = there.last().filter(|hop| {
            hop.is_destination() && (hop.seen.is_none() || hop.was_seen(Post::Received))
        });
        let back = match arrived {
            Some(last) => {
                let (place, answer) = (last.place.clone(), last.routed.answer());
                walker.follow(Direction::Back, &place, &answer)?
            }
            None => Vec::new(),
        };
        Ok(Walk { there, back, missing: walker.missing })
    }

    /// Listens at the destination where nobody does; true where it does so anew.
    fn stand_in(&mut self, rig: &mut Rig, there: &[Hop], kind: Kind) -> Result<bool, Error> {
        let Some(last) = there.last().filter(|hop| hop.is_destination()) else { return Ok(false) };
        // By the tables alone a translation may still lead it elsewhere.
        let came = last.was_seen(Post::Received) || rig.deaf.contains(&last.place);
        if kind == Kind::Ping || !rig.stand_ins.is_empty() || !came {
            return Ok(false);
        }
        self.enter(&last.place)?;
        let (address, port) = (last.routed.destination, last.routed.destination_port);
        let Some(stand_in) = StandIn::open(kind, address, port) else { return Ok(false) };
        rig.stand_ins.push(stand_in);
        rig.stand_in_words = Some(format!(
            "nothing listens on {} port {port} of {}; netyard did so itself",
            kind.word(),
            last.place
        ));
        Ok(true)
    }

    /// Begins to listen in a namespace.
    fn tap(
        &mut self,
        rig: &mut Rig,
        place: &Place,
        packet: &Packet,
        token: Token,
    ) -> Result<(), Error> {
        self.rules.read(self.worker, self.sites, place)?;
        self.enter(place)?;
        let stack = self.scene.stacks.get(place);
        let bridges = stack.is_some_and(|s| s.devices.values().any(|d| d.kind == "bridge"));
        let devices = stack.into_iter().flat_map(|s| s.devices.values()).filter(|d| !d.loopback);
        let devices: Vec<String> = match self.rules.has_ingress(place) {
            true => devices.map(|device| device.kernel_name.clone()).collect(),
            false => Vec::new(),
        };
        match Tap::open(&patterns(packet, token), bridges, &devices) {
            Ok(tap) => drop(rig.taps.insert(place.clone(), tap)),
            Err(error) => {
                let why = match Errno::from_io_error(&error) {
                    Some(errno) => crate::error::errno_text(errno),
                    None => error.to_string(),
                };
                rig.blind.push(format!("what nft does at {place}: {why}"));
                rig.deaf.insert(place.clone());
            }
        }
        let counts = self.read_counts(place)?;
        rig.before.insert(place.clone(), counts);
        Ok(())
    }

    fn read_counts(&mut self, place: &Place) -> Result<Counts, Error> {
        let failed = |e| Error::system(format!("could not read the counters of `{place}`"), e);
        self.enter(place)?;
        let Some(site) = self.sites.get_mut(place) else { return Ok(Counts::new()) };
        let socket = site.socket(self.worker).map_err(failed)?;
        let Some(stack) = self.scene.stacks.get_mut(place) else { return Ok(Counts::new()) };
        scene::devices(socket, stack).map_err(failed)?;
        self.worker.enter(site.net.as_fd()).map_err(failed)?;
        let socket = site.socket(self.worker).map_err(failed)?;
        counter::read(stack, socket).map_err(failed)
    }

    /// Sends and waits for an answer, or for a sign that there will be none.
    fn send(&mut self, rig: &mut Rig, probe: &mut Probe, token: Token) -> Result<Sent, Error> {
        let failed = |e| Error::system("could not wait for an answer", e);
        let mut sent = Sent::default();
        rig.taps.values_mut().for_each(Tap::forget);
        let begin = Instant::now();
        let (mut end, mut again) = (begin + PATIENCE, begin);
        let (mut reached, mut decided) = (0, false);
        loop {
            let now = Instant::now();
            if now >= again && sent.refused.is_none() {
                again = now + AGAIN;
                if let Err(error) = probe.send() {
                    sent.refused = Errno::from_io_error(&error).or(Some(Errno::IO));
                }
            }
            rig.stand_ins.iter().for_each(|one| one.answer(token));
            match probe.hear().map_err(failed)? {
                Heard::Nothing => {}
                Heard::Answer => sent.answered = true,
                Heard::Refusal(errno) => sent.refused = Some(errno),
            }
            let packet = probe.packet;
            for tap in rig.taps.values_mut() {
                tap.listen(&packet, token).map_err(failed)?;
            }
            decided |= sent.answered || sent.refused.is_some() || rig.taps.values().any(ended);
            let far = rig.taps.values().map(reaches).sum();
            if decided {
                end = end.min(now + LINGER);
            } else if far > reached {
                // Each namespace may take its time: a neighbour is asked for first.
                (reached, end) = (far, now + PATIENCE);
            }
            if now >= end || sent.answered && begin + LINGER < now {
                return Ok(sent);
            }
            wait(rig, probe, end.min(again).saturating_duration_since(now)).map_err(failed)?;
        }
    }

    /// Reads what may have changed by the packet: neighbours above all.
    fn look_again(&mut self) -> Result<(), Error> {
        self.scene = scene::gather(self.worker, self.sites, self.yard)?;
        Ok(())
    }

    fn count(&mut self, rig: &mut Rig) -> Result<(), Error> {
        for (place, before) in rig.before.clone() {
            let after = self.read_counts(&place)?;
            rig.counts.insert(place, (before, after));
        }
        Ok(())
    }

    /// Connections like this one that go elsewhere.
    fn stale(&mut self, there: &[Hop], asked: u16) -> Result<Vec<Stale>, Error> {
        let mut all = Vec::new();
        // The fresh packet is compared with the one that was asked for.
        let asked = if asked == 0 { self.question.source_port } else { 0 };
        for hop in there {
            self.enter(&hop.place)?;
            // A kernel without connection tracking tracks none.
            let flows = flow::tracked().unwrap_or_default();
            let asked = Some(asked).filter(|port| *port != 0);
            all.extend(flow::stale(&hop.place, &hop.netns, &hop.came, &flows, asked));
        }
        Ok(all)
    }
}

fn icmp_error(rig: &Rig, ipv6: bool) -> Option<(String, String)> {
    rig.taps.iter().find_map(|(place, tap)| {
        let sent = tap.heard.iter().filter(|heard| heard.event.post() == Some(Post::Sent));
        sent.filter_map(|heard| match heard.packet {
            Traced::Error(ty, code, _) => Some((error_words(ty, code, ipv6), place.to_string())),
            Traced::Ours(..) => None,
        })
        .next()
    })
}

/// A number that no other packet has: of the clock and the process.
fn token() -> u32 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.map_or(0, |now| now.as_nanos() as u64);
    let parts = [now.to_ne_bytes(), u64::from(std::process::id()).to_ne_bytes()];
    let number = netyard_core::name::fnv1a(&[&parts[0], &parts[1]]) as u32;
    // Neither nothing nor so near the end that the next number begins anew.
    number.clamp(1, u32::MAX - 2)
}

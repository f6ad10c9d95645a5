//! The server of a place: DHCP, router advertisements and names for its
//! networks, in one process of one thread.
//!
//! The protocols are in `netyard_core::service`; here are the sockets, the clock,
//! the lease file and the loop. A service of one network that cannot start (its
//! port is taken, its address is gone) says why and is tried again, while the
//! others go on; the process counts as ready when all have started.
//!
//! A new service is a file here with a [`Service`], and a line in [`OPENERS`].

mod delegated;
mod dhcp4;
mod dhcp6;
mod dns;
mod leases;
pub(crate) mod link6;
pub(crate) mod packet;
mod ra;
pub(crate) mod socket;
pub(crate) mod world;

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use netyard_core::service::served::{Served, ServedNetwork, VERSION};
use netyard_core::service::trouble::{Met, Troubles};
use netyard_core::state::Place;
use rustix::event::epoll::{self, EventFlags};
use rustix::time::Timespec;

pub use leases::of_yard as leases_of;
use world::World;

use crate::error::Error;
use crate::supervise::Shelf;
pub(crate) use world::{notify, say};

/// What servers of a yard met: where they serve, how many seconds ago, and what.
pub(crate) fn troubles_of(shelf: &Shelf) -> Result<Vec<(Place, u64, Met)>, Error> {
    let now = crate::supervise::now();
    let mut all = Vec::new();
    for entry in shelf.definitions()? {
        let process = entry.process();
        let path = shelf.dir(&process.place, &process.name).join(world::TROUBLES);
        let Ok(text) = std::fs::read(path) else { continue };
        let met = Troubles::read(&text).met().into_iter();
        all.extend(met.map(|met| (process.place.clone(), now.saturating_sub(met.at), met)));
    }
    Ok(all)
}

/// What serves one protocol on one network.
trait Service {
    /// Something that it [watches](World::watch) under `token` is ready.
    fn ready(&mut self, token: u32, events: EventFlags, world: &mut World);

    /// When it wants to be called though nothing is ready.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// That time has come, or is near.
    fn due(&mut self, world: &mut World) {
        let _ = world;
    }

    /// The server ends, and does not come back at once.
    fn end(&mut self, world: &mut World) {
        let _ = world;
    }
}

/// Starts a service on a network: none where the network does not have it.
type Opener = fn(&ServedNetwork, &Served, &mut World) -> io::Result<Option<Box<dyn Service>>>;

/// All services, with what messages call them.
const OPENERS: &[(&str, Opener)] = &[
    ("DHCPv4", dhcp4::open),
    ("router advertisements", ra::open),
    ("DHCPv6", dhcp6::open),
    ("DNS", dns::open),
];

/// How long a service that could not start waits to be tried again.
const AGAIN: Duration = Duration::from_secs(2);
/// Events taken from the kernel at once.
const EVENTS: usize = 64;
/// The world's own descriptors are watched under this service's number.
const SIGNALS: u32 = u32::MAX;

/// Serves until it is told to end: what the hidden subcommand does, given its
/// arguments: the configuration's path and the directory of what survives.
pub fn run(arguments: &[String]) -> ExitCode {
    let [config, data] = arguments else {
        world::say("the server is started by netyard alone");
        return ExitCode::FAILURE;
    };
    match Server::start(Path::new(config), Path::new(data)).and_then(|mut server| server.serve()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            world::say(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

struct Server {
    config: PathBuf,
    world: World,
    signals: OwnedFd,
    served: Served,
    slots: Vec<Slot>,
    is_ready: bool,
}

/// One protocol on one network.
struct Slot {
    network: usize,
    name: &'static str,
    opener: Opener,
    state: SlotState,
    /// What was said last when it could not start.
    trouble: String,
}

enum SlotState {
    /// The network does not have it.
    Absent,
    /// It could not start and is tried again then.
    Waiting(Instant),
    Running(Box<dyn Service>),
}

impl Server {
    fn start(config: &Path, data: &Path) -> io::Result<Self> {
        let _ = rustix::thread::set_name(c"netyard-serve");
        let served = read_config(config)?;
        let dir = config.parent().unwrap_or(Path::new("."));
        let world = World::open(data, dir)?;
        let signals = socket::signals(&[libc::SIGHUP, libc::SIGTERM, libc::SIGINT])?;
        epoll::add(world.poller(), &signals, world::event(SIGNALS, 0), EventFlags::IN)?;
        let config = config.to_owned();
        let slots = Vec::new();
        let mut server = Self { config, world, signals, served, slots, is_ready: false };
        server.open_all();
        Ok(server)
    }

    fn open_all(&mut self) {
        self.slots.clear();
        self.world.pools.clear();
        for network in 0..self.served.networks.len() {
            for (name, opener) in OPENERS {
                let state = SlotState::Absent;
                let (name, opener, trouble) = (*name, *opener, String::new());
                self.slots.push(Slot { network, name, opener, state, trouble });
                self.open(self.slots.len() - 1);
            }
        }
        self.tell_ready();
    }

    fn open(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        let network = &self.served.networks[slot.network];
        self.world.turn_to(index);
        slot.state = match (slot.opener)(network, &self.served, &mut self.world) {
            Ok(None) => SlotState::Absent,
            Ok(Some(service)) => {
                if !slot.trouble.is_empty() {
                    world::say(&format!("{}: {} works now", network.network, slot.name));
                    slot.trouble.clear();
                }
                SlotState::Running(service)
            }
            Err(error) => {
                let text = format!("{}: {} does not work: {error}", network.network, slot.name);
                if slot.trouble != text {
                    world::say(&text);
                    world::notify(&format!("STATUS={text}"));
                    slot.trouble = text;
                }
                SlotState::Waiting(Instant::now() + AGAIN)
            }
        };
    }

    fn tell_ready(&mut self) {
        let waits = |slot: &Slot| matches!(slot.state, SlotState::Waiting(_));
        if !self.is_ready && !self.slots.iter().any(waits) {
            self.is_ready = true;
            world::notify("READY=1\nSTATUS=serving");
        }
    }

    fn serve(&mut self) -> io::Result<()> {
        let mut events = Vec::with_capacity(EVENTS);
        loop {
            let timeout = self.timeout();
            events.clear();
            let spare = rustix::buffer::spare_capacity(&mut events);
            match epoll::wait(self.world.poller(), spare, timeout.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            self.world.tick();
            for event in &events {
                let (slot, token) = world::origin(event.data);
                if slot == SIGNALS {
                    if !self.obey_signal()? {
                        return Ok(());
                    }
                    // The events that are left may be about what is no more.
                    break;
                }
                self.wake(slot as usize, Some((token, event.flags)));
            }
            self.wake_due();
        }
    }

    fn wake(&mut self, index: usize, event: Option<(u32, EventFlags)>) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        let SlotState::Running(service) = &mut slot.state else { return };
        self.world.turn_to(index);
        match event {
            Some((token, flags)) => service.ready(token, flags, &mut self.world),
            None => service.due(&mut self.world),
        }
    }

    fn wake_due(&mut self) {
        let now = self.world.now();
        for index in 0..self.slots.len() {
            match &self.slots[index].state {
                SlotState::Waiting(again) if *again <= now => {
                    self.open(index);
                    self.tell_ready();
                }
                SlotState::Running(service) if service.deadline().is_some_and(|at| at <= now) => {
                    self.wake(index, None);
                }
                _ => {}
            }
        }
    }

    fn end(&mut self) {
        for index in 0..self.slots.len() {
            self.world.turn_to(index);
            if let SlotState::Running(service) = &mut self.slots[index].state {
                service.end(&mut self.world);
            }
        }
    }

    fn timeout(&self) -> Option<Timespec> {
        let deadlines = self.slots.iter().filter_map(|slot| match &slot.state {
            SlotState::Absent => None,
            SlotState::Waiting(again) => Some(*again),
            SlotState::Running(service) => service.deadline(),
        });
        let wait = deadlines.min()?.saturating_duration_since(Instant::now());
        Timespec::try_from(wait).ok()
    }

    /// False when it is to end.
    fn obey_signal(&mut self) -> io::Result<bool> {
        if socket::signal(&self.signals)? != Some(libc::SIGHUP) {
            self.end();
            return Ok(false);
        }
        match read_config(&self.config) {
            Ok(served) => {
                self.served = served;
                self.open_all();
            }
            Err(error) => world::say(&format!("the old configuration stays: {error}")),
        }
        Ok(true)
    }
}

fn read_config(path: &Path) -> io::Result<Served> {
    let at = |error: &dyn std::fmt::Display| {
        io::Error::other(format!("could not read {}: {error}", path.display()))
    };
    let text = std::fs::read(path).map_err(|error| at(&error))?;
    let served: Served = serde_json::from_slice(&text).map_err(|error| at(&error))?;
    if served.version != VERSION {
        return Err(at(&format_args!("it is of version {}, not {VERSION}", served.version)));
    }
    Ok(served)
}

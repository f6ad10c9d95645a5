//! The client of an interface: DHCPv4, DHCPv6, or both, in one process of one
//! thread in the interface's namespace.
//!
//! The protocols are in `netyard_core::service::client`; here are the sockets, the
//! clock, and what a lease brings into the kernel: the address, which ends by
//! itself should the process be no more, routes, and name servers. What it holds
//! is written down, so that the process after it asks for the same.

mod delegated;
mod kernel;
mod lease;
mod ra;
mod resolver;
mod v4;
mod v6;

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use netyard_core::service::client::{ClientConfig, VERSION};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::serve::link6::Link;
use crate::serve::socket;
use crate::serve::world::{notify, say};
use kernel::{Change, Kernel};
pub use lease::{Held, read as read_lease};

/// Gets and keeps what the interface is to have, until it is told to end: what the
/// hidden subcommand does, given its arguments: the configuration's path and the
/// directory of what survives.
pub fn run(arguments: &[String]) -> ExitCode {
    let [config, data] = arguments else {
        say("the client is started by netyard alone");
        return ExitCode::FAILURE;
    };
    loop {
        match Client::start(Path::new(config), Path::new(data)).and_then(Client::run) {
            Ok(Heard::End) => return ExitCode::SUCCESS,
            Ok(_) => {}
            Err(error) => {
                say(&error.to_string());
                return ExitCode::FAILURE;
            }
        }
    }
}

/// What a client is to do after it has heard something.
#[derive(PartialEq, Eq)]
enum Heard {
    /// To go on.
    Nothing,
    /// To end.
    End,
    /// To begin anew: it is told something else.
    Anew,
}

/// What both protocols share.
struct World {
    config: ClientConfig,
    link: Link,
    kernel: Kernel,
    data: PathBuf,
    begin: Instant,
    held: Held,
}

struct Client {
    path: PathBuf,
    world: World,
    signals: OwnedFd,
    v4: Option<v4::Dhcp4>,
    v6: Option<v6::Dhcp6>,
    ra: Option<ra::Listener>,
    is_ready: bool,
}

impl World {
    /// Milliseconds since the process began.
    fn now(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Writes down what is held, and tells programs of the node who knows names.
    fn settle(&self) {
        if let Err(error) = self.held.write(&self.data) {
            say(&format!("could not write the lease down: {error}"));
        }
        if self.config.resolver
            && let Err(error) = resolver::write(self.config.interface.as_str(), &self.held)
        {
            say(&format!("could not write the name servers down: {error}"));
        }
    }
}

/// Seconds since 1970.
fn today() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// Another one for each process and interface.
fn seed(link: &Link) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64);
    let mac =
        link.mac.map_or(0, |mac| mac.0.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)));
    now ^ mac.rotate_left(17) ^ u64::from(std::process::id()) << 40
}

impl Client {
    fn start(path: &Path, data: &Path) -> io::Result<Self> {
        let _ = rustix::thread::set_name(c"netyard-client");
        let signals = socket::signals(&[libc::SIGTERM, libc::SIGINT, libc::SIGHUP])?;
        let config = read_config(path)?;
        let link = Link::find(&config.interface)?;
        let kernel = Kernel::open(link.index)?;
        std::fs::create_dir_all(data)?;
        let held = lease::read(data).unwrap_or_default().still_good(today());
        let (data, begin) = (data.to_owned(), Instant::now());
        let mut world = World { config, link, kernel, data, begin, held };
        world.kernel.forget_all_but(&world.held)?;
        let v4 = if world.config.dhcp4 { Some(v4::Dhcp4::open(&world)?) } else { None };
        let asks = world.config.dhcp6 || world.config.delegated.is_some();
        let v6 = if asks { Some(v6::Dhcp6::open(&world)?) } else { None };
        delegated::settle(&mut world)?;
        let ra = if world.config.ra { Some(ra::Listener::open(&world)?) } else { None };
        Ok(Self { path: path.to_owned(), world, signals, v4, v6, ra, is_ready: false })
    }

    fn run(mut self) -> io::Result<Heard> {
        loop {
            self.tick();
            self.tell_ready();
            let heard = self.wait()?;
            if heard == Heard::Nothing {
                continue;
            }
            if let Some(v4) = &mut self.v4 {
                v4.stop(&mut self.world);
            }
            if let Some(v6) = &mut self.v6 {
                v6.stop(&mut self.world);
            }
            if let Some(ra) = &self.ra {
                ra.stop(&mut self.world);
            }
            return Ok(heard);
        }
    }

    /// What it is told by a signal. Whose part of a prefix is whose may change beside
    /// the leases; whatever else is another gives them back.
    fn obey_signal(&mut self) -> io::Result<Heard> {
        match socket::signal(&self.signals)? {
            None => return Ok(Heard::Nothing),
            Some(libc::SIGHUP) => {}
            Some(_) => return Ok(Heard::End),
        }
        let config = match read_config(&self.path) {
            Ok(config) => config,
            Err(error) => {
                say(&format!("the old configuration stays: {error}"));
                return Ok(Heard::Nothing);
            }
        };
        let asks = |config: &ClientConfig| {
            let length = config.delegated.as_ref().map(|delegated| delegated.length);
            (ClientConfig { delegated: None, ..config.clone() }, length)
        };
        if asks(&config) != asks(&self.world.config) {
            return Ok(Heard::Anew);
        }
        delegated::share(&mut self.world, config.delegated)?;
        Ok(Heard::Nothing)
    }

    fn tick(&mut self) {
        if let Some(v4) = &mut self.v4 {
            v4.tick(&mut self.world);
        }
        if let Some(v6) = &mut self.v6 {
            v6.tick(&mut self.world);
        }
        if let Some(ra) = &self.ra {
            ra.tick(&mut self.world);
        }
    }

    fn tell_ready(&mut self) {
        let has = |asked: bool, held: bool| held || !asked;
        let held = &self.world.held;
        let config = &self.world.config;
        let all = has(self.v4.is_some(), held.v4.is_some())
            && has(config.dhcp6, held.v6.is_some())
            && has(config.delegated.is_some(), held.prefix.is_some());
        if all && !self.is_ready {
            self.is_ready = true;
            notify("READY=1");
        }
    }

    /// Waits for what comes next and takes it in.
    fn wait(&mut self) -> io::Result<Heard> {
        let due = [
            self.v4.as_ref().map(v4::Dhcp4::due),
            self.v6.as_ref().map(v6::Dhcp6::due),
            self.ra.as_ref().map(|ra| ra.due(&self.world)),
        ];
        let now = self.world.now();
        // A lease for ever has no time.
        let next = due.into_iter().flatten().min().filter(|at| *at != u64::MAX);
        let wait = next.map(|at| at.saturating_sub(now));
        let wait = wait.map(|ms| Timespec {
            tv_sec: (ms / 1000) as i64,
            tv_nsec: (ms % 1000) as i64 * 1_000_000,
        });
        let (signalled, told, by4, by6, by_ra) = {
            let fds: Vec<BorrowedFd<'_>> = [self.signals.as_fd(), self.world.kernel.events()]
                .into_iter()
                .chain(self.v4.iter().flat_map(v4::Dhcp4::fds))
                .chain(self.v6.iter().flat_map(v6::Dhcp6::fds))
                .chain(self.ra.iter().map(ra::Listener::fd))
                .collect();
            let of4 = if self.v4.is_some() { 2..4 } else { 2..2 };
            let mut polled: Vec<PollFd<'_>> =
                fds.into_iter().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
            match poll(&mut polled, wait.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let ready =
                |at: std::ops::Range<usize>| polled[at].iter().any(|fd| !fd.revents().is_empty());
            let of6 = of4.end..polled.len() - usize::from(self.ra.is_some());
            let of_ra = of6.end..polled.len();
            (ready(0..1), ready(1..2), ready(of4), ready(of6), ready(of_ra))
        };
        if signalled {
            let heard = self.obey_signal()?;
            if heard != Heard::Nothing {
                return Ok(heard);
            }
        }
        if told {
            for change in self.world.kernel.changes()? {
                self.changed(change)?;
            }
        }
        if let Some(v4) = self.v4.as_mut().filter(|_| by4) {
            v4.receive(&mut self.world);
        }
        if let Some(v6) = self.v6.as_mut().filter(|_| by6) {
            v6.receive(&mut self.world);
        }
        if let Some(ra) = self.ra.as_ref().filter(|_| by_ra) {
            ra.receive(&mut self.world);
        }
        Ok(Heard::Nothing)
    }

    fn changed(&mut self, change: Change) -> io::Result<()> {
        match change {
            Change::Gone => return Err(io::Error::other("the interface is gone")),
            Change::LinkUp => {
                if let Some(v4) = &mut self.v4 {
                    v4.link_up(&mut self.world);
                }
                if let Some(v6) = &mut self.v6 {
                    v6.link_up(&mut self.world);
                }
                if let Some(ra) = &self.ra {
                    ra.ask(&self.world);
                }
            }
            Change::Other => delegated::settle(&mut self.world)?,
            Change::Duplicate(address) => {
                if let Some(v6) = &mut self.v6 {
                    v6.duplicate(address, &mut self.world);
                }
            }
        }
        Ok(())
    }
}

fn read_config(path: &Path) -> io::Result<ClientConfig> {
    let at = |error: &dyn std::fmt::Display| {
        io::Error::other(format!("could not read {}: {error}", path.display()))
    };
    let text = std::fs::read(path).map_err(|error| at(&error))?;
    let config: ClientConfig = serde_json::from_slice(&text).map_err(|error| at(&error))?;
    if config.version != VERSION {
        return Err(at(&format_args!("it is of version {}, not {VERSION}", config.version)));
    }
    Ok(config)
}

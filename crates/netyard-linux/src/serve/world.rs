//! What services share: the poller, the leases, the clock, the log.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use netyard_core::addr::Mac;
use netyard_core::name::FullName;
use netyard_core::service::dhcp4::Pool;
use netyard_core::service::ra::Ra;
use netyard_core::service::trouble::{Met, Trouble, Troubles};
use rustix::event::epoll::{self, EventData, EventFlags};

use super::leases::LeaseFile;

/// The file of what was met, beside the server's configuration.
pub(super) const TROUBLES: &str = "troubles.json";

/// What a service sees of the rest of the process.
pub(super) struct World {
    poller: OwnedFd,
    /// The service that is at work.
    turn: u32,
    now: Instant,
    /// Who has which address, of all networks, and on disk.
    pub leases: LeaseFile,
    /// IPv4 addresses to give: of all networks, because a relay agent may speak
    /// for any of them.
    pub pools: Vec<Pool>,
    /// What was advertised last on each network.
    pub advertised: BTreeMap<FullName, Ra>,
    /// The directory of what survives.
    data: PathBuf,
    /// What the networks' owner should know, and the file for it.
    troubles: Troubles,
    trouble_file: PathBuf,
}

impl World {
    /// With the leases below a directory, which is made where it is missing; what is
    /// met is written down in another.
    pub fn open(data: &Path, dir: &Path) -> io::Result<Self> {
        let trouble_file = dir.join(TROUBLES);
        let troubles = Troubles::read(&std::fs::read(&trouble_file).unwrap_or_default());
        let poller = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let leases = LeaseFile::open(data)?;
        let (pools, advertised, data) = (Vec::new(), BTreeMap::new(), data.to_owned());
        let now = Instant::now();
        Ok(Self { poller, turn: 0, now, leases, pools, advertised, data, troubles, trouble_file })
    }

    /// Writes down what is not as it should be on a network. Who calls this does so a
    /// few times in a minute at most.
    pub fn met(&mut self, network: &FullName, trouble: Trouble) {
        self.troubles.add(Met { network: network.clone(), at: self.today(), trouble });
        let text = serde_json::to_vec(&self.troubles).unwrap_or_default();
        // A full disk must not end the service for the others.
        let _ = crate::state_dir::write_atomically(&self.trouble_file, &text, 0o600);
    }

    /// The server's identifier for DHCPv6 (RFC 8415, 11): made once, of the hardware
    /// address given then, and kept beside the leases.
    pub fn duid(&self, mac: Option<Mac>) -> io::Result<Vec<u8>> {
        let path = self.data.join("duid");
        match std::fs::read(&path) {
            Ok(duid) if (4..=130).contains(&duid.len()) => return Ok(duid),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let duid = netyard_core::service::client::duid(mac.unwrap_or(Mac([2, 0, 0, 0, 0, 1])));
        let beside = path.with_extension("new");
        std::fs::write(&beside, &duid)?;
        std::fs::rename(&beside, &path)?;
        Ok(duid)
    }

    pub(super) fn poller(&self) -> BorrowedFd<'_> {
        self.poller.as_fd()
    }

    pub(super) fn turn_to(&mut self, service: usize) {
        self.turn = service as u32;
    }

    pub(super) fn tick(&mut self) {
        self.now = Instant::now();
    }

    /// Has the service called when the descriptor is ready; closing it ends that.
    pub fn watch(&self, fd: impl AsFd, token: u32, flags: EventFlags) -> io::Result<()> {
        Ok(epoll::add(&self.poller, fd, event(self.turn, token), flags)?)
    }

    /// Watches for something else from now on.
    pub fn watch_for(&self, fd: impl AsFd, token: u32, flags: EventFlags) -> io::Result<()> {
        Ok(epoll::modify(&self.poller, fd, event(self.turn, token), flags)?)
    }

    /// The time when the loop woke up.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The time of day, in seconds since 1970.
    pub fn today(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
    }
}

pub(super) fn event(service: u32, token: u32) -> EventData {
    EventData::new_u64(u64::from(service) << 32 | u64::from(token))
}

/// The service and its token.
pub(super) fn origin(data: EventData) -> (u32, u32) {
    ((data.u64() >> 32) as u32, data.u64() as u32)
}

/// Writes a line to the log, which is standard error.
pub(crate) fn say(text: &str) {
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// Tells the supervisor (sd_notify(3)), where there is one.
pub(crate) fn notify(text: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let bytes = path.as_encoded_bytes();
    let address = match bytes.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&path),
    };
    if let (Ok(address), Ok(socket)) = (address, UnixDatagram::unbound()) {
        let _ = socket.send_to_addr(text.as_bytes(), &address);
    }
}

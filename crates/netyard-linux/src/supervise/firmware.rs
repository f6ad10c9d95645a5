//! The network of a firmware, looked after while it boots.
//!
//! Where its tunnels of WireGuard, or their peers, do not come up by themselves, its
//! network is started again, once, by its own script: what `/etc/rc.local` of the
//! image would be told to do by hand.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use netyard_core::container::openwrt::{FirmwareTunnel, tunnels};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::net::{AddressFamily, SocketType, netdevice, socket};

use super::Identity;
use super::launch::MARK;
use crate::netlink::{Protocol, Socket};
use crate::netns::{Aboard, Worker};
use crate::serve::say;

/// The hidden subcommand of the binary that calls [`run`].
pub const SUBCOMMAND: &str = "firmware";

/// What sets up OpenWrt's network.
const NETIFD: &str = "netifd";
/// Its configuration, in the firmware's files.
const CONFIG: &str = "etc/config/network";
/// More than that is no configuration, in bytes.
const LONGEST: u64 = 1 << 20;
/// What starts its network again.
const SCRIPT: &str = "/etc/init.d/network";
/// How long a firmware has to come as far as its network.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long its network has to set up all that it is told.
const SETTLE: Duration = Duration::from_secs(15);
/// How long until the next look: nobody tells of a process that begins.
const PAUSE: Timespec = Timespec { tv_sec: 0, tv_nsec: 500_000_000 };

/// Begins to look after the firmware whose first process has that number; what there is
/// to say goes to its log, and `mark` is what the process is known by.
pub(super) fn begin(log: &Path, mark: &str, leader: u32) -> io::Result<Child> {
    let log = fs::OpenOptions::new().append(true).open(log)?;
    let mut command = Command::new("/proc/self/exe");
    command.arg0("netyard").args([SUBCOMMAND, &leader.to_string()]).current_dir("/");
    command.env_clear().env(MARK, mark).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(log).spawn()
}

/// Looks after the firmware whose first process has that number.
pub fn run(words: &[String]) -> ExitCode {
    let pid = words.first().and_then(|word| word.parse().ok());
    let done = pid.ok_or_else(|| io::ErrorKind::InvalidInput.into()).and_then(look_after);
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("could not look after its network: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn look_after(pid: u32) -> io::Result<()> {
    let Some(held) = Identity::of(pid).map(Identity::hold).transpose()?.flatten() else {
        return Ok(());
    };
    let begun = Instant::now();
    let mut since = None;
    while begun.elapsed() < PATIENCE {
        if since.is_none() && has_netifd(pid) {
            since = Some(Instant::now());
        }
        if let Some(since) = since {
            let wanted = tunnels(&config(pid)?);
            let dark = dark(pid, &wanted)?;
            match dark.first() {
                None if !wanted.is_empty() => return Ok(()),
                Some(first) if since.elapsed() >= SETTLE => return start_again(pid, first),
                None if since.elapsed() >= SETTLE => return Ok(()),
                _ => {}
            }
        }
        let mut ended = [PollFd::new(&held, PollFlags::IN)];
        if rustix::io::retry_on_intr(|| poll(&mut ended, Some(&PAUSE)))? > 0 {
            return Ok(());
        }
    }
    Ok(())
}

/// True when the firmware's network is being set up.
fn has_netifd(pid: u32) -> bool {
    let own = fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut numbers = entries.map(|entry| entry.path());
    own.is_some()
        && numbers.any(|path| {
            let name = fs::read_to_string(path.join("comm")).unwrap_or_default();
            name.trim() == NETIFD && fs::read_link(path.join("ns/pid")).ok() == own
        })
}

/// What it is told of its network; nothing where it is told nothing.
fn config(pid: u32) -> io::Result<String> {
    let root = File::open(format!("/proc/{pid}/root"))?;
    // Its links lead to its own files.
    let within = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file: OwnedFd = match openat2(&root, Path::new(CONFIG), flags, Mode::empty(), within) {
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Ok(String::new()),
        opened => opened?,
    };
    let mut text = Vec::new();
    File::from(file).take(LONGEST).read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Those of the tunnels that are not there, or lack peers.
fn dark(pid: u32, wanted: &[FirmwareTunnel]) -> io::Result<Vec<FirmwareTunnel>> {
    let net = File::open(format!("/proc/{pid}/ns/net"))?;
    Worker::run(|worker| {
        worker.enter(net.as_fd())?;
        let asked = socket(AddressFamily::UNIX, SocketType::DGRAM, None)?;
        let is_dark = |tunnel: &&FirmwareTunnel| {
            let Ok(index) = netdevice::name_to_index(&asked, &tunnel.name) else { return true };
            // Of one that is no device of the kernel's own nothing more is known.
            let mut socket = Socket::open(Protocol::Generic).ok();
            let pulse = socket.as_mut().and_then(|s| crate::wireguard::pulse(s, index).ok());
            pulse.is_some_and(|pulse| pulse.peers.len() < tunnel.peers)
        };
        Ok(wanted.iter().filter(is_dark).cloned().collect())
    })?
}

fn start_again(pid: u32, dark: &FirmwareTunnel) -> io::Result<()> {
    say(&format!("netyard: `{}` does not come up: the network is started again, once", dark.name));
    let mut command = Command::new(SCRIPT);
    command.arg("restart").stdin(Stdio::null()).env_clear();
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    Aboard::of(pid)?.dress(&mut command);
    let status = command.status()?;
    match status.success() {
        true => Ok(()),
        false => Err(io::Error::other(format!("`{SCRIPT} restart`: {status}"))),
    }
}

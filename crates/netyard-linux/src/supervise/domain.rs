//! A virtual machine of libvirt's under watch: libvirt is told to run it for as long as this
//! process lives, and at the end to press its power button.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use netyard_core::libvirt::ACCELERATOR;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::libvirt::{SYSTEM, Silence, VIRSH, owner_of, virsh};
use crate::serve::{notify, say};
use crate::wireguard::{signal, signals};

/// How long libvirt has to begin to run a machine.
const PATIENCE: Duration = Duration::from_secs(55);
/// How long a machine has to power off, before it is cut off.
const POWER_OFF: Duration = Duration::from_secs(60);
/// How long after that the button is pressed once more.
const AGAIN: Timespec = Timespec { tv_sec: 3, tv_nsec: 0 };

/// Runs until the machine ends, or is told to; `words` are the file that describes it, its name
/// and its yard.
pub fn run(words: &[OsString]) -> ExitCode {
    match watch(words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("ended: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn watch(words: &[OsString]) -> io::Result<()> {
    let words: Option<Vec<&str>> = words.iter().map(|word| word.to_str()).collect();
    let Some([file, name, yard]) = words.as_deref() else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    clear(name, yard)?;
    let signals = signals()?;
    let mut hold = Hold::new(file, name)?;
    let machine = hold.begun(name, &signals)?;
    let Some(machine) = machine else { return Ok(()) };
    notify("READY=1\nSTATUS=running");
    say(&format!("libvirt runs it as {name}; its console: virsh console {name}"));
    let held = pidfd_open(Pid::from_child(&hold.0), PidfdFlags::empty())?;
    loop {
        let fds = [machine.as_fd(), signals.as_fd(), held.as_fd()];
        let mut polled = fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        rustix::io::retry_on_intr(|| poll(&mut polled, None))?;
        let [ended, told, lost] = polled.map(|fd| !fd.revents().is_empty());
        if ended {
            say("the machine ended");
            return Ok(());
        }
        if told && signal(signals.as_fd())?.is_some() {
            return power_off(name, &machine, &mut hold);
        }
        if lost {
            return Err(io::Error::other("libvirt is gone"));
        }
    }
}

/// A machine of this name that an earlier watcher left is taken away; a stranger's stays.
fn clear(name: &str, yard: &str) -> io::Result<()> {
    match owner_of(name).map_err(said)? {
        None => Ok(()),
        Some(Some(owner)) if owner == yard => {
            virsh(&["destroy", &format!("--domain={name}")], "").map_err(said).map(drop)
        }
        Some(_) => Err(io::Error::other(format!(
            "libvirt has a machine `{name}` already, and it is not this yard's"
        ))),
    }
}

fn said(silence: Silence) -> io::Error {
    match silence {
        Silence::Missing => io::Error::other("there is no virsh"),
        Silence::Said(why) => io::Error::other(why),
    }
}

/// The connection for whose time libvirt runs the machine: with it the machine goes.
struct Hold(Child);

impl Hold {
    fn new(file: &str, name: &str) -> io::Result<Self> {
        let accelerator = if super::machine::has_kvm() { "kvm" } else { "qemu" };
        let text = std::fs::read_to_string(file)?.replace(ACCELERATOR, accelerator);
        // What virsh is told to wait for, it waits for until it is ended.
        let script = format!(
            "create --autodestroy /dev/stdin; event --event lifecycle --loop --domain={name}"
        );
        let mut command = Command::new(VIRSH);
        command.args(["--quiet", "--connect", SYSTEM, &script]);
        command.env("LC_ALL", "C").stdin(Stdio::piped()).stdout(Stdio::null());
        // SAFETY: one system call with constants: nobody is left to watch it without us.
        unsafe {
            command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            });
        }
        let mut child = command.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            io::Write::write_all(&mut stdin, text.as_bytes())?;
        }
        Ok(Self(child))
    }

    /// Waits until the machine runs; gives its process, none where it is to end already.
    fn begun(&mut self, name: &str, signals: &OwnedFd) -> io::Result<Option<OwnedFd>> {
        let end = Instant::now() + PATIENCE;
        let name_word = format!("--domain={name}");
        while Instant::now() < end {
            if self.0.try_wait()?.is_some() {
                return Err(io::Error::other("libvirt does not run it"));
            }
            let state = virsh(&["domstate", &name_word], "").unwrap_or_default();
            if state.trim() == "running" {
                return process_of(name).map(Some);
            }
            let mut polled = [PollFd::new(signals, PollFlags::IN)];
            let moment = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
            if rustix::io::retry_on_intr(|| poll(&mut polled, Some(&moment)))? > 0 {
                return Ok(None);
            }
        }
        Err(io::Error::other("libvirt does not begin to run it"))
    }
}

/// libvirt ends the machine with the connection.
impl Drop for Hold {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The machine's process, which libvirt writes down.
fn process_of(name: &str) -> io::Result<OwnedFd> {
    let path = Path::new("/run/libvirt/qemu").join(format!("{name}.pid"));
    let number = std::fs::read_to_string(path)?.trim().parse().ok().and_then(Pid::from_raw);
    let number =
        number.ok_or_else(|| io::Error::other("libvirt does not say which process it is"))?;
    Ok(pidfd_open(number, PidfdFlags::empty())?)
}

/// Presses the button, and waits; then pulls the plug. It is pressed again and again: a
/// machine that is only just starting does not hear it.
fn power_off(name: &str, machine: &OwnedFd, hold: &mut Hold) -> io::Result<()> {
    let until = Instant::now() + POWER_OFF;
    let name_word = format!("--domain={name}");
    while Instant::now() < until {
        // One that is gone already needs none.
        let _ = virsh(&["shutdown", &name_word, "--mode=acpi"], "");
        let mut polled = [PollFd::new(machine, PollFlags::IN)];
        if rustix::io::retry_on_intr(|| poll(&mut polled, Some(&AGAIN)))? > 0 {
            say("powered off");
            return Ok(());
        }
    }
    say("did not power off in time, and is cut off");
    let _ = virsh(&["destroy", &name_word], "");
    let _ = hold.0.kill();
    Ok(())
}

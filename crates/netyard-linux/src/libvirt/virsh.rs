//! virsh, asked and told: bounded in time and in what it may say.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use netyard_core::libvirt::MOST;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

/// The system's libvirt: what runs as root, with networks.
pub(crate) const SYSTEM: &str = "qemu:///system";
/// The program.
pub(crate) const VIRSH: &str = "virsh";
/// How long libvirt has for one thing. Starting a network takes it seconds, on a slow machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Why virsh gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// There is no virsh.
    Missing,
    /// It failed, and said why.
    Said(String),
}

impl Silence {
    /// For people; empty where virsh is missing.
    pub fn words(self) -> String {
        match self {
            Self::Missing => String::new(),
            Self::Said(text) => text,
        }
    }
}

/// Runs virsh to its end; `input` is what `/dev/stdin` is to it. Gives what it printed.
pub(crate) fn virsh(arguments: &[&str], input: &str) -> Result<String, Silence> {
    let mut child = start(arguments).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Silence::Missing,
        _ => Silence::Said(error.to_string()),
    })?;
    let said = talk(&mut child, input);
    if said.is_err() {
        // One that goes on is of no use any more.
        let _ = child.kill();
    }
    let status = child.wait();
    let failed = |error: io::Error| Silence::Said(error.to_string());
    let (said, status) = (said.map_err(failed)?, status.map_err(failed)?);
    let [output, errors] = said.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    if status.success() {
        return Ok(output);
    }
    Err(Silence::Said(words(&errors).unwrap_or_else(|| format!("virsh ended with {status}"))))
}

/// The last thing that was an error: those before it say less ("failed to connect").
fn words(errors: &str) -> Option<String> {
    let lines = errors.lines().map(|line| line.trim_start_matches("error: ").trim());
    let all: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    let last = all.last()?;
    Some(last.chars().filter(|c| !c.is_control()).take(400).collect())
}

fn start(arguments: &[&str]) -> io::Result<Child> {
    // As where netyard's services find programs.
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    Command::new(VIRSH)
        .args(["--quiet", "--connect", SYSTEM])
        .args(arguments)
        .env_clear()
        .envs([("PATH", path), ("LC_ALL", "C"), ("HOME", "/nonexistent")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

/// Gives it its input and reads both of its outputs to their ends.
fn talk(child: &mut Child, input: &str) -> io::Result<[Vec<u8>; 2]> {
    if let Some(mut stdin) = child.stdin.take() {
        // A definition is shorter than a pipe is long; what stops reading says why.
        let _ = stdin.write_all(input.as_bytes());
    }
    let (Some(output), Some(errors)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(io::ErrorKind::BrokenPipe.into());
    };
    let mut ears = [Ear::new(output.into())?, Ear::new(errors.into())?];
    let end = Instant::now() + PATIENCE;
    while ears.iter().any(|ear| ear.open) {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let what = format!("libvirt did not answer within {} s", PATIENCE.as_secs());
            return Err(io::Error::new(io::ErrorKind::TimedOut, what));
        }
        let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
        let mut open: Vec<&mut Ear> = ears.iter_mut().filter(|ear| ear.open).collect();
        let mut polled: Vec<PollFd<'_>> = open
            .iter()
            .map(|ear| PollFd::from_borrowed_fd(ear.fd.as_fd(), PollFlags::IN))
            .collect();
        rustix::io::retry_on_intr(|| poll(&mut polled, Some(&timeout)))?;
        let ready: Vec<bool> = polled.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(polled);
        for (ear, _) in open.iter_mut().zip(ready).filter(|(_, ready)| *ready) {
            ear.hear()?;
        }
    }
    Ok(ears.map(|ear| ear.heard))
}

/// One of its outputs.
struct Ear {
    fd: std::fs::File,
    heard: Vec<u8>,
    open: bool,
}

impl Ear {
    fn new(fd: OwnedFd) -> io::Result<Self> {
        fcntl_setfl(&fd, fcntl_getfl(&fd)? | OFlags::NONBLOCK)?;
        Ok(Self { fd: fd.into(), heard: Vec::new(), open: true })
    }

    fn hear(&mut self) -> io::Result<()> {
        let mut bytes = vec![0; 1 << 16];
        match self.fd.read(&mut bytes) {
            Ok(0) => self.open = false,
            Ok(length) => self.heard.extend(&bytes[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        match self.heard.len() > MOST {
            true => Err(io::Error::other(format!("libvirt said more than {} MiB", MOST >> 20))),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn the_last_error_says_most() {
        let said =
            "error: failed to connect to the hypervisor\nerror: Failed to connect socket\n\n";
        assert_eq!(words(said).as_deref(), Some("Failed to connect socket"));
        assert_eq!(words("\n"), None);
    }
}

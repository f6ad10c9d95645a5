//! A virtual machine under watch: QEMU is started, said to run when it does, and at the end
//! asked to power off as by its button.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Access, access};

use crate::serve::{notify, say};
use crate::wireguard::{signal, signals};

/// How long a machine has to power off, before it is cut off.
const POWER_OFF: Duration = Duration::from_secs(60);
/// How long after that the button is pressed once more.
const AGAIN: Timespec = Timespec { tv_sec: 3, tv_nsec: 0 };
/// The socket on which QEMU is told things (QEMU Machine Protocol), in the directory.
const SOCKET: &str = "machine";

/// Runs until the machine ends, or is told to; `words` are a directory and QEMU's command.
pub fn run(words: &[OsString]) -> ExitCode {
    match watch(words) {
        Ok(code) => code,
        Err(error) => {
            say(&format!("ended: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn watch(words: &[OsString]) -> io::Result<ExitCode> {
    let [directory, program, arguments @ ..] = words else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let path = Path::new(directory).join(SOCKET);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(&path)?;
    let signals = signals()?;
    let mut command = Command::new(program);
    command.args(accelerator()).args(arguments);
    let socket = format!("socket,id=watch,path={}", path.display().to_string().replace(',', ",,"));
    command.args(["-chardev", &socket, "-mon", "chardev=watch,mode=control"]);
    // SAFETY: one system call with constants: nobody is left to watch it without us.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        });
    }
    let mut machine = Machine { child: command.spawn()?, words: None };
    let ended = machine.pidfd()?;
    if !machine.await_words(&listener, &signals, &ended)? {
        return machine.end();
    }
    notify("READY=1\nSTATUS=running");
    loop {
        let mut polled = [PollFd::new(&ended, PollFlags::IN), PollFd::new(&signals, PollFlags::IN)];
        rustix::io::retry_on_intr(|| poll(&mut polled, None))?;
        if !polled[0].revents().is_empty() {
            return machine.end();
        }
        if signal(signals.as_fd())?.is_some() {
            return machine.power_off(&ended);
        }
    }
}

/// By hardware where that is real: `kvm_pvm` offers it, too, and cannot start a usual kernel.
fn accelerator() -> [&'static str; 4] {
    match has_kvm() {
        true => ["-accel", "kvm", "-cpu", "host"],
        false => ["-accel", "tcg", "-cpu", "qemu64"],
    }
}

/// True where the processor itself can run machines.
pub(super) fn has_kvm() -> bool {
    let may = access("/dev/kvm", Access::READ_OK | Access::WRITE_OK).is_ok();
    let there = |module: &str| Path::new("/sys/module").join(module).exists();
    may && !there("kvm_pvm") && (there("kvm_intel") || there("kvm_amd"))
}

struct Machine {
    child: Child,
    words: Option<UnixStream>,
}

impl Machine {
    fn pidfd(&self) -> io::Result<OwnedFd> {
        let pid = rustix::process::Pid::from_child(&self.child);
        Ok(rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())?)
    }

    /// Waits until QEMU says that its machine runs; false where it ended before.
    fn await_words(
        &mut self,
        listener: &UnixListener,
        signals: &OwnedFd,
        ended: &OwnedFd,
    ) -> io::Result<bool> {
        let mut polled = [
            PollFd::new(listener, PollFlags::IN),
            PollFd::new(ended, PollFlags::IN),
            PollFd::new(signals, PollFlags::IN),
        ];
        rustix::io::retry_on_intr(|| poll(&mut polled, None))?;
        if !polled[2].revents().is_empty() {
            self.child.kill()?;
            return Ok(false);
        }
        if polled[0].revents().is_empty() {
            return Ok(false);
        }
        let (stream, _) = listener.accept()?;
        // Its end closes the stream, so that nothing is read for ever.
        let mut lines = BufReader::new(stream.try_clone()?);
        let mut line = String::new();
        lines.read_line(&mut line)?;
        for (question, answer) in [
            ("{\"execute\":\"qmp_capabilities\"}\n", "\"return\""),
            ("{\"execute\":\"query-status\"}\n", "\"running\""),
        ] {
            (&stream).write_all(question.as_bytes())?;
            line.clear();
            // Events may come before it.
            while !line.contains(answer) {
                line.clear();
                if lines.read_line(&mut line)? == 0 {
                    return Ok(false);
                }
            }
        }
        self.words = Some(stream);
        Ok(true)
    }

    /// Presses the button, and waits; then pulls the plug. It is pressed again and again: a
    /// machine that is only just starting does not hear it.
    fn power_off(mut self, ended: &OwnedFd) -> io::Result<ExitCode> {
        let until = Instant::now() + POWER_OFF;
        while Instant::now() < until {
            if let Some(words) = &mut self.words {
                words.set_nonblocking(true)?;
                words.write_all(b"{\"execute\":\"system_powerdown\"}\n")?;
            }
            let mut polled = [PollFd::new(ended, PollFlags::IN)];
            let count = rustix::io::retry_on_intr(|| poll(&mut polled, Some(&AGAIN)))?;
            self.drain();
            if count > 0 {
                self.child.wait()?;
                return Ok(ExitCode::SUCCESS);
            }
        }
        say("did not power off in time, and is cut off");
        self.child.kill()?;
        self.child.wait()?;
        Ok(ExitCode::SUCCESS)
    }

    /// Reads what QEMU had to say, which nobody needs.
    fn drain(&mut self) {
        let mut rest = Vec::new();
        if let Some(words) = &mut self.words {
            let _ = words.take(1 << 20).read_to_end(&mut rest);
        }
    }

    fn end(mut self) -> io::Result<ExitCode> {
        let status = self.child.wait()?;
        Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

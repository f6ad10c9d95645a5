//! A small HTTP server with one page, which costs something to make.
//!
//! One thread and one `poll`: who sends its question byte by byte, or does not
//! read the answer, keeps nobody waiting. The page is what a child process
//! prints; one runs at a time, and all who asked before it began get what it
//! said, so that many askers cost no more than one. The process that serves
//! enters no namespace and holds none, and so stands in nobody's way.

mod listener;
mod visitor;

use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

pub use listener::{Address, Listener};
use visitor::{Step, Visitor};

/// Visitors at a time; one more and the one that has dawdled longest is sent away.
const MOST: usize = 64;
/// How long a page may take to be made.
const PATIENCE: Duration = Duration::from_secs(20);
/// The largest page, in bytes.
const LARGEST: usize = 64 << 20;

/// What is served.
pub struct Page<'p> {
    /// Where it is: `/metrics`.
    pub path: &'p str,
    /// Its `Content-Type`.
    pub content_type: &'p str,
    /// Starts the process that prints it, its standard output a pipe.
    pub make: &'p mut dyn FnMut() -> io::Result<Child>,
}

/// Something else to do from time to time, by a process.
pub struct Chore<'p> {
    /// From the end of one to the beginning of the next.
    pub every: Duration,
    /// Starts it.
    pub make: &'p mut dyn FnMut() -> io::Result<Child>,
}

/// Serves until the process is told to end (SIGTERM, SIGINT), which ends it well.
pub fn serve<'p>(listener: Listener, page: Page<'p>, chore: Option<Chore<'p>>) -> io::Result<()> {
    let end = end_signals()?;
    let mut server = Server {
        next_chore: chore.is_some().then(Instant::now),
        listener,
        page,
        chore,
        chore_runs: None,
        visitors: Vec::new(),
        press: None,
        turn: 0,
    };
    // Whoever started this as a service waits for it (sd_notify(3)).
    crate::serve::notify("READY=1");
    while server.round(end.as_fd())? {}
    Ok(())
}

/// A page in the making.
struct Press {
    child: Child,
    text: Vec<u8>,
    until: Instant,
}

struct Server<'p> {
    listener: Listener,
    page: Page<'p>,
    chore: Option<Chore<'p>>,
    chore_runs: Option<(Child, OwnedFd)>,
    next_chore: Option<Instant>,
    visitors: Vec<Visitor>,
    press: Option<Press>,
    /// Which page is or was last in the making.
    turn: u64,
}

/// What became ready.
struct Ready {
    end: bool,
    listener: bool,
    press: bool,
    chore: bool,
    visitors: Vec<bool>,
}

impl Server<'_> {
    /// Waits for something to happen and does what follows; false at the end.
    fn round(&mut self, end: BorrowedFd<'_>) -> io::Result<bool> {
        let ready = self.wait(end)?;
        if ready.end {
            return Ok(false);
        }
        let now = Instant::now();
        for (visitor, ready) in self.visitors.iter_mut().zip(ready.visitors) {
            if ready {
                visitor.advance(&self.page);
            }
            visitor.expire(now);
        }
        // Who waits gets the next page, not the one that was begun before.
        let next = self.turn + 1;
        self.visitors.iter_mut().for_each(|visitor| visitor.take_turn(next));
        self.visitors.retain(|visitor| !visitor.is_done());
        if ready.press {
            self.read_page();
        }
        self.give_up(now);
        if self.press.is_none() && self.visitors.iter().any(|v| v.turn() == Some(next)) {
            self.begin_page(now);
        }
        if ready.chore {
            self.end_chore(now);
        }
        self.begin_chore(now);
        if ready.listener {
            self.welcome(now);
        }
        Ok(true)
    }

    fn wait(&self, end: BorrowedFd<'_>) -> io::Result<Ready> {
        let wants = |fd, flags| PollFd::from_borrowed_fd(fd, flags);
        let mut polled = vec![wants(end, PollFlags::IN), wants(self.listener.fd(), PollFlags::IN)];
        let pipe = self.press.as_ref().and_then(|press| press.child.stdout.as_ref());
        polled.extend(pipe.map(|pipe| wants(pipe.as_fd(), PollFlags::IN)));
        polled.extend(self.chore_runs.as_ref().map(|(_, fd)| wants(fd.as_fd(), PollFlags::IN)));
        let fixed = polled.len();
        polled.extend(self.visitors.iter().map(|visitor| match visitor.step() {
            Step::Reads => wants(visitor.fd(), PollFlags::IN),
            // Only that it has gone, which is always told.
            Step::Waits => wants(visitor.fd(), PollFlags::empty()),
            Step::Writes => wants(visitor.fd(), PollFlags::OUT),
        }));
        let visitors = self.visitors.iter().filter_map(Visitor::deadline);
        let deadlines = visitors.chain(self.press.as_ref().map(|press| press.until));
        let deadlines = deadlines.chain(self.next_chore);
        let left = deadlines.min().map(|at| at.saturating_duration_since(Instant::now()));
        let left = left.map(Timespec::try_from).transpose().map_err(io::Error::other)?;
        rustix::io::retry_on_intr(|| poll(&mut polled, left.as_ref()))?;
        let told: Vec<bool> = polled.iter().map(|fd| !fd.revents().is_empty()).collect();
        let (press, chore) = (usize::from(pipe.is_some()), self.chore_runs.is_some());
        Ok(Ready {
            end: told[0],
            listener: told[1],
            press: press == 1 && told[2],
            chore: chore && told[2 + press],
            visitors: told[fixed..].to_vec(),
        })
    }

    /// Lets in who knocks.
    fn welcome(&mut self, now: Instant) {
        // One at a time: who is let in may be the one that was to be sent away.
        if let Ok(stream) = self.listener.accept() {
            if self.visitors.len() >= MOST {
                let slowest = self.visitors.iter().enumerate().min_by_key(|(_, v)| v.rank());
                if let Some((index, _)) = slowest {
                    self.visitors.remove(index);
                }
            }
            self.visitors.push(Visitor::new(stream, now));
        }
    }

    fn begin_page(&mut self, now: Instant) {
        self.turn += 1;
        match (self.page.make)() {
            Ok(child) => {
                self.press = Some(Press { child, text: Vec::new(), until: now + PATIENCE });
            }
            Err(_) => self.deliver(None),
        }
    }

    fn read_page(&mut self) {
        let Some(press) = &mut self.press else { return };
        let Some(pipe) = &mut press.child.stdout else { return };
        let mut some = [0; 64 << 10];
        match pipe.read(&mut some) {
            Ok(0) => {}
            Ok(length) if press.text.len() + length <= LARGEST => {
                return press.text.extend(&some[..length]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return,
            _ => drop(press.child.kill()),
        }
        let Some(mut press) = self.press.take() else { return };
        let ended = press.child.wait();
        let well = ended.as_ref().is_ok_and(ExitStatus::success);
        self.deliver(well.then_some(press.text));
    }

    /// A page that takes too long is none.
    fn give_up(&mut self, now: Instant) {
        if self.press.as_ref().is_some_and(|press| press.until <= now)
            && let Some(mut press) = self.press.take()
        {
            let _ = press.child.kill();
            let _ = press.child.wait();
            self.deliver(None);
        }
    }

    /// Gives the page, or that there is none, to all who wait for it.
    fn deliver(&mut self, text: Option<Vec<u8>>) {
        let waiting = self.visitors.iter_mut().filter(|v| v.turn() == Some(self.turn));
        for visitor in waiting {
            visitor.answer(text.as_deref(), self.page.content_type);
        }
    }

    fn begin_chore(&mut self, now: Instant) {
        if self.next_chore.is_none_or(|at| at > now) {
            return;
        }
        self.next_chore = None;
        let Some(chore) = &mut self.chore else { return };
        let every = chore.every;
        let started = (chore.make)().and_then(|child| {
            let pid = Pid::from_child(&child);
            Ok((pidfd_open(pid, PidfdFlags::empty())?, child))
        });
        match started {
            Ok((fd, child)) => self.chore_runs = Some((child, fd)),
            Err(_) => self.next_chore = Some(now + every),
        }
    }

    fn end_chore(&mut self, now: Instant) {
        if let Some((mut child, _)) = self.chore_runs.take() {
            let _ = child.wait();
            self.next_chore = self.chore.as_ref().map(|chore| now + chore.every);
        }
    }
}

/// What is started does not outlive who started it.
impl Drop for Server<'_> {
    fn drop(&mut self) {
        let press = self.press.take().map(|press| press.child);
        let chore = self.chore_runs.take().map(|(child, _)| child);
        for mut child in press.into_iter().chain(chore) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Becomes readable when this process is to end; the signals do nothing else
/// any more.
fn end_signals() -> io::Result<OwnedFd> {
    // SAFETY: the set is initialised before it is used and outlives the calls.
    let fd = unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigaddset(&mut set, libc::SIGTERM);
        libc::sigaddset(&mut set, libc::SIGINT);
        if libc::pthread_sigmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
        libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
    };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just made and belongs to nobody else.
    Ok(unsafe { std::os::fd::FromRawFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests;

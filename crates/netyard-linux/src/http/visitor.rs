//! One who asks, from the first byte to the last.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{SendFlags, Shutdown, shutdown};

use super::Page;

/// The longest head of a question, in bytes.
const LONGEST: usize = 8 << 10;
/// How long a question may take to arrive, and an answer to be taken.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a visitor does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It says what it wants.
    Reads,
    /// It waits for the page.
    Waits,
    /// It is given its answer.
    Writes,
}

#[derive(Debug)]
enum State {
    Reads(Vec<u8>),
    Waits { turn: u64, head: bool },
    Writes { answer: Vec<u8>, sent: usize },
    Done,
}

/// A visitor that has not asked for a certain page yet.
const NO_TURN: u64 = 0;

/// A connection.
#[derive(Debug)]
pub(super) struct Visitor {
    stream: OwnedFd,
    state: State,
    since: Instant,
}

impl Visitor {
    /// Who has just come; reading and writing must not wait.
    pub fn new(stream: OwnedFd, now: Instant) -> Self {
        Self { stream, state: State::Reads(Vec::new()), since: now }
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    pub fn step(&self) -> Step {
        match self.state {
            State::Reads(_) => Step::Reads,
            State::Waits { .. } | State::Done => Step::Waits,
            State::Writes { .. } => Step::Writes,
        }
    }

    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// When it has been too slow; none while it waits for us.
    pub fn deadline(&self) -> Option<Instant> {
        (self.step() != Step::Waits).then(|| self.since + PATIENCE)
    }

    /// Who dawdles longest comes first; who waits for us, last.
    pub fn rank(&self) -> (bool, Instant) {
        (self.step() == Step::Waits, self.since)
    }

    /// Which page it waits for.
    pub fn turn(&self) -> Option<u64> {
        match self.state {
            State::Waits { turn, .. } if turn != NO_TURN => Some(turn),
            _ => None,
        }
    }

    /// It waits for that page, if it waits for none yet.
    pub fn take_turn(&mut self, next: u64) {
        if let State::Waits { turn, .. } = &mut self.state
            && *turn == NO_TURN
        {
            *turn = next;
        }
    }

    /// Sends it away when it was too slow.
    pub fn expire(&mut self, now: Instant) {
        if self.deadline().is_some_and(|at| at <= now) {
            match self.step() {
                Step::Reads => self.write(plain("408 Request Timeout", "too slow\n", "")),
                _ => self.state = State::Done,
            }
        }
    }

    /// Goes on as far as it can without waiting.
    pub fn advance(&mut self, page: &Page<'_>) {
        match self.step() {
            Step::Reads => self.read(page),
            // All that can happen meanwhile is that it leaves.
            Step::Waits => self.state = State::Done,
            Step::Writes => self.send(),
        }
    }

    fn read(&mut self, page: &Page<'_>) {
        let State::Reads(text) = &mut self.state else { return };
        let mut some = [0; 4096];
        match rustix::io::read(&self.stream, &mut some) {
            Ok(0) => self.state = State::Done,
            Ok(length) => {
                text.extend(&some[..length]);
                match question(text, page.path) {
                    Question::Unfinished => {}
                    Question::Page { head } => self.state = State::Waits { turn: NO_TURN, head },
                    Question::Refused(answer) => self.write(answer),
                }
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => self.state = State::Done,
        }
    }

    /// Answers with the page; without one, that it could not be made.
    pub fn answer(&mut self, page: Option<&[u8]>, content_type: &str) {
        let State::Waits { head, .. } = self.state else { return };
        let Some(page) = page else {
            let why = "the yard could not be looked at; the server's log says why\n";
            return self.write(plain("503 Service Unavailable", why, ""));
        };
        let mut answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\
             Cache-Control: no-store\r\nConnection: close\r\n\r\n",
            page.len()
        )
        .into_bytes();
        if !head {
            answer.extend(page);
        }
        self.write(answer);
    }

    fn write(&mut self, answer: Vec<u8>) {
        self.state = State::Writes { answer, sent: 0 };
        self.since = Instant::now();
        self.send();
    }

    fn send(&mut self) {
        let State::Writes { answer, sent } = &mut self.state else { return };
        while *sent < answer.len() {
            match rustix::net::send(&self.stream, &answer[*sent..], SendFlags::NOSIGNAL) {
                Ok(length) => *sent += length,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(_) => return self.state = State::Done,
            }
        }
        // What it still says is read away, or the answer could be lost with it.
        let _ = shutdown(&self.stream, Shutdown::Write);
        let mut rest = [0; 4096];
        let _ = rustix::io::read(&self.stream, &mut rest);
        self.state = State::Done;
    }
}

/// What was asked.
enum Question {
    Unfinished,
    Page { head: bool },
    Refused(Vec<u8>),
}

fn question(text: &[u8], path: &str) -> Question {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(text) {
        Ok(httparse::Status::Partial) if text.len() > LONGEST => {
            let status = "431 Request Header Fields Too Large";
            return Question::Refused(plain(status, "that is too much\n", ""));
        }
        Ok(httparse::Status::Partial) => return Question::Unfinished,
        Ok(httparse::Status::Complete(_)) => {}
        Err(_) => return Question::Refused(plain("400 Bad Request", "this is no HTTP\n", "")),
    }
    let head = match request.method {
        Some("GET") => false,
        Some("HEAD") => true,
        _ => {
            let allow = "Allow: GET, HEAD\r\n";
            return Question::Refused(plain("405 Method Not Allowed", "only GET\n", allow));
        }
    };
    let asked = request.path.unwrap_or_default();
    let asked = asked.split('?').next().unwrap_or_default();
    if asked == path {
        return Question::Page { head };
    }
    Question::Refused(plain("404 Not Found", &format!("there is only {path} here\n"), ""))
}

/// A short answer that needs nobody else.
fn plain(status: &str, text: &str, header: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\n{header}\
         Content-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    )
    .into_bytes()
}

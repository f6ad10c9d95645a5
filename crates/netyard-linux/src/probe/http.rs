//! An HTTP/1.1 GET, of which only the status is read (RFC 9112).

use std::io;
use std::os::fd::OwnedFd;

use netyard_core::expect::Seen;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

use super::Shot;
use super::engine::{Driver, Step, Watch};
use super::tcp::{begin, outcome};

/// Bytes of an answer's head that are read.
const HEAD: usize = 16 << 10;
/// Headers that are read.
const HEADERS: usize = 64;

/// A request that is waited for.
pub(super) struct Get {
    port: u16,
    request: Vec<u8>,
    tries: Vec<Option<Try>>,
}

struct Try {
    socket: OwnedFd,
    /// Bytes of the request that are on their way; none before it is connected.
    written: Option<usize>,
    head: Vec<u8>,
}

impl Get {
    /// To that port.
    pub fn new(port: u16, request: &str) -> Self {
        Self { port, request: request.as_bytes().to_vec(), tries: Vec::new() }
    }
}

/// The text of a request.
pub(super) fn request(host: &str, port: u16, path: &str) -> String {
    let host = match host.contains(':') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    };
    let port = if port == 80 { String::new() } else { format!(":{port}") };
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}{port}\r\nUser-Agent: netyard\r\n\
         Accept: */*\r\nConnection: close\r\n\r\n"
    )
}

impl Try {
    /// Writes what is left of the request, then reads; what came of it.
    fn go_on(&mut self, at: usize, request: &[u8], watch: &Watch<'_>) -> io::Result<Option<Seen>> {
        let written = self.written.get_or_insert(0);
        while *written < request.len() {
            *written += rustix::net::send(&self.socket, &request[*written..], SendFlags::NOSIGNAL)?;
            if *written == request.len() {
                watch.reading(&self.socket, at)?;
            }
        }
        loop {
            let mut bytes = [0; 4096];
            let (length, _) = rustix::net::recv(&self.socket, &mut bytes[..], RecvFlags::empty())?;
            self.head.extend(&bytes[..length]);
            if let Some(seen) = status(&self.head, length == 0) {
                return Ok(Some(seen));
            }
        }
    }
}

/// What a head says, once it is whole; `ended` when nothing more comes.
fn status(head: &[u8], ended: bool) -> Option<Seen> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(head) {
        Ok(httparse::Status::Complete(_)) => response.code.map(Seen::Status),
        // A head with more headers than anybody reads begins with its status, too.
        Err(httparse::Error::TooManyHeaders) => response.code.map(Seen::Status),
        Ok(httparse::Status::Partial) if ended && head.is_empty() => {
            Some(Seen::Nonsense("the server closed the connection without an answer".into()))
        }
        Ok(httparse::Status::Partial) if ended || head.len() > HEAD => response
            .code
            .map(Seen::Status)
            .or_else(|| Some(Seen::Nonsense("the answer breaks off before its status".into()))),
        Ok(httparse::Status::Partial) => None,
        Err(_) => Some(Seen::Nonsense("the answer is not HTTP".into())),
    }
}

impl Driver for Get {
    fn fire(&mut self, shot: &Shot, watch: &mut Watch<'_>) -> io::Result<Step> {
        let socket = begin(shot, self.port)?;
        watch.add(&socket, self.tries.len(), true)?;
        self.tries.push(Some(Try { socket, written: None, head: Vec::new() }));
        Ok(Step::Wait)
    }

    fn ready(&mut self, shot: &Shot, at: usize, watch: &mut Watch<'_>) -> Step {
        let Some(Some(attempt)) = self.tries.get_mut(at) else { return Step::Wait };
        let step = match outcome(shot, &attempt.socket) {
            _ if attempt.written.is_some() => None,
            outcome => outcome,
        };
        let step = match step {
            Some(step) => step,
            None => match attempt.go_on(at, &self.request, watch) {
                Ok(Some(seen @ Seen::Status(_))) => Step::Done(seen),
                Ok(Some(seen)) => Step::Seen(seen),
                Ok(None) => return Step::Wait,
                Err(error) if Errno::from_io_error(&error) == Some(Errno::AGAIN) => {
                    return Step::Wait;
                }
                Err(_) => Step::Seen(Seen::Nonsense("the connection broke off".to_owned())),
            },
        };
        watch.remove(&attempt.socket);
        self.tries[at] = None;
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_as_soon_as_the_head_is_whole() {
        assert_eq!(status(b"HTTP/1.1 404 Not F", false), None);
        let whole = b"HTTP/1.1 404 Not Found\r\nA: b\r\n\r\nbody";
        assert_eq!(status(whole, false), Some(Seen::Status(404)));
        assert!(matches!(status(b"SSH-2.0-x\r\n", false), Some(Seen::Nonsense(_))));
        assert!(matches!(status(b"", true), Some(Seen::Nonsense(_))));
    }

    #[test]
    fn a_request_names_its_host_as_a_url_does() {
        let request = request("fd00::1", 8080, "/x");
        assert!(request.starts_with("GET /x HTTP/1.1\r\nHost: [fd00::1]:8080\r\n"), "{request}");
    }
}

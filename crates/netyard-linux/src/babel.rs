//! What a running babeld knows, asked at its local socket.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

pub use netyard_core::service::babel_dump::{Dump, Neighbour, Route};

/// How long it has for an answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// More than any answer, in bytes: 100,000 routes.
const LONGEST: usize = 32 << 20;
/// The file of the socket, in the process's directory.
pub const SOCKET: &str = "babeld.sock";

/// Asks for all neighbours and routes.
///
/// # Errors
/// When nobody listens there, or says what babeld does not.
pub fn read(socket: &Path) -> io::Result<Dump> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut lines = BufReader::new(stream.try_clone()?);
    until_ok(&mut lines)?;
    stream.write_all(b"dump\n")?;
    Ok(netyard_core::service::babel_dump::read(&until_ok(&mut lines)?))
}

/// All up to the line `ok`.
fn until_ok(lines: &mut impl BufRead) -> io::Result<String> {
    let mut text = String::new();
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match line.trim_end() {
            "ok" => return Ok(text),
            "bad" | "no" => return Err(io::Error::other("babeld refused the question")),
            _ if text.len() > LONGEST => return Err(io::ErrorKind::InvalidData.into()),
            _ => text += &line,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_goes_to_its_ok() {
        let mut text = "BABEL 1.0\nversion x\nok\nadd route\nok\n".as_bytes();
        assert_eq!(until_ok(&mut text).unwrap(), "BABEL 1.0\nversion x\n");
        assert_eq!(until_ok(&mut text).unwrap(), "add route\n");
        assert!(until_ok(&mut text).is_err());
        assert!(until_ok(&mut "no\n".as_bytes()).is_err());
    }
}

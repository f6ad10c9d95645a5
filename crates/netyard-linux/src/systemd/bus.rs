//! A connection to the system's D-Bus: calls and their answers, one at a time.
//!
//! The format of messages is `zbus`'s; the socket is ours, because a command that
//! changes namespaces must not have threads that it did not start (see
//! ARCHITECTURE.md).

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use zbus::wire::serialized::{Context, Data};
use zbus::wire::{LE, to_bytes};
use zbus::{DynamicType, OwnedVariant, Type, Variant};

/// Where the bus is (D-Bus specification, "Well-known Message Bus Instances").
const SOCKET: &str = "/run/dbus/system_bus_socket";
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest message there may be, in bytes (D-Bus specification).
const LONGEST: usize = 128 << 20;
/// What every message begins with, in bytes.
const HEAD: usize = 16;

const CALL: u8 = 1;
const RETURN: u8 = 2;
const ERROR: u8 = 3;
const SIGNAL: u8 = 4;

// The fields of a header.
const PATH: u8 = 1;
const INTERFACE: u8 = 2;
const MEMBER: u8 = 3;
const ERROR_NAME: u8 = 4;
const REPLY_SERIAL: u8 = 5;
const DESTINATION: u8 = 6;
const SIGNATURE: u8 = 8;

/// A message's header as it is on the wire: byte order, sort, flags, version, length
/// of the body, serial, fields.
type Header = (u8, u8, u8, u8, u32, u32, Vec<(u8, OwnedVariant)>);

/// Who is called, and what of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'t> {
    /// The name on the bus.
    pub destination: &'t str,
    /// The object.
    pub path: &'t str,
    /// The interface of the object.
    pub interface: &'t str,
}

/// Why a call gave nothing.
#[derive(Debug)]
pub(crate) enum Fault {
    /// It was not understood, or did not get through.
    Io(io::Error),
    /// Who was called said no.
    Said {
        /// The error's name: `org.freedesktop.systemd1.NoSuchUnit`.
        name: String,
        /// What it says to people.
        text: String,
    },
}

impl Fault {
    /// True where it is an error of that name, without what all of systemd's begin
    /// with.
    pub fn is(&self, short: &str) -> bool {
        matches!(self, Self::Said { name, .. } if name.rsplit('.').next() == Some(short))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Said { name, text } if text.is_empty() => name.fmt(f),
            Self::Said { text, .. } => text.fmt(f),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Fault> for io::Error {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Io(error) => error,
            said => Self::other(said.to_string()),
        }
    }
}

fn garbled(error: impl fmt::Display) -> Fault {
    Fault::Io(io::Error::other(format!("the bus sent what is no message: {error}")))
}

/// What somebody on the bus tells everybody.
#[derive(Debug)]
pub(crate) struct Told {
    pub member: String,
    body: Body,
}

/// What a message says.
#[derive(Debug)]
struct Body(Data<'static, 'static>);

impl Body {
    fn read<T: for<'d> Deserialize<'d> + Type>(&self) -> Result<T, Fault> {
        self.0.deserialize().map(|(value, _)| value).map_err(garbled)
    }
}

impl Told {
    pub fn read<T: for<'d> Deserialize<'d> + Type>(&self) -> Result<T, Fault> {
        self.body.read()
    }
}

/// A message that came in.
struct Message {
    sort: u8,
    answers: Option<u32>,
    member: String,
    error: String,
    body: Body,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Bus {
    stream: UnixStream,
    serial: u32,
    told: VecDeque<Told>,
}

impl Bus {
    /// Connects to the system's bus as who we are.
    pub fn system() -> Result<Self, Fault> {
        let mut stream = UnixStream::connect(SOCKET)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let user = rustix::process::geteuid().as_raw().to_string();
        let user: String = user.bytes().map(|digit| format!("{digit:02x}")).collect();
        stream.write_all(format!("\0AUTH EXTERNAL {user}\r\n").as_bytes())?;
        let mut line = Vec::new();
        let mut byte = [0];
        while !line.ends_with(b"\r\n") && line.len() < 512 {
            stream.read_exact(&mut byte)?;
            line.extend(byte);
        }
        if !line.starts_with(b"OK ") {
            return Err(io::Error::other("the bus does not let this user in").into());
        }
        stream.write_all(b"BEGIN\r\n")?;
        let mut bus = Self { stream, serial: 0, told: VecDeque::new() };
        let own = Target {
            destination: "org.freedesktop.DBus",
            path: "/org/freedesktop/DBus",
            interface: "org.freedesktop.DBus",
        };
        let _: String = bus.call(own, "Hello", &())?;
        Ok(bus)
    }

    /// Has the bus tell what matches that rule.
    pub fn listen(&mut self, rule: &str) -> Result<(), Fault> {
        let own = Target {
            destination: "org.freedesktop.DBus",
            path: "/org/freedesktop/DBus",
            interface: "org.freedesktop.DBus",
        };
        self.call(own, "AddMatch", &rule)
    }

    /// Calls a method and gives its answer.
    pub fn call<A, R>(
        &mut self,
        target: Target<'_>,
        method: &str,
        arguments: &A,
    ) -> Result<R, Fault>
    where
        A: Serialize + DynamicType,
        R: for<'d> Deserialize<'d> + Type,
    {
        let serial = self.send(target, method, arguments)?;
        self.stream.set_read_timeout(Some(PATIENCE))?;
        loop {
            let message = self.receive()?;
            if message.answers != Some(serial) {
                self.keep(message);
                continue;
            }
            return match message.sort {
                RETURN => message.body.read(),
                _ => {
                    let text = message.body.read().unwrap_or_default();
                    Err(Fault::Said { name: message.error, text })
                }
            };
        }
    }

    /// The next that is told, in the order it was; none when nothing comes until
    /// `end`.
    pub fn told(&mut self, end: Instant) -> Result<Option<Told>, Fault> {
        loop {
            if let Some(told) = self.told.pop_front() {
                return Ok(Some(told));
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.stream.set_read_timeout(Some(left))?;
            match self.receive() {
                Ok(message) => self.keep(message),
                Err(Fault::Io(error))
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    ) =>
                {
                    return Ok(None);
                }
                Err(fault) => return Err(fault),
            }
        }
    }

    fn keep(&mut self, message: Message) {
        if message.sort == SIGNAL {
            self.told.push_back(Told { member: message.member, body: message.body });
        }
    }

    fn send<A: Serialize + DynamicType>(
        &mut self,
        target: Target<'_>,
        method: &str,
        arguments: &A,
    ) -> Result<u32, Fault> {
        let context = Context::new(LE, 0);
        let body = to_bytes(context, arguments).map_err(garbled)?;
        self.serial += 1;
        let signature = arguments.signature().to_string_no_parens();
        let bytes = call(self.serial, target, method, &signature, body.bytes())?;
        self.stream.write_all(&bytes)?;
        Ok(self.serial)
    }

    fn receive(&mut self) -> Result<Message, Fault> {
        let mut head = [0; HEAD];
        self.stream.read_exact(&mut head)?;
        if head[0] != b'l' {
            return Err(garbled("another byte order"));
        }
        let number = |at: usize| -> usize {
            u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]) as usize
        };
        let (body, fields) = (number(4), number(12));
        if body > LONGEST || fields > LONGEST {
            return Err(garbled("a message that is too long"));
        }
        let begin = (HEAD + fields).next_multiple_of(8);
        let mut bytes = head.to_vec();
        bytes.resize(begin + body, 0);
        // What has begun comes whole.
        self.stream.set_read_timeout(Some(PATIENCE))?;
        self.stream.read_exact(&mut bytes[HEAD..])?;
        message(bytes, begin)
    }
}

/// A call as bytes. Its header is written here: arguments are one structure to the
/// codec, and stand side by side in a message.
fn call(
    serial: u32,
    target: Target<'_>,
    method: &str,
    signature: &str,
    body: &[u8],
) -> Result<Vec<u8>, Fault> {
    let mut fields = Vec::new();
    let texts = [
        (PATH, b'o', target.path),
        (DESTINATION, b's', target.destination),
        (INTERFACE, b's', target.interface),
        (MEMBER, b's', method),
    ];
    for (field, sort, text) in texts {
        fields.resize(fields.len().next_multiple_of(8), 0);
        fields.extend([field, 1, sort, 0]);
        fields.extend(u32::try_from(text.len()).map_err(garbled)?.to_le_bytes());
        fields.extend(text.bytes().chain([0]));
    }
    if !signature.is_empty() {
        fields.resize(fields.len().next_multiple_of(8), 0);
        let length = u8::try_from(signature.len()).map_err(garbled)?;
        fields.extend([SIGNATURE, 1, b'g', 0, length]);
        fields.extend(signature.bytes().chain([0]));
    }
    let mut bytes = vec![b'l', CALL, 0, 1];
    bytes.extend(u32::try_from(body.len()).map_err(garbled)?.to_le_bytes());
    bytes.extend(serial.to_le_bytes());
    bytes.extend(u32::try_from(fields.len()).map_err(garbled)?.to_le_bytes());
    bytes.extend(fields);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes.extend(body);
    Ok(bytes)
}

fn message(bytes: Vec<u8>, begin: usize) -> Result<Message, Fault> {
    let body = bytes[begin..].to_vec();
    let header = Data::new(bytes, Context::new(LE, 0));
    let (header, _): (Header, _) = header.deserialize().map_err(garbled)?;
    let mut message = Message {
        sort: header.1,
        answers: None,
        member: String::new(),
        error: String::new(),
        body: Body(Data::new(body, Context::new(LE, 0))),
    };
    for (field, value) in header.6 {
        match (field, &*value) {
            (MEMBER, Variant::Str(text)) => message.member = text.to_string(),
            (ERROR_NAME, Variant::Str(text)) => message.error = text.to_string(),
            (REPLY_SERIAL, Variant::U32(serial)) => message.answers = Some(*serial),
            _ => {}
        }
    }
    if message.sort == ERROR && message.error.is_empty() {
        return Err(garbled("an error without a name"));
    }
    Ok(message)
}

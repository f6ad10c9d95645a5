//! The world said no: one error for everything this crate does.

use std::fmt;
use std::io;

use netyard_core::plan::{Op, ShellNames};
use netyard_core::state::Place;
use rustix::io::Errno;

/// What sort of failure it is; the command line chooses its exit code by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The kernel refused a change.
    Refused,
    /// The caller may not do this here.
    Forbidden,
    /// Another command holds the yard.
    Busy,
    /// There is no such yard, node or process.
    NotFound,
    /// A limit of the system is too low.
    Limit,
    /// Every change was made, and yet the host is not as desired.
    NotConverged,
    /// The state directory, the journal or the keeper is not as it must be.
    State,
    /// Anything else the system refused: a file, a process, a socket.
    System,
    /// A bug in netyard.
    Bug,
}

/// How far a failed change was taken back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Undone {
    /// Steps taken back.
    pub done: usize,
    /// Steps that had to be taken back.
    pub of: usize,
    /// What could not be taken back, one line each.
    pub failures: Vec<String>,
}

/// The world said no.
///
/// `Display` gives one line; what was being done, what was undone and the hint
/// are separate, and the command line lays them out.
#[derive(Debug, thiserror::Error)]
pub struct Error(Box<Body>);

#[derive(Debug)]
struct Body {
    kind: ErrorKind,
    what: String,
    errno: Option<Errno>,
    extack: Option<String>,
    doing: Option<Box<Op>>,
    names: ShellNames,
    undone: Option<Undone>,
    hint: Option<String>,
    others: Vec<String>,
    place: Option<Place>,
}

impl Error {
    /// An error of that kind; `what` is a lower-case phrase: "could not create …".
    pub fn new(kind: ErrorKind, what: impl Into<String>) -> Self {
        Self(Box::new(Body {
            kind,
            what: what.into(),
            errno: None,
            extack: None,
            doing: None,
            names: ShellNames::default(),
            undone: None,
            hint: None,
            others: Vec::new(),
            place: None,
        }))
    }

    /// The system refused something; `what` says what.
    pub fn system(what: impl Into<String>, error: impl Into<io::Error>) -> Self {
        let error = error.into();
        match errno_in(&error) {
            Some(errno) => Self::new(ErrorKind::System, what).errno(errno),
            None => Self::new(ErrorKind::System, format!("{}: {error}", what.into())),
        }
    }

    /// With the kernel's errno.
    #[must_use]
    pub fn errno(mut self, errno: Errno) -> Self {
        self.0.errno = Some(errno);
        self
    }

    /// With the kernel's own words.
    #[must_use]
    pub fn extack(mut self, text: Option<String>) -> Self {
        self.0.extack = text;
        self
    }

    /// With what was being done.
    #[must_use]
    pub fn doing(mut self, op: &Op) -> Self {
        self.0.doing = Some(Box::new(op.clone()));
        self
    }

    /// With what the kernel calls the namespaces and interfaces it is about.
    #[must_use]
    pub fn named(mut self, names: ShellNames) -> Self {
        self.0.names = names;
        self
    }

    /// With how far it was taken back.
    #[must_use]
    pub fn undone(mut self, undone: Undone) -> Self {
        self.0.undone = Some(undone);
        self
    }

    /// With what the user can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// With what failed beside it, one line each.
    #[must_use]
    pub fn others(mut self, others: Vec<String>) -> Self {
        self.0.others = others;
        self
    }

    /// With the namespace whose part of the file it is due to.
    #[must_use]
    pub fn at(mut self, place: &Place) -> Self {
        self.0.place = Some(place.clone());
        self
    }

    /// What sort of failure it is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The kernel's errno, if it was the kernel.
    pub fn get_errno(&self) -> Option<Errno> {
        self.0.errno
    }

    /// The kernel's own words, if it said any.
    pub fn get_extack(&self) -> Option<&str> {
        self.0.extack.as_deref()
    }

    /// What was being done.
    pub fn get_doing(&self) -> Option<&Op> {
        self.0.doing.as_deref()
    }

    /// The same as commands, by the names that the kernel has for things.
    pub fn get_commands(&self) -> Vec<String> {
        self.0.doing.iter().flat_map(|op| op.shell(&self.0.names)).collect()
    }

    /// How far it was taken back, if anything had been done.
    pub fn get_undone(&self) -> Option<&Undone> {
        self.0.undone.as_ref()
    }

    /// What the user can do.
    pub fn get_hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The namespace whose part of the file it is due to, where no change is.
    pub fn get_place(&self) -> Option<&Place> {
        self.0.place.as_ref()
    }

    /// What failed beside it, one line each.
    pub fn get_others(&self) -> &[String] {
        &self.0.others
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.what)?;
        if let Some(errno) = self.0.errno {
            write!(f, ": {}", errno_text(errno))?;
        }
        if let Some(text) = &self.0.extack {
            write!(f, ": {text}")?;
        }
        Ok(())
    }
}

/// The errno of an error, or of what sort it is: a library that adds a path to one
/// hides its number.
fn errno_in(error: &io::Error) -> Option<Errno> {
    Errno::from_io_error(error).or(match error.kind() {
        io::ErrorKind::NotFound => Some(Errno::NOENT),
        io::ErrorKind::PermissionDenied => Some(Errno::ACCESS),
        io::ErrorKind::ReadOnlyFilesystem => Some(Errno::ROFS),
        io::ErrorKind::StorageFull => Some(Errno::NOSPC),
        io::ErrorKind::NotADirectory => Some(Errno::NOTDIR),
        _ => None,
    })
}

/// `operation not supported (EOPNOTSUPP)`.
pub(crate) fn errno_text(errno: Errno) -> String {
    let full = io::Error::from(errno).to_string();
    let mut text = full.split(" (os error").next().unwrap_or(&full).to_owned();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    match errno_name(errno) {
        Some(name) => format!("{text} ({name})"),
        None => format!("{text} (errno {})", errno.raw_os_error()),
    }
}

macro_rules! names {
    ($($name:ident = $sym:ident),* $(,)?) => {
        /// Errno names that netlink, namespaces and files give.
        const NAMES: &[(Errno, &str)] = &[$((Errno::$name, stringify!($sym))),*];
    };
}

names! {
    PERM = EPERM, NOENT = ENOENT, SRCH = ESRCH, INTR = EINTR, IO = EIO, NXIO = ENXIO,
    TOOBIG = E2BIG, BADF = EBADF, AGAIN = EAGAIN, NOMEM = ENOMEM, ACCESS = EACCES,
    BUSY = EBUSY, EXIST = EEXIST, XDEV = EXDEV, NODEV = ENODEV, NOTDIR = ENOTDIR,
    ISDIR = EISDIR, INVAL = EINVAL, NFILE = ENFILE, MFILE = EMFILE, FBIG = EFBIG,
    NOSPC = ENOSPC, ROFS = EROFS, RANGE = ERANGE, LOOP = ELOOP, XFULL = EXFULL,
    NOSYS = ENOSYS, PROTO = EPROTO, OVERFLOW = EOVERFLOW, MSGSIZE = EMSGSIZE,
    OPNOTSUPP = EOPNOTSUPP, AFNOSUPPORT = EAFNOSUPPORT, ADDRINUSE = EADDRINUSE,
    ADDRNOTAVAIL = EADDRNOTAVAIL, NETDOWN = ENETDOWN, NETUNREACH = ENETUNREACH,
    NOBUFS = ENOBUFS, NOTCONN = ENOTCONN, TIMEDOUT = ETIMEDOUT, CONNREFUSED = ECONNREFUSED,
    HOSTUNREACH = EHOSTUNREACH, PROTONOSUPPORT = EPROTONOSUPPORT, NOTEMPTY = ENOTEMPTY,
}

/// The symbol of an errno, where it is a usual one.
pub(crate) fn errno_name(errno: Errno) -> Option<&'static str> {
    NAMES.iter().find(|(known, _)| *known == errno).map(|(_, name)| *name)
}

/// The errno of a symbol; for the hidden fault switches.
pub(crate) fn errno_of(name: &str) -> Option<Errno> {
    NAMES.iter().find(|(_, known)| *known == name).map(|(errno, _)| *errno)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_errno_is_found_under_a_path() {
        let nowhere = tempfile::Builder::new().tempfile_in("/nowhere").unwrap_err();
        let text = Error::system("could not write", nowhere).to_string();
        assert_eq!(text, "could not write: no such file or directory (ENOENT)");
    }

    #[test]
    fn an_errno_is_told_in_words_and_by_name() {
        let error = Error::new(ErrorKind::Refused, "could not create `wg0`")
            .errno(Errno::OPNOTSUPP)
            .extack(Some("Unknown device type".into()));
        assert_eq!(
            error.to_string(),
            "could not create `wg0`: operation not supported (EOPNOTSUPP): Unknown device type"
        );
    }
}

//! A process that netyard starts, watches and ends: a service of a node, of a
//! network or of the host.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Container, InterfaceId, Object, Place};

/// How long a process has to become ready where nothing else is said, in
/// milliseconds.
pub const PATIENCE: u32 = 30_000;

/// A process.
///
/// In `program`, `environment` and the contents of `files`, `{dir}` stands for the
/// process's own directory, which goes with it; `{data}` for that of its data,
/// which stays (see `keep`); `{secrets}` for the yard's keys. In the contents of files
/// `{file:PATH}` stands for the first line of that file, a secret of the user's. Nothing of this is
/// secret: it is written to plans, journals and logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// The namespace it runs in.
    pub place: Place,
    /// What it is called there.
    pub name: String,
    /// What is run.
    pub program: Program,
    /// What its environment has beside `PATH` and what supervision needs.
    pub environment: BTreeMap<String, String>,
    /// The user it runs as; none: as netyard itself.
    pub user: Option<String>,
    /// The user that its directories belong to, where it becomes that by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What is done when it has ended by itself.
    pub restart: Restart,
    /// When it counts as started.
    pub ready: Ready,
    /// How long it has to become ready, in milliseconds.
    pub patience: u32,
    /// What must be there before it is started.
    pub after: Vec<Need>,
    /// The files in its directory.
    pub files: Vec<ProcessFile>,
    /// What a change of `files` alone needs.
    pub reload: Reload,
    /// It has a directory of data that survives it.
    pub keep: bool,
    /// It needs nothing of the machine but its network and its own directories:
    /// where it can be kept from the rest, it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub confined: bool,
    /// The file of the user's whose secret it was started with, and that has another by
    /// now; never of what is wanted.
    #[serde(default, rename = "other-secret", skip_serializing_if = "Option::is_none")]
    pub other_secret: Option<String>,
}

/// What a process runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Program {
    /// Program and arguments.
    Argv(Vec<String>),
    /// A hidden subcommand of this very binary, and its arguments.
    Netyard(Vec<String>),
    /// The virtual machine of the node: QEMU and its arguments. A process of netyard's
    /// watches over it.
    Machine(Vec<String>),
    /// The container of the node.
    Container(Box<Container>),
}

impl Program {
    /// The words of the command, `netyard` for this binary.
    pub fn words(&self) -> Vec<&str> {
        match self {
            Self::Argv(argv) | Self::Machine(argv) => argv.iter().map(String::as_str).collect(),
            Self::Netyard(arguments) => {
                std::iter::once("netyard").chain(arguments.iter().map(String::as_str)).collect()
            }
            Self::Container(container) => {
                let command = container.command.iter().flatten().map(String::as_str);
                ["systemd-nspawn", container.root.path()].into_iter().chain(command).collect()
            }
        }
    }
}

/// What is done when a process has ended by itself. It waits 0.1 s before the
/// first restart, each time twice as long up to 30 s, and begins anew with a
/// process that lived for 60 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// It is started again.
    Always,
    /// It is started again unless it ended with 0.
    OnFailure,
    /// Nothing.
    Never,
}

/// When a process counts as started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ready {
    /// When its program runs.
    Started,
    /// When it says so (`READY=1` to `$NOTIFY_SOCKET`, sd_notify(3)).
    Notify,
    /// When this Unix socket takes connections.
    Socket(String),
    /// When this Unix socket of datagrams, asked that, gives an answer with that line.
    Answer {
        /// Its path.
        socket: String,
        /// What it is asked.
        question: String,
        /// The line.
        line: String,
    },
    /// When a UDP socket has this port in its namespace.
    Udp(u16),
    /// When a TCP socket listens at this port in its namespace.
    Tcp(u16),
    /// When it has ended with 0: it does one thing.
    Exit,
}

/// What must be there before a process is started.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// That process is ready, if the yard has it.
    Process(Place, String),
    /// The interface has an address, and none is tentative (RFC 4862).
    Address(InterfaceId),
    /// The interface has a carrier.
    Carrier(InterfaceId),
    /// A client has a lease for the interface.
    Lease(InterfaceId),
    /// Somebody answers on the interface's link.
    Neighbour(InterfaceId),
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process(place, name) => write!(f, "process {name} in {place}"),
            Self::Address(id) => write!(f, "address of {id}"),
            Self::Carrier(id) => write!(f, "carrier of {id}"),
            Self::Lease(id) => write!(f, "lease of {id}"),
            Self::Neighbour(id) => write!(f, "neighbour at {id}"),
        }
    }
}

/// A file in a process's directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessFile {
    /// Its name.
    pub name: String,
    /// All of it.
    pub content: String,
    /// Its permissions.
    pub mode: u32,
}

impl ProcessFile {
    /// A file that only its owner may read.
    pub fn new(name: &str, content: String) -> Self {
        Self { name: name.to_owned(), content, mode: 0o600 }
    }
}

/// What a change of its files alone needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reload {
    /// The process is restarted.
    Restart,
    /// It gets this signal: `HUP`.
    Signal(String),
}

impl Process {
    /// A process with defaults: restarted always, ready when it runs, nothing of
    /// its own.
    pub fn new(place: Place, name: &str, program: Program) -> Self {
        Self {
            place,
            name: name.to_owned(),
            program,
            environment: BTreeMap::new(),
            user: None,
            owner: None,
            restart: Restart::Always,
            ready: Ready::Started,
            patience: PATIENCE,
            after: Vec::new(),
            files: Vec::new(),
            reload: Reload::Restart,
            keep: false,
            confined: false,
            other_secret: None,
        }
    }

    /// The container that it is.
    pub fn container(&self) -> Option<&Container> {
        match &self.program {
            Program::Container(container) => Some(container),
            Program::Argv(_) | Program::Netyard(_) | Program::Machine(_) => None,
        }
    }

    /// True for what has its time to power off: a container, a virtual machine.
    pub fn powers_off(&self) -> bool {
        match &self.program {
            Program::Container(_) | Program::Machine(_) => true,
            // One of libvirt's.
            Program::Netyard(words) => words.first().is_some_and(|word| word == "domain"),
            Program::Argv(_) => false,
        }
    }

    /// The signal by which it becomes `to`, where its files alone differ and it
    /// reads them anew; none where it must be restarted.
    pub fn reload_to(&self, to: &Self) -> Option<String> {
        let Reload::Signal(signal) = &to.reload else { return None };
        let same = Self { files: to.files.clone(), ..self.clone() };
        (same == *to).then(|| signal.clone())
    }
}

impl From<Process> for Object {
    fn from(process: Process) -> Self {
        Self::Process(Box::new(process))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_change_of_files_alone_is_told_by_a_signal() {
        let argv = Program::Argv(vec!["true".into()]);
        let reload = Reload::Signal("HUP".into());
        let from = Process { reload, ..Process::new(Place::Host, "p", argv) };
        let files = vec![ProcessFile::new("p.conf", "a".into())];
        let to = Process { files, ..from.clone() };
        assert_eq!(from.reload_to(&to).as_deref(), Some("HUP"));
        assert_eq!(from.reload_to(&Process { keep: true, ..to.clone() }), None);
        assert_eq!(from.reload_to(&Process { reload: Reload::Restart, ..to }), None);
    }
}

//! A node that is a container: systemd-nspawn runs a tree of files in its namespace.
//!
//! ```yaml
//! nodes:
//!   gw:
//!     container:
//!       image: /srv/aredn.img.gz         # or `root: /srv/gw`, a directory
//!       profile: openwrt                 # or `systemd`, `none`
//!       limits: { memory: 256M, cpus: 0.5, tasks: 200 }
//!     interfaces: { eth0: { network: lan, address: none } }
//! ```
//!
//! The node's namespace is complete before the container is started: interfaces,
//! addresses, routes and settings are there when its init runs. With `address: none`
//! they are the container's own affair.

mod decode;
pub mod openwrt;
mod text;

pub use decode::parse;

use crate::diag::{Span, Spanned};
use crate::service::{CARE, Care, READY};
use crate::shape::{Field, Shape, Type};
use crate::state::{Bind, Limits, ProcSys, Profile, Ready, Root};

/// The name that a container's process has.
pub const NAME: &str = "container";

/// How long a container has to become ready where nothing else is said, in
/// milliseconds.
pub const PATIENCE: u32 = 120_000;

/// `container:` of a node.
pub static SHAPE: Shape = Shape {
    name: "`container` section",
    doc: "What makes the node a container of systemd-nspawn, in the node's namespace.",
    fields: &[
        Field::new(
            "root",
            Type::Text,
            "The directory of its files; the container writes to it, and `down` leaves it.",
        ),
        Field::new(
            "image",
            Type::Text,
            "An image of its files, or a directory: the first start copies it to a directory of the yard's, which `down` removes. A changed image is taken when the node is made anew.",
        ),
        Field::new(
            "partition",
            Type::Int { min: 1, max: 128 },
            "The partition of a disk `image` that its files are in, where more than one could be.",
        ),
        Field::new(
            "profile",
            Type::Word(&["none", "openwrt", "systemd"]),
            "What it is known to need: `openwrt` (writable network settings, CAP_NET_ADMIN, SIGPWR), `systemd` (a machine-id, no questions at the first boot, ready when booted), or `none`, which is so where nothing is said.",
        ),
        Field::new(
            "boot",
            Type::Bool,
            "Its own init is started; so it is where there is no `command`, and no OCI image says what is run.",
        ),
        Field::new(
            "command",
            Type::Either(&[Type::Text, Type::List(&Type::Text)]),
            "What runs in it, in place of its init: a list of program and arguments, or a text for `sh -c`.",
        ),
        Field::new(
            "capabilities",
            Type::OneOrMore(&Type::Text),
            "What it may do beyond what containers may: `CAP_NET_ADMIN`, which `openwrt` and `systemd` have.",
        ),
        Field::new(
            "binds",
            Type::List(&Type::Either(&[Type::Text, Type::Record(&BIND)])),
            "What of the host it sees: a path, `/on/the/host:/in/it`, or a mapping.",
        ),
        Field::new(
            "private-users",
            Type::Bool,
            "`true`: its root is nobody outside. It cannot change its network then, which the yard sets up; its files stay as they are on the disk.",
        ),
        Field::new("limits", Type::Record(&LIMITS), "What it may use at most; needs systemd."),
        Field::new(
            "machine-id",
            Type::Text,
            "32 hexadecimal digits; left out, made of the host's and the node's name.",
        ),
        Field::new(
            "proc-sys",
            Type::Word(&["read-only", "net", "all"]),
            "What of `/proc/sys` it may write: `net`, its own network's (so with `openwrt`), `all`, the host's among it, or nothing.",
        ),
        Field::new(
            "stop",
            Type::Text,
            "The signal by which its init powers off; left out, SIGPWR with `openwrt`, else SIGRTMIN+4.",
        ),
        Field::new(
            "ready",
            Type::Either(&[Type::Word(&["started", "notify", "exit"]), Type::Record(&READY)]),
            "When it counts as started: `started` when its init runs, `notify` when that says so (so with `systemd`), or what must listen in it.",
        ),
    ],
    also: &[&CARE],
};

/// An item of `binds:` that says more than paths.
pub static BIND: Shape = Shape {
    name: "bind",
    doc: "A file or directory of the host that the container sees.",
    fields: &[
        Field::required("from", Type::Text, "Its path on the host."),
        Field::new("to", Type::Text, "Its path in the container; left out, the same."),
        Field::new("read-only", Type::Bool, "`true`: the container cannot write to it."),
    ],
    also: &[],
};

/// `limits:`.
pub static LIMITS: Shape = Shape {
    name: "limits",
    doc: "What a container may use at most.",
    fields: &[
        Field::new("memory", Type::Text, "Memory: bytes, or `512K`, `256M`, `2G`."),
        Field::new("cpus", Type::Text, "Processors: `0.5`, `2`."),
        Field::new("tasks", Type::Int { min: 1, max: 4_194_304 }, "Processes and threads."),
    ],
    also: &[],
};

/// A container, as the file says it.
#[derive(Clone, Debug, PartialEq)]
pub struct ContainerSpec {
    /// The whole mapping.
    pub span: Span,
    /// `root:` or `image:`.
    pub root: Spanned<Root>,
    /// `partition:`, of an image.
    pub partition: Option<u32>,
    /// `profile:`.
    pub profile: Profile,
    /// `command:`; none where it boots.
    pub command: Option<Vec<String>>,
    /// Nothing is said of what is started: an OCI image may say it.
    pub as_image_says: bool,
    /// `capabilities:`, with what its profile needs.
    pub capabilities: Vec<String>,
    /// `binds:`.
    pub binds: Vec<Bind>,
    /// Where `private-users: true` is, if it is.
    pub private_users: Option<Span>,
    /// `limits:`.
    pub limits: Limits,
    /// `machine-id:`.
    pub machine_id: Option<String>,
    /// `proc-sys:`.
    pub proc_sys: ProcSys,
    /// `stop:`.
    pub stop: String,
    /// `ready:`.
    pub ready: Ready,
    /// `within:` of `ready`, in milliseconds.
    pub patience: u32,
    /// `restart:`, `after:`, `environment:`, `user:`.
    pub care: Care,
}

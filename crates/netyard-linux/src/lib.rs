//! The only crate that touches the world: netlink, namespaces, the journal.

mod error;
mod files;
mod journal;
pub mod netlink;
pub mod netns;
mod process;
mod state_dir;
mod sysctl;

pub use error::{Error, ErrorKind, Undone};

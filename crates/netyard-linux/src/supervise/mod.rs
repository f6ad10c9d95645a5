//! Processes of a yard: started in their namespaces, watched, and ended before
//! their namespaces go.
//!
//! A yard with processes has a supervisor, started by the first of them. It is
//! two processes: one that watches and one that begins the first anew should it
//! crash, and gets the children that this leaves behind. What both know is on
//! disk. Each process has a directory below the yard's state directory,
//! `process/PLACE/NAME/`, with its files, its log, what was asked for and what
//! became of it. So neither a crash nor a `kill -9` loses a process: it writes to
//! its log itself, and whoever supervises next takes it over, by its number and
//! the time it was started.
//!
//! Who looks at a yard reads these files and asks the kernel; only who changes
//! something speaks to the supervisor, over an abstract Unix socket, as with the
//! keeper.
//!
//! Where systemd is the machine's first process, and we are root, it is the
//! supervisor: see [`unit`].

mod backoff;
mod berth;
mod client;
mod course;
pub mod domain;
pub mod firmware;
mod guard;
mod identity;
mod launch;
mod log;
pub mod machine;
mod need;
mod ready;
mod server;
mod shelf;
pub mod start;
mod unit;
mod watched;

pub(crate) use berth::{keep_run, root, root_of, sweep};
pub(crate) use client::{Supervisor, clear_leftovers};
pub use course::ProcessPhase;
pub(crate) use course::{Definition, Entry, now};
pub use guard::{SUBCOMMAND, run};
pub(crate) use identity::{Identity, hold_all};
pub use launch::has_program;
pub(crate) use launch::{LOG, Unlaunched, check, mark, marked};
pub(crate) use need::{Await, Awaited, wait_for, wait_for_lease, wait_for_neighbour};
pub(crate) use ready::takes_connections;
pub(crate) use shelf::{Shelf, data_of};
pub(crate) use unit::{Spaces, Units};

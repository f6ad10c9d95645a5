//! Processes of a yard: started in their namespaces, known by what is written
//! down of them, and ended before their namespaces go.
//!
//! Each has a directory below the yard's state directory,
//! `process/PLACE/NAME/`, with its files, its log and a record of its definition
//! and of the process that runs. Whoever looks reads the records and asks
//! the kernel whether that process still lives: its number and the time it was
//! started tell it from any other.

mod identity;
mod launch;
mod shelf;

pub(crate) use identity::Identity;
pub(crate) use launch::{Launch, Unlaunched};
pub(crate) use shelf::{Entry, Phase, Shelf, data_of};

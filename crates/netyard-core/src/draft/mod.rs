//! A yard's file that is being drawn, and the account of what it was drawn from:
//! what importers have in common.

mod account;
pub(crate) mod mtu;
pub(crate) mod names;
pub(crate) mod reading;
pub(crate) mod station;
mod text;
pub(crate) mod wireguard;

pub(crate) use account::Work;
pub use account::{Fate, Note};
pub use text::{Map, Value};

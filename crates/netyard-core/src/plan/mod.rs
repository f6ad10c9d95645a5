//! The Plan: what will change, why, in which order, and how it is undone.

mod op;

pub use op::*;

//! Whole yards: a State applied, observed, changed, taken away, by the code the
//! command line calls.

mod ground;
mod life;

pub use ground::*;

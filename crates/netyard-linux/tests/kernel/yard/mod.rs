//! Whole yards: a State applied, observed, changed, taken away, by the code the
//! command line calls.

mod bridged;
mod change;
mod faults;
mod ground;
mod inside;
mod life;
mod outer;
mod routed;
mod size;

pub use bridged::similar;
pub use ground::*;
pub use outer::*;

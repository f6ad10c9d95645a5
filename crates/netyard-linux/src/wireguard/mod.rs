//! WireGuard: keys on disk, devices of the kernel, and the process that stands in
//! where the kernel has none.

mod device;
mod engine;
pub mod keys;
mod pulse;
mod resolve;
mod watch;

pub use engine::run;
pub(crate) use engine::{signal, signals};
pub use keys::Store;
pub use pulse::of_process;
pub use watch::watch;

pub(crate) use device::{configure, observe, pulse};

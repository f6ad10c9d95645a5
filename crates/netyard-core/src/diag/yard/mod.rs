//! Messages about names, addresses and relations: what `yard` finds while it resolves.

mod address;
mod cast;
mod config;
mod expect;
mod relation;
mod uplink;
mod wireguard;

pub use address::*;
pub use cast::*;
pub use config::*;
pub use expect::*;
pub use relation::*;
pub use uplink::*;
pub use wireguard::*;

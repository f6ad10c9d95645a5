use netyard_linux::Access;

use crate::cli::YardOptions;
use crate::command::logs::place;
use crate::error::Result;
use crate::{live, ui};

/// End a service of a node and start it again
///
/// It is ended as `down` would end it, and started as the last `up` said; returns
/// when it is ready.
#[derive(Debug, clap::Args)]
pub struct Restart {
    #[command(flatten)]
    yard: YardOptions,
    /// The node; `host` is this machine
    #[arg(value_name = "NODE")]
    node: String,
    /// The service
    #[arg(value_name = "NAME")]
    name: String,
}

impl Restart {
    /// Does it.
    pub fn run(self) -> Result {
        let place = place(&self.node)?;
        let yard = live::name(&self.yard)?;
        if !live::is_known(&yard)? {
            return Err(live::not_up(&yard));
        }
        let mut session = live::open(&yard, Access::Write)?;
        session.restart(&place, &self.name)?;
        ui::print(&format!("restart: {} in {place}\n", self.name))
    }
}

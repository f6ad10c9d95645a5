use netyard_linux::boot;

use crate::cli::YardOptions;
use crate::error::Result;
use crate::{live, ui};

/// Let a yard no longer come up at boot
///
/// Its unit is taken away. The yard itself stays as it is: `netyard down` takes that
/// away.
#[derive(Debug, clap::Args)]
pub struct Disable {
    #[command(flatten)]
    yard: YardOptions,
}

impl Disable {
    /// Does it.
    pub fn run(self) -> Result {
        let yard = live::name(&self.yard)?;
        match boot::disable(&yard)? {
            true => ui::print(&format!("disabled: yard `{yard}` no longer comes at boot\n")),
            false => ui::print(&format!("disable: yard `{yard}` did not come at boot\n")),
        }
    }
}

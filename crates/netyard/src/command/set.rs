use crate::cli::YardOptions;
use crate::error::{Error, Result};

/// Change delay, loss or rate of a running link
///
/// Until the next `netyard up`, which sets it back to what the file says. What
/// is not named stays as it is; 0 takes one away. Settings: delay, jitter (20ms),
/// loss, duplicate, reorder, corrupt (1%), rate (100mbit), limit (packets).
#[derive(Debug, clap::Args)]
pub struct Set {
    #[command(flatten)]
    yard: YardOptions,
    /// A link by its name, or one end as node:interface
    #[arg(value_name = "LINK|NODE:IF")]
    link: String,
    /// What to change, as in delay=20ms loss=1%
    #[arg(value_name = "SETTING=VALUE", required = true)]
    settings: Vec<String>,
    /// Only what the first end sends
    #[arg(long)]
    forward: bool,
    /// Only what the second end sends
    #[arg(long, conflicts_with = "forward")]
    backward: bool,
}

impl Set {
    /// Does it.
    pub fn run(self) -> Result {
        Err(Error::failed("not wired"))
    }
}

use std::ffi::OsString;

use crate::cli::YardOptions;
use crate::error::{Error, Result};

/// Run a command in a node
///
/// It has the node's interfaces, routes, hostname, resolv.conf and hosts, and
/// otherwise your files. Ends with the command's exit code; 126 when it cannot
/// be run, 127 when it is not found, 128 and the number of a signal that ended it.
#[derive(Debug, clap::Args)]
pub struct Exec {
    #[command(flatten)]
    yard: YardOptions,
    /// The node
    #[arg(value_name = "NODE")]
    node: String,
    /// The command and its arguments
    #[arg(
        value_name = "CMD",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    #[arg(value_hint = clap::ValueHint::CommandWithArguments)]
    command: Vec<OsString>,
}

impl Exec {
    /// Does it.
    pub fn run(self) -> Result {
        Err(Error::failed("not wired"))
    }
}

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use netyard_core::name::NodeName;
use netyard_linux::{Access, ErrorKind};

use crate::cli::YardOptions;
use crate::error::{Error, Kind, Result};
use crate::live;

/// Run a command in a node
///
/// It has the node's interfaces, routes, hostname, resolv.conf and hosts, and
/// otherwise your files; in a container it has the container's. Ends with the command's exit code; 126 when it cannot
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
    command: Vec<String>,
}

impl Exec {
    /// Does it.
    pub fn run(self) -> Result {
        run(&self.yard, &self.node, &self.command)
    }
}

/// Runs `argv` in a node of the yard, or the user's shell where it is empty.
pub fn run(options: &YardOptions, node: &str, argv: &[String]) -> Result {
    let node = NodeName::new(node)
        .map_err(|bad| Error::command_line(format!("the name `{node}` {}", bad.0)))?;
    let yard = live::name(options)?;
    live::must_be_up(&yard)?;
    let mut session = live::open(&yard, Access::Read)?;
    match session.exec(&node, argv) {
        Ok(status) => ended(status),
        Err(error) if error.kind() == ErrorKind::System => {
            let why = error.get_errno().map(|errno| io::Error::from(errno).kind());
            let code = if why == Some(io::ErrorKind::NotFound) { 127 } else { 126 };
            Err(Error::from(error).with_code(code))
        }
        Err(error) => Err(error.into()),
    }
}

/// As a shell has it: the exit code, or 128 and the signal.
fn ended(status: ExitStatus) -> Result {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    match u8::try_from(code).unwrap_or(1) {
        0 => Ok(()),
        code => Err(Kind::Child(code).into()),
    }
}

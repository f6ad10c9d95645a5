use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use netyard_core::diag::nearest;
use netyard_core::name::NodeName;
use netyard_linux::{Access, ErrorKind};

use crate::cli::YardOptions;
use crate::error::{Error, Kind, Result};
use crate::live;
use crate::load::File;

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
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(not_there(options, &node).unwrap_or_else(|| error.into()))
        }
        Err(error) => Err(error.into()),
    }
}

/// Why a node is not up, where its yard's file tells more than that.
fn not_there(options: &YardOptions, node: &NodeName) -> Option<Error> {
    if node.as_str() == "host" {
        let error = Error::failed("node `host` is this machine");
        return Some(error.hint("run the command as it is"));
    }
    let file = File::read(&options.file.origin()).ok()?;
    let names = || file.spec.nodes.iter().map(|node| node.name.value.as_str());
    if names().any(|name| name == node.as_str()) {
        return None;
    }
    let error = Error::failed(format!("yard `{}` has no node `{node}`", file.spec.yard.value));
    Some(match nearest(node.as_str(), names()) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error,
    })
}

/// As a shell has it: the exit code, or 128 and the signal.
fn ended(status: ExitStatus) -> Result {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    match u8::try_from(code).unwrap_or(1) {
        0 => Ok(()),
        code => Err(Kind::Child(code).into()),
    }
}

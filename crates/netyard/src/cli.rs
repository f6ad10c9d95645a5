//! The tree of commands, and what they have in common.

use std::path::PathBuf;

use clap::{ColorChoice, CommandFactory, Parser, Subcommand};

use crate::command;
use crate::error::Result;
use crate::source::Origin;

/// Describe a virtual network on a Linux host in one file and get it live
///
/// A yard is one file, netyard.yaml: nodes (network namespaces), the networks
/// and links between them, addresses, routes, VLANs, impairments. `netyard up`
/// builds it and changes a running one to what the file now says; `netyard
/// down` takes it away without a trace. Without root it lives in a user
/// namespace of its own.
#[derive(Debug, Parser)]
#[command(name = "netyard", version, max_term_width = 100, subcommand_required = true)]
#[command(after_help = "Exit codes: 0 done, 1 failed, 2 wrong command line, 3 differences found, \
                        70 a bug in netyard.")]
pub struct Cli {
    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", default_value_t = ColorChoice::Auto)]
    #[arg(hide_possible_values = true, help = "When to use colours: auto, always, never")]
    color: ColorChoice,
    #[command(subcommand)]
    command: Command,
}

/// Which yard a command is about.
#[derive(Clone, Debug, clap::Args)]
pub struct FileOption {
    /// The yard's file; `-` is stdin [default: netyard.yaml]
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub file: Option<PathBuf>,
}

impl FileOption {
    /// Where the file is.
    pub fn origin(&self) -> Origin {
        Origin::from_option(self.file.as_deref())
    }

    /// The option as the user gave it, for a command to type: ` -f home.yaml`.
    pub fn again(&self) -> String {
        match &self.file {
            None => String::new(),
            Some(path) => format!(" -f {}", quoted(&path.display().to_string())),
        }
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./+:@%,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Which yard a command is about, where a yard that is up can be named too.
#[derive(Clone, Debug, clap::Args)]
pub struct YardOptions {
    #[command(flatten)]
    pub file: FileOption,
    /// The yard by its name, when its file is gone
    #[arg(long, value_name = "NAME", conflicts_with = "file")]
    pub yard: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(command::init::Init),
    Check(command::check::Check),
    Plan(command::plan::Plan),
    Up(command::up::Up),
    Status(command::status::Status),
    Test(command::test::Test),
    Exec(command::exec::Exec),
    Shell(command::shell::Shell),
    Logs(command::logs::Logs),
    Restart(command::restart::Restart),
    Stop(command::stop::Stop),
    Start(command::start::Start),
    Explain(command::explain::Explain),
    Set(command::set::Set),
    Doctor(command::doctor::Doctor),
    Metrics(command::metrics::Metrics),
    Down(command::down::Down),
    List(command::list::List),
    Leases(command::leases::Leases),
    PeerConfig(command::peer_config::PeerConfig),
    Publish(command::publish::Publish),
    Unpublish(command::unpublish::Unpublish),
    Enable(command::enable::Enable),
    Disable(command::disable::Disable),
    Export(command::export::Export),
    Import(command::import::Import),
    Adopt(command::adopt::Adopt),
    Schema(command::schema::Schema),
    Completions(command::completions::Completions),
    Man(command::man::Man),
    #[command(hide = true)]
    Keeper(command::keeper::Keeper),
    #[command(hide = true)]
    Supervisor(command::supervisor::Supervisor),
    #[command(hide = true)]
    Service(command::service::Service),
    #[command(hide = true)]
    Serve(command::serve::Serve),
    #[command(hide = true)]
    Client(command::client::Client),
    #[command(hide = true)]
    Machine(command::machine::Machine),
    #[command(hide = true)]
    Firmware(command::firmware::Firmware),
    #[command(hide = true)]
    Domain(command::domain::Domain),
    #[command(hide = true)]
    Wireguard(command::wireguard::Wireguard),
    #[command(name = "__complete", hide = true)]
    Complete(command::complete::Complete),
    /// Be a bug, so that a test sees what one looks like
    #[command(name = "__bug", hide = true)]
    Bug,
}

/// Reads the command line and does what it says; what is wrong with the
/// command line ends the process with 2, as `--help` does with 0.
pub fn run() -> Result {
    let cli = Cli::parse();
    let choice = match cli.color {
        ColorChoice::Auto => anstream::ColorChoice::Auto,
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Never => anstream::ColorChoice::Never,
    };
    choice.write_global();
    match cli.command {
        Command::Init(c) => c.run(),
        Command::Check(c) => c.run(),
        Command::Plan(c) => c.run(),
        Command::Up(c) => c.run(),
        Command::Status(c) => c.run(),
        Command::Test(c) => c.run(),
        Command::Exec(c) => c.run(),
        Command::Shell(c) => c.run(),
        Command::Logs(c) => c.run(),
        Command::Restart(c) => c.run(),
        Command::Stop(c) => c.run(),
        Command::Start(c) => c.run(),
        Command::Explain(c) => c.run(),
        Command::Set(c) => c.run(),
        Command::Doctor(c) => c.run(),
        Command::Metrics(c) => c.run(),
        Command::Down(c) => c.run(),
        Command::List(c) => c.run(),
        Command::Leases(c) => c.run(),
        Command::PeerConfig(c) => c.run(),
        Command::Publish(c) => c.run(),
        Command::Unpublish(c) => c.run(),
        Command::Enable(c) => c.run(),
        Command::Disable(c) => c.run(),
        Command::Export(c) => c.run(),
        Command::Import(c) => c.run(),
        Command::Adopt(c) => c.run(),
        Command::Schema(c) => c.run(),
        Command::Completions(c) => c.run(),
        Command::Man(c) => c.run(),
        Command::Keeper(c) => c.run(),
        Command::Supervisor(c) => c.run(),
        Command::Service(c) => c.run(),
        Command::Serve(c) => c.run(),
        Command::Client(c) => c.run(),
        Command::Machine(c) => c.run(),
        Command::Firmware(c) => c.run(),
        Command::Domain(c) => c.run(),
        Command::Wireguard(c) => c.run(),
        Command::Complete(c) => c.run(),
        Command::Bug => panic!("asked for"),
    }
}

/// The whole tree, for completions and manual pages.
pub fn tree() -> clap::Command {
    Cli::command()
}

//! The project's tasks. The `justfile` names the same ones; `cargo xtask` lists them.

mod check;
mod stream;
mod tidy;
mod tier;
mod tool;
mod vm;

use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask TASK

  check                       format, lints, tidy, licences and every test that runs natively
  tidy                        the architecture's rules, checked over the sources
  vm [--limit SECONDS] [--only-vm] [FILTER]
                              the tests that need Debian's own kernel, in a virtual machine
  tiers                       what the last `check` and `vm` ran, in one table
  ci-tools                    install what check and vm need (as root, on Debian)
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((task, rest)) = arguments.split_first() else {
        eprint!("{USAGE}");
        return ExitCode::from(2);
    };
    let outcome = match (task.as_str(), rest) {
        ("check", []) => check::run(root()),
        ("tidy", []) => tidy::run(root()),
        ("vm", options) => vm::run(root(), options),
        ("tiers", []) => tier::show(root()),
        ("ci-tools", []) => tool::install(root()),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    outcome.unwrap_or_else(|problem| {
        eprintln!("error: {problem}");
        ExitCode::FAILURE
    })
}

/// The top of the working tree.
fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// What a task gives back: the status of the process, or why it could not work at all.
type Outcome = Result<ExitCode, Box<dyn std::error::Error>>;

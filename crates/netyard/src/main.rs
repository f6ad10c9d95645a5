//! The command line of netyard: the only crate that prints.
//!
//! `cli` is the tree of commands, `command/` has one file for each, whose doc
//! comment is its help. `source` reads files, `load` turns them into a desired
//! state, `ui` writes to the user, `error` knows how a run ends.

mod bug;
mod cli;
mod command;
mod error;
mod exposition;
mod health;
mod impairment;
mod live;
mod load;
mod next;
mod source;
mod trial;
mod tunnel;
mod ui;

use std::process::ExitCode;

fn main() -> ExitCode {
    netyard_linux::take_memory_in_steps();
    bug::install_hook();
    match cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            ui::show_error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

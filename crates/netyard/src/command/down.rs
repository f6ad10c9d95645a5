use std::time::Instant;

use netyard_linux::Access;

use crate::cli::YardOptions;
use crate::error::Result;
use crate::{bug, live, ui};

/// Take the network away without a trace
///
/// Everything that carries the yard's mark goes: namespaces, interfaces, routes,
/// names, files, the processes in its nodes and what its services keep. What is not the yard's stays.
#[derive(Debug, clap::Args)]
pub struct Down {
    #[command(flatten)]
    yard: YardOptions,
    /// Leave what services keep: leases, keys, states
    #[arg(long)]
    keep_data: bool,
}

impl Down {
    /// Does it.
    pub fn run(self) -> Result {
        let started = Instant::now();
        let yard = live::name(&self.yard)?;
        if netyard_linux::netns::has_root() || live::is_known(&yard)? {
            let mut session = live::open(&yard, Access::Write)?;
            if self.keep_data {
                session.keep_data();
            }
            let mut progress = ui::Progress::start();
            bug::host_is_changing(true);
            let done = session.down(&mut |at| progress.at(at));
            bug::host_is_changing(false);
            drop(progress);
            let gone = done?;
            // systemd's own `netyard down` is to find the yard free.
            drop(session);
            if let Err(error) = netyard_linux::boot::taken_down(&yard) {
                ui::warn(&error.to_string());
            }
            if gone.anything {
                let time = ui::duration(started.elapsed());
                let size = ui::count(gone.nodes, "node");
                ui::print(&format!("down: {size} in {time}\n"))?;
                if netyard_linux::boot::is_enabled(&yard) {
                    ui::hint(&format!(
                        "it comes again at the next boot; `netyard disable --yard {yard}` ends that"
                    ));
                }
                return Ok(());
            }
        }
        ui::print(&format!("down: yard `{yard}` was not up\n"))
    }
}

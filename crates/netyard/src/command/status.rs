use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use netyard_core::plan::ShellNames;
use netyard_core::plan::show::{Detail, Line, show};
use netyard_core::state::State;
use netyard_linux::Access;

use crate::cli::YardOptions;
use crate::error::{Error, Result, errno_text};
use crate::health::Health;
use crate::live::{self, Meeting};
use crate::load::File;
use crate::ui;

/// Show the health of every node, interface and link
///
/// And what differs from the file, and a run that was interrupted. Of a large
/// yard only what is not well is shown, unless you ask for `--all`.
#[derive(Debug, clap::Args)]
pub struct Status {
    #[command(flatten)]
    yard: YardOptions,
    /// Write it as JSON
    #[arg(long)]
    json: bool,
    /// Show all of a large yard
    #[arg(short, long)]
    all: bool,
    /// Go on showing it, until Ctrl-C or the end of input
    #[arg(short, long, conflicts_with = "json")]
    watch: bool,
}

/// How often `--watch` looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// More nodes than one wants to read of.
const MANY: usize = 50;

/// More differences than one wants to read of.
const MOST: usize = 20;

impl Status {
    /// Does it.
    pub fn run(self) -> Result {
        if self.watch {
            return watch();
        }
        let (health, differences) = self.look()?;
        if self.json {
            return ui::print_json(&health.json(&differences));
        }
        let few = health.nodes.len() <= MANY;
        ui::print(&health.text(self.all || few))?;
        if !differences.is_empty() {
            let shown = &differences[..differences.len().min(MOST)];
            ui::print(&format!("\ndiffers from the file:\n{}", ui::plan_lines(shown)))?;
            if differences.len() > MOST {
                ui::note(&format!("and {} more: `netyard plan`", differences.len() - MOST));
            }
        }
        for problem in &health.problems {
            ui::warn(problem);
        }
        Ok(())
    }

    /// What there is, and what differs from the file where there is one.
    fn look(&self) -> Result<(Health, Vec<(Line, String)>)> {
        if self.yard.yard.is_some() {
            let name = live::name(&self.yard)?;
            if !live::is_known(&name)? {
                return Err(live::not_up(&name));
            }
            let mut session = live::open(&name, Access::Read)?;
            let seen = session.observe(&State::default())?;
            return Ok((Health::of(&name, None, &seen, &State::default()), Vec::new()));
        }
        let file = File::read(&self.yard.file.origin())?;
        let met = Meeting::of(&file, Access::Read)?;
        let health = Health::of(&met.yard.name, Some(&met.yard), &met.seen, &met.desired);
        if !health.up {
            return Ok((health, Vec::new()));
        }
        let names = ShellNames::of([&met.seen.state, &met.desired]);
        let mut lines = show(&met.plan, &names, Detail { shell: false });
        lines.retain(|(line, _)| !matches!(line, Line::Summary | Line::Disturbance));
        Ok((health, lines))
    }
}

/// Shows the status again and again: each time by a process of its own, which
/// finds the yard as it is then, gone or made anew.
fn watch() -> Result {
    let (ended, end) = channel::<()>();
    std::thread::spawn(move || {
        // Whatever is typed is passed over; the end of input ends the watch.
        let mut bytes = [0; 256];
        while std::io::stdin().read(&mut bytes).is_ok_and(|read| read > 0) {}
        drop(ended);
    });
    let arguments: Vec<_> =
        std::env::args_os().skip(1).filter(|word| word != "--watch" && word != "-w").collect();
    loop {
        let shown = Command::new("/proc/self/exe")
            .args(["--color", "always"])
            .args(&arguments)
            .stdin(Stdio::null())
            .output()
            .map_err(|e| Error::failed(format!("could not look again: {}", errno_text(&e))))?;
        let text = String::from_utf8_lossy(&shown.stdout);
        let said = String::from_utf8_lossy(&shown.stderr);
        // Home, and each line clears what was there: no flicker.
        let lines = format!("{text}{said}").replace('\n', "\u{1b}[K\n");
        ui::print(&format!("\u{1b}[H{lines}\u{1b}[J"))?;
        match end.recv_timeout(INTERVAL) {
            Err(RecvTimeoutError::Timeout) => {}
            _ => return Ok(()),
        }
    }
}

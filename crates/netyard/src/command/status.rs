use std::io::Read;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use netyard_core::plan::ShellNames;
use netyard_core::plan::show::{Detail, Line, show};
use netyard_core::service::lease::Lease;
use netyard_core::state::State;
use netyard_linux::{Access, Ears, Heard, Session, netns};

use crate::cli::YardOptions;
use crate::command::leases;
use crate::error::{Error, Kind, Result, errno_text};
use crate::health::Health;
use crate::live::{self, Meeting};
use crate::load::File;
use crate::source::Origin;
use crate::{tunnel, ui};

/// Show the health of every node, interface, link and service
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
    /// Packets of each interface, too
    #[arg(short, long)]
    counters: bool,
    /// Go on showing it as it changes, until Ctrl-C or the end of input
    #[arg(short, long, conflicts_with = "json")]
    watch: bool,
    /// One picture of many: shows it and waits for a change
    #[arg(long, hide = true)]
    frame: bool,
}

/// How often `--watch` looks where nothing tells of changes: counters, a yard that
/// is not up, a file with mistakes.
const INTERVAL: Duration = Duration::from_secs(1);

/// Changes come in swarms; this long after the first `--watch` looks.
const SWARM: Duration = Duration::from_millis(200);

/// How a frame ends that saw the end of input.
const END_OF_INPUT: u8 = 3;

/// More nodes than one wants to read of.
const MANY: usize = 50;

/// More differences than one wants to read of.
const MOST: usize = 20;

impl Status {
    /// Does it.
    pub fn run(self) -> Result {
        if self.frame {
            return self.frame();
        }
        if self.watch {
            return watch();
        }
        let Look { health, differences, leases, .. } = self.look(Access::Read)?;
        if self.json {
            let mut json = health.json(&differences);
            let now = leases::now();
            let held: Vec<&Lease> = leases.iter().filter(|lease| lease.is_held(now)).collect();
            json["leases"] = serde_json::json!(held);
            return ui::print_json(&json);
        }
        self.show(&health, &differences, &leases)
    }

    fn show(&self, health: &Health, differences: &[(Line, String)], leases: &[Lease]) -> Result {
        let few = health.nodes.len() <= MANY;
        ui::print(&health.text(self.all || few, self.counters, !differences.is_empty()))?;
        ui::print(&leases::summary(leases, leases::now()))?;
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
    fn look(&self, access: Access) -> Result<Look> {
        if self.yard.yard.is_some() {
            let name = live::name(&self.yard)?;
            live::must_be_up(&name)?;
            let mut session = live::open(&name, access)?;
            let seen = session.observe(&State::default())?;
            let pulses = session.pulses()?;
            let mut health = Health::of(&name, None, &seen, &State::default(), &pulses);
            health.firewalls = session.rule_counters(&seen.state)?;
            health.and_services(session.processes()?, session.is_supervised()?);
            let (differences, sources, leases) = (Vec::new(), Vec::new(), Vec::new());
            return Ok(Look { session, health, differences, sources, leases });
        }
        let file = File::read(&self.yard.file.origin())?;
        let sources = file.sources.0.iter().map(|source| source.name.clone()).collect();
        let rootless = !netns::has_root();
        let mut met = Meeting::of(&file, access)?;
        let pulses = met.session.pulses()?;
        let mut health =
            Health::of(&met.yard.name, Some(&met.yard), &met.seen, &met.desired, &pulses);
        health.firewalls = met.session.rule_counters(&met.seen.state)?;
        health.and_services(met.session.processes()?, met.session.is_supervised()?);
        let pulses = met.session.tunnel_pulses(&met.yard.tunnels)?;
        if health.up {
            health.tunnels = tunnel::tunnels(&met.yard, &pulses);
        }
        health.problems.append(&mut met.collisions);
        if met.session.keeper_ended() {
            health
                .problems
                .push(format!("{}; `netyard up` brings it up again", live::KEEPER_ENDED));
        }
        let mut differences = Vec::new();
        if health.up {
            let names = ShellNames::of([&met.seen.state, &met.desired]);
            differences = show(&met.plan, &names, Detail { shell: false });
            differences.retain(|(line, _)| !matches!(line, Line::Summary | Line::Disturbance));
        }
        let leases = leases::of_yard(&met.yard, rootless)?;
        Ok(Look { session: met.session, health, differences, sources, leases })
    }

    /// Shows it once, and ends when it is to be shown again.
    fn frame(self) -> Result {
        let Look { session, health, differences, sources, leases } = self.look(Access::Watch)?;
        self.show(&health, &differences, &leases)?;
        drop(differences);
        let failed = |e| Error::failed(format!("could not wait: {}", errno_text(&e)));
        netyard_linux::let_go_of_output().map_err(failed)?;
        let files: Vec<PathBuf> =
            sources.into_iter().map(|name| Origin::File(name.into()).directory()).collect();
        let ears = session.into_ears()?.and_files(files.iter().map(PathBuf::as_path));
        let longest = (self.counters || !health.up).then_some(INTERVAL);
        if ears.wait(longest).map_err(failed)? == Heard::EndOfInput
            || Ears::default().wait(Some(SWARM)).map_err(failed)? == Heard::EndOfInput
        {
            return Err(Kind::Child(END_OF_INPUT).into());
        }
        Ok(())
    }
}

/// What was seen of a yard.
struct Look {
    session: Session,
    health: Health,
    differences: Vec<(Line, String)>,
    /// The names of its files.
    sources: Vec<String>,
    /// Of the networks that it serves.
    leases: Vec<Lease>,
}

/// Shows the status again and again: each time by a process of its own, which
/// finds the yard as it is then, gone or made anew, and ends when it changes.
fn watch() -> Result {
    let failed = |e| Error::failed(format!("could not look again: {}", errno_text(&e)));
    let arguments: Vec<_> =
        std::env::args_os().skip(1).filter(|word| word != "--watch" && word != "-w").collect();
    loop {
        let (mut shown, output) = std::io::pipe().map_err(failed)?;
        let mut frame = {
            let mut command = Command::new("/proc/self/exe");
            // Colours are for this process to keep or to leave out.
            command.args(&arguments).arg("--frame").env("CLICOLOR_FORCE", "1");
            command.stdout(output.try_clone().map_err(failed)?).stderr(output);
            command.spawn().map_err(failed)?
        };
        let mut text = Vec::new();
        shown.read_to_end(&mut text).map_err(failed)?;
        // Home, and each line clears what was there: no flicker.
        let lines = String::from_utf8_lossy(&text).replace('\n', "\u{1b}[K\n");
        ui::print(&format!("\u{1b}[H{lines}\u{1b}[J"))?;
        match frame.wait().map_err(failed)?.code() {
            Some(0) => {}
            code if code == Some(i32::from(END_OF_INPUT)) => return Ok(()),
            // It said what was wrong; that may change.
            _ => {
                if Ears::default().wait(Some(INTERVAL)).map_err(failed)? == Heard::EndOfInput {
                    return Ok(());
                }
            }
        }
    }
}

//! Processes as services of systemd, where that is the machine's first process.
//!
//! systemd starts, watches, restarts and ends them, in a slice of the yard's own;
//! what it runs first is this binary, which finishes what systemd cannot do (the
//! hostname's namespace, the node's files in `/etc`) and becomes the program. So a
//! process has the same surroundings and the same log as under our own supervisor.
//!
//! What a unit is made for is written down in the [`super::Shelf`], as elsewhere;
//! how it is, only systemd knows.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use netyard_core::name::YardName;
use netyard_core::state::{Place, Process, Ready, Restart};
use serde::{Deserialize, Serialize};
use zbus::{OwnedVariant, Variant};

use super::course::{Course, Entry, ProcessPhase};
use super::shelf::{Shelf, place_name};
use super::start::SUBCOMMAND;
use super::{Identity, LOG};
use crate::systemd::bus::Fault;
use crate::systemd::{Job, Property, Systemd, Unit, escaped, is_first};

/// How long a process has to end on SIGTERM.
const END_PATIENCE: Duration = Duration::from_secs(3);
/// How long systemd may take beyond what it was told.
const SLACK: Duration = Duration::from_secs(15);
/// The first that can wait longer with each restart (`RestartSteps=`).
const STEPS_SINCE: u32 = 254;
/// From 0.1 s to 30 s by doubling.
const STEPS: u32 = 8;

/// Who sets this to `0` wants netyard's own supervisor.
const SWITCH: &str = "NETYARD_SYSTEMD";
/// How often a yard's logs are looked at.
const LOOK_AT_LOGS: Duration = Duration::from_secs(60);

/// What no service of a yard needs: numbers of capabilities (linux/capability.h).
const NEVER: [u32; 9] = [
    16, // SYS_MODULE
    17, // SYS_RAWIO
    22, // SYS_BOOT
    25, // SYS_TIME
    32, // MAC_OVERRIDE
    33, // MAC_ADMIN
    34, // SYSLOG
    35, // WAKE_ALARM
    36, // BLOCK_SUSPEND
];

/// The namespaces that a service is to be in, by their files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spaces {
    /// The network namespace; none for the host's.
    pub net: Option<PathBuf>,
    /// That of the hostname.
    pub uts: Option<PathBuf>,
}

/// A yard's units.
#[derive(Debug)]
pub(crate) struct Units {
    systemd: Systemd,
    yard: YardName,
    /// What was asked for and is waited for later, by unit.
    starting: BTreeMap<String, Job>,
}

impl Units {
    /// Those of a yard; none where systemd is not there to run them.
    pub fn of(yard: &YardName) -> Option<Self> {
        // Without a bus there is our own supervisor.
        is_first().then(|| Self::connect(yard).ok()).flatten()
    }

    /// True unless the user wants none made.
    pub fn are_wanted() -> bool {
        std::env::var_os(SWITCH).is_none_or(|value| value != "0")
    }

    /// The same, where they must be there.
    fn connect(yard: &YardName) -> Result<Self, Fault> {
        let systemd = Systemd::connect()?;
        Ok(Self { systemd, yard: yard.clone(), starting: BTreeMap::new() })
    }

    /// Starts a process that is written down.
    pub fn start(&mut self, shelf: &Shelf, process: &Process, spaces: &Spaces) -> io::Result<()> {
        let unit = name(&self.yard, &process.place, &process.name);
        // One of that name is what a yard left whose state was lost.
        self.stop(&process.place, &process.name)?;
        shelf.forget_end(&process.place, &process.name)?;
        self.watch_logs(shelf)?;
        let properties = self.properties(shelf, process, spaces)?;
        let job = self.systemd.start(&unit, &properties, &[])?;
        self.starting.insert(unit, job);
        Ok(())
    }

    /// True for a process that was started here and not waited for yet.
    pub fn runs(&self, process: &Process) -> bool {
        self.starting.contains_key(&name(&self.yard, &process.place, &process.name))
    }

    /// Waits until a process is ready; gives why it will not be.
    pub fn wait(&mut self, shelf: &Shelf, process: &Process) -> io::Result<Result<(), String>> {
        let unit = name(&self.yard, &process.place, &process.name);
        let Some(job) = self.starting.remove(&unit) else { return Ok(Ok(())) };
        let patience = Duration::from_millis(process.patience.into()) + SLACK;
        let how = self.systemd.wait(&job, Instant::now() + patience)?;
        if how.as_deref() == Some("done") {
            return Ok(Ok(()));
        }
        // The job ends when the end begins; how it was is written at its end.
        let end = Instant::now() + END_PATIENCE + SLACK;
        let found = self.systemd.units(&[&glob(&unit)])?.pop();
        let properties = match found {
            Some(found) => self.systemd.settled(&found, end)?,
            None => BTreeMap::new(),
        };
        let written = shelf.end(&process.place, &process.name);
        let why = written.or_else(|| how_it_ended(&properties)).or(how);
        Ok(Err(why.unwrap_or_else(|| "systemd is silent".to_owned())))
    }

    /// Has the yard's logs looked at from time to time, as our own supervisor does.
    fn watch_logs(&mut self, shelf: &Shelf) -> io::Result<()> {
        let text = |text: String| Variant::new(text);
        let binary = std::env::current_exe()?.to_string_lossy().into_owned();
        let mut argv = vec![binary.clone(), SUBCOMMAND.to_owned(), "logs".to_owned()];
        argv.extend(shelf.own_words());
        let description = text(format!("the logs' length (netyard: {})", self.yard));
        let service: Vec<Property<'_>> = vec![
            ("Description", description.try_clone().map_err(io::Error::other)?),
            ("Slice", text(slice(&self.yard))),
            ("Type", text("oneshot".to_owned())),
            ("ExecStart", Variant::new(vec![(binary, argv, false)])),
        ];
        let often = micros(LOOK_AT_LOGS);
        let timer: Vec<Property<'_>> = vec![
            ("Description", description),
            (
                "TimersMonotonic",
                Variant::new(vec![("OnActiveSec", often), ("OnUnitActiveSec", often)]),
            ),
        ];
        let others = [(log_unit(&self.yard, "service"), service)];
        match self.systemd.start(&log_unit(&self.yard, "timer"), &timer, &others) {
            Ok(_) => Ok(()),
            // There it is already.
            Err(fault) if fault.is("UnitExists") => Ok(()),
            Err(fault) => Err(fault.into()),
        }
    }

    /// Ends a process; returns when it is gone, and nothing is left of its unit.
    pub fn stop(&mut self, place: &Place, process: &str) -> io::Result<()> {
        let unit = name(&self.yard, place, process);
        self.starting.remove(&unit);
        if let Some(job) = self.systemd.stop(&unit)? {
            self.systemd.wait(&job, Instant::now() + END_PATIENCE + SLACK)?;
        }
        Ok(self.systemd.forget_failure(&unit)?)
    }

    /// Ends all that there is of the yard, written down or not.
    pub fn stop_all(&mut self) -> io::Result<()> {
        let mut jobs = Vec::new();
        let pattern = glob(&name_head(&self.yard)) + "*.service";
        for unit in self.systemd.units(&[&pattern])? {
            jobs.extend(self.systemd.stop(&unit.name)?.map(|job| (unit.name, job)));
        }
        let end = Instant::now() + END_PATIENCE + SLACK;
        for (unit, job) in jobs {
            self.systemd.wait(&job, end)?;
            self.systemd.forget_failure(&unit)?;
        }
        self.stop_slice()
    }

    /// Ends the yard's slice, and that of all yards after the last of them.
    pub fn stop_slice(&mut self) -> io::Result<()> {
        let end = Instant::now() + SLACK;
        for sort in ["timer", "service"] {
            let unit = log_unit(&self.yard, sort);
            if let Some(job) = self.systemd.stop(&unit)? {
                self.systemd.wait(&job, end)?;
            }
            self.systemd.forget_failure(&unit)?;
        }
        if let Some(job) = self.systemd.stop(&slice(&self.yard))? {
            self.systemd.wait(&job, end)?;
        }
        let others = self.systemd.units(&["netyard-*.slice"])?;
        if !others.iter().any(|unit| unit.active == "active")
            && let Some(job) = self.systemd.stop("netyard.slice")?
        {
            self.systemd.wait(&job, end)?;
        }
        Ok(())
    }

    fn properties<'p>(
        &self,
        shelf: &Shelf,
        process: &'p Process,
        spaces: &Spaces,
    ) -> io::Result<Vec<Property<'p>>> {
        let (place, own) = (&process.place, &process.name);
        let text = |text: String| Variant::new(text);
        let micros = |duration: Duration| Variant::U64(micros(duration));
        let binary = std::env::current_exe()?.to_string_lossy().into_owned();
        let call = |word: &str| {
            let mut argv = vec![binary.clone(), SUBCOMMAND.to_owned(), word.to_owned()];
            argv.extend(shelf.words(place, own));
            // Binary, arguments, and whether a failure is ignored.
            Variant::new(vec![(binary.clone(), argv, false)])
        };
        let log = shelf.dir(place, own).join(LOG).to_string_lossy().into_owned();
        let once = process.ready == Ready::Exit;
        let mut all = vec![
            ("Description", text(format!("{own} in {place} (netyard: {})", self.yard))),
            ("Slice", text(slice(&self.yard))),
            ("Type", text(sort(&process.ready).to_owned())),
            ("NotifyAccess", text("all".to_owned())),
            ("ExecStart", call("start")),
            ("ExecStopPost", call("ended")),
            ("TimeoutStartUSec", micros(Duration::from_millis(process.patience.into()))),
            ("TimeoutStopUSec", micros(END_PATIENCE)),
            ("StandardOutputFileToAppend", text(log.clone())),
            ("StandardErrorFileToAppend", text(log)),
            ("Restart", text(restart(process).to_owned())),
            ("RestartUSec", micros(Duration::from_millis(100))),
            // It waits longer each time instead of giving up.
            ("StartLimitIntervalUSec", micros(Duration::ZERO)),
            // What did its work, or is not started again, can be asked how it went.
            ("RemainAfterExit", Variant::Bool(once || process.restart != Restart::Always)),
            ("KillMode", text("mixed".to_owned())),
        ];
        if !matches!(process.ready, Ready::Notify | Ready::Exit) {
            all.push(("ExecStartPost", call("ready")));
        }
        if self.systemd.version() >= STEPS_SINCE {
            all.push(("RestartSteps", Variant::U32(STEPS)));
            all.push(("RestartMaxDelayUSec", micros(Duration::from_secs(30))));
        }
        if let Some(net) = &spaces.net {
            all.push(("NetworkNamespacePath", text(net.to_string_lossy().into_owned())));
        }
        all.extend(sandbox(shelf, process));
        Ok(all)
    }

    /// How the processes of these entries are.
    fn courses(&mut self, shelf: &Shelf, entries: &mut [Entry]) -> Result<(), Fault> {
        let pattern = glob(&name_head(&self.yard)) + "*.service";
        let units = self.systemd.units(&[&pattern])?;
        for entry in entries.iter_mut().filter(|entry| entry.definition.unit.is_some()) {
            let process = entry.process();
            let name = name(&self.yard, &process.place, &process.name);
            let mut found = match units.iter().find(|unit| unit.name == name) {
                Some(unit) => Some(course(unit, &self.systemd.properties(unit)?, process)),
                None => None,
            };
            if let Some(course) = &mut found {
                let written = shelf.end(&process.place, &process.name);
                course.ended = written.or(course.ended.take());
            }
            entry.course = found;
        }
        Ok(())
    }
}

/// Fills in how the processes are that systemd runs.
pub(super) fn fill(shelf: &Shelf, entries: &mut [Entry]) -> io::Result<()> {
    if entries.iter().any(|entry| entry.definition.unit.is_some()) {
        Units::connect(shelf.yard())?.courses(shelf, entries)?;
    }
    Ok(())
}

/// What all of them have, and what those have beside that need nothing of the
/// machine but their network and their directories.
fn sandbox<'p>(shelf: &Shelf, process: &Process) -> Vec<Property<'p>> {
    let yes = || Variant::Bool(true);
    let all = (0..41).filter(|number| !NEVER.contains(number));
    let capabilities = all.fold(0_u64, |set, number| set | 1 << number);
    let mut properties = vec![
        ("ProtectKernelModules", yes()),
        ("ProtectKernelLogs", yes()),
        ("ProtectClock", yes()),
        ("LockPersonality", yes()),
        ("CapabilityBoundingSet", Variant::U64(capabilities)),
    ];
    if process.confined {
        let own = [
            Some(shelf.dir(&process.place, &process.name)),
            process.keep.then(|| shelf.data(&process.place, &process.name)),
        ];
        let own: Vec<String> =
            own.into_iter().flatten().map(|path| path.to_string_lossy().into_owned()).collect();
        properties.extend([
            ("ProtectSystem", Variant::new("strict".to_owned())),
            ("ProtectHome", Variant::new("read-only".to_owned())),
            ("ReadWritePaths", Variant::new(own)),
            ("NoNewPrivileges", yes()),
            ("RestrictRealtime", yes()),
            ("RestrictSUIDSGID", yes()),
            ("MemoryDenyWriteExecute", yes()),
            ("SystemCallArchitectures", Variant::new(vec!["native".to_owned()])),
        ]);
    }
    properties
}

fn sort(ready: &Ready) -> &'static str {
    match ready {
        Ready::Notify => "notify",
        Ready::Exit => "oneshot",
        _ => "exec",
    }
}

fn restart(process: &Process) -> &'static str {
    match process.restart {
        // What did its one thing is not started again.
        Restart::Always if process.ready != Ready::Exit => "always",
        Restart::Always | Restart::OnFailure => "on-failure",
        Restart::Never => "no",
    }
}

/// The slice of a yard: a child of `netyard.slice`.
fn slice(yard: &YardName) -> String {
    format!("netyard-{}.slice", escaped(yard.as_str()))
}

/// Colons, so that no yard's name can be the beginning of another's, nor be taken for
/// the unit that `enable` makes, which has a dash.
fn name_head(yard: &YardName) -> String {
    format!("netyard:{}:", escaped(yard.as_str()))
}

fn name(yard: &YardName, place: &Place, process: &str) -> String {
    format!("{}{}:{}.service", name_head(yard), escaped(place_name(place)), escaped(process))
}

/// What looks at the logs of a yard: a timer and its service.
fn log_unit(yard: &YardName, sort: &str) -> String {
    format!("netyard:{}.{sort}", escaped(yard.as_str()))
}

/// A pattern for names that are or begin so. systemd takes a backslash in a pattern as it
/// is (`FNM_NOESCAPE`), glob(7) does not; a question mark is right for both.
fn glob(name: &str) -> String {
    name.replace('\\', "?")
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn text(properties: &BTreeMap<String, OwnedVariant>, name: &str) -> Option<String> {
    match properties.get(name).map(|value| &**value) {
        Some(Variant::Str(text)) if !text.is_empty() => Some(text.to_string()),
        _ => None,
    }
}

fn number(properties: &BTreeMap<String, OwnedVariant>, name: &str) -> u64 {
    match properties.get(name).map(|value| &**value) {
        Some(Variant::U64(number)) => *number,
        Some(Variant::U32(number)) => u64::from(*number),
        Some(Variant::I32(number)) => u64::try_from(*number).unwrap_or_default(),
        _ => 0,
    }
}

/// How far it is, as systemd has it.
fn course(unit: &Unit, properties: &BTreeMap<String, OwnedVariant>, process: &Process) -> Course {
    let phase = match (unit.active.as_str(), unit.sub.as_str()) {
        ("activating", "auto-restart" | "auto-restart-queued") => ProcessPhase::Waiting,
        ("activating" | "reloading", _) => ProcessPhase::Starting,
        ("active", "exited") if process.ready == Ready::Exit => ProcessPhase::Done,
        ("active", "running") => ProcessPhase::Running,
        _ => ProcessPhase::Failed,
    };
    let pid = u32::try_from(number(properties, "MainPID")).unwrap_or_default();
    let identity = Some(pid).filter(|pid| *pid != 0).and_then(Identity::of);
    let mut course = Course::new(phase, identity);
    course.since = number(properties, "StateChangeTimestamp") / 1_000_000;
    course.restarts = u32::try_from(number(properties, "NRestarts")).unwrap_or(u32::MAX);
    course.status = text(properties, "StatusText");
    course.ended = if identity.is_none() { how_it_ended(properties) } else { None };
    course
}

/// In the words of our own supervisor; none where it did not.
fn how_it_ended(properties: &BTreeMap<String, OwnedVariant>) -> Option<String> {
    let status = number(properties, "ExecMainStatus");
    // CLD_EXITED, CLD_KILLED, CLD_DUMPED (sigaction(2)).
    match number(properties, "ExecMainCode") {
        1 => Some(format!("exited with {status}")),
        2 | 3 => Some(format!("killed by signal {status}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netyard_core::name::NodeName;
    use netyard_core::state::Program;

    fn process() -> Process {
        let place = Place::Node(NodeName::new("r-1").unwrap());
        Process::new(place, "web", Program::Argv(vec!["true".into()]))
    }

    fn unit(active: &str, sub: &str) -> Unit {
        Unit::for_test(active, sub)
    }

    #[test]
    fn a_name_says_yard_place_and_process_and_no_other_has_it() {
        let yard = YardName::new("my-yard").unwrap();
        let process = process();
        let name = name(&yard, &process.place, &process.name);
        assert_eq!(name, "netyard:my\\x2dyard:r\\x2d1:web.service");
        assert_eq!(slice(&yard), "netyard-my\\x2dyard.slice");
        assert_eq!(glob("a\\x2db"), "a?x2db");
        // The unit that `enable` makes of a yard `my` is no service of one.
        let my = YardName::new("my").unwrap();
        assert!(!netyard_core::boot::unit_name(&yard).starts_with(&name_head(&my)));
    }

    #[test]
    fn what_systemd_says_is_what_our_supervisor_would_say() {
        let none = BTreeMap::new();
        let phase = |active: &str, sub: &str, process: &Process| {
            course(&unit(active, sub), &none, process).phase
        };
        let process = process();
        assert_eq!(phase("activating", "start-post", &process), ProcessPhase::Starting);
        assert_eq!(phase("activating", "auto-restart", &process), ProcessPhase::Waiting);
        assert_eq!(phase("active", "running", &process), ProcessPhase::Running);
        assert_eq!(phase("active", "exited", &process), ProcessPhase::Failed);
        let once = Process { ready: Ready::Exit, ..process };
        assert_eq!(phase("active", "exited", &once), ProcessPhase::Done);
        assert_eq!(restart(&once), "on-failure");
        let own = |value: Variant<'static>| OwnedVariant::try_from(value).unwrap();
        let ended = BTreeMap::from([
            ("ExecMainCode".to_owned(), own(Variant::I32(1))),
            ("ExecMainStatus".to_owned(), own(Variant::I32(7))),
        ]);
        assert_eq!(how_it_ended(&ended).as_deref(), Some("exited with 7"));
    }
}

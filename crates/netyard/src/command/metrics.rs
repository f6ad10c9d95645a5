use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use netyard_core::diag::Sources;
use netyard_core::metric::{CONTENT_TYPE, Exposition, Metric};
use netyard_core::name::YardName;
use netyard_core::state::State;
use netyard_core::yard::Yard;
use netyard_linux::http::{self, Address, Chore, Listener, Page};
use netyard_linux::{Access, Session, noted_file};

use crate::cli::YardOptions;
use crate::command::leases;
use crate::error::{Error, Kind, Result, errno_text};
use crate::exposition::View;
use crate::live::{self, Meeting};
use crate::load::File;
use crate::source::Origin;
use crate::ui;

/// Serve what the yard measures to a monitoring system
///
/// In Prometheus' text format at /metrics: interfaces and their traffic, links,
/// what rules of firewalls counted, what came of the last `netyard test`. Each
/// time somebody asks, the yard is looked at anew; nothing is held meanwhile, so
/// `up` and `down` go on as always. docs/metrics.md names every metric.
#[derive(Debug, clap::Args)]
pub struct Metrics {
    #[command(flatten)]
    yard: YardOptions,
    /// Where to listen: ADDRESS:PORT, or unix:PATH, which is its owner's alone
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9917", value_parser = address)]
    listen: Address,
    /// Write it once to stdout instead
    #[arg(long, conflicts_with_all = ["listen", "test"])]
    once: bool,
    /// Prove the expectations again and again, this long after the last time: 30s, 5m
    #[arg(long, value_name = "INTERVAL", conflicts_with = "yard", value_parser = interval)]
    test: Option<Duration>,
    /// One page of many: of this yard, whatever becomes of its file
    #[arg(long, hide = true, value_name = "NAME", requires = "once")]
    page: Option<String>,
}

/// Tests follow each other no faster.
const SHORTEST: Duration = Duration::from_secs(1);

fn address(text: &str) -> std::result::Result<Address, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        let why = "`unix:` is followed by the path of a socket".to_owned();
        return if path.is_empty() { Err(why) } else { Ok(Address::Unix(path.into())) };
    }
    let address = text.parse::<SocketAddr>().map(Address::Tcp);
    address.map_err(|_| "write ADDRESS:PORT (127.0.0.1:9917, [::1]:9917) or unix:PATH".into())
}

fn interval(text: &str) -> std::result::Result<Duration, String> {
    let why = || "write it as 30s, 5m or 1h".to_owned();
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number: u64 = text[..text.len() - unit.len()].parse().map_err(|_| why())?;
    let seconds = match unit {
        "s" => Some(number),
        "m" => number.checked_mul(60),
        "h" => number.checked_mul(3600),
        _ => None,
    };
    let interval = Duration::from_secs(seconds.ok_or_else(why)?);
    if interval < SHORTEST { Err("not more often than every second".into()) } else { Ok(interval) }
}

impl Metrics {
    /// Does it.
    pub fn run(self) -> Result {
        if self.once {
            return ui::print(&self.look()?.text());
        }
        // What is wrong with the options or the file is told now, not to who asks.
        let name = live::name(&self.yard)?;
        let which = self.which(&name)?;
        let listener = Listener::open(&self.listen)?;
        let failed = |e| Error::failed(format!("could not serve: {}", errno_text(&e)));
        let at = listener.address().map_err(failed)?;
        ui::note(&format!("yard {name}: {at}{}", if is_web(&at) { "/metrics" } else { "" }));
        let mut make = || {
            let page = ["metrics", "--once", "--page", name.as_str()];
            again(page.into_iter().map(str::to_owned).chain(which.clone()), Stdio::piped())
        };
        let mut prove = || {
            let test = std::iter::once("test".to_owned()).chain(which.clone());
            again(test, Stdio::null())
        };
        let page = Page { path: "/metrics", content_type: CONTENT_TYPE, make: &mut make };
        let chore = self.test.map(|every| Chore { every, make: &mut prove });
        http::serve(listener, page, chore).map_err(failed)
    }

    /// The options by which another process finds the same yard.
    fn which(&self, name: &YardName) -> Result<Vec<String>> {
        match (&self.yard.yard, self.yard.file.origin()) {
            (Some(_), _) => Ok(vec!["--yard".into(), name.to_string()]),
            (None, Origin::File(path)) => Ok(vec!["-f".into(), path.display().to_string()]),
            (None, Origin::Stdin) => {
                Err(Error::command_line("what comes from stdin can be read only once")
                    .hint("`--once`, or `-f FILE`, or `--yard NAME` for a yard that is up"))
            }
        }
    }

    /// Looks at the yard as it is.
    fn look(&self) -> Result<Exposition> {
        let began = Instant::now();
        let mut told = match (&self.yard.yard, &self.page) {
            (Some(_), _) => by_name(&live::name(&self.yard)?)?,
            (None, None) => by_file(&File::read(&self.yard.file.origin())?)?,
            (None, Some(name)) => whatever(&live::named(name)?, &self.yard.file.origin())?,
        };
        told.put(Metric::ScrapeDuration, &[], began.elapsed().as_secs_f64());
        Ok(told)
    }
}

/// A yard as its file says, or without it where there are mistakes in it.
fn whatever(name: &YardName, file: &Origin) -> Result<Exposition> {
    match File::read(file).and_then(|file| by_file(&file)) {
        Err(error) if matches!(error.kind, Kind::Text(..)) => {
            ui::show_error(&error);
            let mut told = without_file(name)?;
            told.put(Metric::FileValid, &[], false);
            Ok(told)
        }
        told => told,
    }
}

/// A yard by its name: with the file that it was brought up from, where that is
/// known and still of this yard.
fn by_name(name: &YardName) -> Result<Exposition> {
    let Some(path) = noted_file(name)? else { return without_file(name) };
    let origin = Origin::File(path);
    match crate::load::name(&origin) {
        Ok(other) if other != *name => without_file(name),
        _ => whatever(name, &origin),
    }
}

fn is_web(address: &Address) -> bool {
    matches!(address, Address::Tcp(_))
}

/// This very program, as another process: it enters namespaces and leaves no
/// trace of that in this one.
fn again(arguments: impl Iterator<Item = String>, output: Stdio) -> std::io::Result<Child> {
    let own = PathBuf::from("/proc/self/exe");
    Command::new(own).args(arguments).stdin(Stdio::null()).stdout(output).spawn()
}

/// A yard whose file is not known.
fn without_file(name: &YardName) -> Result<Exposition> {
    let mut told = Exposition::new(name.as_str());
    if !live::is_known(name)? {
        told.put(Metric::YardUp, &[], false);
        return Ok(told);
    }
    let mut session = live::open(name, Access::Read)?;
    let seen = session.observe(&State::default())?;
    tell(&mut told, &mut session, &seen, &State::default(), None)?;
    Ok(told)
}

fn by_file(file: &File) -> Result<Exposition> {
    let mut met = Meeting::quietly(file, Access::Read)?;
    let mut told = Exposition::new(met.yard.name.as_str());
    told.put(Metric::FileValid, &[], true);
    told.put(Metric::YardDifferences, &[], met.plan.steps().count());
    let of_file = Some((&met.yard, &file.sources));
    tell(&mut told, &mut met.session, &met.seen, &met.desired, of_file)?;
    Ok(told)
}

fn tell(
    told: &mut Exposition,
    session: &mut Session,
    seen: &netyard_linux::Observation,
    desired: &State,
    file: Option<(&Yard, &Sources)>,
) -> Result {
    let (pulses, rules) = (session.pulses()?, session.rule_counters(&seen.state)?);
    let (tracked, trial) = (session.tracked(&seen.state)?, session.trial()?);
    let processes = session.processes()?;
    // A file of leases that cannot be read is no reason to tell nothing.
    let of_yard = |(yard, _): (&Yard, &Sources)| leases::of_yard(yard, session.is_rootless()).ok();
    let leases = file.and_then(of_yard).unwrap_or_default();
    let ends = file.map_or(&[][..], |(yard, _)| &yard.tunnels);
    let tunnels = session.tunnel_pulses(ends)?;
    let view = View {
        seen,
        desired,
        file,
        pulses: &pulses,
        rules: &rules,
        tracked: &tracked,
        processes: &processes,
        leases: (&leases, leases::now()),
        tunnels: &tunnels,
        trial: trial.as_ref(),
    };
    view.tell(told);
    Ok(())
}

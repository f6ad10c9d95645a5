use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use netyard_core::name::FullName;
use netyard_core::service::lease::{Lease, LeaseState};
use netyard_core::yard::Yard;
use netyard_linux::Access;
use serde_json::json;

use crate::cli::FileOption;
use crate::error::{Error, Result, errno_text};
use crate::live::Meeting;
use crate::load::File;
use crate::ui;

/// Names of clients that one wants to read of.
const NAMES: usize = 10;

/// List who has which address of the networks that the yard serves
///
/// Leases that ended, were given back or were found to be in use by others are shown
/// with `--all`.
#[derive(Debug, clap::Args)]
pub struct Leases {
    #[command(flatten)]
    file: FileOption,
    /// The network; all where none is named
    #[arg(value_name = "NETWORK")]
    network: Option<String>,
    /// Those too that nobody holds now
    #[arg(long)]
    all: bool,
    /// Write it as JSON
    #[arg(long)]
    json: bool,
}

impl Leases {
    /// Does it.
    pub fn run(self) -> Result {
        let file = File::read(&self.file.origin())?;
        let rootless = !netyard_linux::netns::has_root();
        let met = Meeting::of(&file, Access::Read)?;
        if let Some(name) = &self.network
            && !met.yard.networks.iter().any(|network| network.name.as_str() == name)
        {
            let text = format!("yard `{}` has no network `{name}`", met.yard.name);
            return Err(Error::failed(text));
        }
        let now = now();
        let wanted = |lease: &Lease| {
            let here = self.network.as_ref().is_none_or(|n| n == lease.network.as_str());
            here && (self.all || lease.is_held(now))
        };
        let mut leases = of_yard(&met.yard, rootless)?;
        leases.retain(wanted);
        if self.json {
            return ui::print_json(&json!({ "version": 1, "leases": leases }));
        }
        ui::print(&table(&leases, now))
    }
}

/// All leases of a yard's networks.
pub fn of_yard(yard: &Yard, rootless: bool) -> Result<Vec<Lease>> {
    let failed = |e| Error::failed(format!("could not read the leases: {}", errno_text(&e)));
    netyard_linux::serve::leases_of(yard, rootless).map_err(failed)
}

/// The time of day, in seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

fn table(leases: &[Lease], now: u64) -> String {
    let head = ["NETWORK", "ADDRESS", "NAME", "CLIENT", "LEFT"].map(str::to_owned);
    let mut rows = vec![head.to_vec()];
    let mut last: Option<&FullName> = None;
    for lease in leases {
        let network = if last == Some(&lease.network) { "" } else { lease.network.as_str() };
        last = Some(&lease.network);
        let address = match lease.prefix {
            Some(length) => format!("{}/{length}", lease.address),
            None => lease.address.to_string(),
        };
        let mac = lease.mac.map_or(lease.client.clone(), |mac| mac.to_string());
        let name = lease.name.clone().unwrap_or_else(|| "-".to_owned());
        rows.push(vec![network.to_owned(), address, name, mac, left(lease, now)]);
    }
    if leases.is_empty() {
        return "no leases\n".to_owned();
    }
    ui::table(&rows)
}

/// How long it lasts yet, or what became of it.
fn left(lease: &Lease, now: u64) -> String {
    match (lease.state, lease.until.saturating_sub(now)) {
        (LeaseState::Released, _) => "given back".to_owned(),
        (LeaseState::Declined, _) => "in use by another".to_owned(),
        (LeaseState::Bound, 0) => "ended".to_owned(),
        (LeaseState::Bound, _) if lease.until == u64::MAX => "for ever".to_owned(),
        (LeaseState::Bound, seconds) => {
            let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
            match (hours, minutes) {
                (0, 0) => format!("{seconds}s"),
                (0, minutes) => format!("{minutes}m"),
                (hours, minutes) => format!("{hours}h{minutes:02}m"),
            }
        }
    }
}

/// A line for `status`: how many leases of each network, and the clients' names.
pub fn summary(leases: &[Lease], now: u64) -> String {
    let mut text = String::new();
    let mut held = leases.iter().filter(|lease| lease.is_held(now)).peekable();
    while let Some(first) = held.next() {
        let (mut count, mut names) = (1, first.name.iter().cloned().collect::<Vec<_>>());
        while let Some(next) = held.next_if(|lease| lease.network == first.network) {
            count += 1;
            names.extend(next.name.clone());
        }
        let leases = ui::count(count, "lease");
        let _ = write!(text, "network {}: {leases}", first.network);
        if !names.is_empty() {
            let more = names.len().saturating_sub(NAMES);
            names.truncate(NAMES);
            let _ = write!(text, ": {}", names.join(", "));
            if more > 0 {
                let _ = write!(text, " and {more} more");
            }
        }
        text.push('\n');
    }
    text
}

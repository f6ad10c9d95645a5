//! systemd as the machine's first process: units that are made for the moment.
//!
//! Its interface is org.freedesktop.systemd1(5); the properties of units are those
//! that systemd.directives(7) lists, some under another name (`RestartUSec` for
//! `RestartSec=`).

pub(crate) mod bus;

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::time::Instant;

use bus::{Bus, Fault, Target, Told};
use zbus::{OwnedObjectPath, OwnedVariant, Variant};

const NAME: &str = "org.freedesktop.systemd1";
const MANAGER: Target<'static> = Target {
    destination: NAME,
    path: "/org/freedesktop/systemd1",
    interface: "org.freedesktop.systemd1.Manager",
};

/// A property of a unit, and its value.
pub(crate) type Property<'p> = (&'p str, Variant<'p>);

/// What `ListUnitsByPatterns` says of a unit: name, description, load state, active
/// state, sub-state, the unit it follows, its object, and of a job that waits for it
/// the number, the sort and the object.
type Listed =
    (String, String, String, String, String, String, OwnedObjectPath, u32, String, OwnedObjectPath);

/// How a unit is.
#[derive(Debug)]
pub(crate) struct Unit {
    /// Its name: `netyard-home-r1-web.service`.
    pub name: String,
    /// `active`, `activating`, `failed` …
    pub active: String,
    /// More exactly: `running`, `start-post`, `auto-restart` …
    pub sub: String,
    path: String,
}

#[cfg(test)]
impl Unit {
    pub fn for_test(active: &str, sub: &str) -> Self {
        let [name, path] = ["a.service", "/a"].map(str::to_owned);
        Self { name, active: active.to_owned(), sub: sub.to_owned(), path }
    }
}

/// Something systemd was asked to do.
#[derive(Debug)]
pub(crate) struct Job(String);

/// A connection to it.
#[derive(Debug)]
pub(crate) struct Systemd {
    bus: Bus,
    /// How jobs ended that nobody has asked for yet.
    ended: BTreeMap<String, String>,
    version: u32,
}

/// True where systemd is the first process of the machine (sd_booted(3)) and sees
/// what this process sees: what it starts is to be in our namespaces.
pub(crate) fn is_first() -> bool {
    let same = |kind: &str| {
        let of = |who: &str| std::fs::metadata(format!("/proc/{who}/ns/{kind}"));
        matches!((of("1"), of("self")), (Ok(one), Ok(own)) if one.ino() == own.ino())
    };
    std::path::Path::new("/run/systemd/system").is_dir()
        && rustix::process::geteuid().is_root()
        && ["net", "mnt", "pid", "user"].into_iter().all(same)
}

impl Systemd {
    /// Connects to it.
    pub fn connect() -> Result<Self, Fault> {
        let mut bus = Bus::system()?;
        // Nobody is told of jobs who does not ask for it, on both sides.
        bus.listen(&format!("type='signal',sender='{NAME}',member='JobRemoved'"))?;
        bus.call::<_, ()>(MANAGER, "Subscribe", &())?;
        let of = Target { interface: "org.freedesktop.DBus.Properties", ..MANAGER };
        let version: OwnedVariant = bus.call(of, "Get", &(MANAGER.interface, "Version"))?;
        let version = match &*version {
            Variant::Str(text) => leading_number(text.as_str()),
            _ => 0,
        };
        Ok(Self { bus, ended: BTreeMap::new(), version })
    }

    /// Its version: 257.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Makes a unit and starts it; `others` are made with it and not started.
    pub fn start(
        &mut self,
        unit: &str,
        properties: &[Property<'_>],
        others: &[(String, Vec<Property<'_>>)],
    ) -> Result<Job, Fault> {
        let arguments = (unit, "fail", properties, others);
        let job: OwnedObjectPath = self.bus.call(MANAGER, "StartTransientUnit", &arguments)?;
        Ok(Job(job.to_string()))
    }

    /// Stops a unit; none where there is no such.
    pub fn stop(&mut self, unit: &str) -> Result<Option<Job>, Fault> {
        match self.bus.call::<_, OwnedObjectPath>(MANAGER, "StopUnit", &(unit, "replace")) {
            Ok(job) => Ok(Some(Job(job.to_string()))),
            Err(fault) if fault.is("NoSuchUnit") => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Forgets that a unit failed: then nothing is left of it.
    pub fn forget_failure(&mut self, unit: &str) -> Result<(), Fault> {
        match self.bus.call(MANAGER, "ResetFailedUnit", &unit) {
            Err(fault) if fault.is("NoSuchUnit") => Ok(()),
            done => done,
        }
    }

    /// Waits until a job has ended and says how: `done`, `failed`, `timeout` …; none
    /// when it has not at `end`.
    pub fn wait(&mut self, job: &Job, end: Instant) -> Result<Option<String>, Fault> {
        loop {
            if let Some(how) = self.ended.remove(&job.0) {
                return Ok(Some(how));
            }
            let Some(told) = self.bus.told(end)? else { return Ok(None) };
            self.note(&told)?;
        }
    }

    /// What is known of a unit as soon as it does not end any more, or at `end`.
    pub fn settled(
        &mut self,
        unit: &Unit,
        end: Instant,
    ) -> Result<BTreeMap<String, OwnedVariant>, Fault> {
        self.bus.listen(&format!(
            "type='signal',sender='{NAME}',member='PropertiesChanged',path='{}'",
            unit.path
        ))?;
        loop {
            let properties = self.properties(unit)?;
            let ends = match properties.get("ActiveState").map(|state| &**state) {
                Some(Variant::Str(state)) => state.as_str() == "deactivating",
                _ => false,
            };
            if !ends {
                return Ok(properties);
            }
            match self.bus.told(end)? {
                Some(told) => self.note(&told)?,
                None => return Ok(properties),
            }
        }
    }

    /// Notes how a job ended.
    fn note(&mut self, told: &Told) -> Result<(), Fault> {
        if told.member == "JobRemoved" {
            let (_, job, _, how): (u32, OwnedObjectPath, String, String) = told.read()?;
            self.ended.insert(job.to_string(), how);
        }
        Ok(())
    }

    /// The units that are loaded and whose names match one of these globs.
    pub fn units(&mut self, patterns: &[&str]) -> Result<Vec<Unit>, Fault> {
        let states: [&str; 0] = [];
        let arguments = (&states[..], patterns);
        let listed: Vec<Listed> = self.bus.call(MANAGER, "ListUnitsByPatterns", &arguments)?;
        let unit = |(name, _, _, active, sub, _, path, ..): Listed| {
            let path = path.to_string();
            Unit { name, active, sub, path }
        };
        Ok(listed.into_iter().map(unit).collect())
    }

    /// What is known of a unit as such, and as a service.
    pub fn properties(&mut self, unit: &Unit) -> Result<BTreeMap<String, OwnedVariant>, Fault> {
        let mut all = BTreeMap::new();
        for interface in ["Unit", "Service"] {
            let of = Target {
                destination: NAME,
                path: &unit.path,
                interface: "org.freedesktop.DBus.Properties",
            };
            let interface = format!("{NAME}.{interface}");
            let some: BTreeMap<String, OwnedVariant> = self.bus.call(of, "GetAll", &interface)?;
            all.extend(some);
        }
        Ok(all)
    }
}

fn leading_number(text: &str) -> u32 {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

/// A word as a part of a unit's name: a dash would be a level of a slice, and a colon
/// stands between words
/// (systemd.unit(5), "String Escaping for Inclusion in Unit Names").
pub(crate) fn escaped(word: &str) -> String {
    word.bytes().fold(String::new(), |name, byte| match byte {
        b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'_' => name + &char::from(byte).to_string(),
        b'.' if !name.is_empty() => name + ".",
        byte => name + &format!("\\x{byte:02x}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dash_in_a_name_is_no_level_of_a_slice() {
        assert_eq!(escaped("my-yard.1"), "my\\x2dyard.1");
        assert_eq!(escaped(".x"), "\\x2ex");
        assert_eq!(escaped(":fabric"), "\\x3afabric");
    }

    #[test]
    fn a_version_is_the_number_it_begins_with() {
        assert_eq!(leading_number("257.8-1~deb13u2"), 257);
    }
}

//! The host's settings: what they were is noted before they are changed.

use netyard_core::plan::Op;
use netyard_core::state::{Object, Place};

use super::send::refused_by_system;
use super::{Run, words};
use crate::error::{Error, ErrorKind};
use crate::others::Others;

impl Run<'_> {
    /// Notes what a setting of the host is before it is changed for the first
    /// time: in the record, and on the `lo` of a namespace of the yard's. True
    /// when the record changed.
    pub(super) fn note_original(&mut self, op: &Op) -> Result<bool, Error> {
        let (Op::Add { object: Object::Sysctl(o) } | Op::Set { to: Object::Sysctl(o), .. }) = op
        else {
            return Ok(false);
        };
        if o.place != Place::Host {
            return Ok(false);
        }
        let path = self.setting_path(op, o)?;
        if self.record.originals.contains_key(&path) {
            return Ok(false);
        }
        let failed = |e| refused_by_system(op, e);
        self.look_at_others().map_err(failed)?;
        self.worker.go_home().map_err(failed)?;
        let Some(value) = self.proc.read(&path).map_err(failed)? else {
            let what = format!("{}: {}", words::could_not(op), words::no_setting(&path));
            return Err(Error::new(ErrorKind::Refused, what));
        };
        let site = self.site(op, &Place::Host)?;
        let kernel: Vec<String> =
            site.names.iter().map(|(_, _, kernel)| kernel.as_str().to_owned()).collect();
        let kernel: Vec<&str> = kernel.iter().map(String::as_str).collect();
        for (path, after) in crate::sysctl::follows(&path, &kernel) {
            // What going back sets right by itself needs no note.
            let Some(now) = self.proc.read(&path).map_err(failed)? else { continue };
            let now = self.before_all(&path).unwrap_or(now);
            if now != after && !self.record.originals.contains_key(&path) {
                self.record.originals.insert(path, now);
            }
        }
        let value = self.before_all(&path).unwrap_or(value);
        self.record.originals.insert(path, value);
        Ok(true)
    }

    pub(super) fn look_at_others(&mut self) -> std::io::Result<()> {
        if self.others.is_none() {
            let (own, host) = (self.yard, self.record.host);
            self.others = Some(Others::look(self.worker, own, self.dir, host)?);
        }
        Ok(())
    }

    /// What a setting was before another yard changed it.
    fn before_all(&self, path: &str) -> Option<String> {
        self.others.as_ref().and_then(|others| others.original(path))
    }

    /// Sets a setting of the host back, unless another yard holds it; what others
    /// hold that goes along is set again. The thread is at home.
    pub(super) fn put_back(&mut self, path: &str, value: &str) -> std::io::Result<()> {
        self.look_at_others()?;
        let Some(others) = self.others.as_ref().filter(|others| !others.holds(path)) else {
            return Ok(());
        };
        let mut kept = Vec::new();
        if crate::sysctl::leads(path) {
            let names: Vec<String> = match self.sites.get(&Place::Host) {
                Some(site) => site.names.iter().map(|(_, _, kernel)| kernel.to_string()).collect(),
                None => Vec::new(),
            };
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            for (led, _) in crate::sysctl::follows(path, &names) {
                if others.holds_itself(&led)
                    && let Some(now) = self.proc.read(&led)?
                {
                    kept.push((led, now));
                }
            }
        }
        self.proc.write(path, value)?;
        kept.iter().try_for_each(|(led, now)| self.proc.write(led, now))
    }

    /// Notes the originals in the kernel, too, before the first is changed.
    pub(super) fn note_originals_in_kernel(&mut self) -> std::io::Result<()> {
        let Some(place) = self.notebook() else { return Ok(()) };
        let originals = self.record.originals.iter();
        let altnames: Vec<String> =
            originals.flat_map(|(path, value)| crate::sysctl::altnames(path, value)).collect();
        self.note_on_lo(&place, &altnames, true)
    }

    /// Where originals are noted: the fabric, or the first namespace there is.
    fn notebook(&self) -> Option<Place> {
        let fabric = self.sites.get(&Place::Fabric);
        fabric.or_else(|| self.sites.own().next()).map(|site| site.place.clone())
    }

    /// Forgets an original that is in force again.
    pub(super) fn forget_original(&mut self, path: &str, value: &str) -> Result<(), Error> {
        self.record.originals.remove(path);
        let altnames = crate::sysctl::altnames(path, value);
        let places: Vec<Place> = self.sites.own().map(|site| site.place.clone()).collect();
        for place in places {
            // Not there is what it shall be.
            let _ = self.note_on_lo(&place, &altnames, false);
        }
        self.record.write(self.dir)
    }
}

//! Taking a whole yard away.
//!
//! In this order: processes, lent interfaces back, what is on the
//! host, settings of the host, files, then all namespaces at once, and with them
//! whatever was in them (measured: of a ring of a thousand 0.7 s; removing the
//! interfaces of each namespace first, 11 s). Each part is tried, whatever became
//! of the others, and all that failed is told.

use netyard_core::interface::Kind;
use netyard_core::plan::Op;
use netyard_core::state::{Object, Place, State};

use super::{Failed, Progress, Run, kill_switch};
use crate::error::{Error, ErrorKind};
use crate::netlink::Batch;

/// One part of taking a yard away.
type Part<'p> = &'p dyn Fn(&mut Run<'_>) -> Result<(), Error>;

impl Run<'_> {
    /// Takes away everything of the yard's that `state` and the record show.
    pub(crate) fn down(
        &mut self,
        state: &State,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), Error> {
        self.lenient = true;
        let mut errors = Vec::new();
        let parts: [Part<'_>; 9] = [
            &|run| run.end_processes(),
            &|run| run.all_back(state),
            &|run| run.clear_host(state),
            &|run| run.restore_host(),
            &|run| run.remove_files(state),
            &|run| run.drop_namespaces(),
            &|run| run.clear_host_links(),
            &|run| run.clear_host_table(state),
            &|run| run.clear_libvirt(state),
        ];
        for (number, part) in parts.iter().enumerate() {
            kill_switch(number, "before");
            errors.extend(part(self).err());
            kill_switch(number, "after");
            progress(Progress::Steps { done: number + 1, of: parts.len() });
        }
        let mut errors = errors.into_iter();
        match errors.next() {
            None => Ok(()),
            Some(first) => Err(first.others(errors.map(|e| e.to_string()).collect())),
        }
    }

    /// Interfaces that were lent go home while their namespace is there: the
    /// kernel would take them to the initial one, under whatever name.
    fn all_back(&mut self, state: &State) -> Result<(), Error> {
        let lent = |object: &Object| match object {
            // One of a radio's has no group to go with.
            Object::Interface(o) => matches!(o.kind, Kind::Physical(_) | Kind::Wlan(_)),
            _ => false,
        };
        self.remove_all(state.objects().filter(|object| lent(object)))
    }

    /// Addresses, routes, rules and neighbours on the host go one by one: their
    /// interfaces may be the host's.
    fn clear_host(&mut self, state: &State) -> Result<(), Error> {
        let on_host = |object: &Object| {
            object.place() == Place::Host
                && !matches!(
                    object,
                    Object::Interface(_)
                        | Object::Sysctl(_)
                        | Object::Table(_)
                        | Object::FlowDevice(_)
                        | Object::Process(_)
                        | Object::LibvirtNetwork(_)
                )
        };
        self.remove_all(state.objects().rev().filter(|object| on_host(object)))
    }

    pub(super) fn remove_all<'o>(
        &mut self,
        objects: impl Iterator<Item = &'o Object>,
    ) -> Result<(), Error> {
        let ops: Vec<Op> = objects.map(|object| Op::Remove { object: object.clone() }).collect();
        let refs: Vec<&Op> = ops.iter().collect();
        told(self.remove(&refs))
    }

    /// Settings of the host become what they were, those others depend on first.
    fn restore_host(&mut self) -> Result<(), Error> {
        let failed = |e| Error::system("could not set the host's settings back", e);
        let mut originals: Vec<(String, String)> =
            self.record.originals.clone().into_iter().collect();
        // Writing ip_forward resets others (Documentation/networking/ip-sysctl.rst).
        originals.sort_by_key(|(path, _)| !crate::sysctl::leads(path));
        self.look_at_others().map_err(failed)?;
        self.worker.go_home().map_err(failed)?;
        self.proc.visit(self.worker.home());
        let mut wrong = Vec::new();
        for (path, value) in originals {
            match self.put_back(&path, &value) {
                // Its interface is gone.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => wrong.push(format!("{path}: {error}")),
                Ok(()) => {}
            }
        }
        let what = "could not set the host's settings back";
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(Error::new(ErrorKind::System, what).others(wrong))
        }
    }

    fn remove_files(&mut self, state: &State) -> Result<(), Error> {
        for object in state.objects() {
            if let Object::File(file) = object {
                self.files.remove(file).map_err(|e| Error::system("could not remove files", e))?;
            }
        }
        Ok(())
    }

    fn drop_namespaces(&mut self) -> Result<(), Error> {
        let places: Vec<Place> = self.sites.own().map(|site| site.place.clone()).collect();
        if places.is_empty() {
            return Ok(());
        }
        super::drop_and_wait(self.worker, self.sites, &places, self.published, self.keeper.as_ref())
    }

    /// What is left on the host: bridges, and interfaces that were cut off while
    /// being made. One request; if something keeps the kernel from it, one each.
    fn clear_host_links(&mut self) -> Result<(), Error> {
        let failed = |e| Error::system("could not remove the host's interfaces", e);
        let yard = self.yard;
        let worker = &mut *self.worker;
        let Some(site) = self.sites.get_mut(&Place::Host) else { return Ok(()) };
        super::down_interfaces(site.socket(worker).map_err(failed)?, yard).map_err(failed)
    }

    /// The host's table goes when nothing of the yard's forwards any more.
    fn clear_host_table(&mut self, state: &State) -> Result<(), Error> {
        let on_host =
            |object: &Object| object.place() == Place::Host && matches!(object, Object::Table(_));
        self.remove_all(state.objects().filter(|object| on_host(object)))
    }

    /// Removes interfaces that were cut off while being made.
    pub(crate) fn remove_unfinished(&mut self) -> Result<(), Error> {
        let failed = |e| Error::system("could not remove unfinished interfaces", e);
        for (place, index) in std::mem::take(&mut self.unfinished) {
            let worker = &mut *self.worker;
            let Some(site) = self.sites.get_mut(&place) else { continue };
            site.names.remove(index);
            let mut batch = Batch::default();
            batch.push(crate::netlink::delete_link(index));
            // Gone with its other end is as good.
            site.socket(worker).map_err(failed)?.run(batch).map_err(failed)?;
        }
        Ok(())
    }
}

fn told(failed: Vec<Failed>) -> Result<(), Error> {
    let mut errors = failed.into_iter().map(|failed| failed.error);
    match errors.next() {
        None => Ok(()),
        Some(first) => Err(first.others(errors.map(|e| e.to_string()).collect())),
    }
}

//! Processes: started when their network is complete, ended before it goes.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use netyard_core::name::InterfaceName;
use netyard_core::plan::Op;
use netyard_core::service::client;
use netyard_core::state::{InterfaceId, Need, Object, Place, Process, Ready, Root};

use super::send::refused_by_system;
use super::{Failed, Progress, Run, words};
use crate::error::{Error, ErrorKind};
use crate::netns::Sort;
use crate::supervise::{
    self, Await, Awaited, Definition, Identity, LOG, Spaces, Supervisor, Units, Unlaunched,
};

impl Run<'_> {
    /// Starts processes, or makes them what they shall be; returns when they are
    /// ready.
    pub(super) fn processes(
        &mut self,
        ops: &[&Op],
        progress: &mut dyn FnMut(Progress),
    ) -> Vec<Failed> {
        // A process finds the network ready.
        if let Err(error) = self.flush_carriers() {
            let error = Error::system("could not wait for the carriers", error);
            return vec![Failed { index: 0, error, partly: false }];
        }
        let mut failed = Vec::new();
        let mut started = Vec::new();
        for (index, op) in ops.iter().enumerate() {
            let done = match op {
                Op::Add { object: Object::Process(o) } => {
                    self.start_process(op, o, progress).map(|()| started.push((index, o)))
                }
                Op::Set { from: Object::Process(from), to: Object::Process(to) } => {
                    let restarted = self.change_process(op, from, to, progress);
                    restarted.map(|restarted| started.extend(restarted.then_some((index, to))))
                }
                op => Err(words::lost(op, "it is no process")),
            };
            failed.extend(done.err().map(|error| Failed { index, error, partly: true }));
        }
        for (index, process) in started {
            let done = self.wait_until_ready(ops[index], process);
            failed.extend(done.err().map(|error| Failed { index, error, partly: true }));
        }
        failed
    }

    /// The yard's supervisor, started where none runs.
    fn supervisor(&mut self) -> Result<&Supervisor, Error> {
        if self.supervisor.is_none() {
            let keeper = self.keeper.as_ref().map(crate::keeper::Keeper::pid);
            self.worker.go_home().map_err(|e| Error::system("could not go home", e))?;
            let base = self.dir.base();
            let found = Supervisor::ensure(self.yard, self.rootless, base, keeper)?;
            self.supervisor = Some(found);
        }
        let lost = || Error::new(ErrorKind::Bug, "a supervisor that is not there");
        self.supervisor.as_ref().ok_or_else(lost)
    }

    /// The yard's units, where systemd runs its processes.
    fn units(&mut self) -> Option<&mut Units> {
        if self.units.is_none() {
            self.units = Some(if self.rootless { None } else { Units::of(self.yard) });
        }
        self.units.as_mut()?.as_mut()
    }

    /// Where systemd is to run a process; none where it cannot: it finds namespaces
    /// by their files.
    fn spaces_of_unit(&mut self, process: &Process) -> Option<Spaces> {
        // What runs a container makes a unit of it by itself.
        if process.powers_off() || !Units::are_wanted() {
            return None;
        }
        self.units()?;
        let site = match &process.place {
            Place::Host => return Some(Spaces::default()),
            place => self.sites.get(place).filter(|site| site.published)?,
        };
        let file = |sort| self.published.file(sort, &site.netns);
        let uts = site.uts.as_ref().map(|_| file(Sort::Uts));
        Some(Spaces { net: Some(file(Sort::Net)), uts })
    }

    fn start_process(
        &mut self,
        op: &Op,
        process: &Process,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), Error> {
        let shelf = self.shelf;
        let failed = |e| refused_by_system(op, e);
        supervise::check(process, shelf).map_err(|why| not_started(op, why))?;
        if self.unpack(op, process, progress)? {
            supervise::check(process, shelf).map_err(|why| not_started(op, why))?;
        }
        self.must_be_free(op, process)?;
        self.await_needs(op, process)?;
        let etc = match self.sites.get(&process.place) {
            Some(site) if process.place != Place::Host => Some(self.files.directory(&site.netns)),
            _ => None,
        };
        shelf.prepare(process).map_err(failed)?;
        shelf.write_files(process).map_err(failed)?;
        let definition = Definition::new(process.clone(), etc);
        if let Some(spaces) = self.spaces_of_unit(process) {
            shelf.define(&definition.run_by_systemd(spaces.clone())).map_err(failed)?;
            let Some(units) = self.units() else { return Ok(()) };
            return units.start(shelf, process, &spaces).map_err(|why| {
                Error::new(ErrorKind::System, format!("{}: {why}", words::could_not(op))).doing(op)
            });
        }
        shelf.define(&definition).map_err(failed)?;
        self.supervisor()?;
        let site = self.sites.get(&process.place).filter(|_| process.place != Place::Host);
        let spaces: Vec<BorrowedFd<'_>> = site
            .into_iter()
            .flat_map(|site| std::iter::once(site.fd()).chain(site.uts.iter().map(AsFd::as_fd)))
            .collect();
        let Some(supervisor) = &self.supervisor else { return Ok(()) };
        let begun = supervisor.start(&process.place, &process.name, &spaces);
        begun.map_err(|why| {
            Error::new(ErrorKind::System, format!("{}: {why}", words::could_not(op))).doing(op)
        })
    }

    /// Makes the files of a container of its image, the first time; true where it did.
    fn unpack(
        &mut self,
        op: &Op,
        process: &Process,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<bool, Error> {
        let Some(container) = process.container() else { return Ok(false) };
        let root = supervise::root(self.shelf, process, container);
        let Root::Image(image) = &container.root else { return Ok(false) };
        if root.is_dir() {
            return Ok(false);
        }
        self.shelf.prepare(process).map_err(|e| refused_by_system(op, e))?;
        let image = std::path::Path::new(image);
        let wish = crate::image::Wish { partition: container.partition };
        let log = self.shelf.dir(&process.place, &process.name).join(LOG);
        let mut log = crate::image::Log::open(&log).map_err(|e| refused_by_system(op, e))?;
        let mut note = |made: &crate::image::Unpacked| match &made.run {
            Some(run) => supervise::keep_run(self.shelf, process, run),
            None => Ok(()),
        };
        let mut told = |step| {
            log.hear(step);
            progress(Progress::Image(step));
        };
        let made = crate::image::unpack_and_note(image, &root, wish, &mut told, &mut note);
        log.end(image, made.as_ref().ok());
        made.map_err(|error| error.doing(op))?;
        Ok(true)
    }

    /// Fails where somebody else has the port that the process is to listen at.
    fn must_be_free(&mut self, op: &Op, process: &Process) -> Result<(), Error> {
        let (protocol, port) = match process.ready {
            Ready::Tcp(port) => ("tcp", port),
            Ready::Udp(port) => ("udp", port),
            _ => return Ok(()),
        };
        let failed = |e| refused_by_system(op, e);
        let Some(site) = self.sites.get(&process.place) else { return Ok(()) };
        self.worker.enter(site.fd()).map_err(failed)?;
        let listeners = crate::facts::listeners::with_owners(&[port]).map_err(failed);
        self.worker.go_home().map_err(failed)?;
        let mut listeners = listeners?.into_iter();
        let taken = listeners.find(|found| found.protocol == protocol && found.port == port);
        let Some(taken) = taken else { return Ok(()) };
        let owner = match &taken.owner {
            Some((name, pid)) => format!("`{name}` (process {pid})"),
            None => "somebody".to_owned(),
        };
        let what = format!("{}: {owner} has {protocol} port {port}", words::could_not(op));
        Err(Error::new(ErrorKind::Refused, what).doing(op).hint("end it, or choose another port"))
    }

    /// Waits until what the process needs of interfaces is there. Other processes
    /// that it needs are ready by the order of the steps.
    fn await_needs(&mut self, op: &Op, process: &Process) -> Result<(), Error> {
        let failed = |e| refused_by_system(op, e);
        for need in &process.after {
            let id: &InterfaceId = match need {
                Need::Address(id) | Need::Carrier(id) | Need::Lease(id) | Need::Neighbour(id) => id,
                Need::Process(..) => continue,
            };
            let index = self.index_of(op, id)?;
            let lease = self.awaited(id)?;
            let site = self.site(op, &id.place)?;
            let kernel = InterfaceName::new(site.names.kernel(&id.name)).ok();
            let net = site.net.try_clone().map_err(failed)?;
            self.worker.enter(net.as_fd()).map_err(failed)?;
            let patience = Duration::from_millis(process.patience.into());
            let came = match (need, kernel) {
                (Need::Lease(_), _) => supervise::wait_for_lease(&lease, index, patience),
                (Need::Carrier(_), _) => supervise::wait_for(Await::Carrier, index, patience),
                (Need::Neighbour(_), Some(name)) => supervise::wait_for_neighbour(&name, patience),
                _ => supervise::wait_for(Await::Address, index, patience),
            };
            self.worker.go_home().map_err(failed)?;
            if !came.map_err(failed)? {
                let seconds = patience.as_secs_f64();
                let what = format!("{}: no {need} after {seconds} s", words::could_not(op));
                return Err(Error::new(ErrorKind::System, what).doing(op));
            }
        }
        Ok(())
    }

    /// What the client of an interface is to get, and where it writes it down.
    fn awaited(&self, id: &InterfaceId) -> Result<Awaited, Error> {
        let name = client::process_name(&id.name);
        let data = self.shelf.data(&id.place, &name);
        let entry = self.shelf.read_definition(&id.place, &name)?;
        let config = entry.as_ref().and_then(|entry| client::config(entry.process()));
        let (dhcp4, dhcp6) = config.map_or((false, false), |config| (config.dhcp4, config.dhcp6));
        Ok(Awaited { data, dhcp4, dhcp6 })
    }

    fn wait_until_ready(&mut self, op: &Op, process: &Process) -> Result<(), Error> {
        let shelf = self.shelf;
        let answer = match self.units() {
            Some(units) if units.runs(process) => units.wait(shelf, process),
            _ => self.supervisor()?.wait(&process.place, &process.name),
        };
        let Err(why) = answer.map_err(|e| refused_by_system(op, e))? else { return Ok(()) };
        let log = self.shelf.dir(&process.place, &process.name).join(LOG);
        let said = Some(crate::process::tail(&log)).filter(|text| !text.is_empty());
        let what = format!("{}: {why}", words::could_not(op));
        let error = Error::new(ErrorKind::System, what).doing(op);
        Err(match said {
            Some(said) => error.extack(Some(format!("its log ends with\n{said}"))),
            None => error.hint("its log is empty"),
        })
    }

    /// True where it was started anew.
    fn change_process(
        &mut self,
        op: &Op,
        from: &Process,
        to: &Process,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<bool, Error> {
        let shelf = self.shelf;
        let failed = |e| refused_by_system(op, e);
        let signal = from.reload_to(to).and_then(|name| crate::process::signal(&name));
        let entry = shelf.read(&to.place, &to.name)?;
        if let (Some(signal), Some(entry)) = (signal, &entry)
            && let Some(identity) = entry.identity()
            && let Some(fd) = identity.hold().map_err(failed)?
        {
            shelf.write_files(to).map_err(failed)?;
            let mut definition = entry.definition.clone();
            definition.process = to.clone();
            shelf.define(&definition).map_err(failed)?;
            rustix::process::pidfd_send_signal(&fd, signal).map_err(|e| failed(e.into()))?;
            return Ok(false);
        }
        supervise::check(to, shelf).map_err(|why| not_started(op, why))?;
        self.stop_process(op, from)?;
        self.start_process(op, to, progress)?;
        Ok(true)
    }

    /// Ends a process; its directory stays, with its log.
    pub(crate) fn stop_process(&mut self, op: &Op, process: &Process) -> Result<(), Error> {
        let failed = |e| refused_by_system(op, e);
        let (place, name) = (&process.place, &process.name);
        let entry = self.shelf.read(place, name)?;
        if let Some(units) = self.units() {
            units.stop(place, name).map_err(failed)?;
        }
        if let Some(supervisor) = self.found_supervisor()? {
            supervisor.forget(place, name).map_err(failed)?;
        }
        let identity = entry.and_then(|entry| entry.identity());
        let main: Vec<Identity> = identity.into_iter().collect();
        let held = supervise::hold_all(&main).map_err(failed)?;
        let ended = match process.powers_off() {
            true => crate::process::end_containers(held),
            false => crate::process::end(held),
        };
        let mut ended = ended.map_err(failed)?;
        // What it left behind has its mark.
        let mark = format!("{}{place}:{name}", self.mark()?);
        let left = supervise::marked(&mark, true).map_err(failed)?;
        ended &=
            crate::process::end(supervise::hold_all(&left).map_err(failed)?).map_err(failed)?;
        if let Some(container) = process.container() {
            let root = supervise::root(self.shelf, process, container);
            supervise::sweep(container, &root).map_err(failed)?;
        }
        match ended {
            true => Ok(()),
            false => {
                let what = format!("{}: it does not end", words::could_not(op));
                Err(Error::new(ErrorKind::System, what))
            }
        }
    }

    /// Ends a process and removes its directory; its data stays.
    pub(super) fn end_process(&mut self, op: &Op, process: &Process) -> Result<(), Error> {
        self.stop_process(op, process)?;
        self.shelf.remove(&process.place, &process.name).map_err(|e| refused_by_system(op, e))
    }

    fn found_supervisor(&mut self) -> Result<Option<&Supervisor>, Error> {
        if self.supervisor.is_none() {
            self.worker.go_home().map_err(|e| Error::system("could not go home", e))?;
            self.supervisor = Supervisor::find(self.yard)?;
        }
        Ok(self.supervisor.as_ref())
    }

    fn mark(&self) -> Result<String, Error> {
        let failed = |e| Error::system("could not look at the network namespace", e);
        let host = crate::netns::identity(self.worker.home()).map_err(failed)?;
        Ok(supervise::mark(self.yard, host))
    }

    /// All processes of the yard end, those that nobody wrote down among them, and
    /// their supervisor.
    pub(super) fn end_processes(&mut self) -> Result<(), Error> {
        let failed = |e| Error::system("could not end the processes", e);
        let entries = self.shelf.all().unwrap_or_default();
        if let Some(units) = self.units() {
            units.stop_all().map_err(failed)?;
        }
        let (containers, others): (Vec<_>, Vec<_>) =
            entries.iter().partition(|entry| entry.process().powers_off());
        let identities = |entries: &[&supervise::Entry]| -> Vec<Identity> {
            entries.iter().filter_map(|entry| entry.identity()).collect()
        };
        let (first, mut all) = (identities(&containers), identities(&others));
        self.found_supervisor()?;
        if let Some(supervisor) = self.supervisor.take() {
            all.extend(supervisor.living().map_err(failed)?);
            supervisor.quit().map_err(failed)?;
        }
        all.retain(|identity| !first.contains(identity));
        let held = supervise::hold_all(&first).map_err(failed)?;
        let mut ended = crate::process::end_containers(held).map_err(failed)?;
        crate::process::end(supervise::hold_all(&all).map_err(failed)?).map_err(failed)?;
        let left = supervise::marked(&self.mark()?, false).map_err(failed)?;
        let left = supervise::hold_all(&left).map_err(failed)?;
        ended &= crate::process::end(left).map_err(failed)?;
        for process in containers.iter().map(|entry| entry.process()) {
            if let Some(container) = process.container() {
                let root = supervise::root(self.shelf, process, container);
                supervise::sweep(container, &root).map_err(failed)?;
            }
        }
        if !ended {
            return Err(Error::new(ErrorKind::System, "some processes do not end"));
        }
        for entry in entries {
            let process = entry.process();
            self.shelf.remove(&process.place, &process.name).map_err(failed)?;
        }
        Ok(())
    }

    /// The supervisor goes when there is nothing left to supervise.
    pub(crate) fn end_idle_supervisor(&mut self) -> Result<(), Error> {
        if !self.shelf.all()?.is_empty() {
            return Ok(());
        }
        if let Some(units) = self.units() {
            let failed = |e| Error::system("could not end the slice of the yard", e);
            units.stop_slice().map_err(failed)?;
        }
        self.found_supervisor()?;
        let Some(supervisor) = self.supervisor.take() else { return Ok(()) };
        supervisor.quit().map_err(|e| Error::system("could not end the supervisor", e))
    }

    /// Ends a process and starts it again; returns when it is ready.
    pub(crate) fn restart_process(&mut self, process: &Process) -> Result<(), Error> {
        let op = Op::Add { object: process.clone().into() };
        self.stop_process(&op, process)?;
        self.start_process(&op, process, &mut |_| ())?;
        self.wait_until_ready(&op, process)
    }
}

fn not_started(op: &Op, why: Unlaunched) -> Error {
    let hint = match &why {
        Unlaunched::NoProgram { program, path: Some(_) } => {
            Some(format!("install `{program}`, or write its whole path"))
        }
        Unlaunched::OtherUser(_) => Some("leave `user` out: it runs as you".to_owned()),
        Unlaunched::Refused { hint, .. } => hint.clone(),
        Unlaunched::System(_) | Unlaunched::NoUser(_) | Unlaunched::NoProgram { .. } => None,
    };
    let what = format!("{}: {why}", words::could_not(op));
    let error = Error::new(ErrorKind::NotFound, what).doing(op);
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

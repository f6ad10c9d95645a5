//! Processes: started when their network is complete, ended before it goes.

use netyard_core::plan::Op;
use netyard_core::state::{Object, Place, Process, Ready};

use super::{Failed, Run, refused_by_system, words};
use crate::error::{Error, ErrorKind};
use crate::supervise::{Entry, Identity, Launch, Phase, Unlaunched};

impl Run<'_> {
    /// Starts processes, or makes them what they shall be.
    pub(super) fn processes(&mut self, ops: &[&Op]) -> Vec<Failed> {
        // A process finds the network ready.
        if let Err(error) = self.flush_carriers() {
            let error = Error::system("could not wait for the carriers", error);
            return vec![Failed { index: 0, error, partly: false }];
        }
        let mut failed = Vec::new();
        for (index, op) in ops.iter().enumerate() {
            let done = match op {
                Op::Add { object: Object::Process(o) } => self.start_process(op, o),
                Op::Set { from: Object::Process(from), to: Object::Process(to) } => {
                    self.change_process(op, from, to)
                }
                op => Err(words::lost(op, "it is no process")),
            };
            failed.extend(done.err().map(|error| Failed { index, error, partly: true }));
        }
        failed
    }

    fn start_process(&mut self, op: &Op, process: &Process) -> Result<(), Error> {
        let shelf = self.shelf;
        let failed = |e| refused_by_system(op, e);
        shelf.prepare(process).map_err(failed)?;
        shelf.write_files(process).map_err(failed)?;
        let inside = match process.place {
            Place::Host => None,
            _ => Some(self.inside(op, &process.place)?),
        };
        let yard = self.yard.as_str();
        self.worker.go_home().map_err(failed)?;
        let launch = Launch { shelf, process, inside, yard };
        let mut child = launch.start().map_err(|why| not_started(op, process, why))?;
        let entry = if process.ready == Ready::Exit {
            let status = child.wait().map_err(failed)?;
            if !status.success() {
                let log = shelf.dir(&process.place, &process.name).join("log");
                return Err(Error::new(
                    ErrorKind::System,
                    format!("{}: {status}", words::could_not(op)),
                )
                .extack(Some(crate::process::tail(&log)).filter(|text| !text.is_empty()))
                .doing(op));
            }
            Entry::new(process.clone(), Phase::Done, None)
        } else {
            Entry::new(process.clone(), Phase::Running, Identity::of(child.id()))
        };
        shelf.write(&entry).map_err(failed)
    }

    fn change_process(&mut self, op: &Op, from: &Process, to: &Process) -> Result<(), Error> {
        let shelf = self.shelf;
        let failed = |e| refused_by_system(op, e);
        let signal = from.reload_to(to).and_then(|name| crate::process::signal(&name));
        let entry = shelf.read(&to.place, &to.name)?;
        if let (Some(signal), Some(entry)) = (signal, &entry)
            && let Some(identity) = entry.identity
            && let Some(fd) = identity.hold().map_err(failed)?
        {
            shelf.write_files(to).map_err(failed)?;
            rustix::process::pidfd_send_signal(&fd, signal).map_err(|e| failed(e.into()))?;
            let entry = Entry::new(to.clone(), entry.phase, Some(identity));
            return shelf.write(&entry).map_err(failed);
        }
        self.end_process(op, from)?;
        self.start_process(op, to)
    }

    /// Ends a process and removes its directory; its data stays.
    pub(super) fn end_process(&mut self, op: &Op, process: &Process) -> Result<(), Error> {
        let shelf = self.shelf;
        let failed = |e| refused_by_system(op, e);
        let entry = shelf.read(&process.place, &process.name)?;
        if let Some(identity) = entry.and_then(|entry| entry.identity)
            && let Some(fd) = identity.hold().map_err(failed)?
            && !crate::process::end(vec![(identity.pid, fd)]).map_err(failed)?
        {
            let what = format!("{}: process {} does not end", words::could_not(op), identity.pid);
            return Err(Error::new(ErrorKind::System, what));
        }
        shelf.remove(&process.place, &process.name).map_err(failed)
    }

    /// All processes of the yard end.
    pub(super) fn end_processes(&mut self) -> Result<(), Error> {
        let mut errors = Vec::new();
        for entry in self.shelf.all()? {
            let object = Object::from(entry.process.clone());
            let op = Op::Remove { object };
            errors.extend(self.end_process(&op, &entry.process).err());
        }
        let mut errors = errors.into_iter();
        match errors.next() {
            None => Ok(()),
            Some(first) => Err(first.others(errors.map(|e| e.to_string()).collect())),
        }
    }
}

fn not_started(op: &Op, process: &Process, why: Unlaunched) -> Error {
    let could_not = words::could_not(op);
    let said =
        |what: String| Error::new(ErrorKind::NotFound, format!("{could_not}: {what}")).doing(op);
    match why {
        Unlaunched::NoProgram { program, path: Some(path) } => {
            said(format!("there is no program `{program}` in {path}"))
                .hint(format!("install `{program}`, or write its whole path"))
        }
        Unlaunched::NoProgram { program, path: None } => {
            said(format!("`{program}` is no program that can be run"))
        }
        Unlaunched::NoUser(user) => said(format!("there is no user `{user}`")),
        Unlaunched::OtherUser(user) => said(format!("without root nothing runs as `{user}`"))
            .hint("leave `user` out: it runs as you"),
        Unlaunched::System(error) => {
            let program = process.program.words().join(" ");
            refused_by_system(op, error).extack(Some(program))
        }
    }
}

//! What is in one namespace only: settings, VLANs, addresses, neighbours,
//! routes, rules, impairments; and the commands of nodes.

use std::collections::BTreeSet;
use std::os::fd::AsFd;

use netyard_core::plan::Op;
use netyard_core::state::{Command, InterfaceId, Object, Place, Sysctl};
use netyard_core::wire::{Request, UnknownInterface};

use super::interfaces::Pending;
use super::send::{is_gone, refused_by_system};
use super::{Failed, Run, words};
use crate::error::{Error, ErrorKind};
use crate::netlink::Batch;
use crate::netns::Inside;
use crate::place::Site;
use crate::process;

impl Run<'_> {
    /// Visits each namespace once.
    pub(super) fn configure(&mut self, ops: &[&Op]) -> Vec<Failed> {
        let mut failed = Vec::new();
        if let Some(op) = ops.iter().find(|op| sets_host(op))
            && let Err(error) = self.note_originals_in_kernel()
        {
            let error = refused_by_system(op, error);
            return vec![Failed { index: 0, error, partly: false }];
        }
        let numbered: Vec<usize> = (0..ops.len()).collect();
        let place = |index: &usize| op_place(ops[*index]);
        for visit in numbered.chunk_by(|a, b| place(a) == place(b)) {
            failed.extend(self.send_at(&place(&visit[0]), visit.to_vec(), ops));
        }
        failed
    }

    /// One visit: settings, then one send of what new interfaces still need and
    /// of these ops.
    pub(super) fn send_at(
        &mut self,
        place: &Place,
        indexes: Vec<usize>,
        ops: &[&Op],
    ) -> Vec<Failed> {
        let (mut failed, mut later) = (Vec::new(), Vec::new());
        for &index in &indexes {
            let result = match ops[index] {
                Op::Add { object: Object::Sysctl(o) } | Op::Set { to: Object::Sysctl(o), .. } => {
                    self.set(ops[index], o)
                }
                Op::Add { object: Object::FlowDevice(_) | Object::Tunnel(_) }
                | Op::Set { to: Object::Tunnel(_), .. } => {
                    later.push(index);
                    continue;
                }
                _ => continue,
            };
            failed.extend(result.err().map(|error| Failed { index, error, partly: false }));
        }
        let pending = self.pending.remove(place).unwrap_or_default();
        failed.extend(self.set_up(place, pending));
        let mut batch = Batch::default();
        let mut owners = Vec::new();
        for index in indexes {
            match self.requests(ops[index]) {
                Ok(requests) => {
                    owners.extend(std::iter::repeat_n(index, requests.len()));
                    batch.extend(requests);
                }
                Err(error) => failed.push(Failed { index, error, partly: false }),
            }
        }
        let promoted = match self.promote(place, owners.iter().map(|&index| ops[index])) {
            Ok(promoted) => promoted,
            Err(error) => {
                let index = owners.first().copied().unwrap_or_default();
                let error = refused_by_system(ops[index], error);
                failed.push(Failed { index, error, partly: false });
                return failed;
            }
        };
        failed.extend(self.send(place, batch, &owners, ops));
        for (path, value) in promoted {
            if let Err(error) = self.write_if_there(&path, &value) {
                let index = owners.first().copied().unwrap_or_default();
                let error = refused_by_system(ops[index], error);
                failed.push(Failed { index, error, partly: true });
            }
        }
        for index in later {
            let done = match ops[index] {
                Op::Add { object: Object::FlowDevice(o) } => self.flow_device(ops[index], o, true),
                Op::Add { object: Object::Tunnel(o) } => self.set_tunnel(ops[index], None, o),
                Op::Set { from: Object::Tunnel(from), to: Object::Tunnel(to) } => {
                    self.set_tunnel(ops[index], Some(from), to)
                }
                _ => Ok(()),
            };
            failed.extend(done.err().map(|error| Failed { index, error, partly: false }));
        }
        failed
    }

    /// Brings new interfaces up, with their aliases and masters.
    fn set_up(&mut self, place: &Place, pending: Vec<Pending>) -> Vec<Failed> {
        if pending.is_empty() {
            return Vec::new();
        }
        let mut batch = Batch::default();
        let mut owners: Vec<InterfaceId> = Vec::new();
        let ups: Vec<u32> = pending.iter().filter(|p| p.up).map(|p| p.index).collect();
        for one in pending {
            owners.extend(std::iter::repeat_n(one.id, one.requests.len()));
            batch.extend(one.requests);
        }
        batch.extend(ups.into_iter().map(crate::netlink::get_link));
        let worker = &mut *self.worker;
        let Some(site) = self.sites.get_mut(place) else { return Vec::new() };
        let what = |id: &InterfaceId| format!("could not set interface `{id}` up");
        let failed = |error| Failed { index: usize::MAX, error, partly: true };
        match site.socket(worker).and_then(|socket| socket.run(batch)) {
            Err(error) => {
                vec![failed(Error::system(format!("could not configure `{place}`"), error))]
            }
            Ok(outcome) => {
                self.replies_lost |= outcome.replies_lost;
                let told = outcome.failures.into_iter().filter_map(|failure| {
                    let id = owners.get(failure.index)?;
                    let error = Error::new(ErrorKind::Refused, what(id)).errno(failure.errno);
                    Some(failed(error.extack(failure.text)))
                });
                told.collect()
            }
        }
    }

    /// The requests of an op; none for what is done otherwise.
    pub(super) fn requests(&mut self, op: &Op) -> Result<Vec<Request>, Error> {
        if let Op::Set { from: Object::Interface(from), to: Object::Interface(to) } = op {
            return self.change(op, from, to);
        }
        let target = match op {
            Op::Add { object: Object::Interface(o) } => Some((self.index_of(op, &o.id)?, o)),
            _ => None,
        };
        if let Some((index, interface)) = target {
            let target = self.target(index);
            return Ok(interface.configuration(&target, netyard_core::wire::link::Made::Bare));
        }
        let place = op_place(op);
        let site = self.site(op, &place)?;
        requests(op, site).map_err(|unknown| words::lost(op, unknown))
    }

    /// Writes a setting.
    pub(super) fn set(&mut self, op: &Op, sysctl: &Sysctl) -> Result<(), Error> {
        self.write_setting(op, sysctl, &sysctl.value)
    }

    pub(super) fn write_setting(
        &mut self,
        op: &Op,
        sysctl: &Sysctl,
        value: &str,
    ) -> Result<(), Error> {
        let path = self.setting_path(op, sysctl)?;
        let worker = &mut *self.worker;
        let Some(site) = self.sites.get(&sysctl.place) else {
            return Err(words::lost(op, "its namespace is not there"));
        };
        let entered = worker.enter(site.net.as_fd());
        self.proc.visit(site.net.as_fd());
        // Interfaces of one name may be of different kinds, which begin differently.
        let of_all = sysctl.interface.is_none();
        if entered.is_ok() && of_all && self.begins_with(&sysctl.place, &path, value) {
            return Ok(());
        }
        self.untouched.remove(&sysctl.place);
        let written = entered.and_then(|()| self.proc.write(&path, value));
        match written {
            Err(error)
                if self.lenient
                    && rustix::io::Errno::from_io_error(&error).is_some_and(is_gone) =>
            {
                Ok(())
            }
            written => written.map_err(|error| refused_by_system(op, error)),
        }
    }

    /// True in a new namespace that has this value already: all of them begin with
    /// the same settings, so one is asked for all. What is observed afterwards
    /// would tell if they did not.
    fn begins_with(&mut self, place: &Place, path: &str, value: &str) -> bool {
        if !self.untouched.contains(place) {
            return false;
        }
        if !self.initial.contains_key(path) {
            let read = self.proc.read(path).unwrap_or_default();
            self.initial.insert(path.to_owned(), read);
        }
        self.initial.get(path).is_some_and(|initial| initial.as_deref() == Some(value))
    }

    /// The plan counts on it: an address that goes, or changes, does not take the
    /// others of its prefix along (Documentation/networking/ip-sysctl.rst). Gives
    /// the settings that are to be written back.
    fn promote<'o>(
        &mut self,
        place: &Place,
        ops: impl Iterator<Item = &'o Op>,
    ) -> std::io::Result<Vec<(String, String)>> {
        let Some(site) = self.sites.get(place) else { return Ok(Vec::new()) };
        let devices: BTreeSet<&str> =
            ops.filter_map(loses_ipv4).map(|id| site.names.kernel(&id.name)).collect();
        if devices.is_empty() {
            return Ok(Vec::new());
        }
        self.worker.enter(site.net.as_fd())?;
        let mut changed = Vec::new();
        for device in devices {
            let path = format!("sys/net/ipv4/conf/{device}/promote_secondaries");
            if let Some(value) = self.proc.read(&path)?.filter(|value| value == "0") {
                self.write_if_there(&path, "1")?;
                changed.push((path, value));
            }
        }
        Ok(changed)
    }

    /// Writes a setting of an interface that may be going: the kernel takes apart a
    /// namespace that nobody holds any more when it finds the time, and the other
    /// ends of its cables with it.
    fn write_if_there(&self, path: &str, value: &str) -> std::io::Result<()> {
        match self.proc.write(path, value) {
            Err(error) if rustix::io::Errno::from_io_error(&error).is_some_and(is_gone) => Ok(()),
            written => written,
        }
    }

    /// The path of a setting below `/proc`.
    pub(super) fn setting_path(&mut self, op: &Op, sysctl: &Sysctl) -> Result<String, Error> {
        let site = self.site(op, &sysctl.place)?;
        let kernel = sysctl.interface.as_ref().map(|name| site.names.kernel(name));
        Ok(crate::sysctl::path(&sysctl.key, kernel))
    }

    /// Runs the commands of nodes, one after the other.
    pub(super) fn commands(&mut self, ops: &[&Op]) -> Vec<Failed> {
        let mut failed = Vec::new();
        // A command finds the network ready.
        if let Err(error) = self.flush_carriers() {
            let error = Error::system("could not wait for the carriers", error);
            return vec![Failed { index: 0, error, partly: false }];
        }
        for (index, op) in ops.iter().enumerate() {
            let (Op::Add { object: Object::Command(command) }
            | Op::Set { to: Object::Command(command), .. }) = op
            else {
                let error = words::lost(op, "it is no command");
                failed.push(Failed { index, error, partly: false });
                continue;
            };
            if let Err(error) = self.run_command(op, command) {
                // Later commands may build on it.
                failed.push(Failed { index, error, partly: true });
                failed.extend((index + 1..ops.len()).map(|index| Failed {
                    index,
                    error: Error::new(
                        ErrorKind::System,
                        format!("{}: not tried", words::could_not(ops[index])),
                    ),
                    partly: false,
                }));
                break;
            }
        }
        failed
    }

    fn run_command(&mut self, op: &Op, command: &Command) -> Result<(), Error> {
        let place = Place::Node(command.node.clone());
        let inside = self.inside(op, &place)?;
        let logs = self.dir.file("log");
        let log = logs.join(format!("{}.{}", command.node, command.index));
        std::fs::create_dir_all(&logs).map_err(|e| refused_by_system(op, e))?;
        let status =
            process::run(inside, &command.argv, &log).map_err(|e| refused_by_system(op, e))?;
        if !status.success() {
            let what = format!("{}: {status}", words::could_not(op));
            return Err(Error::new(ErrorKind::System, what)
                .extack(Some(process::tail(&log)).filter(|text| !text.is_empty()))
                .doing(op));
        }
        let altname = crate::observe::ran_altname(command);
        self.note_on_lo(&place, &[altname], true).map_err(|e| refused_by_system(op, e))
    }

    pub(super) fn inside(&mut self, op: &Op, place: &Place) -> Result<Inside, Error> {
        let files = self.files.clone();
        let site = self.site(op, place)?;
        let failed = |e| refused_by_system(op, e);
        let net = site.net.try_clone().map_err(failed)?;
        let uts = site.uts.as_ref().map(|uts| uts.try_clone()).transpose().map_err(failed)?;
        Inside::new(net, uts, &files.directory(&site.netns)).map_err(failed)
    }

    /// Adds alternative names to a namespace's `lo`, or takes them away. One that
    /// is there already, or gone, is as it should be.
    pub(super) fn note_on_lo(
        &mut self,
        place: &Place,
        altnames: &[String],
        there: bool,
    ) -> std::io::Result<()> {
        let worker = &mut *self.worker;
        let Some(site) = self.sites.get_mut(place) else { return Ok(()) };
        let mut batch = Batch::default();
        for name in altnames {
            batch.push(crate::netlink::altname(1, name, there));
        }
        let outcome = site.socket(worker)?.run(batch)?;
        let wrong = outcome.failures.iter().find(|failure| {
            if there { failure.errno != rustix::io::Errno::EXIST } else { !is_gone(failure.errno) }
        });
        wrong.map_or(Ok(()), |failure| Err(failure.errno.into()))
    }
}

/// The interface that an op takes an IPv4 address from, be it for a moment.
fn loses_ipv4(op: &Op) -> Option<&InterfaceId> {
    let (Op::Remove { object: Object::Address(o) } | Op::Set { from: Object::Address(o), .. }) = op
    else {
        return None;
    };
    o.net.addr().is_ipv4().then_some(&o.interface)
}

/// True for a setting of the host, of which is noted in the kernel what it was.
fn sets_host(op: &Op) -> bool {
    let object = match op {
        Op::Add { object } | Op::Set { to: object, .. } => object,
        _ => return false,
    };
    matches!(object, Object::Sysctl(o) if o.place == Place::Host)
}

/// The place an op is done at.
pub(super) fn op_place(op: &Op) -> Place {
    match op {
        Op::Add { object }
        | Op::Remove { object }
        | Op::Set { to: object, .. }
        | Op::Mark { object, .. } => object.place(),
        Op::AddPair { first, .. } | Op::RemovePair { first, .. } => first.id.place.clone(),
    }
}

/// The requests of an op on anything but interfaces, in its namespace.
fn requests(op: &Op, site: &Site) -> Result<Vec<Request>, UnknownInterface> {
    let names = &site.names;
    let mtu = |id: &InterfaceId| site.mtus.get(&id.name).copied().unwrap_or(1500);
    let one = |request| Ok(vec![request]);
    match op {
        Op::Add { object } => match object {
            Object::Address(o) => one(o.add(names)?),
            Object::Route(o) => one(o.add(names)?),
            Object::Rule(o) => one(o.add(names)),
            Object::Neighbour(o) => one(o.add(names)?),
            Object::PortVlan(o) => one(o.add(names)?),
            Object::Qdisc(o) => one(o.add(mtu(&o.interface), names)?),
            _ => Ok(Vec::new()),
        },
        Op::Set { from, to } => match (from, to) {
            (Object::Address(from), Object::Address(to)) => to.change(from, names),
            (_, Object::Route(o)) => one(o.change(names)?),
            (Object::Neighbour(from), Object::Neighbour(to)) => to.change(from, names),
            (_, Object::PortVlan(o)) => one(o.add(names)?),
            (_, Object::Qdisc(o)) => one(o.change(mtu(&o.interface), names)?),
            _ => Ok(Vec::new()),
        },
        Op::Remove { object } => match object {
            Object::Address(o) => one(o.remove(names)?),
            Object::Route(o) => one(o.remove()),
            Object::Rule(o) => one(o.remove(names)),
            Object::Neighbour(o) => one(o.remove(names)?),
            Object::PortVlan(o) => one(o.remove(names)?),
            Object::Qdisc(o) => one(o.remove(names)?),
            _ => Ok(Vec::new()),
        },
        Op::AddPair { .. } | Op::RemovePair { .. } | Op::Mark { .. } => Ok(Vec::new()),
    }
}

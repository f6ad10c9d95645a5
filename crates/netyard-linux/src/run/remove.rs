//! Removals.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd;

use netyard_core::interface::{Interface, Kind};
use netyard_core::plan::Op;
use netyard_core::state::{Command, Object, Place, Sysctl};

use super::send::refused_by_system;
use super::{Failed, Run, words};
use crate::error::{Error, ErrorKind};
use crate::netlink::Batch;

/// Interfaces to remove in each place: of which op, and its index.
type Victims = BTreeMap<Place, Vec<(usize, u32)>>;

impl Run<'_> {
    /// Removes, in order; namespaces at the end, together.
    pub(super) fn remove(&mut self, ops: &[&Op]) -> Vec<Failed> {
        let mut failed = Vec::new();
        let going: BTreeSet<Place> = ops
            .iter()
            .filter_map(|op| match op {
                Op::Remove { object: Object::Namespace(o) } => Some(o.place.clone()),
                _ => None,
            })
            .collect();
        let mut first = 0;
        while first < ops.len() {
            let sort = sort(ops[first]);
            let length = ops[first..].iter().take_while(|op| self::sort(op) == sort).count();
            let run: Vec<usize> = (first..first + length).collect();
            failed.extend(match sort {
                Sort::Messages => self.configure_run(&run, ops),
                Sort::Interfaces => self.remove_interfaces(&run, ops, &going),
                Sort::Namespaces => self.remove_namespaces(&run, ops),
                Sort::Alone => run.iter().filter_map(|&i| self.remove_alone(i, ops[i])).collect(),
            });
            first += length;
        }
        failed
    }

    /// Runs of ops in one place, one send each.
    fn configure_run(&mut self, run: &[usize], ops: &[&Op]) -> Vec<Failed> {
        let mut failed = Vec::new();
        let place = |index: &usize| super::configure::op_place(ops[*index]);
        for visit in run.chunk_by(|a, b| place(a) == place(b)) {
            failed.extend(self.send_at(&place(&visit[0]), visit.to_vec(), ops));
        }
        failed
    }

    /// One by one, each would wait for all readers of the kernel's tables (RCU;
    /// 16 ms); gathered in a group of their own, all together do so once for
    /// each namespace.
    fn remove_interfaces(
        &mut self,
        run: &[usize],
        ops: &[&Op],
        going: &BTreeSet<Place>,
    ) -> Vec<Failed> {
        let mut failed = Vec::new();
        let mut victims = Victims::new();
        for &index in run {
            let done = match ops[index] {
                Op::Remove { object: Object::Interface(o) } => {
                    self.choose(index, ops[index], o, None, going, &mut victims)
                }
                Op::RemovePair { first, second } => {
                    self.choose(index, ops[index], first, Some(second), going, &mut victims)
                }
                op => Err(words::lost(op, "it is no interface")),
            };
            failed.extend(done.err().map(|error| Failed { index, error, partly: false }));
        }
        for (place, victims) in victims {
            failed.extend(self.remove_together(&place, &victims, ops));
        }
        failed
    }

    /// Chooses where an interface, or which end of a pair, is removed.
    fn choose(
        &mut self,
        owner: usize,
        op: &Op,
        interface: &Interface,
        other: Option<&Interface>,
        going: &BTreeSet<Place>,
        victims: &mut Victims,
    ) -> Result<(), Error> {
        if matches!(interface.kind, Kind::Physical(_) | Kind::Loopback) {
            return self.give_back(op, interface);
        }
        if matches!(interface.kind, Kind::Wlan(_)) {
            return self.remove_wlan(op, interface);
        }
        let ends: Vec<&Interface> = std::iter::once(interface).chain(other).collect();
        let with_namespace = ends.iter().all(|end| going.contains(&end.id.place));
        let mut found = None;
        for end in &ends {
            let Some(site) = self.sites.get_mut(&end.id.place) else { continue };
            let Ok(index) = site.names.index(&end.id.name) else { continue };
            // The place with more of them: fewer waits.
            if found.is_none() || !matches!(end.id.place, Place::Node(_)) {
                found = Some((end.id.place.clone(), index));
            }
        }
        if with_namespace {
            return Ok(());
        }
        for end in &ends {
            if let Some(site) = self.sites.get_mut(&end.id.place)
                && let Ok(index) = site.names.index(&end.id.name)
            {
                site.names.remove(index);
            }
        }
        match found {
            Some((place, index)) => {
                victims.entry(place).or_default().push((owner, index));
                Ok(())
            }
            None if self.lenient => Ok(()),
            None => Err(words::lost(op, "it is not there")),
        }
    }

    fn remove_together(
        &mut self,
        place: &Place,
        victims: &[(usize, u32)],
        ops: &[&Op],
    ) -> Vec<Failed> {
        let mut batch = Batch::default();
        let mut owners = Vec::new();
        match victims {
            [(owner, index)] => {
                batch.push(crate::netlink::delete_link(*index));
                owners.push(*owner);
            }
            many => {
                let group = doomed_group(self.yard);
                for (owner, index) in many {
                    batch.push(crate::netlink::set_group(*index, group));
                    owners.push(*owner);
                }
                batch.push(crate::netlink::delete_group(group));
                owners.extend(many.last().map(|(owner, _)| *owner));
            }
        }
        self.send(place, batch, &owners, ops)
    }

    fn remove_namespaces(&mut self, run: &[usize], ops: &[&Op]) -> Vec<Failed> {
        let places: Vec<Place> = run.iter().map(|&i| super::configure::op_place(ops[i])).collect();
        let there: Vec<Place> =
            places.into_iter().filter(|place| self.sites.get(place).is_some()).collect();
        let keeper = self.keeper.as_ref();
        self.prepared = false;
        match super::drop_and_wait(self.worker, self.sites, &there, self.published, keeper) {
            Ok(()) => Vec::new(),
            Err(error) => vec![Failed { index: run[0], error, partly: true }],
        }
    }

    fn remove_alone(&mut self, index: usize, op: &Op) -> Option<Failed> {
        let done = match op {
            Op::Remove { object: Object::Sysctl(o) } => self.restore(op, o),
            Op::Remove { object: Object::File(o) } => {
                self.files.remove(o).map_err(|e| refused_by_system(op, e))
            }
            Op::Remove { object: Object::Table(o) } => self.remove_table(op, o),
            Op::Remove { object: Object::FlowDevice(o) } => self.flow_device(op, o, false),
            Op::Remove { object: Object::Tunnel(o) } => self.empty_tunnel(op, o),
            Op::Remove { object: Object::Command(o) } => self.forget_command(op, o),
            Op::Remove { object: Object::Process(o) } => self.end_process(op, o),
            Op::Remove { object: Object::LibvirtNetwork(o) } => self.remove_libvirt(op, o),
            _ => Err(words::lost(op, "it is of no sort")),
        };
        done.err().map(|error| Failed { index, error, partly: false })
    }

    /// A setting becomes what it was: on the host as noted, in a namespace of the
    /// yard's as in a new one.
    fn restore(&mut self, op: &Op, sysctl: &Sysctl) -> Result<(), Error> {
        let path = self.setting_path(op, sysctl)?;
        let original = match sysctl.place {
            Place::Host => self.record.originals.get(&path).cloned(),
            _ => self.pristine(&sysctl.key).map_err(|e| refused_by_system(op, e))?,
        };
        let Some(original) = original else {
            let what = format!("{}: nobody knows what it was", words::could_not(op));
            return Err(Error::new(ErrorKind::State, what));
        };
        if sysctl.place != Place::Host {
            return self.write_setting(op, sysctl, &original);
        }
        let failed = |e| refused_by_system(op, e);
        self.look_at_others().map_err(failed)?;
        self.worker.go_home().map_err(failed)?;
        self.proc.visit(self.worker.home());
        match self.put_back(&path, &original) {
            Err(error) if self.lenient && error.kind() == std::io::ErrorKind::NotFound => {}
            written => written.map_err(failed)?,
        }
        let site = self.site(op, &Place::Host)?;
        let names: Vec<String> = site.names.iter().map(|(_, _, k)| k.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        for (follower, _) in crate::sysctl::follows(&path, &names) {
            if let Some(value) = self.record.originals.get(&follower).cloned() {
                self.put_back(&follower, &value).map_err(|e| refused_by_system(op, e))?;
                self.forget_original(&follower, &value)?;
            }
        }
        self.forget_original(&path, &original)
    }

    /// A setting's value in a new namespace; an interface's is that of `default`.
    fn pristine(&mut self, key: &str) -> std::io::Result<Option<String>> {
        let fresh = self.worker.create(None)?;
        self.proc.visit(fresh.net.as_fd());
        self.proc.read(&crate::sysctl::path(key, Some("default")))
    }

    /// A node that stays forgets that a command ran in it.
    fn forget_command(&mut self, op: &Op, command: &Command) -> Result<(), Error> {
        let altname = match command.argv.as_slice() {
            // Known by nothing but its mark.
            [mark] if mark.starts_with("netyard.ran.") => mark.clone(),
            _ => crate::observe::ran_altname(command),
        };
        let place = Place::Node(command.node.clone());
        self.note_on_lo(&place, &[altname], false).map_err(|e| refused_by_system(op, e))
    }
}

/// The group in which a yard's interfaces are gathered to be removed.
fn doomed_group(yard: &netyard_core::name::YardName) -> u32 {
    netyard_core::wire::group(yard) | 1 << 31
}

/// How an op of this phase is done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    Messages,
    Interfaces,
    Namespaces,
    Alone,
}

fn sort(op: &Op) -> Sort {
    match op {
        Op::RemovePair { .. } | Op::Remove { object: Object::Interface(_) } => Sort::Interfaces,
        Op::Remove { object: Object::Namespace(_) } => Sort::Namespaces,
        Op::Remove {
            object:
                Object::Sysctl(_)
                | Object::File(_)
                | Object::Command(_)
                | Object::Process(_)
                | Object::Table(_)
                | Object::FlowDevice(_)
                | Object::Tunnel(_)
                | Object::LibvirtNetwork(_),
        } => Sort::Alone,
        _ => Sort::Messages,
    }
}

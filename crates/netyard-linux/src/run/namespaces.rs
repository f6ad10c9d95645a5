//! Namespaces: made, changed, and dropped so that they are really gone.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use netyard_core::name::{FullName, InterfaceName, YardName};
use netyard_core::plan::Op;
use netyard_core::state::{InterfaceId, Namespace, Object, Place};
use netyard_core::wire::Mark;

use super::send::{is_gone, refused, refused_by_system};
use super::{Failed, Run, words};
use crate::error::{Error, ErrorKind};
use crate::keeper::Keeper;
use crate::netlink::{Batch, Protocol, Socket};
use crate::netns::{self, Handle, Published, Sort, Worker};
use crate::place::{Site, Sites};

impl Run<'_> {
    /// Makes and changes namespaces, their settings and files.
    pub(super) fn namespaces(&mut self, ops: &[&Op]) -> Vec<Failed> {
        let mut failed = Vec::new();
        let mut kept: Vec<Place> = Vec::new();
        // The host's settings come last: their originals are noted in a namespace.
        let on_host = |op: &Op| super::configure::op_place(op) == Place::Host;
        let mut order: Vec<usize> = (0..ops.len()).collect();
        order.sort_by_key(|&index| on_host(ops[index]));
        let mut noted = false;
        for index in order {
            let op = ops[index];
            if on_host(op) && !noted {
                noted = true;
                if let Err(error) = self.note_originals_in_kernel() {
                    let error = refused_by_system(op, error);
                    failed.push(Failed { index, error, partly: false });
                    continue;
                }
            }
            let done = match op {
                Op::Add { object: Object::Namespace(o) } => {
                    if !o.published {
                        kept.push(o.place.clone());
                    }
                    self.make(op, o)
                }
                Op::Set { from: Object::Namespace(from), to: Object::Namespace(to) } => {
                    self.change_namespace(op, from, to)
                }
                Op::Add { object: Object::File(o) } | Op::Set { to: Object::File(o), .. } => {
                    self.files.write(o).map_err(|e| refused_by_system(op, e))
                }
                Op::Add { object: Object::Sysctl(o) } | Op::Set { to: Object::Sysctl(o), .. } => {
                    self.set(op, o)
                }
                Op::Add { object: Object::Table(o) } | Op::Set { to: Object::Table(o), .. } => {
                    self.set_table(op, o)
                }
                Op::Add { object: Object::LibvirtNetwork(o) } => self.set_libvirt(op, None, o),
                Op::Set { from: Object::LibvirtNetwork(from), to: Object::LibvirtNetwork(to) } => {
                    self.set_libvirt(op, Some(from), to)
                }
                _ => Err(words::lost(op, "it is no namespace")),
            };
            failed.extend(done.err().map(|error| Failed { index, error, partly: false }));
        }
        if let Err(error) = self.give_to_keeper(&kept) {
            failed.push(Failed { index: 0, error, partly: true });
        }
        failed
    }

    fn make(&mut self, op: &Op, namespace: &Namespace) -> Result<(), Error> {
        let count = self.sites.len();
        crate::observe::enough_descriptors(count + 1, self.descriptors)?;
        let failed = |e: io::Error| refused_by_system(op, e);
        let Handle { net, uts } =
            self.worker.create(namespace.hostname.as_deref()).map_err(failed)?;
        let mut socket = Socket::open(Protocol::Route).map_err(failed)?;
        let mut batch = Batch::default();
        // Marked before it has a name: what has a name can be recognised.
        batch.push(crate::netlink::set_alias(1, &lo_mark(self.yard, &namespace.place)));
        let outcome = socket.run(batch).map_err(failed)?;
        if let Some(failure) = outcome.failures.into_iter().next() {
            return Err(refused(op, failure));
        }
        if namespace.place == Place::Fabric {
            self.bridges_only(net.as_fd());
        }
        if let Place::Node(node) = &namespace.place {
            // A command that was cut off may have left files of one that is gone.
            self.files.remove_stale(node, &namespace.netns).map_err(failed)?;
        }
        self.untouched.insert(namespace.place.clone());
        let (place, netns) = (namespace.place.clone(), namespace.netns.clone());
        let mut site = Site::new(place, netns, net, uts).with_socket(socket);
        site.published = namespace.published;
        if let (Ok(full), Ok(kernel)) = (FullName::new("lo"), InterfaceName::new("lo")) {
            site.note(1, &full, &kernel, 65536);
        }
        if namespace.published {
            if !std::mem::replace(&mut self.prepared, true) {
                self.published.prepare().map_err(failed)?;
            }
            publish(self.published, &site).map_err(failed)?;
        }
        self.sites.insert(site);
        Ok(())
    }

    /// Frames in the fabric pass no packet filter on their way: there is none in it,
    /// and `br_netfilter`, where the kernel has it, takes each through all its hooks
    /// nevertheless (of a flooded frame, once for every port).
    fn bridges_only(&mut self, fabric: BorrowedFd<'_>) {
        self.proc.visit(fabric);
        for family in ["ip", "ip6", "arp"] {
            // Not there without `br_netfilter`.
            let _ = self.proc.write(&format!("sys/net/bridge/bridge-nf-call-{family}tables"), "0");
        }
    }

    fn change_namespace(&mut self, op: &Op, from: &Namespace, to: &Namespace) -> Result<(), Error> {
        let failed = |e: io::Error| refused_by_system(op, e);
        if from.hostname != to.hostname {
            self.change_hostname(op, to)?;
        }
        if from.published == to.published {
            return Ok(());
        }
        let site = self.sites.get_mut(&to.place);
        let site = site.ok_or_else(|| words::lost(op, "it is not there"))?;
        site.published = to.published;
        if to.published {
            self.published.prepare().map_err(failed)?;
            publish(self.published, site).map_err(failed)?;
            if let Some(keeper) = &*self.keeper {
                let (net, uts) = (format!("net:{}", to.netns), format!("uts:{}", to.netns));
                keeper.drop_names(&[&net, &uts]).map_err(failed)?;
            }
            return Ok(());
        }
        self.give_to_keeper(std::slice::from_ref(&to.place))?;
        unpublish(self.published, &to.netns).map_err(failed)
    }

    fn change_hostname(&mut self, op: &Op, to: &Namespace) -> Result<(), Error> {
        let failed = |e: io::Error| refused_by_system(op, e);
        let site = self.sites.get_mut(&to.place);
        let site = site.ok_or_else(|| words::lost(op, "it is not there"))?;
        match (&site.uts, &to.hostname) {
            (Some(uts), Some(name)) => self.worker.set_hostname(uts.as_fd(), name).map_err(failed),
            (None, Some(name)) => {
                let uts = self.worker.create_uts(name).map_err(failed)?;
                if site.published {
                    let name = &site.netns;
                    self.published.publish(Sort::Uts, name, uts.as_fd()).map_err(failed)?;
                    site.uts = Some(uts);
                    return Ok(());
                }
                site.uts = Some(uts);
                let place = to.place.clone();
                self.give_to_keeper(&[place])
            }
            (_, None) => {
                site.uts = None;
                if let Some(keeper) = &*self.keeper {
                    keeper.drop_names(&[&format!("uts:{}", to.netns)]).map_err(failed)?;
                }
                self.published.unpublish(Sort::Uts, &to.netns).map_err(failed)
            }
        }
    }

    /// Hands namespaces that have no name over to the keeper.
    fn give_to_keeper(&mut self, places: &[Place]) -> Result<(), Error> {
        if places.is_empty() {
            return Ok(());
        }
        if self.keeper.is_none() {
            // The keeper's socket belongs to the network namespace it is started in.
            let home = self.worker.go_home();
            home.map_err(|e| Error::system("could not go back to the host's namespace", e))?;
            *self.keeper = Some(Keeper::start(self.yard, false, self.dir.path())?);
        }
        let Some(keeper) = &*self.keeper else { return Ok(()) };
        let mut held: Vec<(String, BorrowedFd<'_>)> = Vec::new();
        for site in places.iter().filter_map(|place| self.sites.get(place)) {
            held.push((format!("net:{}", site.netns), site.net.as_fd()));
            if let Some(uts) = &site.uts {
                held.push((format!("uts:{}", site.netns), uts.as_fd()));
            }
        }
        keeper.put(&held).map_err(|e| Error::system("could not give namespaces to the keeper", e))
    }
}

/// The alias of a namespace's `lo`.
pub(crate) fn lo_mark(yard: &YardName, place: &Place) -> String {
    let Ok(name) = FullName::new("lo") else { return String::new() };
    let id = InterfaceId { place: place.clone(), name };
    Mark { yard: yard.clone(), id, other: None, host_name: None, wlan: None }.alias()
}

fn publish(published: &Published, site: &Site) -> io::Result<()> {
    published.publish(Sort::Net, &site.netns, site.net.as_fd())?;
    match &site.uts {
        Some(uts) => {
            // Somebody took the namespace away by its one name, and left the other.
            published.unpublish(Sort::Uts, &site.netns)?;
            published.publish(Sort::Uts, &site.netns, uts.as_fd())
        }
        None => Ok(()),
    }
}

fn unpublish(published: &Published, netns: &str) -> io::Result<()> {
    published.unpublish(Sort::Net, netns)?;
    published.unpublish(Sort::Uts, netns)
}

/// Ends the processes in these places, lets go of the namespaces, and returns
/// when the kernel has taken them apart.
pub(crate) fn drop_and_wait(
    worker: &mut Worker,
    sites: &mut Sites,
    places: &[Place],
    published: &Published,
    keeper: Option<&Keeper>,
) -> Result<(), Error> {
    let failed = |e: io::Error| Error::system("could not remove namespaces", e);
    end_processes(sites, places)?;
    let all = sites.own().nth(places.len()).is_none();
    let dropped: Vec<Site> = places.iter().filter_map(|place| sites.remove(place)).collect();
    worker.go_home().map_err(failed)?;
    let wait = Departure::watch(worker);
    if all {
        published.unpublish_all().map_err(failed)?;
    } else {
        for site in dropped.iter().filter(|site| site.published) {
            unpublish(published, &site.netns).map_err(failed)?;
        }
    }
    if let Some(keeper) = keeper {
        let names: Vec<String> = dropped
            .iter()
            .filter(|site| !site.published)
            .flat_map(|site| [format!("net:{}", site.netns), format!("uts:{}", site.netns)])
            .collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        keeper.drop_names(&names).map_err(failed)?;
    }
    drop(dropped);
    let waited = wait.and_then(Departure::end);
    waited.map_err(|e| Error::system("could not wait until the namespaces are gone", e))
}

/// Ends the processes inside, of which some may need to be told twice.
fn end_processes(sites: &Sites, places: &[Place]) -> Result<(), Error> {
    let failed = |e: io::Error| Error::system("could not end the processes in the nodes", e);
    let mut nets = BTreeSet::new();
    for site in places.iter().filter_map(|place| sites.get(place)) {
        nets.insert(netns::identity(site.net.as_fd()).map_err(failed)?);
    }
    let left = crate::process::end_inside(&nets).map_err(failed)?;
    if left.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = left.iter().map(|p| format!("{} ({})", p.pid, p.name)).collect();
    let what = format!("these processes do not end: {}", names.join(", "));
    Err(Error::new(ErrorKind::System, what))
}

/// Waits until namespaces that were let go of are gone with all that was in them.
///
/// The kernel takes namespaces apart later, in a batch (`cleanup_net`). A
/// sentinel namespace made last and dropped last is in the same batch or a later
/// one; when its veth goes, theirs have. It has a socket inside like them: a
/// socket that is closed lets go of its namespace only after an RCU grace period
/// (`netlink_release`, net/netlink/af_netlink.c). What remains of the batch is
/// done under the RTNL lock, so one more request that needs the lock waits for it.
struct Departure {
    /// Where the sentinel's other end is, with a socket that hears of it.
    ears: Socket,
    watch: Handle,
    sentinel: Handle,
    inside: Socket,
}

const SENTINEL: &str = "sentinel";

impl Departure {
    fn watch(worker: &mut Worker) -> io::Result<Self> {
        let watch = worker.create(None)?;
        let mut ears = Socket::open(Protocol::Route)?;
        let sentinel = worker.create(None)?;
        let inside = Socket::open(Protocol::Route)?;
        worker.go_home()?;
        let mut batch = Batch::default();
        batch.push(crate::netlink::veth_into(SENTINEL, sentinel.net.as_fd()));
        let outcome = ears.run(batch)?;
        if let Some(failure) = outcome.failures.first() {
            return Err(failure.errno.into());
        }
        ears.join_link_events()?;
        Ok(Self { ears, watch, sentinel, inside })
    }

    fn end(mut self) -> io::Result<()> {
        drop(self.sentinel);
        drop(self.inside);
        self.ears.wait_link_gone(SENTINEL)?;
        let mut batch = Batch::default();
        batch.push(crate::netlink::set_alias(1, "gone"));
        self.ears.run(batch)?;
        drop(self.watch);
        Ok(())
    }
}

/// Takes away all interfaces of the yard in the namespace of a socket, and
/// returns how many were refused.
pub(crate) fn down_interfaces(socket: &mut Socket, yard: &YardName) -> io::Result<()> {
    let mut batch = Batch::default();
    batch.push(netyard_core::wire::link::remove_group(yard));
    let outcome = socket.run(batch)?;
    match outcome.failures.first() {
        Some(failure) if !is_gone(failure.errno) => Err(failure.errno.into()),
        _ => Ok(()),
    }
}

//! A bed for tests: namespaces that are nobody else's, a State made in them by a
//! plan, observed, and taken away again.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::process::Command;

use netyard_core::addr::Mac;
use netyard_core::interface::{BridgePort, Interface, Kind, Veth};
use netyard_core::name::{FullName, InterfaceName, NodeName, YardName};
use netyard_core::plan::{Op, plan};
use netyard_core::state::{Address, InterfaceId, Namespace, Object, Place, State};
use netyard_core::wire::link::{Creation, Made, Target, links, read_all};
use netyard_core::wire::{Names, Request, address, link, neighbour, qdisc, route, rule, vlan};
use netyard_linux::netlink::{Batch, Protocol, Socket};
use netyard_linux::netns::{Worker, open_own};

const ISOLATED: &str = "NETYARD_TEST_ISOLATED";

/// Runs a test in fresh user, network and mount namespaces: its own program
/// again, with this one test.
pub fn isolated(test: impl FnOnce(&mut Bed<'_>) + Send) {
    if std::env::var_os(ISOLATED).is_some() {
        return Worker::run(|worker| test(&mut Bed::new(worker))).unwrap();
    }
    let thread = std::thread::current();
    let name = thread.name().expect("the test harness names its threads");
    let output = Command::new("unshare")
        .arg("-Urnm")
        .arg(std::env::current_exe().unwrap())
        .args([name, "--exact", "--include-ignored", "--nocapture", "--test-threads=1"])
        .env(ISOLATED, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    print!("{text}");
    assert!(output.status.success(), "failed in its namespaces");
    assert!(text.contains("test result: ok. 1 passed"), "did not run in its namespaces");
}

/// Namespaces and what is in them.
pub struct Bed<'w> {
    worker: &'w mut Worker,
    yard: YardName,
    spaces: BTreeMap<Place, Space>,
}

struct Space {
    net: OwnedFd,
    socket: Socket,
    names: Names,
}

impl Space {
    fn dump(&mut self, request: &Request) -> Vec<Vec<u8>> {
        let mut messages = Vec::new();
        let take = |message: Option<netyard_linux::netlink::Message<'_>>| match message {
            Some(message) => messages.push(message.payload.to_vec()),
            None => messages.clear(),
        };
        self.socket.dump(request, take).unwrap();
        messages
    }

    fn run(&mut self, requests: Vec<Request>) {
        let mut batch = Batch::default();
        let text: Vec<String> = requests.iter().map(|r| format!("{r:?}")).collect();
        for request in requests {
            batch.push(request);
        }
        let outcome = self.socket.run(batch).unwrap();
        assert!(!outcome.replies_lost);
        if let Some(failure) = outcome.failures.first() {
            panic!("{failure:?}\n{}", text[failure.index]);
        }
    }
}

impl<'w> Bed<'w> {
    fn new(worker: &'w mut Worker) -> Self {
        let home = Space {
            net: open_own("net").unwrap(),
            socket: Socket::open(Protocol::Route).unwrap(),
            names: Names::default(),
        };
        let spaces = BTreeMap::from([(Place::Host, home)]);
        let mut bed = Self { worker, yard: YardName::new("bed").unwrap(), spaces };
        bed.learn(&Place::Host);
        bed
    }

    fn space(&mut self, place: &Place) -> &mut Space {
        self.spaces.get_mut(place).unwrap_or_else(|| panic!("no namespace {place}"))
    }

    fn fd(&self, place: &Place) -> RawFd {
        self.spaces[place].net.as_raw_fd()
    }

    /// Runs `work` in a namespace; sockets and programs it opens stay there.
    pub fn inside<R>(&mut self, place: &Place, work: impl FnOnce() -> R) -> R {
        self.worker.enter(self.spaces[place].net.as_fd()).unwrap();
        let result = work();
        self.worker.go_home().unwrap();
        result
    }

    /// Runs a command in a namespace and gives what it printed.
    pub fn command(&mut self, place: &Place, text: &str) -> String {
        let output = self.inside(place, || Command::new("sh").args(["-ec", text]).output());
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{text}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Makes what is there into `desired`, and asks the kernel whether it is.
    pub fn become_state(&mut self, desired: &State) {
        let desired = desired.clone().settled();
        let actual = self.observe().as_managed_by(&desired);
        for step in plan(&actual, &desired).steps() {
            self.perform(&step.op);
        }
        let observed = self.observe().as_managed_by(&desired);
        let lines = |state: &State| -> Vec<String> {
            state.objects().map(|object| format!("{object:?}")).collect()
        };
        let (is, should) = (lines(&observed), lines(&desired));
        let more: Vec<_> = is.iter().filter(|line| !should.contains(line)).collect();
        let less: Vec<_> = should.iter().filter(|line| !is.contains(line)).collect();
        assert!(more.is_empty() && less.is_empty(), "is:     {more:#?}\nshould: {less:#?}");
        assert!(plan(&observed, &desired).is_empty());
    }

    /// Takes everything away and sees that nothing is left.
    pub fn clear(&mut self) {
        self.become_state(&State::default());
        let messages = self.space(&Place::Host).dump(&links());
        assert_eq!(messages.len(), 1, "only `lo` is left");
    }

    /// All that is the bed's, in all its namespaces.
    pub fn observe(&mut self) -> State {
        let places: Vec<Place> = self.spaces.keys().cloned().collect();
        places.iter().flat_map(|place| self.observe_place(place)).collect()
    }

    /// Notes which interfaces a namespace has.
    fn learn(&mut self, place: &Place) -> Vec<link::Seen> {
        let yard = self.yard.clone();
        let space = self.space(place);
        let messages = space.dump(&links());
        let messages: Vec<&[u8]> = messages.iter().map(|message| &message[..]).collect();
        let (names, seen) = read_all(&yard, place, &messages);
        space.names = names;
        seen
    }

    fn observe_place(&mut self, place: &Place) -> Vec<Object> {
        let mut objects = Vec::new();
        if *place != Place::Host {
            objects.push(Object::Namespace(namespace(place)));
        }
        let seen = self.learn(place);
        objects.extend(
            seen.into_iter().filter_map(|s| s.interface.map(Box::new)).map(Object::Interface),
        );
        let space = self.space(place);
        let names = space.names.clone();
        for message in space.dump(&address::dump()) {
            objects.extend(address::read(place, &names, &message).map(Object::Address));
        }
        for message in route::dump().iter().flat_map(|r| space.dump(r)) {
            objects.extend(route::read(place, &names, &message).map(Object::Route));
        }
        for message in rule::dump().iter().flat_map(|r| space.dump(r)) {
            objects.extend(rule::read(place, &names, &message).map(Object::Rule));
        }
        for message in neighbour::dump().iter().flat_map(|r| space.dump(r)) {
            objects.extend(neighbour::read(place, &names, &message).map(Object::Neighbour));
        }
        for message in space.dump(&vlan::dump()) {
            objects.extend(vlan::read(place, &names, &message).into_iter().map(Object::PortVlan));
        }
        for message in space.dump(&qdisc::dump()) {
            objects.extend(qdisc::read(place, &names, &message).map(Object::Qdisc));
        }
        objects
    }

    fn perform(&mut self, op: &Op) {
        match op {
            Op::Add { object: Object::Namespace(o) } => self.add_namespace(&o.place),
            Op::Add { object: Object::Interface(o) } => self.add_interface(o),
            Op::AddPair { first, second } => self.add_pair(first, second),
            Op::Set { from: Object::Interface(from), to: Object::Interface(to) } => {
                let yard = self.yard.clone();
                let index = self.index(&to.id);
                let target = self.target(&yard, to, index);
                self.space(&to.id.place).run(to.settings(from, &target));
            }
            Op::Remove { object: Object::Namespace(o) } => {
                self.spaces.remove(&o.place);
            }
            Op::Remove { object: Object::Interface(o) } => self.remove_interface(o),
            Op::RemovePair { first, .. } => self.remove_interface(first),
            Op::Add { object } => {
                let requests = self.adding(object);
                self.space(&object.place()).run(requests);
            }
            Op::Set { from, to } => {
                let requests = self.changing(from, to);
                self.space(&to.place()).run(requests);
            }
            Op::Remove { object } => {
                let requests = self.removing(object);
                self.space(&object.place()).run(requests);
            }
        }
    }

    fn add_namespace(&mut self, place: &Place) {
        let net = self.worker.create(None).unwrap().net;
        let socket = Socket::open(Protocol::Route).unwrap();
        self.worker.go_home().unwrap();
        self.spaces.insert(place.clone(), Space { net, socket, names: Names::default() });
        self.learn(place);
    }

    fn index(&self, id: &InterfaceId) -> u32 {
        self.spaces[&id.place].names.index(&id.name).unwrap()
    }

    /// Where the interface will be, and who its parent and master are.
    fn target<'y>(&self, yard: &'y YardName, interface: &Interface, index: u32) -> Target<'y> {
        let place = &interface.id.place;
        let sender = interface.parent.as_ref().map_or(place, |parent| &parent.place);
        let beside = |name: &FullName| InterfaceId { place: place.clone(), name: name.clone() };
        Target {
            yard,
            index,
            netns: (sender != place).then(|| self.fd(place)),
            parent: interface.parent.as_ref().map(|parent| self.index(parent)),
            master: interface.master.as_ref().map(|master| self.index(&beside(master))),
            bonded: interface.master.is_some() && interface.port.is_none(),
        }
    }

    fn next_index(&self, place: &Place) -> u32 {
        self.spaces[place].names.last_index() + 10
    }

    fn note(&mut self, interface: &Interface, index: u32) {
        let names = &mut self.space(&interface.id.place).names;
        names.insert(index, interface.id.name.clone(), interface.kernel_name.clone());
    }

    fn add_interface(&mut self, interface: &Interface) {
        let yard = self.yard.clone();
        let place = &interface.id.place;
        let index = match interface.kind {
            Kind::Loopback => 1,
            _ => self.next_index(place),
        };
        let target = self.target(&yard, interface, index);
        let made = match interface.creation(&target) {
            Creation::Link(request) => {
                let sender = interface.parent.as_ref().map_or(place, |parent| &parent.place);
                self.space(&sender.clone()).run(vec![request]);
                Made::Whole
            }
            Creation::Tun { name, index, tap, options } => {
                let file = self.inside(place, || tun(name.as_str(), index, tap, &options));
                drop(file.unwrap());
                Made::Bare
            }
            Creation::Existing => Made::Bare,
            Creation::Physical => {
                let Kind::Physical(physical) = &interface.kind else { unreachable!() };
                let home = FullName::new(physical.host_name.as_str()).unwrap();
                let now = self.spaces[&Place::Host].names.index(&home).unwrap();
                let target = Target { netns: Some(self.fd(place)), ..target };
                self.space(&Place::Host).run(vec![interface.moving(now, &target)]);
                Made::Bare
            }
            Creation::Pair => panic!("a veth comes with its peer"),
        };
        self.note(interface, index);
        self.space(place).run(interface.configuration(&target, made));
    }

    fn add_pair(&mut self, first: &Interface, second: &Interface) {
        let (first, second) =
            if second.master.is_some() { (second, first) } else { (first, second) };
        let yard = self.yard.clone();
        let mut at = self.target(&yard, first, self.next_index(&first.id.place));
        let mut peer_at = self.target(&yard, second, self.next_index(&second.id.place) + 1);
        (at.netns, peer_at.netns) =
            (Some(self.fd(&first.id.place)), Some(self.fd(&second.id.place)));
        let request = Interface::pair_creation(first, &at, second, &peer_at);
        self.space(&Place::Host).run(vec![request]);
        for (end, at, made) in [(first, at, Made::Whole), (second, peer_at, Made::AsPeer)] {
            self.note(end, at.index);
            self.space(&end.id.place).run(end.configuration(&at, made));
        }
    }

    fn remove_interface(&mut self, interface: &Interface) {
        let index = self.index(&interface.id);
        let home = self.fd(&Place::Host);
        let space = self.space(&interface.id.place);
        space.run(interface.removal(index, Some(home)));
        let places: Vec<Place> = self.spaces.keys().cloned().collect();
        for place in places {
            self.learn(&place);
        }
    }

    fn names(&self, object: &Object) -> &Names {
        &self.spaces[&object.place()].names
    }

    /// The MTU of the interface a qdisc is on.
    fn mtu(&mut self, id: &InterfaceId) -> u32 {
        let index = self.index(id);
        let seen = self.learn(&id.place);
        seen.iter().find(|seen| seen.index == index).unwrap().mtu
    }

    fn adding(&mut self, object: &Object) -> Vec<Request> {
        let mtu = match object {
            Object::Qdisc(o) => self.mtu(&o.interface),
            _ => 0,
        };
        let names = self.names(object);
        vec![match object {
            Object::PortVlan(o) => o.add(names).unwrap(),
            Object::Address(o) => o.add(names).unwrap(),
            Object::Neighbour(o) => o.add(names).unwrap(),
            Object::Route(o) => o.add(names).unwrap(),
            Object::Rule(o) => o.add(names),
            Object::Qdisc(o) => o.add(mtu, names).unwrap(),
            other => panic!("{other:?}"),
        }]
    }

    fn changing(&mut self, from: &Object, to: &Object) -> Vec<Request> {
        let mtu = match to {
            Object::Qdisc(o) => self.mtu(&o.interface),
            _ => 0,
        };
        let names = self.names(to);
        match (from, to) {
            (Object::PortVlan(_), Object::PortVlan(to)) => vec![to.add(names).unwrap()],
            (Object::Address(from), Object::Address(to)) => to.change(from, names).unwrap(),
            (Object::Neighbour(from), Object::Neighbour(to)) => to.change(from, names).unwrap(),
            (Object::Route(_), Object::Route(to)) => vec![to.change(names).unwrap()],
            (Object::Qdisc(_), Object::Qdisc(to)) => vec![to.change(mtu, names).unwrap()],
            other => panic!("{other:?}"),
        }
    }

    fn removing(&mut self, object: &Object) -> Vec<Request> {
        let names = self.names(object);
        vec![match object {
            Object::PortVlan(o) => o.remove(names).unwrap(),
            Object::Address(o) => o.remove(names).unwrap(),
            Object::Neighbour(o) => o.remove(names).unwrap(),
            Object::Route(o) => o.remove(),
            Object::Rule(o) => o.remove(names),
            Object::Qdisc(o) => o.remove(names).unwrap(),
            other => panic!("{other:?}"),
        }]
    }
}

/// Makes a persistent tap or tun in the thread's namespace and stays attached to it.
pub fn tun(
    name: &str,
    index: u32,
    tap: bool,
    options: &netyard_core::interface::Tap,
) -> io::Result<File> {
    let file = File::options().read(true).write(true).open("/dev/net/tun")?;
    let call = |request: libc::c_ulong, argument: libc::c_ulong| {
        // SAFETY: the callers' arguments are numbers, or point to what outlives the call.
        let done = unsafe { libc::ioctl(file.as_raw_fd(), request as _, argument) };
        if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    };
    let wanted = index as libc::c_int;
    if index != 0 {
        call(libc::TUNSETIFINDEX as _, (&raw const wanted) as libc::c_ulong)?;
    }
    // SAFETY: all zeroes is a valid `ifreq`.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    let mut flags = if tap { libc::IFF_TAP } else { libc::IFF_TUN } | libc::IFF_NO_PI;
    if options.multi_queue {
        flags |= libc::IFF_MULTI_QUEUE;
    }
    request.ifr_ifru.ifru_flags = flags as libc::c_short;
    call(libc::TUNSETIFF as _, (&raw const request) as libc::c_ulong)?;
    if let Some(owner) = options.owner {
        call(libc::TUNSETOWNER as _, owner.into())?;
    }
    if let Some(group) = options.group {
        call(libc::TUNSETGROUP as _, group.into())?;
    }
    call(libc::TUNSETPERSIST as _, 1)?;
    Ok(file)
}

pub fn node(name: &str) -> Place {
    Place::Node(NodeName::new(name).unwrap())
}

pub fn full(name: &str) -> FullName {
    FullName::new(name).unwrap()
}

pub fn id(place: &Place, name: &str) -> InterfaceId {
    InterfaceId { place: place.clone(), name: full(name) }
}

fn namespace(place: &Place) -> Namespace {
    let netns = place.to_string();
    Namespace { place: place.clone(), netns, published: false, hostname: None }
}

/// The objects of an empty node.
pub fn empty(place: &Place) -> Vec<Object> {
    let lo = Interface { mtu: None, mac: None, ..interface(place, "lo", Kind::Loopback) };
    vec![Object::Namespace(namespace(place)), object(lo)]
}

/// An interface that is up and has a MAC address of its own.
pub fn interface(place: &Place, name: &str, kind: Kind) -> Interface {
    let id = id(place, name);
    Interface {
        kernel_name: InterfaceName::derive("bed", name, 0),
        mac: Some(Mac::derive(&[id.to_string().as_bytes()])),
        id,
        kind,
        parent: None,
        master: None,
        port: None,
        mtu: Some(1500),
        up: true,
    }
}

/// Both ends of a cable, each a place and a name.
pub fn cable(ends: [(&Place, &str); 2]) -> [Interface; 2] {
    let end = |(place, name): (&Place, &str), (other, peer): (&Place, &str)| {
        interface(place, name, Kind::Veth(Veth { peer: id(other, peer) }))
    };
    [end(ends[0], ends[1]), end(ends[1], ends[0])]
}

/// The same as a port of a bridge.
pub fn plugged(mut interface: Interface, bridge: &str) -> Interface {
    interface.master = Some(full(bridge));
    interface.port = Some(BridgePort::DEFAULT);
    interface
}

pub fn object(interface: Interface) -> Object {
    Object::Interface(Box::new(interface))
}

pub fn with_address(place: &Place, name: &str, net: &str) -> Object {
    let net = net.parse().unwrap();
    Object::Address(Address { interface: id(place, name), net, peer: None, dad: false })
}

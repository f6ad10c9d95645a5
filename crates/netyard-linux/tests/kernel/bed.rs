//! A bed for tests: a machine of its own, a State made in it by the code the
//! command line calls, observed, seen to carry traffic, and taken away again.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::process::Command;

use netyard_core::addr::Mac;
use netyard_core::interface::{BridgePort, Interface, Kind, Veth};
use netyard_core::name::{FullName, InterfaceName, NodeName};
use netyard_core::state::{InterfaceId, Object, Place, State};
use netyard_linux::netns::Worker;

pub use crate::yard::with_address;
use crate::yard::{alone, down, netns, open, published, snapshot, steps_left, up};

/// Runs a test in a machine of its own.
pub fn isolated(test: impl FnOnce(&mut Bed<'_>) + Send) {
    alone(|| {
        let before = snapshot();
        Worker::run(|worker| test(&mut Bed { worker, before })).unwrap();
    });
}

/// The machine, and a way into its namespaces.
pub struct Bed<'w> {
    worker: &'w mut Worker,
    before: String,
}

impl Bed<'_> {
    /// Runs `work` in a namespace; sockets and programs it opens stay there.
    pub fn inside<R>(&mut self, place: &Place, work: impl FnOnce() -> R) -> R {
        if *place == Place::Host {
            return work();
        }
        self.worker.enter(netns(&netns_name(place)).as_fd()).unwrap();
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
        up(desired).unwrap_or_else(|error| panic!("{error}\n{error:?}"));
        let observed = open().observe(desired).unwrap().state;
        let lines = |state: &State| -> Vec<String> {
            state.objects().map(|object| format!("{object:?}")).collect()
        };
        let desired = desired.clone().settled();
        let (is, should) = (lines(&observed), lines(&desired));
        let more: Vec<_> = is.iter().filter(|line| !should.contains(line)).collect();
        let less: Vec<_> = should.iter().filter(|line| !is.contains(line)).collect();
        assert!(more.is_empty() && less.is_empty(), "is:     {more:#?}\nshould: {less:#?}");
        assert_eq!(steps_left(&desired), [] as [String; 0]);
    }

    /// Takes everything away and sees that nothing is left.
    pub fn clear(&mut self) {
        down().unwrap();
        assert_eq!(snapshot(), self.before);
    }
}

fn netns_name(place: &Place) -> String {
    match place {
        Place::Fabric => "bed-fabric".to_owned(),
        place => format!("bed-{place}"),
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

/// The objects of an empty node.
pub fn empty(place: &Place) -> Vec<Object> {
    published(place)
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

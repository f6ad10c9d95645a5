//! How a failed op is told.

use netyard_core::plan::Op;
use netyard_core::state::{Object, Place};

use crate::error::{Error, ErrorKind};

/// "could not create interface `eth0` in node `r1`".
pub(super) fn could_not(op: &Op) -> String {
    let verb = match op {
        Op::Add { .. } | Op::AddPair { .. } => "create",
        Op::Set { .. } => "change",
        Op::Mark { .. } => "take over",
        Op::Remove { .. } | Op::RemovePair { .. } => "remove",
    };
    match op {
        Op::AddPair { first, second } | Op::RemovePair { first, second } => {
            format!("could not {verb} the pair `{}` and `{}`", first.id, second.id)
        }
        Op::Add { object }
        | Op::Remove { object }
        | Op::Set { to: object, .. }
        | Op::Mark { object, .. } => {
            let (what, name) = name(object);
            let verb = match (verb, object) {
                ("create", Object::Sysctl(_)) => "set",
                ("create", Object::File(_)) => "write",
                ("create", Object::Command(_)) => "run",
                ("create", Object::Process(_) | Object::LibvirtNetwork(_)) => "start",
                ("remove", Object::Process(_)) => "end",
                ("create", Object::Address(_) | Object::Route(_) | Object::Rule(_)) => "add",
                _ => verb,
            };
            format!("could not {verb} {what} `{name}`{}", place(object))
        }
    }
}

/// Why a setting is not there: its interface, or the kernel has no such thing.
pub(super) fn no_setting(path: &str) -> String {
    let interface = path.split('/').skip_while(|part| !matches!(*part, "conf" | "neigh")).nth(1);
    match interface.filter(|name| !matches!(*name, "all" | "default")) {
        Some(name) => format!("there is no interface `{name}`, or it has no such setting"),
        None => "this kernel has no such setting".to_owned(),
    }
}

fn name(object: &Object) -> (&'static str, String) {
    match object {
        Object::Namespace(o) => ("namespace", o.netns.clone()),
        Object::Interface(o) => ("interface", o.id.name.to_string()),
        Object::PortVlan(o) => ("VLAN", format!("{} of {}", o.vid, o.interface.name)),
        Object::Sysctl(o) => {
            let interface = o.interface.as_ref().map_or("", |name| name.as_str());
            ("setting", o.key.replace("{if}", interface).replace('/', "."))
        }
        Object::Address(o) => ("address", format!("{} of {}", o.net, o.interface.name)),
        Object::Neighbour(o) => ("neighbour", format!("{} on {}", o.address, o.interface.name)),
        Object::Route(o) => ("route", o.destination.to_string()),
        Object::Rule(o) => ("rule", o.priority.to_string()),
        Object::Qdisc(o) => ("the impairment of", o.interface.name.to_string()),
        Object::Table(o) => ("table", o.name.clone()),
        Object::FlowDevice(o) => ("the offload of", o.interface.name.to_string()),
        Object::Tunnel(o) => ("the peers of", o.interface.name.to_string()),
        Object::File(o) => ("file", format!("/etc/netns/{}/{}", o.netns, o.name)),
        Object::Command(o) => ("command", o.argv.join(" ")),
        Object::Process(o) => ("process", o.name.clone()),
        Object::LibvirtNetwork(o) => ("libvirt's network", o.name.clone()),
    }
}

fn place(object: &Object) -> String {
    match (object, object.place()) {
        (Object::Namespace(_) | Object::LibvirtNetwork(_), _) => String::new(),
        (_, Place::Host) => " on the host".to_owned(),
        (_, Place::Fabric) => " in the fabric".to_owned(),
        (_, Place::Node(node)) => format!(" in node `{node}`"),
    }
}

/// The place of an op, and what it needs, are not there: the plan is wrong.
pub(super) fn lost(op: &Op, what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Bug, format!("{}: {what}", could_not(op)))
}

/// What a user can do about an errno.
pub(super) fn hint(op: &Op, errno: rustix::io::Errno) -> Option<&'static str> {
    use rustix::io::Errno;
    match errno {
        Errno::OPNOTSUPP => {
            Some("this kernel has no such thing; `netyard plan` names the kinds that it lacks")
        }
        Errno::PERM | Errno::ACCESS => {
            Some("netyard needs CAP_NET_ADMIN and CAP_SYS_ADMIN, and writable /proc/sys")
        }
        Errno::EXIST => match op {
            Op::Add { object: Object::Namespace(_) } => {
                Some("something else has that name below /run/netns; `ip netns` shows it")
            }
            _ => Some("something that is not the yard's is in its place"),
        },
        Errno::NOENT if matches!(op, Op::Add { object: Object::Qdisc(_) }) => Some(
            "this kernel lacks the queueing discipline: CONFIG_NET_SCH_NETEM for delay, loss and \
             the like, CONFIG_NET_SCH_TBF for a rate alone",
        ),
        Errno::XFULL => Some("a bridge has at most 1023 ports"),
        Errno::NOMEM | Errno::NOBUFS | Errno::NOSPC => Some("the kernel is short of memory"),
        _ => None,
    }
}

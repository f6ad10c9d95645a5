//! Messages about containers.

use super::{Diagnostic, Span};

/// What is in it is neither said to be here nor there.
pub fn no_root(span: Span) -> Diagnostic {
    Diagnostic::error("container-root", "a container needs `root` or `image`")
        .at(span, "nothing says where its files are")
        .hint("write `root: /srv/NODE`, a directory, or `image: /srv/firmware.img.gz`")
}

/// A directory is no disk.
pub fn no_partition(span: Span) -> Diagnostic {
    Diagnostic::error("container-root", "a `root` has no partitions")
        .at(span, "")
        .hint("`partition` belongs to an `image` that is a disk")
}

/// A path that depends on where netyard was called.
pub fn relative(key: &str, path: &str, span: Span) -> Diagnostic {
    Diagnostic::error("relative-path", format!("`{key}` is not a whole path: `{path}`"))
        .at(span, "")
        .hint("write it from `/` on; it has no `..`")
}

/// Two containers with the same files.
pub fn root_twice(path: &str, other: &str, span: Span, first: Span) -> Diagnostic {
    Diagnostic::error("root-twice", format!("`{path}` is the root of `{other}`, too"))
        .at(span, "both would write to the same files")
        .at(first, "and here")
        .hint("give each a copy: `image:` takes a directory, and copies it")
}

/// A capability that Linux does not have.
pub fn capability(name: &str, span: Span) -> Diagnostic {
    Diagnostic::error("capability", format!("`{name}` is no capability"))
        .at(span, "")
        .hint("they are called as in capabilities(7): `CAP_NET_ADMIN`")
}

/// A signal that Linux does not have.
pub fn signal(name: &str, span: Span) -> Diagnostic {
    Diagnostic::error("signal", format!("`{name}` is no signal"))
        .at(span, "")
        .hint("write its name: `SIGPWR`, `SIGUSR2`, `SIGRTMIN+4`")
}

/// A size that cannot be read.
pub fn size(text: &str, span: Span) -> Diagnostic {
    Diagnostic::error("size", format!("`{text}` is no size"))
        .at(span, "")
        .hint("write bytes, or `512K`, `256M`, `2G`")
}

/// A number of processors that cannot be read.
pub fn cpus(text: &str, span: Span) -> Diagnostic {
    Diagnostic::error("cpus", format!("`{text}` is no number of processors"))
        .at(span, "")
        .hint("write `1`, `0.5` or `2.25`, from 0.01 to 1024")
}

/// A machine-id of another form.
pub fn machine_id(text: &str, span: Span) -> Diagnostic {
    Diagnostic::error("machine-id", format!("`{text}` is no machine-id"))
        .at(span, "")
        .hint("it has 32 digits of 0-9 and a-f, not all 0 (machine-id(5))")
}

/// A bind that cannot be read.
pub fn bind(text: &str, span: Span) -> Diagnostic {
    Diagnostic::error("bind", format!("`{text}` says not what is bound")).at(span, "").hint(
        "write a whole path, or `/on/the/host:/in/it`, or `{ from: , to: , read-only: true }`",
    )
}

/// A booted container has a user of its own for each of its programs.
pub fn boots_as(span: Span) -> Diagnostic {
    Diagnostic::error("container-user", "what boots runs as root")
        .at(span, "only a `command` runs as another user")
}

/// It boots, or it runs a command.
pub fn boot_and_command(span: Span) -> Diagnostic {
    Diagnostic::error("container-boot", "a container boots, or it runs a command")
        .at(span, "it has a `command` and `boot: true`")
}

/// It neither boots nor runs a command.
pub fn nothing_to_start(span: Span) -> Diagnostic {
    Diagnostic::error("container-boot", "nothing is started in this container")
        .at(span, "it neither boots nor has a `command`")
        .hint("leave `boot: false` out, or write `command: [...]`")
}

/// A container without root.
pub fn needs_root(node: &str, span: Span) -> Diagnostic {
    let message = format!("the node `{node}` is a container, and that needs root");
    Diagnostic::error("needs-root", message)
        .at(span, "systemd-nspawn has no way without")
        .hint("run netyard as root, or leave `container` out: programs of a node run without it")
}

/// A firmware whose services start in jails, which nspawn's filter of system calls and its
/// mounts do not let them make.
pub fn jails(span: Span) -> Diagnostic {
    Diagnostic::warning("procd-ujail", "services of this firmware may not start in a container")
        .at(span, "`/sbin/ujail` is among its files: procd puts services into jails with it")
        .hint("remove the package `procd-ujail` from the image: procd starts them without, then")
}

/// Users of a container's own are nobody to the network that it is given.
pub fn no_right_to_the_network(why: &str, span: Span, users: Span) -> Diagnostic {
    let message = "a container with users of its own cannot set up its network";
    Diagnostic::error("private-users", message).at(span, why.to_owned()).at(users, "").hint(
        "leave `private-users` out, or this: interfaces, addresses, routes and the firewall \
             can be the yard's",
    )
}

/// An interface that is a container's own affair, which is not allowed to have one.
pub fn nobody_addresses(interface: &str, span: Span, users: Span) -> Diagnostic {
    let message = format!("nobody gives `{interface}` an address");
    Diagnostic::warning("private-users", message)
        .at(span, "the container would have to")
        .at(users, "and cannot, with users of its own")
        .hint("write an address, or `address: dhcp`")
}

/// `/proc/sys` of the host can be written to by a guest.
pub fn whole_proc_sys(span: Span) -> Diagnostic {
    Diagnostic::warning("proc-sys", "settings of the host itself can be written by this container")
        .at(span, "only what is below `net` is its own")
        .hint("`proc-sys: net` is enough for a system that sets up its own network")
}

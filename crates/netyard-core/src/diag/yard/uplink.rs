//! Messages about uplinks and interfaces of the host that are ports.

use ipnet::IpNet;

use crate::diag::{Diagnostic, Span, Spanned};
use crate::facts::{HeldSetting, SysctlLine};
use crate::name::FullName;

/// An interface of a kind of its own that is said to be in a network.
pub fn kind_in_network(kind: &str, span: Span, network: &Spanned<FullName>) -> Diagnostic {
    let name = &network.value;
    let message = format!("a `{kind}` cannot be plugged into network `{name}`");
    Diagnostic::error("kind-in-network", message)
        .at(span, "what is plugged into a network is an end of a cable")
        .at(network.span, "")
        .hint(format!("take `kind:` out; or write `uplink: {{ macvlan: … }}` in `{name}`"))
}

/// A network that lets larger packets in than an interface of it carries.
pub fn mtu_above_outside(segment: &str, mtu: u32, outside: u32, span: Span) -> Diagnostic {
    let message =
        format!("the MTU of {segment} is {mtu}, and its interface of the host has {outside}");
    Diagnostic::warning("mtu-above-outside", message)
        .at(span, "larger packets vanish in the bridge, and no counter shows it")
        .hint(format!("write `mtu: {outside}`, or raise that of the interface"))
}

/// An interface of the host that is a port of two networks, or lent besides.
pub fn outside_twice(name: &str, span: Span, first: Span) -> Diagnostic {
    Diagnostic::error("outside-twice", format!("`{name}` cannot be in two places"))
        .at(span, "here")
        .at(first, "and here")
}

/// An interface of the host that goes into a bridge or a node, and has macvlans.
pub fn outside_and_macvlan(name: &str, span: Span, parent: Span) -> Diagnostic {
    let message = format!("`{name}` cannot have macvlans and be elsewhere, too");
    Diagnostic::error("outside-twice", message)
        .at(span, "here it is taken away")
        .at(parent, "here it has macvlans")
        .hint("the kernel hands what comes in either to the bridge or to the macvlans: use one of both")
}

/// The loopback as a way out.
pub fn uplink_loopback(span: Span) -> Diagnostic {
    Diagnostic::error("uplink-loopback", "nothing leaves the host by `lo`")
        .at(span, "the loopback")
        .hint("name the interface towards the Internet, or write `auto`")
}

/// An interface of the host that cannot be a bridge's port.
pub fn outside_kind(name: &str, kind: &str, span: Span) -> Diagnostic {
    let message = format!("`{name}` is {kind}, which cannot be a port of a bridge");
    let found = Diagnostic::error("outside-kind", message).at(span, "");
    match kind {
        "a wireless interface" => found
            .hint("an access point takes frames of one station only; write `uplink: masquerade`"),
        _ => found,
    }
}

/// A further port that has addresses, which would be dead.
pub fn outside_addresses(name: &str, span: Span) -> Diagnostic {
    Diagnostic::error("outside-addresses", format!("the host uses `{name}` itself"))
        .at(span, "a port has no addresses")
        .hint(format!(
            "write `uplink: {{ bridge: {name} }}`: then they move to the bridge, and back on `down`"
        ))
}

/// An interface with a lease that becomes a port.
pub fn outside_lease(name: &str, bridge: &str, seconds: u32, span: Span) -> Diagnostic {
    let message = format!("an address of `{name}` is lent to the host for {seconds} more seconds");
    Diagnostic::warning("uplink-lease", message)
        .at(span, format!("it moves to `{bridge}` and ends there"))
        .hint(format!("let whoever renews it do so on `{bridge}`, which has the same MAC address"))
}

/// A host side of a network that has no bridge.
pub fn macvlan_host_side(span: Span, uplink: Span) -> Diagnostic {
    Diagnostic::error("macvlan-host", "a network of macvlans has no bridge on the host")
        .at(span, "")
        .at(uplink, "its interfaces are macvlans of this one")
        .hint("the kernel keeps an interface and its macvlans apart; `bridge:` does not")
}

/// Further ports of a network that has no bridge.
pub fn macvlan_ports(span: Span, uplink: Span) -> Diagnostic {
    Diagnostic::error("macvlan-ports", "a network of macvlans has no bridge for further ports")
        .at(span, "")
        .at(uplink, "its interfaces are macvlans of this one")
}

/// A setting of the file that keeps an uplink from working.
pub fn sysctl_against_uplink(key: &str, value: &str, span: Span, uplink: Span) -> Diagnostic {
    let key = key.replace('/', ".");
    Diagnostic::error("uplink-setting", format!("this uplink needs `{key}` to be {value}"))
        .at(uplink, "the uplink")
        .at(span, "and here it is something else")
}

/// A file of settings that says otherwise.
pub fn sysctl_file_differs(key: &str, value: &str, line: &SysctlLine, span: Span) -> Diagnostic {
    let SysctlLine { file, line, value: other, .. } = line;
    let key = key.replace('/', ".");
    let message = format!("`{file}` sets `{key}` to {other}, and the yard needs {value}");
    Diagnostic::warning("sysctl-file", message)
        .at(span, format!("what needs it; line {line} of that file is read again at the next boot"))
        .hint(format!(
            "write `{key} = {value}` there, or in a file of `/etc/sysctl.d` that comes later"
        ))
}

/// A setting that another yard on this host needs otherwise.
pub fn sysctl_of_another_yard(held: &HeldSetting, value: &str, span: Span) -> Diagnostic {
    let HeldSetting { yard, key, value: other } = held;
    let key = key.replace('/', ".");
    let message =
        format!("the yard `{yard}` holds `{key}` at {other}, and this yard needs {value}");
    Diagnostic::error("sysctl-of-two-yards", message).at(span, "what needs it").hint(format!(
        "a host has one of it: say the same in both files, or `netyard down --yard {yard}` first"
    ))
}

/// `rp_filter` of an interface that another setting overrules.
pub fn rp_filter_overruled(value: &str, all: &str, name: &str, span: Span) -> Diagnostic {
    let message = format!("`rp_filter: {value}` of `{name}` has no effect");
    Diagnostic::warning("rp-filter-overruled", message)
        .at(span, format!("the greater of it and `net.ipv4.conf.all.rp_filter`, {all}, holds"))
        .hint("set `net.ipv4.conf.all.rp_filter: 0` in `sysctl:` of `host`")
}

/// A network whose prefix is in use on the other side of the host.
pub fn upstream_collides(
    segment: &str,
    prefix: IpNet,
    route: IpNet,
    interface: &str,
    span: Span,
) -> Diagnostic {
    let message = format!("upstream collides: `{prefix}` of {segment} overlaps `{route}`");
    Diagnostic::warning("upstream-collides", message)
        .at(span, format!("which the host now reaches through `{interface}`"))
        .hint("give the network another prefix, or `netyard down` while you are there")
}

/// NetworkManager has set an interface up that is to be the yard's; `ours`: it is already,
/// and both may undo what the other did.
pub fn manager_has(name: &str, profile: &str, ours: bool, span: Span) -> Diagnostic {
    let message = format!("`{name}` is NetworkManager's: its profile `{profile}` is active there");
    let found = match ours {
        false => Diagnostic::error("interface-held", message),
        true => Diagnostic::warning("interface-held", message),
    };
    found
        .at(span, "it would set it up again whenever it sees fit")
        .hint(format!("`nmcli device set {name} managed no` takes it from NetworkManager until the machine boots"))
        .hint(format!(
            "for good: `unmanaged-devices=interface-name:{name}` below `[keyfile]` in \
             `/etc/NetworkManager/conf.d/netyard.conf`, then `nmcli general reload`"
        ))
}

//! `ip link`: interfaces as commands.

use super::unit::quoted;
use super::{ShellNames, Signs, is_tuntap};
use crate::interface::{
    BondMode, Bridge, BridgePort, Interface, Kind, MacvlanMode, Vxlan, WlanRole,
};
use crate::state::Place;

/// What `ip link add` and `ip link set` take for a word of their own, in whole or as its
/// beginning, where a name stands (iproute2, ip/iplink.c, `iplink_parse`).
const WORDS: [&str; 38] = [
    "up",
    "down",
    "name",
    "index",
    "link",
    "address",
    "broadcast",
    "txqueuelen",
    "qlen",
    "txqlen",
    "mtu",
    "xdp",
    "netns",
    "multicast",
    "allmulticast",
    "promisc",
    "trailers",
    "arp",
    "carrier",
    "vf",
    "master",
    "vrf",
    "nomaster",
    "dynamic",
    "type",
    "alias",
    "group",
    "mode",
    "state",
    "numtxqueues",
    "numrxqueues",
    "addrgenmode",
    "link-netnsid",
    "protodown",
    "peer",
    "parentdev",
    "dev",
    "help",
];

/// The name of an interface where `ip link` expects one.
fn subject(name: &str) -> String {
    match WORDS.iter().any(|word| word.starts_with(name)) {
        true => format!("dev {}", quoted(name)),
        false => quoted(name),
    }
}

/// Makes one interface.
pub(super) fn add(names: &ShellNames, o: &Interface) -> Vec<String> {
    let (ip, name) = (names.tool("ip", &o.id.place), quoted(o.kernel_name.as_str()));
    let mut lines = Vec::new();
    let mut settings = Vec::new();
    match &o.kind {
        Kind::Loopback => settings.extend(attributes(o)),
        Kind::Physical(physical) => {
            if o.id.place == Place::Host {
                settings.extend(attributes(o));
            } else {
                let netns = names.netns(&o.id.place).unwrap_or_default();
                let host = subject(physical.host_name.as_str());
                lines.push(format!("ip link set {host} netns {netns} name {name}"));
                settings.extend(attributes(o));
            }
        }
        Kind::Wlan(wlan) => {
            let kind = if wlan.role == WlanRole::Ap { "__ap" } else { "managed" };
            let exec = names.exec(&o.id.place);
            lines.push(format!(
                "{exec}iw phy {} interface add {name} type {kind}",
                quoted(&wlan.phy)
            ));
            settings.extend(attributes(o));
        }
        kind if is_tuntap(kind) => {
            lines.push(format!("{ip} tuntap add dev {name}{}", tuntap(kind)));
            settings.extend(attributes(o));
        }
        kind => lines.push(made(names, o, kind)),
    }
    settings.extend(belongs(names, o));
    if o.up {
        settings.push("up".to_string());
    }
    let name = subject(o.kernel_name.as_str());
    lines.extend(set_line(&ip, &name, &settings));
    lines.extend(port_line(&ip, &name, o.port.as_ref(), None));
    lines
}

/// `ip link add` for a kind that it makes, wherever the parent is.
fn made(names: &ShellNames, o: &Interface, kind: &Kind) -> String {
    let name = quoted(o.kernel_name.as_str());
    let mut line;
    match &o.parent {
        Some(parent) if *kind == Kind::Wireguard => {
            let netns = names.netns(&o.id.place).unwrap_or_else(|| "1".to_string());
            let ip = names.tool("ip", &parent.place);
            line = format!("{ip} link add name {name} netns {netns}");
        }
        Some(parent) if parent.place != o.id.place => {
            let netns = names.netns(&o.id.place).unwrap_or_else(|| "1".to_string());
            let ip = names.tool("ip", &parent.place);
            let parent = names.device(&parent.place, &parent.name);
            line = format!("{ip} link add link {parent} name {name} netns {netns}");
        }
        Some(parent) if !matches!(kind, Kind::Vxlan(_)) => {
            let ip = names.tool("ip", &o.id.place);
            let parent = names.device(&parent.place, &parent.name);
            line = format!("{ip} link add link {parent} name {name}");
        }
        _ => {
            let name = subject(o.kernel_name.as_str());
            line = format!("{} link add {name}", names.tool("ip", &o.id.place));
        }
    }
    for attribute in attributes(o) {
        line += &format!(" {attribute}");
    }
    line += &format!(" type {}", kind.kernel_kind().unwrap_or_default());
    // A kernel without VLAN filtering refuses even to be told that it is off.
    for option in options(kind, None).iter().filter(|option| *option != "vlan_filtering 0") {
        line += &format!(" {option}");
    }
    if matches!(kind, Kind::Bridge(_)) {
        // No port belongs to a VLAN that was not asked for.
        line += " vlan_default_pvid 0";
    }
    if let (Kind::Vxlan(_), Some(parent)) = (kind, &o.parent)
        && parent.place == o.id.place
    {
        line += &format!(" dev {}", names.device(&parent.place, &parent.name));
    }
    line
}

/// Makes both ends of a veth; the host's first, for it has no name as namespace.
pub(super) fn add_pair(names: &ShellNames, a: &Interface, b: &Interface) -> Vec<String> {
    let (first, second) = if b.id.place == Place::Host { (b, a) } else { (a, b) };
    let ip = names.tool("ip", &first.id.place);
    let mut line = format!("{ip} link add {}", subject(first.kernel_name.as_str()));
    for attribute in attributes(first) {
        line += &format!(" {attribute}");
    }
    line += &format!(" type veth peer name {}", quoted(second.kernel_name.as_str()));
    for attribute in attributes(second) {
        line += &format!(" {attribute}");
    }
    if second.id.place != first.id.place
        && let Some(netns) = names.netns(&second.id.place)
    {
        line += &format!(" netns {netns}");
    }
    let mut lines = vec![line];
    for end in [first, second] {
        let (ip, name) = (names.tool("ip", &end.id.place), subject(end.kernel_name.as_str()));
        let mut settings = belongs(names, end);
        if end.up {
            settings.push("up".to_string());
        }
        lines.extend(set_line(&ip, &name, &settings));
        lines.extend(port_line(&ip, &name, end.port.as_ref(), None));
    }
    lines
}

/// Takes an interface away, or gives it back.
/// What an interface says of who made it.
pub(super) fn mark(names: &ShellNames, o: &Interface, to: &Signs) -> Vec<String> {
    let ip = names.tool("ip", &o.id.place);
    let name = quoted(o.kernel_name.as_str());
    vec![format!("{ip} link set dev {name} alias {} group {}", quoted(&to.alias), to.group)]
}

pub(super) fn remove(names: &ShellNames, o: &Interface) -> Vec<String> {
    let (ip, name) = (names.tool("ip", &o.id.place), quoted(o.kernel_name.as_str()));
    match &o.kind {
        Kind::Loopback => vec![format!("{ip} link set {name} down")],
        Kind::Physical(physical) if o.id.place != Place::Host => {
            let host = quoted(physical.host_name.as_str());
            let name = subject(o.kernel_name.as_str());
            vec![format!("{ip} link set {name} netns 1 name {host}")]
        }
        // It was there before and stays: only what is on it goes.
        Kind::Physical(_) => Vec::new(),
        Kind::Wlan(_) => vec![format!("{}iw dev {name} del", names.exec(&o.id.place))],
        _ => vec![format!("{ip} link del {}", subject(o.kernel_name.as_str()))],
    }
}

/// Changes an interface in place; names only what differs.
pub(super) fn set(names: &ShellNames, from: &Interface, to: &Interface) -> Vec<String> {
    let ip = names.tool("ip", &to.id.place);
    let (old, name) = (subject(from.kernel_name.as_str()), subject(to.kernel_name.as_str()));
    let mut lines = Vec::new();
    if old != name {
        let new = quoted(to.kernel_name.as_str());
        lines.push(format!("{ip} link set {old} name {new}"));
    }
    if from.up && (!to.up || matches!(from.change(to), crate::interface::Change::WhileDown(_))) {
        lines.push(format!("{ip} link set {name} down"));
    }
    let mut settings = Vec::new();
    if let Some(mtu) = to.mtu.filter(|_| from.mtu != to.mtu) {
        settings.push(format!("mtu {mtu}"));
    }
    if let Some(mac) = to.mac.filter(|_| from.mac != to.mac) {
        settings.push(format!("address {mac}"));
    }
    if from.master != to.master {
        match &to.master {
            Some(_) => settings.extend(belongs(names, to)),
            None => settings.push("nomaster".to_string()),
        }
    }
    let went_down = lines.last().is_some_and(|line| line.ends_with(&format!("set {name} down")));
    if to.up && (!from.up || went_down) {
        settings.push("up".to_string());
    }
    lines.extend(set_line(&ip, &name, &settings));
    let changed = options(&to.kind, Some(&from.kind));
    if !changed.is_empty() {
        let kind = to.kind.kernel_kind().unwrap_or_default();
        lines.push(format!("{ip} link set {name} type {kind} {}", changed.join(" ")));
    }
    lines.extend(port_line(&ip, &name, to.port.as_ref(), from.port.as_ref()));
    lines
}

fn set_line(ip: &str, name: &str, settings: &[String]) -> Option<String> {
    (!settings.is_empty()).then(|| format!("{ip} link set {name} {}", settings.join(" ")))
}

fn attributes(o: &Interface) -> Vec<String> {
    let mtu = o.mtu.map(|mtu| format!("mtu {mtu}"));
    mtu.into_iter().chain(o.mac.map(|mac| format!("address {mac}"))).collect()
}

fn belongs(names: &ShellNames, o: &Interface) -> Vec<String> {
    let master = o.master.as_ref().map(|name| names.device(&o.id.place, name));
    master.map(|master| format!("master {master}")).into_iter().collect()
}

fn switch(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

/// The words among `to` that are not in `from` at the same position.
fn changed(to: Vec<String>, from: Option<Vec<String>>) -> Vec<String> {
    match from {
        Some(from) if from.len() == to.len() => {
            to.into_iter().zip(from).filter(|(to, from)| to != from).map(|(to, _)| to).collect()
        }
        _ => to,
    }
}

fn port_line(
    ip: &str,
    name: &str,
    port: Option<&BridgePort>,
    from: Option<&BridgePort>,
) -> Option<String> {
    // A new port has these already.
    let new = BridgePort::DEFAULT;
    let words = |port: &BridgePort| {
        vec![
            if port.cost == 0 { String::new() } else { format!("cost {}", port.cost) },
            format!("priority {}", port.priority),
            format!("hairpin {}", switch(port.hairpin)),
            format!("isolated {}", switch(port.isolated)),
            format!("learning {}", switch(port.learning)),
            format!("flood {}", switch(port.unicast_flood)),
            format!("mcast_router {}", if port.multicast_router { 2 } else { 1 }),
        ]
    };
    let words = changed(words(port?), Some(words(from.unwrap_or(&new))));
    (!words.is_empty())
        .then(|| format!("{ip} link set {name} type bridge_slave {}", words.join(" ")))
}

/// The options of a kind; with `from`, those that differ from it.
fn options(kind: &Kind, from: Option<&Kind>) -> Vec<String> {
    changed(words(kind), from.map(words))
}

fn words(kind: &Kind) -> Vec<String> {
    match kind {
        Kind::Bridge(o) => bridge(o),
        Kind::Vlan(o) => {
            let tag = o.service_tag.then(|| "protocol 802.1ad".to_string());
            tag.into_iter().chain([format!("id {}", o.id)]).collect()
        }
        Kind::Vxlan(o) => vxlan(o),
        Kind::Macvlan(o) | Kind::Macvtap(o) => vec![format!("mode {}", macvlan_mode(o.mode))],
        Kind::Ipvlan(o) => {
            vec![format!("mode {} {}", o.mode.word(), o.isolation.word())]
        }
        Kind::Vrf(o) => vec![format!("table {}", o.table)],
        Kind::Bond(o) => {
            vec![format!("mode {}", bond_mode(o.mode)), format!("miimon {}", o.miimon)]
        }
        _ => Vec::new(),
    }
}

/// Times in the kernel's hundredths of a second.
fn bridge(o: &Bridge) -> Vec<String> {
    let on = u8::from;
    vec![
        format!("stp_state {}", on(o.stp)),
        format!("priority {}", o.priority),
        format!("forward_delay {}", o.forward_delay / 10),
        format!("hello_time {}", o.hello_time / 10),
        format!("max_age {}", o.max_age / 10),
        format!("ageing_time {}", o.ageing_time / 10),
        format!("vlan_filtering {}", on(o.vlan_filtering)),
        format!("mcast_snooping {}", on(o.multicast_snooping)),
        format!("mcast_querier {}", on(o.multicast_querier)),
        format!("group_fwd_mask {}", o.group_forward_mask),
    ]
}

fn vxlan(o: &Vxlan) -> Vec<String> {
    let remote = o.remote.map(|remote| {
        let word = if remote.is_multicast() { "group" } else { "remote" };
        format!("{word} {remote}")
    });
    let mut words = vec![format!("id {}", o.id)];
    words.push(format!("dstport {}", o.port));
    words.extend(remote);
    words.extend(o.local.map(|local| format!("local {local}")));
    words.push(if o.ttl == 0 { "ttl inherit".to_string() } else { format!("ttl {}", o.ttl) });
    words.push(if o.learning { "learning" } else { "nolearning" }.to_string());
    words
}

fn macvlan_mode(mode: MacvlanMode) -> &'static str {
    match mode {
        MacvlanMode::Bridge => "bridge",
        MacvlanMode::Private => "private",
        MacvlanMode::Vepa => "vepa",
        MacvlanMode::Passthru => "passthru",
    }
}

fn bond_mode(mode: BondMode) -> &'static str {
    match mode {
        BondMode::BalanceRr => "balance-rr",
        BondMode::ActiveBackup => "active-backup",
        BondMode::BalanceXor => "balance-xor",
        BondMode::Broadcast => "broadcast",
        BondMode::Lacp => "802.3ad",
        BondMode::BalanceTlb => "balance-tlb",
        BondMode::BalanceAlb => "balance-alb",
    }
}

fn tuntap(kind: &Kind) -> String {
    let (mode, o) = match kind {
        Kind::Tun(o) => ("tun", o),
        Kind::Tap(o) => ("tap", o),
        _ => return String::new(),
    };
    let mut line = format!(" mode {mode}");
    if let Some(owner) = o.owner {
        line += &format!(" user {owner}");
    }
    if let Some(group) = o.group {
        line += &format!(" group {group}");
    }
    line + if o.multi_queue { " multi_queue" } else { "" }
}

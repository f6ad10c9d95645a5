//! Ops as the commands a person would type.
//!
//! The commands are for people to learn from, to trust, and to try by hand.
//! netyard itself speaks netlink; where it does something for which there is no
//! command, a comment says so.

mod libvirt;
mod link;
mod nft;
mod process;
pub(crate) mod unit;
mod wireguard;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::{Op, Signs};
use crate::interface::Kind;
use crate::name::{FullName, InterfaceName};
use crate::state::{
    Address, Command, File, InterfaceId, MAIN_TABLE, Namespace, Neighbour, NextHop, Object, Place,
    PortVlan, Qdisc, Route, RouteKind, Rule, RuleAction, State, Sysctl,
};
use crate::wire::qdisc::USUAL_MTU;
use unit::{heredoc, quoted};

/// What namespaces and interfaces are called in commands: by the names that the
/// kernel has for them. Those not known are called as users call them.
#[derive(Clone, Debug, Default)]
pub struct ShellNames {
    netns: BTreeMap<Place, String>,
    interfaces: BTreeMap<InterfaceId, InterfaceName>,
    /// MTUs other than the usual one, in bytes: a token bucket must hold a packet.
    mtus: BTreeMap<InterfaceId, u32>,
}

impl ShellNames {
    /// The names of all that is in some States; later ones win.
    pub fn of<'a>(states: impl IntoIterator<Item = &'a State>) -> Self {
        let mut names = Self::default();
        for object in states.into_iter().flat_map(State::objects) {
            match object {
                Object::Namespace(o) => names.namespace(&o.place, &o.netns),
                Object::Interface(o) => {
                    names.interface(&o.id, &o.kernel_name);
                    names.mtu(&o.id, o.mtu);
                }
                _ => {}
            }
        }
        names
    }

    /// Notes what a namespace is called.
    pub fn namespace(&mut self, place: &Place, netns: &str) {
        self.netns.insert(place.clone(), netns.to_owned());
    }

    /// Notes what an interface is called in the kernel.
    pub fn interface(&mut self, id: &InterfaceId, kernel_name: &InterfaceName) {
        if kernel_name.as_str() != id.name.as_str() {
            self.interfaces.insert(id.clone(), kernel_name.clone());
        }
    }

    fn mtu(&mut self, id: &InterfaceId, mtu: Option<u32>) {
        match mtu {
            None | Some(USUAL_MTU) => self.mtus.remove(id),
            Some(mtu) => self.mtus.insert(id.clone(), mtu),
        };
    }

    /// The namespace's name; none for the host.
    fn netns(&self, place: &Place) -> Option<String> {
        match (place, self.netns.get(place)) {
            (Place::Host, _) => None,
            (_, Some(name)) => Some(quoted(name)),
            (_, None) => Some(quoted(&place.to_string())),
        }
    }

    /// The name of an interface.
    fn device(&self, place: &Place, name: &FullName) -> String {
        let id = InterfaceId { place: place.clone(), name: name.clone() };
        match self.interfaces.get(&id) {
            Some(name) => quoted(name.as_str()),
            None => quoted(name.as_str()),
        }
    }

    /// `ip -n r1`, or `tc` or `bridge`, for what is in `place`.
    fn tool(&self, tool: &str, place: &Place) -> String {
        match self.netns(place) {
            Some(netns) => format!("{tool} -n {netns}"),
            None => tool.to_string(),
        }
    }

    /// The beginning of a command that runs in `place`.
    fn exec(&self, place: &Place) -> String {
        self.netns(place).map_or_else(String::new, |netns| format!("ip netns exec {netns} "))
    }
}

/// What a command does to an object.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Add,
    Set,
    Remove,
}

impl Verb {
    /// The word of `ip` for it, where a change is `replace`.
    fn word(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Set => "replace",
            Self::Remove => "del",
        }
    }
}

/// The commands, with places called as users call them.
impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shell(&ShellNames::default()).join("\n"))
    }
}

impl Op {
    /// The commands that do the same, each one line (a file's are several).
    pub fn shell(&self, names: &ShellNames) -> Vec<String> {
        match self {
            Self::Add { object } => commands(names, Verb::Add, None, object),
            Self::Set { from, to } => commands(names, Verb::Set, Some(from), to),
            Self::Remove { object } => commands(names, Verb::Remove, None, object),
            Self::AddPair { first, second } => link::add_pair(names, first, second),
            Self::RemovePair { first, .. } => link::remove(names, first),
            Self::Mark { object, to, .. } => mark(names, object, to),
        }
    }
}

/// What an object is to say of who made it.
fn mark(names: &ShellNames, object: &Object, to: &Signs) -> Vec<String> {
    let protocol = |line: String| vec![format!("{line} proto {}", to.protocol)];
    match object {
        Object::Interface(o) => link::mark(names, o, to),
        Object::Address(o) if o.net.addr().is_ipv6() => protocol(address(names, Verb::Set, o)),
        Object::Route(o) => {
            let line = route(names, Verb::Set, o);
            protocol(line)
        }
        _ => Vec::new(),
    }
}

fn commands(names: &ShellNames, verb: Verb, from: Option<&Object>, to: &Object) -> Vec<String> {
    match (to, from) {
        (Object::Namespace(o), from) => namespace(verb, from, o),
        (Object::Interface(to), Some(Object::Interface(from))) => link::set(names, from, to),
        (Object::Interface(o), _) if verb == Verb::Remove => link::remove(names, o),
        (Object::Interface(o), _) => link::add(names, o),
        (Object::PortVlan(o), _) => vec![port_vlan(names, verb, o)],
        (Object::Sysctl(o), _) => vec![sysctl(names, verb, o)],
        (Object::Address(o), _) => vec![address(names, verb, o)],
        (Object::Neighbour(o), _) => vec![neighbour(names, verb, o)],
        (Object::Route(o), _) => vec![route(names, verb, o)],
        (Object::Rule(o), _) => vec![rule(names, verb, o)],
        (Object::Qdisc(o), _) => vec![qdisc(names, verb, o)],
        (Object::Table(to), Some(Object::Table(from))) => nft::table(names, verb, Some(from), to),
        (Object::Table(o), _) => nft::table(names, verb, None, o),
        (Object::FlowDevice(o), _) => vec![nft::flow_device(names, verb, o)],
        (Object::Tunnel(o), from) => wireguard::tunnel(names, verb, from, o),
        (Object::File(o), _) => file(verb, o),
        (Object::LibvirtNetwork(o), from) => libvirt::network(verb, from, o),
        (Object::Command(o), _) => command(names, verb, o),
        (Object::Process(to), Some(Object::Process(from))) => process::change(names, from, to),
        (Object::Process(o), _) if verb == Verb::Remove => process::end(names, o),
        (Object::Process(o), _) => process::start(names, o),
    }
}

fn namespace(verb: Verb, from: Option<&Object>, o: &Namespace) -> Vec<String> {
    let netns = quoted(&o.netns);
    let mut lines = Vec::new();
    match (verb, from) {
        (Verb::Add, _) => {
            lines.push(format!("ip netns add {netns}"));
            lines.extend(hostname(o));
        }
        (Verb::Remove, _) => {
            if o.hostname.is_some() {
                let uts = quoted(&format!("{UTS_NAMES}/{}", o.netns));
                lines.push(format!("umount {uts} && rm {uts}"));
            }
            lines.push(format!("ip netns del {netns}"));
        }
        (Verb::Set, Some(Object::Namespace(old))) => {
            if old.hostname != o.hostname {
                lines.extend(hostname(o));
            }
            if old.published != o.published {
                let verb = if o.published { "attach" } else { "detach" };
                lines.push(format!("# {verb} the name {netns} below /run/netns"));
            }
        }
        (Verb::Set, _) => {}
    }
    lines
}

/// Where UTS namespaces have their names.
const UTS_NAMES: &str = "/run/utsns";

/// A UTS namespace that lasts, and the name in it. (`nsenter --uts=FILE ip netns exec
/// NAME CMD` runs a program that sees it.)
fn hostname(o: &Namespace) -> Option<String> {
    let (hostname, uts) = (o.hostname.as_ref()?, quoted(&format!("{UTS_NAMES}/{}", o.netns)));
    Some(format!(
        "mkdir -p {UTS_NAMES} && touch {uts} && unshare --uts={uts} hostname {}",
        quoted(hostname)
    ))
}

fn port_vlan(names: &ShellNames, verb: Verb, o: &PortVlan) -> String {
    let word = if verb == Verb::Remove { "del" } else { "add" };
    let device = names.device(&o.interface.place, &o.interface.name);
    let bridge = names.tool("bridge", &o.interface.place);
    let mut line = format!("{bridge} vlan {word} dev {device} vid {}", o.vid);
    if verb != Verb::Remove {
        line.push_str(if o.pvid { " pvid" } else { "" });
        line.push_str(if o.untagged { " untagged" } else { "" });
    }
    line.push_str(if o.on_bridge { " self" } else { "" });
    line
}

fn sysctl(names: &ShellNames, verb: Verb, o: &Sysctl) -> String {
    let key = match &o.interface {
        Some(name) => {
            let device = names.device(&o.place, name);
            // A dot in a name is no separator: sysctl takes slashes too.
            let key = if device.contains('.') { o.key.clone() } else { o.key.replace('/', ".") };
            key.replace("{if}", &device)
        }
        None => o.key.replace('/', "."),
    };
    let exec = names.exec(&o.place);
    match verb {
        Verb::Remove => format!("{exec}sysctl -w {key}=…  # what it was before"),
        _ => format!("{exec}sysctl -w {key}={}", quoted(&o.value)),
    }
}

fn address(names: &ShellNames, verb: Verb, o: &Address) -> String {
    let (ip, place) = (names.tool("ip", &o.interface.place), &o.interface.place);
    let net = match o.peer {
        Some(peer) => format!("{} peer {peer}/{}", o.net.addr(), o.net.prefix_len()),
        None => o.net.to_string(),
    };
    let device = names.device(place, &o.interface.name);
    let extra = match (o.net, o.peer, verb) {
        (_, _, Verb::Remove) => "",
        (IpNet::V4(net), None, _) if net.prefix_len() < 31 => " brd +",
        (IpNet::V6(_), _, _) if !o.dad => " nodad",
        _ => "",
    };
    format!("{ip} address {} {net} dev {device}{extra}", verb.word())
}

fn neighbour(names: &ShellNames, verb: Verb, o: &Neighbour) -> String {
    let (ip, place) = (names.tool("ip", &o.interface.place), &o.interface.place);
    let device = names.device(place, &o.interface.name);
    let (verb_word, address) = (verb.word(), o.address);
    match o.mac {
        Some(mac) if verb != Verb::Remove => {
            format!("{ip} neighbour {verb_word} {address} lladdr {mac} nud permanent dev {device}")
        }
        Some(_) => format!("{ip} neighbour {verb_word} {address} dev {device}"),
        None => format!("{ip} neighbour {verb_word} proxy {address} dev {device}"),
    }
}

fn route(names: &ShellNames, verb: Verb, o: &Route) -> String {
    let ipv6 = o.destination.addr().is_ipv6();
    let family = if ipv6 { " -6" } else { "" };
    let mut line = format!("{}{family} route {}", names.tool("ip", &o.place), verb.word());
    if o.kind != RouteKind::Unicast {
        line += &format!(" {}", o.kind.word());
    }
    line += &format!(" {}", destination(&o.destination));
    if let [hop] = &*o.hops {
        line += &next_hop(names, &o.place, hop, ipv6);
    }
    if o.table != MAIN_TABLE {
        line += &format!(" table {}", o.table);
    }
    if o.metric != if ipv6 { 1024 } else { 0 } {
        line += &format!(" metric {}", o.metric);
    }
    if let Some(source) = o.source {
        line += &format!(" src {source}");
    }
    if let Some(mtu) = o.mtu {
        line += &format!(" mtu {mtu}");
    }
    if o.hops.len() > 1 {
        for hop in &o.hops {
            let to = next_hop(names, &o.place, hop, ipv6);
            line += &format!(" nexthop{to} weight {}", hop.weight.max(1));
        }
    }
    line
}

fn destination(net: &IpNet) -> String {
    if net.prefix_len() == 0 { "default".to_string() } else { net.to_string() }
}

fn next_hop(names: &ShellNames, place: &Place, hop: &NextHop, ipv6: bool) -> String {
    let via = match hop.gateway {
        Some(IpAddr::V6(gateway)) if !ipv6 => format!(" via inet6 {gateway}"),
        Some(gateway) => format!(" via {gateway}"),
        None => String::new(),
    };
    let onlink = if hop.onlink { " onlink" } else { "" };
    format!("{via} dev {}{onlink}", names.device(place, &hop.interface))
}

fn rule(names: &ShellNames, verb: Verb, o: &Rule) -> String {
    let family = if o.ipv6 { " -6" } else { "" };
    let word = if verb == Verb::Remove { "del" } else { "add" };
    let mut line = format!("{}{family} rule {word}", names.tool("ip", &o.place));
    line.push_str(if o.not { " not" } else { "" });
    if let Some(from) = &o.from {
        line += &format!(" from {from}");
    }
    if let Some(to) = &o.to {
        line += &format!(" to {to}");
    }
    if let Some((mark, mask)) = o.fwmark {
        line += &format!(" fwmark {mark:#x}/{mask:#x}");
    }
    if let Some(iif) = &o.iif {
        line += &format!(" iif {}", names.device(&o.place, iif));
    }
    if let Some(oif) = &o.oif {
        line += &format!(" oif {}", names.device(&o.place, oif));
    }
    line += &format!(" priority {}", o.priority);
    if let Some(length) = o.suppress_prefix_length {
        line += &format!(" suppress_prefixlength {length}");
    }
    line + &match o.action {
        RuleAction::Table(table) => format!(" table {table}"),
        RuleAction::Goto(priority) => format!(" goto {priority}"),
        RuleAction::Blackhole => " blackhole".to_string(),
        RuleAction::Unreachable => " unreachable".to_string(),
        RuleAction::Prohibit => " prohibit".to_string(),
    }
}

fn qdisc(names: &ShellNames, verb: Verb, o: &Qdisc) -> String {
    let tc = names.tool("tc", &o.interface.place);
    let device = names.device(&o.interface.place, &o.interface.name);
    let line = format!("{tc} qdisc {} dev {device} root", verb.word());
    if verb == Verb::Remove {
        return line;
    }
    let i = o.impairment.settled();
    if i.qdisc() == "tbf" {
        let bucket = i.bucket(names.mtus.get(&o.interface).copied().unwrap_or(USUAL_MTU));
        let rate = unit::rate(i.rate);
        return format!("{line} tbf rate {rate} burst {bucket}b limit {}b", i.queue());
    }
    let mut line = format!("{line} netem limit {}", i.queue());
    if i.delay > 0 || i.jitter > 0 {
        line += &format!(" delay {}", unit::duration(i.delay));
    }
    if i.jitter > 0 {
        line += &format!(" {}", unit::duration(i.jitter));
    }
    let shares = [
        ("loss", i.loss),
        ("duplicate", i.duplicate),
        ("reorder", i.reorder),
        ("corrupt", i.corrupt),
    ];
    for (word, share) in shares.into_iter().filter(|(_, share)| *share > 0) {
        line += &format!(" {word} {}", unit::percent(share));
    }
    if i.rate > 0 {
        line += &format!(" rate {}", unit::rate(i.rate));
    }
    line
}

fn file(verb: Verb, o: &File) -> Vec<String> {
    let path = quoted(&format!("/etc/netns/{}/{}", o.netns, o.name));
    if verb == Verb::Remove {
        let directory = quoted(&format!("/etc/netns/{}", o.netns));
        return vec![format!("rm {path}; rmdir --ignore-fail-on-non-empty {directory}")];
    }
    heredoc(&format!("install -D -m 644 /dev/stdin {path}"), &o.content)
}

fn command(names: &ShellNames, verb: Verb, o: &Command) -> Vec<String> {
    if verb == Verb::Remove {
        return Vec::new();
    }
    let argv: Vec<String> = o.argv.iter().map(|word| quoted(word)).collect();
    vec![format!("{}{}", names.exec(&Place::Node(o.node.clone())), argv.join(" "))]
}

/// True for interfaces that are made by `ip tuntap`.
fn is_tuntap(kind: &Kind) -> bool {
    matches!(kind, Kind::Tap(_) | Kind::Tun(_))
}

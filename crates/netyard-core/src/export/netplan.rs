//! `netplan`: what is on the host as a file of netplan (netplan-yaml(5)), as far as it has
//! words for it: no namespaces, no cables into them, no VLANs of ports.

use std::collections::BTreeSet;

use super::systemd::word::interface_name;
use super::{BROKEN_PATH, Papers, Subject, Target, UNMADE, has_broken_path, unmade};
use crate::draft::{Map, Value};
use crate::interface::{Bridge, Interface, Kind, Vxlan};
use crate::state::{
    Address, InterfaceId, Key, MAIN_TABLE, Object, Place, Route, RouteKind, Rule, RuleAction,
    State, Tunnel,
};

pub(super) static TARGET: Target = Target {
    word: "netplan",
    doc: "A file of netplan for what is on the host: bridges, VLANs, tunnels, addresses, routes",
    write,
};

/// Where it goes on a host: after those that an installer wrote.
const PATH: &str = "90-netyard.yaml";

fn write(subject: &Subject<'_>, papers: &mut Papers) {
    let state = subject.desired;
    let mut network = Map::default();
    network.set("version", 2);
    network.set("renderer", "networkd");
    let mut devices = 0;
    for object in state.objects() {
        let Object::Interface(o) = object else { continue };
        let Some(section) = section(state, o) else { continue };
        if let Some(Object::Tunnel(tunnel)) = state.get(&Key::Tunnel(o.id.clone()))
            && unmade(tunnel)
        {
            papers.leave(object, UNMADE);
            continue;
        }
        if let Some(Object::Tunnel(tunnel)) = state.get(&Key::Tunnel(o.id.clone()))
            && has_broken_path(tunnel)
        {
            papers.leave(object, BROKEN_PATH);
            continue;
        }
        let device = device(subject, o, papers);
        *network.map(section).map(o.kernel_name.as_str()) = device;
        papers.take(object);
        devices += 1;
    }
    if devices == 0 {
        return;
    }
    rest(subject, papers);
    let mut file = Map::default();
    file.set("network", network);
    let head =
        subject.head(&TARGET, "What is on the host of", &[format!("Goes to /etc/netplan/{PATH}.")]);
    // A dollar is one there.
    let text = file.text().replace("$$", "$");
    papers.file(PATH.to_owned(), format!("{head}{text}"), 0o600);
}

/// The section of an interface; none where netplan has no word for it, or for what it sits on.
fn section(state: &State, o: &Interface) -> Option<&'static str> {
    let has = |id: &InterfaceId| state.interface(id).is_some_and(|o| section(state, o).is_some());
    let beside =
        |name: &crate::name::FullName| has(&InterfaceId { place: Place::Host, name: name.clone() });
    let plain = interface_name(o.kernel_name.as_str());
    if o.id.place != Place::Host || !plain || !o.up {
        return None;
    }
    if !(o.parent.as_ref().is_none_or(has) && o.master.as_ref().is_none_or(beside)) {
        return None;
    }
    match &o.kind {
        Kind::Physical(_) => Some("ethernets"),
        Kind::Dummy => Some("dummy-devices"),
        Kind::Vlan(vlan) if !vlan.service_tag => Some("vlans"),
        Kind::Bridge(bridge) if !bridge.vlan_filtering => Some("bridges"),
        Kind::Vrf(_) => Some("vrfs"),
        Kind::Bond(_) => Some("bonds"),
        Kind::Vxlan(_) | Kind::Wireguard => Some("tunnels"),
        _ => None,
    }
}

fn device(subject: &Subject<'_>, o: &Interface, papers: &mut Papers) -> Map {
    let mut map = Map::default();
    let name = |id: &InterfaceId| subject.device(&id.place, &id.name);
    match &o.kind {
        Kind::Vlan(vlan) => {
            map.set("id", i64::from(vlan.id));
            if let Some(parent) = &o.parent {
                map.set("link", name(parent));
            }
        }
        Kind::Bridge(bridge) => {
            map.set("interfaces", members(subject, o));
            map.set("parameters", parameters(bridge));
            said_of(o, bridge, papers);
        }
        Kind::Vrf(vrf) => {
            map.set("table", i64::from(vrf.table));
            map.set("interfaces", members(subject, o));
        }
        Kind::Bond(bond) => {
            map.set("interfaces", members(subject, o));
            let mut parameters = Map::default();
            if let Ok(serde_json::Value::String(mode)) = serde_json::to_value(bond.mode) {
                parameters.set("mode", mode);
            }
            parameters.set("mii-monitor-interval", time(bond.miimon));
            map.set("parameters", parameters);
        }
        Kind::Vxlan(vxlan) => self::vxlan(&mut map, o, vxlan, subject),
        Kind::Wireguard => {
            map.set("mode", "wireguard");
            if let Some(object @ Object::Tunnel(tunnel)) =
                subject.desired.get(&Key::Tunnel(o.id.clone()))
            {
                self::tunnel(&mut map, tunnel, subject);
                papers.take(object);
            }
        }
        _ => {}
    }
    if let Some(mtu) = o.mtu {
        map.set("mtu", i64::from(mtu));
    }
    if let Some(mac) = o.mac.filter(|_| !matches!(o.kind, Kind::Physical(_))) {
        map.set("macaddress", mac.to_string());
    }
    addresses(subject, o, &mut map, papers);
    routes(subject, o, &mut map, papers);
    map
}

/// The names of those whose master it is.
fn members(subject: &Subject<'_>, o: &Interface) -> Value {
    let state = subject.desired;
    let names = state.objects().filter_map(|object| match object {
        Object::Interface(member)
            if member.id.place == Place::Host
                && member.master.as_ref() == Some(&o.id.name)
                && section(state, member).is_some() =>
        {
            Some(Value::from(member.kernel_name.as_str()))
        }
        _ => None,
    });
    Value::List(names.collect())
}

/// A time: of whole seconds a number, as netplan takes it.
fn time(milliseconds: u32) -> Value {
    match milliseconds % 1000 {
        0 => Value::Number(i64::from(milliseconds / 1000)),
        _ => Value::Text(format!("{milliseconds}ms")),
    }
}

fn parameters(o: &Bridge) -> Map {
    let mut map = Map::default();
    map.set("stp", o.stp);
    map.set("priority", i64::from(o.priority));
    map.set("forward-delay", time(o.forward_delay));
    map.set("hello-time", time(o.hello_time));
    map.set("max-age", time(o.max_age));
    map.set("ageing-time", time(o.ageing_time));
    map
}

/// What of a bridge there is no word for, where it is not as the kernel has it by itself.
fn said_of(o: &Interface, bridge: &Bridge, papers: &mut Papers) {
    let mut say = |what: String| papers.left_out.push(format!("{}: {what}", o.id));
    if !bridge.multicast_snooping {
        say("multicast snooping is not switched off".to_owned());
    }
    if bridge.multicast_querier {
        say("it is no querier".to_owned());
    }
    if bridge.group_forward_mask != 0 {
        say("frames to link-local groups stay".to_owned());
    }
}

fn vxlan(map: &mut Map, o: &Interface, vxlan: &Vxlan, subject: &Subject<'_>) {
    map.set("mode", "vxlan");
    map.set("id", i64::from(vxlan.id));
    map.set("port", i64::from(vxlan.port));
    map.set("mac-learning", vxlan.learning);
    if vxlan.ttl != 0 {
        map.set("ttl", i64::from(vxlan.ttl));
    }
    if let Some(parent) = &o.parent {
        map.set("link", subject.device(&parent.place, &parent.name));
    }
    for (key, address) in [("remote", vxlan.remote), ("local", vxlan.local)] {
        if let Some(address) = address {
            map.set(key, address.to_string());
        }
    }
}

fn tunnel(map: &mut Map, tunnel: &Tunnel, subject: &Subject<'_>) {
    let file = |file: &str| file.replace("{secrets}", &subject.secrets());
    map.set("port", i64::from(tunnel.listen));
    map.set("key", file(&tunnel.key.file));
    for peer in &tunnel.peers {
        let mut entry = Map::default();
        entry.map("keys").set("public", peer.public_key.to_string());
        if let Some(key) = &peer.preshared_key {
            entry.map("keys").set("shared", file(&key.file));
        }
        if let Some(endpoint) = &peer.endpoint {
            entry.set("endpoint", endpoint.to_string());
        }
        if peer.keepalive > 0 {
            entry.set("keepalive", i64::from(peer.keepalive));
        }
        let nets = peer.allowed_ips.iter().map(|net| Value::from(net.to_string()));
        entry.set("allowed-ips", Value::List(nets.collect()));
        map.push("peers", entry);
    }
}

fn addresses(subject: &Subject<'_>, o: &Interface, map: &mut Map, papers: &mut Papers) {
    let own = subject.desired.objects().filter_map(|object| match object {
        Object::Address(address) if address.interface == o.id => Some((object, address)),
        _ => None,
    });
    let own: Vec<(&Object, &Address)> = own.collect();
    let mut unprobed = false;
    for (object, address) in &own {
        if address.peer.is_some() {
            papers.leave(object, "netplan has no word for the other end of an address");
            continue;
        }
        unprobed |= address.net.addr().is_ipv6() && !address.dad;
        map.push("addresses", address.net.to_string());
        papers.take(object);
    }
    if unprobed {
        let why = "IPv6 addresses are looked for on the link before they are used";
        papers.left_out.push(format!("{}: {why}", o.id));
    }
    let asks = super::systemd::asks(subject, o);
    if asks {
        papers.left_out.push(format!(
            "addresses of {}: what its port had is not known here; its file asks by DHCP and takes router \
             advertisements",
            o.id
        ));
    }
    for key in ["dhcp4", "dhcp6", "accept-ra"] {
        map.set(key, asks && key != "dhcp6");
    }
    if o.port.is_some() {
        map.set("link-local", Value::List(Vec::new()));
    }
}

/// The first interface, which has what belongs to none; what a VRF has is in its table.
fn is_first(subject: &Subject<'_>, o: &Interface) -> bool {
    let first = subject.desired.objects().find_map(|object| match object {
        Object::Interface(first)
            if section(subject.desired, first).is_some_and(|s| s != "vrfs") =>
        {
            Some(&first.id)
        }
        _ => None,
    });
    first == Some(&o.id)
}

fn routes(subject: &Subject<'_>, o: &Interface, map: &mut Map, papers: &mut Papers) {
    let first = is_first(subject, o);
    for object in subject.desired.objects() {
        match object {
            Object::Route(route) if route.place == Place::Host => {
                let own = match &*route.hops {
                    [] => first,
                    [hop] => hop.interface == o.id.name,
                    _ => false,
                };
                if own {
                    map.push("routes", self::route(route));
                    papers.take(object);
                }
            }
            Object::Rule(rule) if first && rule.place == Place::Host => {
                if let Some(entry) = self::rule(rule) {
                    map.push("routing-policy", entry);
                    papers.take(object);
                }
            }
            _ => {}
        }
    }
}

fn route(o: &Route) -> Map {
    let mut map = Map::default();
    map.set("to", o.destination.to_string());
    let kind = match o.kind {
        RouteKind::Unicast => None,
        RouteKind::Blackhole => Some("blackhole"),
        RouteKind::Unreachable => Some("unreachable"),
        RouteKind::Prohibit => Some("prohibit"),
    };
    if let Some(kind) = kind {
        map.set("type", kind);
    }
    if let [hop] = &*o.hops {
        match hop.gateway {
            Some(gateway) => map.set("via", gateway.to_string()),
            None if o.destination.addr().is_ipv4() => map.set("scope", "link"),
            None => {}
        }
        if hop.onlink {
            map.set("on-link", true);
        }
    }
    if o.metric != 0 {
        map.set("metric", i64::from(o.metric));
    }
    if o.table != MAIN_TABLE {
        map.set("table", i64::from(o.table));
    }
    if let Some(source) = o.source {
        map.set("from", source.to_string());
    }
    if let Some(mtu) = o.mtu {
        map.set("mtu", i64::from(mtu));
    }
    map
}

/// A rule, where it asks for no more than netplan can say.
fn rule(o: &Rule) -> Option<Map> {
    let RuleAction::Table(table) = o.action else { return None };
    let beyond = o.not || o.iif.is_some() || o.oif.is_some() || o.suppress_prefix_length.is_some();
    if beyond {
        return None;
    }
    let mut map = Map::default();
    let any = if o.ipv6 { "::/0" } else { "0.0.0.0/0" };
    match (o.from, o.to) {
        (None, None) => map.set("from", any),
        (from, to) => {
            for (key, net) in [("from", from), ("to", to)] {
                if let Some(net) = net {
                    map.set(key, net.to_string());
                }
            }
        }
    }
    match o.fwmark {
        None => {}
        Some((mark, u32::MAX)) => map.set("mark", i64::from(mark)),
        Some(_) => return None,
    }
    map.set("priority", i64::from(o.priority));
    map.set("table", i64::from(table));
    Some(map)
}

/// What is there and needs no word, and what of an interface there is no word for.
fn rest(subject: &Subject<'_>, papers: &mut Papers) {
    let mut ports = BTreeSet::new();
    for object in subject.desired.objects() {
        if let Object::Interface(o) = object
            && let Some(master) = &o.master
            && o.id.place == Place::Host
            && section(subject.desired, o).is_none()
        {
            ports.insert(format!("{}: its port {} is made by nobody", master, o.id.name));
        }
    }
    papers.left_out.extend(ports);
}

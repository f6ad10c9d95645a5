//! What runs on a host, whoever made it -> the yard's file that describes it.
//!
//! The State that is given has what was found: namespaces as nodes of their name, and
//! interfaces by the names that the kernel has. Everything is said as it is, nothing is
//! left to be allotted, so that bringing the file up changes nothing of it.

mod file;
mod rest;
mod tables;

pub use file::{Paper, papers};
pub use rest::without_what_rests_elsewhere;
pub use tables::tables;

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::draft::{Map, Value};
use crate::interface::{Bridge, BridgePort, Interface, Kind, MacvlanMode};
use crate::name::YardName;
use crate::plan::{Op, plan};
use crate::state::{
    Address, InterfaceId, Key, MAIN_TABLE, NextHop, Object, Place, Route, RouteKind, State, Tunnel,
    TunnelPeer,
};

/// A yard's file, and what of the host is not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// The file.
    pub text: String,
    /// What was found and cannot be said, a line each.
    pub left_out: Vec<String>,
}

/// The file of a yard that has all of `found`.
pub fn describe(yard: &YardName, found: &State) -> Description {
    let mut writer = Writer { found, nodes: BTreeMap::new(), left_out: Vec::new() };
    let mut links = Vec::new();
    for object in found.objects() {
        match object {
            Object::Namespace(o) => {
                let node = writer.node(&o.place);
                node.set("netns", o.netns.as_str());
                if let Some(hostname) = &o.hostname {
                    node.set("hostname", hostname.as_str());
                }
            }
            // What hardware is behind is not there on another host.
            Object::Interface(o) if matches!(o.kind, Kind::Physical(_) | Kind::Wlan(_)) => {
                writer.left_out.push(object.to_string());
            }
            Object::Interface(o) => {
                writer.interface(o);
                links.extend(writer.link(o));
            }
            Object::Sysctl(o) => {
                let key = o.key.replace('/', ".");
                writer.node(&o.place).map("sysctl").set(&key, o.value.as_str());
            }
            Object::Route(o) => {
                let route = route(o);
                writer.node(&o.place).push("routes", route);
            }
            Object::Address(_) | Object::PortVlan(_) | Object::Tunnel(_) => {}
            other => writer.left_out.push(other.to_string()),
        }
    }
    let Writer { nodes, left_out, .. } = writer;
    let mut file = Map::default();
    file.set("yard", yard.as_str());
    for (place, node) in nodes {
        let name = match &place {
            Place::Node(node) => node.as_str().to_owned(),
            Place::Host | Place::Fabric => "host".to_owned(),
        };
        *file.map("nodes").map(&name) = node;
    }
    if !links.is_empty() {
        file.set("links", Value::List(links));
    }
    Description { text: file.text(), left_out }
}

/// What bringing `desired` up would change of what was found, a line each; none where it
/// only takes over.
pub fn changes(found: &State, desired: &State) -> Vec<String> {
    let found = found.clone().as_managed_by(desired);
    let plan = plan(&found, desired);
    let line = |op: &Op| match op {
        Op::Add { object } if is_harmless(object, desired) => None,
        Op::Add { object } => Some(format!("{object} is not there")),
        Op::AddPair { first, second } => {
            let (first, second) = (&first.id, &second.id);
            Some(format!("there is no cable from {first} to {second}"))
        }
        // What is there and not in the file is nobody's business.
        Op::Remove { .. } | Op::RemovePair { .. } | Op::Mark { .. } => None,
        Op::Set { from, to } => Some(difference(from, to)),
    };
    plan.steps().filter_map(|step| line(&step.op)).collect()
}

/// What differs between an object that is there and the one of the file.
fn difference(from: &Object, to: &Object) -> String {
    let fields = |object: &Object| match serde_json::to_value(object) {
        Ok(serde_json::Value::Object(map)) => map,
        _ => serde_json::Map::new(),
    };
    let (from, wanted) = (fields(from), fields(to));
    let differs = wanted.iter().filter(|(key, value)| from.get(*key) != Some(value));
    let each: Vec<String> = differs
        .map(|(key, value)| {
            let is = from.get(key).map(ToString::to_string).unwrap_or_default();
            format!("{key} is {is}, and {value} in the file")
        })
        .collect();
    format!("{to}: {}", each.join("; "))
}

/// What may be added without a packet noticing.
fn is_harmless(object: &Object, desired: &State) -> bool {
    match object {
        // A tunnel has one of its own where somebody gave it none.
        Object::Address(o) => {
            let tunnel = desired.interface(&o.interface).is_some_and(|i| i.kind == Kind::Wireguard);
            let IpAddr::V6(address) = o.net.addr() else { return false };
            tunnel && address.is_unicast_link_local()
        }
        Object::Namespace(o) => o.place == Place::Fabric,
        Object::Interface(o) => o.kind == Kind::Loopback && o.id.place == Place::Fabric,
        Object::File(_) => true,
        _ => false,
    }
}

struct Writer<'a> {
    found: &'a State,
    nodes: BTreeMap<Place, Map>,
    left_out: Vec<String>,
}

impl Writer<'_> {
    fn node(&mut self, place: &Place) -> &mut Map {
        self.nodes.entry(place.clone()).or_default()
    }

    fn addresses(&self, id: &InterfaceId) -> Vec<&Address> {
        let addresses = self.found.objects().filter_map(|object| match object {
            Object::Address(o) if o.interface == *id => Some(o),
            _ => None,
        });
        addresses.collect()
    }

    fn interface(&mut self, o: &Interface) {
        if o.kind == Kind::Loopback && o.up && self.addresses(&o.id).is_empty() {
            return;
        }
        let mut map = Map::default();
        special(&mut map, &o.kind);
        if let Some(Object::Tunnel(told)) = self.found.get(&Key::Tunnel(o.id.clone())) {
            tunnel(&mut map, o, told);
        } else if let Some(parent) = &o.parent {
            let name = match parent.place == o.id.place {
                true => parent.name.to_string(),
                false => parent.to_string(),
            };
            map.set("parent", name);
        }
        if let Some(master) = &o.master {
            map.set("master", master.as_str());
        }
        if let Some(port) = &o.port {
            let port = self::port(port);
            if !port.is_empty() {
                map.set("port", port);
            }
        }
        if let Some(mtu) = o.mtu {
            map.set("mtu", i64::from(mtu));
        }
        if let Some(mac) = o.mac {
            map.set("mac", mac.to_string());
        }
        if !o.up {
            map.set("up", false);
        }
        self.vlans(&o.id, &mut map);
        let addresses = self.addresses(&o.id);
        let plain = addresses.iter().filter(|address| address.peer.is_none());
        let list: Vec<Value> = plain.map(|address| address.net.to_string().into()).collect();
        match (list.is_empty(), o.kind == Kind::Loopback) {
            (true, true) => {}
            (true, false) => map.set("address", "none"),
            (false, _) => map.set("address", Value::List(list)),
        }
        if o.kind != Kind::Loopback && addresses.iter().any(|address| address.dad) {
            map.set("dad", true);
        }
        let beyond = addresses.iter().filter(|address| address.peer.is_some());
        let beyond: Vec<String> = beyond
            .map(|address| format!("{}: it stays as it is", Object::Address((*address).clone())))
            .collect();
        self.left_out.extend(beyond);
        *self.node(&o.id.place).map("interfaces").map(o.id.name.as_str()) = map;
    }

    /// The VLANs of a port, or of a bridge that has them itself.
    fn vlans(&self, id: &InterfaceId, map: &mut Map) {
        let vlans = self.found.objects().filter_map(|object| match object {
            Object::PortVlan(o) if o.interface == *id => Some(o),
            _ => None,
        });
        let (tagged, untagged): (Vec<_>, Vec<_>) = vlans.partition(|vlan| !vlan.untagged);
        for vlan in &tagged {
            map.push("vlans", i64::from(vlan.vid));
        }
        if let Some(vlan) = untagged.first() {
            map.set(if tagged.is_empty() { "vlan" } else { "native" }, i64::from(vlan.vid));
        }
    }

    /// The cable of a veth, said once.
    fn link(&self, o: &Interface) -> Option<Value> {
        let Kind::Veth(veth) = &o.kind else { return None };
        (o.id < veth.peer).then(|| {
            let mut link = Map::default();
            let ends = [&o.id, &veth.peer].map(|id| Value::from(id.to_string()));
            link.set("ends", Value::List(ends.to_vec()));
            link.set("prefix", "none");
            link.into()
        })
    }
}

/// The keys of its kind.
fn special(map: &mut Map, kind: &Kind) {
    let word = match kind {
        Kind::Loopback | Kind::Veth(_) => return,
        Kind::Tap(_) => "tap",
        Kind::Physical(_) => "physical",
        kind => kind.kernel_kind().unwrap_or_default(),
    };
    map.set("kind", word);
    match kind {
        Kind::Bridge(o) => bridge(map, o),
        Kind::Vlan(o) => {
            map.set("id", i64::from(o.id));
            if o.service_tag {
                map.set("protocol", "802.1ad");
            }
        }
        Kind::Vxlan(o) => {
            map.set("id", i64::from(o.id));
            map.set("port", i64::from(o.port));
            map.set("ttl", i64::from(o.ttl));
            map.set("learning", o.learning);
            for (key, address) in [("remote", o.remote), ("local", o.local)] {
                if let Some(address) = address {
                    map.set(key, address.to_string());
                }
            }
        }
        Kind::Macvlan(o) | Kind::Macvtap(o) => {
            let mode = match o.mode {
                MacvlanMode::Bridge => "bridge",
                MacvlanMode::Private => "private",
                MacvlanMode::Vepa => "vepa",
                MacvlanMode::Passthru => "passthru",
            };
            map.set("mode", mode);
        }
        Kind::Ipvlan(o) => {
            map.set("mode", o.mode.word());
            map.set("isolation", o.isolation.word());
        }
        Kind::Vrf(o) => map.set("table", i64::from(o.table)),
        Kind::Bond(o) => {
            if let Ok(serde_json::Value::String(mode)) = serde_json::to_value(o.mode) {
                map.set("mode", mode);
            }
            map.set("miimon", time(o.miimon));
        }
        _ => {}
    }
}

fn time(milliseconds: u32) -> String {
    format!("{milliseconds}ms")
}

/// What a tunnel is told, and where its packets leave from.
fn tunnel(map: &mut Map, o: &Interface, told: &Tunnel) {
    map.set("listen", i64::from(told.listen));
    let birth = match o.parent.as_ref().map(|born| &born.place) {
        None => "own".to_owned(),
        Some(Place::Node(node)) => node.as_str().to_owned(),
        Some(Place::Host | Place::Fabric) => "host".to_owned(),
    };
    map.set("birth", birth);
    map.set("private-key-file", told.key.file.as_str());
    for one in &told.peers {
        map.push("peers", peer(one));
    }
}

fn peer(o: &TunnelPeer) -> Map {
    let mut map = Map::default();
    map.set("public-key", o.public_key.to_string());
    if let Some(endpoint) = &o.endpoint {
        map.set("endpoint", endpoint.as_str());
    }
    if o.keepalive != 0 {
        map.set("keepalive", format!("{}s", o.keepalive));
    }
    if let Some(key) = &o.preshared_key {
        map.set("preshared-key-file", key.file.as_str());
    }
    match o.allowed_ips.is_empty() {
        true => map.set("allowed-ips", "none"),
        false => o.allowed_ips.iter().for_each(|net| map.push("allowed-ips", net.to_string())),
    }
    map
}

/// What differs from a bridge as netyard makes it.
fn bridge(map: &mut Map, o: &Bridge) {
    let usual = Bridge { forward_delay: if o.stp { 15_000 } else { 0 }, ..Bridge::default() };
    let mut flag = |key: &str, is: bool, usual: bool| {
        if is != usual {
            map.set(key, is);
        }
    };
    flag("stp", o.stp, usual.stp);
    flag("vlan-filtering", o.vlan_filtering, usual.vlan_filtering);
    flag("multicast-snooping", o.multicast_snooping, usual.multicast_snooping);
    flag("multicast-querier", o.multicast_querier, usual.multicast_querier);
    let times = [
        ("forward-delay", o.forward_delay, usual.forward_delay),
        ("hello-time", o.hello_time, usual.hello_time),
        ("max-age", o.max_age, usual.max_age),
        ("ageing-time", o.ageing_time, usual.ageing_time),
    ];
    for (key, is, usual) in times {
        if is != usual {
            map.set(key, time(is));
        }
    }
    if o.priority != usual.priority {
        map.set("priority", i64::from(o.priority));
    }
    if o.group_forward_mask != usual.group_forward_mask {
        map.set("group-forward-mask", i64::from(o.group_forward_mask));
    }
}

fn port(o: &BridgePort) -> Map {
    let mut map = Map::default();
    let usual = BridgePort::default();
    if o.priority != usual.priority {
        map.set("priority", i64::from(o.priority));
    }
    let flags = [
        ("hairpin", o.hairpin, usual.hairpin),
        ("isolated", o.isolated, usual.isolated),
        ("learning", o.learning, usual.learning),
        ("unicast-flood", o.unicast_flood, usual.unicast_flood),
        ("multicast-router", o.multicast_router, usual.multicast_router),
    ];
    for (key, is, usual) in flags {
        if is != usual {
            map.set(key, is);
        }
    }
    map
}

fn route(o: &Route) -> Map {
    let mut map = Map::default();
    map.set("to", o.destination.to_string());
    match o.kind {
        RouteKind::Unicast => {}
        RouteKind::Blackhole => map.set("blackhole", true),
        RouteKind::Unreachable => map.set("unreachable", true),
        RouteKind::Prohibit => map.set("prohibit", true),
    }
    match &*o.hops {
        [] => {}
        [one] => hop(&mut map, one),
        several => {
            for one in several {
                let mut entry = Map::default();
                hop(&mut entry, one);
                entry.set("weight", i64::from(one.weight));
                map.push("nexthops", entry);
            }
        }
    }
    if o.metric != if o.destination.addr().is_ipv6() { 1024 } else { 0 } {
        map.set("metric", i64::from(o.metric));
    }
    if o.table != MAIN_TABLE {
        map.set("table", i64::from(o.table));
    }
    if let Some(source) = o.source {
        map.set("source", source.to_string());
    }
    if let Some(mtu) = o.mtu {
        map.set("mtu", i64::from(mtu));
    }
    map
}

fn hop(map: &mut Map, o: &NextHop) {
    if let Some(gateway) = o.gateway {
        map.set("via", gateway.to_string());
    }
    map.set("dev", o.interface.as_str());
    if o.onlink {
        map.set("onlink", true);
    }
}

//! How a yard is: every node, interface and link, as it should be or not.

mod service;

use std::collections::BTreeMap;

use netyard_core::interface::{Interface, Kind};
use netyard_core::name::YardName;
use netyard_core::state::{Impairment, InterfaceId, Key, Object, Place, State};
use netyard_core::wire::link::{Counters, Pulse};
use netyard_core::yard::{Attachment, Yard};
use netyard_linux::{Observation, ProcessState, RuleCount};
use serde_json::{Value, json};

pub use service::is_well;

use crate::impairment;
use crate::tunnel::{self, TunnelHealth};
use crate::ui;

/// A yard's health.
pub struct Health {
    /// Its name.
    pub yard: String,
    /// Anything of it is there.
    pub up: bool,
    /// In the order of the kernel's names.
    pub nodes: Vec<NodeHealth>,
    /// In the order of the file.
    pub links: Vec<LinkHealth>,
    /// What rules of firewalls counted, by node.
    pub firewalls: BTreeMap<Place, Vec<RuleCount>>,
    /// Its services, by node and name.
    pub services: Vec<ProcessState>,
    /// The ends of tunnels.
    pub tunnels: Vec<TunnelHealth>,
    /// What else is not well, a sentence each.
    pub problems: Vec<String>,
}

/// A node's health.
pub struct NodeHealth {
    name: String,
    /// Its name for `ip netns`; empty for the host.
    netns: String,
    state: &'static str,
    interfaces: Vec<InterfaceHealth>,
}

/// An interface's health.
struct InterfaceHealth {
    name: String,
    kernel_name: String,
    state: &'static str,
    addresses: Vec<String>,
    missing_addresses: Vec<String>,
    on: String,
    mtu: Option<u32>,
    mac: Option<String>,
    /// What it does at the moment, where it was asked.
    pulse: Option<Pulse>,
}

/// A link's health.
pub struct LinkHealth {
    name: String,
    state: &'static str,
    ends: [String; 2],
    /// What each end does to what it sends.
    sends: [Impairment; 2],
}

/// As it should be.
const WELL: &str = "up";
const DOWN: &str = "down";
const MISSING: &str = "missing";
const DIFFERS: &str = "differs";
/// It is set up, and nothing is at the other end.
const NO_CARRIER: &str = "no-carrier";

/// What each interface does at the moment.
pub type Pulses = BTreeMap<InterfaceId, Pulse>;

impl Health {
    /// Compares what was seen with what is desired; `yard` gives the names of
    /// links and networks, where there is a file.
    pub fn of(
        name: &YardName,
        yard: Option<&Yard>,
        seen: &Observation,
        desired: &State,
        pulses: &Pulses,
    ) -> Self {
        let view = View { actual: &seen.state, desired, on: attachments(yard), pulses };
        let mut problems = Vec::new();
        if let Some(cut) = &seen.interrupted {
            let (command, pid) = (&cut.command, cut.pid);
            problems.push(format!(
                "`{command}` of process {pid} was cut off; the next `up` or `down` takes it up"
            ));
        }
        if seen.unfinished > 0 {
            let count = ui::count(seen.unfinished, "interface");
            problems.push(format!("{count} left half made; the next `up` or `down` removes them"));
        }
        Self {
            yard: name.to_string(),
            up: !seen.state.is_empty(),
            nodes: view.nodes(),
            links: yard.map(|yard| view.links(yard)).unwrap_or_default(),
            firewalls: BTreeMap::new(),
            services: Vec::new(),
            tunnels: Vec::new(),
            problems,
        }
    }

    /// For people; `all` shows what is well, too. A yard that `differs` from its
    /// file is not well, whatever its interfaces say.
    pub fn text(&self, all: bool, counters: bool, differs: bool) -> String {
        let nodes = self.nodes.iter().filter(|node| !node.netns.is_empty());
        let size = ui::count(nodes.count(), "node");
        if !self.up {
            return format!("yard {}: not up ({size} in the file)\n", self.yard);
        }
        let ill = self.nodes.iter().filter(|node| !node.is_well()).count();
        let ill_links = self.links.iter().filter(|link| link.state != WELL).count();
        let ill_services = self.services.iter().filter(|s| !service::is_well(s)).count();
        let health = match (ill, ill_links) {
            (0, 0) if ill_services > 0 => {
                format!("{} not well", ui::count(ill_services, "service"))
            }
            (0, 0) if differs => "differs from the file".to_owned(),
            (0, 0) => "all is well".to_owned(),
            (_, 0) => format!("{} not well", ui::count(ill, "node")),
            (0, _) => format!("{} not well", ui::count(ill_links, "link")),
            _ => {
                let links = ui::count(ill_links, "link");
                format!("{} and {links} not well", ui::count(ill, "node"))
            }
        };
        let mut text = format!("yard {}: up, {size}, {health}\n", self.yard);
        let row = |cells: [&str; 5]| cells.map(str::to_owned).to_vec();
        let mut rows = vec![row(["NODE", "INTERFACE", "STATE", "ON", "ADDRESSES"])];
        if counters {
            rows[0].splice(4..4, ["RECEIVED", "SENT", "DROPPED"].map(str::to_owned));
        }
        for node in self.nodes.iter().filter(|node| all || !node.is_well()) {
            let mut name = node.name.as_str();
            if node.interfaces.is_empty() || node.state != WELL {
                rows.push(row([name, "", node.state, "", ""]));
                name = "";
            }
            for interface in &node.interfaces {
                let addresses = interface.all_addresses().join(" ");
                let cells = [&interface.name, interface.state, &interface.on, &addresses];
                rows.push(row([name, cells[0], cells[1], cells[2], cells[3]]));
                if counters && let Some(last) = rows.last_mut() {
                    last.splice(4..4, interface.traffic());
                }
                name = "";
            }
        }
        if rows.len() > 1 {
            text.push_str(&format!("\n{}", ui::table(&rows)));
        }
        let mut rows =
            vec![vec!["LINK".into(), "STATE".into(), "FORWARD".into(), "BACKWARD".into()]];
        for link in self.links.iter().filter(|link| all || link.state != WELL) {
            let [forward, backward] = link.sends.each_ref().map(impairment::text);
            rows.push(vec![link.name.clone(), link.state.into(), forward, backward]);
        }
        if rows.len() > 1 {
            text.push_str(&format!("\n{}", ui::table(&rows)));
        }
        text.push_str(&service::text(&self.services, all));
        text.push_str(&tunnel::text(&self.tunnels));
        if counters {
            text.push_str(&self.rules());
        }
        text
    }

    /// What rules of firewalls counted.
    fn rules(&self) -> String {
        let mut rows =
            vec![["NODE", "CHAIN", "PACKETS", "BYTES", "RULE"].map(String::from).to_vec()];
        for (place, counts) in &self.firewalls {
            for count in counts {
                let (packets, bytes) = (count.packets.to_string(), count.bytes.to_string());
                let (chain, rule) = (count.chain.clone(), count.rule.clone());
                rows.push(vec![place.to_string(), chain, packets, bytes, rule]);
            }
        }
        if rows.len() > 1 { format!("\n{}", ui::table(&rows)) } else { String::new() }
    }

    /// For programs; `differences` are lines of a plan.
    pub fn json(&self, differences: &[(netyard_core::plan::show::Line, String)]) -> Value {
        let interface = |i: &InterfaceHealth| {
            json!({
                "interface": i.name, "kernel_name": i.kernel_name, "state": i.state, "on": i.on,
                "mtu": i.mtu, "mac": i.mac,
                "addresses": i.addresses, "missing_addresses": i.missing_addresses,
                "operstate": i.pulse.map(|pulse| pulse.operstate),
                "carrier": i.pulse.map(|pulse| pulse.carrier),
                "received": i.pulse.map(|pulse| counters(&pulse.received)),
                "sent": i.pulse.map(|pulse| counters(&pulse.sent)),
            })
        };
        let node = |n: &NodeHealth| {
            json!({
                "node": n.name, "netns": n.netns, "state": n.state,
                "interfaces": n.interfaces.iter().map(interface).collect::<Vec<_>>(),
            })
        };
        let link = |l: &LinkHealth| {
            json!({
                "link": l.name, "state": l.state, "ends": l.ends,
                "forward": l.sends[0], "backward": l.sends[1],
            })
        };
        let rule = |c: &RuleCount| json!({ "chain": c.chain, "rule": c.rule, "packets": c.packets, "bytes": c.bytes });
        let firewall = |(place, counts): (&Place, &Vec<RuleCount>)| {
            json!({
                "node": place.to_string(),
                "rules": counts.iter().map(rule).collect::<Vec<_>>(),
            })
        };
        json!({
            "version": 1,
            "yard": self.yard,
            "up": self.up,
            "nodes": self.nodes.iter().map(node).collect::<Vec<_>>(),
            "links": self.links.iter().map(link).collect::<Vec<_>>(),
            "differences": differences.iter().map(|(line, text)| format!("{}{text}", line.sign())).collect::<Vec<_>>(),
            "firewalls": self.firewalls.iter().map(firewall).collect::<Vec<_>>(),
            "services": service::json(&self.services),
            "tunnels": tunnel::json(&self.tunnels),
            "problems": self.problems,
        })
    }
}

impl Health {
    /// With the yard's services; `supervised` says whether anybody watches over them.
    pub fn and_services(&mut self, services: Vec<ProcessState>, supervised: bool) {
        self.services = services;
        if !supervised {
            let what = "nobody watches over the services: their supervisor was killed; the next \
                        `up` starts it again";
            self.problems.push(what.to_owned());
        }
    }
}

impl NodeHealth {
    fn is_well(&self) -> bool {
        self.state == WELL && self.interfaces.iter().all(|interface| interface.state == WELL)
    }
}

/// As JSON.
fn counters(of: &Counters) -> Value {
    let Counters { packets, bytes, errors, dropped } = of;
    json!({ "packets": packets, "bytes": bytes, "errors": errors, "dropped": dropped })
}

impl InterfaceHealth {
    /// Packets received, sent and dropped.
    fn traffic(&self) -> [String; 3] {
        let pulse = self.pulse.unwrap_or_default();
        let (received, sent) = (pulse.received, pulse.sent);
        [received.packets, sent.packets, received.dropped + sent.dropped].map(|n| n.to_string())
    }

    /// Those that are not there in brackets.
    fn all_addresses(&self) -> Vec<String> {
        let missing = self.missing_addresses.iter().map(|address| format!("({address})"));
        self.addresses.iter().cloned().chain(missing).collect()
    }
}

/// What each interface is plugged into, in words.
fn attachments(yard: Option<&Yard>) -> BTreeMap<InterfaceId, String> {
    let mut all = BTreeMap::new();
    for interface in yard.iter().flat_map(|yard| &yard.nodes).flat_map(|node| &node.interfaces) {
        let Some(yard) = yard else { continue };
        let on = match interface.attachment {
            Attachment::Network(index) | Attachment::Bridge(index) => {
                yard.networks[index].name.to_string()
            }
            Attachment::Link(index, end) => yard.links[index].ends[1 - end].to_string(),
            Attachment::None => continue,
        };
        all.insert(interface.device.id.clone(), on);
    }
    all
}

struct View<'a> {
    pulses: &'a Pulses,
    actual: &'a State,
    desired: &'a State,
    on: BTreeMap<InterfaceId, String>,
}

impl View<'_> {
    /// All nodes that are or should be.
    fn nodes(&self) -> Vec<NodeHealth> {
        let mut nodes: BTreeMap<Place, NodeHealth> = BTreeMap::new();
        let mut interfaces: BTreeMap<&InterfaceId, &Interface> = BTreeMap::new();
        // What there is comes last, and so wins.
        for object in self.desired.objects().chain(self.actual.objects()) {
            match object {
                Object::Namespace(o) if o.place != Place::Fabric => {
                    let there = self.actual.get(&Key::Namespace(o.place.clone())).is_some();
                    let state = if there { WELL } else { MISSING };
                    let (name, netns) = (o.place.to_string(), o.netns.clone());
                    let node = NodeHealth { name, netns, state, interfaces: Vec::new() };
                    nodes.insert(o.place.clone(), node);
                }
                Object::Interface(o) => drop(interfaces.insert(&o.id, o)),
                _ => {}
            }
        }
        let addresses = self.addresses();
        for (id, interface) in interfaces {
            if id.place == Place::Fabric {
                continue;
            }
            let addresses = addresses.get(id).map(Vec::as_slice).unwrap_or_default();
            if interface.kind == Kind::Loopback && addresses.is_empty() {
                continue;
            }
            let health = self.interface(interface, addresses);
            let node = nodes.entry(id.place.clone()).or_insert_with(|| NodeHealth {
                name: id.place.to_string(),
                netns: String::new(),
                state: WELL,
                interfaces: Vec::new(),
            });
            node.interfaces.push(health);
        }
        nodes.into_values().collect()
    }

    /// The addresses that are or should be, true for those that are.
    fn addresses(&self) -> BTreeMap<&InterfaceId, Vec<(String, bool)>> {
        let mut all: BTreeMap<&InterfaceId, Vec<(String, bool)>> = BTreeMap::new();
        let there = |object: &&Object| matches!(object, Object::Address(_));
        for object in self.actual.objects().filter(there) {
            let Object::Address(o) = object else { continue };
            all.entry(&o.interface).or_default().push((o.net.to_string(), true));
        }
        for (key, object) in self.desired.iter() {
            let Object::Address(o) = object else { continue };
            if self.actual.get(key).is_none() {
                all.entry(&o.interface).or_default().push((o.net.to_string(), false));
            }
        }
        all
    }

    fn interface(&self, interface: &Interface, addresses: &[(String, bool)]) -> InterfaceHealth {
        let named = |there: bool| {
            let those = addresses.iter().filter(|(_, is)| *is == there);
            those.map(|(address, _)| address.clone()).collect::<Vec<_>>()
        };
        let missing_addresses = named(false);
        let mut state = self.state_of(&interface.id);
        if state == WELL && !missing_addresses.is_empty() {
            state = DIFFERS;
        }
        InterfaceHealth {
            name: interface.id.name.to_string(),
            kernel_name: interface.kernel_name.to_string(),
            state,
            addresses: named(true),
            missing_addresses,
            on: self.on.get(&interface.id).cloned().unwrap_or_default(),
            mtu: interface.mtu,
            mac: interface.mac.map(|mac| mac.to_string()),
            pulse: self.pulses.get(&interface.id).copied(),
        }
    }

    fn state_of(&self, id: &InterfaceId) -> &'static str {
        match (self.actual.interface(id), self.desired.interface(id)) {
            (None, _) => MISSING,
            (Some(is), Some(should)) if is.up != should.up => DOWN,
            (Some(is), Some(should)) if is != should => DIFFERS,
            (Some(is), None) if !is.up => DOWN,
            (Some(is), _) if is.up && self.has_no_carrier(is) => NO_CARRIER,
            _ => WELL,
        }
    }

    /// A bridge without ports and a tap or tun that nobody has opened have none either, and
    /// that is how they are made.
    fn has_no_carrier(&self, interface: &Interface) -> bool {
        let plugged = !matches!(interface.kind, Kind::Bridge(_) | Kind::Tap(_) | Kind::Tun(_));
        plugged && self.pulses.get(&interface.id).is_some_and(|pulse| !pulse.carrier)
    }

    fn links(&self, yard: &Yard) -> Vec<LinkHealth> {
        let sends = |id: &InterfaceId| match self.actual.get(&Key::Qdisc(id.clone())) {
            Some(Object::Qdisc(qdisc)) => qdisc.impairment,
            _ => Impairment::default(),
        };
        let differs = |id: &InterfaceId| {
            let key = Key::Qdisc(id.clone());
            self.actual.get(&key) != self.desired.get(&key)
        };
        let link = |link: &netyard_core::yard::Link| {
            let states = link.ends.each_ref().map(|id| self.state_of(id));
            let state =
                [MISSING, DOWN, NO_CARRIER, DIFFERS].into_iter().find(|s| states.contains(s));
            let state = state.or_else(|| link.ends.iter().any(differs).then_some(DIFFERS));
            LinkHealth {
                name: link.name.clone(),
                state: state.unwrap_or(WELL),
                ends: link.ends.each_ref().map(ToString::to_string),
                sends: link.ends.each_ref().map(sends),
            }
        };
        yard.links.iter().map(link).collect()
    }
}

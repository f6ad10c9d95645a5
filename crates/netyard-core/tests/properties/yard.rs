//! Random States that a kernel could be in.
//!
//! Every attribute is one byte of a string, always at the same position: two
//! strings that differ in a few bytes make two States that differ in a few
//! attributes, and a string of zeros makes an empty State, to which proptest
//! shrinks.

mod route;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use netyard_core::addr::Mac;
use netyard_core::interface::*;
use netyard_core::name::{FullName, InterfaceName, NodeName};
use netyard_core::state::*;

/// Bytes that a State takes at most; what is beyond the end reads as zero.
pub const BYTES: usize = 1700;
/// Interfaces that the host has before any yard.
pub const STRANGERS: [&str; 3] = ["eth0", "enp1s0", "enp2s0"];

struct Dice<'a> {
    bytes: std::slice::Iter<'a, u8>,
}

impl Dice<'_> {
    fn roll(&mut self, sides: usize) -> usize {
        usize::from(self.bytes.next().copied().unwrap_or(0)) % sides
    }

    fn yes(&mut self) -> bool {
        self.roll(2) == 1
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        let face = usize::from(self.bytes.next().copied().unwrap_or(0));
        if from.is_empty() { None } else { Some(from[face % from.len()].clone()) }
    }
}

fn name(text: &str) -> FullName {
    FullName::new(text).unwrap()
}

fn kernel_name(text: &str) -> InterfaceName {
    InterfaceName::new(text).unwrap()
}

fn node(number: usize) -> NodeName {
    NodeName::new(&format!("n{number}")).unwrap()
}

fn places() -> [Place; 5] {
    [Place::Host, Place::Fabric, Place::Node(node(0)), Place::Node(node(1)), Place::Node(node(2))]
}

struct Builder<'a> {
    dice: Dice<'a>,
    state: State,
    there: BTreeSet<Place>,
    names: BTreeSet<(Place, InterfaceName)>,
    interfaces: Vec<InterfaceId>,
}

/// The State that a string of bytes stands for.
pub fn state(bytes: &[u8]) -> State {
    let mut builder = Builder {
        dice: Dice { bytes: bytes.iter() },
        state: State::default(),
        there: BTreeSet::from([Place::Host]),
        names: STRANGERS.iter().map(|n| (Place::Host, kernel_name(n))).collect(),
        interfaces: Vec::new(),
    };
    builder.namespaces();
    builder.masters();
    builder.dummies();
    builder.veths();
    builder.children();
    builder.physical();
    builder.port_vlans();
    builder.on_interfaces();
    builder.in_places();
    builder.tables();
    builder.processes();
    builder.state
}

impl Builder<'_> {
    fn namespaces(&mut self) {
        for (number, place) in places().into_iter().enumerate().skip(1) {
            let there = self.dice.roll(4) > 0;
            let netns = ["yard", "other"][self.dice.roll(8) / 7];
            let published = self.dice.yes();
            let hostname = [None, Some("r".to_string()), Some("s".to_string())];
            let hostname = hostname[self.dice.roll(3)].clone();
            let lo = self.interface(&place, "lo", Kind::Loopback);
            let content = self.dice.roll(3);
            let argv = self.dice.roll(3);
            if !there {
                continue;
            }
            let netns = format!("{netns}-{number}");
            if let Place::Node(node) = &place {
                let (node, netns) = (node.clone(), netns.clone());
                if content > 0 {
                    let (name, content) = ("hosts".to_string(), format!("# {content}"));
                    let (node, netns) = (node.clone(), netns.clone());
                    self.state.insert(Object::File(File { node, netns, name, content }));
                }
                if argv > 0 {
                    let argv = vec!["true".to_string(), argv.to_string()];
                    self.state.insert(Object::Command(Command { node, index: 0, argv }));
                }
            }
            self.there.insert(place.clone());
            self.state.insert(Object::Namespace(Namespace { place, netns, published, hostname }));
            self.put(lo);
        }
    }

    fn interface(&mut self, place: &Place, text: &str, kind: Kind) -> Interface {
        let mtu = Some([1500, 1500, 1400, 9000][self.dice.roll(4)]);
        let mac = self.dice.roll(3) as u8;
        let mac = if mac == 0 { None } else { Some(Mac([2, 0, 0, 0, 0, mac])) };
        let up = self.dice.roll(4) > 0;
        let other_name = self.dice.roll(12);
        let id = InterfaceId { place: place.clone(), name: name(text) };
        let other = ["p1", "p2"].get(other_name).map(|n| kernel_name(n));
        let free = |n: &InterfaceName| !self.names.contains(&(place.clone(), n.clone()));
        let kernel_name = match other {
            Some(other) if free(&other) && kind != Kind::Loopback => other,
            _ => kernel_name(text),
        };
        let (parent, master, port) = (None, None, None);
        Interface { id, kernel_name, kind, parent, master, port, mtu, mac, up }
    }

    fn put(&mut self, interface: Interface) {
        let place = interface.id.place.clone();
        assert!(self.names.insert((place, interface.kernel_name.clone())), "{interface}");
        self.interfaces.push(interface.id.clone());
        self.state.insert(Object::Interface(Box::new(interface)));
    }

    fn masters(&mut self) {
        for place in places() {
            let there = self.there.contains(&place);
            let bridge = Bridge {
                stp: self.dice.yes(),
                priority: 32768,
                forward_delay: 0,
                hello_time: 2000,
                max_age: 20000,
                ageing_time: 300_000,
                vlan_filtering: self.dice.yes(),
                multicast_snooping: true,
                multicast_querier: false,
                group_forward_mask: 0,
            };
            let table = 10 + self.dice.roll(2) as u32;
            let mode = [BondMode::ActiveBackup, BondMode::BalanceRr][self.dice.roll(2)];
            let miimon = 100 + 50 * self.dice.roll(2) as u32;
            for (text, kind) in [
                ("br", Kind::Bridge(bridge)),
                ("vrf", Kind::Vrf(Vrf { table })),
                ("bond", Kind::Bond(Bond { mode, miimon })),
            ] {
                let interface = self.interface(&place, text, kind);
                if self.dice.yes() && there {
                    self.put(interface);
                }
            }
        }
    }

    /// Chooses a master in the interface's namespace, or none.
    fn enslave(&mut self, interface: &mut Interface) {
        let master = [None, Some("br"), Some("br"), Some("vrf"), Some("bond")][self.dice.roll(5)];
        let isolated = self.dice.yes();
        let Some(master) = master.map(name) else { return };
        let id = InterfaceId { place: interface.id.place.clone(), name: master.clone() };
        let Some(found) = self.state.interface(&id) else { return };
        if matches!(found.kind, Kind::Bridge(_)) {
            interface.port = Some(BridgePort {
                cost: 0,
                priority: 32,
                hairpin: false,
                isolated,
                learning: true,
                unicast_flood: true,
                multicast_router: false,
            });
        }
        interface.up |= matches!(found.kind, Kind::Bond(_));
        interface.master = Some(master);
    }

    fn dummies(&mut self) {
        for place in places() {
            for (text, kind) in [("d0", Kind::Dummy), ("d1", Kind::Dummy), ("i0", Kind::Ifb)] {
                let mut interface = self.interface(&place, text, kind);
                self.enslave(&mut interface);
                if self.dice.yes() && self.there.contains(&place) {
                    self.put(interface);
                }
            }
        }
    }

    fn veths(&mut self) {
        let places = places();
        for number in 0..6 {
            // Mostly the same two places for the same pair.
            let shift = self.dice.roll(8) / 7;
            let ends = [number % 5, (number * 2 + 1 + shift) % 5];
            let id = |end: usize| InterfaceId {
                place: places[ends[end]].clone(),
                name: name(&format!("v{number}{}", ["a", "b"][end])),
            };
            let mut pair = [0, 1].map(|end| {
                let kind = Kind::Veth(Veth { peer: id(1 - end) });
                let mut one = self.interface(&id(end).place, id(end).name.as_str(), kind);
                self.enslave(&mut one);
                one
            });
            let there = pair.iter().all(|one| self.there.contains(&one.id.place));
            let clash =
                pair[0].id.place == pair[1].id.place && pair[0].kernel_name == pair[1].kernel_name;
            if clash {
                pair[1].kernel_name = kernel_name(pair[1].id.name.as_str());
            }
            if self.dice.roll(3) > 0 && there {
                pair.into_iter().for_each(|one| self.put(one));
            }
        }
    }

    fn children(&mut self) {
        let places = places();
        let mode = [MacvlanMode::Bridge, MacvlanMode::Vepa, MacvlanMode::Passthru];
        for number in 0..8 {
            let own = self.dice.pick(&places).unwrap_or(Place::Host);
            let kind = match number {
                0..=3 => Kind::Vlan(Vlan {
                    id: number * 2 + self.dice.roll(2) as u16 + 1,
                    service_tag: false,
                }),
                4 | 5 => Kind::Macvlan(Macvlan { mode: mode[self.dice.roll(3)] }),
                6 => Kind::Ipvlan(Ipvlan {
                    mode: IpvlanMode::L2,
                    isolation: IpvlanIsolation::Bridge,
                }),
                _ => Kind::Vxlan(Vxlan {
                    id: 42,
                    remote: Some(IpAddr::from([10, 0, 0, 1 + self.dice.roll(2) as u8])),
                    local: None,
                    port: 4789,
                    ttl: 0,
                    learning: self.dice.yes(),
                }),
            };
            let vlan = matches!(kind, Kind::Vlan(_));
            let beside: Vec<_> =
                self.interfaces.iter().filter(|id| vlan && id.place == own).collect();
            let of_name =
                |id: &&InterfaceId| id.name.as_str() != "lo" && (!vlan || beside.contains(id));
            let mut parents: Vec<_> = self.interfaces.iter().filter(of_name).cloned().collect();
            if !vlan {
                parents.push(InterfaceId { place: Place::Host, name: name("eth0") });
            }
            let parent = self.dice.pick(&parents);
            let mut interface = self.interface(&own, &format!("c{number}"), kind);
            let there = self.dice.roll(3) > 0 && self.there.contains(&own);
            let Some(parent) = parent else { continue };
            if let Some(parent) = self.state.interface(&parent) {
                interface.mtu = interface.mtu.min(parent.mtu);
                interface.up &= parent.up || !vlan;
                if matches!(interface.kind, Kind::Ipvlan(_)) {
                    interface.mtu = parent.mtu;
                    interface.mac = None;
                }
            }
            interface.parent = Some(parent);
            if there {
                self.put(interface);
            }
        }
    }

    fn physical(&mut self) {
        let place = places()[2 + self.dice.roll(2)].clone();
        let host_name = kernel_name(["enp1s0", "enp2s0"][self.dice.roll(2)]);
        let mut lent = self.interface(&place, "wan", Kind::Physical(Physical { host_name }));
        self.enslave(&mut lent);
        if self.dice.yes() && self.there.contains(&place) {
            self.put(lent);
        }
        let kind = Kind::Physical(Physical { host_name: kernel_name("eth0") });
        let mut own = self.interface(&Place::Host, "eth0", kind);
        if self.dice.yes() {
            (own.mtu, own.mac, own.up) = (None, None, true);
            own.kernel_name = kernel_name("eth0");
            self.interfaces.push(own.id.clone());
            self.state.insert(Object::Interface(Box::new(own)));
        }
    }

    fn port_vlans(&mut self) {
        for interface in self.interfaces.clone() {
            let native = self.dice.roll(3);
            let found = self.state.interface(&interface).unwrap();
            let on_bridge = matches!(found.kind, Kind::Bridge(_));
            let member = found.port.is_some();
            for (number, vid) in [10, 20].into_iter().enumerate() {
                let (there, untagged) = (self.dice.yes(), self.dice.yes());
                let pvid = native == number + 1;
                let interface = interface.clone();
                if there && (on_bridge || member) {
                    let vlan = PortVlan { interface, vid, pvid, untagged, on_bridge };
                    self.state.insert(Object::PortVlan(vlan));
                }
            }
        }
    }

    fn on_interfaces(&mut self) {
        for (number, interface) in self.interfaces.clone().into_iter().enumerate() {
            let n = number as u8;
            let v4 = |host| Ipv4Addr::new(10, 0, n, host);
            let v6 = |host| Ipv6Addr::new(0xfd00, 0, 0, n.into(), 0, 0, 0, host);
            let (loose, dad) = (self.dice.roll(6), self.dice.yes());
            for net in [
                IpNet::new(v4(1).into(), 24),
                IpNet::new(v4(2).into(), 24),
                IpNet::new(Ipv4Addr::new(10, 1, n, 1).into(), 24),
                IpNet::new(v6(1).into(), 64),
                IpNet::new(v6(2).into(), 128),
            ] {
                let (net, interface) = (net.unwrap(), interface.clone());
                let v6 = net.addr().is_ipv6();
                let peer = if !v6 && loose == 1 { Some(v4(99).into()) } else { None };
                let address = Address { interface, net, peer, dad: dad && v6 };
                if self.dice.roll(3) == 1 {
                    self.state.insert(Object::Address(address));
                }
            }
            let up = self.state.interface(&interface).is_some_and(|i| i.up);
            let mac = [None, Some(Mac([2, 0, 0, 0, 0, 9])), Some(Mac([2, 0, 0, 0, 0, 8]))];
            let mac = mac[self.dice.roll(3)];
            if self.dice.roll(3) == 1 && up {
                let (address, interface) = (v4(77).into(), interface.clone());
                self.state.insert(Object::Neighbour(Neighbour { interface, address, mac }));
            }
            for key in ["net/ipv4/conf/{if}/forwarding", "net/ipv6/conf/{if}/forwarding"] {
                let value = self.dice.roll(4);
                if value > 1 {
                    let (place, name) = (interface.place.clone(), interface.name.clone());
                    self.sysctl(place, Some(name), key, value - 2);
                }
            }
            let delay = 1_000_000 * self.dice.roll(3) as u64;
            if delay > 0 {
                let impairment = Impairment { delay, ..Impairment::default() };
                let interface = interface.clone();
                self.state.insert(Object::Qdisc(Qdisc { interface, impairment }));
            }
        }
    }

    fn sysctl(&mut self, place: Place, interface: Option<FullName>, key: &str, value: usize) {
        let (key, value) = (key.to_string(), value.to_string());
        self.state.insert(Object::Sysctl(Sysctl { place, interface, key, value }));
    }

    fn in_places(&mut self) {
        for place in places() {
            let there = self.there.contains(&place);
            for key in [
                "net/ipv4/ip_forward",
                "net/ipv4/conf/default/forwarding",
                "net/ipv6/conf/all/forwarding",
                "net/ipv4/tcp_syncookies",
            ] {
                let value = self.dice.roll(4);
                if value > 1 && there {
                    self.sysctl(place.clone(), None, key, value - 2);
                }
            }
            for slot in 0..8 {
                self.route(&place, slot);
            }
            for priority in [100, 200] {
                let iif = [None, Some("d0"), Some("v0a"), Some("br")][self.dice.roll(4)].map(name);
                let action = RuleAction::Table(100 + self.dice.roll(2) as u32);
                if self.dice.yes() && there {
                    self.state.insert(Object::Rule(Rule {
                        place: place.clone(),
                        ipv6: false,
                        priority,
                        from: None,
                        to: None,
                        fwmark: None,
                        iif,
                        oif: None,
                        not: false,
                        action,
                        suppress_prefix_length: None,
                    }));
                }
            }
        }
    }

    fn tables(&mut self) {
        for place in places() {
            let wanted = self.dice.yes();
            let table = crate::table::table(place.clone(), |sides| self.dice.roll(sides));
            for interface in self.interfaces.clone() {
                let (offloads, flowtable) = (self.dice.roll(4) == 1, self.dice.roll(2));
                if interface.place != place || !offloads || !wanted {
                    continue;
                }
                let Some(flowtable) = table.flowtables.get(flowtable) else { continue };
                self.state.insert(Object::FlowDevice(FlowDevice {
                    interface,
                    table: table.name.clone(),
                    flowtable: flowtable.name.clone(),
                    priority: flowtable.priority,
                }));
            }
            if wanted && self.there.contains(&place) {
                self.state.insert(Object::Table(Box::new(table)));
            }
        }
    }

    /// Two processes in each place; the second needs the first, and one of the host.
    fn processes(&mut self) {
        for place in places() {
            for (number, text) in ["one", "two"].into_iter().enumerate() {
                let (there, keep) = (self.dice.yes(), self.dice.yes());
                let argv = vec!["true".to_string(), self.dice.roll(3).to_string()];
                let reload =
                    [Reload::Restart, Reload::Signal("HUP".into())][self.dice.roll(2)].clone();
                let content = self.dice.roll(3).to_string();
                let needs = self.dice.yes();
                let after = [(place.clone(), "one"), (Place::Host, "two")];
                let after = after.into_iter().take(if needs { 2 * number } else { 0 });
                let after = after.filter(|(other, name)| (other, *name) != (&place, text));
                let process = Process {
                    after: after.map(|(place, name)| Need::Process(place, name.into())).collect(),
                    files: vec![ProcessFile::new("conf", content)],
                    reload,
                    keep,
                    ..Process::new(place.clone(), text, Program::Argv(argv))
                };
                if there && self.there.contains(&place) {
                    self.state.insert(process.into());
                }
            }
        }
    }
}

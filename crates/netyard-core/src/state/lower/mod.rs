//! Yard to State: every managed attribute of every object, defaults included.

mod wireguard;

use super::{
    Address, Command, File, FlowDevice, InterfaceId, Object, Place, PortVlan, Qdisc, State,
};
use crate::interface::{self, Kind};
use crate::yard::{Interface, Membership, Node, Yard};

/// The State that a yard asks for, in the steps in which the kernel keeps its
/// numbers.
///
/// Objects are made in about the order of their keys, so that the set is built
/// from sorted runs: a yard of 1,000 nodes has 10,000 of them.
pub fn lower(yard: &Yard) -> State {
    let mut nodes: Vec<&Node> = yard.nodes.iter().collect();
    nodes.sort_by_key(|node| &node.place);
    let mut interfaces: Vec<&Interface> = nodes.iter().flat_map(|n| &n.interfaces).collect();
    interfaces.sort_by_key(|interface| &interface.device.id);
    let foreign = foreign_bridges(yard);
    let is_foreign = |id: &InterfaceId| foreign.contains(&id);
    let devices = yard.networks.iter().flat_map(|n| &n.devices).map(|d| (&d.device, &d.vlans));
    let mut devices: Vec<(&interface::Interface, &Vec<Membership>)> =
        devices.chain(interfaces.iter().map(|i| (&i.device, &i.vlans))).collect();
    devices.retain(|(device, _)| !is_foreign(&device.id));
    interfaces.retain(|interface| !is_foreign(&interface.device.id));
    devices.sort_by_key(|(device, _)| &device.id);

    let mut objects: Vec<Object> = Vec::with_capacity(4 * devices.len() + 16);
    let namespaces = yard.fabric.iter().chain(nodes.iter().filter_map(|n| n.namespace.as_ref()));
    objects.extend(namespaces.cloned().map(Object::Namespace));
    objects.extend(yard.fabric.iter().map(|_| loopback()));
    objects.extend(devices.iter().map(|(d, _)| Object::Interface(Box::new(plugged(d, &foreign)))));
    for (device, vlans) in devices {
        push_vlans(device, vlans, &mut objects);
    }
    let in_nodes = || nodes.iter();
    let ours = |sysctl: &&super::Sysctl| {
        !sysctl.interface.as_ref().is_some_and(|name| {
            foreign.iter().any(|id| id.place == sysctl.place && id.name == *name)
        })
    };
    objects.extend(in_nodes().flat_map(|n| &n.sysctls).filter(ours).cloned().map(Object::Sysctl));
    let of_networks = yard.networks.iter().flat_map(|n| &n.sysctls);
    objects.extend(of_networks.cloned().map(Object::Sysctl));
    for interface in &interfaces {
        push_addresses(interface, &mut objects);
    }
    for network in &yard.networks {
        push_all(&network.bridge, &network.addresses, &mut objects);
    }
    objects.extend(in_nodes().flat_map(|n| &n.neighbours).cloned().map(Object::Neighbour));
    objects.extend(in_nodes().flat_map(|n| &n.routes).cloned().map(Object::Route));
    objects.extend(in_nodes().flat_map(|n| &n.rules).cloned().map(Object::Rule));
    for interface in &interfaces {
        let id = &interface.device.id;
        objects.extend(
            interface
                .impairment
                .map(|impairment| Object::Qdisc(Qdisc { interface: id.clone(), impairment })),
        );
    }
    push_tables(yard, &mut objects);
    wireguard::push(yard, &mut objects);
    for node in nodes {
        push_files(node, &mut objects);
        push_commands(node, &mut objects);
    }
    objects.extend(yard.every_process().cloned().map(Object::from));
    let of_libvirt = yard.networks.iter().filter_map(|network| network.libvirt.clone());
    objects.extend(of_libvirt.map(|network| Object::LibvirtNetwork(Box::new(network))));
    objects.into_iter().collect::<State>().settled()
}

/// The bridges that libvirt makes: what they are is not netyard's to say.
fn foreign_bridges(yard: &Yard) -> Vec<&InterfaceId> {
    let made = yard.networks.iter().filter(|network| {
        network.libvirt.as_ref().is_some_and(|libvirt| libvirt.bridge().is_some())
    });
    made.map(|network| &network.bridge).collect()
}

/// An interface; as a port of a bridge of libvirt's it has no options of netyard's.
fn plugged(device: &interface::Interface, foreign: &[&InterfaceId]) -> interface::Interface {
    let mut device = device.clone();
    let on_foreign = foreign
        .iter()
        .any(|id| id.place == device.id.place && device.master.as_ref() == Some(&id.name));
    if on_foreign {
        device.port = None;
    }
    device
}

fn push_vlans(device: &interface::Interface, vlans: &[Membership], objects: &mut Vec<Object>) {
    let on_bridge = matches!(device.kind, Kind::Bridge(_));
    objects.extend(vlans.iter().map(|vlan| {
        Object::PortVlan(PortVlan {
            interface: device.id.clone(),
            vid: vlan.vid,
            pvid: vlan.pvid,
            untagged: vlan.untagged,
            on_bridge,
        })
    }));
}

fn push_addresses(interface: &Interface, objects: &mut Vec<Object>) {
    push_all(&interface.device.id, &interface.addresses, objects);
}

fn push_all(id: &InterfaceId, addresses: &[crate::yard::Address], objects: &mut Vec<Object>) {
    objects.extend(addresses.iter().map(|address| {
        Object::Address(Address {
            interface: id.clone(),
            net: address.net,
            peer: None,
            dad: address.dad,
        })
    }));
}

fn push_files(node: &Node, objects: &mut Vec<Object>) {
    let Some(namespace) = &node.namespace else { return };
    objects.extend(node.files.iter().map(|(name, content)| {
        Object::File(File {
            node: node.name.clone(),
            netns: namespace.netns.clone(),
            name: name.clone(),
            content: content.clone(),
        })
    }));
}

fn push_commands(node: &Node, objects: &mut Vec<Object>) {
    objects.extend(node.commands.iter().zip(0..).map(|(argv, index)| {
        Object::Command(Command { node: node.name.clone(), index, argv: argv.clone() })
    }));
}

/// The firewalls, and their flowtables' devices, which are objects of their own.
fn push_tables(yard: &Yard, objects: &mut Vec<Object>) {
    for mut table in crate::firewall::tables(yard) {
        for flowtable in &mut table.flowtables {
            for device in std::mem::take(&mut flowtable.devices) {
                let Some(name) = full_name(yard, &table.place, &device) else { continue };
                objects.push(Object::FlowDevice(FlowDevice {
                    interface: super::InterfaceId { place: table.place.clone(), name },
                    table: table.name.clone(),
                    flowtable: flowtable.name.clone(),
                    priority: flowtable.priority,
                }));
            }
        }
        objects.push(Object::Table(Box::new(table)));
    }
}

/// What the yard calls a kernel's interface; one of the host's own has one name.
fn full_name(yard: &Yard, place: &Place, kernel_name: &str) -> Option<crate::name::FullName> {
    let nodes = yard.nodes.iter().flat_map(|n| &n.interfaces).map(|i| &i.device);
    let devices = yard.networks.iter().flat_map(|n| &n.devices).map(|d| &d.device);
    let mut all = nodes.chain(devices);
    let ours = all.find(|d| d.id.place == *place && d.kernel_name.as_str() == kernel_name);
    ours.map(|d| d.id.name.clone()).or_else(|| crate::name::FullName::new(kernel_name).ok())
}

/// The fabric's `lo`; every namespace has one, up.
fn loopback() -> Object {
    let name = crate::name::FullName::new("lo");
    let kernel_name = crate::name::InterfaceName::new("lo");
    let (Ok(name), Ok(kernel_name)) = (name, kernel_name) else {
        unreachable!("`lo` is a name that the kernel takes")
    };
    Object::Interface(Box::new(interface::Interface {
        id: super::InterfaceId { place: Place::Fabric, name },
        kernel_name,
        kind: Kind::Loopback,
        parent: None,
        master: None,
        port: None,
        mtu: None,
        mac: None,
        up: true,
    }))
}

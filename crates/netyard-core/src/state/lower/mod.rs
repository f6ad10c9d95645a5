//! Yard to State: every managed attribute of every object, defaults included.

use super::{Address, Command, File, Object, Place, PortVlan, Qdisc, State};
use crate::interface::{self, Kind};
use crate::yard::{Membership, Node, Yard};

/// The State that a yard asks for.
pub fn lower(yard: &Yard) -> State {
    let mut objects = Vec::with_capacity(8 * yard.nodes.len() + 16);
    if let Some(fabric) = &yard.fabric {
        objects.push(Object::Namespace(fabric.clone()));
        objects.push(loopback());
    }
    for network in &yard.networks {
        for device in &network.devices {
            push_device(&device.device, &device.vlans, &mut objects);
        }
    }
    for node in &yard.nodes {
        push_node(node, &mut objects);
    }
    objects.into_iter().collect()
}

fn push_node(node: &Node, objects: &mut Vec<Object>) {
    objects.extend(node.namespace.iter().cloned().map(Object::Namespace));
    for interface in &node.interfaces {
        push_device(&interface.device, &interface.vlans, objects);
        let id = &interface.device.id;
        objects.extend(interface.addresses.iter().map(|address| {
            Object::Address(Address {
                interface: id.clone(),
                net: address.net,
                peer: None,
                dad: address.dad,
            })
        }));
        objects.extend(
            interface
                .impairment
                .map(|impairment| Object::Qdisc(Qdisc { interface: id.clone(), impairment })),
        );
    }
    objects.extend(node.sysctls.iter().cloned().map(Object::Sysctl));
    objects.extend(node.neighbours.iter().cloned().map(Object::Neighbour));
    objects.extend(node.routes.iter().cloned().map(Object::Route));
    objects.extend(node.rules.iter().cloned().map(Object::Rule));
    if let Some(namespace) = &node.namespace {
        objects.extend(node.files.iter().map(|(name, content)| {
            Object::File(File {
                node: node.name.clone(),
                netns: namespace.netns.clone(),
                name: name.clone(),
                content: content.clone(),
            })
        }));
    }
    objects.extend(node.commands.iter().zip(0..).map(|(argv, index)| {
        Object::Command(Command { node: node.name.clone(), index, argv: argv.clone() })
    }));
}

fn push_device(device: &interface::Interface, vlans: &[Membership], objects: &mut Vec<Object>) {
    let on_bridge = matches!(device.kind, Kind::Bridge(_));
    objects.push(Object::Interface(Box::new(device.clone())));
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

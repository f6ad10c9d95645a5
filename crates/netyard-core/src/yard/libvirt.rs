//! Networks as libvirt is told of them.

use super::gather::Cast;
use super::{Attachment, Network, Node};
use crate::interface::Kind;
use crate::libvirt::OwnSpec;
use crate::spec::{Exit, NetworkSpec, Through, WaySpec};
use crate::state::{LibvirtDefinition, LibvirtForward, LibvirtNetwork, Place};

/// Gives every network that libvirt has to do with what libvirt is told.
pub(super) fn fill(cast: &Cast<'_>, nodes: &[Node], networks: &mut [Network]) {
    let host = nodes.iter().find(|node| node.place == Place::Host);
    for (index, spec) in cast.spec.networks.iter().enumerate() {
        let Some(libvirt) = &spec.libvirt else { continue };
        let bridge = host.and_then(|host| {
            host.interfaces.iter().find(|one| one.attachment == Attachment::Bridge(index))
        });
        let Some(bridge) = bridge else { continue };
        let definition = match &libvirt.own {
            Some(own) => defined(spec, own, bridge),
            None => LibvirtDefinition {
                forward: LibvirtForward::Bridge,
                bridge: bridge.device.kernel_name.to_string(),
                ..LibvirtDefinition::default()
            },
        };
        networks[index].libvirt = Some(LibvirtNetwork {
            name: libvirt.name.value.clone(),
            yard: cast.spec.yard.value.clone(),
            network: spec.name.value.clone(),
            definition: Some(definition.clone()),
            running: Some(definition),
        });
    }
}

/// One that libvirt makes.
fn defined(spec: &NetworkSpec, own: &OwnSpec, bridge: &super::Interface) -> LibvirtDefinition {
    let device = &bridge.device;
    let (stp, delay) = match &device.kind {
        Kind::Bridge(bridge) if own.delay_said => (bridge.stp, bridge.forward_delay / 1000),
        Kind::Bridge(bridge) => (bridge.stp, 0),
        _ => (false, 0),
    };
    let (ports, mut out) = (own.ports, None);
    let forward = match spec.uplink.as_ref().map(|uplink| &uplink.way) {
        Some(WaySpec::Routed { through, ipv4, .. }) => {
            if let Through::Interface(name) = &through.value {
                out = Some(name.to_string());
            }
            match ipv4 {
                Exit::Masquerade => LibvirtForward::Nat(ports.0, ports.1),
                _ => LibvirtForward::Route,
            }
        }
        _ => LibvirtForward::None,
    };
    let fixed = own.dhcp.iter().flat_map(|dhcp| &dhcp.fixed);
    LibvirtDefinition {
        forward,
        out,
        bridge: device.kernel_name.to_string(),
        stp,
        delay,
        mac: device.mac,
        mtu: device.mtu.filter(|mtu| *mtu != 1500),
        domain: own.dns.as_ref().and_then(|dns| dns.domain.as_ref()).map(|d| d.value.clone()),
        dns: own.dns.is_some(),
        addresses: bridge.addresses.iter().map(|address| address.net).collect(),
        ranges: own.dhcp.iter().flat_map(|dhcp| &dhcp.ranges).map(|range| range.value).collect(),
        hosts: fixed.filter_map(|(mac, ip)| Some((mac.value.parse().ok()?, ip.value))).collect(),
        other: Vec::new(),
    }
}

//! What libvirt has already, and whether it answers.

use crate::diag::{Report, libvirt as say};
use crate::facts::Facts;
use crate::yard::gather::Cast;

/// All that the file wants of libvirt.
pub(super) fn all(cast: &Cast<'_>, facts: &Facts, report: &mut Report) {
    let yard = cast.spec.yard.value.as_str();
    let mut told = false;
    for network in &cast.spec.networks {
        let Some(libvirt) = &network.libvirt else { continue };
        let name = &libvirt.name;
        if !facts.host_reachable {
            report.push(say::needs_root(name.span));
            continue;
        }
        let Some(known) = &facts.libvirt else { continue };
        if let Some(why) = &known.trouble {
            if !std::mem::replace(&mut told, true) {
                report.push(say::silent(why, name.span));
            }
            continue;
        }
        let found = known.networks.get(&name.value);
        if let Some(found) = found.filter(|found| found.owner.as_deref() != Some(yard)) {
            let owner = found.owner.as_deref();
            report.push(say::taken("network", &name.value, owner, name.span));
            continue;
        }
        let Some(bridge) = network.bridge.as_ref().filter(|_| network.is_libvirts()) else {
            continue;
        };
        let other = known.networks.iter().find(|(other, found)| {
            **other != name.value && found.makes_bridge && found.bridge == bridge.value.as_str()
        });
        if let Some((other, _)) = other {
            report.push(say::bridge_taken(bridge.value.as_str(), other, bridge.span));
        }
    }
}

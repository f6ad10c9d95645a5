//! libvirt rejects what is for its networks and not from them.

use super::scene::{Culprit, Owner};
use super::{Check, Finding, Phase, Scene, Severity};

/// See the file's head.
pub static CHECK: Check = Check {
    id: "libvirt-reject",
    severity: Severity::Error,
    phase: Phase::Plan,
    title: "libvirt's firewall rejects what the yard sends",
    means: "a network of libvirt's in mode `nat` or `route` lets nobody in that it did not let out",
    evidence: "chains `LIBVIRT_FWI`, `LIBVIRT_FWO` and `LIBVIRT_FWX`, or table `libvirt_network`: a rule that ends a packet of the yard",
    fix: "give the libvirt network `<forward mode='open'/>`, or accept the yard's bridge in its hook script",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    scene.accuse(&CHECK, Owner::Libvirt, fix)
}

fn fix(culprit: &Culprit) -> Vec<String> {
    let (command, bridge) = (culprit.iptables(), culprit.inside());
    vec![
        "`virsh net-edit NETWORK`: `<forward mode='open'/>`, then `virsh net-destroy` and \
         `net-start` it"
            .to_owned(),
        format!(
            "or in `/etc/libvirt/hooks/network`, which libvirt calls after it made its rules: \
             `{command} -I FORWARD -i {bridge} -j ACCEPT`"
        ),
    ]
}

//! Docker drops what is forwarded and not its own.

use super::scene::{Culprit, Owner};
use super::{Check, Finding, Phase, Scene, Severity};

/// See the file's head.
pub static CHECK: Check = Check {
    id: "docker-drop",
    severity: Severity::Error,
    phase: Phase::Plan,
    title: "Docker's firewall drops what the yard forwards",
    means: "Docker sets the policy of `ip filter FORWARD` to `drop` when it starts; its chain `DOCKER-USER`, which it leaves to you, is asked first",
    evidence: "chain `DOCKER-USER` in `ip filter` or `ip6 filter`, and a policy or rule of that table that drops a packet of the yard",
    fix: "accept the yard's bridge in `DOCKER-USER`; Docker keeps what is there",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    scene.accuse(&CHECK, Owner::Docker, fix)
}

fn fix(culprit: &Culprit) -> Vec<String> {
    let (command, bridge) = (culprit.iptables(), culprit.inside());
    vec![
        format!("`{command} -I DOCKER-USER -i {bridge} -j ACCEPT`"),
        format!(
            "`{command} -I DOCKER-USER -o {bridge} -m conntrack --ctstate RELATED,ESTABLISHED \
             -j ACCEPT`"
        ),
    ]
}

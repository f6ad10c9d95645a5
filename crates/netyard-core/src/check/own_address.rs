//! A bridge's own address comes in at one of its ports.

use super::{Check, Finding, Phase, Scene, Severity};

/// See the file's head.
pub static CHECK: Check = Check {
    id: "own-address",
    severity: Severity::Error,
    phase: Phase::Running,
    title: "a guest on a bridge gets no answers, or some of them",
    means: "frames come in at a port with an address that is the bridge's or a port's own: a loop, a hypervisor or access point that sends back what it does not know, or a guest with a copied address; the kernel says so in its log, and answers go astray",
    evidence: "`received packet on PORT with own address as source address` in the kernel's log of the last ten minutes, of a port that is there",
    fix: "find the loop or the copy; on a hypervisor's network, allow foreign addresses there (promiscuous mode, forged transmits), or use a routed uplink",
    find,
};

/// What the kernel says (net/bridge/br_fdb.c).
const BEFORE: &str = "received packet on ";
const BEHIND: &str = " with own address as source address (addr:";
const LONG_AGO: u64 = 600;

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found: Vec<Finding> = Vec::new();
    for line in scene.machine().kernel_log.iter().filter(|line| line.age <= LONG_AGO) {
        let Some((port, address)) = told(&line.text) else { continue };
        for (place, stack) in scene.stacks() {
            let Some(link) = stack.link_named(port) else { continue };
            let again = |one: &Finding| {
                one.place == *place && one.seen("port").is_some_and(|seen| seen == port)
            };
            let Some(bridge) = link.master.filter(|_| link.port_state.is_some()) else { continue };
            if !scene.matters(place, link) || found.iter().any(again) {
                continue;
            }
            let bridge = stack.name(bridge);
            let what = format!(
                "frames from `{address}` come in at port `{port}` of `{bridge}`, whose own address that is"
            );
            let finding = CHECK
                .finding(place, what)
                .with("port", port)
                .with("bridge", bridge)
                .with("address", address)
                .with("log", line.text.as_str());
            found.push(finding.fix(format!(
                "look who sends: `tcpdump -eni {port} ether src {address}`"
            )));
        }
    }
    found
}

/// The port and the address.
fn told(text: &str) -> Option<(&str, &str)> {
    let (port, rest) = text.split_once(BEFORE)?.1.split_once(BEHIND)?;
    Some((port, rest.split([',', ')']).next()?))
}

#[cfg(test)]
mod tests {
    use super::told;

    #[test]
    fn the_kernels_words_are_understood() {
        let line = "br0: received packet on p0 with own address as source address \
                    (addr:02:00:00:00:00:07, vlan:0)";
        assert_eq!(told(line), Some(("p0", "02:00:00:00:00:07")));
        assert_eq!(told("br0: port 1(p0) entered forwarding state"), None);
    }
}

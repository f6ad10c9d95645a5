//! Somebody else gives addresses on a network of the yard's.

use super::{Check, Finding, Phase, Scene, Severity};
use crate::service::trouble::Trouble;

/// See the file's head.
pub static CHECK: Check = Check {
    id: "dhcp-rogue-server",
    severity: Severity::Error,
    phase: Phase::Running,
    title: "a client has an address, a gateway or a name server that nobody gave it",
    means: "two servers of DHCP answer on one network, and clients take the first answer",
    evidence: "a client of a network that netyard serves asked for the offer of another server (option 54) in the last hour, as netyard's server heard",
    fix: "end the other server, or keep it off the network: `ip neigh` tells its hardware address, the bridge's `bridge fdb` its port",
    find,
};

/// A client that has its lease says no more for half of its time.
const HOUR: u64 = 3600;

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (place, age, met) in scene.troubles(HOUR) {
        let Trouble::OtherServer { server, client } = &met.trouble else { continue };
        let what = format!("`{server}` gives addresses on network `{}`, too", met.network);
        let finding = CHECK
            .finding(place, what)
            .with("network", met.network.as_str())
            .with("server", server.to_string())
            .with("client", client.to_string())
            .with("seconds", age);
        found.push(finding.fix(format!("end the DHCP server at {server}, or keep it off `{}`", met.network)));
    }
    found
}

//! `netyard explain` where only Debian's own kernel has what is broken: VLANs of
//! bridge ports, netem.

use crate::alone::alone;
use crate::explain::{Case, inside};

/// A switch with two VLANs, and a router that takes their tags off.
const SWITCH: &str = "
yard: y
networks:
  lan: { prefix: none }
nodes:
  h1: { interfaces: { eth0: { network: lan, vlan: 10, address: 10.10.0.1/24, gateway: 10.10.0.254 } } }
  h2: { interfaces: { eth0: { network: lan, vlan: 10, address: 10.10.0.2/24, gateway: 10.10.0.254 } } }
  h3: { interfaces: { eth0: { network: lan, vlan: 20, address: 10.20.0.1/24, gateway: 10.20.0.254 } } }
  r1:
    forward: true
    interfaces:
      eth0:    { network: lan, vlans: [10, 20], address: none }
      eth0.10: { kind: vlan, parent: eth0, id: 10, address: 10.10.0.254/24 }
      eth0.20: { kind: vlan, parent: eth0, id: 20, address: 10.20.0.254/24 }
";

alone! {
    #[ignore = "needs the VM tier: VLANs"]
    Root, fn a_port_in_the_wrong_vlan() {
        let case = Case::works(SWITCH, "h1 h2");
        inside("(fabric)", "bridge vlan del dev h2.eth0 vid 10; bridge vlan add dev h2.eth0 vid 20 pvid untagged");
        case.blames("(fabric)", "vlan", &["VLAN 10", "h2.eth0"]);
        inside("(fabric)", "bridge vlan del dev h2.eth0 vid 20; bridge vlan add dev h2.eth0 vid 10 pvid untagged");
        case.arrives();
        let routed = Case { question: "h1 h3 tcp 80", ..case };
        routed.arrives();
        inside("(fabric)", "bridge vlan del dev r1.eth0 vid 20");
        routed.blames("(fabric)", "vlan", &["VLAN 20", "r1.eth0"]);
    }
}

alone! {
    #[ignore = "needs the VM tier: netem"]
    Root, fn a_line_that_loses_all() {
        let case = Case::works(SWITCH, "h1 h2");
        inside("h1", "tc qdisc add dev eth0 root netem loss 100%");
        case.blames("h1", "lost", &["eth0 netem drops +"]);
    }
}

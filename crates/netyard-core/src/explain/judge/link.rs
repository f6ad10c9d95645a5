//! What ends a packet between two namespaces: devices, and neighbours that do not
//! answer.

use super::super::sight::{Neighbour, Problem, Routing, Segment};
use super::super::{Hop, prompt};
use super::{Case, Culprit};

impl Case<'_> {
    /// A device on its way that does not let it pass.
    pub(super) fn broken_way(&self, hop: &Hop, segment: &Segment, problem: &Problem) -> Culprit {
        let (place, device) = (&segment.place, &segment.device);
        let at = format!("{place}:{device}");
        let kernel = &segment.kernel_name;
        let run = prompt(place, &segment.netns);
        let (id, what, fix) = match problem {
            Problem::Down => {
                ("link-down", format!("`{at}` is down"), format!("`{run}ip link set {kernel} up`"))
            }
            Problem::NoCarrier => (
                "link-down",
                format!("`{at}` has no carrier: its other end is down or gone"),
                format!("`{run}ip -d link show {kernel}`"),
            ),
            Problem::PortState(state) => (
                "port-blocking",
                format!("the bridge port `{at}` is {state}"),
                format!(
                    "`{run}bridge link set dev {kernel} state forwarding`; with spanning tree, look for a loop"
                ),
            ),
            Problem::Vlan(Some(vid)) => (
                "vlan",
                format!("VLAN {vid} does not go through `{at}`"),
                format!("`{run}bridge vlan add dev {kernel} vid {vid}`"),
            ),
            Problem::Vlan(None) => (
                "vlan",
                format!("`{at}` takes no frames without a tag: it has no pvid"),
                format!("`{run}bridge vlan add dev {kernel} vid … pvid untagged`"),
            ),
            Problem::Isolated(other) => (
                "port-isolated",
                format!("the bridge ports `{other}` and `{device}` are both isolated"),
                format!("`{run}bridge link set dev {kernel} isolated off`"),
            ),
            Problem::Mtu(mtu) => (
                "mtu",
                format!(
                    "{} bytes do not fit through `{at}`, which takes {mtu}; nobody is told",
                    hop.routed.size
                ),
                format!(
                    "one `mtu` for the whole network: `{run}ip link set {kernel} mtu {}`",
                    hop.routed.size
                ),
            ),
        };
        let mut culprit = self.make(hop, id, what, vec![fix]);
        culprit.place = place.clone();
        culprit
    }

    /// Nobody on the link takes it.
    pub(super) fn no_neighbour(&self, hop: &Hop, neighbour: &Neighbour) -> Option<Culprit> {
        let address = neighbour.address;
        let (interface, gateway, route) = match &hop.routing {
            Routing::Onward { interface, gateway, route, .. } => (interface, *gateway, route),
            _ => return None,
        };
        let link = format!("{}:{interface}", hop.place);
        let run = hop.prompt();
        let others = match neighbour.others.is_empty() {
            true => String::new(),
            false => format!("; routers there are {}", neighbour.others.join(", ")),
        };
        if neighbour.usable
            && let (Some(mac), Some(right)) = (neighbour.mac, neighbour.owner_mac)
        {
            return Some(self.make(
                hop,
                "wrong-neighbour",
                format!(
                    "the {} neighbour entry sends what is for {address} to {mac}; `{}` is {right}",
                    neighbour.state,
                    neighbour.owner.as_deref().unwrap_or("?")
                ),
                vec![format!("`{run}ip neighbour del {address} dev {interface}`")],
            ));
        }
        if neighbour.usable {
            return None;
        }
        if neighbour.owner.is_some() && !neighbour.owner_usable {
            let owner = neighbour.owner.as_deref().unwrap_or_default();
            return Some(self.make(
                hop,
                "address-not-usable",
                format!(
                    "`{owner}` may not use {address}: it is a duplicate, or still being checked"
                ),
                vec!["look for another node with this address".to_owned()],
            ));
        }
        match (gateway, &neighbour.owner, &hop.way) {
            (Some(_), None, _) => Some(self.make(
                hop,
                "wrong-gateway",
                format!("the gateway of `{route}`, {address}, does not answer on `{link}`: nobody there has it"),
                vec![format!("another gateway in that route{others}")],
            )),
            (Some(_), Some(owner), None) => Some(self.make(
                hop,
                "wrong-gateway",
                format!("the gateway of `{route}`, {address}, is `{owner}`, which is not on the link of `{link}`"),
                vec![format!("another gateway in that route{others}")],
            )),
            (None, Some(owner), None) => Some(self.make(
                hop,
                "no-neighbour",
                format!("{address} is `{owner}`, which is not on the link of `{link}`"),
                vec!["a route through a router, or the same network for both".to_owned()],
            )),
            (_, Some(owner), Some(_)) => Some(self.make(
                hop,
                "no-neighbour",
                format!("`{owner}` has {address} and does not answer who has it on `{link}`"),
                vec![format!("`{run}ip neighbour show dev {interface}`; is ARP or neighbour discovery filtered or off there?")],
            )),
            (None, None, _) => Some(self.make(
                hop,
                "no-neighbour",
                format!("nobody on `{link}` has {address}"),
                vec!["is the address right, and its node up?".to_owned()],
            )),
        }
    }
}

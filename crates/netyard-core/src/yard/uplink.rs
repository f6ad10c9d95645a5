//! Ways out of networks.
//!
//! | way | the network | what leaves the host |
//! |---|---|---|
//! | masquerade | is on the host, with an address there | under the address of the interface it leaves by |
//! | routed | the same | under the nodes' own addresses |
//! | bridge | has an interface of the host among its ports | frames |
//! | macvlan | is the interface's own; there is no bridge | frames |
//! | none | stays for itself | nothing |
//!
//! `auto` needs nobody who watches the default route: what counts as outside is
//! every interface of the host that is not the yard's own. So it holds for
//! whichever interface the routes lead to, and goes on holding when the machine
//! moves to another network.

use ipnet::IpNet;

use super::gather::Cast;
use super::{Exit, Network, Node, Through};
use crate::diag::Span;
use crate::name::InterfaceName;
use crate::spec::WaySpec;
use crate::state::Place;

/// A network's way out.
///
/// What the packet filter of the host ([`crate::state::Place::Host`]) has to do for it, for
/// each family by itself; inside is [`Self::inside`], outside is [`Through`] (for `auto`, whatever is not an interface of the
/// yard's on the host):
///
/// * [`Exit::Masquerade`]: what comes from [`Self::prefixes`] of that family and
///   leaves to the outside gets the address of the interface it leaves by.
///   New connections go from inside to outside only; what answers them, and what
///   was translated on purpose (`ct status dnat`), passes.
/// * [`Exit::Routed`]: nothing is translated; connections go both ways.
/// * [`Exit::None`]: nothing is forwarded between inside and outside.
///
/// Nothing is to be done for [`Way::Bridge`] and [`Way::Macvlan`]: frames do
/// not meet the host's IP layer. For [`Way::None`] it is as with
/// [`Exit::None`] of both families, where the network is on the host at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uplink {
    /// Index into [`super::Yard::networks`].
    pub network: usize,
    /// Where the file says it.
    pub span: Span,
    /// The way.
    pub way: Way,
    /// The kernel's names of the interfaces of the host by which packets of the
    /// network come: its bridge, and VLANs on it. Empty where the network is not
    /// on the host.
    pub inside: Vec<InterfaceName>,
    /// The prefixes behind them, of both families.
    pub prefixes: Vec<IpNet>,
}

/// How a network reaches beyond the yard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// The host is its router.
    Routed {
        /// Which interface of the host is outside.
        through: Through,
        /// How IPv4 goes out.
        ipv4: Exit,
        /// How IPv6 goes out.
        ipv6: Exit,
    },
    /// This interface of the host is a port of its bridge.
    Bridge(InterfaceName),
    /// Its interfaces are macvlans of this one of the host's.
    Macvlan(InterfaceName),
    /// It has none.
    None,
}

impl Uplink {
    /// How packets of a family go out; none where that is not the host's business.
    pub fn exit(&self, ipv6: bool) -> Option<Exit> {
        match &self.way {
            Way::Routed { ipv4, ipv6: six, .. } => Some(if ipv6 { *six } else { *ipv4 }),
            Way::None => Some(Exit::None),
            Way::Bridge(_) | Way::Macvlan(_) => None,
        }
    }
}

/// The uplinks of all networks, which are `networks`; `nodes` has the host.
pub(super) fn uplinks(cast: &Cast<'_>, networks: &[Network], nodes: &[Node]) -> Vec<Uplink> {
    let host = nodes.iter().find(|node| node.place == Place::Host);
    let all = cast.spec.networks.iter().zip(networks).enumerate();
    all.filter_map(|(index, (spec, network))| {
        // What libvirt makes, it lets out.
        let uplink = spec.uplink.as_ref().filter(|_| !spec.is_libvirts())?;
        let way = match &uplink.way {
            WaySpec::None => Way::None,
            WaySpec::Routed { through, ipv4, ipv6 } => {
                Way::Routed { through: through.value.clone(), ipv4: *ipv4, ipv6: *ipv6 }
            }
            WaySpec::Bridge(name) => Way::Bridge(name.value.clone()),
            WaySpec::Macvlan(name) => Way::Macvlan(name.value.clone()),
        };
        let mut prefixes = network.prefixes.clone();
        let inside = host.map_or(&[][..], |host| &host.interfaces).iter().filter(|interface| {
            let device = &interface.device;
            device.id == network.bridge || device.parent.as_ref() == Some(&network.bridge)
        });
        let mut names = Vec::new();
        for interface in inside {
            names.push(interface.device.kernel_name.clone());
            let own = interface.addresses.iter().map(|a| a.net.trunc());
            prefixes.extend(own.filter(|net| net.prefix_len() < net.max_prefix_len()));
        }
        prefixes.sort();
        prefixes.dedup();
        Some(Uplink { network: index, span: uplink.span, way, inside: names, prefixes })
    })
    .collect()
}

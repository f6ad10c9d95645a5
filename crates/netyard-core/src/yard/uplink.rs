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
use super::{Exit, Network, Through};
use crate::diag::Span;
use crate::name::InterfaceName;
use crate::spec::WaySpec;

/// A network's way out.
///
/// What the packet filter of the host ([`crate::state::Place::Host`]) has to do for it, for
/// each family by itself; inside is the network's bridge ([`Self::inside`]),
/// outside is [`Through`] (for `auto`, whatever is not an interface of the
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
    /// The kernel's name of the network's bridge on the host; none where it is
    /// not there.
    pub inside: Option<InterfaceName>,
    /// The network's prefixes, of both families.
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

/// The uplinks of all networks, which are `networks`.
pub(super) fn uplinks(
    cast: &Cast<'_>,
    networks: &[Network],
    names: &[InterfaceName],
) -> Vec<Uplink> {
    let all = cast.spec.networks.iter().enumerate();
    all.filter_map(|(index, spec)| {
        let uplink = spec.uplink.as_ref()?;
        let way = match &uplink.way {
            WaySpec::None => Way::None,
            WaySpec::Routed { through, ipv4, ipv6 } => {
                Way::Routed { through: through.value.clone(), ipv4: *ipv4, ipv6: *ipv6 }
            }
            WaySpec::Bridge(name) => Way::Bridge(name.value.clone()),
            WaySpec::Macvlan(name) => Way::Macvlan(name.value.clone()),
        };
        Some(Uplink {
            network: index,
            span: uplink.span,
            way,
            inside: spec.host.as_ref().map(|_| names[index].clone()),
            prefixes: networks[index].prefixes.clone(),
        })
    })
    .collect()
}

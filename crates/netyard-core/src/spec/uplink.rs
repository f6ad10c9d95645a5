//! `uplink:` and `ports:` of a network, as written.

use serde::{Deserialize, Serialize};

use super::PortVlansSpec;
use crate::diag::{Span, Spanned};
use crate::name::InterfaceName;

/// How packets of one family go out of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// Under the address of the interface they leave by.
    Masquerade,
    /// Under the nodes' own addresses; the upstream router knows the way back.
    Routed,
    /// Not at all.
    None,
}

/// Which of the host's interfaces packets leave by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Through {
    /// Whichever the host's routes lead to, now and later.
    Auto,
    /// This one.
    Interface(InterfaceName),
}

/// `uplink:` of a network.
#[derive(Clone, Debug)]
pub struct UplinkSpec {
    /// The place of the whole.
    pub span: Span,
    /// The way out.
    pub way: WaySpec,
}

/// The way out of a network.
#[derive(Clone, Debug)]
pub enum WaySpec {
    /// `none`.
    None,
    /// `masquerade` or `routed`: the host is the router.
    Routed {
        /// `auto` or a name.
        through: Spanned<Through>,
        /// Of IPv4.
        ipv4: Exit,
        /// Of IPv6.
        ipv6: Exit,
    },
    /// `bridge: NAME`.
    Bridge(Spanned<InterfaceName>),
    /// `macvlan: NAME`.
    Macvlan(Spanned<InterfaceName>),
}

/// An item of `ports:` of a network.
#[derive(Clone, Debug)]
pub struct OutsidePortSpec {
    /// Its name on the host.
    pub name: Spanned<InterfaceName>,
    /// Its VLANs on a filtering bridge.
    pub vlans: PortVlansSpec,
}

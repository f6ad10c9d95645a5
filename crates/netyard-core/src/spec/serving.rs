//! What is served on a network, as written.

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use super::{Dhcp6Spec, RaSpec};
use crate::diag::{Span, Spanned};

/// `dhcp:`, `dns:`, `ra:`, `dhcp6:`, `engine:` and `serve:` of a network.
#[derive(Clone, Debug, Default)]
pub struct ServingSpec {
    /// `dhcp:`.
    pub dhcp: Option<DhcpSpec>,
    /// `dns:`.
    pub dns: Option<NamesSpec>,
    /// `ra:`.
    pub ra: Option<RaSpec>,
    /// `dhcp6:`.
    pub dhcp6: Option<Dhcp6Spec>,
    /// `engine:`.
    pub engine: Option<Spanned<Engine>>,
    /// `serve:` the node that serves.
    pub serve: Option<Spanned<String>>,
    /// Something is served, but how could not be read.
    pub unsure: bool,
}

impl ServingSpec {
    /// True when anything is served.
    pub fn is_any(&self) -> bool {
        self.span().is_some()
    }

    /// The place of the first that is served.
    pub fn span(&self) -> Option<Span> {
        let four = self.dhcp.as_ref().map(|d| d.span).or(self.dns.as_ref().map(|d| d.span));
        four.or(self.ra.as_ref().map(|r| r.span)).or(self.dhcp6.as_ref().map(|d| d.span))
    }
}

/// Which program serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    /// Netyard itself.
    #[default]
    Netyard,
    /// dnsmasq(8), which must be installed.
    Dnsmasq,
}

/// `dhcp:` of a network.
#[derive(Clone, Debug)]
pub struct DhcpSpec {
    /// The place of the whole.
    pub span: Span,
    /// `range:` first and last addresses; empty: chosen.
    pub ranges: Vec<Spanned<(Ipv4Addr, Ipv4Addr)>>,
    /// `lease:` in seconds; `u32::MAX` is for ever.
    pub lease: Option<u32>,
    /// `static:` node or hardware address, and the address.
    pub fixed: Vec<(Spanned<String>, Spanned<Ipv4Addr>)>,
    /// `options:` code and data.
    pub options: Vec<(u8, Vec<u8>)>,
    /// `gateway:`; `Some(None)` is `none`.
    pub gateway: Option<Option<Spanned<Ipv4Addr>>>,
    /// `dns:`.
    pub dns: Vec<Spanned<Ipv4Addr>>,
}

/// `dns:` of a network.
#[derive(Clone, Debug)]
pub struct NamesSpec {
    /// The place of the whole.
    pub span: Span,
    /// `domain:`.
    pub domain: Option<Spanned<String>>,
    /// `forward:`.
    pub forward: Option<ForwardSpec>,
    /// `records:` names and addresses.
    pub records: Vec<(Spanned<String>, Vec<Spanned<IpAddr>>)>,
    /// `cache:` answers that are kept.
    pub cache: Option<u32>,
}

/// `forward:` of `dns:`.
#[derive(Clone, Debug)]
pub enum ForwardSpec {
    /// `none`.
    None,
    /// `system`.
    System,
    /// These, in order.
    These(Vec<Spanned<IpAddr>>),
}

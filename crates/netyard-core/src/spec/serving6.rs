//! What is served on a network for IPv6, as written.

use std::net::Ipv6Addr;

use ipnet::Ipv6Net;

use crate::diag::{Span, Spanned};
use crate::service::ra::Preference;

/// `ra:` of a network.
#[derive(Clone, Debug)]
pub struct RaSpec {
    /// The place of the whole.
    pub span: Span,
    /// `lifetime:` in seconds; 0: no way out.
    pub lifetime: Option<u16>,
    /// `interval:` in seconds.
    pub interval: Option<u16>,
    /// `slaac:`.
    pub slaac: Option<Spanned<bool>>,
    /// `managed:`.
    pub managed: Option<bool>,
    /// `other:`.
    pub other: Option<bool>,
    /// `preference:`.
    pub preference: Preference,
    /// `mtu:`.
    pub mtu: Option<u32>,
    /// `prefixes:`; empty: those of the network.
    pub prefixes: Vec<Spanned<Ipv6Net>>,
    /// `routes:`.
    pub routes: Vec<Spanned<Ipv6Net>>,
    /// `rdnss:`.
    pub rdnss: Vec<Spanned<Ipv6Addr>>,
    /// `dnssl:`.
    pub dnssl: Vec<Spanned<String>>,
}

/// `dhcp6:` of a network.
#[derive(Clone, Debug)]
pub struct Dhcp6Spec {
    /// The place of the whole.
    pub span: Span,
    /// `range:` first and last addresses; empty: chosen.
    pub ranges: Vec<Spanned<(Ipv6Addr, Ipv6Addr)>>,
    /// `range: none`: only prefixes and what is reserved.
    pub no_range: bool,
    /// `lease:` in seconds; `u32::MAX` is for ever.
    pub lease: Option<u32>,
    /// `static:` node or hardware address, and the address.
    pub fixed: Vec<(Spanned<String>, Spanned<Ipv6Addr>)>,
    /// `dns:`.
    pub dns: Vec<Spanned<Ipv6Addr>>,
    /// `prefix-delegation:` the pool, and the length of each prefix.
    pub delegation: Option<(Spanned<Ipv6Net>, u8)>,
}

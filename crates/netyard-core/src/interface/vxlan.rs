//! `vxlan`: Ethernet over UDP (RFC 7348).
//!
//! ```yaml
//! vx0: { kind: vxlan, id: 42, remote: 10.0.0.2, local: 10.0.0.1, parent: eth0 }
//! ```

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Kind, PORT_OPTIONS};
use crate::diag::{Report, Spanned};
use crate::name::FullName;
use crate::shape::{Field, Record, Shape, Type};

/// A VXLAN interface; an underlying interface, if any, is its parent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vxlan {
    /// VXLAN network identifier, 24 bits.
    pub id: u32,
    /// The one other end, or a multicast group.
    pub remote: Option<IpAddr>,
    /// The address packets are sent from.
    pub local: Option<IpAddr>,
    /// UDP port; default 4789.
    pub port: u16,
    /// Hop limit of the outer packets; 0 inherits.
    pub ttl: u8,
    /// Learns where addresses are; default on.
    pub learning: bool,
}

/// The keys of `kind: vxlan`.
pub static SHAPE: Shape = Shape {
    name: "`vxlan` interface",
    doc: "Ethernet over UDP (RFC 7348).",
    fields: &[
        Field::required(
            "id",
            Type::Int { min: 0, max: 0xff_ffff },
            "The VXLAN network identifier, 24 bits.",
        ),
        Field::new("remote", Type::Ip, "The one other end, or a multicast group."),
        Field::new("local", Type::Ip, "The address its packets are sent from."),
        Field::new(
            "port",
            Type::Either(&[Type::Int { min: 1, max: 65535 }, Type::Record(&PORT_OPTIONS)]),
            "The UDP port, 4789 where nothing is said; or, as with every interface, a mapping of its options as a port of a bridge.",
        ),
        Field::new(
            "ttl",
            Type::Int { min: 0, max: 255 },
            "The hop limit of its packets; 0, also where nothing is said, inherits that of what they carry.",
        ),
        Field::new(
            "learning",
            Type::Bool,
            "Learns behind which end an address is; `true` where nothing is said.",
        ),
    ],
    also: &[],
};

/// Reads the keys of [`SHAPE`].
pub(super) fn parse(record: &Record, _: &Spanned<FullName>, report: &mut Report) -> Option<Kind> {
    let (remote, local) = (record.ip("remote"), record.ip("local"));
    if let (Some(r), Some(l)) = (&remote, &local)
        && r.value.is_ipv4() != l.value.is_ipv4()
    {
        report.push(crate::diag::shape::mixed_families(l.span, r.span));
    }
    Some(Kind::Vxlan(Vxlan {
        id: record.number("id")?,
        remote: remote.map(|a| a.value),
        local: local.map(|a| a.value),
        port: record.number("port").unwrap_or(4789),
        ttl: record.number("ttl").unwrap_or(0),
        learning: record.bool("learning").is_none_or(|l| l.value),
    }))
}

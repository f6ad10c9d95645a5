//! `vxlan`: Ethernet over UDP (RFC 7348).
//!
//! ```yaml
//! vx0: { kind: vxlan, id: 42, remote: 10.0.0.2, local: 10.0.0.1, parent: eth0 }
//! ```

use std::net::IpAddr;

use netlink_packet_route::link::{InfoData, InfoVxlan};
use serde::{Deserialize, Serialize};

use super::{Kind, PORT_OPTIONS};
use crate::diag::{Report, Spanned};
use crate::name::FullName;
use crate::shape::{Field, Record, Shape, Type};
use crate::wire::{attributes, ip, u8_of, u16_of, u32_of};

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

/// The kernel option that brings VXLAN interfaces.
pub(crate) const KERNEL_OPTION: &str = "CONFIG_VXLAN";

// linux/if_link.h
const IFLA_VXLAN_ID: u16 = 1;
const IFLA_VXLAN_GROUP: u16 = 2;
const IFLA_VXLAN_LINK: u16 = 3;
const IFLA_VXLAN_LOCAL: u16 = 4;
const IFLA_VXLAN_TTL: u16 = 5;
const IFLA_VXLAN_LEARNING: u16 = 7;
const IFLA_VXLAN_PORT: u16 = 15;
const IFLA_VXLAN_GROUP6: u16 = 16;
const IFLA_VXLAN_LOCAL6: u16 = 17;

impl Vxlan {
    /// `IFLA_INFO_DATA`. The underlying interface is among it: `IFLA_LINK` says
    /// nothing to a VXLAN.
    pub(crate) fn data(&self, parent: Option<u32>) -> InfoData {
        let mut data = vec![
            InfoVxlan::Id(self.id),
            InfoVxlan::Port(self.port),
            InfoVxlan::Ttl(self.ttl),
            InfoVxlan::Learning(self.learning),
        ];
        data.extend(parent.map(InfoVxlan::Link));
        data.extend(self.remote.map(remote));
        data.extend(self.local.map(local));
        InfoData::Vxlan(data)
    }

    /// What can be changed in place: TTL, learning, and the addresses, as long
    /// as they stay there and of their family (drivers/net/vxlan/vxlan_core.c,
    /// `vxlan_nl2conf`).
    pub(crate) fn change(&self, from: &Self) -> Option<InfoData> {
        let mut data = Vec::new();
        if self.ttl != from.ttl {
            data.push(InfoVxlan::Ttl(self.ttl));
        }
        if self.learning != from.learning {
            data.push(InfoVxlan::Learning(self.learning));
        }
        if self.remote != from.remote {
            data.extend(self.remote.map(remote));
        }
        if self.local != from.local {
            data.extend(self.local.map(local));
        }
        (!data.is_empty()).then_some(InfoData::Vxlan(data))
    }

    /// Reads `IFLA_INFO_DATA`, and the index of the underlying interface.
    pub(crate) fn read(data: &[u8]) -> Option<(Self, Option<u32>)> {
        let mut vxlan = Self { id: 0, remote: None, local: None, port: 0, ttl: 0, learning: false };
        let mut parent = None;
        for (kind, value) in attributes(data) {
            match kind {
                IFLA_VXLAN_ID => vxlan.id = u32_of(value)?,
                IFLA_VXLAN_GROUP | IFLA_VXLAN_GROUP6 => vxlan.remote = ip(value),
                IFLA_VXLAN_LOCAL | IFLA_VXLAN_LOCAL6 => vxlan.local = ip(value),
                IFLA_VXLAN_LINK => parent = u32_of(value).filter(|&index| index != 0),
                IFLA_VXLAN_TTL => vxlan.ttl = u8_of(value)?,
                IFLA_VXLAN_LEARNING => vxlan.learning = u8_of(value)? != 0,
                IFLA_VXLAN_PORT => vxlan.port = u16::from_be(u16_of(value)?),
                _ => {}
            }
        }
        Some((vxlan, parent))
    }
}

fn remote(address: IpAddr) -> InfoVxlan {
    match address {
        IpAddr::V4(address) => InfoVxlan::Group(address),
        IpAddr::V6(address) => InfoVxlan::Group6(address),
    }
}

fn local(address: IpAddr) -> InfoVxlan {
    match address {
        IpAddr::V4(address) => InfoVxlan::Local(address),
        IpAddr::V6(address) => InfoVxlan::Local6(address),
    }
}

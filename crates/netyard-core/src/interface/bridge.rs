//! `bridge`: a switch.
//!
//! ```yaml
//! br0: { kind: bridge, stp: true }
//! eth0: { master: br0, port: { isolated: true } }
//! ```

use serde::{Deserialize, Serialize};

use super::Kind;
use crate::diag::{Report, Spanned};
use crate::name::FullName;
use crate::shape::{Field, Record, Shape, Type};

/// A bridge. Times in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bridge {
    /// Spanning tree protocol (IEEE 802.1D); default off.
    pub stp: bool,
    /// Spanning tree priority, 0 to 65535; default 32768.
    pub priority: u16,
    /// Time a port spends listening and learning; default 15000, 0 without STP.
    pub forward_delay: u32,
    /// Time between spanning tree messages; default 2000.
    pub hello_time: u32,
    /// Age at which a spanning tree message is dropped; default 20000.
    pub max_age: u32,
    /// How long an address is remembered; default 300000.
    pub ageing_time: u32,
    /// Ports belong to VLANs; default off.
    pub vlan_filtering: bool,
    /// IGMP and MLD snooping; default on.
    pub multicast_snooping: bool,
    /// The bridge asks for multicast listeners itself; default off.
    pub multicast_querier: bool,
    /// Link-local frames that are forwarded all the same (`group_fwd_mask`); default 0.
    pub group_forward_mask: u16,
}

impl Default for Bridge {
    fn default() -> Self {
        Self {
            stp: false,
            priority: 32768,
            forward_delay: 0,
            hello_time: 2000,
            max_age: 20000,
            ageing_time: 300_000,
            vlan_filtering: false,
            multicast_snooping: true,
            multicast_querier: false,
            group_forward_mask: 0,
        }
    }
}

impl Default for BridgePort {
    fn default() -> Self {
        Self {
            cost: 0,
            priority: 32,
            hairpin: false,
            isolated: false,
            learning: true,
            unicast_flood: true,
            multicast_router: false,
        }
    }
}

/// The keys of `kind: bridge`, which a network has too.
pub static SHAPE: Shape = Shape {
    name: "`bridge` interface",
    doc: "A switch; its ports name it as their `master`.",
    fields: &[
        Field::new(
            "stp",
            Type::Bool,
            "Spanning tree protocol (IEEE 802.1D); `false` where nothing is said.",
        ),
        Field::new(
            "priority",
            Type::Int { min: 0, max: 65535 },
            "Its spanning tree priority; 32768 where nothing is said.",
        ),
        Field::new(
            "forward-delay",
            Type::Duration,
            "How long a port listens and learns: 2 to 30 seconds with `stp`, `15s` where nothing is said; without `stp` none.",
        ),
        Field::new(
            "hello-time",
            Type::Duration,
            "Time between spanning tree messages, 1 to 10 seconds; `2s` where nothing is said.",
        ),
        Field::new(
            "max-age",
            Type::Duration,
            "Age at which a spanning tree message is dropped, 6 to 40 seconds; `20s` where nothing is said.",
        ),
        Field::new(
            "ageing-time",
            Type::Duration,
            "How long an address is remembered; `300s` where nothing is said, 0 makes it a hub.",
        ),
        Field::new(
            "vlan-filtering",
            Type::Bool,
            "Its ports belong to VLANs; in a network, `true` where a port has VLANs and nothing is said.",
        ),
        Field::new(
            "multicast-snooping",
            Type::Bool,
            "IGMP and MLD snooping; `true` where nothing is said.",
        ),
        Field::new(
            "multicast-querier",
            Type::Bool,
            "It asks for multicast listeners itself; `false` where nothing is said.",
        ),
        Field::new(
            "group-forward-mask",
            Type::Int { min: 0, max: 65535 },
            "Which link-local frames are forwarded all the same, a bit for each of 01:80:c2:00:00:0X; 0 where nothing is said.",
        ),
    ],
    also: &[],
};

/// The keys of `port:`.
pub static PORT: Shape = Shape {
    name: "port",
    doc: "Options of an interface as a port of a bridge.",
    fields: &[
        Field::new(
            "cost",
            Type::Int { min: 1, max: 65535 },
            "Its spanning tree path cost; left out, the kernel's choice.",
        ),
        Field::new(
            "priority",
            Type::Int { min: 0, max: 63 },
            "Its spanning tree priority; 32 where nothing is said.",
        ),
        Field::new(
            "hairpin",
            Type::Bool,
            "Frames may leave through the port they came in; `false` where nothing is said.",
        ),
        Field::new(
            "isolated",
            Type::Bool,
            "It reaches only ports that are not isolated; `false` where nothing is said.",
        ),
        Field::new(
            "learning",
            Type::Bool,
            "Source addresses are learnt; `true` where nothing is said.",
        ),
        Field::new(
            "unicast-flood",
            Type::Bool,
            "Frames to unknown addresses are sent out here; `true` where nothing is said.",
        ),
        Field::new(
            "multicast-router",
            Type::Bool,
            "Treated as if a multicast router were behind it; `false` where nothing is said.",
        ),
    ],
    also: &[],
};

impl Bridge {
    /// Reads the keys of [`SHAPE`].
    pub fn from_record(record: &Record, report: &mut Report) -> Self {
        let default = Self::default();
        let flag = |key, default| record.bool(key).map_or(default, |b| b.value);
        let stp = flag("stp", default.stp);
        // The kernel refuses others (net/bridge/br_stp_if.c, ERANGE), the
        // forward delay only while the spanning tree protocol is on.
        let least_delay = if stp { 2_000 } else { 0 };
        let mut time = |key, min, max| record.milliseconds(key, min, max, report);
        Self {
            stp,
            priority: record.number("priority").unwrap_or(default.priority),
            forward_delay: time("forward-delay", least_delay, 30_000).unwrap_or(if stp {
                15_000
            } else {
                0
            }),
            hello_time: time("hello-time", 1_000, 10_000).unwrap_or(default.hello_time),
            max_age: time("max-age", 6_000, 40_000).unwrap_or(default.max_age),
            ageing_time: time("ageing-time", 0, 1_000_000_000).unwrap_or(default.ageing_time),
            vlan_filtering: flag("vlan-filtering", default.vlan_filtering),
            multicast_snooping: flag("multicast-snooping", default.multicast_snooping),
            multicast_querier: flag("multicast-querier", default.multicast_querier),
            group_forward_mask: record
                .number("group-forward-mask")
                .unwrap_or(default.group_forward_mask),
        }
    }
}

impl BridgePort {
    /// Reads the keys of [`PORT`].
    pub fn from_record(record: &Record) -> Self {
        let default = Self::default();
        let flag = |key, default| record.bool(key).map_or(default, |b| b.value);
        Self {
            cost: record.number("cost").unwrap_or(default.cost),
            priority: record.number("priority").unwrap_or(default.priority),
            hairpin: flag("hairpin", default.hairpin),
            isolated: flag("isolated", default.isolated),
            learning: flag("learning", default.learning),
            unicast_flood: flag("unicast-flood", default.unicast_flood),
            multicast_router: flag("multicast-router", default.multicast_router),
        }
    }
}

/// Reads `kind: bridge`.
pub(super) fn parse(record: &Record, _: &Spanned<FullName>, report: &mut Report) -> Option<Kind> {
    Some(Kind::Bridge(Bridge::from_record(record, report)))
}

/// Options of a bridge port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BridgePort {
    /// Spanning tree path cost; 0 leaves it to the kernel.
    pub cost: u32,
    /// Spanning tree port priority, 0 to 63; default 32.
    pub priority: u16,
    /// Frames may leave through the port they came in; default off.
    pub hairpin: bool,
    /// Isolated ports reach only ports that are not; default off.
    pub isolated: bool,
    /// Source addresses are learnt; default on.
    pub learning: bool,
    /// Frames to unknown addresses are sent out here; default on.
    pub unicast_flood: bool,
    /// Always treated as if a multicast router were behind it; default off.
    pub multicast_router: bool,
}

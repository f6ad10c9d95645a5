//! `bridge`: a switch.
//!
//! ```yaml
//! br0: { kind: bridge, stp: true }
//! eth0: { master: br0, port: { isolated: true } }
//! ```

use netlink_packet_route::link::{
    BridgeMulticastRouterType, BridgeStpState, InfoBridge, InfoBridgePort, InfoData, InfoPortData,
};
use serde::{Deserialize, Serialize};

use super::Kind;
use crate::diag::{Report, Spanned};
use crate::name::FullName;
use crate::shape::{Field, Record, Shape, Type};
use crate::wire::{attributes, u8_of, u16_of, u32_of};

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
        Self::DEFAULT
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

/// The kernel option that brings bridges.
pub(crate) const KERNEL_OPTION: &str = "CONFIG_BRIDGE";
/// The kernel option without which a bridge refuses to hear of VLAN filtering,
/// be it to be off (EOPNOTSUPP, net/bridge/br_private.h, `br_vlan_filter_toggle`).
pub(crate) const VLAN_KERNEL_OPTION: &str = "CONFIG_BRIDGE_VLAN_FILTERING";

// linux/if_link.h
const IFLA_BR_FORWARD_DELAY: u16 = 1;
const IFLA_BR_HELLO_TIME: u16 = 2;
const IFLA_BR_MAX_AGE: u16 = 3;
const IFLA_BR_AGEING_TIME: u16 = 4;
const IFLA_BR_STP_STATE: u16 = 5;
const IFLA_BR_PRIORITY: u16 = 6;
const IFLA_BR_VLAN_FILTERING: u16 = 7;
const IFLA_BR_GROUP_FWD_MASK: u16 = 9;
const IFLA_BR_MCAST_SNOOPING: u16 = 23;
const IFLA_BR_MCAST_QUERIER: u16 = 25;
const IFLA_BRPORT_PRIORITY: u16 = 2;
const IFLA_BRPORT_COST: u16 = 3;
const IFLA_BRPORT_MODE: u16 = 4;
const IFLA_BRPORT_LEARNING: u16 = 8;
const IFLA_BRPORT_UNICAST_FLOOD: u16 = 9;
const IFLA_BRPORT_MULTICAST_ROUTER: u16 = 25;
const IFLA_BRPORT_ISOLATED: u16 = 33;
/// `MDB_RTR_TYPE_PERM` (linux/if_bridge.h); 1, "when one is heard", is the default.
const ROUTER_PERMANENT: u8 = 2;

/// The kernel counts a bridge's times in `USER_HZ`, hundredths of a second, and
/// keeps them in its own ticks, of which a hundredth may be 1, 2.5, 3 or 10.
/// Steps of two hundredths survive all of them.
const STEP_MS: u32 = 20;

fn hundredths(ms: u32) -> u32 {
    ms / 10
}

impl Bridge {
    /// The same with its times in steps that every kernel keeps, 20 ms, so that
    /// what is read back equals what was written.
    #[must_use]
    pub fn rounded(self) -> Self {
        let round = |ms: u32| ms.saturating_add(STEP_MS / 2) / STEP_MS * STEP_MS;
        Self {
            forward_delay: round(self.forward_delay),
            hello_time: round(self.hello_time),
            max_age: round(self.max_age),
            ageing_time: round(self.ageing_time),
            ..self
        }
    }

    /// `IFLA_INFO_DATA`. No port belongs to a VLAN that was not asked for
    /// (`vlan_default_pvid` 0), filtering or not.
    pub(crate) fn data(&self) -> InfoData {
        let mut data = self.settings();
        data.retain(|setting| *setting != InfoBridge::VlanFiltering(false));
        data.push(InfoBridge::VlanDefaultPvid(0));
        InfoData::Bridge(data)
    }

    /// Everything that can be changed in place, which is everything. In the
    /// order of the kernel's own ([`br_changelink`]): the forward delay is
    /// checked against the STP state before the new state is taken.
    ///
    /// [`br_changelink`]: https://elixir.bootlin.com/linux/v6.18/source/net/bridge/br_netlink.c
    fn settings(&self) -> Vec<InfoBridge> {
        vec![
            InfoBridge::ForwardDelay(hundredths(self.forward_delay)),
            InfoBridge::HelloTime(hundredths(self.hello_time)),
            InfoBridge::MaxAge(hundredths(self.max_age)),
            InfoBridge::AgeingTime(hundredths(self.ageing_time)),
            InfoBridge::StpState(stp(self.stp)),
            InfoBridge::Priority(self.priority),
            InfoBridge::VlanFiltering(self.vlan_filtering),
            InfoBridge::GroupFwdMask(self.group_forward_mask),
            InfoBridge::MulticastSnooping(self.multicast_snooping),
            InfoBridge::MulticastQuerier(self.multicast_querier),
        ]
    }

    /// What differs, in one or two messages: where STP goes off it goes first,
    /// as with STP on the kernel refuses the forward delay of a bridge without.
    pub(crate) fn change(&self, from: &Self) -> Vec<InfoData> {
        let old = from.settings();
        let mut data: Vec<_> = self.settings().into_iter().filter(|s| !old.contains(s)).collect();
        let mut messages = Vec::new();
        if from.stp && !self.stp {
            data.retain(|setting| !matches!(setting, InfoBridge::StpState(_)));
            messages.push(InfoData::Bridge(vec![InfoBridge::StpState(stp(false))]));
        }
        if !data.is_empty() {
            messages.push(InfoData::Bridge(data));
        }
        messages
    }

    /// Reads `IFLA_INFO_DATA`.
    pub(crate) fn read(data: &[u8]) -> Option<Self> {
        let mut bridge = Self {
            stp: false,
            priority: 0,
            forward_delay: 0,
            hello_time: 0,
            max_age: 0,
            ageing_time: 0,
            vlan_filtering: false,
            multicast_snooping: false,
            multicast_querier: false,
            group_forward_mask: 0,
        };
        // The kernel's ticks may have eaten a hundredth; `rounded` gives it back.
        let time = |value: &[u8]| u32_of(value).map(|n| n.saturating_mul(10));
        for (kind, value) in attributes(data) {
            match kind {
                IFLA_BR_FORWARD_DELAY => bridge.forward_delay = time(value)?,
                IFLA_BR_HELLO_TIME => bridge.hello_time = time(value)?,
                IFLA_BR_MAX_AGE => bridge.max_age = time(value)?,
                IFLA_BR_AGEING_TIME => bridge.ageing_time = time(value)?,
                IFLA_BR_STP_STATE => bridge.stp = u32_of(value)? != 0,
                IFLA_BR_PRIORITY => bridge.priority = u16_of(value)?,
                IFLA_BR_VLAN_FILTERING => bridge.vlan_filtering = u8_of(value)? != 0,
                IFLA_BR_GROUP_FWD_MASK => bridge.group_forward_mask = u16_of(value)?,
                IFLA_BR_MCAST_SNOOPING => bridge.multicast_snooping = u8_of(value)? != 0,
                IFLA_BR_MCAST_QUERIER => bridge.multicast_querier = u8_of(value)? != 0,
                _ => {}
            }
        }
        Some(bridge.rounded())
    }
}

fn stp(on: bool) -> BridgeStpState {
    if on { BridgeStpState::KernelStp } else { BridgeStpState::Disabled }
}

impl BridgePort {
    /// A port as the kernel makes it.
    pub const DEFAULT: Self = Self {
        cost: 0,
        priority: 32,
        hairpin: false,
        isolated: false,
        learning: true,
        unicast_flood: true,
        multicast_router: false,
    };

    /// `IFLA_INFO_SLAVE_DATA` of what differs from `from`; none where nothing
    /// does. The cost cannot be given back to the kernel (it refuses 0): that
    /// takes leaving the bridge and joining it again.
    pub(crate) fn change(&self, from: &Self) -> Option<InfoPortData> {
        let old = from.settings();
        let data: Vec<_> = self.settings().into_iter().filter(|s| !old.contains(s)).collect();
        (!data.is_empty()).then_some(InfoPortData::BridgePort(data))
    }

    fn settings(&self) -> Vec<InfoBridgePort> {
        let router = if self.multicast_router {
            BridgeMulticastRouterType::Permanent
        } else {
            BridgeMulticastRouterType::TempQuery
        };
        let mut settings = vec![
            InfoBridgePort::Priority(self.priority),
            InfoBridgePort::HairpinMode(self.hairpin),
            InfoBridgePort::Isolated(self.isolated),
            InfoBridgePort::Learning(self.learning),
            InfoBridgePort::UnicastFlood(self.unicast_flood),
            InfoBridgePort::MulticastRouter(router),
        ];
        if self.cost != 0 {
            settings.push(InfoBridgePort::Cost(self.cost));
        }
        settings
    }

    /// Reads `IFLA_INFO_SLAVE_DATA`. The cost is always the kernel's number,
    /// never 0; see [`crate::state::State::as_managed_by`].
    pub(crate) fn read(data: &[u8]) -> Option<Self> {
        let mut port = Self::DEFAULT;
        for (kind, value) in attributes(data) {
            match kind {
                IFLA_BRPORT_COST => port.cost = u32_of(value)?,
                IFLA_BRPORT_PRIORITY => port.priority = u16_of(value)?,
                IFLA_BRPORT_MODE => port.hairpin = u8_of(value)? != 0,
                IFLA_BRPORT_ISOLATED => port.isolated = u8_of(value)? != 0,
                IFLA_BRPORT_LEARNING => port.learning = u8_of(value)? != 0,
                IFLA_BRPORT_UNICAST_FLOOD => port.unicast_flood = u8_of(value)? != 0,
                IFLA_BRPORT_MULTICAST_ROUTER => {
                    port.multicast_router = u8_of(value)? == ROUTER_PERMANENT;
                }
                _ => {}
            }
        }
        Some(port)
    }
}

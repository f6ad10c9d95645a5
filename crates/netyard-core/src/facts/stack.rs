//! One network stack, host or node, as it is while something runs in it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::link::Link;
use super::ruleset::Ruleset;
use crate::service::trouble::Met;
use crate::state::{InterfaceId, Place};
use crate::wire::{attributes, ip, u8_of, u32_of};

/// One network stack.
#[derive(Clone, Debug, Default)]
pub struct Stack {
    /// Its interfaces, by index.
    pub links: Vec<Link>,
    /// Their addresses.
    pub addresses: Vec<Address>,
    /// Its routes, local ones left out.
    pub routes: Vec<Route>,
    /// Settings by their path below `/proc/sys`: `net/ipv4/ip_forward`. What
    /// this kernel does not have is not there.
    pub settings: BTreeMap<String, String>,
    /// Counters of `/proc/net/snmp` and `/proc/net/netstat`: `Ip.InAddrErrors`.
    pub counters: BTreeMap<String, u64>,
    /// Sockets that wait for somebody.
    pub listeners: Vec<Listener>,
    /// Connection tracking, where it has counters.
    pub conntrack: Option<Conntrack>,
    /// What connection tracking knows; read only where rules translate
    /// destinations.
    pub flows: Vec<Flow>,
    /// nftables; none where it could not be read.
    pub ruleset: Option<Ruleset>,
    /// Tables of the old iptables, which nftables does not show: `filter`.
    pub legacy_tables: Vec<String>,
    /// Who is asked for names here: the file, and each `nameserver` of it.
    pub resolver: Option<Resolver>,
    /// What could not be read: what, and why.
    pub unseen: Vec<(String, String)>,
}

/// An address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// Index of the interface.
    pub link: u32,
    /// With the length of its prefix.
    pub net: IpNet,
    /// Duplicate address detection is still at work (`IFA_F_TENTATIVE`).
    pub tentative: bool,
    /// Somebody else has it (`IFA_F_DADFAILED`).
    pub duplicate: bool,
}

/// A route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Its table; 254 is `main`.
    pub table: u32,
    /// Where to.
    pub destination: IpNet,
    /// Who made it (`rtm_protocol`): 2 the kernel, 9 the kernel for a router's
    /// advertisement, 16 a DHCP client.
    pub protocol: u8,
    /// Lower wins.
    pub metric: u32,
    /// Index of the interface it leads through; 0 where there are several or none.
    pub link: u32,
    /// The interface has no carrier (`RTNH_F_LINKDOWN`) or is down (`RTNH_F_DEAD`).
    pub dead: bool,
}

/// A socket that waits for somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// `tcp` or `udp`.
    pub protocol: &'static str,
    /// Its address; `0.0.0.0` and `::` are all.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// Index of the interface it is bound to; 0 is any.
    pub link: u32,
    /// The program, where it could be found: `dnsmasq`, and its process.
    pub owner: Option<(String, u32)>,
}

/// How full connection tracking is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Conntrack {
    /// Entries of this stack.
    pub count: u64,
    /// What may be.
    pub max: u64,
    /// Packets dropped because an entry could not be made.
    pub drop: u64,
    /// Entries thrown out early to make room.
    pub early_drop: u64,
}

/// A connection, as it was asked for and as it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// 6 TCP, 17 UDP.
    pub protocol: u8,
    /// Who asked.
    pub source: IpAddr,
    /// From which port.
    pub sport: u16,
    /// What was asked for, before any translation.
    pub destination: IpAddr,
    /// Which port.
    pub dport: u16,
    /// Who answers: where the destination was translated to.
    pub answers_from: IpAddr,
    /// From which port.
    pub answers_port: u16,
}

/// Who is asked for names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolver {
    /// The file that says so.
    pub file: String,
    /// Its `nameserver` lines.
    pub nameservers: Vec<IpAddr>,
}

impl Address {
    /// Reads an `RTM_NEWADDR` message without its netlink header.
    pub fn read(message: &[u8]) -> Option<Self> {
        const HEADER: usize = 8; // struct ifaddrmsg, linux/if_addr.h
        const IFA_ADDRESS: u16 = 1;
        const IFA_LOCAL: u16 = 2;
        const IFA_FLAGS: u16 = 8;
        const TENTATIVE: u32 = 0x40;
        const DADFAILED: u32 = 0x08;
        let length = *message.get(1)?;
        let link = u32_of(message.get(4..HEADER)?)?;
        let (mut address, mut local, mut flags) = (None, None, u32::from(message[2]));
        for (kind, value) in attributes(&message[HEADER..]) {
            match kind {
                IFA_ADDRESS => address = ip(value),
                IFA_LOCAL => local = ip(value),
                IFA_FLAGS => flags = u32_of(value)?,
                _ => {}
            }
        }
        let net = IpNet::new(local.or(address)?, length).ok()?;
        let [tentative, duplicate] = [flags & TENTATIVE != 0, flags & DADFAILED != 0];
        Some(Self { link, net, tentative: tentative && !duplicate, duplicate })
    }
}

impl Route {
    /// Reads an `RTM_NEWROUTE` message without its netlink header; none for
    /// routes to this stack itself, broadcasts and the like.
    pub fn read(message: &[u8]) -> Option<Self> {
        const HEADER: usize = 12; // struct rtmsg, linux/rtnetlink.h
        const RTA_DST: u16 = 1;
        const RTA_OIF: u16 = 4;
        const RTA_PRIORITY: u16 = 6;
        const RTA_TABLE: u16 = 15;
        const RTN_UNICAST: u8 = 1;
        const AF_INET: u8 = 2;
        const DEAD: u32 = 1;
        const LINKDOWN: u32 = 16;
        const CLONED: u32 = 0x200;
        let flags = u32_of(message.get(8..HEADER)?)?;
        if message[7] != RTN_UNICAST || flags & CLONED != 0 {
            return None;
        }
        let any: IpAddr = match message[0] {
            AF_INET => std::net::Ipv4Addr::UNSPECIFIED.into(),
            _ => std::net::Ipv6Addr::UNSPECIFIED.into(),
        };
        let mut route = Self {
            table: u32::from(message[4]),
            destination: IpNet::new(any, message[1]).ok()?,
            protocol: u8_of(&message[5..])?,
            metric: 0,
            link: 0,
            dead: flags & (DEAD | LINKDOWN) != 0,
        };
        for (kind, value) in attributes(&message[HEADER..]) {
            match kind {
                RTA_DST => route.destination = IpNet::new(ip(value)?, message[1]).ok()?,
                RTA_OIF => route.link = u32_of(value)?,
                RTA_PRIORITY => route.metric = u32_of(value)?,
                RTA_TABLE => route.table = u32_of(value)?,
                _ => {}
            }
        }
        Some(route)
    }
}

impl Flow {
    /// Reads an `IPCTNL_MSG_CT_NEW` message without its netlink header
    /// (linux/netfilter/nfnetlink_conntrack.h); none but for TCP and UDP.
    pub fn read(message: &[u8]) -> Option<Self> {
        let (mut original, mut reply) = (None, None);
        for (kind, value) in attributes(message.get(4..)?) {
            match kind {
                1 => original = tuple(value),
                2 => reply = tuple(value),
                _ => {}
            }
        }
        let (protocol, source, destination, sport, dport) = original?;
        let (_, answers_from, _, answers_port, _) = reply?;
        let flow = Self { protocol, source, sport, destination, dport, answers_from, answers_port };
        matches!(protocol, 6 | 17).then_some(flow)
    }
}

/// `CTA_TUPLE_*`: protocol, addresses, ports.
fn tuple(bytes: &[u8]) -> Option<(u8, IpAddr, IpAddr, u16, u16)> {
    let (mut source, mut destination, mut protocol, mut ports) = (None, None, 0, [0; 2]);
    for (kind, value) in attributes(bytes) {
        for (inner, value) in attributes(value) {
            match (kind, inner) {
                (1, 1 | 3) => source = ip(value),
                (1, 2 | 4) => destination = ip(value),
                (2, 1) => protocol = u8_of(value)?,
                (2, 2 | 3) => {
                    let port = u16::from_be_bytes(value.get(..2)?.try_into().ok()?);
                    ports[usize::from(inner == 3)] = port;
                }
                _ => {}
            }
        }
    }
    Some((protocol, source?, destination?, ports[0], ports[1]))
}

impl Stack {
    /// True where somebody has babeld's port (RFC 8966).
    pub fn speaks_babel(&self) -> bool {
        self.listeners.iter().any(|one| one.protocol == "udp" && one.port == 6696)
    }

    /// The interface of that index.
    pub fn link(&self, index: u32) -> Option<&Link> {
        self.links.iter().find(|link| link.index == index)
    }

    /// The interface of that name.
    pub fn link_named(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|link| link.name == name)
    }

    /// The name of that interface; `?` where there is none.
    pub fn name(&self, index: u32) -> &str {
        self.link(index).map_or("?", |link| &link.name)
    }

    /// The ports of a bridge.
    pub fn ports(&self, bridge: u32) -> impl Iterator<Item = &Link> {
        self.links
            .iter()
            .filter(move |link| link.master == Some(bridge) && link.port_state.is_some())
    }

    /// The addresses of an interface.
    pub fn addresses_of(&self, link: u32) -> impl Iterator<Item = &Address> {
        self.addresses.iter().filter(move |address| address.link == link)
    }

    /// A setting; none where the kernel has none of that name.
    pub fn setting(&self, path: &str) -> Option<&str> {
        self.settings.get(path).map(String::as_str)
    }

    /// A setting that is a number.
    pub fn number(&self, path: &str) -> Option<i64> {
        self.setting(path)?.parse().ok()
    }

    /// A counter; 0 where there is none of that name.
    pub fn counter(&self, name: &str) -> u64 {
        self.counters.get(name).copied().unwrap_or_default()
    }

    /// The interfaces that default routes lead through, each once.
    pub fn uplinks(&self) -> Vec<&Link> {
        let has_default = |link: &&Link| {
            let default = |route: &&Route| route.destination.prefix_len() == 0;
            self.routes.iter().filter(default).any(|route| route.link == link.index)
        };
        self.links.iter().filter(has_default).collect()
    }

    /// True where the interface is the given yard's, by the mark on it.
    pub fn is_ours(link: &Link, yard: &str) -> bool {
        crate::wire::Mark::parse(&link.alias).is_some_and(|mark| mark.yard.as_str() == yard)
    }
}

/// What is known of the machine as a whole, and of each stack of it.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    /// The host first, then the yard's namespaces.
    pub stacks: Vec<(Place, Stack)>,
    /// Files and daemons.
    pub machine: super::machine::Machine,
    /// What those of the yard's tunnels do that could be asked.
    pub tunnels: Vec<(InterfaceId, super::TunnelPulse)>,
    /// What servers of networks met, from where they serve, and how many seconds ago.
    pub troubles: Vec<(Place, u64, Met)>,
}

impl Survey {
    /// The host's stack.
    pub fn host(&self) -> Option<&Stack> {
        self.stacks.iter().find(|(place, _)| *place == Place::Host).map(|(_, stack)| stack)
    }
}

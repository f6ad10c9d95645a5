//! Reading interfaces back.

use crate::addr::Mac;
use crate::interface::{
    Bond, Bridge, BridgePort, Interface, Ipvlan, Kind, Macvlan, Physical, Tap, Veth, Vlan, Vrf,
    Vxlan, member_mac,
};
use crate::name::{FullName, InterfaceName, YardName};
use crate::state::{InterfaceId, Place};
use crate::wire::attribute::text;
use crate::wire::{LongMarks, Mark, Names, attributes, mac, u32_of};

// linux/if_link.h, linux/if.h
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_LINKINFO: u16 = 18;
const IFLA_IFALIAS: u16 = 20;
const IFLA_GROUP: u16 = 27;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_INFO_SLAVE_KIND: u16 = 4;
const IFLA_INFO_SLAVE_DATA: u16 = 5;
const IFF_UP: u32 = 1;
const IFF_LOOPBACK: u32 = 8;
const HEADER: usize = 16; // struct ifinfomsg

/// An `RTM_NEWLINK` message, read in place as far as netyard needs it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Link<'a> {
    /// Its index.
    pub index: u32,
    /// Its name in the kernel.
    pub name: &'a str,
    /// `IFLA_INFO_KIND`: `veth`; empty for hardware and `lo`.
    pub kind: &'a str,
    /// `IFLA_IFALIAS`.
    pub alias: &'a str,
    /// `IFLA_GROUP`.
    pub group: u32,
    /// `IFLA_MTU`, in bytes.
    pub mtu: u32,
    /// `IFLA_ADDRESS`, where it has six bytes.
    pub mac: Option<Mac>,
    /// `IFLA_MASTER`.
    pub master: Option<u32>,
    /// `IFLA_LINK`: parent, or peer.
    pub parent: Option<u32>,
    /// True when `parent` is an index in another namespace.
    pub foreign_parent: bool,
    /// That namespace's number, as this one counts them (`IFLA_LINK_NETNSID`).
    pub parent_namespace: Option<u32>,
    flags: u32,
    data: &'a [u8],
    port_kind: &'a str,
    port_data: &'a [u8],
}

impl<'a> Link<'a> {
    /// Reads a message without its netlink header; none where it is too short.
    pub fn parse(message: &'a [u8]) -> Option<Self> {
        let mut link = Self {
            index: u32_of(message.get(4..HEADER)?)?,
            flags: u32_of(&message[8..])?,
            ..Self::default()
        };
        for (kind, value) in attributes(&message[HEADER..]) {
            match kind {
                IFLA_ADDRESS => link.mac = mac(value),
                IFLA_IFNAME => link.name = text(value).unwrap_or_default(),
                IFLA_MTU => link.mtu = u32_of(value)?,
                IFLA_LINK => link.parent = u32_of(value).filter(|&index| index != 0),
                IFLA_MASTER => link.master = u32_of(value),
                IFLA_LINKINFO => link.parse_info(value),
                IFLA_IFALIAS => link.alias = text(value).unwrap_or_default(),
                IFLA_GROUP => link.group = u32_of(value)?,
                IFLA_LINK_NETNSID => {
                    link.foreign_parent = true;
                    link.parent_namespace = u32_of(value);
                }
                _ => {}
            }
        }
        Some(link)
    }

    fn parse_info(&mut self, info: &'a [u8]) {
        for (kind, value) in attributes(info) {
            match kind {
                IFLA_INFO_KIND => self.kind = text(value).unwrap_or_default(),
                IFLA_INFO_DATA => self.data = value,
                IFLA_INFO_SLAVE_KIND => self.port_kind = text(value).unwrap_or_default(),
                IFLA_INFO_SLAVE_DATA => self.port_data = value,
                _ => {}
            }
        }
    }

    /// True when it is administratively up.
    pub fn up(&self) -> bool {
        self.flags & IFF_UP != 0
    }

    /// True for `lo`.
    pub fn is_loopback(&self) -> bool {
        self.flags & IFF_LOOPBACK != 0
    }

    /// The interface, which is in `place` and marked so.
    pub fn read(&self, id: InterfaceId, mark: Option<&Mark>, names: &Names) -> Option<Interface> {
        let (kind, parent) = self.kind(mark)?;
        let parent = match (parent, mark.and_then(|mark| mark.other.clone())) {
            // The kernel does not tell where a tunnel was born.
            (None, other) => other.filter(|_| kind == Kind::Wireguard),
            (Some(_), Some(other)) => Some(other),
            (Some(_), None) if self.foreign_parent && !self.is_vxlan() => return None,
            (Some(index), None) => {
                let name = names.full(index)?.clone();
                Some(InterfaceId { place: id.place.clone(), name })
            }
        };
        let master = match self.master {
            Some(index) => Some(names.full(index)?.clone()),
            None => None,
        };
        let port = match self.port_kind {
            "bridge" => Some(BridgePort::read(self.port_data)?),
            _ => None,
        };
        let loopback = kind == Kind::Loopback;
        Some(Interface {
            kernel_name: InterfaceName::new(self.name).ok()?,
            mac: self.own_mac().filter(|_| !loopback && !matches!(kind, Kind::Ipvlan(_))),
            mtu: Some(self.mtu).filter(|_| !loopback),
            up: self.up(),
            id,
            kind,
            parent,
            master,
            port,
        })
    }

    fn is_vxlan(&self) -> bool {
        self.kind == "vxlan"
    }

    fn own_mac(&self) -> Option<Mac> {
        match self.port_kind {
            "bond" => member_mac(self.port_data).or(self.mac),
            _ => self.mac,
        }
    }

    /// Its kind, and the index of its parent where the kind has one.
    fn kind(&self, mark: Option<&Mark>) -> Option<(Kind, Option<u32>)> {
        if let Some(host_name) = mark.and_then(|mark| mark.host_name.clone()) {
            return Some((Kind::Physical(Physical { host_name }), None));
        }
        if let Some(wlan) = mark.and_then(|mark| mark.wlan.clone()) {
            return Some((Kind::Wlan(wlan), None));
        }
        let kind = match self.kind {
            "" if self.is_loopback() => Kind::Loopback,
            "veth" => Kind::Veth(Veth { peer: mark?.other.clone()? }),
            "bridge" => Kind::Bridge(Bridge::read(self.data)?),
            "dummy" => Kind::Dummy,
            "ifb" => Kind::Ifb,
            "wireguard" => Kind::Wireguard,
            "vrf" => Kind::Vrf(Vrf::read(self.data)?),
            "bond" => Kind::Bond(Bond::read(self.data)?),
            "tun" => match Tap::read(self.data)? {
                (tun, true) => Kind::Tun(tun),
                (tap, false) => Kind::Tap(tap),
            },
            "vxlan" => {
                let (vxlan, parent) = Vxlan::read(self.data)?;
                return Some((Kind::Vxlan(vxlan), parent));
            }
            "vlan" => return Some((Kind::Vlan(Vlan::read(self.data)?), self.parent)),
            "macvlan" => return Some((Kind::Macvlan(Macvlan::read(self.data)?), self.parent)),
            "macvtap" => return Some((Kind::Macvtap(Macvlan::read(self.data)?), self.parent)),
            "ipvlan" => return Some((Kind::Ipvlan(Ipvlan::read(self.data)?), self.parent)),
            _ => return None,
        };
        Some((kind, None))
    }
}

/// An interface that was seen in a namespace, whoever's it is.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its index.
    pub index: u32,
    /// Its name in the kernel.
    pub kernel_name: String,
    /// `IFLA_INFO_KIND`; empty for hardware and `lo`.
    pub kind: String,
    /// `IFLA_GROUP`: one with the yard's group and no mark was being made when
    /// something ended netyard.
    pub group: u32,
    /// In bytes.
    pub mtu: u32,
    /// Its hardware address, where it has one of six bytes.
    pub mac: Option<Mac>,
    /// What its alias says.
    pub mark: Option<Mark>,
    /// The object, where it is the yard's, is where its mark says, and can be
    /// read; `lo` is an object in every namespace but the host's.
    pub interface: Option<Interface>,
}

/// Reads a dump of `place`'s interfaces, each message without its netlink
/// header, and which has which index. `long` are the marks that an alias cannot
/// hold.
pub fn read_all(
    yard: &YardName,
    place: &Place,
    long: &LongMarks,
    messages: &[&[u8]],
) -> (Names, Vec<Seen>) {
    let links: Vec<Link<'_>> = messages.iter().filter_map(|m| Link::parse(m)).collect();
    let ours = |mark: &Mark| mark.yard == *yard && mark.id.place == *place;
    let mut names = Names::default();
    let mut marks = Vec::with_capacity(links.len());
    for link in &links {
        let lent = || Mark::of_lent(link.alias, yard, place, link.name);
        let mark = long.read(link.alias).or_else(lent);
        let full = match mark.as_ref().filter(|mark| ours(mark)) {
            Some(mark) => Some(mark.id.name.clone()),
            None => FullName::new(link.name).ok(),
        };
        if let (Some(full), Ok(kernel)) = (full, InterfaceName::new(link.name)) {
            names.insert(link.index, full, kernel);
        }
        marks.push(mark);
    }
    let seen = links.iter().zip(marks).map(|(link, mark)| {
        let own = mark.as_ref().filter(|mark| ours(mark));
        let id = match own {
            Some(mark) => Some(mark.id.clone()),
            None if link.is_loopback() && *place != Place::Host => {
                let name = FullName::new(link.name).ok();
                name.map(|name| InterfaceId { place: place.clone(), name })
            }
            None => None,
        };
        let interface = id.and_then(|id| link.read(id, own, &names));
        Seen {
            index: link.index,
            kernel_name: link.name.to_owned(),
            kind: link.kind.to_owned(),
            group: link.group,
            mtu: link.mtu,
            mac: link.mac,
            mark,
            interface,
        }
    });
    let seen = seen.collect();
    (names, seen)
}

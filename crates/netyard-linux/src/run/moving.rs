//! Addresses and routes as messages, which move from one interface to another.

use crate::netlink::{Batch, attributes};

// linux/rtnetlink.h
const RTM_NEWADDR: u16 = 20;
const RTM_DELADDR: u16 = 21;
const RTM_NEWROUTE: u16 = 24;
const RTM_DELROUTE: u16 = 25;
const RTN_UNICAST: u8 = 1;
const RTPROT_KERNEL: u8 = 2;
const RTM_F_CLONED: u32 = 0x200;
const RTNH_F_ONLINK: u32 = 4;
const RT_TABLE_MAIN: u8 = 254;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_MULTIPATH: u16 = 9;
const RTA_CACHEINFO: u16 = 12;
const RTA_VIA: u16 = 18;
const RTA_EXPIRES: u16 = 23;
const RTA_NH_ID: u16 = 30;
const NLM_F_REPLACE: u16 = 0x100;
const NLM_F_CREATE: u16 = 0x400;
const NLM_F_APPEND: u16 = 0x800;
// linux/if_addr.h
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_LABEL: u16 = 3;
const IFA_FLAGS: u16 = 8;
const IFA_PROTO: u16 = 11;
const IFA_F_NODAD: u32 = 0x02;
const IFA_F_NOPREFIXROUTE: u32 = 0x200;
/// The flags that who adds an address may set: no detection, home address,
/// temporary addresses, no route, multicast join.
const IFA_F_SETTABLE: u32 = IFA_F_NODAD | 0x10 | 0x100 | IFA_F_NOPREFIXROUTE | 0x400;
/// `IFAPROT_KERNEL_LL`: made by the kernel of the interface's MAC address.
const IFAPROT_KERNEL_LL: u8 = 3;
/// `struct ifaddrmsg` and `struct rtmsg`.
const ADDRESS_HEADER: usize = 8;
const ROUTE_HEADER: usize = 12;
/// `struct rtnexthop`.
const HOP_HEADER: usize = 8;
/// In which the kernel tells how long a route lasts (`USER_HZ`).
const TICKS: u32 = 100;

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    fn of(byte: u8) -> Option<Self> {
        match i32::from(byte) {
            libc::AF_INET => Some(Self::V4),
            libc::AF_INET6 => Some(Self::V6),
            _ => None,
        }
    }
}

/// An address, as a message to send again.
#[derive(Clone, Debug)]
pub(super) struct MovingAddress {
    pub index: u32,
    pub protocol: u8,
    family: Family,
    length: u8,
    flags: u32,
    link_local: bool,
    /// The bytes of the address itself.
    own: Vec<u8>,
    body: Vec<u8>,
}

impl MovingAddress {
    /// Reads an `RTM_NEWADDR` message without its netlink header.
    pub fn read(body: &[u8]) -> Option<Self> {
        let header = body.get(..ADDRESS_HEADER)?;
        let mut found = Self {
            index: u32::from_ne_bytes(header[4..8].try_into().ok()?),
            protocol: 0,
            family: Family::of(header[0])?,
            length: header[1],
            flags: u32::from(header[2]),
            // RT_SCOPE_LINK
            link_local: header[3] == 253,
            own: Vec::new(),
            body: body.to_vec(),
        };
        let mut local = None;
        for (ty, value) in attributes(&body[ADDRESS_HEADER..]) {
            match ty {
                IFA_ADDRESS => found.own = value.to_vec(),
                IFA_LOCAL => local = Some(value.to_vec()),
                IFA_FLAGS => found.flags = u32::from_ne_bytes(value.try_into().ok()?),
                IFA_PROTO => found.protocol = *value.first()?,
                _ => {}
            }
        }
        found.own = local.unwrap_or(found.own);
        Some(found)
    }

    /// True for one of IPv4.
    pub fn is_ipv4(&self) -> bool {
        self.family == Family::V4
    }

    /// True for the link-local address that the kernel makes for every interface.
    pub fn is_made_anew(&self) -> bool {
        self.family == Family::V6 && self.link_local && self.protocol == IFAPROT_KERNEL_LL
    }

    /// Adds it to another interface, with the lifetime that is left of it.
    pub fn add(&self, batch: &mut Batch, to: (u32, &str)) {
        let flags = self.flags & IFA_F_SETTABLE;
        let body = |flags: u32| {
            let mut out = self.body[..ADDRESS_HEADER].to_vec();
            out[2] = flags as u8;
            out[4..8].copy_from_slice(&to.0.to_ne_bytes());
            for (ty, value) in attributes(&self.body[ADDRESS_HEADER..]) {
                match ty {
                    IFA_FLAGS => push(&mut out, ty, &flags.to_ne_bytes()),
                    // Must begin with the interface's name; the kernel's own is that.
                    IFA_LABEL => {
                        if let Some(label) = label(value, to.1) {
                            push(&mut out, ty, &label);
                        }
                    }
                    _ => push(&mut out, ty, value),
                }
            }
            out
        };
        if self.family == Family::V4 {
            batch.push_raw(RTM_NEWADDR, NLM_F_CREATE, &body(flags));
            return;
        }
        // Usable at once; what it says of itself, it says afterwards.
        let at_once = body(flags | IFA_F_NODAD);
        batch.push_raw(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &at_once);
        if flags & IFA_F_NODAD == 0 {
            batch.push_raw(RTM_NEWADDR, NLM_F_REPLACE, &body(flags));
        }
    }

    /// Takes it away from an interface, and the route that the kernel made with
    /// it: of an address that ends, it would stay to that end
    /// (`CLEANUP_PREFIX_RT_EXPIRE`, net/ipv6/addrconf.c).
    pub fn remove(&self, batch: &mut Batch, from: u32) {
        let mut body = self.body[..ADDRESS_HEADER].to_vec();
        body[4..8].copy_from_slice(&from.to_ne_bytes());
        for (ty, value) in attributes(&self.body[ADDRESS_HEADER..]) {
            // All else, its label above all, may be another there.
            if matches!(ty, IFA_ADDRESS | IFA_LOCAL) {
                push(&mut body, ty, value);
            }
        }
        batch.push_raw(RTM_DELADDR, 0, &body);
        if self.family == Family::V4 || self.link_local || self.flags & IFA_F_NOPREFIXROUTE != 0 {
            return;
        }
        let mut route = vec![self.body[0], self.length, 0, 0, RT_TABLE_MAIN, RTPROT_KERNEL, 0, 0];
        route.extend([0; 4]);
        push(&mut route, RTA_DST, &self.prefix());
        push(&mut route, RTA_OIF, &from.to_ne_bytes());
        batch.push_raw(RTM_DELROUTE, 0, &route);
    }

    /// The address without its host's bits.
    fn prefix(&self) -> Vec<u8> {
        let keep = |i: usize| match usize::from(self.length).saturating_sub(8 * i) {
            0 => 0,
            bits @ 1..=7 => 0xff << (8 - bits),
            _ => 0xff_u8,
        };
        self.own.iter().enumerate().map(|(i, byte)| byte & keep(i)).collect()
    }

    /// True when the kernel makes the route to `prefix` with this address.
    fn makes(&self, family: Family, prefix: &[u8], length: u8) -> bool {
        if self.family != family || self.length != length || self.flags & IFA_F_NOPREFIXROUTE != 0 {
            return false;
        }
        self.prefix() == prefix
    }
}

/// What stands behind the colon of an IPv4 address's label, behind another name.
fn label(old: &[u8], name: &str) -> Option<Vec<u8>> {
    let old = std::str::from_utf8(old).ok()?.trim_end_matches('\0');
    let (_, alias) = old.split_once(':')?;
    let new = format!("{name}:{alias}\0");
    (new.len() <= libc::IFNAMSIZ).then(|| new.into_bytes())
}

/// A route, as a message to send again.
#[derive(Clone, Debug)]
pub(super) struct MovingRoute {
    pub family: Family,
    pub protocol: u8,
    pub has_gateway: bool,
    length: u8,
    destination: Vec<u8>,
    body: Vec<u8>,
}

impl MovingRoute {
    /// Reads an `RTM_NEWROUTE` message without its netlink header; none where it
    /// does not lead through the interface, or is not somebody's route.
    pub fn read(body: &[u8], index: u32) -> Option<Self> {
        let header = body.get(..ROUTE_HEADER)?;
        let flags = u32::from_ne_bytes(header[8..12].try_into().ok()?);
        if header[7] != RTN_UNICAST || flags & RTM_F_CLONED != 0 {
            return None;
        }
        let mut found = Self {
            family: Family::of(header[0])?,
            protocol: header[5],
            has_gateway: false,
            length: header[1],
            destination: Vec::new(),
            body: body.to_vec(),
        };
        let mut through = false;
        for (ty, value) in attributes(&body[ROUTE_HEADER..]) {
            match ty {
                RTA_DST => found.destination = value.to_vec(),
                RTA_OIF => through |= value == index.to_ne_bytes(),
                RTA_GATEWAY | RTA_VIA => found.has_gateway = true,
                RTA_MULTIPATH => {
                    found.has_gateway = true;
                    through |=
                        hops(value).any(|hop| value[hop + 4..hop + 8] == index.to_ne_bytes());
                }
                _ => {}
            }
        }
        through.then_some(found)
    }

    /// True when the kernel makes it with one of these addresses, or with every
    /// interface.
    pub fn is_made_by(&self, addresses: &[MovingAddress]) -> bool {
        let is_link_local = self.family == Family::V6
            && self.length == 64
            && self.destination.starts_with(&[0xfe, 0x80]);
        self.protocol == RTPROT_KERNEL
            && (is_link_local
                || addresses.iter().any(|a| a.makes(self.family, &self.destination, self.length)))
    }

    /// Takes it from one interface to another; gives the request that adds it.
    /// IPv4 has both for a moment; IPv6 would make one route of two ways of them.
    pub fn shift(&self, batch: &mut Batch, from: u32, to: u32) -> usize {
        let new = self.through(from, to);
        let go = |batch: &mut Batch| batch.push_raw(RTM_DELROUTE, 0, &self.through(from, from));
        if self.family == Family::V6 {
            go(batch);
            return batch.push_raw(RTM_NEWROUTE, NLM_F_CREATE, &new);
        }
        let add = batch.push_raw(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND, &new);
        go(batch);
        add
    }

    /// The same with `to` wherever `from` is.
    fn through(&self, from: u32, to: u32) -> Vec<u8> {
        let mut out = self.body[..ROUTE_HEADER].to_vec();
        let flags = u32::from_ne_bytes([out[8], out[9], out[10], out[11]]) & RTNH_F_ONLINK;
        out[8..12].copy_from_slice(&flags.to_ne_bytes());
        for (ty, value) in attributes(&self.body[ROUTE_HEADER..]) {
            match ty {
                RTA_OIF => push(&mut out, ty, &to.to_ne_bytes()),
                RTA_MULTIPATH => {
                    let mut ways = value.to_vec();
                    for hop in hops(value) {
                        // The flags say how it is, not how it shall be.
                        ways[hop + 2] &= RTNH_F_ONLINK as u8;
                        if value[hop + 4..hop + 8] == from.to_ne_bytes() {
                            ways[hop + 4..hop + 8].copy_from_slice(&to.to_ne_bytes());
                        }
                    }
                    push(&mut out, ty, &ways);
                }
                // What the kernel says besides; how long it lasts is said otherwise.
                RTA_CACHEINFO => {
                    if let Some(seconds) = expires(value).filter(|_| self.family == Family::V6) {
                        push(&mut out, RTA_EXPIRES, &seconds.to_ne_bytes());
                    }
                }
                RTA_NH_ID => {}
                _ => push(&mut out, ty, value),
            }
        }
        out
    }
}

/// Seconds until a route ends; none where it does not (`rta_expires`).
fn expires(cacheinfo: &[u8]) -> Option<u32> {
    let ticks = u32::from_ne_bytes(cacheinfo.get(8..12)?.try_into().ok()?);
    (ticks != 0 && ticks < 1 << 31).then(|| ticks.div_ceil(TICKS))
}

/// Where the hops of a multipath route begin.
fn hops(value: &[u8]) -> impl Iterator<Item = usize> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes([*value.get(at)?, *value.get(at + 1)?]));
        let begin = at;
        if length < HOP_HEADER || begin + length > value.len() {
            return None;
        }
        at = (begin + length).next_multiple_of(4);
        Some(begin)
    })
}

/// Appends an attribute.
pub(super) fn push(out: &mut Vec<u8>, ty: u16, value: &[u8]) {
    out.extend((4 + value.len() as u16).to_ne_bytes());
    out.extend(ty.to_ne_bytes());
    out.extend(value);
    out.resize(out.len().next_multiple_of(4), 0);
}

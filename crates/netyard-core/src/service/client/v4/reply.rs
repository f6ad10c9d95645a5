//! What a server of DHCPv4 says (RFC 2131, 3; options of RFC 2132 and RFC 3442).

use std::net::Ipv4Addr;

use dhcproto::v4::{MessageType, Opcode, OptionCode, borrowed};
use ipnet::Ipv4Net;

use super::Lease4;
use crate::addr::Mac;

/// What a server says, read without trust.
pub(super) struct Reply<'p> {
    pub sort: MessageType,
    address: Ipv4Addr,
    options: Vec<(u8, &'p [u8])>,
}

impl<'p> Reply<'p> {
    pub fn read(packet: &'p [u8], xid: u32, mac: Mac) -> Option<Self> {
        const MAGIC: [u8; 4] = [99, 130, 83, 99];
        let head = borrowed::Message::new(packet).ok()?;
        let for_us = head.opcode() == Opcode::BootReply && head.xid() == xid && head.hlen() == 6;
        if !for_us || head.chaddr() != mac.0 || packet.get(236..240)? != MAGIC {
            return None;
        }
        let address = head.yiaddr();
        let options = options(packet.get(240..)?);
        let sort = match options.iter().find(|(code, _)| *code == 53)?.1 {
            [sort] => MessageType::from(*sort),
            _ => return None,
        };
        Some(Self { sort, address, options })
    }

    pub fn get(&self, code: OptionCode) -> Option<&'p [u8]> {
        let code = u8::from(code);
        self.options.iter().find(|(one, _)| *one == code).map(|(_, value)| *value)
    }

    pub fn addresses(&self, code: OptionCode) -> Vec<Ipv4Addr> {
        let four = |bytes: &[u8]| <[u8; 4]>::try_from(bytes).ok().map(Ipv4Addr::from);
        self.get(code)
            .unwrap_or_default()
            .chunks(4)
            .filter_map(four)
            .filter(|a| !a.is_unspecified())
            .collect()
    }

    pub fn seconds(&self, code: OptionCode) -> Option<u32> {
        Some(u32::from_be_bytes(self.get(code)?.try_into().ok()?))
    }

    /// None where something is missing without which it is no lease.
    pub fn lease(&self) -> Option<Lease4> {
        let usable = !self.address.is_unspecified()
            && !self.address.is_multicast()
            && !self.address.is_broadcast()
            && !self.address.is_loopback();
        let seconds = self.seconds(OptionCode::AddressLeaseTime).filter(|s| *s > 0)?;
        let server = *self.addresses(OptionCode::ServerIdentifier).first()?;
        let mask = self.addresses(OptionCode::SubnetMask).first().copied();
        let net = match mask {
            Some(mask) => Ipv4Net::with_netmask(self.address, mask).ok()?,
            None => Ipv4Net::new(self.address, classful(self.address)).ok()?,
        };
        let routes = self.get(OptionCode::ClasslessStaticRoute).map(classless).unwrap_or_default();
        let named = routes.iter().find(|(net, _)| net.prefix_len() == 0).map(|(_, via)| *via);
        let gateway = match routes.is_empty() {
            true => self.addresses(OptionCode::Router).first().copied(),
            // Where there are routes, the router is one of them or none (RFC 3442).
            false => named,
        };
        let half = if seconds == u32::MAX { u32::MAX } else { seconds / 2 };
        let late = if seconds == u32::MAX { u32::MAX } else { seconds - seconds / 8 };
        let t2 = self.seconds(OptionCode::Rebinding).filter(|t2| *t2 <= seconds).unwrap_or(late);
        let t1 = self.seconds(OptionCode::Renewal).filter(|t1| *t1 <= t2).unwrap_or(half.min(t2));
        let text = |code| {
            std::str::from_utf8(self.get(code)?)
                .ok()
                .map(|text| text.trim_end_matches('\0').to_owned())
        };
        let plain = |name: &String| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
        };
        usable.then(|| Lease4 {
            address: net,
            server,
            gateway,
            routes: routes.into_iter().filter(|(net, _)| net.prefix_len() != 0).collect(),
            dns: self.addresses(OptionCode::DomainNameServer),
            // It goes into a file that others read: a name, or nothing.
            search: text(OptionCode::DomainName).filter(plain).into_iter().collect(),
            seconds,
            t1,
            t2,
        })
    }
}

/// Options up to the end, or to one that is cut short.
pub(super) fn options(mut rest: &[u8]) -> Vec<(u8, &[u8])> {
    let mut found = Vec::new();
    while let Some((&code, after)) = rest.split_first() {
        if code == 255 {
            break;
        }
        if code == 0 {
            rest = after;
            continue;
        }
        let Some((&length, value)) = after.split_first() else { break };
        let Some((value, next)) = value.split_at_checked(usize::from(length)) else { break };
        found.push((code, value));
        rest = next;
    }
    found
}

/// Routes of option 121 (RFC 3442), up to one that is none.
pub(super) fn classless(mut rest: &[u8]) -> Vec<(Ipv4Net, Ipv4Addr)> {
    let mut routes = Vec::new();
    while let Some((&length, after)) = rest.split_first() {
        let bytes = usize::from(length.div_ceil(8));
        if length > 32 || after.len() < bytes + 4 {
            break;
        }
        let mut destination = [0; 4];
        destination[..bytes].copy_from_slice(&after[..bytes]);
        let via = [after[bytes], after[bytes + 1], after[bytes + 2], after[bytes + 3]];
        if let Ok(net) = Ipv4Net::new(destination.into(), length) {
            routes.push((net.trunc(), via.into()));
        }
        rest = &after[bytes + 4..];
    }
    routes
}

/// The length of a prefix where nobody says one.
fn classful(address: Ipv4Addr) -> u8 {
    match address.octets()[0] {
        0..=127 => 8,
        128..=191 => 16,
        _ => 24,
    }
}

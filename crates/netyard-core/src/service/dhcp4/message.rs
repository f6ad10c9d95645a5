//! Requests read, answers written; the format is `dhcproto`'s.

use std::net::Ipv4Addr;

use dhcproto::v4::borrowed;
use dhcproto::v4::{
    DhcpOption, Flags, HType, Message, MessageType, Opcode, OptionCode, UnknownOption,
};
use dhcproto::{Encodable, Encoder};

use super::{Reply, To};
use crate::addr::Mac;
use crate::service::served::Dhcp4;

/// The longest message every client takes (RFC 2131, section 2: 576 bytes with headers).
const LEAST_MAXIMUM: usize = 576 - 28;
/// The length of a BOOTP message, below which old relay agents drop it.
const BOOTP: usize = 300;
/// What options begin with (RFC 2131, section 3).
const MAGIC: [u8; 4] = [99, 130, 83, 99];

/// What a client says.
pub(super) struct Request<'p> {
    pub sort: MessageType,
    pub mac: Mac,
    /// Its identity, as hexadecimal digits.
    pub client: String,
    /// Option 12 or 81, as a label of a name.
    pub name: Option<String>,
    pub ciaddr: Option<Ipv4Addr>,
    /// Option 50.
    pub requested: Option<Ipv4Addr>,
    /// Option 54.
    pub server: Option<Ipv4Addr>,
    /// Option 51.
    pub time: Option<u32>,
    /// Option 55; none: whatever there is.
    wishes: Option<Vec<u8>>,
    /// Option 57.
    maximum: usize,
    /// Option 61, for the answer (RFC 6842).
    identifier: Option<Vec<u8>>,
    /// Option 82, for the answer (RFC 3046).
    relay_agent: Option<Vec<u8>>,
    head: borrowed::Message<'p>,
}

/// The relay agent's address in a packet, which says which network it is for;
/// none where the client is on the link, or the packet is nothing.
pub fn relay_of(packet: &[u8]) -> Option<Ipv4Addr> {
    let head = borrowed::Message::new(packet).ok()?;
    Some(head.giaddr()).filter(|address| !address.is_unspecified())
}

impl<'p> Request<'p> {
    /// None for what is not a request of an Ethernet client.
    pub fn read(packet: &'p [u8]) -> Option<Self> {
        let head = borrowed::Message::new(packet).ok()?;
        let is_ethernet = head.htype() == HType::Eth && head.hlen() == 6;
        if head.opcode() != Opcode::BootRequest || !is_ethernet || packet[236..240] != MAGIC {
            return None;
        }
        let mac = Mac(head.chaddr().try_into().ok()?);
        let mut request = Self {
            sort: MessageType::Unknown(0),
            mac,
            client: format!("01{}", hex(&mac.0)),
            name: None,
            ciaddr: Some(head.ciaddr()).filter(|a| !a.is_unspecified()),
            requested: None,
            server: None,
            time: None,
            wishes: None,
            maximum: LEAST_MAXIMUM,
            identifier: None,
            relay_agent: None,
            head,
        };
        for option in request.head.opts() {
            request.take(u8::from(option.code()), option.data());
        }
        (!mac.is_group()).then_some(request)
    }

    fn take(&mut self, code: u8, data: &[u8]) {
        let four = || <[u8; 4]>::try_from(data).ok();
        match code {
            12 => self.name = label(data).or(self.name.take()),
            // Flags, two bytes of no meaning, the name as text or as labels (RFC 4702).
            81 if self.name.is_none() && data.len() > 3 => {
                let in_labels = data[0] & 4 != 0;
                let name = &data[3 + usize::from(in_labels)..];
                let length = if in_labels { usize::from(data[3]) } else { name.len() };
                self.name = label(&name[..length.min(name.len())]);
            }
            50 => self.requested = four().map(Ipv4Addr::from).filter(|a| !a.is_unspecified()),
            51 => self.time = four().map(u32::from_be_bytes),
            53 => self.sort = data.first().map_or(MessageType::Unknown(0), |b| (*b).into()),
            54 => self.server = four().map(Ipv4Addr::from),
            55 => self.wishes = Some(data.to_vec()),
            57 => {
                let said = <[u8; 2]>::try_from(data).map_or(0, u16::from_be_bytes);
                self.maximum = usize::from(said).saturating_sub(28).max(LEAST_MAXIMUM);
            }
            61 if !data.is_empty() => {
                self.client = hex(data);
                self.identifier = Some(data.to_vec());
            }
            82 => self.relay_agent = Some(data.to_vec()),
            _ => {}
        }
    }

    /// True where a relay agent brought it.
    pub fn is_relayed(&self) -> bool {
        !self.head.giaddr().is_unspecified()
    }

    fn wishes(&self, code: u8) -> bool {
        self.wishes.as_ref().is_none_or(|wishes| wishes.contains(&code))
    }
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|b| [b >> 4, b & 15]);
    digits.map(|d| char::from(DIGITS[usize::from(d)])).collect()
}

/// The first label of a name that a client calls itself, where it is one (RFC 1123).
fn label(data: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(data).ok()?.trim_end_matches('\0');
    let first = text.split('.').next()?.to_ascii_lowercase();
    let plain = first.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let edges = !first.starts_with('-') && !first.ends_with('-');
    (!first.is_empty() && first.len() <= 63 && plain && edges).then_some(first)
}

/// The time of a lease: what the client asks for, within what the file says.
pub(super) fn lease_time(config: &Dhcp4, request: &Request<'_>) -> u32 {
    request.time.filter(|time| *time > 0).map_or(config.lease, |time| time.min(config.lease))
}

/// An answer with an address or, to DHCPINFORM and as a refusal, without one.
pub(super) fn reply(
    config: &Dhcp4,
    request: &Request<'_>,
    sort: MessageType,
    address: Option<Ipv4Addr>,
) -> Option<Reply> {
    let head = &request.head;
    let giaddr = head.giaddr();
    let none = Ipv4Addr::UNSPECIFIED;
    let is_nak = sort == MessageType::Nak;
    let ciaddr = request.ciaddr.filter(|_| !is_nak).unwrap_or(none);
    let mut flags = head.flags();
    if is_nak && !giaddr.is_unspecified() {
        // The client cannot be reached by an address it may not have (RFC 2131, 4.3.2).
        flags = Flags::default().set_broadcast();
    }
    let mut message = Message::new_with_id(
        head.xid(),
        ciaddr,
        address.unwrap_or(none),
        none,
        giaddr,
        head.chaddr(),
    );
    message.set_opcode(Opcode::BootReply).set_htype(head.htype()).set_flags(flags);
    let mut add = |option: DhcpOption| {
        message.opts_mut().insert(option);
    };
    add(DhcpOption::MessageType(sort));
    add(DhcpOption::ServerIdentifier(config.server));
    if let Some(identifier) = &request.identifier {
        add(DhcpOption::ClientIdentifier(identifier.clone()));
    }
    if address.is_some() {
        let time = lease_time(config, request);
        add(DhcpOption::AddressLeaseTime(time));
        if time != u32::MAX {
            add(DhcpOption::Renewal(time / 2));
            add(DhcpOption::Rebinding(time / 8 * 7 + time % 8 * 7 / 8));
        }
    }
    if !is_nak {
        settings(config, request, &mut add);
    }
    if let Some(relay_agent) = &request.relay_agent {
        let code = OptionCode::RelayAgentInformation;
        add(DhcpOption::Unknown(UnknownOption::new(code, relay_agent.clone())));
    }
    let bytes = encode(message, request.maximum)?;
    Some(Reply { to: destination(request, is_nak, address), bytes })
}

/// Options that configure the client: the mask always, the rest as it wishes.
fn settings(config: &Dhcp4, request: &Request<'_>, add: &mut impl FnMut(DhcpOption)) {
    add(DhcpOption::SubnetMask(config.subnet.netmask()));
    if let Some(gateway) = config.gateway {
        add(DhcpOption::Router(vec![gateway]));
    }
    if !config.dns.is_empty() {
        add(DhcpOption::DomainNameServer(config.dns.clone()));
    }
    if let Some(domain) = config.domain.as_ref().filter(|_| request.wishes(15)) {
        add(DhcpOption::DomainName(domain.clone()));
    }
    if request.wishes(28) {
        add(DhcpOption::BroadcastAddr(config.subnet.broadcast()));
    }
    if let Some(mtu) = config.mtu.filter(|_| request.wishes(26)) {
        add(DhcpOption::InterfaceMtu(mtu));
    }
    for (code, data) in &config.options {
        let always = matches!(code, 1 | 3 | 6);
        if always || request.wishes(*code) {
            let code = OptionCode::from(*code);
            add(DhcpOption::Unknown(UnknownOption::new(code, data.clone())));
        }
    }
}

/// As bytes, without the options of the highest codes where the client does not
/// take so much; those of the protocol itself stay.
fn encode(mut message: Message, maximum: usize) -> Option<Vec<u8>> {
    loop {
        let mut bytes = Vec::with_capacity(BOOTP);
        message.encode(&mut Encoder::new(&mut bytes)).ok()?;
        if bytes.len() <= maximum {
            bytes.resize(bytes.len().max(BOOTP), 0);
            return Some(bytes);
        }
        let spare = |code: u8| !matches!(code, 1 | 3 | 6 | 50..=61 | 82);
        let last = message.opts().iter().map(|(code, _)| u8::from(*code)).filter(|c| spare(*c));
        let last = last.max()?;
        message.opts_mut().remove(OptionCode::from(last));
    }
}

fn destination(request: &Request<'_>, is_nak: bool, address: Option<Ipv4Addr>) -> To {
    let giaddr = request.head.giaddr();
    if !giaddr.is_unspecified() {
        return To::Relay(giaddr);
    }
    match (request.ciaddr, address) {
        _ if is_nak => To::Broadcast,
        (Some(client), _) => To::Client(client),
        (None, Some(address)) if !request.head.flags().broadcast() => {
            To::Hardware(request.mac, address)
        }
        _ => To::Broadcast,
    }
}

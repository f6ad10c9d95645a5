//! DHCPv6 messages read and written; the format is `dhcproto`'s.
//!
//! The codec (0.15) trusts lengths where it should not: a status code shorter
//! than its number makes it panic, options that hold options use up the stack,
//! and of a message that is cut short it reads the beginning. So what comes from
//! strangers is [`sifted`] before: options that are of no use here are left out,
//! and a message that is not as long as it says is none.

use std::net::Ipv6Addr;

use dhcproto::v6::{
    DhcpOption, DhcpOptions, IAAddr, IAPD, IAPrefix, Message, MessageType, OptionCode, Status,
    StatusCode,
};
use dhcproto::v6::{IANA, ORO, UnknownOption};
use dhcproto::{Decodable, Decoder, Encodable, Encoder};
use ipnet::Ipv6Net;

use crate::addr::Mac;

/// The most that is read of a datagram, in bytes: more than any Ethernet's frame.
pub const LONGEST: usize = 9_216;

/// How deep options may hold options: a status code in an address in an
/// association in a message.
const DEEPEST: usize = 3;

/// OPTION_CLIENT_FQDN (RFC 4704).
const FQDN: u16 = 39;

/// A message without what is of no use here; none where it is not whole.
fn sifted(packet: &[u8]) -> Option<Vec<u8>> {
    let (head, options) = packet.split_at_checked(4)?;
    // Messages of relay agents have another head.
    if packet.len() > LONGEST || matches!(head[0], 12 | 13) {
        return None;
    }
    let mut whole = head.to_vec();
    sift(options, 0, &mut whole)?;
    Some(whole)
}

fn sift(mut rest: &[u8], depth: usize, whole: &mut Vec<u8>) -> Option<()> {
    while !rest.is_empty() {
        let (head, after) = rest.split_at_checked(4)?;
        let code = u16::from_be_bytes([head[0], head[1]]);
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let (value, next) = after.split_at_checked(length)?;
        rest = next;
        // The bytes before the options within, where there are such.
        let within = match code {
            3 | 25 => Some(12),
            5 => Some(24),
            26 => Some(25),
            // Identifiers; at most 130 bytes (RFC 8415, 11.1).
            1 | 2 if !(3..=130).contains(&length) => return None,
            1 | 2 | 6 | FQDN => None,
            7 if length == 1 => None,
            8 if length == 2 => None,
            13 if length >= 2 => None,
            14 if length == 0 => None,
            23 if length % 16 == 0 => None,
            24 => None,
            7 | 8 | 13 | 14 | 23 => return None,
            _ => continue,
        };
        let start = whole.len();
        whole.extend(head);
        match within {
            None => whole.extend(value),
            Some(at) => {
                let (fixed, options) = value.split_at_checked(at)?;
                if depth + 1 > DEEPEST {
                    return None;
                }
                whole.extend(fixed);
                sift(options, depth + 1, whole)?;
                let length = u16::try_from(whole.len() - start - 4).ok()?;
                whole[start + 2..start + 4].copy_from_slice(&length.to_be_bytes());
            }
        }
    }
    Some(())
}

/// Reads a message; none where it is none, or not whole.
pub fn read(packet: &[u8]) -> Option<Message> {
    let whole = sifted(packet)?;
    Message::decode(&mut Decoder::new(&whole)).ok()
}

/// The bytes of a message; none where it does not fit one.
pub fn bytes(message: &Message) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    message.encode(&mut Encoder::new(&mut bytes)).ok()?;
    Some(bytes)
}

/// An answer to a message, with the identifiers of both.
pub fn message(sort: MessageType, xid: [u8; 3], client: Option<&[u8]>, server: &[u8]) -> Message {
    let mut message = Message::new_with_id(sort, xid);
    let options = message.opts_mut();
    options.insert(DhcpOption::ServerId(server.to_vec()));
    if let Some(client) = client {
        options.insert(DhcpOption::ClientId(client.to_vec()));
    }
    message
}

/// The client's identifier.
pub fn client(message: &Message) -> Option<&[u8]> {
    match message.opts().get(OptionCode::ClientId)? {
        DhcpOption::ClientId(duid) => Some(duid),
        _ => None,
    }
}

/// The server's identifier.
pub fn server(message: &Message) -> Option<&[u8]> {
    match message.opts().get(OptionCode::ServerId)? {
        DhcpOption::ServerId(duid) => Some(duid),
        _ => None,
    }
}

/// An association of a message: addresses, or prefixes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Association {
    /// Prefixes (`IA_PD`), not addresses (`IA_NA`).
    pub is_prefix: bool,
    /// The client's number for it.
    pub iaid: u32,
    /// When to renew, in seconds; 0 leaves it to the client.
    pub t1: u32,
    /// When to ask any server, likewise.
    pub t2: u32,
    /// What is in it: addresses have 128 bits. Prefixes of the length 0 are no wish.
    pub items: Vec<Item>,
    /// What the server says of it.
    pub status: Option<Status>,
}

/// An address or a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// It.
    pub net: Ipv6Net,
    /// Seconds.
    pub preferred: u32,
    /// Seconds; 0 takes it back.
    pub valid: u32,
}

/// The associations of a message, addresses first.
pub fn associations(message: &Message) -> Vec<Association> {
    message.opts().iter().filter_map(association).collect()
}

fn association(option: &DhcpOption) -> Option<Association> {
    let (is_prefix, (iaid, t1, t2, options)) = match option {
        DhcpOption::IANA(ia) => (false, (ia.id, ia.t1, ia.t2, &ia.opts)),
        DhcpOption::IAPD(ia) => (true, (ia.id, ia.t1, ia.t2, &ia.opts)),
        _ => return None,
    };
    let item = |option: &DhcpOption| match option {
        DhcpOption::IAAddr(one) if !is_prefix => Some(Item {
            net: one.addr.into(),
            preferred: one.preferred_life,
            valid: one.valid_life,
        }),
        DhcpOption::IAPrefix(one) if is_prefix => Some(Item {
            net: Ipv6Net::new(one.prefix_ip, one.prefix_len).ok()?,
            preferred: one.preferred_lifetime,
            valid: one.valid_lifetime,
        }),
        _ => None,
    };
    let items = options.iter().filter_map(item).collect();
    Some(Association { is_prefix, iaid, t1, t2, items, status: status(options) })
}

/// The status among options.
pub fn status(options: &DhcpOptions) -> Option<Status> {
    match options.get(OptionCode::StatusCode)? {
        DhcpOption::StatusCode(code) => Some(code.status),
        _ => None,
    }
}

impl Association {
    /// As an option of a message.
    pub fn option(&self, why: &str) -> DhcpOption {
        let mut opts = DhcpOptions::new();
        for item in &self.items {
            let opts_within = DhcpOptions::new();
            opts.insert(match self.is_prefix {
                false => DhcpOption::IAAddr(IAAddr {
                    addr: item.net.addr(),
                    preferred_life: item.preferred,
                    valid_life: item.valid,
                    opts: opts_within,
                }),
                true => DhcpOption::IAPrefix(IAPrefix {
                    preferred_lifetime: item.preferred,
                    valid_lifetime: item.valid,
                    prefix_len: item.net.prefix_len(),
                    prefix_ip: item.net.addr(),
                    opts: opts_within,
                }),
            });
        }
        opts.extend_status(self.status, why);
        let (id, t1, t2) = (self.iaid, self.t1, self.t2);
        match self.is_prefix {
            false => DhcpOption::IANA(IANA { id, t1, t2, opts }),
            true => DhcpOption::IAPD(IAPD { id, t1, t2, opts }),
        }
    }
}

/// Adds a status to options.
pub trait Statused {
    /// Where there is one.
    fn extend_status(&mut self, status: Option<Status>, why: &str);
}

impl Statused for DhcpOptions {
    fn extend_status(&mut self, status: Option<Status>, why: &str) {
        if let Some(status) = status {
            self.insert(DhcpOption::StatusCode(StatusCode { status, msg: why.to_owned() }));
        }
    }
}

/// True when the client wishes for that option, or does not say what it wishes for.
pub fn wishes(message: &Message, code: OptionCode) -> bool {
    match message.opts().get(OptionCode::ORO) {
        Some(DhcpOption::ORO(ORO { opts })) => opts.contains(&code),
        _ => true,
    }
}

/// The client's own name: the first label of its option 39.
pub fn name(message: &Message) -> Option<String> {
    let DhcpOption::Unknown(option) = message.opts().get(OptionCode::ClientFqdn)? else {
        return None;
    };
    // Flags, then the name in labels (RFC 4704, 4).
    let (&length, rest) = option.data().get(1..)?.split_first()?;
    let label = rest.get(..usize::from(length))?;
    let plain = |b: &u8| b.is_ascii_alphanumeric() || *b == b'-';
    let good = (1..=63).contains(&length) && label.iter().all(plain) && label[0] != b'-';
    good.then(|| label.iter().map(|b| char::from(b.to_ascii_lowercase())).collect())
}

/// The option by which a client says its name.
pub fn named(hostname: &str) -> Option<DhcpOption> {
    let label = hostname.split('.').next().filter(|label| (1..=63).contains(&label.len()))?;
    // The flag S: the server may make the name known (RFC 4704, 4.1).
    let data = [&[1, label.len() as u8], label.as_bytes()].concat();
    Some(DhcpOption::Unknown(UnknownOption::new(OptionCode::ClientFqdn, data)))
}

/// Name servers.
pub fn servers(message: &Message) -> Vec<Ipv6Addr> {
    match message.opts().get(OptionCode::DomainNameServers) {
        Some(DhcpOption::DomainNameServers(servers)) => servers.clone(),
        _ => Vec::new(),
    }
}

/// Domains that are tried after a short name. They go into files that others
/// read, so what is no plain name is left out.
pub fn search(message: &Message) -> Vec<String> {
    let Some(DhcpOption::DomainSearchList(names)) =
        message.opts().get(OptionCode::DomainSearchList)
    else {
        return Vec::new();
    };
    let names = names.iter().map(|name| name.to_ascii().trim_end_matches('.').to_owned());
    let plain = |name: &String| {
        !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
    };
    names.filter(plain).collect()
}

/// The hardware address in an identifier (RFC 8415, 11.2 and 11.4), else in the
/// address the message came from (RFC 4291, appendix A).
pub fn mac(duid: &[u8], from: Ipv6Addr) -> Option<Mac> {
    let at = match duid {
        [0, 1, 0, 1, _, _, _, _, mac @ ..] | [0, 3, 0, 1, mac @ ..] => mac,
        _ => return mac_of_address(from),
    };
    Some(Mac(at.try_into().ok()?))
}

fn mac_of_address(address: Ipv6Addr) -> Option<Mac> {
    match address.octets()[8..] {
        [a, b, c, 0xff, 0xfe, d, e, f] => Some(Mac([a ^ 2, b, c, d, e, f])),
        _ => None,
    }
}

/// Hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(code: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = code.to_be_bytes().to_vec();
        bytes.extend((value.len() as u16).to_be_bytes());
        bytes.extend(value);
        bytes
    }

    fn packet(options: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = vec![1, 0, 0, 1];
        options.iter().for_each(|o| bytes.extend(o));
        bytes
    }

    #[test]
    fn what_the_codec_panics_at_does_not_come_to_it() {
        for bad in [
            option(13, &[0]),
            option(3, &[0; 11]),
            option(3, &[[0; 12].to_vec(), option(13, &[])].concat()),
            option(1, &[0]),
        ] {
            assert_eq!(read(&packet(&[option(6, &[0, 23]), bad.clone()])), None, "{bad:?}");
        }
        // A vendor's own are none of ours, whatever they say.
        for passed in
            [option(16, &[0; 3]), option(17, &[0; 3]), option(11, &[0; 10]), option(9, &[7; 90])]
        {
            assert!(read(&packet(&[option(1, b"duid"), passed])).is_some());
        }
    }

    #[test]
    fn options_within_options_have_an_end() {
        let mut inner = Vec::new();
        for _ in 0..500 {
            inner = option(3, &[vec![0; 12], inner].concat());
        }
        assert_eq!(read(&packet(&[inner])), None);
    }

    #[test]
    fn a_message_that_is_cut_short_is_none() {
        let whole = packet(&[option(1, b"a client"), option(3, &[0; 12])]);
        for length in 0..whole.len() {
            assert_eq!(read(&whole[..length]).is_some(), [4, 16].contains(&length), "{length}");
        }
        assert_eq!(client(&read(&whole).unwrap()), Some(&b"a client"[..]));
    }

    #[test]
    fn an_association_is_read_as_it_was_written() {
        for (is_prefix, net) in [(false, "fd00::7/128"), (true, "fd00:8000::/64")] {
            let item = Item { net: net.parse().unwrap(), preferred: 10, valid: 20 };
            let one = Association {
                is_prefix,
                iaid: 7,
                t1: 1,
                t2: 2,
                items: vec![item],
                status: Some(Status::NoBinding),
            };
            let mut message = message(MessageType::Reply, [1, 2, 3], Some(b"client"), b"server");
            message.opts_mut().insert(one.option("no such lease"));
            let heard = read(&bytes(&message).unwrap()).unwrap();
            assert_eq!(associations(&heard), [one]);
            assert_eq!(
                (client(&heard), server(&heard)),
                (Some(&b"client"[..]), Some(&b"server"[..]))
            );
        }
    }

    #[test]
    fn a_client_is_known_by_its_hardware_address() {
        let mac_is = Some(Mac([2, 0, 0, 0, 0, 9]));
        let from = "fe80::ff:fe00:9".parse().unwrap();
        assert_eq!(mac(&[0, 3, 0, 1, 2, 0, 0, 0, 0, 9], Ipv6Addr::UNSPECIFIED), mac_is);
        assert_eq!(mac(&[0, 1, 0, 1, 9, 9, 9, 9, 2, 0, 0, 0, 0, 9], Ipv6Addr::UNSPECIFIED), mac_is);
        assert_eq!(mac(&[0, 4, 1, 1], from), mac_is);
        assert_eq!(mac(&[0, 4, 1, 1], "fe80::1".parse().unwrap()), None);
    }

    #[test]
    fn a_clients_name_is_a_label() {
        let named = |value: &[u8]| name(&read(&packet(&[option(39, value)])).unwrap());
        assert_eq!(named(b"\x01\x06Laptop"), Some("laptop".to_owned()));
        assert_eq!(named(b"\x01\x06laptop\x03lan\0"), Some("laptop".to_owned()));
        for bad in [&b"\x01\x03a b"[..], b"\x01\x00", b"\x01", b"", b"\x01\x40"] {
            assert_eq!(named(bad), None);
        }
    }
}

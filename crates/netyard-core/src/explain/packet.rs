//! The packet that is followed, and how it is known again when addresses and
//! ports were translated.

use std::fmt;
use std::net::IpAddr;

use serde::Serialize;

use super::Direction;
use crate::wire::trace::Pattern;

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An ICMP echo request.
    Ping,
    /// The first segment of a TCP connection.
    Tcp,
    /// A UDP datagram.
    Udp,
}

impl Kind {
    /// The number in the IP header.
    pub fn number(self, ipv6: bool) -> u8 {
        match (self, ipv6) {
            (Self::Ping, false) => 1,
            (Self::Ping, true) => 58,
            (Self::Tcp, _) => 6,
            (Self::Udp, _) => 17,
        }
    }

    /// `ping`, `tcp`, `udp`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// A packet's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Packet {
    /// What it is.
    pub kind: Kind,
    /// From where.
    pub source: IpAddr,
    /// To where.
    pub destination: IpAddr,
    /// Source port, or the number of a ping.
    pub source_port: u16,
    /// Destination port; 0 for a ping.
    pub destination_port: u16,
    /// The whole IP packet, in bytes.
    pub size: u32,
}

impl Packet {
    /// The answer to it.
    pub fn answer(&self) -> Self {
        let (source_port, destination_port) = match self.kind {
            Kind::Ping => (self.source_port, 0),
            _ => (self.destination_port, self.source_port),
        };
        Self {
            source: self.destination,
            destination: self.source,
            source_port,
            destination_port,
            ..*self
        }
    }

    /// Layer-4 protocol and ports.
    pub fn flow(&self) -> (u8, u16, u16) {
        let number = self.kind.number(self.destination.is_ipv6());
        (number, self.source_port, self.destination_port)
    }
}

/// `10.0.0.1:5000 → 10.0.0.2:53`; pings without ports.
impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = |address: IpAddr, port: u16| match (self.kind, address) {
            (Kind::Ping, _) => address.to_string(),
            (_, IpAddr::V4(_)) => format!("{address}:{port}"),
            (_, IpAddr::V6(_)) => format!("[{address}]:{port}"),
        };
        let from = end(self.source, self.source_port);
        write!(f, "{from} → {}", end(self.destination, self.destination_port))
    }
}

/// Four bytes in the packet that nobody else's has: of the payload, or a TCP
/// connection's first sequence number. Answers have the next number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token(pub u32);

impl Token {
    /// What an answer to it has.
    pub fn answer(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// As it is on the wire.
    pub fn bytes(self) -> [u8; 4] {
        self.0.to_be_bytes()
    }
}

/// Where the token is in the transport header and what follows it.
fn token_at(kind: Kind) -> u32 {
    match kind {
        Kind::Ping | Kind::Udp => 8,
        Kind::Tcp => 4,
    }
}

/// What is to be traced: the packet, its answer, and ICMP errors about it.
pub fn patterns(packet: &Packet, token: Token) -> Vec<Pattern> {
    let ipv6 = packet.destination.is_ipv6();
    let number = packet.kind.number(ipv6);
    let port = packet.source_port.to_be_bytes().to_vec();
    let one = |protocol, offset, bytes: &[u8]| Pattern {
        protocol,
        bytes: vec![(offset, bytes.to_vec())],
    };
    let mut all = vec![one(number, token_at(packet.kind), &token.bytes())];
    match packet.kind {
        // The answer repeats the payload.
        Kind::Ping => {}
        Kind::Udp => {
            all.push(one(number, 8, &token.answer().bytes()));
            all.push(one(number, 2, &port));
        }
        // Acknowledges the sequence number after the first.
        Kind::Tcp => all.push(one(number, 8, &token.answer().bytes())),
    }
    let (errors, inner) = if ipv6 { (58, 8 + 40) } else { (1, 8 + 20) };
    all.push(one(errors, inner + token_at(packet.kind), &token.bytes()));
    all
}

/// What a traced packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traced {
    /// The question or its answer.
    Ours(Direction, Packet),
    /// An ICMP error: type, code, and who sent it.
    Error(u8, u8, IpAddr),
}

/// Reads the headers of a traced packet; `sent` is what was sent.
pub fn read(network: &[u8], transport: &[u8], sent: &Packet, token: Token) -> Option<Traced> {
    let (source, destination, protocol, size): (IpAddr, IpAddr, u8, u16) =
        match network.first()? >> 4 {
            4 => (
                <[u8; 4]>::try_from(network.get(12..16)?).ok()?.into(),
                <[u8; 4]>::try_from(network.get(16..20)?).ok()?.into(),
                *network.get(9)?,
                u16::from_be_bytes(network.get(2..4)?.try_into().ok()?),
            ),
            6 => (
                <[u8; 16]>::try_from(network.get(8..24)?).ok()?.into(),
                <[u8; 16]>::try_from(network.get(24..40)?).ok()?.into(),
                *network.get(6)?,
                u16::from_be_bytes(network.get(4..6)?.try_into().ok()?).saturating_add(40),
            ),
            _ => return None,
        };
    let half = |at: usize| Some(u16::from_be_bytes(transport.get(at..at + 2)?.try_into().ok()?));
    let word = |at: usize| Some(u32::from_be_bytes(transport.get(at..at + 4)?.try_into().ok()?));
    let packet = |source_port, destination_port| Packet {
        kind: sent.kind,
        source,
        destination,
        source_port,
        destination_port,
        size: size.into(),
    };
    let ours = |direction, packet| Some(Traced::Ours(direction, packet));
    match (protocol, sent.kind) {
        (1 | 58, kind) => match (*transport.first()?, kind) {
            (8 | 128, Kind::Ping) => ours(Direction::There, packet(half(4)?, 0)),
            (0 | 129, Kind::Ping) => ours(Direction::Back, packet(half(4)?, 0)),
            (ty, _) => Some(Traced::Error(ty, *transport.get(1)?, source)),
        },
        (17, Kind::Udp) => {
            let direction = match word(8) {
                Some(word) if word == token.0 => Direction::There,
                _ => Direction::Back,
            };
            ours(direction, packet(half(0)?, half(2)?))
        }
        (6, Kind::Tcp) => {
            let there = word(4)? == token.0;
            let direction = if there { Direction::There } else { Direction::Back };
            ours(direction, packet(half(0)?, half(2)?))
        }
        _ => None,
    }
}

/// What an ICMP error says, in words (RFC 792, RFC 1812, RFC 4443).
pub fn error_words(ty: u8, code: u8, ipv6: bool) -> String {
    let words = match (ipv6, ty, code) {
        (false, 3, 0) | (true, 1, 0) => "network unreachable",
        (false, 3, 1) | (true, 1, 3) => "host unreachable",
        (false, 3, 2) => "protocol unreachable",
        (false, 3, 3) | (true, 1, 4) => "port unreachable",
        (false, 3, 4) | (true, 2, _) => "packet too big",
        (false, 3, 9 | 10 | 13) | (true, 1, 1) => "administratively prohibited",
        (true, 1, 5 | 6) => "refused by policy",
        (false, 11, _) | (true, 3, _) => "time exceeded",
        (false, 5, _) | (true, 137, _) => "redirect",
        _ => return format!("ICMP error of type {ty}, code {code}"),
    };
    words.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(kind: Kind) -> Packet {
        let [source, destination] = ["10.0.0.1", "10.0.0.2"].map(|text| text.parse().unwrap());
        let destination_port = if kind == Kind::Ping { 0 } else { 53 };
        Packet { kind, source, destination, source_port: 4000, destination_port, size: 84 }
    }

    fn ip(protocol: u8) -> Vec<u8> {
        let mut header = vec![0x45, 0, 0, 84, 0, 0, 0, 0, 64, protocol, 0, 0];
        header.extend([10, 0, 0, 1, 192, 0, 2, 9]);
        header
    }

    #[test]
    fn a_translated_packet_is_known_by_its_token() {
        let token = Token(0xfeed_0001);
        let mut udp = [7000_u16.to_be_bytes(), 99_u16.to_be_bytes()].concat();
        udp.extend([0, 12, 0, 0]);
        udp.extend(token.bytes());
        let Some(Traced::Ours(direction, packet)) = read(&ip(17), &udp, &sent(Kind::Udp), token)
        else {
            panic!()
        };
        assert_eq!(direction, Direction::There);
        assert_eq!(packet.to_string(), "10.0.0.1:7000 → 192.0.2.9:99");
        udp[11] ^= 3;
        let back = read(&ip(17), &udp, &sent(Kind::Udp), token);
        assert!(matches!(back, Some(Traced::Ours(Direction::Back, _))));
    }

    #[test]
    fn an_icmp_error_is_none_of_the_packets() {
        let error = read(&ip(1), &[3, 4, 0, 0, 0, 0, 0, 0], &sent(Kind::Tcp), Token(1));
        assert_eq!(error, Some(Traced::Error(3, 4, "10.0.0.1".parse().unwrap())));
        assert_eq!(error_words(3, 4, false), "packet too big");
    }

    #[test]
    fn rubbish_is_nothing() {
        assert_eq!(read(&[], &[], &sent(Kind::Udp), Token(1)), None);
        assert_eq!(read(&ip(17), &[1], &sent(Kind::Udp), Token(1)), None);
    }
}

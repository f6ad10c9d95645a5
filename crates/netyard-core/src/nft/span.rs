//! Values of sets as numbers, and ranges of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::SetKind;
use super::expr::{Element, INTERVAL_END};

/// A range of values, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub first: u128,
    pub last: u128,
}

impl SetKind {
    /// Length of a value, in bytes.
    pub(crate) fn len(self) -> u32 {
        match self {
            Self::Ipv4 => 4,
            Self::Ipv6 | Self::Interface => 16,
            Self::Port => 2,
        }
    }

    /// nft's number for it (`enum datatypes`, include/datatype.h of nftables).
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::Ipv4 => 7,
            Self::Ipv6 => 8,
            Self::Port => 13,
            Self::Interface => 41,
        }
    }

    /// The greatest value.
    fn max(self) -> u128 {
        u128::MAX >> (128 - 8 * self.len())
    }

    /// A value as the kernel has it.
    pub(crate) fn bytes(self, value: u128) -> Vec<u8> {
        value.to_be_bytes()[16 - self.len() as usize..].to_vec()
    }

    /// Reads an element: `10.0.0.0/8`, `10.0.0.5`, `1024-2048`, `eth0`, `wlan*`.
    pub(crate) fn span(self, element: &str) -> Option<Span> {
        if self == Self::Interface {
            return interface(element);
        }
        let one = |text: &str| match self {
            Self::Ipv4 => text.parse().ok().map(|ip: Ipv4Addr| u128::from(u32::from(ip))),
            Self::Ipv6 => text.parse().ok().map(|ip: Ipv6Addr| u128::from(ip)),
            _ => text.parse().ok().map(|port: u16| u128::from(port)),
        };
        if let Some(value) = one(element) {
            return Some(Span { first: value, last: value });
        }
        if let Some((first, last)) = element.split_once('-') {
            let (first, last) = (one(first)?, one(last)?);
            return (first <= last).then_some(Span { first, last });
        }
        let net: IpNet = element.parse().ok()?;
        (net.addr().is_ipv4() == (self == Self::Ipv4)).then(|| Span::of_net(&net))
    }

    /// As nft writes it.
    pub(crate) fn text(self, span: Span) -> String {
        match self {
            Self::Port if span.first == span.last => span.first.to_string(),
            Self::Port => format!("{}-{}", span.first, span.last),
            Self::Interface => {
                let bytes = span.first.to_be_bytes();
                let end = bytes.iter().position(|b| *b == 0).unwrap_or(16);
                let name = String::from_utf8_lossy(&bytes[..end]);
                if span.first == span.last { name.into_owned() } else { format!("{name}*") }
            }
            Self::Ipv4 | Self::Ipv6 => {
                let ip = |value: u128| match self {
                    Self::Ipv4 => IpAddr::V4(Ipv4Addr::from(value as u32)),
                    _ => IpAddr::V6(Ipv6Addr::from(value)),
                };
                let (first, last) = (ip(span.first), ip(span.last));
                match super::text::spanned(first, last) {
                    _ if first == last => first.to_string(),
                    Some(net) => net.to_string(),
                    None => format!("{first}-{last}"),
                }
            }
        }
    }

    /// Ranges as elements of a set of intervals: where each begins and where it
    /// has ended, as nft lays them down.
    pub(crate) fn intervals(self, spans: &[Span]) -> Vec<Element> {
        let begin = |value| Element { key: self.bytes(value), ..Element::default() };
        let end = |value| Element { flags: INTERVAL_END, ..begin(value) };
        let mut elements = Vec::with_capacity(2 * spans.len() + 1);
        if spans.first().is_some_and(|span| span.first != 0) {
            elements.push(end(0));
        }
        for span in spans {
            elements.push(begin(span.first));
            if span.last < self.max() {
                elements.push(end(span.last + 1));
            }
        }
        elements
    }

    /// Reads what [`Self::intervals`] writes, in any order.
    pub(crate) fn spans(self, elements: &[Element]) -> Vec<Span> {
        let value = |e: &Element| e.key.iter().fold(0_u128, |all, b| all << 8 | u128::from(*b));
        let mut marks: Vec<(u128, bool)> =
            elements.iter().map(|e| (value(e), e.flags & INTERVAL_END == 0)).collect();
        // The end of one range comes before the beginning of the next.
        marks.sort_unstable();
        let mut spans = Vec::new();
        let mut open = None;
        for (value, begins) in marks {
            if let Some(first) = open.take()
                && value > 0
            {
                spans.push(Span { first, last: value - 1 });
            }
            if begins {
                open = Some(value);
            }
        }
        spans.extend(open.map(|first| Span { first, last: self.max() }));
        spans
    }
}

impl Span {
    /// All addresses of a prefix.
    pub fn of_net(net: &IpNet) -> Self {
        let number = |ip: IpAddr| match ip {
            IpAddr::V4(ip) => u128::from(u32::from(ip)),
            IpAddr::V6(ip) => u128::from(ip),
        };
        Self { first: number(net.network()), last: number(net.broadcast()) }
    }

    /// Sorted, and ranges that overlap made one.
    pub fn disjoint(mut spans: Vec<Self>) -> Vec<Self> {
        spans.sort_unstable();
        let mut kept: Vec<Self> = Vec::with_capacity(spans.len());
        for span in spans {
            match kept.last_mut() {
                Some(last) if span.first <= last.last => last.last = last.last.max(span.last),
                _ => kept.push(span),
            }
        }
        kept
    }
}

/// A name, or all that begin so: as a text of sixteen bytes it is a number.
fn interface(element: &str) -> Option<Span> {
    let (name, rest) = match element.strip_suffix('*') {
        Some(beginning) => (beginning, 0xff),
        None => (element, 0),
    };
    if name.len() > 15 {
        return None;
    }
    let number = |fill: u8| {
        let mut bytes = [fill; 16];
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        u128::from_be_bytes(bytes)
    };
    Some(Span { first: number(0), last: number(rest) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_read_as_they_were_written() {
        let all = [
            (SetKind::Ipv4, vec!["0.0.0.0/8", "10.0.0.5", "10.0.0.7-10.0.0.9", "224.0.0.0/3"]),
            (SetKind::Ipv6, vec!["fd00::/8", "fc99::1", "fe80::1-fe80::5"]),
            (SetKind::Port, vec!["0-5", "22", "1024-65535"]),
            (SetKind::Interface, vec!["eth0", "wlan*", "x"]),
        ];
        for (kind, elements) in all {
            let mut spans: Vec<Span> = elements.iter().map(|e| kind.span(e).unwrap()).collect();
            spans.sort();
            let mut marks = kind.intervals(&spans);
            marks.reverse();
            assert_eq!(kind.spans(&marks), spans, "{kind:?}");
            let mut texts: Vec<String> = spans.iter().map(|s| kind.text(*s)).collect();
            let mut elements: Vec<String> = elements.iter().map(|e| e.to_string()).collect();
            texts.sort();
            elements.sort();
            assert_eq!(texts, elements);
        }
    }

    #[test]
    fn neighbours_stay_apart() {
        let spans: Vec<Span> =
            ["10.0.0.0/8", "11.0.0.0/8"].iter().map(|e| SetKind::Ipv4.span(e).unwrap()).collect();
        assert_eq!(SetKind::Ipv4.spans(&SetKind::Ipv4.intervals(&spans)), spans);
    }

    #[test]
    fn what_is_no_element_is_none() {
        for (kind, text) in [
            (SetKind::Ipv4, "fd00::1"),
            (SetKind::Ipv4, "fd00::/8"),
            (SetKind::Port, "70000"),
            (SetKind::Port, "9-8"),
            (SetKind::Interface, "a-name-that-is-too-long"),
        ] {
            assert_eq!(kind.span(text), None, "{text}");
        }
    }
}

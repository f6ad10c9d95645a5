//! Texts that are times, percentages, rates and addresses.

use std::net::IpAddr;

use ipnet::IpNet;

/// A decimal number times a power of ten that is a whole number, exactly.
fn scaled(number: &str, scale: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut value = whole.parse::<u64>().ok()?.checked_mul(scale)?;
    let mut place = scale;
    for digit in fraction.bytes().map(|b| u64::from(b - b'0')) {
        // Digits finer than the unit are cut off.
        place /= 10;
        value = value.checked_add(digit * place)?;
    }
    Some(value)
}

/// The number and the unit behind it.
fn unit(text: &str) -> (&str, &str) {
    let at = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    (&text[..at], text[at..].trim_start())
}

/// `20ms`, `1.5s`, `250us`, `0`: nanoseconds.
pub(super) fn duration(text: &str) -> Option<u64> {
    let (number, unit) = unit(text);
    let scale = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" | "sec" => 1_000_000_000,
        "m" | "min" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "" if number == "0" => 1,
        _ => return None,
    };
    scaled(number, scale)
}

/// `0.5%` or `0.5`: parts per million, at most 1,000,000.
pub(super) fn percent(text: &str) -> Option<u32> {
    let (number, unit) = unit(text);
    let ppm = match unit {
        "%" | "" => scaled(number, 10_000)?,
        _ => return None,
    };
    u32::try_from(ppm).ok().filter(|ppm| *ppm <= 1_000_000)
}

/// What a rate's text is.
pub(super) enum Rate {
    /// Bits per second.
    Bits(u64),
    /// A unit that may mean bits or bytes: the texts for each.
    Ambiguous(String, String),
    /// Something else.
    Bad,
}

/// `100mbit`, `1gbit`, `12MBps`: bits per second.
pub(super) fn rate(text: &str) -> Rate {
    let (number, unit) = unit(text);
    let lower = unit.to_ascii_lowercase();
    let (prefix, base) = match lower.chars().next() {
        Some(c @ ('k' | 'm' | 'g' | 't')) => (Some(c), &lower[1..]),
        _ => (None, &*lower),
    };
    let scale: u64 = match prefix {
        None => 1,
        Some('k') => 1_000,
        Some('m') => 1_000_000,
        Some('g') => 1_000_000_000,
        Some(_) => 1_000_000_000_000,
    };
    let bytes = unit.ends_with("Bps") || unit.ends_with("B/s");
    let bits = match base {
        "bit" | "bit/s" => scaled(number, scale),
        "bps" | "b/s" if bytes => scaled(number, scale).and_then(|n| n.checked_mul(8)),
        "bps" | "b/s" => {
            let prefix = prefix.map(String::from).unwrap_or_default();
            let large = if prefix == "k" { prefix.clone() } else { prefix.to_uppercase() };
            return Rate::Ambiguous(format!("{number}{prefix}bit"), format!("{number}{large}Bps"));
        }
        "" if number == "0" => Some(0),
        _ => None,
    };
    bits.map_or(Rate::Bad, Rate::Bits)
}

/// What a text with an address is.
pub(super) enum Net {
    /// Address and prefix length.
    Prefixed(IpNet),
    /// An address alone.
    Bare(IpAddr),
    /// Something else.
    Bad,
}

/// `10.0.0.1/24`, `fd00::1/64`.
pub(super) fn net(text: &str) -> Net {
    match (text.parse::<IpNet>(), text.parse::<IpAddr>()) {
        (Ok(net), _) => Net::Prefixed(net),
        (_, Ok(address)) => Net::Bare(address),
        _ => Net::Bad,
    }
}

/// `20-29` or `20`: both ends.
pub(super) fn range(text: &str) -> Option<(i64, i64)> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let number = |t: &str| {
        let t = t.trim();
        if t.is_empty() || !t.bytes().all(|b| b.is_ascii_digit()) { None } else { t.parse().ok() }
    };
    Some((number(from)?, number(to)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_exact() {
        assert_eq!(duration("20ms"), Some(20_000_000));
        assert_eq!(duration("1.5s"), Some(1_500_000_000));
        assert_eq!(duration("0.25 us"), Some(250));
        assert_eq!(duration("0"), Some(0));
        assert_eq!(duration("20"), None);
        assert_eq!(duration("-1s"), None);
        assert_eq!(duration(".5s"), None);
        assert_eq!(duration("99999999999999999999s"), None);
    }

    #[test]
    fn percentages_are_parts_per_million() {
        assert_eq!(percent("0.5%"), Some(5_000));
        assert_eq!(percent("100"), Some(1_000_000));
        assert_eq!(percent("100.1%"), None);
        assert_eq!(percent("1e3"), None);
    }

    #[test]
    fn rates_are_bits_and_say_so() {
        let bits = |t: &str| match rate(t) {
            Rate::Bits(n) => Some(n),
            _ => None,
        };
        assert_eq!(bits("100mbit"), Some(100_000_000));
        assert_eq!(bits("1.5Gbit"), Some(1_500_000_000));
        assert_eq!(bits("12MBps"), Some(96_000_000));
        assert_eq!(bits("12parsecs"), None);
        let Rate::Ambiguous(bits, bytes) = rate("10mbps") else { panic!("not ambiguous") };
        assert_eq!((&*bits, &*bytes), ("10mbit", "10MBps"));
    }

    #[test]
    fn ranges_have_two_numbers() {
        assert_eq!(range("20-29"), Some((20, 29)));
        assert_eq!(range("7"), Some((7, 7)));
        assert_eq!(range("a-9"), None);
        assert_eq!(range("-9"), None);
    }
}

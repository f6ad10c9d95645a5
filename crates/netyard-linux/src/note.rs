//! Notes in the kernel: what must outlive the state directory, as alternative
//! names of a `lo` of the yard's.
//!
//! A note has a sort, a key and a value. Altnames hold no white space, `/` or
//! `:`, so all but letters, digits, `.`, `_` and `-` is written as `%XX`. One that
//! is too long is split at any byte; the parts carry a number and a hash of the
//! key to join them by:
//!
//! ```text
//! netyard.sysctl.1b2c3d4e.0.net%2Fipv4%2Fip_forward=0
//! netyard.lent.5f6a7b8c.0+enp6s0=1.1500.A…
//! netyard.lent.5f6a7b8c.1.…
//! ```

/// Longest text of one altname, in bytes.
const ALTNAME: usize = netyard_core::name::ALTNAME_MAX;

/// What a note is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    /// A setting of the host, as it was: path below `/proc/sys`, value.
    Setting,
    /// An interface that was lent, as it was: its name on the host, the rest.
    Lent,
}

impl Sort {
    fn mark(self) -> &'static str {
        match self {
            Self::Setting => "netyard.sysctl.",
            Self::Lent => "netyard.lent.",
        }
    }
}

/// The altnames that hold a note.
pub(crate) fn altnames(sort: Sort, key: &str, value: &str) -> Vec<String> {
    let mark = sort.mark();
    let text = format!("{}={}", escape(key), escape(value));
    let hash = netyard_core::name::fnv1a(&[key.as_bytes()]) as u32;
    let room = ALTNAME - mark.len() - "ffffffff.0000.".len();
    let parts: Vec<&[u8]> = text.as_bytes().chunks(room).collect();
    let last = parts.len() - 1;
    let name = |(i, part): (usize, &&[u8])| {
        let end = if i == last { "." } else { "+" };
        format!("{mark}{hash:08x}.{i}{end}{}", String::from_utf8_lossy(part))
    };
    parts.iter().enumerate().map(name).collect()
}

/// The notes of a sort that altnames tell: key and value, sorted. One with a
/// part missing is left out.
pub(crate) fn read<'a>(
    sort: Sort,
    altnames: impl Iterator<Item = &'a str>,
) -> Vec<(String, String)> {
    let mut parts: Vec<(&str, usize, bool, &str)> = altnames
        .filter_map(|name| {
            let (hash, rest) = name.strip_prefix(sort.mark())?.split_once('.')?;
            let at = rest.find(|c: char| !c.is_ascii_digit())?;
            let (number, text) = rest.split_at(at);
            Some((hash, number.parse().ok()?, text.starts_with('.'), text.get(1..)?))
        })
        .collect();
    parts.sort_unstable();
    let mut found: Vec<(String, String)> = parts
        .chunk_by(|a, b| a.0 == b.0)
        .filter_map(|parts| {
            let whole = parts.iter().enumerate().all(|(i, part)| i == part.1)
                && parts.last().is_some_and(|part| part.2);
            let text: String = parts.iter().map(|part| part.3).collect();
            let (key, value) = text.split_once('=').filter(|_| whole)?;
            Some((unescape(key), unescape(value)))
        })
        .collect();
    found.sort();
    found
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"._-".contains(&byte) {
            out.push(byte as char);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The digits of bytes in text that needs no escape (RFC 4648, section 5).
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Bytes as text: four characters for three of them, without padding.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..=chunk.len() {
            out.push(DIGITS[(bits >> (18 - 6 * i)) as usize & 63] as char);
        }
    }
    out
}

/// The bytes of [`encode`]; none of any other text.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for chunk in text.as_bytes().chunks(4) {
        let mut bits = 0;
        for digit in chunk {
            bits = bits << 6 | DIGITS.iter().position(|known| known == digit)? as u32;
        }
        bits <<= 6 * (4 - chunk.len());
        let bytes = [(bits >> 16) as u8, (bits >> 8) as u8, bits as u8];
        out.extend(bytes.get(..chunk.len() - 1).filter(|bytes| !bytes.is_empty())?);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_come_back_from_altnames_in_any_order() {
        let long = "4096\t131072\t6291456 ".repeat(20);
        let settings = [
            ("net/ipv4/conf/eth0.10/rp_filter".to_owned(), "2".to_owned()),
            ("net/ipv4/ip_forward".to_owned(), "0".to_owned()),
            ("net/ipv4/tcp_rmem".to_owned(), long),
        ];
        let note = |(key, value): &(String, String)| altnames(Sort::Setting, key, value);
        let mut names: Vec<String> = settings.iter().flat_map(note).collect();
        assert!(names.iter().all(|name| name.len() <= ALTNAME), "{names:?}");
        assert!(names.iter().all(|name| !name.contains(['/', ':', ' ', '\t'])), "{names:?}");
        names.reverse();
        assert_eq!(read(Sort::Setting, names.iter().map(String::as_str)), settings);
        assert_eq!(read(Sort::Lent, names.iter().map(String::as_str)), []);
        names.pop();
        assert!(read(Sort::Setting, names.iter().map(String::as_str)).len() < 3);
    }

    #[test]
    fn bytes_come_back_from_their_text() {
        for length in 0..70 {
            let bytes: Vec<u8> = (0..length).map(|i| (i * 37 + length) as u8).collect();
            let text = encode(&bytes);
            assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
            assert_eq!(decode(&text), Some(bytes));
        }
        for strange in ["A", "AAAAA", "ab/c", "ä"] {
            assert_eq!(decode(strange), None, "{strange}");
        }
    }
}

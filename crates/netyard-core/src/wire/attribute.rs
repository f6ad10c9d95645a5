//! Reading netlink attributes in place.

use std::net::IpAddr;

use crate::addr::Mac;

/// The attributes in a buffer, each as its type, without the flag bits, and its
/// value. Ends at the first that does not fit, as the kernel's own reader does.
pub(crate) struct Attributes<'a>(&'a [u8]);

/// The attributes in `buffer`.
pub(crate) fn attributes(buffer: &[u8]) -> Attributes<'_> {
    Attributes(buffer)
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let header: [u8; 4] = self.0.get(..4)?.try_into().ok()?;
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let kind = u16::from_ne_bytes([header[2], header[3]]) & 0x3fff;
        let value = self.0.get(4..length)?;
        self.0 = self.0.get((length + 3) & !3..).unwrap_or_default();
        Some((kind, value))
    }
}

/// A value of one byte.
pub(crate) fn u8_of(value: &[u8]) -> Option<u8> {
    value.first().copied()
}

/// A value of two bytes.
pub(crate) fn u16_of(value: &[u8]) -> Option<u16> {
    Some(u16::from_ne_bytes(value.get(..2)?.try_into().ok()?))
}

/// A value of four bytes.
pub(crate) fn u32_of(value: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(value.get(..4)?.try_into().ok()?))
}

/// A value of eight bytes.
pub(crate) fn u64_of(value: &[u8]) -> Option<u64> {
    Some(u64::from_ne_bytes(value.get(..8)?.try_into().ok()?))
}

/// A hardware address of six bytes.
pub(crate) fn mac(value: &[u8]) -> Option<Mac> {
    Some(Mac(value.try_into().ok()?))
}

/// An address of four or sixteen bytes.
pub(crate) fn ip(value: &[u8]) -> Option<IpAddr> {
    match value.len() {
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(value).ok()?)),
        16 => Some(IpAddr::from(<[u8; 16]>::try_from(value).ok()?)),
        _ => None,
    }
}

/// A text, which the kernel may or may not have ended with a zero byte.
pub(crate) fn text(value: &[u8]) -> Option<&str> {
    let end = value.iter().position(|&b| b == 0).unwrap_or(value.len());
    std::str::from_utf8(&value[..end]).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_length_ends_the_reading() {
        let whole = [8, 0, 4, 0, 1, 2, 3, 4];
        assert_eq!(attributes(&whole).count(), 1);
        for broken in [[3, 0, 4, 0, 0, 0, 0, 0], [0; 8], [9, 0, 4, 0, 0, 0, 0, 0]] {
            assert_eq!(attributes(&broken).count(), 0, "{broken:?}");
        }
        assert_eq!(attributes(&[5, 0, 4]).count(), 0);
    }

    #[test]
    fn padding_and_flags_are_no_part_of_an_attribute() {
        let bytes = [5, 0, 4, 0x80, 7, 0, 0, 0, 4, 0, 9, 0];
        let read: Vec<_> = attributes(&bytes).collect();
        assert_eq!(read, [(4, &[7][..]), (9, &[][..])]);
    }

    #[test]
    fn text_ends_at_its_zero() {
        assert_eq!(text(b"eth0\0"), Some("eth0"));
        assert_eq!(text(b"eth0"), Some("eth0"));
        assert_eq!(text(&[0xff, 0]), None);
    }
}

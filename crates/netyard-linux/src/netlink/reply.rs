//! What comes back: messages, acks, errors with the kernel's own words.

use rustix::io::Errno;

pub(super) const HEADER: usize = 16;
pub(super) const NLMSG_ERROR: u16 = 2;
pub(super) const NLMSG_DONE: u16 = 3;
pub(super) const NLMSG_OVERRUN: u16 = 4;
pub(super) const NLM_F_REQUEST: u16 = 1;
pub(super) const NLM_F_ACK: u16 = 4;
pub(super) const NLM_F_DUMP_INTR: u16 = 0x10;
const NLM_F_CAPPED: u16 = 0x100;
const NLM_F_ACK_TLVS: u16 = 0x200;
const NLMSGERR_ATTR_MSG: u16 = 1;
const NLMSGERR_ATTR_OFFS: u16 = 2;
const NLMSGERR_ATTR_MISS_TYPE: u16 = 5;

/// One message out of a datagram, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// `RTM_NEWLINK` and so on.
    pub ty: u16,
    /// `NLM_F_…`.
    pub flags: u16,
    /// The request it answers.
    pub seq: u32,
    /// What follows the header.
    pub payload: &'a [u8],
    /// Header and payload.
    pub whole: &'a [u8],
}

/// What an `NLMSG_ERROR` says; `errno` is none for an ack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    pub errno: Option<Errno>,
    pub text: Option<String>,
    /// Offset of the offending attribute in the request, header included.
    pub offset: Option<u32>,
    /// Type of an attribute that was missing.
    pub missing: Option<u32>,
}

/// The messages of a datagram; ends at the first that is cut off.
pub(super) fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let length = u32_at(bytes, 0)? as usize;
        if length < HEADER || length > bytes.len() {
            return None;
        }
        let (whole, _) = bytes.split_at(length);
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Message {
            ty: u16_at(whole, 4)?,
            flags: u16_at(whole, 6)?,
            seq: u32_at(whole, 8)?,
            payload: &whole[HEADER..],
            whole,
        })
    })
}

/// Reads an `NLMSG_ERROR`.
pub(super) fn verdict(message: &Message<'_>) -> Verdict {
    let code = u32_at(message.payload, 0).unwrap_or(0) as i32;
    let mut verdict = Verdict::default();
    if code != 0 {
        verdict.errno = Some(Errno::from_raw_os_error(code.wrapping_neg()));
    }
    if message.flags & NLM_F_ACK_TLVS == 0 {
        return verdict;
    }
    let mut at = 4 + HEADER;
    if message.flags & NLM_F_CAPPED == 0 && code != 0 {
        let original = u32_at(message.payload, 4).unwrap_or(0) as usize;
        at = 4 + original.max(HEADER).next_multiple_of(4);
    }
    for (ty, value) in attributes(message.payload.get(at..).unwrap_or_default()) {
        match ty {
            NLMSGERR_ATTR_MSG => {
                let text = value.split(|b| *b == 0).next().unwrap_or_default();
                verdict.text = Some(String::from_utf8_lossy(text).trim_end_matches('.').to_owned());
            }
            NLMSGERR_ATTR_OFFS => verdict.offset = u32_at(value, 0),
            NLMSGERR_ATTR_MISS_TYPE => verdict.missing = u32_at(value, 0),
            _ => {}
        }
    }
    verdict
}

/// The attributes in `bytes`: type without flag bits, and value.
pub(crate) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = u16_at(bytes, 0)? as usize;
        let ty = u16_at(bytes, 2)? & 0x3fff;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((ty, value))
    })
}

/// The path of attribute types that leads to `offset` in a whole request whose
/// attributes begin at `start`: `[18, 2, 1]` for a link's first data attribute.
pub(super) fn attribute_path(request: &[u8], start: usize, offset: usize) -> Vec<u16> {
    let mut path = Vec::new();
    let (mut at, mut end) = (start, request.len());
    while at < end && at <= offset {
        let (Some(length), Some(ty)) = (u16_at(request, at), u16_at(request, at + 2)) else {
            break;
        };
        let length = length as usize;
        if length < 4 || at + length > end {
            break;
        }
        if offset >= at + length {
            at += length.next_multiple_of(4);
            continue;
        }
        path.push(ty & 0x3fff);
        if offset < at + 4 {
            break;
        }
        (at, end) = (at + 4, at + length);
    }
    path
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attr(ty: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend((4 + value.len() as u16).to_ne_bytes());
        bytes.extend(ty.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn the_path_to_a_nested_attribute_is_found() {
        let inner = [attr(7, b"x"), attr(8, &[1, 2, 3, 4])].concat();
        let nest = attr(2 | 0x8000, &inner);
        let request = [vec![0; 32], attr(3, b"eth0\0"), nest].concat();
        let inner_at = 32 + 12 + 4 + 8;
        assert_eq!(attribute_path(&request, 32, inner_at), [2, 8]);
        assert_eq!(attribute_path(&request, 32, 32), [3]);
        assert_eq!(attribute_path(&request, 32, 4000), [] as [u16; 0]);
    }

    #[test]
    fn a_cut_message_ends_the_datagram() {
        let mut bytes = vec![0; 20];
        bytes[..4].copy_from_slice(&20_u32.to_ne_bytes());
        bytes.extend([40, 0, 0, 0, 1]);
        assert_eq!(messages(&bytes).count(), 1);
        assert_eq!(messages(&[255; 7]).count(), 0);
    }

    #[test]
    fn the_kernels_words_are_read() {
        let mut payload = Vec::new();
        payload.extend((-22_i32).to_ne_bytes());
        payload.extend([0; HEADER]);
        payload.extend(attr(NLMSGERR_ATTR_MSG, b"mtu less than device minimum\0"));
        payload.extend(attr(NLMSGERR_ATTR_OFFS, &60_u32.to_ne_bytes()));
        let flags = NLM_F_CAPPED | NLM_F_ACK_TLVS;
        let message = Message { ty: NLMSG_ERROR, flags, seq: 1, payload: &payload, whole: &[] };
        let verdict = verdict(&message);
        assert_eq!(verdict.errno, Some(Errno::INVAL));
        assert_eq!(verdict.text.as_deref(), Some("mtu less than device minimum"));
        assert_eq!(verdict.offset, Some(60));
    }
}

//! Generic netlink: which number a family of messages has (linux/genetlink.h).

use super::{attributes, u16_of};
use crate::nft::expr::push;

/// The family that knows the families (`GENL_ID_CTRL`).
const CONTROL: u16 = 0x10;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
/// `struct genlmsghdr`, in bytes.
pub(super) const HEADER: usize = 4;

/// The message that asks for the number of a family, and its body.
pub fn family_question(name: &str) -> (u16, Vec<u8>) {
    let mut body = vec![CTRL_CMD_GETFAMILY, 1, 0, 0];
    let mut ended = name.as_bytes().to_vec();
    ended.push(0);
    push(&mut body, CTRL_ATTR_FAMILY_NAME, &ended);
    (CONTROL, body)
}

/// The number of the family, out of the answer.
pub fn family_of(body: &[u8]) -> Option<u16> {
    let mut all = attributes(body.get(HEADER..)?);
    all.find(|(kind, _)| *kind == CTRL_ATTR_FAMILY_ID).and_then(|(_, value)| u16_of(value))
}

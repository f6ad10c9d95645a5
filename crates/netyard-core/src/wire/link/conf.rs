//! What IPv6 tells of an interface beside its link: `IFLA_AF_SPEC` of a dump, which has
//! the values of its settings below `/proc/sys/net/ipv6/conf`.

use crate::wire::{attributes, u32_of};

// linux/if_link.h, linux/ipv6.h
const HEADER: usize = 16; // struct ifinfomsg
const IFLA_AF_SPEC: u16 = 26;
const AF_INET6: u16 = 10;
const IFLA_INET6_CONF: u16 = 2;
const DEVCONF_ACCEPT_DAD: usize = 27;

/// `accept_dad` of an `RTM_NEWLINK` message without its netlink header; none where the
/// interface never tries its addresses (`lo`, tunnels: the kernel says -1), or has no IPv6.
pub fn accept_dad(message: &[u8]) -> Option<i32> {
    let within = |bytes, wanted| attributes(bytes).find(|(kind, _)| *kind == wanted);
    let (_, families) = within(message.get(HEADER..)?, IFLA_AF_SPEC)?;
    let (_, ipv6) = within(families, AF_INET6)?;
    let (_, settings) = within(ipv6, IFLA_INET6_CONF)?;
    let value = u32_of(settings.get(4 * DEVCONF_ACCEPT_DAD..)?)?.cast_signed();
    (value >= 0).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = (4 + value.len()) as u16;
        [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat()
    }

    #[test]
    fn a_setting_is_read_out_of_the_dump() {
        let message = |value: i32| {
            let mut settings = vec![0; 4 * (DEVCONF_ACCEPT_DAD + 9)];
            settings[4 * DEVCONF_ACCEPT_DAD..][..4].copy_from_slice(&value.to_ne_bytes());
            let ipv6 = attribute(AF_INET6, &attribute(IFLA_INET6_CONF, &settings));
            let ipv4 = attribute(2, &[]);
            [vec![0; HEADER], attribute(IFLA_AF_SPEC, &[ipv4, ipv6].concat())].concat()
        };
        assert_eq!(accept_dad(&message(0)), Some(0));
        assert_eq!(accept_dad(&message(1)), Some(1));
        assert_eq!(accept_dad(&message(-1)), None);
        let whole = message(1);
        for length in 0..whole.len() - 36 {
            assert_eq!(accept_dad(&whole[..length]), None);
        }
    }
}

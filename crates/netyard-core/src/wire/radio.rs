//! Radios over generic netlink (linux/nl80211.h).

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::RawFd;

use super::generic::HEADER;
use super::{attributes, text, u32_of};
use crate::addr::Mac;
use crate::facts::radio::{Combination, Frequency, Radio};
use crate::interface::Wlan;
use crate::nft::expr::push;

/// The family's name.
pub const FAMILY: &str = "nl80211";

const GET_WIPHY: u8 = 1;
const GET_INTERFACE: u8 = 5;
const NEW_INTERFACE: u8 = 7;
const DEL_INTERFACE: u8 = 8;
const GET_REG: u8 = 31;
const SET_WIPHY_NETNS: u8 = 49;

const WIPHY: u16 = 1;
const WIPHY_NAME: u16 = 2;
const IFINDEX: u16 = 3;
const IFNAME: u16 = 4;
const IFTYPE: u16 = 5;
const MAC: u16 = 6;
const BANDS: u16 = 22;
const SUPPORTED_IFTYPES: u16 = 32;
const REG_ALPHA2: u16 = 33;
const SUPPORTED_COMMANDS: u16 = 50;
const INTERFACE_COMBINATIONS: u16 = 120;
const SPLIT_WIPHY_DUMP: u16 = 174;
const NETNS_FD: u16 = 219;

const BAND_FREQS: u16 = 1;
const FREQ: u16 = 1;
const FREQ_DISABLED: u16 = 2;
const FREQ_NO_IR: u16 = 3;
const FREQ_RADAR: u16 = 5;
const COMB_LIMITS: u16 = 1;
const COMB_MAXNUM: u16 = 2;
const COMB_NUM_CHANNELS: u16 = 4;
const LIMIT_MAX: u16 = 1;
const LIMIT_TYPES: u16 = 2;

/// An interface that a radio has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RadioInterface {
    /// The number of its radio.
    pub wiphy: u32,
    /// Its index among the interfaces of its namespace.
    pub index: u32,
    /// Its name in the kernel.
    pub name: String,
    /// `enum nl80211_iftype`: 2 is a station, 3 an access point.
    pub kind: u32,
}

fn message(command: u8) -> Vec<u8> {
    vec![command, 0, 0, 0]
}

/// Asks for all radios of the namespace, each in as many messages as it takes.
pub fn radios() -> Vec<u8> {
    let mut body = message(GET_WIPHY);
    push(&mut body, SPLIT_WIPHY_DUMP, &[]);
    body
}

/// Asks for all interfaces that the radios of the namespace have.
pub fn interfaces() -> Vec<u8> {
    message(GET_INTERFACE)
}

/// Asks in which country the machine is.
pub fn country() -> Vec<u8> {
    message(GET_REG)
}

/// The country out of the answer: two letters, `00` for the world.
pub fn country_of(body: &[u8]) -> Option<String> {
    let mut all = attributes(body.get(HEADER..)?);
    all.find(|(kind, _)| *kind == REG_ALPHA2).and_then(|(_, value)| text(value)).map(str::to_owned)
}

/// Makes a virtual interface of a radio, in the namespace of the socket.
pub fn make(wiphy: u32, name: &str, wlan: &Wlan, mac: Option<Mac>) -> Vec<u8> {
    let mut body = message(NEW_INTERFACE);
    push(&mut body, WIPHY, &wiphy.to_ne_bytes());
    let mut ended = name.as_bytes().to_vec();
    ended.push(0);
    push(&mut body, IFNAME, &ended);
    push(&mut body, IFTYPE, &wlan.role.number().to_ne_bytes());
    if let Some(mac) = mac {
        push(&mut body, MAC, &mac.0);
    }
    body
}

/// Takes a virtual interface away.
pub fn remove(index: u32) -> Vec<u8> {
    let mut body = message(DEL_INTERFACE);
    push(&mut body, IFINDEX, &index.to_ne_bytes());
    body
}

/// Moves a radio with all its interfaces from the namespace of the socket into another.
pub fn relocation(wiphy: u32, netns: RawFd) -> Vec<u8> {
    let mut body = message(SET_WIPHY_NETNS);
    push(&mut body, WIPHY, &wiphy.to_ne_bytes());
    push(&mut body, NETNS_FD, &netns.cast_unsigned().to_ne_bytes());
    body
}

impl RadioInterface {
    /// Reads a message of the answer to [`interfaces`].
    pub fn read(body: &[u8]) -> Option<Self> {
        let (mut wiphy, mut index, mut name, mut kind) = (None, None, "", None);
        for (attribute, value) in attributes(body.get(HEADER..)?) {
            match attribute {
                WIPHY => wiphy = u32_of(value),
                IFINDEX => index = u32_of(value),
                IFNAME => name = text(value).unwrap_or_default(),
                IFTYPE => kind = u32_of(value),
                _ => {}
            }
        }
        Some(Self { wiphy: wiphy?, index: index?, name: name.to_owned(), kind: kind? })
    }
}

/// Adds what a message of the answer to [`radios`] says of a radio.
pub fn add(radios: &mut BTreeMap<u32, Radio>, body: &[u8]) -> Option<()> {
    let all = || attributes(body.get(HEADER..).unwrap_or_default());
    let wiphy = all().find(|(kind, _)| *kind == WIPHY).and_then(|(_, value)| u32_of(value))?;
    let radio = radios.entry(wiphy).or_default();
    for (kind, value) in all() {
        match kind {
            WIPHY_NAME => radio.name = text(value).unwrap_or_default().to_owned(),
            SUPPORTED_IFTYPES => radio.roles.extend(types(value)),
            // An array of numbers.
            SUPPORTED_COMMANDS => {
                let mut commands = attributes(value).filter_map(|(_, number)| u32_of(number));
                radio.movable |= commands.any(|command| command == u32::from(SET_WIPHY_NETNS));
            }
            BANDS => {
                for (_, band) in attributes(value) {
                    let list = attributes(band).filter(|(kind, _)| *kind == BAND_FREQS);
                    let each = list.flat_map(|(_, list)| attributes(list));
                    radio.frequencies.extend(each.filter_map(|(_, one)| frequency(one)));
                }
            }
            INTERFACE_COMBINATIONS => {
                let each = attributes(value).map(|(_, one)| combination(one));
                radio.combinations.extend(each);
            }
            _ => {}
        }
    }
    Some(())
}

/// A set of types is a list of flags, each an attribute of the type's number.
fn types(value: &[u8]) -> BTreeSet<u32> {
    attributes(value).map(|(kind, _)| u32::from(kind)).collect()
}

fn frequency(value: &[u8]) -> Option<Frequency> {
    let mut found = Frequency::default();
    for (kind, value) in attributes(value) {
        match kind {
            FREQ => found.mhz = u32_of(value)?,
            FREQ_DISABLED => found.disabled = true,
            FREQ_NO_IR => found.passive = true,
            FREQ_RADAR => found.radar = true,
            _ => {}
        }
    }
    Some(found)
}

fn combination(value: &[u8]) -> Combination {
    let mut found = Combination::default();
    for (kind, value) in attributes(value) {
        match kind {
            COMB_MAXNUM => found.most = u32_of(value).unwrap_or_default(),
            COMB_NUM_CHANNELS => found.channels = u32_of(value).unwrap_or_default(),
            COMB_LIMITS => {
                for (_, limit) in attributes(value) {
                    let (mut most, mut of) = (0, BTreeSet::new());
                    for (kind, value) in attributes(limit) {
                        match kind {
                            LIMIT_MAX => most = u32_of(value).unwrap_or_default(),
                            LIMIT_TYPES => of = types(value),
                            _ => {}
                        }
                    }
                    found.limits.push((most, of));
                }
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interface::WlanRole;
    use crate::nft::expr::NESTED;

    fn nested(parts: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let mut out = Vec::new();
        for (kind, value) in parts {
            push(&mut out, *kind, value);
        }
        out
    }

    #[test]
    fn a_radio_is_read_out_of_several_messages() {
        let number = |n: u32| n.to_ne_bytes().to_vec();
        let head = |parts: &[(u16, Vec<u8>)]| {
            let mut body = vec![3, 1, 0, 0];
            push(&mut body, WIPHY, &number(4));
            body.extend(nested(parts));
            body
        };
        let limit = nested(&[
            (LIMIT_MAX, number(1)),
            (LIMIT_TYPES | NESTED, nested(&[(2, vec![]), (3, vec![])])),
        ]);
        let combination = nested(&[
            (COMB_LIMITS | NESTED, nested(&[(1, limit)])),
            (COMB_MAXNUM, number(1)),
            (COMB_NUM_CHANNELS, number(1)),
        ]);
        let channel = nested(&[(FREQ, number(2412)), (FREQ_NO_IR, vec![])]);
        let band = nested(&[(BAND_FREQS | NESTED, nested(&[(0, channel)]))]);
        let mut radios = BTreeMap::new();
        add(&mut radios, &head(&[(WIPHY_NAME, b"phy4\0".to_vec())])).unwrap();
        let roles = nested(&[(2, vec![]), (3, vec![])]);
        add(&mut radios, &head(&[(SUPPORTED_IFTYPES | NESTED, roles)])).unwrap();
        let commands = nested(&[(1, number(7)), (2, number(49))]);
        add(&mut radios, &head(&[(SUPPORTED_COMMANDS | NESTED, commands)])).unwrap();
        add(&mut radios, &head(&[(BANDS | NESTED, nested(&[(0, band)]))])).unwrap();
        let combinations = nested(&[(1, combination)]);
        add(&mut radios, &head(&[(INTERFACE_COMBINATIONS | NESTED, combinations)])).unwrap();
        let radio = &radios[&4];
        assert_eq!(radio.name, "phy4");
        assert!(radio.movable && radio.can(WlanRole::Ap));
        assert_eq!(radio.frequencies.len(), 1);
        assert!(radio.frequencies[0].passive && !radio.frequencies[0].disabled);
        let one = |kinds: &[u32]| radio.takes(kinds);
        assert!(one(&[3]) && one(&[2]) && !one(&[2, 3]) && !one(&[7]));
    }

    #[test]
    fn what_is_cut_off_is_no_radio() {
        let mut radios = BTreeMap::new();
        assert_eq!(add(&mut radios, &[3, 1]), None);
        assert_eq!(RadioInterface::read(&[7, 1, 0, 0, 8, 0]), None);
        assert!(radios.is_empty());
    }
}

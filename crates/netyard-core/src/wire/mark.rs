//! The marks by which the kernel itself knows what is netyard's, so that a yard
//! is found and taken away with the state directory lost, and a stranger's
//! object is never touched.
//!
//! * The **group** of an interface is a number of the yard's: one
//!   `RTM_DELLINK` takes away all interfaces of a group in a namespace.
//! * The **alias** of an interface says which one it is; it survives renaming
//!   and moving to another namespace.
//! * Its full name is an **alternative name** where the kernel's is another.
//! * [`PROTOCOL`](super::PROTOCOL) marks addresses, routes, rules, neighbours.
//! * The handle of a qdisc ([`super::qdisc`]) marks impairments.

use std::collections::BTreeMap;

use crate::interface::{Interface, Kind, Wlan, WlanRole};
use crate::name::{FullName, InterfaceName, NodeName, YardName, fnv1a};
use crate::state::{InterfaceId, Object, Place, State};

/// Longest alias that can be set, in bytes: `IFALIASZ` is 256 (linux/if.h), the
/// kernel wants less, and the text is sent with a zero at its end.
pub const ALIAS_MAX: usize = 254;

const PREFIX: &str = "netyard:";

/// The number of a yard's interface group, 31 bits of a hash, never 0, which is
/// the kernel's default.
pub fn group(yard: &YardName) -> u32 {
    let hash = (fnv1a(&[b"group", yard.as_str().as_bytes()]) >> 33) as u32;
    hash.max(1)
}

/// What the alias of an interface says.
///
/// ```text
/// netyard:YARD/PLACE/NAME                an interface
/// netyard:YARD/PLACE/NAME/PLACE/NAME     and the peer of a veth, or a parent in another place
/// netyard:YARD/PLACE/NAME/HOSTNAME       and a physical interface's name on the host
/// netyard:YARD/PLACE/NAME/PHY:ROLE       and the radio of a `wlan`, of which rtnetlink says nothing
/// ```
///
/// A place is `host`, `fabric:` or a node's name (`node:host` for a node of
/// that name). Names have no `/` and no `:`, so this is unambiguous. The other
/// interface is named because the kernel gives only its index and a namespace
/// number, which would cost a request for each pair of namespaces to resolve.
///
/// Names that are too long for an alias are in it as a hash, `netyard:YARD/#…`,
/// and only who knows the names reads it: [`LongMarks`]. Where a physical interface
/// is at home is readable all the same, `netyard:YARD/#…:HOSTNAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The yard.
    pub yard: YardName,
    /// Which interface.
    pub id: InterfaceId,
    /// The veth's peer, or the parent where that is in another place.
    pub other: Option<InterfaceId>,
    /// What a physical interface is called at home.
    pub host_name: Option<InterfaceName>,
    /// The radio whose interface it is, and what it does there.
    pub wlan: Option<Wlan>,
}

impl Mark {
    /// The mark of an interface.
    pub fn of(yard: &YardName, interface: &Interface) -> Self {
        let other = match &interface.kind {
            Kind::Veth(veth) => Some(veth.peer.clone()),
            _ => interface.parent.clone().filter(|p| p.place != interface.id.place),
        };
        let host_name = match &interface.kind {
            Kind::Physical(physical) => Some(physical.host_name.clone()),
            _ => None,
        };
        let wlan = match &interface.kind {
            Kind::Wlan(wlan) => Some(wlan.clone()),
            _ => None,
        };
        Self { yard: yard.clone(), id: interface.id.clone(), other, host_name, wlan }
    }

    /// As it is written, at most [`ALIAS_MAX`] bytes.
    pub fn alias(&self) -> String {
        let whole = self.in_words();
        if whole.len() <= ALIAS_MAX {
            return whole;
        }
        let hash = format!("{PREFIX}{}/#{:016x}", self.yard, fnv1a(&[whole.as_bytes()]));
        match &self.host_name {
            Some(host_name) => format!("{hash}:{host_name}"),
            None => hash,
        }
    }

    fn in_words(&self) -> String {
        let mut alias = format!("{PREFIX}{}", self.yard);
        for id in [Some(&self.id), self.other.as_ref()].into_iter().flatten() {
            alias += "/";
            push_place(&mut alias, &id.place);
            alias += "/";
            alias += id.name.as_str();
        }
        if let Some(host_name) = &self.host_name {
            alias += "/";
            alias += host_name.as_str();
        }
        if let Some(wlan) = &self.wlan {
            alias += "/";
            alias += &wlan.phy;
            alias += ":";
            alias += wlan.role.word();
        }
        alias
    }

    /// True where the alias may be a hash; `false` is sure.
    fn is_long(&self) -> bool {
        let length = |id: &InterfaceId| {
            let place = match &id.place {
                Place::Node(node) => node.as_str().len() + 5,
                Place::Host | Place::Fabric => 7,
            };
            place + id.name.as_str().len() + 2
        };
        let other = self.other.as_ref().map_or(0, length);
        let home = self.host_name.as_ref().map_or(0, |name| name.as_str().len() + 1);
        let radio = self.wlan.as_ref().map_or(0, |wlan| wlan.phy.len() + 10);
        PREFIX.len() + self.yard.as_str().len() + length(&self.id) + other + home + radio + 16
            > ALIAS_MAX
    }

    /// True for the alias of something of the yard's whose names are in it as a
    /// hash: that it is the yard's can be read all the same.
    pub fn is_hash(alias: &str, yard: &YardName) -> bool {
        let rest = alias.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix(yard.as_str()));
        rest.is_some_and(|rest| rest.starts_with("/#"))
    }

    /// The mark of a physical interface whose own names are in its alias as a hash
    /// that nobody can read any more: its name in the kernel stands in.
    pub fn of_lent(alias: &str, yard: &YardName, place: &Place, kernel: &str) -> Option<Self> {
        let host_name = alias.split_once("/#").filter(|_| Self::is_hash(alias, yard))?.1;
        let host_name = InterfaceName::new(host_name.split_once(':')?.1).ok()?;
        let id = InterfaceId { place: place.clone(), name: FullName::new(kernel).ok()? };
        let host_name = Some(host_name);
        Some(Self { yard: yard.clone(), id, other: None, host_name, wlan: None })
    }

    /// Reads an alias; none for one that is not netyard's.
    pub fn parse(alias: &str) -> Option<Self> {
        let mut parts = alias.strip_prefix(PREFIX)?.split('/');
        let yard = YardName::new(parts.next()?).ok()?;
        let id = InterfaceId {
            place: parse_place(parts.next()?)?,
            name: FullName::new(parts.next()?).ok()?,
        };
        let (mut other, mut host_name, mut wlan) = (None, None, None);
        match (parts.next(), parts.next(), parts.next()) {
            (None, ..) => {}
            (Some(radio), None, _) if radio.contains(':') => {
                let (phy, role) = radio.rsplit_once(':')?;
                wlan = Some(Wlan { phy: phy.to_owned(), role: WlanRole::of_word(role)? });
            }
            (Some(name), None, _) => host_name = Some(InterfaceName::new(name).ok()?),
            (Some(place), Some(name), None) => {
                let (place, name) = (parse_place(place)?, FullName::new(name).ok()?);
                other = Some(InterfaceId { place, name });
            }
            _ => return None,
        }
        Some(Self { yard, id, other, host_name, wlan })
    }
}

/// The marks whose names are too long for an alias, by their aliases.
#[derive(Clone, Debug, Default)]
pub struct LongMarks(BTreeMap<String, Mark>);

impl LongMarks {
    /// Those of the interfaces in a State.
    pub fn of(yard: &YardName, state: &State) -> Self {
        let interfaces = state.objects().filter_map(|object| match object {
            Object::Interface(interface) => Some(Mark::of(yard, interface)),
            _ => None,
        });
        Self(interfaces.filter(Mark::is_long).map(|mark| (mark.alias(), mark)).collect())
    }

    /// What an alias says.
    pub fn read(&self, alias: &str) -> Option<Mark> {
        Mark::parse(alias).or_else(|| self.0.get(alias).cloned())
    }
}

fn push_place(alias: &mut String, place: &Place) {
    match place {
        Place::Host => alias.push_str("host"),
        Place::Fabric => alias.push_str("fabric:"),
        Place::Node(node) => {
            if node.as_str() == "host" {
                alias.push_str("node:");
            }
            alias.push_str(node.as_str());
        }
    }
}

fn parse_place(text: &str) -> Option<Place> {
    match text {
        "host" => Some(Place::Host),
        "fabric:" => Some(Place::Fabric),
        _ => NodeName::new(text.strip_prefix("node:").unwrap_or(text)).ok().map(Place::Node),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(place: Place, name: &str) -> InterfaceId {
        InterfaceId { place, name: FullName::new(name).unwrap() }
    }

    fn node(name: &str) -> Place {
        Place::Node(NodeName::new(name).unwrap())
    }

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        let yard = YardName::new("home").unwrap();
        let places = [Place::Host, Place::Fabric, node("r1"), node("host"), node("Übergang")];
        for place in &places {
            let plain = Mark {
                yard: yard.clone(),
                id: id(place.clone(), "uplink-to-the-neighbours-roof"),
                other: None,
                host_name: None,
                wlan: None,
            };
            let wlan = Wlan { phy: "phy0".into(), role: WlanRole::Ap };
            let radio = Mark { wlan: Some(wlan), ..plain.clone() };
            let pair = Mark { other: Some(id(node("host"), "eth0")), ..plain.clone() };
            let lent =
                Mark { host_name: Some(InterfaceName::new("enp6s0").unwrap()), ..plain.clone() };
            for mark in [plain, pair, lent, radio] {
                assert_eq!(Mark::parse(&mark.alias()), Some(mark.clone()), "{}", mark.alias());
            }
        }
    }

    #[test]
    fn a_strangers_alias_is_no_mark() {
        for alias in
            ["", "eth0", "netyard:", "netyard:home", "netyard:home/r1", "netyard:a/b/c/d/e/f"]
        {
            assert_eq!(Mark::parse(alias), None, "{alias}");
        }
    }

    #[test]
    fn names_of_any_length_have_a_mark() {
        use crate::interface::{Interface, Veth};
        let yard = YardName::new("home").unwrap();
        for length in 1..=255 {
            let name = "ü".repeat(length / 2) + if length % 2 == 0 { "" } else { "x" };
            let end = |own: &str, other: &str| Interface {
                id: id(node(own), &name),
                kernel_name: InterfaceName::new("eth0").unwrap(),
                kind: Kind::Veth(Veth { peer: id(node(other), &name) }),
                parent: None,
                master: None,
                port: None,
                mtu: None,
                mac: None,
                up: true,
            };
            let state: State = [end("r1", "r2"), end("r2", "r1")]
                .map(|end| Object::Interface(Box::new(end)))
                .into_iter()
                .collect();
            let long = LongMarks::of(&yard, &state);
            for object in state.objects() {
                let Object::Interface(interface) = object else { unreachable!() };
                let mark = Mark::of(&yard, interface);
                assert!(mark.alias().len() <= ALIAS_MAX);
                assert_eq!(long.read(&mark.alias()), Some(mark.clone()));
                let hashed = Mark::parse(&mark.alias()).is_none();
                assert_eq!(Mark::is_hash(&mark.alias(), &yard), hashed, "{length}");
                assert!(!Mark::is_hash(&mark.alias(), &YardName::new("hom").unwrap()));
            }
        }
    }

    #[test]
    fn a_lent_interface_of_any_name_is_known_by_its_name_at_home() {
        let yard = YardName::new("home").unwrap();
        let host_name = Some(InterfaceName::new("enp6s0").unwrap());
        for length in 200..=255 {
            let id = id(node("r1"), &"x".repeat(length));
            let mark = Mark {
                yard: yard.clone(),
                id,
                other: None,
                host_name: host_name.clone(),
                wlan: None,
            };
            let alias = mark.alias();
            assert!(alias.len() <= ALIAS_MAX);
            let stands_in = Mark::of_lent(&alias, &yard, &node("r1"), "xxx");
            let hashed = Mark::parse(&alias).is_none();
            assert_eq!(
                stands_in.and_then(|mark| mark.host_name),
                host_name.clone().filter(|_| hashed)
            );
            let other = YardName::new("hom").unwrap();
            assert_eq!(Mark::of_lent(&alias, &other, &node("r1"), "xxx"), None);
        }
        let strange = "netyard:home/#0123456789abcdef";
        assert_eq!(Mark::of_lent(strange, &yard, &node("r1"), "xxx"), None);
    }

    #[test]
    fn yards_have_groups_of_their_own() {
        let groups: std::collections::BTreeSet<u32> =
            (0..2000).map(|i| group(&YardName::new(&format!("yard{i}")).unwrap())).collect();
        assert_eq!(groups.len(), 2000);
        assert!(groups.iter().all(|&g| g > 0 && g < 1 << 31));
    }
}

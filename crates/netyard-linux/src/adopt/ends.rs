//! Which interface is meant where the kernel says an index and a namespace's number: the
//! other end of a cable, or what a VLAN sits on.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use netyard_core::name::FullName;
use netyard_core::state::{InterfaceId, Place};
use netyard_core::wire::link::Link;

use super::Space;
use crate::netlink::{self, Socket};

/// All interfaces of all namespaces, by their index.
pub(super) struct Ends {
    /// With the index of the other end, or of the parent.
    all: BTreeMap<(u32, u32), Vec<InterfaceId>>,
    indexes: BTreeMap<(Place, u32), InterfaceId>,
    spaces: BTreeMap<Place, OwnedFd>,
}

impl Ends {
    pub fn of(spaces: &[Space]) -> io::Result<Self> {
        let (mut all, mut indexes) = (BTreeMap::<_, Vec<InterfaceId>>::new(), BTreeMap::new());
        for space in spaces {
            for one in space.links.messages().into_iter().filter_map(Link::parse) {
                let Ok(name) = FullName::new(one.name) else { continue };
                let id = InterfaceId { place: space.place.clone(), name };
                indexes.insert((space.place.clone(), one.index), id.clone());
                if let Some(other) = one.parent {
                    all.entry((one.index, other)).or_default().push(id);
                }
            }
        }
        let spaces = spaces.iter().map(|space| Ok((space.place.clone(), space.fd.try_clone()?)));
        Ok(Self { all, indexes, spaces: spaces.collect::<io::Result<_>>()? })
    }

    /// The other ends of the cables in one namespace, and what is in another one that
    /// something in it sits on; by index.
    pub fn from(&self, space: &mut Space) -> io::Result<BTreeMap<u32, InterfaceId>> {
        let mut own = BTreeMap::new();
        for one in space.links.messages().into_iter().filter_map(Link::parse) {
            let other = match one.kind {
                "veth" => self.peer(&mut space.socket, &space.place, &one)?,
                _ => self.parent(&mut space.socket, &one)?,
            };
            own.extend(other.map(|other| (one.index, other.clone())));
        }
        Ok(own)
    }

    /// Where indexes alone leave a choice, the kernel is asked which namespace is meant.
    fn peer(
        &self,
        socket: &mut Socket,
        place: &Place,
        one: &Link<'_>,
    ) -> io::Result<Option<&InterfaceId>> {
        let Some(other) = one.parent else { return Ok(None) };
        let all = self.all.get(&(other, one.index)).map(Vec::as_slice).unwrap_or_default();
        let mut several = all.iter().filter(|id| {
            // Of a cable within one namespace the kernel names no other.
            one.parent_namespace.is_some() != (id.place == *place)
        });
        let first = several.next();
        match (first, several.next(), one.parent_namespace) {
            (Some(first), None, _) => Ok(Some(first)),
            (Some(_), Some(_), Some(number)) => {
                let there = self.numbered(socket, number)?;
                Ok(all.iter().find(|id| Some(&id.place) == there))
            }
            _ => Ok(None),
        }
    }

    fn parent(&self, socket: &mut Socket, one: &Link<'_>) -> io::Result<Option<&InterfaceId>> {
        let (Some(index), Some(number)) = (one.parent, one.parent_namespace) else {
            return Ok(None);
        };
        let there = self.numbered(socket, number)?;
        Ok(there.and_then(|place| self.indexes.get(&(place.clone(), index))))
    }

    /// The namespace of a number.
    fn numbered(&self, socket: &mut Socket, number: u32) -> io::Result<Option<&Place>> {
        for (place, fd) in &self.spaces {
            if number_of(socket, fd)? == Some(number) {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }
}

/// The number that the socket's namespace has for another one (`RTM_GETNSID`,
/// linux/net_namespace.h).
fn number_of(socket: &mut Socket, of: &OwnedFd) -> io::Result<Option<u32>> {
    const RTM_GETNSID: u16 = 90;
    const NETNSA_NSID: u16 = 1;
    const NETNSA_FD: u16 = 3;
    let mut body = vec![0; 4]; // struct rtgenmsg, padded
    body.extend(8_u16.to_ne_bytes());
    body.extend(NETNSA_FD.to_ne_bytes());
    body.extend(of.as_raw_fd().to_ne_bytes());
    let answer = socket.ask_raw(RTM_GETNSID, &body)?;
    let attributes = answer.as_deref().and_then(|answer| answer.get(4..)).unwrap_or_default();
    let mut number = None;
    for (kind, value) in netlink::attributes(attributes) {
        if let (NETNSA_NSID, Ok(value)) = (kind, <[u8; 4]>::try_from(value)) {
            number = Some(u32::from_ne_bytes(value));
        }
    }
    Ok(number)
}

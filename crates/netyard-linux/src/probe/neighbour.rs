//! What a sweep makes the kernel learn is forgotten again.
//!
//! All namespaces of a machine share one bound on learnt neighbours, 1,024 of
//! each family where nobody has raised it (`gc_thresh3`, net/core/neighbour.c;
//! only the host's own namespace may), and none that was used in the last five
//! seconds makes room. A hundred nodes on one segment that all ask each other
//! need twenty thousand. So a sweep asks a few at a time and takes away what
//! each has left behind; what was known before stays.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use netyard_core::state::Place;

use super::Spaces;
use crate::netlink::{Batch, Protocol, Socket, attributes};
use crate::netns::Worker;

// linux/rtnetlink.h, linux/neighbour.h
const RTM_DELNEIGH: u16 = 29;
const RTM_GETNEIGH: u16 = 30;
const NDA_DST: u16 = 1;
/// `NUD_PERMANENT | NUD_NOARP`
const LASTING: u16 = 0x80 | 0x40;
/// Bytes of `ndmsg`.
const HEADER: usize = 12;

/// An entry: `ndmsg` without its state, and the address.
type Entry = (u8, [u8; 4], Vec<u8>);

/// What each place knew before.
#[derive(Debug, Default)]
pub(super) struct Known(BTreeMap<usize, BTreeSet<Entry>>);

impl Known {
    /// Notes what these places know, by their indices.
    pub fn note(
        worker: &mut Worker,
        spaces: &Spaces,
        places: &[Place],
        of: impl Iterator<Item = usize>,
    ) -> io::Result<Self> {
        let mut known = BTreeMap::new();
        for index in of {
            if let Some(mut socket) = socket(worker, spaces, &places[index])? {
                known.insert(index, learnt(&mut socket)?);
            }
        }
        Ok(Self(known))
    }

    /// Takes away what a place has learnt since.
    pub fn forget(
        &self,
        worker: &mut Worker,
        spaces: &Spaces,
        places: &[Place],
        index: usize,
    ) -> io::Result<()> {
        let Some(known) = self.0.get(&index) else { return Ok(()) };
        let Some(mut socket) = socket(worker, spaces, &places[index])? else { return Ok(()) };
        let mut batch = Batch::default();
        for (family, interface, address) in learnt(&mut socket)?.difference(known) {
            let mut payload = vec![*family, 0, 0, 0];
            payload.extend(interface);
            payload.extend([0; 4]);
            payload.extend((4 + address.len() as u16).to_ne_bytes());
            payload.extend(NDA_DST.to_ne_bytes());
            payload.extend(address);
            batch.push_raw(RTM_DELNEIGH, 0, &payload);
        }
        if !batch.is_empty() {
            // One that is gone meanwhile is as good.
            socket.run(batch)?;
        }
        Ok(())
    }
}

fn socket(worker: &mut Worker, spaces: &Spaces, place: &Place) -> io::Result<Option<Socket>> {
    let Some(space) = spaces.get(place) else { return Ok(None) };
    worker.enter(space)?;
    Socket::open(Protocol::Route).map(Some)
}

/// The entries that the kernel has learnt, of both families.
fn learnt(socket: &mut Socket) -> io::Result<BTreeSet<Entry>> {
    let mut entries = BTreeSet::new();
    socket.dump_raw(RTM_GETNEIGH, &[0; HEADER], |message| {
        let Some(message) = message else { return entries.clear() };
        entries.extend(entry(message.payload));
    })?;
    Ok(entries)
}

fn entry(payload: &[u8]) -> Option<Entry> {
    let header: &[u8; HEADER] = payload.first_chunk()?;
    let state = u16::from_ne_bytes([header[8], header[9]]);
    let address = attributes(&payload[HEADER..]).find(|(ty, _)| *ty == NDA_DST)?.1;
    let interface = [header[4], header[5], header[6], header[7]];
    (state & LASTING == 0).then(|| (header[0], interface, address.to_vec()))
}

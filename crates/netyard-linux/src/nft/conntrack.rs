//! Connections that a change of translations has made stale.

use std::io;
use std::net::IpAddr;

use netyard_core::nft::Table;
use netyard_core::wire::address;
use netyard_core::wire::conntrack::{Row, question};

use crate::netlink::{Batch, Socket};

/// Deletes the connections that are translated as `old` says and not as `new`
/// does. `route` is a socket for addresses in the same namespace.
pub(super) fn forget_stale(
    socket: &mut Socket,
    route: &mut Socket,
    old: &Table,
    new: &Table,
) -> io::Result<usize> {
    let mut local: Vec<IpAddr> = Vec::new();
    route.dump(&address::dump(), |message| match message {
        None => local.clear(),
        Some(message) => {
            local.extend(address::read_any(message.payload).map(|seen| seen.net.addr()))
        }
    })?;
    let (ty, body) = question();
    let mut stale = Vec::new();
    socket.dump_raw(ty, &body, |message| match message {
        None => stale.clear(),
        Some(message) => {
            let row = Row::read(message.payload);
            stale.extend(row.filter(|row| row.connection.is_stale(old, new, &local)));
        }
    })?;
    let mut batch = Batch::default();
    for row in &stale {
        let (ty, body) = row.delete();
        batch.push_raw(ty, 0, &body);
    }
    // One that has ended meanwhile is as good as deleted.
    socket.run(batch)?;
    Ok(stale.len())
}

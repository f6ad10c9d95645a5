//! One network stack as the kernel shows it over rtnetlink.

use std::io;

use netyard_core::facts::{Address, Link, Route, Stack};
use netyard_core::wire::{Request, address, link, route, vlan};

use crate::netlink::Socket;

/// Interfaces, addresses, routes.
pub(super) fn read(socket: &mut Socket, stack: &mut Stack) -> io::Result<()> {
    stack.links = all(socket, &link::links(), Link::read)?;
    if stack.links.iter().any(|link| link.bridge.is_some_and(|bridge| bridge.vlan_filtering)) {
        for (index, vlans) in all(socket, &vlan::dump(), Link::read_vlans)? {
            if let Some(link) = stack.links.iter_mut().find(|link| link.index == index) {
                link.vlans.extend(vlans);
            }
        }
    }
    stack.addresses = all(socket, &address::dump(), Address::read)?;
    for request in route::dump_all() {
        stack.routes.extend(all(socket, &request, Route::read)?);
    }
    // What is local is no way to anywhere.
    stack.routes.retain(|route| route.table != u32::from(libc::RT_TABLE_LOCAL));
    Ok(())
}

fn all<T>(
    socket: &mut Socket,
    request: &Request,
    read: impl Fn(&[u8]) -> Option<T>,
) -> io::Result<Vec<T>> {
    let mut found = Vec::new();
    socket.dump(request, |message| match message {
        None => found.clear(),
        Some(message) => found.extend(read(message.payload)),
    })?;
    Ok(found)
}

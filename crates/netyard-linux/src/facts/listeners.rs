//! Sockets that wait for somebody, in the namespace the calling thread is in
//! (linux/inet_diag.h), and whose they are.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv6Addr};

use netyard_core::facts::Listener;

use crate::netlink::{Protocol, Socket};

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const TCP_LISTEN: u32 = 10;
/// An unconnected UDP socket is in this state.
const TCP_CLOSE: u32 = 7;

/// A protocol's name, its number, and the state in which its sockets wait.
type Transport = (&'static str, i32, u32);
const TCP: Transport = ("tcp", libc::IPPROTO_TCP, TCP_LISTEN);
const UDP: Transport = ("udp", libc::IPPROTO_UDP, TCP_CLOSE);

/// Ports whose owners are worth looking through all processes: those of the
/// servers that a network has.
const OWNED: [u16; 4] = [53, 67, 547, 5353];

/// All of them, with the owners of ports that are worth it.
pub(crate) fn read() -> io::Result<Vec<Listener>> {
    with_owners(&OWNED)
}

/// All of them, with the owners of these ports.
pub(crate) fn with_owners(owned: &[u16]) -> io::Result<Vec<Listener>> {
    let mut socket = Socket::open(Protocol::SocketDiag)?;
    let mut found: Vec<(Listener, u32)> = Vec::new();
    for transport in [TCP, UDP] {
        found.extend(waiting(&mut socket, transport)?);
    }
    let wanted = |(listener, _): &&(Listener, u32)| owned.contains(&listener.port);
    let owners = match found.iter().any(|one| wanted(&one)) {
        true => owners(&found.iter().filter(wanted).map(|(_, inode)| *inode).collect::<Vec<_>>()),
        false => BTreeMap::new(),
    };
    Ok(found
        .into_iter()
        .map(|(mut listener, inode)| {
            listener.owner = owners.get(&inode).cloned();
            listener
        })
        .collect())
}

/// The program that listens at a TCP port here, and its number; none where nobody
/// does or the caller may not see who.
pub(crate) fn port_owner(port: u16) -> Option<(String, u32)> {
    owner(TCP, port)
}

/// The same of a UDP port.
pub(crate) fn udp_owner(port: u16) -> Option<(String, u32)> {
    owner(UDP, port)
}

fn owner(transport: Transport, port: u16) -> Option<(String, u32)> {
    let mut socket = Socket::open(Protocol::SocketDiag).ok()?;
    let found = waiting(&mut socket, transport).ok()?.into_iter();
    let inodes: Vec<u32> = found.filter(|(l, _)| l.port == port).map(|(_, inode)| inode).collect();
    owners(&inodes).into_values().next()
}

/// The sockets of both families that wait for somebody, with their inodes.
fn waiting(socket: &mut Socket, transport: Transport) -> io::Result<Vec<(Listener, u32)>> {
    let (protocol, number, state) = transport;
    let mut found = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        let mut question = vec![family as u8, number as u8, 0, 0];
        question.extend((1_u32 << state).to_ne_bytes());
        question.extend([0; 48]); // any socket
        let mut some = Vec::new();
        let asked = socket.dump_raw(SOCK_DIAG_BY_FAMILY, &question, |message| match message {
            None => some.clear(),
            Some(message) => some.extend(listener(protocol, message.payload)),
        });
        match asked {
            Ok(()) => found.extend(some),
            // No module that tells of this protocol, or no IPv6.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// `struct inet_diag_msg`; with the inode.
fn listener(protocol: &'static str, message: &[u8]) -> Option<(Listener, u32)> {
    let family = *message.first()?;
    let port = u16::from_be_bytes(message.get(4..6)?.try_into().ok()?);
    let address = match i32::from(family) {
        libc::AF_INET => IpAddr::from(<[u8; 4]>::try_from(message.get(8..12)?).ok()?),
        _ => IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(message.get(8..24)?).ok()?)),
    };
    let link = u32::from_ne_bytes(message.get(40..44)?.try_into().ok()?);
    let inode = u32::from_ne_bytes(message.get(68..72)?.try_into().ok()?);
    Some((Listener { protocol, address, port, link, owner: None }, inode))
}

/// The programs that hold these sockets, by inode; of other users' processes
/// only root sees it.
fn owners(inodes: &[u32]) -> BTreeMap<u32, (String, u32)> {
    let mut owners = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(descriptors) = fs::read_dir(entry.path().join("fd")) else { continue };
        for descriptor in descriptors.flatten() {
            let Ok(target) = fs::read_link(descriptor.path()) else { continue };
            let inode = target.to_str().and_then(|text| {
                text.strip_prefix("socket:[")?.strip_suffix(']')?.parse::<u32>().ok()
            });
            if let Some(inode) = inode.filter(|inode| inodes.contains(inode)) {
                let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
                owners.entry(inode).or_insert((name.trim_end().to_owned(), pid));
            }
        }
        if owners.len() == inodes.len() {
            break;
        }
    }
    owners
}

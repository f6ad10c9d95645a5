//! DHCPv4 on the wire, for a client.
//!
//! Before it has an address it hears by a packet socket (packet(7)) what comes
//! for its port, and later, too. It renews from a socket of the port, which also
//! keeps the kernel from answering that nobody is there.

use std::io;
use std::mem::{size_of, zeroed};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};

use ipnet::IpNet;
use netyard_core::addr::Mac;
use netyard_core::service::client::v4::{Act, Client, Event, Lease4};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with,
};

use super::lease::{routes, until};
use super::{World, seed, today};
use crate::serve::packet::FrameSocket;
use crate::serve::socket;
use crate::serve::world::say;

const SERVER: u16 = 67;
const CLIENT: u16 = 68;
const BROADCAST: Mac = Mac([0xff; 6]);
const FLAGS: SocketFlags = SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC);

pub(super) struct Dhcp4 {
    client: Client,
    mac: Mac,
    frames: FrameSocket,
    /// IPv4 packets for the client's port.
    packets: OwnedFd,
    arp: OwnedFd,
    /// The address that was asked about.
    probed: Option<Ipv4Addr>,
    /// Of the port, at the address that is held.
    port: Option<OwnedFd>,
}

impl Dhcp4 {
    pub fn open(world: &World) -> io::Result<Self> {
        let no_mac = || io::Error::other("an interface without a hardware address has no DHCPv4");
        let mac = world.link.mac.ok_or_else(no_mac)?;
        let before = world.held.v4.as_ref().map(|(lease, _)| lease.clone());
        let hostname = world.config.hostname.clone();
        let client = Client::new(mac, hostname, before, seed(&world.link), world.now());
        let packets = packet_socket(libc::ETH_P_IP, world.link.index, Some(&for_port(CLIENT)))?;
        let arp = packet_socket(libc::ETH_P_ARP, world.link.index, None)?;
        let frames = FrameSocket::open(&world.config.interface)?;
        Ok(Self { client, mac, frames, packets, arp, probed: None, port: None })
    }

    pub fn due(&self) -> u64 {
        self.client.due()
    }

    pub fn fds(&self) -> [BorrowedFd<'_>; 2] {
        [self.packets.as_fd(), self.arp.as_fd()]
    }

    pub fn tick(&mut self, world: &mut World) {
        self.step(Event::Tick, world);
    }

    pub fn link_up(&mut self, world: &mut World) {
        self.step(Event::LinkUp, world);
    }

    pub fn receive(&mut self, world: &mut World) {
        let mut packet = [0; 2048];
        while let Some(length) = next(&self.packets, &mut packet) {
            if let Some(payload) = payload(&packet[..length]) {
                self.step(Event::Packet(payload), world);
            }
        }
        while let Some(length) = next(&self.arp, &mut packet) {
            if self.probed.is_some_and(|address| is_theirs(&packet[..length], address, self.mac)) {
                self.probed = None;
                self.step(Event::Conflict, world);
            }
        }
    }

    pub fn stop(&mut self, world: &mut World) {
        let acts = self.client.stop(world.now());
        acts.into_iter().for_each(|act| self.act(act, world));
    }

    fn step(&mut self, event: Event<'_>, world: &mut World) {
        let acts = self.client.step(event, world.now());
        acts.into_iter().for_each(|act| self.act(act, world));
    }

    fn act(&mut self, act: Act, world: &mut World) {
        let none = (Ipv4Addr::UNSPECIFIED, CLIENT);
        let done = match act {
            Act::Broadcast(bytes) => {
                self.frames.send(BROADCAST, none, (Ipv4Addr::BROADCAST, SERVER), &bytes)
            }
            Act::Unicast(server, bytes) => self.unicast(server, &bytes),
            Act::Probe(address) => {
                self.probed = Some(address);
                self.probe(address, world.link.index)
            }
            Act::Bind(lease) => self.bind(&lease, world),
            Act::Drop => self.drop(world),
            Act::Say(text) => {
                say(&format!("{}: {text}", world.config.interface));
                Ok(())
            }
        };
        match done {
            Ok(()) => {}
            // The link is down, or its router is not there: it is tried again.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NetworkDown
                        | io::ErrorKind::NetworkUnreachable
                        | io::ErrorKind::HostUnreachable
                ) => {}
            Err(error) => say(&format!("{}: {error}", world.config.interface)),
        }
    }

    fn unicast(&self, server: Ipv4Addr, bytes: &[u8]) -> io::Result<()> {
        let Some(port) = &self.port else { return Ok(()) };
        sendto(port, bytes, SendFlags::empty(), &SocketAddrV4::new(server, SERVER))?;
        Ok(())
    }

    fn bind(&mut self, lease: &Lease4, world: &mut World) -> io::Result<()> {
        self.probed = None;
        let is_new =
            world.held.v4.as_ref().is_none_or(|(before, _)| before.address != lease.address)
                || self.port.is_none();
        let net = IpNet::V4(lease.address);
        let routes: Vec<_> =
            routes(lease).into_iter().map(|(net, via)| world.kernel.route(net, via)).collect();
        world.kernel.forget(false, &[net], &routes)?;
        let address = world.kernel.address(net, lease.seconds, lease.seconds);
        world.kernel.run([address.set()])?;
        world.kernel.run(routes.iter().map(|route| route.set()))?;
        world.held.v4 = Some((lease.clone(), until(today(), lease.seconds)));
        world.settle();
        if is_new {
            let port = socket_with(AddressFamily::INET, SocketType::DGRAM, FLAGS, None)?;
            socket::bind_to(&port, &world.config.interface)?;
            rustix::net::bind(&port, &SocketAddrV4::new(lease.address.addr(), CLIENT))?;
            self.port = Some(port);
            say(&format!(
                "{}: {} from {} for {} s",
                world.config.interface, lease.address, lease.server, lease.seconds
            ));
        }
        Ok(())
    }

    fn drop(&mut self, world: &mut World) -> io::Result<()> {
        if let Some((lease, _)) = world.held.v4.take() {
            say(&format!("{}: {} is given up", world.config.interface, lease.address));
        }
        self.port = None;
        world.settle();
        world.kernel.forget(false, &[], &[])
    }

    /// Who has that address? (RFC 5227, 2.1.1.)
    fn probe(&self, address: Ipv4Addr, index: u32) -> io::Result<()> {
        let mut packet = vec![0, 1, 8, 0, 6, 4, 0, 1]; // Ethernet, IPv4, their lengths, a request
        packet.extend(self.mac.0);
        packet.extend([0; 4 + 6]);
        packet.extend(address.octets());
        // SAFETY: all zeroes is an empty address; pointers and lengths are those of
        // `packet` and `to`.
        let sent = unsafe {
            let mut to: libc::sockaddr_ll = zeroed();
            to.sll_family = libc::AF_PACKET as u16;
            to.sll_protocol = (libc::ETH_P_ARP as u16).to_be();
            to.sll_ifindex = index as i32;
            to.sll_halen = 6;
            to.sll_addr[..6].copy_from_slice(&BROADCAST.0);
            libc::sendto(
                self.arp.as_raw_fd(),
                packet.as_ptr().cast(),
                packet.len(),
                libc::MSG_DONTWAIT,
                (&raw const to).cast(),
                size_of::<libc::sockaddr_ll>() as libc::socklen_t,
            )
        };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// The next packet's length; none when no more wait.
fn next(socket: &OwnedFd, buffer: &mut [u8]) -> Option<usize> {
    loop {
        match recv(socket, &mut *buffer, RecvFlags::empty()) {
            Ok((length, _)) => return Some(length),
            Err(Errno::INTR) => {}
            // Nothing more, or the link went down: netlink tells that.
            Err(_) => return None,
        }
    }
}

/// True for a message of somebody else who has the address, or asks for it at the
/// same time (RFC 5227, 2.1.1).
fn is_theirs(arp: &[u8], address: Ipv4Addr, own: Mac) -> bool {
    let Some(arp) = arp.get(..28).filter(|arp| arp[..6] == [0, 1, 8, 0, 6, 4]) else {
        return false;
    };
    let (sender, target, is_request) = (&arp[14..18], &arp[24..28], arp[7] == 1);
    let asks = is_request && sender == [0; 4] && target == address.octets();
    arp[8..14] != own.0 && (sender == address.octets() || asks)
}

/// The UDP payload of an IPv4 packet for the client's port. Its checksum is not
/// looked at: between namespaces nobody has reckoned it.
fn payload(packet: &[u8]) -> Option<&[u8]> {
    let header = usize::from(packet.first()? & 0xf) * 4;
    let total = usize::from(u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]));
    let udp = packet.get(header.max(20)..total.min(packet.len()))?;
    let is_ours =
        packet[0] >> 4 == 4 && *packet.get(9)? == 17 && udp.get(2..4)? == CLIENT.to_be_bytes();
    let length = usize::from(u16::from_be_bytes([*udp.get(4)?, *udp.get(5)?]));
    is_ours.then(|| udp.get(8..length))?
}

/// A filter for whole UDP packets for a port (Linux's classic BPF, filter(4) of
/// BSD), of packets that begin with the IPv4 header.
fn for_port(port: u16) -> [libc::sock_filter; 9] {
    let code =
        |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter { code: code as u16, jt, jf, k };
    use libc::{
        BPF_ABS, BPF_B, BPF_H, BPF_IND, BPF_JEQ, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_LDX,
        BPF_MSH, BPF_RET,
    };
    [
        code(BPF_LD | BPF_B | BPF_ABS, 0, 0, 9),
        code(BPF_JMP | BPF_JEQ | BPF_K, 0, 6, 17), // UDP
        code(BPF_LD | BPF_H | BPF_ABS, 0, 0, 6),
        code(BPF_JMP | BPF_JSET | BPF_K, 4, 0, 0x1fff), // a later fragment
        code(BPF_LDX | BPF_B | BPF_MSH, 0, 0, 0),
        code(BPF_LD | BPF_H | BPF_IND, 0, 0, 2),
        code(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, u32::from(port)),
        code(BPF_RET | BPF_K, 0, 0, u32::MAX),
        code(BPF_RET | BPF_K, 0, 0, 0),
    ]
}

/// A socket for packets of a protocol that come in on an interface.
fn packet_socket(
    protocol: libc::c_int,
    index: u32,
    filter: Option<&[libc::sock_filter]>,
) -> io::Result<OwnedFd> {
    // No protocol: nothing comes before it is bound and has its filter.
    let socket = socket_with(AddressFamily::PACKET, SocketType::DGRAM, FLAGS, None)?;
    // SAFETY: all zeroes is an empty address; what is pointed to outlives the calls.
    unsafe {
        if let Some(filter) = filter {
            let program =
                libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
            let length = size_of::<libc::sock_fprog>() as libc::socklen_t;
            let program = (&raw const program).cast();
            if libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_ATTACH_FILTER,
                program,
                length,
            ) != 0
            {
                return Err(io::Error::last_os_error());
            }
        }
        let mut own: libc::sockaddr_ll = zeroed();
        own.sll_family = libc::AF_PACKET as u16;
        own.sll_protocol = (protocol as u16).to_be();
        own.sll_ifindex = index as i32;
        let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        if libc::bind(socket.as_raw_fd(), (&raw const own).cast(), length) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_says_or_asks_for_the_address_is_heard() {
        let (own, other) = (Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2]));
        let address = Ipv4Addr::new(10, 1, 0, 7);
        let arp = |op: u8, mac: Mac, sender: [u8; 4], target: [u8; 4]| {
            [&[0, 1, 8, 0, 6, 4, 0, op], &mac.0[..], &sender, &[0; 6], &target].concat()
        };
        let theirs = |packet: &[u8]| is_theirs(packet, address, own);
        assert!(theirs(&arp(2, other, address.octets(), [0; 4])));
        assert!(theirs(&arp(1, other, [0; 4], address.octets())));
        assert!(!theirs(&arp(1, own, [0; 4], address.octets())));
        assert!(!theirs(&arp(1, other, [10, 1, 0, 1], address.octets())));
        assert!(!theirs(&arp(2, other, address.octets(), [0; 4])[..27]));
    }

    #[test]
    fn a_payload_is_as_long_as_its_headers_say() {
        let mut packet = vec![0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0, 10, 1, 0, 1, 10, 1, 0, 2];
        packet.extend([0, 67, 0, 68, 0, 12, 0, 0, 1, 2, 3, 4, 0, 0, 0]);
        assert_eq!(payload(&packet), Some(&[1, 2, 3, 4][..]));
        for length in 0..32 {
            assert_eq!(payload(&packet[..length]), None, "{length}");
        }
        packet[23] = 67;
        assert_eq!(payload(&packet), None);
    }
}

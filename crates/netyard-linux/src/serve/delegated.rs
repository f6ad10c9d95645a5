//! The /64 that a server's interface has by delegation: somebody on this machine asks
//! for it, and the kernel keeps it, with its time, as an address.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};

use ipnet::IpNet;
use netyard_core::service::ra::Advertised;
use netyard_core::wire;
use netyard_core::wire::leased::read_address;

use crate::netlink::{Protocol, Socket};

// linux/rtnetlink.h
const RTNLGRP_IPV6_IFADDR: u32 = 9;

pub(super) struct Delegated {
    index: u32,
    socket: Socket,
    events: Socket,
}

impl Delegated {
    /// What the interface of that number has, and will have.
    pub fn open(index: u32) -> io::Result<Self> {
        let socket = Socket::open(Protocol::Route)?;
        let mut events = Socket::open(Protocol::Route)?;
        // A socket that has sent nothing has no number, and hears nothing.
        events.dump(&wire::address::dump(), |_| ())?;
        events.join(RTNLGRP_IPV6_IFADDR)?;
        Ok(Self { index, socket, events })
    }

    pub fn fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }

    /// Takes in what the kernel has told.
    pub fn hear(&mut self) {
        // What is the case is asked for afterwards, whatever was lost.
        let _ = self.events.events(|_, _| ());
    }

    /// What is to be advertised, as long as it lasts from now on.
    pub fn prefixes(&mut self) -> io::Result<Vec<Advertised>> {
        let (index, mut all) = (self.index, Vec::new());
        self.socket.dump(&wire::address::dump(), |message| {
            let told = message.and_then(|message| read_address(message.payload));
            let Some(told) = told.filter(|told| told.leased && told.index == index) else { return };
            if let IpNet::V6(net) = told.net
                && net.prefix_len() == 64
            {
                all.push(Advertised {
                    net: net.trunc(),
                    on_link: true,
                    autonomous: true,
                    valid: told.valid,
                    preferred: told.preferred,
                });
            }
        })?;
        Ok(all)
    }
}

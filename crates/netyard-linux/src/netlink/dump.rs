//! Dumps: all objects of a class.

use std::io;

use netlink_packet_core::{NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netyard_core::wire::Request;

use super::reply::{
    self, Message, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NLMSG_OVERRUN,
};
use super::socket::{Socket, with_buffer};

const NLM_F_DUMP: u16 = 0x300;
/// How often a dump that changed under the reader is begun again.
const TRIES: usize = 20;

/// Why a dump has to be begun again.
enum Read {
    Whole,
    Again,
}

impl Socket {
    /// Asks for all objects that match `request` and gives each to `take`.
    ///
    /// A dump that the kernel marks as changed meanwhile (`NLM_F_DUMP_INTR`), or
    /// whose replies it lost, is begun again, and `take` sees `None` first: what
    /// it had taken is void.
    pub fn dump(
        &mut self,
        request: &Request,
        mut take: impl FnMut(Option<Message<'_>>),
    ) -> io::Result<()> {
        let mut message = NetlinkMessage::new(
            NetlinkHeader::default(),
            NetlinkPayload::InnerMessage(request.message.clone()),
        );
        message.header.flags = NLM_F_REQUEST | NLM_F_DUMP | request.flags;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.dump_bytes(&mut bytes, &mut take)
    }

    /// The same for a protocol of which there is no codec: `ty` is the message's
    /// type, `payload` what follows its header.
    pub fn dump_raw(
        &mut self,
        ty: u16,
        payload: &[u8],
        mut take: impl FnMut(Option<Message<'_>>),
    ) -> io::Result<()> {
        let length = reply::HEADER + payload.len();
        let mut bytes = Vec::with_capacity(length);
        bytes.extend((length as u32).to_ne_bytes());
        bytes.extend(ty.to_ne_bytes());
        bytes.extend((NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend(payload);
        self.dump_bytes(&mut bytes, &mut take)
    }

    fn dump_bytes(
        &mut self,
        bytes: &mut [u8],
        take: &mut impl FnMut(Option<Message<'_>>),
    ) -> io::Result<()> {
        for _ in 0..TRIES {
            let seq = self.take_seq(1);
            bytes[8..12].copy_from_slice(&seq.to_ne_bytes());
            take(None);
            self.send(bytes)?;
            match with_buffer(|buffer| self.read_dump(seq, buffer, take))? {
                Read::Whole => return Ok(()),
                Read::Again => {}
            }
        }
        Err(io::Error::other("the kernel's tables change faster than they can be read"))
    }

    fn read_dump(
        &self,
        seq: u32,
        buffer: &mut Vec<u8>,
        take: &mut impl FnMut(Option<Message<'_>>),
    ) -> io::Result<Read> {
        let mut interrupted = false;
        loop {
            let length = match self.recv(buffer, true) {
                Ok(length) => length.unwrap_or(0),
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    interrupted = true;
                    continue;
                }
                Err(error) => return Err(error),
            };
            for message in reply::messages(&buffer[..length]) {
                if message.seq != seq {
                    continue;
                }
                interrupted |= message.flags & NLM_F_DUMP_INTR != 0;
                match message.ty {
                    NLMSG_DONE | NLMSG_ERROR => {
                        let code = reply::u32_at(message.payload, 0).unwrap_or(0) as i32;
                        return match code {
                            0 if interrupted => Ok(Read::Again),
                            0 => Ok(Read::Whole),
                            code => Err(io::Error::from_raw_os_error(-code)),
                        };
                    }
                    NLMSG_OVERRUN => interrupted = true,
                    _ => take(Some(message)),
                }
            }
        }
    }
}

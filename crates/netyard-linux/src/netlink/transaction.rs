//! Transactions of nfnetlink: all messages of one send, or none.
//!
//! Facts of the kernel this rests on (`net/netfilter/nfnetlink.c`, 6.18): a
//! transaction is one datagram; errors come back for each message that was
//! wrong, by its number, and then nothing of it was done; when `send` returns,
//! all replies are queued.

use std::io;
use std::os::fd::AsFd;

use netyard_core::wire::nft::{self, Message};
use rustix::io::Errno;
use rustix::net::sockopt;

use super::batch::Failure;
use super::fault;
use super::reply::{self, HEADER, NLM_F_ACK, NLM_F_REQUEST, NLMSG_ERROR};
use super::socket::{Socket, with_buffer};

/// `struct nfgenmsg`, in bytes.
const BODY: usize = HEADER + 4;

impl Socket {
    /// Does all of these messages at once, if the ruleset is still of that
    /// generation. Gives the failures, of which there are none when it is done;
    /// their index is a message's, or that of the last where the whole failed.
    pub fn transact(
        &mut self,
        generation: Option<u32>,
        messages: &[Message],
    ) -> io::Result<Vec<Failure>> {
        if let Some(errno) = fault::strike() {
            let text = Some("injected".to_owned());
            return Ok(vec![Failure { index: 0, errno, text, attribute: Vec::new() }]);
        }
        let count = u32::try_from(messages.len()).map_err(io::Error::other)?;
        let seq = self.take_seq(count + 2);
        let size: usize = messages.iter().map(|m| m.body.len() + HEADER + 4).sum();
        let mut bytes = Vec::with_capacity(size + 64);
        push(&mut bytes, &nft::begin(generation), seq, 0);
        let mut starts = Vec::with_capacity(messages.len());
        for (number, message) in messages.iter().enumerate() {
            starts.push(bytes.len());
            let ack = if number + 1 == messages.len() { NLM_F_ACK } else { 0 };
            push(&mut bytes, message, seq + 1 + number as u32, ack);
        }
        push(&mut bytes, &nft::end(), seq + 1 + count, 0);
        self.prepare()?;
        self.make_room(bytes.len())?;
        self.send(&bytes)?;
        let failures = with_buffer(|buffer| self.read_verdicts(&bytes, &starts, seq, buffer))?;
        match failures {
            Some(failures) => Ok(failures),
            None => Err(io::Error::other("the kernel did not answer a transaction")),
        }
    }

    /// A datagram has to fit the send buffer with some room for bookkeeping.
    fn make_room(&mut self, length: usize) -> io::Result<()> {
        if length <= self.send_room {
            return Ok(());
        }
        let wanted = length + (64 << 10);
        if sockopt::set_socket_send_buffer_size_force(self.as_fd(), wanted).is_err() {
            // Up to net.core.wmem_max; the send says when it is not enough.
            sockopt::set_socket_send_buffer_size(self.as_fd(), wanted)?;
        }
        Ok(())
    }

    /// The failures; none where the kernel said nothing at all.
    fn read_verdicts(
        &self,
        bytes: &[u8],
        starts: &[usize],
        seq: u32,
        buffer: &mut Vec<u8>,
    ) -> io::Result<Option<Vec<Failure>>> {
        let mut failures: Vec<Failure> = Vec::new();
        let (mut answered, mut lost) = (starts.is_empty(), false);
        loop {
            let length = match self.recv(buffer, false) {
                Ok(Some(length)) => length,
                Ok(None) => break,
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    lost = true;
                    continue;
                }
                Err(error) => return Err(error),
            };
            for message in reply::messages(&buffer[..length]) {
                let Some(number) = message.seq.checked_sub(seq) else { continue };
                if message.ty != NLMSG_ERROR || number as usize > starts.len() + 1 {
                    continue;
                }
                answered = true;
                let verdict = reply::verdict(&message);
                let Some(errno) = verdict.errno else { continue };
                let last = starts.len().saturating_sub(1);
                let index = (number as usize).checked_sub(1).map_or(last, |n| n.min(last));
                let start = starts.get(index).copied().unwrap_or(0);
                let end = starts.get(index + 1).copied().unwrap_or(bytes.len());
                let attribute = match verdict.offset {
                    Some(at) => reply::attribute_path(&bytes[start..end], BODY, at as usize),
                    None => Vec::new(),
                };
                failures.push(Failure { index, errno, text: verdict.text, attribute });
            }
        }
        if lost && failures.is_empty() {
            let (index, text, attribute) = (0, None, Vec::new());
            failures.push(Failure { index, errno: Errno::NOBUFS, text, attribute });
        }
        failures.sort_by_key(|failure| failure.index);
        Ok((answered || !failures.is_empty()).then_some(failures))
    }

    /// Asks one question that is answered by one message.
    pub fn ask_raw(&mut self, ty: u16, body: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let seq = self.take_seq(1);
        let mut bytes = Vec::new();
        push(&mut bytes, &Message { ty, flags: 0, body: body.to_vec() }, seq, 0);
        self.send(&bytes)?;
        let mut answer = None;
        with_buffer(|buffer| {
            while let Some(length) = self.recv(buffer, false)? {
                for message in reply::messages(&buffer[..length]) {
                    if message.seq != seq {
                        continue;
                    }
                    if message.ty == NLMSG_ERROR {
                        let errno = reply::verdict(&message).errno;
                        return errno.map_or(Ok(()), |errno| Err(io::Error::from(errno)));
                    }
                    answer = Some(message.payload.to_vec());
                }
            }
            Ok(())
        })?;
        Ok(answer)
    }
}

fn push(bytes: &mut Vec<u8>, message: &Message, seq: u32, flags: u16) {
    let length = (HEADER + message.body.len()) as u32;
    bytes.extend(length.to_ne_bytes());
    bytes.extend(message.ty.to_ne_bytes());
    bytes.extend((NLM_F_REQUEST | message.flags | flags).to_ne_bytes());
    bytes.extend(seq.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(&message.body);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

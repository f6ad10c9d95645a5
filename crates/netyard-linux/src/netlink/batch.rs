//! Many requests in few sends, acknowledged once.

use std::io;

use netlink_packet_core::{NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netyard_core::wire::Request;
use rustix::io::Errno;

use super::fault;
use super::reply::{self, HEADER, NLM_F_ACK, NLM_F_REQUEST, NLMSG_ERROR};
use super::socket::{Socket, with_buffer};

/// What a requested reply costs of the receive buffer at most, in bytes (a link
/// is answered in 1.7 KiB, which the kernel rounds up and adds its own to).
const ANSWER_COST: usize = 5 << 10;

/// Requests that are sent together. Each has an index, by which its failure is
/// told.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    /// Where each request begins, and whether it is answered with an object.
    starts: Vec<(usize, bool)>,
    /// Requests to take away a name that may not be there: who renamed the
    /// interface by hand gave it none.
    indulgent: Vec<usize>,
}

/// A request of a batch that the kernel refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which request: the value [`Batch::push`] gave.
    pub index: usize,
    /// Why.
    pub errno: Errno,
    /// The kernel's own words.
    pub text: Option<String>,
    /// The types of the attributes that lead to the one it did not like.
    pub attribute: Vec<u16>,
}

/// What became of a batch.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The refused requests, by index.
    pub failures: Vec<Failure>,
    /// True when the kernel lost replies (`ENOBUFS`): there may be failures
    /// that are not told, and only observing shows.
    pub replies_lost: bool,
    /// The objects that came back, whole messages in order.
    pub answers: Vec<Vec<u8>>,
}

impl Batch {
    /// Adds a request; gives its index.
    pub fn push(&mut self, request: Request) -> usize {
        let Request { message, flags } = request;
        let answered = matches!(message, RouteNetlinkMessage::GetLink(_));
        if matches!(message, RouteNetlinkMessage::DelLinkProp(_)) {
            self.indulgent.push(self.starts.len());
        }
        let mut message =
            NetlinkMessage::new(NetlinkHeader::default(), NetlinkPayload::InnerMessage(message));
        message.header.flags = NLM_F_REQUEST | flags;
        message.finalize();
        let start = self.bytes.len();
        let length = message.buffer_len();
        self.bytes.resize(start + length.next_multiple_of(4), 0);
        message.serialize(&mut self.bytes[start..start + length]);
        self.starts.push((start, answered));
        self.starts.len() - 1
    }

    /// Adds a request of that type whose body is encoded already; gives its index.
    pub fn push_raw(&mut self, ty: u16, flags: u16, payload: &[u8]) -> usize {
        let start = self.bytes.len();
        let length = (HEADER + payload.len()) as u32;
        self.bytes.extend(length.to_ne_bytes());
        self.bytes.extend(ty.to_ne_bytes());
        self.bytes.extend((NLM_F_REQUEST | flags).to_ne_bytes());
        self.bytes.extend([0; 8]);
        self.bytes.extend(payload);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self.starts.push((start, false));
        self.starts.len() - 1
    }

    /// Adds requests, in order.
    pub fn extend(&mut self, requests: impl IntoIterator<Item = Request>) {
        for request in requests {
            self.push(request);
        }
    }

    /// How many requests there are.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    fn end_of(&self, index: usize) -> usize {
        self.starts.get(index + 1).map_or(self.bytes.len(), |(start, _)| *start)
    }

    /// The index one past the last request that fits one send beginning at `first`.
    fn cut(&self, first: usize, socket: &Socket) -> usize {
        let begin = self.starts[first].0;
        let (mut next, mut answers) = (first, 0);
        while next < self.len() && next - first < socket.reply_room {
            answers += if self.starts[next].1 { ANSWER_COST } else { 0 };
            let full = self.end_of(next) - begin > socket.send_room || answers > socket.answer_room;
            if full && next > first {
                break;
            }
            next += 1;
        }
        next
    }
}

impl Socket {
    /// Sends a batch and reads all that comes back. A failing request does not
    /// keep later ones from being done.
    ///
    /// Fails only where the socket itself does.
    pub fn run(&mut self, mut batch: Batch) -> io::Result<Outcome> {
        self.prepare()?;
        let mut outcome = Outcome::default();
        let mut first = 0;
        while first < batch.len() {
            let end = batch.cut(first, self);
            with_buffer(|buffer| self.run_part(&mut batch, first, end, &mut outcome, buffer))?;
            first = end;
        }
        outcome.failures.sort_by_key(|failure| failure.index);
        Ok(outcome)
    }

    fn run_part(
        &mut self,
        batch: &mut Batch,
        first: usize,
        end: usize,
        outcome: &mut Outcome,
        buffer: &mut Vec<u8>,
    ) -> io::Result<()> {
        let seq = self.take_seq((end - first) as u32);
        for index in first..end {
            let start = batch.starts[index].0;
            let number = seq + (index - first) as u32;
            batch.bytes[start + 8..start + 12].copy_from_slice(&number.to_ne_bytes());
            if let Some(errno) = fault::strike() {
                if errno == Errno::NOBUFS {
                    outcome.replies_lost = true;
                    continue;
                }
                // The kernel passes over messages below NLMSG_MIN_TYPE.
                batch.bytes[start + 4..start + 6].copy_from_slice(&1_u16.to_ne_bytes());
                batch.bytes[start + 6..start + 8].copy_from_slice(&0_u16.to_ne_bytes());
                let text = Some("injected".to_owned());
                let attribute = Vec::new();
                outcome.failures.push(Failure { index, errno, text, attribute });
            }
        }
        let last = batch.starts[end - 1].0;
        let flags = reply::u16_at(&batch.bytes, last + 6).unwrap_or(0) | NLM_F_ACK;
        batch.bytes[last + 6..last + 8].copy_from_slice(&flags.to_ne_bytes());
        self.send(&batch.bytes[batch.starts[first].0..batch.end_of(end - 1)])?;
        self.read_replies(batch, first, seq, end, outcome, buffer)
    }

    fn read_replies(
        &self,
        batch: &Batch,
        first: usize,
        seq: u32,
        end: usize,
        outcome: &mut Outcome,
        buffer: &mut Vec<u8>,
    ) -> io::Result<()> {
        let last_seq = seq + (end - first - 1) as u32;
        // As if the kernel had found no room for any.
        let silent = outcome.replies_lost && fault::is_planned();
        loop {
            let length = match self.recv(buffer, false) {
                Ok(Some(length)) => length,
                Ok(None) => return Ok(()),
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    outcome.replies_lost = true;
                    continue;
                }
                Err(error) => return Err(error),
            };
            for message in reply::messages(&buffer[..length]) {
                if !(seq..=last_seq).contains(&message.seq) {
                    continue;
                }
                if message.ty != NLMSG_ERROR {
                    outcome.answers.push(message.whole.to_vec());
                    continue;
                }
                let verdict = reply::verdict(&message);
                let index = first + (message.seq - seq) as usize;
                // Not there, or its very name.
                let missed = matches!(verdict.errno, Some(Errno::NOENT | Errno::INVAL))
                    && batch.indulgent.contains(&index);
                if let Some(errno) = verdict.errno
                    && !silent
                    && !missed
                {
                    outcome.failures.push(failure(batch, index, errno, verdict));
                }
            }
        }
    }
}

fn failure(batch: &Batch, index: usize, errno: Errno, verdict: reply::Verdict) -> Failure {
    let request = &batch.bytes[batch.starts[index].0..batch.end_of(index)];
    let body = reply::u16_at(request, 4).map_or(HEADER, |ty| HEADER + family_header(ty));
    let mut attribute = verdict
        .offset
        .map(|offset| reply::attribute_path(request, body, offset as usize))
        .unwrap_or_default();
    attribute.extend(verdict.missing.map(|ty| ty as u16));
    Failure { index, errno, text: verdict.text, attribute }
}

/// The length of the fixed part that follows the netlink header, in bytes:
/// `ifinfomsg` 16, `ifaddrmsg` 8, `rtmsg`, `ndmsg` and `fib_rule_hdr` 12, `tcmsg` 20.
fn family_header(ty: u16) -> usize {
    match ty {
        20..=22 => 8,
        24..=26 | 28..=30 | 32..=34 => 12,
        36..=50 => 20,
        _ => 16,
    }
}

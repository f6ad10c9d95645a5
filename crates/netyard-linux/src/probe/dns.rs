//! A DNS question over UDP (RFC 1035); answers are read by hickory-proto.

use std::io;
use std::os::fd::OwnedFd;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use netyard_core::expect::{NO_SUCH_NAME, Seen};
use rustix::net::{RecvFlags, SendFlags};

use super::Shot;
use super::echo::fresh_id;
use super::engine::{Driver, Step, Watch};
use super::socket::is_stale;
use super::udp::{connected, said};

/// A question that is waited for.
pub(super) struct Ask {
    port: u16,
    id: u16,
    record: RecordType,
    /// The question as bytes, or why it is none.
    question: Result<Vec<u8>, String>,
    socket: Option<OwnedFd>,
}

impl Ask {
    /// To that port, about that name.
    pub fn new(port: u16, name: &str, record: &str) -> Self {
        let id = fresh_id();
        let record = record.parse().unwrap_or(RecordType::A);
        Self { port, id, record, question: question(id, name, record), socket: None }
    }

    /// What a datagram says to this question; none when it is another's.
    fn answer(&self, datagram: &[u8]) -> Option<Seen> {
        let message = match Message::from_vec(datagram) {
            Ok(message) => message,
            Err(_) => return Some(Seen::Nonsense("the answer is not DNS".to_owned())),
        };
        let head = &message.metadata;
        if head.id != self.id || head.message_type != MessageType::Response {
            return None;
        }
        Some(Seen::Records(match head.response_code {
            ResponseCode::NoError => Ok(self.records(&message)),
            ResponseCode::NXDomain => Err(NO_SUCH_NAME.to_owned()),
            other => Err(other.to_str().to_lowercase()),
        }))
    }

    /// The data of the records of the type that was asked for.
    fn records(&self, message: &Message) -> Vec<String> {
        let asked = message.answers.iter().filter(|record| record.record_type() == self.record);
        asked.map(|record| record.data.to_string()).collect()
    }
}

fn question(id: u16, name: &str, record: RecordType) -> Result<Vec<u8>, String> {
    let mut name = Name::from_utf8(name).map_err(|error| format!("`{name}`: {error}"))?;
    name.set_fqdn(true);
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name, record));
    message.to_vec().map_err(|error| error.to_string())
}

impl Driver for Ask {
    fn fire(&mut self, shot: &Shot, watch: &mut Watch<'_>) -> io::Result<Step> {
        let question = match &self.question {
            Ok(question) => question,
            Err(why) => return Ok(Step::Done(Seen::Unsent(why.clone()))),
        };
        if let Some(socket) = &self.socket
            && is_stale(shot, socket)?
        {
            self.socket = None;
        }
        if self.socket.is_none() {
            let socket = connected(shot, self.port)?;
            watch.add(&socket, 0, false)?;
            self.socket = Some(socket);
        }
        if let Some(socket) = &self.socket {
            rustix::net::send(socket, question, SendFlags::empty())?;
        }
        Ok(Step::Wait)
    }

    fn ready(&mut self, shot: &Shot, _: usize, _: &mut Watch<'_>) -> Step {
        let Some(socket) = &self.socket else { return Step::Wait };
        let said = said(shot, socket);
        let mut datagram = [0; 4096];
        loop {
            match rustix::net::recv(socket, &mut datagram[..], RecvFlags::empty()) {
                Ok((length, _)) => match self.answer(&datagram[..length]) {
                    Some(seen @ Seen::Records(_)) => return Step::Done(seen),
                    Some(seen) => return Step::Seen(seen),
                    None => {}
                },
                Err(rustix::io::Errno::AGAIN) => return said,
                Err(_) => {}
            }
        }
    }
}

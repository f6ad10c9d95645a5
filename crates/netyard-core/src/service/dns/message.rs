//! Queries read, answers written; the format is `hickory-proto`'s.

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, Record, RecordType};

/// What is asked of a peer by UDP and given to one: fits a packet on every path
/// (DNS Flag Day 2020).
const PAYLOAD: u16 = 1232;
/// What a client takes that says nothing (RFC 1035, 2.3.4).
const PLAIN: u16 = 512;
/// The length of a header.
const HEAD: usize = 12;

/// What makes two questions the same to an upstream server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    name: Name,
    sort: RecordType,
    /// DNSSEC OK and checking disabled.
    flags: (bool, bool),
}

/// A question of a client.
#[derive(Clone, Debug)]
pub struct Question {
    /// What is asked.
    pub query: Query,
    id: u16,
    recursion: bool,
    checking_disabled: bool,
    /// The client speaks EDNS.
    edns: bool,
    dnssec_ok: bool,
    /// What fits, in bytes.
    room: usize,
}

/// What is found for a question.
#[derive(Clone, Debug)]
pub struct Found {
    pub code: ResponseCode,
    pub authoritative: bool,
    pub authentic: bool,
    pub answers: Vec<Record>,
    pub authorities: Vec<Record>,
}

/// Why there is no question.
pub(super) enum Fault {
    /// Too short, or an answer.
    NoQuery,
    /// This is to be answered.
    Refused(Vec<u8>),
}

impl Question {
    pub(super) fn read(bytes: &[u8], stream: bool) -> Result<Self, Fault> {
        // An answer is never answered: two servers would talk for ever.
        if bytes.len() < HEAD || bytes[2] & 0x80 != 0 {
            return Err(Fault::NoQuery);
        }
        let id = u16::from_be_bytes([bytes[0], bytes[1]]);
        let op_code = OpCode::from_u8(bytes[2] >> 3 & 15);
        let refuse = |code| Fault::Refused(plain(Message::error_msg(id, op_code, code)));
        if op_code != OpCode::Query {
            return Err(refuse(ResponseCode::NotImp));
        }
        if bytes[4..6] != [0, 1] {
            return Err(refuse(ResponseCode::FormErr));
        }
        let message = Message::from_vec(bytes).map_err(|_| refuse(ResponseCode::FormErr))?;
        let Some(query) = message.queries.into_iter().next() else {
            return Err(refuse(ResponseCode::FormErr));
        };
        let said = message.edns.as_ref();
        let room = match said {
            _ if stream => usize::from(u16::MAX),
            Some(edns) => usize::from(edns.max_payload().clamp(PLAIN, PAYLOAD)),
            None => usize::from(PLAIN),
        };
        let question = Self {
            query,
            id,
            recursion: message.metadata.recursion_desired,
            checking_disabled: message.metadata.checking_disabled,
            edns: said.is_some(),
            dnssec_ok: said.is_some_and(|edns| edns.flags().dnssec_ok),
            room,
        };
        if said.is_some_and(|edns| edns.version() > 0) {
            return Err(Fault::Refused(question.error(ResponseCode::BADVERS)));
        }
        let sort = question.query.query_type();
        let transfer = matches!(sort, RecordType::AXFR | RecordType::IXFR);
        if question.query.query_class() != DNSClass::IN || transfer {
            return Err(Fault::Refused(question.error(ResponseCode::Refused)));
        }
        Ok(question)
    }

    /// What makes it the same as another's.
    pub fn key(&self) -> Key {
        Key {
            name: self.query.name().to_lowercase(),
            sort: self.query.query_type(),
            flags: (self.dnssec_ok, self.checking_disabled),
        }
    }

    pub(super) fn wants_recursion(&self) -> bool {
        self.recursion
    }

    /// The question as an upstream server is asked it.
    pub fn packet(&self, id: u16) -> Vec<u8> {
        let mut message = Message::new(id, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = true;
        message.metadata.checking_disabled = self.checking_disabled;
        message.add_query(self.query.clone());
        message.set_edns(edns(self.dnssec_ok));
        plain(message)
    }

    /// The answer that something went wrong.
    pub fn error(&self, code: ResponseCode) -> Vec<u8> {
        let (answers, authorities) = (Vec::new(), Vec::new());
        let (authoritative, authentic) = (false, false);
        self.answer(Found { code, authoritative, authentic, answers, authorities })
    }

    /// The answer that nobody upstream could tell.
    pub fn failed(&self) -> Vec<u8> {
        self.error(ResponseCode::ServFail)
    }

    /// The answer that too much is being asked.
    pub fn refused(&self) -> Vec<u8> {
        self.error(ResponseCode::Refused)
    }

    /// The answer, cut short where it does not fit.
    pub(super) fn answer(&self, found: Found) -> Vec<u8> {
        let mut message = Message::response(self.id, OpCode::Query);
        let head = &mut message.metadata;
        head.response_code = found.code;
        head.authoritative = found.authoritative;
        head.authentic_data = found.authentic;
        head.recursion_desired = self.recursion;
        head.recursion_available = true;
        head.checking_disabled = self.checking_disabled;
        message.add_query(self.query.clone());
        message.answers = found.answers;
        message.authorities = found.authorities;
        if self.edns {
            message.set_edns(edns(self.dnssec_ok));
        }
        let whole = message.to_vec().unwrap_or_default();
        match whole.is_empty() || whole.len() > self.room {
            false => whole,
            true => plain(message.truncate()),
        }
    }
}

fn edns(dnssec_ok: bool) -> Edns {
    let mut edns = Edns::new();
    edns.set_max_payload(PAYLOAD).set_version(0).set_dnssec_ok(dnssec_ok);
    edns
}

/// As bytes: a head alone always fits.
fn plain(message: Message) -> Vec<u8> {
    message.to_vec().unwrap_or_else(|_| {
        let id = message.metadata.id.to_be_bytes();
        let mut head = vec![0; HEAD];
        head[..2].copy_from_slice(&id);
        head[2..4].copy_from_slice(&[0x80, 0x82]); // an answer; the server failed
        head
    })
}

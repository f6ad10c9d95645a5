//! Names (RFC 1034, RFC 1035): a question and the time in; an answer, or what is
//! to be asked of whom, out.
//!
//! ```yaml
//! networks:
//!   lan:
//!     dns: { domain: lan.test, forward: [9.9.9.9, "2620:fe::fe"], records: { www: 10.1.0.7 } }
//! ```
//!
//! What is the yard's own ([`Zone`]) is answered here and never asked of anybody
//! else: its domain, names of one label, and the addresses of its networks. The
//! rest is asked of the upstream servers in their order, once for all clients
//! that wait for the same, and kept for as long as its records say, within limits
//! ([`Cache`]).
//!
//! A question that was answered a moment ago is answered with the same bytes
//! ([`Resolver::repeat`]): within one second nothing in an answer ages.

mod cache;
mod message;
mod zone;

use std::collections::HashMap; // looked up, never iterated

use hickory_proto::op::{Message, MessageType, ResponseCode};

use cache::Cache;
use message::Fault;
pub use message::{Key, Question};
pub use zone::{Zone, is_name};

/// The time, in seconds: of a clock that never goes back, and since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// What ages answers.
    pub clock: u64,
    /// What ends leases.
    pub today: u64,
}

/// What a query leads to.
#[derive(Debug)]
pub enum Step {
    /// These bytes are the answer.
    Answer(Vec<u8>),
    /// Upstream is to be asked.
    Forward(Question),
    /// It is no question: nobody is answered.
    Drop,
}

/// What an upstream server's answer leads to.
#[derive(Debug, PartialEq, Eq)]
pub enum Upshot {
    /// It is the answer; [`Resolver::settle`] makes it each client's.
    Settled,
    /// It did not fit; the same server is to be asked by TCP.
    Cut,
    /// That server cannot tell; another may.
    Useless,
    /// It is not about this question: the wait goes on.
    Stray,
}

/// What is known of names on one network.
#[derive(Debug)]
pub struct Resolver {
    /// The yard's own names.
    pub zone: Zone,
    cache: Cache,
    /// Whether there is anybody to ask.
    forwards: bool,
    /// Answers of this second, by the query without its id.
    recent: HashMap<Vec<u8>, Vec<u8>>,
    second: u64,
}

/// Answers of one second that are kept as they are.
const RECENT: usize = 2048;

impl Resolver {
    /// Knows a zone, keeps so many answers, and asks upstream or nobody.
    pub fn new(zone: Zone, capacity: usize, forwards: bool) -> Self {
        Self { zone, cache: Cache::new(capacity), forwards, recent: HashMap::new(), second: 0 }
    }

    /// The answer that the same query by UDP got within this second. Whoever
    /// changes the zone calls [`Self::forget`].
    pub fn repeat(&mut self, query: &[u8], now: Now) -> Option<Vec<u8>> {
        if now.clock != self.second {
            self.recent.clear();
            self.second = now.clock;
        }
        let known = self.recent.get(query.get(2..)?)?;
        let mut answer = Vec::with_capacity(2 + known.len());
        answer.extend_from_slice(&query[..2]);
        answer.extend_from_slice(known);
        Some(answer)
    }

    /// Forgets the answers of this second.
    pub fn forget(&mut self) {
        self.recent.clear();
    }

    /// What a query leads to. `stream` is true by TCP, where any length goes.
    pub fn ask(&mut self, query: &[u8], stream: bool, now: Now) -> Step {
        let question = match Question::read(query, stream) {
            Ok(question) => question,
            Err(Fault::NoQuery) => return Step::Drop,
            Err(Fault::Refused(answer)) => return Step::Answer(answer),
        };
        if let Some(found) = self.zone.find(&question.query, now.today) {
            return self.keep(query, stream, question.answer(found));
        }
        if let Some(found) = self.cache.get(&question.key(), now.clock) {
            return self.keep(query, stream, question.answer(found));
        }
        if !self.forwards || !question.wants_recursion() {
            return Step::Answer(question.error(ResponseCode::Refused));
        }
        Step::Forward(question)
    }

    fn keep(&mut self, query: &[u8], stream: bool, answer: Vec<u8>) -> Step {
        if !stream && query.len() <= 512 && self.recent.len() < RECENT {
            self.recent.insert(query[2..].to_vec(), answer[2..].to_vec());
        }
        Step::Answer(answer)
    }

    /// What an answer of an upstream server, to `question` under that id, leads to;
    /// `stream` is true when it came by TCP.
    pub fn hear(
        &mut self,
        question: &Question,
        id: u16,
        answer: &[u8],
        stream: bool,
        now: Now,
    ) -> Upshot {
        let Ok(message) = Message::from_vec(answer) else { return Upshot::Useless };
        let head = &message.metadata;
        let same = message.queries.first().is_some_and(|query| *query == question.query);
        if head.id != id || head.message_type != MessageType::Response || !same {
            return Upshot::Stray;
        }
        if head.truncation && !stream {
            return Upshot::Cut;
        }
        match head.response_code {
            ResponseCode::NoError | ResponseCode::NXDomain => {}
            _ => return Upshot::Useless,
        }
        self.cache.put(question.key(), message, now.clock);
        Upshot::Settled
    }

    /// The answer for a client that asked, once [`Self::hear`] has settled it.
    pub fn settle(&self, question: &Question) -> Vec<u8> {
        match self.cache.last(&question.key()) {
            Some(found) => question.answer(found),
            None => question.error(ResponseCode::ServFail),
        }
    }
}

#[cfg(test)]
mod tests;

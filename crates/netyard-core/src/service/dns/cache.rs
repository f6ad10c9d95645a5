//! Answers of upstream servers, for as long as their records say.

use std::collections::{BTreeMap, HashMap}; // the HashMap is looked up, never iterated

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{RData, Record};

use super::message::{Found, Key};

/// What is kept at most, in seconds.
const LONGEST: u32 = 86_400;
/// That something does not exist is kept at most so long, in seconds (RFC 2308, section 5).
const LONGEST_NEGATIVE: u32 = 3600;
/// Records of one answer, beyond which it is not kept.
const RECORDS: usize = 64;

#[derive(Debug)]
pub(super) struct Cache {
    capacity: usize,
    entries: HashMap<Key, Entry>,
    /// The keys, those that end first at the front.
    ends: BTreeMap<(u64, u64), Key>,
    /// Tells apart what ends in the same second.
    serial: u64,
    /// The answer that came last, for those who wait for it, however short it lives.
    last: Option<(Key, Found)>,
}

#[derive(Debug)]
struct Entry {
    found: Found,
    stored: u64,
    end: (u64, u64),
}

impl Cache {
    pub fn new(capacity: usize) -> Self {
        let (entries, ends) = (HashMap::new(), BTreeMap::new());
        Self { capacity, entries, ends, serial: 0, last: None }
    }

    /// What is known, its times less the time that it was kept.
    pub fn get(&self, key: &Key, now: u64) -> Option<Found> {
        let entry = self.entries.get(key).filter(|entry| entry.end.0 > now)?;
        let age = u32::try_from(now.saturating_sub(entry.stored)).unwrap_or(u32::MAX);
        let mut found = entry.found.clone();
        for record in found.answers.iter_mut().chain(&mut found.authorities) {
            record.ttl = record.ttl.saturating_sub(age);
        }
        Some(found)
    }

    /// The answer that came last, if it is to that question.
    pub fn last(&self, key: &Key) -> Option<Found> {
        self.last.as_ref().filter(|(known, _)| known == key).map(|(_, found)| found.clone())
    }

    pub fn put(&mut self, key: Key, message: Message, now: u64) {
        let head = &message.metadata;
        let mut found = Found {
            code: head.response_code,
            authoritative: false,
            authentic: head.authentic_data,
            answers: message.answers,
            authorities: message.authorities,
        };
        let limit = lifetime(&found);
        for record in found.answers.iter_mut().chain(&mut found.authorities) {
            record.ttl = record.ttl.min(LONGEST);
        }
        self.last = Some((key.clone(), found.clone()));
        let records = found.answers.len() + found.authorities.len();
        if limit == 0 || records > RECORDS || self.capacity == 0 {
            return;
        }
        self.remove(&key);
        while self.entries.len() >= self.capacity {
            let Some((_, first)) = self.ends.pop_first() else { break };
            self.entries.remove(&first);
        }
        self.serial += 1;
        let end = (now + u64::from(limit), self.serial);
        self.ends.insert(end, key.clone());
        self.entries.insert(key, Entry { found, stored: now, end });
    }

    fn remove(&mut self, key: &Key) {
        if let Some(old) = self.entries.remove(key) {
            self.ends.remove(&old.end);
        }
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        assert_eq!(self.entries.len(), self.ends.len());
        self.entries.len()
    }
}

/// How long an answer is kept, in seconds: the least time of its records; of a
/// negative one what its SOA says, and nothing without one (RFC 2308).
fn lifetime(found: &Found) -> u32 {
    let least = |records: &[Record]| records.iter().map(|r| r.ttl).min();
    if found.code == ResponseCode::NoError && !found.answers.is_empty() {
        return least(&found.answers).unwrap_or(0).min(LONGEST);
    }
    let soa = found.authorities.iter().find_map(|record| match &record.data {
        RData::SOA(soa) => Some(record.ttl.min(soa.minimum)),
        _ => None,
    });
    soa.unwrap_or(0).min(LONGEST_NEGATIVE).min(least(&found.answers).unwrap_or(u32::MAX))
}

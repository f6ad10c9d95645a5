//! nftables of the namespace the calling thread is in, whoever made it.

use std::io;

use netyard_core::facts::Ruleset;

use crate::netlink::{Protocol, Socket};

// linux/netfilter/nfnetlink.h, nf_tables.h
const SUBSYSTEM: u16 = 10 << 8;
const GET_TABLE: u16 = SUBSYSTEM | 1;
const GET_CHAIN: u16 = SUBSYSTEM | 4;
const GET_RULE: u16 = SUBSYSTEM | 7;
const GET_SET: u16 = SUBSYSTEM | 10;
const GET_ELEMENTS: u16 = SUBSYSTEM | 13;
const GET_FLOWTABLE: u16 = SUBSYSTEM | 23;
const NFTA_SET_ELEM_LIST_TABLE: u16 = 1;
const NFTA_SET_ELEM_LIST_SET: u16 = 2;
/// How often a ruleset that changes meanwhile is read again.
const TRIES: usize = 5;

/// Reads all of it; again where it changed meanwhile.
pub(crate) fn read() -> io::Result<Ruleset> {
    let mut socket = Socket::open(Protocol::Netfilter)?;
    let mut last = None;
    for _ in 0..TRIES {
        match read_once(&mut socket) {
            // A set that was there is gone.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => last = Some(error),
            other => return other,
        }
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
}

fn read_once(socket: &mut Socket) -> io::Result<Ruleset> {
    let any = header(0);
    let mut ruleset = Ruleset::default();
    each(socket, GET_TABLE, &any, |message| ruleset.take_table(message))?;
    if ruleset.tables.is_empty() {
        return Ok(ruleset);
    }
    each(socket, GET_CHAIN, &any, |message| ruleset.take_chain(message))?;
    each(socket, GET_SET, &any, |message| ruleset.take_set(message))?;
    each(socket, GET_RULE, &any, |message| ruleset.take_rule(message))?;
    // A kernel without flowtables does not know the question.
    if let Err(error) = each(socket, GET_FLOWTABLE, &any, |message| ruleset.take_flowtable(message))
        && !matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP))
    {
        return Err(error);
    }
    let sets: Vec<(u8, String, String)> = ruleset
        .tables
        .iter()
        .flat_map(|table| {
            let names = table.sets.keys();
            names.map(|set| (table.family.number(), table.name.clone(), set.clone()))
        })
        .collect();
    for (family, table, set) in sets {
        let mut question = header(family);
        push_text(&mut question, NFTA_SET_ELEM_LIST_TABLE, &table);
        push_text(&mut question, NFTA_SET_ELEM_LIST_SET, &set);
        each(socket, GET_ELEMENTS, &question, |message| ruleset.take_elements(message))?;
    }
    Ok(ruleset)
}

/// `struct nfgenmsg`: a family, version 0.
fn header(family: u8) -> Vec<u8> {
    vec![family, 0, 0, 0]
}

fn push_text(bytes: &mut Vec<u8>, attribute: u16, text: &str) {
    bytes.extend((text.len() as u16 + 5).to_ne_bytes());
    bytes.extend(attribute.to_ne_bytes());
    bytes.extend(text.as_bytes());
    bytes.push(0);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

fn each(
    socket: &mut Socket,
    ty: u16,
    question: &[u8],
    mut take: impl FnMut(&[u8]) -> Option<()>,
) -> io::Result<()> {
    let mut messages: Vec<Vec<u8>> = Vec::new();
    socket.dump_raw(ty, question, |message| match message {
        None => messages.clear(),
        Some(message) => messages.push(message.payload.to_vec()),
    })?;
    for message in &messages {
        // One that is not understood is of a family that is of no interest here.
        let _ = take(message);
    }
    Ok(())
}

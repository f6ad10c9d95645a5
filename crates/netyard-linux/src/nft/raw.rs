//! nft's own text, as users may write it.
//!
//! nft compiles it in a namespace of its own, beside the rest of the table; what
//! the kernel then has is read, and is from there on a part of the table like any
//! other. So nft checks the text before anything is touched, and the text's rules
//! are in the same transaction as all others, are undone, and are looked after.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::process::{Child, Command, Stdio};

use netyard_core::name::YardName;
use netyard_core::nft::Table;

use super::{Trouble, apply, observe};
use crate::error::{Error, ErrorKind};
use crate::netlink::{Protocol, Socket};
use crate::netns::Worker;

/// The table with its text compiled. The worker's thread is left in a namespace
/// that ends with it.
pub(crate) fn compile(worker: &mut Worker, yard: &YardName, table: &Table) -> Result<Table, Error> {
    let failed = |e| Error::system(could_not(table), e);
    let _scratch = worker.create(None).map_err(failed)?;
    let mut socket = Socket::open(Protocol::Netfilter).map_err(failed)?;
    let plain = Table { raw: String::new(), ..table.clone() };
    apply(&mut socket, None, yard, &plain).map_err(|trouble| told(table, trouble))?;
    let text = format!("table inet {} {{\n{}\n}}\n", table.name, table.raw);
    nft(table, &["-f", "-"], &text)?;
    let found = observe(&mut socket, yard, &table.place, Some(&plain)).map_err(failed)?;
    let refused = |why: String| Error::new(ErrorKind::Refused, could_not(table)).extack(Some(why));
    let Some(found) = found else {
        return Err(refused("the text takes the table away that it is in".to_owned()));
    };
    match lost(worker, yard, table, &found.table)? {
        None => Ok(found.table),
        Some(line) => Err(refused(format!("a table of netyard's has no place for `{line}`"))),
    }
}

/// What of the text is not in the table that was read, as nft lists it: named
/// counters, hooks of devices, other tables. It is what nft does not list of that
/// table, made in a namespace of its own.
fn lost(
    worker: &mut Worker,
    yard: &YardName,
    table: &Table,
    compiled: &Table,
) -> Result<Option<String>, Error> {
    let failed = |e| Error::system(could_not(table), e);
    let written = list(table)?;
    let _scratch = worker.create(None).map_err(failed)?;
    let mut socket = Socket::open(Protocol::Netfilter).map_err(failed)?;
    apply(&mut socket, None, yard, compiled).map_err(|trouble| told(table, trouble))?;
    let made = list(table)?;
    let made: BTreeSet<&str> = made.lines().map(str::trim).collect();
    Ok(written.lines().map(str::trim).find(|line| !made.contains(line)).map(str::to_owned))
}

/// The namespace's ruleset, without what was counted.
fn list(table: &Table) -> Result<String, Error> {
    nft(table, &["-s", "list", "ruleset"], "")
}

/// What nft prints.
fn nft(table: &Table, arguments: &[&str], input: &str) -> Result<String, Error> {
    let failed = |e: io::Error| {
        if e.kind() != io::ErrorKind::NotFound {
            return Error::system(could_not(table), e);
        }
        let what = format!("the `raw` text of the firewall of `{}` needs `nft`", table.place);
        Error::new(ErrorKind::System, format!("{what}, and there is no such program"))
            .hint("install the package nftables, or say it without `raw`")
    };
    let mut child = start("nft", arguments)
        .or_else(|e| match e.kind() {
            // Users without root do not have it in their PATH.
            io::ErrorKind::NotFound => start("/usr/sbin/nft", arguments),
            _ => Err(e),
        })
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // What nft says of a text that it stops reading is said below.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(failed)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = in_the_text(&String::from_utf8_lossy(&output.stderr), &table.raw);
    Err(Error::new(ErrorKind::Refused, could_not(table)).extack(Some(said)))
}

fn start(nft: &str, arguments: &[&str]) -> io::Result<Child> {
    Command::new(nft)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

/// What nft says, with the lines counted within the text: nft reads one before it.
/// An end that is missing is told at the text's last line.
fn in_the_text(said: &str, text: &str) -> String {
    let last = text.lines().count().max(1);
    let lines = said.trim().lines().map(|line| {
        let place = line.strip_prefix("/dev/stdin:").and_then(|rest| rest.split_once(':'));
        match place.and_then(|(number, rest)| Some((number.parse::<usize>().ok()?, rest))) {
            Some((number, rest)) => {
                format!("raw:{}:{rest}", number.saturating_sub(1).clamp(1, last))
            }
            None => line.to_owned(),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn could_not(table: &Table) -> String {
    format!("nft does not take the `raw` text of the firewall of `{}`", table.place)
}

fn told(table: &Table, trouble: Trouble) -> Error {
    match trouble {
        Trouble::System(error) => Error::system(could_not(table), error),
        Trouble::Taken => Error::new(ErrorKind::Bug, could_not(table)),
        Trouble::Refused { about, failure } => Error::new(ErrorKind::Refused, could_not(table))
            .errno(failure.errno)
            .extack(failure.text.or(about)),
    }
}

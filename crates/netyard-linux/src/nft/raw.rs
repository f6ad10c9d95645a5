//! nft's own text, as users may write it.
//!
//! nft compiles it in a namespace of its own, beside the rest of the table; what
//! the kernel then has is read, and is from there on a part of the table like any
//! other. So nft checks the text before anything is touched, and the text's rules
//! are in the same transaction as all others, are undone, and are looked after.

use std::io::{self, Write};
use std::process::{Command, Stdio};

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
    run_nft(table)?;
    let found = observe(&mut socket, yard, &table.place, Some(&plain)).map_err(failed)?;
    match found {
        Some(found) => Ok(found.table),
        None => Err(Error::new(ErrorKind::Refused, could_not(table))
            .extack(Some("the text takes the table away that it is in".to_owned()))),
    }
}

fn run_nft(table: &Table) -> Result<(), Error> {
    let failed = |e: io::Error| {
        let absent = e.kind() == io::ErrorKind::NotFound;
        let error = Error::system(could_not(table), e);
        if absent { error.hint("`raw` needs the program `nft`: package nftables") } else { error }
    };
    let text = format!("table inet {} {{ {}\n}}\n", table.name, table.raw);
    let mut child = Command::new("nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // What nft says of a text that it stops reading is said below.
        let _ = stdin.write_all(text.as_bytes());
    }
    let output = child.wait_with_output().map_err(failed)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).replace("/dev/stdin:", "raw:");
    Err(Error::new(ErrorKind::Refused, could_not(table)).extack(Some(said.trim().to_owned())))
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

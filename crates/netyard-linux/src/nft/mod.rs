//! nftables in one namespace: the yard's table as it is, and its changes, each
//! one transaction.
//!
//! A change is worked out against what is there now and not against what was
//! there when the plan was made, so that only rules that differ are touched: all
//! others keep what they counted, whoever did what in between.

mod conntrack;
mod probe;
mod raw;

use std::collections::BTreeMap;
use std::io;

use netyard_core::name::YardName;
use netyard_core::nft::{Edit, Table, edits, table_name};
use netyard_core::state::{FlowDevice, InterfaceId, Place};
use netyard_core::wire::Names;
use netyard_core::wire::nft::{
    self as wire, Ask, ChainRow, FlowtableRow, Handles, INET, Rows, RuleRow, SetRow, TableRow,
    Transaction,
};
use rustix::io::Errno;

use crate::netlink::{Failure, Socket};

pub(crate) use probe::probe;
pub(crate) use raw::compile;

/// How often a change is begun again when others change the ruleset meanwhile.
const TRIES: usize = 10;

/// The yard's table in one namespace, as it is.
#[derive(Debug)]
pub(crate) struct Found {
    /// The table; its flowtables' devices are beside it.
    pub table: Table,
    /// Those devices, by the names the kernel has for them.
    pub devices: Vec<(String, netyard_core::nft::Flowtable)>,
    handles: Handles,
}

/// What kept a table from being changed.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The kernel could not be asked.
    System(io::Error),
    /// The kernel refused what is named, in words of nft where it is a part of the table.
    Refused {
        /// What it refused.
        about: Option<String>,
        /// Why.
        failure: Failure,
    },
    /// Somebody else's table has its name.
    Taken,
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// Reads the yard's table; none where there is none. What is as `wanted` is said
/// in its words.
pub(crate) fn observe(
    socket: &mut Socket,
    yard: &YardName,
    place: &Place,
    wanted: Option<&Table>,
) -> io::Result<Option<Found>> {
    for _ in 0..TRIES {
        let before = generation(socket)?;
        let found = match read(socket, yard, place, wanted) {
            // A set that was there is gone.
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => continue,
            found => found?,
        };
        if generation(socket)? == before {
            return Ok(found);
        }
    }
    Err(io::Error::other("the ruleset changes faster than it can be read"))
}

fn generation(socket: &mut Socket) -> io::Result<Option<u32>> {
    let (ty, body) = wire::generation_question();
    Ok(socket.ask_raw(ty, &body)?.and_then(|body| wire::generation(&body)))
}

fn read(
    socket: &mut Socket,
    yard: &YardName,
    place: &Place,
    wanted: Option<&Table>,
) -> io::Result<Option<Found>> {
    let name = table_name(yard);
    let tables = all(socket, Ask::Tables, None, TableRow::read)?;
    if !tables.iter().any(|table| table.is_of(yard)) {
        return Ok(None);
    }
    rows(socket, &name).and_then(|rows| found(socket, rows, place, &name, wanted)).map(Some)
}

/// All rows of one table of family `inet`.
fn rows(socket: &mut Socket, name: &str) -> io::Result<Rows> {
    let mut rows = Rows {
        chains: all(socket, Ask::Chains, Some(name), ChainRow::read)?,
        rules: all(socket, Ask::Rules, Some(name), RuleRow::read)?,
        sets: all(socket, Ask::Sets, Some(name), SetRow::read)?,
        // A kernel without flowtables does not know the question.
        flowtables: match all(socket, Ask::Flowtables, Some(name), FlowtableRow::read) {
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP)) => {
                Vec::new()
            }
            flowtables => flowtables?,
        },
    };
    // Not every kernel heeds that only one table was asked for.
    rows.chains.retain(|row| row.table == name);
    rows.rules.retain(|row| row.table == name);
    rows.sets.retain(|row| row.table == name);
    rows.flowtables.retain(|row| row.table == name);
    Ok(rows)
}

fn found(
    socket: &mut Socket,
    rows: Rows,
    place: &Place,
    name: &str,
    wanted: Option<&Table>,
) -> io::Result<Found> {
    let mut elements = BTreeMap::new();
    let known = rows.known(wanted);
    for set in rows.missing(&known) {
        let (ty, question) = wire::elements_question(INET, name, &set);
        let mut of_set = Vec::new();
        socket.dump_raw(ty, &question, |message| match message {
            None => of_set.clear(),
            Some(message) => of_set.extend(wire::elements(message.payload)),
        })?;
        elements.insert(set, of_set);
    }
    let (table, handles) = rows.table(place, name, wanted, &known, &elements);
    let flowtables = rows.flowtables.into_iter().map(|row| row.flowtable);
    let devices = flowtables.flat_map(|mut flowtable| {
        let devices = std::mem::take(&mut flowtable.devices);
        devices.into_iter().map(move |device| (device, flowtable.clone()))
    });
    Ok(Found { table, devices: devices.collect(), handles })
}

fn all<T>(
    socket: &mut Socket,
    ask: Ask,
    table: Option<&str>,
    read: impl Fn(&[u8]) -> Option<T>,
) -> io::Result<Vec<T>> {
    let mut rows = Vec::new();
    socket.dump_raw(ask.ty(), &wire::question(INET, table), |message| match message {
        None => rows.clear(),
        Some(message) => rows.extend(read(message.payload)),
    })?;
    Ok(rows)
}

impl Found {
    /// The flowtables' devices as objects.
    pub fn flow_devices(&self, names: &Names) -> Vec<FlowDevice> {
        let device = |(device, flowtable): &(String, netyard_core::nft::Flowtable)| {
            let (place, name) = (self.table.place.clone(), names.full_of(device)?);
            Some(FlowDevice {
                interface: InterfaceId { place, name },
                table: self.table.name.clone(),
                flowtable: flowtable.name.clone(),
                priority: flowtable.priority,
            })
        };
        self.devices.iter().filter_map(device).collect()
    }
}

/// Makes the table what `to` says, in one transaction; makes it where it is not there.
///
/// Connections that are translated as the table said before, and not as it says
/// now, are deleted where there is a `route` socket.
pub(crate) fn apply(
    socket: &mut Socket,
    route: Option<&mut Socket>,
    yard: &YardName,
    to: &Table,
) -> Result<(), Trouble> {
    if !to.raw.trim().is_empty() {
        // Rules that are asked for and not made would let through what they forbid.
        return Err(io::Error::other("`raw` text that nft has not compiled").into());
    }
    let mut last = None;
    for _ in 0..TRIES {
        let number = generation(socket)?;
        // In a new namespace, nobody has made anything yet.
        let found = match number {
            Some(1) | None => None,
            Some(_) => observe(socket, yard, &to.place, Some(to))?,
        };
        let mut transaction = Transaction::default();
        let edits = match &found {
            Some(found) => {
                let edits = edits(Some(&found.table), to);
                transaction.edit(&to.name, &edits, &found.handles);
                edits
            }
            None => {
                transaction.make(yard, to);
                edits(None, to)
            }
        };
        if transaction.messages.is_empty() {
            return Ok(());
        }
        let failures = socket.transact(number, &transaction.messages)?;
        let Some(failure) = failures.into_iter().next() else {
            let old = found.map(|found| found.table);
            return follow(socket, route, number, old, to);
        };
        match failure.errno {
            // ERESTART: somebody was faster.
            errno if errno.raw_os_error() == 85 => last = Some(failure),
            Errno::EXIST if found.is_none() && failure.index == 0 => return Err(Trouble::Taken),
            _ => {
                let edit = transaction.owners.get(failure.index).copied().flatten();
                let about = edit.and_then(|number| edits.get(number)).map(Edit::to_string);
                return Err(Trouble::Refused { about, failure });
            }
        }
    }
    match last {
        Some(failure) => Err(Trouble::Refused { about: None, failure }),
        None => Ok(()),
    }
}

/// What the change of a table means for connections that are there.
fn follow(
    socket: &mut Socket,
    route: Option<&mut Socket>,
    generation: Option<u32>,
    old: Option<Table>,
    new: &Table,
) -> Result<(), Trouble> {
    // A namespace in which there was no ruleset has only untranslated ones.
    let old = old.unwrap_or_else(|| Table { chains: Vec::new(), ..new.clone() });
    let changes = old.translates() || new.translates() && generation != Some(1);
    if let Some(route) = route.filter(|_| changes) {
        conntrack::forget_stale(socket, route, &old, new)?;
    }
    Ok(())
}

/// Packets and bytes that each rule of the yard's table counted: chain, rule as
/// nft writes it, and both.
pub(crate) fn counters(
    socket: &mut Socket,
    yard: &YardName,
) -> io::Result<Vec<(String, String, u64, u64)>> {
    let name = table_name(yard);
    let rules = all(socket, Ask::Rules, Some(&name), RuleRow::read)?;
    let ours = rules.into_iter().filter(|row| row.family == INET && row.table == name);
    let counted = ours.filter_map(|row| {
        let (packets, bytes) = row.counter?;
        let text = row.comment.clone().unwrap_or_else(|| row.text());
        Some((row.chain, text, packets, bytes))
    });
    Ok(counted.collect())
}

/// Takes the yard's table away; fine where it is gone.
pub(crate) fn remove(socket: &mut Socket, yard: &YardName) -> Result<(), Trouble> {
    let tables = all(socket, Ask::Tables, None, TableRow::read)?;
    if !tables.iter().any(|table| table.is_of(yard)) {
        return Ok(());
    }
    let mut transaction = Transaction::default();
    transaction.delete(&table_name(yard));
    done(socket.transact(None, &transaction.messages)?)
}

/// Puts a device into its flowtable, or takes it out.
pub(crate) fn flow_device(
    socket: &mut Socket,
    device: &FlowDevice,
    kernel_name: &str,
    there: bool,
) -> Result<(), Trouble> {
    let mut transaction = Transaction::default();
    transaction.flow_device(device, kernel_name, there);
    done(socket.transact(None, &transaction.messages)?)
}

fn done(failures: Vec<Failure>) -> Result<(), Trouble> {
    match failures.into_iter().next() {
        None => Ok(()),
        Some(failure) if failure.errno == Errno::NOENT => Ok(()),
        Some(failure) => Err(Trouble::Refused { about: None, failure }),
    }
}

//! What of a ruleset this kernel lacks, found out by trying, in a namespace that
//! is dropped again: one rule for each sort of expression.

use std::collections::{BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use netyard_core::name::YardName;
use netyard_core::nft::{Chain, Expr, Set, Table};
use rustix::io::Errno;

use super::{Trouble, apply};
use crate::error::{Error, ErrorKind};
use crate::netlink::{Protocol, Socket};
use crate::netns::Worker;

/// Kernel options by what needs them.
const OPTIONS: [(&str, &str); 21] = [
    ("flowtable", "CONFIG_NF_FLOW_TABLE_INET"),
    ("flow_offload", "CONFIG_NFT_FLOW_OFFLOAD"),
    ("ct", "CONFIG_NFT_CT"),
    ("connlimit", "CONFIG_NFT_CONNLIMIT"),
    ("fib", "CONFIG_NFT_FIB_INET"),
    ("limit", "CONFIG_NFT_LIMIT"),
    ("log", "CONFIG_NFT_LOG"),
    ("masq", "CONFIG_NFT_MASQ"),
    ("nat", "CONFIG_NFT_NAT"),
    ("redir", "CONFIG_NFT_REDIR"),
    ("reject", "CONFIG_NFT_REJECT_INET"),
    ("notrack", "CONFIG_NFT_CT"),
    ("hash", "CONFIG_NFT_HASH"),
    ("numgen", "CONFIG_NFT_NUMGEN"),
    ("queue", "CONFIG_NFT_QUEUE"),
    ("quota", "CONFIG_NFT_QUOTA"),
    ("socket", "CONFIG_NFT_SOCKET"),
    ("synproxy", "CONFIG_NFT_SYNPROXY"),
    ("tproxy", "CONFIG_NFT_TPROXY"),
    ("osf", "CONFIG_NFT_OSF"),
    ("xfrm", "CONFIG_NFT_XFRM"),
];

/// Fails with what the kernel lacks of a table. The worker's thread is left in a
/// namespace that ends with it.
///
/// `seen` are the sorts that were tried for other tables.
pub(crate) fn probe(
    worker: &mut Worker,
    yard: &YardName,
    table: &Table,
    seen: &mut BTreeSet<String>,
) -> Result<(), Error> {
    let (small, mut sorts) = excerpt(table, seen);
    if sorts.is_empty() {
        return Ok(());
    }
    let what = format!("this kernel does not take the firewall of `{}`", table.place);
    let failed = |e| Error::system(what.clone(), e);
    let _scratch = worker.create(None).map_err(failed)?;
    let mut socket = match Socket::open(Protocol::Netfilter) {
        Err(error) if error.raw_os_error() == Some(libc::EPROTONOSUPPORT) => {
            return Err(
                failed(error).hint("it lacks CONFIG_NETFILTER_NETLINK and CONFIG_NF_TABLES")
            );
        }
        socket => socket.map_err(failed)?,
    };
    match apply(&mut socket, None, yard, &small) {
        Ok(()) => Ok(()),
        Err(Trouble::System(error)) => Err(failed(error)),
        Err(Trouble::Taken) => Err(Error::new(ErrorKind::Bug, what)),
        Err(Trouble::Refused { about, failure }) => {
            let error = Error::new(ErrorKind::Refused, what).errno(failure.errno);
            let error = error.extack(failure.text.or_else(|| about.clone()));
            // ENOENT: no module has an expression, or a flowtable, of that name.
            let lacks = matches!(failure.errno, Errno::NOENT | Errno::OPNOTSUPP);
            let about = about.unwrap_or_default();
            sorts.retain(|(sort, text)| *text == about || about.starts_with(sort.as_str()));
            let option = |(sort, _): &(String, String)| {
                OPTIONS.iter().find(|(name, _)| name == sort).map(|(_, option)| *option)
            };
            let options: BTreeSet<&str> = sorts.iter().filter_map(option).collect();
            match lacks && !options.is_empty() {
                false => Err(error),
                true => {
                    let options: Vec<&str> = options.into_iter().collect();
                    Err(error.hint(format!("it may lack {}", options.join(" or "))))
                }
            }
        }
    }
}

/// A hash of all that makes an expression one of its sort: cheaper than its words,
/// of which thousands of rules have the same.
fn shape(expression: &Expr, hook: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&expression.name, hook).hash(&mut hasher);
    expression.attributes.kinds().for_each(|attribute| attribute.hash(&mut hasher));
    hasher.finish()
}

/// The table with one rule for each sort of expression, and of which rule each is.
fn excerpt(table: &Table, seen: &mut BTreeSet<String>) -> (Table, Vec<(String, String)>) {
    let mut sorts = Vec::new();
    let mut shapes = HashSet::new();
    let chain = |chain: &Chain| {
        let mut rules = Vec::new();
        for rule in &chain.rules {
            // What an expression may do depends on the hook.
            let hook = chain.base.map(|base| base.hook.word()).unwrap_or_default();
            let new = rule.compile().into_iter().filter(|e| shapes.insert(shape(e, hook)));
            let names = new.map(|e| {
                let kinds: Vec<u16> = e.attributes.kinds().collect();
                (format!("{} {hook} {kinds:?}", e.name), e.name.into_owned())
            });
            let new: Vec<(String, String)> =
                names.filter(|(key, _)| seen.insert(key.clone())).collect();
            if !new.is_empty() {
                let text = format!("{}: {rule}", chain.name);
                sorts.extend(new.into_iter().map(|(_, name)| (name, text.clone())));
                rules.push(rule.clone());
            }
        }
        Chain { rules, ..chain.clone() }
    };
    let chains = table.chains.iter().map(chain).collect();
    let few =
        |set: &Set| Set { elements: set.elements.iter().take(2).cloned().collect(), ..set.clone() };
    let sets = table.sets.iter().map(few).collect();
    if !table.flowtables.is_empty() && seen.insert("flowtable".to_owned()) {
        sorts.push(("flowtable".to_owned(), "flowtable".to_owned()));
    }
    (Table { chains, sets, raw: String::new(), ..table.clone() }, sorts)
}

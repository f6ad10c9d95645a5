//! Counters and settings of the namespace the calling thread is in.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use netyard_core::facts::{Conntrack, Flow, Link, NeighbourTable, Resolver};
use netyard_core::wire::Mark;

use crate::netlink::{Protocol, Socket};
use crate::sysctl::Proc;

/// `/proc/net` is that of the process's first thread; this is the caller's.
const NET: &str = "/proc/thread-self/net";

/// Settings of a namespace as a whole.
const SETTINGS: [&str; 9] = [
    "net/ipv4/ip_forward",
    "net/ipv4/conf/all/accept_redirects",
    "net/ipv4/conf/all/ignore_routes_with_linkdown",
    "net/ipv4/conf/all/rp_filter",
    "net/ipv4/conf/all/src_valid_mark",
    "net/ipv6/conf/all/forwarding",
    "net/bridge/bridge-nf-call-iptables",
    "net/bridge/bridge-nf-call-ip6tables",
    "net/netfilter/nf_conntrack_max",
];

/// Settings of an interface.
const OF_LINKS: [&str; 5] = [
    "net/ipv4/conf/{if}/forwarding",
    "net/ipv4/conf/{if}/rp_filter",
    "net/ipv4/conf/{if}/ignore_routes_with_linkdown",
    "net/ipv6/conf/{if}/accept_ra",
    "net/ipv6/conf/{if}/forwarding",
];

/// The settings that checks look at; those of netyard's own interfaces only
/// where `thorough`: there may be thousands.
pub(super) fn settings(
    proc: &Proc,
    links: &[Link],
    thorough: bool,
) -> io::Result<BTreeMap<String, String>> {
    let mut settings = BTreeMap::new();
    let mut read = |key: String| {
        let value = proc.read(&format!("sys/{key}"))?;
        settings.extend(value.map(|value| (key, value)));
        Ok::<_, io::Error>(())
    };
    for key in SETTINGS {
        read(key.to_owned())?;
    }
    let worth = |link: &&Link| !link.loopback && (thorough || Mark::parse(&link.alias).is_none());
    for link in links.iter().filter(worth) {
        for key in OF_LINKS {
            read(key.replace("{if}", &link.name))?;
        }
    }
    Ok(settings)
}

/// The counters of `snmp` and `netstat`: a line of names, then one of numbers.
pub(super) fn counters() -> io::Result<BTreeMap<String, u64>> {
    let mut counters = BTreeMap::new();
    for file in ["snmp", "netstat"] {
        let text = fs::read_to_string(format!("{NET}/{file}"))?;
        let lines: Vec<&str> = text.lines().collect();
        for pair in lines.chunks_exact(2) {
            let (Some((group, names)), Some((_, values))) =
                (pair[0].split_once(':'), pair[1].split_once(':'))
            else {
                continue;
            };
            let values = values.split_whitespace().map(|value| value.parse().unwrap_or(0));
            counters
                .extend(names.split_whitespace().map(|name| format!("{group}.{name}")).zip(values));
        }
    }
    Ok(counters)
}

/// How full connection tracking is; none where it is not there.
pub(super) fn conntrack(proc: &Proc) -> io::Result<Option<Conntrack>> {
    let number = |path: &str| Ok::<_, io::Error>(proc.read(path)?.and_then(|v| v.parse().ok()));
    let (Some(count), Some(max)) = (
        number("sys/net/netfilter/nf_conntrack_count")?,
        number("sys/net/netfilter/nf_conntrack_max")?,
    ) else {
        return Ok(None);
    };
    let rows = table("nf_conntrack")?;
    let sum = |column: &str| rows.iter().filter_map(|row| row.get(column)).sum();
    Ok(Some(Conntrack { count, max, drop: sum("drop"), early_drop: sum("early_drop") }))
}

/// The neighbour tables, where they have counters.
pub(super) fn neighbours(proc: &Proc) -> io::Result<Vec<NeighbourTable>> {
    let mut found = Vec::new();
    for (name, family) in [("arp_cache", "ipv4"), ("ndisc_cache", "ipv6")] {
        let rows = table(name)?;
        let Some(first) = rows.first() else { continue };
        let most = proc.read(&format!("sys/net/{family}/neigh/default/gc_thresh3"))?;
        found.push(NeighbourTable {
            name: name.to_owned(),
            // The same on every processor's line, unlike the others.
            entries: first.get("entries").copied().unwrap_or_default(),
            overflows: rows.iter().filter_map(|row| row.get("table_fulls")).sum(),
            most: most.and_then(|most| most.parse().ok()).unwrap_or_default(),
        });
    }
    Ok(found)
}

/// A file of `/proc/net/stat`: names, then a line of hexadecimal numbers for
/// each processor. Empty where there is none.
fn table(name: &str) -> io::Result<Vec<BTreeMap<String, u64>>> {
    let text = match fs::read_to_string(format!("{NET}/stat/{name}")) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().split_whitespace().collect();
    let row = |line: &str| {
        let values = line.split_whitespace();
        let values = values.map(|value| u64::from_str_radix(value, 16).unwrap_or_default());
        names.iter().map(|name| (*name).to_owned()).zip(values).collect()
    };
    Ok(lines.map(row).collect())
}

/// The tables of the old iptables of both families; none is an empty list.
pub(super) fn legacy_tables() -> io::Result<Vec<String>> {
    let mut tables = Vec::new();
    for (file, command) in [("ip_tables_names", "iptables"), ("ip6_tables_names", "ip6tables")] {
        match fs::read_to_string(format!("{NET}/{file}")) {
            Ok(text) => tables.extend(text.lines().map(|table| format!("{command} {table}"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(tables)
}

/// Who is asked for names: by the node's own file where there is one.
pub(super) fn resolver(own: Option<&Path>) -> io::Result<Option<Resolver>> {
    let own = own.map(|directory| directory.join("resolv.conf")).filter(|file| file.exists());
    let file = own.unwrap_or_else(|| "/etc/resolv.conf".into());
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let servers = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    let nameservers: Vec<IpAddr> =
        servers.filter_map(|address| address.trim().split('%').next()?.parse().ok()).collect();
    Ok(Some(Resolver { file: file.display().to_string(), nameservers }))
}

/// What connection tracking knows, of TCP and UDP.
pub(super) fn flows() -> io::Result<Vec<Flow>> {
    /// Subsystem 1 (`NFNL_SUBSYS_CTNETLINK`), `IPCTNL_MSG_CT_GET`.
    const GET: u16 = 1 << 8 | 1;
    let mut socket = Socket::open(Protocol::Netfilter)?;
    let mut flows = Vec::new();
    socket.dump_raw(GET, &[0; 4], |message| match message {
        None => flows.clear(),
        Some(message) => flows.extend(Flow::read(message.payload)),
    })?;
    Ok(flows)
}

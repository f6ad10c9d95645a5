//! The counters of one namespace.

use std::collections::BTreeMap;
use std::io;

use netyard_core::explain::{Rise, Stack};

use crate::netlink::Socket;

/// Counters of IP that say that a packet was lost, as below `/proc/net`.
const LOSSES: [&str; 24] = [
    "Ip.InHdrErrors",
    "Ip.InAddrErrors",
    "Ip.InUnknownProtos",
    "Ip.InDiscards",
    "Ip.OutDiscards",
    "Ip.OutNoRoutes",
    "Ip.FragFails",
    "IpExt.InNoRoutes",
    "IpExt.InTruncatedPkts",
    "TcpExt.IPReversePathFilter",
    "TcpExt.ArpFilter",
    "TcpExt.ListenDrops",
    "TcpExt.ListenOverflows",
    "Udp.NoPorts",
    "Udp.RcvbufErrors",
    "Ip6InHdrErrors",
    "Ip6InTooBigErrors",
    "Ip6InNoRoutes",
    "Ip6InAddrErrors",
    "Ip6InDiscards",
    "Ip6OutDiscards",
    "Ip6OutNoRoutes",
    "Ip6FragFails",
    "Udp6NoPorts",
];
/// Those that only say that one passed.
const PASSES: [&str; 2] = ["Ip.ForwDatagrams", "Ip6OutForwDatagrams"];

/// `RTM_GETQDISC`, linux/rtnetlink.h.
const GET_QDISC: u16 = 38;
const TC_HEADER: usize = 20; // struct tcmsg

/// Counters by name.
pub(super) type Counts = BTreeMap<String, u64>;

/// Reads those of the calling thread's namespace; `stack` and `socket` are its.
pub(super) fn read(stack: &Stack, socket: &mut Socket) -> io::Result<Counts> {
    let mut counts = Counts::new();
    // `/proc/net` is that of the process's first thread.
    for file in ["snmp", "netstat"] {
        let text = std::fs::read_to_string(format!("/proc/thread-self/net/{file}"))?;
        counts.extend(pairs(&text));
    }
    // A kernel without IPv6 has none.
    let ipv6 = std::fs::read_to_string("/proc/thread-self/net/snmp6").unwrap_or_default();
    for line in ipv6.lines() {
        let mut words = line.split_whitespace();
        if let (Some(name), Some(Ok(value))) = (words.next(), words.next().map(str::parse)) {
            counts.insert(name.to_owned(), value);
        }
    }
    counts.retain(|name, _| LOSSES.contains(&name.as_str()) || PASSES.contains(&name.as_str()));
    for (index, device) in &stack.devices {
        let name = stack.name(*index);
        let c = device.counters;
        counts.insert(format!("{name} rx packets"), c.rx_packets);
        counts.insert(format!("{name} tx packets"), c.tx_packets);
        counts.insert(format!("{name} rx dropped"), c.rx_dropped + c.rx_errors);
        counts.insert(format!("{name} tx dropped"), c.tx_dropped + c.tx_errors);
    }
    queues(stack, socket, &mut counts)?;
    Ok(counts)
}

/// Lines of names and lines of values, in pairs.
fn pairs(text: &str) -> Counts {
    let lines: Vec<&str> = text.lines().collect();
    let mut counts = Counts::new();
    for pair in lines.chunks_exact(2) {
        let Some((head, names)) = pair[0].split_once(':') else { continue };
        let Some((_, values)) = pair[1].split_once(':') else { continue };
        for (name, value) in names.split_whitespace().zip(values.split_whitespace()) {
            if let Ok(value) = value.parse() {
                counts.insert(format!("{head}.{name}"), value);
            }
        }
    }
    counts
}

/// What qdiscs dropped.
fn queues(stack: &Stack, socket: &mut Socket, counts: &mut Counts) -> io::Result<()> {
    let mut found = Vec::new();
    socket.dump_raw(GET_QDISC, &[0; TC_HEADER], |message| match message {
        None => found.clear(),
        Some(message) => found.extend(queue(message.payload)),
    })?;
    for (index, kind, drops) in found {
        *counts.entry(format!("{} {kind} drops", stack.name(index))).or_default() += drops;
    }
    Ok(())
}

fn queue(message: &[u8]) -> Option<(u32, String, u64)> {
    let index = u32::from_ne_bytes(message.get(4..8)?.try_into().ok()?);
    let (mut kind, mut drops) = (String::new(), 0);
    for (ty, value) in crate::netlink::attributes(message.get(TC_HEADER..)?) {
        match ty {
            1 => kind = String::from_utf8_lossy(value).trim_end_matches('\0').to_owned(),
            7 => {
                // TCA_STATS2, TCA_STATS_QUEUE: length, backlog, drops
                let queue = crate::netlink::attributes(value).find(|(ty, _)| *ty == 3);
                let bytes = queue.and_then(|(_, value)| value.get(8..12)?.try_into().ok());
                drops = bytes.map_or(0, u32::from_ne_bytes).into();
            }
            _ => {}
        }
    }
    Some((index, kind, drops))
}

/// What rose.
pub(super) fn rises(before: &Counts, after: &Counts) -> Vec<Rise> {
    let rise = |(name, value): (&String, &u64)| {
        let by = value.saturating_sub(before.get(name).copied().unwrap_or(0));
        let loss = LOSSES.contains(&name.as_str())
            || name.ends_with(" dropped")
            || name.ends_with(" drops");
        (by > 0).then(|| Rise { counter: name.clone(), by, loss })
    };
    after.iter().filter_map(rise).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_come_in_pairs_of_lines() {
        let counts = pairs("Ip: A B\nIp: 1 -2\nTcpExt: C\nTcpExt: 3\n");
        assert_eq!(counts, Counts::from([("Ip.A".into(), 1), ("TcpExt.C".into(), 3)]));
        assert_eq!(pairs("Ip: A"), Counts::new());
    }

    #[test]
    fn only_what_rose_is_told() {
        let before = Counts::from([("Ip.FragFails".into(), 1), ("eth0 rx packets".into(), 5)]);
        let after = Counts::from([("Ip.FragFails".into(), 1), ("eth0 rx packets".into(), 7)]);
        let expected = Rise { counter: "eth0 rx packets".into(), by: 2, loss: false };
        assert_eq!(rises(&before, &after), [expected]);
    }
}

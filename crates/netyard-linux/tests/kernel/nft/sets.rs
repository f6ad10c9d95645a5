//! Sets whose elements change: neighbours, ranges that grow, shrink, split.

use std::net::UdpSocket;
use std::time::Duration;

use netyard_core::nft::*;
use netyard_core::state::State;

use super::{filter, rule, table, with_table};
use crate::bed::{isolated, node};
use crate::kinds::two_nodes;
use crate::yard::{steps_left, up};

/// How many sets follow each other.
const ROUNDS: usize = 60;
/// What they are drawn from: so many /24 and so many ranges of ports, all side by side.
const PIECES: usize = 12;

/// `b` drops what comes from `known`.
fn knows(prefixes: u16, ranges: u16) -> State {
    let drawn = |bits: u16| (0..PIECES).filter(move |n| bits >> n & 1 == 1);
    let set = |name: &str, kind, elements| Set { name: name.into(), kind, elements };
    let from = Statement::is(Matcher::SaddrSet { set: "known".into(), ipv6: false });
    let to = Statement::is(Matcher::DportSet(Protocol::Tcp, "ports".into()));
    let rules = vec![rule(&[from, Statement::Drop]), rule(&[to, Statement::Drop])];
    let mut own = table(&node("b"), vec![filter("input", Hook::Input, Policy::Accept, rules)]);
    own.sets = vec![
        set("known", SetKind::Ipv4, drawn(prefixes).map(|n| format!("10.8.{n}.0/24")).collect()),
        set("ports", SetKind::Port, {
            drawn(ranges).map(|n| format!("{}-{}", 100 * n + 1, 100 * n + 100)).collect()
        }),
    ];
    with_table(&two_nodes(), own)
}

/// Which of the prefixes `b` hears from. What is sent over a link arrives in its order: when the
/// last has come, from who is in no set, the others have come or will not.
fn heard(sources: &[UdpSocket], last: &UdpSocket, sink: &UdpSocket) -> u16 {
    for source in sources.iter().chain([last]) {
        source.send_to(b"x", ("10.0.0.2", 9)).unwrap();
    }
    let mut bits = 0;
    loop {
        let (_, from) = sink.recv_from(&mut [0; 8]).unwrap();
        let std::net::IpAddr::V4(ip) = from.ip() else { panic!("{from}") };
        match ip.octets() {
            [10, 8, n, _] => bits |= 1 << n,
            _ => return bits,
        }
    }
}

#[test]
fn elements_side_by_side_follow_any_others() {
    isolated(|bed| {
        let mut dice = 0x9e37_79b9_u32;
        let mut draw = || {
            dice ^= dice << 13;
            dice ^= dice >> 17;
            dice ^= dice << 5;
            (dice >> 7) as u16 & ((1 << PIECES) - 1)
        };
        up(&knows(0, 0)).unwrap();
        let add =
            format!("for n in $(seq 1 {PIECES}); do ip address add 10.8.$((n-1)).1 dev lo; done");
        bed.command(&node("a"), &add);
        let from = |ip: String| UdpSocket::bind((ip, 0)).unwrap();
        let (sources, last) = bed.inside(&node("a"), || {
            let all = (0..PIECES).map(|n| from(format!("10.8.{n}.1"))).collect::<Vec<_>>();
            (all, from("10.0.0.1".to_owned()))
        });
        let sink = bed.inside(&node("b"), || UdpSocket::bind("10.0.0.2:9")).unwrap();
        sink.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut before = (0, 0);
        for round in 0..ROUNDS {
            let (prefixes, ranges) = (draw(), draw());
            let now = format!("{round}: {before:?} -> {prefixes:012b} {ranges:012b}");
            let state = knows(prefixes, ranges);
            up(&state).unwrap_or_else(|error| panic!("{now}: {error}\n{error:?}"));
            assert_eq!(steps_left(&state), [] as [String; 0], "{now}");
            let let_in = !prefixes & ((1 << PIECES) - 1);
            assert_eq!(heard(&sources, &last, &sink), let_in, "{now}");
            before = (prefixes, ranges);
            // Now and then the sets are made anew, beside which they only change.
            if round % 5 == 4 {
                up(&with_table(&two_nodes(), super::lenient(&node("b")))).unwrap();
            }
        }
        bed.clear();
    });
}

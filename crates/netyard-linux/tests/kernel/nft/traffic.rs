//! Packets obey.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use netyard_core::nft::*;
use netyard_core::state::State;

use super::*;
use crate::bed::{Bed, isolated, node, with_address};
use crate::kinds::two_nodes;

const SHORT: Duration = Duration::from_millis(400);
/// The kernel sends an ICMPv6 error a second to each peer, so a first may be left out.
const LONG: Duration = Duration::from_secs(4);

fn connects(bed: &mut Bed<'_>, to: &str) -> Result<TcpStream, ErrorKind> {
    let to: SocketAddr = to.parse().unwrap();
    bed.inside(&node("a"), || TcpStream::connect_timeout(&to, LONG)).map_err(|e| e.kind())
}

fn on_b(chains: Vec<Chain>) -> State {
    with_table(&two_nodes(), table(&node("b"), chains))
}

fn input(rules: Vec<Rule>) -> State {
    on_b(vec![filter("input", Hook::Input, Policy::Accept, rules)])
}

#[test]
fn what_is_accepted_dropped_and_refused_is_told_apart_by_who_asks() {
    let rules = vec![
        rule(&[tcp(1), Statement::Accept]),
        rule(&[tcp(2), Statement::Drop]),
        rule(&[tcp(3), Statement::Reject(Reject::Closed)]),
        rule(&[tcp(4), Statement::Reject(Reject::AdminProhibited)]),
        // Nothing says which protocol: as a closed port would, all the same.
        rule(&[
            Statement::is(Matcher::Saddr(vec!["10.0.0.0/24".parse().unwrap()])),
            Statement::is_not(Matcher::Protocol(vec![Protocol::Icmp])),
            Statement::Reject(Reject::Closed),
        ]),
    ];
    isolated(|bed| {
        bed.become_state(&input(rules.clone()));
        bed.talks((&node("a"), "fd00::1"), (&node("b"), "fd00::2"));
        let (v4, v6) = ("10.0.0.2", "[fd00::2]");
        let listeners = bed.inside(&node("b"), || {
            let all = |ip| (1..=4).map(move |p| TcpListener::bind(format!("{ip}:{p}")).unwrap());
            all(v4).chain(all(v6)).collect::<Vec<_>>()
        });
        for ip in [v4, v6] {
            let mut refused = |port: u16| connects(bed, &format!("{ip}:{port}")).err();
            assert_eq!(refused(1), None, "{ip}");
            assert_eq!(refused(2), Some(ErrorKind::TimedOut), "{ip}");
            assert_eq!(refused(3), Some(ErrorKind::ConnectionRefused), "{ip}");
            let kind = refused(4);
            let prohibited = [ErrorKind::HostUnreachable, ErrorKind::PermissionDenied];
            assert!(kind.is_some_and(|kind| prohibited.contains(&kind)), "{ip} {kind:?}");
        }
        drop(listeners);
        // The last rule refuses UDP with an ICMP answer.
        let socket = bed.inside(&node("a"), || UdpSocket::bind("10.0.0.1:0")).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        socket.connect("10.0.0.2:5").unwrap();
        socket.send(b"x").unwrap();
        assert_eq!(socket.recv(&mut [0; 8]).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        assert_eq!(connects(bed, "10.0.0.2:5").unwrap_err(), ErrorKind::ConnectionRefused);
        bed.clear();
    });
}

/// How many of ten datagrams from `a` arrive at a port of `b`.
fn arrive(bed: &mut Bed<'_>, port: u16) -> usize {
    let socket = bed.inside(&node("a"), || UdpSocket::bind("10.0.0.1:0")).unwrap();
    let sink = bed.inside(&node("b"), || UdpSocket::bind(("10.0.0.2", port))).unwrap();
    sink.set_read_timeout(Some(SHORT)).unwrap();
    for _ in 0..10 {
        socket.send_to(b"x", ("10.0.0.2", port)).unwrap();
    }
    (0..10).take_while(|_| sink.recv(&mut [0; 8]).is_ok()).count()
}

#[test]
fn limits_sets_and_marks_are_obeyed() {
    let udp =
        |first, last| Statement::is(Matcher::Dport(Protocol::Udp, vec![port_range(first, last)]));
    let rate = RateLimit { amount: 1, bytes: false, seconds: 3600, burst: 3, over: false };
    let from = |set: &str| Statement::is(Matcher::SaddrSet { set: set.into(), ipv6: false });
    let marked = |mark, mask| Statement::is(Matcher::Mark(mark, mask));
    let rules = vec![
        rule(&[udp(1, 1), Statement::Limit(rate), Statement::Accept]),
        rule(&[udp(1, 1), Statement::Drop]),
        rule(&[udp(2, 2), from("theirs"), Statement::Drop]),
        rule(&[udp(3, 3), from("others"), Statement::Drop]),
        rule(&[udp(4, 5), Statement::SetMark(0x17)]),
        rule(&[udp(4, 4), marked(0x10, 0xf0), Statement::Drop]),
        rule(&[udp(5, 5), marked(0x20, 0xf0), Statement::Drop]),
        rule(&[udp(6, 6), Statement::is(Matcher::Iif(vec!["et*".into()])), Statement::Drop]),
        rule(&[
            udp(7, 7),
            Statement::is(Matcher::Iif(vec!["en*".into(), "eth1".into()])),
            Statement::Drop,
        ]),
        rule(&[udp(8, 8), Statement::is(Matcher::SaddrUnreachable), Statement::Drop]),
        rule(&[udp(9, 9), Statement::is_not(Matcher::DaddrLocal), Statement::Drop]),
        rule(&[udp(10, 10), Statement::is(Matcher::DaddrLocal), Statement::Drop]),
    ];
    let set = |name: &str, net: &str| Set {
        name: name.into(),
        kind: SetKind::Ipv4,
        elements: vec![net.into()],
    };
    isolated(|bed| {
        let mut table =
            table(&node("b"), vec![filter("in", Hook::Prerouting, Policy::Accept, rules)]);
        table.sets = vec![set("theirs", "10.0.0.0/28"), set("others", "10.0.0.2-10.0.0.9")];
        bed.become_state(&with_table(&two_nodes(), table));
        let wanted = [3, 0, 10, 0, 10, 0, 10, 10, 10, 0];
        let seen: Vec<usize> = (1..=10).map(|port| arrive(bed, port)).collect();
        assert_eq!(seen, wanted);
        bed.clear();
    });
}

#[test]
fn sources_and_destinations_are_translated() {
    let target = |address: &str, ports| NatTarget {
        addresses: Some((address.parse().unwrap(), address.parse().unwrap())),
        ports,
        prefix: false,
        random: false,
        persistent: false,
    };
    let udp = |port| Statement::is(Matcher::Dport(Protocol::Udp, vec![port_range(port, port)]));
    let out = vec![
        rule(&[udp(1), Statement::Snat(target("10.0.0.77", None))]),
        rule(&[
            udp(2),
            Statement::Masquerade { ports: Some(port_range(6000, 6000)), random: false },
        ]),
    ];
    let shift = Statement::DnatShift {
        address: "10.0.0.2".parse().unwrap(),
        protocol: Protocol::Udp,
        ports: port_range(20, 22),
        first: 30,
    };
    let shifted = Statement::is(Matcher::Dport(Protocol::Udp, vec![port_range(20, 22)]));
    let into = vec![
        rule(&[udp(4), Statement::Dnat(target("10.0.0.2", Some(port_range(14, 14))))]),
        rule(&[udp(5), Statement::Redirect(Some(port_range(15, 15)))]),
        rule(&[shifted, shift]),
    ];
    isolated(|bed| {
        let mut objects = two_nodes();
        objects.push(with_address(&node("a"), "eth0", "10.0.0.77/24"));
        let a = table(
            &node("a"),
            vec![base("out", ChainKind::Nat, Hook::Postrouting, 100, Policy::Accept, out)],
        );
        let b = table(
            &node("b"),
            vec![base("in", ChainKind::Nat, Hook::Prerouting, -100, Policy::Accept, into)],
        );
        objects.push(Object::Table(Box::new(a)));
        bed.become_state(&with_table(&objects, b));
        let mut from = |to: u16, at: u16| {
            let client = bed.inside(&node("a"), || UdpSocket::bind("10.0.0.1:0")).unwrap();
            let sink = bed.inside(&node("b"), || UdpSocket::bind(("10.0.0.2", at))).unwrap();
            sink.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            client.send_to(b"x", ("10.0.0.2", to)).unwrap();
            let (_, from) = sink.recv_from(&mut [0; 8]).unwrap_or_else(|e| panic!("{to}: {e}"));
            sink.send_to(b"y", from).unwrap();
            let (_, answer) = client.recv_from(&mut [0; 8]).unwrap_or_else(|e| panic!("{to}: {e}"));
            assert_eq!(answer.port(), to, "answers are translated back");
            from
        };
        assert_eq!(from(1, 1).ip().to_string(), "10.0.0.77");
        assert_eq!(from(2, 2).port(), 6000);
        assert_eq!(from(3, 3).ip().to_string(), "10.0.0.1");
        from(4, 14);
        from(5, 15);
        from(21, 31);
        bed.clear();
    });
}

#[test]
fn a_segment_is_not_larger_than_the_rules_say() {
    let clamp = |size| {
        input(vec![rule(&[Statement::is(Matcher::TcpSyn), Statement::MaxSegment(Some(size))])])
    };
    isolated(|bed| {
        for size in [1000, 700] {
            bed.become_state(&clamp(size));
            let listener = bed.inside(&node("b"), || TcpListener::bind("10.0.0.2:80")).unwrap();
            let client = connects(bed, "10.0.0.2:80").unwrap();
            let (server, _) = listener.accept().unwrap();
            let (mut most, mut length) = (0_i32, 4);
            // SAFETY: both pointers are to what outlives the call, of the length said.
            let done = unsafe {
                libc::getsockopt(
                    server.as_raw_fd(),
                    libc::IPPROTO_TCP,
                    libc::TCP_MAXSEG,
                    (&raw mut most).cast(),
                    &raw mut length,
                )
            };
            assert_eq!(done, 0);
            // Its timestamps take twelve bytes.
            assert!((i32::from(size) - 12..=i32::from(size)).contains(&most), "{most} for {size}");
            drop(client);
        }
        bed.clear();
    });
}

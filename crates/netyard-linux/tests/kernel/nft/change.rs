//! Changes: only what differs is touched, by whoever; nothing is lost meanwhile.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use netyard_core::nft::*;
use netyard_core::state::{Place, State};

use super::*;
use crate::bed::{Bed, empty, isolated, node};
use crate::kinds::two_nodes;
use crate::yard::{down, open, steps_left, up};

fn counted(port: u16) -> Rule {
    let udp = Statement::is(Matcher::Dport(Protocol::Udp, vec![port_range(port, port)]));
    rule(&[udp, Statement::Counter])
}

fn filtered(rules: Vec<Rule>) -> State {
    let table = table(&node("b"), vec![filter("input", Hook::Input, Policy::Accept, rules)]);
    with_table(&two_nodes(), table)
}

/// Sends that many datagrams to a port of `b`.
fn send(bed: &mut Bed<'_>, port: u16, count: usize) {
    let socket = bed.inside(&node("a"), || UdpSocket::bind("10.0.0.1:0")).unwrap();
    let sink = bed.inside(&node("b"), || UdpSocket::bind(("10.0.0.2", port))).unwrap();
    sink.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    for _ in 0..count {
        socket.send_to(b"x", ("10.0.0.2", port)).unwrap();
        sink.recv(&mut [0; 8]).unwrap();
    }
}

/// Packets that each rule of `b` counted.
fn packets(state: &State) -> Vec<u64> {
    let mut session = open();
    let observed = session.observe(&state.clone().settled()).unwrap().state;
    let counts = session.rule_counters(&observed).unwrap();
    counts[&node("b")].iter().map(|count| count.packets).collect()
}

#[test]
fn rules_that_stay_keep_what_they_counted() {
    isolated(|bed| {
        let first = filtered(vec![counted(1001), counted(1002), counted(1003)]);
        bed.become_state(&first);
        send(bed, 1001, 1);
        send(bed, 1002, 2);
        send(bed, 1003, 3);
        assert_eq!(packets(&first), [1, 2, 3]);
        // One comes before all, one goes, two change places, one comes last.
        let second = filtered(vec![counted(999), counted(1003), counted(1002), counted(1004)]);
        bed.become_state(&second);
        let now = packets(&second);
        assert_eq!((now[0], now[3]), (0, 0), "{now:?}");
        assert!(now[1..3] == [3, 0] || now[1..3] == [0, 2], "one of two stays: {now:?}");
        bed.clear();
    });
}

#[test]
fn what_anybody_changed_by_hand_is_seen_and_mended() {
    isolated(|bed| {
        let mut table = table(
            &node("b"),
            vec![
                filter(
                    "input",
                    Hook::Input,
                    Policy::Drop,
                    vec![counted(1001), tcp_rule(22), tcp_rule(80)],
                ),
                plain("more", vec![tcp_rule(443)]),
            ],
        );
        let elements = vec!["10.0.0.0/8".to_owned(), "192.168.1.1".to_owned()];
        table.sets = vec![Set { name: "known".into(), kind: SetKind::Ipv4, elements }];
        let name = table.name.clone();
        let state = with_table(&two_nodes(), table);
        bed.become_state(&state);
        let hands = [
            "nft insert rule inet T input tcp dport 8080 counter accept",
            "nft add rule inet T more ip saddr { 1.2.3.4, 5.6.7.8 } drop",
            "nft delete rule inet T input handle $(nft -a list chain inet T input | sed -n 's/.*dport 22.*handle //p')",
            "nft replace rule inet T input handle $(nft -a list chain inet T input | sed -n 's/.*dport 80 .*handle //p') tcp dport 81 accept",
            "nft 'chain inet T input { policy accept; }'",
            "nft 'add chain inet T other'; nft add rule inet T other jump more",
            "nft 'add chain inet T hooked { type filter hook forward priority 5; }'",
            "nft 'add set inet T own { type ether_addr; elements = { 02:00:00:00:00:01 }; }'",
            "nft 'add element inet T known { 11.0.0.0/8 }'",
            "nft 'delete element inet T known { 10.0.0.0/8 }'",
            "nft flush chain inet T input",
            "nft flush table inet T",
            "nft delete table inet T",
            "nft flush ruleset",
        ];
        for hand in hands {
            bed.command(
                &node("b"),
                &hand
                    .replace(" T ", &format!(" {name} "))
                    .replace(" T\n", &name)
                    .replace("inet T", &format!("inet {name}")),
            );
            let left = steps_left(&state);
            assert_eq!(left.len(), 1, "{hand}: {left:#?}");
            up(&state).unwrap_or_else(|error| panic!("{hand}: {error} {error:?}"));
            assert_eq!(steps_left(&state), [] as [String; 0], "{hand}");
        }
        bed.clear();
    });
}

fn tcp_rule(port: u16) -> Rule {
    rule(&[super::tcp(port), Statement::Accept])
}

#[test]
fn down_takes_our_table_off_the_host_and_no_other() {
    isolated(|bed| {
        let own = table(
            &Place::Host,
            vec![filter("input", Hook::Input, Policy::Accept, vec![tcp_rule(22)])],
        );
        let name = own.name.clone();
        let state = with_table(&empty(&node("a")), own);
        bed.command(&Place::Host, "nft add table inet theirs; nft add table ip netyard-bed");
        up(&state).unwrap();
        assert!(bed.command(&Place::Host, "nft list tables").contains(&format!("inet {name}")));
        // Whatever is known of the yard but in the kernel is lost.
        bed.command(&Place::Host, "rm -rf /run/netyard /var/lib/netyard 2>/dev/null || true");
        down().unwrap();
        assert_eq!(
            bed.command(&Place::Host, "nft list tables"),
            "table inet theirs\ntable ip netyard-bed\n"
        );
    });
}

#[test]
fn a_table_of_our_name_that_is_not_ours_is_left_alone() {
    isolated(|bed| {
        bed.command(&Place::Host, "nft add table inet netyard-bed");
        let state = with_table(&empty(&node("a")), table(&Place::Host, vec![plain("x", vec![])]));
        let error = up(&state).unwrap_err();
        assert!(format!("{error:?}").contains("not this yard's"), "{error:?}");
        assert_eq!(bed.command(&Place::Host, "nft list ruleset"), "table inet netyard-bed {\n}\n");
        assert_eq!(bed.command(&Place::Host, "ls /run/netns 2>/dev/null || true"), "");
    });
}

#[test]
fn a_connection_loses_nothing_while_rules_are_changed_under_it() {
    isolated(|bed| {
        let rulesets: Vec<State> = (0..6).map(ruleset).collect();
        bed.become_state(&rulesets[0]);
        let listener = bed.inside(&node("b"), || TcpListener::bind("10.0.0.2:5000")).unwrap();
        let client = bed.inside(&node("a"), || TcpStream::connect("10.0.0.2:5000")).unwrap();
        let (server, _) = listener.accept().unwrap();
        let end = AtomicBool::new(false);
        let done = std::thread::scope(|scope| {
            let flow = scope.spawn(|| flow(client, server, &end));
            let begin = Instant::now();
            let mut reloads = 0;
            while begin.elapsed() < Duration::from_secs(4) && !flow.is_finished() {
                reloads += 1;
                up(&rulesets[reloads % rulesets.len()]).unwrap();
            }
            end.store(true, Ordering::Relaxed);
            assert!(reloads > 10, "{reloads}");
            flow.join().unwrap()
        });
        assert!(done.0 > 1000, "{done:?}");
        // With no packet lost there is nothing to send again.
        let again = bed.command(
            &node("a"),
            "nstat -az TcpRetransSegs 2>/dev/null | awk '/Retrans/ {print $2}'",
        );
        assert_eq!(again.trim(), "0");
        bed.clear();
    });
}

/// Rulesets that all let port 5000 in and drop the rest, each in another way.
fn ruleset(number: u16) -> State {
    let mut rules: Vec<Rule> = (0..20).map(|n| tcp_rule(100 * number + n)).collect();
    rules.insert(
        usize::from(number) * 3,
        rule(&[super::tcp(5000), Statement::Counter, Statement::Accept]),
    );
    if number % 2 == 1 {
        rules.reverse();
    }
    if number % 3 == 2 {
        rules = vec![rule(&[Statement::Jump("sub".into())])].into_iter().chain(rules).collect();
    }
    let sub = plain("sub", vec![rule(&[super::tcp(5000), Statement::Accept])]);
    let mut chains = vec![filter("input", Hook::Input, Policy::Drop, rules)];
    if number % 3 == 2 {
        chains.push(sub);
    }
    with_table(&two_nodes(), table(&node("b"), chains))
}

/// Sends to and fro until told to end; how many rounds, and the longest.
fn flow(mut client: TcpStream, mut server: TcpStream, end: &AtomicBool) -> (usize, Duration) {
    let timeout = Some(Duration::from_secs(20));
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    client.set_read_timeout(timeout).unwrap();
    server.set_read_timeout(timeout).unwrap();
    let (mut rounds, mut longest, mut buffer) = (0, Duration::ZERO, [0; 64]);
    while !end.load(Ordering::Relaxed) {
        let begin = Instant::now();
        client.write_all(&[7; 64]).unwrap();
        server.read_exact(&mut buffer).unwrap();
        server.write_all(&buffer).unwrap();
        client.read_exact(&mut buffer).unwrap();
        longest = longest.max(begin.elapsed());
        rounds += 1;
    }
    (rounds, longest)
}

#[test]
fn the_text_of_nft_becomes_a_part_of_the_table() {
    isolated(|bed| {
        let mut own = table(
            &node("b"),
            vec![filter("input", Hook::Input, Policy::Accept, vec![counted(1001)])],
        );
        own.raw = "
            set macs { type ether_addr; elements = { 02:00:00:00:00:01 } }
            chain extra {
                type filter hook input priority 10; policy accept;
                udp dport { 7, 9, 1000-1010 } counter comment \"mine\"
                meta mark 0x17 quota over 10 mbytes drop
                jump deeper
            }
            chain deeper { ip ttl 1-3 drop; ether saddr @macs drop; }
            chain input { udp dport 1005 drop; }
        "
        .to_owned();
        let state = with_table(&two_nodes(), own).settled();
        let state = open().prepare(state).unwrap();
        bed.become_state(&state);
        send(bed, 1001, 2);
        let listed = bed.command(&node("b"), "nft list ruleset");
        for words in [
            "packets 2",
            "ether saddr @macs drop",
            "ip ttl 1-3 drop",
            "comment \"mine\"",
            "udp dport 1005 drop",
        ] {
            assert!(listed.contains(words), "{words} is not in {listed}");
        }
        // From there on it is looked after like the rest.
        bed.command(&node("b"), "nft flush chain inet netyard-bed deeper");
        assert_eq!(steps_left(&state).len(), 1);
        bed.become_state(&state);
        bed.clear();
    });
}

#[test]
fn a_mistake_in_the_text_is_told_in_the_words_of_nft_before_anything_is_done() {
    isolated(|bed| {
        let mut own = table(&node("b"), vec![]);
        own.raw = "chain extra { tcp dprot 22 accept; }".to_owned();
        let state = with_table(&two_nodes(), own).settled();
        let error = open().prepare(state).unwrap_err();
        let said = format!("{error} {error:?}");
        assert!(said.contains("dprot") && said.contains("syntax error"), "{said}");
        assert_eq!(bed.command(&Place::Host, "ls /run/netns 2>/dev/null || true"), "");
    });
}

#[test]
fn a_running_flow_follows_a_forward_that_is_changed_and_others_are_left_alone() {
    let forward = |to: u16| {
        let ports = Some(port_range(to, to));
        let (prefix, random, persistent) = Default::default();
        let target = NatTarget {
            addresses: Some(("10.0.0.2".parse().unwrap(), "10.0.0.2".parse().unwrap())),
            ports,
            prefix,
            random,
            persistent,
        };
        let udp = |port| Statement::is(Matcher::Dport(Protocol::Udp, vec![port_range(port, port)]));
        let other = NatTarget { ports: Some(port_range(9003, 9003)), ..target.clone() };
        let rules = vec![
            rule(&[udp(53), Statement::Dnat(target)]),
            rule(&[udp(54), Statement::Dnat(other)]),
        ];
        let nat = base("in", ChainKind::Nat, Hook::Prerouting, -100, Policy::Accept, rules);
        with_table(&two_nodes(), table(&node("b"), vec![nat]))
    };
    isolated(|bed| {
        bed.become_state(&forward(9001));
        let sinks: Vec<UdpSocket> = [9001, 9002, 9003]
            .iter()
            .map(|port| {
                let socket =
                    bed.inside(&node("b"), || UdpSocket::bind(("10.0.0.2", *port))).unwrap();
                socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                socket
            })
            .collect();
        let client = bed.inside(&node("a"), || UdpSocket::bind("10.0.0.1:4000")).unwrap();
        let arrives = |port: u16, sink: &UdpSocket| {
            client.send_to(b"x", ("10.0.0.2", port)).unwrap();
            sink.recv(&mut [0; 8]).unwrap_or_else(|e| panic!("{port}: {e}"));
        };
        arrives(53, &sinks[0]);
        arrives(54, &sinks[2]);
        let of = |bed: &mut Bed<'_>, port: u16| {
            let all = bed.command(&node("b"), "cat /proc/net/nf_conntrack");
            all.lines()
                .filter(|l| l.contains(&format!("sport=4000 dport={port} ")))
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!((of(bed, 53).len(), of(bed, 54).len()), (1, 1));
        bed.become_state(&forward(9002));
        assert_eq!(
            (of(bed, 53).len(), of(bed, 54).len()),
            (0, 1),
            "only the one that is stale goes"
        );
        // The same flow goes on, and goes where the new rule says.
        arrives(53, &sinks[1]);
        arrives(54, &sinks[2]);
        bed.clear();
    });
}

#[test]
fn what_this_kernel_lacks_is_told_before_anything_is_done() {
    isolated(|bed| {
        let mut own = table(
            &node("b"),
            vec![filter(
                "input",
                Hook::Forward,
                Policy::Accept,
                vec![
                    // The route's MTU is not known where packets come in.
                ],
            )],
        );
        own.chains.push(filter(
            "early",
            Hook::Input,
            Policy::Accept,
            vec![rule(&[Statement::is(Matcher::TcpSyn), Statement::MaxSegment(None)])],
        ));
        let state = with_table(&two_nodes(), own).settled();
        let mut session = open();
        let seen = session.observe(&state).unwrap().state;
        let plan = netyard_core::plan::plan(&seen, &state);
        let error = session.probe(&plan).unwrap_err();
        assert!(format!("{error:?}").contains("early: tcp flags"), "{error:?}");
        drop(session);
        assert_eq!(bed.command(&Place::Host, "ls /run/netns 2>/dev/null || true"), "");
    });
}

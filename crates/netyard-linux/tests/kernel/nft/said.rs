//! What is said: every word of a rule becomes what nft lists as that word, and is
//! read back as that word.

use netyard_core::nft::Reject as Refuse;
use netyard_core::nft::*;
use netyard_core::state::Place;

use super::*;
use crate::bed::{Bed, empty, isolated, node};

/// The rules that nft lists in a chain, as lines.
fn listed(bed: &mut Bed<'_>, place: &Place, chain: &str) -> Vec<String> {
    let table = table(place, vec![]).name;
    let text = bed.command(place, &format!("nft list chain inet {table} {chain}"));
    let inside = text.lines().filter(|line| line.starts_with("\t\t")).map(str::trim);
    inside.filter(|line| !line.starts_with("type ")).map(plain_line).collect()
}

/// Counters at nothing are said without their numbers, and what versions of nft
/// write in two ways is said in ours.
fn plain_line(line: &str) -> String {
    line.replace("counter packets 0 bytes 0", "counter")
        .replace("tcp flags syn / syn,rst", "tcp flags & (syn | rst) == syn")
        .replace("tcp flags != syn / syn,rst", "tcp flags & (syn | rst) != syn")
        .replace("10.0.0.1:tcp dport map", "10.0.0.1 : tcp dport map")
}

/// Makes a chain of these rules and compares nft's list of it, line by line.
fn same_as_nft(bed: &mut Bed<'_>, chain: Chain, more: Vec<Chain>, sets: Vec<Set>) {
    let place = node("a");
    let name = chain.name.clone();
    let rules: Vec<String> = chain.rules.iter().map(Rule::to_string).collect();
    read_back(&chain.rules);
    let mut all = vec![chain];
    all.extend(more);
    let mut table = table(&place, all);
    table.sets = sets;
    bed.become_state(&with_table(&empty(&place), table));
    let listed = listed(bed, &place, &name);
    let pairs = rules.iter().zip(&listed);
    let wrong: Vec<_> = pairs.filter(|(ours, nft)| in_order(ours) != in_order(nft)).collect();
    assert!(wrong.is_empty(), "ours, and nft's: {wrong:#?}");
    assert_eq!(rules.len(), listed.len(), "{listed:#?}");
}

/// What rules compile to is read as the same text: so are rules of others.
fn read_back(rules: &[Rule]) {
    let texts = rules.iter().map(|rule| {
        let plain = Rule { comment: None, ..rule.clone() };
        let said = in_order(&plain.to_string());
        let said = said.replace("10.0.0.1 : tcp", "10.0.0.1:tcp").replace(" level warn", "");
        (said, in_order(&text_of(&rule.compile())))
    });
    let wrong: Vec<_> = texts.filter(|(said, read)| said != read).collect();
    assert!(wrong.is_empty(), "said, and read: {wrong:#?}");
}

/// With what stands in braces in order: nft lists some sets as they come.
fn in_order(line: &str) -> String {
    let Some((before, rest)) = line.split_once("{ ") else { return line.to_owned() };
    let Some((inside, after)) = rest.split_once(" }") else { return line.to_owned() };
    let mut words: Vec<&str> = inside.split(", ").collect();
    words.sort_unstable();
    format!("{before}{{ {} }}{after}", words.join(", "))
}

fn nets(texts: &[&str]) -> Vec<ipnet::IpNet> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn matchers() -> Vec<Matcher> {
    use Matcher::*;
    let p = port_range;
    vec![
        Iif(names(&["eth0"])),
        Iif(names(&["wlan*"])),
        Iif(names(&["eth0", "lo"])),
        Oif(names(&["a", "b*"])),
        Saddr(nets(&["10.0.0.1/32"])),
        Saddr(nets(&["10.0.0.0/8"])),
        Saddr(nets(&["10.128.0.0/9"])),
        Saddr(nets(&["10.0.0.0/8", "192.168.1.1/32"])),
        Saddr(nets(&["fd00::/8"])),
        Daddr(nets(&["fe80::/10"])),
        Daddr(nets(&["fd00::1/128", "fd00::2/128"])),
        Daddr(nets(&["10.0.0.1/32", "10.0.0.3/32"])),
        SaddrSet { set: "four".into(), ipv6: false },
        DaddrSet { set: "six".into(), ipv6: true },
        DportSet(netyard_core::nft::Protocol::Tcp, "ports".into()),
        Family(true),
        Protocol(vec![netyard_core::nft::Protocol::Tcp]),
        Protocol(vec![netyard_core::nft::Protocol::Tcp, netyard_core::nft::Protocol::Udp]),
        Protocol(vec![netyard_core::nft::Protocol::Icmpv6]),
        Protocol(vec![netyard_core::nft::Protocol::Gre]),
        Sport(netyard_core::nft::Protocol::Udp, vec![p(53, 53)]),
        Dport(netyard_core::nft::Protocol::Tcp, vec![p(22, 22)]),
        Dport(netyard_core::nft::Protocol::Tcp, vec![p(1000, 2000)]),
        Dport(netyard_core::nft::Protocol::Tcp, vec![p(22, 22), p(80, 90)]),
        Dport(netyard_core::nft::Protocol::Sctp, vec![p(22, 22), p(80, 80)]),
        Icmp(IcmpKind::Icmp, vec![8]),
        Icmp(IcmpKind::Icmp, vec![0, 8]),
        Icmp(IcmpKind::Icmpv6, vec![133, 134, 135, 136]),
        CtState(vec![Ct::Established, Ct::Related]),
        CtState(vec![Ct::Invalid]),
        CtDnat,
        CtSnat,
        Mark(1, u32::MAX),
        Mark(1, 0xff),
        CtMark(0x10, u32::MAX),
        CtMark(0x10, 0xf0),
        TcpSyn,
        DaddrLocal,
        SaddrUnreachable,
    ]
}

fn sets() -> Vec<Set> {
    let set = |name: &str, kind, elements: &[&str]| Set {
        name: name.into(),
        kind,
        elements: names(elements),
    };
    vec![
        set("four", SetKind::Ipv4, &["10.0.0.0/8", "192.168.1.1", "192.168.1.5-192.168.1.7"]),
        set("six", SetKind::Ipv6, &["fd00::/8"]),
        set("ports", SetKind::Port, &["22", "1024-2048"]),
        set("exact", SetKind::Interface, &["eth0", "eth1"]),
        set("some", SetKind::Interface, &["eth0", "wlan*"]),
        set("none", SetKind::Ipv4, &[]),
    ]
}

#[test]
fn nft_lists_every_match_as_we_write_it() {
    isolated(|bed| {
        let rules = matchers().into_iter().map(|m| rule(&[Statement::is(m), Statement::Accept]));
        let chain = filter("input", Hook::Prerouting, Policy::Accept, rules.collect());
        same_as_nft(bed, chain, vec![], sets());
        bed.clear();
    });
}

#[test]
fn nft_lists_every_negated_match_as_we_write_it() {
    isolated(|bed| {
        let rules =
            matchers().into_iter().map(|m| rule(&[Statement::is_not(m), Statement::Accept]));
        let chain = filter("input", Hook::Prerouting, Policy::Accept, rules.collect());
        same_as_nft(bed, chain, vec![], sets());
        bed.clear();
    });
}

#[test]
fn nft_lists_what_a_filter_does_as_we_write_it() {
    use Statement::*;
    let limit = |amount, bytes, seconds, burst, over| {
        Limit(RateLimit { amount, bytes, seconds, burst, over })
    };
    let reset = [
        Statement::is(Matcher::Protocol(vec![Protocol::Tcp])),
        Statement::Reject(Refuse::TcpReset),
    ];
    let (accept, tcp) = (Statement::Accept, Statement::is(Matcher::TcpSyn));
    isolated(|bed| {
        let mut rules = vec![
            rule(&[limit(10, false, 60, 5, false), Counter, Accept]),
            rule(&[limit(10, false, 1, 20, true), Drop]),
            rule(&[limit(1 << 20, true, 1, 0, true), Drop]),
            rule(&[Log { prefix: "x ".into(), level: LogLevel::Warn }, Drop]),
            rule(&[Log { prefix: "y".into(), level: LogLevel::Info }, Counter]),
            rule(&[Log { prefix: "".into(), level: LogLevel::Debug }]),
            rule(&[SetMark(0x17), accept]),
            rule(&[SetCtMark(0x17)]),
            rule(&[RestoreMark]),
            rule(&[SaveMark]),
            rule(&[tcp.clone(), MaxSegment(None)]),
            rule(&[tcp, MaxSegment(Some(1400))]),
            rule(&[Jump("more".into())]),
            rule(&[Goto("more".into())]),
            rule(&[Return]),
            rule(&reset),
            rule(&[Statement::Reject(Refuse::PortUnreachable)]),
            rule(&[Statement::Reject(Refuse::AdminProhibited)]),
        ];
        rules[0].comment = Some("firewall.host.input.allow[0]".into());
        let rules = filter("rules", Hook::Forward, Policy::Drop, rules);
        same_as_nft(bed, rules, vec![plain("more", vec![])], vec![]);
        let raw = base(
            "early",
            ChainKind::Filter,
            Hook::Prerouting,
            -300,
            Policy::Accept,
            vec![rule(&[Notrack])],
        );
        same_as_nft(bed, raw, vec![], vec![]);
        bed.clear();
    });
}

#[test]
fn nft_lists_every_translation_as_we_write_it() {
    use Statement::*;
    let plain =
        NatTarget { addresses: None, ports: None, prefix: false, random: false, persistent: false };
    let to = |first: &str, last: &str| NatTarget {
        addresses: Some((first.parse().unwrap(), last.parse().unwrap())),
        ..plain.clone()
    };
    let ports = Some(port_range(1000, 2000));
    let tcp = || Statement::is(Matcher::Protocol(vec![Protocol::Tcp]));
    isolated(|bed| {
        let out = vec![
            rule(&[Masquerade { ports: None, random: false }]),
            rule(&[Masquerade { ports: None, random: true }]),
            rule(&[tcp(), Masquerade { ports, random: true }]),
            rule(&[Snat(to("1.2.3.4", "1.2.3.4"))]),
            rule(&[Snat(to("1.2.3.4", "1.2.3.9"))]),
            rule(&[
                tcp(),
                Snat(NatTarget {
                    ports,
                    random: true,
                    persistent: true,
                    ..to("1.2.3.4", "1.2.3.4")
                }),
            ]),
            rule(&[Snat(NatTarget { prefix: true, ..to("10.1.0.0", "10.1.0.255") })]),
            rule(&[Snat(to("fd00::1", "fd00::1"))]),
            rule(&[Snat(to("fd00::1", "fd00::9"))]),
        ];
        let out = base("out", ChainKind::Nat, Hook::Postrouting, 100, Policy::Accept, out);
        same_as_nft(bed, out, vec![], vec![]);
        let port = |n: u16| super::tcp(n);
        let web = Some(port_range(80, 80));
        let into = vec![
            rule(&[port(8080), Dnat(NatTarget { ports: web, ..to("10.0.0.1", "10.0.0.1") })]),
            rule(&[port(8080), Dnat(NatTarget { ports: web, ..to("fd00::1", "fd00::1") })]),
            rule(&[Dnat(to("10.0.0.1", "10.0.0.1"))]),
            rule(&[Dnat(NatTarget { prefix: true, ..to("10.1.0.0", "10.1.0.255") })]),
            rule(&[port(8080), Redirect(web)]),
            rule(&[port(8080), Redirect(None)]),
            rule(&[port(8080), Redirect(ports)]),
            rule(&[
                Statement::is(Matcher::Dport(Protocol::Tcp, vec![port_range(8000, 8002)])),
                DnatShift {
                    address: "10.0.0.1".parse().unwrap(),
                    protocol: Protocol::Tcp,
                    ports: port_range(8000, 8002),
                    first: 80,
                },
            ]),
        ];
        let into = base("in", ChainKind::Nat, Hook::Prerouting, -100, Policy::Accept, into);
        same_as_nft(bed, into, vec![], vec![]);
        bed.clear();
    });
}

#[test]
fn nft_lists_what_is_learned_as_we_write_it() {
    use Field::*;
    use Statement::*;
    let (udp, four) = (Protocol::Udp, false);
    let learned = |name: &str, key: &[Field], data: &[Field], timeout| Learned {
        name: name.into(),
        key: key.to_vec(),
        data: data.to_vec(),
        timeout,
        size: 1000,
    };
    let rate = RateLimit { amount: 10, bytes: false, seconds: 1, burst: 5, over: true };
    let learn = |set: &str, key: &[Field], data: &[Field], each| Learn {
        set: set.into(),
        key: key.to_vec(),
        data: data.to_vec(),
        each,
    };
    isolated(|bed| {
        let place = node("a");
        let rules = vec![
            rule(&[learn("seen", &[Saddr(four)], &[], None)]),
            rule(&[learn("seen", &[Saddr(four)], &[], Some(Each::Limit(rate))), Drop]),
            rule(&[learn("count", &[Saddr(four)], &[], Some(Each::ConnectionsOver(5))), Drop]),
            rule(&[learn(
                "back",
                &[Saddr(four), Sport(udp)],
                &[OriginalSaddr(four), OriginalSport],
                None,
            )]),
            rule(&[
                Statement::is(Matcher::Learned {
                    set: "pairs".into(),
                    key: vec![Saddr(four), Dport(udp)],
                }),
                Accept,
            ]),
            rule(&[learn("pairs", &[Saddr(four), Dport(udp)], &[], None)]),
            rule(&[Dispatch {
                key: Iif,
                cases: vec![("eth0".into(), "x".into()), ("eth1".into(), "y".into())],
            }]),
        ];
        read_back(&rules);
        let texts: Vec<String> = rules.iter().map(Rule::to_string).collect();
        let main = base("main", ChainKind::Filter, Hook::Postrouting, 110, Policy::Accept, rules);
        let dnat = rule(&[DnatLearned {
            map: "back".into(),
            key: vec![Daddr(four), Dport(udp)],
            ipv6: false,
        }]);
        let texts_in = vec![dnat.to_string()];
        let into = base("in", ChainKind::Nat, Hook::Prerouting, -100, Policy::Accept, vec![dnat]);
        let mut table = table(&place, vec![main, into, plain("x", vec![]), plain("y", vec![])]);
        table.learned = vec![
            learned("seen", &[Saddr(four)], &[], 60),
            learned("count", &[Saddr(four)], &[], 0),
            learned("pairs", &[Saddr(four), Dport(udp)], &[], 90),
            learned("back", &[Saddr(four), Sport(udp)], &[OriginalSaddr(four), OriginalSport], 300),
        ];
        bed.become_state(&with_table(&empty(&place), table.clone()));
        assert_eq!(listed(bed, &place, "main"), texts);
        assert_eq!(listed(bed, &place, "in"), texts_in);
        let all = bed.command(&place, &format!("nft list table inet {}", table.name));
        for set in &table.learned {
            assert!(all.contains(&set.to_string()), "{all}\nhas not\n{set}");
        }
        bed.clear();
    });
}

#[test]
fn nft_lists_sets_as_we_write_them() {
    isolated(|bed| {
        let place = node("a");
        let mut table = table(&place, vec![]);
        table.sets = sets();
        bed.become_state(&with_table(&empty(&place), table.clone()));
        let text = bed.command(&place, &format!("nft list sets table inet {}", table.name));
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let table = table.settled();
        for set in &table.sets {
            let wanted = words(&set.to_string()).join(" ");
            assert!(words(&text).join(" ").contains(&wanted), "{text}\nhas not\n{wanted}");
        }
        bed.clear();
    });
}

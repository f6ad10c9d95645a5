//! Everybody asks everybody.

use std::time::{Duration, Instant};

use netyard_core::expect::{Family, Seen, Sighting, matrix};
use netyard_core::state::lower;
use netyard_linux::probe::{Reach, sweep};

use super::{meaning, sightings};
use crate::bed::{isolated, node};
use crate::yard::open;

#[test]
fn a_hundred_nodes_that_all_reach_each_other() {
    isolated(|bed| {
        let yard = meaning(
            "yard: bed
networks: { lan: {} }
nodes: { 'n[1..100]': { interfaces: { eth0: { network: lan } } } }
",
        );
        bed.become_state(&lower(&yard));
        let (nodes, pairs) = matrix(&yard, &|_| true);
        assert_eq!((nodes.len(), pairs.len()), (100, 100 * 99 * 2));
        let places: Vec<_> = nodes.iter().map(|node| node.place.clone()).collect();
        let spaces = open().spaces().unwrap();
        let began = Instant::now();
        let reached = sweep(&spaces, &places, &pairs, Duration::from_secs(3)).unwrap();
        let took = began.elapsed();
        let missed = reached.iter().filter(|reach| **reach != Reach::Yes).count();
        println!("{} pairs in {took:?}, {missed} missed", pairs.len());
        assert_eq!(missed, 0, "of {}", pairs.len());
        assert!(took < Duration::from_secs(60), "{took:?}");
        bed.clear();
    });
}

#[test]
fn who_is_cut_off_is_seen_and_nobody_else() {
    isolated(|bed| {
        let yard = meaning(
            "yard: bed
networks: { lan: { prefix: [10.0.1.0/24, 'fd00:1::/64'] } }
nodes:
  'n[1..3]': { interfaces: { eth0: { network: lan } } }
  alone: { interfaces: { lo: { address: 10.9.0.1/32 } } }
expect:
  - { from: all, to: 'n[1..3]', ping: true, within: 300ms, family: ipv6 }
",
        );
        bed.become_state(&lower(&yard));
        bed.command(
            &node("n2"),
            "nft -f - <<'END'
table inet test {
  chain input {
    type filter hook input priority 0;
    icmp type echo-request drop
    icmpv6 type echo-request reject with icmpv6 admin-prohibited
  }
}
END",
        );
        let (nodes, pairs) = matrix(&yard, &|_| true);
        let places: Vec<_> = nodes.iter().map(|node| node.place.clone()).collect();
        let spaces = open().spaces().unwrap();
        let reached = sweep(&spaces, &places, &pairs, Duration::from_millis(600)).unwrap();
        for (pair, reach) in pairs.iter().zip(reached) {
            let (from, to) = (nodes[pair.from].name.as_str(), nodes[pair.to].name.as_str());
            let family = Family::of(pair.address);
            let wanted = match (from, to, family) {
                ("alone", ..) | (_, "alone", _) => Reach::NoWay,
                (_, "n2", Family::Ipv4) => Reach::Silent,
                (_, "n2", Family::Ipv6) => Reach::Rejected,
                _ => Reach::Yes,
            };
            assert_eq!(reach, wanted, "{from} -> {to} {family}");
        }
        let seen = sightings(&yard);
        let replied = |s: &&(_, Sighting)| matches!(s.1.seen, Seen::Reply(_));
        assert_eq!((seen.len(), seen.iter().filter(replied).count()), (9, 4));
        bed.clear();
    });
}

/// More listeners than there are descriptors: they take turns.
#[test]
fn every_port_is_proved_with_few_descriptors() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    isolated(|bed| {
        let yard = meaning(
            "yard: bed
networks: { lan: { prefix: 10.0.1.0/24 } }
nodes: { 'n[1..2]': { interfaces: { eth0: { network: lan } } } }
expect:
  - { from: n1, to: n2, tcp: 1-1500, listen: true }
",
        );
        bed.become_state(&lower(&yard));
        // The test has a process of its own.
        let few = Rlimit { current: Some(256), maximum: Some(300) };
        setrlimit(Resource::Nofile, few).unwrap();
        let seen = sightings(&yard);
        let wrong: Vec<_> = seen
            .iter()
            .filter(|(_, s)| !matches!(s.seen, Seen::Reply(_)) || !s.listened)
            .map(|(e, s)| (e.title(), s))
            .collect();
        assert!(seen.len() == 1500 && wrong.is_empty(), "{:?}", &wrong[..wrong.len().min(3)]);
        bed.clear();
    });
}

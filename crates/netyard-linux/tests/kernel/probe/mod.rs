//! What a yard expects, proved by packets: every sort of probe where it works
//! and where it does not, and never taken in by the wrong reason.

mod firewall;
mod line;
mod many;
mod services;

use std::sync::mpsc::channel;
use std::time::Duration;

use netyard_core::diag::Source;
use netyard_core::expect::{Expectation, Sighting, Verdict, judge};
use netyard_core::facts::Facts;
use netyard_core::spec;
use netyard_core::state::lower;
use netyard_core::yard::{self, Yard};
use netyard_linux::probe::{Book, prove};

use crate::bed::{Bed, isolated, node};
use crate::yard::open;

/// Two nodes with a router between them, and what is expected.
pub const ROUTED: &str = "yard: bed
networks:
  near: { prefix: [10.0.1.0/24, 'fd00:1::/64'] }
  far: { prefix: [10.0.2.0/24, 'fd00:2::/64'] }
nodes:
  a: { interfaces: { eth0: { network: near, gateway: r:near } } }
  b: { interfaces: { eth0: { network: far, gateway: r:far } } }
  r: { forward: true, interfaces: { near: { network: near }, far: { network: far } } }
expect:
";

/// What the text means.
pub fn meaning(text: &str) -> Yard {
    let root = Source { name: "netyard.yaml".into(), text: text.into() };
    let parsed = spec::parse(root, "bed", &mut |_, _| Err("none".into()));
    assert!(!parsed.report.has_errors(), "{:#?}", parsed.report);
    let facts = Facts { host_reachable: true, ..Facts::default() };
    let (yard, report) = yard::resolve(&parsed.spec.unwrap(), &facts);
    yard.unwrap_or_else(|| panic!("{report:#?}"))
}

/// Brings up a yard whose `expect:` goes on so.
pub fn routed(bed: &mut Bed<'_>, expect: &str) -> Yard {
    let yard = meaning(&format!("{ROUTED}{expect}"));
    bed.become_state(&lower(&yard));
    yard
}

/// What was seen of all expectations of a yard that is up.
pub fn sightings(yard: &Yard) -> Vec<(&Expectation, Sighting)> {
    let mut book = Book::default();
    for node in &yard.nodes {
        node.files.iter().for_each(|(file, text)| book.insert(&node.place, file, text));
    }
    let expected: Vec<&Expectation> = yard.expectations.iter().collect();
    let spaces = open().spaces().unwrap();
    let seen = prove(&spaces, &book, &expected, &|| ()).unwrap();
    assert_eq!(seen.len(), expected.len());
    expected.into_iter().zip(seen).collect()
}

/// `a -> b ping IPv4: ok 1.2 ms`, for each expectation.
pub fn verdicts(yard: &Yard) -> Vec<String> {
    let told = |(expectation, sighting): (&Expectation, Sighting)| {
        let verdict = judge(expectation, &sighting);
        let mark = match verdict {
            Verdict::Passed(_) => "ok",
            Verdict::Failed(_) => "FAIL",
            Verdict::Skipped(_) => "skip",
        };
        format!("{mark} {} {}: {}", expectation.title(), expectation.family, verdict.saw())
    };
    let verdicts: Vec<String> = sightings(yard).into_iter().map(told).collect();
    verdicts.iter().for_each(|verdict| println!("{verdict}"));
    verdicts
}

/// Each verdict begins so.
#[track_caller]
pub fn are(verdicts: &[String], wanted: &[&str]) {
    let fits = |(is, should): (&String, &&str)| is.starts_with(should);
    let all = verdicts.len() == wanted.len() && verdicts.iter().zip(wanted).all(fits);
    assert!(all, "is: {verdicts:#?}\nshould: {wanted:#?}");
}

#[test]
fn a_ping_that_works_works_and_one_into_nothing_does_not() {
    isolated(|bed| {
        let yard = routed(
            bed,
            "  - { from: a, to: b, ping: true }
  - { from: a, to: b, ping: blocked, proof: 200ms }
  - { from: a, to: 10.0.2.99, ping: true, within: 300ms }
  - { from: a, to: 10.0.2.99, ping: dropped, proof: 300ms }
  - { from: a, to: 192.0.2.1, ping: rejected }
  - { from: a:eth0, to: r:far, ping: true }
",
        );
        are(
            &verdicts(&yard),
            &[
                "ok a -> b ping IPv4: ",
                "ok a -> b ping IPv6: ",
                "FAIL a -> b ping IPv4: works: ",
                "FAIL a -> b ping IPv6: works: ",
                "FAIL a -> 10.0.2.99 ping IPv4: nothing came back",
                "ok a -> 10.0.2.99 ping IPv4: silent for 300.0 ms",
                "ok a -> 192.0.2.1 ping IPv4: rejected: network unreachable from 10.0.1.",
                "ok a:eth0 -> r:far ping IPv4: ",
                "ok a:eth0 -> r:far ping IPv6: ",
            ],
        );
        bed.clear();
    });
}

#[test]
fn without_a_way_nothing_was_rejected() {
    isolated(|bed| {
        let yard = meaning(
            "yard: bed
networks: { lan: { prefix: 10.0.1.0/24 } }
nodes:
  a:
    interfaces: { eth0: { network: lan } }
    routes: [ { to: 10.8.0.0/16, blackhole: true }, { to: 10.9.0.0/16, prohibit: true } ]
  b: { interfaces: { eth0: { network: lan } } }
expect:
  - { from: a, to: b, ping: true }
  - { from: a, to: 192.0.2.1, ping: rejected, proof: 100ms }
  - { from: a, to: [192.0.2.1, 10.8.0.1, 10.9.0.1], tcp: 80, result: blocked, proof: 100ms }
",
        );
        bed.become_state(&lower(&yard));
        are(
            &verdicts(&yard),
            &[
                "ok a -> b ping IPv4: ",
                "FAIL a -> 192.0.2.1 ping IPv4: no way there: network is unreachable (ENETUNREACH)",
                "ok a -> 192.0.2.1 tcp 80 IPv4: no way there: network is unreachable",
                "ok a -> 10.8.0.1 tcp 80 IPv4: no way there: a blackhole route",
                "ok a -> 10.9.0.1 tcp 80 IPv4: no way there: a prohibiting route",
            ],
        );
        bed.clear();
    });
}

#[test]
fn what_comes_late_is_waited_for() {
    isolated(|bed| {
        let yard = routed(bed, "  - { from: a, to: b, tcp: 4000, family: ipv4 }\n");
        let b = node("b");
        // A socket of that namespace, which listens when its time has come.
        let late = bed.inside(&b, || {
            use rustix::net::{AddressFamily, SocketType, bind, socket};
            let late = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
            bind(&late, &"10.0.2.1:4000".parse::<std::net::SocketAddr>().unwrap()).unwrap();
            late
        });
        let (stop, stopped) = channel::<()>();
        std::thread::scope(|scope| {
            let late = &late;
            scope.spawn(move || {
                // Not before the first tries have been refused.
                let _ = stopped.recv_timeout(Duration::from_millis(700));
                rustix::net::listen(late, 5).unwrap();
            });
            let seen = sightings(&yard);
            let (expectation, sighting) = &seen[0];
            assert!(!judge(expectation, sighting).is_failure(), "{sighting:?}");
            assert!(sighting.tries > 2, "{sighting:?}");
            assert!(sighting.took >= 500_000_000, "{sighting:?}");
            drop(stop);
        });
        bed.clear();
    });
}

//! Translation of addresses, as those who receive the packets see it.

use super::*;

fn ip(text: &str) -> IpAddr {
    bare(text).parse().unwrap()
}

#[test]
fn what_is_masqueraded_bears_the_address_of_the_interface_it_leaves_by() {
    let text = sides(
        r#"
    nat:
      masquerade:
        - { out: outside, family: both, from: [10.0.0.1, "fd00:1::1"] }
        - { out: outside, from: 10.0.0.77, ports: 5000-5001, random: true }
"#,
    );
    lab(&text, |lab| {
        sh(
            "ip -n bed-in addr add 10.0.0.77/24 dev eth0; ip -n bed-in addr add 10.0.0.78/24 dev eth0",
        );
        for (v6, outer) in GW_OUT.iter().enumerate() {
            let listener = lab.listen("out", 80 + v6 as u16);
            drop(lab.opens("in", &at(OUT, 80 + v6 as u16)[v6]));
            assert_eq!(peer(&listener).ip(), ip(outer));
        }
        let out = lab.udp("out", "192.0.2.1:9");
        let seen = reach(&lab.udp("in", "10.0.0.77:7777"), &out);
        assert_eq!(seen.ip(), ip(GW_OUT[0]));
        assert!((5000..=5001).contains(&seen.port()), "{seen}");
        let seen = reach(&lab.udp("in", "10.0.0.78:7778"), &out);
        assert_eq!(seen, "10.0.0.78:7778".parse().unwrap(), "of this one nothing was said");
    });
}

#[test]
fn a_source_becomes_the_address_that_is_said() {
    let text = sides(
        r#"
    nat:
      snat:
        - { from: 10.0.0.1, out: outside, to: 192.0.2.50 }
        - { from: "fd00:1::1", out: outside, to: "fd00:2::50" }
        - { from: 10.0.0.64/28, out: outside, to: 192.0.2.64/28 }
"#,
    );
    lab(&text, |lab| {
        sh("for a in 50 69; do ip -n bed-gw addr add 192.0.2.$a/24 dev outside; done
            ip -n bed-gw addr add fd00:2::50/64 dev outside nodad; ip -n bed-in addr add 10.0.0.69/24 dev eth0");
        for (v6, expected) in ["192.0.2.50", "fd00:2::50"].into_iter().enumerate() {
            let seen = reach(&lab.udp("in", &at(IN, 4000)[v6]), &lab.udp("out", &at(OUT, 9)[v6]));
            assert_eq!((seen.ip(), seen.port()), (ip(expected), 4000));
        }
        let seen = reach(&lab.udp("in", "10.0.0.69:4001"), &lab.udp("out", "192.0.2.1:10"));
        assert_eq!(seen.ip(), ip("192.0.2.69"), "the same place in the network");
    });
}

#[test]
fn a_forwarded_port_leads_inside_past_a_policy_that_drops() {
    let text = sides(
        r#"
    forward: { policy: drop, allow: [ping] }
    nat:
      forward:
        - { in: outside, tcp: 8080, to: "in:80" }
        - { in: outside, udp: 5000-5003, to: "in:6000" }
        - { in: outside, udp: [7000, 7002], to: in }
        - { in: outside, tcp: 22, from: 192.0.2.1, to: "10.0.0.1:80" }
        - { in: outside, tcp: 23, from: 192.0.2.99, to: "10.0.0.1:80" }
"#,
    );
    lab(&text, |lab| {
        let listener = lab.listen("in", 80);
        for v6 in 0..2 {
            lab.ready("out", bare(IN[v6]));
            drop(lab.opens("out", &at(GW_OUT, 8080)[v6]));
            assert_eq!(peer(&listener).ip(), ip(OUT[v6]), "the server sees the client");
            assert_eq!(lab.tcp("out", &at(IN, 80)[v6]), Silent, "the inner address stays closed");
            let from = lab.udp("out", &at(OUT, 0)[v6]);
            for (outer, inner) in [(5000, 6000), (5003, 6003), (7000, 7000), (7002, 7002)] {
                let to = lab.udp("in", &at(IN, inner)[v6]);
                let address = at(GW_OUT, outer)[v6].parse().unwrap();
                assert!(send_to(&from, address, &to).is_some(), "{outer} to {inner}");
            }
            let to = lab.udp("in", &at(IN, 7001)[v6]);
            assert!(send_to(&from, at(GW_OUT, 7001)[v6].parse().unwrap(), &to).is_none());
        }
        assert_eq!(lab.tcp("out", "192.0.2.2:22"), Open);
        assert_eq!(lab.tcp("out", "192.0.2.2:23"), Refused, "for somebody else");
    });
}

/// Two inside, so that one can reach the other by the outer address.
const HAIRPIN: &str = r#"
yard: bed
networks: { lan: { prefix: [10.0.0.0/24, "fd00:1::/64"] } }
nodes:
  gw: { forward: true, interfaces: { lan0: { network: lan, address: [10.0.0.254/24, "fd00:1::fe/64"] } } }
  web: { interfaces: { eth0: { network: lan, address: [10.0.0.5/24, "fd00:1::5/64"], gateway: [10.0.0.254, "fd00:1::fe"] } } }
  pc: { interfaces: { eth0: { network: lan, address: [10.0.0.7/24, "fd00:1::7/64"], gateway: [10.0.0.254, "fd00:1::fe"] } } }
  out: { interfaces: { eth0: { gateway: "gw:outside" } } }
links:
  - { ends: ["out:eth0", "gw:outside"], prefix: [192.0.2.0/24, "fd00:2::/64"] }
firewall:
  gw:
    forward: { policy: drop, allow: [ping] }
    nat:
      forward:
        - { in: outside, tcp: 8080, to: "web:80", hairpin: true }
        - { in: outside, tcp: 8081, to: "web:80" }
"#;

#[test]
fn those_inside_reach_a_forwarded_port_by_the_outer_address() {
    lab(HAIRPIN, |lab| {
        let listener = lab.listen("web", 80);
        for v6 in 0..2 {
            let outer = ["192.0.2.2", "[fd00:2::2]"];
            let inner = ["10.0.0.254", "[fd00:1::fe]"];
            lab.ready("pc", bare(outer[v6]));
            drop(lab.opens("out", &at(outer, 8080)[v6]));
            assert_eq!(peer(&listener).ip(), ip(OUT[v6]));
            drop(lab.opens("pc", &at(outer, 8080)[v6]));
            // Else the answer would take the short way and fit to no connection.
            assert_eq!(peer(&listener).ip(), ip(inner[v6]));
            drop(lab.opens("gw", &at(outer, 8080)[v6]));
            peer(&listener);
            // And to itself, by the router.
            drop(lab.opens("web", &at(outer, 8080)[v6]));
            assert_eq!(peer(&listener).ip(), ip(inner[v6]));
            assert_eq!(
                lab.tcp("pc", &at(inner, 8080)[v6]),
                Refused,
                "the inner address is no outer one"
            );
            assert_eq!(lab.tcp("pc", &at(outer, 8081)[v6]), Refused, "without a hairpin");
        }
    });
}

#[test]
fn one_address_stands_for_another_in_both_directions() {
    let text = sides(
        r#"
    forward: { policy: drop, allow: [ping, tcp 80] }
    nat:
      one-to-one:
        - { outside: 192.0.2.70, inside: in, on: outside }
        - { outside: "fd00:2::70", inside: in, on: outside }
"#,
    );
    lab(&text, |lab| {
        sh(
            "ip -n bed-gw addr add 192.0.2.70/24 dev outside; ip -n bed-gw addr add fd00:2::70/64 dev outside nodad",
        );
        let (inner, outer) = (lab.listen("in", 80), lab.listen("out", 80));
        let _closed = lab.listen("in", 81);
        for (v6, address) in ["192.0.2.70", "[fd00:2::70]"].into_iter().enumerate() {
            drop(lab.opens("out", &format!("{address}:80")));
            assert_eq!(peer(&inner).ip(), ip(OUT[v6]));
            drop(lab.opens("in", &at(OUT, 80)[v6]));
            assert_eq!(peer(&outer).ip(), ip(address));
            assert_eq!(lab.tcp("out", &format!("{address}:81")), Silent, "the policy holds");
        }
    });
}

#[test]
fn segments_are_clamped_to_a_number_and_to_what_the_route_takes() {
    let text = |clamp: &str| sides(&format!("    mss-clamp: {clamp}\n"));
    lab(&text("1000"), |lab| {
        let _listener = lab.listen("out", 80);
        for v6 in 0..2 {
            assert!(segment(&lab.opens("in", &at(OUT, 80)[v6])) <= 1000);
        }
        // The route out of the router takes less than either end knows of.
        sh("ip -n bed-gw route change 192.0.2.0/24 dev outside mtu lock 1200");
        assert!(segment(&lab.opens("gw", &at(OUT, 80)[0])) <= 1160);
        lab.change(&text("9000"));
        let free = segment(&lab.opens("in", &at(OUT, 80)[0]));
        assert!(free > 1400, "{free}: nothing is raised, and here nothing lowered");
        lab.change(&text("true"));
        sh("ip -n bed-gw route change 192.0.2.0/24 dev outside mtu lock 1200");
        let clamped = segment(&lab.opens("in", &at(OUT, 80)[0]));
        assert!(clamped <= 1160, "{clamped}");
    });
}

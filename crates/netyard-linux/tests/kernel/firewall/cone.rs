//! Translators of every make, asked as RFC 5780 asks them: by UDP from and to
//! two addresses and two ports.

use super::*;

/// A node `a` and a node `b` behind `nat`; `s1` and `s2` outside.
fn text(make: &str) -> String {
    format!(
        r#"
yard: bed
networks:
  inside: {{ prefix: 10.0.0.0/24 }}
  outside: {{ prefix: 192.0.2.0/24 }}
nodes:
  nat:
    forward: true
    interfaces:
      inside: {{ network: inside, address: 10.0.0.254/24 }}
      wan: {{ network: outside, address: 192.0.2.254/24 }}
  a: {{ interfaces: {{ eth0: {{ network: inside, address: 10.0.0.1/24, gateway: 10.0.0.254 }} }} }}
  b: {{ interfaces: {{ eth0: {{ network: inside, address: 10.0.0.2/24, gateway: 10.0.0.254 }} }} }}
  s1: {{ interfaces: {{ eth0: {{ network: outside, address: 192.0.2.1/24 }} }} }}
  s2: {{ interfaces: {{ eth0: {{ network: outside, address: 192.0.2.2/24 }} }} }}
firewall:
  nat: {{ nat: {{ type: {make}, out: wan }} }}
"#
    )
}

/// What a translator was seen to do.
#[derive(Debug, PartialEq)]
struct Seen {
    /// One port for all destinations.
    one_port: bool,
    /// Who may send to it: another port of an address that was sent to,
    other_port: bool,
    /// and an address that was never sent to.
    other_address: bool,
}

fn ask(lab: &Lab) -> Seen {
    let a = lab.udp("a", "10.0.0.1:4000");
    let (s1, s1_other) = (lab.udp("s1", "192.0.2.1:1000"), lab.udp("s1", "192.0.2.1:2000"));
    let s2 = lab.udp("s2", "192.0.2.2:1000");
    let outer = reach(&a, &s1);
    assert_eq!(outer.ip(), "192.0.2.254".parse::<IpAddr>().unwrap());
    assert!(send_to(&s1, outer, &a).is_some(), "an answer comes back");
    let other_address = send_to(&s2, outer, &a).is_some();
    let other_port = send_to(&s1_other, outer, &a).is_some();
    let one_port = reach(&a, &s2) == outer && reach(&a, &s1_other) == outer;
    // Another inside that uses the same port gets one of its own, and its answers.
    let b = lab.udp("b", "10.0.0.2:4000");
    let other = reach(&b, &s1);
    assert_ne!(other, outer);
    assert!(send_to(&s1, other, &b).is_some());
    assert!(send_to(&s1, outer, &a).is_some());
    Seen { one_port, other_port, other_address }
}

#[test]
fn a_full_cone_lets_anyone_answer() {
    lab(&text("full-cone"), |lab| {
        let seen = ask(lab);
        assert_eq!(seen, Seen { one_port: true, other_port: true, other_address: true });
    });
}

#[test]
fn a_restricted_cone_lets_the_addresses_answer_that_were_sent_to() {
    lab(&text("restricted"), |lab| {
        let seen = ask(lab);
        assert_eq!(seen, Seen { one_port: true, other_port: true, other_address: false });
    });
}

#[test]
fn a_port_restricted_cone_lets_only_those_answer_that_were_sent_to() {
    lab(&text("port-restricted"), |lab| {
        let seen = ask(lab);
        assert_eq!(seen, Seen { one_port: true, other_port: false, other_address: false });
    });
}

#[test]
fn a_symmetric_translator_has_another_port_for_each_destination() {
    lab(&text("symmetric"), |lab| {
        let seen = ask(lab);
        assert_eq!(seen, Seen { one_port: false, other_port: false, other_address: false });
    });
}

#[test]
fn a_carriers_translator_is_open_and_gives_no_low_ports() {
    lab(&text("cgnat"), |lab| {
        let seen = ask(lab);
        assert_eq!(seen, Seen { one_port: true, other_port: true, other_address: true });
        let low = lab.udp("a", "10.0.0.1:500");
        let outer = reach(&low, &lab.udp("s1", "192.0.2.1:3000"));
        assert!(outer.port() >= 1024, "{outer}");
    });
}

/// Two homes behind a translator each.
fn homes(makes: [&str; 2]) -> String {
    let mut text =
        String::from("yard: bed\nnetworks: { outside: { prefix: 192.0.2.0/24 } }\nnodes:\n");
    for i in 1..=2 {
        text.push_str(&format!(
            "  nat{i}: {{ forward: true, interfaces: {{ wan: {{ network: outside, address: 192.0.2.10{i}/24 }} }} }}\n  \
               pc{i}: {{ interfaces: {{ eth0: {{ gateway: \"nat{i}:inside\" }} }} }}\n"
        ));
    }
    text.push_str(
        "  server: { interfaces: { eth0: { network: outside, address: 192.0.2.1/24 } } }\nlinks:\n",
    );
    for i in 1..=2 {
        text.push_str(&format!(
            "  - {{ ends: [\"pc{i}:eth0\", \"nat{i}:inside\"], prefix: 10.{i}.0.0/24 }}\n"
        ));
    }
    text.push_str("firewall:\n");
    for (i, make) in (1..=2).zip(makes) {
        text.push_str(&format!("  nat{i}: {{ nat: {{ type: {make}, out: wan }} }}\n"));
    }
    text
}

/// True when both meet after they learned each other's outer address of a server.
fn meet(lab: &Lab) -> bool {
    let server = lab.udp("server", "192.0.2.1:1000");
    let (one, two) = (lab.udp("pc1", "10.1.0.1:4000"), lab.udp("pc2", "10.2.0.1:4000"));
    let outer = [reach(&one, &server), reach(&two, &server)];
    // Each knocks; the first knock meets a closed door.
    let mut met = [false; 2];
    for _ in 0..3 {
        met[1] |= send_to(&one, outer[1], &two).is_some();
        met[0] |= send_to(&two, outer[0], &one).is_some();
    }
    met == [true; 2]
}

#[test]
fn two_behind_port_restricted_cones_meet() {
    lab(&homes(["port-restricted", "port-restricted"]), |lab| assert!(meet(lab)));
}

#[test]
fn two_behind_a_symmetric_and_a_port_restricted_translator_do_not_meet() {
    lab(&homes(["symmetric", "port-restricted"]), |lab| assert!(!meet(lab)));
}

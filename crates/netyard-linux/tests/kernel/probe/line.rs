//! Lines: the largest packet that gets through, and what a second of full load
//! brings across.

use netyard_core::state::lower;

use super::{are, meaning, routed, verdicts};
use crate::bed::{isolated, node};

/// Two routers with a narrow link between them.
fn narrow(expect: &str) -> String {
    format!(
        "yard: bed
nodes:
  a: {{ interfaces: {{ up: {{ address: [10.0.1.1/24, 'fd00:1::1/64'], gateway: [10.0.1.2, 'fd00:1::2'] }} }} }}
  r: {{ forward: true, interfaces: {{ left: {{ address: [10.0.1.2/24, 'fd00:1::2/64'] }}, right: {{ address: [10.0.2.2/24, 'fd00:2::2/64'] }} }} }}
  b: {{ interfaces: {{ up: {{ address: [10.0.2.1/24, 'fd00:2::1/64'], gateway: [10.0.2.2, 'fd00:2::2'] }} }} }}
links:
  - {{ ends: [a:up, r:left] }}
  - {{ ends: [r:right, b:up], mtu: 1400 }}
expect:
{expect}"
    )
}

#[test]
fn the_path_mtu_is_found_whatever_is_expected() {
    isolated(|bed| {
        let yard = meaning(&narrow(
            "  - { from: a, to: b, path-mtu: 1400 }
  - { from: a, to: b, path-mtu: 1500 }
  - { from: a, to: b, path-mtu: 1300 }
  - { from: a, to: r:left, path-mtu: 1500 }
  - { from: a, to: 10.0.2.77, path-mtu: 1400, within: 200ms }
",
        ));
        bed.become_state(&lower(&yard));
        let wanted = [
            "ok a -> b path-mtu 1400 IPv4: 1400 bytes",
            "ok a -> b path-mtu 1400 IPv6: 1400 bytes",
            "FAIL a -> b path-mtu 1500 IPv4: packets of up to 1400 bytes get through, not 1500",
            "FAIL a -> b path-mtu 1500 IPv6: packets of up to 1400 bytes get through, not 1500",
            "FAIL a -> b path-mtu 1300 IPv4: packets of up to 1400 bytes get through, not 1300",
            "FAIL a -> b path-mtu 1300 IPv6: packets of up to 1400 bytes get through, not 1300",
            "ok a -> r:left path-mtu 1500 IPv4: 1500 bytes",
            "ok a -> r:left path-mtu 1500 IPv6: 1500 bytes",
            "FAIL a -> 10.0.2.77 path-mtu 1400 IPv4: ",
        ];
        are(&verdicts(&yard), &wanted);
        // A router that says nothing of packets that are too large: a black hole.
        bed.command(
            &node("r"),
            "nft -f - <<'END'
table inet test {
  chain output {
    type filter hook output priority 0;
    icmp type destination-unreachable drop
    icmpv6 type packet-too-big drop
  }
}
END",
        );
        are(&verdicts(&yard), &wanted);
        bed.clear();
    });
}

#[test]
fn a_rate_is_measured_each_way() {
    isolated(|bed| {
        let yard = meaning(
            "yard: bed
nodes: { a: {}, b: {} }
links:
  - { name: line, ends: [a:x, b:x], forward: { rate: 8mbit }, backward: { rate: 2mbit } }
expect:
  - { link: line, rate: true }
  - { link: line, rate: 4mbit, tolerance: 20% }
  - { from: a, to: b, rate: 8mbit }
",
        );
        bed.become_state(&lower(&yard));
        are(
            &verdicts(&yard),
            &[
                "ok a:x -> b:x rate IPv4: ",
                "ok b:x -> a:x rate IPv4: ",
                "FAIL a:x -> b:x rate IPv4: ",
                "FAIL b:x -> a:x rate IPv4: ",
                "ok a -> b rate IPv4: ",
            ],
        );
        bed.clear();
    });
}

/// Nobody sends that much from one socket: it is not known of the line, and said so
/// soon.
#[test]
fn a_rate_that_the_machine_cannot_send_is_no_failure_of_the_line() {
    isolated(|bed| {
        let yard = meaning(
            "yard: bed
nodes: { a: {}, b: {} }
links:
  - { name: slow, ends: [a:x, b:x], rate: 8mbit }
  - { name: fast, ends: [a:y, b:y] }
expect:
  - { link: fast, rate: 900gbit }
  - { link: slow, rate: 900gbit }
",
        );
        bed.become_state(&lower(&yard));
        let began = std::time::Instant::now();
        let verdicts = verdicts(&yard);
        are(
            &verdicts,
            &[
                "skip a:y -> b:y rate IPv4: this machine sends ",
                "skip b:y -> a:y rate IPv4: this machine sends ",
                "FAIL a:x -> b:x rate IPv4: ",
                "FAIL b:x -> a:x rate IPv4: ",
            ],
        );
        assert!(verdicts[0].ends_with(", too little to measure 900.00 Gbit/s"), "{verdicts:?}");
        assert!(began.elapsed().as_secs() < 40, "{:?}", began.elapsed());
        bed.clear();
    });
}

#[test]
fn a_line_that_does_nothing_to_packets_delays_and_loses_none() {
    isolated(|bed| {
        let yard = routed(
            bed,
            "  - { from: a, to: b, delay: 0s, loss: 0%, jitter: 0s }
  - { from: a, to: b, delay: 20ms, loss: 30%, jitter: 10ms, family: ipv6 }
",
        );
        are(
            &verdicts(&yard),
            &[
                "ok a -> b delay IPv4: ",
                "ok a -> b jitter IPv4: ",
                "ok a -> b loss IPv4: 0 % of 5000 packets",
                "FAIL a -> b delay IPv6: ",
                "FAIL a -> b jitter IPv6: ",
                "FAIL a -> b loss IPv6: 0 % of 5000 packets, not 30 % within 3 %",
            ],
        );
        // Half of them, by a firewall; each way for itself.
        bed.command(
            &node("r"),
            "nft -f - <<'END'
table inet test {
  chain forward {
    type filter hook forward priority 0;
    iifname near meta l4proto udp numgen random mod 10 < 3 drop
  }
}
END",
        );
        let yard = super::meaning(&format!(
            "{}{}",
            super::ROUTED,
            "  - { from: a, to: b, loss: 30% }
  - { from: b, to: a, loss: 0% }
  - { from: a, to: b, loss: 20%, family: ipv6 }
"
        ));
        are(
            &verdicts(&yard),
            &["ok a -> b loss IPv4: ", "ok b -> a loss IPv4: 0 % ", "FAIL a -> b loss IPv6: "],
        );
        bed.clear();
    });
}

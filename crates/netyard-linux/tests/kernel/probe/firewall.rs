//! Firewalls: rejected is told from dropped, and neither from a port on which
//! nothing listens.

use std::net::TcpListener;

use super::{are, routed, verdicts};
use crate::bed::{isolated, node};

/// A ruleset of the router that does this to what is forwarded to those ports.
fn ruleset(rules: &str) -> String {
    format!(
        "nft -f - <<'END'
table inet test {{
  chain forward {{
    type filter hook forward priority 0; policy accept;
    {rules}
  }}
}}
END"
    )
}

#[test]
fn rejected_is_told_from_dropped_for_every_protocol() {
    isolated(|bed| {
        let yard = routed(
            bed,
            "  - { from: a, to: b, tcp: [81-84], result: blocked }
  - { from: a, to: b, tcp: 81, result: rejected, family: ipv4 }
  - { from: a, to: b, tcp: 82, result: rejected, family: ipv4 }
  - { from: a, to: b, tcp: 81, result: dropped, family: ipv4 }
  - { from: a, to: b, udp: [81-83], result: blocked, family: ipv6 }
  - { from: b, to: a, udp: 81, family: ipv4 }
  - { from: a, to: b, ping: rejected, family: ipv6 }
  - { from: a, to: b, ping: true, family: ipv4 }
",
        );
        let rules = "
            iifname near tcp dport 81 drop
            iifname near tcp dport 82 reject with tcp reset
            iifname near tcp dport 83 reject with icmpx admin-prohibited
            iifname near udp dport 81 drop
            iifname near udp dport 82 reject
            iifname near icmpv6 type echo-request reject with icmpv6 admin-prohibited";
        bed.command(&node("r"), &ruleset(rules));
        are(
            &verdicts(&yard),
            &[
                "ok a -> b tcp 81 IPv4: silent for 1.00 s",
                "ok a -> b tcp 81 IPv6: silent for 1.00 s",
                "ok a -> b tcp 82 IPv4: rejected: TCP reset",
                "ok a -> b tcp 82 IPv6: rejected: TCP reset",
                "ok a -> b tcp 83 IPv4: rejected: administratively prohibited from 10.0.1.2",
                "ok a -> b tcp 83 IPv6: rejected: administratively prohibited from fd00:1::2",
                "FAIL a -> b tcp 84 IPv4: works: ",
                "FAIL a -> b tcp 84 IPv6: works: ",
                "FAIL a -> b tcp 81 IPv4: silent for 1.00 s",
                "ok a -> b tcp 82 IPv4: rejected: TCP reset",
                "ok a -> b tcp 81 IPv4: silent for 1.00 s",
                "ok a -> b udp 81 IPv6: silent for 1.00 s",
                "ok a -> b udp 82 IPv6: rejected: port unreachable from fd00:1::2",
                "FAIL a -> b udp 83 IPv6: works: ",
                "ok b -> a udp 81 IPv4: ",
                "ok a -> b ping IPv6: rejected: administratively prohibited from fd00:1::2",
                "ok a -> b ping IPv4: ",
            ],
        );
        bed.clear();
    });
}

#[test]
fn a_port_without_a_program_is_not_taken_for_a_firewall() {
    isolated(|bed| {
        let yard = routed(
            bed,
            "  - { from: a, to: b, tcp: 90, result: rejected, family: ipv4 }
  - { from: a, to: b, tcp: 90, result: rejected, family: ipv4, listen: false }
  - { from: a, to: b, tcp: 91, family: ipv4, within: 200ms }
  - { from: a, to: b, tcp: 92, family: ipv4, listen: true }
  - { from: a, to: b, tcp: 93, family: ipv4 }
",
        );
        let served = bed.inside(&node("b"), || TcpListener::bind("10.0.2.1:93").unwrap());
        are(
            &verdicts(&yard),
            &[
                // The first one: netyard listened, and so it works.
                "FAIL a -> b tcp 90 IPv4: works: ",
                "ok a -> b tcp 90 IPv4: rejected: TCP reset from 10.0.2.1",
                "FAIL a -> b tcp 91 IPv4: rejected: TCP reset from 10.0.2.1: nothing listens on port 91?",
                "ok a -> b tcp 92 IPv4: ",
                "ok a -> b tcp 93 IPv4: ",
            ],
        );
        drop(served);
        bed.clear();
    });
}

#[test]
fn the_own_nodes_firewall_counts_as_well() {
    isolated(|bed| {
        let yard = routed(
            bed,
            "  - { from: a, to: b, ping: dropped, proof: 300ms, family: ipv4 }
  - { from: a, to: b, tcp: 80, result: dropped, proof: 300ms, family: ipv4 }
  - { from: a, to: b, tcp: 81, result: rejected, family: ipv4 }
",
        );
        bed.command(
            &node("a"),
            &ruleset("ct state established accept").replace("hook forward", "hook input").replace(
                "}\nEND",
                "  chain output {
    type filter hook output priority 0; policy accept;
    icmp type echo-request drop
    tcp dport 80 drop
    tcp dport 81 reject with icmp admin-prohibited
  }
}
END",
            ),
        );
        are(
            &verdicts(&yard),
            &[
                "ok a -> b ping IPv4: silent for 300.0 ms",
                "ok a -> b tcp 80 IPv4: silent for 300.0 ms",
                "ok a -> b tcp 81 IPv4: rejected: administratively prohibited from 10.0.1.1",
            ],
        );
        bed.clear();
    });
}

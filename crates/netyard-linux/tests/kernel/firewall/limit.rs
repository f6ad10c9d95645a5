//! Rates and numbers of connections.

use super::*;

/// How many of so many datagrams, each a connection of its own, arrive.
fn arrived(lab: &Lab, from: [&str; 2], v6: usize, to: &UdpSocket, sent: u32) -> u32 {
    let sockets: Vec<_> = (0..sent).map(|_| lab.udp("in", &at(from, 0)[v6])).collect();
    for socket in &sockets {
        socket.send_to(b"x", to.local_addr().unwrap()).unwrap();
    }
    let mut arrived = 0;
    while to.recv_from(&mut [0; 8]).is_ok() {
        arrived += 1;
    }
    arrived
}

#[test]
fn a_limit_lets_its_burst_pass_and_no_more() {
    let text = sides(
        "    forward: { policy: drop, allow: [ping, { udp: 9, limit: { rate: 1/hour, burst: 7 } }, udp 10] }\n",
    );
    lab(&text, |lab| {
        let (limited, free) = (lab.udp("out", &at(OUT, 9)[0]), lab.udp("out", &at(OUT, 10)[0]));
        lab.ready("in", OUT[0]);
        assert_eq!(arrived(lab, IN, 0, &free, 20), 20);
        assert_eq!(arrived(lab, IN, 0, &limited, 20), 7);
    });
}

#[test]
fn what_is_over_a_limit_is_denied() {
    let text = sides("    forward: { deny: [{ udp: 9, limit: { rate: 1/hour, burst: 5 } }] }\n");
    lab(&text, |lab| {
        let limited = lab.udp("out", &at(OUT, 9)[0]);
        lab.ready("in", OUT[0]);
        assert_eq!(arrived(lab, IN, 0, &limited, 20), 5);
    });
}

#[test]
fn each_source_has_a_rate_of_its_own() {
    let text = sides(
        "    forward: { policy: drop, allow: [ping, { udp: 9, limit: { rate: 1/hour, burst: 3, per: source } }] }\n",
    );
    lab(&text, |lab| {
        sh(
            "ip -n bed-in addr add 10.0.0.77/24 dev eth0; ip -n bed-in addr add fd00:1::77/64 dev eth0 nodad",
        );
        for (v6, address) in OUT.iter().enumerate() {
            let limited = lab.udp("out", &at(OUT, 9)[v6]);
            lab.ready("in", bare(address));
            assert_eq!(arrived(lab, IN, v6, &limited, 10), 3);
            assert_eq!(arrived(lab, ["10.0.0.77", "[fd00:1::77]"], v6, &limited, 10), 3);
            assert_eq!(arrived(lab, IN, v6, &limited, 10), 0);
        }
    });
}

#[test]
fn a_source_has_so_many_connections_at_a_time() {
    let text = sides("    forward: { policy: drop, allow: [ping, { tcp: 80, connections: 2 }] }\n");
    lab(&text, |lab| {
        let _listener = lab.listen("out", 80);
        for v6 in 0..2 {
            let to = &at(OUT, 80)[v6];
            let first = lab.opens("in", to);
            let _second = lab.opens("in", to);
            assert_eq!(lab.tcp("in", to), Silent);
            // One that ended makes room, when it has been seen to end.
            drop(first);
            sh(
                "ip netns exec bed-gw sysctl -qw net.netfilter.nf_conntrack_tcp_timeout_fin_wait=1 net.netfilter.nf_conntrack_tcp_timeout_close_wait=1",
            );
        }
    });
}

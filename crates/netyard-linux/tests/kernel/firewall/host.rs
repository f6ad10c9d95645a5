//! The host's own firewall, and what the uplinks of networks put into it.

use super::*;

/// Somebody beyond the host's `eth0`, who knows the way to the network behind it.
const WORLD: &str = "
ip netns add bed-world
ip link set lo up; ip -n bed-world link set lo up
ip link add eth0 type veth peer name eth0 netns bed-world
echo 0 > /proc/sys/net/ipv6/conf/eth0/accept_dad
ip link set eth0 up; ip -n bed-world link set eth0 up
ip addr add 203.0.113.1/24 dev eth0; ip addr add fd13::1/64 dev eth0 nodad
ip -n bed-world addr add 203.0.113.2/24 dev eth0; ip -n bed-world addr add fd13::2/64 dev eth0 nodad
ip route add default via 203.0.113.2; ip -6 route add default via fd13::2
ip -n bed-world route add 10.7.0.0/24 via 203.0.113.1
ip -n bed-world -6 route add fd07::/64 via fd13::1
";

const PC: [&str; 2] = ["10.7.0.7", "[fd07::7]"];
const HOST: [&str; 2] = ["203.0.113.1", "[fd13::1]"];
const OUTSIDE: [&str; 2] = ["203.0.113.2", "[fd13::2]"];

fn text(uplink: &str, firewall: &str) -> String {
    format!(
        r#"
yard: bed
networks:
  lan: {{ prefix: [10.7.0.0/24, "fd07::/64"], host: {{ address: [10.7.0.254/24, "fd07::fe/64"] }}, uplink: {uplink} }}
nodes:
  web: {{ interfaces: {{ eth0: {{ network: lan, address: [10.7.0.5/24, "fd07::5/64"], gateway: [10.7.0.254, "fd07::fe"] }} }} }}
  pc: {{ interfaces: {{ eth0: {{ network: lan, address: [10.7.0.7/24, "fd07::7/64"], gateway: [10.7.0.254, "fd07::fe"] }} }} }}
{firewall}"#
    )
}

fn host(text: &str, test: impl FnOnce(&mut Lab) + Send) {
    lab_after(WORLD, text, test);
}

#[test]
fn a_masqueraded_network_opens_connections_and_nobody_opens_one_to_it() {
    host(&text("masquerade", ""), |lab| {
        let (world, pc) = (lab.listen("world", 80), lab.listen("pc", 80));
        drop(lab.opens("pc", &at(OUTSIDE, 80)[0]));
        assert_eq!(peer(&world).ip(), bare(HOST[0]).parse::<IpAddr>().unwrap());
        assert_eq!(lab.tcp("world", &at(PC, 80)[0]), Silent);
        // The host itself is no part of that.
        drop(lab.opens("host", &at(PC, 80)[0]));
        peer(&pc);
        let _host = lab.listen("host", 80);
        drop(lab.opens("world", &at(HOST, 80)[0]));
    });
}

#[test]
fn a_routed_network_is_open_both_ways_and_one_without_an_uplink_is_closed() {
    host(&text("routed", ""), |lab| {
        let (world, pc) = (lab.listen("world", 80), lab.listen("pc", 80));
        for v6 in 0..2 {
            drop(lab.opens("pc", &at(OUTSIDE, 80)[v6]));
            assert_eq!(peer(&world).ip(), bare(PC[v6]).parse::<IpAddr>().unwrap());
            drop(lab.opens("world", &at(PC, 80)[v6]));
            assert_eq!(peer(&pc).ip(), bare(OUTSIDE[v6]).parse::<IpAddr>().unwrap());
        }
        lab.change(&text("none", ""));
        for v6 in 0..2 {
            assert_eq!(lab.tcp("pc", &at(OUTSIDE, 80)[v6]), Silent);
            assert_eq!(lab.tcp("world", &at(PC, 80)[v6]), Silent);
        }
    });
}

#[test]
fn the_users_rules_are_asked_before_the_uplinks() {
    let firewall = r#"
firewall:
  host:
    zones: { outside: eth0 }
    input: { policy: drop, allow: [ssh, any from lan] }
    forward: { policy: drop, allow: [tcp 81 from outside], deny: [tcp 25 from lan] }
    nat: { forward: [{ in: outside, tcp: 8080, to: "web:80", hairpin: true }] }
"#;
    host(&text("masquerade", firewall), |lab| {
        let world: Vec<_> = [25, 80].map(|port| lab.listen("world", port)).into();
        let _pc: Vec<_> = [80, 81].map(|port| lab.listen("pc", port)).into();
        let _web = lab.listen("web", 80);
        let _host: Vec<_> = [22, 79].map(|port| lab.listen("host", port)).into();
        drop(lab.opens("pc", &at(OUTSIDE, 80)[0]));
        assert_eq!(peer(&world[1]).ip(), bare(HOST[0]).parse::<IpAddr>().unwrap());
        assert_eq!(lab.tcp("pc", &at(OUTSIDE, 25)[0]), Silent);
        assert_eq!(lab.tcp("world", &at(PC, 81)[0]), Open);
        assert_eq!(lab.tcp("world", &at(PC, 80)[0]), Silent);
        assert_eq!(lab.tcp("world", &at(HOST, 22)[0]), Open);
        assert_eq!(lab.tcp("world", &at(HOST, 79)[0]), Silent);
        assert_eq!(lab.tcp("pc", &at(HOST, 79)[0]), Open);
        // Forwarded, for those outside, those inside and the host itself.
        assert_eq!(lab.tcp("world", &at(HOST, 8080)[0]), Open);
        assert_eq!(lab.tcp("pc", &at(HOST, 8080)[0]), Open);
        assert_eq!(lab.tcp("host", &at(HOST, 8080)[0]), Open);
        // What the user's own tables say is none of netyard's business.
        sh("nft add table inet mine");
        lab.change(&text("masquerade", ""));
        assert_eq!(lab.tcp("world", &at(HOST, 79)[0]), Open);
        sh("nft delete table inet mine");
    });
}

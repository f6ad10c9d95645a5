//! Clients of netyard beside dnsmasq, and beside somebody who has the address.

use std::fs;

use super::{Cable, leased, said, sh, until, works};
use crate::alone::alone;

const ADDRESSES: &str = "ip -n client addr show dev c0";
const DNSMASQ: &str = "--dhcp-range=10.1.0.100,10.1.0.150,255.255.255.0,2m --dhcp-range=fd00:1::100,fd00:1::1ff,64,2m --enable-ra --dhcp-option=option:router,10.1.0.1 --dhcp-option=121,10.1.0.0/16,10.1.0.1,0.0.0.0/0,10.1.0.1 --domain=lan.test";

alone! { Root, fn dnsmasq_gives_addresses_of_both_families_and_they_go_with_the_client() {
    let mut cable = Cable::lay();
    let dnsmasq = cable.dnsmasq(DNSMASQ);
    let client = cable.client(true, true);
    until(ADDRESSES, |text| text.contains("inet 10.1.0.1") && text.contains("inet6 fd00:1::1") && !text.contains("tentative"));
    let routes = sh("ip -n client route");
    assert!(routes.contains("default via 10.1.0.1 dev c0 proto 79"), "{routes}");
    assert!(routes.contains("10.1.0.0/16 via 10.1.0.1 dev c0 proto 79"), "{routes}");
    sh("ip -n server addr add 10.9.9.9/32 dev lo");
    assert!(works("ip netns exec client ping -c1 -W2 10.9.9.9"));
    assert!(works("ip netns exec client ping -6 -c1 -W2 fd00:1::1"));
    let held = fs::read_to_string(cable.path("held/lease.json")).expect("a lease");
    assert!(held.contains("\"10.1.0.1\"") && held.contains("lan.test"), "{held}");
    cable.end(client, "TERM");
    let text = sh(ADDRESSES);
    assert!(!text.contains("inet 10.") && !text.contains("/128"), "{text}");
    assert!(!sh("ip -n client route").contains("proto 79"));
    said(&cable, dnsmasq, "DHCPRELEASE(s0) 10.1.0.1");
}}

alone! { Root, fn who_is_killed_gets_the_same_again_and_what_it_had_stays_meanwhile() {
    let mut cable = Cable::lay();
    let dnsmasq = cable.dnsmasq(DNSMASQ);
    let client = cable.client(true, false);
    let address = |text: &str| text.split_whitespace().skip_while(|w| *w != "inet").nth(1).map(str::to_owned);
    let first = address(&until(ADDRESSES, |text| text.contains("inet 10."))).expect("an address");
    cable.end(client, "KILL");
    assert_eq!(address(&sh(ADDRESSES)).as_deref(), Some(&*first));
    let asked = cable.log(dnsmasq).matches("DHCPREQUEST").count();
    let client = cable.client(true, false);
    said(&cable, client, &first);
    assert!(cable.log(dnsmasq).matches("DHCPREQUEST").count() > asked);
    assert_eq!(cable.log(dnsmasq).matches("DHCPDISCOVER").count(), 1, "it asked for the one it had");
    assert_eq!(address(&sh(ADDRESSES)).as_deref(), Some(&*first));
}}

const DHCP4: &str = r#""dhcp4":{"subnet":"10.1.0.0/24","server":"10.1.0.1","ranges":[["10.1.0.100","10.1.0.100"]],"lease":4,"gateway":"10.1.0.1"}"#;

alone! { Root, fn an_address_that_somebody_has_is_declined_and_never_had() {
    let mut cable = Cable::lay();
    sh("ip -n server addr add 10.1.0.100/24 dev s0");
    let server = cable.serve(DHCP4);
    let client = cable.client(true, false);
    said(&cable, client, "somebody else has 10.1.0.100");
    said(&cable, server, "found 10.1.0.100 in use by somebody");
    assert!(!sh(ADDRESSES).contains("10.1.0.100"));
    assert!(leased(&cable.path("data"), &["10.1.0.100", "\"declined\""]));
}}

alone! { Root, fn a_lease_is_renewed_while_its_server_lives_and_ends_with_it() {
    let mut cable = Cable::lay();
    let server = cable.serve(DHCP4);
    let client = cable.client(true, false);
    until(ADDRESSES, |text| text.contains("10.1.0.100"));
    // Three renewals of a lease of four seconds.
    let lines = |cable: &Cable| fs::read_to_string(cable.path("data/leases")).unwrap_or_default().lines().count();
    let first = lines(&cable);
    let begin = std::time::Instant::now();
    while lines(&cable) < first + 3 && begin.elapsed() < super::PATIENCE {
        assert!(sh(ADDRESSES).contains("10.1.0.100"), "it was lost on the way");
        super::pause();
    }
    assert!(lines(&cable) >= first + 3);
    cable.end(server, "KILL");
    until(ADDRESSES, |text| !text.contains("10.1.0.100"));
    said(&cable, client, "the lease of 10.1.0.100 has ended");
    assert!(!sh("ip -n client route").contains("proto 79"));
}}

const DHCP6: &str = r#""dhcp6":{"prefixes":["fd00:1::/64"],"ranges":[["fd00:1::1000","fd00:1::1000"]],"lease":600}"#;

alone! { Root, fn an_ipv6_address_that_somebody_has_is_declined() {
    let mut cable = Cable::lay();
    sh("ip -n server addr add fd00:1::1000/64 dev s0 nodad");
    let server = cable.serve(DHCP6);
    let client = cable.client(false, true);
    said(&cable, client, "somebody else has fd00:1::1000");
    said(&cable, server, "found fd00:1::1000 in use by somebody");
    until(ADDRESSES, |text| !text.contains("fd00:1::1000"));
}}

alone! { Root, fn a_link_that_comes_back_is_asked_again() {
    let mut cable = Cable::lay();
    let dnsmasq = cable.dnsmasq(DNSMASQ);
    cable.client(true, false);
    until(ADDRESSES, |text| text.contains("inet 10."));
    let asked = cable.log(dnsmasq).matches("DHCPREQUEST").count();
    sh("ip -n server link set s0 down");
    until(ADDRESSES, |text| text.contains("NO-CARRIER"));
    sh("ip -n server link set s0 up");
    let begin = std::time::Instant::now();
    while cable.log(dnsmasq).matches("DHCPREQUEST").count() == asked && begin.elapsed() < super::PATIENCE {
        super::pause();
    }
    assert!(cable.log(dnsmasq).matches("DHCPREQUEST").count() > asked);
    until("ip -n client route", |text| text.contains("proto 79"));
}}

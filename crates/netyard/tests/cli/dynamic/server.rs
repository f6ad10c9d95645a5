//! Router advertisements and DHCPv6 by netyard.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::{Cable, leased, said, sh, until, works};
use crate::alone::alone;

const RA: &str = r#""ra":{"lifetime":1800,"interval":600,"hop-limit":64,"managed":false,"other":true,"preference":"high","mtu":1400,"prefixes":[{"net":"fd00:1::/64","on-link":true,"autonomous":true,"valid":86400,"preferred":43200}],"routes":[{"net":"fd00:9::/48","preference":"medium","lifetime":600}],"rdnss":["fd00:1::1"],"dnssl":["lan.test"],"dns-lifetime":1800}"#;
const DHCP6: &str = r#""dhcp6":{"prefixes":["fd00:1::/64"],"ranges":[["fd00:1::1000","fd00:1::10ff"]],"lease":600,"delegation":{"pool":"fd00:1:8000::/56","length":64},"dns":["fd00:1::1"],"search":["lan.test"]}"#;

const ADDRESSES: &str = "ip -n client -6 addr show dev c0";
const ROUTES: &str = "ip -n client -6 route";

alone! { Root, fn a_host_makes_an_address_of_what_is_advertised_and_finds_the_way_out() {
    let mut cable = Cable::lay();
    // Of itself the kernel takes no routes beside the way out.
    sh("ip netns exec client sysctl -qw net.ipv6.conf.c0.accept_ra_rt_info_max_plen=64");
    let server = cable.serve(RA);
    // The kernel makes it; nobody else is at work there.
    until(ADDRESSES, |text| text.contains("fd00:1:") && text.contains("mngtmpaddr") && !text.contains("tentative"));
    let routes = until(ROUTES, |text| text.contains("default via fe80:"));
    assert!(routes.contains("pref high") && routes.contains("fd00:9::/48"), "{routes}");
    assert!(routes.contains("mtu 1400") || sh("ip netns exec client sysctl -n net.ipv6.conf.c0.mtu").contains("1400"));
    // Traffic by both: the address, and the way out to what is behind the router.
    assert!(works("ip netns exec client ping -6 -c1 -W2 fd00:1::1"));
    sh("ip -n server addr add fd00:5::1/128 dev lo");
    assert!(works("ip netns exec client ping -6 -c1 -W2 fd00:5::1"));
    // The last words: the way out is gone at once, the address stays.
    cable.end(server, "TERM");
    until(ROUTES, |text| !text.contains("default"));
    assert!(sh(ADDRESSES).contains("fd00:1:"));
}}

alone! { Root, fn what_is_advertised_is_read_by_others() {
    let mut cable = Cable::lay();
    cable.serve(RA);
    let text = until("ip netns exec client rdisc6 -1 -w 2000 c0 || true", |text| text.contains("from fe80"));
    for words in [
        "Stateful address conf.    :           No",
        "Stateful other conf.      :          Yes",
        "Router preference         :         high",
        "Router lifetime           :         1800",
        "MTU                      :         1400 bytes (valid)",
        "Prefix                   : fd00:1::/64",
        "Valid time              :        86400",
        "Pref. time              :        43200",
        "Route                    : fd00:9::/48",
        "Recursive DNS server     : fd00:1::1",
        "DNS search list          : lan.test",
        "Source link-layer address",
    ] {
        assert!(text.contains(words), "`{words}` is not in\n{text}");
    }
}}

/// dhclient(8) with a script that notes what it is given.
fn dhclient(cable: &Cable, options: &str) -> String {
    let script = cable.path("script");
    let text = "#!/bin/sh\n[ -z \"$new_ip6_prefix\" ] || echo prefix=$new_ip6_prefix\n\
                [ -z \"$new_ip6_address\" ] || { echo address=$new_ip6_address; ip -6 addr add $new_ip6_address/128 dev c0 nodad; }\n\
                [ -z \"$new_dhcp6_name_servers\" ] || echo dns=$new_dhcp6_name_servers\n\
                [ -z \"$new_dhcp6_domain_search\" ] || echo search=$new_dhcp6_domain_search\nexit 0\n";
    fs::write(&script, text).expect("a script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("executable");
    let path = |name| cable.path(name).display().to_string();
    format!(
        "timeout 40 ip netns exec client dhclient -6 -P -N {options} -sf {} -lf {} -pf {} c0 2>&1",
        script.display(),
        path("dhclient.leases"),
        path("dhclient.pid")
    )
}

alone! { Root, fn dhclient_gets_an_address_and_a_prefix_that_is_routed_until_it_is_given_back() {
    let mut cable = Cable::lay();
    let server = cable.serve(DHCP6);
    until(ADDRESSES, |text| text.contains("fe80") && !text.contains("tentative"));
    let text = sh(&dhclient(&cable, "-1"));
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key));
        line.unwrap_or_else(|| panic!("no {key} in\n{text}")).to_owned()
    };
    let (address, prefix) = (value("address="), value("prefix="));
    assert!(address.starts_with("fd00:1::10"), "{address}");
    assert_eq!(prefix, "fd00:1:8000::/64");
    assert_eq!((value("dns=").as_str(), value("search=").as_str()), ("fd00:1::1", "lan.test."));
    // Traffic: the address on the link, the prefix through the client.
    sh("ip -n client addr add fd00:1:8000::1/64 dev lo");
    sh("ip -n client route add fd00:1::/64 dev c0");
    assert!(works(&format!("ip netns exec server ping -6 -c1 -W2 {address}")));
    assert!(works("ip netns exec server ping -6 -c1 -W2 fd00:1:8000::1"));
    // Nobody is told of a lease that a kill would forget.
    cable.end(server, "KILL");
    assert!(leased(&cable.path("data"), &["fd00:1:8000::", "\"bound\""]));
    sh("ip -n server -6 route del fd00:1:8000::/64");
    let server = cable.serve(DHCP6);
    until("ip -n server -6 route", |text| text.contains("fd00:1:8000::/64 via fe80"));
    sh(&dhclient(&cable, "-r"));
    until("ip -n server -6 route", |text| !text.contains("fd00:1:8000::"));
    assert!(leased(&cable.path("data"), &["fd00:1:8000::", "\"released\""]));
    cable.end(server, "TERM");
}}

alone! { Root, fn dhcpcd_gets_an_address() {
    let mut cable = Cable::lay();
    cable.serve(&format!("{RA},{DHCP6}").replace("\"managed\":false", "\"managed\":true"));
    fs::write(cable.path("dhcpcd.conf"), "noipv4\nnoarp\nslaac hwaddr\nia_na 1\nscript /bin/true\n").expect("a file");
    let config = cable.path("dhcpcd.conf").display().to_string();
    fs::create_dir_all("/run/dhcpcd").expect("a directory");
    cable.start("client", &format!("dhcpcd -B -6 -f {config} c0"));
    until(ADDRESSES, |text| text.contains("fd00:1::10") && !text.contains("tentative"));
    assert!(leased(&cable.path("data"), &["fd00:1::10", "\"bound\""]));
}}

alone! { Root, fn a_range_that_is_used_up_is_said_and_the_rest_goes_on() {
    let mut cable = Cable::lay();
    let narrow = DHCP6.replace("fd00:1::10ff", "fd00:1::1000").replace("\"lease\":600", "\"reserved\":[],\"taken\":[\"fd00:1::1000\"],\"lease\":600");
    let server = cable.serve(&format!("{RA},{narrow}"));
    cable.client(false, true);
    said(&cable, server, "no IPv6 address is left for fe80");
    until(ADDRESSES, |text| text.contains("mngtmpaddr"));
}}

alone! { Root, fn a_rogue_router_is_said() {
    let mut cable = Cable::lay();
    let server = cable.serve(RA);
    until(ADDRESSES, |text| text.contains("mngtmpaddr"));
    assert!(!cable.log(server).contains("rogue"), "{}", cable.log(server));
    sh("ip netns exec client sysctl -qw net.ipv6.conf.all.forwarding=1");
    let config = cable.path("radvd.conf");
    fs::write(&config, "interface c0 { AdvSendAdvert on; MinRtrAdvInterval 3; MaxRtrAdvInterval 4; prefix fd00:66::/64 {}; };").expect("a file");
    let pid = cable.path("radvd.pid");
    cable.start("client", &format!("radvd -n -C {} -p {} -m stderr", config.display(), pid.display()));
    said(&cable, server, "lan: rogue router advertisement from fe80");
    assert!(cable.log(server).contains("fd00:66::/64"), "{}", cable.log(server));
}}

alone! { Root, fn a_prefix_that_is_no_longer_served_is_taken_back() {
    let mut cable = Cable::lay();
    let server = cable.serve(RA);
    until(ADDRESSES, |text| text.contains("fd00:1:") && text.contains("mngtmpaddr"));
    let config = cable.path("services.json");
    let text = fs::read_to_string(&config).expect("the configuration").replace("\"net\":\"fd00:1::/64\"", "\"net\":\"fd00:2::/64\"");
    fs::write(&config, text).expect("the configuration");
    sh(&format!("kill -HUP {}", cable.started[server].child.id()));
    let text = until(ADDRESSES, |text| text.contains("fd00:2:"));
    assert!(text.contains("deprecated"), "{text}");
    assert!(!cable.log(server).contains("does not work"), "{}", cable.log(server));
}}

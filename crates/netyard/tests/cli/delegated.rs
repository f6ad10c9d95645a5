//! Prefixes that an upstream gives, shared out to networks: what hosts there make of
//! them, and what becomes of it when the upstream gives another one, or the client dies.

use std::process::Command;
use std::time::Instant;

use crate::alone::alone;
use crate::dynamic::{PATIENCE, pause, sh};
use crate::site::Site;

/// `isp` delegates out of POOL and leads to `far`; `gw` shares out what it gets.
const YARD: &str = r#"
yard: delegated-NAME
networks:
  internet: { prefix: "2001:db8:ffff::/64" }
  access:
    prefix: "2001:db8:0:1::/64"
    serve: isp
    ra: on
    dhcp6: { range: none, lease: LEASE, prefix-delegation: { pool: "POOL", length: LENGTH } }
  lan: { prefix: 10.1.0.0/24, delegated: "gw:wan", ra: on, engine: ENGINE }
  dmz: { prefix: "fd00:2::/64", delegated: { from: "gw:wan", number: 7 }, ra: on, engine: ENGINE }
nodes:
  far: { interfaces: { eth0: { network: internet, address: "2001:db8:ffff::80/64", gateway: "isp:net" } } }
  isp:
    forward: true
    interfaces:
      net: { network: internet, address: "2001:db8:ffff::1/64" }
      line: { network: access, address: "2001:db8:0:1::1/64" }
  gw:
    forward: true
    interfaces:
      wan: { network: access, address: ra }
      lan: { network: lan, address: 10.1.0.1/24 }
      dmz: { network: dmz, address: "fd00:2::1/64" }
  laptop: { interfaces: { eth0: { network: lan, address: ra } } }
  box: { interfaces: { eth0: { network: dmz, address: ra } } }
"#;

fn text(name: &str, engine: &str, pool: &str, length: &str, lease: &str) -> String {
    let text = YARD.replace("NAME", name).replace("ENGINE", engine).replace("POOL", pool);
    text.replace("LENGTH", length).replace("LEASE", lease)
}

/// What a command prints when that holds of it for the first time.
#[track_caller]
fn until(site: &Site, line: &str, holds: impl Fn(&str) -> bool) -> String {
    let begin = Instant::now();
    let mut last = String::new();
    while begin.elapsed() < PATIENCE {
        last = String::from_utf8_lossy(&site.run(line).stdout).into_owned();
        if holds(&last) {
            return last;
        }
        pause();
    }
    panic!("{line} gives still\n{last}");
}

#[track_caller]
fn reaches(site: &Site, from: &str, to: &str) {
    until(site, &format!("exec {from} -- ping -6 -c1 -W2 {to}"), |text| {
        text.contains(" 0% packet loss")
    });
}

/// The address of a node's `eth0` that begins so.
fn address(site: &Site, node: &str, begin: &str) -> String {
    let line = format!("exec {node} -- ip -6 addr show dev eth0 scope global -deprecated");
    let wanted = format!("inet6 {begin}");
    let text = until(site, &line, |text| text.contains(&wanted) && !text.contains("tentative"));
    let at = text.find(&wanted).expect("it") + "inet6 ".len();
    text[at..].split('/').next().expect("an address").to_owned()
}

fn a_delegated_prefix_is_shared_out(engine: &str) {
    let site = Site::new(text(engine, engine, "2001:db8:4200::/40", "56", "1h"));
    site.ok("up");
    // Numbers that are not said are those that are left.
    let laptop = address(&site, "laptop", "2001:db8:4200:0:");
    let own = address(&site, "box", "2001:db8:4200:7:");
    reaches(&site, "laptop", "2001:db8:ffff::80");
    reaches(&site, "box", "2001:db8:ffff::80");
    // From outside and from next door, without any translation.
    reaches(&site, "far", &laptop);
    reaches(&site, "laptop", &own);
    // What nobody has of the prefix does not go around between the two routers.
    let lost = site.run("exec far -- ping -6 -c1 -W5 2001:db8:4200:55::1");
    let lost = String::from_utf8_lossy(&lost.stdout).into_owned();
    assert!(lost.contains("nreachable") && !lost.contains("exceeded"), "{lost}");
    site.ok("plan --check");
    assert!(site.ok("up").contains("nothing to do"));
    let status = site.ok("status");
    assert!(status.contains("has 2001:db8:4200::/56 for "), "{status}");
    site.ok("down");
    assert_eq!(site.processes(), [] as [std::path::PathBuf; 0]);
}

alone! { User, fn a_delegated_prefix_is_shared_out_and_leads_out_and_in() {
    a_delegated_prefix_is_shared_out("netyard");
}}

alone! { Root, fn dnsmasq_advertises_what_is_delegated_too() {
    crate::serve::needs(&["dnsmasq"]);
    a_delegated_prefix_is_shared_out("dnsmasq");
}}

alone! { Root, fn another_prefix_takes_the_place_of_the_first_and_hosts_follow() {
    let of = |pool: &str| text("renumbered", "netyard", pool, "56", "10s");
    let site = Site::new(of("2001:db8:4200::/40"));
    site.ok("up");
    address(&site, "laptop", "2001:db8:4200:0:");
    reaches(&site, "laptop", "2001:db8:ffff::80");
    // It is renewed every few seconds, and hosts hear of each: nothing else would have three
    // more advertisements come within the time.
    let heard = || -> u32 {
        let text = site.ok("exec laptop -- cat /proc/net/snmp6");
        let mut lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let found = lines.find(|words| words.first() == Some(&"Icmp6InRouterAdvertisements"));
        found.and_then(|words| words.get(1)?.parse().ok()).expect("a number")
    };
    let (first, begin) = (heard(), Instant::now());
    while heard() < first + 3 {
        assert!(begin.elapsed() < PATIENCE, "hosts are not told");
        pause();
    }
    address(&site, "laptop", "2001:db8:4200:0:");
    site.file(&of("2001:db8:8800::/40"));
    site.ok("up");
    let next = address(&site, "laptop", "2001:db8:8800:0:");
    reaches(&site, "laptop", "2001:db8:ffff::80");
    reaches(&site, "far", &next);
    // The first is taken back before its time: no new connection uses it.
    let line = "exec laptop -- ip -6 addr show dev eth0 scope global -deprecated";
    until(&site, line, |text| !text.contains("2001:db8:4200:"));
    let routes = site.ok("exec gw -- ip -6 route show");
    assert!(!routes.contains("2001:db8:4200:"), "{routes}");
    assert!(routes.contains("unreachable 2001:db8:8800::/56"), "{routes}");
    site.ok("down");
}}

/// The client of a prefix among the yard's processes: that of `gw` has been started for `wan`.
fn client(site: &Site) -> i32 {
    let of_wan = |path: &std::path::PathBuf| {
        let read = |name: &str| std::fs::read(path.join(name)).unwrap_or_default();
        let text = |name: &str| String::from_utf8_lossy(&read(name)).into_owned();
        text("comm").starts_with("netyard-client") && text("cmdline").contains("client-wan")
    };
    let found = site.processes().into_iter().find(of_wan).expect("the process");
    found.file_name().and_then(|name| name.to_str()?.parse().ok()).expect("its number")
}

alone! { Root, fn who_asks_is_killed_and_the_prefix_stays_with_those_who_have_it() {
    let site = Site::new(text("killed", "netyard", "2001:db8:4200::/40", "56", "1h"));
    site.ok("up");
    let laptop = address(&site, "laptop", "2001:db8:4200:0:");
    let client = client(&site);
    // SAFETY: a signal to a process that this test has started.
    unsafe { libc::kill(client, libc::SIGKILL) };
    reaches(&site, "far", &laptop);
    // It comes back by itself, and asks for the same.
    until(&site, "status", |text| text.contains("has 2001:db8:4200::/56 for "));
    // A share that was taken away is given again, and the network does not wait for a renewal.
    site.ok("exec gw -- ip link set lan down");
    site.ok("exec gw -- ip link set lan up");
    until(&site, "exec gw -- ip -6 addr show dev lan", |text| text.contains("2001:db8:4200::1/64"));
    reaches(&site, "far", &laptop);
    site.ok("down");
}}

alone! { Root, fn networks_come_and_go_and_the_lease_stays() {
    let of = |shares: &str| {
        let text = text("shared", "netyard", "2001:db8:4200::/40", "56", "1h");
        text.replace(", delegated: { from: \"gw:wan\", number: 7 }", shares)
    };
    let site = Site::new(of(""));
    site.ok("up");
    let laptop = address(&site, "laptop", "2001:db8:4200:0:");
    let first = client(&site);
    site.file(&of(", delegated: { from: \"gw:wan\", number: 9 }"));
    let plan = site.ok("plan");
    assert!(plan.contains("HUP") || plan.contains("hup"), "{plan}");
    site.ok("up");
    let own = address(&site, "box", "2001:db8:4200:9:");
    reaches(&site, "far", &own);
    site.file(&of(", delegated: { from: \"gw:wan\", number: 7 }"));
    site.ok("up");
    address(&site, "box", "2001:db8:4200:7:");
    site.file(&of(""));
    site.ok("up");
    until(&site, "exec gw -- ip -6 addr show dev dmz", |text| !text.contains("2001:db8:4200"));
    until(&site, "exec box -- ip -6 addr show dev eth0 scope global -deprecated", |text| {
        !text.contains("2001:db8:4200")
    });
    // Nobody asked again, and nobody else noticed.
    assert_eq!(client(&site), first);
    let log = site.ok("logs gw client-wan");
    assert_eq!(log.matches("2001:db8:4200::/56 for ").count(), 1, "{log}");
    assert_eq!(address(&site, "laptop", "2001:db8:4200:0:"), laptop);
    // Who asks for something else gives it back, and asks.
    site.file(&of("").replace("wan: { network: access, address: ra }", "wan: { network: access, address: [ra, dhcp6] }"));
    site.ok("up");
    until(&site, "logs gw client-wan", |log| log.matches("2001:db8:4200::/56 for ").count() == 2);
    assert_eq!(client(&site), first);
    site.ok("down");
}}

alone! { Root, fn a_prefix_that_is_too_small_is_said_and_the_rest_has_its_part() {
    let site = Site::new(text("small", "netyard", "2001:db8:4200::/40", "62", "1h"));
    site.ok("up");
    address(&site, "laptop", "2001:db8:4200:0:");
    until(&site, "logs gw", |text| text.contains("dmz: a /62 has no /64 number 7"));
    let text = site.ok("exec box -- ip -6 addr show dev eth0 scope global");
    assert!(text.contains("fd00:2:") && !text.contains("2001:db8:42"), "{text}");
    site.ok("down");
}}

/// `eth0` of this machine leads to a provider that is no part of the yard.
const ON_HOST: &str = r#"
yard: delegated-host
networks:
  "web[1..2]":
    prefix: 10.5.$i.0/24
    uplink: { masquerade: auto, ipv6: routed }
    delegated: "host:eth0"
    ra: on
nodes:
  "web[1..2]": { interfaces: { host0: { network: web$i, address: ra } } }
"#;

alone! { Root, fn each_container_of_a_host_has_a_prefix_of_its_own() {
    let mut cable = crate::dynamic::Cable::lay();
    let own = std::process::id();
    sh(&format!("ip -n client link set c0 netns {own}"));
    sh("ip link set c0 name eth0");
    sh("ip link set eth0 up");
    sh("ip -n server addr add fd00:5::1/128 dev lo");
    cable.serve(
        r#""ra":{"lifetime":1800,"interval":600,"hop-limit":64,"managed":false,"other":false,"preference":"medium","mtu":null,"prefixes":[{"net":"fd00:1::/64","on-link":true,"autonomous":true,"valid":86400,"preferred":43200}],"routes":[],"rdnss":[],"dnssl":[],"dns-lifetime":1800},"dhcp6":{"prefixes":["fd00:1::/64"],"ranges":[],"lease":600,"delegation":{"pool":"fd00:4200::/40","length":56}}"#,
    );
    // Once the machine has its way out, it keeps it, though it forwards from then on.
    let begin = Instant::now();
    while !sh("ip -6 route show default").contains("via") {
        assert!(begin.elapsed() < PATIENCE, "no way out");
        pause();
    }
    let site = Site::new(ON_HOST);
    site.ok("up");
    for (node, prefix) in [("web1", "fd00:4200:0:0:"), ("web2", "fd00:4200:0:1:")] {
        let line = format!("exec {node} -- ip -6 addr show dev host0 scope global");
        until(&site, &line, |text| text.contains(&format!("inet6 {}", prefix.replace(":0:0:", "::")))
            || text.contains(&format!("inet6 {prefix}")));
        reaches(&site, node, "fd00:5::1");
        let text = until(&site, &line, |text| !text.contains("tentative"));
        let at = text.find("inet6 fd00:4200").expect("it") + "inet6 ".len();
        let address = text[at..].split('/').next().expect("an address").to_owned();
        let out = Command::new("ip").args(["netns", "exec", "server", "ping", "-6", "-c3", "-W5", &address]).output();
        let out = out.expect("ping");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stdout));
    }
    site.ok("plan --check");
    // The prefix is given back, and nothing of it stays on the host.
    site.ok("down");
    let routes = sh("ip -6 route show");
    assert!(!routes.contains("fd00:4200"), "{routes}");
    assert!(!sh("ip -n server -6 route").contains("fd00:4200"));
}}

/// Two routed prefixes: `box` has its /64 of a /48 that is routed to the machine for good,
/// `laptop` one of what `gw` is given. Both boot, the second with users of its own.
const CONTAINERS: &str = r#"
  far: { interfaces: { eth0: { network: internet, address: "2001:db8:ffff::80/64", gateway: "isp:net" } } }
  laptop:
    container: { root: ROOT/laptop, private-users: true, boot: true, stop: SIGUSR2, ready: { tcp: 80 } }
    interfaces: { eth0: { network: lan, address: ra } }
  box:
    container: { root: ROOT/box, boot: true, stop: SIGUSR2, ready: { tcp: 80 } }
    interfaces: { eth0: { network: own, address: ra } }
"#;

alone! { Machine, fn containers_that_boot_have_a_routed_prefix_each() {
    let text = text("boots", "netyard", "2001:db8:4200::/40", "56", "1h");
    let of_box = text.lines().find(|line| line.starts_with("  box:")).expect("a node").to_owned();
    let mut text = text.replace(&of_box, "");
    for node in ["  far:", "  laptop:"] {
        let line = text.lines().find(|line| line.starts_with(node)).expect("a node").to_owned();
        text = text.replace(&line, "");
    }
    let own = "  own: { prefix: \"2001:db8:77:1::/64\", serve: isp, ra: on }\nnodes:";
    let dead_end = "    routes: [{ to: \"2001:db8:77::/48\", unreachable: true }]\n    interfaces:\n      own: { network: own, address: \"2001:db8:77:1::1/64\" }\n      net:";
    text = text.replacen("nodes:", own, 1).replacen("    interfaces:\n      net:", dead_end, 1);
    let site = Site::new("");
    let root = site.path().to_str().expect("text").to_owned();
    for tree in ["laptop", "box"] {
        crate::guest::tree(&site.path().join(tree));
        crate::guest::boots(&site.path().join(tree), "httpd -p 80 -h /etc");
    }
    site.file(&(text + &CONTAINERS.replace("ROOT", &root)));
    site.ok("up");
    site.ok("plan --check");
    for (node, begin) in [("laptop", "2001:db8:4200:0:"), ("box", "2001:db8:77:1:")] {
        // What is asked inside is busybox's.
        let line = format!("exec {node} -- ip -6 addr show dev eth0");
        let text = until(&site, &line, |text| text.contains(&format!("inet6 {begin}")));
        let at = text.find(&format!("inet6 {begin}")).expect("it") + "inet6 ".len();
        let address = text[at..].split('/').next().expect("an address").to_owned();
        // Out and in, without any translation.
        let line = format!("exec far -- wget -T5 -qO- http://[{address}]/os-release");
        until(&site, &line, |text| text.contains("ID=tiny"));
        reaches(&site, "far", &address);
    }
    // One container reaches the other by its routed address.
    let text = site.ok("exec laptop -- ip -6 addr show dev eth0");
    let at = text.find("inet6 2001:db8:4200:0:").expect("it") + "inet6 ".len();
    let other = text[at..].split('/').next().expect("an address");
    site.ok(&format!("exec box -- ping6 -c1 -W5 {other}"));
    // What nobody has of either goes nowhere.
    for nobody in ["2001:db8:77:55::1", "2001:db8:4200:55::1"] {
        let lost = site.run(&format!("exec far -- ping -6 -c1 -W5 {nobody}"));
        let lost = String::from_utf8_lossy(&lost.stdout).into_owned();
        assert!(lost.contains("nreachable") && !lost.contains("exceeded"), "{lost}");
    }
    site.ok("down");
    assert_eq!(site.processes(), [] as [std::path::PathBuf; 0]);
}}

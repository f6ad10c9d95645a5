//! What is served on networks for IPv6, asked by what people have: the kernel's own
//! SLAAC, rdisc6, dhcpcd, dhclient and dig. Everything is done twice, by netyard's own
//! server and by dnsmasq.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use crate::alone::alone;
use crate::serve::needs;
use crate::site::Site;

/// `gw` serves `lan` and is its way out; what follows `lan` is a test's own.
const YARD: &str = r#"
yard: NAME
networks:
  lan:
    prefix: "fd00:1::/64"
    engine: ENGINE
    dns: { domain: lan.test, forward: none, records: { www: "fd00:1::80" } }
    SERVED
  up: { prefix: "fd00:2::/64" }
nodes:
  gw:
    forward: true
    interfaces:
      lan0: { network: lan, address: "fd00:1::1/64" }
      up0: { network: up, address: "fd00:2::1/64" }
  far: { interfaces: { eth0: { network: up, address: "fd00:2::2/64", gateway: "fd00:2::1" } } }
  h1: { interfaces: { eth0: { network: lan, address: "fd00:1::7/64", gateway: "fd00:1::1" } } }
  phone: { interfaces: { eth0: { network: lan, address: ra } } }
  "c[1..2]": { interfaces: { eth0: { network: lan, address: none, sysctl: { ipv6.accept_ra: 1 } } } }
"#;

const ENGINES: [&str; 2] = ["netyard", "dnsmasq"];
const PATIENCE: Duration = Duration::from_secs(40);

/// What advertisements say is the same but for how long: dnsmasq keeps prefixes for as
/// long as leases.
const BOTH: &str = "ra: on\n    dhcp6: { range: 'fd00:1::1000-fd00:1::1003', lease: 10m }";
const SLAAC: &str = "ra: { preference: high, mtu: 1400, interval: 30s }";

/// A yard of its own; `served` are keys of the network.
fn yard(name: &str, engine: &str, served: &str) -> Site {
    needs(&["dnsmasq", "dig"]);
    let text = YARD
        .replace("NAME", &format!("{name}-{engine}"))
        .replace("ENGINE", engine)
        .replace("SERVED", served);
    let site = Site::new(text);
    site.ok("up");
    site
}

/// What a command prints when that holds of it for the first time.
#[track_caller]
fn until(site: &Site, line: &str, holds: impl Fn(&str) -> bool) -> String {
    let begin = Instant::now();
    let mut last = String::new();
    while begin.elapsed() < PATIENCE {
        let output = site.run(line);
        last = String::from_utf8_lossy(&output.stdout).into_owned();
        if holds(&last) {
            return last;
        }
        crate::dynamic::pause();
    }
    panic!("{line} gives still\n{last}");
}

#[track_caller]
fn dig(site: &Site, node: &str, question: &str) -> String {
    let said = site.ok(&format!("exec {node} -- dig +time=2 +tries=3 +short {question}"));
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The global addresses of a node's `eth0`.
fn addresses(site: &Site, node: &str) -> Vec<String> {
    let line = format!("exec {node} -- ip -6 -o addr show dev eth0 scope global");
    let mut all = Vec::new();
    until(site, &line, |text| !text.contains("tentative"));
    for line in site.ok(&line).lines() {
        let word = line.split_whitespace().skip_while(|word| *word != "inet6").nth(1);
        all.extend(word.and_then(|word| word.split('/').next()).map(str::to_owned));
    }
    all
}

alone! { Root, fn the_kernel_makes_an_address_and_finds_the_way_out_and_the_names() {
    for engine in ENGINES {
        let site = yard("slaac", engine, SLAAC);
        let shown = until(&site, "exec phone -- ip -6 addr show dev eth0", |text| {
            text.contains("fd00:1:") && text.contains("mngtmpaddr") && !text.contains("tentative")
        });
        assert!(!shown.contains("/128"), "{engine}: {shown}");
        let routes = until(&site, "exec phone -- ip -6 route", |text| text.contains("default via fe80"));
        assert!(routes.contains("pref high"), "{engine}: {routes}");
        assert_eq!(site.ok("exec phone -- cat /proc/sys/net/ipv6/conf/eth0/mtu").trim(), "1400", "{engine}");
        // By the way out to what is behind the router, and back.
        until(&site, "exec phone -- ping -6 -c1 -W2 fd00:2::2", |text| text.contains(" 0% packet loss"));
        until(&site, "exec phone -- cat /etc/resolv.conf", |text| {
            text.contains("nameserver fd00:1::1") && text.contains("search lan.test")
        });
        assert_eq!(dig(&site, "phone", "+search www AAAA"), "fd00:1::80", "{engine}");
        site.ok("plan --check");
        site.ok("down");
    }
}}

alone! { Root, fn rdisc6_reads_what_is_advertised() {
    needs(&["rdisc6"]);
    for (served, flags) in [(SLAAC, ["No", "No"]), (BOTH, ["Yes", "Yes"])] {
        for engine in ENGINES {
            let site = yard("rdisc", engine, served);
            let text = until(&site, "exec h1 -- rdisc6 -1 -w 2000 eth0", |text| text.contains("from fe80"));
            let value = |key: &str| {
                let line = text.lines().find(|line| line.trim_start().starts_with(key));
                let line = line.unwrap_or_else(|| panic!("{engine}: no `{key}` in\n{text}"));
                line.split_once(':').map_or("", |(_, value)| value.trim()).to_owned()
            };
            assert_eq!(value("Stateful address conf."), flags[0], "{engine}");
            assert_eq!(value("Stateful other conf."), flags[1], "{engine}");
            assert_eq!(value("Prefix"), "fd00:1::/64", "{engine}");
            assert_eq!(value("On-link"), "Yes", "{engine}");
            assert_eq!(value("Autonomous address conf."), "Yes", "{engine}");
            assert_eq!(value("Recursive DNS server"), "fd00:1::1", "{engine}");
            assert_eq!(value("DNS search list"), "lan.test", "{engine}");
            assert_ne!(value("Router lifetime").split_whitespace().next(), Some("0"), "{engine}");
            if served == SLAAC {
                assert_eq!(value("Router preference"), "high", "{engine}");
                assert!(value("MTU").starts_with("1400"), "{engine}");
            }
            site.ok("down");
        }
    }
}}

/// Runs dhcpcd in a node until it has what it asked for; it goes on.
fn dhcpcd(site: &Site, node: &str, name: &str) {
    needs(&["dhcpcd"]);
    let dir = site.path().display().to_string();
    let config = format!(
        "noipv4\nnoarp\nslaac hwaddr\nia_na 1\noption dhcp6_name_servers,dhcp6_domain_search\nhostname {name}\noption fqdn\nfqdn both\nscript {dir}/script\n"
    );
    fs::write(site.path().join("dhcpcd.conf"), config).expect("a file");
    let script = format!("#!/bin/sh\nenv > {dir}/given.$interface.$reason\n");
    fs::write(site.path().join("script"), script).expect("a script");
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(site.path().join("script"), mode).expect("a script");
    fs::create_dir_all("/run/dhcpcd").expect("a directory");
    // What it remembers of an earlier server it would only confirm.
    fs::create_dir_all("/var/lib/dhcpcd").expect("a directory");
    crate::dynamic::sh("mount -t tmpfs netyard-test /var/lib/dhcpcd");
    site.run(&format!("exec {node} -- timeout 60 dhcpcd -6 -w -f {dir}/dhcpcd.conf eth0"));
}

alone! { Root, fn dhcpcd_gets_an_address_by_lease_and_is_known_by_its_name() {
    for engine in ENGINES {
        let site = yard("stateful", engine, BOTH);
        dhcpcd(&site, "c1", "laptop");
        let own = |all: &[String]| all.iter().find(|a| a.starts_with("fd00:1::100")).cloned();
        let begin = Instant::now();
        while own(&addresses(&site, "c1")).is_none() && begin.elapsed() < PATIENCE {
            crate::dynamic::pause();
        }
        let own = own(&addresses(&site, "c1")).expect("an address of the range");
        site.ok(&format!("exec h1 -- ping -6 -c1 -W5 {own}"));
        // The advertisement's way out is enough to get further.
        until(&site, "exec c1 -- ping -6 -c1 -W2 fd00:2::2", |text| text.contains(" 0% packet loss"));
        // What it is called depends on whether it remembers an earlier lease.
        let given = ["BOUND6", "REBOOT6", "REBIND6"].iter().find_map(|reason| {
            fs::read_to_string(site.path().join(format!("given.eth0.{reason}"))).ok()
        });
        let given = given.expect("what was given");
        assert!(given.contains("dhcp6_name_servers=fd00:1::1"), "{engine}: {given}");
        assert!(given.contains("dhcp6_domain_search=lan.test"), "{engine}: {given}");
        let leases = site.ok("leases lan");
        assert!(leases.contains(&own) && leases.contains("laptop"), "{engine}: {leases}");
        assert_eq!(dig(&site, "h1", "laptop.lan.test AAAA"), own, "{engine}");
        assert_eq!(dig(&site, "h1", &format!("-x {own}")), "laptop.lan.test.", "{engine}");
        assert_eq!(site.run("exec c1 -- dhcpcd -6 -x eth0").status.code(), Some(0), "{engine}");
        site.ok("down");
    }
}}

alone! { Root, fn a_node_gets_by_dhcpv6_the_address_that_the_file_gives_it() {
    for engine in ENGINES {
        let site = yard("fixed", engine, BOTH);
        site.ok("exec h1 -- ip -6 addr flush dev eth0 scope global");
        dhcpcd(&site, "h1", "other");
        let begin = Instant::now();
        while !addresses(&site, "h1").contains(&"fd00:1::7".to_owned()) {
            assert!(begin.elapsed() < PATIENCE, "{engine}: {:?}", addresses(&site, "h1"));
            crate::dynamic::pause();
        }
        site.run("exec h1 -- dhcpcd -6 -x eth0");
        site.ok("down");
    }
}}

alone! { Root, fn names_are_answered_over_ipv6_alone() {
    for engine in ENGINES {
        let site = yard("names", engine, SLAAC);
        for how in ["@fd00:1::1", "@fd00:1::1 +tcp"] {
            let ask = |question: &str| dig(&site, "h1", &format!("{how} {question}"));
            assert_eq!(ask("h1.lan.test AAAA"), "fd00:1::7", "{engine} {how}");
            assert_eq!(ask("-x fd00:1::7"), "h1.lan.test.", "{engine} {how}");
            assert_eq!(ask("h1.lan.test A"), "", "{engine} {how}");
        }
        let elsewhere = site.run("exec far -- dig +time=1 +tries=1 @fd00:2::1 h1.lan.test AAAA");
        assert!(!elsewhere.status.success(), "{engine}");
        site.ok("down");
    }
}}

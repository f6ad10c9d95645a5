//! What is served on networks, asked by the clients that people have: udhcpc,
//! dhclient and dhcpcd, and dig. Everything is done twice, by netyard's own server
//! and by dnsmasq.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::alone::alone;
use crate::site::Site;

/// `gw` serves `lan`, and asks `ns` about names that are not the yard's.
const YARD: &str = r#"
yard: NAME
networks:
  lan:
    prefix: [10.1.0.0/24, "fd00:1::/64"]
    dhcp: { range: 10.1.0.100-10.1.0.104, options: { ntp: 10.1.0.9 } }
    dns: { domain: lan.test, forward: 10.2.0.2, records: { www: [10.1.0.80, "fd00:1::80"] } }
    engine: ENGINE
  up: { prefix: 10.2.0.0/24 }
nodes:
  gw:
    forward: true
    interfaces:
      lan0: { network: lan, address: [10.1.0.1/24, "fd00:1::1/64"] }
      up0: { network: up, address: 10.2.0.1/24 }
  h1: { interfaces: { eth0: { network: lan, address: [10.1.0.7/24, "fd00:1::7/64"] } } }
  "c[1..3]": { interfaces: { eth0: { network: lan, address: none } } }
  ns:
    interfaces: { eth0: { network: up, address: 10.2.0.2/24 } }
    services:
      names:
        run: [dnsmasq, --keep-in-foreground, --conf-file=/dev/null, --no-resolv, --no-hosts, --user=, --group=, --pid-file=, "--host-record=example.org,192.0.2.7", "--txt-record=long.example.org,LONG,LONG,LONG,LONG,LONG,LONG,LONG"]
        ready: { udp: 53 }
"#;

const ENGINES: [&str; 2] = ["netyard", "dnsmasq"];

/// What a DHCP client calls: it writes down what it was given, and takes the address.
const SCRIPT: &str = r#"#!/bin/sh
case "$1$reason" in
  bound|renew|BOUND|RENEW|REBIND|REBOOT)
    address=${ip:-$new_ip_address}
    env > "$(dirname "$0")/given.$address"
    ip addr replace "$address/24" dev "$interface" ;;
esac
"#;

/// Fails where a program is missing that a test is about: installing it is the
/// machine's part.
#[track_caller]
pub fn needs(programs: &[&str]) {
    for program in programs {
        let there = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
        let there = there.iter().any(|dir| PathBuf::from(dir).join(program).exists());
        assert!(there, "`{program}` is missing: cargo xtask ci-tools installs it");
    }
}

/// A yard of its own: leases are kept by the yard's name.
fn yard(name: &str, engine: &str) -> Site {
    needs(&["dnsmasq", "dig"]);
    let text = YARD
        .replace("NAME", &format!("{name}-{engine}"))
        .replace("ENGINE", engine)
        .replace("LONG", &"x".repeat(200));
    let site = Site::new(text);
    write_script(&site);
    site.ok("up");
    answers(&site, "h1", "@10.1.0.1 h1.lan.test");
    site
}

/// Waits until a server says something at all.
fn answers(site: &Site, node: &str, question: &str) {
    let begin = Instant::now();
    let line = format!("exec {node} -- dig +time=1 +tries=1 +short {question}");
    // What went wrong, dig says behind semicolons.
    while site.run(&line).stdout.first().is_none_or(|byte| *byte == b';') {
        assert!(begin.elapsed() < Duration::from_secs(30), "nobody answers: {line}");
    }
}

fn write_script(site: &Site) {
    let script = site.path().join("script");
    fs::write(&script, SCRIPT).expect("a script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("a script");
}

fn dig(site: &Site, node: &str, question: &str) -> String {
    let said = site.ok(&format!("exec {node} -- dig +time=2 +tries=3 +short {question}"));
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The address that udhcpc gets, with what was given beside it.
fn udhcpc(site: &Site, node: &str, options: &str) -> (String, String) {
    needs(&["udhcpc"]);
    let script = site.path().join("script").display().to_string();
    let line = format!("exec {node} -- udhcpc -i eth0 -f -n -q -t 12 -T 1 -s {script} {options}");
    site.ok(&line);
    let shown = site.ok(&format!("exec {node} -- ip -4 -o addr show dev eth0"));
    let word = shown.split_whitespace().find(|word| word.starts_with("10.1.0."));
    let address = word.expect("an address").split('/').next().unwrap_or_default().to_owned();
    let given = fs::read_to_string(site.path().join(format!("given.{address}")));
    (address, given.expect("what was given"))
}

fn in_range(address: &str) -> bool {
    let last = address.strip_prefix("10.1.0.").and_then(|last| last.parse::<u8>().ok());
    last.is_some_and(|last| (100..=104).contains(&last))
}

alone! { Root, fn udhcpc_gets_an_address_with_all_that_belongs_to_it() {
    for engine in ENGINES {
        let site = yard("udhcpc", engine);
        let (address, given) = udhcpc(&site, "c1", "-x hostname:printer -O ntpsrv");
        assert!(in_range(&address), "{engine}: {address}");
        for line in ["router=10.1.0.1", "dns=10.1.0.1", "domain=lan.test", "ntpsrv=10.1.0.9",
            "subnet=255.255.255.0", "serverid=10.1.0.1", "lease=3600"] {
            assert!(given.lines().any(|given| given == line), "{engine}: no {line} in\n{given}");
        }
        // It can use it, and is known by its name.
        site.ok("exec c1 -- ping -c1 -W2 10.1.0.7");
        assert_eq!(dig(&site, "h1", "printer.lan.test"), address, "{engine}");
        assert_eq!(dig(&site, "h1", &format!("-x {address}")), "printer.lan.test.", "{engine}");
        // The broadcast flag: the answers come another way.
        let (other, _) = udhcpc(&site, "c2", "-B");
        assert!(in_range(&other) && other != address, "{engine}: {other}");
        site.ok("down");
    }
}}

alone! { Root, fn a_node_gets_by_dhcp_the_address_that_the_file_gives_it() {
    for engine in ENGINES {
        let site = yard("node", engine);
        let (address, _) = udhcpc(&site, "h1", "");
        assert_eq!(address, "10.1.0.7", "{engine}");
        site.ok("down");
    }
}}

alone! { Root, fn dhclient_and_dhcpcd_get_addresses() {
    needs(&["dhclient", "dhcpcd"]);
    for engine in ENGINES {
        let site = yard("clients", engine);
        let dir = site.path().display().to_string();
        let files = format!("-sf {dir}/script -lf {dir}/dhclient.leases -pf {dir}/dhclient.pid");
        // Both go on in the background when they have an address.
        site.ok(&format!("exec c1 -- dhclient -4 -1 {files} eth0"));
        let pid = fs::read_to_string(format!("{dir}/dhclient.pid")).expect("its process");
        let given = given(&site);
        assert!(given.contains("new_routers=10.1.0.1"), "{engine}: {given}");
        assert!(given.contains("new_domain_name=lan.test"), "{engine}: {given}");
        // SAFETY: a signal to the process that this test has started.
        unsafe { libc::kill(pid.trim().parse().expect("a number"), libc::SIGTERM) };
        let quiet = "--noarp --nohook resolv.conf --nohook hostname";
        site.ok(&format!("exec c3 -- timeout 20 dhcpcd -4 -1 -B {quiet} -c {dir}/script eth0"));
        let shown = site.ok("exec c3 -- ip -4 -o addr show dev eth0");
        assert!(shown.contains(" 10.1.0.10"), "{engine}: {shown}");
        site.ok("down");
    }
}}

/// What was given last.
fn given(site: &Site) -> String {
    let all = fs::read_dir(site.path()).expect("the site").flatten();
    let mut all: Vec<_> = all
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("given."))
        .map(|entry| (entry.metadata().and_then(|m| m.modified()).ok(), entry.path()))
        .collect();
    all.sort();
    let last = all.pop().expect("something was given");
    fs::read_to_string(last.1).expect("what was given")
}

alone! { Root, fn names_are_answered_by_both_families_and_both_protocols() {
    for engine in ENGINES {
        let site = yard("names", engine);
        for server in ["@10.1.0.1", "@fd00:1::1", "@10.1.0.1 +tcp", "@fd00:1::1 +tcp"] {
            let ask = |question: &str| dig(&site, "h1", &format!("{server} {question}"));
            assert_eq!(ask("h1.lan.test"), "10.1.0.7", "{engine} {server}");
            assert_eq!(ask("h1.lan.test AAAA"), "fd00:1::7", "{engine} {server}");
            assert_eq!(ask("-x 10.1.0.7"), "h1.lan.test.", "{engine} {server}");
            assert_eq!(ask("-x fd00:1::7"), "h1.lan.test.", "{engine} {server}");
            assert_eq!(ask("www.lan.test"), "10.1.0.80", "{engine} {server}");
            assert_eq!(ask("example.org"), "192.0.2.7", "{engine} {server}");
        }
        // What the node's resolv.conf says is enough.
        assert_eq!(dig(&site, "h1", "+search www"), "10.1.0.80", "{engine}");
        let none = site.ok("exec h1 -- dig nobody.lan.test");
        assert!(none.contains("NXDOMAIN"), "{engine}: {none}");
        // It listens nowhere else.
        let elsewhere = site.run("exec ns -- dig +time=1 +tries=1 @10.2.0.1 h1.lan.test");
        assert!(!elsewhere.status.success(), "{engine}");
        site.ok("down");
    }
}}

alone! { Root, fn a_long_answer_comes_by_tcp() {
    for engine in ENGINES {
        let site = yard("tcp", engine);
        let text = dig(&site, "h1", "long.example.org TXT");
        assert!(text.len() > 1400, "{engine}: {text}");
        let cut = site.ok("exec h1 -- dig +ignore +noedns long.example.org TXT");
        assert!(cut.contains(" tc ") || cut.contains(" tc;"), "{engine}: {cut}");
        site.ok("down");
    }
}}

alone! { Root, fn leases_outlive_the_server_that_is_killed() {
    let site = yard("killed", "netyard");
    let (address, _) = udhcpc(&site, "c1", "-x hostname:printer");
    let server = serving(&site);
    // SAFETY: a signal to the server that this test has started.
    unsafe { libc::kill(server, libc::SIGKILL) };
    // It comes back, at the latest when the yard is brought up again.
    site.ok("up");
    answers(&site, "h1", "@10.1.0.1 h1.lan.test");
    assert_eq!(dig(&site, "h1", "@10.1.0.1 printer.lan.test"), address);
    assert_ne!(serving(&site), server);
    // Another client does not get the address.
    let (other, _) = udhcpc(&site, "c2", &format!("-r {address}"));
    assert_ne!(other, address);
    site.ok("down");
}}

/// The process that serves.
fn serving(site: &Site) -> i32 {
    let named = |path: &PathBuf| {
        fs::read_to_string(path.join("comm")).is_ok_and(|name| name.trim() == "netyard-serve")
    };
    let found = site.processes().into_iter().find(named).expect("a server");
    found.file_name().and_then(|name| name.to_str()?.parse().ok()).expect("a process")
}

alone! { Root, fn a_port_that_is_taken_is_told_with_its_owner_and_the_rest_goes_on() {
    let site = yard("taken", "netyard");
    let config = site.path().join("second.json");
    let text = r#"{"version":1,"networks":[{"network":"lan","interface":"lan0",
        "addresses":["10.1.0.1/24"],"dns":{"domain":"x","records":[],"forward":"none","cache":1}}]}"#;
    fs::write(&config, text).expect("a configuration");
    let (config, data) = (config.display().to_string(), site.path().join("data"));
    let line = format!("exec gw -- timeout 2 ./netyard serve {config} {}", data.display());
    let said = String::from_utf8_lossy(&site.run(&line).stderr).into_owned();
    assert!(said.contains("port 53 at 10.1.0.1 is taken by `netyard-serve` (process "), "{said}");
    assert_eq!(dig(&site, "h1", "h1.lan.test"), "10.1.0.7");
    site.ok("down");
}}

alone! { Root, fn a_network_without_a_router_is_served_from_the_fabric() {
    needs(&["dig", "udhcpc"]);
    let site = Site::new(
        "yard: lab\nnetworks: { lan: { prefix: 10.1.0.0/24, dhcp: { range: 10.1.0.100-10.1.0.104 }, dns: on } }\n\
         nodes:\n  a: { interfaces: { eth0: { network: lan } } }\n\
         \x20 c1: { interfaces: { eth0: { network: lan, address: none } } }\n",
    );
    write_script(&site);
    site.ok("up");
    site.ok("plan --check");
    answers(&site, "a", "@10.1.0.254 a.lab.internal");
    let (address, given) = udhcpc(&site, "c1", "-x hostname:printer");
    assert!(in_range(&address), "{address}");
    assert!(!given.contains("router="), "the fabric leads nowhere: {given}");
    assert_eq!(dig(&site, "a", "+search printer"), address);
    assert_eq!(dig(&site, "c1", "@10.1.0.254 a.lab.internal"), "10.1.0.1");
    let leases = site.ok("leases lan");
    assert!(leases.contains(&address) && leases.contains("printer"), "{leases}");
    assert!(site.ok("status").contains("network lan: 1 lease: printer"));
    site.ok("down");
    assert_eq!(site.processes(), Vec::<PathBuf>::new());
}}

//! A yard in the kernel, from `up` to `down`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::alone::alone;
use crate::site::{Site, tree};

alone! { User, fn quickstart_comes_up_pings_and_goes_without_a_trace() {
    let site = Site::of_example("quickstart");
    let before = tree(Path::new("/run"));
    site.ok("up");
    for to in ["10.0.1.2", "10.0.1.254", "10.0.2.1", "fd00:1::2", "fd00:2::1"] {
        site.ok(&format!("exec h1 -- ping -c1 -W1 {to}"));
    }
    site.ok("plan --check");
    site.ok("down");
    assert_eq!(site.processes(), Vec::<PathBuf>::new());
    assert_eq!(tree(Path::new("/run")), before);
}}

alone! { User, fn a_yard_whose_keeper_was_killed_comes_up_again_and_goes() {
    let site = Site::new("yard: k\nlinks: [{ ends: [a:x, b:x], prefix: 10.9.0.0/31 }]\nnodes: { a: {}, b: {} }\n");
    let before = tree(Path::new("/run"));
    let kill = |signal: &str| {
        let keepers = site.processes();
        assert_eq!(keepers.len(), 1, "{keepers:?}");
        let pid = keepers[0].file_name().unwrap().to_str().unwrap().to_owned();
        sh(&format!("kill -{signal} {pid}"));
        sh(&format!("timeout 5 sh -c 'while kill -0 {pid} 2>/dev/null; do :; done'"));
    };
    site.ok("up");
    kill("KILL");
    assert!(site.ok("status").contains("not up"));
    site.ok("up");
    site.ok("exec a -- ping -c1 -W1 10.9.0.1");
    site.ok("plan --check");
    // It is the first of its process namespace, and heeds what ends others.
    kill("TERM");
    site.ok("down");
    assert_eq!(site.processes(), Vec::<PathBuf>::new());
    assert_eq!(tree(Path::new("/run")), before);
}}

alone! { User, fn the_keeper_is_alone_in_its_process_namespace() {
    let site = Site::of_example("quickstart");
    site.ok("up");
    let keeper = &site.processes()[0];
    let namespace = |of: &Path| fs::read_link(of.join("ns/pid_for_children")).unwrap();
    assert_ne!(namespace(keeper), namespace(Path::new("/proc/self")));
    // Programs in nodes see the processes that everybody sees.
    let seen = site.ok("exec h1 -- readlink /proc/self/ns/pid");
    assert_eq!(Path::new(seen.trim()), fs::read_link("/proc/self/ns/pid").unwrap());
    assert!(site.ok("exec h1 -- ps ax").contains("keeper quickstart"));
    site.ok("down");
}}

alone! { User, fn interfaces_of_one_name_and_two_kinds_each_get_their_settings() {
    // A tun begins with `accept_dad` at -1, a veth at 1: what one begins with says
    // nothing of the other.
    let site = Site::new("\
yard: k
nodes:
  a: { interfaces: { x: { sysctl: { ipv6.accept_dad: 1 } } } }
  b: {}
  c: { interfaces: { x: { kind: tun, sysctl: { ipv6.accept_dad: 1 } } } }
links: [[a:x, b:y]]
");
    let seen = |node: &str| {
        site.ok(&format!("exec {node} -- cat /proc/sys/net/ipv6/conf/x/accept_dad"))
    };
    site.ok("up");
    assert_eq!((seen("a"), seen("c")), ("1\n".to_owned(), "1\n".to_owned()));
    site.ok("plan --check");
    site.ok("down");
}}

alone! { User, fn the_starter_comes_up_and_its_far_ends_meet() {
    let site = Site::new("");
    fs::remove_file(site.path().join("netyard.yaml")).unwrap();
    site.ok("init");
    site.ok("up");
    site.ok("exec h1 -- ping -c1 -W2 10.0.2.2");
    site.ok("exec h1 -- ping -c1 -W2 fd00:2::2");
    site.ok("down");
    assert_eq!(site.processes(), Vec::<PathBuf>::new());
}}

alone! { User, fn a_machine_of_ones_own_has_nothing_but_lo_and_no_rights() {
    let links = Command::new("ip").args(["-br", "link"]).output().expect("ip");
    let links = String::from_utf8(links.stdout).unwrap();
    assert!(links.starts_with("lo ") && links.lines().count() == 1, "{links}");
    let status = fs::read_to_string("/proc/self/status").unwrap();
    assert!(status.contains("CapEff:\t0000000000000000"), "{status}");
    assert_eq!(tree(Path::new("/run")), Vec::<PathBuf>::new());
}}

/// The output of a command of the machine, which must succeed.
#[track_caller]
fn sh(line: &str) -> String {
    let output = Command::new("sh").args(["-c", line]).output().expect("sh");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {}\n{stderr}", output.status);
    String::from_utf8(output.stdout).expect("text")
}

alone! { Root, fn freifunk_is_listed_by_ip_netns_and_has_its_own_hostname() {
    let site = Site::of_example("freifunk-netns");
    let before = sh("hostname");
    site.ok("up");
    assert!(sh("ip netns").lines().any(|line| line.split(' ').next() == Some("f3")));
    assert!(sh("ip netns exec f3 ip -br address").contains("10.50.0.1/24"));
    assert_eq!(site.ok("exec f3 -- hostname"), "f3-test\n");
    assert!(site.ok("exec f3 -- cat /etc/resolv.conf").contains("nameserver 10.50.0.1"));
    site.ok("exec client -- ping -c1 -W2 fd43:5602:29bd::1");
    site.ok("down");
    assert_eq!(sh("hostname"), before);
    assert_eq!(sh("ip netns"), "");
    assert!(!Path::new("/etc/netns/f3").exists());
    assert!(!sh("cat /proc/self/mountinfo").contains("f3"));
}}

alone! { User, fn what_is_not_as_the_file_says_after_an_up_is_undone() {
    // A command that works against its own file.
    let site = Site::new("\
yard: k
links: [{ ends: [a:x, b:x], prefix: 10.9.0.0/31 }]
nodes: { a: { exec: [[ip, link, set, x, mtu, '1400']] }, b: {} }
");
    let before = tree(Path::new("/run"));
    let fails = |line: &str| {
        let output = site.run(line);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let said = fails("up");
    assert!(said.contains("`mtu` is `1400`, not `1500`"), "{said}");
    assert!(said.contains("undone:") && said.contains("--keep"), "{said}");
    assert_eq!(site.processes(), Vec::<PathBuf>::new());
    assert_eq!(tree(Path::new("/run")), before);
    let said = fails("up --keep");
    assert!(said.contains("what was done stays") && !said.contains("undone:"), "{said}");
    assert!(site.ok("exec a -- cat /sys/class/net/x/mtu").contains("1400"));
    // The next one mends it: the command has run.
    site.ok("up");
    site.ok("plan --check");
    site.ok("exec a -- ping -c1 -W1 10.9.0.1");
    site.ok("down");
}}

alone! { User, fn settings_that_leave_the_file_become_what_they_were() {
    let bare = "yard: k\nnodes: { a: {}, b: {} }\nlinks: [{ ends: [a:x, b:x], prefix: 10.9.0.0/31 }]\n";
    let text = "\
yard: k
links: [{ ends: [a:x, b:x], prefix: 10.9.0.0/31 }]
nodes:
  a: { sysctl: { net.ipv4.tcp_ecn: 1 }, forward: true, interfaces: { x: { sysctl: { ipv4.rp_filter: 2 } } } }
  b: {}
";
    let site = Site::new(bare);
    let settings = || {
        let paths = ["tcp_ecn", "ip_forward", "conf/x/rp_filter"].map(|key| format!("/proc/sys/net/ipv4/{key}"));
        site.ok(&format!("exec a -- cat {}", paths.join(" ")))
    };
    site.ok("up");
    let before = settings();
    site.file(text);
    site.ok("up");
    assert_eq!(settings(), "1\n1\n2\n");
    site.file(bare);
    site.ok("up");
    assert_eq!(settings(), before);
    site.ok("plan --check");
    // The command that changes them is killed at any moment.
    for moment in ["before:0", "after:0", "before:1", "after:1"] {
        site.file(text);
        site.ok("up");
        site.file(bare);
        site.netyard("up").env("NETYARD_KILL", moment).output().expect("the binary");
        site.ok("up");
        assert_eq!(settings(), before, "{moment}");
        site.ok("plan --check");
    }
    site.ok("down");
}}

alone! { Root, fn settings_of_the_host_that_leave_the_file_become_what_they_were() {
    let setting = || sh("cat /proc/sys/net/ipv4/conf/all/rp_filter /proc/sys/net/ipv4/ip_forward");
    let before = setting();
    let bare = "yard: k\nnodes: { host: {}, a: {} }\nlinks: [{ ends: [host:x, a:x], prefix: 10.9.0.0/31 }]\n";
    let set = bare.replace("host: {}", "host: { forward: true, sysctl: { net.ipv4.conf.all.rp_filter: 2 } }");
    let site = Site::new(&set);
    site.ok("up");
    assert_eq!(setting(), "2\n1\n");
    site.file(bare);
    site.ok("up");
    assert_eq!(setting(), before);
    site.ok("plan --check");
    for moment in ["before:0", "after:0", "before:1", "after:1"] {
        site.file(&set);
        site.ok("up");
        site.file(bare);
        site.netyard("up").env("NETYARD_KILL", moment).output().expect("the binary");
        site.ok("up");
        assert_eq!(setting(), before, "{moment}");
        site.ok("plan --check");
    }
    site.ok("down");
    assert_eq!(setting(), before);
}}

alone! { User, fn neighbours_outlive_the_last_address_of_their_interface() {
    let text = "\
yard: k
networks: { sw: { prefix: 10.9.0.0/24 } }
nodes:
  a:
    interfaces: { eth0: { network: sw } }
    neighbours:
      - { address: 10.9.0.99, dev: eth0, mac: \"02:00:00:00:00:99\" }
      - { address: 10.9.0.98, dev: eth0, proxy: true }
";
    let site = Site::new(text);
    site.ok("up");
    site.file(&text.replace("/24", "/23"));
    site.ok("up");
    site.ok("plan --check");
    assert!(site.ok("exec a -- ip neigh show nud permanent").contains("10.9.0.99"));
    assert!(site.ok("exec a -- ip neigh show proxy").contains("10.9.0.98"));
    site.ok("down");
}}

alone! { User, fn a_name_with_a_sign_that_the_kernel_counts_by_is_a_name() {
    let site = Site::new("\
yard: k
networks: { sw: { prefix: 10.9.0.0/24 } }
nodes: { '100%': { interfaces: { 'eth%d': { network: sw, address: 10.9.0.1/24 } } }, b: { interfaces: { 'x%s%n': { network: sw } } } }
");
    site.ok("up");
    site.ok("plan --check");
    site.ok("exec b -- ping -c1 -W2 10.9.0.1");
    assert!(site.ok("status").contains("eth%d"));
    site.ok("down");
    site.file("yard: k\nnetworks: { sw: { bridge: 'br%d', prefix: 10.9.0.0/24 } }\nnodes: { a: { interfaces: { e: { network: sw } } } }\n");
    let output = site.run("check");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("has a `%` in it"), "{said}");
}}

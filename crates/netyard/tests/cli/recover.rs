//! Commands that were cut off, things that others took away, disks without room: the next
//! command goes on from there.

use std::process::Command;

use crate::alone::alone;
use crate::site::Site;

#[track_caller]
fn sh(line: &str) -> String {
    let output = Command::new("bash").args(["-c", line]).output().expect("bash");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {}\n{stderr}", output.status);
    String::from_utf8(output.stdout).expect("text")
}

/// Begins a command that is killed at that moment.
fn killed(site: &Site, line: &str, moment: &str) {
    site.netyard(line).env("NETYARD_KILL", moment).output().expect("the binary");
}

const MOMENTS: [&str; 8] =
    ["before:0", "after:0", "before:1", "after:1", "before:2", "after:2", "before:3", "after:3"];

/// A tap and a tun, which are made by other means than all else.
const TAPS: &str = "\
yard: k
networks: { sw: { prefix: 10.9.0.0/24 } }
nodes:
  a: { interfaces: { e: { network: sw }, t: { kind: tun, address: 10.67.0.1/24 }, p: { kind: tap, owner: 0 } } }
  b: { interfaces: { e: { network: sw } } }
";

alone! { User, fn an_up_with_taps_that_was_killed_is_finished() {
    let site = Site::new(TAPS);
    for moment in MOMENTS {
        killed(&site, "up", moment);
        site.ok("up");
        site.ok("plan --check");
        site.ok("exec a -- ping -c1 -W2 10.9.0.2");
        site.ok("down");
    }
}}

alone! { Root, fn no_tap_is_left_on_the_host_whenever_an_up_is_killed() {
    let text = "yard: k\nnodes: { host: { interfaces: { \"t[1..6]\": { kind: tap }, \"u[1..6]\": { kind: tun } } } }\n";
    let site = Site::new(text);
    let links = || sh("ip -br link | cut -d' ' -f1");
    let before = links();
    for moment in MOMENTS {
        killed(&site, "up", moment);
        site.ok("down");
        assert_eq!(links(), before, "{moment}");
    }
    // Within the batch that makes them, too.
    for tenths in 0..24 {
        let at = format!("0.0{}", 2 * tenths + 10);
        let line = format!("cd {}; timeout -s KILL {at} ./netyard up || true", site.path().display());
        sh(&line);
        site.ok("down");
        assert_eq!(links(), before, "{at}");
        sh(&line);
        site.ok("up");
        site.ok("plan --check");
        site.ok("down");
    }
}}

alone! { Root, fn files_of_a_node_that_went_while_netyard_was_killed_go() {
    let with = "yard: k\nnodes: { a: { hosts: { p: 192.0.2.1 } }, b: {} }\n";
    let site = Site::new(with);
    for moment in MOMENTS {
        site.file(with);
        site.ok("up");
        site.file("yard: k\nnodes: { b: {} }\n");
        killed(&site, "up", moment);
        site.file("yard: k\nnodes: { a: {}, b: {} }\n");
        site.ok("up");
        site.ok("plan --check");
        assert!(!std::path::Path::new("/etc/netns/k-a/hosts").exists(), "{moment}");
    }
    site.ok("down");
}}

alone! { Root, fn a_node_with_a_host_name_that_others_took_away_comes_again() {
    let site = Site::new("yard: k\nnodes: { a: { hostname: alf }, b: {} }\nlinks: [{ ends: [a:x, b:x], prefix: 10.9.0.0/31 }]\n");
    site.ok("up");
    sh("ip netns del k-a");
    site.ok("up");
    site.ok("plan --check");
    assert_eq!(site.ok("exec a -- hostname"), "alf\n");
    site.ok("exec a -- ping -c1 -W2 10.9.0.1");
    site.ok("down");
    sh("! ls -d /run/utsns/k-a");
}}

alone! { Root, fn what_is_lent_is_known_with_the_state_lost() {
    sh("ip link add ph0 type veth peer name far; ip addr add 192.0.2.1/24 dev ph0; ip link set ph0 up; ip link set far up");
    let site = Site::new("yard: k\nnodes: { a: { interfaces: { x: { kind: physical, host-name: ph0, address: 10.9.0.1/24 } } } }\n");
    site.ok("up");
    sh("rm -r /run/netyard/k");
    site.ok("plan --check");
    site.ok("status");
    site.ok("up");
    site.ok("down");
    assert!(sh("ip -br addr show ph0").contains("192.0.2.1/24"));
}}

alone! { Root, fn a_full_disk_keeps_nobody_from_taking_a_yard_away() {
    sh("mount -t tmpfs -o size=128k,mode=755 small /run");
    let site = Site::new(TAPS);
    let links = || sh("ip -br link | cut -d' ' -f1");
    let before = links();
    site.ok("up");
    sh("cat /dev/zero >/run/full 2>/dev/null; test $(df --output=avail /run | tail -n 1) = 0");
    site.ok("status");
    site.ok("down");
    assert_eq!(links(), before);
    // One that finds no room from the beginning leaves nothing.
    let output = site.run("up");
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("no space left on device"), "{said}");
    assert_eq!(links(), before);
    sh("rm /run/full");
    site.ok("up");
    site.ok("down");
}}

alone! { User, fn the_last_port_of_a_network_takes_its_mtu_not_along() {
    let text = "yard: k\nnetworks: { wide: { mtu: 9000 }, sw: {} }\nnodes: { a: { interfaces: { e: { network: wide } } } }\n";
    let site = Site::new(text);
    site.ok("up");
    site.file(&text.replace("network: wide", "network: sw"));
    site.ok("up");
    site.ok("plan --check");
    site.file(text);
    site.ok("up");
    site.ok("plan --check");
    site.ok("down");
}}

alone! { User, fn a_node_that_is_not_there_is_told_with_the_one_that_was_meant() {
    let site = Site::new("yard: k\nnodes: { router: {} }\n");
    site.ok("up");
    let says = |node: &str| {
        let output = site.run(&format!("exec {node} -- true"));
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).expect("text")
    };
    assert!(says("routre").contains("did you mean `router`?"), "{}", says("routre"));
    assert!(says("host").contains("is this machine"), "{}", says("host"));
    site.ok("down");
}}

//! What OpenWrt needs of who runs it in a container, by a firmware that boots as it does.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::alone::alone;
use crate::guest;
use crate::site::Site;

const YARD: &str = "
yard: NAME
nodes:
  gw: { container: { root: ROOT/gw, profile: openwrt } }
";

/// What sets up the network does nothing until it is told to begin again: so tunnels fare
/// that are made before there is a way to their other ends. A bridge stands for the tunnel.
fn firmware(site: &Site, name: &str, config: &str) {
    let tree = site.path().join("gw");
    guest::firmware(&tree, "/sbin/netifd &");
    guest::write(&tree, "sbin/netifd", "#!/bin/sh\nwhile :; do sleep 1000; done\n", 0o755);
    fs::create_dir_all(tree.join("etc/config")).expect("a directory");
    guest::write(&tree, "etc/config/network", config, 0o644);
    let network = "#!/bin/sh\n[ $1 = restart ] || exit 1\necho begun >> /etc/begun\n\
        [ -e /sys/class/net/wgc0 ] || ip link add wgc0 type bridge\n";
    guest::write(&tree, "etc/init.d/network", network, 0o755);
    let root = site.path().to_str().expect("text");
    site.file(&YARD.replace("ROOT", root).replace("NAME", name));
}

const TUNNEL: &str = "config interface 'wgc0'\n\toption proto 'wireguard'\n";

#[track_caller]
fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} did not come");
        std::thread::yield_now();
    }
}

fn begun(site: &Site) -> String {
    fs::read_to_string(site.path().join("gw/etc/begun")).unwrap_or_default()
}

/// True while somebody looks after the network of a firmware of this site.
fn looked_after(site: &Site) -> bool {
    site.processes().iter().any(|process| {
        let words = fs::read(process.join("cmdline")).unwrap_or_default();
        words.starts_with(b"netyard\0firmware\0")
    })
}

fn nspawn(machine: &str) -> Option<i32> {
    let pattern = format!("^systemd-nspawn .*--machine={machine} ");
    let output = Command::new("pgrep").args(["-f", &pattern]).output().expect("pgrep");
    String::from_utf8_lossy(&output.stdout).trim().parse().ok()
}

alone! { Machine, fn a_tunnel_that_does_not_come_up_has_the_network_begun_again_once() {
    let site = Site::new("");
    firmware(&site, "dark", TUNNEL);
    site.ok("up");
    until("another beginning", || !begun(&site).is_empty());
    until("the end of looking", || !looked_after(&site));
    assert_eq!(begun(&site), "begun\n");
    let log = site.ok("logs gw container");
    assert!(log.contains("`wgc0` does not come up: the network is started again, once"), "{log}");
    // Killed, it is there again, and its tunnel is still there: nothing is begun again.
    let old = nspawn("dark-gw").expect("it runs");
    // SAFETY: a system call with two numbers; the process is this test's.
    assert_eq!(unsafe { libc::kill(old, libc::SIGKILL) }, 0);
    until("another", || nspawn("dark-gw").is_some_and(|new| new != old));
    until("its boot", || site.ok("logs gw container").matches("booted").count() == 2);
    until("the end of looking", || !looked_after(&site));
    assert_eq!(begun(&site), "begun\n");
    // Who looks ends with the container.
    site.ok("exec gw -- ip link del wgc0");
    site.ok("restart gw container");
    until("looking", || looked_after(&site));
    site.ok("down");
    assert!(!looked_after(&site));
    assert!(!Path::new("/run/netns/dark-gw").exists());
} }

alone! { Machine, fn a_firmware_without_tunnels_is_left_alone_and_its_jails_are_noticed() {
    let site = Site::new("");
    firmware(&site, "plain", "config interface 'lan'\n\toption proto 'static'\n");
    let told = |line: &str| String::from_utf8(site.run(line).stderr).expect("text");
    assert!(!told("plan").contains("procd-ujail"));
    guest::write(&site.path().join("gw"), "sbin/ujail", "", 0o755);
    let said = told("plan");
    assert!(said.contains("warning[procd-ujail]") && said.contains("remove the package"), "{said}");
    site.ok("up");
    until("looking", || looked_after(&site));
    until("the end of looking", || !looked_after(&site));
    assert_eq!(begun(&site), "");
    site.ok("down");
} }

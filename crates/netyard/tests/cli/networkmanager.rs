//! Interfaces that NetworkManager holds: by a real one, on the machine of its own that a
//! test has.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::alone::alone;
use crate::libvirtd::sh;
use crate::site::Site;

/// A bus and a NetworkManager, until they are dropped.
struct NetworkManager([Child; 2]);

const CONFIGURATION: &str = "[main]\nplugins=keyfile\nno-auto-default=*\nauth-polkit=false\n\
    dns=none\nrc-manager=unmanaged\n";

impl NetworkManager {
    fn start() -> Self {
        // Where sysfs cannot be written there is no udev to wait for.
        sh("mount -t sysfs -o ro own /sys; mkdir -p /run/dbus /run/netns /var/lib/NetworkManager
            rm -rf /etc/NetworkManager; mkdir -p /etc/NetworkManager/conf.d /etc/NetworkManager/system-connections
            ip link set lo up");
        fs::write("/etc/NetworkManager/NetworkManager.conf", CONFIGURATION).expect("its own /etc");
        let start = |program: &str, arguments: &[&str]| {
            let mut command = Command::new(program);
            command
                .args(arguments)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            command.spawn().unwrap_or_else(|why| {
                panic!("{program}: {why}: `cargo xtask ci-tools` installs it")
            })
        };
        let bus = start("dbus-daemon", &["--system", "--nofork", "--nopidfile"]);
        until("the bus", "test -S /run/dbus/system_bus_socket");
        let manager = Self([start("NetworkManager", &["--no-daemon"]), bus]);
        until("NetworkManager", "nmcli -t general");
        manager
    }
}

impl Drop for NetworkManager {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[track_caller]
fn until(what: &str, line: &str) {
    let end = Instant::now() + Duration::from_secs(60);
    let holds = || Command::new("sh").args(["-c", line]).output().expect("sh").status.success();
    while !holds() {
        assert!(Instant::now() < end, "{what} did not come: {line}");
    }
}

/// What the machine has, but for what passes by itself.
fn world() -> String {
    sh("ip -br link; ip -br addr; ls /run/netns")
}

alone! { Machine, fn an_interface_that_networkmanager_holds_is_not_taken() {
    let _manager = NetworkManager::start();
    sh("ip netns add street
        for name in eth0 spare; do
            ip link add $name type veth peer name $name netns street; ip link set $name up
            ip -n street link set $name up
        done
        ip -n street addr add 10.9.0.1/24 dev eth0
        nmcli connection add type ethernet ifname eth0 con-name wire ipv4.method manual \
            ipv4.addresses 10.9.0.2/24 ipv6.method disabled
        nmcli connection up wire");
    until("its address", "ip -br addr show dev eth0 | grep 10.9.0.2");
    let bridged = "yard: held\nnetworks: { lan: { prefix: 10.9.0.0/24, uplink: { bridge: IFACE } } }\n\
        nodes: { a: { interfaces: { eth0: { network: lan, address: 10.9.0.7/24 } } } }\n";
    let lent = "yard: held\nnodes: { a: { interfaces: { wire: { kind: physical, host-name: eth0 } } } }\n";
    let before = world();
    let site = Site::new("");
    for text in [&bridged.replace("IFACE", "eth0"), lent] {
        site.file(text);
        for line in ["plan", "up"] {
            let refused = site.run(line);
            let said = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert_eq!(refused.status.code(), Some(1), "{said}");
            assert!(said.contains("`eth0` is NetworkManager's: its profile `wire` is active there"), "{said}");
            assert!(said.contains("nmcli device set eth0 managed no"), "{said}");
        }
        assert_eq!(world(), before);
    }
    // What it does not look after is no concern of its.
    site.file(&bridged.replace("IFACE", "spare").replace("10.9.", "10.8."));
    site.ok("up");
    site.ok("plan --check");
    site.ok("down");
    // As it is told, it works, and NetworkManager does not take it back.
    sh("nmcli device set eth0 managed no");
    site.file(&bridged.replace("IFACE", "eth0"));
    site.ok("up");
    site.ok("exec a -- ping -c1 -W5 10.9.0.1");
    sh("ip -n street link set eth0 down; ip -n street link set eth0 up; nmcli general reload");
    site.ok("exec a -- ping -c1 -W5 10.9.0.1");
    assert!(sh("ip -o link show eth0").contains("master lan"));
    site.ok("plan --check");
    // Given back to it while it is a port, it is said and nothing stops.
    sh("nmcli device set eth0 managed yes; nmcli connection up wire || true");
    let said = String::from_utf8_lossy(&site.run("plan").stderr).into_owned();
    assert!(said.contains("warning[interface-held]"), "{said}");
    site.ok("down");
} }

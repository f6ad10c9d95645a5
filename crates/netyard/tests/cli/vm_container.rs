//! Containers where systemd runs the host: registered with machined, in scopes of their
//! own; VLANs, which this needs Debian's kernel for; and systems with systemd in them,
//! whose files are the guest's own below another layer.
//!
//! These tests touch the machine itself, which is the VM: they run one at a time.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::guest;
use crate::repository;
use crate::site::Site;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// The machine, which is the VM.
pub fn machine() -> MutexGuard<'static, ()> {
    assert!(std::env::var_os("NETYARD_VM").is_some(), "this test is for the VM alone");
    ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[track_caller]
pub fn sh(line: &str) -> String {
    let output = Command::new("sh").args(["-c", line]).output().expect("sh");
    let (out, err) = (&output.stdout, String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{line}: {}\n{err}", String::from_utf8_lossy(out));
    String::from_utf8_lossy(out).into_owned()
}

pub fn succeeds(line: &str) -> bool {
    Command::new("sh").args(["-c", line]).output().expect("sh").status.success()
}

/// Asks again until it is so, at most two minutes: the processor is emulated.
#[track_caller]
pub fn until(what: &str, line: &str) {
    let begun = Instant::now();
    while !succeeds(line) {
        assert!(begun.elapsed() < Duration::from_secs(120), "{what} did not come: {line}");
    }
}

/// An example, with its trees below `at`.
fn example(name: &str, from: &str, at: &Path) -> Site {
    let file = repository().join("examples").join(name).join("netyard.yaml");
    let text = fs::read_to_string(file).expect("an example");
    Site::new(text.replace(from, at.to_str().expect("text")))
}

/// A directory on a file system of its own, which goes with it.
struct Room(PathBuf);

impl Room {
    fn new(name: &str) -> Self {
        let path = PathBuf::from(format!("/run/test-{name}"));
        fs::create_dir_all(&path).expect("a directory");
        sh(&format!("mount -t tmpfs room {}", path.display()));
        Self(path)
    }

    /// A system with systemd in it: the guest's own files, and what is written stays here.
    fn system(&self, name: &str) {
        let at = self.0.display();
        sh(&format!(
            "cd {at} && mkdir up work {name} && cd up &&
             mkdir -p etc/systemd/system/multi-user.target.wants etc/netns &&
             ln -s /usr/lib/systemd/system/systemd-networkd.service etc/systemd/system/multi-user.target.wants/ &&
             ln -s /usr/lib/systemd/system/multi-user.target etc/systemd/system/default.target &&
             mount -t overlay -o lowerdir=/,upperdir={at}/up,workdir={at}/work o {at}/{name}"
        ));
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-R", "-l"]).arg(&self.0).status();
        let _ = fs::remove_dir(&self.0);
    }
}

/// What of the machine a container may leave behind.
fn world() -> BTreeSet<String> {
    let units =
        sh("systemctl list-units --all --plain --no-legend 'machine*' 2>/dev/null | cut -d' ' -f1");
    let mounts = sh("cut -d' ' -f5 /proc/self/mountinfo");
    let groups = sh("find /sys/fs/cgroup -type d -path '*/machine.slice/*'");
    let names =
        sh("ls /run/netns /run/systemd/nspawn /run/systemd/nspawn/propagate 2>/dev/null || true");
    let machines = sh("ls /run/systemd/machines | grep -v unit: || true");
    let links = sh("ip -o link | cut -d: -f2");
    let all = [units, mounts, groups, names, machines, links];
    let lines = all.iter().flat_map(|text| text.lines()).map(str::to_owned);
    // nspawn's own, once for all containers; the slice of all machines stays empty.
    let own =
        ["machine.slice", "/sys/fs/cgroup/machine.slice", "locks", "propagate", "unix-export"];
    let own = |line: &String| {
        own.contains(&line.as_str()) || line.starts_with("/run/systemd/nspawn") || line.is_empty()
    };
    lines.filter(|line| !own(line) && !line.ends_with(':')).collect()
}

#[track_caller]
fn unchanged(before: &BTreeSet<String>) {
    let after = world();
    let differs: Vec<&String> = before.symmetric_difference(&after).collect();
    assert!(differs.is_empty(), "{differs:?}");
}

/// Kills the nspawn of a machine, and waits until another runs.
#[track_caller]
fn kill_nspawn(machine: &str) {
    let leader = |machine: &str| sh(&format!("machinectl show {machine} -p Leader --value"));
    let old = leader(machine);
    sh(&format!("pkill -9 -f '^systemd-nspawn .*--machine={machine} '"));
    until(
        "another",
        &format!(
            "l=$(machinectl show {machine} -p Leader --value) && [ \"$l\" != {} ]",
            old.trim()
        ),
    );
}

/// The firmware's own network: VLANs on its only cable. One image for both, as AREDN's.
pub const AREDN: &str = "\
case $(hostname) in supernode) own=1 wan=2 lan=12;; *) own=3 wan=3 lan=13;; esac
vlan() { ip link add link eth0 name eth0.$1 type vlan id $1; ip addr add $2 dev eth0.$1; ip link set eth0.$1 up; }
ip link set eth0 up; ip addr add 192.168.1.$own/24 dev eth0
vlan 1 192.168.10.$wan/24; ip route add default via 192.168.10.1
vlan 2 192.168.2.$own/24
vlan $lan 10.$lan.0.2/24
httpd -p 80 -h /etc";

#[test]
#[ignore = "needs the VM tier: machined, VLANs"]
fn both_nodes_of_aredn_reach_each_other_the_host_and_the_internet() {
    let _alone = machine();
    let before = world();
    let room = Room::new("aredn");
    guest::firmware(&room.0.join("files"), AREDN);
    let image = "aredn-x86-64-generic-ext4-combined.img.gz";
    guest::disk(&room.0.join("files"), &room.0.join(image));
    let mut inside = before.clone();
    inside.insert(room.0.display().to_string());
    let site = example("aredn", "/srv", &room.0);
    site.ok("up");
    site.ok("plan --check");
    site.ok("test");
    let machines = sh("machinectl list --no-legend");
    assert!(machines.contains("supernode") && machines.contains("localnode"), "{machines}");
    let limit = sh("cat /sys/fs/cgroup/machine.slice/machine-supernode.scope/memory.max");
    assert_eq!(limit.trim(), "268435456");
    assert!(site.ok("exec supernode -- ip addr show eth0.2").contains("192.168.2.1"));
    // The link between both never comes to the host.
    assert!(!succeeds("ip -o addr | grep 192.168.2."));
    // Killed, it comes back, and what it makes itself is there again.
    kill_nspawn("supernode");
    until("its page", "busybox wget -qO- http://192.168.1.1/os-release");
    site.ok("test");
    site.ok("plan --check");
    site.ok("down");
    unchanged(&inside);
}

#[test]
#[ignore = "needs the VM tier: systemd in a container"]
fn a_container_with_systemd_obeys_the_policy_of_its_host() {
    let _alone = machine();
    let room = Room::new("arch");
    room.system("base");
    let before = world();
    let site = example("arch-nspawn", "/var/lib/machines", &room.0);
    site.ok("up");
    site.ok("plan --check");
    site.ok("test");
    assert!(sh("machinectl list --no-legend").contains("base"));
    // Its networkd runs, and leaves to netyard what is netyard's.
    assert_eq!(sh("systemctl -M base is-active systemd-networkd").trim(), "active");
    let links = site.ok("exec base -- networkctl --no-pager --no-legend list");
    let line = links.lines().find(|line| line.contains("host0")).expect("host0");
    assert!(line.contains("unmanaged") && line.contains("routable"), "{links}");
    let own = site.ok("exec base -- cat /etc/machine-id");
    assert!(own.trim().len() == 32 && own != fs::read_to_string("/etc/machine-id").expect("an id"));
    assert!(site.ok("exec base -- cat /etc/resolv.conf").contains("8.8.8.8"));
    assert_eq!(site.ok("exec base -- hostname").trim(), "base");
    kill_nspawn("base");
    until("its boot", "systemctl -M base is-active multi-user.target");
    site.ok("test");
    site.ok("down");
    unchanged(&before);
}

#[test]
#[ignore = "needs the VM tier: systemd in a container"]
fn a_bridged_container_has_addresses_of_the_lans_own_servers() {
    let _alone = machine();
    let room = Room::new("bridged");
    room.system("web");
    sh("ip netns add street && ip link add enp6s0 type veth peer name lan0 netns street &&
        ip -n street addr add 10.66.0.1/24 dev lan0 && ip -n street addr add fd66::1/64 dev lan0 nodad &&
        ip -n street link set lan0 up && ip link set enp6s0 up");
    sh(&format!(
        "ip netns exec street dnsmasq --conf-file=/dev/null --port=0 --bind-interfaces --interface=lan0 \
         --user=root --dhcp-leasefile={0}/leases --pid-file={0}/pid --enable-ra \
         --dhcp-range=10.66.0.100,10.66.0.199,1h --dhcp-range=fd66::100,fd66::1ff,slaac,64,1h",
        room.0.display()
    ));
    let before = world();
    let site = example("bridged-ipv6", "/var/lib/machines", &room.0);
    site.ok("up");
    let address =
        |pattern: &str| format!("ip -n bridged-web -o addr show dev host0 | grep '{pattern}'");
    until("a lease", &address("inet 10\\.66\\.0\\.1[0-9][0-9]/24"));
    until("an address of DHCPv6", &address("inet6 fd66::1[0-9a-f]*/128"));
    until("an address of its own", &address("inet6 fd66:.*/64 .*"));
    sh(
        "ip netns exec street ping -n -c1 -W5 $(ip -n bridged-web -4 -o addr show dev host0 | sed 's/.*inet \\([^/]*\\).*/\\1/')",
    );
    sh(
        "ip netns exec street ping -n -c1 -W5 $(ip -n bridged-web -6 -o addr show dev host0 | sed -n 's/.*inet6 \\(fd66::1[^/]*\\)\\/128.*/\\1/p')",
    );
    // The port does not make itself addresses that nothing answers at.
    assert_eq!(sh("cat /proc/sys/net/ipv6/conf/enp6s0/accept_ra").trim(), "0");
    site.ok("plan --check");
    site.ok("down");
    unchanged(&before);
    sh(&format!("kill $(cat {}/pid); ip link del enp6s0; ip netns del street", room.0.display()));
}

#[test]
#[ignore = "needs the VM tier: machined"]
fn a_container_with_users_of_its_own_is_a_machine_as_others_are() {
    let _alone = machine();
    let before = world();
    let room = Room::new("users");
    let mut inside = before.clone();
    inside.insert(room.0.display().to_string());
    let tree = room.0.join("web");
    guest::tree(&tree);
    let site = Site::new(format!(
        "yard: users\nnetworks: {{ lan: {{ host: {{ address: 10.4.0.1/24 }} }} }}\nnodes:\n  web:\n    container: {{ root: {}, private-users: true, \
         command: [httpd, -f, -p, \"80\", -h, /etc], ready: {{ tcp: 80 }}, limits: {{ memory: 64M }} }}\n    \
         interfaces: {{ eth0: {{ network: lan, address: 10.4.0.2/24, gateway: 10.4.0.1 }} }}\n",
        tree.display()
    ));
    site.ok("up");
    site.ok("plan --check");
    sh("busybox wget -qO- http://10.4.0.2/os-release | grep -q tiny");
    assert!(sh("machinectl list --no-legend").contains("users-web"));
    let leader = sh("machinectl show users-web -p Leader --value");
    let uid = sh(&format!("awk '/^Uid:/ {{ print $2 }}' /proc/{}/status", leader.trim()));
    assert!(uid.trim().parse::<u32>().expect("a number") >= 1 << 16, "{uid}");
    let limit = sh("cat /sys/fs/cgroup/machine.slice/machine-users\\\\x2dweb.scope/memory.max");
    assert_eq!(limit.trim(), "67108864");
    assert_eq!(site.ok("exec web -- id -u").trim(), "0");
    kill_nspawn("users-web");
    until("its page", "busybox wget -qO- http://10.4.0.2/os-release");
    site.ok("down");
    unchanged(&inside);
    sh(&format!("test $(stat -c %u {}/etc/passwd) = 0", tree.display()));
}

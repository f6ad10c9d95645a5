//! The examples with containers before and after a reboot, each on disk as on a machine of
//! its own. Two of them have a firewall for the host, so one comes after the other.

use std::fs;
use std::path::Path;

use crate::guest;
use crate::repository;
use crate::vm_container::{AREDN, machine, sh, succeeds, until};

/// Writes an example as the machine's own file, and the boot's.
fn enable(name: &str, yard: &str) {
    fs::create_dir_all("/etc/netyard").expect("root");
    let file = repository().join("examples").join(name).join("netyard.yaml");
    fs::copy(file, format!("/etc/netyard/{yard}.yaml")).expect("root");
    sh("cmp -s $NETYARD_BIN /usr/local/bin/netyard || install $NETYARD_BIN /usr/local/bin/netyard");
    sh(&format!("netyard up -f /etc/netyard/{yard}.yaml"));
    sh(&format!("netyard enable --now -f /etc/netyard/{yard}.yaml"));
    is_as_the_file_says(yard);
}

#[track_caller]
fn is_as_the_file_says(yard: &str) {
    sh(&format!("netyard plan --check -f /etc/netyard/{yard}.yaml"));
    let text = fs::read_to_string(format!("/etc/netyard/{yard}.yaml")).expect("the file");
    if text.contains("\nexpect:") {
        sh(&format!("netyard test -f /etc/netyard/{yard}.yaml"));
    }
}

/// The boot brings it up, or has: waits for its end.
#[track_caller]
fn came_by_itself(yard: &str, machines: &[&str]) {
    let state = sh(&format!("systemctl show -P Job -P ActiveState netyard-{yard}.service"));
    let job = || state.lines().any(|line| line.parse().is_ok_and(|job: u32| job > 0));
    assert!(!state.contains("inactive") || job(), "{state}");
    let unit = format!("netyard-{yard}.service");
    if !succeeds(&format!("systemctl start {unit}")) {
        panic!("{}", sh(&format!("journalctl -b --no-pager -u {unit} | tail -n 60")));
    }
    for name in machines {
        assert_eq!(sh(&format!("machinectl show {name} -p State --value")).trim(), "running");
    }
}

/// Disabled and down, nothing is there that has one of the names.
#[track_caller]
fn leaves_nothing(yard: &str, names: &str) {
    sh(&format!("netyard disable --yard {yard}"));
    sh(&format!("netyard down --yard {yard}"));
    let left = sh(&format!(
        "{{ find /sys/fs/cgroup -type d; ip -o link; cat /proc/self/mountinfo; nft list ruleset
            ls /run/netns /run/systemd/machines /etc/systemd/system /etc/systemd/system/*.wants
            find /run/netyard /var/lib/netyard /run/systemd/nspawn /run/systemd/transient
         }} 2>/dev/null | grep -E '{names}' | grep -vE '/etc/netyard|locks/' || true"
    ));
    assert_eq!(left, "");
    let machines = sh("machinectl list --no-legend --no-pager");
    assert!(!names.split('|').any(|name| machines.contains(name)), "{machines}");
}

/// A system with systemd, on the disk: its programs are the guest's own.
pub fn system(at: &str) {
    sh(&format!(
        "mkdir -p {at} && cd {at} && cp -al /usr . && cp -a /etc /bin /sbin /lib /lib64 . &&
         mkdir -p proc sys dev run tmp root var/lib var/log var/tmp var/cache &&
         rm -rf etc/netyard etc/fstab etc/systemd/system/netyard-* etc/systemd/system/*.wants/* etc/netns &&
         mkdir -p etc/systemd/system/multi-user.target.wants &&
         ln -s /usr/lib/systemd/system/systemd-networkd.service etc/systemd/system/multi-user.target.wants/ &&
         ln -sf /usr/lib/systemd/system/multi-user.target etc/systemd/system/default.target"
    ));
}

/// A LAN with servers of its own behind `enp6s0`, which are there in every boot.
pub fn street() {
    let script = "#!/bin/sh -e\n\
        ip netns add street; ip link add enp6s0 type veth peer name lan0 netns street\n\
        ip -n street addr add 10.66.0.1/24 dev lan0; ip -n street addr add fd66::1/64 dev lan0 nodad\n\
        ip -n street link set lan0 up\n\
        udevadm settle; ip link set enp6s0 up\n\
        exec ip netns exec street dnsmasq --conf-file=/dev/null --port=0 --bind-interfaces --interface=lan0 \
        --user=root --dhcp-leasefile=/var/lib/street.leases --pid-file=/run/street.pid --enable-ra \
        --dhcp-range=10.66.0.100,10.66.0.199,1h --dhcp-range=fd66::100,fd66::1ff,slaac,64,1h\n";
    fs::write("/usr/local/sbin/street", script).expect("root");
    let unit = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/usr/local/sbin/street\n\
                [Install]\nWantedBy=multi-user.target\n";
    fs::write("/etc/systemd/system/street.service", unit).expect("root");
    sh(
        "chmod +x /usr/local/sbin/street && systemctl daemon-reload && systemctl enable --now street",
    );
}

#[track_caller]
fn has_addresses_of_the_lan() {
    let address =
        |pattern: &str| format!("ip -n bridged-web -o addr show dev host0 | grep '{pattern}'");
    until("a lease", &address("inet 10\\.66\\.0\\.1[0-9][0-9]/24"));
    until("an address of DHCPv6", &address("inet6 fd66::1[0-9a-f]*/128"));
    until("an address of its own", &address("inet6 fd66:.*/64 .*"));
    // Each of them is of use by itself: the lease, the one of DHCPv6, the one it made.
    for own in ["fd66::1[0-9a-f]*\\/128", "fd66:[0-9a-f:]*\\/64"] {
        sh(&format!("a=$(ip -n bridged-web -6 -o addr show dev host0 | sed -n 's/.*inet6 \\({own}\\).*/\\1/p' | head -1)
            ip netns exec bridged-web ping -n -c1 -W5 -I ${{a%/*}} fd66::1
            ip netns exec street ping -n -c1 -W5 ${{a%/*}}"));
    }
    sh("a=$(ip -n bridged-web -4 -o addr show dev host0 | sed 's/.*inet \\([^/]*\\).*/\\1/')
        ip netns exec street ping -n -c1 -W5 $a");
    assert_eq!(sh("cat /proc/sys/net/ipv6/conf/enp6s0/accept_ra").trim(), "0");
}

mod before {
    use super::*;

    #[test]
    #[ignore = "needs the VM tier: machined, VLANs, and a reboot"]
    fn aredn_is_enabled() {
        let _alone = machine();
        let files = Path::new("/srv/files");
        guest::firmware(files, AREDN);
        guest::disk(files, Path::new("/srv/aredn-x86-64-generic-ext4-combined.img.gz"));
        enable("aredn", "aredn");
    }

    #[test]
    #[ignore = "needs the VM tier: systemd in a container, and a reboot"]
    fn bridged_is_enabled() {
        let _alone = machine();
        system("/var/lib/machines/web");
        street();
        enable("bridged-ipv6", "bridged");
        has_addresses_of_the_lan();
    }
}

mod after {
    use super::*;

    #[test]
    #[ignore = "needs the VM tier: machined, VLANs, and a reboot"]
    fn aredn_is_up_and_passes_its_tests() {
        let _alone = machine();
        came_by_itself("aredn", &["supernode", "localnode"]);
        is_as_the_file_says("aredn");
        leaves_nothing("aredn", "aredn|supernode|localnode|veth-super|veth-local|ens0");
    }

    #[test]
    #[ignore = "needs the VM tier: systemd in a container, and a reboot"]
    fn bridged_is_up_and_has_its_addresses() {
        let _alone = machine();
        came_by_itself("bridged", &["bridged-web"]);
        has_addresses_of_the_lan();
        is_as_the_file_says("bridged");
        leaves_nothing("bridged", "bridged|vbr0");
    }
}

mod then_before {
    use super::*;

    #[test]
    #[ignore = "needs the VM tier: systemd in a container, and a reboot"]
    fn arch_is_enabled() {
        let _alone = machine();
        system("/var/lib/machines/base");
        enable("arch-nspawn", "arch");
    }
}

mod then_after {
    use super::*;

    #[test]
    #[ignore = "needs the VM tier: systemd in a container, and a reboot"]
    fn arch_is_up_and_passes_its_tests() {
        let _alone = machine();
        came_by_itself("arch", &["base"]);
        is_as_the_file_says("arch");
        assert_eq!(sh("systemctl -M base is-active systemd-networkd").trim(), "active");
        leaves_nothing("arch", "netyard-arch|world0|br0|machine-base|machines/base");
    }
}

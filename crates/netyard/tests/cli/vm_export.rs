//! Exports where Debian's kernel and systemd are: scripts of the examples that need more than
//! other kernels have, and the files of `export systemd` alone, after a reboot.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::alone::alone;
use crate::export::{example, script_proves_equal, uncontained};
use crate::guest;
use crate::libvirtd::Libvirtd;
use crate::sight::{differences, is_settled, seen_when};
use crate::vm_container::{AREDN, machine, sh, succeeds, until};
use crate::vm_container_boot::{street, system};

macro_rules! scripts {
    ($why:literal: $($name:ident: $text:expr;)*) => {
        $(alone! {
            #[ignore = $why]
            Root, fn $name() { script_proves_equal(&$text); }
        })*
    };
}

scripts! {
    "needs the VM tier: VLANs, WireGuard, netem":
    the_script_of_aredn_builds_what_netyard_builds: uncontained("aredn");
    the_script_of_vlan_switch_builds_what_netyard_builds: example("vlan-switch");
    the_script_of_wireguard_builds_what_netyard_builds: example("wireguard");
    the_script_of_aredn_network_builds_what_netyard_builds: example("aredn-network");
    the_script_of_impairments_builds_what_netyard_builds: example("impairments");
}

/// Where what was seen waits for the next boot.
const SEEN: &str = "/var/lib/seen";

/// An example, its yard, its containers.
type Yard = (&'static str, &'static str, &'static [&'static str]);

/// Brings examples up, notes what is seen, takes them away, and leaves their files on the
/// machine for the next boot.
fn exported(yards: &[Yard]) {
    sh("cmp -s $NETYARD_BIN /usr/local/bin/netyard || install $NETYARD_BIN /usr/local/bin/netyard");
    for (name, yard, machines) in yards {
        let at = format!("/var/lib/export/{name}");
        let file = format!("{at}/netyard.yaml");
        fs::create_dir_all(&at).expect("root");
        if *yard == PORTABLE {
            portable::prepare(&at);
        }
        fs::write(&file, text_of(name)).expect("root");
        sh(&format!("netyard up -f {file} && netyard export systemd {at}/tree -f {file}"));
        for machine in *machines {
            let state = format!("machinectl show {machine} -p State --value | grep running");
            until("a container", &state);
        }
    }
    sh("udevadm settle");
    let seen = seen_when(is_settled);
    let lines: Vec<String> = seen.into_iter().collect();
    fs::write(SEEN, lines.join("\n@@")).expect("root");
    for (name, yard, machines) in yards {
        for machine in *machines {
            let own = format!("/var/lib/netyard/{yard}/process/{machine}/container/root");
            let to = format!("/var/lib/machines/{machine}");
            sh(&format!("if test -d {own}; then mkdir -p /var/lib/machines; cp -a {own} {to}; fi"));
        }
        let at = format!("/var/lib/export/{name}");
        if *yard == PORTABLE {
            portable::export(&at);
        }
        sh(&format!("netyard down --yard {yard}"));
        install(&at);
        if *yard == PORTABLE {
            portable::install(&at);
        }
    }
}

/// The text of an example. On a machine with several, one has the firewall.
fn text_of(name: &str) -> String {
    let text = example(name);
    if name != "portable-cloud" {
        return text;
    }
    let end = text.find("\n# From outside").expect("its firewall");
    text[..=end].to_owned()
}

/// As the tree's README says; the machine has some units masked.
fn install(at: &str) {
    sh("rm -f /etc/systemd/system/nftables.service /etc/systemd/system/systemd-networkd.service");
    sh(&format!("cd {at}/tree && cp -r [a-z]* / && systemctl daemon-reload"));
    for line in enables(at) {
        sh(&line);
    }
    accepted(at);
}

fn enables(at: &str) -> Vec<String> {
    let readme = fs::read_to_string(format!("{at}/tree/README")).expect("README");
    let lines = readme.lines().map(str::trim).filter(|line| line.starts_with("systemctl enable"));
    lines.map(str::to_owned).collect()
}

/// Those who read the files say nothing against them.
fn accepted(at: &str) {
    let files = sh(&format!("cd {at}/tree && find . -type f"));
    for file in files.lines().map(|line| line.trim_start_matches('.')) {
        let said = match file {
            _ if file.ends_with(".sh") => sh(&format!("sh -n {file} 2>&1")),
            "/etc/nftables.conf" => sh(&format!("nft -c -f {file} 2>&1")),
            _ if file.ends_with(".service") => {
                sh(&format!("systemd-analyze verify --man=no {file} 2>&1"))
            }
            _ if file.contains("/systemd-nspawn@") => {
                let unit = file.split('/').find(|part| part.starts_with("systemd-nspawn@"));
                let unit = unit.unwrap_or_default().trim_end_matches(".d");
                sh(&format!("systemd-analyze verify --man=no {unit} 2>&1"))
            }
            _ => String::new(),
        };
        assert_eq!(said, "", "{file}");
    }
}

/// What may differ, and why.
const BUT: [&str; 9] = [
    // networkd asks for router advertisements itself, and keeps the kernel from it.
    "accept_ra:",
    // It keeps addresses of its own making only: what it manages it says.
    "/accept_redirects:",
    // Queues are the default of whoever made the device first.
    "(host) tc:",
    "(host) nft: {\"metainfo\"",
    "(host) hostname",
    // The mark of netyard's own.
    "\"name\":\"netyard-arch\"}}",
    "\"name\":\"netyard-aredn\"}}",
    // A new namespace copies the host's forwarding, which sysctl.d has set before.
    "fabric sysctl: ipv4/",
    // What plays the LAN is made anew at every boot.
    "street ",
];

/// After the boot, by the files alone: the same is seen, and nobody has said a word
/// against them.
fn are_as_netyard_made_them(yards: &[Yard]) {
    let all = yards.iter().map(|(name, ..)| format!("/var/lib/export/{name}"));
    for line in all.flat_map(|at| enables(&at)) {
        let unit = line.rsplit(' ').next().unwrap_or_default();
        if !succeeds(&format!("timeout 240 systemctl start {unit}")) {
            let why = format!(
                "systemctl list-jobs; systemctl list-units --failed; journalctl -b --no-pager -u {unit} | tail -n 60
                 ps axww -o pid,stat,args | tail -n 40"
            );
            panic!("{unit}: {}", sh(&why));
        }
    }
    assert!(!succeeds("pgrep -x netyard"), "netyard has a part in this");
    let text = fs::read_to_string(SEEN).expect("what was seen");
    let by_netyard: BTreeSet<String> = text.split("\n@@").map(str::to_owned).collect();
    let seen = seen_when(|all| differences(&by_netyard, all, &BUT).is_empty());
    let differs = differences(&by_netyard, &seen, &BUT);
    assert!(differs.is_empty(), "only netyard (-), only the files (+): {differs:#?}");
    // Who names the machine may come late where all is emulated.
    let said = sh(
        "journalctl -b --no-pager -o cat -p warning -u systemd-networkd -u 'systemd-nspawn@*' -u nftables \
         -u systemd-sysctl -u '*-network.service' \
         | grep -v -e '^$' -e 'Could not set hostname: Method call timed out' || true",
    );
    assert_eq!(said, "");
}

/// Takes the files of an example off the machine again.
fn taken_off(name: &str) {
    let at = format!("/var/lib/export/{name}");
    for line in enables(&at).iter().rev() {
        sh(&line.replace("enable", "disable --now"));
    }
    sh(&format!(
        "cd {at}/tree && find etc usr -type f | while read f; do rm -f /$f; done
         systemctl daemon-reload; nft flush ruleset; udevadm settle
         networkctl delete br0 br-aredn vbr0 2>/dev/null || true"
    ));
}

const FIRST: [Yard; 4] = [
    ("portable-cloud", PORTABLE, &[]),
    ("aredn", "aredn", &["supernode", "localnode"]),
    ("freifunk-netns", "freifunk", &[]),
    ("bridged-ipv6", "bridged", &["bridged-web"]),
];
const SECOND: [Yard; 1] = [("arch-nspawn", "arch", &["base"])];

const PORTABLE: &str = "portable";

/// The system with an access point: its radio, libvirt and hostapd, as files for a machine.
mod portable {
    use super::*;

    /// What the machine has of its own: a radio, and libvirt at boot.
    pub fn prepare(at: &str) {
        fs::write("/etc/modules-load.d/radio.conf", "mac80211_hwsim\n").expect("root");
        fs::write("/etc/modprobe.d/radio.conf", "options mac80211_hwsim radios=1\n").expect("root");
        sh("modprobe -r mac80211_hwsim 2>/dev/null; modprobe mac80211_hwsim; udevadm settle");
        assert_eq!(sh("ls /sys/class/ieee80211").trim(), "phy0");
        fs::write(format!("{at}/jungle.passphrase"), "a quiet radio 42\n").expect("root");
        sh(&format!("chmod 600 {at}/jungle.passphrase"));
        // Its configuration stays.
        Libvirtd::of_the_machine().end();
        let unit =
            "[Service]\nExecStart=/usr/sbin/libvirtd\n[Install]\nWantedBy=multi-user.target\n";
        fs::write("/etc/systemd/system/libvirtd.service", unit).expect("root");
        sh("systemctl daemon-reload && systemctl enable --now libvirtd");
        until("libvirt", "virsh -q -c qemu:///system version");
    }

    /// While it is up.
    pub fn export(at: &str) {
        for target in ["libvirt", "hostapd"] {
            sh(&format!("netyard export {target} {at}/{target} -f {at}/netyard.yaml"));
        }
        let said = sh(&format!("grep -rl 'a quiet radio' {at} || true"));
        assert_eq!(said.trim(), format!("{at}/jungle.passphrase"));
    }

    /// libvirt is told of its network, and hostapd becomes a unit with the commands that
    /// its file's head has.
    pub fn install(at: &str) {
        for line in ["net-define {at}/libvirt/cloud.xml", "net-autostart vnet0"] {
            let line = line.replace("{at}", at);
            sh(&format!("virsh -q -c qemu:///system {line} 2>&1"));
        }
        let file = fs::read_to_string(format!("{at}/hostapd/hostapd.conf")).expect("a file");
        let head = file.lines().skip_while(|line| !line.contains("Run as:")).skip(1).take(2);
        let commands: Vec<&str> = head.map(|line| line.trim_start_matches("# ")).collect();
        assert!(commands[1].starts_with("hostapd "), "{commands:?}");
        let script =
            format!("#!/bin/sh -e\ncd {at}/hostapd\n{}\nexec {}\n", commands[0], commands[1]);
        fs::write("/usr/local/sbin/access-point", script).expect("root");
        let unit = "[Unit]\nRequires=portable-network.service\nAfter=portable-network.service\n\
                    [Service]\nExecStart=/usr/local/sbin/access-point\n[Install]\nWantedBy=multi-user.target\n";
        fs::write("/etc/systemd/system/access-point.service", unit).expect("root");
        sh(
            "chmod +x /usr/local/sbin/access-point; systemctl daemon-reload; systemctl enable access-point",
        );
    }

    /// After the boot: who reads the files has them.
    pub fn works() {
        let access = "hostapd_cli -p /run/hostapd-host/ctrl -i softap status | grep state=ENABLED";
        until("the access point", access);
        let networks = sh("virsh -q -c qemu:///system net-list");
        assert!(networks.contains("vnet0") && networks.contains("active"), "{networks}");
        sh("systemctl is-active libvirtd access-point");
        let said =
            sh("journalctl -b --no-pager -o cat -p warning -u access-point | grep -v '^$' || true");
        assert_eq!(said, "");
    }

    pub fn taken_off() {
        sh("systemctl disable --now access-point
            for does in destroy undefine; do virsh -q -c qemu:///system net-$does vnet0; done
            systemctl disable --now libvirtd; cd /etc/systemd/system; rm access-point.service libvirtd.service
            rm /etc/modules-load.d/radio.conf /etc/modprobe.d/radio.conf; iw dev softap del || true
            systemctl daemon-reload; modprobe -r mac80211_hwsim");
    }
}

mod last_before {
    use super::*;

    #[test]
    #[ignore = "needs the VM tier: systemd in a container, and a reboot"]
    fn arch_is_exported() {
        let _alone = machine();
        system("/var/lib/machines/base");
        exported(&SECOND);
    }
}

mod last_after {
    use super::*;

    #[test]
    #[ignore = "needs the VM tier: systemd in a container, and a reboot"]
    fn arch_comes_by_its_files() {
        let _alone = machine();
        are_as_netyard_made_them(&SECOND);
        SECOND.iter().for_each(|(name, ..)| taken_off(name));
    }
}

mod files_before {
    use super::*;

    #[test]
    #[ignore = "needs the VM tier: systemd in a container, radios, libvirt, and a reboot"]
    fn systems_are_exported() {
        let _alone = machine();
        let files = Path::new("/srv/files");
        // What the boots before needed.
        sh("rm -rf /srv/files /srv/aredn-* /var/lib/machines/web; ip link del br0 || true");
        guest::firmware(files, AREDN);
        guest::disk(files, Path::new("/srv/aredn-x86-64-generic-ext4-combined.img.gz"));
        system("/var/lib/machines/web");
        street();
        exported(&FIRST);
    }
}

mod files_after {
    use super::*;

    #[test]
    #[ignore = "needs the VM tier: systemd in a container, radios, libvirt, and a reboot"]
    fn systems_come_by_their_files() {
        let _alone = machine();
        are_as_netyard_made_them(&FIRST);
        portable::works();
        portable::taken_off();
        FIRST.iter().for_each(|(name, ..)| taken_off(name));
    }
}

//! Access points and stations on the radios that the kernel simulates (mac80211_hwsim).

use std::fs;
use std::net::Ipv4Addr;

use crate::repository;
use crate::vm_container::{machine, sh, succeeds};

const PASSPHRASE: &str = "correct horse battery";

/// Radios without a past: gives the name of the first.
pub fn radios(count: u32) -> String {
    sh(&format!(
        "pkill -x wpa_supplicant || true; modprobe -r mac80211_hwsim || true
         modprobe mac80211_hwsim radios={count}
         until test $(ls /sys/class/ieee80211 | wc -l) = {count}; do :; done
         udevadm settle || true"
    ));
    let first = sh("ls -v /sys/class/ieee80211 | head -n 1");
    first.trim().to_owned()
}

/// A directory with a yard's file and a passphrase.
pub fn yard(name: &str, text: &str) -> String {
    let directory = format!("/srv/radio/{name}");
    fs::create_dir_all(&directory).expect("root");
    fs::write(format!("{directory}/netyard.yaml"), text).expect("root");
    fs::write(format!("{directory}/jungle.passphrase"), format!("{PASSPHRASE}\n")).expect("root");
    sh(&format!("chmod 600 {directory}/jungle.passphrase"));
    directory
}

#[track_caller]
pub fn netyard(directory: &str, line: &str) -> String {
    sh(&format!("cd {directory} && $NETYARD_BIN {line}"))
}

/// What a command says that must fail.
#[track_caller]
pub fn fails(directory: &str, line: &str) -> String {
    sh(&format!("cd {directory} && if $NETYARD_BIN {line} 2>&1; then echo IT WORKED; exit 1; fi"))
}

/// An example's file, for a radio of this machine's.
pub fn example(name: &str, phy: &str) -> String {
    let file = repository().join("examples").join(name).join("netyard.yaml");
    fs::read_to_string(file).expect("an example").replace("phy0", phy)
}

/// Two machines with a radio each, one of which knows WPA2 alone and the other WPA3 alone.
const STATIONS: &str = "
yard: stations
nodes:
  phone:
    interfaces: { wlan0: { kind: physical, host-name: wlan1, address: dhcp } }
    services:
      wpa_supplicant: { interface: wlan0, ssid: jungle, passphrase-file: jungle.passphrase, security: wpa2 }
  tablet:
    interfaces: { wlan0: { kind: physical, host-name: wlan2, address: dhcp } }
    services:
      wpa_supplicant: { interface: wlan0, ssid: jungle, passphrase-file: jungle.passphrase, security: wpa3 }
";

/// A network outside, with something in it that answers at 198.51.100.1.
pub fn upstream(interface: &str, prefix: &str) {
    sh(&format!(
        "ip netns add isp-{interface}
         ip link add {interface} type veth peer name isp netns isp-{interface}
         ip addr add {prefix}.2/24 dev {interface}; ip link set {interface} up
         ip -n isp-{interface} addr add {prefix}.1/24 dev isp; ip -n isp-{interface} link set isp up
         ip -n isp-{interface} link set lo up; ip -n isp-{interface} addr add 198.51.100.1/32 dev lo
         ip route replace default via {prefix}.1"
    ));
}

fn upstream_goes(interface: &str) {
    sh(&format!("ip netns del isp-{interface}; ip link del {interface} 2>/dev/null || true"));
}

fn address(stations: &str, node: &str) -> String {
    let show = format!("$NETYARD_BIN exec {node} -- ip -4 -o addr show wlan0");
    let said = sh(&format!(
        "cd {stations}; for try in $(seq 400); do {show} | grep /16 && exit; done; {show}; exit 1"
    ));
    let found = said.split_whitespace().find(|word| word.ends_with("/16"));
    found.unwrap_or_else(|| panic!("{said}")).trim_end_matches("/16").to_owned()
}

/// The author's laptop: its access point is up and `up0` leads outside. Stations join, are leased
/// addresses, which `leased` waits to hear from whoever leases them, go out through whatever
/// network there is, and are shut off from each other and from outside; then the laptop comes
/// into a network with the same addresses, and all is taken down.
pub fn stations_expect(cloud: &str, leased: impl Fn(&str)) {
    sh("ip -o link show softap | grep -q 'master virbr0'");
    netyard(cloud, "plan --check");
    netyard(cloud, "test");
    let stations = yard("stations", STATIONS);
    netyard(&stations, "up");
    netyard(&stations, "plan --check");
    for node in ["phone", "tablet"] {
        let address: Ipv4Addr = address(&stations, node).parse().expect("an address");
        let (first, last) = (Ipv4Addr::new(172, 16, 128, 0), Ipv4Addr::new(172, 16, 255, 254));
        assert!((first..=last).contains(&address), "{address}");
        leased(&address.to_string());
        netyard(&stations, &format!("exec {node} -- ping -c1 -W9 198.51.100.1"));
        netyard(&stations, &format!("exec {node} -- ping -c1 -W9 172.16.0.10"));
    }
    let joined = sh("hostapd_cli -p /run/netyard/portable/process/host/hostapd/ctrl all_sta");
    // 00-0f-ac-2 is a passphrase as of WPA2, 00-0f-ac-8 is SAE (IEEE 802.11, table 9-151).
    assert!(joined.contains("AKMSuiteSelector=00-0f-ac-2"), "{joined}");
    assert!(joined.contains("AKMSuiteSelector=00-0f-ac-8"), "{joined}");

    // Clients are isolated as long as it is asked.
    let tablet = address(&stations, "tablet");
    let ping = format!("cd {stations} && $NETYARD_BIN exec phone -- ping -c2 -W2 {tablet}");
    assert!(!succeeds(&ping));
    // From outside nothing comes in.
    sh("ip -n isp-up0 route add 172.16.0.0/16 via 192.0.2.2");
    for inside in [&tablet, "172.16.0.10"] {
        assert!(!succeeds(&format!("ip netns exec isp-up0 ping -c1 -W2 {inside}")));
    }

    // The laptop moves, and the network inside goes on.
    upstream_goes("up0");
    upstream("up1", "203.0.113");
    netyard(&stations, "exec phone -- ping -c1 -W9 198.51.100.1");
    // What is new outside has settings that the next `up` looks after.
    netyard(cloud, "up");
    netyard(cloud, "plan --check");

    // It moves into a network with the same addresses.
    sh("ip addr add 172.16.77.7/16 dev up1");
    let status = sh(&format!("cd {cloud} && $NETYARD_BIN status 2>&1 || true"));
    assert!(status.contains("upstream collides"), "{status}");
    netyard(&stations, "down");
    netyard(cloud, "down");
    let refused = fails(cloud, "up");
    assert!(refused.contains("172.16.0.0/16") && refused.contains("up1"), "{refused}");
    assert!(!succeeds("ip link show virbr0") && !succeeds("iw dev softap info"));
    assert!(!succeeds("pgrep -x hostapd") && !succeeds("pgrep -x wpa_supplicant"));
    sh("iw dev wlan1 info && iw dev wlan2 info");
    sh("ip addr del 172.16.77.7/16 dev up1");
    upstream_goes("up1");
}

#[test]
#[ignore = "needs the VM tier: radios"]
fn stations_join_and_go_out_through_whatever_network_there_is() {
    let _alone = machine();
    let phy = radios(3);
    upstream("up0", "192.0.2");
    let cloud = yard("portable", &example("portable-ap", &phy));
    netyard(&cloud, "up");
    assert!(sh("iw dev softap info").contains("type AP"));
    // Neither the plan nor what is written down tells the passphrase, but hostapd's own file.
    assert!(!netyard(&cloud, "plan --json").contains(PASSPHRASE));
    let told = sh(&format!("grep -rl '{PASSPHRASE}' /run/netyard"));
    assert_eq!(told.trim(), "/run/netyard/portable/process/host/hostapd/hostapd.conf");
    sh("test $(stat -c %a /run/netyard/portable/process/host/hostapd/hostapd.conf) = 600");
    stations_expect(&cloud, |_| ());
}

#[test]
#[ignore = "needs the VM tier: radios"]
fn stations_that_are_not_isolated_reach_each_other() {
    let _alone = machine();
    let phy = radios(3);
    let cloud =
        yard("portable", &example("portable-ap", &phy).replace("isolate: true", "hidden: true"));
    let hidden = "{ hidden: true, interface: wlan0,";
    let stations = yard("stations", &STATIONS.replace("{ interface: wlan0,", hidden));
    netyard(&cloud, "up");
    netyard(&stations, "up");
    let tablet = address(&stations, "tablet");
    netyard(&stations, &format!("exec phone -- ping -c2 -W5 {tablet}"));
    // What ends hostapd is not the end of the network.
    sh("pkill -9 -x hostapd");
    sh(&format!(
        "cd {stations}; for try in $(seq 60); do $NETYARD_BIN exec phone -- ping -c1 -W1 172.16.0.10 && exit; done; exit 1"
    ));
    netyard(&stations, "down");
    netyard(&cloud, "down");
}

#[test]
#[ignore = "needs the VM tier: radios"]
fn a_radio_comes_back_also_after_a_kill() {
    let _alone = machine();
    radios(2);
    let lent = yard(
        "lent",
        "yard: lent\nnodes: { a: { interfaces: { air: { kind: physical, host-name: wlan1 } } } }\n",
    );
    let phy = sh("iw dev wlan1 info | sed -n 's/.*wiphy /phy/p'");
    let phy = phy.trim();
    let is_home = |when: &str| {
        let home = format!(": {when}; iw dev wlan1 info && test -e /sys/class/ieee80211/{phy}");
        assert!(succeeds(&home), "{when}: {}", sh("iw dev; ip -br link; ls /run/netns || true"));
    };
    netyard(&lent, "up");
    assert!(!succeeds("iw dev wlan1 info"));
    netyard(&lent, "exec a -- iw dev air info");
    netyard(&lent, "plan --check");
    netyard(&lent, "down");
    is_home("down");
    for moment in ["before:0", "after:0", "before:1", "after:1", "before:2", "after:2", "after:3"] {
        sh(&format!("cd {lent}; NETYARD_KILL={moment} $NETYARD_BIN up || true"));
        netyard(&lent, "down");
        is_home(&format!("up killed {moment}"));
        netyard(&lent, "up");
        sh(&format!("cd {lent}; NETYARD_KILL={moment} $NETYARD_BIN down || true"));
        netyard(&lent, "down");
        is_home(&format!("down killed {moment}"));
    }
}

#[test]
#[ignore = "needs the VM tier: radios"]
fn what_cannot_be_is_said_before_anything_is_changed() {
    let _alone = machine();
    let phy = radios(2);
    let links = sh("ip -br link; iw dev | grep -v txpower");
    let text = example("portable-ap", &phy);
    let refused = |change: (&str, &str), says: &str| {
        let cloud = yard("portable", &text.replace(change.0, change.1));
        for line in ["plan", "up"] {
            let said = fails(&cloud, line);
            assert!(said.contains(says), "{change:?}: {said}");
        }
        assert_eq!(sh("ip -br link; iw dev | grep -v txpower"), links);
    };
    refused((&format!("phy: {phy}"), "phy: phy99"), "the host has no radio `phy99`");
    refused(("country: DE", "country: XX"), "`XX` is no country");
    refused(("channel: 6", "channel: 100"), "must listen for radar");
    refused(("channel: 6", "channel: 14"), "no access point may be on channel 14 in DE");
    refused(("type: ap", "type: station"), "cannot be a port of a bridge: it is a station");
    refused(("jungle.passphrase\n", "none.passphrase\n"), "is not there");
    fs::write("/srv/radio/portable/short.passphrase", "sevenss").expect("root");
    sh("chmod 600 /srv/radio/portable/short.passphrase");
    refused(("jungle.passphrase\n", "short.passphrase\n"), "has 7 characters");
    let off = format!("/sys/class/ieee80211/{phy}/rfkill*/soft");
    sh(&format!("echo 1 > $(echo {off})"));
    refused(("yard:", "yard:"), "is turned off");
    sh(&format!("echo 0 > $(echo {off})"));
    // Somebody else has the radio's interface.
    sh("printf 'ctrl_interface=/run/wpa_supplicant\\n' > /srv/radio/w.conf
        wpa_supplicant -B -P /srv/radio/w.pid -i wlan1 -c /srv/radio/w.conf -D nl80211
        until wpa_cli -i wlan1 ping; do :; done");
    let lent = yard(
        "lent",
        "yard: lent\nnodes: { a: { interfaces: { air: { kind: physical, host-name: wlan1 } } } }\n",
    );
    let said = fails(&lent, "up");
    assert!(said.contains("`wlan1` cannot be taken: wpa_supplicant has it"), "{said}");
    sh("kill $(cat /srv/radio/w.pid); rm -r /srv/radio/w.*");
}

/// What has not been seen yet in the guest, and is not run by the tier.
mod open {
    use super::*;

    #[test]
    #[ignore = "open: written, and never ran"]
    fn another_passphrase_is_in_force_after_up() {
        let _alone = machine();
        let phy = radios(3);
        let cloud = yard("portable", &example("portable-ap", &phy));
        let stations = yard("stations", STATIONS);
        netyard(&cloud, "up");
        netyard(&stations, "up");
        let another = format!("{cloud}/jungle.passphrase");
        fs::write(&another, "staple of another battery\n").expect("root");
        let plan = netyard(&cloud, "plan");
        assert!(plan.contains("other-secret") && plan.contains(&another), "{plan}");
        assert!(!plan.contains("staple"), "{plan}");
        netyard(&cloud, "up");
        netyard(&cloud, "plan --check");
        let ping = format!("cd {stations} && $NETYARD_BIN exec phone -- ping -c1 -W2 172.16.0.10");
        assert!(!succeeds(&ping));
        fs::write(format!("{stations}/jungle.passphrase"), "staple of another battery\n")
            .expect("root");
        netyard(&stations, "up");
        sh(&format!("for try in $(seq 60); do ({ping}) && exit; done; exit 1"));
        netyard(&stations, "down");
        netyard(&cloud, "down");
    }
}

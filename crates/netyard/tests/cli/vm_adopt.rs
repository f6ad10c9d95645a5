//! Systems that people built by hand, out of the commands that their authors wrote down, become
//! yards; and while they do, no packet is lost.

use std::path::Path;

use crate::adopt::lost_during;
use crate::guest;
use crate::sight::{differences, is_settled, seen, seen_when};
use crate::vm_container::{machine, sh, succeeds, until};

/// Where the yard's file goes.
const FILE: &str = "/run/mine.yaml";

/// Adopts what is there while `pings` go from a namespace to an address each, and looks
/// whether all is as it was and the plan empty; gives what was said to be left out.
fn taken_over(pings: &[(&str, &str)]) -> String {
    let before = seen_when(is_settled);
    let said = sh(&format!("rm -f {FILE}; $NETYARD_BIN adopt --yard mine -o {FILE} 2>&1"));
    let text = std::fs::read_to_string(FILE).expect("a file");
    let take = || drop(sh(&format!("$NETYARD_BIN up --adopt -f {FILE}")));
    let mut work: Box<dyn FnOnce()> = Box::new(take);
    for (from, to) in pings {
        let inner = work;
        work = Box::new(move || {
            let lost = lost_during(from, to, inner);
            assert!(lost.is_empty(), "{from} to {to}: {lost:?}");
        });
    }
    work();
    sh(&format!("$NETYARD_BIN plan --check -f {FILE}"));
    let after = seen_when(|all| differences(&before, all, &["mine.fabric"]).is_empty());
    let differs = differences(&before, &after, &["mine.fabric"]);
    assert!(differs.is_empty(), "{differs:#?}\n{text}");
    for (from, to) in pings {
        sh(&format!("ip netns exec {from} ping -n -c1 -W5 {to}"));
    }
    said
}

/// Interfaces and namespaces.
fn there() -> String {
    sh("ip netns list | cut -d' ' -f1; ip -o link | cut -d: -f2 | cut -d@ -f1")
}

/// Takes the yard away; gives what is left of interfaces and namespaces.
fn left_after_down() -> String {
    sh(&format!("$NETYARD_BIN down -f {FILE}; rm {FILE}"));
    there()
}

/// The supernode's text: a bridge with tagged and untagged frames, the host's VLANs on it,
/// namespaces that are made before the containers, masquerading and a forward chain.
const AREDN: &str = r#"
ip link add br-aredn type bridge; ip link set br-aredn up; ip address add 192.168.1.2/24 dev br-aredn
ip link add link br-aredn name br-aredn.wan type vlan id 1
ip address add 192.168.10.1/24 dev br-aredn.wan; ip link set br-aredn.wan up
ip link add link br-aredn name br-aredn.slan type vlan id 12
ip address add 10.12.0.1/24 dev br-aredn.slan; ip link set br-aredn.slan up
own=1; wan=2
for node in super local; do
  ip netns add ${node}node; ip -n ${node}node link set lo up
  ip link add veth-$node type veth peer name eth0 netns ${node}node
  ip link set veth-$node master br-aredn up; ip -n ${node}node link set eth0 up
  ip -n ${node}node address add 192.168.1.$own/24 dev eth0
  for id in 1 2; do
ip -n ${node}node link add link eth0 name eth0.$id type vlan id $id
ip -n ${node}node link set eth0.$id up
  done
  ip -n ${node}node address add 192.168.10.$wan/24 dev eth0.1
  ip -n ${node}node address add 192.168.2.$own/24 dev eth0.2
  ip -n ${node}node route add default via 192.168.10.1
  own=3; wan=3
done
ip netns add internet; ip link add ens0 type veth peer name out netns internet
ip address add 198.51.100.2/24 dev ens0; ip link set ens0 up
ip -n internet address add 198.51.100.1/24 dev out; ip -n internet link set out up
ip -n internet link set lo up
sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
nft -f - <<'NFT'
table ip aredn {
  chain forward { type filter hook forward priority filter; policy drop;
ct state established,related accept
ct status dnat accept
iif lo accept
iifname "br-aredn.wan" oifname "ens0" accept
  }
  chain postrouting { type nat hook postrouting priority srcnat;
ip saddr 192.168.10.0/24 oifname "ens0" masquerade
  }
}
NFT
"#;

#[test]
#[ignore = "needs the VM tier: VLANs"]
fn aredn_built_by_hand_is_taken_over() {
    let _alone = machine();
    let forwarding = sh("cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding");
    let before = there();
    sh(&format!("set -e; {AREDN}"));
    let said = taken_over(&[
        // Over the bridge, over VLAN 2 that the host never sees, over NAT.
        ("supernode", "192.168.1.3"),
        ("localnode", "192.168.2.1"),
        ("supernode", "198.51.100.1"),
    ]);
    assert!(said.contains("table ip aredn (5 rules): it stays as it is"), "{said}");
    assert_eq!(left_after_down(), before);
    assert!(sh("nft list tables").contains("table ip aredn"));
    let [four, six] = forwarding.lines().collect::<Vec<_>>()[..] else { panic!("{forwarding}") };
    sh(&format!(
        "nft delete table ip aredn; sysctl -qw net.ipv4.ip_forward={four} net.ipv6.conf.all.forwarding={six}"
    ));
}

/// The gateway's text: a namespace with a host name that lasts, a VLAN of the host's, and
/// tunnels whose packets leave through the host.
const FREIFUNK: &str = r#"
ip netns add street; ip link add enp3s0 type veth peer name lan0 netns street
ip link set enp3s0 up; ip -n street link set lan0 up; ip -n street link set lo up
ip address add 198.51.100.2/24 dev enp3s0; ip -n street address add 198.51.100.1/24 dev lan0
ip -n street link add link lan0 name lan0.3 type vlan id 3; ip -n street link set lan0.3 up
ip -n street address add 10.3.0.1/24 dev lan0.3
ip netns add f3; ip -n f3 link set lo up
mkdir -p /run/utsns; touch /run/utsns/f3
unshare --uts=/run/utsns/f3 hostname f3-test
ip link add link enp3s0 name f3lan type vlan id 3; ip link set f3lan netns f3
ip -n f3 address add 10.3.0.2/24 dev f3lan; ip -n f3 link set f3lan up
mkdir -p /etc/wireguard; umask 77
for key in own other; do wg genkey >/etc/wireguard/$key.key; done
ip link add wg1 type wireguard; ip link set wg1 netns f3
ip -n street link add wg0 type wireguard
own=$(wg pubkey </etc/wireguard/own.key); other=$(wg pubkey </etc/wireguard/other.key)
ip netns exec f3 wg set wg1 listen-port 51821 private-key /etc/wireguard/own.key \
  peer "$other" endpoint 198.51.100.1:51820 allowed-ips 10.99.0.0/24,fd99::/64
ip netns exec street wg set wg0 listen-port 51820 private-key /etc/wireguard/other.key \
  peer "$own" endpoint 198.51.100.2:51821 allowed-ips 10.99.0.2/32,fd99::2/128
ip -n f3 address add 10.99.0.2/24 dev wg1; ip -n f3 address add fd99::2/64 dev wg1 nodad
ip -n f3 address add fe80::2/64 dev wg1 nodad
ip -n f3 link set wg1 up
ip -n street address add 10.99.0.1/24 dev wg0; ip -n street address add fd99::1/64 dev wg0 nodad
ip -n street address add fe80::1/64 dev wg0 nodad
ip -n street link set wg0 up
ip -n f3 route add 10.88.0.0/16 via 10.3.0.1
ip netns exec f3 sysctl -qw net.ipv4.ip_forward=1
"#;

#[test]
#[ignore = "needs the VM tier: VLANs, WireGuard"]
fn freifunk_built_by_hand_is_taken_over() {
    let _alone = machine();
    let before = there();
    sh(&format!("set -e; {FREIFUNK}"));
    let said = taken_over(&[("f3", "10.3.0.1"), ("f3", "10.99.0.1"), ("f3", "fd99::1")]);
    for key in ["own", "other"] {
        let key = sh(&format!("cat /etc/wireguard/{key}.key"));
        let file = std::fs::read_to_string(FILE).expect("a file");
        assert!(!said.contains(key.trim()) && !file.contains(key.trim()), "a key is shown");
    }
    assert!(!said.contains("wg"), "{said}");
    assert_eq!(left_after_down(), before);
    assert!(!Path::new("/run/utsns/f3").exists());
    sh("rm /etc/wireguard/own.key /etc/wireguard/other.key");
}

#[test]
#[ignore = "needs the VM tier: nspawn"]
fn arch_built_by_hand_is_taken_over() {
    let _alone = machine();
    let files = Path::new("/var/lib/machines/hand");
    guest::tree(files);
    sh(r#"
    ip netns add world; ip link add eth0 type veth peer name out netns world
    ip address add 203.0.113.2/24 dev eth0; ip link set eth0 up; ip -n world link set out up
    ip -n world address add 203.0.113.1/24 dev out; ip -n world link set lo up
    ip link add br0 type bridge; ip address add 10.39.252.254/24 brd + dev br0; ip link set br0 up
    was=$(cat /proc/sys/net/ipv4/ip_forward); echo $was >/run/was; sysctl -qw net.ipv4.ip_forward=1
    nft -f - <<'NFT'
table ip nat {
  chain postrouting { type nat hook postrouting priority srcnat
    oifname "eth0" masquerade
  }
}
table inet filter {
  chain input { type filter hook input priority filter; policy drop
    ct state established,related accept
    ct state invalid drop
    iif lo accept
    meta l4proto { icmp, ipv6-icmp } accept
    tcp dport 22 accept
    ip saddr 10.39.252.0/24 accept
    reject with icmpx type port-unreachable
  }
  chain forward { type filter hook forward priority filter
    accept
  }
}
NFT
    systemd-run --quiet --unit=hand -p Delegate=yes systemd-nspawn --quiet --keep-unit -M hand \
      -D /var/lib/machines/hand --network-bridge=br0 /bin/sleep 100000"#);
    until("the container", "machinectl show hand -p State --value | grep running");
    sh(r#"l=$(machinectl show hand -p Leader --value)
    nsenter -n -t $l sh -c 'ip link set host0 up; ip address add 10.39.252.1/24 dev host0
      ip route add default via 10.39.252.254'
    mkdir -p /run/netns; touch /run/netns/base; mount --bind /proc/$l/ns/net /run/netns/base"#);
    until("a ping", "ip netns exec base ping -n -c1 -W2 203.0.113.1");
    let said =
        taken_over(&[("base", "10.39.252.254"), ("base", "203.0.113.1"), ("world", "203.0.113.2")]);
    assert!(said.contains("table inet filter"), "{said}");
    let runs = "base: what runs there (sleep): it goes on, and ends with `netyard down`";
    assert!(said.contains(runs), "{said}");
    // What is the yard's namespace now is empty when the yard goes.
    assert!(succeeds("machinectl show hand -p State --value | grep running"));
    let left = left_after_down();
    until("the container's end", "! machinectl show hand");
    assert!(!left.contains("br0") && !left.contains("world"), "{left}");
    sh("systemctl stop hand 2>/dev/null; nft flush ruleset; sysctl -qw net.ipv4.ip_forward=$(cat /run/was)
    rm -rf /var/lib/machines/hand");
    let _ = seen();
}

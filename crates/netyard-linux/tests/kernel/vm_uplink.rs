//! Uplinks over VLANs, on a kernel that has them.

use crate::yard::{
    OUTER, Stream, alone, desired, down, sh, similar, steps_left, talks, up_file, whole,
};

#[test]
#[ignore = "needs the VM tier: 802.1Q"]
fn vlans_of_the_bridge_on_the_host_go_out_too() {
    alone(|| {
        sh(OUTER);
        sh("ip -n outer route add 192.168.10.0/24 via 192.0.2.10");
        let file = "
yard: bed
networks:
  mesh: { bridge: br-mesh, prefix: none, host: { address: none }, uplink: { routed: eth0, ipv6: none } }
nodes:
  host:
    interfaces:
      br-mesh.wan: { kind: vlan, parent: br-mesh, id: 1, address: 192.168.10.1/24 }
  a:
    interfaces:
      eth0: { network: mesh }
      eth0.1: { kind: vlan, parent: eth0, id: 1, address: 192.168.10.2/24, gateway: 192.168.10.1 }
";
        let before = whole();
        up_file(file).unwrap();
        talks(("bed-a", "192.168.10.2"), ("outer", "198.51.100.1"));
        down().unwrap();
        similar(&whole(), &before);
    });
}

/// `eth0` carries the host's own way out, and VLAN 12 beside it.
const VLAN: &str = "
    ip -n outer link add up0.12 link up0 type vlan id 12
    ip -n outer link set up0.12 up
    ip -n outer addr add 10.12.0.1/24 dev up0.12
";

#[test]
#[ignore = "needs the VM tier: 802.1Q"]
fn a_vlan_of_the_hosts_interface_is_made_and_is_a_port() {
    alone(|| {
        sh(OUTER);
        sh(VLAN);
        let before = whole();
        let stream = Stream::open("198.51.100.1");
        for side in ["", ", host: { address: 10.12.0.254/24 }"] {
            let file = format!(
                "yard: bed\nnetworks:\n  lan: {{ prefix: 10.12.0.0/24, ports: [eth0.12]{side} }}\n\
                 nodes:\n  a: {{ interfaces: {{ eth0: {{ network: lan, address: 10.12.0.7/24 }} }} }}\n"
            );
            up_file(&file).unwrap();
            talks(("bed-a", "10.12.0.7"), ("outer", "10.12.0.1"));
            assert_eq!(steps_left(&desired(&file)), [] as [String; 0]);
            stream.goes_on();
            down().unwrap();
            similar(&whole(), &before);
        }
        stream.close();
    });
}

#[test]
#[ignore = "needs the VM tier: 802.1Q, VLAN filtering"]
fn a_port_outside_carries_the_vlans_of_the_network() {
    alone(|| {
        sh(OUTER);
        sh(VLAN);
        sh("ip link add eth1 type veth peer name t0 netns outer; ip link set eth1 up
            ip -n outer link set t0 up; ip -n outer link add t0.20 link t0 type vlan id 20
            ip -n outer link set t0.20 up; ip -n outer addr add 10.20.0.1/24 dev t0.20
            ip -n outer addr add 10.1.0.1/24 dev t0");
        let before = whole();
        let file = "
yard: bed
networks: { lan: { prefix: none, ports: [eth1] } }
nodes:
  a: { interfaces: { eth0: { network: lan, vlan: 20, address: 10.20.0.2/24 } } }
  b: { interfaces: { eth0: { network: lan, address: 10.1.0.2/24 } } }
";
        up_file(file).unwrap();
        talks(("bed-a", "10.20.0.2"), ("outer", "10.20.0.1"));
        talks(("bed-b", "10.1.0.2"), ("outer", "10.1.0.1"));
        down().unwrap();
        similar(&whole(), &before);
    });
}

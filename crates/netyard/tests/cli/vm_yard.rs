//! Yards whose kinds only Debian's own kernel has: VLANs, netem.

use std::process::Command;

use crate::alone::alone;
use crate::site::Site;

/// The shortest of three round trips, as `ping` measures it, in milliseconds.
fn round_trip(site: &Site, from: &str, to: &str) -> f64 {
    let said = site.ok(&format!("exec {from} -- ping -c3 -i0.2 -W5 {to}"));
    let times = said.split_once("min/avg/max/mdev = ").expect("ping's last line").1;
    times.split('/').next().and_then(|min| min.parse().ok()).expect("a time")
}

alone! {
    #[ignore = "needs the VM tier: netem"]
    User, fn set_slows_a_link_down_until_the_next_up() {
        let site = Site::new("yard: sky\nlinks: [{ name: wire, ends: [a:x, b:x], prefix: 10.9.0.0/31 }]\nnodes: { a: {}, b: {} }\n");
        site.ok("up");
        site.ok("set wire delay=200ms");
        assert!(round_trip(&site, "a", "10.9.0.1") >= 400.0);
        assert_eq!(site.run("plan --check").status.code(), Some(3));
        assert!(site.ok("status").contains("wire"));
        site.ok("up");
        assert!(round_trip(&site, "a", "10.9.0.1") < 200.0);
        site.ok("plan --check");
        site.ok("set wire delay=400ms --backward");
        assert!(site.ok("exec b -- tc qdisc show dev x").contains("delay 400ms"));
        assert!(!site.ok("exec a -- tc qdisc show dev x").contains("delay"));
        // Without the file there are interfaces still.
        site.ok("set --yard sky a:x delay=150ms");
        assert!(round_trip(&site, "b", "10.9.0.0") >= 550.0);
        site.ok("down");
    }
}

alone! {
    #[ignore = "needs the VM tier: netem"]
    User, fn the_example_of_impairments_is_as_slow_as_it_says() {
        let site = Site::of_example("impairments");
        site.ok("up");
        assert!(round_trip(&site, "ground", "10.9.0.1") >= 450.0);
        site.ok("down");
    }
}

alone! {
    #[ignore = "needs the VM tier: VLANs"]
    User, fn the_switch_keeps_vlans_apart_and_the_router_joins_them() {
        let site = Site::of_example("vlan-switch");
        site.ok("up");
        site.ok("exec office1 -- ping -c1 -W2 10.10.0.2");
        site.ok("exec office1 -- ping -c1 -W2 10.20.0.1");
        // Without the router there is no way, though both are on one switch.
        site.ok("exec office1 -- ip address add 10.20.0.9/24 dev eth0");
        let across = site.run("exec office1 -- ping -c1 -W1 -I 10.20.0.9 10.20.0.1");
        assert!(!across.status.success(), "a guest answered in the office's VLAN");
        site.ok("down");
    }
}

alone! {
    #[ignore = "needs the VM tier: VLANs"]
    Root, fn the_aredn_network_carries_tagged_and_untagged_frames() {
        let site = Site::of_example("aredn-network");
        site.ok("up");
        let ping = |line: &str| {
            let status = Command::new("sh").args(["-c", line]).status().expect("sh");
            assert!(status.success(), "{line}");
        };
        ping("ping -c1 -W2 192.168.1.1");
        ping("ping -c1 -W2 192.168.10.2");
        ping("ip netns exec localnode ping -c1 -W2 192.168.10.1");
        ping("ip netns exec supernode ping -c1 -W2 192.168.2.2");
        ping("ip link show veth-super | grep -q 36:eb:70:b2:80:1a");
        ping("ip -n supernode link show eth0 | grep -q 36:eb:70:b2:80:1b");
        site.ok("plan --check");
        site.ok("down");
        ping("! ip link show br-aredn 2>/dev/null");
        ping("test -z \"$(ip netns)\"");
    }
}

//! Tunnels that the kernel itself makes: Debian's kernel has WireGuard.

use serde_json::Value;

use crate::alone::alone;
use crate::site::Site;
use crate::wireguard::{link_local, reaches, sent_by_wan, through_the_tunnel, two};

alone! {
    #[ignore = "needs the VM tier: WireGuard"]
    Root, fn the_kernels_tunnels_do_what_the_process_does() {
        let site = Site::new(two("auto"));
        site.ok("up");
        site.ok("plan --check");
        assert!(site.ok("exec gw1 -- ip -d link show wg0").contains("wireguard"));
        through_the_tunnel(&site);
        let status: Value = serde_json::from_str(&site.ok("status --json")).expect("JSON");
        assert_eq!(status["tunnels"][0]["engine"], "kernel", "{status}");
        assert!(status["tunnels"][0]["peers"][0]["handshake_age"].as_u64() < Some(60), "{status}");
        // A change of one thing leaves the rest, and what is undone by hand is seen.
        std::fs::write(site.path().join("netyard.yaml"), two("auto").replace("birth: own", "birth: own, keepalive: 7s"))
            .expect("a file");
        assert!(site.ok("plan").contains("keepalive 7"));
        site.ok("up");
        site.ok("plan --check");
        assert!(reaches(&site, "gw1", "10.9.0.1"));
        site.ok("down");
    }
}

alone! {
    #[ignore = "needs the VM tier: WireGuard"]
    Root, fn packets_leave_from_where_the_tunnel_was_born() {
        // Two nodes without any other interface: what carries them is elsewhere.
        let text = "
yard: wg
networks: { wan: { prefix: 10.50.0.0/24 } }
nodes:
  isp1: { interfaces: { wan: { network: wan, address: 10.50.0.1/24 } } }
  isp2: { interfaces: { wan: { network: wan, address: 10.50.0.2/24 } } }
  a: { interfaces: { wg0: { kind: wireguard, engine: kernel, birth: isp1 } } }
  b: { interfaces: { wg0: { kind: wireguard, engine: kernel, birth: isp2 } } }
links:
  - { ends: [a:wg0, b:wg0], tunnel: wireguard, prefix: 10.9.0.0/31 }
";
        let site = Site::new(text);
        site.ok("up");
        site.ok("plan --check");
        assert!(reaches(&site, "a", "10.9.0.1"));
        let before = sent_by_wan(&site, "isp1");
        site.ok("exec a -- ping -n -c20 -i0.01 -W5 10.9.0.1");
        let sent = sent_by_wan(&site, "isp1") - before;
        assert!((20..40).contains(&sent), "{sent}");
        // The outside goes, and nothing gets through; it comes back, and all does.
        site.ok("exec isp1 -- ip link set wan down");
        assert!(!site.run("exec a -- ping -n -c1 -W2 10.9.0.1").status.success());
        site.ok("up");
        assert!(reaches(&site, "a", "10.9.0.1"));
        link_local(&site, "a", "wg0");
        site.ok("down");
        assert!(!site.ok("list").contains("wg"));
    }
}

//! Routing daemons that need more than one user.

use std::path::{Path, PathBuf};

use crate::alone::alone;
use crate::routing::{needs, until_it_pings};
use crate::service::{lives, sh, until};
use crate::site::{Site, tree};

const LINE: &str = "\
yard: frr
nodes:
  \"r[1..3]\":
    services:
      frr:
        daemons: [ospfd]
        text: |
          router ospf
           timers throttle spf 0 50 200
           network 10.9.0.0/16 area 0
links:
  - { ends: [r1:b, r2:a], prefix: 10.9.1.0/31 }
  - { ends: [r2:b, r3:a], prefix: 10.9.2.0/31 }
";

alone! {
    #[ignore = "needs the VM tier: root beside user frr"]
    Machine, fn frrs_daemons_find_the_way_and_find_it_again_after_one_was_killed() {
        needs("zebra", "frr");
        let site = Site::new(LINE);
        let before = tree(Path::new("/run/netyard"));
        site.ok("up");
        site.ok("plan --check");
        // A node that finds ways for others passes packets on without being told.
        until_it_pings(&site, "r1", "10.9.2.1", 120);
        let routes = site.ok("exec r1 -- ip route");
        assert!(routes.contains("10.9.2.0/31") && routes.contains("proto ospf"), "{routes}");
        let number = service_pid(&site, "r2", "frr-ospfd");
        let owner = std::fs::read_to_string(format!("/proc/{number}/status")).expect("a process");
        assert!(!owner.contains("Uid:\t0\t"), "{owner}");
        sh(&format!("kill -9 {number}"));
        until("ospfd again", || service_pid(&site, "r2", "frr-ospfd") != number);
        until_it_pings(&site, "r1", "10.9.2.1", 120);
        let log = site.ok("logs r2 frr-ospfd");
        assert!(!log.contains("No such command"), "{log}");
        let last = service_pid(&site, "r2", "frr");
        site.ok("down");
        assert!(!lives(last));
        assert_eq!(site.processes(), Vec::<PathBuf>::new());
        assert_eq!(tree(Path::new("/run/netyard")), before);
    }
}

fn service_pid(site: &Site, node: &str, name: &str) -> u64 {
    let status: serde_json::Value = serde_json::from_str(&site.ok("status --json")).expect("JSON");
    let services = status["services"].as_array().expect("a list");
    let found = services.iter().find(|s| s["node"] == node && s["service"] == name);
    found.unwrap_or_else(|| panic!("{status}"))["pid"].as_u64().unwrap_or_default()
}

alone! { User, fn frr_says_what_it_needs_without_root() {
    needs("zebra", "frr");
    let site = Site::new(LINE);
    let output = site.run("up");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("without root nothing runs as `frr`"), "{said}");
}}

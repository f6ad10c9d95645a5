//! All of it by a yard's file, with root and without.

use crate::alone::alone;
use crate::site::{Site, tree};

const YARD: &str = r#"
yard: dynamic
networks:
  lan:
    prefix: [10.1.0.0/24, "fd00:1::/64"]
    dhcp: on
    dhcp6: { prefix-delegation: { pool: "fd00:1:8000::/56" } }
    ra: on
    dns: { domain: lan.test }
nodes:
  gw:
    forward: true
    interfaces: { lan0: { network: lan, address: [10.1.0.1/24, "fd00:1::1/64"] } }
  laptop:
    interfaces: { eth0: { network: lan, address: [dhcp, dhcp6, ra] } }
  phone:
    interfaces: { eth0: { network: lan, address: ra } }
  nas:
    interfaces: { eth0: { network: lan } }
"#;

/// What a command in a node prints when that holds of it for the first time.
#[track_caller]
fn until(site: &Site, line: &str, holds: impl Fn(&str) -> bool) -> String {
    let begin = std::time::Instant::now();
    let mut last = String::new();
    while begin.elapsed() < super::PATIENCE {
        last = site.ok(line);
        if holds(&last) {
            return last;
        }
        super::pause();
    }
    panic!("{line} gives still\n{last}");
}

fn leases_come_stay_and_go(etc: &std::path::Path) {
    let before = tree(etc);
    let site = Site::new(YARD);
    site.ok("up");
    let address = "exec laptop -- ip addr show dev eth0";
    let text = until(&site, address, |text| {
        let all = ["inet 10.1.0.", "/128 scope global", "mngtmpaddr"];
        all.iter().all(|words| text.contains(words)) && !text.contains("tentative")
    });
    let own = text.lines().find(|line| line.contains("inet 10.")).expect("an address").to_owned();
    site.ok("exec laptop -- ping -c1 -W5 10.1.0.1");
    site.ok("exec laptop -- ping -6 -c1 -W5 fd00:1::1");
    let routes = site.ok("exec laptop -- ip -6 route");
    assert!(routes.contains("default via fe80"), "{routes}");
    until(&site, "exec laptop -- cat /etc/resolv.conf", |text| {
        text.contains("nameserver 10.1.0.1") && text.contains("nameserver fd00:1::1")
    });
    // Who has no lease is told the name servers by the router.
    until(&site, "exec phone -- cat /etc/resolv.conf", |text| {
        text.contains("nameserver fd00:1::1") && text.contains("search lan.test")
    });
    // Who has the addresses of the file makes none of what is advertised.
    assert!(!site.ok("exec nas -- ip -6 addr").contains("mngtmpaddr"));
    // What a lease brought is no difference, and stays.
    site.ok("plan --check");
    assert!(site.ok("up").contains("nothing to do"));
    assert!(site.ok(address).contains(own.split("valid_lft").next().expect("a line").trim()));
    site.ok("down");
    assert_eq!(site.processes(), [] as [std::path::PathBuf; 0]);
    assert_eq!(tree(etc), before);
}

alone! { Root, fn leases_of_a_yard_come_stay_and_go() {
    leases_come_stay_and_go(std::path::Path::new("/etc/netns"));
}}

alone! { User, fn leases_of_a_yard_without_root_come_stay_and_go() {
    leases_come_stay_and_go(std::path::Path::new("/run/user/1000"));
}}

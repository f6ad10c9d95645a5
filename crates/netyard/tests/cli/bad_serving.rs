//! What can go wrong on a network that is served: it is said in words that help, and
//! the others are served on.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use crate::alone::alone;
use crate::dynamic::{PATIENCE, pause};
use crate::serve::needs;
use crate::site::Site;

/// Room for two; whoever knows other names is not there.
const YARD: &str = "
networks: { lan: { prefix: 10.1.0.0/24, dhcp: { range: 10.1.0.100-10.1.0.101 }, dns: { domain: lan.test, forward: 10.9.9.9 } } }
nodes:
  gw: { forward: true, interfaces: { lan0: { network: lan, address: 10.1.0.1/24 } } }
  c[1..3]: { interfaces: { eth0: { network: lan, address: none } } }
  h1: { interfaces: { eth0: { network: lan, address: 10.1.0.7/24 } } }
";

fn yard(name: &str) -> Site {
    needs(&["udhcpc", "dig"]);
    let site = Site::new(format!("yard: {name}\n{YARD}"));
    site.ok("up");
    site
}

/// What a client says of the lease that it got, or did not get.
fn asks(site: &Site, node: &str, name: &str) -> String {
    let line =
        format!("exec {node} -- udhcpc -i eth0 -f -n -q -t 4 -T 1 -s /bin/true -x hostname:{name}");
    let output = site.run(&line);
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

#[track_caller]
fn logged(site: &Site, words: &str) -> String {
    let begin = Instant::now();
    loop {
        let log = site.ok("logs gw");
        if log.contains(words) {
            return log;
        }
        assert!(begin.elapsed() < PATIENCE, "nobody says `{words}`:\n{log}");
        pause();
    }
}

alone! { Root, fn two_machines_with_one_hardware_address_are_said() {
    let site = yard("twins");
    site.ok("exec c1 -- ip link set eth0 address 02:00:00:00:00:01");
    site.ok("exec c2 -- ip link set eth0 address 02:00:00:00:00:01");
    assert!(asks(&site, "c1", "one").contains("lease of 10.1.0.100 obtained"));
    assert!(asks(&site, "c1", "one").contains("lease of 10.1.0.100 obtained"));
    assert!(!site.ok("logs gw").contains("two machines"));
    asks(&site, "c2", "two");
    logged(&site, "02:00:00:00:00:01 calls itself `two` and was `one`: if those are two machines");
    // Somebody else is served on.
    assert!(asks(&site, "c3", "three").contains("lease of 10.1.0.101 obtained"));
    site.ok("down");
}}

alone! { Root, fn a_range_that_is_used_up_is_said_and_who_has_a_lease_keeps_it() {
    let site = yard("full");
    assert!(asks(&site, "c1", "one").contains("obtained"));
    assert!(asks(&site, "c2", "two").contains("obtained"));
    assert!(!asks(&site, "c3", "three").contains("obtained"));
    logged(&site, "lan: no address is left for ");
    let status = site.ok("status");
    assert!(status.contains("a wider `range` or a shorter `lease` helps"), "{status}");
    assert!(asks(&site, "c1", "one").contains("obtained"), "it is known");
    // Addresses of the file are no part of it.
    assert!(asks(&site, "h1", "h1").contains("lease of 10.1.0.7 obtained"));
    site.ok("down");
}}

/// The file of leases of `gw`.
fn lease_file() -> PathBuf {
    let base = PathBuf::from("/var/lib/netyard");
    let mut yards = fs::read_dir(base).expect("data").flatten();
    yards
        .find_map(|yard| {
            let file = yard.path().join("process/gw/services/leases");
            file.is_file().then_some(file)
        })
        .expect("the file of leases")
}

alone! { Root, fn a_lease_file_that_is_cut_short_costs_one_lease() {
    let site = yard("cut");
    assert!(asks(&site, "c1", "one").contains("obtained"));
    assert!(asks(&site, "c2", "two").contains("obtained"));
    site.ok("down --keep-data");
    let file = lease_file();
    let whole = fs::read(&file).expect("leases");
    fs::write(&file, &whole[..whole.len() - 9]).expect("leases");
    site.ok("up");
    logged(&site, "1 line(s) are cut short or broken and were left out; 1 lease(s) are whole");
    assert_eq!(fs::read(file.with_file_name("leases.broken")).expect("kept").len(), whole.len() - 9);
    let leases = site.ok("leases");
    assert!(leases.contains("one") && !leases.contains("two"), "{leases}");
    assert!(asks(&site, "c2", "two").contains("obtained"));
    // Nothing but rubbish: all begins anew, and says so.
    site.ok("down --keep-data");
    fs::write(&file, [b'\n', 0xff, 0, b'{', b'\n'].repeat(50)).expect("leases");
    site.ok("up");
    logged(&site, "0 lease(s) are whole");
    assert!(asks(&site, "c3", "three").contains("obtained"));
    site.ok("down");
}}

alone! { Root, fn an_unreachable_resolver_is_said_and_names_of_the_yard_are_answered() {
    let site = yard("unreachable");
    let begin = Instant::now();
    let output = site.run("exec h1 -- dig +time=20 +tries=1 @10.1.0.1 example.org");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("status: SERVFAIL"), "{said}");
    assert!(begin.elapsed().as_secs() < 20, "the client hears of it before it gives up");
    logged(&site, "the name server 10.9.9.9:53 does not answer");
    assert_eq!(site.ok("exec h1 -- dig +short @10.1.0.1 h1.lan.test").trim(), "10.1.0.7");
    site.ok("down");
}}

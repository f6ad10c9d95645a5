//! The command itself, and what is about the machine as a whole.

use serde_json::json;

use super::Patient;
use crate::alone::alone;
use crate::directory;

alone! { Root, fn a_name_that_leads_to_no_namespace_is_named() {
    let mut patient = Patient::host();
    patient.sh("ip netns add alive");
    patient.is_free_of("netns-not-a-namespace");
    patient.sh("touch /run/netns/dead");
    let finding = patient.suffers("netns-not-a-namespace", &[("file", json!("/run/netns/dead"))]);
    patient.obeys(&finding);
    patient.is_free_of("netns-not-a-namespace");
}}

alone! { Root, fn a_loopback_that_is_down_is_named() {
    let mut patient = Patient::host();
    patient.is_free_of("loopback-down");
    patient.sh("ip link set lo down");
    let finding = patient.suffers("loopback-down", &[("interface", json!("lo"))]);
    patient.obeys(&finding);
    patient.is_free_of("loopback-down");
}}

alone! { Root, fn people_read_what_is_wrong_and_what_to_do() {
    let patient = Patient::host();
    patient.sh("ip link set lo down");
    let doctor = crate::netyard().arg("doctor").current_dir(directory().path()).assert();
    doctor.code(3).stderr_eq("").stdout_eq(snapbox::str![[r#"
error[loopback-down]: `lo` is down
  seen: interface lo, flag IFF_UP
hint: `ip link set lo up`

doctor: 1 error

"#]]);
    patient.sh("ip link set lo up");
    let doctor = crate::netyard().arg("doctor").current_dir(directory().path()).assert();
    doctor.code(0).stderr_eq("").stdout_eq("doctor: nothing wrong\n");
}}

alone! { User, fn without_root_it_says_what_it_could_not_look_at() {
    let dir = directory();
    let output = crate::netyard().args(["doctor", "--json"]).current_dir(dir.path()).output();
    let output = output.unwrap();
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let unseen: Vec<&str> =
        document["unseen"].as_array().unwrap().iter().map(|one| one["what"].as_str().unwrap()).collect();
    assert!(unseen.contains(&"nftables"), "{document:#}");
    assert_eq!(document["found"][0]["check"], "loopback-down", "{document:#}");
}}

alone! { User, fn without_root_a_yard_is_looked_at_in_its_own_namespaces() {
    let site = crate::site::Site::new("yard: pair\nnodes: { a: {}, b: {} }\nlinks: [[a:x, b:x]]\n");
    site.ok("up");
    site.ok("exec a -- nft add table inet t");
    site.ok("exec a -- ip link set lo down");
    let output = site.run("doctor --json");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["yard"], "pair");
    let found = document["found"].as_array().unwrap();
    let lo = found.iter().find(|one| one["check"] == "loopback-down" && one["place"] == "a");
    assert!(lo.is_some(), "{document:#}");
    assert_eq!(output.status.code(), Some(3));
    let named = site.run("doctor --yard pair --json");
    assert_eq!(named.status.code(), Some(3));
    site.ok("down");
}}

alone! { Root, fn a_namespace_below_a_session_is_named() {
    let mut patient = Patient::host();
    patient.sh("mkdir -p /run/user/1000 /run/netns; ip netns add good");
    patient.is_free_of("netns-of-a-session");
    patient.sh("touch /run/user/1000/ns; mount --bind /proc/self/ns/net /run/user/1000/ns; ln -s /run/user/1000/ns /run/netns/lost");
    let finding = patient.suffers("netns-of-a-session", &[
        ("file", json!("/run/netns/lost")),
        ("leads-to", json!("/run/user/1000/ns")),
    ]);
    patient.sh("ip netns exec lost true");
    patient.obeys(&finding);
    patient.is_free_of("netns-of-a-session");
    patient.sh("umount /run/user/1000/ns; ip netns exec lost true");
}}

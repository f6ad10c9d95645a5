//! What other tools wrote comes up as a yard, and carries packets.

use std::fs;
use std::path::PathBuf;

use crate::alone::alone;
use crate::site::Site;
use crate::{netyard, repository};

fn case(path: &str) -> PathBuf {
    repository().join("cases/import").join(path)
}

/// A site with the yard that an import made, up.
fn imported(format: &str, path: &str) -> Site {
    let site = Site::new("");
    fs::remove_file(site.path().join("netyard.yaml")).expect("a file");
    site.ok(&format!("import {format} {} -o netyard.yaml", case(path).display()));
    site.ok("up");
    site
}

alone! { User, fn a_ring_of_containerlab_pings_around() {
    let site = imported("containerlab", "containerlab/brief/ring.clab.yml");
    site.ok("exec r1 -- ping -c1 -W2 10.0.12.2");
    // Over another router, both ways.
    site.ok("exec r1 -- ping -c1 -W2 10.0.23.2");
    site.ok("exec r3 -- ping -c1 -W2 10.0.12.2");
    // The size of a frame there.
    site.ok("exec r1 -- ping -c1 -W2 -M do -s 9000 10.0.31.1");
    assert!(site.ok("up").contains("nothing to do"));
    site.ok("down");
}}

alone! { User, fn a_bridge_of_containerlab_joins_its_nodes() {
    let site = imported("containerlab", "containerlab/ovs");
    site.ok("exec h1 -- ping -c1 -W2 10.0.0.2");
    assert!(!site.run("exec h1 -- ping -c1 -W1 10.0.0.3").status.success());
    site.ok("down");
}}

alone! { User, fn a_kathara_lab_with_static_routes_pings_end_to_end() {
    let site = imported("kathara", "kathara/static-routing");
    site.ok("exec pc1 -- ping -c1 -W2 200.1.1.7");
    site.ok("exec pc2 -- ping -c1 -W2 195.11.14.5");
    site.ok("down");
}}

alone! { User, fn a_graph_of_meshnet_lab_pings_from_its_hub() {
    let site = imported("meshnet-lab", "meshnet-lab/star/star.json");
    let status: serde_json::Value =
        serde_json::from_str(&site.ok("status --json")).expect("JSON");
    let list = status["nodes"].as_array().expect("nodes");
    let leaf = list.iter().find(|node| node["node"] == "s5").expect("a leaf");
    let eth0 = leaf["interfaces"].as_array().expect("interfaces").iter().find(|i| i["interface"] == "eth0");
    let own = eth0.expect("eth0")["addresses"][0].as_str().expect("an address").to_owned();
    site.ok(&format!("exec hub -- ping -c1 -W2 {}", own.split('/').next().expect("a prefix")));
    site.ok("down");
}}

/// Runs lines of a shell where the test is.
fn shell(lines: &str) -> String {
    let output = std::process::Command::new("sh").args(["-ec", lines]).output().expect("sh");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{lines}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

alone! { Root, fn a_network_of_libvirt_gives_its_guests_addresses_and_names() {
    crate::serve::needs(&["udhcpc", "dig"]);
    let site = imported("libvirt", "libvirt/portable-cloud/vnet0.xml");
    shell("ip netns add guest && ip link add vnet7 master virbr0 up type veth peer eth0 netns guest &&
           ip -n guest link set eth0 up");
    let leased = shell("ip netns exec guest udhcpc -i eth0 -f -n -q -t 8 -T 1 -s /bin/true 2>&1");
    let address = leased.split("lease of ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a lease");
    let host: u32 = address.parse::<std::net::Ipv4Addr>().expect("an address").into();
    let within = 0xac10_8000..=0xac10_fffe_u32;
    assert!(within.contains(&host), "{leased}");
    shell(&format!("ip -n guest addr add {address}/16 dev eth0 && ip netns exec guest ping -c1 -W2 172.16.0.1"));
    shell("ip netns exec guest dig +time=2 +tries=2 @172.16.0.1 vnet0 SOA | grep -q NOERROR");
    shell("ip netns del guest");
    site.ok("down");
}}

alone! { Root, fn networkds_bridge_and_cable_come_up_and_plan_is_empty() {
    let site = imported("networkd", "networkd/lines-go-on");
    shell("ip netns add guest && ip link add p0 master br-long up type veth peer eth0 netns guest &&
           ip -n guest link set eth0 up && ip -n guest addr add 10.3.0.9/24 dev eth0 &&
           ip netns exec guest ping -c1 -W2 10.3.0.1");
    assert!(shell("ip route show default").contains("10.2.0.254"));
    site.ok("plan --check");
    shell("ip netns del guest");
    site.ok("down");
}}

#[test]
fn a_directory_of_netplan_is_read_whole_in_the_order_of_its_names() {
    let dir = crate::directory();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).expect("a file");
    write("20-b.yaml", "network: { bridges: { br0: { mtu: 9000, addresses: [10.2.0.1/24] } } }");
    write("10-a.yaml", "network: { bridges: { br0: { mtu: 1400, addresses: [10.1.0.1/24] } } }");
    write("notes.txt", "nothing");
    let output =
        netyard().args(["import", "netplan"]).arg(dir.path()).output().expect("the binary");
    let made = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(made.contains("mtu: 9000") && made.contains("[10.1.0.1/24, 10.2.0.1/24]"), "{made}");
    let empty = crate::directory();
    let output =
        netyard().args(["import", "netplan"]).arg(empty.path()).output().expect("the binary");
    assert!(String::from_utf8_lossy(&output.stderr).contains("there is no file of netplan"));
}

#[test]
fn an_import_says_what_it_left_out_and_writes_over_nothing() {
    let dir = crate::directory();
    let file = case("containerlab/inheritance/inherit.clab.yml");
    let import = |more: &[&str]| {
        let mut command = netyard().arg("import").arg("containerlab").arg(&file);
        for word in more {
            command = command.arg(word);
        }
        command.current_dir(dir.path()).output().expect("the binary")
    };
    let first = import(&["-o", "netyard.yaml"]);
    let said = String::from_utf8_lossy(&first.stderr).into_owned();
    assert!(first.status.success(), "{said}");
    assert!(
        said.contains("inherit.clab.yml:3:1") && said.contains("no management network"),
        "{said}"
    );
    assert!(said.contains("taken over: ") && !said.contains("leaf1.exec"), "{said}");
    assert!(String::from_utf8_lossy(&import(&["--all"]).stderr).contains("leaf1.exec"));
    let written = fs::read_to_string(dir.path().join("netyard.yaml")).expect("the yard");
    let second = import(&["-o", "netyard.yaml"]);
    assert!(!second.status.success());
    assert_eq!(fs::read_to_string(dir.path().join("netyard.yaml")).expect("the yard"), written);
    let json: serde_json::Value =
        serde_json::from_slice(&import(&["--json"]).stdout).expect("JSON");
    assert_eq!(json["yard"], written);
    assert!(json["notes"].as_array().expect("notes").iter().any(|note| note["fate"] == "ignored"));
}

#[test]
fn a_foreign_topology_in_the_place_of_a_yard_is_named() {
    let file = case("containerlab/brief/ring.clab.yml");
    for command in ["check", "up", "plan"] {
        let output = netyard().arg(command).arg("-f").arg(&file).output().expect("the binary");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success());
        assert!(said.contains("this is a containerlab topology"), "{command}: {said}");
        assert!(said.contains("netyard import containerlab"), "{command}: {said}");
        assert!(!said.contains("unknown key"), "{command}: {said}");
    }
}

#[test]
fn a_bad_foreign_file_is_refused_with_its_places() {
    let output = netyard()
        .args(["import", "containerlab"])
        .arg(case("containerlab/unknown-node/bad.clab.yml"))
        .output()
        .expect("the binary");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    assert!(said.contains("there is no node `leaf2`") && said.contains("bad.clab.yml:7"), "{said}");
    assert!(said.contains("did you mean `leaf1`?"), "{said}");
}

//! What a usual kernel may lack.

use super::*;

#[test]
#[ignore = "needs the VM tier: flowtables"]
fn an_offloaded_connection_goes_on_past_the_rules() {
    use std::io::{Read, Write};
    let text = sides(
        "    forward: { policy: drop, allow: [ping, tcp 80] }\n    nat: { masquerade: outside }\n    offload: [inside, outside]\n",
    );
    lab(&text, |lab| {
        let listener = lab.listen("out", 80);
        let mut stream = lab.opens("in", &at(OUT, 80)[0]);
        let mut server = loop {
            if let Ok((server, _)) = listener.accept() {
                break server;
            }
        };
        server.set_nonblocking(false).unwrap();
        let mut exchange = || {
            for _ in 0..50 {
                stream.write_all(&[7; 1000]).unwrap();
                server.read_exact(&mut [0; 1000]).unwrap();
                server.write_all(&[8]).unwrap();
                stream.read_exact(&mut [0; 1]).unwrap();
            }
        };
        exchange();
        let before = lab.counted("gw", "what belongs to a connection");
        exchange();
        let after = lab.counted("gw", "what belongs to a connection");
        assert!(after - before < 50, "{before} to {after}: the rules saw every packet");
        let flows = sh("ip netns exec bed-gw grep -c OFFLOAD /proc/net/nf_conntrack || true");
        assert_ne!(flows.trim(), "0");
    });
}

#[test]
#[ignore = "needs the VM tier: 802.1Q"]
fn a_router_between_vlans_of_one_cable_masquerades_one_of_them() {
    let text = r#"
yard: bed
networks: { trunk: {} }
nodes:
  gw:
    forward: true
    interfaces:
      eth0: { network: trunk, address: none }
      wan: { kind: vlan, parent: eth0, id: 1, address: 192.168.10.1/24 }
      up: { kind: vlan, parent: eth0, id: 5, address: 203.0.113.1/24 }
  node:
    interfaces:
      eth0: { network: trunk, address: none }
      wan: { kind: vlan, parent: eth0, id: 1, address: 192.168.10.2/24, gateway: 192.168.10.1 }
  world:
    interfaces:
      eth0: { network: trunk, address: none }
      up: { kind: vlan, parent: eth0, id: 5, address: 203.0.113.2/24, gateway: 203.0.113.1 }
firewall:
  gw:
    forward: { policy: drop }
    policies: [ { from: wan, to: up, policy: accept } ]
    nat: { masquerade: [ { out: up, from: wan } ] }
"#;
    lab(text, |lab| {
        let (world, _node) = (lab.listen("world", 80), lab.listen("node", 80));
        drop(lab.opens("node", "203.0.113.2:80"));
        assert_eq!(peer(&world).ip(), "203.0.113.1".parse::<IpAddr>().unwrap());
        assert_eq!(lab.tcp("world", "192.168.10.2:80"), Silent);
    });
}

#[test]
#[ignore = "needs the VM tier: the kernel's log"]
fn what_rules_note_is_in_the_kernels_log() {
    // There is this setting in the machine's own namespace alone.
    let is_machine = std::fs::write("/proc/sys/net/netfilter/nf_log_all_netns", "1").is_ok();
    let text = sides(
        r#"
    input:
      policy: drop
      log: "stray: "
      deny: [{ tcp: 81, log: "eighty-one: " }]
      allow: [ping, { tcp: 80, log: true }]
"#,
    );
    lab(&text, |lab| {
        let _open: Vec<_> = (80..83).map(|port| lab.listen("gw", port)).collect();
        lab.ready("in", bare(GW_IN[0]));
        let answers = [80, 81, 82].map(|port| lab.tcp("in", &at(GW_IN, port)[0]));
        assert_eq!(answers, [Open, Silent, Silent]);
    });
    if is_machine {
        let log = sh("dmesg");
        for line in ["IN=inside", "eighty-one: IN=inside", "stray: IN=inside"] {
            assert!(log.contains(line), "no `{line}` in {log}");
        }
        let noted = |port: u16| log.lines().filter(|l| l.contains(&format!("DPT={port} "))).count();
        assert!([80, 81, 82].iter().all(|port| noted(*port) > 0), "{log}");
    }
}

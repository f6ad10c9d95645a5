//! Firewalls of others, and netfilter itself.

use std::net::UdpSocket;
use std::os::fd::AsFd;
use std::time::Duration;

use netyard_linux::netns::Worker;
use serde_json::json;

use super::{HOME, Patient, Running};
use crate::alone::alone;

alone! { Root, fn a_policy_of_somebody_else_is_named_and_the_hint_helps() {
    let mut patient = Patient::yard(HOME);
    patient.sh("nft add table inet strict
        nft add chain inet strict through '{ type filter hook forward priority 10; policy accept; }'");
    patient.is_free_of("foreign-policy-drop");
    patient.sh("nft chain inet strict through '{ policy drop; }'");
    let finding = patient.suffers("foreign-policy-drop", &[
        ("family", json!("inet")),
        ("table", json!("strict")),
        ("chain", json!("through")),
        ("handle", json!(1)),
        ("hook", json!("forward")),
        ("priority", json!(10)),
        ("policy", json!("drop")),
        ("interface", json!("lan")),
        ("outside", json!("eth0")),
    ]);
    assert_eq!(finding["severity"], "error");
    // `plan` says so, too, before anything is made.
    let (said, code) = patient.said("plan --brief");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("error[foreign-policy-drop]: the policy of chain `inet strict through` drops"), "{said}");
    assert!(said.contains("handle 1"), "{said}");
    patient.obeys(&finding);
    patient.is_free_of("foreign-policy-drop");
}}

alone! { Root, fn a_rule_of_somebody_else_is_named_by_its_handle() {
    let mut patient = Patient::yard(HOME);
    patient.sh("
        nft add table inet guard
        nft add chain inet guard through '{ type filter hook forward priority 0; }'
        nft add chain inet guard deep
        nft add rule inet guard through ct state established,related accept
        nft add rule inet guard through ip saddr 10.8.0.0/16 drop
        nft add rule inet guard through oifname eth0 meta l4proto tcp jump deep
        nft add rule inet guard deep tcp dport { 22, 25 } drop
    ");
    patient.is_free_of("foreign-rule-drop");
    patient.sh("nft add rule inet guard deep ip saddr 10.7.0.0/24 tcp dport 1-1024 reject");
    let handle = handle("inet guard deep", "reject");
    let finding = patient.suffers("foreign-rule-drop", &[
        ("table", json!("guard")),
        ("chain", json!("deep")),
        ("base", json!("through")),
        ("handle", json!(handle)),
        ("rule", json!("ip saddr 10.7.0.0/24 tcp dport 1-1024 reject")),
    ]);
    assert!(finding["message"].as_str().unwrap().contains("rejects IPv4 from network `lan`"), "{finding}");
    patient.obeys(&finding);
    patient.is_free_of("foreign-rule-drop");
}}

alone! { Root, fn docker_is_known_by_its_chain_and_its_own_hook_helps() {
    let mut patient = Patient::yard(HOME);
    patient.sh("iptables-nft -N DOCKER-USER; iptables-nft -A DOCKER-USER -j RETURN
        iptables-nft -N DOCKER-FORWARD; iptables-nft -A FORWARD -j DOCKER-USER
        iptables-nft -A FORWARD -j DOCKER-FORWARD
        iptables-nft -A DOCKER-FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
        iptables-nft -A DOCKER-FORWARD -i docker0 -j ACCEPT");
    patient.is_free_of("docker-drop");
    patient.sh("iptables-nft -P FORWARD DROP");
    let finding = patient.suffers("docker-drop", &[
        ("family", json!("ip")),
        ("table", json!("filter")),
        ("chain", json!("FORWARD")),
        ("policy", json!("drop")),
        ("priority", json!(0)),
    ]);
    patient.obeys(&finding);
    patient.is_free_of("docker-drop");
}}

alone! { Root, fn packets_end_where_doctor_says_and_pass_after_what_it_says() {
    let mut patient = Patient::yard(HOME);
    patient.sh("ip netns add far; ip link set wire netns far; ip -n far link set wire up
        ip -n far address add 198.51.100.1/24 dev wire; ip -n far route add 10.7.0.0/24 via 198.51.100.2");
    patient.netyard("up");
    patient.netyard("exec a -- ping -c1 -W5 198.51.100.1");
    patient.is_free_of("docker-drop");
    patient.sh("iptables-nft -N DOCKER-USER; iptables-nft -A FORWARD -j DOCKER-USER
        iptables-nft -P FORWARD DROP");
    assert_ne!(patient.said("exec a -- ping -c1 -W1 198.51.100.1").1, Some(0));
    let finding = patient.suffers("docker-drop", &[("chain", json!("FORWARD")), ("interface", json!("lan"))]);
    patient.obeys(&finding);
    patient.netyard("exec a -- ping -c1 -W5 198.51.100.1");
    patient.is_free_of("docker-drop");
    patient.netyard("down");
}}

/// What Docker 28 makes of IPv4 when it starts and has a bridge of its own, as
/// `iptables-save` shows it.
const DOCKER: &str = "
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-BRIDGE - [0:0]
:DOCKER-CT - [0:0]
:DOCKER-FORWARD - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-ISOLATION-STAGE-2 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-FORWARD
-A DOCKER ! -i docker0 -o docker0 -j DROP
-A DOCKER-BRIDGE -o docker0 -j DOCKER
-A DOCKER-CT -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER-FORWARD -j DOCKER-CT
-A DOCKER-FORWARD -j DOCKER-ISOLATION-STAGE-1
-A DOCKER-FORWARD -j DOCKER-BRIDGE
-A DOCKER-FORWARD -i docker0 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -i docker0 ! -o docker0 -j DOCKER-ISOLATION-STAGE-2
-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
COMMIT
";

alone! { Root, fn what_docker_makes_is_blamed_by_plan_and_doctor_and_explain() {
    let mut patient = Patient::yard(HOME);
    patient.sh("ip netns add far; ip link set wire netns far; ip -n far link set wire up
        ip -n far link set lo up; ip -n far address add 198.51.100.1/24 dev wire");
    patient.netyard("up");
    let passes = "exec a -- ping -c1 -W2 198.51.100.1";
    patient.netyard(passes);
    assert_eq!(patient.said("explain a 198.51.100.1").1, Some(0));
    patient.netyard("down");
    patient.is_free_of("docker-drop");

    patient.sh(&format!("ip link add docker0 type bridge; ip link set docker0 up
        iptables-nft-restore <<'EOF'\n{DOCKER}EOF\n"));
    let chain = chain_handle("ip filter", "FORWARD");
    // Before it is up, by what is asked about the plan.
    let before: serde_json::Value = serde_json::from_str(&patient.netyard("plan --json")).unwrap();
    let concerns = before["concerns"].as_array().unwrap();
    let concern = concerns.iter().find(|one| one["check"] == "docker-drop").expect("a concern");
    assert_eq!(concern["evidence"]["handle"], chain, "{concern:#}");
    assert!(patient.said("plan").0.contains("[docker-drop]"), "{:?}", patient.said("plan"));
    // While it is, by its packets.
    patient.netyard("up");
    assert_ne!(patient.said(passes).1, Some(0));
    let finding = patient.suffers_beside(
        "docker-drop",
        &[("chain", json!("FORWARD")), ("handle", json!(chain)), ("policy", json!("drop"))],
        // Its bridge has no guest yet.
        &["bridge-no-carrier", "multicast-querier"],
    );
    let explained = patient.output("explain a 198.51.100.1");
    let last = explained.lines().last().unwrap_or_default();
    let words = ["ends at host: ", "table `ip filter`, chain `FORWARD`", "[filter-policy]"];
    for word in words.iter().copied().chain([&*format!("(handle {chain})")]) {
        assert!(last.contains(word), "no `{word}` in {explained}");
    }
    // What doctor says helps, and Docker's own rules stay as they are.
    patient.obeys(&finding);
    patient.netyard(passes);
    patient.is_free_of("docker-drop");
    patient.netyard("down");
    patient.sh("iptables-nft-save | grep -q '^:FORWARD DROP'
        iptables-nft -t nat -S POSTROUTING | grep -q 'MASQUERADE'");
}}

/// The kernel's number for a chain, as nft tells it.
fn chain_handle(table: &str, chain: &str) -> u64 {
    let script = format!("nft -a list chain {table} {chain}");
    let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|line| line.contains(&format!("chain {chain} "))).expect(&text);
    line.rsplit("handle ").next().unwrap().parse().unwrap()
}

alone! { Root, fn rules_that_somebody_flushed_are_missed() {
    let mut patient = Patient::yard(HOME);
    patient.is_free_of("rules-gone");
    patient.netyard("up");
    patient.is_free_of("rules-gone");
    patient.sh("nft flush ruleset");
    let finding = patient.suffers("rules-gone", &[("family", json!("inet")), ("table", json!("netyard-home"))]);
    assert_eq!(finding["severity"], "error");
    patient.netyard("up");
    patient.is_free_of("rules-gone");
    patient.netyard("down");
}}

alone! { Root, fn ufw_is_known_by_its_chains() {
    let mut patient = Patient::yard(HOME);
    patient.sh("for c in ufw-before-input ufw-user-input ufw-before-forward ufw-user-forward; do
          iptables-nft -N $c; done
        iptables-nft -A INPUT -j ufw-before-input; iptables-nft -A INPUT -j ufw-user-input
        iptables-nft -A FORWARD -j ufw-before-forward; iptables-nft -A FORWARD -j ufw-user-forward
        iptables-nft -A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
        iptables-nft -A ufw-before-input -p icmp --icmp-type echo-request -j ACCEPT
        iptables-nft -A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT");
    patient.is_free_of("ufw-drop");
    patient.sh("iptables-nft -P INPUT DROP; iptables-nft -P FORWARD DROP");
    let finding = patient.suffers("ufw-drop", &[("chain", json!("FORWARD")), ("table", json!("filter"))]);
    assert_eq!(finding["fix"][0], "`ufw route allow in on lan out on eth0`");
    // What ufw makes of that command, and for the host's own DHCP and DNS.
    patient.sh("iptables-nft -A ufw-user-forward -i lan -o eth0 -j ACCEPT");
    let finding = patient.suffers("ufw-drop", &[("chain", json!("INPUT"))]);
    assert_eq!(finding["severity"], "warning", "a ping passes: {finding:#}");
    assert_eq!(finding["fix"][0], "`ufw allow in on lan`");
    patient.sh("iptables-nft -A ufw-user-input -i lan -j ACCEPT");
    patient.is_free_of("ufw-drop");
}}

alone! { Root, fn firewalld_is_known_by_its_table() {
    let mut patient = Patient::yard(HOME);
    // As firewalld 2 writes it: zones by interface, the default zone last.
    patient.sh("
        nft add table inet firewalld
        nft add chain inet firewalld filter_FORWARD '{ type filter hook forward priority 10; policy accept; }'
        nft add chain inet firewalld filter_FORWARD_ZONES
        nft add chain inet firewalld filter_FWD_public
        nft add chain inet firewalld filter_FWD_trusted
        nft add rule inet firewalld filter_FWD_trusted accept
        nft add rule inet firewalld filter_FORWARD ct state established,related accept
        nft add rule inet firewalld filter_FORWARD ct status dnat accept
        nft add rule inet firewalld filter_FORWARD iifname lo accept
        nft add rule inet firewalld filter_FORWARD jump filter_FORWARD_ZONES
    ");
    patient.is_free_of("firewalld-drop");
    patient.sh("
        nft add rule inet firewalld filter_FORWARD_ZONES goto filter_FWD_public
        nft add rule inet firewalld filter_FWD_public reject with icmpx admin-prohibited
    ");
    let handle = handle("inet firewalld filter_FWD_public", "reject");
    let finding = patient.suffers("firewalld-drop", &[
        ("family", json!("inet")),
        ("table", json!("firewalld")),
        ("chain", json!("filter_FWD_public")),
        ("handle", json!(handle)),
        ("base", json!("filter_FORWARD")),
        ("priority", json!(10)),
    ]);
    assert!(finding["fix"][0].as_str().unwrap().contains("--zone=trusted --add-interface=lan"));
    // What firewalld makes of that.
    patient.sh("nft insert rule inet firewalld filter_FORWARD_ZONES iifname lan goto filter_FWD_trusted");
    patient.is_free_of("firewalld-drop");
}}

alone! { Root, fn libvirt_is_known_by_its_chains() {
    let mut patient = Patient::yard(&HOME.replace("masquerade", "{ masquerade: virbr0 }"));
    patient.sh("ip link add virbr0 type bridge; ip address add 192.168.122.1/24 dev virbr0
        ip link set virbr0 up
        iptables-nft -N LIBVIRT_FWI; iptables-nft -A FORWARD -j LIBVIRT_FWI
        iptables-nft -A LIBVIRT_FWI -d 192.168.122.0/24 -o virbr0 -m conntrack \
            --ctstate RELATED,ESTABLISHED -j ACCEPT");
    patient.is_free_of("libvirt-reject");
    patient.sh("iptables-nft -A LIBVIRT_FWI -o virbr0 -j REJECT");
    let handle = handle("ip filter LIBVIRT_FWI", "reject");
    let finding = patient.suffers("libvirt-reject", &[
        ("chain", json!("LIBVIRT_FWI")),
        ("base", json!("FORWARD")),
        ("handle", json!(handle)),
        ("rule", json!("oifname \"virbr0\" reject")),
    ]);
    patient.sh(finding["fix"][1].as_str().unwrap().split('`').nth(3).unwrap());
    patient.is_free_of("libvirt-reject");
}}

alone! { Root, fn without_a_yard_a_strict_host_is_worth_a_note() {
    let mut patient = Patient::host();
    patient.is_free_of("foreign-policy-drop");
    patient.sh("nft add table ip f
        nft add chain ip f c '{ type filter hook forward priority 0; policy drop; }'");
    let finding = patient.suffers("foreign-policy-drop", &[("table", json!("f"))]);
    assert_eq!(finding["severity"], "note");
}}

alone! { Root, fn what_one_cannot_tell_is_no_error() {
    let mut patient = Patient::yard(HOME);
    patient.is_free_of("foreign-rule-drop");
    // Who sends is known to nobody beforehand.
    patient.sh("nft add table ip f
        nft add chain ip f c '{ type filter hook forward priority 0; }'
        nft add rule ip f c meta iifgroup 7 drop");
    let finding = patient.suffers("foreign-rule-drop", &[("table", json!("f"))]);
    assert_eq!(finding["severity"], "warning");
    assert!(finding["message"].as_str().unwrap().contains("may drop"), "{finding}");
}}

alone! { Root, fn a_yard_away_from_the_host_fears_no_firewall() {
    let mut patient = Patient::yard("yard: far\nnodes: { a: {}, b: {} }\nlinks: [[a:x, b:x]]\n");
    patient.is_free_of("foreign-policy-drop");
    patient.sh("nft add table ip f
        nft add chain ip f c '{ type filter hook forward priority 0; policy drop; }'");
    patient.is_free_of("foreign-policy-drop");
    assert_eq!(patient.said("plan --brief").0, "");
}}

alone! { Root, fn tables_of_the_old_iptables_are_named() {
    let mut patient = Patient::host();
    patient.is_free_of("iptables-legacy");
    patient.sh("iptables-legacy -P FORWARD DROP");
    patient.suffers("iptables-legacy", &[("table", json!("filter")), ("command", json!("iptables"))]);
}}

alone! { Root, fn a_table_that_goes_with_its_program_is_named() {
    let mut patient = Patient::host();
    patient.is_free_of("table-owner");
    let nft = Running::start(
        "mkfifo /run/talk; nft -i < /run/talk & exec 3> /run/talk
         echo 'add table inet mine { flags owner; }' >&3
         for n in $(seq 500); do nft list tables | grep -q mine && break; done
         echo ready; cat >/dev/null",
    );
    patient.suffers("table-owner", &[
        ("family", json!("inet")),
        ("table", json!("mine")),
        ("flags", json!("owner")),
    ]);
    drop(nft);
}}

alone! { Root, fn a_port_that_is_forwarded_twice_is_named_with_both_rules() {
    let mut patient = Patient::host();
    patient.sh("nft add table ip n
        nft add chain ip n pre '{ type nat hook prerouting priority -100; }'
        nft add rule ip n pre tcp dport 8443 dnat to 10.9.0.1:443
        nft add rule ip n pre iifname eth0 tcp dport 8080 dnat to 10.9.0.1:80");
    patient.is_free_of("dnat-shadowed");
    patient.sh("iptables-nft -t nat -A PREROUTING -p tcp --dport 8443 -j DNAT --to 10.9.0.7:443");
    patient.suffers("dnat-shadowed", &[
        ("family", json!("ip")),
        ("table", json!("n")),
        ("chain", json!("pre")),
        ("handle", json!(handle("ip n pre", "dport 8443"))),
        ("port", json!(8443)),
        ("hidden-table", json!("nat")),
        ("hidden-chain", json!("PREROUTING")),
        ("hidden-handle", json!(handle("ip nat PREROUTING", "dport 8443"))),
    ]);
}}

alone! { Root, fn a_flow_that_goes_on_to_an_old_target_is_named() {
    let mut patient = Patient::host();
    patient.sh("
        ip netns add far; ip link add in0 type veth peer name x netns far
        ip address add 10.9.0.254/24 dev in0; ip link set in0 up
        ip -n far address add 10.9.0.1/24 dev x; ip -n far link set x up
        nft add table ip n
        nft add chain ip n pre '{ type nat hook prerouting priority -100; }'
        nft add rule ip n pre udp dport 5300 dnat to 10.9.0.254:5301
    ");
    let server = UdpSocket::bind("10.9.0.254:5301").unwrap();
    server.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let far = std::fs::File::open("/run/netns/far").unwrap();
    let client = Worker::run(|worker| {
        worker.enter(far.as_fd()).unwrap();
        let client = UdpSocket::bind("10.9.0.1:40000").unwrap();
        client.send_to(b"question", "10.9.0.254:5300").unwrap();
        client
    });
    assert_eq!(server.recv(&mut [0; 16]).unwrap(), 8);
    patient.is_free_of("stale-conntrack");
    patient.sh("nft flush chain ip n pre; nft add rule ip n pre udp dport 5300 dnat to 10.9.0.77:5301");
    patient.suffers("stale-conntrack", &[
        ("protocol", json!("udp")),
        ("source", json!("10.9.0.1")),
        ("destination", json!("10.9.0.254")),
        ("port", json!(5300)),
        ("goes-to", json!("10.9.0.254")),
        ("should-go-to", json!("10.9.0.77")),
        ("table", json!("n")),
        ("chain", json!("pre")),
    ]);
    // And so it is: what comes next still goes there.
    client.unwrap().send_to(b"again", "10.9.0.254:5300").unwrap();
    assert_eq!(server.recv(&mut [0; 16]).unwrap(), 5);
}}

alone! { Root, fn a_full_connection_tracking_is_named() {
    let mut patient = Patient::host();
    // Tracking is on where a rule asks for it.
    patient.sh("nft add table ip t
        nft add chain ip t c '{ type filter hook output priority 0; }'
        nft add rule ip t c ct state new counter");
    patient.is_free_of("conntrack-full");
    let number = |file: &str| -> usize {
        let text = std::fs::read_to_string(format!("/proc/sys/net/netfilter/{file}")).unwrap();
        text.trim().parse().unwrap()
    };
    let max = number("nf_conntrack_max");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut sent = 0;
    'all: for host in 1..=250_u8 {
        for port in 1024..=u16::MAX {
            // Nobody listens: what the answer brings is an error of the next call.
            let _ = socket.send_to(b"x", (std::net::Ipv4Addr::new(127, 0, 0, host), port));
            sent += 1;
            if sent % 4096 == 0 && number("nf_conntrack_count") * 100 > max * 92 {
                break 'all;
            }
        }
    }
    patient.suffers("conntrack-full", &[
        ("key", json!("net/netfilter/nf_conntrack_max")),
        ("max", json!(max)),
    ]);
}}

alone! { Root, fn frames_that_iptables_sees_are_named() {
    let mut patient = Patient::host();
    patient.sh("ip link add br7 address 02:00:00:00:00:07 type bridge mcast_snooping 0
        ip link add p0 type veth peer name q0; ip link set p0 master br7
        ip link set br7 addrgenmode none
        ip link set p0 up; ip link set q0 up; ip link set br7 up");
    patient.is_free_of("bridge-netfilter");
    patient.sh("echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables");
    let note = patient.suffers("bridge-netfilter", &[
        ("interface", json!("br7")),
        ("key", json!("net/bridge/bridge-nf-call-iptables")),
    ]);
    assert_eq!(note["severity"], "note", "nothing drops them yet");
    patient.sh("iptables-nft -P FORWARD DROP");
    let error = patient.suffers_beside("bridge-netfilter", &[
        ("interface", json!("br7")),
        ("table", json!("filter")),
        ("chain", json!("FORWARD")),
    ], &["foreign-policy-drop"]);
    assert_eq!(error["severity"], "error");
    // The bridge's own 0 does not help; the namespace's does.
    patient.sh("ip link set br7 type bridge nf_call_iptables 0");
    patient.suffers_beside("bridge-netfilter", &[("interface", json!("br7"))], &["foreign-policy-drop"]);
    patient.obeys(&error);
    patient.is_free_of("bridge-netfilter");
    patient.sh("ip link set br7 type bridge nf_call_iptables 1");
    patient.suffers("bridge-netfilter", &[("attribute", json!("IFLA_BR_NF_CALL_IPTABLES"))]);
}}

/// The handle of the rule of a chain that holds a text.
fn handle(chain: &str, text: &str) -> u64 {
    let output = std::process::Command::new("nft")
        .arg("-a")
        .args(["list", "chain"])
        .args(chain.split(' '))
        .output()
        .unwrap();
    let listed = String::from_utf8_lossy(&output.stdout);
    let line = listed.lines().find(|line| line.contains(text) && line.contains("# handle"));
    let line = line.unwrap_or_else(|| panic!("no {text} in {listed}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

//! Managers that claim what is the yard's.

use serde_json::json;

use super::{HOME, Patient};
use crate::alone::alone;

/// Traces of a networkd that runs.
const NETWORKD: &str =
    "mkdir -p /run/systemd/netif/links /run/systemd/network /etc/systemd/network";

alone! { Root, fn a_file_of_networkd_that_matches_is_named() {
    let mut patient = Patient::yard(HOME);
    patient.sh(NETWORKD);
    patient.sh("printf '[Match]\\nName=eth*\\n[Network]\\nDHCP=yes\\n' > /etc/systemd/network/50-wire.network");
    patient.is_free_of("networkd-claims");
    patient.sh("printf '[Match]\\nName=l* en*\\n[Network]\\nDHCP=yes\\n' > /run/systemd/network/60-all.network");
    let finding = patient.suffers("networkd-claims", &[
        ("interface", json!("lan")),
        ("file", json!("/run/systemd/network/60-all.network")),
        ("match", json!("Name=l* en*")),
    ]);
    assert_eq!(finding["severity"], "error");
    let (said, _) = patient.said("plan --brief");
    assert!(said.contains("error[networkd-claims]"), "{said}");
    // As the hint says: the first that matches counts.
    patient.sh("printf '[Match]\\nName=lan\\n[Link]\\nUnmanaged=yes\\n' > /etc/systemd/network/00-netyard.network");
    patient.is_free_of("networkd-claims");
}}

alone! { Root, fn a_plan_as_json_has_what_will_be_in_its_way() {
    let patient = Patient::yard(HOME);
    let plan = |text: &str| -> serde_json::Value { serde_json::from_str(text).expect("JSON") };
    let before = plan(&patient.netyard("plan --json"));
    assert_eq!(before.get("concerns"), None, "{before:#}");
    patient.sh("nft 'add table ip bad; add chain ip bad f { type filter hook forward priority 5; }
        add rule ip bad f ip saddr 10.7.0.0/24 drop'");
    let text = patient.netyard("plan --json");
    let after = plan(&text);
    let found = &after["concerns"][0];
    assert_eq!((&found["check"], &found["evidence"]["chain"]), (&json!("foreign-rule-drop"), &json!("f")), "{after:#}");
    assert!(found["evidence"]["handle"].is_u64(), "{found:#}");
    let (said, code) = patient.said("plan --json");
    assert_eq!((said.as_str(), code), ("", Some(0)));
}}

alone! { Root, fn a_networkd_that_manages_what_is_netyards_is_named() {
    let mut patient = Patient::yard(HOME);
    patient.netyard("up");
    patient.sh("mkdir -p /run/systemd/netif/links
        echo ADMIN_STATE=unmanaged > /run/systemd/netif/links/$(ip -o link show lan | cut -d: -f1)
        echo ADMIN_STATE=configured > /run/systemd/netif/links/$(ip -o link show eth0 | cut -d: -f1)");
    patient.is_free_of("networkd-manages");
    patient.sh("echo ADMIN_STATE=configured > /run/systemd/netif/links/$(ip -o link show lan | cut -d: -f1)");
    let finding = patient.suffers("networkd-manages", &[("interface", json!("lan")), ("state", json!("configured"))]);
    assert!(finding["fix"][0].as_str().unwrap().contains("[Match] Name=lan"), "{finding}");
}}

alone! { Root, fn a_networkd_that_removes_routes_of_others_is_named() {
    let mut patient = Patient::yard("\
yard: home
networks:
  lan: { host: { }, prefix: 10.7.0.0/24 }
nodes:
  a: { interfaces: { eth0: { network: lan, address: 10.7.0.9/24 } } }
  host: { routes: [{ to: 10.77.0.0/16, via: 10.7.0.9 }] }
");
    patient.is_free_of("networkd-foreign-routes");
    patient.sh(NETWORKD);
    patient.suffers("networkd-foreign-routes", &[
        ("key", json!("ManageForeignRoutes")),
        ("value", json!("yes")),
    ]);
    patient.sh("mkdir -p /etc/systemd/networkd.conf.d; printf '[Network]\\nManageForeignRoutes=no\\n\
        ManageForeignRoutingPolicyRules=no\\n' > /etc/systemd/networkd.conf.d/netyard.conf");
    patient.is_free_of("networkd-foreign-routes");
}}

alone! { Root, fn a_networkmanager_that_was_not_told_is_named() {
    let mut patient = Patient::yard(HOME);
    patient.is_free_of("networkmanager-claims");
    patient.sh("mkdir -p /run/NetworkManager /etc/NetworkManager/conf.d");
    let finding = patient.suffers("networkmanager-claims", &[
        ("interfaces", json!("a.eth0 lan")),
        ("trace", json!("/run/NetworkManager")),
    ]);
    assert!(finding["fix"][0].as_str().unwrap().contains("unmanaged-devices=interface-name:a.eth0;interface-name:lan`"), "{finding}");
    patient.sh("printf '[keyfile]\\nunmanaged-devices=interface-name:a.eth0;interface-name:lan\\n' > /etc/NetworkManager/conf.d/netyard.conf");
    patient.is_free_of("networkmanager-claims");
}}

alone! { Root, fn what_firewalld_does_on_reload_and_to_ipv6_is_named() {
    let mut patient = Patient::host();
    patient.sh("mkdir -p /etc/firewalld; printf 'FlushAllOnReload=no\\nIPv6_rpfilter=loose\\n' > /etc/firewalld/firewalld.conf");
    patient.is_free_of("firewalld-flushes");
    patient.sh("printf 'FlushAllOnReload=yes\\nIPv6_rpfilter=loose\\n' > /etc/firewalld/firewalld.conf");
    patient.suffers("firewalld-flushes", &[
        ("file", json!("/etc/firewalld/firewalld.conf")),
        ("key", json!("FlushAllOnReload")),
    ]);
    patient.is_free_of("firewalld-ipv6-rpfilter");
    patient.sh("printf 'FlushAllOnReload=no\\nIPv6_rpfilter=strict\\n' > /etc/firewalld/firewalld.conf");
    patient.suffers("firewalld-ipv6-rpfilter", &[
        ("file", json!("/etc/firewalld/firewalld.conf")),
        ("value", json!("strict")),
    ]);
}}

alone! { Root, fn a_file_that_flushes_every_table_is_named() {
    let mut patient = Patient::yard(HOME);
    patient.sh("printf 'table inet filter {}\\n' > /etc/nftables.conf");
    patient.is_free_of("flush-ruleset");
    patient.sh("printf '#!/usr/sbin/nft -f\\nflush ruleset\\ntable inet filter {}\\n' > /etc/nftables.conf");
    patient.suffers("flush-ruleset", &[("file", json!("/etc/nftables.conf"))]);
}}

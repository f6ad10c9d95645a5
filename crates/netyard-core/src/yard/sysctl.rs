//! Kernel settings: one spelling for each, and only those that a namespace has.
//!
//! A key is written with dots or with slashes; as in sysctl(8), the first of
//! them in the text is the separator, and the other one is part of a name. With
//! dots an interface's name may have dots too: below `net.ipv4.conf` it is all
//! that stands before the last dot.

use std::collections::BTreeMap;

use super::client;
use super::forward::{self, Need};
use super::gather::{Cast, Node};
use super::relate::Relations;
use crate::diag::yard as diag;
use crate::diag::{Report, Span, Spanned};
use crate::facts::{Facts, HeldSetting};
use crate::name::FullName;
use crate::state::{Place, ProcSys, Sysctl};

/// Folders with one folder for each interface.
const PER_INTERFACE: [&str; 5] =
    ["net/ipv4/conf/", "net/ipv6/conf/", "net/ipv4/neigh/", "net/ipv6/neigh/", "net/mpls/conf/"];

/// Settings below `net/core/` of which there is one for all namespaces
/// (`net_core_table`, net/core/sysctl_net_core.c).
const GLOBAL_CORE: &[&str] = &[
    "bpf_jit_enable",
    "bpf_jit_harden",
    "bpf_jit_kallsyms",
    "bpf_jit_limit",
    "busy_poll",
    "busy_read",
    "default_qdisc",
    "dev_weight",
    "dev_weight_rx_bias",
    "dev_weight_tx_bias",
    "devconf_inherit_init_net",
    "fb_tunnels_only_for_init_net",
    "flow_limit_cpu_bitmap",
    "flow_limit_table_len",
    "gro_normal_batch",
    "high_order_alloc_disable",
    "max_skb_frags",
    "message_burst",
    "message_cost",
    "netdev_budget",
    "netdev_budget_usecs",
    "netdev_max_backlog",
    "netdev_rss_key",
    "netdev_tstamp_prequeue",
    "netdev_unregister_timeout_secs",
    "rps_default_mask",
    "rps_sock_flow_entries",
    "skb_defer_max",
    "tstamp_allow_data",
    "warnings",
];

/// Settings of an interface that only IPv4 has (`devinet_sysctl`, net/ipv4/devinet.c).
const IPV4_ONLY: &[&str] = &[
    "accept_local",
    "arp_accept",
    "arp_announce",
    "arp_evict_nocarrier",
    "arp_filter",
    "arp_ignore",
    "arp_notify",
    "bc_forwarding",
    "bootp_relay",
    "disable_xfrm",
    "drop_gratuitous_arp",
    "force_igmp_version",
    "igmpv2_unsolicited_report_interval",
    "igmpv3_unsolicited_report_interval",
    "log_martians",
    "medium_id",
    "promote_secondaries",
    "proxy_arp",
    "proxy_arp_pvlan",
    "route_localnet",
    "rp_filter",
    "secure_redirects",
    "send_redirects",
    "shared_media",
    "src_valid_mark",
    "tag",
];

/// Settings of an interface that both families have; any other is IPv6's.
const BOTH: &[&str] = &[
    "accept_redirects",
    "accept_source_route",
    "disable_policy",
    "drop_unicast_in_l2_multicast",
    "forwarding",
    "ignore_routes_with_linkdown",
    "mc_forwarding",
];

/// What `forward:` sets.
const FORWARD: [&str; 2] = ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"];

/// What decides on duplicate address detection, of new interfaces and of one.
const DAD: [&str; 2] = ["net/ipv6/conf/default/accept_dad", "net/ipv6/conf/{if}/accept_dad"];

/// What anybody may do in a network whose container has users of its own.
const PRIVATE_USERS: [(&str, &str); 2] =
    [("net/ipv4/ip_unprivileged_port_start", "0"), ("net/ipv4/ping_group_range", "0\t2147483647")];

type Key = (Option<FullName>, String);

/// By node.
pub(super) fn resolve(
    cast: &Cast<'_>,
    relations: &Relations,
    facts: &Facts,
    report: &mut Report,
) -> Vec<Vec<Sysctl>> {
    let needs = forward::needs(cast, relations, facts);
    let nodes = cast.nodes.iter().enumerate();
    nodes.map(|(index, node)| of_node(cast, index, node, &needs, facts, report)).collect()
}

fn of_node(
    cast: &Cast<'_>,
    index: usize,
    node: &Node<'_>,
    needs: &[Need],
    facts: &Facts,
    report: &mut Report,
) -> Vec<Sysctl> {
    let mut settings = Settings { node, values: BTreeMap::new(), report };
    for (key, value) in node.spec.iter().flat_map(|s| &s.sysctl) {
        if let Some(found) = settings.node_key(cast, index, key) {
            settings.set(found, value, key.span);
        }
    }
    for &i in &node.interfaces {
        let interface = &cast.interfaces[i];
        for (key, value) in interface.spec.iter().flat_map(|s| &s.sysctl) {
            for found in interface_keys(&key.value) {
                settings.set((Some(interface.name.clone()), found), value, key.span);
            }
        }
    }
    settings.add_forwarding();
    settings.add_users();
    settings.add_dad(cast);
    settings.add_router_advertisements(cast);
    if cast.is_host(index) {
        settings.add_needs(needs);
        settings.check_rp_filter(facts);
        settings.check_files(facts);
        settings.check_others(facts);
    }
    let place = &node.place;
    settings
        .values
        .into_iter()
        .map(|((interface, key), (value, _))| Sysctl {
            place: place.clone(),
            interface,
            key,
            value,
        })
        .collect()
}

struct Settings<'a, 's> {
    node: &'a Node<'s>,
    values: BTreeMap<Key, (String, Span)>,
    report: &'a mut Report,
}

impl Settings<'_, '_> {
    fn set(&mut self, key: Key, value: &Spanned<String>, span: Span) {
        let text = value_text(&value.value);
        let other = self.values.get(&key).filter(|(other, _)| *other != text);
        if let Some((_, first)) = other {
            self.report.push(diag::sysctl_twice(&key.1, span, *first));
        }
        self.values.insert(key, (text, span));
    }

    /// A key of a node's own `sysctl:`.
    fn node_key(&mut self, cast: &Cast<'_>, index: usize, key: &Spanned<String>) -> Option<Key> {
        let path = slashed(&key.value);
        let is_bad = |part: &str| part.is_empty() || part == "." || part == "..";
        if path.split('/').any(is_bad) || path.contains(['{', '}', '\0']) {
            self.report.push(diag::sysctl_bad(key));
            return None;
        }
        if self.node.place != Place::Host && !self.is_of_namespace(&path, key) {
            return None;
        }
        let Some(folder) = PER_INTERFACE.iter().find(|folder| path.starts_with(**folder)) else {
            return Some((None, path));
        };
        // In a text with slashes the name is one part; in one with dots, all but the last.
        let rest = &path[folder.len()..];
        let Some((name, setting)) = rest.rsplit_once('/') else {
            self.report.push(diag::sysctl_bad(key));
            return None;
        };
        if matches!(name, "all" | "default") {
            return Some((None, path));
        }
        let name = if is_dotted(&key.value) { name.replace('/', ".") } else { name.to_owned() };
        match cast.interface(index, &name) {
            Some(found) => {
                let full = cast.interfaces[found].name.clone();
                Some((Some(full), format!("{folder}{{if}}/{setting}")))
            }
            None => {
                let said = Spanned::new(name, key.span);
                let node = self.node.name.as_str();
                self.report.push(diag::interface_unknown(node, &said, cast.interface_names(index)));
                None
            }
        }
    }

    fn is_of_namespace(&mut self, path: &str, key: &Spanned<String>) -> bool {
        let core = path.strip_prefix("net/core/");
        let is_own = path.starts_with("net/") && !core.is_some_and(|c| GLOBAL_CORE.contains(&c));
        if !is_own {
            self.report.push(diag::sysctl_of_host(key, path == "kernel/hostname"));
        }
        is_own
    }

    /// A container with users of its own has no rights over its network, which belongs to
    /// the host's: that its servers may have any port, and that it may ping, are settings
    /// of the network.
    fn add_users(&mut self) {
        let container = self.node.spec.and_then(|s| s.container.as_ref());
        if container.is_none_or(|said| said.private_users.is_none()) {
            return;
        }
        for (key, value) in PRIVATE_USERS {
            let key = (None, key.to_owned());
            self.values.entry(key).or_insert_with(|| (value.to_owned(), self.node.span));
        }
    }

    /// Link-local addresses are made by the kernel, which tries them for a second
    /// or two; until then a router asks nobody for his hardware address
    /// (`ndisc_send_ns`, net/ipv6/ndisc.c), and packets through it wait. In a
    /// yard nobody else can have them, so routers do not try them, but on
    /// interfaces with `dad: true`.
    fn add_dad(&mut self, cast: &Cast<'_>) {
        let forwarding = self.values.get(&(None, FORWARD[1].to_owned()));
        let is_router = forwarding.is_some_and(|(value, _)| value != "0");
        if self.node.place == Place::Host || !is_router {
            return;
        }
        let mut add = |key: Key, value: &str, span| {
            self.values.entry(key).or_insert_with(|| (value.to_owned(), span));
        };
        add((None, DAD[0].to_owned()), "0", self.node.span);
        for &i in &self.node.interfaces {
            let interface = &cast.interfaces[i];
            if interface.spec.is_some_and(|spec| spec.dad) {
                add((Some(interface.name.clone()), DAD[1].to_owned()), "1", interface.span);
            }
        }
    }

    /// `address: ra`: what the kernel does with router advertisements. What the file
    /// says of the same setting wins.
    fn add_router_advertisements(&mut self, cast: &Cast<'_>) {
        let forwarding = self.values.get(&(None, FORWARD[1].to_owned()));
        let forwards = forwarding.is_some_and(|(value, _)| value != "0");
        for &i in &self.node.interfaces {
            let settings = client::settings(client::sources(cast, i), forwards);
            for (setting, value, span) in settings {
                let key = format!("net/ipv6/conf/{{if}}/{setting}");
                let key = (Some(cast.interfaces[i].name.clone()), key);
                self.values.entry(key).or_insert_with(|| (value.to_owned(), span));
            }
            if let Some(span) = client::deaf(cast, i) {
                let key = "net/ipv6/conf/{if}/accept_ra".to_owned();
                let key = (Some(cast.interfaces[i].name.clone()), key);
                self.values.entry(key).or_insert_with(|| ("0".to_owned(), span));
            }
        }
    }

    /// What uplinks need; the file may not say otherwise.
    fn add_needs(&mut self, needs: &[Need]) {
        for Need { interface, key, value, span } in needs {
            let same = ["net/ipv4/ip_forward", "net/ipv4/conf/all/forwarding"];
            let names = if same.contains(&key.as_str()) { &same[..] } else { &[key.as_str()][..] };
            let said = names.iter().find_map(|name| {
                let (said, at) = self.values.get(&(interface.clone(), (*name).to_owned()))?;
                Some((said == value, *at))
            });
            match said {
                Some((false, at)) => {
                    self.report.push(diag::sysctl_against_uplink(key, value, at, *span));
                }
                Some(_) => {}
                None => {
                    let key = (interface.clone(), key.clone());
                    self.values.insert(key, ((*value).to_owned(), *span));
                }
            }
        }
    }

    /// The kernel takes the greater of `all` and the interface's own.
    fn check_rp_filter(&mut self, facts: &Facts) {
        let all = (None, "net/ipv4/conf/all/rp_filter".to_owned());
        let all = match self.values.get(&all) {
            Some((value, _)) => value.parse().unwrap_or(facts.rp_filter_of_all),
            None => facts.rp_filter_of_all,
        };
        for ((interface, key), (value, span)) in &self.values {
            let Some(name) = interface.as_ref().filter(|_| key.ends_with("/rp_filter")) else {
                continue;
            };
            if value.parse().is_ok_and(|own: u8| own < all) {
                let all = all.to_string();
                let said = diag::rp_filter_overruled(value, &all, name.as_str(), *span);
                self.report.push(said);
            }
        }
    }

    /// Another yard on this host holds a setting, with another value.
    fn check_others(&mut self, facts: &Facts) {
        for ((interface, key), (value, span)) in &self.values {
            let key = match interface {
                Some(name) => key.replace("{if}", name.as_str()),
                None => key.clone(),
            };
            let differs = |held: &&HeldSetting| {
                let same = held.value.split_whitespace().eq(value.split_whitespace());
                held.key == key && !same
            };
            if let Some(held) = facts.held_settings.iter().find(differs) {
                self.report.push(diag::sysctl_of_another_yard(held, value, *span));
            }
        }
    }

    /// A file of settings that says otherwise has its way at the next boot, or
    /// when a package is installed.
    fn check_files(&mut self, facts: &Facts) {
        for ((interface, key), (value, span)) in &self.values {
            let key = match interface {
                Some(name) => key.replace("{if}", name.as_str()),
                None => key.clone(),
            };
            if let Some(line) = facts.sysctl_line(&key).filter(|line| line.value != *value) {
                self.report.push(diag::sysctl_file_differs(&key, value, line, *span));
            }
        }
    }

    /// `forward:`, or what a routing daemon needs; and a netns node that says nothing is no router, whatever
    /// the host is: a new namespace copies the host's IPv4 settings
    /// (devinet_init_net, net/ipv4/devinet.c).
    fn add_forwarding(&mut self) {
        // What a container may write is its own affair.
        let container = self.node.spec.and_then(|s| s.container.as_ref());
        let own = container.is_some_and(|said| said.proc_sys != ProcSys::ReadOnly);
        let is_netns = self.node.place != Place::Host && !own;
        let said = self.node.spec.and_then(|spec| match is_netns {
            true => super::service::forwards(spec),
            // What the host passes on is not for a daemon to say.
            false => spec.forward.clone(),
        });
        for path in FORWARD {
            let key = (None, path.to_owned());
            match &said {
                Some(said) => {
                    let value = said.as_ref().map(|v| if *v { "1" } else { "0" }.to_owned());
                    self.set(key, &value, said.span);
                }
                None if is_netns && path == FORWARD[0] => {
                    let alias = (None, "net/ipv4/conf/all/forwarding".to_owned());
                    if !self.values.contains_key(&key) && !self.values.contains_key(&alias) {
                        self.values.insert(key, ("0".to_owned(), self.node.span));
                    }
                }
                None => {}
            }
        }
    }
}

fn is_dotted(key: &str) -> bool {
    key.find(['.', '/']).is_none_or(|at| key.as_bytes()[at] == b'.')
}

/// A key with slashes. Where the text has slashes, its dots are part of names;
/// where it has dots, a slash stands for a dot in a name.
fn slashed(key: &str) -> String {
    if !is_dotted(key) {
        return key.to_owned();
    }
    let swap = |c| match c {
        '.' => '/',
        '/' => '.',
        c => c,
    };
    key.chars().map(swap).collect()
}

/// The settings that a key of an interface's `sysctl:` means.
fn interface_keys(key: &str) -> Vec<String> {
    let path = key.replace('.', "/");
    let parts: Vec<&str> = path.split('/').collect();
    let conf = |family: &str, setting: &str| format!("net/{family}/conf/{{if}}/{setting}");
    match parts[..] {
        [family @ ("ipv4" | "ipv6"), "neigh", setting] => {
            vec![format!("net/{family}/neigh/{{if}}/{setting}")]
        }
        [family @ ("ipv4" | "ipv6" | "mpls"), setting]
        | [family @ ("ipv4" | "ipv6"), "conf", setting] => vec![conf(family, setting)],
        _ if IPV4_ONLY.contains(&path.as_str()) => vec![conf("ipv4", &path)],
        _ if BOTH.contains(&path.as_str()) => vec![conf("ipv4", &path), conf("ipv6", &path)],
        _ => vec![conf("ipv6", &path)],
    }
}

/// As the kernel reads it back: numbers apart by tabs (`proc_dointvec`,
/// kernel/sysctl.c), truth as 0 and 1.
fn value_text(value: &str) -> String {
    let value = value.trim();
    match value {
        "true" => return "1".to_owned(),
        "false" => return "0".to_owned(),
        _ => {}
    }
    let words: Vec<&str> = value.split_whitespace().collect();
    if words.len() > 1 && words.iter().all(|w| w.parse::<i64>().is_ok()) {
        return words.join("\t");
    }
    value.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_separator_decides() {
        assert_eq!(slashed("net.ipv4.ip_forward"), "net/ipv4/ip_forward");
        assert_eq!(slashed("net/ipv4/conf/eth0.10/rp_filter"), "net/ipv4/conf/eth0.10/rp_filter");
        assert_eq!(slashed("net.ipv4.conf.eth0/10.rp_filter"), "net/ipv4/conf/eth0.10/rp_filter");
    }

    #[test]
    fn a_key_of_an_interface_is_of_the_families_that_have_it() {
        assert_eq!(interface_keys("rp_filter"), ["net/ipv4/conf/{if}/rp_filter"]);
        assert_eq!(interface_keys("ipv6.accept_ra"), ["net/ipv6/conf/{if}/accept_ra"]);
        assert_eq!(interface_keys("accept_ra"), ["net/ipv6/conf/{if}/accept_ra"]);
        assert_eq!(interface_keys("forwarding").len(), 2);
        assert_eq!(
            interface_keys("ipv4.neigh.gc_stale_time"),
            ["net/ipv4/neigh/{if}/gc_stale_time"]
        );
    }

    #[test]
    fn values_are_as_the_kernel_reads_them_back() {
        assert_eq!(value_text("4096 131072  6291456"), "4096\t131072\t6291456");
        assert_eq!(value_text("true"), "1");
        assert_eq!(value_text("cubic reno"), "cubic reno");
    }
}

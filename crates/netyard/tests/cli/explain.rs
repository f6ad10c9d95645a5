//! `netyard explain` in yards that are broken, each in another way. Every one is
//! seen to work before it is broken: without the breaking step the test fails.

use std::process::Command;

use crate::alone::alone;
use crate::site::Site;

/// Two networks' ends, a bridge, and two routers between:
///
/// ```text
/// h1 --+
///      +-- lan -- r1 -- r2 -- h2
/// h3 --+
/// ```
pub const YARD: &str = r#"
yard: y
networks:
  lan: { prefix: [10.0.1.0/24, "fd00:1::/64"] }
nodes:
  h1:
    interfaces:
      eth0: { network: lan, address: [10.0.1.1/24, "fd00:1::1/64"], gateway: [10.0.1.254, "fd00:1::fe"] }
  h3:
    interfaces:
      eth0: { network: lan, address: [10.0.1.3/24, "fd00:1::3/64"], gateway: [10.0.1.254, "fd00:1::fe"] }
  r1:
    forward: true
    interfaces:
      lan0: { network: lan, address: [10.0.1.254/24, "fd00:1::fe/64"] }
      up: { address: [10.0.12.1/24, "fd00:12::1/64"] }
    routes: [{ to: 10.0.2.0/24, via: 10.0.12.2 }, { to: "fd00:2::/64", via: "fd00:12::2" }]
  r2:
    forward: true
    interfaces:
      down: { address: [10.0.12.2/24, "fd00:12::2/64"] }
      h: { address: [10.0.2.254/24, "fd00:2::fe/64"] }
    routes: [{ to: 10.0.1.0/24, via: 10.0.12.1 }, { to: "fd00:1::/64", via: "fd00:12::1" }]
  h2:
    interfaces:
      eth0: { address: [10.0.2.1/24, "fd00:2::1/64"] }
    routes: [{ to: default, via: 10.0.2.254 }, { to: default, via: "fd00:2::fe" }]
links:
  - { ends: [r1:up, r2:down], prefix: [10.0.12.0/24, "fd00:12::/64"] }
  - { ends: [r2:h, h2:eth0], prefix: [10.0.2.0/24, "fd00:2::/64"] }
"#;

/// A yard that is up, and what is asked of it.
pub struct Case {
    pub site: Site,
    pub question: &'static str,
}

/// What was said: all of it, the last line, and the hints.
pub struct Said {
    pub text: String,
    pub last: String,
    pub hints: String,
}

impl Case {
    /// Brings a yard up and sees the packet of `explain QUESTION` arrive.
    #[track_caller]
    pub fn works(yard: &str, question: &'static str) -> Self {
        let site = Site::new(yard);
        site.ok("up");
        let case = Self { site, question };
        case.arrives();
        case
    }

    #[track_caller]
    pub fn arrives(&self) -> Said {
        self.ask(0)
    }

    #[track_caller]
    pub fn ask(&self, code: i32) -> Said {
        let output = self.site.run(&format!("explain {}", self.question));
        let text = String::from_utf8(output.stdout).unwrap();
        let hints = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{text}{hints}");
        let last = text.lines().last().unwrap_or_default().to_owned();
        Said { text, last, hints }
    }

    /// Breaks it with a command in a node's namespace, or the fabric's.
    #[track_caller]
    pub fn broken(self, at: &str, script: &str) -> Self {
        inside(at, script);
        self
    }

    /// The last line says where and what, and all of these.
    #[track_caller]
    pub fn blames(&self, at: &str, id: &str, words: &[&str]) -> Said {
        let said = self.ask(3);
        let begin = format!("ends at {at}: ");
        let Said { text, last, hints } = &said;
        assert!(last.contains(&begin) && last.ends_with(&format!("[{id}]")), "{text}{hints}");
        for word in words {
            assert!(last.contains(word), "no `{word}` in: {last}\n{text}{hints}");
        }
        let json = self.site.run(&format!("explain {} --json", self.question));
        assert_eq!(json.status.code(), Some(3));
        let json = String::from_utf8(json.stdout).unwrap();
        assert!(json.contains(&format!("\"id\": \"{id}\"")), "{json}");
        assert!(json.contains("\"version\": 1"), "{json}");
        self.leaves_nothing();
        said
    }

    /// No table of ours is left anywhere.
    #[track_caller]
    fn leaves_nothing(&self) {
        for node in ["h1", "r1", "h2"] {
            // Where there is no nft there is nothing to look with.
            if Command::new("nft").arg("--version").output().is_err() {
                continue;
            }
            let tables = inside(node, "nft list tables");
            assert!(!tables.contains("netyard_explain"), "{node}: {tables}");
        }
    }
}

#[track_caller]
pub fn inside(at: &str, script: &str) -> String {
    let netns = if at == "(fabric)" { "y.fabric".to_owned() } else { format!("y-{at}") };
    let output = Command::new("ip")
        .args(["netns", "exec", &netns, "sh", "-ec", script])
        .output()
        .expect("ip netns exec");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{at}: {script}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

alone! { Root, fn what_works_is_said_to_arrive() {
    let site = Site::new(YARD);
    site.ok("up");
    for question in ["h1 h2", "h1 h2 ping -6", "h1 h2 tcp 80", "h2 h1 tcp 80 --ipv6",
        "h1 h2 udp 53", "h2 h1 udp 53 -6", "h1 h3", "h1 r1 tcp 22", "r2:h h1", "h1 10.0.2.1",
        "h1 h1 udp 9", "h1 h2 --size 1500", "h1 h2:eth0 udp 7 --size 1400 -6"] {
        let said = site.netyard(&format!("explain {question}")).assert().code(0);
        let text = String::from_utf8(said.get_output().stdout.clone()).unwrap();
        assert!(text.lines().last().unwrap().ends_with(" and is answered"), "{question}: {text}");
    }
    let text = site.ok("explain h1 h2 tcp 80 --yard y");
    for hop in ["  h1: sends", "  r1: forwards", "  r2: forwards", "  h2: receives", "  h1: receives"] {
        assert!(text.contains(hop), "no `{hop}`: {text}");
    }
    assert!(text.contains("way       h1:eth0 → (fabric):h1.eth0 - bridge lan - "), "{text}");
    // What listens already is left to answer itself.
    assert!(text.contains("nothing listens on tcp port 80 of h2"), "{text}");
    site.ok("down");
}}

alone! { User, fn without_root_it_is_the_same() {
    let site = Site::new(YARD);
    site.netyard("explain h1 h2").assert().code(1);
    site.ok("up");
    site.ok("explain h1 h2 tcp 80 -6");
    let script = "nft 'add table ip f; add chain ip f c { type filter hook forward priority 5; }; \
                  add rule ip f c tcp dport 80 counter drop'";
    site.netyard("exec r1 -- sh -c").arg(script).assert().success();
    let said = site.netyard("explain h1 h2 tcp 80").assert().code(3);
    let text = String::from_utf8_lossy(&said.get_output().stdout).into_owned();
    assert!(text.contains("ends at r1: table `ip f`, chain `c`, rule handle 2 drops it"), "{text}");
    site.ok("explain h1 h2 tcp 81");
    site.netyard("explain h1 host").assert().code(1);
    site.ok("down");
}}

alone! { Root, fn a_filter_rule_is_named_by_its_handle() {
    let case = Case::works(YARD, "h1 h2 tcp 80");
    inside("r1", "nft 'add table inet f; add chain inet f other; add chain inet f c { type filter hook forward priority 0; }'");
    inside("r1", "nft 'add rule inet f other tcp dport 80 counter drop; add rule inet f c ip daddr 10.0.2.0/24 jump other'");
    let words = ["table `inet f`", "chain `other`", "handle 3", "`tcp dport 80 drop`"];
    let said = case.blames("r1", "filter-rule", &words);
    assert!(said.hints.contains("netyard exec r1 -- nft "), "{}", said.hints);
    inside("r1", "nft delete rule inet f other handle 3");
    case.arrives();
}}

alone! { Root, fn a_foreign_policy_is_named_though_another_table_accepts() {
    Case::works(YARD, "h1 h2 udp 53 -6")
        .broken("r2", "nft 'add table inet ours; add chain inet ours f { type filter hook forward priority -10; }; \
                       add rule inet ours f accept'")
        .broken("r2", "nft 'add table ip6 filter; add chain ip6 filter FORWARD { type filter hook forward priority 0; policy drop; }'")
        .blames("r2", "filter-policy", &["table `ip6 filter`", "chain `FORWARD`", "policy is drop", "(handle 1)"]);
}}

alone! { Root, fn what_iptables_made_is_named_too() {
    let case = Case::works(YARD, "h1 h2 tcp 80");
    inside("r1", "iptables-nft -A FORWARD -i lan0 -p tcp --dport 80 -j DROP");
    let said = case.blames("r1", "filter-rule", &["table `ip filter`, chain `FORWARD`, rule handle"]);
    let handle = inside("r1", "nft -a list chain ip filter FORWARD");
    let handle = handle.lines().find(|line| line.contains("dport 80")).unwrap();
    let handle = handle.rsplit(' ').next().unwrap();
    assert!(said.last.contains(&format!("rule handle {handle} ")), "{handle}: {}", said.last);
    inside("r1", "iptables-nft -F FORWARD; iptables-nft -P FORWARD DROP");
    case.blames("r1", "filter-policy", &["table `ip filter`, chain `FORWARD` (handle"]);
}}

alone! { Root, fn what_no_trace_shows_is_said_to_be_there() {
    Case::works(YARD, "h1 h2 tcp 80")
        .broken("r1", "iptables-legacy -A FORWARD -p tcp --dport 80 -j DROP")
        .blames("r1", "lost", &["old iptables", "iptables filter"]);
}}

alone! { Root, fn what_comes_in_or_goes_out_is_filtered_too() {
    let case = Case::works(YARD, "h1 h2 tcp 80");
    inside("h2", "nft 'add table ip t; add chain ip t in { type filter hook input priority 0; }; \
                  add rule ip t in tcp dport 80 reject with tcp reset'");
    case.blames("h2", "filter-rule", &["table `ip t`", "chain `in`"]);
    inside("h2", "nft delete table ip t");
    inside("h1", "nft 'add table ip t; add chain ip t out { type filter hook output priority 0; policy drop; }'");
    case.blames("h1", "filter-policy", &["chain `out`"]);
    inside("h1", "nft delete table ip t");
    case.arrives();
}}

alone! { Root, fn an_answer_that_is_dropped_is_told_from_the_question() {
    let case = Case::works(YARD, "h1 h2 tcp 80");
    inside("r2", "nft 'add table ip t; add chain ip t f { type filter hook forward priority 0; }; \
                  add rule ip t f tcp sport 80 drop'");
    let said = case.blames("r2", "filter-rule", &["table `ip t`"]);
    assert!(said.last.starts_with("the answer ends at r2"), "{}", said.last);
}}

alone! { Root, fn frames_are_filtered_on_a_bridge() {
    Case::works(YARD, "h1 h2")
        .broken("(fabric)", "nft 'add table bridge b; add chain bridge b f { type filter hook forward priority 0; }; \
                             add rule bridge b f ip daddr 10.0.2.1 drop'")
        .blames("(fabric)", "filter-rule", &["table `bridge b`", "chain `f`", "handle 2"]);
}}

alone! { Root, fn a_missing_route() {
    let case = Case::works(YARD, "h1 h2 tcp 80").broken("r1", "ip route del 10.0.2.0/24");
    let said = case.blames("r1", "no-route", &["no route to 10.0.2.1"]);
    assert!(said.hints.contains("netyard exec r1 -- ip route add"), "{}", said.hints);
    let case = Case { site: case.site, question: "h1 h2 -6" };
    case.arrives();
    inside("h1", "ip -6 route del default");
    case.blames("h1", "no-route", &["no route to fd00:2::1"]);
}}

alone! { Root, fn a_missing_return_route() {
    for question in ["h1 h2", "h1 h2 tcp 80", "h1 h2 udp 53"] {
        let case = Case::works(YARD, question);
        inside("r2", "ip route del 10.0.1.0/24");
        let said = case.blames("r2", "no-return-route", &["no route back to 10.0.1.1"]);
        assert!(said.text.contains("\n  h2: receives"), "{}", said.text);
        inside("r2", "ip route add 10.0.1.0/24 via 10.0.12.1");
        inside("h2", "ip route del default");
        case.blames("h2", "no-return-route", &[]);
        case.site.ok("down");
    }
}}

alone! { Root, fn a_reverse_path_filter() {
    let case = Case::works(YARD, "h1 h2")
        .broken("r2", "ip route replace 10.0.1.0/24 via 10.0.2.1; sysctl -qw net.ipv4.conf.down.rp_filter=1");
    case.blames("r2", "rp-filter", &["rp_filter is 1", "came by `down`", "by `h`"]);
    inside("r2", "sysctl -qw net.ipv4.conf.down.rp_filter=0 net.ipv4.conf.all.rp_filter=2");
    inside("r2", "ip route del 10.0.1.0/24");
    case.blames("r2", "rp-filter", &["rp_filter is 2", "no route back"]);
}}

alone! { Root, fn forwarding_that_is_off() {
    let case = Case::works(YARD, "h1 h2 tcp 80").broken("r1", "sysctl -qw net.ipv4.ip_forward=0");
    case.blames("r1", "forwarding-off", &["does not forward IPv4"]);
    let case = Case { site: case.site, question: "h1 h2 -6" };
    case.arrives();
    inside("r2", "sysctl -qw net.ipv6.conf.all.forwarding=0");
    case.blames("r2", "forwarding-off", &["does not forward IPv6"]);
}}

alone! { Root, fn a_gateway_that_is_no_router() {
    let said = Case::works(YARD, "h1 h2")
        .broken("h1", "ip route replace default via 10.0.1.3")
        .blames("h3", "forwarding-off", &[]);
    assert!(said.hints.contains("another router"), "{}", said.hints);
}}

alone! { Root, fn a_wrong_gateway() {
    let case = Case::works(YARD, "h1 h2").broken("h1", "ip route replace default via 10.0.1.253");
    let said = case.blames("h1", "wrong-gateway", &["10.0.1.253", "nobody there has it"]);
    assert!(said.hints.contains("`r1:lan0` 10.0.1.254"), "{}", said.hints);
    let case = Case { site: case.site, question: "h1 h2 -6" };
    case.arrives();
    inside("r1", "ip -6 route replace fd00:2::/64 via fd00:12::9");
    case.blames("r1", "wrong-gateway", &["fd00:12::9"]);
}}

alone! { Root, fn packets_that_are_too_big() {
    let case = Case::works(YARD, "h1 h2 --size 1500");
    inside("r1", "ip link set dev up mtu 1400");
    inside("r2", "ip link set dev down mtu 1400");
    let said = case.blames("r1", "mtu", &["1500 bytes do not fit", "r1:up", "takes 1400"]);
    assert!(said.text.contains("r1 answers: packet too big"), "{}", said.text);
    case.site.ok("explain h1 h2 --size 1400");
    inside("r1", "ip link set dev up mtu 1500");
    inside("r2", "ip link set dev down mtu 1500");
    case.arrives();
    // Nobody is told of what a bridge or a cable's other end throws away.
    inside("(fabric)", "ip link set r1.lan0 mtu 1300");
    case.blames("(fabric)", "mtu", &["r1.lan0", "takes 1300", "nobody is told"]);
    inside("(fabric)", "ip link set r1.lan0 mtu 1500");
    inside("h1", "ip link set eth0 mtu 1280");
    case.blames("h1", "mtu", &["takes 1280"]);
}}

alone! { Root, fn a_link_that_is_down() {
    let case = Case::works(YARD, "h1 h2");
    inside("r2", "ip link set dev down down");
    case.blames("r2", "link-down", &["`r2:down` is down"]);
    inside("r2", "ip link set dev down up");
    inside("(fabric)", "ip link set lan down");
    case.blames("(fabric)", "link-down", &["lan"]);
    inside("(fabric)", "ip link set lan up");
    inside("h1", "ip link set eth0 down");
    case.blames("h1", "link-down", &["`h1:eth0` is down"]);
}}

alone! { Root, fn a_neighbour_that_does_not_answer() {
    let case = Case::works(YARD, "h1 h2");
    inside("h2", "ip link set eth0 arp off");
    inside("r2", "ip neighbour flush all");
    case.blames("r2", "no-neighbour", &["`h2:eth0` has 10.0.2.1", "does not answer"]);
    let nobody = Case { site: case.site, question: "h1 10.0.2.77" };
    nobody.blames("r2", "no-neighbour", &["nobody on `r2:h` has 10.0.2.77"]);
}}

alone! { Root, fn a_neighbour_entry_that_is_wrong() {
    Case::works(YARD, "h1 h2")
        .broken("r2", "ip neighbour replace 10.0.2.1 lladdr 02:00:00:00:00:99 dev h nud permanent")
        .blames("r2", "wrong-neighbour", &["02:00:00:00:00:99", "h2:eth0"]);
}}

alone! { Root, fn a_bridge_port_that_blocks() {
    let case = Case::works(YARD, "h1 h2");
    inside("(fabric)", "bridge link set dev h1.eth0 state 0");
    case.blames("(fabric)", "port-blocking", &["h1.eth0", "disabled"]);
    inside("(fabric)", "bridge link set dev h1.eth0 state 3");
    case.arrives();
    // What spanning tree does to a port that has come up.
    inside("(fabric)", "ip link set lan type bridge stp_state 1 forward_delay 3000; \
                        ip link set r1.lan0 down; ip link set r1.lan0 up");
    case.blames("(fabric)", "port-blocking", &["r1.lan0", "listening"]);
    inside("(fabric)", "ip link set lan type bridge stp_state 0; bridge link set dev r1.lan0 state 3");
    case.arrives();
}}

alone! { Root, fn bridge_ports_that_are_isolated() {
    let case = Case::works(YARD, "h1 h3 tcp 9");
    // One alone reaches all that are not.
    inside("(fabric)", "bridge link set dev h1.eth0 isolated on");
    case.arrives();
    inside("(fabric)", "bridge link set dev h3.eth0 isolated on");
    case.blames("(fabric)", "port-isolated", &["h1.eth0", "h3.eth0"]);
}}

alone! { Root, fn routes_that_are_there_to_refuse() {
    let case = Case::works(YARD, "h1 h2");
    inside("r1", "ip route add blackhole 10.0.2.1");
    case.blames("r1", "blackhole-route", &["the route `blackhole 10.0.2.1`"]);
    inside("r1", "ip route replace unreachable 10.0.2.1");
    case.blames("r1", "unreachable-route", &["unreachable 10.0.2.1"]);
    inside("r1", "ip route replace prohibit 10.0.2.1");
    case.blames("r1", "prohibit-route", &["prohibit 10.0.2.1"]);
    inside("r1", "ip route del 10.0.2.1; ip rule add from 10.0.1.1 prohibit priority 10");
    case.blames("r1", "prohibit-route", &["the rule `10: from 10.0.1.1/32 prohibit`"]);
    inside("r1", "ip rule del priority 10");
    case.arrives();
    let case = Case { site: case.site, question: "h1 h2 -6" };
    inside("h1", "ip -6 route add blackhole fd00:2::/64");
    case.blames("h1", "blackhole-route", &["blackhole fd00:2::/64"]);
}}

alone! { Root, fn routers_that_send_it_round_and_round() {
    let said = Case::works(YARD, "h1 h2 udp 53")
        .broken("r2", "ip route add 10.0.2.1 via 10.0.12.1")
        .blames("r1", "routing-loop", &["`10.0.2.0/24 via 10.0.12.2 dev up`", "back to `r2`"]);
    assert!(said.hints.contains("`10.0.2.1 via 10.0.12.1 dev down`"), "{}", said.hints);
}}

alone! { Root, fn a_table_that_a_rule_leads_to() {
    let case = Case::works(YARD, "h1 h2");
    inside("r1", "ip route add default via 10.0.12.2 table 77; ip rule add iif lan0 lookup 77 priority 50");
    let text = case.arrives().text;
    assert!(text.contains("default via 10.0.12.2 dev up (table 77, by rule 50: from all iif lan0 lookup 77)"), "{text}");
    inside("r1", "ip route replace default via 10.0.12.9 table 77");
    case.blames("r1", "wrong-gateway", &["10.0.12.9"]);
}}

/// A network of private addresses behind a router, and what is outside.
const NAT: &str = r#"
yard: y
nodes:
  h1:
    interfaces: { eth0: { address: 10.0.1.1/24 } }
    routes: [{ to: default, via: 10.0.1.254 }]
  r1:
    forward: true
    interfaces: { in: { address: 10.0.1.254/24 }, out: { address: 198.51.100.1/24 } }
  r2:
    forward: true
    interfaces: { a: { address: 198.51.100.2/24 }, b: { address: 203.0.113.254/24 }, c: { address: 192.0.2.254/24 } }
  h2:
    interfaces: { eth0: { address: 203.0.113.1/24 } }
    routes: [{ to: default, via: 203.0.113.254 }]
  h3:
    interfaces: { eth0: { address: 192.0.2.1/24 } }
    routes: [{ to: default, via: 192.0.2.254 }]
links:
  - { ends: [h1:eth0, r1:in], prefix: [10.0.1.0/24] }
  - { ends: [r1:out, r2:a], prefix: [198.51.100.0/24] }
  - { ends: [r2:b, h2:eth0], prefix: [203.0.113.0/24] }
  - { ends: [r2:c, h3:eth0], prefix: [192.0.2.0/24] }
"#;

const MASQUERADE: &str = "ip route replace default via 198.51.100.2; nft 'add table ip n; \
    add chain ip n p { type nat hook postrouting priority 100; }; \
    add rule ip n p oifname out counter masquerade'";

#[track_caller]
fn behind_nat(question: &'static str) -> Case {
    let site = Site::new(NAT);
    site.ok("up");
    inside("r1", MASQUERADE);
    site.ok("explain h1 h2");
    Case { site, question }
}

alone! { Root, fn translations_are_shown_and_followed() {
    let case = behind_nat("h1 h2 tcp 80");
    let text = case.arrives().text;
    assert!(text.contains("nat       source 10.0.1.1 becomes 198.51.100.1"), "{text}");
    assert!(text.contains("nat       destination 198.51.100.1"), "{text}");
    assert!(text.contains("becomes 10.0.1.1"), "{text}");
    // And a destination that is translated, to a node that nobody asked for.
    inside("r2", "nft 'add table ip d; add chain ip d p { type nat hook prerouting priority -100; }; \
                  add rule ip d p tcp dport 8080 dnat to 192.0.2.1:80'");
    let text = case.site.ok("explain h1 203.0.113.9 tcp 8080");
    assert!(text.contains("destination 203.0.113.9 port 8080 becomes 192.0.2.1 port 80"), "{text}");
    assert!(text.contains("nothing listens on tcp port 80 of h3"), "{text}");
}}

alone! { Root, fn a_translation_that_is_missing() {
    let case = behind_nat("h1 h2")
        .broken("r1", "nft flush chain ip n p; nft add rule ip n p oifname other masquerade");
    let said = case.blames("r1", "nat-missing", &["10.0.1.1 leaves by `r1:out` untranslated", "`r2` has no route back"]);
    assert!(said.hints.contains("masquerade"), "{}", said.hints);
}}

alone! { Root, fn a_connection_from_before_the_translation_changed() {
    let dnat = |to: &str| {
        let rule = format!("iifname in udp dport 53 dnat to {to}");
        inside("r1", &format!("nft 'flush chain ip d p; add rule ip d p {rule}'"));
    };
    let case = behind_nat("h1 198.51.100.9 udp 53 --source-port 5353");
    inside("r1", "nft 'add table ip d; add chain ip d p { type nat hook prerouting priority -100; }'");
    dnat("203.0.113.1");
    case.arrives();
    dnat("192.0.2.1");
    let said = case.blames("r1", "stale-connection", &["203.0.113.1 port 53", "new ones go to 192.0.2.1 port 53"]);
    assert!(said.hints.contains("conntrack -D -p udp -s 10.0.1.1 --sport 5353"), "{}", said.hints);
    // A new connection arrives, and those that do not are told of.
    let text = case.site.ok("explain h1 198.51.100.9 udp 53");
    assert!(text.contains("the connection from port 5353 still goes to 203.0.113.1 port 53"), "{text}");
}}

alone! { Root, fn what_leaves_the_yard_is_followed_to_its_edge() {
    let case = Case { question: "h1 9.9.9.9", ..behind_nat("h1 h2") };
    // A stranger, beyond an interface that is not the yard's.
    assert!(Command::new("ip").args(["netns", "add", "stranger"]).status().unwrap().success());
    inside("r2", "ip link add world type veth peer name there netns stranger; ip link set world up; \
                  ip -n stranger link set there up; ip -n stranger address add 192.168.7.9/24 dev there; \
                  ip address add 192.168.7.1/24 dev world; ip route add default via 192.168.7.9");
    case.blames("r2", "outside", &["leaves the yard by `r2:world`"]);
    inside("r1", "nft delete table ip n");
    case.blames("r2", "nat-missing", &["private source 10.0.1.1"]);
    inside("r1", MASQUERADE);
    inside("r2", "ip -n stranger address add 9.9.9.9/32 dev lo; ip -n stranger link set lo up; \
                  ip -n stranger route add default via 192.168.7.1");
    case.arrives();
}}

//! Files for other tools: what they cannot express is said, no name begins a line or an
//! element of its own, and what their importers read back is the same.

use netyard_core::diag::{Source, Sources};
use netyard_core::export::{self, Papers, Subject};
use netyard_core::facts::Facts;
use netyard_core::import;
use netyard_core::key::{KeyFact, KeyName, WgKey};
use netyard_core::spec;
use netyard_core::state::{Object, Place, State, lower};
use netyard_core::yard::{self, Yard};
use proptest::prelude::*;

/// The yard of a file, where it may be said at all.
fn yard_of(text: &str) -> Option<Yard> {
    let root = Source { name: "netyard.yaml".into(), text: text.into() };
    let parsed = spec::parse(root, "y", &mut |_, _| Err("no includes".into()));
    if parsed.report.has_errors() {
        return None;
    }
    let spec = parsed.spec?;
    let fact = |name: &KeyName| KeyFact::There {
        file: name.file(),
        public: WgKey::private([7; 32]).public(),
    };
    let keys = yard::key_wishes(&spec).into_iter().map(|(name, ..)| (name.clone(), fact(&name)));
    let facts = Facts { host_reachable: true, keys: keys.collect(), ..Facts::default() };
    yard::resolve(&spec, &facts).0
}

fn written(word: &str, yard: &Yard, origin: &str) -> (State, Papers) {
    let desired = lower(yard);
    let subject = Subject { yard, desired: &desired, origin };
    let papers = export::export(export::target(word).expect("a target"), &subject);
    (desired, papers)
}

/// What an importer makes of files.
fn imported(word: &str, papers: &Papers) -> String {
    let sources = papers
        .files
        .iter()
        .map(|paper| Source { name: paper.path.as_str().into(), text: paper.text.as_str().into() });
    let format = import::format(word).expect("a format");
    let imported = import::import(format, &Sources(sources.collect()));
    let text = imported.text.unwrap_or_default();
    assert!(!imported.verdict.1.has_errors(), "{text}\n{:?}\n{papers:?}", imported.verdict.1);
    text
}

const HOST: &str = "\
yard: y
networks:
  lan: { bridge: br0, prefix: 10.1.0.0/24, host: { address: 10.1.0.1/24 }, mtu: 1400 }
nodes:
  host:
    interfaces:
      d0: { kind: dummy, address: [192.0.2.1/24, fd00:9::1/64], mac: \"02:00:00:00:00:07\" }
      d0.7: { kind: vlan, parent: d0, id: 7, address: 192.0.7.1/24, mtu: 1300 }
      blue: { kind: vrf, table: 100 }
      d1: { kind: dummy, master: br0 }
      vx: { kind: vxlan, id: 77, remote: 192.0.2.9, local: 192.0.2.1, address: 10.77.0.1/24 }
      wg0:
        kind: wireguard
        listen: 51820
        private-key-file: /etc/wireguard/wg0.key
        address: 10.200.0.1/24
        peers:
          - { public-key: \"HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=\", allowed-ips: [10.200.0.2/32], endpoint: \"192.0.2.9:51820\", keepalive: 25s }
    routes:
      - { to: 10.99.0.0/16, via: 192.0.2.9, dev: d0, metric: 50 }
      - { to: 10.98.0.0/16, blackhole: true }
    rules:
      - { from: 10.1.0.0/24, table: 100, priority: 1000 }
";

#[test]
fn what_netplan_is_told_comes_back_the_same() {
    let yard = yard_of(HOST).expect("a yard");
    let (before, papers) = written("netplan", &yard, "netyard.yaml");
    assert_eq!(papers.files.len(), 1, "{papers:?}");
    let text = imported("netplan", &papers);
    let Some(again) = yard_of(&text) else { panic!("{text}\n{}", papers.files[0].text) };
    let after = lower(&again);
    let on_host = |state: &State| {
        let own = state.objects().filter(|object| object.place() == Place::Host);
        let own = own.filter_map(|object| match object {
            // What an allotted address is of, and settings of the host, differ.
            Object::Address(o) => Some(format!("{object} {:?}", o.net)),
            Object::Route(o) => Some(format!("{object} {o:?}")),
            Object::Rule(_) | Object::Tunnel(_) => Some(format!("{object:?}")),
            Object::Interface(o) => {
                Some(format!("{object} {:?} {:?} {:?} {:?}", o.parent, o.master, o.mtu, o.mac))
            }
            _ => None,
        });
        own.collect::<Vec<String>>()
    };
    assert_eq!(on_host(&before), on_host(&after), "{}\n{text}", papers.files[0].text);
}

#[test]
fn netplan_says_what_it_has_no_word_for() {
    let text = "\
yard: y
networks:
  lan: { bridge: br0, prefix: 10.1.0.0/24, host: { address: 10.1.0.1/24 }, vlan-filtering: true }
  out: { bridge: br1, prefix: 10.2.0.0/24, host: { address: 10.2.0.1/24 } }
nodes:
  host: { interfaces: { mv: { kind: macvlan, parent: br1, address: 10.2.0.9/24 } } }
  r: { interfaces: { eth0: { network: out, address: 10.2.0.2/24 } } }
";
    let yard = yard_of(text).expect("a yard");
    let (_, papers) = written("netplan", &yard, "netyard.yaml");
    let text = &papers.files[0].text;
    assert!(text.contains("br1") && !text.contains("br0") && !text.contains("mv"), "{text}");
    let beyond: Vec<&String> = papers.beyond.iter().flat_map(|(_, names)| names).collect();
    assert!(beyond.iter().any(|name| name.contains("bridge host:br0")), "{beyond:?}");
    assert!(beyond.iter().any(|name| name.contains("macvlan host:mv")), "{beyond:?}");
    assert!(papers.left_out.iter().any(|line| line.contains("is made by nobody")), "{papers:?}");
}

#[test]
fn a_network_that_libvirt_makes_is_nobodys_in_its_file() {
    let text = "\
yard: y
networks:
  cloud:
    bridge: virbr0
    prefix: 172.16.0.0/16
    host: { address: 172.16.0.1/16 }
    dhcp: { range: 172.16.128.0-172.16.255.254 }
    dns: { domain: vnet0 }
    uplink: masquerade
    libvirt: { define: vnet0 }
";
    let yard = yard_of(text).expect("a yard");
    let (_, papers) = written("libvirt", &yard, "net--yard.yaml");
    let [file] = &papers.files[..] else { panic!("{papers:?}") };
    assert_eq!(file.path, "cloud.xml");
    let lines: Vec<&str> = file.text.lines().collect();
    assert!(lines[0].starts_with("<!-- Network cloud of yard `y`") && lines[0].ends_with("-->"));
    assert_eq!(lines[1..3], ["<network>", "  <name>vnet0</name>"]);
    assert!(!file.text.contains("netyard:network"), "{}", file.text);
    assert!(file.text.contains("<range start='172.16.128.0' end='172.16.255.254'/>"));
    assert!(!papers.beyond.iter().any(|(sort, _)| *sort == "networks of libvirt"), "{papers:?}");
    // libvirt keeps it, and would refuse to be told again at the next boot.
    let (_, papers) = written("systemd", &yard, "netyard.yaml");
    assert!(!papers.files.iter().any(|paper| paper.text.contains("net-define /dev")), "{papers:?}");
    let said = |line: &String| line.starts_with("libvirt network vnet0: `netyard export libvirt`");
    assert!(papers.left_out.iter().any(said), "{:?}", papers.left_out);
}

#[test]
fn what_libvirt_is_told_comes_back_the_same() {
    let text = "\
yard: y
networks:
  cloud:
    bridge: virbr7
    prefix: 172.16.0.0/16
    host: { address: 172.16.0.1/16 }
    uplink: { masquerade: eth9 }
    dhcp: { range: 172.16.128.0-172.16.255.254, gateway: 172.16.0.1 }
    dns: { domain: cloud, records: { printer: 172.16.0.9 } }
  alone: { bridge: virbr8, prefix: 10.8.0.0/24, host: { address: 10.8.0.1/24 } }
nodes: { n: { interfaces: { eth0: { network: cloud, address: 172.16.0.7/16 } } } }
";
    let yard = yard_of(text).expect("a yard");
    let (_, papers) = written("libvirt", &yard, "netyard.yaml");
    let paths: Vec<&str> = papers.files.iter().map(|paper| paper.path.as_str()).collect();
    assert_eq!(paths, ["cloud.xml", "alone.xml"]);
    let mut first = papers.clone();
    first.files.truncate(1);
    let text = imported("libvirt", &first);
    for what in
        ["virbr7", "172.16.0.1/16", "172.16.128.0-172.16.255.254", "printer", "eth9", "masquerade"]
    {
        assert!(text.contains(what), "{what}: {text}\n{}", papers.files[0].text);
    }
    assert!(papers.files[1].text.contains("<dns enable='no'/>"), "{}", papers.files[1].text);
    assert!(!papers.files[1].text.contains("forward"), "{}", papers.files[1].text);
}

#[test]
fn an_access_point_is_written_without_its_passphrase() {
    let text = "\
yard: y
nodes:
  host:
    interfaces: { softap: { kind: wlan, phy: phy0, type: ap } }
    services:
      hostapd: { interface: softap, ssid: \"j'\\n#x\", passphrase-file: \"a 'b\", country: DE, channel: 6 }
";
    let Some(yard) = yard_of(text) else { panic!("no yard") };
    let (_, papers) = written("hostapd", &yard, "net\nwpa_passphrase=x");
    let [paper] = &*papers.files else { panic!("{papers:?}") };
    assert!(paper.text.contains("'a '\\''b'"), "{}", paper.text);
    // Nobody else reads it where hostapd does, and its socket has a directory.
    let makes = "# umask 077; mkdir -p /run/hostapd-host && { cat ";
    assert!(paper.text.contains(makes), "{}", paper.text);
    let lines: Vec<&str> = paper.text.lines().filter(|line| !line.starts_with('#')).collect();
    let known = |line: &&str| {
        line.split_once('=').is_some_and(|(key, _)| {
            key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        })
    };
    assert!(lines.iter().all(known), "{lines:?}");
    assert!(!lines.iter().any(|line| line.starts_with("wpa_passphrase")), "{lines:?}");
    assert!(lines.contains(&"interface=softap"), "{lines:?}");
    // networkd makes the interface; hostapd's passphrase keeps its unit away, and that is said.
    let (_, papers) = written("systemd", &yard, "netyard.yaml");
    let netdev = papers.files.iter().find(|paper| paper.path.ends_with("20-softap.netdev"));
    let netdev = netdev.map(|paper| paper.text.as_str()).unwrap_or_default();
    assert!(
        netdev.contains("Kind=wlan") && netdev.contains("[WLAN]\nPhysicalDevice=phy0\nType=ap\n"),
        "{netdev}"
    );
    assert!(
        papers.left_out.iter().any(|line| line.contains("hostapd") && line.contains("passphrase")),
        "{papers:?}"
    );
}

/// A text for the yard's file, where a dollar begins a variable.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text.replace('$', "$$")).to_string()
}

/// The words that may begin a line of a format; none where a grammar reads the file.
fn words(target: &str) -> &'static [&'static str] {
    match target {
        "wg-quick" => &[
            "[Interface]",
            "[Peer]",
            "Address =",
            "ListenPort =",
            "MTU =",
            "Table =",
            "PostUp = wg set %i ",
            "PublicKey =",
            "Endpoint =",
            "PersistentKeepalive =",
            "AllowedIPs =",
        ],
        "dnsmasq" => &[
            "user=",
            "group=",
            "pid-file=",
            "log-facility=",
            "no-hosts",
            "bind-interfaces",
            "except-interface=",
            "interface=",
            "port=",
            "domain=",
            "local=",
            "localise-queries",
            "domain-needed",
            "bogus-priv",
            "cache-size=",
            "no-resolv",
            "resolv-file=",
            "strict-order",
            "server=",
            "host-record=",
            "dhcp-",
            "enable-ra",
            "ra-param",
        ],
        _ => &[],
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_name_begins_a_line_of_a_format(
        network in "[a-z'\"$<&>;-]{1,12}",
        file in "[a-z'\"$%;\\\\ <>&]{0,12}",
        breaks in any::<bool>(),
        domain in "[a-z]{1,8}",
    ) {
        let poison = if breaks { format!("{file}\nInjected=1\n<injected/>\n") } else { file };
        let origin = "net--\nInjected=3\n<injected/>-->yard.yaml";
        let text = format!(
            "yard: y\nnetworks:\n  {0}: {{ bridge: br0, prefix: 10.1.0.0/24, host: {{ address: 10.1.0.1/24 }}, \
             dhcp: on, dns: {{ domain: {domain} }}, uplink: {{ masquerade: eth9 }} }}\nnodes:\n  host:\n    interfaces:\n      \
             wg0: {{ kind: wireguard, listen: 1000, private-key-file: {1}, address: 10.9.0.1/24, peers: [{{ \
             public-key: \"HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=\", allowed-ips: [10.9.0.2/32], preshared-key-file: {1} }}] }}\n",
            quoted(&network), quoted(&format!("/k{poison}"))
        );
        let Some(yard) = yard_of(&text) else { return Ok(()) };
        for word in ["wg-quick", "dnsmasq", "libvirt", "netplan", "systemd", "sh"] {
            let (_, papers) = written(word, &yard, origin);
            for paper in &papers.files {
                let known = words(word);
                for line in paper.text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
                    let begins = known.is_empty() || known.iter().any(|begin| line.starts_with(begin));
                    prop_assert!(begins, "{word}: {line}\n{}", paper.text);
                    let is_quoted = paper.path.ends_with(".sh") || word == "netplan";
                    let outside = is_quoted || !line.starts_with("Injected");
                    prop_assert!(outside, "{word}: {}\n{}", paper.path, paper.text);
                }
            }
            if word == "libvirt" || word == "netplan" {
                let again = imported(word, &papers);
                prop_assert!(word != "libvirt" || again.contains("br0"), "{again}");
            }
            if word == "libvirt" {
                prop_assert!(!papers.files.iter().any(|paper| paper.text.contains("<injected/>\n")), "{papers:?}");
            }
        }
    }
}

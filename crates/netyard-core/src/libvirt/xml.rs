//! Networks of libvirt's as XML: written for it, and read from it.
//!
//! What is read is what libvirt says, and libvirt says what anybody who may told it: it is
//! bounded, has no document type, and what netyard does not know is named and kept apart.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use roxmltree::{Document, Node, ParsingOptions};

use crate::state::{LibvirtDefinition, LibvirtForward, LibvirtNetwork};

/// The XML namespace of netyard's notes.
pub const NAMESPACE: &str = "urn:netyard:libvirt:1";
/// The most bytes that are taken from libvirt for one thing: far more than any has.
pub const MOST: usize = 4 << 20;
/// Likewise the elements, attributes and texts.
const MOST_NODES: u32 = 100_000;

/// What libvirt says of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenNetwork {
    /// What libvirt calls it.
    pub name: String,
    /// By what libvirt tells it from others.
    pub uuid: Option<String>,
    /// The yard and its network, where it is a yard's.
    pub owner: Option<(String, String)>,
    /// The rest.
    pub definition: LibvirtDefinition,
}

/// The text as libvirt takes it. `uuid` is that of the network that it is to replace.
pub fn network(o: &LibvirtNetwork, definition: &LibvirtDefinition, uuid: Option<&str>) -> String {
    let note = note("network", o.yard.as_str(), o.network.as_str());
    noted(o, definition, uuid, &note)
}

/// The same without the note by which it would be netyard's.
pub(crate) fn nobodys(o: &LibvirtNetwork, definition: &LibvirtDefinition) -> String {
    noted(o, definition, None, "")
}

fn noted(
    o: &LibvirtNetwork,
    definition: &LibvirtDefinition,
    uuid: Option<&str>,
    note: &str,
) -> String {
    let d = definition;
    let mut text = format!("<network>\n  <name>{}</name>\n", escaped(&o.name));
    // Writing to a String cannot fail.
    if let Some(uuid) = uuid {
        let _ = writeln!(text, "  <uuid>{}</uuid>", escaped(uuid));
    }
    text += note;
    let out = d.out.as_ref().map(|out| format!(" dev='{}'", escaped(out))).unwrap_or_default();
    match d.forward {
        LibvirtForward::None => {}
        LibvirtForward::Route => {
            let _ = writeln!(text, "  <forward mode='route'{out}/>");
        }
        LibvirtForward::Bridge => text += "  <forward mode='bridge'/>\n",
        LibvirtForward::Nat(first, last) => {
            let _ = writeln!(
                text,
                "  <forward mode='nat'{out}>\n    <nat>\n      <port start='{first}' end='{last}'/>\n    </nat>\n  </forward>"
            );
        }
    }
    let bridge = escaped(&d.bridge);
    if d.forward == LibvirtForward::Bridge {
        let _ = writeln!(text, "  <bridge name='{bridge}'/>\n</network>");
        return text;
    }
    let stp = if d.stp { "on" } else { "off" };
    let _ = writeln!(text, "  <bridge name='{bridge}' stp='{stp}' delay='{}'/>", d.delay);
    if let Some(mac) = d.mac {
        let _ = writeln!(text, "  <mac address='{mac}'/>");
    }
    if let Some(mtu) = d.mtu {
        let _ = writeln!(text, "  <mtu size='{mtu}'/>");
    }
    if let Some(domain) = &d.domain {
        let _ = writeln!(text, "  <domain name='{}'/>", escaped(domain));
    }
    if !d.dns {
        text += "  <dns enable='no'/>\n";
    }
    for (number, net) in d.addresses.iter().enumerate() {
        let (address, length) = (net.addr(), net.prefix_len());
        let serves = number == 0 && !(d.ranges.is_empty() && d.hosts.is_empty());
        let end = if serves { ">" } else { "/>" };
        let _ = writeln!(text, "  <ip address='{address}' prefix='{length}'{end}");
        if serves {
            text += "    <dhcp>\n";
            for (first, last) in &d.ranges {
                let _ = writeln!(text, "      <range start='{first}' end='{last}'/>");
            }
            for (mac, address) in &d.hosts {
                let _ = writeln!(text, "      <host mac='{mac}' ip='{address}'/>");
            }
            text += "    </dhcp>\n  </ip>\n";
        }
    }
    text + "</network>\n"
}

/// The note by which netyard knows what is its own.
pub fn note(what: &str, yard: &str, name: &str) -> String {
    format!(
        "  <metadata>\n    <netyard:{what} xmlns:netyard='{NAMESPACE}' yard='{}' name='{}'/>\n  </metadata>\n",
        escaped(yard),
        escaped(name)
    )
}

pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '\'' => out += "&apos;",
            '"' => out += "&quot;",
            c => out.push(c),
        }
    }
    out
}

/// Parses what came from libvirt.
pub(super) fn document(text: &str) -> Result<Document<'_>, String> {
    if text.len() > MOST {
        return Err(format!("it has more than {} MiB", MOST >> 20));
    }
    let options =
        ParsingOptions { allow_dtd: false, nodes_limit: MOST_NODES, ..ParsingOptions::default() };
    Document::parse_with_options(text, options).map_err(|error| error.to_string())
}

/// Reads what libvirt says of a network (`virsh net-dumpxml`).
///
/// # Errors
/// Why it cannot be: it is no XML, it has a document type, it is larger than a network is.
pub fn read_network(text: &str) -> Result<SeenNetwork, String> {
    let document = document(text)?;
    let root = document.root_element();
    if !root.has_tag_name("network") {
        return Err(format!("it begins with `<{}>`", root.tag_name().name()));
    }
    let said = |name: &'static str| children(root, name).next().map(inner);
    let name = said("name").filter(|name| !name.is_empty()).ok_or("it has no `<name>`")?;
    Ok(SeenNetwork {
        name: name.to_owned(),
        uuid: said("uuid").map(str::to_owned),
        owner: owner(root, "network"),
        definition: definition(root),
    })
}

/// The yard and the name that a note tells.
pub(super) fn owner(root: Node<'_, '_>, what: &'static str) -> Option<(String, String)> {
    let notes = children(root, "metadata").flat_map(|metadata| metadata.children());
    let mut ours = notes.filter(|note| note.has_tag_name((NAMESPACE, what)));
    let note = ours.next()?;
    Some((note.attribute("yard")?.to_owned(), note.attribute("name")?.to_owned()))
}

fn children<'a, 'i>(node: Node<'a, 'i>, name: &'static str) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(move |child| child.has_tag_name(name))
}

fn inner<'a>(node: Node<'a, '_>) -> &'a str {
    node.text().unwrap_or_default().trim()
}

fn definition(root: Node<'_, '_>) -> LibvirtDefinition {
    let mut d = LibvirtDefinition { dns: true, ..LibvirtDefinition::default() };
    let mut bridge = None;
    for element in root.children().filter(Node::is_element) {
        let tag = element.tag_name().name();
        match tag {
            "name" | "uuid" | "metadata" => {}
            "forward" => forward(element, &mut d),
            "bridge" => bridge = Some(element),
            "mac" => d.mac = element.attribute("address").and_then(|mac| mac.parse().ok()),
            "mtu" => {
                let size = element.attribute("size").and_then(|size| size.parse().ok());
                d.mtu = size.filter(|size| *size != 1500);
            }
            "domain" => {
                d.domain = element.attribute("name").map(str::to_owned);
                others(element, &["name"], &[], &mut d);
            }
            "dns" => {
                d.dns = element.attribute("enable") != Some("no");
                others(element, &["enable"], &[], &mut d);
            }
            "ip" => address(element, &mut d),
            _ => d.other.push(tag.to_owned()),
        }
    }
    if let Some(bridge) = bridge {
        d.bridge = bridge.attribute("name").unwrap_or_default().to_owned();
        // libvirt's have the spanning tree protocol where nothing is said.
        d.stp = bridge.attribute("stp") != Some("off");
        d.delay = bridge.attribute("delay").and_then(|delay| delay.parse().ok()).unwrap_or(0);
        others(bridge, &["name", "stp", "delay"], &[], &mut d);
    }
    if d.forward == LibvirtForward::Bridge {
        (d.stp, d.delay, d.dns) = (false, 0, false);
    }
    d.other.sort();
    d
}

fn forward(element: Node<'_, '_>, d: &mut LibvirtDefinition) {
    d.out = element.attribute("dev").map(str::to_owned);
    // What libvirt writes there of itself.
    let own = |child: &Node<'_, '_>| {
        child.has_tag_name("interface") && child.attribute("dev") == element.attribute("dev")
    };
    let port = children(element, "nat").flat_map(|nat| children(nat, "port")).next();
    let bound =
        |key: &str, or: u16| port.and_then(|port| port.attribute(key)?.parse().ok()).unwrap_or(or);
    d.forward = match element.attribute("mode").unwrap_or("nat") {
        "nat" => LibvirtForward::Nat(bound("start", 1024), bound("end", 65535)),
        "route" => LibvirtForward::Route,
        "bridge" => LibvirtForward::Bridge,
        mode => {
            d.other.push(format!("forward {mode}"));
            LibvirtForward::None
        }
    };
    for nat in children(element, "nat") {
        others(nat, &[], &["port"], d);
    }
    for child in element.children().filter(Node::is_element) {
        if !child.has_tag_name("nat") && !own(&child) {
            d.other.push(format!("forward {}", child.tag_name().name()));
        }
    }
    others(element, &["mode", "dev"], &["nat", "interface"], d);
}

fn address(element: Node<'_, '_>, d: &mut LibvirtDefinition) {
    match net(element) {
        Some(net) => d.addresses.push(net),
        None => d.other.push("ip".to_owned()),
    }
    others(element, &["family", "address", "netmask", "prefix"], &["dhcp"], d);
    for dhcp in children(element, "dhcp") {
        others(dhcp, &[], &["range", "host"], d);
        for range in children(dhcp, "range") {
            let end = |key| range.attribute(key).and_then(|a| a.parse::<Ipv4Addr>().ok());
            match end("start").zip(end("end")) {
                Some(range) => d.ranges.push(range),
                None => d.other.push("ip dhcp range".to_owned()),
            }
            others(range, &["start", "end"], &[], d);
        }
        for host in children(dhcp, "host") {
            let mac = host.attribute("mac").and_then(|mac| mac.parse().ok());
            let address = host.attribute("ip").and_then(|a| a.parse().ok());
            match mac.zip(address) {
                Some(host) => d.hosts.push(host),
                None => d.other.push("ip dhcp host".to_owned()),
            }
            others(host, &["mac", "ip"], &[], d);
        }
    }
}

fn net(element: Node<'_, '_>) -> Option<IpNet> {
    let address: IpAddr = element.attribute("address")?.parse().ok()?;
    if let Some(length) = element.attribute("prefix") {
        return IpNet::new(address, length.parse().ok()?).ok();
    }
    let mask: Ipv4Addr = element.attribute("netmask")?.parse().ok()?;
    match address {
        IpAddr::V4(address) => Ipv4Net::with_netmask(address, mask).ok().map(IpNet::V4),
        IpAddr::V6(_) => None,
    }
}

/// Notes what an element has that is not known.
fn others(
    element: Node<'_, '_>,
    attributes: &[&str],
    elements: &[&str],
    d: &mut LibvirtDefinition,
) {
    let tag = element.tag_name().name();
    for attribute in element.attributes() {
        if !attributes.contains(&attribute.name()) {
            d.other.push(format!("{tag} {}={}", attribute.name(), attribute.value()));
        }
    }
    for child in element.children().filter(Node::is_element) {
        let name = child.tag_name().name();
        if !elements.contains(&name) && tag != "forward" {
            d.other.push(format!("{tag} {name}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::{FullName, YardName};

    fn one() -> LibvirtNetwork {
        let definition = LibvirtDefinition {
            forward: LibvirtForward::Nat(1024, 65535),
            out: Some("eth'0".into()),
            bridge: "virbr0".into(),
            stp: true,
            mac: "02:00:00:00:00:01".parse().ok(),
            mtu: Some(1400),
            domain: Some("vnet0".into()),
            dns: false,
            addresses: vec!["172.16.0.1/16".parse().unwrap()],
            ranges: vec![("172.16.128.0".parse().unwrap(), "172.16.255.254".parse().unwrap())],
            hosts: vec![("02:00:00:00:00:09".parse().unwrap(), "172.16.0.9".parse().unwrap())],
            ..LibvirtDefinition::default()
        };
        LibvirtNetwork {
            name: "vnet0".into(),
            yard: YardName::new("portable").unwrap(),
            network: FullName::new("cloud").unwrap(),
            definition: Some(definition.clone()),
            running: Some(definition),
        }
    }

    #[test]
    fn what_is_written_is_read_as_the_same() {
        let one = one();
        let definition = one.definition.clone().unwrap();
        let seen = read_network(&network(&one, &definition, Some("u"))).unwrap();
        assert_eq!(seen.definition, definition);
        assert_eq!((seen.name.as_str(), seen.uuid.as_deref()), ("vnet0", Some("u")));
        assert_eq!(seen.owner, Some(("portable".into(), "cloud".into())));
        for forward in [LibvirtForward::None, LibvirtForward::Route] {
            let other = LibvirtDefinition { forward, dns: true, out: None, ..definition.clone() };
            assert_eq!(read_network(&network(&one, &other, None)).unwrap().definition, other);
        }
        let offered = LibvirtDefinition {
            forward: LibvirtForward::Bridge,
            bridge: "br0".into(),
            ..LibvirtDefinition::default()
        };
        assert_eq!(read_network(&network(&one, &offered, None)).unwrap().definition, offered);
    }

    /// Each of these is seen as a difference, so that it is put right.
    #[test]
    fn what_somebody_else_wrote_there_is_not_overlooked() {
        let one = one();
        let definition = one.definition.clone().unwrap();
        let text = network(&one, &definition, None);
        for (from, to) in [
            ("<port start='1024'", "<port start='2048'"),
            ("<nat>", "<nat ipv6='yes'>"),
            ("<nat>", "<nat><address start='1.2.3.4' end='1.2.3.5'/>"),
            ("mode='nat'", "mode='open'"),
            (" stp='on'", " stp='off'"),
            (" delay='0'", " delay='4'"),
            (" delay='0'", " delay='0' macTableManager='libvirt'"),
            ("<domain name='vnet0'/>", "<domain name='vnet0' localOnly='yes'/>"),
            ("<dns enable='no'/>", "<dns><host ip='1.2.3.4'/></dns>"),
            ("<mtu size='1400'/>", ""),
            ("172.16.128.0'", "172.16.129.0'"),
            ("end='172.16.255.254'/>", "end='172.16.255.254'><lease expiry='1'/></range>"),
            ("</ip>", "</ip>\n<portgroup name='x'/>"),
            ("ip='172.16.0.9'/>", "ip='172.16.0.9' name='x'/>"),
        ] {
            assert!(text.contains(from), "{from}");
            let seen = read_network(&text.replacen(from, to, 1)).unwrap();
            assert_ne!(seen.definition, definition, "{to}");
        }
    }

    /// As the text has it; libvirt's own words for what was said with others.
    #[test]
    fn a_network_that_libvirt_dumped_is_understood() {
        let text = "<network connections='2'>\n<name>vnet0</name><uuid>d</uuid>\
            <forward dev='eth0' mode='nat'><nat><port start='1024' end='65535'/></nat>\
            <interface dev='eth0'/></forward><bridge name='virbr0' stp='on' delay='0'/>\
            <mac address='52:54:00:c2:f5:e6'/><domain name='vnet0'/>\
            <ip address='172.16.0.1' netmask='255.255.0.0'><dhcp>\
            <range start='172.16.128.0' end='172.16.255.254'/></dhcp></ip></network>";
        let seen = read_network(text).unwrap();
        assert_eq!(seen.owner, None);
        assert_eq!(seen.definition.other, Vec::<String>::new());
        assert_eq!(seen.definition.addresses, ["172.16.0.1/16".parse().unwrap()]);
        assert_eq!(seen.definition.out.as_deref(), Some("eth0"));
    }

    #[test]
    fn what_is_no_network_is_refused_whatever_its_size() {
        let laughs = "<!DOCTYPE n [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;'>]>\
            <network><name>&b;</name></network>";
        for (text, says) in [
            (laughs.to_owned(), "DTD"),
            (format!("<network><name>{}</name></network>", "x".repeat(MOST)), "MiB"),
            (format!("<network><name>x</name>{}</network>", "<a/>".repeat(200_000)), "nodes limit"),
            ("<domain/>".to_owned(), "begins with `<domain>`"),
            ("<network/>".to_owned(), "no `<name>`"),
            (String::new(), ""),
        ] {
            let error = read_network(&text).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}

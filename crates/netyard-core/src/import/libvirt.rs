//! libvirt's networks: the XML of `virsh net-dumpxml`.
//!
//! <https://libvirt.org/formatnetwork.html>

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use roxmltree::{Document, Node};

use super::Format;
use crate::diag::import as say;
use crate::diag::{Sources, Span};
use crate::draft::names::plain;
use crate::draft::{Map, Value, Work};

pub(super) static FORMAT: Format = Format {
    word: "libvirt",
    title: "network of libvirt",
    beside: &[],
    main: &[".xml"],
    whole: false,
    read,
    is_one: |_| false,
};

/// Elements of a file: far more than a network has, far less than a bomb.
const MOST_ELEMENTS: u32 = 100_000;

fn read(sources: &Sources, work: &mut Work) {
    let Some(source) = sources.0.first() else { return };
    // Entities of a document type are how XML explodes: there are none here.
    let options = roxmltree::ParsingOptions {
        allow_dtd: false,
        nodes_limit: MOST_ELEMENTS,
        ..Default::default()
    };
    let document = match Document::parse_with_options(&source.text, options) {
        Ok(document) => document,
        Err(error) => {
            let place = at(&source.text, error.pos());
            work.report.push(say::not_of_format(place, FORMAT.title, &error.to_string()));
            return;
        }
    };
    let root = document.root_element();
    let networks: Vec<Node<'_, '_>> = match root.tag_name().name() {
        "network" => vec![root],
        // Several in one file.
        "networks" => children(root, "network").collect(),
        other => {
            let why = format!("it begins with `<{other}>`");
            work.report.push(say::not_of_format(span(root), FORMAT.title, &why));
            return;
        }
    };
    work.draft.set("yard", "libvirt");
    for network in networks {
        draw(network, work);
    }
}

/// The place of a line and column of the parser's.
fn at(text: &str, place: roxmltree::TextPos) -> Span {
    let before: usize =
        text.split_inclusive('\n').take(place.row.saturating_sub(1) as usize).map(str::len).sum();
    let line = &text[before..];
    let column =
        line.chars().take(place.col.saturating_sub(1) as usize).map(char::len_utf8).sum::<usize>();
    let start = (before + column).min(text.len());
    Span { file: 0, start: start as u32, end: start as u32 }
}

fn span(node: Node<'_, '_>) -> Span {
    let range = node.range();
    // An element's beginning says enough.
    let end = range.end.min(range.start + 1 + node.tag_name().name().len());
    Span { file: 0, start: range.start as u32, end: end as u32 }
}

fn children<'a, 'i>(node: Node<'a, 'i>, name: &'static str) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(move |child| child.has_tag_name(name))
}

fn text<'a>(node: Node<'a, '_>) -> &'a str {
    node.text().unwrap_or_default().trim()
}

fn draw(network: Node<'_, '_>, work: &mut Work) {
    let named = children(network, "name").next();
    let Some(name) = named.map(|name| plain(text(name))).filter(|name| name != "x") else {
        work.report.push(say::not_of_format(span(network), FORMAT.title, "it has no `<name>`"));
        return;
    };
    let mut drawn = Map::default();
    let (mut mode, mut cable, mut names, mut domain_name) = (None, None, None, None);
    for element in network.children().filter(Node::is_element) {
        let key = format!("network.{}", element.tag_name().name());
        match element.tag_name().name() {
            "name" => work.kept(span(element), key),
            "uuid" => work.ignored(span(element), key, "a network is known by its name"),
            "bridge" => cable = Some(element),
            "mac" => taken(element, "address", "mac", &mut drawn, work),
            "mtu" => {
                if let Some(Ok(size)) = element.attribute("size").map(str::parse::<i64>) {
                    drawn.set("mtu", size);
                    work.kept(span(element), key);
                }
            }
            "forward" => mode = Some(element),
            "domain" => {
                if let Some(domain) = element.attribute("name") {
                    domain_name = Some(domain);
                    work.kept(span(element), key);
                }
            }
            "dns" => names = Some(element),
            "ip" => addresses(element, &mut drawn, work),
            "route" => route(element, work),
            "portgroup" | "virtualport" | "vlan" => {
                work.ignored(span(element), key, "ports say their VLANs where they are");
            }
            "bandwidth" => work.ignored(span(element), key, "`rate` of interfaces says the same"),
            "metadata" => work.ignored(span(element), key, "it is a label"),
            _ => work.ignored(span(element), key, "netyard does not know it"),
        }
    }
    bridge(cable, &mut drawn, work);
    match drawn.get("prefix") {
        None => drawn.set("prefix", "none"),
        Some(_) => dns(names, domain_name, &mut drawn, work),
    }
    if !forward(mode, &mut drawn, work) {
        return;
    }
    *work.draft.map("networks").map(&name) = drawn;
}

fn taken(element: Node<'_, '_>, from: &str, to: &str, drawn: &mut Map, work: &mut Work) {
    if let Some(value) = element.attribute(from) {
        drawn.set(to, value);
        work.kept(span(element), format!("network.{}.{from}", element.tag_name().name()));
    }
}

/// `<bridge>`: libvirt's have the spanning tree protocol where nothing is said.
fn bridge(element: Option<Node<'_, '_>>, drawn: &mut Map, work: &mut Work) {
    let attributes = element.iter().flat_map(|element| element.attributes());
    let mut delay = 0;
    let mut stp = true;
    for attribute in attributes {
        let (key, value) = (format!("network.bridge.{}", attribute.name()), attribute.value());
        let place = element.map(span).unwrap_or_default();
        match (attribute.name(), value) {
            ("name", _) => drawn.set("bridge", value),
            ("stp", _) => stp = value != "off",
            ("macTableManager", "kernel") => {}
            ("delay", _) => match value.parse::<u64>() {
                Ok(seconds) => delay = seconds,
                Err(_) => work.report.push(say::bad_line(place, "`delay` in seconds")),
            },
            _ => {
                work.ignored(place, key, "netyard does not know it");
                continue;
            }
        }
        work.kept(place, key);
    }
    if stp {
        drawn.set("stp", true);
        // The least that the kernel has with it (IEEE 802.1D); 0 becomes this there, too.
        drawn.set("forward-delay", format!("{}s", delay.clamp(2, 30)));
    }
}

/// `<forward mode=…>`; without it a network is isolated, but for the host. False where
/// the network is not libvirt's to make.
fn forward(element: Option<Node<'_, '_>>, drawn: &mut Map, work: &mut Work) -> bool {
    let Some(element) = element else { return true };
    let (place, mode) = (span(element), element.attribute("mode").unwrap_or("nat"));
    let key = format!("network.forward.{mode}");
    let device = element.attribute("dev");
    match mode {
        "nat" | "route" => {
            let way = if mode == "nat" { "masquerade" } else { "routed" };
            match device {
                None => drawn.set("uplink", way),
                Some(device) => drawn.map("uplink").set(way, device),
            }
            work.kept(place, key);
        }
        "open" => {
            drawn.set("uplink", "routed");
            work.nearly(place, key, "netyard's own firewall says what passes");
        }
        "bridge" => {
            let why =
                "the bridge is made by somebody else: `uplink: { bridge: INTERFACE }` makes one";
            work.ignored(place, key, why);
            return false;
        }
        _ => work.ignored(place, key, "netyard has no such way out"),
    }
    for nat in children(element, "nat") {
        for port in children(nat, "port") {
            let range = (port.attribute("start"), port.attribute("end"));
            if range == (Some("1024"), Some("65535")) {
                work.kept(span(port), "network.forward.nat.port");
            } else {
                let why = "`firewall: host: nat: masquerade:` with `ports` says it";
                work.ignored(span(port), "network.forward.nat.port", why);
            }
        }
        for address in children(nat, "address") {
            let why = "`firewall: host: nat: snat:` says it";
            work.ignored(span(address), "network.forward.nat.address", why);
        }
    }
    true
}

/// Names are answered wherever the host has an address, unless that is switched off.
fn dns(element: Option<Node<'_, '_>>, domain: Option<&str>, drawn: &mut Map, work: &mut Work) {
    if let Some(off) = element.filter(|element| element.attribute("enable") == Some("no")) {
        return work.kept(span(off), "network.dns.enable");
    }
    let mut served = Map::default();
    if let Some(domain) = domain {
        served.set("domain", domain);
    }
    for child in element.iter().flat_map(|element| element.children()).filter(Node::is_element) {
        let key = format!("network.dns.{}", child.tag_name().name());
        match (child.tag_name().name(), child.attribute("ip"), child.attribute("addr")) {
            ("host", Some(address), _) => {
                for name in children(child, "hostname") {
                    served.map("records").push(&plain(text(name)), address);
                }
                work.kept(span(child), key);
            }
            ("forwarder", _, Some(address)) if child.attribute("domain").is_none() => {
                served.push("forward", address);
                work.kept(span(child), key);
            }
            _ => work.ignored(span(child), key, "netyard's server has no such entry"),
        }
    }
    match served.is_empty() {
        true => drawn.set("dns", true),
        false => drawn.set("dns", Value::Map(served)),
    }
}

/// `<route>`: what of the host's lies behind a guest.
fn route(element: Node<'_, '_>, work: &mut Work) {
    let length = element.attribute("prefix").map(str::to_owned);
    let mask = element.attribute("netmask").and_then(|mask| mask.parse::<Ipv4Addr>().ok());
    let length = length.or_else(|| {
        let net = Ipv4Net::with_netmask(Ipv4Addr::UNSPECIFIED, mask?).ok()?;
        Some(net.prefix_len().to_string())
    });
    let to = element.attribute("address").zip(length).map(|(to, length)| format!("{to}/{length}"));
    let to = to.and_then(|to| to.parse::<IpNet>().ok());
    let gateway = element.attribute("gateway").filter(|g| g.parse::<IpAddr>().is_ok());
    let (Some(to), Some(gateway)) = (to, gateway) else {
        let expected = "`address` with `prefix` or `netmask`, and `gateway`";
        return work.report.push(say::bad_line(span(element), expected));
    };
    let mut route = Map::default();
    route.set("to", to.trunc().to_string());
    route.set("via", gateway);
    if let Some(Ok(metric)) = element.attribute("metric").map(str::parse::<i64>) {
        route.set("metric", metric);
    }
    work.draft.map("nodes").map("host").push("routes", Value::Map(route));
    work.kept(span(element), "network.route");
}

/// `<ip>`: the host's address in the network, its prefix, and what is served there.
fn addresses(element: Node<'_, '_>, drawn: &mut Map, work: &mut Work) {
    let place = span(element);
    let Some(net) = host_address(element) else {
        let expected = "an address with `netmask` or `prefix`";
        work.report.push(say::bad_line(place, expected));
        return;
    };
    drawn.push("prefix", net.trunc().to_string());
    drawn.map("host").push("address", net.to_string());
    if net.addr().is_ipv6() {
        // libvirt's dnsmasq advertises every IPv6 prefix.
        drawn.set("ra", true);
    }
    work.kept(place, "network.ip");
    for dhcp in children(element, "dhcp") {
        let serves = if net.addr().is_ipv4() { "dhcp" } else { "dhcp6" };
        let served = drawn.map(serves);
        for range in children(dhcp, "range") {
            let (Some(first), Some(last)) = (range.attribute("start"), range.attribute("end"))
            else {
                work.report.push(say::bad_line(span(range), "`start` and `end`"));
                continue;
            };
            served.push("range", format!("{first}-{last}"));
            work.kept(span(range), "network.ip.dhcp.range");
        }
        for host in children(dhcp, "host") {
            match (host.attribute("mac"), host.attribute("ip")) {
                (Some(mac), Some(address)) => {
                    served.map("static").set(mac, address);
                    work.kept(span(host), "network.ip.dhcp.host");
                }
                _ => work.ignored(span(host), "network.ip.dhcp.host", "it has no `mac`"),
            }
        }
        for other in dhcp.children().filter(Node::is_element) {
            let name = other.tag_name().name();
            if !["range", "host"].contains(&name) {
                let key = format!("network.ip.dhcp.{name}");
                work.ignored(span(other), key, "`options` of `dhcp` says it");
            }
        }
    }
}

fn host_address(element: Node<'_, '_>) -> Option<IpNet> {
    let address: IpAddr = element.attribute("address")?.parse().ok()?;
    match (element.attribute("prefix"), element.attribute("netmask"), address) {
        (Some(length), _, _) => IpNet::new(address, length.parse().ok()?).ok(),
        (None, Some(mask), IpAddr::V4(address)) => {
            let mask: Ipv4Addr = mask.parse().ok()?;
            Ipv4Net::with_netmask(address, mask).ok().map(IpNet::V4)
        }
        // As libvirt takes it where nothing is said: the class's (RFC 791).
        (None, None, IpAddr::V4(v4)) => {
            let length = match v4.octets()[0] {
                0..128 => 8,
                128..192 => 16,
                _ => 24,
            };
            IpNet::new(address, length).ok()
        }
        _ => None,
    }
}

//! `.network`: how interfaces are set up (systemd.network(5)).

use ipnet::Ipv4Net;

use super::ini::{Key, Section, truth};
use super::{As, Host, Plugged, host_node, kept, route, take, unknown};
use crate::diag::Span;
use crate::draft::reading::network;
use crate::draft::{Map, Value, Work};

/// Sections that an interface of the machine's own may have, and that stay with networkd.
const LEFT: &str = "it is about an interface of the machine's own: leave it with networkd";

/// Reads a file that sets interfaces up.
pub(super) fn read(sections: &[Section<'_>], host: &mut Host, work: &mut Work) {
    let matched = sections.iter().filter(|section| section.name == "Match");
    let mut names = Vec::new();
    let mut place = Span::default();
    for section in matched {
        place = section.place;
        names.extend(section.all("Name").into_iter().map(|(_, name)| name.to_owned()));
        for key in section.keys.iter().filter(|key| key.name != "Name") {
            let why = "an interface is known by its name";
            work.ignored(key.place, format!("Match.{}", key.name), why);
        }
    }
    if names.is_empty() {
        return work.ignored(place, "Match", "it names no interface by `Name=`");
    }
    for name in names {
        if name.contains(['*', '?', '[', '!']) {
            let why =
                "a pattern: ends of containers and of cables are plugged in where they are made";
            work.ignored(place, format!("Match.Name.{name}"), why);
        } else if host.made.contains_key(&name) {
            made(&name, sections, host, work);
        } else {
            hardware(&name, sections, host, work);
        }
    }
}

/// The words of a `.network` that make something sit on its interface.
const CHILDREN: &[&str] = &["VLAN", "MACVLAN", "MACVTAP", "IPVLAN", "VXLAN"];

/// An interface of the machine's own.
fn hardware(name: &str, sections: &[Section<'_>], host: &mut Host, work: &mut Work) {
    let mut tags = Map::default();
    for section in sections.iter().filter(|section| section.name == "BridgeVLAN") {
        vlans(section, &mut tags, work);
    }
    for section in sections.iter().filter(|s| !["Match", "BridgeVLAN"].contains(&s.name)) {
        for key in &section.keys {
            match (section.name, key.name) {
                ("Network", "Bridge") => {
                    let (port, bridge) = (name.to_owned(), key.value.clone());
                    let vlans = std::mem::take(&mut tags);
                    host.plugged.push(Plugged { port, bridge, place: key.place, vlans });
                    kept(section, key, work);
                }
                ("Network", child) if CHILDREN.contains(&child) => {
                    sits_on(name, section, key, host, work);
                }
                ("Network", "IPv6AcceptRA" | "LinkLocalAddressing" | "DHCP")
                    if is_port(sections) && truth(&key.value) == Some(false) =>
                {
                    // As every port of a bridge of netyard's is.
                    kept(section, key, work);
                }
                _ => work.ignored(key.place, format!("{}.{}", section.name, key.name), LEFT),
            }
        }
    }
}

fn is_port(sections: &[Section<'_>]) -> bool {
    sections.iter().any(|section| section.name == "Network" && section.get("Bridge").is_some())
}

/// The children that a line names learn their parent.
fn sits_on(parent: &str, section: &Section<'_>, key: &Key<'_>, host: &mut Host, work: &mut Work) {
    for child in key.value.split_ascii_whitespace() {
        match host.made.get_mut(child) {
            // A tunnel is not tied to what it leaves by.
            Some(made) if made.kind == "vxlan" => made.drawn.set("parent", parent),
            Some(made) => made.drawn.set("parent", parent),
            None => {
                let why = format!("no `.netdev` here makes `{child}`");
                work.ignored(key.place, format!("Network.{}", key.name), why);
                return;
            }
        }
    }
    kept(section, key, work);
}

/// An interface that a `.netdev` makes.
fn made(name: &str, sections: &[Section<'_>], host: &mut Host, work: &mut Work) {
    let mut setup = Setup::default();
    for section in sections.iter().filter(|section| section.name != "Match") {
        match section.name {
            "Network" => {
                for key in &section.keys {
                    of_network(name, section, key, &mut setup, host, work);
                }
            }
            "Address" => of_address(section, &mut setup, work),
            "Route" => {
                if let Some(drawn) = route::route(section, name, work) {
                    host_node(work).push("routes", Value::Map(drawn));
                }
            }
            "RoutingPolicyRule" => {
                let drawn = route::rule(section, work);
                host_node(work).push("rules", Value::Map(drawn));
            }
            "Neighbor" => {
                if let Some(drawn) = route::neighbour(section, name, work) {
                    host_node(work).push("neighbours", Value::Map(drawn));
                }
            }
            "Link" => {
                for key in &section.keys {
                    match key.name {
                        "MTUBytes" => take(section, key, "mtu", As::Number, &mut setup.drawn, work),
                        "MACAddress" => take(section, key, "mac", As::Word, &mut setup.drawn, work),
                        _ => unknown(section, key, work),
                    }
                }
            }
            "DHCPServer" => setup.server = Some(section),
            "BridgeVLAN" => vlans(section, &mut setup.drawn, work),
            "IPv6Prefix" | "IPv6SendRA" => {
                let why =
                    "`ra` of the network advertises its own prefixes, and says more in its own way";
                section.keys.iter().for_each(|key| {
                    work.nearly(key.place, format!("{}.{}", section.name, key.name), why);
                });
            }
            _ => section.keys.iter().for_each(|key| unknown(section, key, work)),
        }
    }
    setup.settle(name, host, work);
}

/// What a `.network` says of one interface.
#[derive(Default)]
struct Setup<'a> {
    drawn: Map,
    addresses: Vec<String>,
    /// `dhcp`, `dhcp6`, `ra`, and where.
    asked: Vec<(&'static str, Span)>,
    server: Option<&'a Section<'a>>,
    serves: bool,
    uplink: Option<Value>,
}

fn of_network(
    name: &str,
    section: &Section<'_>,
    key: &Key<'_>,
    setup: &mut Setup<'_>,
    host: &mut Host,
    work: &mut Work,
) {
    let on = truth(&key.value);
    match key.name {
        "Address" => {
            if key.value.is_empty() {
                setup.addresses.clear();
            }
            setup.addresses.extend(key.value.split_ascii_whitespace().map(str::to_owned));
            kept(section, key, work);
        }
        "Gateway" => {
            let mut route = Map::default();
            route.set("to", if key.value.contains(':') { "::/0" } else { "0.0.0.0/0" });
            route.set("via", key.value.as_str());
            route.set("dev", name);
            host_node(work).push("routes", Value::Map(route));
            kept(section, key, work);
        }
        "DHCP" => {
            let (v4, v6) = match key.value.to_ascii_lowercase().as_str() {
                "ipv4" => (true, false),
                "ipv6" => (false, true),
                _ => (on == Some(true), on == Some(true)),
            };
            setup.asked.extend(v4.then_some(("dhcp", key.place)));
            setup.asked.extend(v6.then_some(("dhcp6", key.place)));
            kept(section, key, work);
        }
        "IPv6AcceptRA" => {
            setup.asked.extend((on == Some(true)).then_some(("ra", key.place)));
            kept(section, key, work);
        }
        "Bridge" | "Bond" | "VRF" => {
            setup.drawn.set("master", key.value.as_str());
            kept(section, key, work);
        }
        child if CHILDREN.contains(&child) => sits_on(name, section, key, host, work),
        "DHCPServer" => {
            setup.serves = on == Some(true);
            kept(section, key, work);
        }
        "IPv6SendRA" => {
            if on == Some(true) {
                setup.drawn.set("ra", true);
            }
            kept(section, key, work);
        }
        "IPMasquerade" => {
            setup.uplink = match key.value.to_ascii_lowercase().as_str() {
                "ipv4" => {
                    let mut uplink = Map::default();
                    uplink.set("masquerade", "auto");
                    uplink.set("ipv6", "none");
                    Some(Value::Map(uplink))
                }
                "both" => Some("masquerade".into()),
                // What networkd took it for: IPv4.
                _ if on == Some(true) => Some("masquerade".into()),
                _ => None,
            };
            kept(section, key, work);
        }
        "IPForward" | "IPv4Forwarding" | "IPv6Forwarding" => {
            let why = "an uplink, or `forward` of a node, switches it on where it is needed";
            work.nearly(key.place, format!("Network.{}", key.name), why);
        }
        "LinkLocalAddressing" | "ConfigureWithoutCarrier" | "IgnoreCarrierLoss" | "Description" => {
            kept(section, key, work);
        }
        "DNS" | "Domains" | "DNSSEC" | "MulticastDNS" | "LLMNR" | "NTP" => {
            let why = "the resolver of the host is not netyard's to set";
            work.ignored(key.place, format!("Network.{}", key.name), why);
        }
        _ => unknown(section, key, work),
    }
}

fn of_address(section: &Section<'_>, setup: &mut Setup<'_>, work: &mut Work) {
    for key in &section.keys {
        if key.name == "Address" {
            setup.addresses.push(key.value.clone());
            kept(section, key, work);
        } else {
            let why = "of an address there is nothing more to say in a yard";
            work.ignored(key.place, format!("Address.{}", key.name), why);
        }
    }
}

/// `[BridgeVLAN]`: what a port carries.
fn vlans(section: &Section<'_>, drawn: &mut Map, work: &mut Work) {
    let untagged = section.get("EgressUntagged").map(str::to_owned);
    let native = section.get("PVID").map(str::to_owned);
    for key in &section.keys {
        let number = key.value.parse::<i64>().ok();
        match key.name {
            "PVID" | "EgressUntagged" if native == untagged => {
                if let Some(number) = number {
                    drawn.set("native", number);
                }
                kept(section, key, work);
            }
            "VLAN" if native.as_deref() == Some(key.value.as_str()) => kept(section, key, work),
            "VLAN" => {
                match number {
                    Some(number) => drawn.push("vlans", number),
                    None => drawn.push("vlans", key.value.as_str()),
                }
                kept(section, key, work);
            }
            _ => {
                let why = "untagged frames come and go in one VLAN, `native`";
                work.ignored(key.place, format!("BridgeVLAN.{}", key.name), why);
            }
        }
    }
}

impl Setup<'_> {
    /// Puts it where the interface is drawn.
    fn settle(mut self, name: &str, host: &mut Host, work: &mut Work) {
        let Some(made) = host.made.get_mut(name) else { return };
        let bridge = made.kind == "bridge";
        let words = std::mem::take(&mut self.asked);
        if bridge {
            // A bridge's own lease comes by the interface that is plugged in.
            if let Some((_, place)) = words.first()
                && self.addresses.is_empty()
            {
                host.asking.insert(name.to_owned(), *place);
            }
        } else if self.addresses.is_empty() && !words.is_empty() {
            let words: Vec<Value> = words.iter().map(|(word, _)| Value::from(*word)).collect();
            made.drawn.set("address", words);
        } else {
            for (word, place) in words {
                let why = "an interface has addresses of the file or of the network, not both";
                work.ignored(place, format!("{name}.{word}"), why);
            }
        }
        if !self.addresses.is_empty() {
            let addresses: Vec<Value> =
                self.addresses.iter().map(|address| Value::from(address.as_str())).collect();
            if bridge {
                let networks = self.addresses.iter().map(|address| Value::from(network(address)));
                made.drawn.set("prefix", networks.collect::<Vec<Value>>());
            }
            let side = if bridge { made.drawn.map("host") } else { &mut made.drawn };
            side.set("address", addresses);
        }
        for key in ["mtu", "mac", "master", "native", "vlans", "ra"] {
            if let Some(value) = self.drawn.get(key) {
                // VLANs of a bridge are those of the host in it.
                let host_side = bridge && ["native", "vlans"].contains(&key);
                let side = if host_side { made.drawn.map("host") } else { &mut made.drawn };
                side.set(key, value.clone());
            }
        }
        if !bridge {
            return;
        }
        if let Some(uplink) = self.uplink {
            made.drawn.set("uplink", uplink);
        }
        if self.serves {
            let served = dhcp(self.server, self.addresses.first(), work);
            made.drawn.set("dhcp", served);
        }
    }
}

/// `[DHCPServer]`: the pool, and how long.
fn dhcp(section: Option<&Section<'_>>, address: Option<&String>, work: &mut Work) -> Value {
    let Some(section) = section else { return Value::Bool(true) };
    let mut served = Map::default();
    let number = |name: &str| section.get(name).and_then(|value| value.parse::<u32>().ok());
    let net = address.and_then(|address| address.parse::<Ipv4Net>().ok());
    if let (Some(net), Some(size)) = (net, number("PoolSize")) {
        let first =
            u32::from(net.network()).saturating_add(number("PoolOffset").unwrap_or(1).max(1));
        let last = first.saturating_add(size.max(1) - 1).min(u32::from(net.broadcast()) - 1);
        let (first, last) = (std::net::Ipv4Addr::from(first), std::net::Ipv4Addr::from(last));
        served.push("range", format!("{first}-{last}"));
    }
    for key in &section.keys {
        match key.name {
            "PoolSize" | "PoolOffset" => kept(section, key, work),
            "DefaultLeaseTimeSec" => take(section, key, "lease", As::Time, &mut served, work),
            "DNS" => {
                for server in key.value.split_ascii_whitespace() {
                    served.push("dns", server);
                }
                kept(section, key, work);
            }
            _ => {
                let why = "`dhcp` of the network says it in its own way";
                work.ignored(key.place, format!("DHCPServer.{}", key.name), why);
            }
        }
    }
    match served.is_empty() {
        true => Value::Bool(true),
        false => Value::Map(served),
    }
}

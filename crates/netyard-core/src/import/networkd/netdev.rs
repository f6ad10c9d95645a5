//! `.netdev`: what is made (systemd.netdev(5)).

use super::ini::{Key, Section, truth};
use super::{As, Host, Made, kept, take, unknown};
use crate::diag::import as say;
use crate::draft::reading::net;
use crate::draft::wireguard::{self, A_KEY, Peer};
use crate::draft::{Map, Value, Work};
use crate::interface::split_endpoint;
use crate::key::PublicKey;

/// Kinds of interfaces that netyard makes, too, by networkd's words.
const KINDS: &[&str] = &[
    "bridge",
    "vlan",
    "vxlan",
    "macvlan",
    "macvtap",
    "ipvlan",
    "dummy",
    "vrf",
    "veth",
    "tun",
    "tap",
    "ifb",
    "wireguard",
];

/// Keys of a section that are taken over as they are: section, key, netyard's key.
const PLAIN: &[(&str, &str, &str, As)] = &[
    ("NetDev", "MTUBytes", "mtu", As::Number),
    ("NetDev", "MACAddress", "mac", As::Word),
    ("Bridge", "STP", "stp", As::Truth),
    ("Bridge", "Priority", "priority", As::Number),
    ("Bridge", "ForwardDelaySec", "forward-delay", As::Time),
    ("Bridge", "HelloTimeSec", "hello-time", As::Time),
    ("Bridge", "MaxAgeSec", "max-age", As::Time),
    ("Bridge", "AgeingTimeSec", "ageing-time", As::Time),
    ("Bridge", "VLANFiltering", "vlan-filtering", As::Truth),
    ("Bridge", "MulticastSnooping", "multicast-snooping", As::Truth),
    ("Bridge", "MulticastQuerier", "multicast-querier", As::Truth),
    ("Bridge", "GroupForwardMask", "group-forward-mask", As::Number),
    ("VLAN", "Id", "id", As::Number),
    ("VLAN", "Protocol", "protocol", As::Word),
    ("VXLAN", "VNI", "id", As::Number),
    ("VXLAN", "Remote", "remote", As::Text),
    ("VXLAN", "Group", "remote", As::Text),
    ("VXLAN", "Local", "local", As::Text),
    ("VXLAN", "DestinationPort", "port", As::Number),
    ("VXLAN", "TTL", "ttl", As::Number),
    ("VXLAN", "MacLearning", "learning", As::Truth),
    ("MACVLAN", "Mode", "mode", As::Word),
    ("MACVTAP", "Mode", "mode", As::Word),
    ("IPVLAN", "Mode", "mode", As::Word),
    ("IPVLAN", "Flags", "isolation", As::Word),
    ("VRF", "Table", "table", As::Number),
    ("VRF", "TableId", "table", As::Number),
    ("Tun", "MultiQueue", "multi-queue", As::Truth),
    ("Tap", "MultiQueue", "multi-queue", As::Truth),
    ("Peer", "Name", "peer", As::Text),
    ("WireGuard", "ListenPort", "listen", As::Number),
    ("WireGuard", "PrivateKeyFile", "private-key-file", As::Text),
];

/// Reads a file that makes an interface.
pub(super) fn read(sections: &[Section<'_>], host: &mut Host, work: &mut Work) {
    let Some(netdev) = sections.iter().find(|section| section.name == "NetDev") else { return };
    let (Some(name), Some(kind)) = (netdev.last("Name"), netdev.last("Kind")) else {
        work.report.push(say::bad_line(netdev.place, "`Name=` and `Kind=` in it"));
        return;
    };
    let word = kind.value.to_ascii_lowercase();
    if !KINDS.contains(&word.as_str()) {
        let why = match word.as_str() {
            "bond" => {
                "its members are the machine's own interfaces: leave it with networkd".to_owned()
            }
            _ => format!("netyard makes no interfaces of kind `{word}`"),
        };
        work.ignored(kind.place, format!("NetDev.{}", name.value), why);
        return;
    }
    let mut made = Made { kind: word.clone(), place: netdev.place, drawn: Map::default() };
    if word == "bridge" {
        // Until a `.network` says otherwise.
        made.drawn.set("prefix", "none");
        made.drawn.map("host").set("address", "none");
    } else {
        if word != "veth" {
            made.drawn.set("kind", word.as_str());
        }
        made.drawn.set("address", "none");
    }
    let mut peers = Vec::new();
    for section in sections {
        if section.name == "WireGuardPeer" {
            peers.push(peer(section, &name.value, peers.len() + 1, work));
            continue;
        }
        for key in &section.keys {
            of_section(section, key, &name.value, &mut made.drawn, work);
        }
    }
    wireguard::settle(&mut peers, "WireGuardPeer.AllowedIPs", work);
    for peer in peers {
        made.drawn.push("peers", Value::Map(peer.map));
    }
    tidy(&mut made.drawn);
    host.made.insert(name.value.clone(), made);
}

fn of_section(section: &Section<'_>, key: &Key<'_>, name: &str, drawn: &mut Map, work: &mut Work) {
    let plain = PLAIN.iter().find(|(s, k, ..)| *s == section.name && *k == key.name);
    if let Some((_, _, to, how)) = plain {
        return take(section, key, to, *how, drawn, work);
    }
    match (section.name, key.name) {
        ("NetDev", "Name" | "Kind") => kept(section, key, work),
        ("NetDev", "Description") => {
            work.ignored(key.place, "NetDev.Description", "it is a label");
        }
        ("Bridge", "DefaultPVID") => match key.value.as_str() {
            "1" => kept(section, key, work),
            _ => {
                let why =
                    "ports of a filtering bridge are in the VLANs that are said, and no other";
                work.nearly(key.place, "Bridge.DefaultPVID", why);
            }
        },
        ("WireGuard", "PrivateKey") => {
            let file = format!("{name}.key");
            let path = "WireGuard.PrivateKey".to_owned();
            match wireguard::moved(&key.value, &file, key.place, path, work) {
                Ok(()) => drawn.set("private-key-file", file),
                Err(expected) => work.report.push(say::bad_line(key.place, expected)),
            }
        }
        ("WireGuard", "FirewallMark") => {
            let why = "packets leave from where the interface is born: no mark is needed";
            work.ignored(key.place, "WireGuard.FirewallMark", why);
        }
        ("Match", _) => {
            let why = "the file is taken over on whatever machine it is for";
            work.nearly(key.place, format!("Match.{}", key.name), why);
        }
        _ => unknown(section, key, work),
    }
}

/// What netyard would refuse beside something else.
fn tidy(drawn: &mut Map) {
    if drawn.get("stp") != Some(&Value::Bool(true)) {
        for key in ["forward-delay", "hello-time", "max-age"] {
            drawn.remove(key);
        }
    }
}

fn peer(section: &Section<'_>, name: &str, count: usize, work: &mut Work) -> Peer {
    let mut drawn = Peer { place: section.place, ..Peer::default() };
    for key in &section.keys {
        let path = format!("WireGuardPeer.{}", key.name);
        match key.name {
            "PublicKey" => match PublicKey::parse(&key.value) {
                Ok(public) => {
                    drawn.map.set("public-key", public.to_string());
                    work.kept(key.place, path);
                }
                Err(_) => {
                    drawn.map.set("public-key", "");
                    work.report.push(say::bad_line(key.place, A_KEY));
                }
            },
            "PresharedKey" => {
                let file = format!("{name}.peer{count}.psk");
                match wireguard::moved(&key.value, &file, key.place, path, work) {
                    Ok(()) => drawn.map.set("preshared-key-file", file),
                    Err(expected) => work.report.push(say::bad_line(key.place, expected)),
                }
            }
            "PresharedKeyFile" => {
                drawn.map.set("preshared-key-file", key.value.as_str());
                work.kept(key.place, path);
            }
            "AllowedIPs" => {
                for word in key.value.split(',') {
                    match net(word) {
                        Some(net) => drawn.allowed.push((key.place, net.trunc())),
                        None => work.report.push(say::bad_line(key.place, "networks")),
                    }
                }
                work.kept(key.place, path);
            }
            "Endpoint" if split_endpoint(&key.value).is_some() => {
                drawn.map.set("endpoint", key.value.as_str());
                work.kept(key.place, path);
            }
            "PersistentKeepalive" => {
                let seconds = key.value.parse::<u16>().ok();
                let off = truth(&key.value) == Some(false);
                match seconds {
                    Some(seconds) if seconds > 0 => {
                        drawn.map.set("keepalive", format!("{seconds}s"));
                        work.kept(key.place, path);
                    }
                    _ if off => work.kept(key.place, path),
                    _ => work.report.push(say::bad_line(key.place, "seconds, or `off`")),
                }
            }
            "Endpoint" => {
                let expected = "an address or a name, and a port";
                work.report.push(say::bad_line(key.place, expected));
            }
            _ => unknown(section, key, work),
        }
    }
    if drawn.map.get("public-key").is_none() {
        work.report.push(say::bad_line(section.place, "a `PublicKey=` in it"));
    }
    drawn
}

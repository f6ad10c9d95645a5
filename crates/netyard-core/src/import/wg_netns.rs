//! Profiles of wg-netns, in YAML or JSON: a network namespace and its interfaces of
//! WireGuard, whose packets come and go in the namespace where they were made.
//!
//! Keys are written with `-` or with `_`. Secrets are not copied, as with wg-quick.

use ipnet::IpNet;

use super::Format;
use crate::diag::import as say;
use crate::diag::{Sources, Span};
use crate::draft::names::plain;
use crate::draft::reading::{entries, items, net, number, text};
use crate::draft::wireguard::{self, A_KEY, Peer};
use crate::draft::{Map, Value, Work};
use crate::interface::split_endpoint;
use crate::key::PublicKey;
use crate::name::InterfaceName;
use crate::spec::tree::{self, Content, Entry, Node};

pub(super) static FORMAT: Format = Format {
    word: "wg-netns",
    title: "profile of wg-netns",
    beside: &[],
    main: &[".yaml", ".yml", ".json"],
    whole: false,
    read,
    is_one: |file| {
        let interface = file.get("interfaces").and_then(|interfaces| interfaces.get(0));
        interface
            .is_some_and(|one| one.get("private-key").or_else(|| one.get("private_key")).is_some())
    },
};

const HOOK: &str = "nothing is run of a foreign file: `exec` of the node says the same";

fn read(sources: &Sources, work: &mut Work) {
    let Some(source) = sources.0.first() else { return };
    let Some(profile) = tree::parse(&source.text, 0, &mut work.report) else { return };
    let named = profile.get("name").and_then(|name| text(&name.value, "name", work));
    let Some(foreign) = named else {
        work.report.push(say::not_of_format(profile.span, FORMAT.title, "it has no `name`"));
        return;
    };
    let name = plain(foreign);
    work.draft.set("yard", name.as_str());
    let mut node = Map::default();
    if name == foreign {
        node.set("netns", foreign);
    } else {
        let why = format!("no namespace can have this name: it is `{name}`");
        work.nearly(named_at(&profile), "name", why);
        node.set("netns", name.as_str());
    }
    for entry in entries(&profile, "the profile", work) {
        of_profile(entry, &mut node, work);
    }
    *work.draft.map("nodes").map(&name) = node;
}

fn of_profile(entry: &Entry, node: &mut Map, work: &mut Work) {
    let (span, value) = (entry.key.span, &entry.value);
    match word(entry).as_str() {
        "name" if node.get("netns").is_some_and(|own| Some(own) == written(value).as_ref()) => {
            work.kept(span, "name");
        }
        "name" => {}
        "managed" => match &value.content {
            Content::Scalar(scalar) if scalar.bool() == Some(false) => {
                let why = "netyard makes the namespace, and takes it away with the rest";
                work.nearly(span, "managed", why);
            }
            _ => work.kept(span, "managed"),
        },
        "base-netns" if value.is_null() => work.kept(span, "base-netns"),
        "base-netns" => {
            let why = "packets come and go on the host: `birth` of the interface says another node";
            work.ignored(span, "base-netns", why);
        }
        "dns-server" => {
            for server in items(value, "dns-server", work) {
                if let Some(server) = text(server, "dns-server", work) {
                    node.map("dns").push("servers", server);
                }
            }
            work.kept(span, "dns-server");
        }
        hook @ ("pre-up" | "post-up" | "pre-down" | "post-down") => {
            work.ignored(span, hook, HOOK);
        }
        "interfaces" => {
            for interface in items(value, "interfaces", work) {
                draw(interface, node, work);
            }
        }
        _ => work.ignored(span, &*entry.key.value, "netyard does not know it"),
    }
}

fn named_at(profile: &Node) -> Span {
    profile.get("name").map_or(profile.span, |name| name.key.span)
}

fn written(value: &Node) -> Option<Value> {
    match &value.content {
        Content::Scalar(scalar) => Some(Value::from(&*scalar.text)),
        _ => None,
    }
}

/// A key as the documentation writes it.
fn word(entry: &Entry) -> String {
    entry.key.value.replace('_', "-")
}

/// One interface and its peers.
fn draw(interface: &Node, node: &mut Map, work: &mut Work) {
    let named = interface.get("name").and_then(|name| text(&name.value, "name", work));
    let Some(name) = named.and_then(|name| InterfaceName::new(name).ok()) else {
        let expected = "an interface with a `name` of at most 15 bytes";
        work.report.push(say::bad_line(interface.span, expected));
        return;
    };
    let name = name.to_string();
    let mut drawn = Map::default();
    drawn.set("kind", "wireguard");
    let (mut own, mut peers) = (Vec::new(), Vec::new());
    for entry in entries(interface, "an interface", work) {
        let (span, value, key) = (entry.key.span, &entry.value, word(entry));
        let path = format!("interfaces.{key}");
        match key.as_str() {
            "name" => work.kept(span, path),
            "address" => {
                own = nets(value, "address", work).into_iter().map(|(_, net)| net).collect();
                for net in &own {
                    drawn.push("address", net.to_string());
                }
                work.kept(span, path);
            }
            "private-key" => {
                let file = format!("{name}.key");
                if secret(value, &file, path, work) {
                    drawn.set("private-key-file", file);
                }
            }
            "listen-port" => match number(value, "listen-port", work) {
                Some(0) => {
                    let why = "netyard chooses a port that stays, the kernel another each time";
                    work.nearly(span, path, why);
                }
                port => set_number("listen", port, span, path, &mut drawn, work),
            },
            "mtu" => {
                set_number("mtu", number(value, "mtu", work), span, path, &mut drawn, work);
            }
            "fwmark" => {
                let why = "packets leave from where the interface is born: no mark is needed";
                work.ignored(span, path, why);
            }
            "peers" => {
                for (at, peer) in items(value, "peers", work).iter().enumerate() {
                    peers.push(of_peer(peer, &name, at + 1, work));
                }
            }
            _ => work.ignored(span, path, "netyard does not know it"),
        }
    }
    for (peer, _) in peers.iter().filter(|(peer, _)| peer.map.get("public-key").is_none()) {
        work.report.push(say::bad_line(peer.place, "a peer with a `public-key`"));
    }
    let (mut peers, ways): (Vec<Peer>, Vec<_>) = peers.into_iter().unzip();
    wireguard::settle(&mut peers, "interfaces.peers.allowed-ips", work);
    for (peer, ways) in peers.iter().zip(ways) {
        // What leads into the tunnel: what is said, or what the peer may have.
        let ways = ways.unwrap_or_else(|| peer.allowed.clone());
        // The interface's own prefix leads there already.
        for (_, net) in ways.iter().filter(|(_, net)| !own.iter().any(|own| own.trunc() == *net)) {
            let mut route = Map::default();
            route.set("to", net.to_string());
            route.set("dev", name.as_str());
            node.push("routes", Value::Map(route));
        }
    }
    for peer in peers {
        drawn.push("peers", Value::Map(peer.map));
    }
    *node.map("interfaces").map(&name) = drawn;
}

fn set_number(
    to: &str,
    value: Option<i64>,
    span: Span,
    path: String,
    drawn: &mut Map,
    work: &mut Work,
) {
    if let Some(value) = value {
        drawn.set(to, value);
        work.kept(span, path);
    }
}

/// A peer; beside it the routes that are given in place of those of its prefixes.
fn of_peer(
    peer: &Node,
    interface: &str,
    count: usize,
    work: &mut Work,
) -> (Peer, Option<Vec<(Span, IpNet)>>) {
    let mut drawn = Peer { place: peer.span, ..Peer::default() };
    let mut ways = None;
    for entry in entries(peer, "a peer", work) {
        let (span, value, key) = (entry.key.span, &entry.value, word(entry));
        let path = format!("interfaces.peers.{key}");
        match key.as_str() {
            "public-key" => {
                let Some(key) = text(value, "public-key", work) else { continue };
                match PublicKey::parse(key) {
                    Ok(key) => {
                        drawn.map.set("public-key", key.to_string());
                        work.kept(span, path);
                    }
                    Err(_) => {
                        drawn.map.set("public-key", "");
                        work.report.push(say::bad_line(value.span, A_KEY));
                    }
                }
            }
            "preshared-key" if value.is_null() => {}
            "preshared-key" => {
                let file = format!("{interface}.peer{count}.psk");
                if secret(value, &file, path, work) {
                    drawn.map.set("preshared-key-file", file);
                }
            }
            "endpoint" if value.is_null() => {}
            "endpoint" => match text(value, "endpoint", work) {
                Some(endpoint) if split_endpoint(endpoint).is_some() => {
                    drawn.map.set("endpoint", endpoint);
                    work.kept(span, path);
                }
                Some(_) => {
                    let expected = "an address or a name, and a port";
                    work.report.push(say::bad_line(value.span, expected));
                }
                None => {}
            },
            "persistent-keepalive" => {
                if let Some(seconds) = number(value, "persistent-keepalive", work)
                    && seconds > 0
                {
                    drawn.map.set("keepalive", format!("{seconds}s"));
                }
                work.kept(span, path);
            }
            "allowed-ips" => {
                drawn.allowed = nets(value, "allowed-ips", work);
                work.kept(span, path);
            }
            "routes" if value.is_null() => {}
            "routes" => {
                ways = Some(nets(value, "routes", work));
                work.kept(span, path);
            }
            "name" => work.ignored(span, path, "it is a label"),
            _ => work.ignored(span, path, "netyard does not know it"),
        }
    }
    (drawn, ways)
}

/// True when a key is one, and will lie in the file.
fn secret(value: &Node, file: &str, path: String, work: &mut Work) -> bool {
    let Some(key) = text(value, &path, work) else { return false };
    match wireguard::moved(key, file, value.span, path, work) {
        Ok(()) => true,
        Err(expected) => {
            work.report.push(say::bad_line(value.span, expected));
            false
        }
    }
}

fn nets(value: &Node, key: &str, work: &mut Work) -> Vec<(Span, IpNet)> {
    let mut nets = Vec::new();
    for item in items(value, key, work) {
        let Some(word) = text(item, key, work) else { continue };
        match net(word) {
            Some(net) if key == "address" => nets.push((item.span, net)),
            Some(net) => nets.push((item.span, net.trunc())),
            None => work.report.push(say::bad_line(item.span, "an address with its prefix length")),
        }
    }
    nets
}

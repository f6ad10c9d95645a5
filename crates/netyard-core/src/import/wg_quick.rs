//! Files of wg-quick(8): one interface, its peers, and what is run around it.
//!
//! Keys are not copied: a yard's file is not where secrets are kept. The file that
//! is made names files for them, and the account says what belongs there.

use ipnet::IpNet;

use super::Format;
use crate::diag::import as say;
use crate::diag::{Sources, Span};
use crate::draft::reading::{lines, net};
use crate::draft::wireguard::{self, A_KEY, Peer};
use crate::draft::{Map, Value, Work};
use crate::interface::split_endpoint;
use crate::key::PublicKey;
use crate::name::InterfaceName;

pub(super) static FORMAT: Format = Format {
    word: "wg-quick",
    title: "wg-quick file",
    beside: &[],
    main: &[".conf"],
    whole: false,
    read,
    is_one: |_| false,
};

/// A section of the file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Section {
    None,
    Interface,
    Peer,
}

/// A file being read.
struct Reader<'w> {
    work: &'w mut Work,
    name: String,
    interface: Map,
    /// Where `[Interface]` is.
    place: Span,
    has_key: bool,
    addresses: Vec<IpNet>,
    peers: Vec<Peer>,
    /// Files of preshared keys, by the peer that shares them.
    shared: Vec<(PublicKey, String)>,
    /// `Table =`: none where wg-quick would choose, `off` gives no routes.
    table: Option<String>,
}

fn read(sources: &Sources, work: &mut Work) {
    let Some(source) = sources.0.first() else { return };
    let file = source.name.rsplit('/').next().unwrap_or_default();
    let stem = file.strip_suffix(".conf").unwrap_or(file);
    let name = InterfaceName::new(stem).map_or_else(|_| "wg0".to_owned(), |name| name.to_string());
    let mut interface = Map::default();
    interface.set("kind", "wireguard");
    let (place, peers) = (Span::default(), Vec::new());
    let mut reader = Reader {
        work,
        name,
        interface,
        place,
        has_key: false,
        addresses: Vec::new(),
        peers,
        shared: Vec::new(),
        table: None,
    };
    let mut section = Section::None;
    let mut seen = false;
    for (span, line) in lines(&source.text, 0) {
        let line = line.split('#').next().unwrap_or_default().trim();
        match line.to_ascii_lowercase().as_str() {
            "" => {}
            "[interface]" => {
                (section, seen) = (Section::Interface, true);
                reader.place = span;
            }
            "[peer]" => {
                section = Section::Peer;
                reader.peers.push(Peer { place: span, ..Peer::default() });
            }
            _ => {
                let Some((key, value)) = line.split_once('=') else {
                    reader.work.report.push(say::bad_line(span, "`Key = value` or a section"));
                    continue;
                };
                let (key, value) = (key.trim(), value.trim());
                let expected = match section {
                    Section::Interface => reader.of_interface(span, key, value),
                    Section::Peer => reader.of_peer(span, key, value),
                    Section::None => Err("`[Interface]` or `[Peer]` first"),
                };
                if let Err(expected) = expected {
                    reader.work.report.push(say::bad_line(span, expected));
                }
            }
        }
    }
    if !seen {
        let why = "it has no `[Interface]`";
        reader.work.report.push(say::not_of_format(Span::default(), FORMAT.title, why));
        return;
    }
    if reader.name != stem {
        let why = format!("no interface can have this name: it is `{}`", reader.name);
        reader.work.nearly(reader.place, stem, why);
    }
    reader.draw();
}

type Read = Result<(), &'static str>;

impl Reader<'_> {
    fn of_interface(&mut self, span: Span, key: &str, value: &str) -> Read {
        let path = format!("Interface.{key}");
        match key.to_ascii_lowercase().as_str() {
            "privatekey" => {
                let file = format!("{}.key", self.name);
                wireguard::moved(value, &file, span, path, self.work)?;
                self.interface.set("private-key-file", file);
                self.has_key = true;
            }
            "address" => {
                for net in nets(value)? {
                    self.interface.push("address", net.to_string());
                    self.addresses.push(net);
                }
                self.work.kept(span, path);
            }
            "listenport" => {
                let port: u16 = value.parse().map_err(|_| "a port")?;
                if port == 0 {
                    let why = "netyard chooses a port that stays, the kernel another each time";
                    self.work.nearly(span, path, why);
                    return Ok(());
                }
                self.interface.set("listen", i64::from(port));
                self.work.kept(span, path);
            }
            "mtu" => {
                let mtu: u16 = value.parse().map_err(|_| "a number of bytes")?;
                self.interface.set("mtu", i64::from(mtu));
                self.work.kept(span, path);
            }
            "table" => {
                self.table = Some(value.to_ascii_lowercase());
                self.work.kept(span, path);
            }
            "dns" => {
                self.work.ignored(span, path, "the resolver of the host is not netyard's to set");
            }
            "fwmark" => {
                let why = "packets leave from where the interface is born: no mark is needed";
                self.work.ignored(span, path, why);
            }
            "postup" if self.key_of_file(value) => self.work.kept(span, path),
            "preup" | "postup" | "predown" | "postdown" => {
                self.work.ignored(span, path, "nothing is run of a foreign file");
            }
            "saveconfig" => self.work.ignored(span, path, "the yard's file says what is"),
            _ => self.work.ignored(span, path, "netyard does not know it"),
        }
        Ok(())
    }

    /// `wg set %i private-key FILE`, `wg set %i peer KEY preshared-key FILE`: keys that are
    /// in files already. True where it is one of these.
    fn key_of_file(&mut self, line: &str) -> bool {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match words.as_slice() {
            ["wg", "set", "%i", "private-key", file] if is_path(file) => {
                self.interface.set("private-key-file", *file);
                self.has_key = true;
                true
            }
            ["wg", "set", "%i", "peer", peer, "preshared-key", file] if is_path(file) => {
                let Ok(peer) = PublicKey::parse(peer) else { return false };
                self.shared.push((peer, (*file).to_owned()));
                true
            }
            _ => false,
        }
    }

    fn of_peer(&mut self, span: Span, key: &str, value: &str) -> Read {
        let path = format!("Peer.{key}");
        let number = self.peers.len();
        let Some(peer) = self.peers.last_mut() else { return Ok(()) };
        match key.to_ascii_lowercase().as_str() {
            "publickey" => {
                let key = PublicKey::parse(value).map_err(|_| A_KEY)?;
                peer.map.set("public-key", key.to_string());
                self.work.kept(span, path);
            }
            "presharedkey" => {
                let file = format!("{}.peer{number}.psk", self.name);
                wireguard::moved(value, &file, span, path, self.work)?;
                peer.map.set("preshared-key-file", file);
            }
            "endpoint" => {
                split_endpoint(value).ok_or("an address or a name, and a port")?;
                peer.map.set("endpoint", value);
                self.work.kept(span, path);
            }
            "allowedips" => {
                let nets = nets(value)?;
                peer.allowed.extend(nets.iter().map(|net| (span, net.trunc())));
                self.work.kept(span, path);
            }
            "persistentkeepalive" => {
                let seconds = if value == "off" { Ok(0) } else { value.parse::<u16>() };
                let seconds = seconds.map_err(|_| "seconds, or `off`")?;
                if seconds > 0 {
                    peer.map.set("keepalive", format!("{seconds}s"));
                }
                self.work.kept(span, path);
            }
            _ => self.work.ignored(span, path, "netyard does not know it"),
        }
        Ok(())
    }

    fn draw(mut self) {
        if !self.has_key {
            let why =
                "it is not in the file: netyard makes one, and the peers must learn its public key";
            self.work.nearly(self.place, "Interface.PrivateKey", why);
        }
        self.work.draft.set("yard", self.name.as_str());
        let mut peers = std::mem::take(&mut self.peers);
        for peer in peers.iter().filter(|peer| peer.map.get("public-key").is_none()) {
            self.work.report.push(say::bad_line(peer.place, "a `PublicKey` in it"));
        }
        for (key, file) in &self.shared {
            let is_it =
                |peer: &&mut Peer| peer.map.get("public-key") == Some(&key.to_string().into());
            if let Some(peer) = peers.iter_mut().find(is_it) {
                peer.map.set("preshared-key-file", file.as_str());
            }
        }
        wireguard::settle(&mut peers, "Peer.AllowedIPs", self.work);
        let routes = self.routes(&peers);
        let peers: Vec<Value> = peers.into_iter().map(|peer| Value::Map(peer.map)).collect();
        if !peers.is_empty() {
            self.interface.set("peers", Value::List(peers));
        }
        let host = self.work.draft.map("nodes").map("host");
        host.map("interfaces").set(&self.name, Value::Map(self.interface));
        for route in routes {
            host.push("routes", Value::Map(route));
        }
    }

    /// wg-quick leads all allowed addresses into the tunnel.
    fn routes(&mut self, peers: &[Peer]) -> Vec<Map> {
        if self.table.as_deref() == Some("off") {
            return Vec::new();
        }
        let table = self.table.as_ref().and_then(|table| table.parse::<i64>().ok());
        let mut routes = Vec::new();
        for &(span, net) in peers.iter().flat_map(|peer| &peer.allowed) {
            if net.prefix_len() == 0 && table.is_none() {
                let why = "a default route into the tunnel would take its own packets along: wg-quick \
                           marks them; move the interface into a node, and the host keeps its way out";
                self.work.ignored(span, format!("routes.{net}"), why);
                continue;
            }
            // Where the interface's own prefix leads already, wg-quick adds none.
            let own = self.addresses.iter().any(|own| own.trunc().contains(&net));
            if own && table.is_none() {
                continue;
            }
            let mut route = Map::default();
            route.set("to", net.to_string());
            route.set("dev", self.name.as_str());
            if let Some(table) = table {
                route.set("table", table);
            }
            routes.push(route);
        }
        routes
    }
}

/// A path, and nothing that a shell would do more with.
fn is_path(word: &str) -> bool {
    word.starts_with('/') && word.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c))
}

/// Addresses with their lengths, where left out those of one address.
fn nets(text: &str) -> Result<Vec<IpNet>, &'static str> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let all: Option<Vec<IpNet>> = text.split(',').map(net).collect();
    all.ok_or("addresses with prefix lengths")
}

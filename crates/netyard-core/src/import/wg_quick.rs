//! Files of wg-quick(8): one interface, its peers, and what is run around it.
//!
//! Keys are not copied: a yard's file is not where secrets are kept. The file that
//! is made names files for them, and the account says what belongs there.

use std::net::IpAddr;

use ipnet::IpNet;

use super::Format;
use crate::diag::import as say;
use crate::diag::{Sources, Span};
use crate::draft::reading::lines;
use crate::draft::{Map, Value, Work};
use crate::interface::split_endpoint;
use crate::key::{PublicKey, WgKey};
use crate::name::InterfaceName;

pub(super) static FORMAT: Format = Format {
    word: "wg-quick",
    title: "wg-quick file",
    beside: &[],
    main: &[".conf"],
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
    peers: Vec<Map>,
    allowed: Vec<IpNet>,
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
    let (peers, allowed) = (Vec::new(), Vec::new());
    let mut reader = Reader { work, name, interface, peers, allowed, table: None };
    let mut section = Section::None;
    let mut seen = false;
    for (span, line) in lines(&source.text, 0) {
        let line = line.split('#').next().unwrap_or_default().trim();
        match line.to_ascii_lowercase().as_str() {
            "" => {}
            "[interface]" => (section, seen) = (Section::Interface, true),
            "[peer]" => {
                section = Section::Peer;
                reader.peers.push(Map::default());
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
    reader.draw();
}

type Read = Result<(), &'static str>;

impl Reader<'_> {
    fn of_interface(&mut self, span: Span, key: &str, value: &str) -> Read {
        let path = format!("Interface.{key}");
        match key.to_ascii_lowercase().as_str() {
            "privatekey" => {
                WgKey::parse(value).map_err(|_| "a key: 32 bytes in base64")?;
                let file = format!("{}.key", self.name);
                self.interface.set("private-key-file", file.clone());
                self.moved(span, path, &file);
            }
            "address" => {
                for net in nets(value)? {
                    self.interface.push("address", net.to_string());
                }
                self.work.kept(span, path);
            }
            "listenport" => {
                let port: u16 = value.parse().map_err(|_| "a port")?;
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
            "preup" | "postup" | "predown" | "postdown" => {
                self.work.ignored(span, path, "nothing is run of a foreign file");
            }
            "saveconfig" => self.work.ignored(span, path, "the yard's file says what is"),
            _ => self.work.ignored(span, path, "netyard does not know it"),
        }
        Ok(())
    }

    fn of_peer(&mut self, span: Span, key: &str, value: &str) -> Read {
        let path = format!("Peer.{key}");
        let number = self.peers.len();
        let Some(peer) = self.peers.last_mut() else { return Ok(()) };
        match key.to_ascii_lowercase().as_str() {
            "publickey" => {
                let key = PublicKey::parse(value).map_err(|_| "a key: 32 bytes in base64")?;
                peer.set("public-key", key.to_string());
                self.work.kept(span, path);
            }
            "presharedkey" => {
                WgKey::parse(value).map_err(|_| "a key: 32 bytes in base64")?;
                let file = format!("{}.peer{number}.psk", self.name);
                peer.set("preshared-key-file", file.clone());
                self.moved(span, path, &file);
            }
            "endpoint" => {
                split_endpoint(value).ok_or("an address or a name, and a port")?;
                peer.set("endpoint", value);
                self.work.kept(span, path);
            }
            "allowedips" => {
                for net in nets(value)?.iter().map(IpNet::trunc) {
                    peer.push("allowed-ips", net.to_string());
                    self.allowed.push(net);
                }
                self.work.kept(span, path);
            }
            "persistentkeepalive" => {
                let seconds = if value == "off" { Ok(0) } else { value.parse::<u16>() };
                let seconds = seconds.map_err(|_| "seconds, or `off`")?;
                if seconds > 0 {
                    peer.set("keepalive", format!("{seconds}s"));
                }
                self.work.kept(span, path);
            }
            _ => self.work.ignored(span, path, "netyard does not know it"),
        }
        Ok(())
    }

    /// A secret that is to be put elsewhere.
    fn moved(&mut self, span: Span, path: String, file: &str) {
        let why =
            format!("put it into `{file}`, mode 0600, beside the yard's file: it is not copied");
        self.work.nearly(span, path, why);
    }

    fn draw(mut self) {
        self.work.draft.set("yard", self.name.as_str());
        let peers: Vec<Value> = self.peers.drain(..).map(Value::Map).collect();
        if !peers.is_empty() {
            self.interface.set("peers", Value::List(peers));
        }
        let routes = self.routes();
        let host = self.work.draft.map("nodes").map("host");
        host.map("interfaces").set(&self.name, Value::Map(self.interface));
        for route in routes {
            host.push("routes", Value::Map(route));
        }
    }

    /// wg-quick leads all allowed addresses into the tunnel.
    fn routes(&mut self) -> Vec<Map> {
        if self.table.as_deref() == Some("off") {
            return Vec::new();
        }
        let table = self.table.as_ref().and_then(|table| table.parse::<i64>().ok());
        let mut routes = Vec::new();
        for net in std::mem::take(&mut self.allowed) {
            if net.prefix_len() == 0 && table.is_none() {
                let why = "a default route into the tunnel would take its own packets along: wg-quick \
                           marks them; move the interface into a node, and the host keeps its way out";
                self.work.ignored(Span::default(), format!("routes.{net}"), why);
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

/// Addresses with their lengths, where left out those of one address.
fn nets(text: &str) -> Result<Vec<IpNet>, &'static str> {
    let one = |word: &str| {
        let word = word.trim();
        let net = word.parse::<IpNet>().ok();
        net.or_else(|| word.parse::<IpAddr>().ok().map(IpNet::from))
    };
    let all: Option<Vec<IpNet>> = text.split(',').map(one).collect();
    all.ok_or("addresses with prefix lengths")
}

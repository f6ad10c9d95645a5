use std::fmt::Write as _;

use ipnet::IpNet;
use netyard_core::interface::{PeerSpec, Who, split_endpoint};
use netyard_core::key::{KeyName, WgKey};
use netyard_core::state::Place;
use netyard_core::yard::Wireguard;
use netyard_linux::Access;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

use crate::cli::FileOption;
use crate::error::{Error, Result};
use crate::live::Meeting;
use crate::load::File;
use crate::ui;

/// Make the configuration of a peer that is not in this yard
///
/// For a laptop or a telephone that the file names as a peer of one of its WireGuard
/// interfaces: `peers: [{ name: phone, allowed-ips: 10.9.0.8/32 }]`. Its private key is
/// made now, printed here as wg-quick and the apps read it, and kept nowhere; of it
/// netyard keeps the public key, which the next `up` lets in.
#[derive(Debug, clap::Args)]
pub struct PeerConfig {
    #[command(flatten)]
    file: FileOption,
    /// The interface it is a peer of: `gw:wg0`
    #[arg(value_name = "NODE:INTERFACE")]
    target: String,
    /// What the file calls it
    #[arg(value_name = "PEER")]
    peer: String,
    /// As a QR code, too, for the app's camera
    #[arg(long)]
    qr: bool,
    /// How it reaches the interface, where the file does not say: ADDRESS:PORT
    #[arg(long, value_name = "ENDPOINT")]
    endpoint: Option<String>,
    /// What it sends through the tunnel [default: everything]
    #[arg(long, value_name = "PREFIX", value_delimiter = ',')]
    allowed_ips: Vec<IpNet>,
    /// The name servers it asks
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',')]
    dns: Vec<std::net::IpAddr>,
    /// Make a new key although there is one: the old configuration ends
    #[arg(long)]
    replace: bool,
}

impl PeerConfig {
    /// Does it.
    pub fn run(self) -> Result {
        let file = File::read(&self.file.origin())?;
        let (node, interface) = self.target.split_once(':').ok_or_else(|| {
            Error::command_line(format!("`{}` is no interface: NODE:INTERFACE", self.target))
        })?;
        let peer = guest(&file, node, interface, &self.peer)?;
        let mut met = Meeting::of(&file, Access::Write)?;
        let place = met.yard.node(node).map(|node| node.place.clone());
        let end = met.yard.tunnels.iter().find(|end| {
            let id = &end.tunnel.interface;
            Some(&id.place) == place.as_ref() && id.name.as_str() == interface
        });
        let end = end.ok_or_else(|| Error::failed(format!("`{}` is no tunnel", self.target)))?;
        let endpoint = self.endpoint(end)?;
        let mtu = met.yard.node(node).and_then(|node| node.interface(interface));
        let mtu = mtu.and_then(|interface| interface.device.mtu);
        let end = end.clone();
        let name = KeyName::guest(node, interface, &self.peer);
        if end.names.values().any(|known| *known == self.peer) && !self.replace {
            return Err(Error::failed(format!("`{}` has its configuration already", self.peer))
                .hint("its private key was printed once and is kept nowhere; `--replace` makes a new one"));
        }
        let shared = KeyName::guest_shared(node, interface, &self.peer);
        let shared = peer.preshared.map(|_| met.session.secret(&shared)).transpose()?;
        let key = met.session.invite(&name)?;
        let text = self.text(peer, &end, &key, shared.as_ref(), &endpoint, mtu);
        ui::print(&text)?;
        if self.qr {
            ui::print(&format!("\n{}\n", picture(&text)?))?;
        }
        ui::note(&format!("`netyard up{}` lets `{}` in", self.file.again(), self.peer));
        Ok(())
    }

    /// How the peer reaches the interface.
    fn endpoint(&self, end: &Wireguard) -> Result<String> {
        let Some(said) = self.endpoint.clone().or_else(|| end.endpoint.clone()) else {
            let from = match &end.birth {
                Place::Host => "this machine".to_owned(),
                place => format!("`{place}`"),
            };
            return Err(Error::failed("nobody knows how the peer reaches the interface").hint(
                format!("say how {from} is reached: `--endpoint vpn.example:{}`, or `endpoint:` in the file", end.tunnel.listen),
            ));
        };
        if split_endpoint(&said).is_none() {
            let with_port = format!("{said}:{}", end.tunnel.listen);
            let fits = split_endpoint(&with_port).is_some();
            return if fits {
                Ok(with_port)
            } else {
                Err(Error::command_line(format!("`{said}` is no endpoint: ADDRESS:PORT")))
            };
        }
        Ok(said)
    }

    fn text(
        &self,
        peer: &PeerSpec,
        end: &Wireguard,
        key: &WgKey,
        shared: Option<&WgKey>,
        endpoint: &str,
        mtu: Option<u32>,
    ) -> String {
        let list = |items: Vec<String>| items.join(", ");
        let own = peer.allowed_ips.iter().flatten().map(|net| net.value.to_string()).collect();
        let mut text = format!("[Interface]\nPrivateKey = {}\n", key.reveal());
        let _ = writeln!(text, "Address = {}", list(own));
        if !self.dns.is_empty() {
            let dns = self.dns.iter().map(ToString::to_string).collect();
            let _ = writeln!(text, "DNS = {}", list(dns));
        }
        if let Some(mtu) = mtu {
            let _ = writeln!(text, "MTU = {mtu}");
        }
        let _ = writeln!(text, "\n[Peer]\nPublicKey = {}", end.tunnel.key.public);
        if let Some(shared) = shared {
            let _ = writeln!(text, "PresharedKey = {}", shared.reveal());
        }
        let allowed = match self.allowed_ips.as_slice() {
            [] => "0.0.0.0/0, ::/0".to_owned(),
            some => list(some.iter().map(ToString::to_string).collect()),
        };
        let _ = writeln!(text, "Endpoint = {endpoint}\nAllowedIPs = {allowed}");
        // It calls, and firewalls between forget who was called.
        let keepalive = if peer.keepalive > 0 { peer.keepalive } else { 25 };
        let _ = writeln!(text, "PersistentKeepalive = {keepalive}");
        text
    }
}

/// The peer of that name, as the file says it.
fn guest<'f>(file: &'f File, node: &str, interface: &str, name: &str) -> Result<&'f PeerSpec> {
    let node_spec = file.spec.nodes.iter().find(|n| n.name.value.as_str() == node);
    let mut interfaces = node_spec.iter().flat_map(|n| &n.interfaces);
    let found = interfaces.find(|i| i.name.value.as_str() == interface);
    let Some(wireguard) = found.and_then(|found| found.wireguard.as_ref()) else {
        return Err(Error::failed(format!(
            "the file has no WireGuard interface `{node}:{interface}`"
        )));
    };
    let called = |peer: &&PeerSpec| matches!(&peer.who, Who::Guest(said) if said.value == name);
    wireguard.peers.iter().find(called).ok_or_else(|| {
        Error::failed(format!("`{node}:{interface}` has no peer `{name}` without a key of its own"))
            .hint(format!("give it one: `peers: [{{ name: {name}, allowed-ips: 10.9.0.8/32 }}]`"))
    })
}

fn picture(text: &str) -> Result<String> {
    let code = QrCode::new(text.as_bytes())
        .map_err(|error| Error::failed(format!("could not make a QR code: {error}")))?;
    // Light on dark, as terminals mostly are: cameras read both.
    Ok(code.render::<Dense1x2>().quiet_zone(true).build())
}

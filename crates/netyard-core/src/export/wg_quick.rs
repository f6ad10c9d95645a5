//! `wg-quick`: each tunnel as a file of wg-quick(8).
//!
//! Keys are not copied: `PostUp` has wg(8) read them from the files that the yard keeps
//! them in, or from those that are named here and that somebody must bring.

use std::fmt::Write as _;

use ipnet::IpNet;

use super::{BROKEN_PATH, Papers, Subject, Target, UNMADE, has_broken_path, unmade};
use crate::interface::Engine;
use crate::plan::quoted;
use crate::state::{Key, Object, Place};
use crate::yard::{Interface, Wireguard};

pub(super) static TARGET: Target =
    Target { word: "wg-quick", doc: "A file of wg-quick for each WireGuard interface", write };

fn write(subject: &Subject<'_>, papers: &mut Papers) {
    for end in &subject.yard.tunnels {
        let id = &end.tunnel.interface;
        let node = subject.yard.nodes.iter().find(|node| node.place == id.place);
        let interface =
            node.and_then(|node| node.interfaces.iter().find(|one| one.device.id == *id));
        let Some(interface) = interface else { continue };
        if unmade(&end.tunnel) {
            if let Some(object) = subject.desired.get(&Key::Interface(id.clone())) {
                papers.leave(object, UNMADE);
            }
            continue;
        }
        if has_broken_path(&end.tunnel) {
            if let Some(object) = subject.desired.get(&Key::Interface(id.clone())) {
                papers.leave(object, BROKEN_PATH);
            }
            continue;
        }
        let name = interface.device.kernel_name.as_str();
        let path = match &id.place {
            Place::Node(node) => format!("{node}/{name}.conf"),
            Place::Host | Place::Fabric => format!("{name}.conf"),
        };
        papers.file(path, tunnel(subject, end, interface), 0o600);
        account(subject, end, papers);
    }
}

/// What of the State is in the file.
fn account(subject: &Subject<'_>, end: &Wireguard, papers: &mut Papers) {
    let id = &end.tunnel.interface;
    for object in subject.desired.objects() {
        match object {
            Object::Interface(interface) if interface.id == *id => papers.take(object),
            Object::Address(address) if address.interface == *id => papers.take(object),
            Object::Tunnel(tunnel) if tunnel.interface == *id => papers.take(object),
            Object::Route(route) if leads_into(route, end) => papers.take(object),
            // The process that stands in for the kernel, and its setting.
            Object::Process(process)
                if process.place == end.birth && process.name.starts_with("wireguard-") =>
            {
                papers.take(object);
            }
            Object::Sysctl(sysctl)
                if end.engine == Engine::Userspace
                    && sysctl.place == id.place
                    && sysctl.interface.as_ref() == Some(&id.name) =>
            {
                papers.take(object);
            }
            _ => {}
        }
    }
    if end.birth != id.place {
        let key = Key::Interface(id.clone());
        if let Some(object) = subject.desired.get(&key) {
            let why =
                format!("its packets come and go in {}; with wg-quick, where it is run", end.birth);
            papers.left_out.push(format!("{object}: {why}"));
        }
    }
}

/// A route that wg-quick makes of `AllowedIPs`.
fn leads_into(route: &crate::state::Route, end: &Wireguard) -> bool {
    let id = &end.tunnel.interface;
    let allowed = end.tunnel.peers.iter().any(|peer| peer.allowed_ips.contains(&route.destination));
    let into = route.hops.len() == 1 && route.hops[0].interface == id.name;
    route.place == id.place && into && allowed && route.hops[0].gateway.is_none()
}

fn tunnel(subject: &Subject<'_>, end: &Wireguard, interface: &Interface) -> String {
    let id = &end.tunnel.interface;
    let inside = subject.inside(&id.place);
    let notes = match inside.is_empty() {
        true => Vec::new(),
        false => vec![format!("Run as: {inside}wg-quick up FILE")],
    };
    let mut text = subject.head(&TARGET, &format!("Interface {id} of"), &notes);
    text.push_str("[Interface]\n");
    for address in &interface.addresses {
        let _ = writeln!(text, "Address = {}", address.net);
    }
    let _ = writeln!(text, "ListenPort = {}", end.tunnel.listen);
    if let Some(mtu) = interface.device.mtu {
        let _ = writeln!(text, "MTU = {mtu}");
    }
    let own: Vec<IpNet> = interface.addresses.iter().map(|address| address.net.trunc()).collect();
    if !routes_follow(subject, end, &own) {
        // What leads into the tunnel is said by the yard's own routes.
        text.push_str("Table = off\n");
    }
    let secrets = subject.secrets();
    // wg-quick gives these lines to a shell, and puts the name in the place of `%i`.
    let file = |file: &str| quoted(&file.replace("{secrets}", &secrets));
    let _ = writeln!(text, "PostUp = wg set %i private-key {}", file(&end.tunnel.key.file));
    for peer in &end.tunnel.peers {
        if let Some(key) = &peer.preshared_key {
            let _ = writeln!(
                text,
                "PostUp = wg set %i peer {} preshared-key {}",
                peer.public_key,
                file(&key.file)
            );
        }
    }
    for peer in &end.tunnel.peers {
        text.push_str("\n[Peer]\n");
        if let Some(name) = end.names.get(&peer.public_key) {
            let _ = writeln!(text, "# {}", super::one_line(name));
        }
        let _ = writeln!(text, "PublicKey = {}", peer.public_key);
        if let Some(endpoint) = &peer.endpoint {
            let _ = writeln!(text, "Endpoint = {endpoint}");
        }
        if peer.keepalive > 0 {
            let _ = writeln!(text, "PersistentKeepalive = {}", peer.keepalive);
        }
        if !peer.allowed_ips.is_empty() {
            let nets: Vec<String> = peer.allowed_ips.iter().map(IpNet::to_string).collect();
            let _ = writeln!(text, "AllowedIPs = {}", nets.join(", "));
        }
    }
    text
}

/// True when the routes that wg-quick would make are those of the yard.
fn routes_follow(subject: &Subject<'_>, end: &Wireguard, own: &[IpNet]) -> bool {
    let allowed = end.tunnel.peers.iter().flat_map(|peer| &peer.allowed_ips);
    let mut made = allowed.filter(|net| !own.iter().any(|own| own.contains(*net)));
    let has = |net: &IpNet| {
        subject.desired.objects().any(|object| match object {
            Object::Route(route) => route.destination == *net && leads_into(route, end),
            _ => false,
        })
    };
    made.all(has)
}

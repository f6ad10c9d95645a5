//! Tunnels: what the kernel is told, or the process that stands in for it.

use super::Object;
use crate::interface::Engine;
use crate::state::{
    Place, Process, ProcessFile, Program, Ready, Reload, Sysctl, TUNNEL_SOCKET, TunnelFile,
};
use crate::yard::{Interface, Wireguard, Yard};

/// `IN6_ADDR_GEN_MODE_NONE` (linux/if_link.h): the kernel gives a tun a link-local
/// address that is another one every time.
const NO_ADDRESS: &str = "1";
/// What the process is told, in its directory.
const FILE: &str = "wireguard.json";

pub(super) fn push(yard: &Yard, objects: &mut Vec<Object>) {
    for end in &yard.tunnels {
        let Some(interface) = interface(yard, end) else { continue };
        match end.engine {
            Engine::Kernel => {
                objects.push(Object::Tunnel(Box::new(end.tunnel.clone())));
                // The kernel knows addresses alone.
                if end.has_names() {
                    objects.push(process(yard, end, interface, true).into());
                }
            }
            Engine::Userspace => {
                objects.push(Object::Sysctl(addresses(end)));
                objects.push(process(yard, end, interface, false).into());
            }
        }
    }
}

fn interface<'y>(yard: &'y Yard, end: &Wireguard) -> Option<&'y Interface> {
    let id = &end.tunnel.interface;
    let mut all = yard.nodes.iter().flat_map(|node| &node.interfaces);
    all.find(|interface| interface.device.id == *id)
}

fn addresses(end: &Wireguard) -> Sysctl {
    let id = &end.tunnel.interface;
    Sysctl {
        place: id.place.clone(),
        interface: Some(id.name.clone()),
        key: "net/ipv6/conf/{if}/addr_gen_mode".to_owned(),
        value: NO_ADDRESS.to_owned(),
    }
}

/// The process of a tunnel. It runs where the packets leave from.
fn process(yard: &Yard, end: &Wireguard, interface: &Interface, watch: bool) -> Process {
    let id = &end.tunnel.interface;
    let elsewhere = id.place != end.birth;
    let node = yard.nodes.iter().find(|node| node.place == id.place);
    let netns = node.and_then(|node| node.namespace.as_ref()).filter(|_| elsewhere);
    let file = TunnelFile {
        version: TunnelFile::VERSION,
        yard: yard.name.clone(),
        netns: netns.map(|namespace| namespace.netns.clone()),
        device: interface.device.kernel_name.clone(),
        tunnel: end.tunnel.clone(),
    };
    // Serialising plain data cannot fail.
    let content = serde_json::to_string_pretty(&file).unwrap_or_default() + "\n";
    let path = format!("{{dir}}/{FILE}");
    let socket = format!("{{dir}}/{TUNNEL_SOCKET}");
    let words = match watch {
        true => vec!["wireguard".to_owned(), "--watch".to_owned(), path],
        false => vec!["wireguard".to_owned(), path, socket.clone()],
    };
    let name = process_name(end);
    Process {
        ready: if watch { Ready::Started } else { Ready::Socket(socket.clone()) },
        files: vec![ProcessFile::new(FILE, content)],
        reload: Reload::Signal("HUP".to_owned()),
        ..Process::new(end.birth.clone(), &name, Program::Netyard(words))
    }
}

/// What the process of a tunnel is called; in its own node by the interface alone.
fn process_name(end: &Wireguard) -> String {
    let id = &end.tunnel.interface;
    match &id.place {
        place if *place == end.birth => format!("wireguard-{}", id.name),
        Place::Node(node) => format!("wireguard-{node}-{}", id.name),
        Place::Host | Place::Fabric => format!("wireguard-host-{}", id.name),
    }
}

impl Wireguard {
    /// The process that does its work, or looks after its endpoints: where it is,
    /// and what it is called there.
    pub fn process(&self) -> (Place, String) {
        (self.birth.clone(), process_name(self))
    }

    /// True where a peer is known by a name that leads somewhere else one day.
    pub fn has_names(&self) -> bool {
        let mut said = self.tunnel.peers.iter().filter_map(|peer| peer.endpoint.as_deref());
        said.any(|said| said.parse::<std::net::SocketAddr>().is_err())
    }
}

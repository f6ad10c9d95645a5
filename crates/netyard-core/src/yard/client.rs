//! Addresses from the network: the client of an interface, and what the kernel
//! does with router advertisements.

use super::gather::{Cast, Role};
use super::serving::Seat;
use super::{Node, delegated};
use crate::diag::{Report, Span, client as say};
use crate::interface::Kind;
use crate::name::{FullName, InterfaceName};
use crate::service::client::{ClientConfig, FILE, VERSION, process_name};
use crate::spec::SourcesSpec;
use crate::state::{File, InterfaceId, Place, Process, ProcessFile, Program, Reload};

/// Where an interface has addresses from that are not in the file.
pub(super) fn sources(cast: &Cast<'_>, interface: usize) -> SourcesSpec {
    cast.interfaces[interface].spec.map(|spec| spec.sources).unwrap_or_default()
}

/// True for a node with a client, whose leases may tell who knows names.
pub(super) fn has_client(cast: &Cast<'_>, node: usize) -> bool {
    cast.nodes[node].interfaces.iter().any(|interface| {
        let sources = sources(cast, *interface);
        sources.dhcp.or(sources.dhcp6).or(sources.ra).is_some()
    })
}

/// The name of an interface's client process, if it has one.
pub(super) fn name(cast: &Cast<'_>, interface: usize) -> Option<String> {
    let sources = sources(cast, interface);
    let (node, own) = (cast.interfaces[interface].node, &cast.interfaces[interface].name);
    let has = sources.dhcp.or(sources.dhcp6).is_some()
        || delegated::asking(cast, node).contains(own.as_str());
    has.then(|| process_name(&cast.interfaces[interface].name))
}

/// `resolv.conf` of a node whose clients write into it.
pub(super) fn resolv_conf(marker: &str) -> String {
    format!("{marker}{}", File::LEASED)
}

/// What the kernel is to do with router advertisements on an interface: settings
/// below `net/ipv6/conf/IF/`; none where the file has no word on it.
///
/// A stack that forwards takes none of them with `accept_ra` 1
/// (`ipv6_accept_ra`, net/ipv6/addrconf.c), and 2 says that it shall all the same. With
/// `dhcp6` alone the way out comes by advertisements, and no address.
pub(super) fn settings(
    sources: SourcesSpec,
    forwards: bool,
) -> Vec<(&'static str, &'static str, Span)> {
    let Some(span) = sources.ra.or(sources.dhcp6) else { return Vec::new() };
    let accept = if forwards { "2" } else { "1" };
    let autoconf = if sources.ra.is_some() { "1" } else { "0" };
    vec![("accept_ra", accept, span), ("autoconf", autoconf, span)]
}

/// The interfaces of a node that are to pass over what is advertised: the network is
/// the yard's own, advertises, and they have the addresses of the file.
pub(super) fn deaf(cast: &Cast<'_>, interface: usize) -> Option<Span> {
    let found = &cast.interfaces[interface];
    let Role::Port(network) = found.role else { return None };
    let ra = cast.spec.networks[network].serving.ra.as_ref()?;
    let sources = sources(cast, interface);
    (sources.ra.or(sources.dhcp6).is_none() && !cast.is_host(found.node)).then_some(ra.span)
}

/// The clients' processes of a node, which is the one of that index.
pub(super) fn processes(cast: &Cast<'_>, index: usize, node: &Node) -> Vec<Process> {
    let spec = cast.nodes[index].spec;
    let mut processes = Vec::new();
    let mut asking = delegated::asking(cast, index);
    for &interface in &cast.nodes[index].interfaces {
        let sources = sources(cast, interface);
        let resolver = node.place != Place::Host && spec.is_none_or(|s| s.dns.is_none());
        let ra = resolver && sources.ra.or(sources.dhcp6).is_some();
        let asks = asking.remove(cast.interfaces[interface].name.as_str());
        if sources.dhcp.or(sources.dhcp6).is_none() && !ra && !asks {
            continue;
        }
        let id = cast.id(interface);
        let Some(found) = node.interfaces.iter().find(|i| i.device.id == id) else { continue };
        let hostname = spec.and_then(|s| s.hostname.as_ref()).map(|name| name.value.clone());
        let config = ClientConfig {
            version: VERSION,
            interface: found.device.kernel_name.clone(),
            dhcp4: sources.dhcp.is_some(),
            dhcp6: sources.dhcp6.is_some(),
            delegated: asks.then(|| delegated::resolve(cast, index, id.name.as_str(), node)),
            hostname: Some(hostname.unwrap_or_else(|| node.name.to_string())),
            ra,
            resolver,
        };
        processes.push(process(&id, &config));
    }
    // What is the machine's own, and not of the file.
    for name in asking {
        let (Ok(interface), Ok(own)) = (InterfaceName::new(name), FullName::new(name)) else {
            continue;
        };
        let config = ClientConfig {
            version: VERSION,
            interface,
            dhcp4: false,
            dhcp6: false,
            delegated: Some(delegated::resolve(cast, index, name, node)),
            hostname: None,
            ra: false,
            resolver: false,
        };
        processes.push(process(&InterfaceId { place: node.place.clone(), name: own }, &config));
    }
    processes
}

fn process(id: &InterfaceId, config: &ClientConfig) -> Process {
    let words = ["client", "{dir}/client.json", "{data}"].map(str::to_owned).to_vec();
    let content = serde_json::to_string_pretty(config).unwrap_or_default();
    Process {
        files: vec![ProcessFile::new(FILE, content)],
        reload: Reload::Signal("HUP".into()),
        keep: true,
        ..Process::new(id.place.clone(), &process_name(&id.name), Program::Netyard(words))
    }
}

/// Interfaces that cannot have a lease or advertisements, and prefixes that nobody could use.
pub(super) fn check(cast: &Cast<'_>, seats: &[Option<Seat>], report: &mut Report) {
    delegated::check(cast, seats, report);
    for (index, interface) in cast.interfaces.iter().enumerate() {
        let sources = sources(cast, index);
        let name = interface.name.as_str();
        let Some(span) = sources.dhcp.or(sources.dhcp6).or(sources.ra) else { continue };
        let bare = match interface.role {
            Role::Loopback => true,
            Role::Own(Kind::Tun(_) | Kind::Ipvlan(_)) => sources.dhcp.or(sources.dhcp6).is_some(),
            _ => false,
        };
        if bare {
            report.push(say::no_hardware_address(name, span));
        } else if !interface.up() {
            report.push(say::client_down(name, span));
        }
    }
}

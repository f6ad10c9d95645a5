//! What is on the host, as networkd's files (systemd.netdev(5), systemd.network(5)).

use std::fmt::Write as _;

use ipnet::IpNet;

use crate::interface::{
    Bridge, BridgePort, Interface, IpvlanIsolation, IpvlanMode, Kind, MacvlanMode,
};
use crate::state::{
    Address, Key, Object, Place, PortVlan, Route, RouteKind, Rule, RuleAction, State, Tunnel,
};

use super::super::{Papers, Subject};
use super::TARGET;
use super::word::interface_name;

const DIRECTORY: &str = "etc/systemd/network";

/// True for an interface that networkd makes: on the host, like what it sits on and what it
/// belongs to. Cables are made by the script, which knows both of their ends.
pub(super) fn takes(state: &State, interface: &Interface) -> bool {
    if let Some(Object::Tunnel(tunnel)) = state.get(&Key::Tunnel(interface.id.clone()))
        && super::super::has_broken_path(tunnel)
    {
        return false;
    }
    let on_host = |id: &crate::state::InterfaceId| {
        id.place == Place::Host && state.interface(id).is_some_and(|o| takes(state, o))
    };
    let beside = |name: &crate::name::FullName| {
        on_host(&crate::state::InterfaceId { place: Place::Host, name: name.clone() })
    };
    let known = !matches!(interface.kind, Kind::Veth(_) | Kind::Loopback);
    let radio = match &interface.kind {
        Kind::Wlan(wlan) => interface_name(&wlan.phy),
        _ => true,
    };
    interface.id.place == Place::Host
        && known
        && radio
        && interface_name(interface.kernel_name.as_str())
        && interface.parent.as_ref().is_none_or(on_host)
        && interface.master.as_ref().is_none_or(beside)
}

/// True for an object that is in networkd's files.
pub(super) fn has(subject: &Subject<'_>, object: &Object) -> bool {
    let state = subject.desired;
    let taken = |id: &crate::state::InterfaceId| {
        id.place == Place::Host && state.interface(id).is_some_and(|o| takes(state, o))
    };
    match object {
        Object::Interface(o) => takes(state, o),
        Object::Address(o) => taken(&o.interface),
        Object::Neighbour(o) => taken(&o.interface) && (o.mac.is_some() || o.address.is_ipv6()),
        Object::PortVlan(o) => taken(&o.interface),
        Object::Tunnel(o) => taken(&o.interface),
        Object::Route(o) => o.place == Place::Host && home(subject, o).is_some(),
        Object::Rule(o) => {
            o.place == Place::Host
                && first(subject).is_some()
                && !matches!(o.action, RuleAction::Goto(_))
        }
        _ => false,
    }
}

/// The interfaces that networkd makes, in the order of their names.
fn all<'a>(subject: &Subject<'a>) -> impl Iterator<Item = &'a Interface> {
    let state = subject.desired;
    state.objects().filter_map(move |object| match object {
        Object::Interface(o) if takes(state, o) => Some(&**o),
        _ => None,
    })
}

/// Whose file has what belongs to no interface.
fn first<'a>(subject: &Subject<'a>) -> Option<&'a Interface> {
    all(subject).next()
}

/// Whose file a route is in.
fn home<'a>(subject: &Subject<'a>, route: &Route) -> Option<&'a Interface> {
    match &*route.hops {
        [] => first(subject),
        hops => all(subject).find(|o| hops.iter().all(|hop| hop.interface == o.id.name)),
    }
}

/// Writes the files of all.
pub(super) fn write(subject: &Subject<'_>, papers: &mut Papers) {
    for interface in all(subject) {
        let name = interface.kernel_name.as_str();
        let what = format!("Interface {name} of");
        let head = subject.head(&TARGET, &what, &[]);
        if let Some(text) = netdev(subject, interface) {
            papers.file(format!("{DIRECTORY}/20-{name}.netdev"), format!("{head}{text}"), 0o644);
        }
        let text = network(subject, interface);
        papers.file(format!("{DIRECTORY}/20-{name}.network"), format!("{head}{text}"), 0o644);
        if asks(subject, interface) {
            papers.left_out.push(format!(
                "addresses of {}: what its port had is not known here; its file asks by DHCP and takes router \
                 advertisements",
                interface.id
            ));
        }
    }
}

/// True for a bridge that stands in for an interface of the host: its addresses come from
/// where that one's came from.
pub(in crate::export) fn asks(subject: &Subject<'_>, interface: &Interface) -> bool {
    let mut objects = subject.desired.objects();
    let has_port = objects.any(|object| match object {
        Object::Interface(o) => {
            matches!(o.kind, Kind::Physical(_))
                && o.id.place == Place::Host
                && o.master.as_ref() == Some(&interface.id.name)
        }
        _ => false,
    });
    let addressed = subject.desired.objects().any(|object| match object {
        Object::Address(address) => address.interface == interface.id,
        _ => false,
    });
    has_port && !addressed && matches!(interface.kind, Kind::Bridge(_))
}

fn yes(on: bool) -> &'static str {
    if on { "yes" } else { "no" }
}

fn seconds(milliseconds: u32) -> String {
    format!("{milliseconds}ms")
}

/// What makes it; none for what is there already.
fn netdev(subject: &Subject<'_>, o: &Interface) -> Option<String> {
    let kind = match &o.kind {
        Kind::Physical(_) | Kind::Loopback | Kind::Veth(_) => return None,
        Kind::Tap(_) => "tap",
        Kind::Wlan(_) => "wlan",
        kind => kind.kernel_kind()?,
    };
    let mut text = format!("[NetDev]\nName={}\nKind={kind}\n", o.kernel_name);
    if let Some(mtu) = o.mtu {
        let _ = writeln!(text, "MTUBytes={mtu}");
    }
    if let Some(mac) = o.mac {
        let _ = writeln!(text, "MACAddress={mac}");
    }
    text.push_str(&special(o));
    if let Some(Object::Tunnel(tunnel)) = subject.desired.get(&Key::Tunnel(o.id.clone())) {
        text.push_str(&wireguard(subject, tunnel));
    }
    Some(text)
}

/// The section of its kind.
fn special(o: &Interface) -> String {
    match &o.kind {
        Kind::Bridge(bridge) => self::bridge(bridge),
        Kind::Vlan(vlan) => {
            let tag = if vlan.service_tag { "Protocol=802.1ad\n" } else { "" };
            format!("\n[VLAN]\nId={}\n{tag}", vlan.id)
        }
        Kind::Vxlan(vxlan) => {
            let mut text = format!("\n[VXLAN]\nVNI={}\nDestinationPort={}\n", vxlan.id, vxlan.port);
            if let Some(remote) = vxlan.remote {
                let key = if remote.is_multicast() { "Group" } else { "Remote" };
                let _ = writeln!(text, "{key}={remote}");
            }
            if let Some(local) = vxlan.local {
                let _ = writeln!(text, "Local={local}");
            }
            let ttl = if vxlan.ttl == 0 { "inherit".to_owned() } else { vxlan.ttl.to_string() };
            let _ = writeln!(text, "TTL={ttl}\nMacLearning={}", yes(vxlan.learning));
            if o.parent.is_none() {
                text.push_str("Independent=yes\n");
            }
            text
        }
        Kind::Macvlan(lan) => format!("\n[MACVLAN]\nMode={}\n", macvlan(lan.mode)),
        Kind::Macvtap(lan) => format!("\n[MACVTAP]\nMode={}\n", macvlan(lan.mode)),
        Kind::Ipvlan(lan) => {
            let mode = match lan.mode {
                IpvlanMode::L2 => "L2",
                IpvlanMode::L3 => "L3",
                IpvlanMode::L3s => "L3S",
            };
            let flags = match lan.isolation {
                IpvlanIsolation::Bridge => "bridge",
                IpvlanIsolation::Private => "private",
                IpvlanIsolation::Vepa => "vepa",
            };
            format!("\n[IPVLAN]\nMode={mode}\nFlags={flags}\n")
        }
        Kind::Wlan(wlan) => {
            format!("\n[WLAN]\nPhysicalDevice={}\nType={}\n", wlan.phy, wlan.role.word())
        }
        Kind::Vrf(vrf) => format!("\n[VRF]\nTable={}\n", vrf.table),
        Kind::Bond(bond) => {
            let mode = serde_word(&bond.mode);
            format!("\n[Bond]\nMode={mode}\nMIIMonitorSec={}\n", seconds(bond.miimon))
        }
        Kind::Tap(tap) | Kind::Tun(tap) => {
            let section = if matches!(o.kind, Kind::Tap(_)) { "Tap" } else { "Tun" };
            let mut text = format!("\n[{section}]\nMultiQueue={}\n", yes(tap.multi_queue));
            if let Some(owner) = tap.owner {
                let _ = writeln!(text, "User={owner}");
            }
            if let Some(group) = tap.group {
                let _ = writeln!(text, "Group={group}");
            }
            text
        }
        _ => String::new(),
    }
}

/// The word that a file of ours has for it, which is the kernel's.
fn serde_word(value: &impl serde::Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

fn macvlan(mode: MacvlanMode) -> &'static str {
    match mode {
        MacvlanMode::Bridge => "bridge",
        MacvlanMode::Private => "private",
        MacvlanMode::Vepa => "vepa",
        MacvlanMode::Passthru => "passthru",
    }
}

fn bridge(o: &Bridge) -> String {
    // No port belongs to a VLAN that was not asked for: DefaultPVID=none.
    format!(
        "\n[Bridge]\nSTP={}\nPriority={}\nForwardDelaySec={}\nHelloTimeSec={}\nMaxAgeSec={}\n\
         AgeingTimeSec={}\nVLANFiltering={}\nDefaultPVID=none\nMulticastSnooping={}\n\
         MulticastQuerier={}\nGroupForwardMask={}\n",
        yes(o.stp),
        o.priority,
        seconds(o.forward_delay),
        seconds(o.hello_time),
        seconds(o.max_age),
        seconds(o.ageing_time),
        yes(o.vlan_filtering),
        yes(o.multicast_snooping),
        yes(o.multicast_querier),
        o.group_forward_mask
    )
}

fn wireguard(subject: &Subject<'_>, o: &Tunnel) -> String {
    let file = |file: &str| file.replace("{secrets}", &subject.secrets());
    let mut text = format!(
        "\n[WireGuard]\nListenPort={}\nPrivateKeyFile={}\n",
        o.listen,
        file(&o.key.file).replace('%', "%%")
    );
    for peer in &o.peers {
        let _ = writeln!(text, "\n[WireGuardPeer]\nPublicKey={}", peer.public_key);
        if let Some(key) = &peer.preshared_key {
            let _ = writeln!(text, "PresharedKeyFile={}", file(&key.file).replace('%', "%%"));
        }
        if let Some(endpoint) = &peer.endpoint {
            let _ = writeln!(text, "Endpoint={endpoint}");
        }
        if peer.keepalive > 0 {
            let _ = writeln!(text, "PersistentKeepalive={}", peer.keepalive);
        }
        for net in &peer.allowed_ips {
            let _ = writeln!(text, "AllowedIPs={net}");
        }
    }
    text
}

/// What is on it.
fn network(subject: &Subject<'_>, o: &Interface) -> String {
    let mut text = format!("[Match]\nName={}\n", o.kernel_name);
    text.push_str(&link(subject, o));
    text.push_str(&relations(subject, o));
    let is_first = first(subject).is_some_and(|first| first.id == o.id);
    for object in subject.desired.objects() {
        match object {
            Object::Address(address) if address.interface == o.id => {
                text.push_str(&self::address(address));
            }
            Object::Route(route)
                if route.place == Place::Host
                    && home(subject, route).is_some_and(|home| home.id == o.id) =>
            {
                text.push_str(&self::route(subject, route));
            }
            Object::Rule(rule) if is_first && has(subject, object) => {
                text.push_str(&self::rule(subject, rule));
            }
            Object::Neighbour(neighbour) if neighbour.interface == o.id => {
                if let Some(mac) = neighbour.mac {
                    let _ = write!(
                        text,
                        "\n[Neighbor]\nAddress={}\nLinkLayerAddress={mac}\n",
                        neighbour.address
                    );
                }
            }
            Object::PortVlan(vlan) if vlan.interface == o.id => text.push_str(&port_vlan(vlan)),
            _ => {}
        }
    }
    if let Some(port) = &o.port {
        text.push_str(&self::port(port));
    }
    text
}

fn link(subject: &Subject<'_>, o: &Interface) -> String {
    let mut text = "\n[Link]\n".to_owned();
    // The bridge that stands in for an interface is the way out; nobody waits for the rest.
    let _ = writeln!(text, "RequiredForOnline={}", yes(asks(subject, o)));
    if !o.up {
        text.push_str("ActivationPolicy=always-down\n");
    }
    if let (Kind::Physical(_), Some(mtu)) = (&o.kind, o.mtu) {
        let _ = writeln!(text, "MTUBytes={mtu}");
    }
    text
}

/// `[Network]`: who is below and above it, and what it does by itself.
fn relations(subject: &Subject<'_>, o: &Interface) -> String {
    let mut text = "\n[Network]\n".to_owned();
    if let Some(master) = &o.master {
        let key = subject.desired.objects().find_map(|object| match object {
            Object::Interface(m) if m.id.place == Place::Host && m.id.name == *master => {
                Some(match m.kind {
                    Kind::Vrf(_) => "VRF",
                    Kind::Bond(_) => "Bond",
                    _ => "Bridge",
                })
            }
            _ => None,
        });
        let name = subject.device(&Place::Host, master);
        let _ = writeln!(text, "{}={name}", key.unwrap_or("Bridge"));
    }
    for child in all(subject).filter(|child| child.parent.as_ref() == Some(&o.id)) {
        let key = match child.kind {
            Kind::Vlan(_) => "VLAN",
            Kind::Vxlan(_) => "VXLAN",
            Kind::Macvlan(_) => "MACVLAN",
            Kind::Macvtap(_) => "MACVTAP",
            Kind::Ipvlan(_) => "IPVLAN",
            _ => continue,
        };
        let _ = writeln!(text, "{key}={}", child.kernel_name);
    }
    for object in subject.desired.objects() {
        if let Object::Neighbour(neighbour) = object
            && neighbour.interface == o.id
            && neighbour.mac.is_none()
            && neighbour.address.is_ipv6()
        {
            let _ = writeln!(text, "IPv6ProxyNDP=yes\nIPv6ProxyNDPAddress={}", neighbour.address);
        }
    }
    let asks = asks(subject, o);
    let _ = writeln!(text, "DHCP={}\nIPv6AcceptRA={}", yes(asks), yes(asks));
    let local = if o.port.is_some() { "no" } else { "ipv6" };
    let _ = writeln!(text, "LinkLocalAddressing={local}\nConfigureWithoutCarrier=yes");
    text
}

fn address(o: &Address) -> String {
    let mut text = format!("\n[Address]\nAddress={}\n", o.net);
    if let Some(peer) = o.peer {
        let _ = writeln!(text, "Peer={peer}/{}", o.net.prefix_len());
    }
    if matches!(o.net, IpNet::V6(_)) && !o.dad {
        text.push_str("DuplicateAddressDetection=none\n");
    }
    text
}

fn route(subject: &Subject<'_>, o: &Route) -> String {
    let mut text = format!("\n[Route]\nDestination={}\n", o.destination);
    if o.kind != RouteKind::Unicast {
        let _ = writeln!(text, "Type={}", serde_word(&o.kind));
    }
    match &*o.hops {
        [hop] => {
            if let Some(gateway) = hop.gateway {
                let _ = writeln!(text, "Gateway={gateway}");
            }
            if hop.onlink {
                text.push_str("GatewayOnLink=yes\n");
            }
        }
        hops => {
            for hop in hops {
                let device = subject.device(&Place::Host, &hop.interface);
                let gateway = hop.gateway.map(|gateway| gateway.to_string()).unwrap_or_default();
                let weight = hop.weight.max(1);
                let _ = writeln!(text, "MultiPathRoute={gateway}@{device} {weight}");
            }
        }
    }
    let _ = writeln!(text, "Table={}\nMetric={}", o.table, o.metric);
    if let Some(source) = o.source {
        let _ = writeln!(text, "PreferredSource={source}");
    }
    if let Some(mtu) = o.mtu {
        let _ = writeln!(text, "MTUBytes={mtu}");
    }
    text
}

fn rule(subject: &Subject<'_>, o: &Rule) -> String {
    let mut text = format!("\n[RoutingPolicyRule]\nPriority={}\n", o.priority);
    let _ = writeln!(text, "Family={}", if o.ipv6 { "ipv6" } else { "ipv4" });
    if let Some(net) = o.from {
        let _ = writeln!(text, "From={net}");
    }
    if let Some(net) = o.to {
        let _ = writeln!(text, "To={net}");
    }
    if let Some((mark, mask)) = o.fwmark {
        let _ = writeln!(text, "FirewallMark={mark}/{mask}");
    }
    for (key, name) in [("IncomingInterface", &o.iif), ("OutgoingInterface", &o.oif)] {
        if let Some(name) = name {
            let _ = writeln!(text, "{key}={}", subject.device(&Place::Host, name));
        }
    }
    if o.not {
        text.push_str("InvertRule=yes\n");
    }
    if let Some(length) = o.suppress_prefix_length {
        let _ = writeln!(text, "SuppressPrefixLength={length}");
    }
    match o.action {
        RuleAction::Table(table) => {
            let _ = writeln!(text, "Table={table}");
        }
        RuleAction::Goto(_) => {}
        RuleAction::Blackhole => text.push_str("Type=blackhole\n"),
        RuleAction::Unreachable => text.push_str("Type=unreachable\n"),
        RuleAction::Prohibit => text.push_str("Type=prohibit\n"),
    }
    text
}

fn port_vlan(o: &PortVlan) -> String {
    let mut text = format!("\n[BridgeVLAN]\nVLAN={}\n", o.vid);
    if o.pvid {
        let _ = writeln!(text, "PVID={}", o.vid);
    }
    if o.untagged {
        let _ = writeln!(text, "EgressUntagged={}", o.vid);
    }
    text
}

fn port(o: &BridgePort) -> String {
    let mut text = "\n[Bridge]\n".to_owned();
    if o.cost != 0 {
        let _ = writeln!(text, "Cost={}", o.cost);
    }
    let _ = writeln!(
        text,
        "Priority={}\nHairPin={}\nIsolated={}\nLearning={}\nUnicastFlood={}",
        o.priority,
        yes(o.hairpin),
        yes(o.isolated),
        yes(o.learning),
        yes(o.unicast_flood)
    );
    if o.multicast_router {
        text.push_str("MulticastRouter=permanent\n");
    }
    text
}

//! `libvirt`: each network as libvirt's XML, for `virsh net-define`.
//!
//! <https://libvirt.org/formatnetwork.html>

use std::fmt::Write as _;

use ipnet::IpNet;

use super::{Papers, Subject, Target, one_line};
use crate::interface::{Bridge, Kind};
use crate::libvirt::nobodys;
use crate::name::FullName;
use crate::service::served::{Dns, ServedNetwork, Upstream};
use crate::state::{Key, Object, Place};
use crate::yard::{Exit, Network, Through, Uplink, Way};

pub(super) static TARGET: Target = Target {
    word: "libvirt",
    doc: "libvirt's XML of each network: bridge, NAT, DHCP and names, for `virsh net-define`",
    write,
};

fn write(subject: &Subject<'_>, papers: &mut Papers) {
    for network in &subject.yard.networks {
        let Some(object) = subject.desired.get(&Key::Interface(network.bridge.clone())) else {
            continue;
        };
        let Object::Interface(bridge) = object else { continue };
        let Kind::Bridge(kind) = &bridge.kind else { continue };
        let name = network.name.as_str();
        if name.contains('/') || name.chars().any(char::is_control) {
            papers.leave(object, "libvirt's networks have no such name");
            continue;
        }
        let text = xml(subject, network, bridge, kind, papers);
        papers.file(format!("{}.xml", super::systemd::word::plain(name)), text, 0o644);
        papers.take(object);
    }
    for object in subject.desired.objects() {
        let Object::LibvirtNetwork(o) = object else { continue };
        let Some(definition) = o.definition.as_ref().filter(|_| o.bridge().is_some()) else {
            continue;
        };
        let text = format!("{}{}", comment(subject, &o.network), nobodys(o, definition));
        papers.file(
            format!("{}.xml", super::systemd::word::plain(o.network.as_str())),
            text,
            0o644,
        );
        papers.take(object);
    }
}

/// What it is and where it came from.
fn comment(subject: &Subject<'_>, network: &FullName) -> String {
    let head = subject.head(&TARGET, &format!("Network {network} of"), &[]);
    // A comment may hold neither its own end nor two hyphens.
    format!("<!--{}-->\n", parted(&one_line(head.trim_start_matches('#'))))
}

fn xml(
    subject: &Subject<'_>,
    network: &Network,
    bridge: &crate::interface::Interface,
    kind: &Bridge,
    papers: &mut Papers,
) -> String {
    let head = comment(subject, &network.name);
    let mut text = format!("{head}<network>\n  <name>{}</name>\n", escaped(network.name.as_str()));
    let plugged = port_of_hardware(subject, network);
    match &plugged {
        // The bridge is the host's: guests are plugged into it.
        Some(port) => {
            papers.left_out.push(format!(
                "network {}: `{port}` becomes a port of {} by whoever configures the host",
                network.name, bridge.kernel_name
            ));
            let _ = writeln!(text, "  <forward mode='bridge'/>");
        }
        None => text.push_str(&forward(subject, network).unwrap_or_default()),
    }
    let name = escaped(bridge.kernel_name.as_str());
    if plugged.is_some() {
        let _ = writeln!(text, "  <bridge name='{name}'/>\n</network>");
        return text;
    }
    let (stp, delay) = (if kind.stp { "on" } else { "off" }, kind.forward_delay / 1000);
    // netyard's fabric is a namespace; libvirt's bridges are on the host.
    if network.bridge.place != Place::Host {
        papers
            .left_out
            .push(format!("network {}: its bridge is on the host with libvirt", network.name));
    }
    let _ = writeln!(text, "  <bridge name='{name}' stp='{stp}' delay='{delay}'/>");
    if network.mtu != 1500 {
        let _ = writeln!(text, "  <mtu size='{}'/>", network.mtu);
    }
    if let Some(mac) = bridge.mac {
        let _ = writeln!(text, "  <mac address='{mac}'/>");
    }
    let served = served(subject, network);
    if let Some(dns) = served.and_then(|served| served.dns.as_ref()) {
        names(&mut text, dns);
    } else {
        text.push_str("  <dns enable='no'/>\n");
    }
    addresses(&mut text, subject, network, served, papers);
    text.push_str("</network>\n");
    text
}

/// How a network reaches the outside, as `<forward>`.
fn forward(subject: &Subject<'_>, network: &Network) -> Option<String> {
    let networks = &subject.yard.networks;
    let own = |uplink: &&Uplink| {
        networks.get(uplink.network).is_some_and(|other| other.name == network.name)
    };
    let Way::Routed { through, ipv4, .. } = &subject.yard.uplinks.iter().find(own)?.way else {
        return None;
    };
    let dev = match through {
        Through::Interface(name) => format!(" dev='{}'", escaped(name.as_str())),
        _ => String::new(),
    };
    let mode = if *ipv4 == Exit::Masquerade { "nat" } else { "open" };
    let dev = if mode == "nat" { dev } else { String::new() };
    Some(format!("  <forward mode='{mode}'{dev}/>\n"))
}

/// The interface of the host that is a port of its bridge.
fn port_of_hardware(subject: &Subject<'_>, network: &Network) -> Option<String> {
    subject.desired.objects().find_map(|object| match object {
        Object::Interface(o)
            if matches!(o.kind, Kind::Physical(_))
                && o.id.place == network.bridge.place
                && o.master.as_ref() == Some(&network.bridge.name) =>
        {
            Some(o.kernel_name.to_string())
        }
        _ => None,
    })
}

/// What is served from the bridge itself; a node that serves is none of libvirt's.
fn served<'a>(subject: &Subject<'a>, network: &Network) -> Option<&'a ServedNetwork> {
    let servings = subject.yard.servings.iter();
    let own = servings.filter(|serving| serving.place == network.bridge.place);
    own.flat_map(|serving| &serving.served.networks).find(|one| one.network == network.name)
}

fn names(text: &mut String, dns: &Dns) {
    let _ = writeln!(text, "  <domain name='{}' localOnly='yes'/>", escaped(&dns.domain));
    let alone = matches!(dns.forward, Upstream::None);
    let _ = writeln!(text, "  <dns{}>", if alone { " forwardPlainNames='no'" } else { "" });
    if let Upstream::These(servers) = &dns.forward {
        for server in servers {
            let _ = writeln!(text, "    <forwarder addr='{}'/>", server.ip());
        }
    }
    // An address is named once, with all its names.
    let mut all = std::collections::BTreeMap::<_, Vec<&str>>::new();
    for (name, addresses) in &dns.records {
        for address in addresses {
            all.entry(*address).or_default().push(name);
        }
    }
    for (address, names) in all {
        let _ = writeln!(text, "    <host ip='{address}'>");
        for name in names {
            let _ = writeln!(text, "      <hostname>{}</hostname>", escaped(name));
        }
        text.push_str("    </host>\n");
    }
    text.push_str("  </dns>\n");
}

fn addresses(
    text: &mut String,
    subject: &Subject<'_>,
    network: &Network,
    served: Option<&ServedNetwork>,
    papers: &mut Papers,
) {
    let mut nets: Vec<IpNet> = Vec::new();
    for object in subject.desired.objects() {
        match object {
            Object::Address(address) if address.interface == network.bridge => {
                nets.push(address.net);
                papers.take(object);
            }
            _ => {}
        }
    }
    for net in nets {
        let dhcp = served.and_then(|served| served.dhcp4.as_ref());
        match (net, dhcp) {
            (IpNet::V4(net), dhcp) => {
                let _ = write!(text, "  <ip address='{}' netmask='{}'", net.addr(), net.netmask());
                match dhcp.filter(|dhcp| dhcp.subnet.contains(&net.addr())) {
                    None => text.push_str("/>\n"),
                    Some(dhcp) => {
                        text.push_str(">\n    <dhcp>\n");
                        for (first, last) in &dhcp.ranges {
                            let _ = writeln!(text, "      <range start='{first}' end='{last}'/>");
                        }
                        // Its own address libvirt knows by itself.
                        for one in dhcp.reserved.iter().filter(|one| one.address != net.addr()) {
                            let name = one.name.as_ref();
                            let name = name.map(|name| format!(" name='{}'", escaped(name)));
                            let (mac, ip, name) = (one.mac, one.address, name.unwrap_or_default());
                            let _ = writeln!(text, "      <host mac='{mac}'{name} ip='{ip}'/>");
                        }
                        text.push_str("    </dhcp>\n  </ip>\n");
                        beyond(network, dhcp, papers);
                    }
                }
            }
            (IpNet::V6(net), _) => {
                let (address, length) = (net.addr(), net.prefix_len());
                let _ =
                    writeln!(text, "  <ip family='ipv6' address='{address}' prefix='{length}'/>");
                if served.is_none_or(|served| served.ra.is_none()) {
                    papers.left_out.push(format!(
                        "network {}: libvirt's dnsmasq sends router advertisements for {net}",
                        network.name
                    ));
                }
                if served.is_some_and(|served| served.dhcp6.is_some()) {
                    papers
                        .left_out
                        .push(format!("network {}: its DHCPv6 is not in the file", network.name));
                }
            }
        }
    }
}

/// What of a server's words is not in the XML.
fn beyond(network: &Network, dhcp: &crate::service::served::Dhcp4, papers: &mut Papers) {
    let mut say = |what: &str| papers.left_out.push(format!("network {}: {what}", network.name));
    if !dhcp.options.is_empty() {
        say("options of DHCP that the file names by number");
    }
    if !dhcp.taken.is_empty() {
        say("addresses of nodes within the range are given away, too");
    }
    let own = dhcp.gateway == Some(dhcp.server);
    if !own {
        say("libvirt names itself as the router");
    }
}

/// A text in which no hyphen follows another.
fn parted(text: &str) -> String {
    let mut all = String::new();
    for c in text.chars() {
        if c == '-' && all.ends_with('-') {
            all.push(' ');
        }
        all.push(c);
    }
    all
}

/// A text within an element or between single quotes.
fn escaped(text: &str) -> String {
    let mut all = String::new();
    for c in text.chars() {
        match c {
            '&' => all.push_str("&amp;"),
            '<' => all.push_str("&lt;"),
            '>' => all.push_str("&gt;"),
            '\'' => all.push_str("&apos;"),
            '"' => all.push_str("&quot;"),
            c if c.is_control() => all.push(' '),
            c => all.push(c),
        }
    }
    all
}

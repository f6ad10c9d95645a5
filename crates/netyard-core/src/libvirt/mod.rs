//! Networks that libvirt has to do with: what the file says of them, what libvirt is told.
//!
//! ```yaml
//! networks:
//!   cloud:
//!     bridge: virbr0
//!     prefix: 172.16.0.0/16
//!     dhcp: { range: 172.16.128.0-172.16.255.254 }
//!     uplink: masquerade
//!     libvirt: define
//! ```
//!
//! With `offer` all of the network is netyard's, and libvirt's machines are plugged into its
//! bridge. With `define` libvirt makes the bridge, gives addresses and translates; netyard
//! tells it to, and plugs its nodes into the bridge.

mod domain;
mod xml;

use crate::diag::{Report, Span, Spanned, libvirt as say, shape as say_shape};
use crate::shape::{Field, Record, Shape, Type, Value};
use crate::spec::{
    AddressesSpec, DhcpSpec, Exit, HostSideSpec, NamesSpec, NetworkSpec, UplinkSpec, WaySpec,
};

pub use domain::{ACCELERATOR, Card, domain, read_domain_owner};
pub(crate) use xml::nobodys;
pub use xml::{MOST, NAMESPACE, SeenNetwork, network, read_network};

/// The keys of `libvirt:`.
pub static SHAPE: Shape = Shape {
    name: "`libvirt` section",
    doc: "A network and libvirt: one of `define`, `offer`.",
    fields: &[
        Field::new(
            "define",
            Type::Text,
            "libvirt makes the network, under this name: the bridge, DHCP, DNS and NAT are its own, as the network's other keys say.",
        ),
        Field::new(
            "offer",
            Type::Text,
            "Netyard makes the network, and libvirt knows it by this name: its machines are plugged into the bridge.",
        ),
        Field::new(
            "ports",
            Type::Range { min: 1, max: 65535 },
            "Beside `define`: the ports that translated connections come from; `1024-65535` if left out.",
        ),
    ],
    also: &[],
};

/// The ports that libvirt translates to where nothing is said.
const PORTS: (u16, u16) = (1024, 65535);

/// `libvirt:` of a network.
#[derive(Clone, Debug)]
pub struct LibvirtSpec {
    /// What libvirt calls it.
    pub name: Spanned<String>,
    /// What libvirt does of it; none where it is offered.
    pub own: Option<OwnSpec>,
}

/// What libvirt does of a network that it makes.
#[derive(Clone, Debug)]
pub struct OwnSpec {
    /// The ports that translated connections come from.
    pub ports: (u16, u16),
    /// `forward-delay:` is said; else it is 0, as libvirt has it.
    pub delay_said: bool,
    /// `dhcp:`.
    pub dhcp: Option<DhcpSpec>,
    /// `dns:`.
    pub dns: Option<NamesSpec>,
}

impl NetworkSpec {
    /// True where libvirt makes the network.
    pub fn is_libvirts(&self) -> bool {
        self.libvirt.as_ref().is_some_and(|libvirt| libvirt.own.is_some())
    }
}

/// Reads the keys of the network whose record that is.
pub fn parse(record: &Record, name: &str, report: &mut Report) -> Option<LibvirtSpec> {
    let value = record.values.get("libvirt")?;
    let (word, name, ports) = match &value.value {
        Value::Text(word) => (word.as_str(), Spanned::new(name.to_owned(), value.span), None),
        Value::Record(said) => {
            let (word, name) = match (said.text("define"), said.text("offer")) {
                (Some(name), None) => ("define", name),
                (None, Some(name)) => ("offer", name),
                (Some(one), Some(other)) => {
                    let ends = (("define", one.span), ("offer", other.span));
                    report.push(say_shape::exclude_each_other("network", ends.0, ends.1));
                    return None;
                }
                (None, None) => {
                    if !said.has("define") && !said.has("offer") {
                        report.push(say_shape::needs_one_of(
                            "`libvirt` section",
                            said.span,
                            &["define", "offer"],
                        ));
                    }
                    return None;
                }
            };
            (word, name, said.values.get("ports"))
        }
        _ => return None,
    };
    if !is_name(&name.value) {
        report.push(say::bad_name(&name.value, name.span));
        return None;
    }
    let own = (word == "define").then(|| OwnSpec {
        ports: match ports.map(|ports| &ports.value) {
            Some(Value::Range(first, last)) => {
                (u16::try_from(*first).unwrap_or(PORTS.0), u16::try_from(*last).unwrap_or(PORTS.1))
            }
            _ => PORTS,
        },
        delay_said: record.has("forward-delay"),
        dhcp: None,
        dns: None,
    });
    if let Some(ports) = ports.filter(|_| own.is_none()) {
        report.push(say::ports_of_offer(ports.span));
    }
    if own.is_some() {
        refuse(record, report);
    }
    Some(LibvirtSpec { name, own })
}

/// What libvirt takes for a name, and no program for an option.
fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_alphanumeric());
    first && name.len() <= 50 && bytes.all(|b| b.is_ascii_alphanumeric() || b"_-.+".contains(&b))
}

/// Keys of a network that libvirt's do not have.
const FOREIGN: [&str; 14] = [
    "ports",
    "ra",
    "dhcp6",
    "engine",
    "serve",
    "vlan-filtering",
    "priority",
    "hello-time",
    "max-age",
    "ageing-time",
    "multicast-snooping",
    "multicast-querier",
    "group-forward-mask",
    "vlans",
];

/// Says it of each key that libvirt is not told.
fn refuse(record: &Record, report: &mut Report) {
    for key in FOREIGN {
        if let Some(span) = record.place(key) {
            report.push(say::not_told(key, span));
        }
    }
    for (section, keys) in [
        ("dhcp", &["lease", "options", "gateway", "dns"][..]),
        ("dns", &["forward", "records", "cache"]),
    ] {
        let Some(inner) = record.record(section) else { continue };
        for key in keys {
            if let Some(span) = inner.value.place(key) {
                report.push(say::not_told(&format!("{section}: {key}"), span));
            }
        }
    }
}

/// Hands over to libvirt what it does: netyard serves nothing there.
pub fn hand_over(networks: &mut [NetworkSpec], report: &mut Report) {
    for network in networks {
        let Some(libvirt) = &mut network.libvirt else { continue };
        let span = libvirt.name.span;
        let Some(host) = &network.host else {
            report.push(say::not_on_host(network.name.value.as_str(), span));
            continue;
        };
        let Some(own) = &mut libvirt.own else { continue };
        if network.bridge.is_none() {
            report.push(say::no_bridge(span));
        }
        four_alone(network.prefixes.as_deref(), host, span, report);
        way(network.uplink.as_ref(), report);
        if network.settings.forward_delay % 1000 != 0 {
            report.push(say::delay_in_seconds(span));
        }
        own.dhcp = network.serving.dhcp.take();
        own.dns = network.serving.dns.take();
        network.serving = Default::default();
        if let Some(dhcp) = &own.dhcp {
            if dhcp.ranges.is_empty() {
                report.push(say::no_range(dhcp.span));
            }
            let nodes =
                dhcp.fixed.iter().filter(|(who, _)| who.value.parse::<crate::addr::Mac>().is_err());
            report.0.extend(nodes.map(|(who, _)| say::static_by_mac(&who.value, who.span)));
        }
    }
}

/// IPv6 is nothing that libvirt is told.
fn four_alone(
    prefixes: Option<&[Spanned<ipnet::IpNet>]>,
    host: &HostSideSpec,
    span: Span,
    report: &mut Report,
) {
    let Some(prefixes) = prefixes else {
        return report.push(say::no_prefix(span));
    };
    let addresses = match &host.addresses {
        AddressesSpec::These(list) => &list[..],
        _ => &[],
    };
    let six = prefixes.iter().chain(addresses).find(|net| net.value.addr().is_ipv6());
    if let Some(net) = six {
        report.push(say::not_told("IPv6", net.span));
    }
}

fn way(uplink: Option<&UplinkSpec>, report: &mut Report) {
    match uplink.map(|uplink| (&uplink.way, uplink.span)) {
        Some((WaySpec::Bridge(_) | WaySpec::Macvlan(_), span)) => {
            report.push(say::not_told("uplink", span));
        }
        Some((WaySpec::Routed { ipv4: Exit::None, .. }, span)) => {
            report.push(say::not_told("ipv4: none", span));
        }
        _ => {}
    }
}

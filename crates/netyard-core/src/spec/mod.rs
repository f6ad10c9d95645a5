//! The Spec: what the user wrote, checked word by word, every value with its
//! place. Names are not yet resolved and nothing is allotted; ranges and
//! variables are expanded.
//!
//! [`parse`] makes it, in steps with a module each: `include` (texts -> tree, by
//! `tree`), `expand` (variables, ranges, loops), `check` (tree -> Record, against
//! the tables of [`shapes`]) and `decode` (Record -> Spec).

mod check;
mod decode;
mod expand;
pub mod firewall;
mod include;
pub(crate) mod limit;
mod reference;
mod scalar;
mod schema;
mod serving;
mod serving6;
pub mod shapes;
pub(crate) mod tree;
mod uplink;

use std::net::IpAddr;

use ipnet::IpNet;

use crate::addr::Mac;
use crate::container::ContainerSpec;
use crate::diag::{Diagnostic, Report, Source, Sources, Span, Spanned};
use crate::expect::{Family, HttpGet, Metric, Question, Want};
use crate::interface::{BridgePort, Kind};
use crate::name::{FullName, InterfaceName, NodeName, YardName};
use crate::service::Service;
use crate::state::{Impairment, RouteKind, RuleAction};

pub use reference::reference;
pub use schema::schema;
pub use serving::{DhcpSpec, Engine, ForwardSpec, NamesSpec, ServingSpec};
pub use serving6::{Dhcp6Spec, RaSpec};
pub use uplink::{Exit, OutsidePortSpec, Through, UplinkSpec, WaySpec};

/// What reading a file gives.
#[derive(Debug)]
pub struct Parsed {
    /// What was read; there even when the report has errors, as far as it could
    /// be read, so that `resolve` may find more mistakes; nothing is done with
    /// it then. None when it would only mislead.
    pub spec: Option<Spec>,
    /// All that is wrong with the text.
    pub report: Report,
    /// All texts that were read; places in the report and the spec point here.
    pub sources: Sources,
}

/// Reads a yard's file and those that it includes.
///
/// `fallback_name` stands in for `yard:`. `load` gives the text of an included
/// file: it gets the path as written and the name of the source that includes
/// it, to which the path is relative; its error is a phrase ("no such file").
/// The included source's name is its path relative to the directory of the
/// including source's name, so `load` can go by names alone.
pub fn parse(
    root: Source,
    fallback_name: &str,
    load: &mut dyn FnMut(&str, &str) -> Result<String, String>,
) -> Parsed {
    let (mut sources, mut report) = (Sources::default(), Report::default());
    let spec = include::read(root, load, &mut sources, &mut report)
        .and_then(|tree| expand::expand(tree, &sources, &mut report))
        .and_then(|expanded| {
            let mark = report.0.len();
            let record = check::check(&expanded.root, &mut report);
            let spec = decode::decode(&record, fallback_name, &mut report);
            // A text whose variables failed has been complained of already.
            let failed = |d: &Diagnostic| {
                d.labels.first().is_some_and(|l| expanded.failed.contains(&l.span))
            };
            let later = report.0.split_off(mark);
            report.0.extend(later.into_iter().filter(|d| !failed(d)));
            spec.filter(|_| mark == 0)
        });
    report.settle(limit::DIAGNOSTICS);
    Parsed { spec, report, sources }
}

/// A source as JSON, as an editor sees it: aliases and merge keys resolved, no
/// variable put in, nothing expanded, nothing checked. None when it is not YAML.
pub fn plain_tree(text: &str) -> Option<serde_json::Value> {
    let mut report = Report::default();
    let tree = tree::parse(text, 0, &mut report)?;
    report.0.is_empty().then(|| tree.json())
}

/// A whole file, its includes merged in.
#[derive(Clone, Debug)]
pub struct Spec {
    /// `yard:`; the caller says what stands in for it where it is left out.
    pub yard: Spanned<YardName>,
    /// `pools:` the prefixes from which addresses are allotted; empty: netyard picks.
    pub pools: Vec<Spanned<IpNet>>,
    /// `networks:` in the order of the file.
    pub networks: Vec<NetworkSpec>,
    /// `nodes:` in the order of the file, ranges expanded.
    pub nodes: Vec<NodeSpec>,
    /// `links:` in the order of the file, loops expanded.
    pub links: Vec<LinkSpec>,
    /// `expect:` in the order of the file, loops expanded.
    pub expect: Vec<ExpectSpec>,
    /// `firewall:` in the order of the file, ranges expanded.
    pub firewalls: Vec<firewall::FirewallSpec>,
    /// `metrics:`.
    pub metrics: Option<crate::service::metrics::Metrics>,
}

/// An entry of `networks:`.
#[derive(Clone, Debug)]
pub struct NetworkSpec {
    /// Its name.
    pub name: Spanned<FullName>,
    /// `prefix:` of either family; empty: allotted. `prefix: none` gives `Some(vec![])`.
    pub prefixes: Option<Vec<Spanned<IpNet>>>,
    /// `bridge:` its exact name on the host or in the fabric.
    pub bridge: Option<Spanned<InterfaceName>>,
    /// `mtu:` of the bridge and, where they say nothing, of its ports.
    pub mtu: Option<Spanned<u32>>,
    /// `mac:` of the bridge.
    pub mac: Option<Spanned<Mac>>,
    /// The bridge's own settings (`stp:`, `multicast-snooping:`, …); VLAN
    /// filtering is on where the file says so or any port has VLANs.
    pub settings: crate::interface::Bridge,
    /// `vlan-filtering:` where it is said.
    pub vlan_filtering: Option<Spanned<bool>>,
    /// `host:` where the network touches the host; there, too, where its uplink
    /// needs it.
    pub host: Option<HostSideSpec>,
    /// `uplink:`.
    pub uplink: Option<UplinkSpec>,
    /// `delegated:`.
    pub delegated: Option<DelegatedSpec>,
    /// What is served on it.
    pub serving: ServingSpec,
    /// `ports:`.
    pub ports: Vec<OutsidePortSpec>,
    /// `libvirt:`.
    pub libvirt: Option<crate::libvirt::LibvirtSpec>,
}

/// `delegated:` of a network: its /64 comes out of a prefix that an interface is given.
#[derive(Clone, Debug)]
pub struct DelegatedSpec {
    /// The interface that asks: `node:interface`.
    pub from: Spanned<String>,
    /// `length:` that is wished for.
    pub length: Option<Spanned<u8>>,
    /// `number:` of the /64; left out, by the order of the file.
    pub number: Option<Spanned<u32>>,
}

/// `host:` of a network: the bridge is on the host, and these are its addresses.
#[derive(Clone, Debug)]
pub struct HostSideSpec {
    /// The place of the whole.
    pub span: Span,
    /// As with an interface.
    pub addresses: AddressesSpec,
    /// VLANs of the bridge itself on a filtering bridge.
    pub vlans: PortVlansSpec,
}

/// `address:` of an interface.
#[derive(Clone, Debug, Default)]
pub enum AddressesSpec {
    /// Nothing said, or `auto`: allotted where there is a network or a link to allot from.
    #[default]
    Auto,
    /// `none`.
    None,
    /// These, in order.
    These(Vec<Spanned<IpNet>>),
}

/// `vlan:`, `vlans:` and `native:` of a port.
#[derive(Clone, Debug, Default)]
pub struct PortVlansSpec {
    /// `vlan: 10`: an access port.
    pub access: Option<Spanned<u16>>,
    /// `vlans: [10, 20-29]`: tagged, expanded.
    pub tagged: Vec<Spanned<u16>>,
    /// `native: 1`: untagged beside the tagged ones.
    pub native: Option<Spanned<u16>>,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// The host itself: the node named `host`.
    Host,
    /// A network namespace.
    Netns,
}

/// An entry of `nodes:`.
#[derive(Clone, Debug)]
pub struct NodeSpec {
    /// Its name, expanded.
    pub name: Spanned<NodeName>,
    /// `kind:`.
    pub kind: NodeKind,
    /// `netns:` the exact name for `ip netns`.
    pub netns: Option<Spanned<String>>,
    /// `hostname:`.
    pub hostname: Option<Spanned<String>>,
    /// `forward: true`: forwards IPv4 and IPv6.
    pub forward: Option<Spanned<bool>>,
    /// `sysctl:` keys with dots or slashes, as written.
    pub sysctl: Vec<(Spanned<String>, Spanned<String>)>,
    /// `dns:`.
    pub dns: Option<DnsSpec>,
    /// `hosts:` name to addresses.
    pub hosts: Vec<(Spanned<String>, Vec<Spanned<IpAddr>>)>,
    /// `services:` in the order of the file.
    pub services: Vec<ServiceSpec>,
    /// `vm:`.
    pub vm: Option<crate::vm::VmSpec>,
    /// `container:`.
    pub container: Option<ContainerSpec>,
    /// `exec:` commands; a text runs in `sh -c`.
    pub exec: Vec<Spanned<Vec<String>>>,
    /// `interfaces:` in the order of the file.
    pub interfaces: Vec<InterfaceSpec>,
    /// `routes:`.
    pub routes: Vec<RouteSpec>,
    /// `rules:`.
    pub rules: Vec<RuleSpec>,
    /// `neighbours:`.
    pub neighbours: Vec<NeighbourSpec>,
}

/// An entry of `services:` of a node.
#[derive(Clone, Debug)]
pub struct ServiceSpec {
    /// Its name.
    pub name: Spanned<String>,
    /// What it is.
    pub service: Service,
}

/// `dns:` of a node.
#[derive(Clone, Debug, Default)]
pub struct DnsSpec {
    /// `servers:`.
    pub servers: Vec<Spanned<IpAddr>>,
    /// `search:` domains.
    pub search: Vec<Spanned<String>>,
    /// `options:` of resolv.conf(5).
    pub options: Vec<Spanned<String>>,
}

/// Where an interface has addresses from that are not in the file: the places of
/// the words.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SourcesSpec {
    /// A lease by DHCPv4.
    pub dhcp: Option<Span>,
    /// A lease by DHCPv6.
    pub dhcp6: Option<Span>,
    /// Router advertisements.
    pub ra: Option<Span>,
}

impl SourcesSpec {
    /// True where there is any.
    pub fn is_any(&self) -> bool {
        self.dhcp.or(self.dhcp6).or(self.ra).is_some()
    }
}

/// An entry of `interfaces:` of a node.
#[derive(Clone, Debug)]
pub struct InterfaceSpec {
    /// Its name.
    pub name: Spanned<FullName>,
    /// `network:`: a veth (or macvlan …) into it. Exactly one of `network` and
    /// `kind` is there, except for `lo` and for settings of a link's end.
    pub network: Option<Spanned<String>>,
    /// `kind:` with its own settings; `veth` and none where `network` or a link makes it.
    pub kind: Option<Spanned<KindSpec>>,
    /// What `kind: wireguard` says beyond that.
    pub wireguard: Option<crate::interface::WireguardSpec>,
    /// `parent:` an interface of the same node, or `host:eth0`.
    pub parent: Option<Spanned<String>>,
    /// `master:` a bridge, vrf or bond of the same node.
    pub master: Option<Spanned<String>>,
    /// `port:` options as a bridge port.
    pub port: Option<Spanned<BridgePort>>,
    /// `vlan:`, `vlans:`, `native:` of the port at the other end (with `network`)
    /// or of this one (with `master`).
    pub vlans: PortVlansSpec,
    /// `host-name:` the exact name of the veth's end on the host's bridge.
    pub port_name: Option<Spanned<InterfaceName>>,
    /// `port-mac:` of that end.
    pub port_mac: Option<Spanned<Mac>>,
    /// `address:`.
    pub addresses: AddressesSpec,
    /// The words `dhcp`, `dhcp6` and `ra` among them.
    pub sources: SourcesSpec,
    /// `dad: true`: duplicate address detection for its IPv6 addresses.
    pub dad: bool,
    /// `gateway:` default routes through this interface.
    pub gateways: Vec<Spanned<ViaSpec>>,
    /// `gateway: none`: no default route, although the network has an uplink.
    pub no_gateway: bool,
    /// `mtu:`.
    pub mtu: Option<Spanned<u32>>,
    /// `mac:`.
    pub mac: Option<Spanned<Mac>>,
    /// `up: false` leaves it down.
    pub up: bool,
    /// `sysctl:` below `net.ipv4.conf.IF` and `net.ipv6.conf.IF`: `ipv4.rp_filter: 0`,
    /// or for both families `forwarding: 1`; as written.
    pub sysctl: Vec<(Spanned<String>, Spanned<String>)>,
    /// Its own `delay:`, `loss:` … on what it sends.
    pub impairment: Option<Spanned<Impairment>>,
    /// It has a key that nobody knows: what it lacks may be that.
    pub unsure: bool,
}

/// A kind and its settings; what needs other names resolved is left at a default.
#[derive(Clone, Debug)]
pub struct KindSpec {
    /// The kind, its own settings read.
    pub kind: Kind,
}

/// Where a route leads.
#[derive(Clone, Debug, PartialEq)]
pub enum ViaSpec {
    /// To that address.
    Address(IpAddr),
    /// To the address of `node:interface`, of the family of the destination;
    /// for a default route of both families.
    Interface(String),
}

/// An entry of `routes:`.
#[derive(Clone, Debug)]
pub struct RouteSpec {
    /// The place of the whole.
    pub span: Span,
    /// `to:`; none is `default`, of the family of the gateway, or of both.
    pub to: Spanned<Option<IpNet>>,
    /// What becomes of the packets (`blackhole: true` …).
    pub kind: RouteKind,
    /// `via:`, `dev:`, `onlink:`, `weight:`, or `nexthops:` a list of these.
    pub hops: Vec<HopSpec>,
    /// `metric:`.
    pub metric: Option<Spanned<u32>>,
    /// `table:`.
    pub table: Option<Spanned<u32>>,
    /// `source:`.
    pub source: Option<Spanned<IpAddr>>,
    /// `mtu:`.
    pub mtu: Option<Spanned<u32>>,
}

/// A next hop.
#[derive(Clone, Debug)]
pub struct HopSpec {
    /// The place of the whole.
    pub span: Span,
    /// `via:`.
    pub via: Option<Spanned<ViaSpec>>,
    /// `dev:`.
    pub dev: Option<Spanned<String>>,
    /// `onlink:`.
    pub onlink: bool,
    /// `weight:`, 1 to 256.
    pub weight: u16,
}

/// An entry of `rules:`.
#[derive(Clone, Debug)]
pub struct RuleSpec {
    /// The place of the whole.
    pub span: Span,
    /// `family: ipv4 | ipv6`, or that of `from`/`to`; none: both.
    pub ipv6: Option<bool>,
    /// `priority:`; left out: 1000 and up in the order of the file.
    pub priority: Option<Spanned<u32>>,
    /// `from:`.
    pub from: Option<Spanned<IpNet>>,
    /// `to:`.
    pub to: Option<Spanned<IpNet>>,
    /// `fwmark: 0x10` or `0x10/0xff`.
    pub fwmark: Option<Spanned<(u32, u32)>>,
    /// `iif:`.
    pub iif: Option<Spanned<String>>,
    /// `oif:`.
    pub oif: Option<Spanned<String>>,
    /// `not: true`.
    pub not: bool,
    /// `table:`, `goto:` or `action: blackhole | unreachable | prohibit`.
    pub action: RuleAction,
    /// `suppress-prefix-length:`.
    pub suppress_prefix_length: Option<u32>,
}

/// An entry of `neighbours:`.
#[derive(Clone, Debug)]
pub struct NeighbourSpec {
    /// `address:`.
    pub address: Spanned<IpAddr>,
    /// `mac:`; none with `proxy: true`.
    pub mac: Option<Spanned<Mac>>,
    /// `dev:`.
    pub dev: Spanned<String>,
}

/// An entry of `links:`.
#[derive(Clone, Debug)]
pub struct LinkSpec {
    /// The place of the whole.
    pub span: Span,
    /// `name:`; left out, `a:x--b:y`.
    pub name: Option<Spanned<FullName>>,
    /// Both ends.
    pub ends: [EndSpec; 2],
    /// `mtu:`.
    pub mtu: Option<Spanned<u32>>,
    /// `prefix:` its addresses are allotted from; `none` gives `Some(vec![])`.
    pub prefixes: Option<Vec<Spanned<IpNet>>>,
    /// What the first end sends: the link's own impairment, overlaid by `forward:`.
    pub forward: Option<Impairment>,
    /// What the second end sends: the link's own impairment, overlaid by `backward:`.
    pub backward: Option<Impairment>,
    /// `tunnel:`.
    pub tunnel: Option<TunnelSpec>,
}

/// A link that is a tunnel of WireGuard.
#[derive(Clone, Debug)]
pub struct TunnelSpec {
    /// Where the file says so.
    pub span: Span,
    /// `birth:` of both ends, where they do not say otherwise.
    pub birth: Option<Spanned<String>>,
    /// `keepalive:` in seconds; 0: none.
    pub keepalive: u16,
    /// `preshared: true`, and where.
    pub preshared: Option<Span>,
}

/// One end of a link.
#[derive(Clone, Debug)]
pub struct EndSpec {
    /// The node's name.
    pub node: Spanned<String>,
    /// The interface's name in it.
    pub interface: Spanned<FullName>,
}

/// An entry of `expect:`.
#[derive(Clone, Debug)]
pub struct ExpectSpec {
    /// The place of the whole.
    pub span: Span,
    /// `name:`.
    pub name: Option<Spanned<String>>,
    /// `from:`, ranges expanded; empty with `link:`.
    pub from: Vec<Spanned<String>>,
    /// `to:`, ranges expanded; empty with `link:`, or where a DNS question goes
    /// to the sender's own name server.
    pub to: Vec<Spanned<String>>,
    /// `link:`, ranges expanded.
    pub links: Vec<Spanned<String>>,
    /// At least one.
    pub probes: Vec<Spanned<ProbeSpec>>,
    /// `result:`.
    pub result: Option<Spanned<Want>>,
    /// `family:`.
    pub families: Option<Spanned<Vec<Family>>>,
    /// `within:`, in milliseconds.
    pub within: Option<u32>,
    /// `proof:`, in milliseconds.
    pub proof: Option<u32>,
    /// `listen:`.
    pub listen: Option<bool>,
    /// `tolerance:`, in parts per million.
    pub tolerance: Option<u32>,
}

/// What an expectation sends.
#[derive(Clone, Debug, PartialEq)]
pub enum ProbeSpec {
    /// `ping:`, and what of it is said there.
    Ping(Option<Want>),
    /// A service of `tcp:` or, if true, `udp:`, by name.
    Service(bool, String),
    /// A port of `tcp:`.
    Tcp(u16),
    /// A port of `udp:`.
    Udp(u16),
    /// `http:`.
    Http(HttpGet),
    /// `dns:`.
    Dns(Question),
    /// `path-mtu:` in bytes.
    PathMtu(u32),
    /// `delay:`, `jitter:` in nanoseconds, `loss:` in parts per million,
    /// `rate:` in bits per second; none: what the file gives the link.
    Measure(Metric, Option<u64>),
}

//! Virtual machines of nodes: what the file says of them, and how their interfaces are
//! wired.
//!
//! ```yaml
//! nodes:
//!   guest:
//!     vm: { disk: /srv/guest.qcow2, memory: 512 }
//!     interfaces: { eth0: { network: lan } }
//! ```
//!
//! The machine runs in its node's namespace, which it has to itself: an interface of the
//! node is the cable, `tap-eth0` is the machine's end, and `vm-eth0` is the bridge between
//! both. So a machine's interfaces are plugged into networks and links as any node's are, and
//! QEMU sees nothing else of the host's networks.

use crate::diag::{Report, Span, Spanned, container as say_container, vm as say};
use crate::interface::{Bridge, Kind, Tap};
use crate::name::FullName;
use crate::service::{CARE, Care};
use crate::shape::{Field, Record, Shape, Type, Value};
use crate::spec::{
    AddressesSpec, InterfaceSpec, KindSpec, LinkSpec, NodeSpec, PortVlansSpec, SourcesSpec,
};

/// What the machine's process is called.
pub const NAME: &str = "vm";
/// The program.
pub const QEMU: &str = "qemu-system-x86_64";
/// In MiB, where nothing is said.
const MEMORY: u32 = 512;

/// Who runs a machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// QEMU, which netyard starts and watches.
    #[default]
    Qemu,
    /// libvirt, which starts QEMU.
    Libvirt,
}

/// The keys of `vm:`.
pub static SHAPE: Shape = Shape {
    name: "`vm` section",
    doc: "What makes a node a virtual machine: QEMU runs it, and its interfaces are plugged in as any node's are.",
    fields: &[
        Field::new(
            "disk",
            Type::OneOrMore(&Type::Text),
            "Its disks: whole paths of files (`.qcow2`; any other is taken as it is, raw) or block devices.",
        ),
        Field::new(
            "snapshot",
            Type::Bool,
            "`true`: what it writes to its disks is forgotten when it ends.",
        ),
        Field::new(
            "kernel",
            Type::Text,
            "The whole path of a kernel that it starts with, instead of what is on its disk.",
        ),
        Field::new("initrd", Type::Text, "That of the kernel's first root file system."),
        Field::new("append", Type::Text, "The kernel's command line."),
        Field::new(
            "memory",
            Type::Int { min: 16, max: 1 << 20 },
            "Its memory, in MiB; 512 where nothing is said.",
        ),
        Field::new(
            "cpus",
            Type::Int { min: 1, max: 288 },
            "Its processors; 1 where nothing is said.",
        ),
        Field::new(
            "engine",
            Type::Word(&["qemu", "libvirt"]),
            "Who runs it: netyard by `qemu`, as where nothing is said, or `libvirt`.",
        ),
        Field::new(
            "arguments",
            Type::List(&Type::Text),
            "What QEMU is told besides, word by word.",
        ),
    ],
    also: &[&CARE],
};

/// What the file says of a node's machine.
#[derive(Clone, Debug)]
pub struct VmSpec {
    /// Where it says it.
    pub span: Span,
    /// `disk:`.
    pub disks: Vec<Spanned<String>>,
    /// `snapshot:`.
    pub snapshot: bool,
    /// `kernel:`.
    pub kernel: Option<Spanned<String>>,
    /// `initrd:`.
    pub initrd: Option<Spanned<String>>,
    /// `append:`.
    pub append: Option<String>,
    /// In MiB.
    pub memory: u32,
    /// `cpus:`.
    pub cpus: u32,
    /// `engine:`.
    pub engine: Engine,
    /// The networks that a machine of libvirt's is plugged into, beside `wires`.
    pub networks: Vec<Spanned<String>>,
    /// `arguments:`.
    pub arguments: Vec<String>,
    /// What every service has.
    pub care: Care,
    /// The cables that lead to it, in order, and the hardware address that the machine has
    /// there, where the file says one.
    pub wires: Vec<(FullName, Option<crate::addr::Mac>)>,
}

/// Reads the keys.
pub fn parse(record: &Record, report: &mut Report) -> Option<VmSpec> {
    let care = Care::from_record(record, report);
    let text = |value: &Spanned<Value>| match &value.value {
        Value::Text(text) => Some(Spanned::new(text.clone(), value.span)),
        _ => None,
    };
    let disks: Vec<_> = record.list("disk").iter().filter_map(text).collect();
    let engine = match record.text("engine") {
        Some(word) if word.value == "libvirt" => Engine::Libvirt,
        _ => Engine::Qemu,
    };
    if let Some(span) = record.place("arguments").filter(|_| engine == Engine::Libvirt) {
        report.push(say::not_by_libvirt("arguments", span));
    }
    let (kernel, initrd) = (record.text("kernel"), record.text("initrd"));
    if disks.is_empty() && kernel.is_none() && !record.has("disk") && !record.has("kernel") {
        report.push(say::nothing_to_start(record.span));
    }
    for (key, path) in disks
        .iter()
        .map(|d| ("disk", d))
        .chain(kernel.iter().map(|k| ("kernel", k)))
        .chain(initrd.iter().map(|i| ("initrd", i)))
    {
        if !path.value.starts_with('/') || path.value.contains("/../") {
            report.push(say_container::relative(key, &path.value, path.span));
        }
    }
    for (key, place) in ["initrd", "append"].map(|key| (key, record.place(key))) {
        if let Some(span) = place.filter(|_| kernel.is_none()) {
            report.push(say::needs_kernel(key, span));
        }
    }
    Some(VmSpec {
        span: record.span,
        disks,
        snapshot: record.bool("snapshot").is_some_and(|yes| yes.value),
        kernel,
        initrd,
        append: record.text("append").map(|text| text.value),
        memory: record.number("memory").unwrap_or(MEMORY),
        cpus: record.number("cpus").unwrap_or(1),
        engine,
        networks: Vec::new(),
        arguments: record.list("arguments").iter().filter_map(text).map(|t| t.value).collect(),
        care,
        wires: Vec::new(),
    })
}

impl VmSpec {
    /// The files that it needs, with their places in the yard's file.
    pub fn files(&self) -> impl Iterator<Item = &Spanned<String>> {
        self.disks.iter().chain(&self.kernel).chain(&self.initrd)
    }
}

/// The name of the machine's own end of a cable.
pub fn tap_name(wire: &FullName) -> Option<FullName> {
    FullName::new(&format!("tap-{wire}")).ok()
}

fn bridge_name(wire: &FullName) -> Option<FullName> {
    FullName::new(&format!("vm-{wire}")).ok()
}

/// Gives every cable of a machine its bridge and its tap.
pub fn wire(nodes: &mut [NodeSpec], links: &[LinkSpec], report: &mut Report) {
    for node in nodes {
        let Some(vm) = &mut node.vm else { continue };
        for (key, is_there) in [
            ("services", !node.services.is_empty()),
            ("exec", !node.exec.is_empty()),
            ("container", node.container.is_some()),
            ("routes", !node.routes.is_empty()),
        ] {
            if is_there {
                report.push(say::not_in_a_machine(key, vm.span));
            }
        }
        if vm.engine == Engine::Libvirt {
            plug(vm, &mut node.interfaces, report);
            let ends = links.iter().flat_map(|link| &link.ends);
            let own = ends.filter(|end| end.node.value == node.name.value.as_str());
            report.0.extend(own.map(|end| say::not_by_libvirt("links", end.node.span)));
            continue;
        }
        let ends = links.iter().flat_map(|link| &link.ends);
        for end in ends.filter(|end| end.node.value == node.name.value.as_str()) {
            if !node.interfaces.iter().any(|one| one.name.value == end.interface.value) {
                node.interfaces.push(blank(end.interface.clone()));
            }
        }
        let mut more = Vec::new();
        for interface in &mut node.interfaces {
            if interface.name.value.as_str() == "lo" {
                continue;
            }
            let plain =
                interface.kind.as_ref().is_none_or(|kind| matches!(kind.value.kind, Kind::Veth(_)));
            if !plain || interface.master.is_some() {
                report.push(say::no_cable(interface.name.value.as_str(), interface.name.span));
                continue;
            }
            let own = matches!(interface.addresses, AddressesSpec::These(_))
                || !interface.gateways.is_empty();
            if own || interface.sources != SourcesSpec::default() {
                report.push(say::own_address(interface.name.value.as_str(), interface.name.span));
            }
            let (name, span) = (interface.name.value.clone(), interface.name.span);
            let (Some(tap), Some(bridge)) = (tap_name(&name), bridge_name(&name)) else { continue };
            let mac = interface.mac.take().map(|mac| mac.value);
            interface.addresses = AddressesSpec::None;
            interface.no_gateway = true;
            interface.master = Some(Spanned::new(bridge.to_string(), span));
            let kind = |kind| Some(Spanned::new(KindSpec { kind }, span));
            let silent = vec![(
                Spanned::new("ipv6.disable_ipv6".to_owned(), span),
                Spanned::new("1".to_owned(), span),
            )];
            interface.sysctl.extend(silent.clone());
            more.push(InterfaceSpec {
                kind: kind(Kind::Bridge(Bridge::default())),
                mtu: interface.mtu.clone(),
                sysctl: silent.clone(),
                ..blank(Spanned::new(bridge.clone(), span))
            });
            let options = Tap { owner: None, group: None, multi_queue: false };
            more.push(InterfaceSpec {
                kind: kind(Kind::Tap(options)),
                master: interface.master.clone(),
                mtu: interface.mtu.clone(),
                sysctl: silent,
                ..blank(Spanned::new(tap, span))
            });
            vm.wires.push((name, mac));
        }
        node.interfaces.extend(more);
    }
}

/// What libvirt plugs in itself is no interface of netyard's.
fn plug(vm: &mut VmSpec, interfaces: &mut Vec<InterfaceSpec>, report: &mut Report) {
    for interface in std::mem::take(interfaces) {
        let (name, span) = (interface.name.value, interface.name.span);
        let Some(network) = interface.network else {
            report.push(say::no_cable(name.as_str(), span));
            continue;
        };
        let own = matches!(interface.addresses, AddressesSpec::These(_))
            || !interface.gateways.is_empty()
            || interface.sources != SourcesSpec::default();
        if own {
            report.push(say::own_address(name.as_str(), span));
        }
        let vlans = &interface.vlans;
        for (key, is_there) in [
            ("delay", interface.impairment.is_some()),
            ("vlans", vlans.access.is_some() || !vlans.tagged.is_empty()),
            ("port", interface.port.is_some()),
            ("mtu", interface.mtu.is_some()),
            ("sysctl", !interface.sysctl.is_empty()),
        ] {
            if is_there {
                report.push(say::not_by_libvirt(key, span));
            }
        }
        vm.wires.push((name, interface.mac.map(|mac| mac.value)));
        vm.networks.push(network);
    }
}

fn blank(name: Spanned<FullName>) -> InterfaceSpec {
    InterfaceSpec {
        name,
        network: None,
        kind: None,
        wireguard: None,
        parent: None,
        master: None,
        port: None,
        vlans: PortVlansSpec::default(),
        port_name: None,
        port_mac: None,
        addresses: AddressesSpec::None,
        sources: SourcesSpec::default(),
        dad: false,
        gateways: Vec::new(),
        no_gateway: true,
        mtu: None,
        mac: None,
        up: true,
        sysctl: Vec::new(),
        impairment: None,
        unsure: false,
    }
}

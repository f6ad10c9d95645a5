//! Virtual machines of nodes: what QEMU is told.

use super::assemble::derive_mac;
use super::gather::Cast;
use super::naming::Names;
use crate::diag::{Report, libvirt as say_libvirt, vm as say, yard as say_yard};
use crate::facts::Facts;
use crate::libvirt;
use crate::name::FullName;
use crate::state::{InterfaceId, Process, ProcessFile, Program, Ready, Restart};
use crate::vm::{Engine, NAME, QEMU, VmSpec, tap_name};

/// A machine has this long to begin to run, in milliseconds: emulated, beside others.
const PATIENCE: u32 = 60_000;

/// What libvirt calls the machine of a node.
fn domain_name(cast: &Cast<'_>, node: usize) -> String {
    format!("{}-{}", cast.spec.yard.value, cast.nodes[node].name)
}

/// The machine of a node that libvirt runs: a process of netyard's tells it to and watches.
fn domain(cast: &Cast<'_>, names: &Names, node: usize, spec: &VmSpec) -> Option<Process> {
    let place = cast.nodes[node].place.clone();
    let yard = cast.spec.yard.value.as_str();
    let mut cards = Vec::new();
    for ((wire, mac), network) in spec.wires.iter().zip(&spec.networks) {
        let mut networks = cast.spec.networks.iter();
        let index = networks.position(|n| n.name.value.as_str() == network.value)?;
        let own = FullName::new(&format!("machine-{wire}")).ok()?;
        let id = InterfaceId { place: place.clone(), name: own };
        cards.push(libvirt::Card {
            mac: mac.unwrap_or_else(|| derive_mac(yard, &id)),
            bridge: names.networks[index].core.kernel.to_string(),
        });
    }
    let name = domain_name(cast, node);
    let text = libvirt::domain(&name, yard, cast.nodes[node].name.as_str(), spec, &cards);
    let words = ["domain", "{dir}/domain.xml", &name, yard].map(str::to_owned);
    let mut process = Process {
        restart: Restart::OnFailure,
        ready: Ready::Notify,
        patience: PATIENCE,
        files: vec![ProcessFile::new("domain.xml", text)],
        ..Process::new(place, NAME, Program::Netyard(words.to_vec()))
    };
    spec.care.apply(&mut process);
    Some(process)
}

/// What of libvirt's is in the way of a machine.
fn check_domain(cast: &Cast<'_>, node: usize, spec: &VmSpec, facts: &Facts, report: &mut Report) {
    for network in &spec.networks {
        let found = cast.spec.networks.iter().find(|n| n.name.value.as_str() == network.value);
        match found {
            Some(found) if found.host.is_none() => {
                report.push(say::network_not_on_host(&network.value, network.span));
            }
            Some(_) => {}
            None => {
                let known = cast.spec.networks.iter().map(|n| n.name.value.as_str());
                report.push(say_yard::network_unknown(network, known));
            }
        }
    }
    let Some(known) = &facts.libvirt else { return };
    if let Some(why) = &known.trouble {
        return report.push(say_libvirt::silent(why, spec.span));
    }
    let name = domain_name(cast, node);
    let yard = cast.spec.yard.value.as_str();
    if let Some(owner) = known.domains.get(&name).filter(|owner| owner.as_deref() != Some(yard)) {
        report.push(say_libvirt::taken("domain", &name, owner.as_deref(), spec.span));
    }
}

/// The machine of a node; what it comes after is the caller's to say.
pub(super) fn process(cast: &Cast<'_>, names: &Names, node: usize) -> Option<Process> {
    let spec = said(cast, node)?;
    if spec.engine == Engine::Libvirt {
        return domain(cast, names, node, spec);
    }
    let mut argv = vec![QEMU.to_owned()];
    let mut tell = |words: &[&str]| argv.extend(words.iter().map(|word| (*word).to_owned()));
    let name = cast.nodes[node].name.as_str().replace(',', ",,");
    tell(&["-name", &name, "-M", "q35", "-nodefaults", "-no-user-config", "-display", "none"]);
    tell(&["-m", &format!("{}M", spec.memory), "-smp", &spec.cpus.to_string()]);
    for disk in &spec.disks {
        let path = disk.value.replace(',', ",,");
        let format = if path.ends_with(".qcow2") { "qcow2" } else { "raw" };
        let snapshot = if spec.snapshot { ",snapshot=on" } else { "" };
        tell(&["-drive", &format!("file={path},if=virtio,format={format}{snapshot}")]);
    }
    for (option, value) in [
        ("-kernel", spec.kernel.as_ref().map(|path| &path.value)),
        ("-initrd", spec.initrd.as_ref().map(|path| &path.value)),
        ("-append", spec.append.as_ref()),
    ] {
        if let Some(value) = value {
            tell(&[option, value]);
        }
    }
    // What it says on its first serial port is its log.
    tell(&["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"]);
    for (number, (wire, mac)) in spec.wires.iter().enumerate() {
        let place = cast.nodes[node].place.clone();
        let tap = tap_name(wire).and_then(|tap| cast.interface(node, tap.as_str()));
        let Some(tap) = tap else { continue };
        let own = FullName::new(&format!("machine-{wire}")).ok()?;
        let mac = mac.unwrap_or_else(|| {
            derive_mac(cast.spec.yard.value.as_str(), &InterfaceId { place, name: own })
        });
        let kernel = &names.interfaces[tap];
        tell(&["-netdev", &format!("tap,id=net{number},ifname={kernel},script=no,downscript=no")]);
        tell(&["-device", &format!("virtio-net-pci,netdev=net{number},mac={mac},romfile=")]);
    }
    argv.extend(spec.arguments.iter().cloned());
    let mut process = Process {
        restart: Restart::OnFailure,
        ready: Ready::Notify,
        patience: PATIENCE,
        ..Process::new(cast.nodes[node].place.clone(), NAME, Program::Machine(argv))
    };
    spec.care.apply(&mut process);
    Some(process)
}

/// Says it where a machine cannot be.
pub(super) fn check(cast: &Cast<'_>, facts: &Facts, report: &mut Report) {
    for node in 0..cast.nodes.len() {
        let Some(spec) = said(cast, node) else { continue };
        if !facts.host_reachable {
            report.push(say::needs_root(cast.nodes[node].name.as_str(), spec.span));
        }
        if spec.engine == Engine::Libvirt {
            check_domain(cast, node, spec, facts, report);
        }
        if facts.missing_files.contains(QEMU) {
            report.push(say::no_qemu(QEMU, spec.span));
        }
        for file in spec.files().filter(|file| facts.missing_files.contains(&file.value)) {
            report.push(say::file_missing(&file.value, file.span));
        }
    }
}

/// What the file says of a node's machine.
pub(super) fn said<'s>(cast: &Cast<'s>, node: usize) -> Option<&'s VmSpec> {
    cast.nodes[node].spec?.vm.as_ref()
}

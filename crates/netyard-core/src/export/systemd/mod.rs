//! `systemd`: a tree of files for `/`, by which systemd, networkd, nspawn and nftables make
//! the yard by themselves at boot.
//!
//! What is on the host is networkd's, as far as it has words for it. Namespaces, and cables
//! into them, have no words there: a unit runs scripts with the commands of the plan.
//! Processes are units in their namespaces; containers are nspawn's, in theirs.

mod network;
mod unit;
pub(super) mod word;

use std::fmt::Write as _;

pub(super) use network::asks;
pub(crate) use word::word;

use super::script::{self, Script};
use super::{Papers, Subject, Target, UNMADE, unmade};
use crate::interface::{Interface, Kind};
use crate::plan::Op;
use crate::service::dnsmasq;
use crate::spec::Engine;
use crate::state::{Object, Place, Process, ProcessFile, Program, Sysctl};

pub(super) static TARGET: Target = Target {
    word: "systemd",
    doc: "A tree for /: files of networkd, nspawn, nftables and sysctl, and units for the rest",
    write,
};

/// libvirt keeps its networks: a script that tells it again at every boot would fail.
const BY_LIBVIRT: &str =
    "`netyard export libvirt` writes it, for `virsh net-define` and `net-autostart`, once";

fn write(subject: &Subject<'_>, papers: &mut Papers) {
    network::write(subject, papers);
    firewall(subject, papers);
    settings(subject, papers);
    let mut units = Vec::new();
    let scripted = scripts(subject, papers);
    if scripted {
        units.push(unit::network_unit(subject));
    }
    for object in subject.desired.objects() {
        match object {
            Object::File(o) => {
                papers.file(format!("etc/netns/{}/{}", o.netns, o.name), o.content.clone(), 0o644);
            }
            Object::Process(_) => continue,
            Object::LibvirtNetwork(_) => {
                papers.leave(object, BY_LIBVIRT);
                continue;
            }
            Object::Tunnel(tunnel) if unmade(tunnel) => {
                papers.leave(object, UNMADE);
                continue;
            }
            _ => {}
        }
        papers.take(object);
    }
    units.extend(processes(subject, scripted, papers));
    papers.file("README".to_owned(), readme(subject, &units, papers), 0o644);
}

/// `/etc/nftables.conf`, which nftables.service reads.
fn firewall(subject: &Subject<'_>, papers: &mut Papers) {
    for object in subject.desired.objects() {
        let Object::Table(table) = object else { continue };
        if table.place != Place::Host {
            continue;
        }
        let head = subject.head(&TARGET, "The host's firewall of", &[]);
        let name = &table.name;
        let text = format!(
            "#!/usr/sbin/nft -f\n{head}\ntable inet {name}\ndelete table inet {name}\n{table}"
        );
        papers.file("etc/nftables.conf".to_owned(), text, 0o755);
    }
}

fn is_on_host(object: &Object) -> Option<&Sysctl> {
    match object {
        Object::Sysctl(sysctl) if sysctl.place == Place::Host => Some(sysctl),
        _ => None,
    }
}

/// `sysctl.d`, with slashes: a dot in the name of an interface is none between keys.
fn settings(subject: &Subject<'_>, papers: &mut Papers) {
    let sysctls: Vec<&Sysctl> = subject.desired.objects().filter_map(is_on_host).collect();
    if sysctls.is_empty() {
        return;
    }
    let mut text = subject.head(&TARGET, "Settings of the host for", &[]);
    for sysctl in sysctls {
        if sysctl.value.contains(|c: char| c.is_control()) {
            let object = Object::Sysctl(sysctl.clone());
            papers.leave(&object, "its value is no line of a file");
            continue;
        }
        let path = script::path(subject, sysctl);
        // udev says it again when the interface is there; until then nobody complains.
        let late = if is_of_an_interface(&path) { "-" } else { "" };
        let _ = writeln!(text, "{late}{path} = {}", sysctl.value);
    }
    let name = word::plain(subject.yard.name.as_str());
    papers.file(format!("etc/sysctl.d/60-{name}.conf"), text, 0o644);
}

/// True for a setting that is there when its interface is: `net/ipv6/conf/eth0/accept_ra`.
fn is_of_an_interface(path: &str) -> bool {
    let name = path.split_once("/conf/").and_then(|(_, rest)| rest.split('/').next());
    name.is_some_and(|name| !["all", "default"].contains(&name))
}

/// True for a step that neither networkd nor another file does.
fn is_left(subject: &Subject<'_>, op: &Op) -> bool {
    let object = match op {
        Op::Add { object } | Op::Remove { object } | Op::Set { to: object, .. } => object,
        Op::AddPair { .. } | Op::RemovePair { .. } | Op::Mark { .. } => return true,
    };
    match object {
        Object::File(_) | Object::Process(_) | Object::LibvirtNetwork(_) => false,
        Object::Table(table) => table.place != Place::Host,
        Object::Sysctl(sysctl) if sysctl.place == Place::Host => match &sysctl.interface {
            None => false,
            // Of what the script makes, nobody else sees when it comes.
            Some(name) => {
                let id = crate::state::InterfaceId { place: Place::Host, name: name.clone() };
                let made = subject.desired.interface(&id);
                made.is_some_and(|o| !network::takes(subject.desired, o))
            }
        },
        object => !network::has(subject, object),
    }
}

/// The scripts and the unit that runs them; false where there is nothing to do.
fn scripts(subject: &Subject<'_>, papers: &mut Papers) -> bool {
    let up = Script::of(subject, true, &|op| is_left(subject, op));
    let down = Script::of(subject, false, &|op| is_left(subject, op));
    if up.is_empty() {
        return false;
    }
    let library = unit::library(subject);
    for (name, what, script) in [("up.sh", "Builds", up), ("down.sh", "Takes away", down)] {
        let what = format!("{what} what networkd does not of");
        papers.file(format!("{library}/{name}"), script.text(subject, &TARGET, &what), 0o755);
    }
    unit::network(subject, &devices(subject), papers);
    true
}

/// The interfaces of the host that must be there before the script runs.
fn devices(subject: &Subject<'_>) -> Vec<String> {
    let state = subject.desired;
    let mut names = Vec::new();
    for object in state.objects() {
        let Object::Interface(o) = object else { continue };
        if network::takes(state, o) {
            continue;
        }
        names.extend(outside(subject, o));
    }
    names.sort();
    names.dedup();
    names
}

/// Those that one interface needs and the script does not make.
fn outside(subject: &Subject<'_>, o: &Interface) -> Vec<String> {
    let state = subject.desired;
    let is_scripted = |name: &crate::name::FullName| {
        let id = crate::state::InterfaceId { place: Place::Host, name: name.clone() };
        state.interface(&id).is_some_and(|o| !network::takes(state, o))
    };
    let mut names = Vec::new();
    if let Kind::Physical(physical) = &o.kind {
        names.push(physical.host_name.to_string());
    }
    let parent = o.parent.as_ref().filter(|parent| parent.place == Place::Host);
    let master = o.master.as_ref().filter(|_| o.id.place == Place::Host);
    for name in parent.map(|parent| &parent.name).into_iter().chain(master) {
        if !is_scripted(name) {
            names.push(subject.device(&Place::Host, name));
        }
    }
    names
}

/// Processes and containers; their units.
fn processes(subject: &Subject<'_>, scripted: bool, papers: &mut Papers) -> Vec<String> {
    let mut units = Vec::new();
    let mut last: Option<String> = None;
    for object in subject.desired.objects() {
        let Object::Process(process) = object else { continue };
        let made = match (&process.program, served(subject, process)) {
            (_, Some(all)) => {
                let names = all.iter().map(|one| unit::process(subject, one, scripted, papers));
                names.collect::<Result<Vec<_>, _>>()
            }
            (Program::Container(container), None) => {
                let made = unit::container(subject, process, container, last.as_deref(), papers);
                if let Ok(unit) = &made {
                    last = Some(unit.clone());
                }
                made.map(|unit| vec![unit])
            }
            _ => unit::process(subject, process, scripted, papers).map(|unit| vec![unit]),
        };
        match made {
            Ok(made) => {
                units.extend(made);
                papers.take(object);
            }
            Err(why) => papers.leave(object, why),
        }
    }
    units
}

/// What netyard itself serves is served by dnsmasq, one for each network.
fn served(subject: &Subject<'_>, process: &Process) -> Option<Vec<Process>> {
    let mut servings = subject.yard.servings.iter();
    let serving = servings.find(|serving| {
        serving.engine == Engine::Netyard
            && serving.process().name == process.name
            && serving.place == process.place
    })?;
    let one = |network: &crate::service::served::ServedNetwork| {
        let argv = ["dnsmasq", "--keep-in-foreground", "--conf-file={dir}/dnsmasq.conf"];
        let program = Program::Argv(argv.map(str::to_owned).to_vec());
        let name = format!("dnsmasq-{}", network.network);
        let mut one = Process::new(serving.place.clone(), &name, program);
        one.files = vec![ProcessFile::new("dnsmasq.conf", dnsmasq::configuration(network))];
        one.keep = true;
        one
    };
    Some(serving.served.networks.iter().map(one).collect())
}

/// What is to be done with the tree, and what it does not do.
fn readme(subject: &Subject<'_>, units: &[String], papers: &Papers) -> String {
    let mut text = subject.head(&TARGET, "Files for", &[]);
    text.push_str(
        "\nAs root, in this directory:\n\n    cp -r [a-z]* /\n    systemctl daemon-reload\n",
    );
    let has = |path: &str| papers.files.iter().any(|paper| paper.path.starts_with(path));
    let mut enabled = Vec::new();
    if has("etc/systemd/network/") {
        enabled.push("systemd-networkd.service".to_owned());
    }
    if has("etc/nftables.conf") {
        enabled.push("nftables.service".to_owned());
    }
    enabled.extend(units.iter().cloned());
    if units.iter().any(|unit| unit.starts_with("systemd-nspawn@")) {
        enabled.push("machines.target".to_owned());
    }
    for unit in &enabled {
        let _ = writeln!(text, "    systemctl enable {}", crate::plan::quoted(unit));
    }
    text.push_str("    reboot\n");
    if !papers.left_out.is_empty() {
        text.push_str("\nNot in these files:\n\n");
        for line in &papers.left_out {
            let _ = writeln!(text, "* {}", super::one_line(line));
        }
    }
    text
}

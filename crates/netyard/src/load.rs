//! From the file to what it means.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use netyard_core::diag::{Report, Sources, Span, import as say};
use netyard_core::facts::Facts;
use netyard_core::import;
use netyard_core::name::YardName;
use netyard_core::spec::{self, NetworkSpec, Parsed, PortVlansSpec, Spec, WaySpec};
use netyard_core::yard::{self, Yard};

use crate::error::{Error, Kind, Result};
use crate::source::{Origin, Unreadable};

/// The most diagnostics of one file.
const MOST: usize = 1_000;

/// A yard's file without errors in its text, includes and all.
#[derive(Debug)]
pub struct File {
    /// What was read, for places.
    pub sources: Sources,
    /// What it says.
    pub spec: Spec,
    /// Where it is, whole: what it names is relative to it.
    pub directory: PathBuf,
    warnings: Report,
}

impl File {
    /// Reads it. When something is wrong with the text, all that can be said
    /// of it without knowing the host is said.
    pub fn read(origin: &Origin) -> Result<Self> {
        let root = origin.read().map_err(unreadable)?;
        let Parsed { spec, mut report, sources } =
            spec::parse(root, &directory_name(origin), &mut include);
        match spec {
            Some(spec) if !report.has_errors() => {
                let directory = origin.directory();
                let directory = directory.canonicalize().unwrap_or(directory);
                Ok(Self { sources, spec, directory, warnings: report })
            }
            spec => {
                if let Some(report) = foreign(origin, &sources) {
                    return Err(Kind::Text(sources, report).into());
                }
                if let Some(spec) = spec {
                    report.0.extend(yard::resolve(&spec, &any_host()).1.0);
                    report.settle(MOST);
                }
                Err(Kind::Text(sources, report).into())
            }
        }
    }

    /// What it means on the host of these facts, and the warnings.
    pub fn resolve(&self, facts: &Facts) -> Result<(Yard, Report)> {
        let (yard, mut report) = yard::resolve(&self.spec, facts);
        report.0.extend(self.warnings.0.iter().cloned());
        report.settle(MOST);
        match yard {
            Some(yard) if !report.has_errors() => Ok((yard, report)),
            _ => Err(Kind::Text(self.sources.clone(), report).into()),
        }
    }
}

/// The name of a yard, for commands that need no more of its file; mistakes
/// elsewhere in it do not matter.
pub fn name(origin: &Origin) -> Result<YardName> {
    let root = origin.read().map_err(unreadable)?;
    let Parsed { spec, report, sources } = spec::parse(root, &directory_name(origin), &mut include);
    match spec {
        Some(spec) => Ok(spec.yard.value),
        None => Err(Kind::Text(sources, report).into()),
    }
}

/// What there is to say of a file that is another tool's.
fn foreign(origin: &Origin, sources: &Sources) -> Option<Report> {
    let format = import::recognised(&sources.0.first()?.text)?;
    let place = Span::default();
    let diagnostic = say::foreign_file(place, format.title, format.word, &origin.name());
    Some(Report(vec![diagnostic]))
}

fn unreadable(Unreadable { diagnostic, source, .. }: Unreadable) -> Error {
    let sources = Sources(source.into_iter().collect());
    Kind::Text(sources, Report(vec![*diagnostic])).into()
}

/// The kinds of links and qdiscs that a file needs of the kernel, as in
/// `IFLA_INFO_KIND` and `TCA_KIND`.
pub fn kinds(spec: &Spec) -> BTreeSet<String> {
    let mut kinds = BTreeSet::new();
    let interfaces = || spec.nodes.iter().flat_map(|node| &node.interfaces);
    for interface in interfaces() {
        if let Some(kind) = &interface.kind {
            kinds.extend(kind.value.kind.kernel_kind());
        }
    }
    if !spec.links.is_empty() || !spec.networks.is_empty() {
        kinds.insert("veth");
    }
    if kinds.contains("wireguard") || spec.links.iter().any(|link| link.tunnel.is_some()) {
        // Where the kernel has no WireGuard, a tun and a process stand in.
        kinds.extend(["wireguard", "tun"]);
    }
    let way = |network: &NetworkSpec| network.uplink.as_ref().map(|uplink| uplink.way.clone());
    for network in &spec.networks {
        let shared = matches!(way(network), Some(WaySpec::Macvlan(_)));
        kinds.insert(if shared { "macvlan" } else { "bridge" });
        let uplink = match way(network) {
            Some(WaySpec::Bridge(name)) => Some(name.value),
            _ => None,
        };
        // `enp8s0.12` may have to be made.
        let mut ports = network.ports.iter().map(|port| &port.name.value).chain(&uplink);
        if ports.any(|name| name.as_str().contains('.')) {
            kinds.insert("vlan");
        }
    }
    let vlans = |vlans: &PortVlansSpec| vlans.access.is_some() || !vlans.tagged.is_empty();
    let filtering =
        spec.networks.iter().any(|n| n.vlan_filtering.as_ref().is_some_and(|f| f.value));
    if filtering || interfaces().any(|interface| vlans(&interface.vlans)) {
        kinds.insert("bridge-vlan");
    }
    let on_links = spec.links.iter().flat_map(|l| [l.forward, l.backward]).flatten();
    let own = interfaces().filter_map(|i| Some(i.impairment.as_ref()?.value));
    let qdiscs = on_links.chain(own).map(|impairment| format!("qdisc:{}", impairment.qdisc()));
    kinds.into_iter().map(str::to_owned).chain(qdiscs).collect()
}

/// A host of which nothing is known, and on which all is possible.
pub fn any_host() -> Facts {
    Facts { host_reachable: true, ..Facts::default() }
}

/// What stands in for a yard's name: that of the directory its file is in.
fn directory_name(origin: &Origin) -> String {
    let directory = origin.directory();
    let directory = directory.canonicalize().unwrap_or(directory);
    directory.file_name().map_or_else(|| "yard".into(), |name| name.to_string_lossy().into_owned())
}

/// Reads an included file, relative to the one that includes it.
fn include(path: &str, includer: &str) -> std::result::Result<String, String> {
    let from = Path::new(includer).parent().unwrap_or(Path::new(""));
    let origin = Origin::File(PathBuf::from(from).join(path));
    match origin.read() {
        Ok(source) => Ok(source.text.to_string()),
        Err(unreadable) => Err(unreadable.why),
    }
}

use std::collections::BTreeSet;

use netyard_core::boot::{Boot, unit_name};
use netyard_core::interface::Kind;
use netyard_core::name::InterfaceName;
use netyard_core::spec::{Spec, Through, WaySpec};
use netyard_linux::boot;

use crate::cli::FileOption;
use crate::error::{Error, Result};
use crate::load::File;
use crate::source::Origin;
use crate::ui;

/// Let a yard come up at every boot, by systemd
///
/// A unit netyard-YARD.service is written that calls `netyard up` with this file,
/// after the interfaces it needs are there and before the network counts as online,
/// and `netyard down` when the machine goes down; leases and keys are kept. The file
/// is read at boot, where it is: what was changed in it until then counts. It must be
/// root's, and so must its directory.
#[derive(Debug, clap::Args)]
pub struct Enable {
    #[command(flatten)]
    file: FileOption,
    /// Bring it up at once, too
    #[arg(long)]
    now: bool,
}

impl Enable {
    /// Does it.
    pub fn run(self) -> Result {
        let Origin::File(path) = self.file.origin() else {
            return Err(Error::command_line("what comes in from `-` is gone at the next boot")
                .hint("write it into a file, and name that: `-f FILE`"));
        };
        let file = File::read(&Origin::File(path.clone()))?;
        let whole = |path: std::io::Result<std::path::PathBuf>, what: &str| {
            let path = path.map_err(|error| {
                Error::failed(format!(
                    "could not find {what}: {}",
                    crate::error::errno_text(&error)
                ))
            })?;
            path.into_os_string()
                .into_string()
                .map_err(|_| Error::failed(format!("the path of {what} is no text")))
        };
        let yard = file.spec.yard.value.clone();
        let boot = Boot {
            yard: &yard,
            file: &whole(path.canonicalize(), "the yard's file")?,
            program: &whole(std::env::current_exe().and_then(|exe| exe.canonicalize()), "netyard")?,
            devices: devices(&file.spec),
        };
        let is_new = boot::enable(&boot, self.now)?;
        let unit = unit_name(&yard);
        let done = if is_new { "enabled" } else { "enabled already" };
        ui::print(&format!("{done}: yard `{yard}` comes at boot, by {unit}\n"))?;
        if !self.now {
            ui::hint(&format!("`systemctl start {unit}` brings it up now"));
        }
        Ok(())
    }
}

/// The interfaces of the host that a yard is named to need.
fn devices(spec: &Spec) -> Vec<InterfaceName> {
    let mut names = BTreeSet::new();
    for network in &spec.networks {
        match network.uplink.as_ref().map(|uplink| &uplink.way) {
            Some(WaySpec::Bridge(name) | WaySpec::Macvlan(name)) => drop(names.insert(&name.value)),
            Some(WaySpec::Routed { through, .. }) => {
                if let Through::Interface(name) = &through.value {
                    names.insert(name);
                }
            }
            _ => {}
        }
        names.extend(network.ports.iter().map(|port| &port.name.value));
    }
    let mut all: BTreeSet<InterfaceName> = names.into_iter().cloned().collect();
    for interface in spec.nodes.iter().flat_map(|node| &node.interfaces) {
        if let Some(kind) = &interface.kind
            && let Kind::Physical(physical) = &kind.value.kind
        {
            all.insert(physical.host_name.clone());
        }
    }
    // `enp8s0.12` may have to be made first: what it is a VLAN of must be there.
    let parent = |name: InterfaceName| match name.as_str().split_once('.') {
        Some((parent, _)) => InterfaceName::new(parent).unwrap_or(name),
        None => name,
    };
    all.into_iter().map(parent).collect::<BTreeSet<_>>().into_iter().collect()
}

//! Networks of libvirt's: defined, started, taken away.

use netyard_core::libvirt;
use netyard_core::name::{FullName, InterfaceName};
use netyard_core::plan::Op;
use netyard_core::state::{LibvirtNetwork, Object, Place, State};
use rustix::net::{AddressFamily, SocketType, netdevice, socket};

use super::{Run, words};
use crate::error::{Error, ErrorKind};
use crate::libvirt::{Silence, network, virsh};

impl Run<'_> {
    /// Makes a network what it shall be. A new one that does not start is not left defined.
    pub(super) fn set_libvirt(
        &mut self,
        op: &Op,
        from: Option<&LibvirtNetwork>,
        to: &LibvirtNetwork,
    ) -> Result<(), Error> {
        let told = |silence| told(op, silence);
        let there = self.own_network(op, to)?;
        let was = from.and_then(|from| from.definition.as_ref());
        let name = format!("--network={}", to.name);
        match &to.definition {
            Some(definition) if was != Some(definition) => {
                let uuid = there.as_ref().and_then(|seen| seen.uuid.as_deref());
                let text = libvirt::network(to, definition, uuid);
                virsh(&["net-define", "/dev/stdin"], &text).map_err(told)?;
            }
            None if was.is_some() => drop(virsh(&["net-undefine", &name], "").map_err(told)?),
            _ => {}
        }
        let runs = from.is_some_and(|from| from.running.is_some());
        if to.running.is_none() {
            if runs {
                virsh(&["net-destroy", &name], "").map_err(told)?;
            }
            return Ok(());
        }
        if !runs && let Err(silence) = virsh(&["net-start", &name], "") {
            if there.is_none() {
                // What it did not become, it is not in the way of.
                let _ = virsh(&["net-undefine", &name], "");
            }
            return Err(told(silence));
        }
        self.note_bridge(op, to)
    }

    /// Takes a network away, if it is the yard's.
    pub(super) fn remove_libvirt(&mut self, op: &Op, o: &LibvirtNetwork) -> Result<(), Error> {
        let told = |silence| told(op, silence);
        if self.own_network(op, o)?.is_none() {
            return Ok(());
        }
        let name = format!("--network={}", o.name);
        if o.running.is_some() {
            virsh(&["net-destroy", &name], "").map_err(told)?;
        }
        if o.definition.is_some() {
            virsh(&["net-undefine", &name], "").map_err(told)?;
        }
        if let Some(site) = self.sites.get_mut(&Place::Host)
            && let Some(Ok(full)) = o.bridge().map(FullName::new)
            && let Ok(index) = site.names.index(&full)
        {
            site.names.remove(index);
        }
        Ok(())
    }

    /// What libvirt has under the name of a network; one that is not the yard's is refused.
    fn own_network(
        &self,
        op: &Op,
        o: &LibvirtNetwork,
    ) -> Result<Option<libvirt::SeenNetwork>, Error> {
        match network(&o.name, false) {
            Ok(seen) if seen.owner.as_ref().is_some_and(|(yard, _)| *yard == *o.yard.as_str()) => {
                Ok(Some(seen))
            }
            Ok(_) => Err(Error::new(ErrorKind::Refused, words::could_not(op)).doing(op).extack(
                Some("libvirt has a network of that name, and it is not this yard's".to_owned()),
            )),
            Err(Silence::Said(why)) if is_unknown(&why) => Ok(None),
            Err(silence) => Err(told(op, silence)),
        }
    }

    /// The bridge that libvirt made is one of the host's from now on.
    fn note_bridge(&mut self, op: &Op, o: &LibvirtNetwork) -> Result<(), Error> {
        let Some(bridge) = o.bridge() else { return Ok(()) };
        let failed = |e: std::io::Error| super::send::refused_by_system(op, e);
        self.worker.go_home().map_err(failed)?;
        let asked = socket(AddressFamily::UNIX, SocketType::DGRAM, None);
        let index = asked.and_then(|socket| netdevice::name_to_index(&socket, bridge));
        let index = index.map_err(|errno| failed(errno.into()))?;
        if let (Ok(full), Ok(kernel)) = (FullName::new(bridge), InterfaceName::new(bridge)) {
            let mtu = o.running.as_ref().and_then(|running| running.mtu).unwrap_or(1500);
            self.site(op, &Place::Host)?.note(index, &full, &kernel, mtu);
        }
        Ok(())
    }

    /// All of a yard's networks go.
    pub(super) fn clear_libvirt(&mut self, state: &State) -> Result<(), Error> {
        let of_libvirt = |object: &&Object| matches!(object, Object::LibvirtNetwork(_));
        self.remove_all(state.objects().filter(of_libvirt))
    }
}

/// "Network not found", in the one language that virsh is asked in.
fn is_unknown(why: &str) -> bool {
    why.contains("Network not found") || why.contains("failed to get network")
}

fn told(op: &Op, silence: Silence) -> Error {
    let error = Error::new(ErrorKind::Refused, words::could_not(op)).doing(op);
    match silence {
        Silence::Missing => error.hint("there is no `virsh`; Debian has it as `libvirt-clients`"),
        Silence::Said(why) => error.extack(Some(why)),
    }
}

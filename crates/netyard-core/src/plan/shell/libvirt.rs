//! Networks of libvirt's by virsh.

use super::Verb;
use super::unit::{heredoc, quoted};
use crate::libvirt;
use crate::state::{LibvirtNetwork, Object};

/// A network is defined and started; with it goes its definition.
pub(super) fn network(verb: Verb, from: Option<&Object>, o: &LibvirtNetwork) -> Vec<String> {
    let name = quoted(&o.name);
    let was = match from {
        Some(Object::LibvirtNetwork(from)) => Some(&**from),
        _ => None,
    };
    let mut lines = Vec::new();
    if verb == Verb::Remove {
        lines.extend(o.running.as_ref().map(|_| format!("virsh net-destroy {name}")));
        lines.extend(o.definition.as_ref().map(|_| format!("virsh net-undefine {name}")));
        return lines;
    }
    if let Some(definition) = &o.definition
        && was.and_then(|was| was.definition.as_ref()) != Some(definition)
    {
        let text = libvirt::network(o, definition, None);
        lines.extend(heredoc("virsh net-define /dev/stdin", &text));
    }
    if o.running.is_some() && was.is_none_or(|was| was.running.is_none()) {
        lines.push(format!("virsh net-start {name}"));
    }
    lines
}

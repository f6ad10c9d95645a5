//! Virtual machines of libvirt's as XML.

use std::fmt::Write as _;

use super::xml::{document, escaped, note, owner};
use crate::addr::Mac;
use crate::vm::VmSpec;

/// What stands for the sort of virtualisation, until who starts it knows.
pub const ACCELERATOR: &str = "{accelerator}";

/// A network card of a machine.
pub struct Card {
    /// The machine's own address.
    pub mac: Mac,
    /// The bridge that it is plugged into.
    pub bridge: String,
}

/// The text as libvirt takes it.
pub fn domain(name: &str, yard: &str, node: &str, spec: &VmSpec, cards: &[Card]) -> String {
    let mut text = format!("<domain type='{ACCELERATOR}'>\n  <name>{}</name>\n", escaped(name));
    text += &note("domain", yard, node);
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "  <memory unit='MiB'>{}</memory>\n  <vcpu>{}</vcpu>",
        spec.memory, spec.cpus
    );
    text += "  <os>\n    <type machine='q35'>hvm</type>\n";
    for (element, value) in [
        ("kernel", spec.kernel.as_ref().map(|path| &path.value)),
        ("initrd", spec.initrd.as_ref().map(|path| &path.value)),
        ("cmdline", spec.append.as_ref()),
    ] {
        if let Some(value) = value {
            let _ = writeln!(text, "    <{element}>{}</{element}>", escaped(value));
        }
    }
    // The power button is heard by ACPI.
    text += "  </os>\n  <features><acpi/></features>\n  <on_poweroff>destroy</on_poweroff>\n  <devices>\n";
    for (disk, letter) in spec.disks.iter().zip('a'..='z') {
        let path = &disk.value;
        let (sort, key) = match path.starts_with("/dev/") {
            true => ("block", "dev"),
            false => ("file", "file"),
        };
        let format = if path.ends_with(".qcow2") { "qcow2" } else { "raw" };
        let transient = if spec.snapshot { "<transient/>" } else { "" };
        let _ = writeln!(
            text,
            "    <disk type='{sort}' device='disk'><driver name='qemu' type='{format}'/><source {key}='{}'/><target dev='vd{letter}' bus='virtio'/>{transient}</disk>",
            escaped(path)
        );
    }
    for card in cards {
        let _ = writeln!(
            text,
            "    <interface type='bridge'><mac address='{}'/><source bridge='{}'/><model type='virtio'/><rom enabled='no'/></interface>",
            card.mac,
            escaped(&card.bridge)
        );
    }
    text + "    <serial type='pty'/>\n    <console type='pty'/>\n    <memballoon model='none'/>\n  </devices>\n</domain>\n"
}

/// The yard that a machine belongs to, of what libvirt says of it (`virsh dumpxml`).
///
/// # Errors
/// Why that cannot be read.
pub fn read_domain_owner(text: &str) -> Result<Option<String>, String> {
    let document = document(text)?;
    Ok(owner(document.root_element(), "domain").map(|(yard, _)| yard))
}

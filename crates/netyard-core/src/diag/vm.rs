//! Messages about virtual machines.

use super::{Diagnostic, Span};

/// A machine with neither a disk nor a kernel.
pub fn nothing_to_start(span: Span) -> Diagnostic {
    Diagnostic::error("vm-nothing", "a virtual machine needs `disk` or `kernel`")
        .at(span, "nothing says what it starts")
        .hint("write `disk: /srv/NODE.qcow2`")
}

/// What only a kernel of its own takes.
pub fn needs_kernel(key: &str, span: Span) -> Diagnostic {
    Diagnostic::error("vm-kernel", format!("`{key}` is for a machine with `kernel`"))
        .at(span, "a machine that starts from its disk has its own")
}

/// What a node cannot have that is a machine.
pub fn not_in_a_machine(key: &str, span: Span) -> Diagnostic {
    Diagnostic::error("vm-inside", format!("a virtual machine has no `{key}`"))
        .at(span, "what is inside of it is its own business")
}

/// An interface that is no cable.
pub fn no_cable(name: &str, span: Span) -> Diagnostic {
    Diagnostic::error(
        "vm-interface",
        format!("`{name}` cannot be an interface of a virtual machine"),
    )
    .at(span, "")
    .hint("a machine takes cables: `network: NAME`, or the end of a link")
}

/// An address that netyard cannot give.
pub fn own_address(name: &str, span: Span) -> Diagnostic {
    let text = format!("`{name}` of a virtual machine has no address in this file");
    Diagnostic::error("vm-address", text)
        .at(span, "the machine configures itself")
        .hint("`dhcp:` of the network gives it one; `static: { \"MAC\": ADDRESS }` always the same, with that `mac:` here")
}

/// Something that a machine of libvirt's does not have.
pub fn not_by_libvirt(key: &str, span: Span) -> Diagnostic {
    let text = format!("a machine that libvirt runs has no `{key}`");
    Diagnostic::error("vm-libvirt", text)
        .at(span, "libvirt runs it, and plugs it into bridges of the host")
        .hint("without `engine: libvirt` netyard runs QEMU itself")
}

/// A network that libvirt cannot plug a machine into.
pub fn network_not_on_host(network: &str, span: Span) -> Diagnostic {
    let text = format!("libvirt cannot plug a machine into network `{network}`");
    Diagnostic::error("vm-libvirt", text)
        .at(span, "libvirt is on the host, and the network's bridge is not")
        .hint("write `host: true` at the network, or leave `engine: libvirt` out")
}

/// A machine without root.
pub fn needs_root(name: &str, span: Span) -> Diagnostic {
    Diagnostic::error("needs-root", format!("`{name}` is a virtual machine, and that needs root"))
        .at(span, "")
        .hint("run netyard as root")
}

/// A file that a machine needs and that is not there.
pub fn file_missing(path: &str, span: Span) -> Diagnostic {
    Diagnostic::error("vm-file", format!("there is no file `{path}`")).at(span, "")
}

/// The program that runs machines is not there.
pub fn no_qemu(program: &str, span: Span) -> Diagnostic {
    Diagnostic::error("vm-program", format!("there is no `{program}` on this machine"))
        .at(span, "needed here")
        .hint("install QEMU; Debian has it as `qemu-system-x86`")
}

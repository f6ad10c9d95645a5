//! Messages about addresses from the network.

use super::{Diagnostic, Span};

/// DHCP knows a client by its hardware address.
pub fn no_hardware_address(interface: &str, span: Span) -> Diagnostic {
    let text =
        format!("`{interface}` has no hardware address of its own to ask for addresses with");
    Diagnostic::error("client-without-mac", text)
        .at(span, "nobody could tell who asks")
        .hint("give it addresses, or ask on the interface below it")
}

/// A lease that nobody asks for.
pub fn no_client(interface: &str, span: Span) -> Diagnostic {
    Diagnostic::error("no-lease", format!("nobody asks for a lease for `{interface}`"))
        .at(span, "waited for in vain")
        .hint("write `address: dhcp` or `address: dhcp6` at that interface")
}

/// Nobody asks through an interface that is down.
pub fn client_down(interface: &str, span: Span) -> Diagnostic {
    let text = format!("`{interface}` is to have an address from the network, and is to be down");
    Diagnostic::error("client-down", text)
        .at(span, "nobody hears it ask")
        .hint("leave `up: false` out")
}

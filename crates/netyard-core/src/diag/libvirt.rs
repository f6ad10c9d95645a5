//! Messages about libvirt: networks that it has to do with, machines that it runs.

use super::{Diagnostic, Span};

/// A name that libvirt, or a command that tells it, would not take.
pub fn bad_name(name: &str, span: Span) -> Diagnostic {
    Diagnostic::error("libvirt-name", format!("`{name}` cannot be a name in libvirt"))
        .at(span, "a letter or digit, then letters, digits, `-`, `_`, `+` and `.`; at most 50")
}

/// Translation where libvirt does none.
pub fn ports_of_offer(span: Span) -> Diagnostic {
    Diagnostic::error("libvirt-key", "`ports` is for a network that libvirt makes")
        .at(span, "netyard translates here")
        .hint("write `define` instead of `offer`, or see `firewall: host: nat:`")
}

/// Something that a network of libvirt's does not have.
pub fn not_told(key: &str, span: Span) -> Diagnostic {
    Diagnostic::error("libvirt-key", format!("`{key}` is nothing that libvirt is told"))
        .at(span, "libvirt makes this network")
        .hint("with `libvirt: offer` netyard makes it, and libvirt's machines are plugged in")
}

/// A network that is not on the host.
pub fn not_on_host(network: &str, span: Span) -> Diagnostic {
    Diagnostic::error("libvirt-host", format!("libvirt cannot reach network `{network}`"))
        .at(span, "libvirt is on the host, and the network's bridge is not")
        .hint("write `host: true`")
}

/// The bridge of a network that libvirt makes has no name.
pub fn no_bridge(span: Span) -> Diagnostic {
    Diagnostic::error("libvirt-bridge", "a network that libvirt makes needs `bridge`")
        .at(span, "")
        .hint("`bridge: virbr1`: the name of the bridge that libvirt makes")
}

/// No prefix is said.
pub fn no_prefix(span: Span) -> Diagnostic {
    Diagnostic::error("libvirt-prefix", "a network that libvirt makes needs `prefix`")
        .at(span, "")
        .hint("`prefix: 192.168.122.0/24`: one of IPv4")
}

/// Addresses are to be given, and nothing says which.
pub fn no_range(span: Span) -> Diagnostic {
    Diagnostic::error("libvirt-range", "a network that libvirt makes needs the `range` of its DHCP")
        .at(span, "")
        .hint("`dhcp: { range: 192.168.122.2-192.168.122.254 }`")
}

/// An address of one client alone, by a name.
pub fn static_by_mac(who: &str, span: Span) -> Diagnostic {
    Diagnostic::error("libvirt-static", format!("libvirt does not know a node `{who}`"))
        .at(span, "")
        .hint("write its hardware address: `\"02:00:00:00:00:01\": 192.168.122.7`")
}

/// A time that libvirt cannot be told.
pub fn delay_in_seconds(span: Span) -> Diagnostic {
    Diagnostic::error("libvirt-delay", "libvirt takes `forward-delay` in whole seconds")
        .at(span, "")
}

/// libvirt without root.
pub fn needs_root(span: Span) -> Diagnostic {
    Diagnostic::error("needs-root", "libvirt's networks are the host's, and that needs root")
        .at(span, "")
        .hint("run netyard as root")
}

/// libvirt does not answer.
pub fn silent(why: &str, span: Span) -> Diagnostic {
    let found =
        Diagnostic::error("libvirt-silent", "libvirt does not answer").at(span, "needed here");
    match why {
        "" => found.hint("there is no `virsh`; Debian has it as `libvirt-clients`"),
        why => found
            .hint(format!("virsh says: {why}"))
            .hint("`systemctl start libvirtd` starts it; Debian has it as `libvirt-daemon-system`"),
    }
}

/// A name that something else has.
pub fn taken(what: &str, name: &str, owner: Option<&str>, span: Span) -> Diagnostic {
    let whose = match owner {
        Some(yard) => format!("it is yard `{yard}`'s"),
        None => "it is not netyard's, and stays as it is".to_owned(),
    };
    let words = if what == "network" { "net-" } else { "" };
    Diagnostic::error("libvirt-taken", format!("libvirt has a {what} `{name}` already"))
        .at(span, whose)
        .hint(format!("take another name, or take that one away: `virsh {words}undefine {name}`"))
}

/// A bridge that another network of libvirt's has.
pub fn bridge_taken(bridge: &str, network: &str, span: Span) -> Diagnostic {
    let text = format!("libvirt's network `{network}` has a bridge `{bridge}` already");
    Diagnostic::error("libvirt-taken", text).at(span, "").hint("take another name for the bridge")
}

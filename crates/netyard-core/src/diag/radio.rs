//! Messages about radios: access points and stations.

use super::{Diagnostic, Span};

/// A text that no radio can be called by.
pub fn bad_phy(name: &str, span: Span) -> Diagnostic {
    Diagnostic::error("bad-phy", format!("`{name}` is no name of a radio"))
        .at(span, "")
        .hint("`iw phy` shows them: `phy0`")
}

/// A virtual interface where its radio cannot be.
pub fn wlan_in_node(name: &str, node: &str, span: Span) -> Diagnostic {
    let text = format!("`{name}` cannot be in `{node}`: its radio is on the host");
    Diagnostic::error("wlan-in-node", text)
        .at(span, "an interface of a radio is where its radio is")
        .hint("`kind: physical` with `host-name: wlan0` moves the whole radio into the node")
}

/// A radio that is not there.
pub fn radio_unknown<'a>(
    phy: &str,
    span: Span,
    radios: impl Iterator<Item = &'a str> + Clone,
) -> Diagnostic {
    let found: Vec<&str> = radios.clone().collect();
    let what = match found.is_empty() {
        true => "it has none".to_owned(),
        false => format!("it has {}", found.join(", ")),
    };
    Diagnostic::error("radio-unknown", format!("the host has no radio `{phy}`"))
        .at(span, what)
        .did_you_mean(phy, radios)
}

/// A radio whose driver does not know that role.
pub fn radio_cannot(phy: &str, role: &str, span: Span) -> Diagnostic {
    let what = if role == "ap" { "an access point" } else { "a station" };
    Diagnostic::error("radio-cannot", format!("radio `{phy}` cannot be {what}"))
        .at(span, "its driver does not list it among its modes")
        .hint(format!("`iw phy {phy} info` shows what it can; take another radio"))
}

/// A radio that may not have these interfaces at once.
pub fn radio_combination(phy: &str, role: &str, with: &[String], span: Span) -> Diagnostic {
    let text = format!("radio `{phy}` cannot have `{role}` beside {}", with.join(" and "));
    Diagnostic::error("radio-combination", text)
        .at(span, "its driver does not list it among its interface combinations")
        .hint("take the others away (`iw dev NAME del`), or take another radio")
}

/// A radio that is turned off.
pub fn radio_blocked(phy: &str, hard: bool, span: Span) -> Diagnostic {
    let found = Diagnostic::error("radio-blocked", format!("radio `{phy}` is turned off"));
    match hard {
        true => found.at(span, "by a switch").hint("turn it on at the machine"),
        false => found.at(span, "by rfkill").hint("`rfkill unblock wlan` turns it on"),
    }
}

/// A radio's interface that a program has.
pub fn radio_held(name: &str, by: &str, span: Span) -> Diagnostic {
    Diagnostic::error("radio-held", format!("`{name}` cannot be taken: {by} has it"))
        .at(span, "")
        .hint(format!(
            "end {by} for it first, or make another interface of the same radio with `kind: wlan`"
        ))
}

/// A radio that its driver keeps where it is.
pub fn radio_stays(name: &str, span: Span) -> Diagnostic {
    Diagnostic::error("radio-stays", format!("the radio of `{name}` cannot go into a node"))
        .at(span, "its driver does not let it leave the host")
        .hint("keep it on the host, and give the node a cable to a network")
}

/// A station as the port of a bridge.
pub fn station_bridged(name: &str, span: Span) -> Diagnostic {
    let text = format!("`{name}` cannot be a port of a bridge: it is a station");
    Diagnostic::error("station-bridged", text)
        .at(span, "")
        .hint("a station's frames have three addresses, none of which could be that of a machine behind it; an access point (`type: ap`) can be a port, and a station can be an uplink with `masquerade:`")
}

/// A service for another role than the interface's.
pub fn wrong_role(service: &str, name: &str, needs: &str, span: Span) -> Diagnostic {
    Diagnostic::error("wrong-role", format!("`{service}` cannot use `{name}`")).at(
        span,
        format!("it needs `kind: wlan` with `type: {needs}`, or a radio of the node's own"),
    )
}

/// A passphrase of a length that WPA does not have.
pub fn passphrase_length(path: &str, length: usize, span: Span) -> Diagnostic {
    let text = format!("the passphrase in `{path}` has {length} characters");
    Diagnostic::error("passphrase-length", text).at(span, "it must have 8 to 63")
}

/// A passphrase of what WPA does not take.
pub fn passphrase_text(path: &str, span: Span) -> Diagnostic {
    Diagnostic::error("passphrase-text", format!("the passphrase in `{path}` is not plain text"))
        .at(span, "it must be of printable ASCII characters, in one line")
}

/// A passphrase whose file cannot be used.
pub fn passphrase_unreadable(path: &str, why: &str, span: Span) -> Diagnostic {
    Diagnostic::error("passphrase-file", format!("the passphrase in `{path}` cannot be read"))
        .at(span, why.to_owned())
        .hint("write it into that file, in one line, and `chmod 600` it")
}

/// A network with a passphrase that has none, or the other way round.
pub fn passphrase_needed(security: &str, span: Span) -> Diagnostic {
    match security {
        "open" => Diagnostic::error("passphrase", "an open network has no passphrase")
            .at(span, "nobody would be asked for it")
            .hint("leave `passphrase-file` or `security: open` out"),
        _ => Diagnostic::error("passphrase", "this network needs a passphrase")
            .at(span, "")
            .hint("write `passphrase-file: PATH`; `security: open` is a network without one"),
    }
}

/// A name that no network can have.
pub fn bad_ssid(length: usize, span: Span) -> Diagnostic {
    Diagnostic::error("bad-ssid", format!("the network's name has {length} bytes"))
        .at(span, "it must have 1 to 32")
}

/// A text that is no country.
pub fn bad_country(name: &str, span: Span) -> Diagnostic {
    Diagnostic::error("bad-country", format!("`{name}` is no country")).at(span, "").hint(
        "write its two letters (ISO 3166), as in `DE`; what is allowed on the air depends on it",
    )
}

/// A number that is no channel.
pub fn bad_channel(channel: u32, span: Span) -> Diagnostic {
    Diagnostic::error("bad-channel", format!("there is no channel {channel}"))
        .at(span, "")
        .hint("1 to 14 are those of 2.4 GHz, 36 and further those of 5 GHz")
}

/// A channel that a radio does not have.
pub fn channel_missing(phy: &str, channel: u32, span: Span) -> Diagnostic {
    Diagnostic::error("channel-missing", format!("radio `{phy}` has no channel {channel}"))
        .at(span, "")
        .hint(format!("`iw phy {phy} channels` shows those that it has"))
}

/// A channel that the law of a country forbids.
pub fn channel_forbidden(country: &str, channel: u32, why: &str, span: Span) -> Diagnostic {
    let text = format!("no access point may be on channel {channel} in {country}");
    Diagnostic::error("channel-forbidden", text)
        .at(span, why.to_owned())
        .hint("`iw reg get` shows what is allowed; channels 1 to 11 are nearly everywhere")
}

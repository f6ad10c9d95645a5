//! Whether a file of another manager is about an interface.

use crate::facts::{NetworkFile, Unmanaged};
use crate::name::glob;

/// An interface as `[Match]` sees it.
#[derive(Clone, Copy, Debug)]
pub struct Claimed<'a> {
    /// Its kernel name.
    pub name: &'a str,
    /// Its kind, as in `IFLA_INFO_KIND`; empty for hardware.
    pub kind: &'a str,
    /// Its hardware address, in lower case, where it is known.
    pub mac: Option<&'a str>,
}

impl NetworkFile {
    /// True where `[Match]` covers the interface, as far as that is known
    /// (systemd.network(5)): each line that is there must match, and a file
    /// without any matches nothing.
    pub fn covers(&self, one: Claimed<'_>) -> bool {
        // networkd's Type= of virtual Ethernet is `ether`, of a bridge `bridge`.
        let kind = match one.kind {
            "bridge" | "vlan" | "bond" | "wireguard" | "vxlan" | "vrf" => one.kind,
            _ => "ether",
        };
        let any = !self.names.is_empty()
            || !self.types.is_empty()
            || !self.kinds.is_empty()
            || !self.macs.is_empty();
        let mac = || one.mac.is_some_and(|mac| self.macs.iter().any(|other| other == mac));
        any && all(&self.names, one.name)
            && all(&self.types, kind)
            && all(&self.kinds, one.kind)
            && (self.macs.is_empty() || mac())
    }
}

/// A list of patterns; one that begins with `!` is turned round as a whole.
fn all(patterns: &[String], word: &str) -> bool {
    let Some(first) = patterns.first() else { return true };
    let plain = patterns.iter().map(|pattern| pattern.trim_start_matches('!'));
    let hit = plain.into_iter().any(|pattern| glob(pattern, word));
    hit != first.starts_with('!')
}

impl Unmanaged {
    /// True where NetworkManager leaves the interface alone by this file.
    pub fn covers(&self, one: Claimed<'_>) -> bool {
        self.devices.iter().any(|device| {
            let (how, what) = device.split_once(':').unwrap_or(("interface-name", device));
            match how {
                "interface-name" => glob(what.trim_start_matches('='), one.name),
                "type" => what == one.kind,
                "mac" => one.mac.is_some_and(|mac| mac.eq_ignore_ascii_case(what)),
                _ => false,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn a_name_matches_as_in_a_shell() {
        for (pattern, word, is) in [
            ("*", "br0", true),
            ("br*", "br0", true),
            ("br*", "eth0", false),
            ("e?h[0-9]", "eth7", true),
            ("eth", "eth0", false),
            ("*0*", "br-0a", true),
        ] {
            assert_eq!(glob(pattern, word), is, "{pattern} {word}");
        }
        assert!(!all(&words(&["!br*"]), "br0") && all(&words(&["!br*"]), "eth0"));
    }

    #[test]
    fn every_line_of_a_match_must_match_and_none_matches_nothing() {
        let bridge = Claimed { name: "br0", kind: "bridge", mac: None };
        let file = |names: &[&str], kinds: &[&str]| NetworkFile {
            names: words(names),
            kinds: words(kinds),
            ..NetworkFile::default()
        };
        assert!(file(&["br*"], &["bridge"]).covers(bridge));
        assert!(!file(&["br*"], &["veth"]).covers(bridge));
        assert!(!file(&[], &[]).covers(bridge));
    }

    #[test]
    fn a_manager_that_is_told_so_leaves_an_interface_alone() {
        let bridge = Claimed { name: "lan0", kind: "bridge", mac: None };
        let told = |device: &str| Unmanaged { file: String::new(), devices: words(&[device]) };
        assert!(told("interface-name:lan*").covers(bridge) && told("type:bridge").covers(bridge));
        assert!(!told("interface-name:br*").covers(bridge) && told("*").covers(bridge));
    }
}

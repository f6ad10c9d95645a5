//! Files of other programs that are about what was found: they are not read any more by
//! nobody only because a yard has it now, and at the next boot two make the same.

use crate::name::{FullName, glob};
use crate::state::{InterfaceId, Place, State};

/// A file of another program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paper {
    /// Where it is.
    pub path: String,
    /// All of it.
    pub text: String,
}

/// A line for each file that makes or configures one of the host's interfaces of `found`.
pub fn papers(papers: &[Paper], found: &State) -> Vec<String> {
    let line = |paper: &Paper| {
        let (who, names) = about(paper, found)?;
        let names = names.join(", ");
        let path = &paper.path;
        (!names.is_empty()).then(|| format!("{path}: {who} {names} by it, and goes on to"))
    };
    papers.iter().filter_map(line).collect()
}

/// Who reads a file and does what with which interfaces.
fn about(paper: &Paper, found: &State) -> Option<(&'static str, Vec<String>)> {
    let file = paper.path.rsplit('/').next()?;
    let (stem, ending) = file.rsplit_once('.')?;
    let there = |pattern: &str| names(found, pattern);
    Some(match ending {
        "netdev" => ("networkd makes", values(&paper.text, "NetDev", "Name", &there)),
        "network" => ("networkd configures", values(&paper.text, "Match", "Name", &there)),
        "nspawn" => {
            ("nspawn plugs a container into", values(&paper.text, "Network", "Bridge", &there))
        }
        "conf" => ("wg-quick makes", there(stem)),
        _ => return None,
    })
}

/// The interfaces that the words of a key name.
fn values(
    text: &str,
    section: &str,
    key: &str,
    there: &dyn Fn(&str) -> Vec<String>,
) -> Vec<String> {
    let (mut inside, mut all) = (false, Vec::new());
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            inside = name == section;
        }
        let Some((name, value)) = line.split_once('=').filter(|_| inside) else { continue };
        if name.trim_end() == key {
            all.extend(value.split_ascii_whitespace().flat_map(there));
        }
    }
    all.sort();
    all.dedup();
    all
}

/// The host's interfaces of a name, which may be a pattern.
fn names(found: &State, pattern: &str) -> Vec<String> {
    let exact = FullName::new(pattern).ok().map(|name| InterfaceId { place: Place::Host, name });
    if exact.is_some_and(|id| found.interface(&id).is_some()) {
        return vec![pattern.to_owned()];
    }
    let all = found.objects().filter_map(|object| match object {
        crate::state::Object::Interface(o) if o.id.place == Place::Host => Some(&o.kernel_name),
        _ => None,
    });
    let fits = all.filter(|name| glob(pattern, name.as_str()));
    fits.map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interface::{Bridge, Interface, Kind};
    use crate::name::InterfaceName;
    use crate::state::Object;

    fn paper(path: &str, text: &str) -> Paper {
        Paper { path: path.into(), text: text.into() }
    }

    #[test]
    fn files_about_what_was_found_are_named() {
        let id = InterfaceId { place: Place::Host, name: FullName::new("br0").expect("a name") };
        let bridge = Interface {
            id,
            kernel_name: InterfaceName::new("br0").expect("a name"),
            kind: Kind::Bridge(Bridge::default()),
            parent: None,
            master: None,
            port: None,
            mtu: None,
            mac: None,
            up: true,
        };
        let found = State::from_iter([Object::Interface(Box::new(bridge))]);
        let all = [
            paper("/etc/systemd/network/br0.netdev", "[NetDev]\nName=br0\nKind=bridge\n"),
            paper(
                "/etc/systemd/network/b.network",
                "[Match]\nName = eth* br*\n[Network]\nName=x\n",
            ),
            paper("/etc/systemd/nspawn/base.nspawn", "[Network]\nBridge=br0\n"),
            paper("/etc/systemd/nspawn/other.nspawn", "[Network]\nBridge=br1\n"),
            paper(
                "/etc/systemd/network/eth0.network",
                "[Match]\nName=eth0\n[Network]\nBridge=br0\n",
            ),
            paper("/etc/wireguard/br0.conf", "[Interface]\n"),
            paper("/etc/wireguard/br0.key", "…"),
        ];
        assert_eq!(
            papers(&all, &found),
            [
                "/etc/systemd/network/br0.netdev: networkd makes br0 by it, and goes on to",
                "/etc/systemd/network/b.network: networkd configures br0 by it, and goes on to",
                "/etc/systemd/nspawn/base.nspawn: nspawn plugs a container into br0 by it, and goes on to",
                "/etc/wireguard/br0.conf: wg-quick makes br0 by it, and goes on to",
            ]
        );
    }
}

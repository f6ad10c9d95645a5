//! What OpenWrt is told of its network (`/etc/config/network`, in the notation of UCI).
//!
//! netifd makes tunnels of WireGuard while it starts. In a container it does so before
//! there is anything that leads to their other ends, and tunnels, or their peers, stay
//! away until the network is started again.

/// A tunnel that the firmware is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirmwareTunnel {
    /// Its interface.
    pub name: String,
    /// How many peers it has.
    pub peers: usize,
}

/// The tunnels that are not switched off, in the order of the file.
pub fn tunnels(config: &str) -> Vec<FirmwareTunnel> {
    let sections = sections(config);
    let on = |section: &&Section| !section.is("disabled", "1") && !section.is("auto", "0");
    let named = sections.iter().filter(on).filter(|section| section.kind == "interface");
    let tunnels = named.filter(|section| section.is("proto", "wireguard"));
    tunnels
        .filter_map(|section| {
            let name = section.name.clone()?;
            let kind = format!("wireguard_{name}");
            let peers = sections.iter().filter(on).filter(|peer| peer.kind == kind).count();
            Some(FirmwareTunnel { name, peers })
        })
        .collect()
}

struct Section {
    kind: String,
    name: Option<String>,
    options: Vec<(String, String)>,
}

impl Section {
    fn is(&self, option: &str, value: &str) -> bool {
        let last = self.options.iter().rev().find(|(name, _)| name == option);
        last.is_some_and(|(_, said)| said == value)
    }
}

fn sections(config: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for line in config.lines() {
        let words = words(line);
        match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["config", kind] => {
                let options = Vec::new();
                sections.push(Section { kind: kind.to_owned(), name: None, options });
            }
            ["config", kind, name] => {
                let (kind, name) = (kind.to_owned(), Some(name.to_owned()));
                sections.push(Section { kind, name, options: Vec::new() });
            }
            ["option", name, value] => {
                if let Some(section) = sections.last_mut() {
                    section.options.push((name.to_owned(), value.to_owned()));
                }
            }
            _ => {}
        }
    }
    sections
}

/// The words of a line: bare, or in quotes; a `#` begins a comment.
fn words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let (mut open, mut quote) = (false, None);
    for letter in line.chars() {
        match (quote, letter) {
            (Some(mark), letter) if letter == mark => quote = None,
            (None, '\'' | '"') => {
                quote = Some(letter);
                if !open {
                    words.push(String::new());
                }
                open = true;
            }
            (None, '#') if !open => break,
            (None, letter) if letter.is_whitespace() => open = false,
            (_, letter) => {
                if !open {
                    words.push(String::new());
                }
                open = true;
                if let Some(word) = words.last_mut() {
                    word.push(letter);
                }
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tunnels_are_found_with_their_peers_and_those_that_are_off_are_not() {
        let config = "
config interface 'loopback'
\toption proto 'static'  # not this
config interface wgc0
\toption proto 'wireguard'
\toption private_key 'a# b'
config wireguard_wgc0 'first'
\toption public_key 'x'
config wireguard_wgc0
\toption disabled '1'
config interface \"wgs1\"
\toption proto wireguard
config interface 'off'
\toption proto 'wireguard'
\toption auto '0'
config wireguard_off
";
        let tunnel = |name: &str, peers| FirmwareTunnel { name: name.into(), peers };
        assert_eq!(tunnels(config), [tunnel("wgc0", 1), tunnel("wgs1", 0)]);
        assert_eq!(tunnels("config\noption proto wireguard\n'"), []);
    }
}

//! The system's services database, and the session that somebody works in.

use std::collections::BTreeMap;

use netyard_core::facts::Ssh;
use netyard_core::nft::Protocol;

/// Where every system keeps it (services(5)); some keep it where only the
/// vendor's files are.
const PATHS: [&str; 2] = ["/etc/services", "/usr/etc/services"];

/// Names and aliases to protocols and ports; empty where there is no database.
pub(super) fn database() -> BTreeMap<String, Vec<(Protocol, u16)>> {
    let text = PATHS.iter().find_map(|path| std::fs::read_to_string(path).ok());
    parse(&text.unwrap_or_default())
}

fn parse(text: &str) -> BTreeMap<String, Vec<(Protocol, u16)>> {
    let mut services: BTreeMap<String, Vec<(Protocol, u16)>> = BTreeMap::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let (Some(name), Some(port)) = (words.next(), words.next()) else { continue };
        let Some((port, protocol)) = port.split_once('/') else { continue };
        let protocol = match protocol {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            "sctp" => Protocol::Sctp,
            _ => continue,
        };
        let Some(port) = port.parse::<u16>().ok().filter(|p| *p > 0) else { continue };
        for name in std::iter::once(name).chain(words) {
            let ports = services.entry(name.to_owned()).or_default();
            if !ports.contains(&(protocol, port)) {
                ports.push((protocol, port));
            }
        }
    }
    services
}

/// The session over which this process was started, where that is one of
/// ssh(1): `SSH_CONNECTION` is the client's address and port and the server's.
pub(super) fn session() -> Option<Ssh> {
    read(&std::env::var("SSH_CONNECTION").ok()?)
}

fn read(connection: &str) -> Option<Ssh> {
    let words: Vec<&str> = connection.split_whitespace().collect();
    let [client, _, _, port] = words[..] else { return None };
    Some(Ssh { client: client.parse().ok(), port: port.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_gives_names_and_aliases() {
        let found =
            parse("ssh 22/tcp # remote\ndomain\t53/tcp\ndomain 53/udp\nhttp 80/tcp www\nx 1/ddp\n");
        assert_eq!(found["ssh"], [(Protocol::Tcp, 22)]);
        assert_eq!(found["domain"], [(Protocol::Tcp, 53), (Protocol::Udp, 53)]);
        assert_eq!(found["www"], [(Protocol::Tcp, 80)]);
        assert!(!found.contains_key("x"));
    }

    #[test]
    fn a_session_has_a_client_and_a_port() {
        let ssh = read("203.0.113.9 51234 192.0.2.1 2222").unwrap();
        assert_eq!((ssh.client, ssh.port), (Some("203.0.113.9".parse().unwrap()), 2222));
        assert_eq!(read("nonsense"), None);
    }
}

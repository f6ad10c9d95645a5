//! Name servers of a lease, in the node's `resolv.conf`.
//!
//! In a process of a node the node's own file stands in the place of
//! `/etc/resolv.conf`. It is written into, not replaced, because what programs see
//! is this very file; and only where it has the line after which leases may write,
//! so that the machine's own file is never touched. Each interface has a part of
//! its own in it.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Read as _, Seek as _, Write as _};

use netyard_core::state::File;

use super::lease::Held;

const PATH: &str = "/etc/resolv.conf";
/// What the first line of a part begins with; the interface follows.
const HEAD: &str = "# of ";

/// Writes the part of an interface.
pub(super) fn write(interface: &str, held: &Held) -> io::Result<()> {
    let mut file = OpenOptions::new().read(true).write(true).open(PATH)?;
    // Clients of other interfaces write there, too.
    file.lock()?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let Some(new) = replaced(&text, interface, held) else { return Ok(()) };
    if new != text {
        file.rewind()?;
        file.write_all(new.as_bytes())?;
        file.set_len(new.len() as u64)?;
    }
    Ok(())
}

/// The text with the part of an interface as it is to be; none for a file that is
/// not for leases.
fn replaced(text: &str, interface: &str, held: &Held) -> Option<String> {
    let (own, parts) = text.split_once(File::LEASED)?;
    let mut new = format!("{own}{}", File::LEASED);
    let mut is_other = true;
    for line in parts.split_inclusive('\n') {
        if let Some(name) = line.trim_end().strip_prefix(HEAD) {
            is_other = name != interface;
        }
        if is_other {
            new.push_str(line);
        }
    }
    let (servers, search) = (held.servers(), held.search());
    if !servers.is_empty() || !search.is_empty() {
        let _ = writeln!(new, "{HEAD}{interface}");
    }
    for server in servers {
        let _ = writeln!(new, "nameserver {server}");
    }
    if !search.is_empty() {
        let _ = writeln!(new, "search {}", search.join(" "));
    }
    Some(new)
}

#[cfg(test)]
mod tests {
    use netyard_core::service::client::v4::Lease4;

    use super::*;

    fn held(server: &str) -> Held {
        let lease = Lease4 {
            address: "10.1.0.100/24".parse().unwrap(),
            server: "10.1.0.1".parse().unwrap(),
            gateway: None,
            routes: Vec::new(),
            dns: vec![server.parse().unwrap()],
            search: vec!["lan.test".into()],
            seconds: 100,
            t1: 50,
            t2: 80,
        };
        Held { v4: Some((lease, 1)), ..Held::default() }
    }

    #[test]
    fn each_interface_has_a_part_of_its_own() {
        let empty = format!("{}: yard y, node n\n{}", File::MARK, File::LEASED);
        let one = replaced(&empty, "eth0", &held("10.1.0.1")).unwrap();
        let two = replaced(&one, "eth1", &held("10.2.0.1")).unwrap();
        assert!(two.contains(
            "# of eth0\nnameserver 10.1.0.1\nsearch lan.test\n# of eth1\nnameserver 10.2.0.1\n"
        ));
        assert_eq!(replaced(&two, "eth1", &Held::default()).unwrap(), one);
        assert_eq!(replaced(&one, "eth0", &Held::default()).unwrap(), empty);
        assert_eq!(File::own(two), empty);
    }

    #[test]
    fn a_file_that_is_not_for_leases_stays() {
        assert_eq!(replaced("nameserver 9.9.9.9\n", "eth0", &held("10.1.0.1")), None);
    }
}

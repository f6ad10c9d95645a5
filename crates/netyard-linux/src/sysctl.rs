//! Settings below `/proc/sys`, in the network namespace of the calling thread.
//!
//! `/proc/sys/net` follows the thread that opens it (`net_ctl_header_lookup`,
//! net/sysctl_net.c), so a visit needs no mount.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::keeper::Keeper;

/// The path of a setting below `/proc`; `{if}` in the key stands for the
/// interface, by its kernel name.
pub(crate) fn path(key: &str, interface: Option<&str>) -> String {
    match interface {
        Some(interface) => format!("sys/{}", key.replace("{if}", interface)),
        None => format!("sys/{key}"),
    }
}

/// The settings that the kernel changes along with `path` when it goes back to
/// 0, each with the value it gets then (`inet_forward_change`, net/ipv4/devinet.c;
/// `addrconf_fixup_forwarding`, net/ipv6/addrconf.c). `interfaces` are those there.
pub(crate) fn follows(path: &str, interfaces: &[&str]) -> Vec<(String, &'static str)> {
    let family = match path {
        "sys/net/ipv4/ip_forward" | "sys/net/ipv4/conf/all/forwarding" => "ipv4",
        "sys/net/ipv6/conf/all/forwarding" => "ipv6",
        _ => return Vec::new(),
    };
    let forwarding = |name: &str| (format!("sys/net/{family}/conf/{name}/forwarding"), "0");
    let mut all = vec![forwarding("default")];
    all.extend(interfaces.iter().map(|name| forwarding(name)));
    if family == "ipv4" {
        all.push(("sys/net/ipv4/conf/all/accept_redirects".to_owned(), "1"));
    }
    all
}

/// The setting that writes over `path` when it goes back to 0, and what `path`
/// is then: the reverse of [`follows`].
pub(crate) fn led_by(path: &str) -> Option<(&'static str, &'static str)> {
    const LEADS: [&str; 2] = ["sys/net/ipv4/ip_forward", "sys/net/ipv6/conf/all/forwarding"];
    let name = path.strip_prefix("sys/net/")?.split('/').nth(2)?;
    LEADS.into_iter().find_map(|lead| {
        let mut led = follows(lead, &[name]).into_iter();
        let (_, after) = led.find(|(led, _)| led == path && *led != lead)?;
        Some((lead, after))
    })
}

/// True for a setting that writes over others: to be set back before them.
pub(crate) fn leads(path: &str) -> bool {
    !follows(path, &[]).is_empty()
}

/// How many namespaces are visited through one procfs.
const RENEW: u32 = 32;

/// A way to `/proc/sys`.
///
/// The kernel keeps the names below `/proc/sys/net` of all namespaces in one
/// table of the mounted procfs, hashed by name alone (`proc_sys_compare`), so a
/// visit gets slower with each namespace visited before: 0.6 ms at a thousand.
/// A procfs of our own, mounted nowhere and renewed now and then, keeps the
/// chains short. A keeper can give one, where this process may not make it. Where
/// none can be had (a container that hides parts of `/proc`) it is `/proc` itself.
#[derive(Debug, Default)]
pub(crate) struct Proc {
    fresh: Option<OwnedFd>,
    keeper: Option<Keeper>,
    visits: u32,
    refused: bool,
}

impl Proc {
    /// One that may ask this keeper.
    pub fn through(keeper: Option<&Keeper>) -> Self {
        Self { keeper: keeper.and_then(|keeper| keeper.try_clone().ok()), ..Self::default() }
    }

    /// Says that the calling thread is in another namespace now.
    pub fn next_namespace(&mut self) {
        self.visits += 1;
        // For a few visits /proc is cheaper than a mount.
        if self.visits.is_multiple_of(RENEW) && !self.refused {
            let given = || self.keeper.as_ref().and_then(|keeper| keeper.fresh_proc().ok());
            self.fresh = fresh_proc().ok().or_else(given);
            self.refused = self.fresh.is_none();
        }
    }

    /// A setting's value, without the newline; none where the kernel has no such
    /// setting.
    pub fn read(&self, path: &str) -> io::Result<Option<String>> {
        let file = match self.open(path, OFlags::RDONLY) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        };
        let mut text = [0; 4096];
        let length = rustix::io::read(&file, &mut text)?;
        Ok(Some(String::from_utf8_lossy(&text[..length]).trim_end_matches('\n').to_owned()))
    }

    /// Sets it.
    pub fn write(&self, path: &str, value: &str) -> io::Result<()> {
        let file = self.open(path, OFlags::WRONLY)?;
        // The kernel takes one write as one value.
        let written = rustix::io::write(&file, value.as_bytes())?;
        if written == value.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    fn open(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::CLOEXEC;
        match &self.fresh {
            Some(proc) => rustix::fs::openat(proc, path, flags, Mode::empty()),
            None => rustix::fs::open(format!("/proc/{path}"), flags, Mode::empty()),
        }
    }
}

/// A procfs of the calling process's process namespace, mounted nowhere.
pub(crate) fn fresh_proc() -> io::Result<OwnedFd> {
    use rustix::mount::{
        FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen,
    };
    let context = fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&context)?;
    Ok(fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?)
}

/// Longest text of one altname, in bytes.
const ALTNAME: usize = netyard_core::name::ALTNAME_MAX;
const MARK: &str = "netyard.sysctl.";

/// The altnames that keep a host setting's original value on the fabric's `lo`,
/// where it is found even without the state directory.
///
/// Altnames hold no white space, `/` or `:`, so all but letters, digits, `.`,
/// `_` and `-` is written as `%XX`. One that is too long is split:
/// `netyard.sysctl.2/5` would be cut at any byte, so the parts carry a number
/// and a hash of the key to join them by.
pub(crate) fn altnames(path: &str, original: &str) -> Vec<String> {
    let key = path.strip_prefix("sys/").unwrap_or(path);
    let text = format!("{}={}", escape(key), escape(original));
    let hash = netyard_core::name::fnv1a(&[key.as_bytes()]) as u32;
    let room = ALTNAME - MARK.len() - "ffffffff.0000.".len();
    let parts: Vec<&[u8]> = text.as_bytes().chunks(room).collect();
    let last = parts.len() - 1;
    let name = |(i, part): (usize, &&[u8])| {
        let end = if i == last { "." } else { "+" };
        format!("{MARK}{hash:08x}.{i}{end}{}", String::from_utf8_lossy(part))
    };
    parts.iter().enumerate().map(name).collect()
}

/// The settings and original values that altnames tell: path and value, sorted.
/// A value with a part missing is left out.
pub(crate) fn originals<'a>(altnames: impl Iterator<Item = &'a str>) -> Vec<(String, String)> {
    let mut parts: Vec<(&str, usize, bool, &str)> = altnames
        .filter_map(|name| {
            let (hash, rest) = name.strip_prefix(MARK)?.split_once('.')?;
            let at = rest.find(|c: char| !c.is_ascii_digit())?;
            let (number, text) = rest.split_at(at);
            Some((hash, number.parse().ok()?, text.starts_with('.'), text.get(1..)?))
        })
        .collect();
    parts.sort_unstable();
    let mut found: Vec<(String, String)> = parts
        .chunk_by(|a, b| a.0 == b.0)
        .filter_map(|parts| {
            let whole = parts.iter().enumerate().all(|(i, part)| i == part.1)
                && parts.last().is_some_and(|part| part.2);
            let text: String = parts.iter().map(|part| part.3).collect();
            let (key, value) = text.split_once('=').filter(|_| whole)?;
            Some((format!("sys/{}", unescape(key)), unescape(value)))
        })
        .collect();
    found.sort();
    found
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"._-".contains(&byte) {
            out.push(byte as char);
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_forwarding_writes_over_is_led_by_it() {
        let led = |path: &str| led_by(path).map(|(lead, _)| lead);
        let v4 = Some("sys/net/ipv4/ip_forward");
        assert_eq!(led("sys/net/ipv4/conf/eth0/forwarding"), v4);
        assert_eq!(led("sys/net/ipv4/conf/all/accept_redirects"), v4);
        assert_eq!(
            led("sys/net/ipv6/conf/eth0.10/forwarding"),
            Some("sys/net/ipv6/conf/all/forwarding")
        );
        assert_eq!(led("sys/net/ipv6/conf/all/forwarding"), None);
        assert_eq!(led("sys/net/ipv4/conf/eth0/rp_filter"), None);
        assert_eq!(led("sys/net/ipv4/ip_forward"), None);
    }

    #[test]
    fn originals_come_back_from_altnames_in_any_order() {
        let long = "4096\t131072\t6291456 ".repeat(20);
        let settings = [
            ("sys/net/ipv4/conf/eth0.10/rp_filter".to_owned(), "2".to_owned()),
            ("sys/net/ipv4/ip_forward".to_owned(), "0".to_owned()),
            ("sys/net/ipv4/tcp_rmem".to_owned(), long),
        ];
        let mut names: Vec<String> =
            settings.iter().flat_map(|(path, value)| altnames(path, value)).collect();
        assert!(names.iter().all(|name| name.len() <= ALTNAME), "{names:?}");
        assert!(names.iter().all(|name| !name.contains(['/', ':', ' ', '\t'])), "{names:?}");
        names.reverse();
        assert_eq!(originals(names.iter().map(String::as_str)), settings);
        names.pop();
        assert!(originals(names.iter().map(String::as_str)).len() < 3);
    }
}

//! Settings below `/proc/sys`, in the network namespace of the calling thread.
//!
//! `/proc/sys/net` follows the thread that opens it (`net_ctl_header_lookup`,
//! net/sysctl_net.c), so a visit needs no mount.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::keeper::Keeper;
use crate::note;

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

/// Before this many namespaces `/proc` itself is cheaper than a procfs of our own.
const FEW: u32 = 16;
/// After how many namespaces a procfs forgets what it knows of them: at 16 to 32 the
/// processor time is least (measured, Linux 6.18).
const FORGET: u32 = 24;

/// A way to `/proc/sys`.
///
/// The kernel keeps the names below `/proc/sys/net` of all namespaces in one
/// table of the mounted procfs, hashed by name alone (`proc_sys_compare`), so a
/// visit gets slower with each namespace visited before: 0.6 ms at a thousand.
/// A procfs of our own, mounted nowhere, that is made to forget now and then keeps
/// the chains short. To replace it instead would wait each time for an RCU grace
/// period, in which the old one is unmounted. A keeper can give one, where this process may not make it. Where
/// none can be had (a container that hides parts of `/proc`) it is `/proc` itself.
#[derive(Debug, Default)]
pub(crate) struct Proc {
    fresh: Option<OwnedFd>,
    keeper: Option<Keeper>,
    visits: u32,
    last: Option<i32>,
    refused: bool,
}

impl Proc {
    /// One that may ask this keeper.
    pub fn through(keeper: Option<&Keeper>) -> Self {
        Self { keeper: keeper.and_then(|keeper| keeper.try_clone().ok()), ..Self::default() }
    }

    /// Says which namespace the calling thread is in now.
    pub fn visit(&mut self, net: BorrowedFd<'_>) {
        if self.last.replace(net.as_raw_fd()) == Some(net.as_raw_fd()) {
            return;
        }
        self.visits += 1;
        if self.visits >= FEW && (self.visits - FEW).is_multiple_of(FORGET) && !self.refused {
            let forgot = self.fresh.as_ref().is_some_and(|proc| forget(proc).is_ok());
            if !forgot {
                let given = || self.keeper.as_ref().and_then(|keeper| keeper.fresh_proc().ok());
                self.fresh = fresh_proc().ok().or_else(given);
                self.refused = self.fresh.is_none();
            }
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

/// Lets a procfs of ours forget the names that were looked up in it: to configure a
/// file system anew, with nothing changed, drops its unused entries
/// (`reconfigure_super`, fs/super.c).
fn forget(proc: &OwnedFd) -> io::Result<()> {
    use rustix::mount::{FsPickFlags, fsconfig_reconfigure, fspick};
    let context = fspick(proc, "", FsPickFlags::FSPICK_EMPTY_PATH | FsPickFlags::FSPICK_CLOEXEC)?;
    Ok(fsconfig_reconfigure(&context)?)
}

/// The altnames that keep a host setting's original value on the fabric's `lo`,
/// where it is found even without the state directory.
pub(crate) fn altnames(path: &str, original: &str) -> Vec<String> {
    let key = path.strip_prefix("sys/").unwrap_or(path);
    note::altnames(note::Sort::Setting, key, original)
}

/// The settings and original values that altnames tell: path and value, sorted.
pub(crate) fn originals<'a>(altnames: impl Iterator<Item = &'a str>) -> Vec<(String, String)> {
    let notes = note::read(note::Sort::Setting, altnames).into_iter();
    notes.map(|(key, value)| (format!("sys/{key}"), value)).collect()
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
}

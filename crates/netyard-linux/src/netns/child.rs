//! Programs inside a node: what `ip netns exec` does, and the hostname.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

/// What a program inside a node sees.
#[derive(Debug)]
pub struct Inside {
    net: OwnedFd,
    uts: Option<OwnedFd>,
    /// It keeps the files and mounts of its caller.
    network_alone: bool,
    /// Files that stand in for others, as `/etc/netns/NAME/hosts` for `/etc/hosts`.
    binds: Vec<(CString, CString)>,
}

impl Inside {
    /// A program in these namespaces, which sees the files of `etc` in `/etc`
    /// where there are such files.
    pub fn new(net: OwnedFd, uts: Option<OwnedFd>, etc: &Path) -> io::Result<Self> {
        let mut binds = Vec::new();
        let entries = match std::fs::read_dir(etc) {
            Ok(entries) => entries.collect::<Result<Vec<_>, _>>()?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let target = Path::new("/etc").join(entry.file_name());
            // A symbolic link (resolv.conf mostly is one) is bound over where it leads.
            let Ok(target) = target.canonicalize() else { continue };
            binds.push((c_path(&entry.path())?, c_path(&target)?));
        }
        binds.sort();
        Ok(Self { net, uts, network_alone: false, binds })
    }

    /// A program that has this network, and all else as its caller.
    pub fn network(net: OwnedFd) -> Self {
        Self { net, uts: None, network_alone: true, binds: Vec::new() }
    }

    /// Makes `command` run inside.
    pub fn dress(self, command: &mut Command) {
        // SAFETY: between fork and exec only system calls are made, on memory
        // that was allocated before.
        unsafe { command.pre_exec(move || self.enter()) };
    }

    fn enter(&self) -> io::Result<()> {
        move_into_link_name_space(self.net.as_fd(), Some(LinkNameSpaceType::Network))?;
        if self.network_alone {
            return Ok(());
        }
        if let Some(uts) = &self.uts {
            let kind = LinkNameSpaceType::HostNameAndNISDomainName;
            move_into_link_name_space(uts.as_fd(), Some(kind))?;
        }
        // SAFETY: a freshly forked process has one thread, and its fds stay.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS)? };
        let slave = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
        rustix::mount::mount_change(c"/", slave)?;
        remount_sys();
        for (source, target) in &self.binds {
            rustix::mount::mount_bind(source.as_c_str(), target.as_c_str())?;
        }
        Ok(())
    }
}

/// `/sys/class/net` shows the namespace sysfs was mounted in. A failure only
/// means that the old view stays.
fn remount_sys() {
    const SYS: &CStr = c"/sys";
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let _ = rustix::mount::unmount(SYS, UnmountFlags::DETACH);
    let _ = rustix::mount::mount(SYS, SYS, c"sysfs", flags, None);
}

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other)
}

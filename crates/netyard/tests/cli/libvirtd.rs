//! A libvirt of a test's own, on the machine of its own that [`crate::alone`] gives it: its
//! sockets, definitions and leases are in directories that only the test sees.

use std::fs;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// It is there until it is dropped; nothing of it outlives that.
pub struct Libvirtd(Option<Child>);

const CONFIGURATION: [(&str, &str); 2] = [
    ("/etc/libvirt/libvirtd.conf", "auth_unix_rw = \"none\"\nlog_outputs = \"4:stderr\"\n"),
    (
        "/etc/libvirt/qemu.conf",
        "user = \"root\"\ngroup = \"root\"\nsecurity_driver = \"none\"\ncgroup_controllers = []\n\
         namespaces = []\nstdio_handler = \"file\"\nremember_owner = 0\n",
    ),
];

impl Libvirtd {
    /// Starts one, in directories of its own.
    pub fn start() -> Self {
        sh("for dir in /var/cache /var/log; do mount -t tmpfs own $dir; done
            mount -t sysfs own /sys; ip link set lo up");
        Self::of_the_machine()
    }

    /// Starts that of the machine.
    pub fn of_the_machine() -> Self {
        sh("mkdir -p /etc/libvirt /var/log/libvirt/qemu /var/lib/libvirt /var/cache/libvirt
            grep -q ^libvirt-qemu: /etc/passwd ||
                echo libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin >>/etc/passwd
            grep -q ^kvm: /etc/group || echo kvm:x:64056: >>/etc/group
            grep -q ^libvirt-qemu: /etc/group || echo libvirt-qemu:x:64055: >>/etc/group");
        for (path, text) in CONFIGURATION {
            fs::write(path, text).expect("the test's own /etc");
        }
        let mut libvirtd = Self(None);
        libvirtd.resume();
        libvirtd
    }

    /// Starts it again.
    pub fn resume(&mut self) {
        let mut command = Command::new("libvirtd");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.0 = Some(command.spawn().expect("libvirtd: `cargo xtask ci-tools` installs it"));
        let end = Instant::now() + Duration::from_secs(60);
        while !virsh("version").status.success() {
            assert!(Instant::now() < end, "libvirtd does not come up");
        }
    }

    /// Ends it; its networks go on.
    pub fn end(&mut self) {
        if let Some(mut child) = self.0.take() {
            sh(&format!("kill {}", child.id()));
            child.wait().expect("libvirtd");
        }
    }
}

impl Drop for Libvirtd {
    fn drop(&mut self) {
        // The servers of its networks are processes of the machine's.
        for name in said("net-list --name").lines().filter(|name| !name.is_empty()) {
            virsh(&format!("net-destroy {name}"));
        }
        for name in said("list --name").lines().filter(|name| !name.is_empty()) {
            virsh(&format!("destroy {name}"));
        }
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Calls virsh.
pub fn virsh(line: &str) -> Output {
    let words = line.split_whitespace();
    let mut command = Command::new("virsh");
    command.args(["-q", "-c", "qemu:///system"]).args(words).env("LC_ALL", "C");
    command.output().expect("virsh: `cargo xtask ci-tools` installs it")
}

/// What virsh prints.
pub fn said(line: &str) -> String {
    String::from_utf8_lossy(&virsh(line).stdout).into_owned()
}

/// What a script prints, which must succeed.
#[track_caller]
pub fn sh(script: &str) -> String {
    let output = Command::new("bash").args(["-ec", script]).output().expect("bash");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}\n{errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

//! Trees of files for containers: busybox and what little it needs.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A busybox that needs no libraries.
fn busybox() -> PathBuf {
    let found = ["/bin/busybox", "/usr/bin/busybox"].map(PathBuf::from);
    let found = found.into_iter().find(|path| path.exists());
    found.expect("`busybox-static`, which `cargo xtask ci-tools` installs")
}

/// A tree with busybox under all its names.
pub fn tree(at: &Path) {
    for folder in ["bin", "sbin", "etc/init.d", "proc", "sys", "dev", "tmp", "root", "usr", "run"] {
        fs::create_dir_all(at.join(folder)).expect("a directory");
    }
    fs::copy(busybox(), at.join("bin/busybox")).expect("a copy of busybox");
    let names = Command::new(busybox()).arg("--list").output().expect("busybox");
    for name in String::from_utf8(names.stdout).expect("text").lines() {
        if name != "busybox" && name != "init" {
            symlink("busybox", at.join("bin").join(name)).expect("a link");
        }
    }
    write(at, "etc/os-release", "ID=tiny\nNAME=tiny\nVERSION_ID=1\n", 0o644);
    write(at, "etc/passwd", "root:x:0:0:root:/root:/bin/sh\n", 0o644);
    write(at, "etc/group", "root:x:0:\n", 0o644);
}

/// A tree that boots as OpenWrt does: before all else its init writes a setting, and
/// does not start where it may not; then `setup` runs.
pub fn firmware(at: &Path, setup: &str) {
    tree(at);
    let init = "#!/bin/sh\n\
        echo 1 > /proc/sys/net/ipv4/ip_forward || { echo no settings; exit 1; }\n\
        exec /bin/busybox init\n";
    write(at, "sbin/init", init, 0o755);
    let inittab = "::sysinit:/etc/init.d/rcS\n::respawn:/bin/sleep 100000\n";
    write(at, "etc/inittab", inittab, 0o644);
    let setup = format!("#!/bin/sh\nip link set lo up\n{setup}\necho booted\n");
    write(at, "etc/init.d/rcS", &setup, 0o755);
}

fn write(at: &Path, name: &str, content: &str, mode: u32) {
    let path = at.join(name);
    fs::write(&path, content).expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
}

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
    boots(at, setup);
    let init = "#!/bin/sh\n\
        echo 1 > /proc/sys/net/ipv4/ip_forward || { echo no settings; exit 1; }\n\
        exec /bin/busybox init\n";
    write(at, "sbin/init", init, 0o755);
}

/// Makes a tree boot: busybox's init runs `setup`.
pub fn boots(at: &Path, setup: &str) {
    write(at, "sbin/init", "#!/bin/sh\nexec /bin/busybox init\n", 0o755);
    let inittab = "::sysinit:/etc/init.d/rcS\n::respawn:/bin/sleep 100000\n";
    write(at, "etc/inittab", inittab, 0o644);
    let setup = format!("#!/bin/sh\nip link set lo up\n{setup}\necho booted\n");
    write(at, "etc/init.d/rcS", &setup, 0o755);
}

/// A disk as firmware comes: two partitions, the second one with a file system that has
/// the files of `tree`; compressed, at `image`.
pub fn disk(tree: &Path, image: &Path) {
    const SECTOR: usize = 512;
    const FIRST: usize = 2048;
    let part = image.with_extension("part");
    let made = Command::new("/sbin/mke2fs")
        .args(["-q", "-t", "ext4", "-E", "root_owner=0:0", "-d"])
        .args([tree, &part])
        .arg("24M")
        .status();
    assert!(made.expect("`mke2fs`, which `cargo xtask ci-tools` installs").success());
    let files = fs::read(&part).expect("a file system");
    // The partition table of a PC: the first partition has 1 MiB, and nothing in it.
    let mut disk = vec![0; 2 * FIRST * SECTOR];
    let second = (2 * FIRST, files.len() / SECTOR);
    for (number, (begin, length)) in [(FIRST, FIRST), second].into_iter().enumerate() {
        let entry = 446 + 16 * number;
        disk[entry + 4] = 0x83;
        disk[entry + 8..entry + 12].copy_from_slice(&(begin as u32).to_le_bytes());
        disk[entry + 12..entry + 16].copy_from_slice(&(length as u32).to_le_bytes());
    }
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    disk.extend(files);
    let plain = image.with_extension("");
    fs::write(&plain, disk).expect("a disk");
    let packed = Command::new("gzip").arg("-1").arg(&plain).status().expect("gzip");
    assert!(packed.success());
    fs::remove_file(part).expect("a file");
}

/// An OCI layout at `image` of one layer, the files of `tree`; `run` is how its
/// configuration says that it is run, in JSON.
pub fn layout(tree: &Path, image: &Path, run: &str) {
    const MAKE: &str = r#"
set -e; mkdir -p "$2/blobs/sha256"; cd "$2"
blob() { s=$(sha256sum < "$1" | cut -d' ' -f1); size=$(stat -c %s "$1"); mv "$1" blobs/sha256/$s; }
tar -C "$1" -cf l .; blob l
layer="{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar\",\"digest\":\"sha256:$s\",\"size\":$size}"
printf '{"os":"linux","config":%s}' "$3" > c; blob c
config="{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"sha256:$s\",\"size\":$size}"
echo "{\"schemaVersion\":2,\"config\":$config,\"layers\":[$layer]}" > m; blob m
echo "{\"schemaVersion\":2,\"manifests\":[{\"digest\":\"sha256:$s\",\"size\":$size}]}" > index.json
echo '{"imageLayoutVersion":"1.0.0"}' > oci-layout"#;
    let made = Command::new("sh").args(["-c", MAKE, "sh"]).args([tree, image]).arg(run).status();
    assert!(made.expect("a shell").success());
}

/// Writes a file of a tree.
pub fn write(at: &Path, name: &str, content: &str, mode: u32) {
    let path = at.join(name);
    fs::write(&path, content).expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
}

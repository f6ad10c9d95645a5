//! Disks and file systems made by sfdisk, mke2fs and debugfs.

use super::{Bench, ROOT, same, same_trees};
use netyard_linux::image::{Missing, Wish};
use std::fs;
use std::os::unix::fs::MetadataExt;

/// `disk.img` with the shape of a router's firmware: a small first partition to
/// boot from, the root file system in the second.
fn disk(bench: &Bench, label: &str) {
    let second = if label == "gpt" {
        "start=20480, size=102400"
    } else {
        "start=20480, size=102400, type=83"
    };
    bench.sh(ROOT);
    bench.sh("mkdir -p boot/boot/grub; echo linux > boot/boot/vmlinuz
              mke2fs -q -t ext2 -d boot boot.ext 8M; mke2fs -q -t ext4 -d root root.ext 50M");
    bench.sh(&format!(
        "truncate -s 64M disk.img
         printf 'label: {label}\\nstart=2048, size=16384\\n{second}\\n' | sfdisk -q disk.img
         dd if=boot.ext of=disk.img bs=512 seek=2048 conv=notrunc,sparse status=none
         dd if=root.ext of=disk.img bs=512 seek=20480 conv=notrunc,sparse status=none"
    ));
}

#[track_caller]
fn is_the_root(bench: &Bench) {
    same_trees(&bench.path("root"), &bench.path("out/tree"), "the second partition");
    assert!(same(&bench.path("out/tree/bin/program"), &bench.path("out/tree/bin/again")));
    bench.sh("chmod -R u+rwX out");
}

#[test]
fn the_root_of_a_firmware_is_copied_out_of_its_second_partition() {
    let bench = Bench::new();
    disk(&bench, "dos");
    // Firmware has a signature behind what was compressed.
    bench.sh("gzip -c disk.img > firmware; echo '{ \"metadata_version\": \"1.1\" }' >> firmware");
    let done = bench.unpack("firmware");
    assert_eq!(done.kind, "disk");
    assert!(done.bytes < 1_000_000, "holes were written: {}", done.bytes);
    is_the_root(&bench);
}

#[test]
fn a_gpt_is_read_and_a_partition_can_be_asked_for() {
    let bench = Bench::new();
    disk(&bench, "gpt");
    bench.unpack("disk.img");
    is_the_root(&bench);
    bench.sh("rm -r out");
    bench.unpack_wish("disk.img", Wish { partition: Some(1) }).unwrap();
    assert_eq!(fs::read_to_string(bench.path("out/tree/boot/vmlinuz")).unwrap(), "linux\n");
    bench.sh("rm -r out");
    let error = bench.unpack_wish("disk.img", Wish { partition: Some(7) }).unwrap_err();
    assert!(error.to_string().contains("no partition 7"), "{error}");
    assert!(error.get_hint().unwrap().contains("partition 2: ext4"), "{error:?}");
}

#[test]
fn every_layout_that_mke2fs_makes_is_read() {
    let bench = Bench::new();
    bench.sh(ROOT);
    // Many names make an index of a directory, small files stand in inodes.
    bench.sh(
        "mkdir root/many; for i in $(seq 700); do echo $i > root/many/a-rather-long-name-$i; done",
    );
    for options in [
        "-t ext4",
        "-t ext4 -O ^64bit",
        "-t ext4 -b 1024",
        "-t ext4 -O inline_data -I 512",
        "-t ext2 -b 1024",
        "-t ext2 -I 128 -r 1",
        "-t ext3",
        "-t ext4 -O ^extents,^64bit",
        "-t ext4 -O ^metadata_csum -b 4096",
        "-t ext4 -O ea_inode,large_dir",
        "-t ext4 -O bigalloc",
    ] {
        bench.sh(&format!("rm -rf out; mke2fs -q {options} -d root image 60M"));
        let done = bench.unpack("image");
        assert_eq!(done.kind, "ext4 file system", "{options}");
        same_trees(&bench.path("root"), &bench.path("out/tree"), options);
        bench.sh("chmod -R u+rwX out");
    }
    bench.sh("chmod -R u+rwX root out");
}

#[test]
fn owners_attributes_and_devices_are_set_or_told() {
    let bench = Bench::new();
    bench.sh("mkdir -p root/dev; echo a > root/owned; echo b > root/program; chmod 4755 root/owned
              head -c 1024 /dev/zero | tr '\\0' v > large
              mke2fs -q -t ext4 -O ea_inode -d root image 16M
              printf '\\1\\0\\0\\2\\0\\4\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0' > capability
              for c in 'sif /owned uid 70001' 'sif /owned gid 101' 'ea_set /owned user.note hello' \
                       'ea_set /program security.selinux label' 'ea_set -f large /program user.large' \
                       'ea_set -f capability /program security.capability' \
                       'cd /dev' ; do debugfs -w -R \"$c\" image 2>/dev/null >/dev/null; done
              printf 'cd /dev\\nmknod null c 1 3\\n' | debugfs -w image 2>/dev/null >/dev/null");
    let done = bench.unpack("image");
    let root = rustix::process::geteuid().is_root();
    let what = |path: &str| -> Vec<&Missing> {
        done.left_out.iter().filter(|l| l.path.as_os_str() == path).map(|l| &l.what).collect()
    };
    let owned = fs::symlink_metadata(bench.path("out/tree/owned")).unwrap();
    if root {
        assert_eq!((owned.uid(), owned.gid(), owned.mode() & 0o7777), (70001, 101, 0o4755));
        assert_eq!(what("owned"), [] as [&Missing; 0]);
    } else {
        assert_eq!(what("owned"), [&Missing::Owner { uid: 70001, gid: 101 }]);
        assert_eq!(owned.mode() & 0o7777, 0o755, "a program with our rights, not its owner's");
    }
    assert_eq!(what("dev/null"), [&Missing::Device]);
    assert!(!bench.path("out/tree/dev/null").exists());
    assert!(what("program").contains(&&Missing::Attribute("security.selinux".into())));
    let mut value = vec![0_u8; 10_000];
    let mut read = |path: &str, name: &str| {
        let read = rustix::fs::getxattr(bench.path(path), name, &mut value);
        read.map(|length| value[..length].to_vec())
    };
    if let Ok(note) = read("out/tree/owned", "user.note") {
        assert_eq!(note, b"hello");
        // The file system here may have no room for large ones.
        if let Ok(large) = read("out/tree/program", "user.large") {
            assert_eq!(large, vec![b'v'; 1024]);
        }
    } else {
        // No such attributes here: then it was told.
        assert_eq!(what("owned").len(), if root { 1 } else { 2 });
    }
    if root {
        assert_eq!(read("out/tree/program", "security.capability").unwrap().len(), 20);
    }
}

#[test]
fn a_disk_of_this_machine_in_an_image_is_refused() {
    let bench = Bench::new();
    bench.sh("mkdir -p root/etc; mke2fs -q -t ext4 -d root image 16M
              printf 'mknod sda b 8 0\\n' | debugfs -w image 2>/dev/null >/dev/null");
    bench.refuses("image", &["`sda`", "device of this machine (b 8:0)"]);
}

#[test]
fn what_was_cut_off_is_told_and_leaves_nothing() {
    let bench = Bench::new();
    disk(&bench, "dos");
    bench.sh("gzip -c disk.img > whole.gz; xz -T1 -c disk.img > whole.xz; zstd -q disk.img -o whole.zst
              for c in gz xz zst; do head -c $(($(stat -c %s whole.$c) * 2 / 3)) whole.$c > cut.$c; done
              head -c 20M disk.img > cut.img; head -c 20M root.ext > cut.ext");
    for image in ["cut.gz", "cut.xz", "cut.zst", "cut.img", "cut.ext"] {
        bench.refuses(image, &["cut off", "get it again"]);
    }
    // Bits that turned over are found by the checksum of what is compressed.
    bench.sh("cp whole.gz bad.gz; printf X | dd of=bad.gz bs=1 seek=$(($(stat -c %s bad.gz) / 2)) conv=notrunc status=none");
    bench.refuses("bad.gz", &["damaged"]);
}

#[test]
fn whole_disks_come_out_of_every_compression() {
    let bench = Bench::new();
    disk(&bench, "dos");
    bench.sh("xz -T1 -c disk.img > one.xz; zstd -q disk.img -o one.zst
              split -b 30M disk.img part.; gzip part.*; cat part.*.gz > one.gz");
    for image in ["one.xz", "one.zst", "one.gz"] {
        bench.unpack(image);
        assert!(bench.path("out/tree/etc/passwd").exists(), "{image}");
        bench.sh("chmod -R u+rwX out; rm -r out");
    }
}

#[test]
fn a_journal_that_was_not_written_back_is_refused() {
    let bench = Bench::new();
    bench.sh("mkdir root; echo a > root/a; mke2fs -q -t ext4 -d root image 16M
              debugfs -w -R 'feature needs_recovery' image >/dev/null 2>&1");
    bench.refuses("image", &["was not closed", "e2fsck -fy", "?offset=0"]);
}

#[test]
fn what_is_not_read_says_what_to_do() {
    let bench = Bench::new();
    bench.sh("printf 'hsqs%1000s' > squash; printf 'QFI\\373%1000s' > qcow; echo text > text; : > empty
              truncate -s 8M none.img; printf 'label: dos\\nstart=2048, size=4096\\n' | sfdisk -q none.img
              printf hsqs | dd of=none.img bs=512 seek=2048 conv=notrunc status=none");
    bench.refuses("squash", &["squashfs", "unsquashfs"]);
    bench.refuses("qcow", &["qcow2", "qemu-img convert"]);
    bench.refuses("text", &["no image of a kind"]);
    bench.refuses("empty", &["no image of a kind"]);
    bench.refuses("none.img", &["no partition with an ext4", "partition 1: squashfs"]);
}

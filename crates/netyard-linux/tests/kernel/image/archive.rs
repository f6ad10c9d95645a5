//! Archives made by tar, and archives that no honest tar makes.

use super::{Bench, ROOT, same, same_trees};
use netyard_linux::image::{Missing, Wish, unpack};
use std::fs;
use std::process::Command;

/// A block of an archive: an entry of this sort, without its content.
pub fn header(name: &[u8], sort: u8, link: &[u8], size: u64) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..name.len()].copy_from_slice(name);
    block[100..108].copy_from_slice(b"0000755\0");
    block[108..116].copy_from_slice(b"0000000\0");
    block[116..124].copy_from_slice(b"0000000\0");
    block[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    block[136..148].copy_from_slice(b"00000000000\0");
    block[156] = sort;
    block[157..157 + link.len()].copy_from_slice(link);
    block[257..265].copy_from_slice(b"ustar\x0000");
    // A device's numbers: 8:0.
    block[329..337].copy_from_slice(b"0000010\0");
    block[337..345].copy_from_slice(b"0000000\0");
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// An entry with its content.
pub fn entry(name: &str, sort: u8, link: &str, content: &[u8]) -> Vec<u8> {
    let mut bytes = header(name.as_bytes(), sort, link.as_bytes(), content.len() as u64);
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

/// A whole archive of entries.
pub fn archive(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = entries.concat();
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

#[test]
fn what_tar_packed_comes_out_in_every_format_and_compression() {
    let bench = Bench::new();
    bench.sh(ROOT);
    bench.sh("mkdir -p root/$(printf 'd%.0s' $(seq 90))/$(printf 'e%.0s' $(seq 90)); cd root/d*d/e*; echo long > $(printf 'f%.0s' $(seq 90))");
    for how in ["gnu", "posix"] {
        bench.sh(&format!("rm -rf out *.tar*; tar -C root --format={how} -cf a.tar .; gzip -k a.tar; xz -k a.tar; zstd -q a.tar"));
        for image in ["a.tar", "a.tar.gz", "a.tar.xz", "a.tar.zst"] {
            let done = bench.unpack(image);
            assert_eq!(done.kind, "tar archive");
            same_trees(&bench.path("root"), &bench.path("out/tree"), &format!("{how} {image}"));
            assert!(same(&bench.path("out/tree/bin/program"), &bench.path("out/tree/bin/again")));
            bench.sh("chmod -R u+rwX out; rm -r out");
        }
    }
    bench.sh("chmod -R u+rwX root");
}

#[test]
fn nothing_hostile_gets_out_or_leaves_anything() {
    let bench = Bench::new();
    let good = entry("good", b'0', "", b"good");
    let outside = bench.path("outside");
    fs::create_dir(&outside).unwrap();
    let away = outside.display().to_string();
    let cases: &[(&str, Vec<Vec<u8>>, &str)] = &[
        ("dots", vec![entry("../outside/x", b'0', "", b"x")], "leads out by `..`"),
        ("hidden-dots", vec![entry("a/../../outside/x", b'0', "", b"x")], "leads out by `..`"),
        ("absolute", vec![entry(&format!("{away}/x"), b'0', "", b"x")], "absolute path"),
        (
            "through",
            vec![entry("way", b'2', &away, b""), entry("way/x", b'0', "", b"x")],
            "`way/x` leads through a symbolic link",
        ),
        (
            "through-dots",
            vec![entry("way", b'2', "../../outside", b""), entry("way/x", b'5', "", b"")],
            "leads through a symbolic link",
        ),
        (
            "through-twice",
            vec![
                entry("a", b'2', ".", b""),
                entry("a/b", b'2', &away, b""),
                entry("a/b/x", b'0', "", b"x"),
            ],
            "leads through a symbolic link",
        ),
        (
            "link-out",
            vec![entry("passwd", b'1', "/etc/passwd", b"")],
            "hard link to `/etc/passwd`, which is an absolute path",
        ),
        ("link-dots", vec![entry("passwd", b'1', "../../../etc/passwd", b"")], "leads out by `..`"),
        (
            "link-through",
            vec![entry("way", b'2', "/etc", b""), entry("passwd", b'1', "way/passwd", b"")],
            "leads through a symbolic link",
        ),
        ("link-nowhere", vec![entry("a", b'1', "b", b"")], "hard link to `b`, which is not there"),
        ("disk", vec![entry("sda", b'4', "", b"")], "device of this machine (b 8:0)"),
        ("memory", vec![entry("mem", b'3', "", b"")], "device of this machine (c 8:0)"),
        ("root-is-a-file", vec![entry(".", b'0', "", b"x")], "is the root itself"),
        ("root-is-a-link", vec![entry("./", b'2', "/", b"")], "is the root itself"),
        (
            "file-in-file",
            vec![entry("a", b'0', "", b"x"), entry("a/b", b'0', "", b"x")],
            "leads through a symbolic link or a file",
        ),
        (
            "directory-becomes-link",
            vec![entry("a/b", b'0', "", b"x"), entry("a", b'2', "/", b"")],
            "and then something else",
        ),
        ("long-name", vec![header(b"x", b'L', b"", 1 << 32)], "longer than a path"),
        (
            "pax-dots",
            vec![entry("p", b'x', "", b"20 path=../outside/x\n"), entry("x", b'0', "", b"x")],
            "has damaged pax records",
        ),
        (
            "pax-dots-2",
            vec![entry("p", b'x', "", b"21 path=../outside/x\n"), entry("x", b'0', "", b"x")],
            "leads out by `..`",
        ),
        ("sparse", vec![entry("x", b'S', "", b"")], "--sparse"),
        ("unknown", vec![entry("x", b'Z', "", b"")], "a sort that tar has no word for"),
    ];
    for (name, entries, why) in cases {
        let all = [vec![good.clone()], entries.clone()].concat();
        fs::write(bench.path(name), archive(&all)).unwrap();
        bench.refuses(name, &[why]);
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0, "{name} got out");
    }
}

#[test]
fn archives_that_end_early_are_told() {
    let bench = Bench::new();
    let whole = archive(&[entry("a", b'0', "", &[7; 3000]), entry("b", b'0', "", b"b")]);
    // In a header, in content, and where an entry ends.
    for at in [700, 2000, 512, 512 + 3072, 512 + 3072 + 512 + 512] {
        fs::write(bench.path("cut"), &whole[..at]).unwrap();
        bench.refuses("cut", &["cut off"]);
    }
    fs::write(bench.path("nothing"), archive(&[])).unwrap();
    bench.sh("tar -cf nothing.tar -T /dev/null");
    bench.refuses("nothing.tar", &["nothing.tar"]);
}

#[test]
fn of_two_entries_with_one_name_the_later_counts() {
    let bench = Bench::new();
    let all = [
        entry("a", b'0', "", b"first"),
        entry("b", b'1', "a", b""),
        entry("a", b'0', "", b"second"),
        entry("c", b'2', "/etc/passwd", b""),
        entry("c", b'0', "", b"file"),
        entry("d", b'2', "/", b""),
        entry("d", b'5', "", b""),
        entry("d/e", b'0', "", b"in"),
    ];
    fs::write(bench.path("twice"), archive(&all)).unwrap();
    bench.unpack("twice");
    let read = |name: &str| fs::read_to_string(bench.path("out/tree").join(name)).unwrap();
    assert_eq!([read("a"), read("b"), read("c"), read("d/e")], ["second", "first", "file", "in"]);
    assert!(!bench.path("out/tree/c").is_symlink());
}

#[test]
fn devices_that_every_container_has_are_left_out() {
    let bench = Bench::new();
    let mut null = header(b"dev/null", b'3', b"", 0);
    null[329..337].copy_from_slice(b"0000001\0");
    null[337..345].copy_from_slice(b"0000003\0");
    null[148..156].fill(b' ');
    let sum: u32 = null.iter().map(|byte| u32::from(*byte)).sum();
    null[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    fs::write(bench.path("devices"), archive(&[null])).unwrap();
    let done = bench.unpack("devices");
    assert_eq!(done.left_out[0].what, Missing::Device);
}

#[test]
fn a_full_disk_leaves_nothing() {
    crate::yard::alone(|| {
        let bench = Bench::new();
        bench.sh(ROOT);
        bench.sh("mkdir out; head -c 3M /dev/urandom > root/large; tar -C root -czf a.tgz .
                  mke2fs -q -t ext4 -d root image 50M; gzip -k image; mount -t tmpfs -o size=2M t out");
        for image in ["a.tgz", "image", "image.gz", "root"] {
            bench.refuses_in(image, &["o room", "make room"]);
        }
        // Many names, no content: the file system has no room for them either.
        bench.sh("umount out; mount -t tmpfs -o size=2M,nr_inodes=20 t out; rm -r root; mkdir root; touch root/f{1..50}; tar -C root -czf a.tgz .");
        bench.refuses_in("a.tgz", &["no room", "make room"]);
        bench.sh("umount out");
    });
}

impl Bench {
    #[track_caller]
    fn refuses_in(&self, image: &str, words: &[&str]) {
        self.refuses(image, words);
        assert_eq!(self.sh("find out -mindepth 1 | wc -l").trim(), "0");
    }
}

#[test]
fn a_process_that_is_killed_leaves_what_the_next_takes_away() {
    let bench = Bench::new();
    bench.sh("mkdir out; mkfifo pipe; head -c 2M /dev/urandom > content; tar -cf a.tar content");
    // A stand-in for kill -9: a process of this test's own that ends without a word.
    let test = std::env::current_exe().unwrap();
    let mut child = Command::new(test);
    child.args(["image::archive::half_way", "--exact", "--ignored", "--nocapture"]);
    let status = child.env("NETYARD_TEST_BENCH", bench.path("")).output().unwrap().status;
    assert!(!status.success());
    assert_eq!(bench.sh("ls -A out").trim(), ".tree.netyard-part");
    bench.unpack("a.tar");
    assert_eq!(bench.sh("ls -A out").trim(), "tree");
}

#[test]
#[ignore = "run by the test of killed processes: ends in the middle of its work"]
fn half_way() {
    let Some(bench) = std::env::var_os("NETYARD_TEST_BENCH") else { return };
    let bench = std::path::PathBuf::from(bench);
    let _ = unpack(&bench.join("a.tar"), &bench.join("out/tree"), Wish::default(), &mut |_| {
        // SAFETY: a system call with two numbers, about this process itself.
        unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    });
}

//! Images with bytes turned over: refused or read, and never a panic, a hang, or
//! anything outside of the directory.

use super::archive::{archive, entry};
use super::{Bench, ROOT};
use netyard_linux::image::{Wish, unpack};
use std::fs;
use std::path::Path;

/// Numbers that look random and are the same every time (xorshift).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Turns over a few bytes, among the `interesting` offsets mostly.
    fn turn(&mut self, bytes: &mut [u8], interesting: &[usize]) {
        for _ in 0..1 + self.next() % 6 {
            let anywhere = self.next() as usize % bytes.len();
            let at = match self.next() % 4 {
                0 => anywhere,
                _ => interesting[self.next() as usize % interesting.len()] % bytes.len(),
            };
            bytes[at] = match self.next() % 4 {
                0 => 0,
                1 => 0xff,
                2 => bytes[at] ^ (1 << (self.next() % 8)),
                _ => self.next() as u8,
            };
        }
    }
}

fn try_all(bench: &Bench, original: &[u8], interesting: &[usize], rounds: usize) {
    let before = bench.sh("find . -path ./out -prune -o -path ./mutant -prune -o -print | sort");
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ original.len() as u64);
    let (mut refused, mut read) = (0, 0);
    for round in 0..rounds {
        let mut mutant = original.to_vec();
        dice.turn(&mut mutant, interesting);
        fs::write(bench.path("mutant"), &mutant).unwrap();
        let into = bench.path("out/tree");
        match unpack(&bench.path("mutant"), &into, Wish::default(), &mut |_| {}) {
            Err(error) => {
                refused += 1;
                assert!(!error.to_string().is_empty(), "{round}");
                bench.nothing_is_left();
            }
            Ok(_) => {
                read += 1;
                clear(&into);
            }
        }
    }
    assert!(refused > 0 && read > 0, "{refused} refused, {read} read: nothing was tried");
    let after = bench.sh("find . -path ./out -prune -o -path ./mutant -prune -o -print | sort");
    assert_eq!(before, after);
}

fn clear(path: &Path) {
    if fs::remove_dir_all(path).is_err() {
        super::sh(path, "chmod -R u+rwX .");
        fs::remove_dir_all(path).unwrap();
    }
}

#[test]
fn damaged_file_systems_are_refused_or_read() {
    for options in ["-t ext4 -b 1024 -O ^has_journal,inline_data -I 256", "-t ext2 -b 1024"] {
        let bench = Bench::new();
        bench.sh("mkdir -p out root/etc; echo a > root/etc/a; ln root/etc/a root/b; ln -s b root/c
                  head -c 20000 /dev/urandom > root/d; mkdir root/many; touch root/many/{1..90}");
        bench.sh(&format!("mke2fs -q {options} -N 128 -d root image 512k"));
        let image = fs::read(bench.path("image")).unwrap();
        // The superblock, the descriptors, and whatever is not zero.
        let mut interesting: Vec<usize> = (1024..1024 + 264).collect();
        interesting.extend(
            image
                .iter()
                .enumerate()
                .filter(|(_, b)| **b != 0)
                .map(|(at, _)| at)
                .take(20_000)
                .step_by(3),
        );
        try_all(&bench, &image, &interesting, 600);
    }
}

#[test]
fn damaged_tables_are_refused_or_read() {
    for label in ["dos", "gpt"] {
        let bench = Bench::new();
        bench.sh(
            "mkdir -p out root/etc; echo a > root/etc/a; mke2fs -q -t ext2 -d root root.ext 256k",
        );
        bench.sh(&format!(
            "truncate -s 1500k disk; printf 'label: {label}\\nunit: sectors\\nstart=64, size=600\\nstart=1024, size=900\\n' | sfdisk -q disk
             dd if=root.ext of=disk bs=512 seek=1024 conv=notrunc status=none"
        ));
        let image = fs::read(bench.path("disk")).unwrap();
        let mut interesting: Vec<usize> = (440..512).collect();
        if label == "gpt" {
            interesting.extend(512..620);
            interesting.extend(1024..1024 + 256);
        }
        try_all(&bench, &image, &interesting, 250);
    }
}

#[test]
fn damaged_archives_are_refused_or_read() {
    let bench = Bench::new();
    bench.sh("mkdir out");
    let bytes = archive(&[
        entry("a", b'5', "", b""),
        entry("a/b", b'0', "", &[3; 700]),
        entry("l", b'2', "a", b""),
        entry("h", b'1', "a/b", b""),
        entry("p", b'x', "", b"12 path=xyz\n"),
        entry("q", b'0', "", b"pax"),
        entry("n", b'L', "", b"a/long/name\0"),
        entry("n", b'0', "", b"gnu"),
    ]);
    // The checksum is put right again in half of the rounds: else all ends there.
    let interesting: Vec<usize> = (0..bytes.len()).filter(|at| at % 512 < 345).collect();
    try_all(&bench, &bytes, &interesting, 600);
    let mut dice = Dice(77);
    for _ in 0..800 {
        let mut mutant = bytes.clone();
        dice.turn(&mut mutant, &interesting);
        for block in mutant.chunks_exact_mut(512).filter(|block| block[257..262] == *b"ustar") {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
        fs::write(bench.path("mutant"), &mutant).unwrap();
        match unpack(&bench.path("mutant"), &bench.path("out/tree"), Wish::default(), &mut |_| {}) {
            Err(_) => bench.nothing_is_left(),
            Ok(_) => clear(&bench.path("out/tree")),
        }
    }
    assert_eq!(bench.sh("ls -A"), "mutant\nout\n");
}

#[test]
fn damaged_streams_are_refused() {
    let bench = Bench::new();
    bench.sh(ROOT);
    bench.sh("mkdir out; tar -C root -cf a.tar etc var; gzip -k a.tar; xz -k a.tar; zstd -q a.tar; chmod -R u+rwX root");
    for image in ["a.tar.gz", "a.tar.xz", "a.tar.zst"] {
        let bytes = fs::read(bench.path(image)).unwrap();
        let mut dice = Dice(5);
        for _ in 0..100 {
            let mut mutant = bytes.clone();
            let everywhere: Vec<usize> = (0..bytes.len()).collect();
            dice.turn(&mut mutant, &everywhere);
            fs::write(bench.path("mutant"), &mutant).unwrap();
            match unpack(
                &bench.path("mutant"),
                &bench.path("out/tree"),
                Wish::default(),
                &mut |_| {},
            ) {
                Err(_) => bench.nothing_is_left(),
                Ok(_) => clear(&bench.path("out/tree")),
            }
        }
    }
}

//! Packets from strangers: mutated seeds, thrown at everything that reads them.
//!
//! A test runs `NETYARD_FUZZ_INPUTS` inputs of each target (10,000 if that is not
//! set), from a generator whose start it prints: the same start gives the same
//! inputs. What once failed is kept among the seeds.

mod target;

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Inputs of a target where the environment says nothing.
const INPUTS: u64 = 10_000;
/// A longer input is no packet.
const LONGEST: usize = 1500;

/// xorshift64* (Vigna, 2016): quick, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// What a packet's author did not think of.
fn mutate(input: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut Random) {
    const TELLING: [u8; 10] = [0, 1, 3, 4, 63, 64, 127, 128, 192, 255];
    for _ in 0..=random.below(6) {
        let at = random.below(input.len());
        match random.below(9) {
            0 if !input.is_empty() => input[at] ^= 1 << random.below(8),
            1 if !input.is_empty() => input[at] = random.next() as u8,
            2 if !input.is_empty() => input[at] = TELLING[random.below(TELLING.len())],
            3 => input.truncate(at),
            4 => input.insert(at.min(input.len()), random.next() as u8),
            5 if !input.is_empty() => {
                input.remove(at);
            }
            // A piece of itself again, as compressed names and long options are.
            6 => {
                let end = (at + random.below(32)).min(input.len());
                let piece = input[at.min(end)..end].to_vec();
                let to = random.below(input.len() + 1);
                input.splice(to..to, piece);
            }
            // Its head with another's tail.
            7 => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len());
                input.truncate(at);
                input.extend(&other[from..]);
            }
            // A length that is one too small or too great.
            _ if !input.is_empty() => {
                let step = if random.below(2) == 0 { 1 } else { 255 };
                input[at] = input[at].wrapping_add(step);
            }
            _ => {}
        }
    }
    input.truncate(LONGEST);
}

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds").join(name);
    let mut paths: Vec<_> =
        fs::read_dir(&dir).expect("seeds").map(|e| e.expect("a seed").path()).collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let text = fs::read_to_string(path).expect("a seed");
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        digits.chunks(2).map(|two| pair(two).expect("hexadecimal digits")).collect()
    };
    paths.iter().map(read).collect()
}

/// Runs a target; a panic names the input.
fn fuzz(name: &str, mut target: impl FnMut(&[u8])) {
    let seeds = seeds(name);
    seeds.iter().for_each(|seed| target(seed));
    let said = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let count = said("NETYARD_FUZZ_INPUTS").unwrap_or(INPUTS);
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |t| t.as_nanos() as u64);
    let start = said("NETYARD_FUZZ_START").unwrap_or(clock).max(1);
    println!("{name}: {count} inputs, NETYARD_FUZZ_START={start}");
    let mut random = Random(start);
    for number in 0..count {
        let mut input = seeds[random.below(seeds.len())].clone();
        mutate(&mut input, &seeds, &mut random);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| target(&input)));
        if outcome.is_err() {
            let digits: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
            panic!("{name}: input {number} of start {start}: {digits}");
        }
    }
}

#[test]
fn dhcp4() {
    let mut pool = target::pool();
    fuzz("dhcp4", |input| target::dhcp4(&mut pool, input));
}

#[test]
fn dhcp6() {
    let mut pool = target::pool6();
    fuzz("dhcp6", |input| target::dhcp6(&mut pool, input));
}

#[test]
fn icmp6() {
    fuzz("icmp6", target::icmp6);
}

#[test]
fn dns() {
    let (mut resolver, mut clock) = (target::resolver(), 1);
    fuzz("dns", |input| target::dns(&mut resolver, &mut clock, input));
}

#[test]
fn the_driver_finds_what_is_rare() {
    // A target that fails on one sort of input: a DNS query of type 255.
    let found = std::panic::catch_unwind(|| {
        fuzz("dns", |input| {
            assert!(input.get(2).is_none_or(|b| b & 0x80 == 0 || input.len() < 13))
        });
    });
    assert!(found.is_err());
}

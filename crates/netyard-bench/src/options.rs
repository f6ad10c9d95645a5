//! The command line of the bench.

use crate::floor::Shape;
use std::path::{Path, PathBuf};

/// What `--help` prints.
pub const HELP: &str = "\
Usage: netyard-bench [OPTIONS]
       netyard-bench nat|rules|services|wireguard|containers [NETYARD [RUNS]]

Measures a floor, netyard, `ip -batch` and Mininet in a namespace of its own,
and firewalls beside those that `ip` and `nft` make.

  --netyard PATH   the netyard binary [target/release/netyard; skipped when absent]
  --shapes LIST    of star,ring,hub [all]
  --sizes LIST     numbers of nodes [100,300,1000]
  --runs K         runs of each, interleaved; the report has medians [5]
  --quick          sizes 30,100, two runs, no peers
  --no-peers       neither `ip -batch` nor Mininet
  --no-firewalls   none of `nat`, `rules`, `services`, `wireguard`, `containers`
  --out DIRECTORY  where report.md, report.json and plot.svg go [target/bench]

`nat` measures one TCP stream through a router with address translation: one
that netyard made and one wired by hand with `ip` and `nft`, in turns. `rules`
measures `netyard up` of a running yard that gains 10,000 rules, and a set of
10,000 elements, and `nft -f` of the same text. `services` measures DNS answers and
DHCPv4 handshakes a second of netyard's server and of dnsmasq, in turns, and the
memory of either. `wireguard` measures one TCP stream through a tunnel in userspace,
and through one of wireguard-go's. `containers` measures ten that boot, a script that starts
them by hand, and the least that both could take. Each exits with 1 where netyard misses the target;
in the report it is marked.

Exit codes: 0 everything ran, 1 something failed to run, 2 wrong command line.";

/// The parsed command line.
pub struct Options {
    /// The netyard binary, when there is one.
    pub netyard: Option<PathBuf>,
    /// Shapes to build.
    pub shapes: Vec<Shape>,
    /// Numbers of nodes.
    pub sizes: Vec<usize>,
    /// Runs of each.
    pub runs: usize,
    /// Whether to run the slow peers.
    pub peers: bool,
    /// Whether to measure firewalls.
    pub firewalls: bool,
    /// Where the results go.
    pub out: PathBuf,
}

impl Options {
    /// Reads the words after the program's name.
    ///
    /// # Errors
    /// A phrase about the first wrong word.
    pub fn parse(words: &[String]) -> Result<Options, String> {
        let mut options = Options {
            netyard: Some(PathBuf::from("target/release/netyard")).filter(|path| path.exists()),
            shapes: Shape::ALL.to_vec(),
            sizes: vec![100, 300, 1000],
            runs: 5,
            peers: true,
            firewalls: true,
            out: PathBuf::from("target/bench"),
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("`{word}` needs a value"));
            match word.as_str() {
                "--netyard" => options.netyard = Some(program(value()?)?),
                "--shapes" => options.shapes = list(value()?, Shape::named)?,
                "--sizes" => options.sizes = list(value()?, size)?,
                "--runs" => options.runs = size(value()?).ok_or("`--runs` takes a number")?,
                "--out" => options.out = PathBuf::from(value()?),
                "--no-peers" => options.peers = false,
                "--no-firewalls" => options.firewalls = false,
                "--quick" => {
                    (options.sizes, options.runs, options.peers) = (vec![30, 100], 2, false);
                }
                _ => return Err(format!("unknown option `{word}`")),
            }
        }
        Ok(options)
    }
}

fn program(text: &str) -> Result<PathBuf, String> {
    Path::new(text).canonicalize().map_err(|error| format!("no program `{text}`: {error}"))
}

/// A bridge of the floor has no more than 1,023 ports, its shards are joined at
/// one, and the addresses of a link have 16 bits: far above the sizes of interest.
fn size(text: &str) -> Option<usize> {
    text.parse().ok().filter(|number| (1..=10_000).contains(number))
}

fn list<T>(text: &str, read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>, String> {
    text.split(',').map(|word| read(word).ok_or(format!("`{word}` is not known here"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<Options, String> {
        Options::parse(&words.split(' ').map(Into::into).collect::<Vec<_>>())
    }

    #[test]
    fn lists_are_read_and_nonsense_is_named() {
        let options = parse("--shapes ring,hub --sizes 5,7 --runs 3").expect("a good line");
        assert_eq!(options.shapes, [Shape::Ring, Shape::Hub]);
        assert_eq!((options.sizes, options.runs), (vec![5, 7], 3));
        assert!(parse("--shapes cube").is_err_and(|problem| problem.contains("cube")));
        assert!(parse("--sizes 0").is_err());
        assert!(parse("--runs").is_err());
    }
}

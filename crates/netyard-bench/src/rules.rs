//! A large ruleset that a running yard gains, beside `nft -f` of the same text
//! in a namespace like the yard's node.

use crate::beside::{Beside, median, sh, succeed};
use crate::floor::space;
use crate::measure::{self, Cost};
use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How many times what `nft -f` takes netyard may take.
const TARGET: f64 = 2.0;
/// Rules of the chain, and elements of the set.
const SIZE: u32 = 10_000;
/// The yard without a firewall.
const YARD: &str = "yard: rules\nnodes: { gate: {} }\n";
/// The namespace of its node, and the one beside it.
const OURS: &str = "/run/netns/rules-gate";
const HAND: &str = "/run/netns/hand";
/// Where the files are; this /run is the bench's own.
const FILES: &str = "/run/netyard-bench";

/// Measures both sorts of ruleset.
///
/// # Errors
/// What a program or the kernel said, and where the two rulesets differ.
pub fn measure(netyard: &Path, runs: usize) -> io::Result<Vec<Beside>> {
    let sorts = [
        (format!("{SIZE} rules in a chain"), chain()),
        (format!("a set of {SIZE} elements"), set()),
    ];
    let bench = Bench { netyard, directory: PathBuf::from(FILES) };
    std::fs::create_dir_all(FILES)?;
    bench.write("yard.yaml", YARD)?;
    sh("mkdir -p /run/netns; ip netns add hand")?;
    bench.up("yard.yaml")?;
    let all = sorts.iter().map(|(what, firewall)| bench.compare(what, firewall, runs)).collect();
    let down = succeed(&mut bench.netyard("down", "yard.yaml"));
    std::fs::remove_dir_all(&bench.directory)?;
    down.and(all)
}

/// Addresses of which no two are neighbours, so that nothing is merged.
fn sources() -> impl Iterator<Item = Ipv4Addr> {
    let first = Ipv4Addr::new(10, 0, 0, 0).to_bits();
    (0..SIZE).map(move |number| Ipv4Addr::from_bits(first + 2 * number))
}

fn chain() -> String {
    let rules: String =
        sources().map(|source| format!("        - tcp 80 from {source}\n")).collect();
    format!("firewall:\n  gate:\n    input:\n      policy: drop\n      allow:\n{rules}")
}

fn set() -> String {
    let elements: String = sources().map(|source| format!("        - {source}\n")).collect();
    format!(
        "firewall:\n  gate:\n    input: {{ policy: drop, allow: [tcp 80 from many] }}\n    sets:\n      many:\n{elements}"
    )
}

struct Bench<'a> {
    netyard: &'a Path,
    directory: PathBuf,
}

impl Bench<'_> {
    fn compare(&self, what: &str, firewall: &str, runs: usize) -> io::Result<Beside> {
        self.write("firewall.yaml", &format!("{YARD}{firewall}"))?;
        // What nft reads is what netyard made; by that both are the same.
        self.up("firewall.yaml")?;
        let text = listing(OURS)?;
        let there = text.matches("10.0.").count();
        if there < SIZE as usize {
            return Err(io::Error::other(format!("netyard made only {there} of {SIZE}")));
        }
        self.write("ruleset.nft", &text)?;
        self.up("yard.yaml")?;
        let (mut hand, mut ours) = (Vec::new(), Vec::new());
        for run in 0..runs {
            // Whoever is first has the warmer or the colder machine: in turns.
            for turn in [run % 2, (run + 1) % 2] {
                if turn == 0 {
                    hand.push(measure::command(&mut self.nft()?)?);
                    if listing(HAND)? != text {
                        return Err(io::Error::other("nft did not make the same ruleset"));
                    }
                    succeed(inside(HAND)?.args(["flush", "ruleset"]))?;
                } else {
                    ours.push(self.up("firewall.yaml")?);
                    self.up("yard.yaml")?;
                }
            }
        }
        let of = |costs: &[Cost], take: fn(&Cost) -> f64| {
            median(&mut costs.iter().map(take).collect::<Vec<_>>())
        };
        Ok(Beside {
            what: what.into(),
            unit: "ms".into(),
            hand: of(&hand, |cost| cost.wall),
            ours: of(&ours, |cost| cost.wall),
            cpu: Some((of(&hand, |cost| cost.cpu), of(&ours, |cost| cost.cpu))),
            most: Some(TARGET),
            runs,
            ..Beside::default()
        })
    }

    fn write(&self, name: &str, text: &str) -> io::Result<()> {
        std::fs::write(self.directory.join(name), text)
    }

    fn netyard(&self, verb: &str, file: &str) -> Command {
        let mut command = Command::new(self.netyard);
        command.args([verb, "-f"]).arg(self.directory.join(file));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn up(&self, file: &str) -> io::Result<Cost> {
        measure::command(&mut self.netyard("up", file))
    }

    fn nft(&self) -> io::Result<Command> {
        let mut command = inside(HAND)?;
        command.arg("-f").arg(self.directory.join("ruleset.nft"));
        Ok(command)
    }
}

/// The ruleset of a namespace, without what it counted.
fn listing(space: &str) -> io::Result<String> {
    let output = inside(space)?.args(["-s", "list", "ruleset"]).output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("nft in {space}: {}", output.status)));
    }
    String::from_utf8(output.stdout).map_err(io::Error::other)
}

/// `nft` in a namespace, without the cost of another program that enters it.
fn inside(space: &str) -> io::Result<Command> {
    let space = File::open(space)?;
    let mut command = Command::new("nft");
    // SAFETY: one system call between fork and exec, on a descriptor that lives as
    // long as the command.
    unsafe { command.pre_exec(move || space::enter(space.as_fd())) };
    Ok(command)
}

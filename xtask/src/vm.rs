//! `cargo xtask vm`: the tests that need Debian's own kernel and systemd, in a virtual machine.
//!
//! The contract with the tests is small. They are ordinary integration tests, built here, with
//! the target names in [`TARGETS`]. Those that need the VM are in modules whose path contains
//! `vm_` and are `#[ignore = "needs the VM tier: …"]`. The guest sees the working tree at the
//! same path as here, read-only, so nothing in a test depends on where it runs.
//! In the environment: `NETYARD_VM=1`, `NETYARD_BIN` (the built command) and `NETYARD_ROOT`
//! (the working tree, with `examples/` and `cases/`).

use crate::tier::{self, Counter, NEEDS_VM, Record};
use crate::{Outcome, stream};
use serde_json::Value;
use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// The integration-test targets that the guest runs.
const TARGETS: [&str; 2] = ["kernel", "cli"];

/// How the names of the rows begin that only the VM can give.
pub const ONLY_VM: &str = "needs the VM";

/// Tests of the native suite that the guest leaves out, each with its target: what takes seconds
/// here takes an emulated processor minutes, and nothing in it depends on the kernel.
const TOO_SLOW: [(&str, &str); 2] = [
    ("cli", "examples::a_ring_of_a_thousand_routers_carries_packets_around_and_goes"),
    ("kernel", "image::"),
];

/// The part of a test's path that marks it for this tier.
const MARK: &str = "vm_";
/// A module of tests of what does not work yet: their `ignore` says what.
const OPEN: &str = "::open::";
/// A module of tests that need what the image is made from, but not the guest: they boot a
/// machine themselves, and there is no emulation within emulation that is fast enough.
const OUTSIDE: &str = "::outside::";
/// The modules of tests that run before and after a reboot, with the same disk, each with the
/// boot that they run in: four pairs, for what cannot be up at the same time.
const AROUND_REBOOT: [(u8, &str); 8] = [
    (1, "::before::"),
    (2, "::after::"),
    (2, "::then_before::"),
    (3, "::then_after::"),
    (3, "::last_before::"),
    (4, "::last_after::"),
    (4, "::files_before::"),
    (5, "::files_after::"),
];

/// Emulated and on a busy machine, the whole suite takes minutes; a hang must end all the same.
const LIMIT_SECONDS: u32 = 3000;

/// What the command line asked for.
#[derive(Debug, PartialEq)]
struct Options {
    limit: u32,
    only_vm: bool,
    filter: Option<String>,
}

/// Builds the image and the tests, runs them in the guest and passes on its status: 101 when a
/// test failed, 124 when the limit was reached, 125 when the guest died.
///
/// # Errors
/// When the image or the tests cannot be built, or there is nothing to run.
pub fn run(root: &Path, arguments: &[String]) -> Outcome {
    let options = parse(arguments)?;
    if std::env::consts::ARCH != "x86_64" {
        let why = format!("the guest is x86_64, this machine is {}", std::env::consts::ARCH);
        println!("vm: SKIPPED: {why}");
        tier::save(root, tier::VM, &Record { impossible: Some(why), ..Record::default() })?;
        return Ok(ExitCode::SUCCESS);
    }
    let image = root.join("target/vm");
    build_image(root, &image)?;
    let built = build_tests(root)?;
    let script = image.join("job");
    let steps = job(root, &built, &options)?;
    fs::write(&script, &steps)?;

    // However we end, the machine ends, too.
    let mut machine = Command::new("setpriv");
    machine.args(["--pdeathsig", "TERM"]).arg(root.join("vm/run.sh"));
    machine.arg("--limit").arg(options.limit.to_string());
    machine.args(["--boots", &boots(&steps).to_string()]);
    for share in shares(root, &built) {
        machine.arg("--share").arg(share);
    }
    machine.arg(&image).arg(&script);
    let mut counter = Counter::default();
    let beside = outside(&built, &options, &mut counter)?;
    let status = stream::run(&mut machine, |line| counter.see(line))?;
    let said = counter.said();
    let mut rows = counter.finish(status.success() && beside, "the guest");
    for row in &mut rows {
        // The native suite passes over the tests that have just run in their own row.
        row.skipped.retain(|reason, _| !reason.starts_with(NEEDS_VM));
    }
    tier::save(root, tier::VM, &Record { rows, said, impossible: None })?;
    let code = match status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1) {
        0 if !beside => 101,
        code => code,
    };
    println!("vm: {}", if code == 0 { "all is well".to_owned() } else { format!("status {code}") });
    Ok(ExitCode::from(code))
}

/// Runs the tests of [`OUTSIDE`] here; false when one failed. They need root, and without it are
/// counted as skipped.
fn outside(built: &Built, options: &Options, counter: &mut Counter) -> io::Result<bool> {
    let root = fs::metadata("/proc/self")?.uid() == 0;
    let mut all_well = true;
    for test in &built.tests {
        let wanted = |name: &String| {
            let asked = options.filter.as_ref().is_none_or(|filter| name.contains(filter));
            name.contains(MARK) && name.contains(OUTSIDE) && asked
        };
        let names: Vec<String> = ignored(&test.path)?.into_iter().filter(wanted).collect();
        if names.is_empty() {
            continue;
        }
        counter.see(&Counter::heading(&format!("{ONLY_VM}'s image: {}", test.target)));
        if !root {
            for name in names {
                // In the words of the test harness, so that it is counted.
                counter.see(&format!("test {name} ... ignored, needs root on this machine"));
            }
            counter.see("test result: ok. 0 passed; 0 failed");
            continue;
        }
        let mut binary = Command::new(&test.path);
        binary.args(["--ignored", "--exact"]).args(&names).current_dir(&test.package);
        all_well &= stream::run(&mut binary, |line| counter.see(line))?.success();
    }
    Ok(all_well)
}

fn parse(arguments: &[String]) -> Result<Options, String> {
    let mut options = Options { limit: LIMIT_SECONDS, only_vm: false, filter: None };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--limit" => {
                let seconds = rest.next().and_then(|value| value.parse().ok());
                options.limit = seconds.ok_or("`--limit` needs a number of seconds")?;
            }
            "--only-vm" => options.only_vm = true,
            word if !word.starts_with('-') && options.filter.is_none() => {
                options.filter = Some(word.to_owned());
            }
            word => return Err(format!("`{word}` is not understood by `cargo xtask vm`")),
        }
    }
    Ok(options)
}

fn build_image(root: &Path, image: &Path) -> Result<(), Box<dyn Error>> {
    let mut build = Command::new(root.join("vm/build-image.sh"));
    if !stream::run(build.arg(image), |_line| {})?.success() {
        return Err("the guest's image could not be built".into());
    }
    Ok(())
}

/// What cargo built for the guest.
#[derive(Debug, Default)]
struct Built {
    /// The test binaries, in the order of [`TARGETS`].
    tests: Vec<TestBinary>,
    /// The `netyard` command.
    command: Option<PathBuf>,
}

#[derive(Debug)]
struct TestBinary {
    target: String,
    path: PathBuf,
    /// The directory of its package, where cargo runs it, too.
    package: PathBuf,
}

fn build_tests(root: &Path) -> Result<Built, Box<dyn Error>> {
    let mut arguments = vec!["build", "--locked", "--message-format=json-render-diagnostics"];
    // The whole workspace, as the native tests are built: with the features of a part of
    // it, what they use would be compiled once more.
    arguments.extend(["--workspace", "--bins"]);
    let declared = declared_targets(root)?;
    for target in TARGETS.iter().filter(|target| declared.contains(**target)) {
        arguments.extend(["--test", target]);
    }
    let output = Command::new("cargo")
        .args(&arguments)
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err("the tests for the guest could not be built".into());
    }
    Ok(built(&String::from_utf8_lossy(&output.stdout)))
}

/// The names of all integration tests of the workspace.
fn declared_targets(root: &Path) -> Result<BTreeSet<String>, Box<dyn Error>> {
    let arguments = ["metadata", "--no-deps", "--format-version=1", "--locked"];
    let output = Command::new("cargo").args(arguments).current_dir(root).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    Ok(packages
        .filter_map(|package| package["targets"].as_array())
        .flatten()
        .filter(|target| target["kind"][0] == "test")
        .filter_map(|target| target["name"].as_str().map(str::to_owned))
        .collect())
}

/// Reads cargo's messages, one JSON object a line.
fn built(messages: &str) -> Built {
    let mut built = Built::default();
    for message in messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let Some(executable) = message["executable"].as_str() else { continue };
        let name = message["target"]["name"].as_str().unwrap_or_default();
        match message["target"]["kind"][0].as_str() {
            Some("test") => {
                let manifest = Path::new(message["manifest_path"].as_str().unwrap_or_default());
                built.tests.push(TestBinary {
                    target: name.to_owned(),
                    path: executable.into(),
                    package: manifest.parent().unwrap_or(manifest).into(),
                });
            }
            Some("bin") if name == "netyard" => built.command = Some(executable.into()),
            _ => {}
        }
    }
    built.tests.sort_by_key(|test| TARGETS.iter().position(|target| *target == test.target));
    built
}

/// The directories the guest must see: the working tree, and wherever cargo builds when that is
/// outside of it.
fn shares(root: &Path, built: &Built) -> BTreeSet<PathBuf> {
    let binaries = built.tests.iter().map(|test| &test.path).chain(&built.command);
    let outside = binaries.filter(|path| !path.starts_with(root)).filter_map(|path| path.parent());
    outside.chain([root]).map(Path::to_path_buf).collect()
}

/// The script that the guest runs: every test binary, first what only the guest can run, then
/// the native suite as a proof on Debian's kernel, too. The first failure's status is the job's.
fn job(root: &Path, built: &Built, options: &Options) -> Result<String, Box<dyn Error>> {
    let mut script = String::from("#!/bin/bash\nstatus=0\nexport NETYARD_VM=1 RUST_BACKTRACE=1\n");
    writeln!(script, "export NETYARD_ROOT={}", quoted(root))?;
    if let Some(command) = &built.command {
        writeln!(script, "export NETYARD_BIN={}", quoted(command))?;
    }
    let mut steps = 0;
    for test in &built.tests {
        let wanted: Vec<String> = ignored(&test.path)?
            .into_iter()
            .filter(|name| name.contains(MARK) && ![OPEN, OUTSIDE].iter().any(|m| name.contains(m)))
            .filter(|name| options.filter.as_ref().is_none_or(|filter| name.contains(filter)))
            .collect();
        for (boot, names) in by_boot(&wanted) {
            if !names.is_empty() {
                let again = if boot == 1 { "" } else { ", after a reboot" };
                let heading = format!("{ONLY_VM}: {}{again}", test.target);
                writeln!(script, "if [ \"${{VM_BOOT:-1}}\" = {boot} ]; then")?;
                let arguments = format!("--ignored --exact {}", names.join(" "));
                step(&mut script, &heading, test, &arguments)?;
                writeln!(script, "fi")?;
                steps += 1;
            }
        }
    }
    writeln!(script, "[ \"${{VM_BOOT:-1}}\" = 1 ] || exit $status")?;
    for test in built.tests.iter().filter(|_| !options.only_vm) {
        let filter = options.filter.as_deref().map(|word| quoted(Path::new(word)));
        let heading = format!("native suite, in the guest: {}", test.target);
        let mut arguments = filter.unwrap_or_default();
        let skipped = || TOO_SLOW.iter().filter(|(target, _)| *target == test.target);
        for (_, name) in skipped() {
            write!(arguments, " --skip {name}")?;
        }
        step(&mut script, &heading, test, &arguments)?;
        for (_, name) in skipped() {
            // In the words of the test harness, so that it is counted.
            writeln!(
                script,
                "echo 'test {name} ... ignored, too slow in the guest: runs natively'"
            )?;
        }
        steps += 1;
    }
    if steps == 0 {
        let why = format!("no test is marked `{NEEDS_VM}` with `{MARK}` in its path and matches");
        return Err(why.into());
    }
    script.push_str("exit $status\n");
    Ok(script)
}

/// In which boot tests run: most in the first, those of a reboot on their side of it.
fn by_boot(names: &[String]) -> Vec<(u8, Vec<&str>)> {
    let those = |wanted: &dyn Fn(&str) -> bool| -> Vec<&str> {
        names.iter().map(String::as_str).filter(|name| wanted(name)).collect()
    };
    let around = |name: &str| AROUND_REBOOT.iter().any(|(_, module)| name.contains(module));
    let mut steps = vec![(1, those(&|name| !around(name)))];
    for (boot, module) in AROUND_REBOOT {
        steps.push((boot, those(&|name| name.contains(module))));
    }
    steps
}

/// How often the machine boots for a script: to the last boot that has something to run.
fn boots(script: &str) -> u8 {
    let last = AROUND_REBOOT.iter().map(|(boot, _)| *boot);
    last.filter(|boot| script.contains(&format!("= {boot} ]; then"))).max().unwrap_or(1)
}

fn step(
    script: &mut String,
    heading: &str,
    test: &TestBinary,
    arguments: &str,
) -> std::fmt::Result {
    writeln!(script, "echo '{}'", Counter::heading(heading))?;
    writeln!(script, "export CARGO_MANIFEST_DIR={0}; cd {0}", quoted(&test.package))?;
    let run = quoted(&test.path);
    writeln!(script, "{run} {arguments} || {{ rc=$?; [ $status != 0 ] || status=$rc; }}")
}

/// The names of a binary's ignored tests.
fn ignored(binary: &Path) -> io::Result<Vec<String>> {
    let arguments = ["--list", "--format", "terse", "--ignored"];
    let output = Command::new(binary).args(arguments).output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("{} does not list its tests", binary.display())));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().filter_map(|line| line.strip_suffix(": test").map(str::to_owned)).collect())
}

/// The path as one word of a shell script.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn options_are_read_and_what_is_unknown_is_refused() {
        let options = parse(&words("--limit 90 --only-vm vlan")).unwrap();
        assert_eq!(options, Options { limit: 90, only_vm: true, filter: Some("vlan".into()) });
        assert!(parse(&words("--limit soon")).is_err());
        assert!(parse(&words("--fast")).is_err());
        assert!(parse(&words("one two")).is_err());
    }

    #[test]
    fn the_binaries_come_from_cargos_messages_in_our_order() {
        let messages = r#"
            {"reason":"compiler-artifact","target":{"name":"cli","kind":["test"]},"executable":"/t/cli-1"}
            {"reason":"compiler-artifact","target":{"name":"netyard","kind":["bin"]},"executable":"/t/netyard"}
            {"reason":"compiler-artifact","target":{"name":"netyard_core","kind":["lib"]},"executable":null}
            {"reason":"compiler-artifact","target":{"name":"kernel","kind":["test"]},"manifest_path":"/n/linux/Cargo.toml","executable":"/t/kernel-2"}
            {"reason":"build-finished","success":true}"#;
        let built = built(messages);
        let names: Vec<&str> = built.tests.iter().map(|test| test.target.as_str()).collect();
        assert_eq!(names, ["kernel", "cli"]);
        assert_eq!(built.tests[0].package, Path::new("/n/linux"));
        assert_eq!(built.command, Some(PathBuf::from("/t/netyard")));
    }

    #[test]
    fn binaries_outside_the_tree_are_shared_too() {
        let built = Built { tests: vec![], command: Some("/build/debug/netyard".into()) };
        let shared = shares(Path::new("/tree"), &built);
        assert_eq!(shared, BTreeSet::from(["/build/debug".into(), "/tree".into()]));
    }

    #[test]
    fn a_job_without_tests_is_an_error() {
        let options = parse(&[]).unwrap();
        assert!(job(Path::new("/tree"), &Built::default(), &options).is_err());
    }

    #[test]
    fn tests_of_a_reboot_run_on_their_side_of_it() {
        let names = ["vm_a::x", "vm_b::after::y", "vm_b::before::z", "vm_c::then_after::w"];
        let names = names.map(str::to_owned);
        let steps = by_boot(&names);
        let of = |boot| steps.iter().filter(move |step| step.0 == boot).flat_map(|step| &step.1);
        assert!(of(1).eq(&["vm_a::x", "vm_b::before::z"]));
        assert!(of(2).eq(&["vm_b::after::y"]));
        assert!(of(3).eq(&["vm_c::then_after::w"]));
        assert_eq!(boots("if [ 1 = 2 ]; then\nif [ 1 = 3 ]; then"), 3);
        assert_eq!(boots("if [ 1 = 1 ]; then"), 1);
    }

    #[test]
    fn a_quote_in_a_path_stays_in_its_word() {
        assert_eq!(quoted(Path::new("/it's")), r"'/it'\''s'");
    }
}

//! How output behaves whatever is said: colours, full disks, readers that leave.

use std::fs::File;
use std::process::{Command, Stdio};

use snapbox::str;

use crate::{directory, netyard};

#[test]
fn a_bug_says_that_it_is_one_and_ends_with_70() {
    netyard().arg("__bug").assert().code(70).stdout_eq("").stderr_eq(str![[r#"
error: this is a bug in netyard: asked for (crates/netyard/src/cli.rs:[..])

"#]]);
}

#[test]
fn colours_are_for_terminals_and_those_who_ask() {
    let dir = directory();
    let stderr = |args: &[&str]| {
        let output = netyard().args(args).current_dir(dir.path()).output().unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(!stderr(&["check"]).contains('\u{1b}'));
    assert!(stderr(&["check", "--color", "always"]).contains('\u{1b}'));
}

#[test]
fn a_full_disk_is_an_error_and_a_gone_reader_is_none() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_netyard"))
        .arg("schema")
        .stdout(full)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr, "error: could not write to stdout: no space left on device (ENOSPC)\n");

    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = Command::new(env!("CARGO_BIN_EXE_netyard"))
        .arg("schema")
        .stdout(writer)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stderr, b"");
}

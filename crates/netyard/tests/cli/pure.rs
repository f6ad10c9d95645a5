//! Commands that touch no kernel: init, schema, completions, man, help.

use std::fs;

use snapbox::str;

use crate::{directory, netyard, repository};

#[test]
fn init_writes_a_file_and_says_what_comes_next() {
    let dir = directory();
    netyard()
        .arg("init")
        .current_dir(dir.path())
        .assert()
        .success()
        .stdout_eq(str![[r#"
wrote netyard.yaml

"#]])
        .stderr_eq(str![[r#"
hint: `netyard up` builds it; `netyard plan` shows how

"#]]);
    assert!(fs::read_to_string(dir.path().join("netyard.yaml")).unwrap().contains("nodes:"));
}

#[test]
fn init_overwrites_nothing() {
    let dir = directory();
    fs::write(dir.path().join("netyard.yaml"), "mine").unwrap();
    netyard().arg("init").current_dir(dir.path()).assert().code(1).stdout_eq("").stderr_eq(str![[
        r#"
error: `netyard.yaml` is already there
hint: `-f FILE` writes another one; `-f -` writes to stdout

"#
    ]]);
    assert_eq!(fs::read(dir.path().join("netyard.yaml")).unwrap(), b"mine");
}

#[test]
fn init_into_a_directory_that_is_not_there_says_so() {
    let dir = directory();
    netyard()
        .args(["init", "-f", "deep/netyard.yaml"])
        .current_dir(dir.path())
        .assert()
        .code(1)
        .stderr_eq(str![[r#"
error: could not write `deep/netyard.yaml`: no such file or directory (ENOENT)

"#]]);
}

#[test]
fn completions_know_every_shell_and_ask_for_names() {
    for shell in ["bash", "zsh", "fish"] {
        let output = netyard().args(["completions", shell]).output().unwrap();
        assert!(output.status.success());
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(script.contains("netyard __complete"), "{shell} does not ask for names");
    }
    netyard().args(["completions", "tcsh"]).assert().code(2);
}

#[test]
fn bash_completes_commands_and_names() {
    let dir = directory();
    fs::write(dir.path().join("netyard.yaml"), "nodes: { 'r[1..3]': {} }\n").unwrap();
    let asks = r#"
        eval "$("$NETYARD" completions bash)"
        netyard() { "$NETYARD" "$@"; }
        COMP_WORDS=(netyard exec r) COMP_CWORD=2
        _netyard_with_names netyard r exec
        echo "${COMPREPLY[@]}"
    "#;
    let bash = snapbox::cmd::Command::new("bash").args(["--norc", "-c", asks]);
    let bash = bash.env("NETYARD", env!("CARGO_BIN_EXE_netyard")).current_dir(dir.path());
    bash.assert().success().stdout_eq("[..]r1 r2 r3[..]\n");
}

#[test]
fn man_writes_a_page_for_every_command() {
    let dir = directory();
    netyard().args(["man", "--dir", "."]).current_dir(dir.path()).assert().success();
    assert!(dir.path().join("netyard.1").exists());
    assert!(dir.path().join("netyard-check.1").exists());
    let page = netyard().arg("man").output().unwrap();
    assert!(String::from_utf8(page.stdout).unwrap().starts_with(".ie"));
    netyard().args(["man", "--dir", "nowhere"]).current_dir(dir.path()).assert().code(1);
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    netyard().arg("upp").assert().code(2);
    netyard().assert().code(2);
    netyard().args(["check", "--no-such-option"]).assert().code(2);
}

#[test]
fn the_reference_in_docs_is_the_one_of_this_netyard() {
    let output = netyard().args(["schema", "--markdown"]).output().unwrap();
    let page = repository().join("docs/reference.md");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&page, &output.stdout).unwrap();
    }
    let written = fs::read_to_string(page).unwrap_or_default();
    assert!(
        written.as_bytes() == output.stdout,
        "docs/reference.md is not of this netyard; `UPDATE=1 cargo test` writes it anew"
    );
}

#[test]
fn schema_is_json_of_the_draft_that_editors_speak() {
    let output = netyard().arg("schema").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.starts_with("{\n") && text.contains("https://json-schema.org/draft/2020-12/schema")
    );
}

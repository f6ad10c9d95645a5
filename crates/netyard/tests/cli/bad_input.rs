//! Files that are no yard: each a diagnostic, none a panic.

use std::fs::{self, File};

use snapbox::str;

use crate::{directory, netyard, write_yard};

#[test]
fn a_missing_file_is_told_with_the_way_out() {
    let dir = directory();
    netyard().arg("check").current_dir(dir.path()).assert().code(1).stdout_eq("").stderr_eq(str![
        [r#"
error[file-unreadable]: cannot read `netyard.yaml`: no such file or directory (ENOENT)
hint: `netyard init` writes one to begin with; `-f FILE` names another

"#]
    ]);
}

#[test]
fn a_directory_is_not_a_file() {
    let dir = directory();
    fs::create_dir(dir.path().join("home")).unwrap();
    netyard().args(["check", "-f", "home"]).current_dir(dir.path()).assert().code(1).stderr_eq(
        str![[r#"
error[file-unreadable]: cannot read `home`: is a directory (EISDIR)
hint: name the file in it: `-f home/netyard.yaml`

"#]],
    );
}

#[test]
fn a_file_that_is_not_utf8_is_shown_where_it_ends_to_be() {
    let dir = directory();
    write_yard(dir.path(), b"yard: home\nnodes: { z\xfcrich: {} }\n");
    netyard().arg("check").current_dir(dir.path()).assert().code(1).stderr_eq(str![[r#"
error[file-not-utf8]: `netyard.yaml` is not UTF-8 text: byte 0xfc in line 2
 --> netyard.yaml:2:11
  |
2 | nodes: { z�rich: {} }
  |           ^ here
hint: save it as UTF-8, or convert it: `iconv -f latin1 -t utf-8`

"#]]);
}

#[test]
fn a_file_of_more_than_100_mb_is_refused_before_it_is_read_whole() {
    let dir = directory();
    File::create(dir.path().join("netyard.yaml")).unwrap().set_len(3_000_000_000).unwrap();
    netyard().arg("check").current_dir(dir.path()).assert().code(1).stderr_eq(str![[r#"
error[file-too-large]: `netyard.yaml` is larger than 100 MB
hint: ranges (`r[1..1000]`) and `for` describe large yards in a few lines

"#]]);
}

#[test]
fn a_device_without_end_is_refused_too() {
    netyard().args(["check", "-f", "/dev/zero"]).assert().code(1).stderr_eq(str![[r#"
error[file-too-large]: `/dev/zero` is larger than 100 MB
hint: ranges (`r[1..1000]`) and `for` describe large yards in a few lines

"#]]);
}

#[test]
fn stdin_is_a_file_like_any_other() {
    let check = |text: &str| netyard().args(["check", "-f", "-"]).stdin(text.to_owned()).assert();
    check("nodes: { a: {} }").success().stdout_eq("-: 1 node\n");
    check("").code(1).stderr_eq(str![[r#"
error[empty-file]: the file is empty
 --> -:1:1
...
"#]]);
    check("nodes: [a").code(1).stderr_eq(str![[r#"
error[unclosed]: `[` is never closed
 --> -:1:8
  |
1 | nodes: [a
  |        ^ opened here
hint: write `]` where it ends

"#]]);
    check("\u{0}").code(1);
}

#[test]
fn all_that_is_wrong_is_said_at_once_and_in_json_too() {
    let dir = directory();
    write_yard(dir.path(), "nodes:\n  r1: { forwrad: true }\n  r2: { hostname: [] }\n");
    let check = |line: &[&str]| netyard().args(line).current_dir(dir.path()).assert().code(1);
    let text = check(&["check"]).stdout_eq("").get_output().stderr.clone();
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("netyard.yaml:2:9") && text.contains("netyard.yaml:3:"), "{text}");
    assert!(text.contains("hint: did you mean `forward`?"), "{text}");
    let json = check(&["check", "--json"]).stderr_eq("").get_output().stdout.clone();
    let json = String::from_utf8(json).unwrap();
    assert!(json.contains("\"version\": 1") && json.contains("\"line\": 2"), "{json}");
}

#[test]
fn an_include_is_relative_to_the_file_that_has_it() {
    let dir = directory();
    fs::create_dir_all(dir.path().join("home/parts")).unwrap();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    write("home/netyard.yaml", "include: parts/nodes.yaml\n");
    write("home/parts/nodes.yaml", "include: more.yaml\nnodes: { a: {} }\n");
    write("home/parts/more.yaml", "nodes: { b: {} }\n");
    let check = || {
        let mut command = netyard().args(["check", "-f", "home/netyard.yaml"]);
        command = command.current_dir(dir.path());
        command.assert()
    };
    check().success().stdout_eq("home/netyard.yaml: 2 nodes\n");
    fs::remove_file(dir.path().join("home/parts/more.yaml")).unwrap();
    check().code(1).stderr_eq(str![[r#"
error[..] `more.yaml`[..]no such file or directory (ENOENT)
 --> home/parts/nodes.yaml:1:10
...
"#]]);
}

#[test]
fn a_directorys_name_stands_in_for_the_yards() {
    let dir = directory();
    fs::create_dir(dir.path().join("attic")).unwrap();
    write_yard(&dir.path().join("attic"), "nodes: { a: {} }\n");
    let plan = netyard().args(["plan", "--json"]).current_dir(dir.path().join("attic"));
    let plan = String::from_utf8(plan.output().unwrap().stdout).unwrap();
    assert!(plan.contains("\"yard\": \"attic\""), "{plan}");
}

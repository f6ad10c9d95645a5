//! Files that are no yard: each a diagnostic, none a panic.

use std::fs::{self, File};

use snapbox::str;

use crate::alone::alone;
use crate::site::Site;
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

alone! { User, fn a_file_that_one_may_not_read_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let site = Site::new("nodes: { a: {} }\n");
    let file = site.path().join("netyard.yaml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o0)).unwrap();
    for line in ["check", "plan", "up", "status", "test"] {
        site.netyard(line).assert().code(1).stdout_eq("").stderr_eq(str![[r#"
error[file-unreadable]: cannot read `netyard.yaml`: permission denied (EACCES)
...
"#]]);
    }
    assert_eq!(site.processes(), Vec::<std::path::PathBuf>::new());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    site.ok("check");
}}

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
fn a_pipe_that_nobody_writes_to_is_not_waited_for() {
    let dir = directory();
    let made = std::process::Command::new("mkfifo").arg(dir.path().join("pipe")).status().unwrap();
    assert!(made.success());
    netyard().args(["check", "-f", "pipe"]).current_dir(dir.path()).assert().code(1).stderr_eq(
        str![[r#"
error[file-unreadable]: cannot read `pipe`: it is a pipe, and nobody writes to it
hint: start what writes to it, or name a file

"#]],
    );
}

/// Each of these ends soon, in a diagnostic of that code, and in no panic.
#[test]
fn what_is_too_much_or_too_strange_is_told_with_its_code() {
    let levels = |open: &str, close: &str| {
        format!("nodes: {}{}\n", open.repeat(10_000), close.repeat(10_000))
    };
    let steps: String = (0..2_000).map(|depth| " ".repeat(depth) + "a:\n").collect();
    let aliases: String = ('b'..='k')
        .map(|c| {
            let before = char::from_u32(u32::from(c) - 1).unwrap();
            format!("{c}: &{c} [{}]\n", vec![format!("*{before}"); 9].join(","))
        })
        .collect();
    let cases: [(String, &str); 20] = [
        (levels("[", "]"), "too-deep"),
        (levels("{a: ", "}"), "too-deep"),
        (levels("[", ""), "too-deep"),
        (format!("nodes:\n  {}x\n", "- ".repeat(10_000)), "too-deep"),
        (steps, "too-deep"),
        (format!("a: &a [x, x]\n{aliases}nodes: *k\n"), "too-many"),
        ("nodes: { 'r[1..999999999]': {} }".to_owned(), "too-many"),
        ("nodes: { 'r[1..4294967295][1..4294967295][1..4294967295]': {} }".to_owned(), "too-many"),
        ("nodes: { 'r[0..4294967295]': {} }".to_owned(), "too-many"),
        ("nodes: { 'r[1..18446744073709551616]': {} }".to_owned(), "bad-range"),
        ("nodes: { 'r[9..1]': {} }".to_owned(), "range-reversed"),
        ("nodes: { a: {} }\nlinks: [{ for: { i: '1..99999', j: '1..99999' }, ends: ['a:x{i}', 'a:y{j}'] }]".to_owned(), "too-many"),
        ("nodes: { \"a\\0b\": {} }".to_owned(), "bad-name"),
        ("nodes: { \"a\\nb\": {} }".to_owned(), "bad-name"),
        ("nodes: { a\u{0}b: {} }".to_owned(), "not-yaml"),
        ("nodes: { a\u{7}b: {} }".to_owned(), "not-yaml"),
        (format!("nodes: {{ '{}': {{}} }}", "n".repeat(256)), "bad-name"),
        ("netwroks: { lan: {} }".to_owned(), "unknown-key"),
        ("nodes: { a: { interfaces: { eth0: { netwrok: lan } } } }".to_owned(), "unknown-key"),
        ("networks: { lan: {} }\nnodes: { a: { interfaces: { e: { network: lna } } } }".to_owned(), "network-unknown"),
    ];
    for (text, code) in cases {
        let begin: String = text.chars().take(60).collect();
        let output = netyard().args(["check", "-f", "-"]).stdin(text).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{begin}: {said}");
        assert!(said.contains(&format!("error[{code}]: ")), "{begin}: {said}");
        assert!(!said.contains("bug"), "{begin}: {said}");
        // A name with a line break in it does not break the message.
        assert!(said.lines().next().is_some_and(|first| !first.ends_with("`a")), "{said}");
    }
    let hint = |text: &str, hint: &str| {
        let output = netyard().args(["check", "-f", "-"]).stdin(text.to_owned()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains(hint), "{said}");
    };
    hint("netwroks: {}", "did you mean `networks`?");
    hint("nodes: { a: { interfaces: { eth0: { netwrok: x } } } }", "did you mean `network`?");
}

#[test]
fn files_that_include_each_other_are_told_with_the_circle() {
    let dir = directory();
    write_yard(dir.path(), "include: [a.yaml]\nnodes: { n: {} }\n");
    fs::write(dir.path().join("a.yaml"), "include: b.yaml\n").unwrap();
    fs::write(dir.path().join("b.yaml"), "include: ./a.yaml\n").unwrap();
    netyard().arg("check").current_dir(dir.path()).assert().code(1).stderr_eq(str![[r#"
error[include-cycle]: a file includes itself
 --> b.yaml:1:10
  |
1 | include: ./a.yaml
  |          ^^^^^^^^ [..]
hint: put what both need in a third file

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

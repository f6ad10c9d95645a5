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

//! Hosts that are not as they should be: a clear word each, nothing half done,
//! and `down` finds its way.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use snapbox::str;

use crate::alone::alone;
use crate::site::{Site, tree};

const PAIR: &str = "yard: pair\nlinks: [[a:x, b:x]]\nnodes: { a: {}, b: {} }\n";

/// Where the state of a user's yards is.
const STATE: &str = "/run/user/1000/netyard";

/// The output of a command of the machine, which must succeed.
#[track_caller]
fn sh(line: &str) {
    let output = std::process::Command::new("sh").args(["-c", line]).output().expect("sh");
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

#[track_caller]
fn is_clean(site: &Site) {
    assert_eq!(site.processes(), Vec::<PathBuf>::new());
    assert_eq!(tree(Path::new("/run")), Vec::<PathBuf>::new());
}

alone! { User, fn a_record_that_cannot_be_read_does_not_keep_a_yard_from_going() {
    let site = Site::new(PAIR);
    let record = format!("{STATE}/pair/record.json");
    for garbage in ["{\"x", "", "[]", "{\"version\":99}", "\u{0}\u{0}"] {
        site.ok("up");
        fs::write(&record, garbage).unwrap();
        site.netyard("up").assert().code(1).stderr_eq(str![[r#"
error: could not understand `[..]record.json`: [..]
hint: another version of netyard may have written it; `netyard down` works without it

"#]]);
        site.netyard("down").assert().success().stdout_eq("down: 2 nodes in [..]s\n");
        is_clean(&site);
    }
    site.ok("up");
    let text = fs::read_to_string(&record).unwrap();
    fs::write(&record, text.replacen("\"version\":1", "\"version\":99", 1)).unwrap();
    site.netyard("plan").assert().code(1).stderr_eq(str![[r#"
error: the state of this yard was written by another version of netyard (format 99)
hint: use that version, or `netyard down`, which works without it

"#]]);
    fs::write(format!("{STATE}/pair/journal"), b"\xff\xfe\n").unwrap();
    site.ok("down");
    is_clean(&site);
}}

alone! { User, fn what_is_no_directory_is_not_taken_for_one() {
    let site = Site::new(PAIR);
    fs::create_dir(STATE).unwrap();
    fs::create_dir("/run/else").unwrap();
    let place = format!("{STATE}/pair");
    for target in ["/run/else", "/nowhere"] {
        symlink(target, &place).unwrap();
        site.netyard("up").assert().code(1).stderr_eq(str![[r#"
error: `/run/user/1000/netyard/pair` is no directory, and netyard keeps its state in one
hint: move it away

"#]]);
        fs::remove_file(&place).unwrap();
    }
    fs::remove_dir("/run/else").unwrap();
    fs::remove_dir_all(STATE).unwrap();
    fs::write(STATE, "").unwrap();
    site.netyard("up").assert().code(1);
    site.netyard("list").assert().code(1);
    fs::remove_file(STATE).unwrap();
    is_clean(&site);
}}

alone! { Root, fn a_directory_without_room_or_rights_is_told_and_nothing_is_made() {
    let site = Site::new(PAIR);
    for options in ["ro", "nr_inodes=2", "size=4k,nr_inodes=3", "nr_inodes=4", "nr_inodes=5"] {
        sh(&format!("mkdir -p /run/netyard; mount -t tmpfs -o {options} small /run/netyard"));
        let failed = site.run("up");
        let said = String::from_utf8_lossy(&failed.stderr).into_owned();
        let names = std::process::Command::new("ip").arg("netns").output().expect("ip");
        if !names.stdout.is_empty() {
            // All was made when the last note failed; `down` needs less room.
            site.ok("down");
        }
        if !failed.status.success() {
            assert_eq!(failed.status.code(), Some(1), "{options}: {said}");
            let known = ["(EROFS)", "(ENOSPC)"].iter().any(|errno| said.contains(errno));
            assert!(known && !said.contains("bug"), "{options}: {said}");
        }
        sh("umount /run/netyard; rm -rf /run/netyard; test -z \"$(ip netns)\"");
    }
    is_clean(&site);
}}

alone! { User, fn too_few_descriptors_are_told_before_anything_is_made() {
    let site = Site::new(PAIR);
    let limited = std::process::Command::new("sh")
        .args(["-c", "ulimit -n 64; exec ./netyard up"])
        .current_dir(site.path())
        .output()
        .expect("sh");
    let said = String::from_utf8_lossy(&limited.stderr);
    assert_eq!(said, "\
error: 3 namespaces need 73 open files, and this process may open 64
hint: raise the limit: `ulimit -Hn 73`, or LimitNOFILE= of the service
");
    is_clean(&site);
}}

alone! { Root, fn a_node_with_a_very_long_name_goes_with_the_records_lost() {
    let long = "n".repeat(250);
    let site = Site::new(format!("yard: long\nnodes: {{ {long}: {{}}, b: {{}} }}\n"));
    site.ok("up");
    let mut inside = site.netyard_child(&["exec", &long, "--", "sleep", "1000"]);
    let id = inside.id();
    let asleep = || {
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        children.is_ok_and(|pids| !pids.trim().is_empty())
    };
    while !asleep() {
        assert!(inside.try_wait().unwrap().is_none(), "it does not run");
    }
    fs::remove_dir_all("/run/netyard").unwrap();
    fs::remove_file(site.path().join("netyard.yaml")).unwrap();
    assert!(site.ok("status --yard long").contains("up, 2 nodes"));
    site.netyard("down --yard long").assert().success().stdout_eq("down: 2 nodes in [..]s\n");
    // What ran in it has ended, too.
    assert!(!inside.wait().unwrap().success());
    is_clean(&site);
}}

alone! { User, fn a_yard_whose_keeper_was_ended_is_told_so_by_every_command() {
    let site = Site::new(PAIR);
    site.ok("up");
    assert_eq!(site.ok("list --json").matches("\"up\": true").count(), 1);
    for keeper in site.processes() {
        let id = keeper.file_name().unwrap().to_str().unwrap().to_owned();
        sh(&format!("kill -KILL {id}; while test -e /proc/{id}/exe; do :; done"));
    }
    let told = ["exec a -- true", "set a:x rate=1mbit", "test", "explain a b", "publish", "status --yard pair"];
    for line in told {
        site.netyard(line).assert().code(1).stdout_eq("").stderr_eq(str![[r#"
error: yard `pair` is not up: its keeper was ended, and all of it went along
hint: `netyard up` brings it up again, `netyard down` clears what is left of it

"#]]);
    }
    site.netyard("status").assert().success().stdout_eq("yard pair: not up (2 nodes in the file)\n")
        .stderr_eq(str![[r#"
warning: its keeper was ended, and all of it went along; `netyard up` brings it up again

"#]]);
    site.netyard("list").assert().success().stdout_eq("pair\n").stderr_eq(str![[r#"
warning: yard `pair` is not up: its keeper was ended, and all of it went along

"#]]);
    assert!(site.ok("list --json").contains("\"up\": false"));
    site.netyard("plan --check").assert().code(3);
    site.ok("up");
    site.ok("exec a -- true");
    assert!(site.ok("status").contains("all is well"));
    site.ok("down");
    is_clean(&site);
}}

alone! { User, fn who_only_looks_makes_no_directory() {
    let site = Site::new(PAIR);
    // Where it would be without a runtime directory; it may be somebody's.
    let place = Path::new("/tmp/netyard-1000");
    let before = place.exists();
    for line in ["plan", "status", "list", "check", "exec a -- true", "down", "doctor"] {
        site.netyard(line).env_remove("XDG_RUNTIME_DIR").output().expect("the binary");
        site.run(line);
        assert_eq!(place.exists(), before, "{line}");
        assert_eq!(fs::read_dir("/run/user/1000").unwrap().count(), 0, "{line}");
    }
    is_clean(&site);
}}

alone! { Root, fn without_namespaces_to_be_had_nothing_is_left() {
    let site = Site::new(PAIR);
    sh("echo 0 > /proc/sys/user/max_user_namespaces");
    let output = std::process::Command::new("setpriv")
        .args(["--bounding-set=-all", "--inh-caps=-all", "./netyard", "up"])
        .current_dir(site.path())
        .output()
        .expect("setpriv");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("error: could not start the keeper") && said.contains("hint: "), "{said}");
    is_clean(&site);
}}

alone! { Root, fn without_proc_nothing_is_tried() {
    let site = Site::new(PAIR);
    let hidden = |line: &str| {
        let script = format!("mount -t tmpfs none /proc && exec ./netyard {line}");
        let mut command = std::process::Command::new("unshare");
        command.args(["-m", "sh", "-c", &script]).current_dir(site.path());
        command.output().expect("unshare")
    };
    for line in ["up", "plan", "status", "down", "doctor"] {
        let output = hidden(line);
        assert_eq!(output.status.code(), Some(1), "{line}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "\
error: `/proc` is not mounted, and netyard works by it
hint: `mount -t proc proc /proc`
", "{line}");
    }
    is_clean(&site);
}}

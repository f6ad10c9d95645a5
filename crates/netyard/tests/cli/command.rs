//! What each command that meets the kernel says, and how it ends. As a user
//! without root, but where it says otherwise.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use snapbox::str;

use crate::alone::alone;
use crate::site::{Site, tree};

/// Two nodes and a cable: what every kernel can do.
const PAIR: &str = "yard: pair\nnodes: { a: {}, b: {} }\nlinks: [[a:x, b:x]]\n";
const ADDRESSED: &str = "\
yard: pair
nodes: { a: {}, b: {} }
links: [{ ends: [a:x, b:x], prefix: [10.9.0.0/31] }]
";

alone! { User, fn plan_tells_each_step_and_its_command() {
    let site = Site::new(ADDRESSED);
    let plan = site.netyard("plan").assert().success().stderr_eq("");
    plan.stdout_eq(str![[r#"
...
+ node a
    $ ip netns add pair-a
...
+ veth a:x to b:x
    $ ip -n pair-a link add dev x mtu 1500 address [..] type veth peer name x mtu 1500 address [..] netns pair-b
...
+ address 10.9.0.0/31 on a:x
    $ ip -n pair-a address add 10.9.0.0/31 dev x
...

[..] to add, 0 to change, 0 to remove

"#]]);
    let brief = site.ok("plan --brief");
    assert!(brief.contains("+ node b\n") && !brief.contains('$'), "{brief}");
    let json = site.ok("plan --json");
    assert!(json.contains("\"version\": 1") && json.contains("\"yard\": \"pair\""), "{json}");
    assert_eq!(tree(Path::new("/run")), Vec::<PathBuf>::new());
}}

alone! { User, fn plan_check_ends_with_3_until_up_has_run() {
    let site = Site::new(PAIR);
    site.netyard("plan --check").assert().code(3);
    site.ok("up");
    site.netyard("plan --check").assert().code(0).stdout_eq("nothing to do\n");
    site.ok("exec a -- ip link set x mtu 1400");
    let plan = site.netyard("plan --check --brief").assert().code(3);
    plan.stdout_eq(str![[r#"
~ veth a:x: mtu 1400 → 1500

0 to add, 1 to change, 0 to remove

"#]]);
    site.ok("up");
    site.ok("plan --check");
    site.ok("down");
}}

alone! { User, fn up_says_what_it_did_and_what_to_try() {
    let site = Site::new(ADDRESSED);
    let up = site.netyard("up").assert().success();
    let up = up.stdout_eq("up: 2 nodes, 1 link in [..]s\n");
    up.stderr_eq(str![[r#"
without root: the yard lives in a user namespace of its own
hint: `netyard exec a -- ping -c1 10.9.0.1`
hint: `netyard status`, `netyard down`

"#]]);
    site.ok("exec a -- ping -c1 -W1 10.9.0.1");
    let again = site.netyard("up").assert().success().stderr_eq("");
    again.stdout_eq("up: nothing to do, 2 nodes, 1 link\n");
    let file = site.path().join("netyard.yaml");
    std::fs::write(file, ADDRESSED.replace("b: {}", "b: { forward: true }")).unwrap();
    let changed = site.netyard("up").assert().success();
    changed.stdout_eq("up: 2 nodes, 1 link, [..] changed in [..]s\n");
    site.netyard("down").assert().success().stdout_eq("down: 2 nodes in [..]s\n");
    site.netyard("down").assert().success().stdout_eq("down: yard `pair` was not up\n");
}}

alone! { User, fn hints_can_be_typed_by_who_calls_netyard_by_its_path() {
    let site = Site::new(ADDRESSED);
    let sh = |line: &str| {
        let mut sh = std::process::Command::new("sh");
        sh.args(["-c", line]).current_dir(site.path()).output().expect("sh")
    };
    let said = String::from_utf8_lossy(&sh("./netyard up").stderr).into_owned();
    let hints: Vec<&str> = said.split('`').skip(1).step_by(2).collect();
    assert!(hints.len() >= 3 && hints.iter().all(|hint| hint.starts_with("./netyard ")), "{said}");
    for hint in hints {
        let done = sh(hint);
        assert!(done.status.success(), "{hint}: {}", String::from_utf8_lossy(&done.stderr));
    }
    // One of them took the yard down.
    assert_eq!(site.processes(), Vec::<PathBuf>::new());
}}

alone! { User, fn a_failing_command_undoes_all_and_leaves_nothing() {
    let site = Site::new("yard: pair\nnodes: { a: { exec: ['exit 7'] } }\n");
    let up = site.netyard("up").assert().code(1).stdout_eq("");
    up.stderr_eq(str![[r#"
error: could not run command `sh -c exit 7` in node `a`: exit status: 7
  --> netyard.yaml:2:22
  while doing: ip netns exec pair-a sh -c 'exit 7'
  undone: [..] of [..] steps

"#]]);
    assert_eq!(site.processes(), Vec::<PathBuf>::new());
    assert_eq!(tree(Path::new("/run")), Vec::<PathBuf>::new());
}}

alone! { User, fn a_refusal_is_told_with_the_names_that_namespaces_really_have() {
    let site = Site::new(PAIR);
    site.ok("up");
    // Whichever request it is: the first to be refused after those that look.
    let tried = (1..60).map(|at| {
        let set = site.netyard(&format!("set a:x rate={at}mbit"));
        let set = set.env("NETYARD_FAULT", format!("EPERM@{at}")).output().expect("the binary");
        String::from_utf8_lossy(&set.stderr).into_owned()
    });
    let said = tried.into_iter().find(|said| said.contains("while doing:")).expect("a refusal");
    assert!(said.contains("  while doing: tc -n pair-a qdisc replace dev x root tbf"), "{said}");
    site.ok("down");
}}

alone! { User, fn what_needs_the_host_is_refused_before_anything_is_made() {
    let site = Site::new("yard: h\nnetworks:\n  lan: { host: true }\nnodes: { a: {} }\n");
    site.netyard("check").assert().success();
    site.netyard("up").assert().code(1).stdout_eq("").stderr_eq(str![[r#"
error[needs-root]: this network is on the host, and that needs root
 --> netyard.yaml:3:16
  |
3 |   lan: { host: true }
  |                ^^^^
hint: run netyard as root, or keep the yard in namespaces of its own

"#]]);
    assert_eq!(site.processes(), Vec::<PathBuf>::new());
    assert_eq!(tree(Path::new("/run")), Vec::<PathBuf>::new());
}}

alone! { User, fn a_kernel_without_a_kind_is_named_before_anything_is_made() {
    let site = Site::new("yard: k\nnodes: { a: { interfaces: { d: { kind: dummy } } } }\n");
    // Kernels differ: what one refuses, netyard must tell, and nothing else.
    let line = ["-Urn", "ip", "link", "add", "d", "type", "dummy"];
    let has = std::process::Command::new("unshare").args(line).output().unwrap().status.success();
    for command in ["plan", "up"] {
        let output = site.run(command);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.success(), has, "{command}: {said}");
        assert_eq!(said.contains("error[kind-missing]: this kernel has no `dummy`"), !has, "{said}");
        assert_eq!(said.contains("CONFIG_DUMMY"), !has, "{said}");
    }
    if has {
        site.ok("down");
    }
    // A device that is root's alone is no lack of the kernel.
    let site = Site::new("yard: t\nnodes: { a: { interfaces: { t: { kind: tun } } } }\n");
    let opened = std::fs::OpenOptions::new().read(true).write(true).open("/dev/net/tun").is_ok();
    let output = site.run("plan");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let forbidden = Path::new("/dev/net/tun").exists() && !opened;
    assert_eq!(said.contains("error[device-forbidden]: a `tun` needs `/dev/net/tun`"), forbidden, "{said}");
    assert_eq!(output.status.success(), opened, "{said}");
    assert_eq!(site.processes(), Vec::<PathBuf>::new());
}}

alone! { User, fn exec_ends_as_the_command_ends() {
    let site = Site::new(PAIR);
    site.netyard("exec a -- true").assert().code(1).stderr_eq(str![[r#"
error: yard `pair` is not up
hint: `netyard up` brings it up; `netyard list` shows what is

"#]]);
    site.ok("up");
    site.netyard("exec a -- true").assert().code(0).stdout_eq("").stderr_eq("");
    let nine = |line: &str| site.netyard("exec a -- sh -c").arg(line).assert();
    nine("exit 9").code(9).stderr_eq("");
    nine("kill -TERM $$").code(128 + 15).stderr_eq("");
    site.netyard("exec a -- no-such-program").assert().code(127);
    site.netyard("exec a -- /").assert().code(126);
    site.netyard("exec nobody -- true").assert().code(1).stderr_eq(str![[r#"
error: yard `pair` has no node `nobody`

"#]]);
    site.netyard("exec a").assert().code(2);
    site.ok("down");
}}

alone! { User, fn a_shell_is_the_users_own() {
    let site = Site::new(PAIR);
    site.ok("up");
    let shell = site.netyard("shell b").env("SHELL", "/bin/sh").stdin("ip -br link show x\nexit 3\n");
    let output = shell.assert().code(3);
    assert!(String::from_utf8_lossy(&output.get_output().stdout).starts_with("x@"));
    site.ok("down");
}}

alone! { User, fn status_shows_health_and_what_differs() {
    let site = Site::new(ADDRESSED);
    site.netyard("status").assert().success().stdout_eq("yard pair: not up (2 nodes in the file)\n");
    site.ok("up");
    site.netyard("status").assert().success().stdout_eq(str![[r#"
yard pair: up, 2 nodes, all is well

NODE  INTERFACE  STATE  ON   ADDRESSES
a     x          up     b:x  10.9.0.0/31
b     x          up     a:x  10.9.0.1/31

LINK      STATE  FORWARD  BACKWARD
a:x--b:x  up     -        -

"#]]);
    site.ok("exec a -- ip address del 10.9.0.0/31 dev x");
    site.ok("exec b -- ip link set x down");
    site.netyard("status").assert().success().stdout_eq(str![[r#"
yard pair: up, 2 nodes, 2 nodes and 1 link not well

NODE  INTERFACE  STATE       ON   ADDRESSES
a     x          no-carrier  b:x  (10.9.0.0/31)
b     x          down        a:x  10.9.0.1/31

LINK      STATE  FORWARD  BACKWARD
a:x--b:x  down   -        -

differs from the file:
~ veth b:x: up false → true
+ address 10.9.0.0/31 on a:x

"#]]);
    let json = site.ok("status --json");
    assert!(json.contains("\"missing_addresses\": [\n"), "{json}");
    std::fs::remove_file(site.path().join("netyard.yaml")).unwrap();
    assert!(site.ok("status --yard pair").contains(" down "));
    site.ok("down --yard pair");
    site.netyard("status --yard pair").assert().code(1);
}}

alone! { User, fn watch_shows_the_yard_as_it_changes_and_ends_with_its_input() {
    let site = Site::new(PAIR);
    site.ok("up");
    let shown = site.netyard("status --watch").stdin("").assert().success();
    let shown = String::from_utf8_lossy(&shown.get_output().stdout).into_owned();
    assert!(shown.contains("yard pair: up"), "{shown}");
    site.ok("down");
}}

/// The pictures that `status --watch` shows, one after the other.
fn frames(mut output: std::process::ChildStdout) -> Receiver<String> {
    let (send, frames) = channel();
    std::thread::spawn(move || {
        let (mut text, mut bytes) = (String::new(), [0; 4096]);
        while let Ok(length @ 1..) = output.read(&mut bytes) {
            text.push_str(&String::from_utf8_lossy(&bytes[..length]));
            while let Some((frame, rest)) = text.split_once("\u{1b}[J") {
                let _ = send.send(frame.to_owned());
                text = rest.to_owned();
            }
        }
    });
    frames
}

alone! { User, fn watch_waits_for_what_the_kernel_tells() {
    let site = Site::new(ADDRESSED);
    let mut watch = std::process::Command::new(site.path().join("netyard"))
        .args(["status", "--watch", "--color", "always"])
        .current_dir(site.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary");
    let frames = frames(watch.stdout.take().expect("its output"));
    let wait = |for_what: &str| {
        let end = Instant::now() + Duration::from_secs(20);
        let mut last = String::new();
        while !last.contains(for_what) {
            let left = end.saturating_duration_since(Instant::now());
            last = frames.recv_timeout(left).unwrap_or_else(|_| panic!("no {for_what}: {last}"));
        }
    };
    wait("not up");
    site.ok("up");
    wait("all is well");
    // What `up` did has been told by now, and nothing else happens.
    while frames.recv_timeout(Duration::from_millis(1500)).is_ok() {}
    assert!(frames.recv_timeout(Duration::from_millis(2500)).is_err(), "it looks all the time");
    site.ok("exec b -- ip link set x down");
    wait("no-carrier");
    site.ok("exec b -- ip link set x up");
    site.ok("exec a -- ip address add 10.1.1.1/32 dev x");
    site.ok("exec b -- ip address del 10.9.0.1/31 dev x");
    wait("(10.9.0.1/31)");
    // It keeps nothing alive that goes.
    site.ok("down");
    wait("not up");
    drop(watch.stdin.take());
    assert!(watch.wait().expect("an end").success());
    assert_eq!(site.processes(), Vec::<PathBuf>::new());
}}

alone! { User, fn status_counts_packets_and_sees_the_carrier() {
    let site = Site::new(ADDRESSED);
    site.ok("up");
    site.ok("exec a -- ping -c3 -i0.01 -W1 10.9.0.1");
    let status = |options: &str| -> serde_json::Value {
        serde_json::from_str(&site.ok(&format!("status --json {options}"))).expect("JSON")
    };
    let x = |status: &serde_json::Value| {
        let interfaces = status["nodes"][0]["interfaces"].as_array().unwrap().clone();
        interfaces.into_iter().find(|one| one["interface"] == "x").unwrap()
    };
    let before = x(&status(""));
    assert_eq!((&before["operstate"], &before["carrier"]), (&"up".into(), &true.into()));
    assert!(before["received"]["packets"].as_u64() >= Some(3), "{before}");
    assert!(before["sent"]["bytes"].as_u64() >= Some(3 * 98), "{before}");
    let text = site.ok("status --counters --yard pair");
    assert!(text.contains("RECEIVED") && text.contains("DROPPED"), "{text}");
    site.ok("exec b -- ip link set x down");
    let after = x(&status("--yard pair"));
    assert_eq!((&after["state"], &after["carrier"]), (&"no-carrier".into(), &false.into()));
    site.ok("down");
}}

alone! { Root, fn names_are_given_and_taken_without_the_file() {
    let site = Site::new(PAIR);
    site.ok("up");
    std::fs::remove_file(site.path().join("netyard.yaml")).unwrap();
    assert_eq!(site.ok("unpublish --yard pair a"), "unpublished: 1 name\n");
    assert!(!Path::new("/run/netns/pair-a").exists());
    assert_eq!(site.ok("publish --yard pair"), "published: 1 name\n");
    assert!(Path::new("/run/netns/pair-a").exists());
    site.netyard("set --yard pair nowhere:x delay=1ms").assert().code(1).stderr_eq(str![[r#"
error: there is no interface `nowhere:x` in this yard
hint: links have names in the yard's file alone: `-f FILE`, or `node:interface`

"#]]);
    site.ok("down --yard pair");
}}

alone! { User, fn list_knows_the_yards_that_are_up() {
    let site = Site::new(PAIR);
    site.netyard("list").assert().success().stdout_eq("");
    site.ok("up");
    site.netyard("list").assert().success().stdout_eq("pair\n");
    assert!(site.ok("list --json").contains("\"yard\": \"pair\""));
    site.ok("down");
    site.netyard("list").assert().success().stdout_eq("");
}}

alone! { User, fn set_changes_a_rate_until_the_next_up() {
    let site = Site::new(PAIR);
    site.netyard("set a:x--b:x rate=1mbit").assert().code(1);
    site.ok("up");
    site.netyard("set a:x--b:x rate=1mbit").assert().success().stderr_eq(str![[r#"
hint: `netyard up` sets it back

"#]]);
    assert!(site.ok("status").contains("rate 1mbit  rate 1mbit"));
    site.netyard("plan --check").assert().code(3);
    site.ok("set a:x rate=2mbit");
    assert!(site.ok("status").contains("rate 2mbit  rate 1mbit"));
    site.ok("set a:x--b:x rate=0 --backward");
    assert!(site.ok("status").contains("rate 2mbit  -"));
    site.ok("up");
    site.ok("plan --check");
    site.netyard("set a:x rate=fast").assert().code(2);
    site.netyard("set a:x rate=1mbit --forward").assert().code(2);
    site.netyard("set c:x rate=1mbit").assert().code(1).stderr_eq(str![[r#"
error: there is no link or interface `c:x` in this yard
hint: its links: `a:x--b:x`

"#]]);
    site.ok("down");
}}

alone! { Root, fn names_can_be_taken_and_given() {
    let site = Site::new(PAIR);
    site.ok("up");
    assert!(Path::new("/run/netns/pair-a").exists());
    site.netyard("unpublish a").assert().success().stdout_eq("unpublished: 1 name\n");
    assert!(!Path::new("/run/netns/pair-a").exists() && Path::new("/run/netns/pair-b").exists());
    site.ok("exec a -- true");
    site.ok("publish");
    assert!(Path::new("/run/netns/pair-a").exists());
    site.ok("plan --check");
    site.netyard("publish nobody").assert().code(1);
    site.ok("down");
    assert_eq!(site.processes(), Vec::<PathBuf>::new());
}}

alone! { Root, fn a_yard_too_large_for_names_lives_on_in_its_keeper() {
    let ring = "yard: ring\nnodes: { 'r[1..260]': {} }\n\
                links: [{ for: { i: 1..259 }, ends: [ r$i:right, 'r$(i + 1):left' ] }]\n";
    let site = Site::new(ring);
    site.ok("up");
    assert!(!Path::new("/run/netns/ring-r1").exists());
    site.ok("exec r260 -- ip link show left");
    site.ok("plan --check");
    site.ok("publish r7");
    assert!(Path::new("/run/netns/ring-r7").exists());
    site.ok("down");
    assert_eq!(site.processes(), Vec::<PathBuf>::new());
    assert_eq!(tree(Path::new("/run")), Vec::<PathBuf>::new());
}}

alone! { User, fn a_yard_that_differs_from_its_file_is_not_called_well() {
    let site = Site::new("yard: lone
nodes: { a: { routes: [{ to: 10.9.0.0/16, blackhole: true }] } }
");
    site.ok("up");
    assert!(site.ok("status").starts_with("yard lone: up, 1 node, all is well\n"));
    site.ok("exec a -- ip route del blackhole 10.9.0.0/16");
    let said = site.ok("status");
    assert!(said.starts_with("yard lone: up, 1 node, differs from the file\n"), "{said}");
    site.ok("down");
}}

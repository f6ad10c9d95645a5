//! What each command that meets the kernel says, and how it ends. As a user
//! without root, but where it says otherwise.

use std::path::{Path, PathBuf};

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
    $ ip -n pair-a link add x mtu 1500 address [..] type veth peer name x mtu 1500 address [..] netns pair-b
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

alone! { User, fn a_failing_command_undoes_all_and_leaves_nothing() {
    let site = Site::new("yard: pair\nnodes: { a: { exec: ['exit 7'] } }\n");
    let up = site.netyard("up").assert().code(1).stdout_eq("");
    up.stderr_eq(str![[r#"
error: could not run command `sh -c exit 7` in node `a`: exit status: 7
  while doing: [..]sh -c[..]
  undone: [..] of [..] steps

"#]]);
    assert_eq!(site.processes(), Vec::<PathBuf>::new());
    assert_eq!(tree(Path::new("/run")), Vec::<PathBuf>::new());
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
error: node `nobody` is not up
...
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

NODE  INTERFACE  STATE    ON   ADDRESSES
a     x          differs  b:x  (10.9.0.0/31)
b     x          down     a:x  10.9.0.1/31

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

//! Services where systemd is the machine's first process: as root of the whole
//! machine, without a namespace of the test's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use crate::service::{lives, pid, service, sh, supervisors, until};
use crate::site::{Site, tree};

const SERVED: &str = "\
yard: my-yard
nodes:
  a:
    hostname: a-core
    services:
      web:
        run: [busybox, httpd, -f, -p, \"8080\"]
        ready: { tcp: 8080 }
        after: [first, address eth0]
      first: { run: echo first was here, ready: exit }
      talk: { run: \"echo I am $GREETING on $(uname -n); exec sleep 1000\", environment: { GREETING: polite } }
      babeld: { interfaces: [eth0] }
  b: { interfaces: { eth0: { } } }
links: [{ ends: [a:eth0, b:eth0], prefix: 10.9.0.0/31 }]
";

/// One machine, one test.
static MACHINE: Mutex<()> = Mutex::new(());

/// What `systemctl` says.
fn systemctl(arguments: &str) -> String {
    let mut command = Command::new("systemctl");
    let output = command.args(arguments.split_whitespace()).output().expect("systemctl");
    String::from_utf8(output.stdout).expect("text")
}

/// Units, slices and control groups of netyard.
fn traces() -> Vec<String> {
    let units = systemctl("list-units --all --plain --no-legend netyard*");
    let groups = Command::new("find").args(["/sys/fs/cgroup", "-name", "netyard*"]).output();
    let groups = String::from_utf8(groups.expect("find").stdout).expect("text");
    units.lines().chain(groups.lines()).map(str::to_owned).collect()
}

/// What yards have noted, but for what they lend to each other: tests of radios do meanwhile.
fn state() -> Vec<PathBuf> {
    let lent = |path: &PathBuf| path.starts_with("/run/netyard/lent");
    tree(Path::new("/run/netyard")).into_iter().filter(|path| !lent(path)).collect()
}

fn unit(place: &str, name: &str) -> String {
    format!("netyard:my\\x2dyard:{place}:{name}.service")
}

fn property(unit: &str, name: &str) -> String {
    let value = systemctl(&format!("show --value -p {name} {unit}"));
    value.trim().to_owned()
}

#[test]
#[ignore = "needs the VM tier: systemd as the first process"]
fn services_are_units_of_a_slice_and_go_without_a_trace() {
    let _alone = MACHINE.lock();
    assert!(Path::new("/run/systemd/system").is_dir(), "systemd does not run here");
    let site = Site::new(SERVED);
    let before = state();
    assert_eq!(traces(), Vec::<String>::new());
    site.ok("up");
    site.ok("plan --check");
    // They are units, and nobody else watches them.
    assert_eq!(supervisors(&site), Vec::<u64>::new());
    let web = unit("a", "web");
    assert_eq!(property(&web, "Slice"), "netyard-my\\x2dyard.slice");
    assert_eq!(property(&web, "ActiveState"), "active");
    let number = pid(&site, "web");
    assert_eq!(property(&web, "MainPID"), number.to_string());
    // In the node's namespaces, and reached there.
    let net = |of: &str| fs::read_link(format!("/proc/{of}/ns/net")).expect("a namespace");
    assert_ne!(net(&number.to_string()), net("1"));
    let reached =
        site.netyard("exec b -- busybox nc -w 5 10.9.0.0 8080").stdin("GET / HTTP/1.0\r\n\r\n");
    let said = String::from_utf8_lossy(&reached.output().expect("nc").stdout).into_owned();
    assert!(said.starts_with("HTTP/1."), "{said}");
    assert_eq!(service(&site, "first")["state"], "done");
    let logs = site.ok("logs a");
    assert!(logs.contains("first  | first was here\n"), "{logs}");
    assert!(logs.contains("talk   | I am polite on a-core\n"), "{logs}");
    // What knows what it needs has nothing beyond.
    let babeld = pid(&site, "babeld");
    let status = fs::read_to_string(format!("/proc/{babeld}/status")).expect("a process");
    let bound = status.lines().find_map(|line| line.strip_prefix("CapBnd:")).expect("a set");
    let bound = u64::from_str_radix(bound.trim(), 16).expect("a number");
    assert_eq!((bound >> 21 & 1, bound >> 12 & 1), (0, 1), "{bound:x}");
    assert!(status.contains("NoNewPrivs:\t1"), "{status}");

    // Killed, and ended by the user, it is there again.
    sh(&format!("kill -9 {number}"));
    until("web again", || service(&site, "web")["pid"].as_u64().is_some_and(|pid| pid != number));
    until("ready", || service(&site, "web")["state"] == "up");
    assert_eq!(service(&site, "web")["restarts"], 1);
    assert_eq!(service(&site, "web")["ended"], "killed by signal 9");
    let number = pid(&site, "web");
    site.ok("restart a web");
    assert_ne!(pid(&site, "web"), number);
    site.ok("plan --check");

    // Logs are looked at from time to time; here the time has come.
    assert_eq!(property("netyard:my\\x2dyard.timer", "ActiveState"), "active");
    let log = Path::new("/run/netyard/my-yard/process/a/talk/log");
    fs::OpenOptions::new().append(true).open(log).expect("a log").set_len(5 << 20).expect("room");
    systemctl("start netyard:my\\x2dyard.service");
    assert_eq!(fs::metadata(log).expect("a log").len(), 0);
    assert_eq!(fs::metadata(log.with_extension("1")).expect("a log").len(), 5 << 20);

    let last: Vec<u64> = ["web", "talk", "babeld"].map(|name| pid(&site, name)).to_vec();
    site.ok("down");
    assert!(!last.into_iter().any(lives));
    assert_eq!(traces(), Vec::<String>::new());
    assert_eq!(site.processes(), Vec::<PathBuf>::new());
    assert_eq!(state(), before);
}

#[test]
#[ignore = "needs the VM tier: systemd as the first process"]
fn units_live_through_the_death_of_a_command_and_go_with_the_state_lost() {
    let _alone = MACHINE.lock();
    let yard = |name: &str, talk: &str| {
        format!(
            "yard: {name}\nnodes:\n  x:\n    services:\n      nap: {{ run: [sleep, \"1000\"] }}\n{talk}"
        )
    };
    let site = Site::new(yard("lost", ""));
    site.ok("up");
    let nap = pid(&site, "nap");
    // A service that is never ready keeps the next `up` waiting; that is killed.
    let slow = "      slow: { run: [sleep, \"1001\"], ready: { tcp: 99, within: 60s } }\n";
    crate::write_yard(site.path(), yard("lost", slow));
    let mut up = site.netyard_child(&["up"]);
    until("slow", || {
        systemctl("list-units --all --plain --no-legend netyard:lost:x:slow.service")
            .contains("activating")
    });
    up.kill().expect("it runs");
    up.wait().expect("a child");
    assert_eq!(pid(&site, "nap"), nap);
    crate::write_yard(site.path(), yard("lost", ""));
    site.ok("up");
    assert_eq!(pid(&site, "nap"), nap);
    assert!(!systemctl("list-units --all netyard:lost:*").contains("slow"));

    // What keeps a service from starting is told as elsewhere.
    let bad = "      bad: { run: \"echo the reason; exit 7\" }\n";
    crate::write_yard(site.path(), yard("lost", bad));
    let output = site.run("up");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("exited with 7") && said.contains("the reason"), "{said}");
    assert!(!systemctl("list-units --all netyard:lost:*").contains("bad"));

    fs::remove_dir_all("/run/netyard/lost").expect("the state");
    crate::write_yard(site.path(), yard("lost", ""));
    site.ok("down");
    assert!(!lives(nap));
    assert!(!traces().iter().any(|trace| trace.contains("lost")), "{:?}", traces());
}

#[test]
#[ignore = "needs the VM tier: systemd as the first process"]
fn who_wants_no_units_gets_none_and_what_there_is_stays_what_it_is() {
    let _alone = MACHINE.lock();
    let of = |names: &[&str]| {
        let nap = |name: &&str| format!("      {name}: {{ run: [sleep, \"1000\"] }}\n");
        let naps: String = names.iter().map(nap).collect();
        format!("yard: mixed\nnodes:\n  x:\n    services:\n{naps}")
    };
    let site = Site::new(of(&["one"]));
    site.ok("up");
    let one = pid(&site, "one");
    assert!(property("netyard:mixed:x:one.service", "MainPID") == one.to_string());
    crate::write_yard(site.path(), of(&["one", "two"]));
    let own = |command: &str| {
        let output = site.netyard(command).env("NETYARD_SYSTEMD", "0").output().expect("netyard");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    own("up");
    assert_eq!(supervisors(&site).len(), 2);
    assert_eq!(pid(&site, "one"), one);
    assert_eq!(property("netyard:mixed:x:two.service", "LoadState"), "not-found");
    own("plan --check");
    site.ok("plan --check");
    // A yard whose name begins with another's has nothing to do with it.
    let longer = Site::new(
        "yard: mixed-x\nnodes:\n  x:\n    services:\n      nap: { run: [sleep, \"9\"] }\n",
    );
    longer.ok("up");
    let nap = pid(&longer, "nap");
    let two = pid(&site, "two");
    own("down");
    assert!(!lives(one) && !lives(two) && lives(nap));
    longer.ok("down");
    assert!(!traces().iter().any(|trace| trace.contains("mixed")), "{:?}", traces());
}

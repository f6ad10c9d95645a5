//! Services of nodes: started, ready, restarted, taken over, ended.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::alone::alone;
use crate::site::{Site, tree};

/// The number of a service's process, from `status --json`.
#[track_caller]
pub fn pid(site: &Site, name: &str) -> u64 {
    service(site, name)["pid"].as_u64().unwrap_or_else(|| panic!("{name} does not run"))
}

#[track_caller]
pub fn service(site: &Site, name: &str) -> serde_json::Value {
    let status: serde_json::Value = serde_json::from_str(&site.ok("status --json")).unwrap();
    let services = status["services"].as_array().unwrap();
    services.iter().find(|s| s["service"] == name).unwrap_or_else(|| panic!("{status}")).clone()
}

pub fn sh(line: &str) {
    let status = Command::new("sh").args(["-c", line]).status().expect("sh");
    assert!(status.success(), "{line}: {status}");
}

/// Asks again until it is so, at most 20 s.
#[track_caller]
pub fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = std::time::Instant::now();
    while !is_so() {
        assert!(begun.elapsed().as_secs() < 20, "{what} did not come");
        std::thread::yield_now();
    }
}

pub fn lives(pid: u64) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// The processes of a site's supervisor: the guard, then what it guards.
pub fn supervisors(site: &Site) -> Vec<u64> {
    let mut found: Vec<u64> = site
        .processes()
        .iter()
        .filter(|path| {
            let line = fs::read(path.join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains("supervisor")
        })
        .map(|path| path.file_name().unwrap().to_str().unwrap().parse().unwrap())
        .collect();
    found.sort();
    found
}

const SERVED: &str = "\
yard: served
nodes:
  a:
    services:
      web:
        run: [python3, -m, http.server, \"8080\", --directory, \"{dir}\"]
        environment: { GREETING: hello }
        ready: { tcp: 8080 }
        after: [first, address eth0]
      first: { run: echo first was here, ready: exit }
      talk: { run: \"echo I am $GREETING; exec sleep 1000\", environment: { GREETING: polite } }
  b: {}
links: [{ ends: [a:eth0, b:eth0], prefix: 10.9.0.0/31 }]
";

fn a_service_is_reached_when_up_returns() {
    let site = Site::new(SERVED);
    let before = tree(Path::new("/run"));
    site.ok("up");
    let get = "import socket; s=socket.create_connection(('10.9.0.0',8080),5); \
               s.send(b'GET / HTTP/1.0\\r\\n\\r\\n'); print(s.recv(99).decode())";
    let output = site.netyard("exec b -- python3 -c").arg(get).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("200 OK"), "{output:?}");
    site.ok("plan --check");
    let status = site.ok("status");
    assert!(status.contains("all is well"), "{status}");
    assert_eq!(service(&site, "first")["state"], "done");
    let logs = site.ok("logs a");
    assert!(logs.contains("first | first was here\n"), "{logs}");
    assert!(logs.contains("talk  | I am polite\n"), "{logs}");
    let web = pid(&site, "web");
    site.ok("restart a web");
    assert_ne!(pid(&site, "web"), web);
    site.ok("down");
    assert_eq!(site.processes(), Vec::<PathBuf>::new());
    assert_eq!(tree(Path::new("/run")), before);
    let sockets = fs::read_to_string("/proc/net/unix").unwrap();
    assert!(!sockets.contains("netyard"), "{sockets}");
}

alone! { User, fn services_run_without_root() { a_service_is_reached_when_up_returns(); } }
alone! { Root, fn services_run_with_root() { a_service_is_reached_when_up_returns(); } }

fn nothing_is_lost_with_the_supervisor() {
    let site = Site::new(
        "\
yard: crash
nodes:
  a: { services: { nap: { run: [sleep, \"1000\"] }, doze: { run: [sleep, \"1001\"] } } }
",
    );
    let before = tree(Path::new("/run"));
    site.ok("up");
    let (nap, doze) = (pid(&site, "nap"), pid(&site, "doze"));
    let [guard, supervisor] = supervisors(&site)[..] else { panic!("{:?}", supervisors(&site)) };
    // It is begun anew by its guard, and takes over what runs.
    sh(&format!("kill -9 {supervisor}"));
    until(
        "another supervisor",
        || matches!(supervisors(&site)[..], [one, other] if one == guard && other != supervisor),
    );
    assert_eq!((pid(&site, "nap"), pid(&site, "doze")), (nap, doze));
    sh(&format!("kill -9 {nap}"));
    until("nap again", || service(&site, "nap")["pid"].as_u64().is_some_and(|pid| pid != nap));
    // Both are killed: the processes go on, and the next command has them watched.
    for pid in supervisors(&site) {
        sh(&format!("kill -9 {pid}"));
    }
    until("no supervisor", || supervisors(&site).is_empty());
    assert!(lives(doze));
    let status = site.run("status");
    assert!(String::from_utf8_lossy(&status.stderr).contains("nobody watches"), "{status:?}");
    site.ok("up");
    assert_eq!(pid(&site, "doze"), doze);
    sh(&format!("kill -9 {doze}"));
    until("doze again", || service(&site, "doze")["pid"].as_u64().is_some_and(|pid| pid != doze));
    let last = [pid(&site, "nap"), pid(&site, "doze")];
    site.ok("down");
    assert!(!last.into_iter().any(lives));
    assert_eq!(site.processes(), Vec::<PathBuf>::new());
    assert_eq!(tree(Path::new("/run")), before);
}

alone! { User, fn a_crash_of_the_supervisor_loses_nothing_without_root() {
    nothing_is_lost_with_the_supervisor();
}}
alone! { Root, fn a_crash_of_the_supervisor_loses_nothing_with_root() {
    nothing_is_lost_with_the_supervisor();
}}

alone! { User, fn down_ends_services_of_which_nobody_knows_any_more() {
    let site = Site::new("yard: lost\nnodes: { a: { services: { nap: { run: \"sleep 1000 & exec sleep 1001\" } } } }\n");
    site.ok("up");
    let nap = pid(&site, "nap");
    for pid in supervisors(&site) {
        sh(&format!("kill -9 {pid}"));
    }
    fs::remove_dir_all("/run/user/1000/netyard/lost/process").unwrap();
    site.ok("down");
    assert!(!lives(nap));
    assert_eq!(tree(Path::new("/run")), Vec::<PathBuf>::new());
}}

alone! { User, fn a_service_that_goes_from_the_file_ends_with_what_it_left_behind() {
    let with = "yard: go\nnodes:\n  a:\n    services:\n      nap: { run: \"sleep 1234 & exec sleep 1235\" }\n";
    let site = Site::new(with);
    site.ok("up");
    let sleeps = || {
        let output = Command::new("pgrep").args(["-fx", "sleep 123[45]"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().lines().count()
    };
    assert_eq!(sleeps(), 2);
    crate::write_yard(site.path(), "yard: go\nnodes: { a: {} }\n");
    let plan = site.ok("plan");
    assert!(plan.contains("- process nap in a\n"), "{plan}");
    site.ok("up");
    assert_eq!(sleeps(), 0);
    // Nothing is left to supervise.
    assert_eq!(supervisors(&site), Vec::<u64>::new());
    site.ok("down");
}}

#[track_caller]
pub fn fails(site: &Site, words: &[&str]) {
    let output = site.run("up");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    for word in words {
        assert!(said.contains(word), "no `{word}` in: {said}");
    }
}

alone! { User, fn what_keeps_a_service_from_starting_is_told_and_undone() {
    let yard = |service: &str| format!("yard: bad\nnodes:\n  a:\n    services:\n      s: {service}\n");
    let site = Site::new(yard("{ run: [no-such-program] }"));
    fails(&site, &["there is no program `no-such-program`", "hint: install", "undone"]);
    let again = |service: &str| crate::write_yard(site.path(), yard(service));
    again("{ run: [sleep, \"9\"], user: no-such-user }");
    fails(&site, &["there is no user `no-such-user`"]);
    again("{ run: [sleep, \"9\"], user: nobody }");
    fails(&site, &["without root nothing runs as `nobody`", "leave `user` out"]);
    again("{ run: \"echo the reason; exit 7\" }");
    fails(&site, &["exited with 7", "the reason"]);
    again("{ run: \"echo the last line; exec sleep 100\", ready: { tcp: 99, within: 200ms } }");
    fails(&site, &["not ready after 0.2 s", "the last line"]);
    assert_eq!(site.processes(), Vec::<PathBuf>::new());
    assert_eq!(tree(Path::new("/run")), Vec::<PathBuf>::new());
}}

alone! { Root, fn a_port_that_is_taken_is_told_with_its_owner() {
    let listen = "import socket,time; s=socket.create_server(('',8080)); time.sleep(1000)";
    let site = Site::new("yard: port\nnodes: { a: {} }\n");
    site.ok("up");
    let mut other = site.netyard_child(&["exec", "a", "--", "python3", "-c", listen]);
    until("the listener", || site.ok("exec a -- ss -ltn").contains(":8080"));
    crate::write_yard(site.path(), "yard: port\nnodes: { a: { services: { web: { run: [sleep, \"9\"], ready: { tcp: 8080 } } } } }\n");
    fails(&site, &["`python3` (process ", "has tcp port 8080"]);
    site.ok("down");
    other.wait().unwrap();
}}

alone! { User, fn data_stays_until_nobody_wants_it_any_more() {
    // Without root data is in the home directory: one of the test's own.
    let yard = |services: &str| format!("yard: kept\nnodes: {{ a: {{ services: {{ {services} }} }} }}\n");
    let keep = "s: { run: \"echo x >> {data}/x; exec sleep 1000\", data: true }";
    let site = Site::new(yard(keep));
    let state = site.path().join("state");
    let run = |line: &str| {
        let output = site.netyard(line).env("XDG_STATE_HOME", &state).output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let lines = || {
        let path = state.join("netyard/kept/process/a/s/x");
        fs::read_to_string(path).map_or(0, |text| text.lines().count())
    };
    run("up");
    until("the first line", || lines() == 1);
    run("restart a s");
    until("a second line", || lines() == 2);
    run("down --keep-data");
    assert_eq!(lines(), 2);
    run("up");
    until("a third line", || lines() == 3);
    crate::write_yard(site.path(), yard(""));
    run("up");
    assert_eq!(tree(&state), Vec::<PathBuf>::new());
    crate::write_yard(site.path(), yard(keep));
    run("up");
    run("down");
    assert!(!state.join("netyard").exists());
}}

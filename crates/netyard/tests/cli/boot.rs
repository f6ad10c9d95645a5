//! What brings a yard up at boot. systemd itself is in the VM tier (`vm_boot`); here
//! a stand-in writes down what it is asked for.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::alone::alone;
use crate::site::Site;

const YARD: &str =
    "yard: home\nnodes: { a: {}, b: {} }\nlinks: [{ ends: [a:x, b:x], prefix: 10.9.0.0/31 }]\n";
const UNIT: &str = "/etc/systemd/system/netyard-home.service";

/// A machine on which systemd seems to run, and a place of root's for the file and
/// the program.
fn machine(site: &Site) -> impl Fn(&str) -> snapbox::cmd::Command + use<> {
    fs::create_dir_all("/run/systemd/system").expect("/run of our own");
    fs::create_dir_all("/etc/systemd/system").expect("/etc of our own");
    fs::create_dir_all("/run/bin").expect("/run of our own");
    fs::create_dir_all("/etc/netyard").expect("/etc of our own");
    fs::copy(site.path().join("netyard.yaml"), "/etc/netyard/home.yaml").expect("a copy");
    fs::write("/run/bin/systemctl", "#!/bin/sh\necho \"$*\" >> /run/asked\n").expect("a stand-in");
    fs::set_permissions("/run/bin/systemctl", fs::Permissions::from_mode(0o755)).expect("ours");
    fs::copy(env!("CARGO_BIN_EXE_netyard"), "/run/bin/netyard").expect("a copy of the binary");
    let path = format!("/run/bin:{}", std::env::var("PATH").unwrap_or_default());
    move |line: &str| {
        snapbox::cmd::Command::new("/run/bin/netyard")
            .args(line.split_whitespace())
            .env("PATH", &path)
    }
}

fn asked() -> String {
    let said = fs::read_to_string("/run/asked").unwrap_or_default();
    let _ = fs::remove_file("/run/asked");
    said
}

alone! { Root, fn enable_writes_a_unit_that_systemd_finds_no_fault_with_and_disable_takes_it_back() {
    let site = Site::new(YARD);
    let netyard = machine(&site);
    netyard("enable -f /etc/netyard/home.yaml").assert().success()
        .stdout_eq("enabled: yard `home` comes at boot, by netyard-home.service\n");
    assert_eq!(asked(), "daemon-reload\nenable --quiet netyard-home.service\n");
    let unit = fs::read_to_string(UNIT).expect("the unit");
    assert!(unit.contains("ExecStart=/run/bin/netyard up -f /etc/netyard/home.yaml\n"), "{unit}");
    let verified = Command::new("systemd-analyze").args(["verify", "--man=no", UNIT]).output().expect("systemd-analyze");
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    let about_ours: Vec<&str> = said.lines().filter(|line| line.contains("netyard")).collect();
    assert!(about_ours.is_empty(), "{said}");
    // Twice is once.
    netyard("enable -f /etc/netyard/home.yaml").assert().success()
        .stdout_eq("enabled already: yard `home` comes at boot, by netyard-home.service\n");
    assert_eq!(asked(), "enable --quiet netyard-home.service\n");
    // The file is gone, and still it can be taken back.
    fs::remove_file("/etc/netyard/home.yaml").expect("ours");
    netyard("disable --yard home").assert().success()
        .stdout_eq("disabled: yard `home` no longer comes at boot\n");
    assert_eq!(asked(), "disable --quiet netyard-home.service\ndaemon-reload\n");
    assert!(!Path::new(UNIT).exists());
    netyard("disable --yard home").assert().success()
        .stdout_eq("disable: yard `home` did not come at boot\n");
} }

alone! { Root, fn a_yard_that_somebody_takes_down_is_not_up_for_systemd_either() {
    let site = Site::new(YARD);
    let netyard = machine(&site);
    netyard("up -f /etc/netyard/home.yaml").assert().success();
    netyard("down --yard home").assert().success();
    assert_eq!(asked(), "", "no unit of it runs");
    netyard("up -f /etc/netyard/home.yaml").assert().success();
    fs::create_dir_all("/run/systemd/units").expect("ours");
    std::os::unix::fs::symlink("0", "/run/systemd/units/invocation:netyard-home.service").expect("ours");
    netyard("down --yard home").assert().success();
    assert_eq!(asked(), "is-active --quiet netyard-home.service\nstop netyard-home.service\n");
} }

alone! { Root, fn what_others_may_change_is_not_what_root_does_at_boot() {
    let site = Site::new(YARD);
    let netyard = machine(&site);
    fs::set_permissions("/etc/netyard/home.yaml", fs::Permissions::from_mode(0o666)).expect("ours");
    let refused = netyard("enable -f /etc/netyard/home.yaml").assert().code(1);
    refused.stderr_eq("error: `/etc/netyard/home.yaml` others than root may change, [..]\n...\nhint: [..]`install -D -m 600 [..]\n");
    assert!(!Path::new(UNIT).exists());
    fs::set_permissions("/etc/netyard/home.yaml", fs::Permissions::from_mode(0o600)).expect("ours");
    fs::set_permissions("/etc/netyard", fs::Permissions::from_mode(0o777)).expect("ours");
    netyard("enable -f /etc/netyard/home.yaml").assert().code(1);
    assert!(!Path::new(UNIT).exists());
    assert_eq!(asked(), "");
} }

alone! { Root, fn without_systemd_enable_says_what_else_can_be_done() {
    let site = Site::new(YARD);
    let netyard = machine(&site);
    fs::remove_dir_all("/run/systemd").expect("ours");
    netyard("enable -f /etc/netyard/home.yaml").assert().code(1)
        .stderr_eq("error: systemd does not run this machine (there is no `/run/systemd/system`)\nhint: [..]`netyard up -f FILE`[..]\n");
    netyard("disable --yard home").assert().code(1);
    assert_eq!(asked(), "");
} }

alone! { User, fn without_root_nothing_comes_at_boot() {
    let site = Site::new(YARD);
    site.netyard("enable").assert().code(1).stderr_eq("error: only root can say what comes at boot\nhint: [..]`sudo`[..]\n");
    let refused = site.netyard("enable -f -").stdin("yard: home\nnodes: { a: {} }\n").assert();
    refused.code(2);
} }

alone! { User, fn another_netyard_under_a_running_yard_changes_nothing() {
    let site = Site::new(YARD);
    site.ok("up");
    let before = processes(&site);
    assert!(!before.is_empty(), "a yard without root has a keeper");
    // As a package manager does it: a new file under the old name.
    let binary = site.path().join("netyard");
    fs::copy(&binary, site.path().join("new")).expect("a copy");
    fs::rename(site.path().join("new"), &binary).expect("a rename");
    site.ok("plan --check");
    site.ok("exec a -- ping -c1 -W2 10.9.0.1");
    assert_eq!(processes(&site), before);
    assert!(site.ok("up").contains("nothing to do"));
    assert_eq!(processes(&site), before);
    site.ok("down");
    assert!(processes(&site).is_empty());
} }

/// The numbers of processes of this site, of the old binary as of the new one.
fn processes(site: &Site) -> Vec<String> {
    let mut all: Vec<String> = site.processes().iter().map(|p| p.display().to_string()).collect();
    all.sort();
    all
}

alone! { Root, fn yards_that_come_up_at_the_same_time_do_not_take_each_others_indices() {
    let sites: Vec<Site> = ["a", "b", "c", "d"]
        .iter()
        .map(|yard| {
            let bridges: String = (0..40)
                .map(|n| format!("  n{n}: {{ bridge: br-{yard}{n}, prefix: none }}\n"))
                .collect();
            Site::new(format!("yard: {yard}\nnetworks:\n{bridges}nodes:\n  {yard}1: {{ interfaces: {{ eth0: {{ network: n0, address: none }} }} }}\n"))
        })
        .collect();
    let mut ups: Vec<_> = sites.iter().map(|site| site.netyard_child(&["up"])).collect();
    for up in &mut ups {
        assert!(up.wait().expect("it ends").success());
    }
    for site in &sites {
        site.ok("plan --check");
        site.ok("down");
    }
}}

//! The firewalls themselves, as Debian has them, on the test's own machine: what
//! they really write is known for theirs, blamed by its handle, and mended by the
//! command that the hint names.

use std::process::{Child, Command, Stdio};

use serde_json::json;

use super::{HOME, Patient};
use crate::alone::alone;

/// A daemon that goes with the test.
struct Daemon(Child);

impl Daemon {
    fn start(program: &str, arguments: &[&str]) -> Self {
        let started = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(started.unwrap_or_else(|e| panic!("`{program}`, of `cargo xtask ci-tools`: {e}")))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A bus without users but root: all there is in the test's user namespace.
const BUS: &str = r#"mkdir -p /run/dbus; cat > /run/dbus.conf <<X
<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
<allow own="*"/><allow user="*"/></policy></busconfig>
X"#;

/// Does what the hints say until nothing is found any more.
#[track_caller]
fn mended(patient: &mut Patient, id: &str) {
    for _ in 0..8 {
        let found = patient.found();
        let of: Vec<_> = found.iter().filter(|one| one["check"] == id).collect();
        let Some(first) = of.first() else { return };
        for fix in first["fix"].as_array().unwrap() {
            // A hint may name two commands, one after the other.
            for command in fix.as_str().unwrap().split('`').skip(1).step_by(2) {
                patient.sh(command);
            }
        }
    }
    patient.is_free_of(id);
}

alone! { Root, fn the_real_ufw_is_blamed_and_its_own_command_helps() {
    let mut patient = Patient::yard(HOME);
    patient.is_free_of("ufw-drop");
    patient.sh("ufw --force enable");
    let finding = patient.suffers_beside("ufw-drop", &[
        ("family", json!("ip")),
        ("table", json!("filter")),
        ("hook", json!("forward")),
        ("interface", json!("lan")),
    ], &["sysctl-file", "ufw-drop"]);
    let evidence = &finding["evidence"];
    assert!(evidence["handle"].is_u64(), "{finding:#}");
    // That is the kernel's handle of that chain.
    let chain = evidence["chain"].as_str().unwrap();
    patient.sh(&format!("nft -a list table ip filter | grep -q 'chain {chain} '"));
    let (said, _) = patient.said("plan --brief");
    assert!(said.contains("error[ufw-drop]"), "{said}");
    mended(&mut patient, "ufw-drop");
    patient.sh("ufw status | grep -q lan");
    let (said, _) = patient.said("plan --brief");
    assert!(!said.contains("ufw-drop"), "{said}");
}}

alone! { Root, fn the_real_firewalld_is_blamed_and_its_own_command_helps() {
    let mut patient = Patient::yard(HOME);
    patient.is_free_of("firewalld-drop");
    patient.sh("umount /etc/firewalld");
    patient.sh(BUS);
    let _bus = Daemon::start("dbus-daemon", &["--config-file=/run/dbus.conf", "--nopidfile", "--nofork"]);
    patient.sh("for n in $(seq 1000000); do [ -S /run/dbus/system_bus_socket ] && break; done");
    let _firewalld = Daemon::start("firewalld", &["--nofork", "--nopid"]);
    patient.sh("for n in $(seq 100); do firewall-cmd --state && break; done; nft list table inet firewalld");
    let finding = patient.suffers_beside("firewalld-drop", &[
        ("family", json!("inet")),
        ("table", json!("firewalld")),
        ("hook", json!("forward")),
        ("interface", json!("lan")),
    ], &["firewalld-flushes", "firewalld-ipv6-rpfilter", "table-owner", "sysctl-file"]);
    assert!(finding["evidence"]["handle"].is_u64(), "{finding:#}");
    assert!(finding["evidence"]["rule"].as_str().unwrap_or_default().contains("reject"), "{finding:#}");
    let (said, _) = patient.said("plan --brief");
    assert!(said.contains("error[firewalld-drop]"), "{said}");
    mended(&mut patient, "firewalld-drop");
    patient.sh("firewall-cmd --zone=trusted --list-interfaces | grep -q lan");
}}

//! `netyard doctor` against situations that are broken for real, each in a
//! machine of its own: what is found, with its evidence, and nothing else; and
//! nothing before it was broken.

mod address;
mod bridge;
mod coexistence;
mod firewall;
mod machine;
mod page;
mod real;
mod server;
mod setting;
mod tunnel;
mod vm_doctor;

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::site::Site;

/// What every machine of a test begins with: an uplink that leads somewhere, no
/// waiting for addresses, bridges that do not ask iptables, no file of the
/// machine the tests run on.
const BEGIN: &str = r#"
ip link set lo up
for f in all default; do echo 0 > /proc/sys/net/ipv6/conf/$f/accept_dad; done
for f in /proc/sys/net/bridge/bridge-nf-call-*; do if [ -e $f ]; then echo 0 > $f; fi; done
echo 0 > /proc/sys/net/ipv4/ip_forward
echo 'nameserver 198.51.100.1' > /etc/resolv.conf
for f in /etc/nftables.conf /etc/sysctl.conf; do if [ -e $f ]; then : > $f; fi; done
rm -f /etc/systemd/system/multi-user.target.wants/NetworkManager.service
mount -t tmpfs t /etc/sysctl.d 2>/dev/null || true
if [ -e /etc/firewalld ]; then mkdir /run/firewalld.conf; mount --bind /run/firewalld.conf /etc/firewalld; fi
ip link add eth0 type veth peer name wire
ip link set eth0 up; ip link set wire up
ip address add 198.51.100.2/24 dev eth0
ip route add default via 198.51.100.1
"#;

/// A network on the host with a way out, and one node in it.
pub const HOME: &str = "\
yard: home
networks:
  lan: { host: true, prefix: 10.7.0.0/24, uplink: masquerade }
nodes: { a: { interfaces: { eth0: { network: lan } } } }
";

/// A machine, and what doctor says of it.
pub struct Patient {
    site: Site,
    line: &'static str,
    before: BTreeSet<String>,
}

impl Patient {
    /// A host without a yard.
    pub fn host() -> Self {
        Self::new("yard: none\nnodes: {}\n", "doctor --host --json")
    }

    /// A host with the yard of this file, which is not up.
    pub fn yard(text: &str) -> Self {
        Self::new(text, "doctor --json")
    }

    fn new(text: &str, line: &'static str) -> Self {
        let patient = Self { site: Site::new(text), line, before: BTreeSet::new() };
        patient.sh(BEGIN);
        patient
    }

    /// Runs a script on the machine.
    #[track_caller]
    pub fn sh(&self, script: &str) {
        let output = Command::new("sh").args(["-ec", script]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}: {said}");
    }

    /// Runs netyard in the yard's directory.
    #[track_caller]
    pub fn netyard(&self, line: &str) -> String {
        self.site.ok(line)
    }

    /// Runs netyard; gives what it wrote to stderr, and its exit code.
    pub fn said(&self, line: &str) -> (String, Option<i32>) {
        let output = self.site.run(line);
        (String::from_utf8_lossy(&output.stderr).into_owned(), output.status.code())
    }

    /// Runs netyard, however it ends; gives what it wrote to stdout.
    pub fn output(&self, line: &str) -> String {
        String::from_utf8(self.site.run(line).stdout).unwrap()
    }

    /// Where the yard's file is.
    pub fn path(&self) -> &std::path::Path {
        self.site.path()
    }

    fn found(&self) -> Vec<Value> {
        let output = self.site.run(self.line);
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let document: Value = serde_json::from_slice(&output.stdout).expect(&stderr);
        assert_eq!(document["version"], 1, "{document}");
        assert_eq!(document["unseen"], serde_json::json!([]), "{document}");
        let found = document["found"].as_array().unwrap().clone();
        let broken = found.iter().any(|one| one["severity"] == "error");
        assert_eq!(
            output.status.code(),
            Some(if broken { 3 } else { 0 }),
            "{document:#}\n{stderr}"
        );
        found
    }

    /// Sees that a check finds nothing, and remembers what others find.
    #[track_caller]
    pub fn is_free_of(&mut self, id: &str) {
        let found = self.found();
        let of: Vec<&Value> = found.iter().filter(|one| one["check"] == id).collect();
        assert!(of.is_empty(), "{of:#?}");
        self.before = ids(&found);
    }

    /// Sees that this check finds something with this evidence, and that no
    /// other finds more than before; gives the finding.
    #[track_caller]
    pub fn suffers(&self, id: &str, evidence: &[(&str, Value)]) -> Value {
        self.suffers_beside(id, evidence, &[])
    }

    /// The same, where others follow from it.
    #[track_caller]
    pub fn suffers_beside(&self, id: &str, evidence: &[(&str, Value)], also: &[&str]) -> Value {
        let found = self.found();
        let new: BTreeSet<String> = ids(&found).difference(&self.before).cloned().collect();
        let mut expected: BTreeSet<String> = [id.to_owned()].into();
        expected.extend(also.iter().map(|id| (*id).to_owned()));
        assert!(new.contains(id) && new.is_subset(&expected), "{new:?}: {found:#?}");
        let matches = |one: &&Value| {
            one["check"] == id
                && evidence.iter().all(|(name, value)| one["evidence"][name] == *value)
        };
        let finding = found.iter().find(matches);
        let finding = finding.unwrap_or_else(|| panic!("no {evidence:?} in {found:#?}"));
        assert!(!finding["fix"].as_array().unwrap().is_empty(), "{finding:#}");
        finding.clone()
    }

    /// Does what a finding says to do: the commands in its hints.
    #[track_caller]
    pub fn obeys(&self, finding: &Value) {
        for fix in finding["fix"].as_array().unwrap() {
            let fix = fix.as_str().unwrap();
            let command = fix.split('`').nth(1).expect(fix);
            self.sh(command);
        }
    }
}

fn ids(found: &[Value]) -> BTreeSet<String> {
    found.iter().map(|one| one["check"].as_str().unwrap().to_owned()).collect()
}

/// A program that runs until the test ends.
pub struct Running(Child);

impl Running {
    /// Starts it; it says a line when it is ready.
    pub fn start(script: &str) -> Self {
        use std::io::{BufRead, BufReader};
        let mut child = Command::new("sh")
            .args(["-ec", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "{script} ended");
        Self(child)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

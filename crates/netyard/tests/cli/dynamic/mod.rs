//! Addresses from the network: netyard's servers beside other people's clients,
//! and netyard's clients beside other people's servers. A `server` and a `client`
//! namespace with a cable between them, `s0` and `c0`.

mod client;
mod server;
mod yard;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything here may take on a machine that has much else to do.
pub const PATIENCE: Duration = Duration::from_secs(40);
const ROUND: Duration = Duration::from_millis(100);

/// Both ends of a cable, and the programs that were started there.
pub struct Cable {
    dir: tempfile::TempDir,
    started: Vec<Program>,
}

struct Program {
    child: Child,
    log: PathBuf,
}

impl Drop for Cable {
    fn drop(&mut self) {
        for program in &mut self.started {
            let _ = program.child.kill();
            let _ = program.child.wait();
            if std::thread::panicking() {
                let log = fs::read_to_string(&program.log).unwrap_or_default();
                eprintln!("--- {}\n{log}", program.log.display());
            }
        }
    }
}

impl Cable {
    /// The server's end has 10.1.0.1/24 and fd00:1::1/64, and its namespace
    /// forwards; the client's end is up and has nothing.
    pub fn lay() -> Self {
        fs::create_dir_all("/run/netns").expect("a directory");
        let cable = Self { dir: crate::directory(), started: Vec::new() };
        for line in [
            "ip netns add server",
            "ip netns add client",
            "ip -n server link add s0 type veth peer name c0 netns client",
            "ip -n server link set lo up",
            "ip -n client link set lo up",
            "ip netns exec server sysctl -qw net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.accept_dad=0",
            "ip netns exec client sysctl -qw net.ipv6.conf.all.forwarding=0",
            "ip -n server addr add 10.1.0.1/24 dev s0",
            "ip -n server link set s0 up",
            "ip -n server addr add fd00:1::1/64 dev s0 nodad",
            "ip -n client link set c0 up",
        ] {
            sh(line);
        }
        cable
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Starts a program in a namespace; gives its number.
    fn start(&mut self, place: &str, line: &str) -> usize {
        let log = self.path(&format!("log-{}", self.started.len()));
        let file = fs::File::create(&log).expect("a log");
        let mut command = Command::new("ip");
        command.args(["netns", "exec", place]).args(line.split_whitespace());
        command.stdin(Stdio::null()).stdout(file.try_clone().expect("a log")).stderr(file);
        let child = command.spawn().unwrap_or_else(|error| panic!("{line}: {error}"));
        self.started.push(Program { child, log });
        self.started.len() - 1
    }

    fn end(&mut self, program: usize, signal: &str) {
        let child = &mut self.started[program].child;
        sh(&format!("kill -{signal} {}", child.id()));
        child.wait().expect("it ends");
    }

    fn log(&self, program: usize) -> String {
        fs::read_to_string(&self.started[program].log).unwrap_or_default()
    }

    /// Starts netyard's server; `more` are keys of the network's JSON.
    pub fn serve(&mut self, more: &str) -> usize {
        let config = self.path("services.json");
        let text = format!(
            "{{\"version\":1,\"networks\":[{{\"network\":\"lan\",\"interface\":\"s0\",\"addresses\":[\"10.1.0.1/24\",\"fd00:1::1/64\"],{more}}}]}}"
        );
        fs::write(&config, text).expect("a configuration");
        let line =
            format!("{} serve {} {}", netyard(), config.display(), self.path("data").display());
        self.start("server", &line)
    }

    /// Starts netyard's client.
    fn client(&mut self, dhcp4: bool, dhcp6: bool) -> usize {
        let config = self.path("client.json");
        let text = format!(
            "{{\"version\":1,\"interface\":\"c0\",\"dhcp4\":{dhcp4},\"dhcp6\":{dhcp6},\"hostname\":\"laptop\",\"resolver\":false}}"
        );
        fs::write(&config, text).expect("a configuration");
        let line =
            format!("{} client {} {}", netyard(), config.display(), self.path("held").display());
        self.start("client", &line)
    }

    /// Starts dnsmasq as a server of everything.
    fn dnsmasq(&mut self, options: &str) -> usize {
        let line = format!(
            "dnsmasq --keep-in-foreground --log-facility=- --conf-file=/dev/null --port=0 --user= --group= --bind-interfaces --interface=s0 --leasefile-ro --no-ping {options}"
        );
        self.start("server", &line)
    }
}

fn netyard() -> &'static str {
    env!("CARGO_BIN_EXE_netyard")
}

/// Runs a shell command and gives what it printed.
#[track_caller]
pub fn sh(line: &str) -> String {
    let output = Command::new("sh").args(["-c", line]).output().expect("a shell");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {text}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// True when the command ends well, soon or later.
fn works(line: &str) -> bool {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        let output = Command::new("sh").args(["-c", line]).output().expect("a shell");
        if output.status.success() {
            return true;
        }
        pause();
    }
    false
}

/// Waits for something that nobody tells of.
pub fn pause() {
    // Nobody sends: the time is what is waited for.
    let (_keep, never) = std::sync::mpsc::channel::<()>();
    let _ = never.recv_timeout(ROUND);
}

/// What a command prints when that holds of it for the first time.
#[track_caller]
fn until(line: &str, holds: impl Fn(&str) -> bool) -> String {
    let begin = Instant::now();
    let mut last = String::new();
    while begin.elapsed() < PATIENCE {
        last = sh(line);
        if holds(&last) {
            return last;
        }
        pause();
    }
    panic!("{line} gives still\n{last}");
}

/// Waits for a line in a log.
#[track_caller]
fn said(cable: &Cable, program: usize, words: &str) {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE {
        if cable.log(program).contains(words) {
            return;
        }
        pause();
    }
    panic!("nobody says `{words}`:\n{}", cable.log(program));
}

/// True when it is in the lease file of netyard's server.
fn leased(data: &Path, words: &[&str]) -> bool {
    let text = fs::read_to_string(data.join("leases")).unwrap_or_default();
    text.lines().any(|line| words.iter().all(|word| line.contains(word)))
}

//! `netyard metrics`: what it tells, and how it is served.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use netyard_core::metric::Metric;

use crate::alone::alone;
use crate::exposition::Exposition;
use crate::repository;
use crate::site::{Site, tree};

const YARD: &str = "yard: told
nodes:
  a: { services: { idle: { run: 'until [ -e /run/user/1000/end ]; do sleep 1; done', restart: never } } }
  b: { forward: true }
links: [{ ends: [a:x, b:x], prefix: [10.9.0.0/31], rate: 8mbit }]
firewall:
  b:
    input:
      policy: drop
      allow: [icmp]
expect:
  - { name: near, from: a, to: b, ping: true }
  - { from: a, to: b, tcp: 81, result: blocked, family: ipv4 }
";

/// A server that ends with the test.
struct Server(Child);

impl Server {
    fn start(site: &Site, arguments: &[&str]) -> Self {
        let mut child = std::process::Command::new(site.path().join("netyard"))
            .arg("metrics")
            .args(arguments)
            .current_dir(site.path())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary");
        // It listens as soon as it has said so.
        let mut said = String::new();
        let stderr = child.stderr.as_mut().expect("its output");
        let mut byte = [0];
        while !said.ends_with('\n') && stderr.read(&mut byte).expect("its output") == 1 {
            said.push(char::from(byte[0]));
        }
        assert!(said.starts_with("yard "), "{said}");
        Self(child)
    }

    fn end(mut self) {
        // SAFETY: a signal to a child that has not been waited for.
        unsafe { libc::kill(self.0.id() as libc::pid_t, libc::SIGTERM) };
        assert!(self.0.wait().expect("an end").success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ask(mut stream: impl Read + Write) -> (String, String) {
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("a question");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.to_owned(), body.to_owned())
}

fn read(text: &str) -> Exposition {
    Exposition::read(text).unwrap_or_else(|why| panic!("{why}\n{text}"))
}

alone! { User, fn metrics_tell_what_the_yard_does() {
    let site = Site::new(YARD);
    let before = read(&site.ok("metrics --once"));
    assert_eq!(before.one("netyard_yard_up", &[]), 0.0);
    assert!(before.one("netyard_yard_differences", &[]) > 5.0);
    assert_eq!(before.one("netyard_node_up", &[("node", "a")]), 0.0);
    site.ok("up");
    let first = read(&site.ok("metrics --once"));
    assert_eq!(first.one("netyard_yard_up", &[("yard", "told")]), 1.0);
    assert_eq!(first.one("netyard_yard_differences", &[]), 0.0);
    assert_eq!(first.one("netyard_link_delay_seconds", &[("node", "a")]), 0.0);
    assert_eq!(first.one("netyard_link_rate_bytes_per_second", &[("node", "b")]), 1e6);
    assert_eq!(first.all("netyard_expectation_passed").len(), 0);
    site.ok("exec a -- ping -c5 -i0.01 -s 1000 -W1 10.9.0.1");
    site.run("exec a -- ping -c1 -W1 10.9.0.9");
    let second = read(&site.ok("metrics --once"));
    let rose = |name: &str, labels: &[(&str, &str)]| second.one(name, labels) - first.one(name, labels);
    // Five pings of 1000 bytes, with ICMP's, IP's and Ethernet's heads.
    let a = [("node", "a"), ("interface", "x")];
    assert!(rose("netyard_interface_transmit_bytes_total", &a) >= 5.0 * 1042.0);
    assert!(rose("netyard_interface_receive_packets_total", &a) >= 5.0);
    let rule = [("node", "b"), ("chain", "input"), ("place", "netyard.yaml:10")];
    assert!(rose("netyard_firewall_rule_packets_total", &rule) >= 1.0, "{:?}", second.all("netyard_firewall_rule_packets_total"));
    assert!(second.one("netyard_conntrack_entries", &[("node", "b")]) >= 1.0);
    site.ok("exec b -- ip link set x down");
    let third = read(&site.ok("metrics --once"));
    assert_eq!(third.one("netyard_interface_up", &[("node", "b")]), 0.0);
    assert_eq!(third.one("netyard_interface_carrier", &[("node", "a")]), 0.0);
    assert_eq!(third.one("netyard_link_up", &[]), 0.0);
    assert!(third.one("netyard_yard_differences", &[]) >= 1.0);
    let by_name = read(&site.ok("metrics --once --yard told"));
    assert_eq!(by_name.one("netyard_yard_up", &[]), 1.0);
    assert!(by_name.one("netyard_yard_differences", &[]) >= 1.0, "`up` noted its file");
    std::fs::remove_file(site.path().join("netyard.yaml")).unwrap();
    let fileless = read(&site.ok("metrics --once --yard told"));
    assert_eq!(fileless.one("netyard_interface_up", &[("node", "b")]), 0.0);
    assert_eq!(fileless.all("netyard_yard_differences").len(), 0, "nobody knows");
    let idle = [("node", "a"), ("process", "idle")];
    assert_eq!(fileless.one("netyard_process_up", &idle), 1.0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let age = now.as_secs_f64() - fileless.one("netyard_process_start_time_seconds", &idle);
    assert!((-3.0..120.0).contains(&age), "{age}");
    std::fs::write("/run/user/1000/end", "").unwrap();
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while read(&site.ok("metrics --once --yard told")).one("netyard_process_up", &idle) != 0.0 {
        assert!(std::time::Instant::now() < end, "a process that ended is said to run");
    }
    site.ok("down --yard told");
    assert_eq!(read(&site.ok("metrics --once --yard told")).one("netyard_yard_up", &[]), 0.0);
}}

alone! { User, fn metrics_tell_what_came_of_the_last_test() {
    let site = Site::new(YARD);
    site.ok("up");
    site.ok("test");
    let told = read(&site.ok("metrics --once"));
    assert_eq!(told.one("netyard_expectation_passed", &[("expectation", "near: a -> b ping")]), 1.0);
    assert!(told.one("netyard_test_timestamp_seconds", &[]) > 1.7e9);
    site.ok("exec b -- ip link set x down");
    site.netyard("test near").assert().code(3);
    let told = read(&site.ok("metrics --once"));
    let passed: BTreeMap<&str, f64> = told
        .all("netyard_expectation_passed")
        .into_iter()
        .map(|(labels, value)| (labels["place"].as_str(), *value))
        .collect();
    let served: BTreeSet<&str> = told.names();
    let mut known: BTreeSet<&str> = Metric::ALL.iter().map(|metric| metric.name()).collect();
    // babeld's, tunnels' and leases' are in the test of the Freifunk gateway.
    let elsewhere = ["netyard_babel_", "netyard_wireguard_", "netyard_dhcp_leases"];
    known.retain(|name| !elsewhere.iter().any(|head| name.starts_with(head)));
    assert_eq!(served, known, "this yard has all else that can be measured");
    // Only some were proved again; what is known of the others stays.
    assert_eq!(passed, BTreeMap::from([("netyard.yaml:12", 0.0), ("netyard.yaml:13", 1.0)]));
    site.ok("down");
    assert_eq!(tree(Path::new("/run")), Vec::<PathBuf>::new());
}}

alone! { User, fn metrics_are_served_while_the_yard_comes_and_goes() {
    let site = Site::new(YARD);
    let socket = site.path().join("metrics.sock");
    let listen = format!("unix:{}", socket.display());
    let server = Server::start(&site, &["--listen", &listen, "--test", "1s"]);
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let get = || {
        let (head, body) = ask(UnixStream::connect(&socket).expect("the server"));
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        assert!(head.contains("text/plain; version=0.0.4"), "{head}");
        read(&body)
    };
    assert_eq!(get().one("netyard_yard_up", &[]), 0.0);
    site.ok("up");
    assert_eq!(get().one("netyard_yard_up", &[]), 1.0);
    // It proves the expectations on its own.
    let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while get().all("netyard_expectation_passed").is_empty() {
        assert!(std::time::Instant::now() < end, "no test in a minute");
    }
    std::fs::write(site.path().join("netyard.yaml"), "yard: [").unwrap();
    let blind = get();
    assert_eq!(blind.one("netyard_yard_file_valid", &[]), 0.0);
    assert_eq!(blind.one("netyard_yard_up", &[]), 1.0, "a mistake in the file blinds nobody");
    // Nothing of the yard's is held.
    site.ok("down --yard told");
    assert_eq!(get().one("netyard_yard_up", &[]), 0.0);
    server.end();
    assert!(!socket.exists(), "the socket goes with the server");
    assert_eq!(site.processes(), Vec::<PathBuf>::new());
}}

alone! { Root, fn metrics_are_served_on_loopback_alone_and_a_taken_port_has_an_owner() {
    let site = Site::new(YARD);
    assert!(std::process::Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap().success());
    let server = Server::start(&site, &[]);
    let (_, body) = ask(TcpStream::connect("127.0.0.1:9917").expect("the server"));
    assert_eq!(read(&body).one("netyard_yard_up", &[]), 0.0);
    let listens = std::process::Command::new("ss").args(["-Hltn"]).output().expect("ss").stdout;
    let listens = String::from_utf8_lossy(&listens).into_owned();
    assert!(listens.lines().count() == 1 && listens.contains("127.0.0.1:9917"), "{listens}");
    let second = site.run("metrics");
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    let owner = format!("process {} (`netyard`) has this port", server.0.id());
    assert!(second.status.code() == Some(1) && said.contains(&owner), "{said}");
    server.end();
}}

alone! { Root, fn metrics_are_a_service_of_the_yard() {
    let socket = "/run/told.sock";
    let file = format!("{YARD}metrics: {{ listen: 'unix:{socket}' }}\n");
    let site = Site::new(&file);
    site.ok("up");
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while UnixStream::connect(socket).is_err() {
        assert!(std::time::Instant::now() < end, "nobody listens");
    }
    let (_, body) = ask(UnixStream::connect(socket).expect("the server"));
    let told = read(&body);
    assert_eq!(told.one("netyard_process_up", &[("node", "host"), ("process", "metrics")]), 1.0);
    assert_eq!(told.one("netyard_yard_differences", &[]), 0.0);
    site.ok("plan --check");
    site.ok("down");
    assert!(!Path::new(socket).exists());
    assert_eq!(site.processes(), Vec::<PathBuf>::new());
    assert_eq!(tree(Path::new("/run")), Vec::<PathBuf>::new());
}}

alone! { User, fn without_root_metrics_are_no_service() {
    let site = Site::new("yard: y\nnodes: { a: {} }\nmetrics: true\n");
    let up = site.run("up");
    let said = String::from_utf8_lossy(&up.stderr).into_owned();
    assert!(up.status.code() == Some(1) && said.contains("needs-root") && said.contains("3:10"), "{said}");
}}

#[test]
fn what_cannot_be_served_is_said_at_once() {
    let site = Site::new(YARD);
    let refused = |line: &str| {
        let output = site.run(line);
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = refused("metrics --listen nowhere");
    assert!(code == Some(2) && said.contains("unix:PATH"), "{said}");
    assert_eq!(refused("metrics --test 5").0, Some(2));
    assert_eq!(refused("metrics --once --listen 127.0.0.1:1").0, Some(2));
    let (code, said) = refused("metrics -f missing.yaml");
    assert!(code == Some(1) && said.contains("missing.yaml"), "{said}");
    let (code, said) = refused("metrics --listen unix:/no/such/place");
    assert!(code == Some(1) && said.contains("ENOENT"), "{said}");
}

/// The table of docs/metrics.md.
fn table() -> String {
    let row = |metric: &Metric| {
        let labels = metric.labels().join(", ");
        format!(
            "| `{}` | {labels} | {} | {} |\n",
            metric.name(),
            metric.sort().word(),
            metric.help()
        )
    };
    let head = "| metric | labels | sort | what it says |\n|---|---|---|---|\n";
    head.to_owned() + &Metric::ALL.iter().map(row).collect::<String>()
}

#[test]
fn the_page_names_every_metric() {
    const MARK: &str =
        "<!-- written by the test `the_page_names_every_metric`; UPDATE=1 writes it anew -->\n";
    let page = repository().join("docs/metrics.md");
    let text = std::fs::read_to_string(&page).expect("the page");
    let (before, after) = text.split_once(MARK).expect("the mark");
    let rest = after.find("\n## ").map_or("", |at| &after[at..]);
    let wanted = format!("{before}{MARK}\n{}{rest}", table());
    if std::env::var_os("UPDATE").is_some() {
        return std::fs::write(page, wanted).expect("the page");
    }
    assert!(text == wanted, "docs/metrics.md is not of this netyard; `UPDATE=1` writes it anew");
}

#[test]
fn the_dashboard_asks_for_metrics_that_there_are() {
    let text = std::fs::read_to_string(repository().join("docs/grafana-dashboard.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let mut asked = BTreeSet::new();
    for panel in panels {
        let targets = panel["targets"].as_array().expect("targets");
        assert!(!targets.is_empty(), "{panel}");
        for target in targets {
            let expression = target["expr"].as_str().expect("an expression");
            let plain = |c: char| c.is_ascii_lowercase() || c == '_';
            let words = expression.split(|c| !plain(c)).filter(|word| word.starts_with("netyard_"));
            let words: Vec<String> = words.map(str::to_owned).collect();
            assert!(!words.is_empty(), "{expression}");
            for word in words {
                let metric = Metric::ALL.iter().find(|metric| metric.name() == word);
                let metric = metric.unwrap_or_else(|| panic!("`{word}` is not served"));
                // A counter is only of use as a rate.
                let counts = metric.name().ends_with("_total");
                assert!(!counts || expression.contains(&format!("rate({word}")), "{expression}");
                // What a legend names is a label.
                let legend = target["legendFormat"].as_str().unwrap_or_default();
                for label in legend.split("{{").skip(1).filter_map(|rest| rest.split("}}").next()) {
                    let known = label == "yard" || metric.labels().contains(&label);
                    assert!(known, "{word} has no label `{label}`");
                }
                asked.insert(word);
            }
        }
    }
    assert!(asked.len() >= 15, "{asked:?}");
}

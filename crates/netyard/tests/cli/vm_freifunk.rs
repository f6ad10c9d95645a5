//! The Freifunk gateway as root, with the tunnels of Debian's own kernel, and its
//! metrics served to whoever asks on the host.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use serde_json::Value;

use crate::alone::alone;
use crate::examples::a_gateway_is_lost;
use crate::exposition::Exposition;
use crate::repository;
use crate::site::{Site, tree};

/// What the metrics' own service answers.
fn served() -> Exposition {
    let mut stream = TcpStream::connect(("127.0.0.1", 9917)).expect("the port of the metrics");
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").expect("a question");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.") && head.contains(" 200 "), "{head}");
    Exposition::read(body).expect("an exposition")
}

alone! {
    #[ignore = "needs the VM tier: WireGuard"]
    Root, fn the_freifunk_gateway_keeps_its_promises_with_the_kernels_tunnels() {
        let file = repository().join("examples/freifunk-gateway/netyard.yaml");
        let text = std::fs::read_to_string(file).expect("the example");
        // What the example says that one adds as root.
        let text = text.replace("yard: freifunk-gateway\n", "yard: freifunk-gateway\nmetrics: true\n");
        let site = Site::new(&text);
        let before = tree(Path::new("/run"));
        crate::routing::needs("babeld", "babeld");
        // The host's own loopback, where the metrics are served.
        assert!(std::process::Command::new("ip").args(["link", "set", "lo", "up"]).status().expect("ip").success());
        site.ok("up");
        let status: Value = serde_json::from_str(&site.ok("status --json")).expect("JSON");
        let tunnels = status["tunnels"].as_array().expect("a list");
        assert_eq!(tunnels.len(), 4, "{status}");
        assert!(tunnels.iter().all(|tunnel| tunnel["engine"] == "kernel"), "{status}");
        let told = served();
        assert_eq!(told.one("netyard_babel_up", &[("node", "f3"), ("process", "babeld")]), 1.0);
        a_gateway_is_lost(&site, before);
        assert!(TcpStream::connect(("127.0.0.1", 9917)).is_err(), "somebody serves metrics still");
    }
}

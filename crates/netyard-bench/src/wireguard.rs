//! One TCP stream through a tunnel of WireGuard's in userspace: between two nodes of a
//! yard, and between two namespaces wired by hand with `wireguard-go`, in turns.

use crate::beside::{Beside, median, sh, succeed};
use crate::nat::stream;
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};

/// The far ends of both tunnels.
const OURS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const HAND: Ipv4Addr = Ipv4Addr::new(10, 8, 0, 1);

const YARD: &str = "yard: wg
nodes:
  a: { interfaces: { wg0: { kind: wireguard, engine: userspace } } }
  b: { interfaces: { wg0: { kind: wireguard, engine: userspace } } }
links:
  - { ends: [a:eth0, b:eth0] }
  - { ends: [a:wg0, b:wg0], tunnel: wireguard, birth: own, prefix: 10.9.0.0/31 }
";

const BY_HAND: &str = "
    mkdir -p /run/netns /run/netyard-bench; cd /run/netyard-bench; umask 077
    ip netns add hand-a; ip netns add hand-b
    ip link add eth0 netns hand-a type veth peer name eth0 netns hand-b
    for end in a b; do
        ip -n hand-$end link set lo up; ip -n hand-$end link set eth0 up
        wg genkey > $end.key; wg pubkey < $end.key > $end.pub
        ip netns exec hand-$end wireguard-go wg-$end >/dev/null 2>&1
    done
    ip -n hand-a addr add 10.7.0.0/31 dev eth0; ip -n hand-b addr add 10.7.0.1/31 dev eth0
    ip -n hand-a addr add 10.8.0.0/31 dev wg-a; ip -n hand-b addr add 10.8.0.1/31 dev wg-b
    ip netns exec hand-a wg set wg-a private-key a.key listen-port 51820 \
        peer $(cat b.pub) endpoint 10.7.0.1:51820 allowed-ips 10.8.0.1/32
    ip netns exec hand-b wg set wg-b private-key b.key listen-port 51820 \
        peer $(cat a.pub) endpoint 10.7.0.0:51820 allowed-ips 10.8.0.0/32
    ip -n hand-a link set wg-a up; ip -n hand-b link set wg-b up";

/// Without its device, wireguard-go ends.
const BY_HAND_DOWN: &str = "
    ip -n hand-a link del wg-a; ip -n hand-b link del wg-b
    ip netns del hand-a; ip netns del hand-b";

/// Measures both; nothing where there is no `wireguard-go`.
///
/// # Errors
/// What a program or the kernel said.
pub fn measure(netyard: &Path, runs: usize) -> io::Result<Vec<Beside>> {
    if let Err(error) = sh("command -v wireguard-go wg >/dev/null") {
        eprintln!("SKIPPED wireguard: no `wireguard-go` or no `wg` here ({error})");
        return Ok(Vec::new());
    }
    let file = std::env::temp_dir().join("netyard-bench-wireguard.yaml");
    std::fs::write(&file, YARD)?;
    let yard = |verb: &str| {
        let mut command = Command::new(netyard);
        succeed(command.arg(verb).arg("-f").arg(&file).stdout(Stdio::null()).stderr(Stdio::null()))
    };
    let (mut hand, mut ours) = (Vec::new(), Vec::new());
    for run in 0..runs {
        // Whoever is first has the warmer or the colder machine: in turns.
        for turn in [run % 2, (run + 1) % 2] {
            if turn == 0 {
                sh(BY_HAND)?;
                let speed = stream("hand-a", "hand-b", HAND);
                sh(BY_HAND_DOWN)?;
                hand.push(speed?);
            } else {
                yard("up")?;
                let speed = stream("wg-a", "wg-b", OURS);
                yard("down")?;
                ours.push(speed?);
            }
        }
    }
    std::fs::remove_file(&file)?;
    Ok(vec![Beside {
        what: "one TCP stream through WireGuard in userspace (wireguard-go)".into(),
        unit: "Gbit/s".into(),
        hand: median(&mut hand),
        ours: median(&mut ours),
        runs,
        ..Beside::default()
    }])
}

//! Tests against the kernel. Each works in a fresh user and network namespace, needs no root and
//! leaves nothing behind. What needs a kernel with more in it is in modules named `vm_…`, is
//! `#[ignore = "needs the VM tier: …"]`, and runs by `cargo xtask vm`.

mod bed;
mod bridges;
mod fake;
mod firewall;
mod image;
mod kinds;
mod nft;
mod objects;
mod probe;
mod rate;
mod traffic;
mod vm_expect;
mod vm_fake;
mod vm_flowtable;
mod vm_impairment;
mod vm_kinds;
mod vm_smoke;
mod vm_uplink;
mod yard;

use std::process::Command;

/// Runs a shell script in a fresh user and network namespace and gives what it printed.
fn in_fresh_namespace(script: &str) -> String {
    let output = Command::new("unshare").args(["-Urnm", "sh", "-ec", script]).output().unwrap();
    let (out, err) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{out}{err}");
    out
}

#[test]
fn a_fresh_namespace_holds_the_loopback_alone() {
    let links = in_fresh_namespace("ip -o link show");
    assert_eq!(links.lines().count(), 1, "{links}");
    assert!(links.contains("LOOPBACK"), "{links}");
}

//! Forwarding was switched off, and the kernel switched redirects on with it.

use super::{Check, Finding, Phase, Scene, Severity};
use crate::state::Place;

/// See the file's head.
pub static CHECK: Check = Check {
    id: "redirects-reset",
    severity: Severity::Warning,
    phase: Phase::Running,
    title: "a host that was told not to believes ICMP redirects",
    means: "writing `ip_forward` writes `accept_redirects`, too: a host that stops forwarding begins to believe redirects, whatever was set before (`inet_forward_change`, net/ipv4/devinet.c); netyard puts back what was there, others may not",
    evidence: "`net.ipv4.ip_forward` is 0, `net.ipv4.conf.all.accept_redirects` is 1, and the last line for it in the files of sysctl.d says 0",
    fix: "set it again: `sysctl -w net.ipv4.conf.all.accept_redirects=0`",
    find,
};

const KEY: &str = "net/ipv4/conf/all/accept_redirects";

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let Some(host) = scene.host() else { return Vec::new() };
    let is = |key, value| host.setting(key) == Some(value);
    if !is("net/ipv4/ip_forward", "0") || !is(KEY, "1") {
        return Vec::new();
    }
    let Some(line) = scene.setting_line(KEY).filter(|line| line.value == "0") else {
        return Vec::new();
    };
    let what = format!(
        "the host believes ICMP redirects, and `{}` line {} says that it should not: \
         `ip_forward` was set to 0 after it",
        line.file, line.line
    );
    let finding = CHECK
        .finding(&Place::Host, what)
        .with("key", KEY)
        .with("value", "1")
        .with("file", line.file.as_str())
        .with("line", line.line as u64);
    vec![finding.fix("`sysctl -w net.ipv4.conf.all.accept_redirects=0`")]
}

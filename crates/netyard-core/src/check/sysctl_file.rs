//! A file will set a setting back at the next boot.

use super::{Check, Finding, Phase, Scene, Severity};
use crate::state::Place;

/// See the file's head.
pub static CHECK: Check = Check {
    id: "sysctl-file",
    severity: Severity::Warning,
    phase: Phase::Plan,
    title: "a setting is other after the next boot",
    means: "files of sysctl.d are applied at boot, and by packages when they are installed; the last line of a key wins",
    evidence: "the last line for a key in `/etc/sysctl.d`, `/run/sysctl.d`, `/usr/lib/sysctl.d` and `/etc/sysctl.conf` against what is set, or what the yard sets on the host",
    fix: "change the line, or write a file whose name sorts after it",
    find,
};

/// What a host that is looked at for itself is compared in.
const WATCHED: [&str; 5] = [
    "net/ipv4/ip_forward",
    "net/ipv6/conf/all/forwarding",
    "net/ipv4/conf/all/rp_filter",
    "net/bridge/bridge-nf-call-iptables",
    "net/bridge/bridge-nf-call-ip6tables",
];

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    let Some(host) = scene.host() else { return Vec::new() };
    let mut wanted: Vec<(String, String)> = Vec::new();
    match scene.yard {
        None => {
            let watched = WATCHED.iter().filter_map(|key| Some((*key, host.setting(key)?)));
            wanted.extend(watched.map(|(key, value)| (key.to_owned(), value.to_owned())));
        }
        // The plan has said so already, with the place in the yard's file.
        Some(_) if scene.phase == Phase::Plan => {}
        Some(yard) => {
            for node in yard.nodes.iter().filter(|node| node.place == Place::Host) {
                for setting in &node.sysctls {
                    let kernel = setting.interface.as_ref().and_then(|name| {
                        Some(node.interface(name.as_str())?.device.kernel_name.to_string())
                    });
                    let key = setting.key.replace("{if}", kernel.as_deref().unwrap_or("{if}"));
                    wanted.push((key, setting.value.clone()));
                }
            }
        }
    }
    wanted.iter().filter_map(|(key, value)| against(scene, key, value)).collect()
}

fn against(scene: &Scene<'_>, key: &str, value: &str) -> Option<Finding> {
    let line = scene.setting_line(key)?;
    if line.value.split_whitespace().eq(value.split_whitespace()) {
        return None;
    }
    let what = format!(
        "`{}` line {} sets `{key}` to {}, and it {} {value}",
        line.file,
        line.line,
        line.value,
        if scene.yard.is_some() { "has to be" } else { "is" }
    );
    let finding = CHECK
        .finding(&Place::Host, what)
        .with("file", line.file.as_str())
        .with("line", line.line as u64)
        .with("key", key)
        .with("value", line.value.as_str())
        .with("wanted", value);
    Some(finding.fix(format!("write `{key} = {value}` in a file that comes after `{}`", line.file)))
}

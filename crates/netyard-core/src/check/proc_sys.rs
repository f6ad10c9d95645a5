//! Settings cannot be written.

use super::{Check, Finding, Phase, Scene, Severity};
use crate::state::Place;

/// See the file's head.
pub static CHECK: Check = Check {
    id: "proc-sys-read-only",
    severity: Severity::Error,
    phase: Phase::Plan,
    title: "a setting of the yard cannot be set",
    means: "container engines mount `/proc/sys` read-only; then nobody inside sets forwarding or anything else",
    evidence: "option `ro` of the mount at `/proc/sys` or `/proc` in `/proc/self/mountinfo`",
    fix: "run outside of that container, or let it write: `--privileged`, or for nspawn `SYSTEMD_NSPAWN_API_VFS_WRITABLE=network`",
    find,
};

fn find(scene: &Scene<'_>) -> Vec<Finding> {
    if !scene.machine().proc_sys_read_only {
        return Vec::new();
    }
    let finding = CHECK.finding(&Place::Host, "`/proc/sys` is mounted read-only");
    let finding = finding.with("file", "/proc/sys").with("option", "ro");
    vec![finding.fix("this is inside of a container: run netyard outside of it, or privileged")]
}

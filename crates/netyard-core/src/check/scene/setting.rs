//! What files set at the next boot.

use super::Scene;
use crate::facts::SettingLine;

impl<'a> Scene<'a> {
    /// The line of the files of sysctl.d that decides about a key.
    pub fn setting_line(&self, key: &str) -> Option<&'a SettingLine> {
        let lines = &self.machine().sysctl_lines;
        let all = || lines.iter().rev().filter(|line| is_about(line, key));
        // A line with a `*` is passed over where another names the setting (sysctl.d(5)).
        all().find(|line| !line.key.contains('*')).or_else(|| all().next())
    }
}

/// A line for this key; `*` stands for one part of it.
fn is_about(line: &SettingLine, key: &str) -> bool {
    // One variable of the kernel has two names (net/ipv4/devinet.c).
    const TWINS: [&str; 2] = ["net/ipv4/ip_forward", "net/ipv4/conf/all/forwarding"];
    if TWINS.contains(&key) && TWINS.contains(&line.key.as_str()) {
        return true;
    }
    let (mut one, mut other) = (line.key.split('/'), key.split('/'));
    loop {
        match (one.next(), other.next()) {
            (None, None) => return true,
            (Some(part), Some(word)) if part == word || part == "*" => {}
            _ => return false,
        }
    }
}

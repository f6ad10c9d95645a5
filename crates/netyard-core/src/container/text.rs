//! Words of a container's section: sizes, signals, capabilities, paths.

/// Bytes: `512`, `512K`, `256M`, `2G`, `1T`.
pub(super) fn size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "" => 1,
        "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        "T" => 1u64 << 40,
        _ => return None,
    };
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    let number: u64 = plain.then(|| digits.parse().ok())??;
    number.checked_mul(factor).filter(|bytes| *bytes > 0)
}

/// Processors, in percent of one.
pub(super) fn cpus(text: &str) -> Option<u32> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(rest) || rest.len() > 2 || whole.len() > 4 {
        return None;
    }
    let hundredths: u32 = format!("{rest:0<2}").parse().ok()?;
    let percent = whole.parse::<u32>().ok()? * 100 + hundredths;
    (1..=102_400).contains(&percent).then_some(percent)
}

/// A machine-id as machine-id(5) has it; dashes are taken out.
pub(super) fn machine_id(text: &str) -> Option<String> {
    let id = text.replace('-', "").to_ascii_lowercase();
    let hexadecimal = id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit());
    (hexadecimal && id.bytes().any(|b| b != b'0')).then_some(id)
}

/// A signal by its name, with `SIG`, as `--kill-signal` takes it.
pub(super) fn signal(text: &str) -> Option<String> {
    let name = text.strip_prefix("SIG").unwrap_or(text);
    let known = ["HUP", "INT", "QUIT", "USR1", "USR2", "TERM", "PWR", "KILL"].contains(&name);
    let real_time = name.strip_prefix("RTMIN+").and_then(|n| n.parse::<u8>().ok());
    (known || real_time.is_some_and(|n| n <= 30)).then(|| format!("SIG{name}"))
}

/// capabilities(7), without `CAP_`.
const CAPABILITIES: [&str; 41] = [
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

/// A capability by its name, with `CAP_`; `all` is all.
pub(super) fn capability(text: &str) -> Option<String> {
    if text == "all" {
        return Some(text.to_owned());
    }
    let name = text.to_ascii_uppercase().replace('-', "_");
    let name = name.strip_prefix("CAP_").unwrap_or(&name);
    CAPABILITIES.contains(&name).then(|| format!("CAP_{name}"))
}

/// A whole path without `..`.
pub(super) fn is_whole(path: &str) -> bool {
    path.starts_with('/') && !path.split('/').any(|part| part == "..") && !path.contains('\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_of_1024() {
        assert_eq!([size("1"), size("2K"), size("3G")], [Some(1), Some(2048), Some(3 << 30)]);
        for bad in ["", "M", "0", "-1", "1.5G", "1KB", "99999999999999999999", "99999999999T"] {
            assert_eq!(size(bad), None, "{bad}");
        }
    }

    #[test]
    fn processors_are_counted_in_hundredths() {
        assert_eq!([cpus("1"), cpus("0.5"), cpus("2.25")], [Some(100), Some(50), Some(225)]);
        for bad in ["", "0", "0.0", ".5", "1.", "1.234", "-1", "99999", "x"] {
            assert_eq!(cpus(bad), None, "{bad}");
        }
    }

    #[test]
    fn names_are_taken_with_and_without_what_they_begin_with() {
        assert_eq!(signal("PWR").as_deref(), Some("SIGPWR"));
        assert_eq!(signal("SIGRTMIN+4").as_deref(), Some("SIGRTMIN+4"));
        assert_eq!(signal("SIGRTMIN+64"), None);
        assert_eq!(capability("net-admin").as_deref(), Some("CAP_NET_ADMIN"));
        assert_eq!(capability("CAP_NET_ADMINN"), None);
        assert_eq!(machine_id(&"0".repeat(32)), None);
        assert_eq!(machine_id("12345678-1234-1234-1234-123456789abC").unwrap().len(), 32);
    }
}

//! The kernel's log: what it says of frames that no counter counts.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};

use netyard_core::facts::LogLine;
use rustix::fs::{Mode, OFlags};

/// More than any log holds: it is a ring of some hundred kilobytes.
const MOST: usize = 1 << 20;

/// The lines that checks know; none where one may not read it.
///
/// Each read gives one record: `LEVEL,NUMBER,MICROSECONDS,FLAGS;TEXT`
/// (Documentation/ABI/testing/dev-kmsg).
pub(super) fn read() -> Vec<LogLine> {
    let (Some(now), Ok(mut log)) = (uptime(), open()) else { return Vec::new() };
    let mut lines = Vec::new();
    let mut record = [0; 8192];
    for _ in 0..MOST {
        match log.read(&mut record) {
            Ok(0) => break,
            Ok(length) => {
                let text = String::from_utf8_lossy(&record[..length]);
                lines.extend(line(&text, now).filter(|line| line.text.contains("own address")));
            }
            // It was overwritten before it was read.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    lines
}

fn open() -> std::io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::open("/dev/kmsg", flags, Mode::empty())?.into())
}

/// Seconds since the machine began.
fn uptime() -> Option<u64> {
    fs::read_to_string("/proc/uptime").ok()?.split('.').next()?.parse().ok()
}

fn line(record: &str, now: u64) -> Option<LogLine> {
    let (head, rest) = record.split_once(';')?;
    let microseconds: u64 = head.split(',').nth(2)?.parse().ok()?;
    let text = rest.lines().next()?.to_owned();
    Some(LogLine { age: now.saturating_sub(microseconds / 1_000_000), text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_its_age_and_its_first_line() {
        let record = "4,1234,65000000,-;br0: received packet\n SUBSYSTEM=net\n";
        let expected = LogLine { age: 35, text: "br0: received packet".to_owned() };
        assert_eq!(line(record, 100), Some(expected));
        assert_eq!(line("nonsense", 100), None);
    }
}

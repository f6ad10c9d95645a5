//! Logs of processes, which write to them themselves.

use std::fs;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// A log longer than this, in bytes, begins anew; the old one is kept beside it.
const LONGEST: u64 = 4 << 20;

/// Has those begin anew that are too long; one that cannot stays as it is.
pub(super) fn shorten(logs: impl Iterator<Item = PathBuf>) {
    for log in logs {
        if fs::metadata(&log).is_ok_and(|meta| meta.len() > LONGEST) {
            let _ = begin_anew(&log);
        }
    }
}

/// Copies a log away and empties it. Who writes goes on at its end; what is
/// written between both is lost.
fn begin_anew(log: &Path) -> io::Result<()> {
    fs::copy(log, log.with_extension("1"))?;
    let mut file = fs::OpenOptions::new().write(true).open(log)?;
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_is_too_long_begins_anew_and_its_writer_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let (long, short) = (dir.path().join("long"), dir.path().join("short"));
        fs::write(&short, "short").unwrap();
        let mut writer = fs::OpenOptions::new().create(true).append(true).open(&long).unwrap();
        writer.write_all(&vec![b'x'; usize::try_from(LONGEST).unwrap() + 1]).unwrap();
        shorten([long.clone(), short.clone(), dir.path().join("none")].into_iter());
        writer.write_all(b"more").unwrap();
        assert_eq!(fs::read_to_string(&long).unwrap(), "more");
        assert_eq!(fs::metadata(long.with_extension("1")).unwrap().len(), LONGEST + 1);
        assert_eq!(fs::read_to_string(&short).unwrap(), "short");
        assert!(!short.with_extension("1").exists());
    }
}

//! Files that users name, of which some are pipes.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl};

/// How long a pipe in the file system may have nobody who writes to it.
const PATIENCE: Timespec = Timespec { tv_sec: 3, tv_nsec: 0 };

/// Opens a file to be read. One that is a pipe waits for who writes to it as long
/// as there is somebody, but not for ever for nobody: then it is `ETIMEDOUT`.
pub fn open_to_read(path: &Path) -> io::Result<Box<dyn Read>> {
    open(path, &PATIENCE)
}

fn open(path: &Path, patience: &Timespec) -> io::Result<Box<dyn Read>> {
    if !std::fs::metadata(path)?.file_type().is_fifo() {
        return Ok(Box::new(File::open(path)?));
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let mut begin = Vec::new();
    if poll(&mut [PollFd::new(&file, PollFlags::IN)], Some(patience))? == 0 {
        // Nothing came: of nobody the kernel says that it has ended.
        let mut byte = [0];
        match file.read(&mut byte) {
            Ok(0) => return Err(io::Error::from_raw_os_error(libc::ETIMEDOUT)),
            Ok(_) => begin.extend(byte),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
    Ok(Box::new(Cursor::new(begin).chain(file)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const SHORT: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

    fn fifo(dir: &tempfile::TempDir) -> std::path::PathBuf {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        let path = dir.path().join("fifo");
        mknodat(CWD, &path, FileType::Fifo, Mode::from(0o600), 0).unwrap();
        path
    }

    #[test]
    fn a_pipe_that_nobody_writes_to_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let error = open(&fifo(&dir), &SHORT).map(drop).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ETIMEDOUT));
    }

    #[test]
    fn who_writes_may_take_their_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = fifo(&dir);
        let flags = OFlags::RDONLY | OFlags::NONBLOCK;
        let reader = rustix::fs::open(&path, flags, Mode::empty()).unwrap();
        let mut writer = File::options().write(true).open(&path).unwrap();
        // Nothing comes within the patience, and yet somebody is there.
        let mut opened = open(&path, &SHORT).unwrap();
        drop(reader);
        let mut text = String::new();
        std::thread::scope(|scope| {
            scope.spawn(move || writer.write_all(b"nodes: {}").unwrap());
            opened.read_to_string(&mut text).unwrap();
        });
        assert_eq!(text, "nodes: {}");
    }
}

//! What makes a yard come at boot: a unit in systemd's own directory.
//!
//! It is no part of the yard's state and not in its journal: it changes nothing on
//! the running host, and `down` leaves it, as it would the line of a user's in
//! `/etc/rc.local`.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use netyard_core::boot::{Boot, unit_name};
use netyard_core::name::YardName;

use crate::error::{Error, ErrorKind};
use crate::netns;
use crate::state_dir::write_atomically;

/// Where the administrator's units are.
const UNITS: &str = "/etc/systemd/system";
/// Where systemd shows that a unit was started: `invocation:UNIT` (systemd.exec(5)).
const STARTED: &str = "/run/systemd/units";
/// What there is where systemd is process 1 (sd_booted(3)).
const BOOTED: &str = "/run/systemd/system";

/// Makes a yard come at boot; whether its unit is new or has changed. With `now` it
/// is brought up at once, by systemd.
///
/// # Errors
/// Without root or systemd, and when somebody other than root could change the file.
pub fn enable(boot: &Boot<'_>, now: bool) -> Result<bool, Error> {
    can_be()?;
    must_be_roots(Path::new(boot.file), "install -D -m 600 FILE /etc/netyard/NAME")?;
    must_be_roots(Path::new(boot.program), "install FILE /usr/local/bin/NAME")?;
    let name = unit_name(boot.yard);
    let path = unit_path(&name);
    let text = boot.unit();
    let is_new = fs::read_to_string(&path).ok().as_ref() != Some(&text);
    if is_new {
        let what = || format!("could not write `{}`", path.display());
        write_atomically(&path, text.as_bytes(), 0o644).map_err(|e| Error::system(what(), e))?;
        systemctl(&["daemon-reload"])?;
    }
    systemctl(&["enable", "--quiet", &name])?;
    if now {
        systemctl(&["start", &name])?;
    }
    Ok(is_new)
}

/// Takes that back; whether there was anything to take back. The yard stays as it is.
///
/// # Errors
/// Without root or systemd.
pub fn disable(yard: &YardName) -> Result<bool, Error> {
    can_be()?;
    let name = unit_name(yard);
    let path = unit_path(&name);
    if !path.exists() {
        return Ok(false);
    }
    systemctl(&["disable", "--quiet", &name])?;
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Error::system(format!("could not remove `{}`", path.display()), error));
        }
        _ => {}
    }
    systemctl(&["daemon-reload"])?;
    Ok(true)
}

/// True for a yard that comes at boot.
pub fn is_enabled(yard: &YardName) -> bool {
    unit_path(&unit_name(yard)).exists()
}

/// Tells systemd of a yard that it started and that somebody took down meanwhile, so that
/// its unit is started again when it is next wanted. Nothing where its unit does not run,
/// or is itself who takes the yard down.
///
/// # Errors
/// When systemd refuses.
pub fn taken_down(yard: &YardName) -> Result<(), Error> {
    let name = unit_name(yard);
    let shown = Path::new(STARTED).join(format!("invocation:{name}"));
    if !netns::has_root() || fs::symlink_metadata(shown).is_err() {
        return Ok(());
    }
    // It is `deactivating` when this is its own end.
    match systemctl(&["is-active", "--quiet", &name]) {
        Ok(()) => systemctl(&["stop", &name]),
        Err(_) => Ok(()),
    }
}

fn unit_path(name: &str) -> PathBuf {
    Path::new(UNITS).join(name)
}

fn can_be() -> Result<(), Error> {
    if !netns::has_root() {
        return Err(Error::new(ErrorKind::Forbidden, "only root can say what comes at boot")
            .hint("call it with `sudo`; the yard then comes up as root's, not as yours"));
    }
    if !Path::new(BOOTED).is_dir() {
        let what = format!("systemd does not run this machine (there is no `{BOOTED}`)");
        return Err(Error::new(ErrorKind::State, what).hint(
            "let what starts programs at boot here call `netyard up -f FILE` after the file \
             systems are mounted",
        ));
    }
    Ok(())
}

/// What root will do at boot must be root's alone to say: a file that its user may
/// change, in a directory that only root may change, can be replaced by nobody else.
fn must_be_roots(path: &Path, install: &str) -> Result<(), Error> {
    for part in path.ancestors() {
        let meta = fs::metadata(part).map_err(|error| {
            Error::system(format!("could not look at `{}`", part.display()), error)
        })?;
        // Anybody may make files in /tmp, and nobody may replace another's.
        let sticky = meta.is_dir() && meta.mode() & 0o1000 != 0;
        let open = meta.mode() & 0o022 != 0 && !sticky;
        if meta.uid() == 0 && !open {
            continue;
        }
        let who = match meta.uid() {
            0 => "others than root may change".to_owned(),
            uid => format!("belongs to user {uid}"),
        };
        let what = format!("`{}` {who}, and root would do at boot what it says", part.display());
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let command = install.replace("FILE", &path.to_string_lossy()).replace("NAME", &name);
        let hint = format!("give it a place that is root's, and enable that: `{command}`");
        return Err(Error::new(ErrorKind::Forbidden, what).hint(hint));
    }
    Ok(())
}

fn systemctl(arguments: &[&str]) -> Result<(), Error> {
    let what = format!("`systemctl {}` failed", arguments.join(" "));
    let output = Command::new("systemctl")
        .args(arguments)
        .output()
        .map_err(|error| Error::system(what.clone(), error))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let lines = said.lines().map(str::to_owned).collect();
    Err(Error::new(ErrorKind::System, what).others(lines))
}

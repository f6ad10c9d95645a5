//! Keys on disk: a directory that nobody else can look into, files that nobody
//! else can read, written whole or not at all.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use netyard_core::key::{KeyFact, KeyName, PublicKey, WgKey};
use netyard_core::state::KeyRef;
use netyard_core::yard::KeyWish;

/// The longest file that may be a key, in bytes.
const LONGEST: u64 = 4096;

/// The keys that netyard keeps for a yard.
#[derive(Clone, Debug)]
pub struct Store {
    directory: PathBuf,
    /// Where paths of the user's files begin.
    base: PathBuf,
}

impl Store {
    /// Those in `directory`; files of the user's are relative to `base`.
    pub fn new(directory: PathBuf, base: PathBuf) -> Self {
        Self { directory, base }
    }

    /// The file of a key.
    pub fn path(&self, name: &KeyName) -> PathBuf {
        match name {
            KeyName::Own(name) => self.directory.join(name),
            KeyName::File(path) => self.base.join(path),
        }
    }

    /// What is known of a key; none for one of netyard's own that is not there.
    pub fn look_up(&self, name: &KeyName, wish: KeyWish) -> Option<KeyFact> {
        let path = self.path(name);
        let file = match name {
            KeyName::Own(_) => name.file(),
            KeyName::File(_) => path.display().to_string(),
        };
        let read = match wish {
            KeyWish::Public => read_public(&path),
            _ => read(&path).map(|key| key.public()),
        };
        match read {
            Ok(public) => Some(KeyFact::There { file, public }),
            Err(error)
                if error.kind() == io::ErrorKind::NotFound && matches!(name, KeyName::Own(_)) =>
            {
                (wish == KeyWish::Public).then_some(KeyFact::Absent)
            }
            Err(error) => {
                let fix = match mode(&path) {
                    Some(mode) if mode & 0o077 != 0 => format!("`chmod 600 {}`", path.display()),
                    _ => "`wg genkey` makes a private key, `wg genpsk` a preshared one".to_owned(),
                };
                Some(KeyFact::Unusable { file, why: why(&error), fix })
            }
        }
    }

    /// The same; a secret key of netyard's own that is not there is made.
    pub fn provide(&self, name: &KeyName, wish: KeyWish) -> io::Result<Option<KeyFact>> {
        if let Some(found) = self.look_up(name, wish) {
            return Ok(Some(found));
        }
        let key = match wish {
            KeyWish::Private => WgKey::private(random()?),
            KeyWish::Preshared => WgKey::preshared(random()?),
            KeyWish::Public => return Ok(None),
        };
        self.write(name, &key.reveal())?;
        Ok(self.look_up(name, wish))
    }

    /// Writes a key, over what is there.
    pub fn write(&self, name: &KeyName, text: &str) -> io::Result<()> {
        make_private(&self.directory)?;
        let mut file = tempfile::Builder::new().prefix(".key").tempfile_in(&self.directory)?;
        file.write_all(text.as_bytes())?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        file.persist(self.path(name)).map_err(|failed| failed.error)?;
        fs::File::open(&self.directory)?.sync_all()
    }

    /// Removes all keys that netyard keeps.
    pub fn remove(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }

    /// True when there is one.
    pub fn is_there(&self) -> bool {
        self.directory.is_dir()
    }
}

/// A new private key, of which there is no file.
pub fn make() -> io::Result<WgKey> {
    Ok(WgKey::private(random()?))
}

fn random() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    let mut source = fs::File::open("/dev/urandom")?;
    source.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn make_private(directory: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let mode = fs::metadata(directory)?.mode() & 0o777;
    if mode & 0o077 != 0 {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(directory, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

fn mode(path: &Path) -> Option<u32> {
    fs::metadata(path).ok().map(|found| found.mode() & 0o777)
}

/// Reads a secret key; a file that others can read is refused.
pub fn read(path: &Path) -> io::Result<WgKey> {
    let text = read_text(path, true)?;
    WgKey::parse(&text).map_err(io::Error::other)
}

/// Reads the secret key that a State speaks of; `secrets` is where netyard's own are.
pub(crate) fn of(key: &KeyRef, secrets: &Path) -> io::Result<WgKey> {
    let file = key.file.replace("{secrets}", &secrets.to_string_lossy());
    let found = read(Path::new(&file));
    found.map_err(|e| io::Error::new(e.kind(), format!("the key file `{file}` {}", why(&e))))
}

fn read_public(path: &Path) -> io::Result<PublicKey> {
    PublicKey::parse(&read_text(path, false)?).map_err(io::Error::other)
}

pub(crate) fn read_text(path: &Path, secret: bool) -> io::Result<String> {
    // Not to wait for the other end of a pipe.
    let flags = libc::O_NONBLOCK | libc::O_CLOEXEC;
    let file = fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::other("is no plain file"));
    }
    let mode = found.mode() & 0o777;
    if secret && mode & 0o077 != 0 {
        return Err(io::Error::other(format!("can be read by others (mode {mode:04o})")));
    }
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text)?;
    Ok(text)
}

/// A phrase that goes after the file's name.
pub(crate) fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "is not there".to_owned(),
        io::ErrorKind::PermissionDenied => "cannot be read by this user".to_owned(),
        io::ErrorKind::InvalidData => "is no text".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn store() -> (tempfile::TempDir, Store) {
        let place = tempfile::tempdir().unwrap();
        let store = Store::new(place.path().join("secrets"), place.path().to_owned());
        (place, store)
    }

    #[test]
    fn a_key_is_made_once_and_nobody_else_can_read_it() {
        let (_place, store) = store();
        let name = KeyName::private("gw", "wg0");
        assert_eq!(store.look_up(&name, KeyWish::Private), None);
        let made = store.provide(&name, KeyWish::Private).unwrap();
        assert_eq!(store.provide(&name, KeyWish::Private).unwrap(), made);
        assert_eq!(mode(&store.path(&name)), Some(0o600));
        assert_eq!(mode(&store.directory), Some(0o700));
        let other = KeyName::private("gw", "wg1");
        assert_ne!(store.provide(&other, KeyWish::Private).unwrap(), made);
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_with_its_mode() {
        let (place, store) = store();
        let path = place.path().join("key");
        fs::write(&path, make().unwrap().reveal()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let name = KeyName::File("key".to_owned());
        let Some(KeyFact::Unusable { why, fix, .. }) = store.look_up(&name, KeyWish::Private)
        else {
            panic!("it was taken");
        };
        assert_eq!(why, "can be read by others (mode 0640)");
        assert_eq!(fix, format!("`chmod 600 {}`", path.display()));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(store.look_up(&name, KeyWish::Private), Some(KeyFact::There { .. })));
    }

    #[test]
    fn what_is_no_key_is_said_without_showing_it() {
        let (place, store) = store();
        let path = place.path().join("key");
        fs::write(&path, "my secret\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let said = store.look_up(&KeyName::File("key".to_owned()), KeyWish::Private);
        let Some(KeyFact::Unusable { why, .. }) = said else { panic!("it was taken") };
        assert_eq!(why, "is not base64");
    }
}

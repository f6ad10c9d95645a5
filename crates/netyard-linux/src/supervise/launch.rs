//! Starting one process.

use std::ffi::{CStr, CString};
use std::fs::OpenOptions;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use netyard_core::name::YardName;
use netyard_core::state::{Process, Program};

use super::{Identity, Shelf, berth};
use crate::netns::Inside;

/// What a process finds programs by, where its environment does not say otherwise.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The variable that tells a yard's process from others: yard, place and name.
pub(crate) const MARK: &str = "NETYARD_PROCESS";
/// What runs containers.
const NSPAWN: &str = "systemd-nspawn";
/// The file that a process's output goes to, in its directory.
pub(crate) const LOG: &str = "log";

/// A process that is about to be started.
pub(crate) struct Launch<'a> {
    /// Where its directories are.
    pub shelf: &'a Shelf,
    /// What is started.
    pub process: &'a Process,
    /// Its namespaces; none for the caller's own.
    pub inside: Option<Inside>,
    /// What is true of all processes of this yard and of no others: see [`mark`].
    pub mark: &'a str,
    /// Where it says that it is ready.
    pub notify: Option<&'a Path>,
    /// Where a container is started.
    pub dock: Option<Dock<'a>>,
}

/// What a container is joined to.
#[derive(Clone, Copy)]
pub(crate) struct Dock<'a> {
    /// Its network namespace.
    pub net: BorrowedFd<'a>,
    /// The directory of the node's files for `/etc`.
    pub etc: Option<&'a Path>,
}

/// Why a process could not be started.
#[derive(Debug)]
pub(crate) enum Unlaunched {
    /// There is no such program.
    NoProgram {
        /// Its name.
        program: String,
        /// Where it was looked for; none where it is a path.
        path: Option<String>,
    },
    /// There is no such user.
    NoUser(String),
    /// Without root there is but one user.
    OtherUser(String),
    /// It cannot be as it is asked for.
    Refused {
        /// Why.
        why: String,
        /// What to do.
        hint: Option<String>,
    },
    /// The system refused it.
    System(io::Error),
}

impl std::fmt::Display for Unlaunched {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoProgram { program, path: Some(path) } => {
                write!(f, "there is no program `{program}` in {path}")
            }
            Self::NoProgram { program, path: None } => {
                write!(f, "`{program}` is no program that can be run")
            }
            Self::NoUser(user) => write!(f, "there is no user `{user}`"),
            Self::OtherUser(user) => write!(f, "without root nothing runs as `{user}`"),
            Self::Refused { why, .. } => f.write_str(why),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl From<io::Error> for Unlaunched {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl Launch<'_> {
    /// Starts it, in a session of its own, its output appended to its log.
    pub fn start(self) -> Result<Child, Unlaunched> {
        Ok(self.command()?.spawn()?)
    }

    /// The command that is started, or that the caller becomes.
    pub fn command(self) -> Result<Command, Unlaunched> {
        let (shelf, process) = (self.shelf, self.process);
        let expand = |text: &str| shelf.expand(process, text);
        let dir = shelf.dir(&process.place, &process.name);
        // What a container's environment is, is of no use outside of it.
        let outside = process.environment.get("PATH").filter(|_| process.container().is_none());
        let path = outside.map_or_else(|| PATH.to_owned(), |p| expand(p));
        let user = process.user.as_deref().map(User::find).transpose()?.flatten();
        let owner = process.owner.as_deref().map(User::find).transpose()?.flatten();
        let mark = format!("{}{}:{}", self.mark, process.place, process.name);
        let mut cgroups = Vec::new();
        let mut surroundings = Vec::new();
        let mut inside = self.inside;
        let mut command = match &process.program {
            Program::Container(container) => {
                let dock = self.dock.ok_or(io::ErrorKind::InvalidInput).map_err(io::Error::from)?;
                if container.private_users {
                    inside = Some(Inside::network(dock.net.try_clone_to_owned()?));
                }
                let berth::Start { argv, environment, cgroups: own } =
                    berth::Start::new(shelf, process, container, dock.net, dock.etc, &mark)?;
                (surroundings, cgroups) = (environment, own);
                let mut command = Command::new(find(&argv[0], &path)?);
                command.arg0(&argv[0]).args(&argv[1..]);
                command
            }
            Program::Machine(argv) => {
                let (program, arguments) = argv
                    .split_first()
                    .ok_or(io::ErrorKind::InvalidInput)
                    .map_err(io::Error::from)?;
                let mut command = Command::new("/proc/self/exe");
                command.arg0("netyard").args(["machine".as_ref(), dir.as_os_str()]);
                command.arg(find(&expand(program), &path)?);
                command.args(arguments.iter().map(|word| expand(word)));
                command
            }
            Program::Netyard(arguments) => {
                let mut command = Command::new("/proc/self/exe");
                command.arg0("netyard").args(arguments.iter().map(|word| expand(word)));
                command
            }
            Program::Argv(argv) => {
                let (program, arguments) = argv
                    .split_first()
                    .ok_or(io::ErrorKind::InvalidInput)
                    .map_err(io::Error::from)?;
                let found = find(&expand(program), &path)?;
                let mut command = Command::new(found);
                command.arg0(expand(program)).args(arguments.iter().map(|word| expand(word)));
                command
            }
        };
        let log = OpenOptions::new().append(true).create(true).mode(0o600).open(dir.join(LOG))?;
        command.env_clear().env("PATH", &path);
        if let Some(user) = &user {
            command.env("USER", &user.name).env("LOGNAME", &user.name).env("HOME", &user.home);
        }
        if process.container().is_none() {
            command.envs(process.environment.iter().map(|(name, value)| (name, expand(value))));
        }
        command.envs(surroundings).env(MARK, mark);
        if let Some(notify) = self.notify {
            command.env("NOTIFY_SOCKET", notify);
        }
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).current_dir("/");
        if let Some(owner) = user.as_ref().or(owner.as_ref()) {
            owner.own(&dir, process, shelf)?;
        }
        if let Some(inside) = inside {
            inside.dress(&mut command);
        }
        // SAFETY: system calls alone, on memory that was allocated before. A session
        // of its own: the terminal's end is none of its business.
        unsafe {
            command.pre_exec(move || {
                match rustix::process::setsid() {
                    // Who becomes the program may have one already.
                    Ok(_) | Err(rustix::io::Errno::PERM) => {}
                    Err(errno) => return Err(errno.into()),
                }
                rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
                for cgroup in &cgroups {
                    // The writer itself (cgroups(7)).
                    rustix::io::write(cgroup, b"0")?;
                }
                user.as_ref().map_or(Ok(()), User::become_it)
            })
        };
        Ok(command)
    }
}

/// What the value of [`MARK`] begins with: the yard, and by its network namespace
/// the host it is on.
pub(crate) fn mark(yard: &YardName, host: u64) -> String {
    format!("{host}:{yard}:")
}

/// The living processes whose mark begins so, or is just that.
pub(crate) fn marked(mark: &str, whole: bool) -> io::Result<Vec<Identity>> {
    let wanted = format!("{MARK}={mark}");
    let is_it = |variable: &[u8]| match whole {
        true => variable == wanted.as_bytes(),
        false => variable.starts_with(wanted.as_bytes()),
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // Of others' processes it cannot be read, and they are not ours.
        let Ok(environment) = std::fs::read(format!("/proc/{pid}/environ")) else { continue };
        if environment.split(|byte| *byte == 0).any(is_it) {
            found.extend(Identity::of(pid));
        }
    }
    Ok(found)
}

/// Fails where a process could not be started, as far as can be told before.
pub(crate) fn check(process: &Process, shelf: &Shelf) -> Result<(), Unlaunched> {
    process.user.as_deref().map(User::find).transpose()?;
    process.owner.as_deref().map(User::find).transpose()?;
    let argv = match &process.program {
        Program::Netyard(_) => return Ok(()),
        Program::Container(container) => {
            find(NSPAWN, PATH)?;
            return berth::check(shelf, process, container);
        }
        Program::Argv(argv) | Program::Machine(argv) => argv,
    };
    let path = process.environment.get("PATH").map_or(PATH, String::as_str);
    let program = argv.first().map(|program| shelf.expand(process, program)).unwrap_or_default();
    find(&program, &shelf.expand(process, path)).map(drop)
}

/// True where services find a program of that name.
pub fn has_program(name: &str) -> bool {
    find(name, PATH).is_ok()
}

/// The path of a program.
fn find(program: &str, path: &str) -> Result<PathBuf, Unlaunched> {
    let runs = |path: &Path| {
        std::fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    };
    let missing = |path| Unlaunched::NoProgram { program: program.to_owned(), path };
    if program.contains('/') {
        let found = PathBuf::from(program);
        return if runs(&found) { Ok(found) } else { Err(missing(None)) };
    }
    let mut all = path.split(':').map(|directory| Path::new(directory).join(program));
    all.find(|path| runs(path)).ok_or_else(|| missing(Some(path.to_owned())))
}

/// A user that a process runs as.
struct User {
    name: String,
    home: String,
    uid: u32,
    gid: u32,
    groups: Vec<libc::gid_t>,
}

impl User {
    /// The user of that name; none where that is who we are already.
    fn find(name: &str) -> Result<Option<Self>, Unlaunched> {
        let c_name = CString::new(name).map_err(|_| Unlaunched::NoUser(name.to_owned()))?;
        let mut buffer = vec![0; 16 * 1024];
        // SAFETY: all zeroes is a valid `passwd`; the call fills it and the buffer.
        let (mut entry, mut found): (libc::passwd, _) =
            (unsafe { std::mem::zeroed() }, std::ptr::null_mut());
        // SAFETY: the buffer is as long as is said, and outlives `entry`.
        let failed = unsafe {
            libc::getpwnam_r(
                c_name.as_ptr(),
                &mut entry,
                buffer.as_mut_ptr(),
                buffer.len(),
                &mut found,
            )
        };
        if failed != 0 || found.is_null() {
            return Err(Unlaunched::NoUser(name.to_owned()));
        }
        // SAFETY: the call said that it is filled in; it points into the buffer.
        let home = unsafe { CStr::from_ptr(entry.pw_dir) }.to_string_lossy().into_owned();
        let (uid, gid) = (entry.pw_uid, entry.pw_gid);
        if uid == rustix::process::geteuid().as_raw() {
            return Ok(None);
        }
        if !maps(uid) {
            return Err(Unlaunched::OtherUser(name.to_owned()));
        }
        let mut groups: Vec<libc::gid_t> = vec![0; 256];
        let mut count = groups.len() as libc::c_int;
        // SAFETY: `groups` has room for `count`.
        let found =
            unsafe { libc::getgrouplist(c_name.as_ptr(), gid, groups.as_mut_ptr(), &mut count) };
        groups.truncate(if found < 0 { 0 } else { count as usize });
        Ok(Some(Self { name: name.to_owned(), home, uid, gid, groups }))
    }

    /// Makes the directories of a process this user's, and the way there passable.
    fn own(&self, dir: &Path, process: &Process, shelf: &Shelf) -> io::Result<()> {
        use std::os::unix::fs::chown;
        let data = process.keep.then(|| shelf.data(&process.place, &process.name));
        for directory in std::iter::once(dir.to_owned()).chain(data) {
            chown(&directory, Some(self.uid), Some(self.gid))?;
            for file in std::fs::read_dir(&directory)? {
                chown(file?.path(), Some(self.uid), Some(self.gid))?;
            }
            // Others may pass, and see nothing: `process/PLACE`, and the yard's above.
            for above in directory.ancestors().skip(1).take(4) {
                let mode = std::fs::metadata(above)?.permissions().mode();
                if mode & 0o1 == 0 {
                    let passable = std::fs::Permissions::from_mode(mode | 0o011);
                    std::fs::set_permissions(above, passable)?;
                }
            }
        }
        Ok(())
    }

    /// Becomes it; for a process that was just forked.
    fn become_it(&self) -> io::Result<()> {
        let told = |result: libc::c_int| match result {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        };
        // SAFETY: system calls, on memory that was allocated before.
        unsafe {
            told(libc::setgroups(self.groups.len(), self.groups.as_ptr()))?;
            told(libc::setgid(self.gid))?;
            told(libc::setuid(self.uid))
        }
    }
}

/// True where this user namespace has that user.
fn maps(uid: u32) -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.lines().any(|line| {
        let numbers: Vec<u64> = line.split_whitespace().filter_map(|n| n.parse().ok()).collect();
        let uid = u64::from(uid);
        matches!(numbers[..], [first, _, count] if (first..first + count).contains(&uid))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_nowhere_is_told_with_where_it_was_looked_for() {
        let Err(Unlaunched::NoProgram { program, path }) = find("no-such-program", PATH) else {
            panic!()
        };
        assert_eq!((&*program, path.as_deref()), ("no-such-program", Some(PATH)));
        assert!(matches!(
            find("/no/such/program", PATH),
            Err(Unlaunched::NoProgram { path: None, .. })
        ));
        assert!(find("sh", PATH).unwrap().is_absolute());
    }

    #[test]
    fn a_user_that_is_not_there_is_told() {
        assert!(matches!(User::find("no-such-user"), Err(Unlaunched::NoUser(_))));
    }
}

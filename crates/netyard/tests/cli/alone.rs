//! A machine of its own for a test: the test's process starts itself again in
//! fresh user, network, mount, UTS and IPC namespaces with an empty `/run` and an
//! `/etc` that forgets. As [`As::Root`] it may do there what root may; as
//! [`As::User`] it is user 1000 without any capability, as people are.
//!
//! A test that cannot have such a machine fails: it proves nothing elsewhere.

use std::ffi::CString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Who the test is on its machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum As {
    /// User 0 with all capabilities.
    Root,
    /// User 1000 with none.
    User,
    /// User 0 of the machine itself, for what no user namespace has: containers.
    Machine,
}

const MARK: &str = "NETYARD_TEST_IS_ALONE";

/// Runs `body` on a machine of its own; `test` is the test's full path.
pub fn run(test: &str, who: As, body: impl FnOnce()) {
    if std::env::var_os(MARK).is_some() {
        return body();
    }
    let name = test.split_once("::").map_or(test, |(_, name)| name);
    // SAFETY: a question without arguments.
    let root = unsafe { libc::geteuid() } == 0;
    assert!(who != As::Machine || root, "this test runs a container: call it as root");
    let mut command = Command::new(std::env::current_exe().expect("the test binary"));
    command.args([name, "--exact", "--nocapture", "--test-threads=1", "--include-ignored"]);
    command
        .env(MARK, "1")
        .env("XDG_RUNTIME_DIR", "/run/user/1000")
        // Not below `/run`: a keeper has one of its own.
        .env("XDG_STATE_HOME", "/var/lib/state");
    // SAFETY: between fork and exec `enter` only makes system calls and small
    // writes; this process's other threads hold no lock that it needs.
    unsafe { command.pre_exec(move || enter(who)) };
    let output = command.output().expect("a machine of its own: are user namespaces allowed?");
    let text = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "the test did not run: {text}");
}

fn enter(who: As) -> io::Result<()> {
    // SAFETY: plain system calls with constant arguments.
    let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
    let flags = libc::CLONE_NEWNET | libc::CLONE_NEWNS | libc::CLONE_NEWUTS | libc::CLONE_NEWIPC;
    let users = if who == As::Machine { 0 } else { libc::CLONE_NEWUSER };
    // SAFETY: as above.
    check(unsafe { libc::unshare(users | flags) })?;
    if who != As::Machine {
        let inside = if who == As::Root { 0 } else { 1000 };
        std::fs::write("/proc/self/setgroups", "deny")?;
        std::fs::write("/proc/self/uid_map", format!("{inside} {uid} 1"))?;
        std::fs::write("/proc/self/gid_map", format!("{inside} {gid} 1"))?;
    }
    mount("none", "/", None, libc::MS_REC | libc::MS_PRIVATE)?;
    // An `/etc` that forgets what is written to it; its layers are on a `/run`
    // that the next one hides.
    let flags = libc::MS_NOSUID | libc::MS_NODEV;
    mount("run", "/run", Some("tmpfs"), flags)?;
    std::fs::create_dir_all("/run/new")?;
    std::fs::create_dir_all("/run/work")?;
    let layers = "lowerdir=/etc,upperdir=/run/new,workdir=/run/work";
    mount_with("etc", "/etc", Some("overlay"), 0, layers)?;
    mount("run", "/run", Some("tmpfs"), flags)?;
    mount("var", "/var/lib", Some("tmpfs"), flags)?;
    std::fs::create_dir_all("/run/user/1000")
}

fn mount(source: &str, target: &str, kind: Option<&str>, flags: libc::c_ulong) -> io::Result<()> {
    mount_with(source, target, kind, flags, "")
}

fn mount_with(
    source: &str,
    target: &str,
    kind: Option<&str>,
    flags: libc::c_ulong,
    options: &str,
) -> io::Result<()> {
    let options = CString::new(options)?;
    let source = CString::new(source)?;
    let target = CString::new(target)?;
    let kind = kind.map(CString::new).transpose()?;
    let kind = kind.as_ref().map_or(std::ptr::null(), |k| k.as_ptr());
    // SAFETY: all pointers are to texts that live until the call returns.
    check(unsafe {
        libc::mount(source.as_ptr(), target.as_ptr(), kind, flags, options.as_ptr().cast())
    })
}

fn check(returned: libc::c_int) -> io::Result<()> {
    if returned == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A test that runs on a machine of its own.
macro_rules! alone {
    ($(#[$meta:meta])* $who:ident, fn $name:ident() $body:block) => {
        #[test]
        $(#[$meta])*
        fn $name() {
            let test = concat!(module_path!(), "::", stringify!($name));
            crate::alone::run(test, crate::alone::As::$who, || $body);
        }
    };
}
pub(crate) use alone;

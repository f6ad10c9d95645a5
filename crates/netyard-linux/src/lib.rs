//! The only crate that touches the world: netlink, namespaces, the journal.

pub mod adopt;
pub mod babel;
pub mod boot;
pub mod client;
mod error;
mod facts;
mod files;
pub mod http;
pub mod image;
mod journal;
pub mod keeper;
pub mod libvirt;
pub mod netlink;
pub mod netns;
mod nft;
mod note;
mod observe;
mod others;
mod pipe;
mod place;
pub mod probe;
mod process;
pub mod radio;
mod record;
mod run;
pub mod serve;
mod session;
mod state_dir;
pub mod supervise;
mod sysctl;
mod sysctl_files;
mod systemd;
mod trace;
pub mod wireguard;

pub use error::{Error, ErrorKind, Undone};
pub use facts::survey_host;
pub use journal::Interrupted;
pub use netlink::{Ears, Heard};
pub use pipe::open_to_read;
pub use process::let_go_of_output;
pub use run::Progress;
pub use session::{
    Access, Applied, Gone, Known, Observation, ProcessState, Proved, RuleCount, Session, Tracked,
    Trial, list_yards, noted_file,
};
pub use supervise::ProcessPhase;
pub use trace::Question as ExplainQuestion;

/// Makes the C library take memory in large steps from one arena, for all threads.
///
/// A thread's own arena grows by a page and an `mprotect` at a time, which a
/// large yard feels: 1,650 of them for a thousand nodes. Call it first.
pub fn take_memory_in_steps() {
    #[cfg(target_env = "gnu")]
    {
        const M_TRIM_THRESHOLD: libc::c_int = -1; // malloc.h
        const M_TOP_PAD: libc::c_int = -2;
        const M_MMAP_THRESHOLD: libc::c_int = -3;
        const M_ARENA_MAX: libc::c_int = -8;
        const STEP: libc::c_int = 4 << 20;
        // SAFETY: it sets numbers of the C library, which this thread alone uses yet.
        unsafe {
            libc::mallopt(M_ARENA_MAX, 1);
            libc::mallopt(M_TOP_PAD, STEP);
            // The library no longer learns these once one of them is set.
            libc::mallopt(M_MMAP_THRESHOLD, STEP);
            libc::mallopt(M_TRIM_THRESHOLD, 16 * STEP);
        }
    }
}

/// Raises the soft limit of open files to the hard one; gives it. Each of a
/// yard's namespaces is held open while a command works on it.
pub(crate) fn raise_descriptor_limit() -> u64 {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        // Refused only above the hard limit, which this is not.
        let _ = setrlimit(Resource::Nofile, limit);
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

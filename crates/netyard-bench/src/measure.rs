//! What one run of a program costs.

use std::io;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// Wall and CPU milliseconds and peak resident KiB of one run.
#[derive(Clone, Copy, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Cost {
    /// Elapsed milliseconds.
    pub wall: f64,
    /// User and system milliseconds, children waited for included.
    pub cpu: f64,
    /// Peak resident memory in KiB.
    pub memory: i64,
}

/// Runs a command to its end and measures it; its output goes to stderr.
///
/// # Errors
/// When it cannot be started or does not succeed.
pub fn command(command: &mut Command) -> io::Result<Cost> {
    let text = format!("{command:?}");
    let start = Instant::now();
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    let (status, usage) = wait(&child)?;
    let wall = start.elapsed().as_secs_f64() * 1e3;
    if status != 0 {
        return Err(io::Error::other(format!("`{text}` ended with wait status {status}")));
    }
    Ok(Cost { wall, cpu: cpu(&usage), memory: usage.ru_maxrss })
}

fn wait(child: &Child) -> io::Result<(i32, libc::rusage)> {
    let mut status = 0;
    // SAFETY: rusage is plain data; the pointers are valid for the call.
    unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        crate::floor::check(libc::wait4(
            child.id().cast_signed(),
            &raw mut status,
            0,
            &raw mut usage,
        ))?;
        Ok((status, usage))
    }
}

fn cpu(usage: &libc::rusage) -> f64 {
    let milliseconds = |time: libc::timeval| time.tv_sec as f64 * 1e3 + time.tv_usec as f64 / 1e3;
    milliseconds(usage.ru_utime) + milliseconds(usage.ru_stime)
}

/// Measures a piece of this process.
///
/// # Errors
/// Those of the piece.
pub fn inside<T>(act: impl FnOnce() -> io::Result<T>) -> io::Result<(T, Cost)> {
    let (start, before) = (Instant::now(), own()?);
    let result = act()?;
    let wall = start.elapsed().as_secs_f64() * 1e3;
    let after = own()?;
    Ok((result, Cost { wall, cpu: cpu(&after) - cpu(&before), memory: after.ru_maxrss }))
}

fn own() -> io::Result<libc::rusage> {
    // SAFETY: rusage is plain data; the pointer is valid for the call.
    unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        crate::floor::check(libc::getrusage(libc::RUSAGE_SELF, &raw mut usage))?;
        Ok(usage)
    }
}

//! Big yards; ignored, as they are for measuring.

use std::time::{Duration, Instant};

use super::*;

/// Processor time of this process: in the program, in the kernel.
fn cpu() -> [Duration; 2] {
    let usage = rusage();
    [usage.ru_utime, usage.ru_stime]
        .map(|t| Duration::new(t.tv_sec as u64, t.tv_usec as u32 * 1000))
}

fn rusage() -> libc::rusage {
    // SAFETY: all zeroes is a valid rusage, which the call fills.
    unsafe {
        let mut usage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    }
}

/// Tells how long a part took.
fn lap(what: &str, since: &mut (Instant, [Duration; 2])) {
    let now = cpu();
    let [user, kernel] = [now[0] - since.1[0], now[1] - since.1[1]];
    eprintln!(
        "{what:>18}: {:>9.1?} wall {user:>9.1?} user {kernel:>9.1?} kernel",
        since.0.elapsed()
    );
    *since = (Instant::now(), cpu());
}

#[test]
#[ignore = "a measurement"]
fn a_thousand_nodes() {
    alone(|| {
        let nodes = std::env::var("NODES").ok().and_then(|n| n.parse().ok()).unwrap_or(1000);
        let star = star(nodes).settled();
        let mut since = (Instant::now(), cpu());
        let mut session = open();
        let actual = session.observe(&star).unwrap().state;
        lap("observe nothing", &mut since);
        let plan = netyard_core::plan::plan(&actual, &star);
        lap("plan", &mut since);
        session.apply(&plan, &star, &mut |_| lap("step", &mut since)).unwrap();
        drop(session);
        lap("rest of apply", &mut since);
        let last = nodes;
        let address = format!("10.0.{}.{}", last >> 8, last & 255);
        talks(("bed-n1", "10.0.0.1"), (&format!("bed-n{last}"), &address));
        lap("first answer", &mut since);
        let mut session = open();
        let actual = session.observe(&star).unwrap().state;
        lap("open and observe", &mut since);
        assert!(netyard_core::plan::plan(&actual, &star).is_empty());
        lap("plan", &mut since);
        session.down(&mut |_| lap("part of down", &mut since)).unwrap();
        drop(session);
        lap("rest of down", &mut since);
    });
}

//! Faults on request, for the tests of what happens when the kernel says no.
//!
//! `NETYARD_FAULT=EBUSY@17` makes the 17th request of the process fail so
//! without being sent; `ENOBUFS` stands for lost replies. Unset, it costs one
//! comparison a request.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::io::Errno;

use crate::error::errno_of;

static PLAN: LazyLock<Option<(Errno, u64)>> = LazyLock::new(|| {
    let text = std::env::var("NETYARD_FAULT").ok()?;
    let (name, at) = text.split_once('@')?;
    Some((errno_of(name)?, at.parse().ok()?))
});
static COUNT: AtomicU64 = AtomicU64::new(0);

/// True in a test of faults.
pub(super) fn is_planned() -> bool {
    PLAN.is_some()
}

/// The error the next request is to fail with, if any.
pub(super) fn strike() -> Option<Errno> {
    let (errno, at) = (*PLAN)?;
    (COUNT.fetch_add(1, Ordering::Relaxed) + 1 == at).then_some(errno)
}

//! What happens when netyard itself is wrong: a panic.
//!
//! The release build aborts on a panic, so nothing is unwound and no
//! destructor runs. That is safe here: every change is in the journal before it
//! is made. The hook gives the terminal back, says what happened and ends the
//! process with [`crate::error::BUG`]; the kernel drops the yard's lock, and
//! the next command on the yard takes the interrupted run up.

use std::panic::PanicHookInfo;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::{error, ui};

/// True while a run is writing its journal: then there is something to take up.
static CHANGING: AtomicBool = AtomicBool::new(false);

/// Says that from here on the host is being changed, or no longer is.
pub fn host_is_changing(yes: bool) {
    CHANGING.store(yes, Ordering::Relaxed);
}

/// Makes every panic end the process as a bug.
pub fn install_hook() {
    std::panic::set_hook(Box::new(|info| {
        ui::restore_terminal();
        ui::show_bug(&what(info), CHANGING.load(Ordering::Relaxed));
        process::exit(i32::from(error::BUG));
    }));
}

fn what(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let message = payload
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".into());
    match info.location() {
        Some(place) => format!("{message} ({}:{})", place.file(), place.line()),
        None => message,
    }
}

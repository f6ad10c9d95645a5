//! Progress of work that takes longer than half a second: a bar on a terminal,
//! a line for each part elsewhere.

use std::io::{IsTerminal, stderr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::note;

/// Shorter work needs no progress.
const PATIENCE: Duration = Duration::from_millis(500);

/// The bar that is on the terminal now; the panic hook and messages need it.
static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Follows one piece of work.
pub struct Progress {
    started: Instant,
    on_terminal: bool,
    part: String,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Begins now; shows nothing yet.
    pub fn start() -> Self {
        let on_terminal = stderr().is_terminal();
        Self { started: Instant::now(), on_terminal, part: String::new(), bar: None }
    }

    /// `done` of `total` of what `part` names are done.
    pub fn at(&mut self, part: &str, done: usize, total: usize) {
        if self.started.elapsed() < PATIENCE {
            return;
        }
        if self.on_terminal {
            let bar = self.bar.get_or_insert_with(new_bar);
            bar.set_length(total as u64);
            bar.set_position(done as u64);
            if self.part != part {
                bar.set_message(part.to_owned());
            }
        } else if self.part != part {
            note(&format!("{part}: {total}"));
        }
        if self.part != part {
            part.clone_into(&mut self.part);
        }
    }

    /// How long it took until now.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        restore_terminal();
    }
}

fn new_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}") {
        bar.set_style(style);
    }
    if let Ok(mut shown) = SHOWN.lock() {
        *shown = Some(bar.clone());
    }
    bar
}

/// Takes the bar off the terminal; what was there before is there again.
pub fn restore_terminal() {
    if let Ok(mut shown) = SHOWN.try_lock()
        && let Some(bar) = shown.take()
    {
        bar.finish_and_clear();
    }
}

/// Writes something above the bar.
pub fn above(write: impl FnOnce()) {
    let bar = SHOWN.try_lock().ok().and_then(|shown| shown.clone());
    match bar {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

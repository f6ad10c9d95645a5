//! Progress of work that takes longer than half a second: a bar on a terminal,
//! a line for each part elsewhere.

use std::io::{IsTerminal, stderr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use netyard_linux::Progress as At;

use super::{count, note};

/// Shorter work needs no progress.
const PATIENCE: Duration = Duration::from_millis(500);

/// The bar that is on the terminal now; the panic hook and messages need it.
static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

/// Follows one piece of work.
pub struct Progress {
    started: Instant,
    on_terminal: bool,
    part: &'static str,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Begins now; shows nothing yet.
    pub fn start() -> Self {
        let on_terminal = stderr().is_terminal();
        Self { started: Instant::now(), on_terminal, part: "", bar: None }
    }

    /// The work is there now.
    pub fn at(&mut self, at: At) {
        if self.started.elapsed() < PATIENCE {
            return;
        }
        match at {
            At::Steps { done, of } => self.show("changing", Some((done, of))),
            At::Undoing => self.show("undoing", None),
            At::Verifying => self.show("verifying", None),
        }
    }

    fn show(&mut self, part: &'static str, steps: Option<(usize, usize)>) {
        let is_new = self.part != part;
        self.part = part;
        if !self.on_terminal {
            match steps {
                _ if !is_new => {}
                Some((_, of)) => note(&format!("{part}: {}", count(of, "step"))),
                None => note(part),
            }
            return;
        }
        let bar = self.bar.get_or_insert_with(new_bar);
        if is_new {
            bar.set_message(part);
        }
        if let Some((done, of)) = steps {
            bar.set_length(of as u64);
            bar.set_position(done as u64);
        }
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

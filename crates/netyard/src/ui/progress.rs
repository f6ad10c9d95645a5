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
            At::Image(step) => self.show_image(step.what, step.done, step.of),
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

/// Bytes of a mebibyte.
const MEBIBYTE: u64 = 1 << 20;

impl Progress {
    /// An image takes longer than all else: in mebibytes.
    fn show_image(&mut self, what: &'static str, done: u64, of: Option<u64>) {
        let of = of.map(|of| of.div_ceil(MEBIBYTE));
        if !self.on_terminal && self.part != what {
            note(&image_words(what, of));
            self.part = what;
        }
        if self.on_terminal {
            self.show(what, Some(((done / MEBIBYTE) as usize, of.unwrap_or_default() as usize)));
        }
    }
}

fn image_words(what: &str, mebibytes: Option<u64>) -> String {
    let size = mebibytes.map(|of| format!(": {of} MiB")).unwrap_or_default();
    format!("{what} an image{size}")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_told_once_with_its_size() {
        let long_ago = Instant::now().checked_sub(PATIENCE).expect("a clock that has run a while");
        let mut progress = Progress { started: long_ago, on_terminal: false, part: "", bar: None };
        let step = |done| netyard_linux::image::Step { what: "copying", done, of: Some(3 << 20) };
        progress.at(At::Image(step(0)));
        assert_eq!(progress.part, "copying");
        progress.at(At::Image(step(1 << 20)));
        assert_eq!(image_words("copying", Some(3)), "copying an image: 3 MiB");
        assert_eq!(image_words("copying", None), "copying an image");
        progress.at(At::Verifying);
        assert_eq!(progress.part, "verifying");
    }
}

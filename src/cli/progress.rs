//! Progress of long work: a bar on a terminal, nothing in a pipe.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A bar of bytes; it goes away when dropped.
pub(super) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Of so many bytes; of unknown length if 0.
    pub(super) fn new(what: &'static str, total: u64) -> Self {
        let (bar, template) = if total == 0 {
            (ProgressBar::new_spinner(), "{spinner} {msg} {elapsed_precise}")
        } else {
            let bar = ProgressBar::new(total);
            (bar, "{msg} {bar:40} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left")
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar }
    }

    /// So many bytes are done, of so many.
    pub(super) fn at(&self, done: u64, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(done);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

//! The progress bar: on a terminal only, and only for work that lasts longer than a second.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::reporter::Reporter;

/// A bar over files and bytes, with rate and time left; invisible unless somebody watches.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Begins a bar over `bytes` of work.
    pub(crate) fn over(bytes: u64, reporter: Reporter) -> Self {
        let bar = if reporter.watched() {
            ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr_with_hz(5))
        } else {
            ProgressBar::hidden()
        };
        if let Ok(style) =
            ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta} left")
        {
            bar.set_style(style);
        }
        // A bar that flashes for an instant is noise: the first tick comes after a second.
        bar.enable_steady_tick(Duration::from_secs(1));
        Self { bar }
    }

    /// Says that `bytes` more are done, and how many files; 0 where files are not counted.
    pub(crate) fn advance(&self, bytes: u64, files: usize) {
        self.bar.inc(bytes);
        if files > 0 {
            self.bar.set_message(format!("{files} files"));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

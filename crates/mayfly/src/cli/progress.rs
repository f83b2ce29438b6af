//! Signs of life for what takes longer than a second.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::terminal::Terminal;

/// What is done sooner needs no sign.
const PATIENCE: Duration = Duration::from_secs(1);

/// How far an upload is. Silent where nobody watches.
pub(crate) struct Upload {
    bar: Option<ProgressBar>,
    label: String,
    total: u64,
    started: Instant,
    watched: bool,
}

impl Upload {
    /// An upload of `total` bytes.
    pub(crate) fn new(terminal: &Terminal, label: String, total: u64) -> Self {
        let watched = terminal.err_is_terminal;
        Self { bar: None, label, total, started: Instant::now(), watched }
    }

    /// So many bytes are out.
    pub(crate) fn at(&mut self, sent: u64) {
        if !self.watched || self.started.elapsed() < PATIENCE {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let template = "{msg} {bar:32} {bytes}/{total_bytes} {bytes_per_sec} {eta}";
            let style = ProgressStyle::with_template(template);
            let bar = ProgressBar::new(self.total).with_message(self.label.clone());
            bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        bar.set_position(sent);
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Something turns while an answer is awaited. Silent where nobody watches.
pub(crate) struct Waiting {
    turning: Option<(mpsc::Sender<()>, JoinHandle<()>)>,
}

impl Waiting {
    /// Begins to wait for what `label` says.
    pub(crate) fn new(terminal: &Terminal, label: impl Into<String>) -> Self {
        if !terminal.err_is_terminal {
            return Self { turning: None };
        }
        let label = label.into();
        let (done, awaited) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            if awaited.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            let spinner = ProgressBar::new_spinner().with_message(label);
            while awaited.recv_timeout(Duration::from_millis(100)) == Err(RecvTimeoutError::Timeout)
            {
                spinner.tick();
            }
            spinner.finish_and_clear();
        });
        Self { turning: Some((done, thread)) }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some((done, thread)) = self.turning.take() {
            drop(done);
            // It only draws; what it may panic of is no reason to fail.
            let _ = thread.join();
        }
    }
}

//! What a child process says.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex};

use tokio::sync::watch;

/// Lines of a child's stdout or stderr, kept from the first on, that can be waited for.
#[derive(Debug, Clone)]
pub struct Output {
    lines: watch::Receiver<usize>,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    lines: Vec<String>,
    ended: bool,
}

impl Output {
    /// Reads `pipe` on a thread of its own until it ends.
    pub fn read(pipe: impl Read + Send + 'static) -> Self {
        let (grown, lines) = watch::channel(0);
        let kept = Arc::new(Mutex::new(Kept::default()));
        let writer = Arc::clone(&kept);
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n') {
                let Ok(line) = line else { break };
                let line = String::from_utf8_lossy(&line).into_owned();
                writer.lock().unwrap().lines.push(line);
                grown.send_modify(|count| *count += 1);
            }
            writer.lock().unwrap().ended = true;
            grown.send_modify(|count| *count += 1);
        });
        Self { lines, kept }
    }

    /// What was said so far.
    pub fn text(&self) -> String {
        self.kept.lock().unwrap().lines.join("\n")
    }

    /// How many lines there are so far: where the next [`Output::line`] may start.
    pub fn position(&self) -> usize {
        self.kept.lock().unwrap().lines.len()
    }

    /// The first line from `position` on that `pick` takes, with the position after it; `None` when
    /// the output ends before there is one.
    pub async fn line<T>(
        &self,
        position: usize,
        mut pick: impl FnMut(&str) -> Option<T>,
    ) -> Option<(T, usize)> {
        let mut lines = self.lines.clone();
        let mut next = position;
        loop {
            lines.borrow_and_update();
            {
                let kept = self.kept.lock().unwrap();
                while let Some(line) = kept.lines.get(next) {
                    next += 1;
                    if let Some(value) = pick(line) {
                        return Some((value, next));
                    }
                }
                if kept.ended {
                    return None;
                }
            }
            // The reader's end also counts as a change, so a closed channel was seen above.
            let _ = lines.changed().await;
        }
    }
}

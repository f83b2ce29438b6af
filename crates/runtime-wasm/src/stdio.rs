//! What a guest writes to its standard output and error, line by line, as log lines.

use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use mayfly_runtime_api::{LogLevel, LogSink};
use mayfly_types::InvocationId;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError};

/// Longest line of the log, in bytes; what is longer is cut.
const LONGEST_LINE: usize = 64 << 10;

/// The log of one invocation.
#[derive(Clone)]
pub(crate) struct Lines {
    sink: Arc<dyn LogSink>,
    invocation: InvocationId,
    /// Lines that are begun: standard output's and standard error's.
    begun: Option<Arc<Begun>>,
}

#[derive(Default)]
struct Begun {
    out: Mutex<Vec<u8>>,
    err: Mutex<Vec<u8>>,
}

impl Begun {
    fn of(&self, level: LogLevel) -> MutexGuard<'_, Vec<u8>> {
        let line = if level == LogLevel::Error { &self.err } else { &self.out };
        line.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Lines {
    pub(crate) fn new(sink: Arc<dyn LogSink>, invocation: InvocationId) -> Self {
        Self { sink, invocation, begun: None }
    }

    pub(crate) fn write(&self, level: LogLevel, message: &str) {
        self.sink.write(Some(self.invocation), level, message);
    }

    /// Tells the last lines, which no newline ended.
    pub(crate) fn finish(&self) {
        let Some(begun) = &self.begun else { return };
        for level in [LogLevel::Info, LogLevel::Error] {
            let line = std::mem::take(&mut *begun.of(level));
            if !line.is_empty() {
                self.write(level, &String::from_utf8_lossy(&line));
            }
        }
    }

    fn begun(&mut self) -> &Arc<Begun> {
        self.begun.get_or_insert_default()
    }
}

/// One of the two streams.
pub(crate) struct Output {
    lines: Lines,
    level: LogLevel,
}

impl Output {
    pub(crate) fn new(lines: &mut Lines, level: LogLevel) -> Self {
        lines.begun();
        Self { lines: lines.clone(), level }
    }
}

#[async_trait::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

#[async_trait::async_trait]
impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        let begun = Arc::clone(self.lines.begun());
        let mut line = begun.of(self.level);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let end = rest.iter().position(|byte| *byte == b'\n');
            let take = end.unwrap_or(rest.len()).min(LONGEST_LINE - line.len());
            line.extend_from_slice(&rest[..take]);
            let whole = end == Some(take);
            rest = &rest[take + usize::from(whole)..];
            if whole || line.len() == LONGEST_LINE {
                self.lines.write(self.level, &String::from_utf8_lossy(&line));
                line.clear();
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StreamError> {
        Ok(())
    }

    fn check_write(&mut self) -> Result<usize, StreamError> {
        Ok(LONGEST_LINE)
    }
}

//! Where a process's lines go.

use std::sync::Arc;

use mayfly_runtime_api::{LogLevel, LogSink};
use mayfly_types::{Fault, InvocationId};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

/// Longest line of the log, in bytes.
const LONGEST_LINE: usize = 64 << 10;

/// The log of one function.
#[derive(Clone)]
pub(crate) struct Log(pub(crate) Arc<dyn LogSink>);

impl Log {
    pub(crate) fn write(&self, invocation: Option<InvocationId>, level: LogLevel, message: &str) {
        self.0.write(invocation, level, message);
    }

    /// Tells its owner what went wrong with a call.
    pub(crate) fn fault(&self, invocation: InvocationId, fault: &Fault) {
        let detail = fault.detail.as_deref().unwrap_or(&fault.message);
        self.write(Some(invocation), LogLevel::Error, detail);
    }
}

/// Hands on what a process writes to its output, line by line, cutting what is too long for one.
pub(crate) async fn follow(output: impl AsyncRead + Unpin, mut tell: impl FnMut(&str)) {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    loop {
        let Ok(available) = output.fill_buf().await else { return };
        if available.is_empty() {
            break;
        }
        let end = available.iter().position(|byte| *byte == b'\n');
        let take = end.unwrap_or(available.len()).min(LONGEST_LINE - line.len());
        line.extend_from_slice(&available[..take]);
        let whole = end == Some(take);
        output.consume(take + usize::from(whole));
        if whole || line.len() == LONGEST_LINE {
            tell(&String::from_utf8_lossy(&line));
            line.clear();
        }
    }
    if !line.is_empty() {
        tell(&String::from_utf8_lossy(&line));
    }
}

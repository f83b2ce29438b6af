//! Logs of functions.

use async_trait::async_trait;
use mayfly_types::{AppKey, FunctionName, InvocationId, LogLevel};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::Error;

/// One line that a function wrote, or that the platform wrote about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When, in UTC microseconds since 1970; in JSON, as RFC 3339.
    #[serde(rename = "time", with = "mayfly_types::rfc3339")]
    pub time_us: i64,
    /// The app.
    pub app: AppKey,
    /// The function.
    pub function: FunctionName,
    /// The invocation, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocation: Option<InvocationId>,
    /// `debug`, `info`, `warn` or `error`.
    pub level: String,
    /// The line; it may hold line breaks.
    pub message: String,
}

impl LogLine {
    /// Most bytes of a message.
    pub const LONGEST: usize = 64 << 10;

    /// The same line; a message that is longer than [`LogLine::LONGEST`] is cut between two
    /// characters and says how long it was.
    #[must_use]
    pub fn cut(mut self) -> Self {
        let length = self.message.len();
        if length > Self::LONGEST {
            self.message.truncate(self.message.floor_char_boundary(Self::LONGEST));
            self.message.push_str(&format!(" … [cut, {length} bytes]"));
            self.message.shrink_to_fit();
        }
        self
    }
}

/// Which lines to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogQuery {
    /// The app.
    pub app: AppKey,
    /// One function, or all of the app's.
    #[serde(default)]
    pub function: Option<FunctionName>,
    /// One invocation, or all.
    #[serde(default)]
    pub invocation: Option<InvocationId>,
    /// No line older than this, in UTC microseconds since 1970.
    #[serde(default)]
    pub since_us: Option<i64>,
    /// No line of this time or newer, in UTC microseconds since 1970.
    #[serde(default)]
    pub until_us: Option<i64>,
    /// Only lines of this level or a graver one.
    #[serde(default)]
    pub level: Option<LogLevel>,
    /// Only lines whose message holds this text, in capitals or not.
    #[serde(default)]
    pub text: Option<String>,
    /// Only lines after this position, as a former answer gave it. A position from the future, as
    /// after logs were deleted, reads nothing and leads to the present one.
    #[serde(default)]
    pub after: Option<u64>,
    /// At most this many: the newest where `after` is absent, the next ones where it is given.
    pub limit: usize,
}

impl LogQuery {
    /// The newest lines of an app, at most so many.
    pub fn newest(app: AppKey, limit: usize) -> Self {
        Self {
            app,
            function: None,
            invocation: None,
            since_us: None,
            until_us: None,
            level: None,
            text: None,
            after: None,
            limit,
        }
    }

    /// Whether a line of the app and function is wanted, by all else that it says.
    pub fn wants(
        &self,
        time_us: i64,
        invocation: Option<InvocationId>,
        level: &str,
        message: &str,
    ) -> bool {
        self.since_us.is_none_or(|since_us| time_us >= since_us)
            && self.until_us.is_none_or(|until_us| time_us < until_us)
            && (self.invocation.is_none() || self.invocation == invocation)
            // A level that nobody knows is shown rather than hidden.
            && self.level.is_none_or(|least| level.parse().map_or(true, |level: LogLevel| level >= least))
            && self.text.as_ref().is_none_or(|text| holds(message, text))
    }
}

/// Whether a text holds another, in ASCII capitals or not.
fn holds(message: &str, text: &str) -> bool {
    let (message, text) = (message.as_bytes(), text.as_bytes());
    text.is_empty() || message.windows(text.len()).any(|part| part.eq_ignore_ascii_case(text))
}

/// Keeps the lines of functions in bounded space. The tail that was not yet flushed is lost with
/// the machine's power; nothing else is, but for the oldest lines when space runs out.
#[async_trait]
pub trait LogStore: Send + Sync {
    /// Takes a line, cut by [`LogLine::cut`]. It never blocks: when its buffer is full the line is dropped and counted, and
    /// a line that says how many takes its place.
    fn append(&self, line: LogLine);
    /// Lines in order, with the position after the last one read. Lines taken before the call are
    /// in the answer.
    async fn query(&self, query: LogQuery) -> Result<(Vec<LogLine>, u64), Error>;
    /// Tells when new lines can be read.
    fn position(&self) -> watch::Receiver<u64>;
    /// Waits until every line taken so far is on disk.
    async fn flush(&self) -> Result<(), Error>;
    /// Forgets an app's lines.
    async fn delete_app(&self, app: &AppKey) -> Result<(), Error>;
}

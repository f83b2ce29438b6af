//! Where a runtime's log lines go.

use mayfly_types::InvocationId;

/// How grave a line is; the words of `console`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// `console.debug`.
    Debug,
    /// `console.log` and `console.info`; lines on stdout.
    Info,
    /// `console.warn`.
    Warn,
    /// `console.error`, uncaught errors; lines on stderr.
    Error,
}

impl LogLevel {
    /// The level as text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// Takes the lines of one function. It never blocks: what it cannot hold it drops and counts.
pub trait LogSink: Send + Sync {
    /// Takes one line, of one invocation or of the instance's own start.
    fn write(&self, invocation: Option<InvocationId>, level: LogLevel, message: &str);
}

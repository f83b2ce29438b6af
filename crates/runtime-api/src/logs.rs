//! Where a runtime's log lines go.

use mayfly_types::InvocationId;
pub use mayfly_types::LogLevel;

/// Takes the lines of one function. It never blocks: what it cannot hold it drops and counts.
pub trait LogSink: Send + Sync {
    /// Takes one line, of one invocation or of the instance's own start.
    fn write(&self, invocation: Option<InvocationId>, level: LogLevel, message: &str);
}

//! Log lines of one function, on their way to the store.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use mayfly_runtime_api::{LogLevel, LogSink};
use mayfly_state_api::{LogLine, LogStore};
use mayfly_types::{AppKey, FunctionName, InvocationId};

/// Tags lines with the function they are of.
pub(crate) struct FunctionLogs {
    pub(crate) store: Arc<dyn LogStore>,
    pub(crate) app: AppKey,
    pub(crate) function: FunctionName,
}

impl LogSink for FunctionLogs {
    fn write(&self, invocation: Option<InvocationId>, level: LogLevel, message: &str) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.store.append(LogLine {
            time_us: i64::try_from(now.as_micros()).unwrap_or(i64::MAX),
            app: self.app.clone(),
            function: self.function.clone(),
            invocation,
            level: level.as_str().to_owned(),
            message: message.to_owned(),
        });
    }
}

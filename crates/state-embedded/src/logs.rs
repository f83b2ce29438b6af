//! Logs of functions in bounded segment files.
//!
//! Each function has a directory of its own, `logs/TENANT/APP/FUNCTION/FIRST.jsonl`, so that one
//! that floods pushes out its own lines and no other's. One thread writes; readers open the files
//! themselves.

mod queue;
mod rate;
mod read;
mod shelf;

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use async_trait::async_trait;
use mayfly_state_api::{Error, LogLine, LogQuery, LogStore};
use mayfly_types::{AppKey, FunctionName};
use serde::{Deserialize, Serialize};
use tokio::sync::{oneshot, watch};

use self::queue::{Queue, Request};
use self::read::Snapshot;
use self::shelf::Shelf;
use crate::{DataDir, OpenError};

/// How much of logs is kept; space is in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLimits {
    /// All functions together. The one that holds the most gives way first.
    pub total: u64,
    /// One function.
    pub function: u64,
    /// One file. Files are smaller where many functions share the total.
    pub segment: u64,
    /// Lines in memory that wait to be written; one function may hold a quarter of it.
    pub queue: usize,
    /// How long lines are kept.
    pub keep: Duration,
    /// Most lines per second of one function, over some seconds.
    pub rate: u32,
}

/// How long lines are kept, unless something else is said.
const KEEP: Duration = Duration::from_secs(30 * 24 * 3600);

impl Default for LogLimits {
    fn default() -> Self {
        Self {
            total: 64 << 20,
            function: 16 << 20,
            segment: 4 << 20,
            queue: 8 << 20,
            keep: KEEP,
            rate: 5_000,
        }
    }
}

/// Logs in segment files. A line that was written survives the process; what
/// [`LogStore::flush`] waited for survives the machine.
///
/// Dropping it waits until the lines that were taken are on disk.
pub struct SegmentLogs {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
    position: watch::Receiver<u64>,
}

impl SegmentLogs {
    /// Opens the logs of a data directory. Limits that became smaller hold from the next line on.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(data: &DataDir, limits: LogLimits) -> Result<Self, OpenError> {
        let root = data.logs();
        let shelf = Shelf::open(&root, limits, data.now_us());
        let mut shelf = shelf.map_err(OpenError::io("read", &root))?;
        let queue = Arc::new(Queue::new(limits.queue, limits.rate));
        let (told, position) = watch::channel(shelf.end());
        let (waiting, data) = (queue.clone(), data.clone());
        let thread = thread::Builder::new().name("mayfly-logs".into());
        let thread = thread.spawn(move || write(&waiting, &mut shelf, &data, &told));
        let thread = thread.map_err(OpenError::io("start the writer of", &root))?;
        Ok(Self { queue, thread: Some(thread), position })
    }

    async fn request<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<T>) -> Request,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.queue.request(request(reply));
        answer.await.map_err(|_| Error::Unavailable("the writer of logs has ended".into()))
    }
}

impl Drop for SegmentLogs {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(thread) = self.thread.take() {
            let _its_panic_was_reported_by_itself = thread.join();
        }
    }
}

#[async_trait]
impl LogStore for SegmentLogs {
    fn append(&self, line: LogLine) {
        self.queue.push(line.cut());
    }

    async fn query(&self, query: LogQuery) -> Result<(Vec<LogLine>, u64), Error> {
        let (app, function) = (query.app.clone(), query.function.clone());
        let snapshot = self.request(|reply| Request::Snapshot { app, function, reply }).await?;
        let read = tokio::task::spawn_blocking(move || read::read(&query, snapshot)).await;
        let read = read.map_err(|error| Error::Unavailable(format!("read logs: {error}")))?;
        read.map_err(|error| Error::Unavailable(format!("read logs: {error}")))
    }

    fn position(&self) -> watch::Receiver<u64> {
        self.position.clone()
    }

    async fn flush(&self) -> Result<(), Error> {
        self.request(Request::Flush).await?
    }

    async fn delete_app(&self, app: &AppKey) -> Result<(), Error> {
        let app = app.clone();
        self.request(|reply| Request::DeleteApp { app, reply }).await?
    }
}

/// A function with its app: what owns a directory of segments.
type Owner = (AppKey, FunctionName);

/// A line as its segment keeps it; the path says whose it is.
#[derive(Serialize, Deserialize)]
struct Record {
    position: u64,
    time_us: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    invocation: Option<mayfly_types::InvocationId>,
    level: String,
    message: String,
}

/// The writer's thread. It keeps the directory locked.
fn write(queue: &Queue, shelf: &mut Shelf, data: &DataDir, position: &watch::Sender<u64>) {
    loop {
        let taken = queue.take();
        shelf.write(taken.lines, taken.lost, data.now_us());
        position.send_if_modified(|told| std::mem::replace(told, shelf.end()) != shelf.end());
        for request in taken.requests {
            // Whoever asked may have left.
            match request {
                Request::Snapshot { app, function, reply } => {
                    let _ = reply.send(shelf.snapshot(&app, function.as_ref(), data.now_us()));
                }
                Request::Flush(reply) => {
                    let _ = reply.send(shelf.flush());
                }
                Request::DeleteApp { app, reply } => {
                    let _ = reply.send(shelf.delete_app(&app));
                }
            }
        }
        if taken.closed {
            if let Err(error) = shelf.flush() {
                tracing::warn!(%error, "write the last lines of logs");
            }
            return;
        }
    }
}

#[cfg(test)]
mod tests;

//! Asynchronous work that the host does for a guest: timers, bodies, `fetch`.

use std::collections::HashMap;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, Stream};
use mayfly_runtime_api::Body;
use tokio::time::Instant;

use crate::fetch::{self, Fetcher, Upload};
use crate::slot::{Output, StartedOp};
use crate::timers::Timers;

/// Most operations that one invocation may have under way.
const MOST_OPS: usize = 1024;

/// What became of an operation, in the words of the guest's `settle`.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) id: u32,
    pub(crate) result: OpResult,
    resource: Option<(u32, Resource)>,
}

/// JSON and bytes, or an error.
pub(crate) type OpResult = Result<(String, Option<Bytes>), OpError>;

/// An error as the guest throws it.
#[derive(Debug)]
pub(crate) struct OpError {
    /// `TypeError`, or a `DOMException`'s name.
    pub(crate) name: &'static str,
    pub(crate) message: String,
}

impl OpError {
    pub(crate) fn type_error(message: impl Into<String>) -> Self {
        Self { name: "TypeError", message: message.into() }
    }
}

/// Something that operations of a guest refer to by a number.
pub(crate) enum Resource {
    /// A body that the guest reads.
    Reader(Body),
    /// A body that the guest writes, with the answer to the request it belongs to.
    Upload(Upload),
}

impl std::fmt::Debug for Resource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Reader(_) => "Reader",
            Self::Upload(_) => "Upload",
        })
    }
}

/// The operations of one invocation.
pub(crate) struct Ops {
    pending: FuturesUnordered<Pending>,
    timers: Timers,
    /// The latest that settled was a timer: where both could, the others are next.
    timer_last: bool,
    resources: HashMap<u32, Resource>,
    next_resource: u32,
    fetcher: Option<Arc<Fetcher>>,
    output: Arc<Mutex<Output>>,
    /// How many of the pending ones only wait for the reader of the answer.
    writes: usize,
}

struct Pending {
    id: u32,
    write: bool,
    future: BoxFuture<'static, (OpResult, Option<(u32, Resource)>)>,
}

impl Future for Pending {
    type Output = (Settled, bool);
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<(Settled, bool)> {
        let (id, write) = (self.id, self.write);
        self.future
            .as_mut()
            .poll(cx)
            .map(|(result, resource)| (Settled { id, result, resource }, write))
    }
}

impl Ops {
    /// The request's body is resource 0.
    pub(crate) fn new(
        body: Option<Body>,
        fetcher: Option<Arc<Fetcher>>,
        output: Arc<Mutex<Output>>,
    ) -> Self {
        let mut resources = HashMap::new();
        if let Some(body) = body {
            resources.insert(0, Resource::Reader(body));
        }
        Self {
            pending: FuturesUnordered::new(),
            timers: Timers::default(),
            timer_last: false,
            resources,
            next_resource: 1,
            fetcher,
            output,
            writes: 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.timers.is_empty()
    }

    /// Whether nothing but the answer's reader is waited for.
    pub(crate) fn only_writes(&self) -> bool {
        self.writes == self.pending.len() && self.timers.is_empty()
    }

    /// Drops operations that the guest no longer wants; they are never settled.
    pub(crate) fn cancel(&mut self, ids: &[u32]) {
        if ids.is_empty() {
            return;
        }
        self.timers.cancel(ids);
        let pending = std::mem::take(&mut self.pending);
        self.pending = pending.into_iter().filter(|op| !ids.contains(&op.id)).collect();
        self.writes = self.pending.iter().filter(|op| op.write).count();
    }

    /// Begins an operation.
    pub(crate) fn start(&mut self, op: StartedOp) {
        let StartedOp { id, name, meta, bytes } = op;
        let future = if self.pending.len() + self.timers.len() >= MOST_OPS {
            error(OpError::type_error(format!("more than {MOST_OPS} operations at once")))
        } else {
            let meta = serde_json::from_str(&meta).unwrap_or_default();
            if name == "timer" {
                return self.timers.start(id, Instant::now() + after(&meta));
            }
            self.operation(&name, meta, bytes)
        };
        let write = name == "reply_write";
        self.writes += usize::from(write);
        self.pending.push(Pending { id, write, future });
    }

    fn operation(
        &mut self,
        name: &str,
        meta: serde_json::Value,
        bytes: Option<Bytes>,
    ) -> BoxFuture<'static, (OpResult, Option<(u32, Resource)>)> {
        let rid = meta["rid"].as_u64().and_then(|rid| u32::try_from(rid).ok()).unwrap_or(0);
        match name {
            "body_read" => match self.resources.remove(&rid) {
                Some(Resource::Reader(body)) => Box::pin(async move {
                    let mut body = body;
                    match read(&mut body).await {
                        Ok(Some(bytes)) => {
                            let result = Ok((String::new(), Some(bytes)));
                            (result, Some((rid, Resource::Reader(body))))
                        }
                        Ok(None) => (Ok((String::new(), None)), None),
                        Err(fault) => (Err(OpError::type_error(fault.message)), None),
                    }
                }),
                Some(other) => {
                    self.resources.insert(rid, other);
                    error(OpError::type_error("this is no body to read"))
                }
                // A body that has ended stays ended.
                None => Box::pin(std::future::ready((Ok((String::new(), None)), None))),
            },
            "body_cancel" => {
                self.resources.remove(&rid);
                Box::pin(std::future::ready((Ok((String::new(), None)), None)))
            }
            "reply_write" => self.reply_write(bytes.unwrap_or_default()),
            "fetch" | "fetch_open" | "fetch_write" | "fetch_close" | "fetch_head" => {
                let Some(fetcher) = self.fetcher.clone() else {
                    return error(OpError::type_error("fetch is not available here"));
                };
                let new = self.next_resource;
                self.next_resource += 1;
                // Writing goes on while the head is awaited, and after: the upload stays here.
                let upload = match self.resources.get_mut(&rid) {
                    Some(Resource::Upload(upload)) => Some(upload),
                    _ => None,
                };
                match (name, upload) {
                    ("fetch", _) => Box::pin(fetch::send_whole(fetcher, meta, bytes, new)),
                    ("fetch_open", _) => {
                        Box::pin(std::future::ready(fetch::open(fetcher, meta, new)))
                    }
                    ("fetch_write", Some(upload)) => {
                        let write = upload.write(bytes.unwrap_or_default());
                        Box::pin(async move { (write.await, None) })
                    }
                    ("fetch_close", Some(upload)) => {
                        let close = upload.close();
                        Box::pin(async move { (close.await, None) })
                    }
                    ("fetch_head", Some(upload)) => Box::pin(fetch::head(upload.take_head(), new)),
                    _ => error(OpError::type_error("this request does not take a body now")),
                }
            }
            _ => error(OpError::type_error(format!("the host has no operation `{name}`"))),
        }
    }

    /// Hands bytes to the answer's reader; settles when all handed over so far were taken.
    fn reply_write(
        &mut self,
        bytes: Bytes,
    ) -> BoxFuture<'static, (OpResult, Option<(u32, Resource)>)> {
        let output = Arc::clone(&self.output);
        {
            let mut output = output.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            output.bytes_out += bytes.len() as u64;
            if !bytes.is_empty() {
                output.chunks.push_back(bytes);
            }
        }
        Box::pin(std::future::poll_fn(move |cx| {
            let mut output = output.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            if output.chunks.is_empty() {
                return Poll::Ready((Ok((String::new(), None)), None));
            }
            output.drained = Some(cx.waker().clone());
            Poll::Pending
        }))
    }

    /// Waits for the next operation to end; `None` when none is under way.
    pub(crate) async fn next(&mut self) -> Option<Settled> {
        let due = self.timers.next();
        if due.is_some_and(|due| due <= Instant::now()) {
            // A guest that sets one timer after another lets others run in between.
            tokio::task::yield_now().await;
        }
        let mut alarm = pin!(due.map(tokio::time::sleep_until));
        std::future::poll_fn(|cx| {
            if !self.timer_last
                && let Some(settled) = self.take_due()
            {
                return Poll::Ready(Some(settled));
            }
            if let Poll::Ready(Some((settled, write))) = Pin::new(&mut self.pending).poll_next(cx) {
                return Poll::Ready(Some(self.settled(settled, write)));
            }
            if let Some(settled) = self.take_due() {
                return Poll::Ready(Some(settled));
            }
            match alarm.as_mut().as_pin_mut().map(|alarm| alarm.poll(cx)) {
                Some(Poll::Ready(())) => Poll::Ready(self.take_due()),
                Some(Poll::Pending) => Poll::Pending,
                None if self.is_empty() => Poll::Ready(None),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// A timer that is due.
    fn take_due(&mut self) -> Option<Settled> {
        let id = self.timers.take_due(Instant::now())?;
        self.timer_last = true;
        Some(Settled { id, result: Ok((String::new(), None)), resource: None })
    }

    fn settled(&mut self, mut settled: Settled, write: bool) -> Settled {
        self.timer_last = false;
        self.writes -= usize::from(write);
        if let Some((rid, resource)) = settled.resource.take() {
            if rid == 0
                && let Ok((_, Some(bytes))) = &settled.result
            {
                let mut output =
                    self.output.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                output.bytes_in += bytes.len() as u64;
            }
            self.resources.insert(rid, resource);
        }
        settled
    }
}

/// How long a timer waits.
fn after(meta: &serde_json::Value) -> Duration {
    let millis = meta["ms"].as_f64().unwrap_or(0.0).clamp(0.0, 2_147_483_647.0);
    Duration::from_secs_f64(millis / 1e3)
}

fn error(error: OpError) -> BoxFuture<'static, (OpResult, Option<(u32, Resource)>)> {
    Box::pin(std::future::ready((Err(error), None)))
}

async fn read(body: &mut Body) -> Result<Option<Bytes>, mayfly_types::Fault> {
    use http_body_util::BodyExt;
    while let Some(frame) = body.frame().await.transpose()? {
        match frame.into_data() {
            Ok(bytes) if !bytes.is_empty() => return Ok(Some(bytes)),
            _ => {}
        }
    }
    Ok(None)
}

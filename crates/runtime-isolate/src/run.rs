//! One invocation: the guest is given its request, its operations are done, its answer is read.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use mayfly_runtime_api::{
    Body, Failure, LogLevel, Metered, Reply, ReplyBody, ReplyStream, ResponseHead, Share, Spent,
};
use mayfly_types::{ByteSize, Fault, FaultCode, Outcome, OutcomeStatus};

use crate::engine::Engine;
use crate::fetch::Fetcher;
use crate::ops::{Ops, Settled};
use crate::pool::Pool;
use crate::slot::{Entry, Output, ReplyHead, Slot, Status};
use crate::wire::Writer;

/// How long a guest that runs past its deadline is asked to stop, which gives a stack trace of
/// where it was, before it is stopped.
const GRACE: Duration = Duration::from_millis(20);

/// What one invocation needs.
pub(crate) struct Run {
    pub(crate) engine: Arc<Engine>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) slot: Slot,
    pub(crate) message: Vec<u8>,
    pub(crate) body: Option<Body>,
    pub(crate) fetcher: Option<Arc<Fetcher>>,
    pub(crate) memory: ByteSize,
    pub(crate) deadline: Instant,
    pub(crate) timeout: Duration,
    pub(crate) cold: bool,
    pub(crate) init: Duration,
    pub(crate) bytes_in: u64,
    pub(crate) share: Share,
}

/// How it ended.
#[derive(Debug)]
struct Ended {
    fault: Option<Fault>,
    outcome: Outcome,
}

/// Runs the guest until its answer's head is there.
pub(crate) async fn run(run: Run) -> Result<Reply, Failure> {
    let output = Arc::clone(&run.slot.store.data().output);
    let (cold, began) = (run.cold, Instant::now());
    let share = run.share.clone();
    let future = Metered::new(Box::pin(drive(run)), Spent::default(), share);
    let mut running = Running { future, output, ended: None, cold, began };
    let head = std::future::poll_fn(|cx| running.poll_head(cx)).await;
    let (result, event) = match head {
        Ok(head) => head,
        Err(failure) => return Err(failure),
    };
    let rest = match running.ended.take() {
        // The answer may lie complete although its guest failed afterwards, in `waitUntil`.
        Some(ended) if running.is_complete() => {
            ReplyBody::Complete(running.take_all(), ended.outcome)
        }
        ended => {
            running.ended = ended;
            ReplyBody::Running(Box::pin(running))
        }
    };
    match event {
        Some(json) => Ok(Reply::Event { json, rest }),
        None => Ok(Reply::Http { head: result, body: rest }),
    }
}

/// An invocation that goes on.
struct Running {
    future: Metered<Ended>,
    output: Arc<Mutex<Output>>,
    ended: Option<Ended>,
    cold: bool,
    began: Instant,
}

impl Running {
    fn output(&self) -> std::sync::MutexGuard<'_, Output> {
        self.output.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn is_complete(&self) -> bool {
        let output = self.output();
        output.ended && output.chunks.len() <= 1
    }

    fn take_all(&self) -> Bytes {
        self.output().chunks.pop_front().unwrap_or_default()
    }

    /// Drives the guest.
    fn poll_guest(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        Pin::new(&mut self.future).poll(cx).map(|mut ended| {
            ended.outcome.cpu_us = self.future.spent().micros();
            ended
        })
    }

    fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(ResponseHead, Option<Bytes>), Failure>> {
        if self.ended.is_none()
            && let Poll::Ready(ended) = self.poll_guest(cx)
        {
            self.ended = Some(ended);
        }
        let (head, event) = {
            let mut output = self.output();
            (output.head.take(), output.event.take())
        };
        if let Some(json) = event {
            let head = ResponseHead { status: StatusCode::OK, headers: HeaderMap::new() };
            return Poll::Ready(Ok((head, Some(json))));
        }
        // A body that broke before its first byte is a failure, not an answer that is cut off.
        let broken = {
            let output = self.output();
            output.fault.is_some() && !output.ended && output.bytes_out == 0
        };
        match (head.filter(|_| !broken), self.ended.take()) {
            (Some(head), ended) => {
                self.ended = ended;
                Poll::Ready(response_head(head).map(|head| (head, None)).map_err(|fault| {
                    let mut outcome = self.outcome_so_far();
                    outcome.status = OutcomeStatus::Fault(fault.code);
                    Failure { fault, outcome }
                }))
            }
            (None, None) => Poll::Pending,
            (None, Some(Ended { fault, mut outcome })) => {
                let fault = fault.unwrap_or_else(|| {
                    Fault::new(FaultCode::InvalidResponse, "the function ended without an answer")
                });
                outcome.status = OutcomeStatus::Fault(fault.code);
                Poll::Ready(Err(Failure { fault, outcome }))
            }
        }
    }

    fn outcome_so_far(&self) -> Outcome {
        let (bytes_in, bytes_out) = {
            let output = self.output();
            (output.bytes_in, output.bytes_out)
        };
        Outcome {
            status: OutcomeStatus::Cancelled,
            cold: self.cold,
            init_us: 0,
            wall_us: self.began.elapsed().as_micros() as u64,
            cpu_us: self.future.spent().micros(),
            cpu_estimated: false,
            memory_peak: 0,
            bytes_in,
            bytes_out,
        }
    }
}

impl ReplyStream for Running {
    fn poll_data(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Fault>>> {
        loop {
            {
                let mut output = self.output();
                if let Some(chunk) = output.chunks.pop_front() {
                    if output.chunks.is_empty()
                        && let Some(waker) = output.drained.take()
                    {
                        waker.wake();
                    }
                    return Poll::Ready(Some(Ok(chunk)));
                }
                if output.ended || output.told {
                    return Poll::Ready(None);
                }
                // It stays for the attempt's own end, which may come later: the guest still runs.
                if let Some(fault) = output.fault.clone() {
                    output.told = true;
                    return Poll::Ready(Some(Err(fault)));
                }
            }
            if let Some(ended) = &self.ended {
                let fault = ended.fault.clone().unwrap_or_else(|| {
                    Fault::new(FaultCode::FunctionError, "the answer's body was never finished")
                });
                self.output().ended = true;
                return Poll::Ready(Some(Err(fault)));
            }
            match self.poll_guest(cx) {
                Poll::Ready(ended) => self.ended = Some(ended),
                Poll::Pending => {
                    let output = self.output();
                    if output.chunks.is_empty() && !output.ended && output.fault.is_none() {
                        return Poll::Pending;
                    }
                }
            }
        }
    }

    fn poll_outcome(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        match self.ended.take() {
            Some(ended) => Poll::Ready(ended.outcome),
            None => self.poll_guest(cx).map(|ended| ended.outcome),
        }
    }

    fn so_far(self: Pin<&mut Self>) -> Outcome {
        self.outcome_so_far()
    }

    fn remaining(&self) -> Option<u64> {
        let output = self.output();
        (output.ended || output.told)
            .then(|| output.chunks.iter().map(|chunk| chunk.len() as u64).sum())
    }
}

fn response_head(head: ReplyHead) -> Result<ResponseHead, Fault> {
    let invalid = |message: String| Fault::new(FaultCode::InvalidResponse, message);
    let status = u16::try_from(head.status).ok().and_then(|code| StatusCode::from_u16(code).ok());
    let status = status.ok_or_else(|| invalid(format!("{} is no status of HTTP", head.status)))?;
    let mut headers = HeaderMap::with_capacity(head.headers.len());
    for (name, value) in head.headers {
        // The guest writes header values as UTF-8 of byte strings (Fetch, isomorphic encode).
        let value = match value.is_ascii() {
            true => value,
            false => String::from_utf8_lossy(&value)
                .chars()
                .map(|c| u8::try_from(c as u32).unwrap_or(b'?'))
                .collect::<Vec<u8>>()
                .into(),
        };
        let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(&name), HeaderValue::from_maybe_shared(value))
        else {
            let name = String::from_utf8_lossy(&name).into_owned();
            return Err(invalid(format!("the header {name:?} cannot be sent")));
        };
        mayfly_runtime_api::append_header(&mut headers, name, value)?;
    }
    Ok(ResponseHead { status, headers })
}

/// Runs the guest to its end. Dropping the future cancels it: its operations and its slot go.
async fn drive(run: Run) -> Ended {
    let Run { engine, pool, mut slot, message, body, fetcher, memory, deadline, timeout, .. } = run;
    let began = Instant::now();
    let output = Arc::clone(&slot.store.data().output);
    slot.store.data().output().bytes_in = run.bytes_in;
    let mut ops = Ops::new(body, fetcher, output);
    slot.arm(memory.as_bytes(), Some(deadline), GRACE);
    let mut reading = Duration::ZERO;
    let end = exchange(&engine, &mut slot, &mut ops, message, deadline, &mut reading).await;
    let wall = began.elapsed().saturating_sub(reading);

    let state = slot.store.data();
    let refused = state.memory_refused;
    let logs = state.logs.clone();
    let memory_peak = state.memory_peak() as u64;
    let (mut fault, bytes_in, bytes_out, answered) = {
        let output = state.output();
        (output.fault.clone(), output.bytes_in, output.bytes_out, output.ended)
    };
    let keep = match end {
        End::Done => true,
        End::Waiting => {
            let message = "the handler waits for something that never comes: no timer, fetch or \
                           body is under way, and its promise is not settled";
            if answered {
                log(&logs, LogLevel::Warn, "a promise given to waitUntil never settles");
            } else {
                fault.get_or_insert(Fault::new(FaultCode::FunctionError, message));
            }
            true
        }
        End::TimedOut(at) => {
            let message =
                format!("the function did not finish within its timeout of {}", span(timeout));
            let mut late = Fault::new(FaultCode::Timeout, message);
            late.detail = at;
            fault = Some(late);
            false
        }
        End::Trapped(error) => {
            if fault.is_none() || refused {
                fault = Some(trapped(&error));
            }
            false
        }
    };
    if let Some(fault) = &mut fault
        && refused
        && fault.code != FaultCode::Timeout
    {
        fault.code = FaultCode::OutOfMemory;
        fault.message = format!("the function reached its memory limit of {memory}");
    }
    if let Some(fault) = &fault {
        let detail = fault.detail.as_deref().unwrap_or_default();
        // What was thrown speaks for itself; what the platform says of it stands above the rest.
        match fault.code {
            FaultCode::FunctionError if !detail.is_empty() => log(&logs, LogLevel::Error, detail),
            _ if detail.is_empty() || detail == fault.message => {
                log(&logs, LogLevel::Error, &fault.message);
            }
            _ => log(&logs, LogLevel::Error, &format!("{}\n{detail}", fault.message)),
        }
    }
    drop(ops);
    // A slot whose guest was stopped in the middle is not used again.
    if keep {
        pool.put(&engine, slot);
    }
    let status = match &fault {
        Some(fault) => OutcomeStatus::Fault(fault.code),
        None => OutcomeStatus::Ok,
    };
    let outcome = Outcome {
        status,
        cold: run.cold,
        init_us: run.init.as_micros() as u64,
        wall_us: wall.as_micros() as u64,
        cpu_us: 0,
        cpu_estimated: false,
        memory_peak,
        bytes_in,
        bytes_out,
    };
    Ended { fault, outcome }
}

type Logs = Option<(Arc<dyn mayfly_runtime_api::LogSink>, Option<mayfly_types::InvocationId>)>;

fn log(logs: &Logs, level: LogLevel, message: &str) {
    if let Some((sink, invocation)) = logs {
        sink.write(*invocation, level, message);
    }
}

fn span(duration: Duration) -> String {
    mayfly_types::TimeSpan::millis(duration.as_millis() as u64).to_string()
}

fn trapped(error: &wasmtime::Error) -> Fault {
    let message = match error.downcast_ref::<wasmtime::Trap>() {
        Some(wasmtime::Trap::StackOverflow) => {
            "the function nests too deeply: its environment's stack is full"
        }
        _ => "the function's environment failed",
    };
    Fault::new(FaultCode::FunctionCrashed, message).with_detail(format!("{message}: {error:#}"))
}

enum End {
    /// The guest ended by itself.
    Done,
    /// It waits, and nothing that it could wait for is under way.
    Waiting,
    /// Its deadline passed; where it was, if it ran.
    TimedOut(Option<String>),
    /// It broke.
    Trapped(wasmtime::Error),
}

async fn exchange(
    engine: &Arc<Engine>,
    slot: &mut Slot,
    ops: &mut Ops,
    message: Vec<u8>,
    deadline: Instant,
    reading: &mut Duration,
) -> End {
    let mut entry = Entry::Begin;
    let mut message = message;
    loop {
        let sent = {
            let _running = engine.running();
            slot.send(entry, &message).await
        };
        let state = slot.store.data_mut();
        if state.timed_out || state.interrupted {
            let place = state.output().fault.take().and_then(|fault| fault.detail);
            return End::TimedOut(place);
        }
        let status = match sent {
            Ok(status) => status,
            Err(error) => return End::Trapped(error),
        };
        match status {
            Status::Done => return End::Done,
            Status::Broken => {
                return End::Trapped(wasmtime::format_err!("the engine could not go on"));
            }
            Status::Pending => {}
        }
        for op in std::mem::take(&mut state.started) {
            ops.start(op);
        }
        let cancelled = std::mem::take(&mut state.cancelled);
        ops.cancel(&cancelled);
        if state.output().fault.is_some() && !state.output().ended {
            return End::Done;
        }
        if ops.is_empty() {
            return End::Waiting;
        }
        let only_writes = ops.only_writes();
        let waited = Instant::now();
        let settled = match tokio::time::timeout_at(deadline.into(), ops.next()).await {
            Ok(Some(settled)) => settled,
            Ok(None) => return End::Waiting,
            Err(_) => return End::TimedOut(None),
        };
        if only_writes {
            *reading += waited.elapsed();
        }
        (entry, message) = (Entry::Settle, encode(settled));
    }
}

fn encode(settled: Settled) -> Vec<u8> {
    let mut writer = Writer::default();
    writer.u32(settled.id);
    match settled.result {
        Ok((meta, bytes)) => writer.u8(1).str(&meta).maybe(bytes.as_deref()),
        Err(error) => {
            let meta = serde_json::json!({ "name": error.name, "message": error.message });
            writer.u8(0).str(&meta.to_string()).maybe(None)
        }
    };
    writer.0
}

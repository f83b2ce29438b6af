//! One invocation: a fresh instance, driven by whoever reads its answer.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http_body::Body as _;
use mayfly_runtime_api::{
    Failure, HttpRequest, LogLevel, MOST_HEADERS, Metered, Reply, ReplyBody, ReplyStream,
    ResponseHead, Share, give_way,
};
use mayfly_types::{ByteSize, Fault, FaultCode, Outcome, OutcomeStatus, TimeSpan};
use tokio::task::coop::unconstrained;
use tokio::time::Sleep;
use wasmtime::{Store, StoreContextMut, UpdateDeadline};
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;

use crate::components::Loaded;
use crate::exchange::{Exchange, handles};
use crate::fault;
use crate::quota::{Limiter, Quota};
use crate::state::{State, Throttle};
use crate::stdio::Lines;

/// How much later than its deadline a guest is stopped that waits; one that runs is stopped by the ticker,
/// which tells where it was.
const GRACE: Duration = Duration::from_millis(5);

/// What one invocation needs.
pub(crate) struct Run {
    pub(crate) loaded: Arc<Loaded>,
    pub(crate) state: State,
    pub(crate) request: HttpRequest,
    pub(crate) memory: ByteSize,
    pub(crate) cpu: f64,
    pub(crate) deadline: Instant,
    pub(crate) timeout: Duration,
    pub(crate) cold: bool,
    pub(crate) init: Duration,
    pub(crate) share: Share,
}

/// It ran past its deadline.
#[derive(Debug, thiserror::Error)]
#[error("the deadline passed")]
struct Late;

/// Runs the guest until its answer's head is there.
pub(crate) async fn run(run: Run) -> Result<Reply, Failure> {
    let mut running = Running::new(run);
    let head = std::future::poll_fn(|cx| running.poll_head(cx)).await?;
    // Most answers lie complete by now.
    let whole = std::future::poll_fn(|cx| Poll::Ready(running.whole(cx))).await;
    if running.fault.is_some() {
        // Nothing has been sent, so it is a failure and not an answer that is cut off.
        return Err(running.failure());
    }
    let body = match whole {
        Some(bytes) => ReplyBody::Complete(bytes, running.outcome()),
        None => ReplyBody::Running(Box::pin(running)),
    };
    Ok(Reply::Http { head, body })
}

/// An invocation that goes on.
struct Running {
    loaded: Arc<Loaded>,
    exchange: Arc<Exchange>,
    quota: Arc<Quota>,
    lines: Lines,
    guest: Option<Metered<Result<(), wasmtime::Error>>>,
    /// Why it failed, once it has.
    fault: Option<Fault>,
    body: Option<HyperOutgoingBody>,
    /// What lies ready of the body.
    ready: Option<Bytes>,
    /// What is to come of the body, where the guest said how long it is.
    left: Option<u64>,
    bytes_out: u64,
    timer: Option<Pin<Box<Sleep>>>,
    deadline: Instant,
    began: Instant,
    /// When the reader was last given something, and how long it took in all to come back.
    gave: Option<Instant>,
    reading: Duration,
    wall: Option<Duration>,
    cpu_us: u64,
    memory: ByteSize,
    timeout: Duration,
    cold: bool,
    init: Duration,
}

impl Running {
    fn new(run: Run) -> Self {
        let Run { loaded, mut state, request, memory, cpu, deadline, timeout, cold, init, share } =
            run;
        let exchange = Arc::default();
        let quota = Arc::clone(&state.limiter.quota);
        let lines = state.lines.clone();
        let began = Instant::now();
        let spent = mayfly_runtime_api::Spent::default();
        if cpu < 1.0 {
            state.throttle = Some(Throttle { cpu, began, spent: spent.clone() });
        }
        let guest = drive(Arc::clone(&loaded), state, request, Arc::clone(&exchange));
        Self {
            loaded,
            exchange,
            quota,
            lines,
            guest: Some(Metered::new(Box::pin(guest), spent, share)),
            fault: None,
            body: None,
            ready: None,
            left: None,
            bytes_out: 0,
            timer: None,
            deadline,
            began,
            gave: None,
            reading: Duration::ZERO,
            wall: None,
            cpu_us: 0,
            memory,
            timeout,
            cold,
            init,
        }
    }

    /// Lets the guest run; whether it has ended.
    fn poll_guest(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(guest) = &mut self.guest else { return true };
        let polled = {
            let _running = self.loaded.engine.running();
            Pin::new(guest).poll(cx)
        };
        let end = match polled {
            Poll::Ready(end) => end,
            Poll::Pending => {
                let stop = self.deadline + GRACE;
                let timer = self
                    .timer
                    .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(stop.into())));
                match timer.as_mut().poll(cx) {
                    Poll::Pending => return false,
                    Poll::Ready(()) => Err(Late.into()),
                }
            }
        };
        self.end(end);
        true
    }

    /// Lets go of the guest, which has ended so or is stopped.
    fn end(&mut self, end: Result<(), wasmtime::Error>) {
        self.wall = Some(self.began.elapsed().saturating_sub(self.reading));
        if let Some(guest) = self.guest.take() {
            self.cpu_us = guest.spent().micros();
        }
        let Err(error) = end else { return };
        let mut fault = match error.downcast_ref::<Late>() {
            Some(Late) => {
                let timeout = TimeSpan::millis(self.timeout.as_millis() as u64);
                let message =
                    format!("the function did not finish within its timeout of {timeout}");
                let place = fault::place(&error).unwrap_or_default();
                let detail = format!("{message}\n{place}");
                Fault::new(FaultCode::Timeout, message).with_detail(detail.trim_end())
            }
            None => fault::trapped(&error),
        };
        let broke = matches!(fault.code, FaultCode::FunctionCrashed | FaultCode::FunctionError);
        if self.quota.refused() && broke {
            fault.code = FaultCode::OutOfMemory;
            fault.message = format!("the function reached its memory limit of {}", self.memory);
            let detail = fault.detail.take().unwrap_or_default();
            fault.detail = Some(format!("{}\n{detail}", fault.message));
        }
        self.fail(fault);
    }

    /// Tells the function's owner; the caller is told by whoever answers.
    fn fail(&mut self, fault: Fault) {
        self.lines.write(LogLevel::Error, fault.detail.as_deref().unwrap_or(&fault.message));
        self.fault = Some(fault);
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<ResponseHead, Failure>> {
        let ended = self.poll_guest(cx);
        let answer = self.exchange.take();
        let response = match (answer, ended) {
            (None, false) => return Poll::Pending,
            // What broke before its first byte could be sent is a failure, not an answer that is cut off.
            (_, true) if self.fault.is_some() => return Poll::Ready(Err(self.failure())),
            (None, true) => {
                let message =
                    "the function ended without an answer: it never set its `response-outparam`";
                self.fail(Fault::new(FaultCode::InvalidResponse, message));
                return Poll::Ready(Err(self.failure()));
            }
            (Some(Err(code)), _) => {
                let message = "the function answered with an error";
                let detail = format!("{message}: {code}");
                self.end(Ok(()));
                self.fail(Fault::new(FaultCode::FunctionError, message).with_detail(detail));
                return Poll::Ready(Err(self.failure()));
            }
            (Some(Ok(response)), _) => response,
        };
        let (parts, body) = response.into_parts();
        if parts.headers.len() > MOST_HEADERS {
            let message = format!("an answer has at most {MOST_HEADERS} headers");
            self.end(Ok(()));
            self.fail(Fault::new(FaultCode::InvalidResponse, message));
            return Poll::Ready(Err(self.failure()));
        }
        let length = parts.headers.get(CONTENT_LENGTH);
        self.left = length.and_then(|length| length.to_str().ok()?.parse().ok());
        self.body = Some(body);
        Poll::Ready(Ok(ResponseHead { status: parts.status, headers: parts.headers }))
    }

    /// The whole body, if all of it is there and the guest has ended well; else what is there is kept.
    fn whole(&mut self, cx: &mut Context<'_>) -> Option<Bytes> {
        let mut all = Bytes::new();
        loop {
            match self.poll_body(cx) {
                Poll::Ready(Some(Ok(data))) if all.is_empty() => all = data,
                Poll::Ready(Some(Ok(data))) => {
                    let mut both = BytesMut::from(all);
                    both.extend_from_slice(&data);
                    all = both.freeze();
                }
                Poll::Ready(None) if self.guest.is_none() && self.fault.is_none() => {
                    return Some(all);
                }
                Poll::Ready(None) | Poll::Pending => break,
                Poll::Ready(Some(Err(fault))) => {
                    self.fail(fault);
                    break;
                }
            }
            if all.len() > MOST_WHOLE {
                break;
            }
        }
        self.ready = Some(all).filter(|all| !all.is_empty());
        None
    }

    /// The next of what the guest has written.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Fault>>> {
        loop {
            let Some(body) = &mut self.body else { return Poll::Ready(None) };
            // A task that has had its turn is told that nothing is there, also where something is; but then
            // the end of a guest would look like the end of its answer.
            let frame = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx));
            match pin!(unconstrained(frame)).poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers have no place in an answer here.
                    let Ok(data) = frame.into_data() else { continue };
                    let length = data.len() as u64;
                    self.bytes_out += length;
                    if let Some(left) = &mut self.left {
                        let Some(rest) = left.checked_sub(length) else {
                            self.body = None;
                            let message = "the function wrote more than its content-length";
                            let fault = Fault::new(FaultCode::InvalidResponse, message);
                            return Poll::Ready(Some(Err(fault)));
                        };
                        *left = rest;
                    }
                    if !data.is_empty() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    self.body = None;
                    let message = "the function broke off its answer's body";
                    let detail = format!("{message}: {error}");
                    let fault = Fault::new(FaultCode::InvalidResponse, message);
                    return Poll::Ready(Some(Err(fault.with_detail(detail))));
                }
                Poll::Ready(None) => {
                    self.body = None;
                    return Poll::Ready(None);
                }
            }
        }
    }

    fn failure(&self) -> Failure {
        let internal = || Fault::new(FaultCode::Internal, "the function failed");
        Failure { fault: self.fault.clone().unwrap_or_else(internal), outcome: self.outcome() }
    }

    fn outcome(&self) -> Outcome {
        let (wall, cpu_us) = match &self.guest {
            None => (self.wall, self.cpu_us),
            Some(guest) => (None, guest.spent().micros()),
        };
        let wall = wall.unwrap_or_else(|| self.began.elapsed().saturating_sub(self.reading));
        Outcome {
            status: match &self.fault {
                Some(fault) => OutcomeStatus::Fault(fault.code),
                None => OutcomeStatus::Ok,
            },
            cold: self.cold,
            init_us: self.init.as_micros() as u64,
            wall_us: wall.as_micros() as u64,
            cpu_us,
            cpu_estimated: false,
            memory_peak: self.quota.peak(),
            bytes_in: self.exchange.bytes_in(),
            bytes_out: self.bytes_out,
        }
    }
}

/// Most bytes of an answer that is sent in one piece.
const MOST_WHOLE: usize = 256 << 10;

impl ReplyStream for Running {
    fn poll_data(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Fault>>> {
        if let Some(gave) = self.gave.take() {
            // The guest does not run meanwhile, so that is the reader's time.
            self.reading += gave.elapsed();
        }
        if let Some(bytes) = self.ready.take() {
            self.gave = Some(Instant::now());
            return Poll::Ready(Some(Ok(bytes)));
        }
        // What lies there goes first, then the guest has a turn, then what it wrote in that.
        let mut waits = false;
        loop {
            match self.poll_body(cx) {
                Poll::Ready(Some(Ok(data))) => {
                    self.gave = Some(Instant::now());
                    return Poll::Ready(Some(Ok(data)));
                }
                Poll::Ready(Some(Err(fault))) => {
                    self.fail(fault.clone());
                    return Poll::Ready(Some(Err(fault)));
                }
                // A guest that breaks lets go of its body too, which looks like the end.
                Poll::Ready(None) => return Poll::Ready(self.fault.clone().map(Err)),
                Poll::Pending if waits => return Poll::Pending,
                // Nobody is left who could write more.
                Poll::Pending if self.guest.is_none() => {
                    return Poll::Ready(self.fault.clone().map(Err));
                }
                Poll::Pending => waits = !self.poll_guest(cx),
            }
        }
    }

    fn poll_outcome(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        match self.poll_guest(cx) {
            true => Poll::Ready(self.outcome()),
            false => Poll::Pending,
        }
    }

    fn remaining(&self) -> Option<u64> {
        let ready = self.ready.as_ref().map_or(0, |bytes| bytes.len() as u64);
        match (&self.body, &self.fault) {
            (None, None) => Some(ready),
            (_, None) => self.left.map(|left| left + ready),
            (_, Some(_)) => None,
        }
    }

    fn so_far(self: Pin<&mut Self>) -> Outcome {
        Outcome { status: OutcomeStatus::Cancelled, ..self.outcome() }
    }
}

/// Runs the guest to its end. Dropping the future stops it where it is.
async fn drive(
    loaded: Arc<Loaded>,
    state: State,
    request: HttpRequest,
    exchange: Arc<Exchange>,
) -> Result<(), wasmtime::Error> {
    let _place = loaded.engine.enter()?;
    let mut store = Store::new(loaded.engine.wasmtime(), state);
    store.limiter(|state| &mut state.limiter);
    store.set_hostcall_fuel(MOST_OF_A_CALL);
    // One that ends within a tick is not made to yield by one that comes in its midst.
    store.set_epoch_deadline(2);
    store.epoch_deadline_callback(tick);
    let (request, answer) = handles(store.data_mut(), request, &exchange)?;
    let proxy = loaded.proxy.instantiate_async(&mut store).await?;
    proxy.wasi_http_incoming_handler().call_handle(&mut store, request, answer).await
}

/// Most bytes that a guest hands to the host in one call.
const MOST_OF_A_CALL: usize = 16 << 20;

/// What a running guest does at each tick.
fn tick(mut store: StoreContextMut<'_, State>) -> wasmtime::Result<UpdateDeadline> {
    let state = store.data_mut();
    let now = Instant::now();
    if now >= state.deadline {
        return Err(Late.into());
    }
    let pause = state.throttle.as_mut().and_then(|throttle| throttle.pause(now));
    let rest = async move {
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
        give_way().await;
    };
    Ok(UpdateDeadline::YieldCustom(1, Box::pin(rest)))
}

impl Limiter {
    /// For an invocation of these limits.
    pub(crate) fn of(memory: ByteSize, disk: ByteSize) -> Self {
        Self::new(Quota::new(memory, disk))
    }
}

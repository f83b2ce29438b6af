//! One call: what came of it so far, between whoever drives it and whoever waits for it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use mayfly_runtime_api::{Failure, Reply, ReplyBody, ReplyStream, ResponseHead};
use mayfly_types::{Fault, FaultCode, InvocationId, Outcome, OutcomeStatus};

use crate::frames::{Done, WINDOW};
use crate::log::Log;

/// Longest result of an event, in bytes: Lambda's own bound.
pub(crate) const LONGEST: usize = 6 << 20;

/// How often a call is handed in when processes end before they begin it.
const TRIES: u32 = 4;

/// Hears how much of an answer was taken.
pub(crate) trait Taker: Send + Sync {
    /// So many bytes of a call's answer were taken.
    fn taken(&self, call: u32, bytes: usize);
}

/// A call under way.
pub(crate) struct Exchange {
    pub(crate) id: InvocationId,
    /// Its place in a trace in Lambda's words, where traces are kept.
    pub(crate) trace: Option<String>,
    state: Mutex<State>,
}

struct State {
    /// How long it may run, and until when.
    time: Duration,
    deadline: Instant,
    /// How often it was handed in.
    tries: u32,
    began: Instant,
    first: Option<First>,
    /// Its first words were said.
    answered: bool,
    pieces: VecDeque<Bytes>,
    /// Bytes in `pieces`.
    held: usize,
    /// The body is complete.
    finished: bool,
    /// Nobody waits for it any more.
    left: bool,
    /// What it threw so far.
    fault: Option<Fault>,
    /// That is in the log.
    logged: bool,
    /// A fault that ends the body.
    broken: Option<Fault>,
    /// Since when the function waits for its reader, and how long it has before.
    stalled: (Option<Instant>, Duration),
    outcome: Outcome,
    ended: bool,
    waker: Option<Waker>,
    /// Who waits for room.
    writer: Option<Waker>,
    taker: Option<(Arc<dyn Taker>, u32)>,
}

/// What comes of a call first.
enum First {
    Http(ResponseHead),
    Event(Bytes),
    Failed(Fault),
}

impl Exchange {
    pub(crate) fn new(id: InvocationId, deadline: Instant, trace: Option<String>) -> Arc<Self> {
        let now = Instant::now();
        let state = State {
            time: deadline.saturating_duration_since(now),
            deadline,
            tries: 1,
            began: now,
            first: None,
            answered: false,
            pieces: VecDeque::new(),
            held: 0,
            finished: false,
            left: false,
            fault: None,
            logged: false,
            broken: None,
            stalled: (None, Duration::ZERO),
            outcome: Outcome::nothing(OutcomeStatus::Ok),
            ended: false,
            waker: None,
            writer: None,
            taker: None,
        };
        Arc::new(Self { id, trace, state: Mutex::new(state) })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let changed = change(&mut state);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        changed
    }

    /// When it must have ended.
    pub(crate) fn deadline(&self) -> Instant {
        self.lock().deadline
    }

    /// How long it may run.
    pub(crate) fn time(&self) -> Duration {
        self.lock().time
    }

    /// It did not begin where it was; tells whether it may begin elsewhere.
    pub(crate) fn anew(&self) -> bool {
        let mut state = self.lock();
        state.tries += 1;
        state.tries < TRIES
    }

    /// It has a process, which was started for it if `cold`, in so much time. Its own time begins: what
    /// it waited for that was not its function's doing.
    pub(crate) fn placed(&self, cold: bool, init: Duration) {
        let mut state = self.lock();
        state.began = Instant::now();
        state.deadline = state.began + state.time;
        state.outcome.cold |= cold;
        if cold {
            state.outcome.init_us += init.as_micros() as u64;
        }
    }

    /// Says who hears how much of the answer was taken.
    pub(crate) fn taken_by(&self, taker: Arc<dyn Taker>, call: u32) {
        self.lock().taker = Some((taker, call));
    }

    /// Its time begins only now: it stood behind another.
    pub(crate) fn begins(&self) {
        self.lock().began = Instant::now();
    }

    /// So many bytes of the request were handed in.
    pub(crate) fn gave(&self, bytes: usize) {
        self.lock().outcome.bytes_in += bytes as u64;
    }

    /// The answer's status and headers are there.
    pub(crate) fn head(&self, head: Result<ResponseHead, Fault>) {
        self.change(|state| match head {
            Ok(_) if state.answered || state.fault.is_some() => {}
            Ok(head) => {
                state.answered = true;
                state.first = Some(First::Http(head));
            }
            Err(invalid) => {
                state.fault.get_or_insert(invalid);
            }
        });
    }

    /// An event's whole result is there.
    pub(crate) fn result(&self, json: Bytes) {
        self.change(|state| {
            state.outcome.bytes_out += json.len() as u64;
            if json.len() > LONGEST {
                let message = format!("the result is larger than {} MB", LONGEST >> 20);
                state.fault.get_or_insert(Fault::new(FaultCode::InvalidResponse, message));
            } else if !state.answered {
                state.answered = true;
                state.first = Some(First::Event(json));
            }
        });
    }

    /// A piece of the answer's body is there. Tells how many bytes nobody waits for; `None` when more
    /// came than was allowed.
    pub(crate) fn piece(&self, piece: Bytes) -> Option<usize> {
        self.change(|state| {
            let length = piece.len();
            state.outcome.bytes_out += length as u64;
            if state.left || state.finished {
                return Some(length);
            }
            state.held += length;
            if state.held > 2 * WINDOW as usize {
                return None;
            }
            if state.held >= WINDOW as usize && state.stalled.0.is_none() {
                state.stalled.0 = Some(Instant::now());
            }
            state.pieces.push_back(piece);
            Some(0)
        })
    }

    /// Waits until less than so much of the body waits for its reader.
    pub(crate) async fn room(&self, most: usize) {
        std::future::poll_fn(|cx| {
            let mut state = self.lock();
            if state.held < most || state.left || state.finished {
                return Poll::Ready(());
            }
            state.writer = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// The answer's body is complete.
    pub(crate) fn finish(&self) {
        self.change(|state| state.finished = true);
    }

    /// It threw; the first that was thrown counts.
    pub(crate) fn threw(&self, fault: Fault) {
        self.lock().fault.get_or_insert(fault);
    }

    /// It failed, and whoever waits for it is told at once, though it may go on.
    pub(crate) fn give_up(&self, fault: Fault, log: &Log) {
        self.change(|state| {
            if state.fault.is_none() {
                log.fault(self.id, &fault);
                state.fault = Some(fault.clone());
                state.logged = true;
            }
            state.settle(Some(fault));
        });
    }

    /// The call has ended by itself.
    pub(crate) fn done(&self, done: Done, log: &Log) {
        self.change(|state| {
            let fault = state.fault.take();
            state.end(fault, done, |fault| log.fault(self.id, fault));
        });
    }

    /// The whole answer is there, and the call has ended by itself.
    pub(crate) fn answer(
        &self,
        head: Result<ResponseHead, Fault>,
        body: Bytes,
        done: Done,
        log: &Log,
    ) {
        self.change(|state| {
            match head {
                Ok(_) if state.answered || state.fault.is_some() => {}
                Ok(head) => {
                    state.answered = true;
                    state.first = Some(First::Http(head));
                    state.outcome.bytes_out += body.len() as u64;
                    if !state.left && !body.is_empty() {
                        state.held += body.len();
                        state.pieces.push_back(body);
                    }
                }
                Err(invalid) => {
                    state.fault.get_or_insert(invalid);
                }
            }
            // Nobody is asked for more.
            state.taker = None;
            let fault = state.fault.take();
            state.end(fault, done, |fault| log.fault(self.id, fault));
        });
    }

    /// The call was ended by something else. What the function threw before says more, unless
    /// `certain`.
    pub(crate) fn failed(&self, fault: Fault, certain: bool, done: Done, log: &Log) {
        self.change(|state| {
            let thrown = state.fault.take().filter(|_| !certain);
            let fault = Some(thrown.unwrap_or(fault));
            state.end(fault, done, |fault| log.fault(self.id, fault));
        });
    }

    /// Waits for its first words.
    pub(crate) async fn reply(self: Arc<Self>) -> Result<Reply, Failure> {
        // From here on leaving is noticed.
        let rest = Rest(self);
        let first = std::future::poll_fn(|cx| {
            let mut state = rest.0.lock();
            match state.first.take() {
                Some(first) => Poll::Ready(first),
                None => {
                    state.wait(cx);
                    Poll::Pending
                }
            }
        });
        match first.await {
            First::Http(head) => Ok(Reply::Http { head, body: rest.body() }),
            First::Event(json) => Ok(Reply::Event { json, rest: rest.body() }),
            First::Failed(fault) => {
                let state = rest.0.lock();
                let status = OutcomeStatus::Fault(fault.code);
                Err(Failure { fault, outcome: Outcome { status, ..state.outcome.clone() } })
            }
        }
    }
}

impl State {
    fn wait(&mut self, cx: &Context<'_>) {
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }

    /// Ends it. What went wrong is in the log before anybody else is told.
    fn end(&mut self, fault: Option<Fault>, done: Done, log: impl FnOnce(&Fault)) {
        if self.ended {
            return;
        }
        self.ended = true;
        self.resume();
        self.outcome.wall_us = self.ran().as_micros() as u64;
        (self.outcome.cpu_us, self.outcome.memory_peak) = (done.cpu_us, done.memory);
        self.outcome.cpu_estimated = done.estimated;
        if let Some(fault) = &fault {
            self.outcome.status = OutcomeStatus::Fault(fault.code);
            if !self.logged {
                log(fault);
            }
        }
        self.settle(fault);
        self.taker = None;
    }

    /// Tells a failure to whoever still waits for something.
    fn settle(&mut self, fault: Option<Fault>) {
        let fault = fault.or_else(|| {
            let silent = "the function ended without an answer";
            (!self.answered).then(|| Fault::new(FaultCode::InvalidResponse, silent))
        });
        let Some(fault) = fault else {
            self.finished = true;
            return;
        };
        if !self.answered {
            self.answered = true;
            self.outcome.status = OutcomeStatus::Fault(fault.code);
            self.first = Some(First::Failed(fault));
        } else if !self.finished {
            self.broken = Some(fault);
        }
        self.finished = true;
    }

    /// The reader has taken something, so the function waits no longer.
    /// How long it ran, without the time in which it waited for a slow reader.
    fn ran(&self) -> Duration {
        let stalls = self.stalled.0.map_or(Duration::ZERO, |since| since.elapsed());
        self.began.elapsed().saturating_sub(self.stalled.1 + stalls)
    }

    fn resume(&mut self) {
        if let Some(since) = self.stalled.0.take() {
            self.stalled.1 += since.elapsed();
        }
    }

    fn take(&mut self) -> Option<Bytes> {
        let piece = self.pieces.pop_front()?;
        self.held -= piece.len();
        if self.held < WINDOW as usize {
            self.resume();
        }
        if let Some((taker, call)) = &self.taker {
            taker.taken(*call, piece.len());
        }
        if let Some(writer) = self.writer.take() {
            writer.wake();
        }
        Some(piece)
    }
}

/// What remains of a call after its first words. A process that is stopped in the middle is lost, so
/// a call goes on when its caller leaves.
struct Rest(Arc<Exchange>);

impl Rest {
    fn body(self) -> ReplyBody {
        let mut state = self.0.lock();
        if !(state.ended && state.finished && state.broken.is_none()) {
            drop(state);
            return ReplyBody::Running(Box::pin(self));
        }
        let bytes = match state.pieces.len() {
            0 => Bytes::new(),
            1 => state.pieces.pop_front().unwrap_or_default(),
            _ => state.pieces.drain(..).collect::<Vec<_>>().concat().into(),
        };
        ReplyBody::Complete(bytes, state.outcome.clone())
    }
}

impl ReplyStream for Rest {
    fn poll_data(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Fault>>> {
        let mut state = self.0.lock();
        if let Some(piece) = state.take() {
            return Poll::Ready(Some(Ok(piece)));
        }
        if let Some(fault) = state.broken.take() {
            return Poll::Ready(Some(Err(fault)));
        }
        if state.finished {
            return Poll::Ready(None);
        }
        state.wait(cx);
        Poll::Pending
    }

    fn poll_outcome(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let mut state = self.0.lock();
        if state.ended {
            return Poll::Ready(state.outcome.clone());
        }
        state.wait(cx);
        Poll::Pending
    }

    fn remaining(&self) -> Option<u64> {
        let state = self.0.lock();
        (state.finished && state.broken.is_none()).then_some(state.held as u64)
    }

    fn so_far(self: Pin<&mut Self>) -> Outcome {
        let state = self.0.lock();
        let status = OutcomeStatus::Cancelled;
        if state.ended {
            return Outcome { status, ..state.outcome.clone() };
        }
        // The process tells its processor time at the end; how long it runs is known here.
        let wall_us = state.ran().as_micros() as u64;
        Outcome { status, wall_us, ..state.outcome.clone() }
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.left = true;
        if let Some(writer) = state.writer.take() {
            writer.wake();
        }
        while state.take().is_some() {}
    }
}

//! An answer on its way out: when its body ends, what remains of the attempt is the invoker's.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use mayfly_runtime_api::{Body, LogLevel, LogSink as _, ReplyBody, ReplyStream};
use mayfly_state_api::{LedgerEntry, Sums};
use mayfly_types::{ByteSize, Fault, InvocationId, Outcome, OutcomeStatus, RevisionId};
use tokio::sync::oneshot;
use tracing::debug;

use crate::accounts::Hold;
use crate::admission::Permit;
use crate::functions::Function;
use crate::invoker::Shared;
use crate::report;
use crate::trace::Traced;

/// More cores than a machine has.
const MOST_CORES: u64 = 4_096;

/// What an attempt came to.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) revision: RevisionId,
    pub(crate) memory: ByteSize,
    pub(crate) outcome: Outcome,
}

/// What is known of an attempt when it ends.
pub(crate) struct Attempt {
    pub(crate) id: InvocationId,
    /// Which attempt of its invocation it is, from 1.
    pub(crate) number: u32,
    pub(crate) caller: Option<Arc<str>>,
    /// When it began, in UTC microseconds since 1970.
    pub(crate) started_us: i64,
    pub(crate) shared: Arc<Shared>,
    pub(crate) function: Arc<Function>,
    pub(crate) permit: Permit,
    /// What it may use of budgets.
    pub(crate) hold: Option<Hold>,
    /// Bytes of the body of the request that became its event.
    pub(crate) request: Option<u64>,
    /// What the ledger has of it already.
    pub(crate) recorded: Option<Outcome>,
    /// Who wants to know, and writes it into the ledger.
    pub(crate) told: Option<oneshot::Sender<Settled>>,
    /// Its spans, where traces are kept.
    pub(crate) trace: Option<Box<Traced>>,
}

impl Attempt {
    /// Counts what it came to. When this returns, the ledger has it, unless somebody else writes it there.
    pub(crate) fn settle(mut self, outcome: &Outcome) {
        // A process tells its own time, and may say anything.
        let most_us = outcome.wall_us.saturating_mul(MOST_CORES);
        let bounded =
            (outcome.cpu_us > most_us).then(|| Outcome { cpu_us: most_us, ..outcome.clone() });
        let outcome = bounded.as_ref().unwrap_or(outcome);
        let function = Arc::clone(&self.function);
        let revision = &function.revision;
        debug!(
            invocation = %self.id,
            status = ?outcome.status,
            cold = outcome.cold,
            billed_ms = outcome.billed_ms(),
            cpu_us = outcome.cpu_us,
            memory_peak = outcome.memory_peak,
            "attempt ended"
        );
        let memory = revision.config().memory;
        if let Some(traced) = self.trace.take() {
            traced.ended(&self, outcome);
        }
        if self.shared.parts.observers.report {
            let logs = self.shared.logs(revision.app().clone(), revision.function().clone());
            let line = report::line(self.id, outcome, memory);
            logs.write(Some(self.id), LogLevel::Info, &line);
        }
        match self.told.take() {
            Some(told) => {
                let settled = Settled { revision: revision.id(), memory, outcome: outcome.clone() };
                let _nobody_may_wait = told.send(settled);
            }
            None => self.append(outcome),
        }
        // What the ledger has, and nothing else: what was recorded with the answer stays billed.
        let sums = match &self.recorded {
            None => Sums::of(outcome, memory),
            Some(before) => {
                let mut sums = Sums::of(before, memory);
                sums += self.entry(outcome).sums();
                sums
            }
        };
        self.shared.settle(&function.account, self.started_us, sums, outcome.wall_us);
        function.account.lane.ran(outcome.cpu_us, outcome.wall_us);
        if revision.config().runtime.is_process() {
            let start_us = outcome.cold.then_some(outcome.init_us);
            function.account.ended((self.shared.parts.clock)(), start_us);
        }
        drop((self.hold, self.permit));
    }

    /// Records what it came to so far, for its answer ends before it does.
    fn record(&mut self, so_far: Outcome) {
        if self.told.is_none() && self.recorded.is_none() {
            let so_far = Outcome { status: OutcomeStatus::Ok, ..so_far };
            self.append(&so_far);
            self.recorded = Some(so_far);
        }
    }

    fn append(&self, outcome: &Outcome) {
        self.shared.parts.ledger.append(&self.entry(outcome));
    }

    fn entry<'a>(&'a self, outcome: &'a Outcome) -> LedgerEntry<'a> {
        let revision = &self.function.revision;
        LedgerEntry {
            invocation: self.id,
            attempt: self.number,
            app: revision.app(),
            function: revision.function(),
            caller: self.caller.as_deref(),
            started_us: self.started_us,
            memory: revision.config().memory,
            outcome,
            before: self.recorded.as_ref(),
        }
    }
}

/// An attempt whose caller may leave before there is an answer.
pub(crate) struct Left {
    attempt: Option<Attempt>,
    began: Instant,
}

impl Left {
    pub(crate) fn before(attempt: Attempt) -> Self {
        Self { attempt: Some(attempt), began: Instant::now() }
    }

    /// There is an answer: the attempt goes on as before.
    pub(crate) fn stayed(mut self) -> Attempt {
        self.attempt
            .take()
            .unwrap_or_else(|| unreachable!("it is taken here and when it is dropped"))
    }
}

impl Drop for Left {
    /// What ran is counted. The processor time is known to nobody any more.
    fn drop(&mut self) {
        let Some(attempt) = self.attempt.take() else { return };
        let wall_us = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let bytes_in = attempt.request.unwrap_or(0);
        let nothing = Outcome::nothing(OutcomeStatus::Cancelled);
        attempt.settle(&Outcome { wall_us, bytes_in, ..nothing });
    }
}

/// The body for the caller, of a reply whose attempt may go on.
pub(crate) fn body(reply: ReplyBody, attempt: Attempt) -> Body {
    match reply {
        ReplyBody::Complete(bytes, outcome) => {
            attempt.settle(&outcome);
            Body::full(bytes)
        }
        ReplyBody::Running(stream) => {
            Body::Stream(Box::pin(Running { rest: Some((stream, attempt)), broken: None }))
        }
    }
}

/// Lets what remains of an attempt run to its end by itself.
pub(crate) fn finish(
    reply: ReplyBody,
    mut attempt: Attempt,
    amend: impl Fn(&mut Outcome) + Send + 'static,
) {
    match reply {
        ReplyBody::Complete(_, mut outcome) => {
            amend(&mut outcome);
            attempt.settle(&outcome);
        }
        ReplyBody::Running(mut stream) => {
            let mut so_far = stream.as_mut().so_far();
            amend(&mut so_far);
            attempt.record(so_far);
            run_on(stream, attempt, amend);
        }
    }
}

fn run_on(
    mut stream: Pin<Box<dyn ReplyStream>>,
    attempt: Attempt,
    amend: impl Fn(&mut Outcome) + Send + 'static,
) {
    let shared = Arc::clone(&attempt.shared);
    shared.tasks.spawn(async move {
        let mut outcome = std::future::poll_fn(|cx| stream.as_mut().poll_outcome(cx)).await;
        amend(&mut outcome);
        attempt.settle(&outcome);
    });
}

struct Running {
    rest: Option<(Pin<Box<dyn ReplyStream>>, Attempt)>,
    /// What ends the body, once all before it had its chance to be sent.
    broken: Option<Fault>,
}

impl http_body::Body for Running {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if let Some(fault) = self.broken.take() {
            return Poll::Ready(Some(Err(fault)));
        }
        let Some((stream, _)) = &mut self.rest else { return Poll::Ready(None) };
        match stream.as_mut().poll_data(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(data))) => {
                // Whoever knows the body's length does not ask for more than its last byte.
                if stream.remaining() == Some(0) {
                    self.end(cx);
                }
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Poll::Ready(Some(Err(fault))) => {
                // An error drops what the connection has not sent yet; it sends when it must wait.
                self.broken = Some(fault);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(None) => {
                if !self.end(cx)
                    && let Some((stream, attempt)) = self.rest.take()
                {
                    run_on(stream, attempt, |_| {});
                }
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.rest {
            Some((stream, _)) => {
                stream.remaining().map_or_else(SizeHint::new, SizeHint::with_exact)
            }
            None => SizeHint::with_exact(0),
        }
    }
}

impl Running {
    /// Settles the attempt if nothing of it remains. In any case the ledger has it before the answer ends.
    fn end(&mut self, cx: &mut Context<'_>) -> bool {
        let Some((stream, attempt)) = &mut self.rest else { return true };
        let Poll::Ready(outcome) = stream.as_mut().poll_outcome(cx) else {
            attempt.record(stream.as_mut().so_far());
            return false;
        };
        if let Some((stream, attempt)) = self.rest.take() {
            drop(stream);
            attempt.settle(&outcome);
        }
        true
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some((mut stream, attempt)) = self.rest.take() else { return };
        // Whoever knows a body's length stops reading at its last byte, and has not left.
        if stream.remaining() == Some(0) {
            run_on(stream, attempt, |_| {});
        } else {
            let so_far = stream.as_mut().so_far();
            let outcome = Outcome { status: OutcomeStatus::Cancelled, ..so_far };
            drop(stream);
            attempt.settle(&outcome);
        }
    }
}

/// Tasks that outlive the request that began them, with somebody who waits for them.
pub(crate) mod tokio_tasks {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    #[derive(Default)]
    pub(crate) struct Tasks {
        count: AtomicUsize,
        idle: Notify,
    }

    impl Tasks {
        pub(crate) fn spawn<F>(
            self: &std::sync::Arc<Self>,
            future: F,
        ) -> tokio::task::JoinHandle<F::Output>
        where
            F: Future + Send + 'static,
            F::Output: Send + 'static,
        {
            self.count.fetch_add(1, Ordering::SeqCst);
            let guard = Guard(std::sync::Arc::clone(self));
            tokio::spawn(async move {
                let _guard = guard;
                future.await
            })
        }

        /// Waits until no task is left.
        pub(crate) async fn wait(&self) {
            loop {
                let idle = self.idle.notified();
                if self.count.load(Ordering::SeqCst) == 0 {
                    return;
                }
                idle.await;
            }
        }
    }

    struct Guard(std::sync::Arc<Tasks>);

    impl Drop for Guard {
        fn drop(&mut self) {
            if self.0.count.fetch_sub(1, Ordering::SeqCst) == 1 {
                self.0.idle.notify_waiters();
            }
        }
    }
}

//! An answer on its way out: when its body ends, what remains of the attempt is the invoker's.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use mayfly_runtime_api::{Body, ReplyBody, ReplyStream};
use mayfly_types::{Fault, InvocationId, Outcome, RevisionId};
use tokio::sync::oneshot;
use tracing::debug;

use crate::functions::Permit;

/// What an attempt came to.
#[derive(Debug)]
pub(crate) struct Settled {
    pub(crate) revision: RevisionId,
    pub(crate) outcome: Outcome,
}

/// What is known of an attempt when it ends.
pub(crate) struct Attempt {
    pub(crate) id: InvocationId,
    pub(crate) tasks: Arc<tokio_tasks::Tasks>,
    pub(crate) permit: Permit,
    /// Who wants to know.
    pub(crate) told: Option<oneshot::Sender<Settled>>,
}

impl Attempt {
    pub(crate) fn settle(self, outcome: &Outcome) {
        debug!(
            invocation = %self.id,
            status = ?outcome.status,
            cold = outcome.cold,
            billed_ms = outcome.billed_ms(),
            cpu_us = outcome.cpu_us,
            memory_peak = outcome.memory_peak,
            "attempt ended"
        );
        if let Some(told) = self.told {
            let revision = self.permit.revision();
            let _nobody_may_wait = told.send(Settled { revision, outcome: outcome.clone() });
        }
        drop(self.permit);
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
pub(crate) fn finish(reply: ReplyBody, attempt: Attempt) {
    match reply {
        ReplyBody::Complete(_, outcome) => attempt.settle(&outcome),
        ReplyBody::Running(stream) => run_on(stream, attempt),
    }
}

fn run_on(mut stream: Pin<Box<dyn ReplyStream>>, attempt: Attempt) {
    let tasks = Arc::clone(&attempt.tasks);
    tasks.spawn(async move {
        let outcome = std::future::poll_fn(|cx| stream.as_mut().poll_outcome(cx)).await;
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
            Poll::Ready(Some(Ok(data))) => Poll::Ready(Some(Ok(Frame::data(data)))),
            Poll::Ready(Some(Err(fault))) => {
                // An error drops what the connection has not sent yet; it sends when it must wait.
                self.broken = Some(fault);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(None) => {
                if let Some((stream, attempt)) = self.rest.take() {
                    run_on(stream, attempt);
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

impl Drop for Running {
    fn drop(&mut self) {
        let Some((mut stream, attempt)) = self.rest.take() else { return };
        // Whoever knows a body's length stops reading at its last byte, and has not left.
        if stream.remaining() == Some(0) {
            run_on(stream, attempt);
        } else {
            let outcome = stream.as_mut().cancelled();
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

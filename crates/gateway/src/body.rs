//! A request's body, bounded in size and in the time between its pieces.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use mayfly_types::{Fault, FaultCode};
use tokio::time::Sleep;

use crate::policy::{self, Limits};

/// Why a body was refused: whoever answers must know even when the function did not care.
pub(crate) type Refusal = Arc<OnceLock<Fault>>;

pub(crate) struct Bounded {
    body: Incoming,
    limits: Limits,
    left: u64,
    gap: Option<Pin<Box<Sleep>>>,
    refusal: Refusal,
}

impl Bounded {
    pub(crate) fn new(body: Incoming, limits: Limits) -> (Self, Refusal) {
        let refusal = Refusal::default();
        let left = limits.body.as_bytes();
        (Self { body, limits, left, gap: None, refusal: Arc::clone(&refusal) }, refusal)
    }

    fn refuse(&self, fault: Fault) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let _ = self.refusal.set(fault.clone());
        Poll::Ready(Some(Err(fault)))
    }
}

impl http_body::Body for Bounded {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.gap = None;
                let len = frame.data_ref().map_or(0, |data| data.len() as u64);
                match self.left.checked_sub(len) {
                    Some(left) => self.left = left,
                    None => return self.refuse(policy::too_large(&self.limits)),
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                let message = format!("the request's body broke off: {error}");
                self.refuse(Fault::new(FaultCode::BadRequest, message))
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                let wait = self.limits.body_gap;
                let gap = self.gap.get_or_insert_with(|| Box::pin(tokio::time::sleep(wait)));
                if gap.as_mut().poll(cx).is_ready() {
                    let message = format!("no more of the request's body came for {wait:?}");
                    return self.refuse(Fault::new(FaultCode::RequestTimeout, message));
                }
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

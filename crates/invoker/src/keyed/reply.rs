//! Answers as they are kept.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_body::Frame;
use mayfly_runtime_api::{Answer, Body, ResponseHead};
use mayfly_state_api::KeptReply;
use mayfly_types::{Fault, FaultCode, InvocationId};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// A whole answer.
pub(super) enum Complete {
    Http(ResponseHead, Bytes),
    Event(Bytes),
}

impl From<Complete> for Answer {
    fn from(complete: Complete) -> Self {
        match complete {
            Complete::Http(head, body) => Self::Http { head, body: Body::full(body) },
            Complete::Event(json) => Self::Event(json),
        }
    }
}

/// What goes before a body, as JSON.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Head {
    /// Values of headers are bytes, and need not be text.
    Http { status: u16, headers: Vec<(String, Vec<u8>)> },
    /// Its result is the body.
    Event,
    /// The function failed.
    Fault { fault: Fault },
}

pub(super) fn keep(answer: &Complete) -> KeptReply {
    match answer {
        Complete::Event(json) => kept(&Head::Event, json),
        Complete::Http(head, body) => {
            let headers = head.headers.iter();
            let headers =
                headers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
            kept(&Head::Http { status: head.status.as_u16(), headers: headers.collect() }, body)
        }
    }
}

pub(super) fn keep_fault(fault: &Fault) -> KeptReply {
    kept(&Head::Fault { fault: fault.clone() }, &[])
}

fn kept(head: &Head, body: &[u8]) -> KeptReply {
    // It has strings and numbers alone, which always are JSON.
    KeptReply { head: serde_json::to_string(head).unwrap_or_default(), body: body.to_vec() }
}

/// What was kept, for whoever asked again.
pub(super) fn read(of: InvocationId, kept: KeptReply) -> Result<Answer, Fault> {
    let head = serde_json::from_str(&kept.head).map_err(|error| {
        tracing::error!(%error, invocation = %of, "read an answer that was kept");
        Fault::new(FaultCode::Internal, "the answer that was kept cannot be read")
    })?;
    match head {
        Head::Event => Ok(Answer::Event(kept.body.into())),
        Head::Fault { fault } => Err(fault),
        Head::Http { status, headers } => {
            let mut map = HeaderMap::with_capacity(headers.len());
            for (name, value) in headers {
                let header = (HeaderName::try_from(name), HeaderValue::from_bytes(&value));
                if let (Ok(name), Ok(value)) = header {
                    map.append(name, value);
                }
            }
            let status = StatusCode::from_u16(status).unwrap_or_default();
            let head = ResponseHead { status, headers: map };
            Ok(Answer::Http { head, body: Body::full(kept.body) })
        }
    }
}

/// A body that another task reads.
pub(super) struct Channel(pub(super) mpsc::Receiver<Result<Bytes, Fault>>);

impl http_body::Body for Channel {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        self.0.poll_recv(cx).map(|data| data.map(|data| data.map(Frame::data)))
    }
}

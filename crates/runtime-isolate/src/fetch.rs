//! `fetch`, through the platform's one rule book for who may be called.

use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use http_body::Frame;
use mayfly_egress::{
    BodyError, Client, FetchRequest, FetchResponse, Policy, RedirectMode, RequestBody,
};
use mayfly_runtime_api::Body;
use mayfly_types::{Fault, FaultCode};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::ops::{OpError, OpResult, Resource};

/// Calls out for one invocation.
pub(crate) struct Fetcher {
    pub(crate) client: Arc<Client>,
    pub(crate) policy: Arc<Policy>,
    pub(crate) deadline: Instant,
}

pub(crate) type HeadResult = Result<FetchResponse, OpError>;

/// A request whose body the guest is still writing.
pub(crate) struct Upload {
    chunks: mpsc::Sender<Bytes>,
    head: Option<oneshot::Receiver<HeadResult>>,
    task: tokio::task::AbortHandle,
}

impl Upload {
    /// Hands over the next bytes.
    pub(crate) fn write(&self, bytes: Bytes) -> BoxFuture<'static, OpResult> {
        match bytes.is_empty() {
            true => Box::pin(std::future::ready(Ok((String::new(), None)))),
            false => self.hand_over(bytes),
        }
    }

    /// Ends the body.
    pub(crate) fn close(&self) -> BoxFuture<'static, OpResult> {
        self.hand_over(Bytes::new())
    }

    /// An empty chunk ends the body: the channel itself closes only with the invocation.
    fn hand_over(&self, bytes: Bytes) -> BoxFuture<'static, OpResult> {
        let chunks = self.chunks.clone();
        Box::pin(async move {
            let gone = |_| OpError::type_error("the request's body is no longer wanted");
            chunks.send(bytes).await.map_err(gone)?;
            Ok((String::new(), None))
        })
    }

    /// The answer's head, which can be waited for once.
    pub(crate) fn take_head(&mut self) -> Option<oneshot::Receiver<HeadResult>> {
        self.head.take()
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Chunks(mpsc::Receiver<Bytes>);

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.0.poll_recv(cx).map(|chunk| match chunk {
            Some(chunk) if chunk.is_empty() => None,
            Some(chunk) => Some(Ok(Frame::data(chunk))),
            None => Some(Err("the function ended before its request's body did".into())),
        })
    }
}

type Done = (OpResult, Option<(u32, Resource)>);

/// Sends a request whose body is at hand.
pub(crate) async fn send_whole(
    fetcher: Arc<Fetcher>,
    meta: Value,
    bytes: Option<Bytes>,
    new: u32,
) -> Done {
    let body = bytes.map_or(RequestBody::Empty, RequestBody::Full);
    finish(send(fetcher, meta, body).await, new)
}

/// Begins a request whose body the guest will write.
pub(crate) fn open(fetcher: Arc<Fetcher>, meta: Value, new: u32) -> Done {
    let (chunks, receiver) = mpsc::channel(1);
    let (answer, head) = oneshot::channel();
    // A task of its own, because the body is read while the guest writes it.
    let task = tokio::spawn(async move {
        let body = RequestBody::Stream(Box::pin(Chunks(receiver)));
        let _ = answer.send(send(fetcher, meta, body).await);
    });
    let upload = Upload { chunks, head: Some(head), task: task.abort_handle() };
    let meta = serde_json::json!({ "rid": new }).to_string();
    (Ok((meta, None)), Some((new, Resource::Upload(upload))))
}

/// Waits for the head of such a request's answer.
pub(crate) async fn head(head: Option<oneshot::Receiver<HeadResult>>, new: u32) -> Done {
    let head = match head {
        Some(head) => {
            let given_up = |_| Err(OpError::type_error("the request was given up"));
            head.await.unwrap_or_else(given_up)
        }
        None => Err(OpError::type_error("the answer was already taken")),
    };
    finish(head, new)
}

async fn send(fetcher: Arc<Fetcher>, meta: Value, body: RequestBody) -> HeadResult {
    let request = request(&fetcher, &meta, body)?;
    let host = request.url.host_str().unwrap_or_default().to_owned();
    fetcher.client.fetch(&fetcher.policy, request).await.map_err(|error| {
        tracing::debug!(%host, %error, "fetch failed");
        OpError::type_error(format!("fetch failed: {error}"))
    })
}

fn request(fetcher: &Fetcher, meta: &Value, body: RequestBody) -> Result<FetchRequest, OpError> {
    let invalid = |what: &str| OpError::type_error(format!("fetch: the {what} is not valid"));
    let method = Method::from_str(meta["method"].as_str().unwrap_or("GET"));
    let url = meta["url"].as_str().and_then(|url| url::Url::parse(url).ok());
    let mut headers = HeaderMap::new();
    for pair in meta["headers"].as_array().into_iter().flatten() {
        let name = pair[0].as_str().and_then(|name| HeaderName::from_str(name).ok());
        let value = pair[1].as_str().unwrap_or_default();
        let value: Vec<u8> =
            value.chars().map(|c| u8::try_from(c as u32).unwrap_or(b'?')).collect();
        let (Some(name), Ok(value)) = (name, HeaderValue::from_bytes(&value)) else {
            return Err(invalid("request's header"));
        };
        mayfly_runtime_api::append_header(&mut headers, name, value)
            .map_err(|_| invalid("number of headers"))?;
    }
    Ok(FetchRequest {
        method: method.map_err(|_| invalid("method"))?,
        url: url.ok_or_else(|| invalid("URL"))?,
        headers,
        body,
        redirect: match meta["redirect"].as_str() {
            Some("manual") => RedirectMode::Manual,
            Some("error") => RedirectMode::Error,
            _ => RedirectMode::Follow,
        },
        deadline: fetcher.deadline,
    })
}

fn finish(result: HeadResult, new: u32) -> Done {
    let response = match result {
        Ok(response) => response,
        Err(error) => return (Err(error), None),
    };
    let text = |value: &HeaderValue| -> String {
        value.as_bytes().iter().map(|byte| *byte as char).collect()
    };
    let headers: Vec<(&str, String)> =
        response.headers.iter().map(|(name, value)| (name.as_str(), text(value))).collect();
    let meta = serde_json::json!({
        "status": response.status.as_u16(),
        "statusText": response.status.canonical_reason().unwrap_or_default(),
        "headers": headers,
        "url": response.url.as_str(),
        "redirected": response.redirected,
        "body": new,
    });
    let body = Body::Stream(Box::pin(Answer(response.body)));
    (Ok((meta.to_string(), None)), Some((new, Resource::Reader(body))))
}

/// The answer's body, with its errors as the guest throws them.
struct Answer(mayfly_egress::ResponseBody);

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        Pin::new(&mut self.0).poll_frame(cx).map_err(|error| {
            Fault::new(FaultCode::FunctionError, format!("fetch: the answer's body broke: {error}"))
        })
    }
}

//! `wasi:http/outgoing-handler`, by the platform's one rule book for who may be called.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, HOST};
use http::{HeaderValue, Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use mayfly_egress::{
    BodyError, Client, FetchError, FetchRequest, Policy, RedirectMode, RequestBody, ResponseBody,
};
use mayfly_runtime_api::LogLevel;
use tokio::time::Sleep;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use crate::stdio::Lines;

/// How much a guest writes at once, and how much is held of what nobody has read yet.
const CHUNK: usize = 64 << 10;

/// Calls out for one invocation.
pub(crate) struct Outgoing {
    pub(crate) client: Arc<Client>,
    pub(crate) policy: Arc<Policy>,
    pub(crate) deadline: Instant,
    pub(crate) lines: Lines,
}

type Worker = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Box<dyn Future<Output = Result<(Response<WasiBody>, Worker), Error>> + Send>;

impl WasiHttpHooks for Outgoing {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _guests: Worker,
    ) -> Sent {
        let (client, policy) = (Arc::clone(&self.client), Arc::clone(&self.policy));
        let (deadline, lines) = (self.deadline, self.lines.clone());
        Box::new(async move {
            let sent = send(&client, &policy, request, options.unwrap_or_default(), deadline).await;
            let response = sent.map_err(|(error, said)| {
                if let Some(said) = said {
                    lines.write(LogLevel::Warn, &format!("outgoing request: {said}"));
                }
                error
            })?;
            Ok((response, Box::new(std::future::ready(Ok(()))) as Worker))
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK
    }
}

/// Sends a request. An error comes with what the function's owner should read of it.
async fn send(
    client: &Client,
    policy: &Policy,
    request: Request<WasiBody>,
    options: RequestOptions,
    deadline: Instant,
) -> Result<Response<WasiBody>, (Error, Option<String>)> {
    let (parts, body) = request.into_parts();
    let url = url::Url::parse(&parts.uri.to_string())
        .map_err(|error| (Error::HttpRequestUriInvalid, Some(error.to_string())))?;
    let mut headers = parts.headers;
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    headers.remove(HOST);
    // The guest gets the bytes as they come, so none may come coded unless it asked for that.
    headers.entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static("identity"));
    let body = match body.is_end_stream() {
        true => RequestBody::Empty,
        false => RequestBody::Stream(Box::pin(Upload { body, left: length })),
    };
    let redirect = RedirectMode::Manual;
    let fetch = FetchRequest { method: parts.method, url, headers, body, redirect, deadline };
    let answered = client.fetch(policy, fetch);
    let first = match (options.connect_timeout, options.first_byte_timeout) {
        (Some(connect), Some(first)) => Some(connect + first),
        (connect, first) => connect.or(first),
    };
    let answered = match first {
        Some(wait) => tokio::time::timeout(wait, answered)
            .await
            .map_err(|_| (Error::HttpResponseTimeout, None))?,
        None => answered.await,
    };
    let answer = answered.map_err(|error| (coded(&error), Some(error.to_string())))?;
    let gap = options.between_bytes_timeout;
    let mut response =
        Response::new(Download { body: answer.body, gap, wait: None }.boxed_unsync());
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    Ok(response)
}

fn coded(error: &FetchError) -> Error {
    match error {
        FetchError::Refused(_) => Error::HttpRequestDenied,
        FetchError::Request(_) => Error::HttpRequestUriInvalid,
        FetchError::Redirect { .. } | FetchError::Decode { .. } => Error::HttpProtocolError,
        FetchError::Network { .. } => Error::DestinationUnavailable,
        FetchError::HeadTooLarge { .. } => Error::HttpResponseHeaderSectionSize(None),
        FetchError::RequestBody(_) => Error::ConnectionTerminated,
        FetchError::Deadline { .. } => Error::ConnectionTimeout,
    }
}

/// A request's body as the guest writes it.
struct Upload {
    body: WasiBody,
    /// What is still to come, where the guest said how long it is.
    left: Option<u64>,
}

impl Body for Upload {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx).map_err(Into::into);
        if let (Poll::Ready(Some(Ok(frame))), Some(left)) = (&polled, &mut self.left) {
            *left = left.saturating_sub(frame.data_ref().map_or(0, |data| data.len() as u64));
        }
        polled
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}

/// An answer's body as the guest reads it.
struct Download {
    body: ResponseBody,
    gap: Option<Duration>,
    wait: Option<Pin<Box<Sleep>>>,
}

impl Body for Download {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx).map_err(|error| coded(&error));
        match (&polled, self.gap) {
            (Poll::Pending, Some(gap)) => {
                let wait = self.wait.get_or_insert_with(|| Box::pin(tokio::time::sleep(gap)));
                if wait.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Some(Err(Error::ConnectionReadTimeout)));
                }
            }
            _ => self.wait = None,
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

//! The request that a guest reads and the answer that it sets.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body::{Frame, SizeHint};
use mayfly_runtime_api::{Body, HttpRequest};
use mayfly_types::{Fault, FaultCode};
use wasmtime::component::Resource;
use wasmtime_wasi_http::p2::bindings::http::types::{ErrorCode, Scheme};
use wasmtime_wasi_http::p2::body::HyperOutgoingBody;
use wasmtime_wasi_http::p2::types::{HostIncomingRequest, HostResponseOutparam};
use wasmtime_wasi_http::{Error, WasiHttpView as _};

use crate::state::State;

/// What lies between a guest and whoever waits for its answer.
#[derive(Default)]
pub(crate) struct Exchange {
    answer: Mutex<Option<Result<Response<HyperOutgoingBody>, ErrorCode>>>,
    bytes_in: AtomicU64,
}

impl Exchange {
    /// The answer, once it is set.
    pub(crate) fn take(&self) -> Option<Result<Response<HyperOutgoingBody>, ErrorCode>> {
        self.answer.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take()
    }

    /// Bytes of the request's body that the guest was given.
    pub(crate) fn bytes_in(&self) -> u64 {
        self.bytes_in.load(Ordering::Relaxed)
    }
}

type Handles = (Resource<HostIncomingRequest>, Resource<HostResponseOutparam>);

/// The arguments of `wasi:http/incoming-handler.handle`.
pub(crate) fn handles(
    state: &mut State,
    request: HttpRequest,
    exchange: &Arc<Exchange>,
) -> wasmtime::Result<Handles> {
    let incoming = incoming(request, exchange).map_err(wasmtime::Error::new)?;
    let mut http = state.http();
    let request = http.new_incoming_request(Scheme::Http, incoming)?;
    let exchange = Arc::clone(exchange);
    let answer = http.new_response_outparam_from_callback(move |answer| {
        *exchange.answer.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = Some(answer);
    })?;
    Ok((request, answer))
}

fn incoming(
    request: HttpRequest,
    exchange: &Arc<Exchange>,
) -> Result<http::Request<Counted>, http::Error> {
    let body = Counted { body: request.body, exchange: Arc::clone(exchange) };
    let mut incoming = http::Request::new(body);
    *incoming.method_mut() = request.method;
    *incoming.uri_mut() = request.url.parse()?;
    *incoming.version_mut() = request.version;
    *incoming.headers_mut() = request.headers;
    Ok(incoming)
}

/// A request's body, counted as it is read.
struct Counted {
    body: Body,
    exchange: Arc<Exchange>,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Pin::new(&mut self.body).poll_frame(cx).map(|frame| {
            let frame = frame?.map_err(|fault| broken(&fault));
            let length = frame.as_ref().ok().and_then(Frame::data_ref).map_or(0, Bytes::len);
            self.exchange.bytes_in.fetch_add(length as u64, Ordering::Relaxed);
            Some(frame)
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Why a request's body ended early, in the guest's words.
fn broken(fault: &Fault) -> Error {
    match fault.code {
        FaultCode::PayloadTooLarge => Error::HttpRequestBodySize(None),
        FaultCode::RequestTimeout => Error::ConnectionReadTimeout,
        _ => Error::ConnectionTerminated,
    }
}

//! The span of a request: from its head to the last byte of its answer.

use std::borrow::Cow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use http_body::{Frame, SizeHint};
use mayfly_runtime_api::{
    Body, BodyStream, OpenSpan, SpanKind, Spans, Target, Trace, TraceContext, Value,
};
use mayfly_types::{Fault, InvocationId};

/// Most bytes of a path that a span keeps.
const LONGEST_PATH: usize = 1024;

/// A request whose span has begun. Dropping it ends the span: the caller has left.
pub(crate) struct Traced {
    span: Option<OpenSpan>,
    id: InvocationId,
    attributes: Vec<(&'static str, Value)>,
    /// Why it failed, until it is known that it did not.
    failed: Option<Cow<'static, str>>,
}

impl Traced {
    pub(crate) fn begin(spans: &Arc<dyn Spans>, id: InvocationId, request: &Parts) -> Box<Self> {
        let span = OpenSpan::enter(spans, TraceContext::from_headers(&request.headers));
        let mut attributes = Vec::new();
        if span.trace().context().sampled {
            let path = request.uri.path();
            let path = &path[..path.floor_char_boundary(LONGEST_PATH)];
            attributes.reserve(12);
            attributes.extend([
                ("http.request.method", method(&request.method)),
                ("url.path", path.to_owned().into()),
                ("url.scheme", "http".into()),
                ("faas.trigger", "http".into()),
            ]);
        }
        Box::new(Self { span: Some(span), id, attributes, failed: Some("cancelled".into()) })
    }

    /// The place below which the invocation stands.
    pub(crate) fn trace(&self) -> Option<Trace> {
        self.span.as_ref().map(|span| span.trace().clone())
    }

    /// It is known whose request it is.
    pub(crate) fn routed(&mut self, target: &Target, route: &str) {
        if self.trace().is_some_and(|trace| trace.context().sampled) {
            self.attributes.extend([
                ("http.route", route.to_owned().into()),
                ("faas.name", target.function.to_string().into()),
                ("mayfly.app", target.app.app.to_string().into()),
                ("mayfly.tenant", target.app.tenant.to_string().into()),
            ]);
        }
    }

    /// There is an answer, of this invocation. The span ends with its body.
    pub(crate) fn answered(
        mut self: Box<Self>,
        of: InvocationId,
        response: Response<Body>,
        fault: Option<&'static str>,
    ) -> Response<Body> {
        // A request with a key may have the answer of an earlier one.
        self.id = of;
        let status = response.status();
        self.attributes.push(("http.response.status_code", Value::Whole(status.as_u16().into())));
        // What a caller did wrong is no error of the server's span (HTTP spans, section "Status").
        let failed = || fault.map_or_else(|| status.as_str().to_owned().into(), Cow::Borrowed);
        self.failed = status.is_server_error().then(failed);
        match response.into_parts() {
            (head, Body::Stream(stream)) => {
                let body = Traces { stream, traced: Some(self) };
                Response::from_parts(head, Body::Stream(Box::pin(body)))
            }
            (head, body) => Response::from_parts(head, body),
        }
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        let Some(span) = self.span.take() else { return };
        span.end("gateway", |span| {
            span.kind = SpanKind::Server;
            span.attributes = std::mem::take(&mut self.attributes);
            span.set("faas.invocation_id", self.id.to_string());
            if let Some(failed) = self.failed.take() {
                span.error = Some(failed.clone().into_owned());
                span.attributes.push(("error.type", Value::Text(failed)));
            }
        });
    }
}

/// The method, if it is one that is known: a stranger may write anything (HTTP spans, `http.request.method`).
fn method(method: &http::Method) -> Value {
    use http::Method;
    let known = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::HEAD,
        Method::OPTIONS,
        Method::TRACE,
        Method::CONNECT,
    ];
    match known.contains(method) {
        true => method.as_str().to_owned().into(),
        false => "_OTHER".into(),
    }
}

/// A body with whose end a span ends.
struct Traces {
    stream: BodyStream,
    traced: Option<Box<Traced>>,
}

impl http_body::Body for Traces {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let polled = self.stream.as_mut().poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Err(fault))) => {
                if let Some(traced) = &mut self.traced {
                    traced.failed = Some(fault.code.as_str().into());
                }
                self.traced = None;
            }
            Poll::Ready(None) => self.traced = None,
            Poll::Ready(Some(Ok(_))) if self.stream.is_end_stream() => self.traced = None,
            _ => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.stream.size_hint()
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        // Whoever knows a body's length stops reading at its last byte, and has not left.
        if self.stream.size_hint().exact() != Some(0)
            && let Some(traced) = &mut self.traced
        {
            traced.failed.get_or_insert("cancelled".into());
        }
    }
}

//! The span of an invocation that somebody asks the API for and waits for.

use std::sync::Arc;

use mayfly_runtime_api::{OpenSpan, SpanKind, Spans, Target, Trace, TraceContext};
use mayfly_types::{Fault, InvocationId};

/// Such an invocation; nothing where no traces are kept.
pub(super) struct Traced(Option<(OpenSpan, InvocationId, Target)>);

impl Traced {
    pub(super) fn begin(
        spans: Option<&Arc<dyn Spans>>,
        caller: Option<TraceContext>,
        id: InvocationId,
        target: &Target,
    ) -> Self {
        Self(spans.map(|spans| (OpenSpan::enter(spans, caller), id, target.clone())))
    }

    /// The place below which the invocation stands.
    pub(super) fn trace(&self) -> Option<Trace> {
        self.0.as_ref().map(|(span, ..)| span.trace().clone())
    }

    /// It has an answer, or none.
    pub(super) fn end(self, fault: Option<&Fault>) {
        let Some((span, id, target)) = self.0 else { return };
        span.end("invoke", |span| {
            span.kind = SpanKind::Server;
            span.set("http.request.method", "POST");
            span.set("http.route", "/v1/apps/{app}/functions/{function}/invocations");
            let status = fault.map_or(200, |fault| fault.code.http_status());
            span.set("http.response.status_code", u64::from(status));
            span.set("faas.trigger", "other");
            span.set("faas.name", target.function.to_string());
            span.set("faas.invocation_id", id.to_string());
            span.set("mayfly.app", target.app.app.to_string());
            span.set("mayfly.tenant", target.app.tenant.to_string());
            if let Some(fault) = fault.filter(|_| status >= 500) {
                span.set("error.type", fault.code.as_str());
                span.error = Some(fault.code.as_str().to_owned());
            }
        });
    }
}

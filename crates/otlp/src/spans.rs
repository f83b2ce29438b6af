//! Spans as the protocol has them (opentelemetry/proto/trace/v1/trace.proto).

use mayfly_runtime_api::{Span, SpanId, SpanKind, TraceContext, Value};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{self as proto, ResourceSpans, ScopeSpans};

use crate::resource;

/// A batch, as it is sent.
pub(crate) fn batch(resource: &Resource, spans: Vec<Span>) -> ExportTraceServiceRequest {
    let spans = spans.into_iter().map(one).collect();
    let scope = Some(resource::scope());
    let scope_spans = vec![ScopeSpans { scope, spans, ..ScopeSpans::default() }];
    let resource = Some(resource.clone());
    let resource_spans = vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }
}

fn one(span: Span) -> proto::Span {
    let kind = match span.kind {
        SpanKind::Internal => proto::span::SpanKind::Internal,
        SpanKind::Server => proto::span::SpanKind::Server,
        SpanKind::Producer => proto::span::SpanKind::Producer,
    };
    let status = span
        .error
        .map(|message| proto::Status { message, code: proto::status::StatusCode::Error.into() });
    let attributes = span.attributes.into_iter().map(|(key, value)| {
        resource::attribute(
            key,
            match value {
                Value::Text(text) => any_value::Value::StringValue(text.into_owned()),
                Value::Whole(number) => any_value::Value::IntValue(number),
                Value::Truth(truth) => any_value::Value::BoolValue(truth),
            },
        )
    });
    proto::Span {
        trace_id: span.context.trace_id.bytes().to_vec(),
        span_id: span.context.span_id.bytes().to_vec(),
        trace_state: state(&span.context),
        parent_span_id: span.parent.map(SpanId::bytes).map_or(Vec::new(), Vec::from),
        flags: span.context.sampled.into(),
        name: span.name.to_owned(),
        kind: kind.into(),
        start_time_unix_nano: span.began_ns,
        end_time_unix_nano: span.ended_ns,
        attributes: attributes.collect(),
        links: span.link.iter().map(link).collect(),
        status,
        ..proto::Span::default()
    }
}

fn link(to: &TraceContext) -> proto::span::Link {
    proto::span::Link {
        trace_id: to.trace_id.bytes().to_vec(),
        span_id: to.span_id.bytes().to_vec(),
        trace_state: state(to),
        flags: to.sampled.into(),
        ..proto::span::Link::default()
    }
}

fn state(context: &TraceContext) -> String {
    context.state.as_deref().unwrap_or_default().to_owned()
}

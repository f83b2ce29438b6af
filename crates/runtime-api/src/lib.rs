//! The seam between the platform and the runtimes.
//!
//! [`Runtime`] and [`Instance`] stand below the invoker, [`Invoke`] above it; both carry the same
//! payloads. A payload is HTTP or an event; [`lambda`] holds the one translation between the two.

mod body;
mod child;
mod invoke;
mod keyed_lock;
pub mod lambda;
mod logs;
mod meter;
mod payload;
mod places;
mod runtime;
mod spans;
mod ticker;
mod trace;

pub use body::{Body, BodyStream};
pub use child::{Bounds, ChildCommand, child_main};
pub use invoke::{Answer, Answered, Invocation, Invoke, LONGEST_KEY, Target, idempotency_key};
pub use keyed_lock::KeyedLock;
pub use logs::{LogLevel, LogSink};
pub use meter::{Metered, Spent};
pub use payload::{EventRequest, HttpRequest, MOST_HEADERS, Payload, ResponseHead, append_header};
pub use places::{Places, Share, give_way};
pub use runtime::{
    Call, CodeStore, Diagnostic, Failure, Instance, Keep, OpenSecrets, PrepareError,
    PrepareRequest, Prepared, Reply, ReplyBody, ReplyStream, Runtime, StartRequest,
};
pub use spans::{OpenSpan, Span, SpanKind, Spans, Trace, Value};
pub use ticker::{Running, Ticker};
pub use trace::{SpanId, TRACEPARENT, TRACESTATE, TraceContext, TraceId};

//! Spans of invocations: who does what below which span, for whoever records them.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use mayfly_types::InvocationId;

use crate::{SpanId, TraceContext, TraceId};

/// Takes the spans of a node. Nothing of it waits or fails: what it cannot hold it drops and counts.
pub trait Spans: Send + Sync {
    /// An id for a new trace.
    fn trace_id(&self) -> TraceId;
    /// An id for a new span.
    fn span_id(&self) -> SpanId;
    /// Whether a trace that begins here is recorded. It depends on the id alone.
    fn samples(&self, trace: TraceId) -> bool;
    /// The time, in nanoseconds since 1970.
    fn now_ns(&self) -> u64;
    /// Takes a span that has ended.
    fn end(&self, span: Span);
}

/// A span that has ended.
#[derive(Debug, Clone)]
pub struct Span {
    /// What was done.
    pub name: &'static str,
    /// On which side of what it stands.
    pub kind: SpanKind,
    /// Where it stands.
    pub context: TraceContext,
    /// The span above it.
    pub parent: Option<SpanId>,
    /// A span of another trace that led to it.
    pub link: Option<TraceContext>,
    /// When it began and ended, in nanoseconds since 1970.
    pub began_ns: u64,
    /// See `began_ns`.
    pub ended_ns: u64,
    /// Why it failed, if it did.
    pub error: Option<String>,
    /// What else there is to know, by OpenTelemetry's names.
    pub attributes: Vec<(&'static str, Value)>,
}

impl Span {
    /// Adds an attribute.
    pub fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        self.attributes.push((name, value.into()));
    }
}

/// On which side of a call a span stands; OpenTelemetry's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// Within the node.
    Internal,
    /// It answers a request.
    Server,
    /// It hands over an event that nobody waits for.
    Producer,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A text.
    Text(Cow<'static, str>),
    /// A whole number.
    Whole(i64),
    /// Yes or no.
    Truth(bool),
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Whole(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Truth(truth)
    }
}

/// A place in a trace, with whoever takes the spans below it.
#[derive(Clone)]
pub struct Trace {
    context: TraceContext,
    /// Since when what stands here has been waiting, where that began before the node had it.
    since_ns: Option<u64>,
    spans: Arc<dyn Spans>,
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Trace").field(&self.context).finish()
    }
}

impl Trace {
    /// The trace of an event that nobody waits for: its attempts stand below the span `send`, wherever they
    /// run. Both ids are those of the invocation, so that no store has to keep them.
    pub fn of_event(spans: &Arc<dyn Spans>, id: InvocationId) -> Self {
        let send = OpenSpan::send(spans, id);
        Self { since_ns: None, ..send.trace }
    }

    /// The same for something that has been waiting since then, in nanoseconds since 1970.
    #[must_use]
    pub fn since(self, since_ns: u64) -> Self {
        Self { since_ns: Some(since_ns), ..self }
    }

    /// What is handed on to whoever goes on below this place.
    pub fn context(&self) -> &TraceContext {
        &self.context
    }

    /// Begins a span below this place.
    pub fn open(&self) -> OpenSpan {
        let spans = Arc::clone(&self.spans);
        let context = TraceContext { span_id: spans.span_id(), ..self.context.clone() };
        OpenSpan::begin(context, Some(self.context.span_id), spans)
    }

    /// Begins a span for the wait of what stands here.
    pub fn wait(&self) -> OpenSpan {
        let open = self.open();
        let began_ns = self.since_ns.unwrap_or(open.began_ns);
        open.began_at(began_ns)
    }
}

/// A span that has begun. What is dropped is not recorded.
#[derive(Debug, Clone)]
pub struct OpenSpan {
    trace: Trace,
    parent: Option<SpanId>,
    link: Option<TraceContext>,
    began_ns: u64,
}

impl OpenSpan {
    /// Begins the span of a request: below its caller's, whose decision to record holds, or of a new trace.
    pub fn enter(spans: &Arc<dyn Spans>, caller: Option<TraceContext>) -> Self {
        let spans = Arc::clone(spans);
        let span_id = spans.span_id();
        match caller {
            Some(caller) => {
                let parent = Some(caller.span_id);
                Self::begin(TraceContext { span_id, ..caller }, parent, spans)
            }
            None => {
                let trace_id = spans.trace_id();
                let sampled = spans.samples(trace_id);
                Self::begin(TraceContext { trace_id, span_id, sampled, state: None }, None, spans)
            }
        }
    }

    /// Begins the first span of an event that nobody waits for. See [`Trace::of_event`].
    pub fn send(spans: &Arc<dyn Spans>, id: InvocationId) -> Self {
        let spans = Arc::clone(spans);
        let bytes = id.uuid().into_bytes();
        let mut low = [0; 8];
        low.copy_from_slice(&bytes[8..]);
        // An id of UUIDv7 has ones in both halves.
        let trace_id = TraceId::new(bytes).unwrap_or_else(|| spans.trace_id());
        let span_id = SpanId::new(low).unwrap_or_else(|| spans.span_id());
        let sampled = spans.samples(trace_id);
        Self::begin(TraceContext { trace_id, span_id, sampled, state: None }, None, spans)
    }

    fn begin(context: TraceContext, parent: Option<SpanId>, spans: Arc<dyn Spans>) -> Self {
        let began_ns = spans.now_ns();
        Self { trace: Trace { context, since_ns: None, spans }, parent, link: None, began_ns }
    }

    /// The same with another beginning, in nanoseconds since 1970.
    #[must_use]
    pub fn began_at(self, began_ns: u64) -> Self {
        Self { began_ns, ..self }
    }

    /// The same with the span of another trace that led to it.
    #[must_use]
    pub fn after(self, link: Option<TraceContext>) -> Self {
        Self { link, ..self }
    }

    /// When it began, in nanoseconds since 1970.
    pub fn began_ns(&self) -> u64 {
        self.began_ns
    }

    /// Its place, for what is below it.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Ends it now. `fill` says what there is to know, where somebody wants to.
    pub fn end(self, name: &'static str, fill: impl FnOnce(&mut Span)) {
        let Trace { context, spans, .. } = self.trace;
        if !context.sampled {
            return;
        }
        let mut span = Span {
            name,
            kind: SpanKind::Internal,
            context,
            parent: self.parent,
            link: self.link,
            began_ns: self.began_ns,
            ended_ns: spans.now_ns(),
            error: None,
            attributes: Vec::new(),
        };
        fill(&mut span);
        // A clock may be set back.
        span.ended_ns = span.ended_ns.max(span.began_ns);
        spans.end(span);
    }
}

//! The spans of an attempt: how long it stood in line, how long its instance took to start, how it ran.

use std::sync::Arc;

use mayfly_runtime_api::{OpenSpan, Payload, Span, SpanKind, Trace, TraceContext};
use mayfly_types::{AppKey, Fault, FunctionName, InvocationId, Outcome, OutcomeStatus};

use crate::answer::Attempt;
use crate::functions::Function;

/// The spans of an attempt that was let in.
pub(crate) struct Traced {
    trace: Trace,
    start: OpenSpan,
    run: Option<OpenSpan>,
}

impl Traced {
    /// Begins to follow an attempt that has its place.
    pub(crate) fn admitted(trace: Trace) -> Box<Self> {
        let start = trace.open();
        Box::new(Self { trace, start, run: None })
    }

    /// There is no instance for it.
    pub(crate) fn not_started(self, id: InvocationId, function: &Function, fault: &Fault) {
        self.start.end("start", |span| {
            describe(span, function.revision.app(), function.revision.function(), id);
            fail(span, fault.code.as_str());
        });
    }

    /// Its instance is there: the function is told where it stands.
    pub(crate) fn started(&mut self, payload: &mut Payload) -> TraceContext {
        let run = self.run.insert(self.trace.open());
        let context = run.trace().context();
        if let Payload::Http(request) = payload {
            context.write(&mut request.headers);
        }
        context.clone()
    }

    /// It has ended, and this is what it came to.
    pub(crate) fn ended(self, attempt: &Attempt, outcome: &Outcome) {
        let Some(mut run) = self.run else { return };
        let (id, revision) = (attempt.id, &attempt.function.revision);
        let failed = match outcome.status {
            OutcomeStatus::Fault(code) => Some(code.as_str()),
            OutcomeStatus::Ok | OutcomeStatus::Cancelled => None,
        };
        // What fails in no time at all has not run: there was nothing to run it in.
        let never_ran = outcome.wall_us == 0 && failed.is_some();
        let began_ns = run.began_ns();
        if outcome.cold {
            let mut ready_ns = began_ns;
            self.start.end("start", |span| {
                describe(span, revision.app(), revision.function(), id);
                let init_ns = outcome.init_us.saturating_mul(1000);
                let wall_ns = outcome.wall_us.saturating_mul(1000);
                // An instance that stood ready took its time before.
                ready_ns = began_ns
                    .saturating_add(init_ns)
                    .min(span.ended_ns.saturating_sub(wall_ns))
                    .max(began_ns);
                if let Some(code) = failed.filter(|_| never_ran) {
                    fail(span, code);
                } else {
                    span.ended_ns = ready_ns;
                }
            });
            if never_ran {
                return;
            }
            run = run.began_at(ready_ns);
        }
        run.end("run", |span| {
            describe(span, revision.app(), revision.function(), id);
            span.set("faas.version", revision.id().to_string());
            span.set("faas.coldstart", outcome.cold);
            span.set("faas.max_memory", revision.config().memory.as_bytes());
            span.set("mayfly.attempt", u64::from(attempt.number));
            let word = if failed.is_none() && outcome.status != OutcomeStatus::Ok {
                "cancelled"
            } else {
                failed.unwrap_or("ok")
            };
            span.set("mayfly.outcome", word);
            span.set("mayfly.billed_ms", outcome.billed_ms());
            span.set("mayfly.cpu_us", outcome.cpu_us);
            span.set("mayfly.memory_peak", outcome.memory_peak);
            if let Some(code) = failed {
                fail(span, code);
            }
        });
    }
}

/// Ends the span of a wait in line.
pub(crate) fn waited(
    queue: OpenSpan,
    id: InvocationId,
    (app, function): (&AppKey, &FunctionName),
    refused: Option<&Fault>,
) {
    queue.end("queue", |span| {
        describe(span, app, function, id);
        if let Some(fault) = refused {
            fail(span, fault.code.as_str());
        }
    });
}

/// Ends the span of an event that was taken.
pub(crate) fn sent(send: OpenSpan, id: InvocationId, app: &AppKey, function: &FunctionName) {
    send.end("send", |span| {
        span.kind = SpanKind::Producer;
        describe(span, app, function, id);
    });
}

fn describe(span: &mut Span, app: &AppKey, function: &FunctionName, id: InvocationId) {
    span.set("faas.name", function.to_string());
    span.set("faas.invocation_id", id.to_string());
    span.set("mayfly.app", app.app.to_string());
    span.set("mayfly.tenant", app.tenant.to_string());
}

fn fail(span: &mut Span, code: &'static str) {
    span.set("error.type", code);
    span.error = Some(code.to_owned());
}

/// Who is told of invocations beside the ledger.
#[derive(Clone, Default)]
pub struct Observers {
    /// Takes spans, where traces are kept.
    pub spans: Option<Arc<dyn mayfly_runtime_api::Spans>>,
    /// Whether a function's log has a line of what each attempt took.
    pub report: bool,
}

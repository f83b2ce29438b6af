//! One attempt of an event.

use bytes::Bytes;
use mayfly_runtime_api::{
    Answer, Body, EventRequest, Invocation, Payload, ResponseHead, Target, Trace,
};
use mayfly_state_api::{AttemptRecord, Lease};
use mayfly_types::{Fault, FaultCode, Outcome, OutcomeStatus};
use serde::Serialize;
use serde::de::IgnoredAny;
use tokio::sync::oneshot;

use super::lanes::Lane;
use super::policy::Came;
use crate::Invoker;

/// Most bytes of an answer that is read.
const ANSWER: usize = 6 << 20;

/// Runs an event's function once. The record is absent where nothing of it began.
pub(crate) async fn run(
    invoker: &Invoker,
    lane: &Lane,
    lease: &Lease,
    started_us: i64,
) -> (Came, Option<AttemptRecord>) {
    let (told, settled) = oneshot::channel();
    let event = EventRequest {
        kind: lease.kind.clone(),
        json: Bytes::copy_from_slice(&lease.payload),
        attempt: lease.attempt,
    };
    let target = Target { app: lane.0.clone(), function: lane.1.clone(), release: None };
    let caller = lease.caller.as_deref().map(Into::into);
    let trace = invoker.spans().map(|spans| {
        let due_ns = u64::try_from(lease.due_us).unwrap_or(0).saturating_mul(1000);
        Trace::of_event(spans, lease.id).since(due_ns)
    });
    let payload = Payload::Event(event);
    let invocation = Invocation { id: lease.id, target, payload, caller, key: None, trace };
    let answered = match invoker.run(invocation, Some(told)).await {
        Ok(Answer::Event(json)) => of_event(&json),
        Ok(Answer::Http { head, body }) => of_http(&head, body).await,
        Err(fault) => Err(fault),
    };
    // What goes on after the answer belongs to the attempt.
    let settled = settled.await.ok();
    let fault = match answered {
        Ok(answer) => {
            let record = record(lease, started_us, settled, None);
            return (Came::Answer(answer), Some(record));
        }
        Err(fault) => fault,
    };
    // A function that cannot even start has had its attempt.
    let ran = settled.is_some() || fault.code.blame() == mayfly_types::Blame::Function;
    let record = ran.then(|| record(lease, started_us, settled, Some(fault.clone())));
    (Came::Fault { fault, ran }, record)
}

fn record(
    lease: &Lease,
    started_us: i64,
    settled: Option<crate::answer::Settled>,
    fault: Option<Fault>,
) -> AttemptRecord {
    let status = fault.as_ref().map_or(OutcomeStatus::Ok, |fault| OutcomeStatus::Fault(fault.code));
    let (revision, memory, mut outcome) = match settled {
        Some(settled) => (Some(settled.revision), Some(settled.memory), settled.outcome),
        None => (None, None, Outcome::nothing(status)),
    };
    // An answer that is none is the attempt's failure, also where the function ended well.
    outcome.status = status;
    AttemptRecord { number: lease.attempt, revision, memory, started_us, outcome, fault }
}

fn of_event(json: &[u8]) -> Result<String, Fault> {
    let json = if json.is_empty() { b"null" } else { json };
    let fits = serde_json::from_slice::<IgnoredAny>(json).is_ok();
    let text = std::str::from_utf8(json).ok().filter(|_| fits);
    text.map(str::to_owned)
        .ok_or_else(|| Fault::new(FaultCode::InvalidResponse, "the function's result is no JSON"))
}

/// What is kept of an answer to the event as a request.
#[derive(Serialize)]
struct Http<'a> {
    status: u16,
    body: &'a str,
}

async fn of_http(head: &ResponseHead, body: Body) -> Result<String, Fault> {
    let body = match body.collect(ANSWER).await {
        Err(fault) if fault.code == FaultCode::PayloadTooLarge => {
            let message = format!("the function's answer is larger than {ANSWER} bytes");
            return Err(Fault::new(FaultCode::InvalidResponse, message));
        }
        body => body?,
    };
    let (status, body) = (head.status.as_u16(), String::from_utf8_lossy(&body));
    if !head.status.is_success() {
        let message = format!("the function answered with status {status}");
        let detail = format!("{message}: {}", &body[..body.floor_char_boundary(1_000)]);
        return Err(Fault::new(FaultCode::FunctionError, message).with_detail(detail));
    }
    let told = serde_json::to_string(&Http { status, body: &body });
    told.map_err(|error| Fault::new(FaultCode::Internal, error.to_string()))
}

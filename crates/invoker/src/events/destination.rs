//! Telling another function what became of an event, in the form of Lambda's invocation records.

use jiff::Timestamp;
use mayfly_runtime_api::lambda;
use mayfly_state_api::{Lease, NewInvocation, Then};
use mayfly_types::{AppKey, Destination, InvocationId, Revision};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::policy::Came;

/// What kind of event a record is.
const KIND: &str = "destination";

/// Adds the event for whoever is to be told, if anybody is.
pub(crate) fn tell(
    then: &mut Then,
    revision: &Revision,
    lease: &Lease,
    came: &Came,
    now_us: i64,
    max_age_us: impl Fn(&Destination) -> i64,
) {
    let config = &revision.config().events;
    let (condition, destination, send) = match then {
        Then::Succeeded { send, .. } => ("Success", &config.on_success, send),
        Then::Failed { send, .. } if now_us > lease.expires_us => {
            ("EventAgeExceeded", &config.on_failure, send)
        }
        Then::Failed { send, .. } => ("RetriesExhausted", &config.on_failure, send),
        Then::Retry { .. } | Then::PutBack { .. } => return,
    };
    let Some(destination) = destination else { return };
    *send = Some(NewInvocation {
        id: InvocationId::new(),
        app: AppKey::new(revision.app().tenant.clone(), destination.app.clone()),
        function: destination.function.clone(),
        kind: KIND.into(),
        payload: serde_json::to_vec(&record(condition, revision, lease, came, now_us))
            .unwrap_or_else(|error| unreachable!("a record is plain data: {error}")),
        due_us: 0,
        max_age_us: max_age_us(destination),
        // Whoever sent the event pays for what follows from it.
        caller: lease.caller.clone(),
        key: None,
    });
}

/// A record. Its payloads are passed on as they are: reading them into numbers of our own could change them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    version: &'static str,
    timestamp: String,
    request_context: Value,
    request_payload: Box<RawValue>,
    response_context: Value,
    response_payload: Box<RawValue>,
}

fn record(condition: &str, revision: &Revision, lease: &Lease, came: &Came, now_us: i64) -> Record {
    let (response_context, response_payload) = match (came, came.fault()) {
        (Came::Answer(answer), _) => (json!({ "statusCode": 200 }), raw(answer.as_bytes())),
        (_, None) => (Value::Null, RawValue::NULL.to_owned()),
        (_, Some(fault)) => {
            let error = json!({ "errorType": fault.code, "errorMessage": fault.message });
            let context = json!({ "statusCode": 200, "functionError": "Unhandled" });
            (context, raw(error.to_string().as_bytes()))
        }
    };
    Record {
        version: "1.0",
        timestamp: Timestamp::from_microsecond(now_us).unwrap_or_default().to_string(),
        request_context: json!({
            "requestId": lease.id,
            "functionArn": lambda::function_context(revision)["invokedFunctionArn"],
            "condition": condition,
            "approximateInvokeCount": lease.attempt,
        }),
        request_payload: raw(&lease.payload),
        response_context,
        response_payload,
    }
}

fn raw(json: &[u8]) -> Box<RawValue> {
    let text = String::from_utf8_lossy(json).into_owned();
    RawValue::from_string(text).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

//! Functions, and running them.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::{AppendHeaders, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use mayfly_control_api::{Caller, FunctionDetail, SendRequest};
use mayfly_runtime_api::{
    Answer, Answered, Body, EventRequest, Invocation, Payload, ResponseHead, Target, TraceContext,
    idempotency_key,
};
use mayfly_state_api::Role;
use mayfly_types::{AppKey, AppName, Fault, FaultCode, FunctionName, InvocationId, TimeSpan};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::{ApiError, Failure, INVOCATION_ID};
use super::extract::{Names, Params, collect};
use super::trace::Traced;
use super::{AdminState, schema};

/// Most bytes of an event, and of an answer.
const EVENT: usize = 6 << 20;
/// How far ahead an event may be due.
const FARTHEST: Duration = Duration::from_secs(366 * 24 * 3600);
/// Longest name of a kind of event.
const LONGEST_KIND: usize = 64;

/// Shows a function of what is live.
#[utoipa::path(get, path = "/v1/apps/{app}/functions/{function}",
    tag = "functions", operation_id = "show_function",
    params(
        ("app" = String, Path, description = "The app"),
        ("function" = String, Path, description = "The function")),
    responses(
        (status = 200, description = "The function", body = schema::FunctionDetail),
        (status = "default", description = "A failure", body = Failure)))]
pub(super) async fn show(
    State(state): State<Arc<AdminState>>,
    Extension(caller): Extension<Caller>,
    Names((app, function)): Names<(AppName, FunctionName)>,
) -> Result<axum::Json<FunctionDetail>, ApiError> {
    Ok(axum::Json(state.control.function(&caller, &app, &function).await?))
}

/// Whether the caller waits, and when to begin.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct How {
    #[serde(default)]
    mode: Mode,
    delay: Option<TimeSpan>,
    at: Option<Timestamp>,
}

#[derive(Deserialize, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    Sync,
    Async,
}

/// An event that was taken.
#[derive(Serialize, ToSchema)]
pub(super) struct Taken {
    /// The invocation; of an `Idempotency-Key` that was given before, the one that has it.
    #[schema(value_type = String)]
    invocation_id: InvocationId,
}

/// Runs a function on an event, and waits for what comes of it unless `mode` is `async`.
#[utoipa::path(post, path = "/v1/apps/{app}/functions/{function}/invocations",
    tag = "functions", operation_id = "invoke_function",
    params(
        ("app" = String, Path, description = "The app"),
        ("function" = String, Path, description = "The function"),
        ("mode" = Option<String>, Query,
            description = "`sync` waits for the answer; `async` answers 202 once the event is on disk"),
        ("delay" = Option<String>, Query,
            description = "With `async`: no attempt begins before so long, as `10s`"),
        ("at" = Option<String>, Query, format = DateTime,
            description = "With `async`: no attempt begins before this time of RFC 3339"),
        ("x-mayfly-event" = Option<String>, Header, description = "The kind of event: `invoke`"),
        ("idempotency-key" = Option<String>, Header,
            description = "What makes a repetition of this request known for 24 hours: it runs once")),
    request_body(content = Option<serde_json::Value>,
        description = "The event: any JSON; nothing is null"),
    responses(
        (status = 200, description = "It answered", body = schema::Invoked),
        (status = 202, description = "The event is on disk", body = Taken),
        (status = "default", description = "It failed", body = Failure)))]
pub(super) async fn invoke(
    State(state): State<Arc<AdminState>>,
    Extension(caller): Extension<Caller>,
    Names((app, function)): Names<(AppName, FunctionName)>,
    Params(how): Params<How>,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let kind = kind(&parts.headers)?;
    let key =
        idempotency_key(&parts.headers).map_err(|fault| ApiError::bad_request(fault.message))?;
    let json = event(collect(body, EVENT).await?)?;
    caller.needs(Role::Invoke)?;
    let id = InvocationId::new();
    let trace = state.spans.as_ref().and_then(|_| TraceContext::from_headers(&parts.headers));
    if how.mode == Mode::Async {
        let due_us = how.due_us()?;
        let request = SendRequest { id, app, function, kind, json, due_us, key, trace };
        let id = state.control.send(&caller, request).await?;
        let location = format!("/v1/invocations/{id}");
        let headers = [(LOCATION, location), (INVOCATION_ID, id.to_string())];
        let told = axum::Json(Taken { invocation_id: id });
        return Ok((StatusCode::ACCEPTED, headers, told).into_response());
    }
    for (given, what) in [(how.delay.is_some(), "`delay`"), (how.at.is_some(), "`at`")] {
        if given {
            return Err(ApiError::bad_request(format!("{what} is for `mode=async`")));
        }
    }
    let name = Some(caller.name.as_str().into());
    let target = Target { app: AppKey::new(caller.tenant, app), function, release: None };
    let payload = Payload::Event(EventRequest { kind, json, attempt: 1 });
    let traced = Traced::begin(state.spans.as_ref(), trace, id, &target);
    let trace = traced.trace();
    let invocation = Invocation { id, target, payload, caller: name, key, trace };
    let Answered { answer, again } = state.invoke.invoke(invocation).await;
    let id = again.unwrap_or(id);
    let told = match answer {
        Ok(Answer::Event(json)) => of_event(id, &json),
        Ok(Answer::Http { head, body }) => of_http(id, &head, body).await,
        Err(fault) => Err(fault),
    };
    traced.end(told.as_ref().err());
    let told = told.map_err(|fault| ApiError::of_invocation(id, fault))?;
    let headers = [(CONTENT_TYPE, "application/json".to_owned()), (INVOCATION_ID, id.to_string())];
    let replayed = again.map(|_| [("idempotent-replayed", "true")]);
    Ok((headers, replayed.map(AppendHeaders), told).into_response())
}

impl How {
    /// When it is due, in UTC microseconds since 1970.
    fn due_us(&self) -> Result<Option<i64>, ApiError> {
        let now = Timestamp::now();
        let at = match (self.delay, self.at) {
            (None, at) => at,
            (Some(delay), None) => now.checked_add(delay.as_duration()).ok(),
            (Some(_), Some(_)) => {
                return Err(ApiError::bad_request("`delay` and `at` exclude each other"));
            }
        };
        let latest = now.checked_add(FARTHEST).unwrap_or(Timestamp::MAX);
        if (self.delay.is_some() && at.is_none()) || at.is_some_and(|at| at > latest) {
            return Err(ApiError::bad_request("an event is due within a year"));
        }
        Ok(at.map(Timestamp::as_microsecond))
    }
}

fn kind(headers: &HeaderMap) -> Result<String, ApiError> {
    let Some(kind) = headers.get("x-mayfly-event") else { return Ok("invoke".into()) };
    let fits = |kind: &&str| {
        (1..=LONGEST_KIND).contains(&kind.len())
            && kind.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.:".contains(&c))
    };
    let kind = kind.to_str().ok().filter(fits);
    kind.map(str::to_owned).ok_or_else(|| {
        ApiError::bad_request("the header x-mayfly-event takes letters, digits and `-_.:`")
    })
}

fn event(body: Bytes) -> Result<Bytes, ApiError> {
    if body.is_empty() {
        return Ok(Bytes::from_static(b"null"));
    }
    match serde_json::from_slice::<IgnoredAny>(&body) {
        Ok(_) => Ok(body),
        Err(error) => Err(ApiError::bad_request(format!("the event is no JSON: {error}"))),
    }
}

/// The result is passed on as it is: reading it into numbers of our own could change them.
fn of_event(id: InvocationId, json: &[u8]) -> Result<Bytes, Fault> {
    let json = if json.is_empty() { b"null" } else { json };
    if json.len() > EVENT {
        return Err(too_large());
    }
    if serde_json::from_slice::<IgnoredAny>(json).is_err() {
        return Err(Fault::new(FaultCode::InvalidResponse, "the function's result is no JSON"));
    }
    let mut told =
        format!("{{\"invocation_id\":\"{id}\",\"kind\":\"event\",\"result\":").into_bytes();
    told.extend_from_slice(json);
    told.push(b'}');
    Ok(told.into())
}

#[derive(Serialize)]
struct Http<'a> {
    invocation_id: InvocationId,
    kind: &'static str,
    status: u16,
    headers: Vec<(&'a str, String)>,
    body: String,
    base64: bool,
}

async fn of_http<'a>(id: InvocationId, head: &'a ResponseHead, body: Body) -> Result<Bytes, Fault> {
    let body = match body.collect(EVENT).await {
        // The caller sent nothing too large: the function did.
        Err(fault) if fault.code == FaultCode::PayloadTooLarge => return Err(too_large()),
        body => body?,
    };
    let (body, base64) = match String::from_utf8(body.into()) {
        Ok(text) => (text, false),
        Err(binary) => (STANDARD.encode(binary.as_bytes()), true),
    };
    let header = |(name, value): (&'a http::HeaderName, &http::HeaderValue)| {
        (name.as_str(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let headers = head.headers.iter().map(header).collect();
    let status = head.status.as_u16();
    let told = Http { invocation_id: id, kind: "http", status, headers, body, base64 };
    let told = serde_json::to_vec(&told);
    told.map(Bytes::from).map_err(|error| Fault::new(FaultCode::Internal, error.to_string()))
}

fn too_large() -> Fault {
    let text = format!("the function's answer is larger than {EVENT} bytes");
    Fault::new(FaultCode::InvalidResponse, text)
}

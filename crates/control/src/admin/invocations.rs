//! Invocations that nobody waits for.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use jiff::Timestamp;
use mayfly_control_api::Caller;
use mayfly_state_api::{InvocationQuery, InvocationRecord, InvocationStatus, Redrive};
use mayfly_types::{AppKey, AppName, FunctionName, InvocationId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::error::{ApiError, Failure};
use super::extract::{Json, Names, Params};
use super::{AdminState, schema};

/// Invocations in an answer where no number is named, and most in any.
const LISTED: usize = 100;
const MOST_LISTED: usize = 1_000;

/// An invocation as it is told.
#[derive(Serialize)]
pub(super) struct Told {
    #[serde(flatten)]
    record: InvocationRecord,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Box<RawValue>>,
}

impl From<InvocationRecord> for Told {
    fn from(mut record: InvocationRecord) -> Self {
        // The result is passed on as it is: reading it into numbers of our own could change them.
        let result = record.result.take().and_then(|json| RawValue::from_string(json).ok());
        Self { record, result }
    }
}

/// Which invocations to list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    status: Option<InvocationStatus>,
    before: Option<InvocationId>,
    limit: Option<usize>,
}

/// Invocations.
#[derive(Serialize, ToSchema)]
pub(super) struct Invocations {
    /// The newest first.
    #[schema(value_type = Vec<schema::Invocation>)]
    invocations: Vec<Told>,
}

/// Lists invocations of a function that nobody waited for. Those that failed are its dead letters.
#[utoipa::path(get, path = "/v1/apps/{app}/functions/{function}/invocations",
    tag = "invocations", operation_id = "list_invocations",
    params(
        ("app" = String, Path, description = "The app"),
        ("function" = String, Path, description = "The function"),
        ("status" = Option<String>, Query,
            description = "Only those: `queued`, `running`, `succeeded`, `failed`, `cancelled`"),
        ("before" = Option<String>, Query,
            description = "Only those that were accepted before this one: the last of a page"),
        ("limit" = Option<usize>, Query, description = "At most so many: 100, at most 1000")),
    responses(
        (status = 200, description = "The invocations", body = Invocations),
        (status = "default", description = "A failure", body = Failure)))]
pub(super) async fn list(
    State(state): State<Arc<AdminState>>,
    Extension(caller): Extension<Caller>,
    Names((app, function)): Names<(AppName, FunctionName)>,
    Params(filter): Params<Filter>,
) -> Result<axum::Json<Invocations>, ApiError> {
    let query = InvocationQuery {
        app: AppKey::new(caller.tenant.clone(), app),
        function,
        status: filter.status,
        before: filter.before,
        limit: filter.limit.unwrap_or(LISTED).clamp(1, MOST_LISTED),
    };
    let found = state.control.invocations(&caller, query).await?;
    Ok(axum::Json(Invocations { invocations: found.into_iter().map(Told::from).collect() }))
}

/// Shows an invocation that nobody waited for.
#[utoipa::path(get, path = "/v1/invocations/{id}",
    tag = "invocations", operation_id = "show_invocation",
    params(("id" = String, Path, description = "The invocation")),
    responses(
        (status = 200, description = "The invocation", body = schema::Invocation),
        (status = "default", description = "A failure", body = Failure)))]
pub(super) async fn show(
    State(state): State<Arc<AdminState>>,
    Extension(caller): Extension<Caller>,
    Names(id): Names<InvocationId>,
) -> Result<axum::Json<Told>, ApiError> {
    Ok(axum::Json(state.control.invocation(&caller, id).await?.into()))
}

/// Cancels an invocation: one that waits is not tried, one that runs is not tried again.
#[utoipa::path(delete, path = "/v1/invocations/{id}",
    tag = "invocations", operation_id = "cancel_invocation",
    params(("id" = String, Path, description = "The invocation")),
    responses(
        (status = 200, description = "The invocation as it is now", body = schema::Invocation),
        (status = "default", description = "A failure", body = Failure)))]
pub(super) async fn cancel(
    State(state): State<Arc<AdminState>>,
    Extension(caller): Extension<Caller>,
    Names(id): Names<InvocationId>,
) -> Result<axum::Json<Told>, ApiError> {
    Ok(axum::Json(state.control.cancel(&caller, id).await?.into()))
}

/// Which dead letters to queue again: one by its id, those that were accepted in a span of time, or all.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RedriveRequest {
    /// This one.
    #[schema(value_type = Option<String>)]
    invocation: Option<InvocationId>,
    /// Those that were accepted at this time of RFC 3339, or later.
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Those that were accepted before this time of RFC 3339.
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
    /// All that there are.
    #[serde(default)]
    all: bool,
}

/// What a redrive came to.
#[derive(Serialize, ToSchema)]
pub(super) struct Redriven {
    /// How many are queued again.
    redriven: usize,
}

/// Queues dead letters of a function again. Their attempts are counted from one again.
#[utoipa::path(post, path = "/v1/apps/{app}/functions/{function}/redrive",
    tag = "invocations", operation_id = "redrive",
    params(
        ("app" = String, Path, description = "The app"),
        ("function" = String, Path, description = "The function")),
    request_body = RedriveRequest,
    responses(
        (status = 200, description = "How many", body = Redriven),
        (status = "default", description = "A failure", body = Failure)))]
pub(super) async fn redrive(
    State(state): State<Arc<AdminState>>,
    Extension(caller): Extension<Caller>,
    Names((app, function)): Names<(AppName, FunctionName)>,
    Json(request): Json<RedriveRequest>,
) -> Result<axum::Json<Redriven>, ApiError> {
    let RedriveRequest { invocation, since, until, all } = request;
    let which = match (invocation, since, until, all) {
        (Some(id), None, None, false) => Redrive::One(id),
        (None, None, None, true) => Redrive::Accepted { since_us: i64::MIN, until_us: i64::MAX },
        (None, since, until, false) if since.is_some() || until.is_some() => Redrive::Accepted {
            since_us: since.map_or(i64::MIN, Timestamp::as_microsecond),
            until_us: until.map_or(i64::MAX, Timestamp::as_microsecond),
        },
        _ => {
            let text = "the body names `invocation`, `since` and `until`, or `all`, and one of these alone";
            return Err(ApiError::bad_request(text));
        }
    };
    let redriven = state.control.redrive(&caller, &app, &function, which).await?;
    Ok(axum::Json(Redriven { redriven }))
}

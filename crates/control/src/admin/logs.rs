//! Logs.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use jiff::Timestamp;
use mayfly_control_api::Caller;
use mayfly_state_api::{LogLine, LogQuery};
use mayfly_types::{AppKey, AppName, FunctionName, InvocationId, LogLevel};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::{ApiError, Failure};
use super::extract::{Names, Params};
use super::{AdminState, schema};

/// Lines in an answer where none are named, and most in any.
const LINES: usize = 100;
const MOST_LINES: usize = 10_000;
/// Longest wait for new lines.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Which lines to read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    function: Option<FunctionName>,
    invocation: Option<InvocationId>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    level: Option<LogLevel>,
    text: Option<String>,
    after: Option<u64>,
    limit: Option<usize>,
    wait_ms: Option<u64>,
}

/// Lines in order.
#[derive(Serialize, ToSchema)]
pub(super) struct Lines {
    /// The lines.
    #[schema(value_type = Vec<schema::LogLine>)]
    lines: Vec<LogLine>,
    /// What to give as `after` to go on from here.
    position: u64,
}

/// Reads lines of an app's functions, and waits for them if told so.
#[utoipa::path(get, path = "/v1/apps/{app}/logs", tag = "logs", operation_id = "read_logs",
    params(
        ("app" = String, Path, description = "The app"),
        ("function" = Option<String>, Query, description = "Of this function alone"),
        ("invocation" = Option<String>, Query, description = "Of this invocation alone"),
        ("since" = Option<String>, Query, format = DateTime,
            description = "None older than this time of RFC 3339"),
        ("until" = Option<String>, Query, format = DateTime,
            description = "Only those before this time of RFC 3339"),
        ("level" = Option<String>, Query,
            description = "Of this level or a graver one: `debug`, `info`, `warn`, `error`"),
        ("text" = Option<String>, Query,
            description = "Only those that hold this text, in capitals or not"),
        ("after" = Option<u64>, Query, description = "Only after this position"),
        ("limit" = Option<usize>, Query, description = "At most so many: 100, at most 10000"),
        ("wait_ms" = Option<u64>, Query,
            description = "How long to wait where there is no line: 0, at most 60000")),
    responses(
        (status = 200, description = "The lines", body = Lines),
        (status = "default", description = "A failure", body = Failure)))]
pub(super) async fn read(
    State(state): State<Arc<AdminState>>,
    Extension(caller): Extension<Caller>,
    Names(app): Names<AppName>,
    Params(filter): Params<Filter>,
) -> Result<axum::Json<Lines>, ApiError> {
    let query = LogQuery {
        app: AppKey::new(caller.tenant.clone(), app),
        function: filter.function,
        invocation: filter.invocation,
        since_us: filter.since.map(Timestamp::as_microsecond),
        until_us: filter.until.map(Timestamp::as_microsecond),
        level: filter.level,
        text: filter.text,
        after: filter.after,
        limit: filter.limit.unwrap_or(LINES).clamp(1, MOST_LINES),
    };
    let wait = filter.wait_ms.filter(|wait| *wait > 0);
    let wait = wait.map(|wait| Duration::from_millis(wait).min(LONGEST_WAIT));
    let (lines, position) = state.control.logs(&caller, query, wait).await?;
    Ok(axum::Json(Lines { lines, position }))
}

//! Usage and budgets.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use http::StatusCode;
use jiff::Timestamp;
use mayfly_control_api::{BudgetSummary, Caller, UsageLine, UsageReport, UsageRequest};
use mayfly_state_api::{BudgetKey, BudgetKind, Meter, Period, Span, Sums, UsageBy};
use mayfly_types::{AppName, FunctionName, TenantName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::AdminState;
use super::error::{ApiError, Failure};
use super::extract::{Json, Operation, Params};

/// Which usage to tell.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    by: Option<String>,
    app: Option<AppName>,
    function: Option<FunctionName>,
    tenant: Option<TenantName>,
}

/// What was used.
#[derive(Serialize, ToSchema)]
pub(super) struct Usage {
    /// From here on.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// Before this.
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
    /// The currency of costs; empty where the node's operator named none.
    currency: String,
    /// In the order of time, app, function and caller.
    lines: Vec<Line>,
    /// All lines together.
    total: Line,
}

/// What was used by what the line names.
#[derive(Serialize, ToSchema)]
pub(super) struct Line {
    /// When its minute, hour or day begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    start: Option<Timestamp>,
    /// The app.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    app: Option<AppName>,
    /// The function.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    function: Option<FunctionName>,
    /// The name of the caller's token; an empty text where there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    caller: Option<String>,
    /// Attempts that ended.
    attempts: u64,
    /// Of these, those that failed by the function's own fault.
    function_faults: u64,
    /// Those that the platform failed; they are not billed.
    platform_faults: u64,
    /// Those that ended because of their caller.
    caller_faults: u64,
    /// Those for which an instance had to be started.
    cold: u64,
    /// Milliseconds that are billed, each attempt rounded up.
    billed_ms: u64,
    /// Billed time times memory limit, in seconds and GB of 2^30 bytes.
    gb_seconds: f64,
    /// Processor time, in microseconds.
    cpu_us: u64,
    /// Of which so much is estimated: it was of processes that ran several requests at once.
    estimated_cpu_us: u64,
    /// Time to make environments, in microseconds; not billed.
    init_us: u64,
    /// Bytes of requests' bodies and of events.
    bytes_in: u64,
    /// Bytes of answers' bodies.
    bytes_out: u64,
    /// What it costs.
    cost: f64,
}

impl From<UsageLine> for Line {
    fn from(line: UsageLine) -> Self {
        let UsageLine { start_us, app, function, caller, sums, gb_seconds, cost } = line;
        let Sums { attempts, function_faults, platform_faults, caller_faults, cold, .. } = sums;
        let Sums { billed_ms, cpu_us, init_us, bytes_in, bytes_out, estimated_cpu_us, .. } = sums;
        Self {
            start: start_us.map(time),
            app,
            function,
            caller,
            attempts,
            function_faults,
            platform_faults,
            caller_faults,
            cold,
            billed_ms,
            gb_seconds,
            cpu_us,
            estimated_cpu_us,
            init_us,
            bytes_in,
            bytes_out,
            cost,
        }
    }
}

fn time(time_us: i64) -> Timestamp {
    Timestamp::from_microsecond(time_us).unwrap_or_default()
}

/// Tells what a tenant used.
#[utoipa::path(get, path = "/v1/usage", tag = "usage", operation_id = "usage",
    params(
        ("since" = Option<String>, Query, format = DateTime,
            description = "From this time of RFC 3339 on; the first day of the month"),
        ("until" = Option<String>, Query, format = DateTime,
            description = "Before this time of RFC 3339; now"),
        ("by" = Option<String>, Query,
            description = "A line by what, separated by commas: one of `minute`, `hour`, `day`; `app`, \
                `function`, `caller`"),
        ("app" = Option<String>, Query, description = "This app alone"),
        ("function" = Option<String>, Query, description = "Functions of this name alone"),
        ("tenant" = Option<String>, Query, description = "Another tenant; for the operator")),
    responses(
        (status = 200, description = "What was used", body = Usage),
        (status = "default", description = "A failure", body = Failure)))]
pub(super) async fn show(
    State(state): State<Arc<AdminState>>,
    Extension(caller): Extension<Caller>,
    Params(filter): Params<Filter>,
) -> Result<axum::Json<Usage>, ApiError> {
    let request = UsageRequest {
        app: filter.app,
        function: filter.function,
        since_us: filter.since.map(Timestamp::as_microsecond),
        until_us: filter.until.map(Timestamp::as_microsecond),
        by: by(filter.by.as_deref().unwrap_or_default())?,
    };
    let report = state.control.usage(&caller, filter.tenant.as_ref(), request).await?;
    let UsageReport { since_us, until_us, currency, lines, total } = report;
    Ok(axum::Json(Usage {
        since: time(since_us),
        until: time(until_us),
        currency,
        lines: lines.into_iter().map(Line::from).collect(),
        total: total.into(),
    }))
}

fn by(words: &str) -> Result<UsageBy, ApiError> {
    let mut by = UsageBy::default();
    for word in words.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        let span = match word {
            "minute" => Some(Span::Minute),
            "hour" => Some(Span::Hour),
            "day" => Some(Span::Day),
            "app" => {
                by.app = true;
                None
            }
            "function" => {
                by.function = true;
                None
            }
            "caller" => {
                by.caller = true;
                None
            }
            _ => {
                let text = format!(
                    "`by={}`: it takes minute, hour, day, app, function, caller",
                    word.escape_debug()
                );
                return Err(ApiError::bad_request(text));
            }
        };
        if span.is_some() && by.time.is_some() {
            return Err(ApiError::bad_request("`by` takes one of minute, hour and day"));
        }
        by.time = by.time.or(span);
    }
    Ok(by)
}

/// A budget to set.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewBudget {
    /// The app that it is for; without one, all of the tenant's together.
    #[schema(value_type = Option<String>)]
    app: Option<AppName>,
    /// The function of that app; without one, all of them together.
    #[schema(value_type = Option<String>)]
    function: Option<FunctionName>,
    /// What is counted: `requests`, `gb_seconds` or `money`.
    #[schema(value_type = String)]
    meter: Meter,
    /// `day` or `month`, in UTC.
    #[schema(value_type = String)]
    period: Period,
    /// What happens at the limit: `hard` refuses, `soft` warns in the log.
    #[serde(default = "hard")]
    #[schema(value_type = Option<String>)]
    kind: BudgetKind,
    /// Most that may be used, in the meter's unit.
    limit: f64,
}

/// Which budget to delete.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OneBudget {
    app: Option<AppName>,
    function: Option<FunctionName>,
    meter: Meter,
    period: Period,
    #[serde(default = "hard")]
    kind: BudgetKind,
    tenant: Option<TenantName>,
}

fn hard() -> BudgetKind {
    BudgetKind::Hard
}

/// Whose budgets.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Whose {
    pub(super) tenant: Option<TenantName>,
}

/// A tenant's budgets.
#[derive(Serialize, ToSchema)]
pub(super) struct Budgets {
    /// Those of all apps first.
    budgets: Vec<Budget>,
}

/// A budget and how much of it is left.
#[derive(Serialize, ToSchema)]
pub(super) struct Budget {
    /// The app that it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    app: Option<AppName>,
    /// The function of that app.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    function: Option<FunctionName>,
    /// What is counted.
    #[schema(value_type = String)]
    meter: Meter,
    /// How long it lasts.
    #[schema(value_type = String)]
    period: Period,
    /// What happens at the limit.
    #[schema(value_type = String)]
    kind: BudgetKind,
    /// Whether the node's operator set it.
    operator: bool,
    /// Most that may be used, in the meter's unit.
    limit: f64,
    /// What is used.
    used: f64,
    /// What attempts under way may use beside that.
    held: f64,
    /// When it begins anew.
    #[schema(value_type = String, format = DateTime)]
    resets: Timestamp,
}

impl From<BudgetSummary> for Budget {
    fn from(summary: BudgetSummary) -> Self {
        let BudgetSummary { key, limit, used, held, resets_us } = summary;
        let BudgetKey { app, function, meter, period, kind, operator } = key;
        let resets = time(resets_us);
        Self { app, function, meter, period, kind, operator, limit, used, held, resets }
    }
}

/// Lists budgets, with how much of each is used.
#[utoipa::path(get, path = "/v1/budgets", tag = "usage", operation_id = "list_budgets",
    params(("tenant" = Option<String>, Query, description = "Another tenant; for the operator")),
    responses(
        (status = 200, description = "The budgets", body = Budgets),
        (status = "default", description = "A failure", body = Failure)))]
pub(super) async fn budgets(
    State(state): State<Arc<AdminState>>,
    Extension(caller): Extension<Caller>,
    Params(whose): Params<Whose>,
) -> Result<axum::Json<Budgets>, ApiError> {
    let budgets = state.control.budgets(&caller, whose.tenant.as_ref()).await?;
    Ok(axum::Json(Budgets { budgets: budgets.into_iter().map(Budget::from).collect() }))
}

/// Sets a budget. What is used already counts.
#[utoipa::path(put, path = "/v1/budgets", tag = "usage", operation_id = "put_budget",
    request_body = NewBudget,
    params(
        ("tenant" = Option<String>, Query, description = "Another tenant; for the operator"),
        ("idempotency-key" = Option<String>, Header, description = "A UUID")),
    responses(
        (status = 200, description = "The budget", body = Budget),
        (status = "default", description = "A failure", body = Failure)))]
pub(super) async fn put_budget(
    State(state): State<Arc<AdminState>>,
    Extension(caller): Extension<Caller>,
    Operation(op): Operation,
    Params(whose): Params<Whose>,
    Json(new): Json<NewBudget>,
) -> Result<axum::Json<Budget>, ApiError> {
    let NewBudget { app, function, meter, period, kind, limit } = new;
    let key = BudgetKey { app, function, meter, period, kind, operator: false };
    let tenant = whose.tenant.as_ref();
    Ok(axum::Json(state.control.put_budget(&caller, op, tenant, key, limit).await?.into()))
}

/// Deletes a budget.
#[utoipa::path(delete, path = "/v1/budgets", tag = "usage", operation_id = "delete_budget",
    params(
        ("app" = Option<String>, Query, description = "The app that it is for"),
        ("function" = Option<String>, Query, description = "The function of that app"),
        ("meter" = String, Query, description = "`requests`, `gb_seconds` or `money`"),
        ("period" = String, Query, description = "`day` or `month`"),
        ("kind" = Option<String>, Query, description = "`hard` or `soft`: `hard`"),
        ("tenant" = Option<String>, Query, description = "Another tenant; for the operator"),
        ("idempotency-key" = Option<String>, Header, description = "A UUID")),
    responses(
        (status = 204, description = "It is gone"),
        (status = "default", description = "A failure", body = Failure)))]
pub(super) async fn delete_budget(
    State(state): State<Arc<AdminState>>,
    Extension(caller): Extension<Caller>,
    Operation(op): Operation,
    Params(one): Params<OneBudget>,
) -> Result<StatusCode, ApiError> {
    let OneBudget { app, function, meter, period, kind, tenant } = one;
    let key = BudgetKey { app, function, meter, period, kind, operator: false };
    state.control.delete_budget(&caller, op, tenant.as_ref(), key).await?;
    Ok(StatusCode::NO_CONTENT)
}

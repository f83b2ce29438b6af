//! Deployments, apps, releases, and what is live.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use http::StatusCode;
use mayfly_control_api::{AppSummary, Caller, DeployRequest, Deployed, Error, ReleaseSummary};
use mayfly_runtime_api::Diagnostic;
use mayfly_types::{AppName, Live, ReleaseNumber};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::{ApiError, Failure};
use super::extract::{Json, Names, Operation, Params};
use super::{AdminState, schema};

/// Releases in a list that names no limit, and most in any.
const RELEASES: usize = 20;
const MOST_RELEASES: usize = 1000;

/// The tenant's apps.
#[derive(Serialize, ToSchema)]
pub(super) struct Apps {
    /// By name.
    #[schema(value_type = Vec<schema::AppSummary>)]
    apps: Vec<AppSummary>,
}

/// An app's releases.
#[derive(Serialize, ToSchema)]
pub(super) struct Releases {
    /// The newest first.
    #[schema(value_type = Vec<schema::ReleaseSummary>)]
    releases: Vec<ReleaseSummary>,
}

/// How much to list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    limit: Option<usize>,
}

/// What is to be live.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Weights {
    /// Pairs of a release's number and its weight.
    #[schema(value_type = Vec<(u64, u32)>)]
    weights: Vec<(ReleaseNumber, u32)>,
}

/// Where to roll back to.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rollback {
    /// The release; without it the newest one that is older than what is live.
    #[schema(value_type = Option<u64>)]
    to: Option<ReleaseNumber>,
}

/// Makes a release of an app whose artifacts are uploaded, and moves `live`.
#[utoipa::path(post, path = "/v1/deployments",
    tag = "apps", operation_id = "deploy", request_body = schema::DeployRequest,
    params(("idempotency-key" = Option<String>, Header,
        description = "A UUID; a repeated request with the same one changes nothing more")),
    responses(
        (status = 201, description = "The release answers", body = schema::Deployed),
        (status = "default", description = "Nothing was changed", body = Failure)))]
pub(super) async fn deploy(
    State(state): State<Arc<AdminState>>,
    Extension(caller): Extension<Caller>,
    Operation(op): Operation,
    Json(request): Json<DeployRequest>,
) -> Result<(StatusCode, axum::Json<Deployed>), ApiError> {
    let deployed = state.control.deploy(&caller, op, request).await?;
    Ok((StatusCode::CREATED, axum::Json(deployed)))
}

/// Lists the apps.
#[utoipa::path(get, path = "/v1/apps", tag = "apps", operation_id = "list_apps", responses(
    (status = 200, description = "The apps", body = Apps),
    (status = "default", description = "A failure", body = Failure)))]
pub(super) async fn list(
    State(state): State<Arc<AdminState>>,
    Extension(caller): Extension<Caller>,
) -> Result<axum::Json<Apps>, ApiError> {
    Ok(axum::Json(Apps { apps: state.control.apps(&caller).await? }))
}

/// Shows an app.
#[utoipa::path(get, path = "/v1/apps/{app}", tag = "apps", operation_id = "show_app",
    params(("app" = String, Path, description = "The app")),
    responses(
        (status = 200, description = "The app", body = schema::AppSummary),
        (status = "default", description = "A failure", body = Failure)))]
pub(super) async fn show(
    State(state): State<Arc<AdminState>>,
    Extension(caller): Extension<Caller>,
    Names(app): Names<AppName>,
) -> Result<axum::Json<AppSummary>, ApiError> {
    Ok(axum::Json(state.control.app(&caller, &app).await?))
}

/// Deletes an app with its releases, secrets and logs.
#[utoipa::path(delete, path = "/v1/apps/{app}", tag = "apps", operation_id = "delete_app",
    params(
        ("app" = String, Path, description = "The app"),
        ("idempotency-key" = Option<String>, Header, description = "A UUID")),
    responses(
        (status = 204, description = "It is gone"),
        (status = "default", description = "A failure", body = Failure)))]
pub(super) async fn delete(
    State(state): State<Arc<AdminState>>,
    Extension(caller): Extension<Caller>,
    Operation(op): Operation,
    Names(app): Names<AppName>,
) -> Result<StatusCode, ApiError> {
    state.control.delete_app(&caller, op, &app).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists an app's releases, the newest first.
#[utoipa::path(get, path = "/v1/apps/{app}/releases", tag = "apps", operation_id = "list_releases",
    params(
        ("app" = String, Path, description = "The app"),
        ("limit" = Option<usize>, Query, description = "How many: 20, at most 1000")),
    responses(
        (status = 200, description = "The releases", body = Releases),
        (status = "default", description = "A failure", body = Failure)))]
pub(super) async fn releases(
    State(state): State<Arc<AdminState>>,
    Extension(caller): Extension<Caller>,
    Names(app): Names<AppName>,
    Params(page): Params<Page>,
) -> Result<axum::Json<Releases>, ApiError> {
    let limit = page.limit.unwrap_or(RELEASES).clamp(1, MOST_RELEASES);
    Ok(axum::Json(Releases { releases: state.control.releases(&caller, &app, limit).await? }))
}

/// Moves `live` to weights.
#[utoipa::path(put, path = "/v1/apps/{app}/live",
    tag = "apps", operation_id = "set_live", request_body = Weights,
    params(
        ("app" = String, Path, description = "The app"),
        ("idempotency-key" = Option<String>, Header, description = "A UUID")),
    responses(
        (status = 200, description = "What is live now", body = schema::AppSummary),
        (status = "default", description = "Nothing was changed", body = Failure)))]
pub(super) async fn set_live(
    State(state): State<Arc<AdminState>>,
    Extension(caller): Extension<Caller>,
    Operation(op): Operation,
    Names(app): Names<AppName>,
    Json(wanted): Json<Weights>,
) -> Result<axum::Json<AppSummary>, ApiError> {
    let live = Live::weighted(wanted.weights)
        .map_err(|error| Error::Invalid(vec![Diagnostic::new(error.to_string())]))?;
    Ok(axum::Json(state.control.set_live(&caller, op, &app, live).await?))
}

/// Moves `live` back to an older release.
#[utoipa::path(post, path = "/v1/apps/{app}/rollback",
    tag = "apps", operation_id = "roll_back", request_body = Rollback,
    params(
        ("app" = String, Path, description = "The app"),
        ("idempotency-key" = Option<String>, Header, description = "A UUID")),
    responses(
        (status = 200, description = "What is live now", body = schema::AppSummary),
        (status = "default", description = "Nothing was changed", body = Failure)))]
pub(super) async fn rollback(
    State(state): State<Arc<AdminState>>,
    Extension(caller): Extension<Caller>,
    Operation(op): Operation,
    Names(app): Names<AppName>,
    Json(wanted): Json<Rollback>,
) -> Result<axum::Json<AppSummary>, ApiError> {
    Ok(axum::Json(state.control.rollback(&caller, op, &app, wanted.to).await?))
}

//! Secrets. Their values go in and never come out.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use http::StatusCode;
use mayfly_control_api::{Caller, SecretSummary};
use mayfly_types::AppName;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::{ApiError, Failure};
use super::extract::{Names, Operation, collect};
use super::{AdminState, schema};

/// Most bytes of a request that sets a secret.
const BODY: usize = 2 << 20;

/// An app's secrets.
#[derive(Serialize, ToSchema)]
pub(super) struct Secrets {
    /// By name, without their values.
    #[schema(value_type = Vec<schema::SecretSummary>)]
    secrets: Vec<SecretSummary>,
}

/// A secret's value.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SecretValue {
    /// The value.
    value: String,
}

/// Lists an app's secrets.
#[utoipa::path(get, path = "/v1/apps/{app}/secrets", tag = "secrets", operation_id = "list_secrets",
    params(("app" = String, Path, description = "The app")),
    responses(
        (status = 200, description = "The secrets", body = Secrets),
        (status = "default", description = "A failure", body = Failure)))]
pub(super) async fn list(
    State(state): State<Arc<AdminState>>,
    Extension(caller): Extension<Caller>,
    Names(app): Names<AppName>,
) -> Result<axum::Json<Secrets>, ApiError> {
    Ok(axum::Json(Secrets { secrets: state.control.secrets(&caller, &app).await? }))
}

/// Sets a secret. The app need not exist yet.
#[utoipa::path(put, path = "/v1/apps/{app}/secrets/{name}",
    tag = "secrets", operation_id = "put_secret", request_body = SecretValue,
    params(
        ("app" = String, Path, description = "The app"),
        ("name" = String, Path, description = "The secret"),
        ("idempotency-key" = Option<String>, Header, description = "A UUID")),
    responses(
        (status = 204, description = "It is set"),
        (status = "default", description = "A failure", body = Failure)))]
pub(super) async fn put(
    State(state): State<Arc<AdminState>>,
    Extension(caller): Extension<Caller>,
    Operation(op): Operation,
    Names((app, name)): Names<(AppName, String)>,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let body = collect(request.into_body(), BODY).await?;
    // Not what the parser says, because it quotes what it found, which may be the value.
    let secret: SecretValue = serde_json::from_slice(&body)
        .map_err(|_| ApiError::bad_request("the body must be {\"value\":\"TEXT\"}"))?;
    state.control.put_secret(&caller, op, &app, &name, &secret.value).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Deletes a secret.
#[utoipa::path(delete, path = "/v1/apps/{app}/secrets/{name}",
    tag = "secrets", operation_id = "delete_secret",
    params(
        ("app" = String, Path, description = "The app"),
        ("name" = String, Path, description = "The secret"),
        ("idempotency-key" = Option<String>, Header, description = "A UUID")),
    responses(
        (status = 204, description = "It is gone"),
        (status = "default", description = "A failure", body = Failure)))]
pub(super) async fn delete(
    State(state): State<Arc<AdminState>>,
    Extension(caller): Extension<Caller>,
    Operation(op): Operation,
    Names((app, name)): Names<(AppName, String)>,
) -> Result<StatusCode, ApiError> {
    state.control.delete_secret(&caller, op, &app, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

//! Artifacts.

use std::io;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use futures_util::TryStreamExt;
use http::StatusCode;
use mayfly_control_api::Caller;
use mayfly_types::Digest;
use serde::{Deserialize, Serialize};
use tokio_util::io::StreamReader;
use utoipa::ToSchema;

use super::error::{ApiError, Failure};
use super::extract::{Json, Names};
use super::{AdminState, schema};

/// Artifacts that may have to be uploaded.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Their SHA-256 digests, in hexadecimal digits.
    #[schema(value_type = Vec<String>)]
    digests: Vec<Digest>,
}

/// Artifacts that must be uploaded.
#[derive(Serialize, ToSchema)]
pub(super) struct Missing {
    /// Their SHA-256 digests, in hexadecimal digits.
    #[schema(value_type = Vec<String>)]
    missing: Vec<Digest>,
}

/// Uploads an artifact. Uploading it again is no error.
#[utoipa::path(put, path = "/v1/artifacts/{digest}",
    tag = "artifacts", operation_id = "upload_artifact",
    params(("digest" = String, Path, description = "SHA-256 of the body, in hexadecimal digits")),
    request_body(content_type = "application/octet-stream", description = "The artifact",
        content = schema::Artifact),
    responses(
        (status = 201, description = "It is checked and stored"),
        (status = "default", description = "It is not", body = Failure)))]
pub(super) async fn upload(
    State(state): State<Arc<AdminState>>,
    Extension(caller): Extension<Caller>,
    Names(digest): Names<Digest>,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let content = request.into_body().into_data_stream().map_err(io::Error::other);
    let content = Box::pin(StreamReader::new(content));
    state.control.upload_artifact(&caller, digest, content).await?;
    Ok(StatusCode::CREATED)
}

/// Tells which artifacts are not here.
#[utoipa::path(post, path = "/v1/artifacts/missing",
    tag = "artifacts", operation_id = "missing_artifacts", request_body = Wanted,
    responses(
        (status = 200, description = "Those that are not here", body = Missing),
        (status = "default", description = "A failure", body = Failure)))]
pub(super) async fn missing(
    State(state): State<Arc<AdminState>>,
    Extension(caller): Extension<Caller>,
    Json(wanted): Json<Wanted>,
) -> Result<axum::Json<Missing>, ApiError> {
    let missing = state.control.missing_artifacts(&caller, &wanted.digests).await?;
    Ok(axum::Json(Missing { missing }))
}

//! Whether the node lives and takes work, and what its API is.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use serde::Serialize;
use utoipa::ToSchema;

use super::error::{ApiError, Failure};
use super::{AdminState, Readiness};

/// How the node is.
#[derive(Serialize, ToSchema)]
pub(super) struct Health {
    /// `ok` or `ready`.
    #[schema(value_type = String)]
    status: &'static str,
}

/// The document as it is sent.
pub(super) struct Document(Bytes);

impl Document {
    pub(super) fn new(document: &utoipa::openapi::OpenApi) -> Self {
        let json = serde_json::to_vec(document);
        let json = json.unwrap_or_else(|error| unreachable!("a document is plain data: {error}"));
        Self(json.into())
    }
}

/// The process answers.
#[utoipa::path(get, path = "/healthz", tag = "node", operation_id = "health", security(()),
    responses(
        (status = 200, description = "It does", body = Health),
        (status = "default", description = "The request is refused", body = Failure)))]
pub(super) async fn healthz() -> axum::Json<Health> {
    axum::Json(Health { status: "ok" })
}

/// The node takes work.
#[utoipa::path(get, path = "/readyz",
    tag = "node", operation_id = "readiness", security(()), responses(
    (status = 200, description = "It does", body = Health),
    (status = 503, description = "It does not yet, or no more", body = Failure),
    (status = "default", description = "The request is refused", body = Failure)))]
pub(super) async fn readyz(
    State(state): State<Arc<AdminState>>,
) -> Result<axum::Json<Health>, ApiError> {
    match (state.ready)() {
        Readiness::Ready => Ok(axum::Json(Health { status: "ready" })),
        Readiness::Starting => Err(ApiError::unavailable("the node is starting")),
        Readiness::Draining => Err(ApiError::unavailable("the node is draining")),
    }
}

/// This document.
#[utoipa::path(get, path = "/v1/openapi.json",
    tag = "node", operation_id = "document", security(()),
    responses(
        (status = 200, description = "The document", body = Object),
        (status = "default", description = "The request is refused", body = Failure)))]
pub(super) async fn openapi(Extension(document): Extension<Arc<Document>>) -> Response {
    ([(CONTENT_TYPE, "application/json")], document.0.clone()).into_response()
}

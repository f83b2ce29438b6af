//! What Prometheus reads.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use mayfly_control_api::Caller;

use super::AdminState;
use super::error::{ApiError, Failure};

/// OpenMetrics 1.0, section 4.1.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Tells metrics in the text form of OpenMetrics: those of the token's tenant, or of all for the operator.
#[utoipa::path(get, path = "/metrics", tag = "health", operation_id = "metrics",
    responses(
        (status = 200, description = "The metrics", body = String,
            content_type = "application/openmetrics-text"),
        (status = "default", description = "A failure", body = Failure)))]
pub(super) async fn read(
    State(state): State<Arc<AdminState>>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, ApiError> {
    let text = state.control.metrics(&caller).await?;
    Ok(([(CONTENT_TYPE, OPENMETRICS)], text).into_response())
}

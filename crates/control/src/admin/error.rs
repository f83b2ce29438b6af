//! Errors as the API tells them.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use mayfly_control_api::Error;
use mayfly_runtime_api::Diagnostic;
use mayfly_types::{Blame, Fault, InvocationId};
use serde::Serialize;
use utoipa::ToSchema;

use super::schema;

/// The invocation that an answer is of.
pub(super) const INVOCATION_ID: HeaderName = HeaderName::from_static("x-mayfly-invocation-id");

/// A request that failed.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    // Boxed, since every handler's result holds one.
    body: Box<Failure>,
    /// Seconds to wait before the request is sent again.
    wait: Option<u64>,
}

/// What a failed request is answered with.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Failure {
    error: Problem,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
struct Problem {
    /// A word for programs.
    #[schema(value_type = String)]
    code: &'static str,
    /// A sentence for people.
    message: String,
    /// Whether the same request may be sent again with hope.
    retryable: bool,
    /// All that is wrong, each in its place.
    #[schema(value_type = Vec<schema::Diagnostic>)]
    details: Vec<Diagnostic>,
    /// What only a function's owner sees: its error with the stack.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// The invocation that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    invocation_id: Option<InvocationId>,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let error = Problem {
            code,
            message: message.into(),
            retryable: false,
            details: Vec::new(),
            detail: None,
            invocation_id: None,
        };
        Self { status, body: Box::new(Failure { error }), wait: None }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    pub(super) fn unauthorized() -> Self {
        let message = "this needs a token: send `Authorization: Bearer TOKEN`";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }

    pub(super) fn forbidden(message: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    pub(super) fn method_not_allowed(message: String) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
    }

    pub(super) fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", message)
    }

    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        let mut error = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message);
        error.body.error.retryable = true;
        error.wait = Some(1);
        error
    }

    /// A failed invocation, with all that its owner may see.
    pub(super) fn of_invocation(id: InvocationId, fault: Fault) -> Self {
        let wait = fault.wait_seconds();
        let Fault { code, message, detail, .. } = fault;
        if code.blame() == Blame::Platform {
            tracing::warn!(invocation = %id, code = code.as_str(), message, "invoke a function");
        }
        let status = StatusCode::from_u16(code.http_status());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut error = Self::new(status, code.as_str(), message);
        error.body.error.retryable = code.retryable();
        error.wait = wait;
        error.body.error.detail = detail;
        error.body.error.invocation_id = Some(id);
        error
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::NotFound { .. } => Self::not_found(message),
            Error::Conflict(_) => Self::new(StatusCode::CONFLICT, "conflict", message),
            Error::Forbidden(_) => Self::forbidden(&message),
            Error::TooLarge(_) => Self::too_large(message),
            Error::Invalid(details) => {
                let mut error = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", message);
                error.body.error.details = details;
                error
            }
            Error::Unavailable(_) => {
                tracing::warn!(message, "carry out a command");
                Self::unavailable(message)
            }
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (id, wait) = (self.body.error.invocation_id, self.wait);
        let mut response = (self.status, Json(self.body)).into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"mayfly\"");
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = wait {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if let Some(Ok(id)) = id.map(|id| HeaderValue::from_str(&id.to_string())) {
            headers.insert(INVOCATION_ID, id);
        }
        response
    }
}

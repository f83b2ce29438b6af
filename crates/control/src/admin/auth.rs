//! Whose request it is.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::AUTHORIZATION;

use super::AdminState;
use super::error::ApiError;

/// Lets requests with a token on, with their caller; all others get 401.
pub(super) async fn bearer(
    State(state): State<Arc<AdminState>>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let token = token(&request).ok_or_else(ApiError::unauthorized)?;
    let caller = state.control.authenticate(token).await?;
    request.extensions_mut().insert(caller.ok_or_else(ApiError::unauthorized)?);
    Ok(next.run(request).await)
}

fn token(request: &Request) -> Option<&str> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

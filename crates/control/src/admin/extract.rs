//! What handlers take out of requests, with errors that name what is wrong.

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use bytes::Bytes;
use http::request::Parts;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use mayfly_types::OperationId;
use serde::de::DeserializeOwned;

use super::error::ApiError;

/// Most bytes of a JSON body.
const JSON: usize = 2 << 20;

/// The names in the path.
pub(super) struct Names<T>(pub(super) T);

/// The parameters after the question mark.
pub(super) struct Params<T>(pub(super) T);

/// A body of JSON.
pub(super) struct Json<T>(pub(super) T);

/// The operation that the request is: what makes a repetition of it known.
pub(super) struct Operation(pub(super) OperationId);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Names<T> {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::from_request_parts(parts, state).await;
        let Path(names) = path.map_err(|wrong| ApiError::bad_request(wrong.body_text()))?;
        Ok(Self(names))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = Query::from_request_parts(parts, state).await;
        let Query(params) = query.map_err(|wrong| ApiError::bad_request(wrong.body_text()))?;
        Ok(Self(params))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = ApiError;
    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let body = collect(request.into_body(), JSON).await?;
        let value = serde_json::from_slice(&body);
        value.map(Self).map_err(|error| ApiError::bad_request(format!("the body: {error}")))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Operation {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let Some(key) = parts.headers.get("idempotency-key") else {
            return Ok(Self(OperationId::new()));
        };
        let id = key.to_str().ok().and_then(|key| key.trim().parse().ok());
        id.map(Self).ok_or_else(|| ApiError::bad_request("the header Idempotency-Key is no UUID"))
    }
}

/// The whole body.
pub(super) async fn collect(body: Body, limit: usize) -> Result<Bytes, ApiError> {
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(ApiError::too_large(format!("the body is larger than {limit} bytes")))
        }
        Err(error) => Err(ApiError::bad_request(format!("the body broke off: {error}"))),
    }
}

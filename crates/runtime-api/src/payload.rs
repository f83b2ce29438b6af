//! What an invocation carries.

use std::net::IpAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use mayfly_types::{Fault, FaultCode};

use crate::Body;

/// What an invocation carries.
#[derive(Debug)]
pub enum Payload {
    /// An HTTP request.
    Http(HttpRequest),
    /// An event.
    Event(EventRequest),
}

/// An HTTP request as a function sees it.
#[derive(Debug)]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// The absolute URL, as the caller wrote it.
    pub url: String,
    /// The headers, without those of the connection (RFC 9110, section 7.6.1).
    pub headers: HeaderMap,
    /// The body.
    pub body: Body,
    /// The route's pattern, `/photos/{id}`.
    pub route: Option<String>,
    /// What the route's pattern matched, percent-decoded.
    pub params: Vec<(String, String)>,
    /// The caller's address.
    pub remote: Option<IpAddr>,
    /// `HTTP/1.1` or `HTTP/2`.
    pub version: http::Version,
}

/// An event.
#[derive(Debug, Clone)]
pub struct EventRequest {
    /// What kind of event it is, as header `x-mayfly-event` names it: `invoke`, `schedule`, …
    pub kind: String,
    /// The event as JSON.
    pub json: Bytes,
    /// Which attempt of its invocation this is, from 1.
    pub attempt: u32,
}

/// Most headers of an answer, or of a request that a function makes. A map of them panics at 32,768, and
/// values of one name take quadratic time to be sent.
pub const MOST_HEADERS: usize = 1000;

/// Adds a header.
///
/// # Errors
/// `invalid_response` when there are [`MOST_HEADERS`] already.
pub fn append_header(
    headers: &mut HeaderMap,
    name: HeaderName,
    value: HeaderValue,
) -> Result<(), Fault> {
    if headers.len() >= MOST_HEADERS {
        let message = format!("an answer has at most {MOST_HEADERS} headers");
        return Err(Fault::new(FaultCode::InvalidResponse, message));
    }
    headers.append(name, value);
    Ok(())
}

/// Status and headers of an answer.
#[derive(Debug, Clone)]
pub struct ResponseHead {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
}

//! What may come in: the seam between a route and its invocation. Credentials, quotas and CORS
//! belong here.

use std::time::Duration;

use http::header::CONTENT_LENGTH;
use http::request::Parts;
use mayfly_types::{ByteSize, Fault, FaultCode};

/// Bounds of the ingress.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Largest body of a request.
    pub body: ByteSize,
    /// Longest time until a request's head is there, and between two requests of a connection.
    pub head: Duration,
    /// Longest time between two pieces of a request's body.
    pub body_gap: Duration,
    /// Longest request target, in bytes.
    pub target: usize,
    /// Largest head of a request, in bytes.
    pub head_size: usize,
    /// Most connections at once.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: ByteSize::mb(10),
            head: Duration::from_secs(15),
            body_gap: Duration::from_secs(20),
            target: 16 << 10,
            head_size: 64 << 10,
            connections: 16 << 10,
        }
    }
}

/// Decides on a request before anything of it runs.
pub(crate) fn admit(parts: &Parts, limits: &Limits) -> Result<(), Fault> {
    let target = parts.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target > limits.target {
        let message = format!("the request's target is longer than {} bytes", limits.target);
        return Err(Fault::new(FaultCode::UriTooLong, message));
    }
    let length = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    if length
        .and_then(|length| length.parse::<u64>().ok())
        .is_some_and(|n| n > limits.body.as_bytes())
    {
        return Err(too_large(limits));
    }
    Ok(())
}

pub(crate) fn too_large(limits: &Limits) -> Fault {
    let message = format!("the request's body is larger than the limit of {}", limits.body);
    Fault::new(FaultCode::PayloadTooLarge, message)
}

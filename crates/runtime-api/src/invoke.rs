//! Above the invoker: how the gateway, the admin API and every trigger run a function.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use mayfly_types::{AppKey, Fault, FaultCode, FunctionName, InvocationId, ReleaseNumber};

use crate::{Body, Payload, ResponseHead, Trace};

/// Which function to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The app.
    pub app: AppKey,
    /// The function.
    pub function: FunctionName,
    /// The release whose revision runs; `None` lets `live` choose.
    pub release: Option<ReleaseNumber>,
}

/// One request to run a function.
#[derive(Debug)]
pub struct Invocation {
    /// Its id.
    pub id: InvocationId,
    /// The function.
    pub target: Target,
    /// What it carries.
    pub payload: Payload,
    /// The name of the caller's credential, where it has one.
    pub caller: Option<Arc<str>>,
    /// The caller's own name for the request, 1 to [`LONGEST_KEY`] bytes: with one it runs once, also when it is sent
    /// again, and goes on when the caller leaves.
    pub key: Option<String>,
    /// Its place in a trace, where traces are kept.
    pub trace: Option<Trace>,
}

/// Longest value of the header `Idempotency-Key`, in bytes.
pub const LONGEST_KEY: usize = 255;

/// What the header `Idempotency-Key` says.
///
/// # Errors
/// `bad_request` when there are several, or one that is empty, too long or no visible ASCII.
pub fn idempotency_key(headers: &http::HeaderMap) -> Result<Option<String>, Fault> {
    let mut given = headers.get_all("idempotency-key").iter();
    let key = match (given.next(), given.next()) {
        (None, _) => return Ok(None),
        (Some(key), None) => key.to_str().ok().map(str::trim),
        (Some(_), Some(_)) => None,
    };
    let key = key.filter(|key| (1..=LONGEST_KEY).contains(&key.len()));
    key.map(|key| Some(key.to_owned())).ok_or_else(|| {
        let text =
            format!("the header Idempotency-Key is one of 1 to {LONGEST_KEY} characters of ASCII");
        Fault::new(FaultCode::BadRequest, text)
    })
}

/// What came of it.
#[derive(Debug)]
pub enum Answer {
    /// Of an HTTP payload, or of an event that an HTTP-only handler took.
    Http {
        /// Status and headers.
        head: ResponseHead,
        /// The body. Dropping it early is the caller leaving.
        body: Body,
    },
    /// Of an event: its result as JSON.
    Event(Bytes),
}

/// What came of an invocation, or of an earlier one with the same key.
#[derive(Debug)]
pub struct Answered {
    /// What came of it.
    pub answer: Result<Answer, Fault>,
    /// The invocation that ran, where that was an earlier one.
    pub again: Option<InvocationId>,
}

impl From<Result<Answer, Fault>> for Answered {
    fn from(answer: Result<Answer, Fault>) -> Self {
        Self { answer, again: None }
    }
}

/// Runs functions.
#[async_trait]
pub trait Invoke: Send + Sync {
    /// Runs one. Dropping the future is the caller leaving.
    async fn invoke(&self, invocation: Invocation) -> Answered;
}

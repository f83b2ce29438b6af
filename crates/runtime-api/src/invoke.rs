//! Above the invoker: how the gateway, the admin API and every trigger run a function.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use mayfly_types::{AppKey, Fault, FunctionName, InvocationId, ReleaseNumber};

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
    /// Its place in a trace, where traces are kept.
    pub trace: Option<Trace>,
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

/// Runs functions.
#[async_trait]
pub trait Invoke: Send + Sync {
    /// Runs one. Dropping the future is the caller leaving.
    async fn invoke(&self, invocation: Invocation) -> Result<Answer, Fault>;
}

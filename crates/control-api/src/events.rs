//! Handing over events that nobody waits for.

use async_trait::async_trait;
use bytes::Bytes;
use mayfly_runtime_api::TraceContext;
use mayfly_state_api::{IdempotencyKey, InvocationRecord, Redrive};
use mayfly_types::{AppKey, FunctionName, InvocationId, TenantName};

use crate::Error;

/// An event for a function that is there.
#[derive(Debug, Clone)]
pub struct Event {
    /// The invocation's id.
    pub id: InvocationId,
    /// The app.
    pub app: AppKey,
    /// The function.
    pub function: FunctionName,
    /// What kind of event it is.
    pub kind: String,
    /// The event as JSON.
    pub json: Bytes,
    /// No attempt begins before this, in UTC microseconds since 1970; `None` is now.
    pub due_us: Option<i64>,
    /// The name of the credential that sent it, where there is one.
    pub caller: Option<String>,
    /// What makes a repetition by its caller known.
    pub key: Option<IdempotencyKey>,
    /// Where whoever sent it stands in a trace.
    pub trace: Option<TraceContext>,
}

/// Takes events, and runs their functions until they have answered or are given up.
#[async_trait]
pub trait Events: Send + Sync {
    /// Takes an event: it is on disk when this returns. Answers the invocation's id; of an event whose key
    /// was given before, the one that has it.
    ///
    /// # Errors
    /// [`Error::NotFound`] for a function that is not live, [`Error::Invalid`] for a key that was given
    /// with another payload.
    async fn accept(&self, event: Event) -> Result<InvocationId, Error>;
    /// Cancels an invocation of a tenant.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it has none of this id, [`Error::Conflict`] when it has ended.
    async fn cancel(
        &self,
        tenant: &TenantName,
        id: InvocationId,
    ) -> Result<InvocationRecord, Error>;
    /// Queues dead letters again, all of them that `which` names, and answers how many.
    async fn redrive(
        &self,
        app: &AppKey,
        function: &FunctionName,
        which: &Redrive,
    ) -> Result<usize, Error>;
}

//! Invocations that nobody waits for: accepted, tried until they end, remembered for a while.

use async_trait::async_trait;
use mayfly_types::{
    AppKey, ByteSize, Digest, Fault, FunctionName, InvocationId, Outcome, RevisionId, TenantName,
};
use serde::{Deserialize, Serialize};

use crate::Error;

/// An event that a function is to run on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewInvocation {
    /// Its id. An event that is accepted again under the same id is accepted once.
    pub id: InvocationId,
    /// The app.
    pub app: AppKey,
    /// The function.
    pub function: FunctionName,
    /// What kind of event it is.
    pub kind: String,
    /// The event as JSON.
    pub payload: Vec<u8>,
    /// No attempt begins before this, in UTC microseconds since 1970; 0 is now.
    pub due_us: i64,
    /// How long after it was due no attempt begins any more, in microseconds.
    pub max_age_us: i64,
    /// Whose credential sent it, for the bill.
    pub caller: Option<String>,
    /// What makes a repetition by its caller known.
    pub key: Option<IdempotencyKey>,
}

/// A caller's own name for a request. It is remembered for 24 hours, for one tenant and function.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey {
    /// Who gave it: a token's name.
    pub caller: String,
    /// The key.
    pub key: String,
    /// SHA-256 of what the request carries.
    pub payload: Digest,
}

/// What became of an event that was handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// It is on disk, and runs no sooner than this, in UTC microseconds since 1970.
    Queued {
        /// When it is due.
        due_us: i64,
    },
    /// Its key was given before, with the same payload: this invocation has it.
    Known(InvocationId),
    /// Its key was given before, with another payload.
    Differs,
}

/// How far an invocation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InvocationStatus {
    /// It waits for its first attempt or for another.
    Queued,
    /// An attempt runs.
    Running,
    /// It answered.
    Succeeded,
    /// It is tried no more. Its event is kept, so that it can be queued again: these are a function's dead
    /// letters.
    Failed,
    /// Somebody cancelled it before it answered.
    Cancelled,
}

impl InvocationStatus {
    /// Every status.
    pub const ALL: [Self; 5] =
        [Self::Queued, Self::Running, Self::Succeeded, Self::Failed, Self::Cancelled];

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more becomes of it by itself.
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }
}

/// One attempt that has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// Which one it was, from 1.
    pub number: u32,
    /// What ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<RevisionId>,
    /// Most memory that it was allowed; what it is billed by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<ByteSize>,
    /// When it began, in UTC microseconds since 1970; in JSON, as RFC 3339.
    #[serde(rename = "started", with = "mayfly_types::rfc3339")]
    pub started_us: i64,
    /// What it cost.
    pub outcome: Outcome,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

/// An invocation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InvocationRecord {
    /// Its id.
    pub id: InvocationId,
    /// The app.
    pub app: AppKey,
    /// The function.
    pub function: FunctionName,
    /// What kind of event it has.
    pub kind: String,
    /// How far it is.
    pub status: InvocationStatus,
    /// When it was accepted, in UTC microseconds since 1970; in JSON, as RFC 3339.
    #[serde(rename = "accepted", with = "mayfly_types::rfc3339")]
    pub accepted_us: i64,
    /// When it is tried next, or was last due, in UTC microseconds since 1970; in JSON, as RFC 3339.
    #[serde(rename = "due", with = "mayfly_types::rfc3339")]
    pub due_us: i64,
    /// Its attempts that have ended, oldest first; of many only the newest.
    pub attempts: Vec<AttemptRecord>,
    /// Why it failed, once it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// What it answered as JSON, if that is not too large to be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
}

/// The right to try an invocation once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The invocation.
    pub id: InvocationId,
    /// Tells this lease from any other of the same invocation; it rises.
    pub fence: u64,
    /// Which attempt it is, from 1.
    pub attempt: u32,
    /// How many attempts failed by the function's own fault.
    pub failed: u32,
    /// How many times it was handed out without a word of how that ended.
    pub lost: u32,
    /// How many times it was put back without an attempt since the last one.
    pub put_back: u32,
    /// What kind of event it is.
    pub kind: String,
    /// The event as JSON.
    pub payload: Vec<u8>,
    /// Whose credential sent it.
    pub caller: Option<String>,
    /// When it was due, in UTC microseconds since 1970.
    pub due_us: i64,
    /// No attempt begins after this, in UTC microseconds since 1970.
    pub expires_us: i64,
}

/// What a function has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backlog {
    /// The app.
    pub app: AppKey,
    /// The function.
    pub function: FunctionName,
    /// When the first of its queued invocations is due, in UTC microseconds since 1970.
    pub due_us: i64,
}

/// How a lease ends.
#[derive(Debug, Clone, PartialEq)]
pub struct Completion {
    /// The invocation.
    pub id: InvocationId,
    /// The lease.
    pub fence: u64,
    /// The attempt, if there was one.
    pub attempt: Option<AttemptRecord>,
    /// What follows.
    pub then: Then,
}

/// What follows an attempt.
#[derive(Debug, Clone, PartialEq)]
pub enum Then {
    /// It answered.
    Succeeded {
        /// The answer as JSON, where it is to be kept.
        result: Option<String>,
        /// How long the record is kept, in microseconds.
        keep_us: i64,
        /// An event for another function, accepted in the same step.
        send: Option<NewInvocation>,
    },
    /// It is tried no more.
    Failed {
        /// Why.
        fault: Fault,
        /// How long the record and its event are kept, in microseconds.
        keep_us: i64,
        /// An event for another function, accepted in the same step.
        send: Option<NewInvocation>,
    },
    /// It is tried again.
    Retry {
        /// No sooner than this, in UTC microseconds since 1970.
        due_us: i64,
        /// Whether this attempt is one of those that it has.
        counts: bool,
    },
    /// It was not tried, and nothing of it ran.
    PutBack {
        /// No sooner than this, in UTC microseconds since 1970.
        due_us: i64,
    },
}

/// Which invocations to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvocationQuery {
    /// The app.
    pub app: AppKey,
    /// The function.
    pub function: FunctionName,
    /// Only those that are so far.
    pub status: Option<InvocationStatus>,
    /// Only those that were accepted before this one.
    pub before: Option<InvocationId>,
    /// At most this many, the newest first.
    pub limit: usize,
}

/// Which dead letters are queued again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redrive {
    /// This one.
    One(InvocationId),
    /// Those that were accepted in `since_us..until_us`, in UTC microseconds since 1970.
    Accepted {
        /// From here on.
        since_us: i64,
        /// Before this.
        until_us: i64,
    },
}

/// Keeps invocations that nobody waits for.
///
/// What a method did is durable when it returns. A lease is valid until its time is over and
/// [`forget`](Self::forget) has seen that, or until the store is opened anew where one process has it alone; then
/// another is handed out, with a higher fence. What was lost so more than once is spread over time.
///
/// Times are of the store's clock, which may be set. Set forwards, it makes what waits due, older and sooner
/// forgotten by as much, and ends leases: whoever runs something extends it before he looks for leases that ran
/// out. Set backwards, it changes nothing that was written: what was due, and leases of nodes that are gone, wait
/// until the clock is there again. By neither is anything lost, or tried beside itself by who can extend it.
#[async_trait]
pub trait InvocationQueue: Send + Sync {
    /// Takes an event.
    async fn accept(&self, new: NewInvocation) -> Result<Accepted, Error>;
    /// The functions that have queued invocations, in no order.
    async fn backlogs(&self) -> Result<Vec<Backlog>, Error>;
    /// Hands out what is due of one function, the longest due first, at most `limit`, for `for_us`
    /// microseconds. Beside them, when the next one is due.
    async fn lease(
        &self,
        app: &AppKey,
        function: &FunctionName,
        limit: usize,
        for_us: i64,
    ) -> Result<(Vec<Lease>, Option<i64>), Error>;
    /// Makes leases valid for `for_us` microseconds from now. Answers those that are no longer: another may
    /// have the invocation, or it was cancelled.
    async fn extend(
        &self,
        leases: &[(InvocationId, u64)],
        for_us: i64,
    ) -> Result<Vec<InvocationId>, Error>;
    /// Ends a lease, with all that belongs to it, in one step; answers how far the invocation is then. Where
    /// the store keeps sums of usage, the attempt is part of them from then on, by the minute it began in. One
    /// that was cancelled while its attempt ran is not tried again. [`Error::Conflict`] when another has the
    /// lease; what is told twice is done once.
    async fn complete(&self, completion: Completion) -> Result<InvocationStatus, Error>;
    /// Cancels an invocation: one that is queued is not tried, one whose attempt runs is not tried again.
    /// Answers it as it is then. [`Error::NotFound`] when the tenant has none of this id, [`Error::Conflict`]
    /// when it has ended.
    async fn cancel(
        &self,
        tenant: &TenantName,
        id: InvocationId,
    ) -> Result<InvocationRecord, Error>;
    /// Queues dead letters of a function again, as if they were new but for the numbers of their attempts,
    /// at most `limit`, the oldest first. Answers how many.
    async fn redrive(
        &self,
        app: &AppKey,
        function: &FunctionName,
        which: &Redrive,
        limit: usize,
    ) -> Result<usize, Error>;
    /// One invocation of a tenant.
    async fn invocation(
        &self,
        tenant: &TenantName,
        id: InvocationId,
    ) -> Result<Option<InvocationRecord>, Error>;
    /// Invocations of a function, the newest first.
    async fn invocations(&self, query: &InvocationQuery) -> Result<Vec<InvocationRecord>, Error>;
    /// Takes back leases whose time is over. Forgets what was kept long enough, at most `limit` of keys and of
    /// invocations, and says how much that was.
    async fn forget(&self, limit: usize) -> Result<usize, Error>;
    /// Forgets an app's invocations, whatever they are at.
    async fn delete_app(&self, app: &AppKey) -> Result<(), Error>;
}

//! One trait per state service, and the suite that every backend passes.
//!
//! Operations are whole: none opens a transaction that the caller must close, so that an embedded
//! database and a server both fit. Each command carries an [`OperationId`], so that one whose
//! answer was lost can be repeated. Every key begins with the tenant.
//!
//! [`OperationId`]: mayfly_types::OperationId

mod artifacts;
mod budget;
mod control;
mod error;
mod logs;
mod queue;
mod replies;
#[cfg(feature = "suite")]
pub mod suite;
mod usage;

pub use artifacts::{ArtifactStore, ByteReader};
pub use budget::{BudgetKey, BudgetKind, BudgetRecord, Meter, Period, Prices};
pub use control::{
    AliasRecord, AppRecord, Changes, ControlStore, GoLive, NewRelease, ReleaseRecord, Role,
    SecretRecord, TenantRecord, TokenRecord, VersionRecord,
};
pub use error::Error;
pub use logs::{LogLine, LogQuery, LogStore};
pub use queue::{
    Accepted, AttemptRecord, Backlog, Completion, IdempotencyKey, InvocationQuery, InvocationQueue,
    InvocationRecord, InvocationStatus, Lease, NewInvocation, Redrive, Then,
};
pub use replies::{BYTES_PER_KEY, Begun, KeptReply, KeyedEnd, KeyedRequest, ReplyStore, Taken};
pub use usage::{
    Ledger, LedgerEntry, Payer, Roll, Span, Sums, UsageBy, UsageQuery, UsageRow, UsageStore, pieces,
};

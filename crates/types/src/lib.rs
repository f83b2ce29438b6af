//! The words of the platform as types: names, ids, units, limits, functions, routes, faults and
//! outcomes.
//!
//! Nothing here does I/O or knows an async runtime; every other crate may depend on this one.

mod fault;
mod function;
mod ids;
mod level;
mod names;
mod outcome;
mod release;
pub mod rfc3339;
mod units;

pub use fault::{Blame, Fault, FaultCode};
pub use function::{
    AsyncConfig, Destination, FunctionConfig, HandlerStyle, Isolation, Revision, RevisionId,
    RuntimeKind, WrittenLimits,
};
pub use ids::{Digest, InvocationId, OperationId, ParseDigestError};
pub use level::LogLevel;
pub use names::{AccountId, AppKey, AppName, FunctionName, FunctionPath, NameError, TenantName};
pub use outcome::{Outcome, OutcomeStatus};
pub use release::{Live, LiveError, ReleaseNumber, Route};
pub use units::{ByteSize, TimeSpan, UnitError};

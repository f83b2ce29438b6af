//! Commands, queries and the live view of what is deployed.
//!
//! [`Control`] is what stands behind every API that changes or tells something; [`SharedView`] is
//! what the hot path reads: an immutable picture of all that is live, swapped whole.

mod commands;
mod error;
mod events;
mod meters;
mod series;
mod tenants;
mod usage;
mod view;

pub use commands::{
    AppSummary, Caller, Control, DeployRequest, Deployed, DeployedCode, FunctionDetail,
    FunctionSummary, ReleaseSummary, SecretSummary, SendRequest,
};
pub use error::Error;
pub use events::{Event, Events};
pub use meters::{BUCKETS_US, Durations, FunctionMeter, Meters, NodeMeter};
pub use series::{Data, Family, Labels, Number, families};
pub use tenants::{TenantSummary, TokenSummary};
pub use usage::{BudgetSummary, Spending, UsageLine, UsageReport, UsageRequest};
pub use view::{AppView, ReleaseView, Secrets, SharedView, TenantView, View};

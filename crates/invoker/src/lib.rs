//! Runs functions.
//!
//! An invocation names a function; the invoker finds the revision that is live, admits the attempt
//! within its limits, gives it an instance, translates between HTTP and events where the handler
//! wants the other, and settles what the attempt cost when the last of it has ended. A [`Dispatcher`] does that
//! with events that nobody waits for.

mod accounts;
mod admission;
mod answer;
mod events;
mod functions;
mod invoker;
mod keep;
mod keyed;
mod logs;
mod report;
mod trace;

pub use accounts::Accounts;
pub use admission::{Limits, Processors};
pub use events::{Dispatcher, EventLimits, EventParts};
pub use invoker::{Invoker, Parts};
pub use keep::{AnyHost, Host};
pub use trace::Observers;

/// Tells the time in UTC microseconds since 1970.
pub type Clock = std::sync::Arc<dyn Fn() -> i64 + Send + Sync>;

#[cfg(test)]
mod tests;

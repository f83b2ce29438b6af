//! Runs functions.
//!
//! An invocation names a function; the invoker finds the revision that is live, admits the attempt
//! within its limits, gives it an instance, translates between HTTP and events where the handler
//! wants the other, and settles what the attempt cost when the last of it has ended. A [`Dispatcher`] does that
//! with events that nobody waits for.

mod answer;
mod events;
mod functions;
mod invoker;
mod logs;

pub use events::{Clock, Dispatcher, EventLimits, EventParts};
pub use invoker::{Invoker, Limits, Parts};

#[cfg(test)]
mod tests;

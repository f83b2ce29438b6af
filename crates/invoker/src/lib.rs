//! Runs functions.
//!
//! An invocation names a function; the invoker finds the revision that is live, admits the attempt
//! within its limits, gives it an instance, translates between HTTP and events where the handler
//! wants the other, and settles what the attempt cost when the last of it has ended.

mod answer;
mod functions;
mod invoker;
mod logs;

pub use invoker::{Invoker, Limits, Parts};

#[cfg(test)]
mod tests;

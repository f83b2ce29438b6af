//! Events that nobody waits for: taken, tried until they end, given up in the end.
//!
//! An event is on disk before whoever sent it has an answer. From there it is leased, tried, and what came of
//! that is written down together with what follows. Whatever breaks in between, the lease runs out and the
//! event is tried again: at least once, never not at all.

mod attempt;
mod destination;
mod dispatcher;
mod lanes;
mod policy;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

pub use dispatcher::Dispatcher;
use mayfly_state_api::InvocationQueue;

use crate::Clock;

/// What a dispatcher works with, beside an invoker.
pub struct EventParts {
    /// Where events are kept.
    pub queue: Arc<dyn InvocationQueue>,
    /// The time.
    pub clock: Clock,
    /// Bounds.
    pub limits: EventLimits,
}

/// Bounds of what is done with events.
#[derive(Debug, Clone, Copy)]
pub struct EventLimits {
    /// Most attempts at once, of all functions.
    pub at_once: u32,
    /// How long what succeeded is shown.
    pub keep_succeeded: Duration,
    /// How long dead letters are kept.
    pub keep_failed: Duration,
    /// Largest answer that is kept, in bytes.
    pub result: usize,
    /// How long a lease holds. A node that is gone keeps its events for so long.
    pub lease: Duration,
}

impl Default for EventLimits {
    fn default() -> Self {
        Self {
            at_once: 64,
            keep_succeeded: Duration::from_secs(24 * 3600),
            keep_failed: Duration::from_secs(14 * 24 * 3600),
            result: 256 << 10,
            lease: Duration::from_secs(60),
        }
    }
}

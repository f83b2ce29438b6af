//! What a node measures of itself.

use mayfly_state_api::Sums;
use mayfly_types::{AppKey, FaultCode, FunctionName};

/// Where the buckets of a histogram of times end, in microseconds.
pub const BUCKETS_US: [u64; 14] = [
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000, 30_000_000,
];

/// How long attempts took: how many in each bucket, and in the one above all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Durations {
    /// Attempts that took so long at most and longer than the bucket before.
    pub buckets: [u64; BUCKETS_US.len() + 1],
    /// All of them together, in microseconds.
    pub sum_us: u64,
}

impl Durations {
    /// Adds an attempt that took so long, in microseconds.
    pub fn add(&mut self, time_us: u64) {
        let bucket = BUCKETS_US.iter().position(|most| time_us <= *most);
        self.buckets[bucket.unwrap_or(BUCKETS_US.len())] += 1;
        self.sum_us = self.sum_us.saturating_add(time_us);
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

/// What is measured of a function since the node started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionMeter {
    /// The app.
    pub app: AppKey,
    /// The function.
    pub function: FunctionName,
    /// What its attempts came to.
    pub sums: Sums,
    /// How long they took.
    pub durations: Durations,
    /// Attempts that run now.
    pub running: u32,
    /// Attempts that wait for a place now.
    pub waiting: u32,
}

/// What is measured of a node since it started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeMeter {
    /// Attempts that run now.
    pub running: u64,
    /// Attempts that wait for a place now.
    pub waiting: u64,
    /// Invocations that were refused before anything ran, by why.
    pub refused: Vec<(FaultCode, u64)>,
}

/// Measures a node.
pub trait Meters: Send + Sync {
    /// Its functions, in no order.
    fn functions(&self) -> Vec<FunctionMeter>;
    /// The node.
    fn node(&self) -> NodeMeter;
}

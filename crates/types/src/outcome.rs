//! What one attempt cost and how it ended.

use serde::{Deserialize, Serialize};

use crate::FaultCode;

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "status", content = "code")]
pub enum OutcomeStatus {
    /// It answered.
    Ok,
    /// It failed.
    Fault(FaultCode),
    /// Its caller left, and it was stopped.
    Cancelled,
}

/// What one attempt cost and how it ended; the ledger's row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// How it ended.
    #[serde(flatten)]
    pub status: OutcomeStatus,
    /// Whether an instance had to be started for it.
    pub cold: bool,
    /// Time to make the environment, in microseconds; not billed.
    pub init_us: u64,
    /// From the handler's start to the last byte it produced and the end of its `waitUntil`, in
    /// microseconds.
    pub wall_us: u64,
    /// Processor time, in microseconds.
    pub cpu_us: u64,
    /// Whether that is a part of what a process used that ran other requests besides, divided by time.
    #[serde(default)]
    pub cpu_estimated: bool,
    /// The most memory it held, in bytes.
    pub memory_peak: u64,
    /// Bytes of the request's body that it was given.
    pub bytes_in: u64,
    /// Bytes of the answer's body that it produced.
    pub bytes_out: u64,
}

impl Outcome {
    /// An attempt that cost nothing, or of which nothing is known.
    pub const fn nothing(status: OutcomeStatus) -> Self {
        Self {
            status,
            cold: false,
            init_us: 0,
            wall_us: 0,
            cpu_us: 0,
            cpu_estimated: false,
            memory_peak: 0,
            bytes_in: 0,
            bytes_out: 0,
        }
    }

    /// The milliseconds that are billed: the wall time, rounded up to a whole one.
    pub fn billed_ms(&self) -> u64 {
        self.wall_us.div_ceil(1000)
    }
}

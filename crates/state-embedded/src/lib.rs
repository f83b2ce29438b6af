//! The state of one machine: SQLite for records, files for artifacts, logs and keys.
//!
//! [`DataDir`] owns the directory and its lock; each service opens on it and keeps it locked for
//! as long as the service lives.

mod artifacts;
mod control;
mod data_dir;
mod files;
mod keys;
mod ledger;
mod logs;
mod migrations;
mod sqlite;
mod work;

pub use artifacts::FileArtifacts;
pub use control::Store;
pub use data_dir::{Clock, DataDir, FORMAT, OpenError, OpenOptions};
pub use keys::{KeyError, Keys, secret_aad};
pub use ledger::{Journal, LedgerLimits};
pub use logs::{LogLimits, SegmentLogs};
pub use work::Work;

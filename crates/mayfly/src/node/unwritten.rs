//! A ledger that writes nothing, to measure what writing costs.

use async_trait::async_trait;
use mayfly_state_api::{Error, Ledger, LedgerEntry};

/// Forgets every attempt.
pub(super) struct NoLedger;

#[async_trait]
impl Ledger for NoLedger {
    fn append(&self, _entry: &LedgerEntry<'_>) {}

    async fn flush(&self) -> Result<(), Error> {
        Ok(())
    }

    fn lost(&self) -> u64 {
        0
    }
}

//! Sending a batch until it is taken, or too old.

use std::time::{Duration, Instant};

use bytes::Bytes;

use crate::collector::{Collector, Delivered};

/// The first wait after a batch was not taken, and the longest.
const WAITS: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// How often a collector that takes nothing is told of in the log.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// What is told in the log once in a while.
#[derive(Default)]
pub(crate) struct Trouble {
    told: Option<Instant>,
    lost: u64,
}

/// One kind of batch.
pub(crate) struct Kind {
    /// What it holds.
    pub(crate) what: &'static str,
    /// Where it goes.
    pub(crate) path: &'static str,
    /// Reads the answer: how many were refused, and why.
    pub(crate) partial: fn(&[u8]) -> Option<(i64, String)>,
}

impl Trouble {
    /// Counts what was lost, and tells of it if that was not done lately.
    pub(crate) fn lost(&mut self, kind: &Kind, count: u64, why: &str) {
        self.lost += count;
        if self.told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            let (what, lost) = (kind.what, std::mem::take(&mut self.lost));
            self.told = Some(Instant::now());
            tracing::warn!(lost, why, "{what} did not get to the collector");
        }
    }
}

/// Sends a batch, again and again with growing waits until `give_up`. Tells whether it was taken.
pub(crate) async fn deliver(
    collector: &Collector,
    kind: &Kind,
    batch: Bytes,
    count: u64,
    give_up: Instant,
    trouble: &mut Trouble,
) -> bool {
    let mut pause = WAITS.0;
    loop {
        match collector.send(kind.path, batch.clone(), kind.partial).await {
            Delivered::Taken(None) => return true,
            Delivered::Taken(Some((refused, why))) => {
                trouble.lost(kind, u64::try_from(refused).unwrap_or(0), &why);
                return true;
            }
            Delivered::Refused(why) => {
                trouble.lost(kind, count, &why);
                return false;
            }
            Delivered::Later { why, after } => {
                // Half of it by chance, so that nodes whose collector was gone do not come back as one.
                let wait = after.unwrap_or_else(|| pause.mul_f64(rand::random_range(0.5..1.0)));
                if Instant::now() + wait >= give_up {
                    trouble.lost(kind, count, &why);
                    return false;
                }
                // What is tried again is not lost yet, but an operator wants to know.
                trouble.lost(kind, 0, &why);
                tokio::time::sleep(wait).await;
                pause = (pause * 2).min(WAITS.1);
            }
        }
    }
}

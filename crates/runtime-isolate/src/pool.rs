//! Idle slots, kept for the next invocation.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::engine::{Engine, EngineError};
use crate::image::Image;
use crate::slot::Slot;

/// Below this many idle slots a function gets a new one rather than another function's: showing
/// another image costs about ten times a reset.
const SPREAD: usize = 16;
/// Most idle slots that are kept.
const KEEP: usize = 512;

/// Idle slots, the most recently used last.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    idle: Mutex<VecDeque<(Slot, Instant)>>,
}

impl Pool {
    /// A slot that shows `image` with nothing written to it.
    pub(crate) fn take(&self, engine: &Engine, image: &Arc<Image>) -> Result<Slot, EngineError> {
        let found = {
            let mut idle = self.lock();
            let same = |(slot, _): &(Slot, Instant)| {
                slot.image().is_some_and(|shown| Arc::ptr_eq(shown, image))
            };
            match idle.iter().rposition(same) {
                Some(index) => idle.remove(index),
                None if idle.len() >= SPREAD => idle.pop_front(),
                None => None,
            }
        };
        let mut slot = match found {
            Some((slot, _)) => slot,
            None => engine.slot()?,
        };
        slot.show(engine, image).map_err(|error| EngineError::Start(format!("{error:#}")))?;
        Ok(slot)
    }

    /// Takes a slot back after putting its memory back; one that cannot be is dropped.
    pub(crate) fn put(&self, engine: &Engine, mut slot: Slot) {
        if let Err(error) = slot.reset(engine) {
            tracing::warn!(error = format!("{error:#}"), "drop a slot that cannot be reset");
            return;
        }
        let mut idle = self.lock();
        if idle.len() < KEEP {
            idle.push_back((slot, Instant::now()));
        }
    }

    /// Drops slots that nobody used for `idle_for`; tells how many are left.
    pub(crate) fn reap(&self, idle_for: Duration) -> usize {
        let mut reaped = Vec::new();
        let mut idle = self.lock();
        while idle.front().is_some_and(|(_, since)| since.elapsed() >= idle_for) {
            reaped.extend(idle.pop_front());
        }
        idle.len()
    }

    /// Drops slots that show `image`.
    pub(crate) fn forget(&self, image: &Arc<Image>) {
        self.lock()
            .retain(|(slot, _)| !slot.image().is_some_and(|shown| Arc::ptr_eq(shown, image)));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<(Slot, Instant)>> {
        self.idle.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

//! A guest's timers: they settle in the order in which they fall due.

use std::collections::BTreeSet;

use tokio::time::Instant;

/// The timers of one invocation.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    /// Operations by when they fall due, and by age where that is the same.
    waiting: BTreeSet<(Instant, u32)>,
}

impl Timers {
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Begins a timer. Operations begun later have a greater `id`.
    pub(crate) fn start(&mut self, id: u32, due: Instant) {
        self.waiting.insert((due, id));
    }

    /// When the next one falls due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.waiting.first().map(|(due, _)| *due)
    }

    /// Takes the next one that is due at `now`.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<u32> {
        let (due, id) = *self.waiting.first()?;
        (due <= now && self.waiting.remove(&(due, id))).then_some(id)
    }

    pub(crate) fn cancel(&mut self, ids: &[u32]) {
        self.waiting.retain(|(_, id)| !ids.contains(id));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_falls_due_together_settles_in_the_order_of_its_time_and_then_of_its_age() {
        let now = Instant::now();
        let at = |millis| now + Duration::from_millis(millis);
        let mut timers = Timers::default();
        for (id, due) in [(1, 3), (2, 1), (3, 1), (4, 9_000), (5, 0), (6, 2)] {
            timers.start(id, at(due));
        }
        timers.cancel(&[6]);
        assert_eq!(timers.take_due(now), Some(5));
        assert_eq!(timers.take_due(now), None);
        assert_eq!(timers.next(), Some(at(1)));
        let order: Vec<u32> = std::iter::from_fn(|| timers.take_due(at(20))).collect();
        assert_eq!(order, [2, 3, 1]);
        assert_eq!(timers.len(), 1);
    }
}

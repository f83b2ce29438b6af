//! How much work is begun while the processors have more than they can do.
//!
//! While they have time left, nothing is held back. When they have none, more attempts at once end no more of them, but
//! all later: then as many run as keep the processors busy, by how much of its time each function computes, and who does
//! not find a place soon is told so at once. One attempt of each function, and all that are short, run in any case: the
//! processors' own turns are fair to them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::{Lane, SMOOTHED, Shared};
use crate::keep::Host;

/// How often processors are looked at.
const LOOK: Duration = Duration::from_millis(200);
/// From this part of their time on processors have more to do than they can, until they are below the other.
const FULL: f64 = 0.95;
const ROOMY: f64 = 0.85;
/// Attempts are weighed in parts of one that computes all the time. Each processor has one of these: with two by turns
/// each would take twice as long, and none would end sooner.
const WHOLE: u64 = 1000;
/// Beside them there is room for some that mostly wait.
const BESIDE: u64 = WHOLE / 2;
/// An attempt that computes less, in microseconds, ends within its turn at a processor: to hold it back gains nothing.
const SHORT_US: u64 = 2_000;
/// How many looks in a row must find processors full before it is more than a burst, and places come back in a rhythm.
const LASTING: u32 = 5;
/// After so many attempts the least that one waited for other things is forgotten.
const FORGOTTEN: u64 = 1000;

/// What a machine's processors did since its start, in a unit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Processors {
    /// How many there are.
    pub count: u32,
    /// The time in which they did something, all added up.
    pub busy: u64,
    /// All time.
    pub all: u64,
}

/// Holds attempts back.
#[derive(Debug)]
pub(super) struct Pace {
    /// The weight of all that runs.
    weight: AtomicU64,
    /// The most that may be; the largest number while nothing is held back.
    most: AtomicU64,
    /// Whether it has been so for a while.
    lasting: AtomicBool,
    /// When the last place came back, in microseconds since the start, and how long it is between two.
    back_us: AtomicU64,
    between_us: AtomicU64,
    began: Instant,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            weight: AtomicU64::new(0),
            most: AtomicU64::new(u64::MAX),
            lasting: AtomicBool::new(false),
            back_us: AtomicU64::new(0),
            between_us: AtomicU64::new(0),
            began: Instant::now(),
        }
    }

    /// Counts an attempt; answers whether it may begin. One alone always may.
    pub(super) fn takes(&self, weight: u64) -> bool {
        let before = self.weight.fetch_add(weight, Ordering::SeqCst);
        before == 0 || before.saturating_add(weight) <= self.most.load(Ordering::Relaxed)
    }

    /// Whether processors are full for longer than a burst takes.
    pub(super) fn is_lasting(&self) -> bool {
        self.lasting.load(Ordering::Relaxed)
    }

    pub(super) fn gives(&self, weight: u64) {
        self.weight.fetch_sub(weight, Ordering::SeqCst);
    }

    /// As if so many processors had been full for a while.
    #[cfg(test)]
    pub(super) fn fill(&self, count: u32) {
        let mut watch = Watch::default();
        for look in 0..=u64::from(LASTING) {
            watch.look(Processors { count, busy: look * 100, all: look * 100 }, self);
        }
    }

    /// Places that came back before say nothing.
    fn begin(&self) {
        self.between_us.store(0, Ordering::Relaxed);
        self.back_us.store(self.now_us(), Ordering::Relaxed);
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// A place came back.
    pub(super) fn came_back(&self) {
        if !self.lasting.load(Ordering::Relaxed) {
            return;
        }
        let now_us = self.now_us();
        let between = now_us.saturating_sub(self.back_us.swap(now_us, Ordering::Relaxed));
        let known = self.between_us.load(Ordering::Relaxed);
        let mean = match known {
            0 => between,
            known => known - known / SMOOTHED + between / SMOOTHED,
        };
        self.between_us.store(mean, Ordering::Relaxed);
    }

    /// How long it is until so many places of the node came back, where that is known: while processors are full for
    /// long.
    pub(super) fn wait(&self, places: usize) -> Option<Duration> {
        if !self.lasting.load(Ordering::Relaxed) {
            return None;
        }
        let between = self.between_us.load(Ordering::Relaxed);
        Some(Duration::from_micros(between.saturating_mul(places as u64)))
    }
}

/// What part of its time a function computes, where nothing keeps it from a processor.
#[derive(Debug, Default)]
pub(super) struct Share {
    cpu_us: AtomicU64,
    /// The least that an attempt waited for something other than a processor.
    other_us: AtomicU64,
    count: AtomicU64,
}

impl Share {
    /// Notes an attempt.
    pub(super) fn note(&self, cpu_us: u64, wall_us: u64) {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let known = self.cpu_us.load(Ordering::Relaxed);
        let other = wall_us.saturating_sub(cpu_us);
        if count.is_multiple_of(FORGOTTEN) {
            self.other_us.store(other, Ordering::Relaxed);
        } else {
            self.other_us.fetch_min(other, Ordering::Relaxed);
        }
        let mean = if count == 0 { cpu_us } else { known - known / SMOOTHED + cpu_us / SMOOTHED };
        self.cpu_us.store(mean, Ordering::Relaxed);
    }

    /// In parts of [`WHOLE`], and at least one.
    pub(super) fn weight(&self) -> u64 {
        let (cpu, other) =
            (self.cpu_us.load(Ordering::Relaxed), self.other_us.load(Ordering::Relaxed));
        if cpu < SHORT_US {
            return 1;
        }
        (cpu.saturating_mul(WHOLE) / cpu.saturating_add(other).max(1)).clamp(1, WHOLE)
    }
}

/// Looks at the processors for as long as there is an admission.
pub(super) async fn run(shared: Weak<Shared>, host: Arc<dyn Host>) {
    let mut interval = tokio::time::interval(LOOK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut watch = Watch::default();
    loop {
        interval.tick().await;
        let Some(shared) = shared.upgrade() else { return };
        if shared.running.load(Ordering::Relaxed) == 0 && !watch.full {
            watch.last = None;
            continue;
        }
        let Some(now) = host.processors() else { return };
        watch.look(now, &shared.pace);
        if !watch.full {
            // Whoever waits for what is held back no more.
            shared.hand_out_any();
        }
    }
}

#[derive(Default)]
struct Watch {
    last: Option<Processors>,
    full: bool,
    looks: u32,
}

impl Watch {
    fn look(&mut self, now: Processors, pace: &Pace) {
        if let Some(last) = self.last.replace(now)
            && now.all > last.all
        {
            let part = now.busy.saturating_sub(last.busy) as f64 / (now.all - last.all) as f64;
            self.full = part >= if self.full { ROOMY } else { FULL };
        }
        self.looks = if self.full { self.looks.saturating_add(1) } else { 0 };
        let most = match self.full {
            true => u64::from(now.count) * WHOLE + BESIDE,
            false => u64::MAX,
        };
        pace.most.store(most, Ordering::Relaxed);
        if self.looks == LASTING {
            pace.begin();
        }
        pace.lasting.store(self.looks >= LASTING, Ordering::Relaxed);
    }
}

impl Lane {
    /// Notes how long an attempt computed, and how long it took, in microseconds.
    pub(crate) fn ran(&self, cpu_us: u64, wall_us: u64) {
        self.share.note(cpu_us, wall_us);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_weighs_what_it_computes_of_its_time_where_nothing_keeps_it_from_a_processor() {
        let share = Share::default();
        assert_eq!(share.weight(), 1, "nothing is known");
        share.note(5_000, 5_000);
        assert_eq!(share.weight(), WHOLE);
        // Those that wait for processors weigh the same.
        (0..100).for_each(|_| share.note(5_000, 500_000));
        assert_eq!(share.weight(), WHOLE);
        let waits = Share::default();
        (0..100).for_each(|_| waits.note(4_000, 400_000));
        assert_eq!(waits.weight(), 10);
        let short = Share::default();
        (0..100).for_each(|_| short.note(100, 100));
        assert_eq!(short.weight(), 1, "it ends within its turn");
    }

    #[test]
    fn a_function_that_changes_its_ways_weighs_anew() {
        let share = Share::default();
        share.note(5_000, 5_000);
        (0..2 * FORGOTTEN).for_each(|_| share.note(5_000, 50_000));
        assert_eq!(share.weight(), 100);
    }

    #[test]
    fn nothing_is_held_back_until_processors_are_full_and_again_when_they_have_room() {
        let (pace, mut watch) = (Pace::new(), Watch::default());
        let mut at = Processors { count: 2, busy: 0, all: 0 };
        let mut look = |part: u64, pace: &Pace| {
            at = Processors { busy: at.busy + part, all: at.all + 100, ..at };
            watch.look(at, pace);
            pace.most.load(Ordering::Relaxed)
        };
        assert_eq!([look(100, &pace), look(90, &pace)], [u64::MAX; 2]);
        assert_eq!(look(97, &pace), 2 * WHOLE + BESIDE);
        assert_eq!(look(90, &pace), 2 * WHOLE + BESIDE);
        assert_eq!(pace.wait(7), None, "a burst has no rhythm");
        for _ in 0..LASTING {
            look(100, &pace);
        }
        assert!(pace.wait(7).is_some());
        assert_eq!(look(80, &pace), u64::MAX);
        assert_eq!(pace.wait(7), None);
    }

    #[test]
    fn one_that_weighs_more_than_there_is_runs_alone() {
        let pace = Pace::new();
        pace.most.store(500, Ordering::Relaxed);
        assert!(pace.takes(1000));
        assert!(!pace.takes(1));
        pace.gives(1);
        pace.gives(1000);
        assert!(pace.takes(1) && pace.takes(499) && !pace.takes(1));
    }
}

//! How much work is begun while the processors have more than they can do.
//!
//! While they have time left, nothing is held back. When they have none, more attempts at once end no more of them, but
//! all later: then as many run as keep the processors busy, by how much of its time each function computes, and who does
//! not find a place soon is told so at once. One attempt of each function, and all that are short, run in any case: the
//! processors' own turns are fair to them.

use std::collections::VecDeque;
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
/// How many more looks must find processors full than not before it is more than a burst, and places come back in a
/// rhythm; and as many must find room before nothing is held back again. A machine that others have for a moment, or that
/// stands still for one, seems to have had nothing to do.
const LASTING: u32 = 5;
/// What began before processors were seen to be full may be much more than they carry. While it is so many times as much,
/// places come back seldom, and then all together: that says nothing of what comes after.
const RUSH: u64 = 4;
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
    /// How many places came back since the start, and in the last while how many microseconds it was between two.
    back: AtomicU64,
    between_us: AtomicU64,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            weight: AtomicU64::new(0),
            most: AtomicU64::new(u64::MAX),
            lasting: AtomicBool::new(false),
            back: AtomicU64::new(0),
            between_us: AtomicU64::new(0),
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

    /// As if so many processors had been full for a while, in which this happened again and again.
    #[cfg(test)]
    pub(super) async fn fill(&self, count: u32, mut meanwhile: impl AsyncFnMut()) {
        let mut watch = Watch::default();
        watch.look(Processors { count, busy: 0, all: 0 }, self);
        for look in 1..=u64::from(LASTING) {
            meanwhile().await;
            watch.look(Processors { count, busy: look * 100, all: look * 100 }, self);
        }
    }

    /// A place came back.
    pub(super) fn came_back(&self) {
        self.back.fetch_add(1, Ordering::Relaxed);
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
        if shared.running.load(Ordering::Relaxed) == 0 && watch.looks == 0 {
            watch.last = None;
            continue;
        }
        let Some(now) = host.processors() else { return };
        watch.look(now, &shared.pace);
        if watch.roomy > 0 {
            // Whoever waits for what is held back no more.
            shared.hand_out_any();
        }
    }
}

#[derive(Default)]
struct Watch {
    last: Option<Processors>,
    /// How many looks found processors full, less those that did not.
    looks: u32,
    /// How many of the last ones in a row did not.
    roomy: u32,
    /// How many places had come back when, at the last looks since processors are full.
    back: VecDeque<(Instant, u64)>,
    /// Whether much more runs than may begin now.
    rush: bool,
}

impl Watch {
    fn look(&mut self, now: Processors, pace: &Pace) {
        let Some(last) = self.last.replace(now).filter(|last| now.all > last.all) else { return };
        let part = now.busy.saturating_sub(last.busy) as f64 / (now.all - last.all) as f64;
        if part >= if self.looks > 0 { ROOMY } else { FULL } {
            self.looks = (self.looks + 1).min(LASTING);
            self.roomy = 0;
        } else {
            self.looks = self.looks.saturating_sub(1);
            self.roomy = self.roomy.saturating_add(1);
        }
        let least = u64::from(now.count) * WHOLE + BESIDE;
        let most = match self.looks {
            0 => u64::MAX,
            // With each look that finds room twice as many begin, rather than all who wait.
            _ => least << self.roomy,
        };
        pace.most.store(most, Ordering::Relaxed);
        match self.looks {
            0 => {
                self.back.clear();
                pace.lasting.store(false, Ordering::Relaxed);
            }
            looks => {
                self.count(pace, least);
                if looks == LASTING {
                    pace.lasting.store(true, Ordering::Relaxed);
                }
            }
        }
    }

    /// Notes how quickly places come back, where `least` is the most that may run while nothing has room.
    fn count(&mut self, pace: &Pace, least: u64) {
        let (now, back) = (Instant::now(), pace.back.load(Ordering::Relaxed));
        if pace.weight.load(Ordering::Relaxed) > RUSH * least {
            self.rush = true;
            self.back.truncate(1);
        } else if std::mem::take(&mut self.rush) {
            self.back.clear();
        } else if self.back.len() > LASTING as usize {
            self.back.pop_front();
        }
        self.back.push_back((now, back));
        if let Some((since, before)) = self.back.front().filter(|(since, _)| *since < now) {
            let elapsed = u64::try_from((now - *since).as_micros()).unwrap_or(u64::MAX);
            let between = elapsed / back.saturating_sub(*before).max(1);
            pace.between_us.store(between, Ordering::Relaxed);
        }
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

    const HELD: u64 = 2 * WHOLE + BESIDE;

    /// Looks at two processors that were busy for a part of the time since the last look, in hundredths; answers the most
    /// that may run, and whether places come back in a rhythm.
    fn look() -> impl FnMut(u64) -> (u64, bool) {
        let (pace, mut watch) = (Pace::new(), Watch::default());
        let mut at = Processors { count: 2, busy: 0, all: 0 };
        watch.look(at, &pace);
        move |part| {
            at = Processors { busy: at.busy + part, all: at.all + 100, ..at };
            watch.look(at, &pace);
            (pace.most.load(Ordering::Relaxed), pace.wait(7).is_some())
        }
    }

    #[test]
    fn nothing_is_held_back_until_processors_are_full_and_again_after_a_burst() {
        let mut look = look();
        assert_eq!(look(90), (u64::MAX, false));
        assert_eq!(look(97), (HELD, false));
        assert_eq!(look(80), (u64::MAX, false), "it was a moment");
        assert_eq!(look(97), (HELD, false));
        assert_eq!(look(90), (HELD, false), "it is less and still much");
    }

    #[test]
    fn a_moment_in_which_a_full_machine_did_nothing_lets_few_begin_and_then_it_is_full_still() {
        let mut look = look();
        (1..LASTING).for_each(|_| assert_eq!(look(100), (HELD, false)));
        assert_eq!(look(100), (HELD, true));
        for _ in 0..3 {
            assert_eq!(look(20), (2 * HELD, true));
            assert_eq!(look(100), (HELD, true));
        }
    }

    #[test]
    fn a_machine_that_has_room_again_holds_back_less_and_less() {
        let mut look = look();
        (0..2 * LASTING).for_each(|_| _ = look(100));
        let less = [0; LASTING as usize].map(&mut look);
        let held = |times: u64| (times * HELD, true);
        assert_eq!(less, [held(2), held(4), held(8), held(16), (u64::MAX, false)]);
        assert_eq!(look(90), (u64::MAX, false));
    }

    #[tokio::test(start_paused = true)]
    async fn how_quickly_places_come_back_is_not_told_by_those_that_began_before_anything_was_held_back()
     {
        let (pace, mut watch) = (Pace::new(), Watch::default());
        let mut at = Processors { count: 1, busy: 0, all: 0 };
        watch.look(at, &pace);
        let mut full = async |ended: u64, left: u64| {
            pace.weight.store(left * WHOLE, Ordering::Relaxed);
            (0..ended).for_each(|_| pace.came_back());
            tokio::time::advance(LOOK).await;
            at = Processors { busy: at.busy + 20, all: at.all + 20, ..at };
            watch.look(at, &pace);
            pace.wait(1)
        };
        for _ in 0..2 * LASTING {
            full(0, 400).await;
        }
        let rush = full(1, 399).await.unwrap();
        assert!(rush >= LOOK * LASTING, "{rush:?}");
        assert_eq!(full(398, 1).await, Some(rush), "all of a sudden");
        assert_eq!(full(20, 1).await, Some(LOOK / 20));
        assert_eq!(full(5, 1).await, Some(LOOK * 2 / 25), "of both looks");
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

//! How long a function is not called, and what that says of the next call.
//!
//! The method is that of "Serverless in the Wild" (USENIX ATC '20, section 4): a histogram of idle times for each
//! function, whose early end says when the next call may come at the soonest, and whose late end when it hardly comes
//! any more. In between a function that starts slowly has an environment that waits. Starts here take milliseconds, so
//! nothing is done for functions that start quickly: an environment costs them more memory than it saves time.

use std::time::Duration;

/// Shortest idle time that is told apart from others, in microseconds.
const LEAST_US: i64 = 1_000_000;
/// Bins for each doubling of an idle time.
const FINE: usize = 4;
/// Bins: up to nearly five hours.
const BINS: usize = 14 * FINE + 2;
/// Idle times before they say anything.
const ENOUGH: u32 = 8;
/// Of how many idle times the old ones weigh half.
const REMEMBERED: u32 = 256;
/// Parts of a hundred that come before the early end, and by the late one.
const EARLY: u32 = 5;
const LATE: u32 = 99;
/// How much sooner than the early end, and later than the late one, a call may come, in parts of ten.
const MARGIN: i64 = 1;
/// A function that needs so long to start is worth an environment that waits.
const SLOW_US: u64 = 100_000;

/// A function's idle times.
#[derive(Debug)]
pub(crate) struct IdleTimes {
    bins: [u16; BINS],
    count: u32,
    /// When its last attempt ended while no other ran, in UTC microseconds since 1970.
    since_us: Option<i64>,
    /// How long it takes to start, lately, in microseconds.
    start_us: u64,
}

/// When after its last call a function has an environment that waits: from so long after it to so long, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) from_us: i64,
    pub(crate) to_us: i64,
}

impl Default for IdleTimes {
    fn default() -> Self {
        Self { bins: [0; BINS], count: 0, since_us: None, start_us: 0 }
    }
}

impl IdleTimes {
    /// A first attempt began.
    pub(crate) fn begins(&mut self, now_us: i64) {
        // A clock that went back says nothing.
        let Some(idle_us) = self.since_us.take().map(|since| now_us - since).filter(|us| *us >= 0)
        else {
            return;
        };
        if self.count >= REMEMBERED {
            self.bins.iter_mut().for_each(|bin| *bin /= 2);
            self.count = self.bins.iter().map(|bin| u32::from(*bin)).sum();
        }
        self.bins[bin(idle_us)] += 1;
        self.count += 1;
    }

    /// An attempt ended, which needed so long to start if it had to.
    pub(crate) fn ended(&mut self, now_us: i64, start_us: Option<u64>) {
        self.since_us = Some(now_us);
        if let Some(newest) = start_us {
            self.start_us = match self.start_us {
                0 => newest,
                known => known - known / 4 + newest / 4,
            };
        }
    }

    /// Whether somebody should have an environment that waits for the next call now.
    pub(crate) fn is_due(&self, now_us: i64, keep: Duration, most: Duration) -> bool {
        let (Some(since_us), Some(window)) = (self.since_us, self.window(keep, most)) else {
            return false;
        };
        (window.from_us..window.to_us).contains(&(now_us - since_us))
    }

    /// When an environment should wait, if that is any longer than each waits for its next call, `keep`. It never
    /// waits longer than `most`.
    pub(crate) fn window(&self, keep: Duration, most: Duration) -> Option<Window> {
        if self.count < ENOUGH || self.start_us < SLOW_US {
            return None;
        }
        let [keep_us, most_us] =
            [keep, most].map(|d| i64::try_from(d.as_micros()).unwrap_or(i64::MAX));
        let late = self.percentile(LATE);
        // Where the last bin has part, nobody knows how long it may be.
        if late == BINS - 1 {
            return None;
        }
        let to_us = upper_us(late) / 10 * (10 + MARGIN);
        if to_us <= keep_us {
            return None;
        }
        let early_us = lower_us(self.percentile(EARLY)) / 10 * (10 - MARGIN);
        // Environments wait for so long anyway: none is given up for a moment.
        let from_us = if early_us <= keep_us.saturating_mul(2) { 0 } else { early_us };
        Some(Window { from_us, to_us: to_us.min(from_us.saturating_add(most_us)) })
    }

    /// The bin in which so many parts of a hundred are reached.
    fn percentile(&self, parts: u32) -> usize {
        let enough = (u64::from(self.count) * u64::from(parts)).div_ceil(100).max(1);
        let mut seen = 0;
        let reached = self.bins.iter().position(|bin| {
            seen += u64::from(*bin);
            seen >= enough
        });
        reached.unwrap_or(BINS - 1)
    }
}

/// Bin 0 has what is shorter than the least, the last what is longer than all others.
fn bin(idle_us: i64) -> usize {
    if idle_us < LEAST_US {
        return 0;
    }
    let doublings = (idle_us as f64 / LEAST_US as f64).log2();
    (1 + (doublings * FINE as f64) as usize).min(BINS - 1)
}

fn lower_us(bin: usize) -> i64 {
    match bin {
        0 => 0,
        bin => (LEAST_US as f64 * 2_f64.powf((bin - 1) as f64 / FINE as f64)) as i64,
    }
}

fn upper_us(bin: usize) -> i64 {
    lower_us(bin + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_US: i64 = 1_000_000;
    const MINUTE: Duration = Duration::from_secs(60);

    /// What is known of a function that needs 500 ms to start and was idle for so many seconds each time.
    fn known(idle: impl IntoIterator<Item = i64>) -> (IdleTimes, i64) {
        let (mut times, mut now_us) = (IdleTimes::default(), 1_700_000_000 * SECOND_US);
        times.ended(now_us, Some(500_000));
        for seconds in idle {
            now_us += seconds * SECOND_US;
            times.begins(now_us);
            now_us += SECOND_US;
            times.ended(now_us, None);
        }
        (times, now_us)
    }

    fn window(times: &IdleTimes) -> Option<[i64; 2]> {
        let found = times.window(MINUTE, MINUTE * 10)?;
        Some([found.from_us, found.to_us].map(|us| us / SECOND_US))
    }

    #[test]
    fn bins_follow_each_other_without_a_gap() {
        for i in 1..BINS - 1 {
            assert_eq!(upper_us(i), lower_us(i + 1));
            assert_eq!(bin(lower_us(i) + 1), i);
            assert_eq!(bin(upper_us(i) - 1), i);
        }
        assert_eq!((bin(0), bin(SECOND_US - 1), bin(i64::MAX)), (0, 0, BINS - 1));
        assert!(upper_us(BINS - 2) > 4 * 3600 * SECOND_US);
    }

    #[test]
    fn a_function_that_is_called_every_half_hour_is_ready_a_little_before() {
        let (times, now_us) = known([1800; 20]);
        let [from, to] = window(&times).unwrap();
        assert!((1300..1650).contains(&from) && (1800..2350).contains(&to), "{from} {to}");
        let due = |after: i64| times.is_due(now_us + after * SECOND_US, MINUTE, MINUTE * 10);
        assert!(!due(0) && !due(from - 1) && due(from + 1) && due(to - 1) && !due(to + 1));
    }

    #[test]
    fn no_environment_waits_longer_than_it_may() {
        let (times, _) = known([1800; 20]);
        let Window { from_us, to_us } = times.window(MINUTE, MINUTE * 2).unwrap();
        assert_eq!(to_us - from_us, 120 * SECOND_US);
    }

    #[test]
    fn a_function_that_is_called_every_two_minutes_keeps_its_environment() {
        let (times, now_us) = known([120; 20]);
        let [from, to] = window(&times).unwrap();
        assert!(from == 0 && (120..170).contains(&to), "{from} {to}");
        assert!(times.is_due(now_us, MINUTE, MINUTE * 10));
    }

    #[test]
    fn functions_that_come_often_or_start_quickly_or_that_nobody_knows_wait_as_all_do() {
        assert_eq!(window(&known([5; 100]).0), None, "within the minute");
        assert_eq!(window(&known([1800; 3]).0), None, "too few to say");
        assert_eq!(window(&known([100_000; 20]).0), None, "out of sight");
        let (mut quick, now_us) = known([1800; 20]);
        for _ in 0..20 {
            quick.ended(now_us, Some(2_000));
        }
        assert_eq!(window(&quick), None, "a start costs nothing");
    }

    #[test]
    fn a_function_that_changes_its_ways_is_known_anew() {
        let (mut times, mut now_us) = known([1800; 300]);
        for _ in 0..2_000 {
            now_us += 120 * SECOND_US;
            times.begins(now_us);
            times.ended(now_us, None);
        }
        let [from, to] = window(&times).unwrap();
        assert!(from == 0 && to < 170, "{from} {to}");
    }

    #[test]
    fn a_clock_that_goes_back_says_nothing() {
        let (mut times, now_us) = known([1800; 20]);
        times.begins(now_us - 3600 * SECOND_US);
        assert_eq!(times.count, 20);
        assert!(!times.is_due(now_us, MINUTE, MINUTE), "it runs");
    }
}

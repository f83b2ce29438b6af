//! One account: what was used, and what is held for attempts under way.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use mayfly_control_api::Durations;
use mayfly_state_api::{Period, Span, Sums};

/// The day and the month that a time is in; all in UTC microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Calendar {
    pub(crate) day_us: i64,
    pub(crate) month_us: i64,
    next_month_us: i64,
}

impl Calendar {
    pub(crate) fn of(time_us: i64) -> Self {
        let day_us = Span::Day.start(time_us);
        let day = Timestamp::from_microsecond(day_us).unwrap_or_default().to_zoned(TimeZone::UTC);
        let first = day.first_of_month().unwrap_or(day);
        let next = first.checked_add(1.month()).unwrap_or_else(|_| first.clone());
        Self {
            day_us,
            month_us: first.timestamp().as_microsecond(),
            next_month_us: next.timestamp().as_microsecond(),
        }
    }

    /// When a period began that is under way.
    pub(crate) fn began_us(&self, period: Period) -> i64 {
        match period {
            Period::Day => self.day_us,
            Period::Month => self.month_us,
        }
    }

    /// When a period ends that is under way.
    pub(crate) fn until_us(&self, period: Period) -> i64 {
        match period {
            Period::Day => self.day_us + Span::Day.micros(),
            Period::Month => self.next_month_us,
        }
    }
}

/// More than a month.
const FAR_US: i64 = 40 * Span::Day.micros();

/// What is used in one period after the other.
#[derive(Debug, Clone, Copy)]
struct Spent {
    from_us: i64,
    sums: Sums,
}

impl Spent {
    /// Begins anew when the period is another; but not because the clock went back a little, which gives nobody
    /// anything. Where it went back far it had been far ahead, and what was counted since is of a time to come.
    fn turn(&mut self, from_us: i64) {
        if from_us > self.from_us || self.from_us.saturating_sub(from_us) > FAR_US {
            *self = Self { from_us, sums: Sums::default() };
        }
    }
}

#[derive(Debug)]
struct State {
    day: Spent,
    month: Spent,
    /// What attempts under way may still use, at most.
    held: Sums,
    since_start: Sums,
    durations: Durations,
}

impl State {
    fn spent(&mut self, calendar: &Calendar, period: Period) -> &mut Spent {
        let spent = match period {
            Period::Day => &mut self.day,
            Period::Month => &mut self.month,
        };
        spent.turn(calendar.began_us(period));
        spent
    }
}

/// An account.
#[derive(Debug)]
pub(crate) struct Scope(Mutex<State>);

const PERIODS: [Period; 2] = [Period::Day, Period::Month];

impl Scope {
    pub(crate) fn new(calendar: &Calendar) -> Self {
        let spent = |from_us| Spent { from_us, sums: Sums::default() };
        Self(Mutex::new(State {
            day: spent(calendar.day_us),
            month: spent(calendar.month_us),
            held: Sums::default(),
            since_start: Sums::default(),
            durations: Durations::default(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what a store has of a period.
    pub(crate) fn begin_with(&self, calendar: &Calendar, period: Period, sums: Sums) {
        self.lock().spent(calendar, period).sums += sums;
    }

    /// Adds what an attempt came to, to the periods that it began in, and how long it ran, in microseconds, where that is
    /// wanted.
    pub(crate) fn add(
        &self,
        calendar: &Calendar,
        started_us: i64,
        sums: Sums,
        took_us: Option<u64>,
    ) {
        let mut state = self.lock();
        for period in PERIODS {
            let spent = state.spent(calendar, period);
            if started_us >= spent.from_us {
                spent.sums += sums;
            }
        }
        state.since_start += sums;
        if let Some(time_us) = took_us {
            state.durations.add(time_us);
        }
    }

    /// What was used in a period, and what is held.
    pub(crate) fn read(&self, calendar: &Calendar, period: Period) -> (Sums, Sums) {
        let mut state = self.lock();
        (state.spent(calendar, period).sums, state.held)
    }

    /// Holds as much as an attempt may use, if `fits` says so of what was used and held in each period, with
    /// the attempt in it.
    pub(crate) fn hold(
        &self,
        calendar: &Calendar,
        need: Sums,
        fits: impl Fn(Period, Sums) -> bool,
    ) -> bool {
        let mut state = self.lock();
        for period in PERIODS {
            let mut all = state.spent(calendar, period).sums;
            all += state.held;
            all += need;
            if !fits(period, all) {
                return false;
            }
        }
        state.held += need;
        true
    }

    /// Holds an attempt's part no longer.
    pub(crate) fn release(&self, need: Sums) {
        let mut state = self.lock();
        let (held, need) = (state.held.to_array(), need.to_array());
        state.held = Sums::from_array(std::array::from_fn(|i| held[i].saturating_sub(need[i])));
    }

    /// What attempts came to since the node started, and how long they ran.
    pub(crate) fn since_start(&self) -> (Sums, Durations) {
        let state = self.lock();
        (state.since_start, state.durations)
    }
}

//! What attempts came to: one record for each, and sums of them by time, function and caller.

use std::ops::AddAssign;

use async_trait::async_trait;
use mayfly_types::{
    AppKey, AppName, Blame, ByteSize, FunctionName, InvocationId, Outcome, OutcomeStatus,
    TenantName,
};
use serde::{Deserialize, Serialize};

use crate::Error;

/// An attempt that has ended: a record of the ledger.
#[derive(Debug, Clone, PartialEq)]
pub struct LedgerEntry<'a> {
    /// The invocation.
    pub invocation: InvocationId,
    /// Which attempt of it, from 1.
    pub attempt: u32,
    /// The app.
    pub app: &'a AppKey,
    /// The function.
    pub function: &'a FunctionName,
    /// Who called, where a credential said so.
    pub caller: Option<&'a str>,
    /// When it began, in UTC microseconds since 1970.
    pub started_us: i64,
    /// Most memory that it was allowed.
    pub memory: ByteSize,
    /// What it came to.
    pub outcome: &'a Outcome,
    /// What was recorded of it already, when its answer ended before it did.
    pub before: Option<&'a Outcome>,
}

impl LedgerEntry<'_> {
    /// What it adds to the sums.
    pub fn sums(&self) -> Sums {
        let sums = Sums::of(self.outcome, self.memory);
        let Some(before) = self.before else { return sums };
        let before = Sums::of(before, self.memory).to_array();
        let all = sums.to_array();
        Sums::from_array(std::array::from_fn(|i| all[i].saturating_sub(before[i])))
    }
}

/// Takes records of attempts.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Takes a record. When this returns, the record outlives the process; it outlives a loss of power a
    /// tenth of a second later. It waits for no disk.
    fn append(&self, entry: &LedgerEntry<'_>);
    /// Waits until all that was appended is on disk and part of the sums.
    async fn flush(&self) -> Result<(), Error>;
    /// How many records were lost because there was no room for them.
    fn lost(&self) -> u64;
}

/// What attempts came to, added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// Attempts.
    pub attempts: u64,
    /// Attempts that failed by the function's own fault.
    pub function_faults: u64,
    /// Attempts that the platform failed.
    pub platform_faults: u64,
    /// Attempts that ended because of their caller: it left, or sent what could not be taken.
    pub caller_faults: u64,
    /// Attempts for which an instance had to be started.
    pub cold: u64,
    /// Milliseconds that are billed, each attempt rounded up. What the platform failed costs nothing.
    pub billed_ms: u64,
    /// The same, each attempt's times its memory limit in MB of 2^20 bytes.
    pub mb_ms: u64,
    /// Processor time, in microseconds.
    pub cpu_us: u64,
    /// Time to make environments, in microseconds; not billed.
    pub init_us: u64,
    /// Bytes of requests' bodies and of events.
    pub bytes_in: u64,
    /// Bytes of answers' bodies.
    pub bytes_out: u64,
    /// Of the processor time, what is estimated: it was of processes that ran several requests at once.
    pub estimated_cpu_us: u64,
}

impl Sums {
    /// How many numbers there are.
    pub const COUNT: usize = 12;

    /// One attempt of a function with this memory limit.
    pub fn of(outcome: &Outcome, memory: ByteSize) -> Self {
        let blame = match outcome.status {
            OutcomeStatus::Ok => None,
            OutcomeStatus::Cancelled => Some(Blame::Caller),
            OutcomeStatus::Fault(code) => Some(code.blame()),
        };
        let is = |who| u64::from(blame == Some(who));
        let billed_ms = if blame == Some(Blame::Platform) { 0 } else { outcome.billed_ms() };
        Self {
            attempts: 1,
            function_faults: is(Blame::Function),
            platform_faults: is(Blame::Platform),
            caller_faults: is(Blame::Caller),
            cold: u64::from(outcome.cold),
            billed_ms,
            mb_ms: billed_ms.saturating_mul(memory.as_bytes().div_ceil(1 << 20)),
            cpu_us: outcome.cpu_us,
            init_us: outcome.init_us,
            bytes_in: outcome.bytes_in,
            bytes_out: outcome.bytes_out,
            estimated_cpu_us: if outcome.cpu_estimated { outcome.cpu_us } else { 0 },
        }
    }

    /// Attempts that cost something: the platform's own failures do not.
    pub fn billed_attempts(&self) -> u64 {
        self.attempts.saturating_sub(self.platform_faults)
    }

    /// GB-seconds: billed time times memory limit; a GB is 2^30 bytes.
    pub fn gb_seconds(&self) -> f64 {
        self.mb_ms as f64 / (1024.0 * 1000.0)
    }

    /// The numbers in the order of the fields, for stores that keep columns.
    pub fn to_array(self) -> [u64; Self::COUNT] {
        [
            self.attempts,
            self.function_faults,
            self.platform_faults,
            self.caller_faults,
            self.cold,
            self.billed_ms,
            self.mb_ms,
            self.cpu_us,
            self.init_us,
            self.bytes_in,
            self.bytes_out,
            self.estimated_cpu_us,
        ]
    }

    /// The sums of such numbers.
    pub fn from_array(numbers: [u64; Self::COUNT]) -> Self {
        let [attempts, function_faults, platform_faults, caller_faults, cold, ..] = numbers;
        let [.., billed_ms, mb_ms, cpu_us, init_us, bytes_in, bytes_out, estimated_cpu_us] =
            numbers;
        Self {
            attempts,
            function_faults,
            platform_faults,
            caller_faults,
            cold,
            billed_ms,
            mb_ms,
            cpu_us,
            init_us,
            bytes_in,
            bytes_out,
            estimated_cpu_us,
        }
    }
}

impl AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        let (mut numbers, others) = (self.to_array(), other.to_array());
        for (number, other) in numbers.iter_mut().zip(others) {
            *number = number.saturating_add(other);
        }
        *self = Self::from_array(numbers);
    }
}

/// A length of time that sums are kept for. All of them are of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Span {
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// 24 hours.
    Day,
}

impl Span {
    /// Every span, the shortest first.
    pub const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    /// Its length in microseconds.
    pub const fn micros(self) -> i64 {
        match self {
            Self::Minute => 60_000_000,
            Self::Hour => 3_600_000_000,
            Self::Day => 86_400_000_000,
        }
    }

    /// When the one that holds this time began; both in UTC microseconds since 1970.
    pub const fn start(self, time_us: i64) -> i64 {
        time_us - time_us.rem_euclid(self.micros())
    }

    /// When the first one that begins at this time or later begins.
    pub const fn start_after(self, time_us: i64) -> i64 {
        self.start(time_us.saturating_add(self.micros() - 1))
    }
}

/// Whose sums they are.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Payer {
    /// The app.
    pub app: AppKey,
    /// The function.
    pub function: FunctionName,
    /// Who called; nobody that is known is an empty text.
    pub caller: String,
}

/// What a node's journal holds between two positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roll {
    /// The journal.
    pub source: String,
    /// From here on: what earlier rolls led to.
    pub from: u64,
    /// Up to here.
    pub to: u64,
    /// The sums, each with the minute in which its attempts began, in UTC microseconds since 1970.
    pub sums: Vec<(i64, Payer, Sums)>,
}

/// Which sums to add up, and by what to tell them apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageQuery {
    /// The tenant.
    pub tenant: TenantName,
    /// One app, or all.
    pub app: Option<AppName>,
    /// One function, or all.
    pub function: Option<FunctionName>,
    /// Attempts that began at this time or later, in UTC microseconds since 1970, rounded down to a minute.
    pub from_us: i64,
    /// Attempts that began before this, rounded up to a minute.
    pub until_us: i64,
    /// Rows by what.
    pub by: UsageBy,
}

/// What rows of usage are told apart by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UsageBy {
    /// Their time.
    pub time: Option<Span>,
    /// Their app.
    pub app: bool,
    /// Their function, with its app.
    pub function: bool,
    /// Their caller.
    pub caller: bool,
}

/// A row of usage. What it is not told apart by is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// When its span begins, in UTC microseconds since 1970.
    pub start_us: Option<i64>,
    /// The app.
    pub app: Option<AppName>,
    /// The function.
    pub function: Option<FunctionName>,
    /// The caller; an empty text where none was known.
    pub caller: Option<String>,
    /// The sums.
    pub sums: Sums,
}

/// Keeps sums of what attempts came to, for good. What a method did is durable when it returns.
#[async_trait]
pub trait UsageStore: Send + Sync {
    /// Adds what a journal holds between two positions, in one step, where `from` is the position that it is
    /// at. Answers the position that it is at then: one that was told twice is counted once.
    async fn roll(&self, roll: Roll) -> Result<u64, Error>;
    /// The position of a journal up to which it was added; 0 at first.
    async fn rolled(&self, source: &str) -> Result<u64, Error>;
    /// Sums of a tenant, in the order of time, app, function and caller. Without attempts there is no row.
    async fn usage(&self, query: &UsageQuery) -> Result<Vec<UsageRow>, Error>;
    /// Sums by function, of all tenants, of attempts that began at `from_us` or later, in UTC microseconds
    /// since 1970 rounded down to a minute.
    async fn totals(&self, from_us: i64) -> Result<Vec<(AppKey, FunctionName, Sums)>, Error>;
}

/// The pieces, of the longest spans, that lie between two times: what a store reads to add up exactly that.
/// No piece has spans longer than `longest`.
pub fn pieces(from_us: i64, until_us: i64, longest: Span) -> Vec<(Span, i64, i64)> {
    fn cut(from_us: i64, until_us: i64, spans: &[Span], into: &mut Vec<(Span, i64, i64)>) {
        let Some((span, shorter)) = spans.split_last() else { return };
        let (first_us, last_us) = (span.start_after(from_us), span.start(until_us));
        if first_us >= last_us {
            return cut(from_us, until_us, shorter, into);
        }
        cut(from_us, first_us, shorter, into);
        into.push((*span, first_us, last_us));
        cut(last_us, until_us, shorter, into);
    }
    let minute = Span::Minute;
    let spans = Span::ALL.map(|span| span).into_iter().filter(|span| *span <= longest);
    let mut pieces = Vec::new();
    let (from_us, until_us) = (minute.start(from_us), minute.start_after(until_us));
    if from_us < until_us {
        cut(from_us, until_us, &spans.collect::<Vec<_>>(), &mut pieces);
    }
    pieces
}

#[cfg(test)]
mod tests {
    use mayfly_types::FaultCode;

    use super::*;

    #[test]
    fn an_attempt_is_billed_by_the_limit_and_not_when_the_platform_failed() {
        let outcome = Outcome {
            wall_us: 1_500,
            cpu_us: 900,
            cold: true,
            ..Outcome::nothing(OutcomeStatus::Ok)
        };
        let sums = Sums::of(&outcome, ByteSize::mb(256));
        assert_eq!((sums.attempts, sums.billed_ms, sums.mb_ms), (1, 2, 512));
        assert_eq!((sums.cpu_us, sums.cold), (900, 1));
        assert!((sums.gb_seconds() - 0.0005).abs() < 1e-12);
        let with = |status| Sums::of(&Outcome { status, ..outcome.clone() }, ByteSize::mb(1));
        let broken = with(OutcomeStatus::Fault(FaultCode::Internal));
        assert_eq!((broken.platform_faults, broken.billed_ms, broken.mb_ms), (1, 0, 0));
        assert_eq!((broken.attempts, broken.billed_attempts()), (1, 0));
        let threw = with(OutcomeStatus::Fault(FaultCode::FunctionError));
        assert_eq!((threw.function_faults, threw.billed_ms), (1, 2));
        assert_eq!(with(OutcomeStatus::Cancelled).caller_faults, 1);
    }

    #[test]
    fn sums_add_each_of_their_numbers() {
        let numbers = std::array::from_fn(|i| 10_u64.pow(i as u32));
        let mut sums = Sums::from_array(numbers);
        assert_eq!(sums.to_array(), numbers);
        sums += sums;
        assert_eq!(sums.to_array(), numbers.map(|number| 2 * number));
        sums += Sums { mb_ms: u64::MAX, ..Sums::default() };
        assert_eq!(sums.mb_ms, u64::MAX);
    }

    #[test]
    fn a_span_of_time_is_cut_into_the_longest_pieces_without_gap_or_overlap() {
        let (minute, hour, day) = (Span::Minute.micros(), Span::Hour.micros(), Span::Day.micros());
        let (from, until) = (day + hour - minute + 7, 4 * day + 2 * hour + 3 * minute - 7);
        let found = pieces(from, until, Span::Day);
        assert_eq!(
            found,
            [
                (Span::Minute, day + hour - minute, day + hour),
                (Span::Hour, day + hour, 2 * day),
                (Span::Day, 2 * day, 4 * day),
                (Span::Hour, 4 * day, 4 * day + 2 * hour),
                (Span::Minute, 4 * day + 2 * hour, 4 * day + 2 * hour + 3 * minute),
            ]
        );
        let whole = pieces(from, until, Span::Minute);
        assert_eq!(whole, [(Span::Minute, found[0].1, found[4].2)]);
        assert_eq!(pieces(10 * minute, 10 * minute, Span::Day), []);
        assert_eq!(pieces(until, from, Span::Day), []);
    }
}

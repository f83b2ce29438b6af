//! What every [`UsageStore`] must do, one that also keeps invocations.

use mayfly_types::{
    AppKey, ByteSize, Fault, FaultCode, InvocationId, Outcome, OutcomeStatus, TenantName,
};

use super::queue::TestClock;
use super::{app, function, unused_tenant};
use crate::{
    Accepted, AttemptRecord, Completion, InvocationQueue, NewInvocation, Payer, Roll, Span, Sums,
    Then, UsageBy, UsageQuery, UsageRow, UsageStore,
};

/// One test per behaviour: `usage_suite!(open)`, where `open` is an async function that answers a pointer to
/// a fresh store and the clock that it was given.
#[macro_export]
macro_rules! usage_suite {
    (@list $($how:tt)*) => {
        $crate::usage_suite! { @run $($how)*;
            sums_are_added_by_minute_hour_and_day
            a_roll_that_is_told_twice_is_counted_once
            a_roll_that_begins_elsewhere_adds_nothing
            rows_are_told_apart_by_what_was_asked
            any_span_of_time_is_added_up_exactly
            tenants_do_not_see_each_others_usage
            a_number_that_makes_no_sense_keeps_no_other_from_being_counted
            an_attempt_of_an_event_is_counted_with_its_end
            usage_stays_when_an_app_is_deleted
            totals_are_of_all_tenants_by_function
        }
    };
    (@run tests $open:path; $($name:ident)*) => {$(
        #[::tokio::test]
        async fn $name() {
            let (store, clock) = $open().await;
            $crate::suite::usage::$name(&*store, &clock).await;
        }
    )*};
    (@run all $store:ident $clock:ident; $($name:ident)*) => {$(
        ::std::boxed::Box::pin($crate::suite::usage::$name($store, $clock)).await;
    )*};
    ($open:path) => { $crate::usage_suite! { @list tests $open } };
}

/// Every behaviour on one store.
pub async fn all<S: UsageStore + InvocationQueue>(store: &S, clock: &TestClock) {
    usage_suite! { @list all store clock }
}

/// Noon of a day.
const NOON_US: i64 = 1_700_049_600_000_000;
const MINUTE_US: i64 = Span::Minute.micros();
const HOUR_US: i64 = Span::Hour.micros();
const DAY_US: i64 = Span::Day.micros();

fn sums(attempts: u64) -> Sums {
    Sums::from_array(std::array::from_fn(|i| attempts * (i as u64 + 1)))
}

fn payer(app: &AppKey, name: &str, caller: &str) -> Payer {
    Payer { app: app.clone(), function: function(name), caller: caller.to_owned() }
}

/// Tells a store what a journal of its own holds.
struct Journal {
    source: String,
    at: u64,
}

impl Journal {
    fn new() -> Self {
        Self { source: InvocationId::new().to_string(), at: 0 }
    }

    async fn roll<S: UsageStore>(&mut self, store: &S, sums: Vec<(i64, Payer, Sums)>) {
        let (from, to) = (self.at, self.at + 100);
        let roll = Roll { source: self.source.clone(), from, to, sums };
        assert_eq!(store.roll(roll).await, Ok(to));
        self.at = to;
    }
}

fn whole(tenant: &TenantName, by: UsageBy) -> UsageQuery {
    let (from_us, until_us) = (NOON_US - 100 * DAY_US, NOON_US + 100 * DAY_US);
    UsageQuery { tenant: tenant.clone(), app: None, function: None, from_us, until_us, by }
}

async fn total<S: UsageStore>(store: &S, query: &UsageQuery) -> Sums {
    let rows = store.usage(query).await.unwrap();
    assert!(rows.len() <= 1, "{rows:?}");
    rows.first().map_or(Sums::default(), |row| row.sums)
}

fn by_time(span: Span) -> UsageBy {
    UsageBy { time: Some(span), ..UsageBy::default() }
}

/// Also where a journal tells of the same minute more than once.
pub async fn sums_are_added_by_minute_hour_and_day<S>(store: &S, _clock: &TestClock)
where
    S: UsageStore + InvocationQueue,
{
    let app = app(&unused_tenant(), "photos");
    let mut journal = Journal::new();
    let at = |after_us: i64, attempts| (NOON_US + after_us, payer(&app, "a", ""), sums(attempts));
    let first = vec![at(0, 1), at(MINUTE_US, 2), at(HOUR_US, 4), at(DAY_US, 8)];
    journal.roll(store, first).await;
    journal.roll(store, vec![at(0, 16)]).await;
    let starts = async |span: Span| {
        let rows = store.usage(&whole(&app.tenant, by_time(span))).await.unwrap();
        let told = rows.iter().map(|row| (row.start_us.unwrap() - NOON_US, row.sums.attempts));
        told.collect::<Vec<_>>()
    };
    assert_eq!(starts(Span::Minute).await, [(0, 17), (MINUTE_US, 2), (HOUR_US, 4), (DAY_US, 8)]);
    assert_eq!(starts(Span::Hour).await, [(0, 19), (HOUR_US, 4), (DAY_US, 8)]);
    assert_eq!(starts(Span::Day).await, [(-DAY_US / 2, 23), (DAY_US / 2, 8)]);
    assert_eq!(total(store, &whole(&app.tenant, UsageBy::default())).await, sums(31));
}

/// A roll whose answer was lost is repeated.
pub async fn a_roll_that_is_told_twice_is_counted_once<S>(store: &S, _clock: &TestClock)
where
    S: UsageStore + InvocationQueue,
{
    let app = app(&unused_tenant(), "photos");
    let source = InvocationId::new().to_string();
    assert_eq!(store.rolled(&source).await, Ok(0));
    let row = vec![(NOON_US, payer(&app, "a", ""), sums(3))];
    let roll = Roll { source: source.clone(), from: 0, to: 70, sums: row };
    for _ in 0..2 {
        assert_eq!(store.roll(roll.clone()).await, Ok(70));
    }
    assert_eq!(store.rolled(&source).await, Ok(70));
    assert_eq!(total(store, &whole(&app.tenant, UsageBy::default())).await, sums(3));
}

/// It answers where it should have begun.
pub async fn a_roll_that_begins_elsewhere_adds_nothing<S>(store: &S, _clock: &TestClock)
where
    S: UsageStore + InvocationQueue,
{
    let app = app(&unused_tenant(), "photos");
    let mut journal = Journal::new();
    let row = || vec![(NOON_US, payer(&app, "a", ""), sums(1))];
    journal.roll(store, row()).await;
    for from in [0, 50, 150] {
        let roll = Roll { source: journal.source.clone(), from, to: from + 100, sums: row() };
        assert_eq!(store.roll(roll).await, Ok(100), "{from}");
    }
    assert_eq!(total(store, &whole(&app.tenant, UsageBy::default())).await, sums(1));
}

/// And come in the order of time, app, function and caller.
pub async fn rows_are_told_apart_by_what_was_asked<S>(store: &S, _clock: &TestClock)
where
    S: UsageStore + InvocationQueue,
{
    let tenant = unused_tenant();
    let (one, other) = (app(&tenant, "one"), app(&tenant, "other"));
    let mut journal = Journal::new();
    let rows = vec![
        (NOON_US, payer(&other, "a", "laptop"), sums(1)),
        (NOON_US, payer(&one, "b", ""), sums(2)),
        (NOON_US + HOUR_US, payer(&one, "a", "laptop"), sums(4)),
        (NOON_US, payer(&one, "a", ""), sums(8)),
    ];
    journal.roll(store, rows).await;
    let told = async |query: &UsageQuery| {
        let rows = store.usage(query).await.unwrap();
        let told = rows.into_iter().map(|UsageRow { start_us, app, function, caller, sums }| {
            let start = start_us.map(|start_us| (start_us - NOON_US) / HOUR_US);
            let words = [app.map(String::from), function.map(String::from), caller];
            let words: Vec<_> = words.into_iter().flatten().collect();
            (start, words.join(" "), sums.attempts)
        });
        told.collect::<Vec<_>>()
    };
    let row = |start, words: &str, attempts| (start, words.to_owned(), attempts);
    let nothing = UsageBy::default();
    let by = |by| whole(&tenant, by);
    let query = by(UsageBy { app: true, ..nothing });
    assert_eq!(told(&query).await, [row(None, "one", 14), row(None, "other", 1)]);
    let query = by(UsageBy { function: true, ..nothing });
    let functions = [row(None, "one a", 12), row(None, "one b", 2), row(None, "other a", 1)];
    assert_eq!(told(&query).await, functions);
    let query = by(UsageBy { caller: true, ..nothing });
    assert_eq!(told(&query).await, [row(None, "", 10), row(None, "laptop", 5)]);
    let query = by(UsageBy { time: Some(Span::Hour), app: true, ..nothing });
    let hours = [row(Some(0), "one", 10), row(Some(0), "other", 1), row(Some(1), "one", 4)];
    assert_eq!(told(&query).await, hours);
    let query = UsageQuery { app: Some(one.app.clone()), ..by(nothing) };
    assert_eq!(told(&query).await, [row(None, "", 14)]);
    let query = UsageQuery { function: Some(function("a")), ..query };
    assert_eq!(told(&query).await, [row(None, "", 12)]);
}

/// Beginning and end are minutes, and spans of every length between them are read.
pub async fn any_span_of_time_is_added_up_exactly<S>(store: &S, _clock: &TestClock)
where
    S: UsageStore + InvocationQueue,
{
    let app = app(&unused_tenant(), "photos");
    let mut journal = Journal::new();
    let minutes = (0..300_i64).map(|i| NOON_US + i * 37 * MINUTE_US);
    let rows = minutes.clone().map(|at_us| (at_us, payer(&app, "a", ""), sums(1)));
    journal.roll(store, rows.collect()).await;
    for (from, until) in [(0, 1), (0, 60), (59, 1_441), (1, 6_000), (2_880, 4_320), (-9, 90_000)] {
        let (from_us, until_us) = (NOON_US + from * MINUTE_US, NOON_US + until * MINUTE_US);
        let expected = minutes.clone().filter(|at_us| (from_us..until_us).contains(at_us)).count();
        for by in [UsageBy::default(), by_time(Span::Hour)] {
            let query = UsageQuery { from_us, until_us, ..whole(&app.tenant, by) };
            let rows = store.usage(&query).await.unwrap();
            let found: u64 = rows.iter().map(|row| row.sums.attempts).sum();
            assert_eq!(found, expected as u64, "{from} to {until}");
        }
    }
}

/// Though their apps have the same names.
pub async fn tenants_do_not_see_each_others_usage<S>(store: &S, _clock: &TestClock)
where
    S: UsageStore + InvocationQueue,
{
    let apps = [app(&unused_tenant(), "photos"), app(&unused_tenant(), "photos")];
    let mut journal = Journal::new();
    for (app, attempts) in apps.iter().zip([1, 2]) {
        journal.roll(store, vec![(NOON_US, payer(app, "a", "c"), sums(attempts))]).await;
    }
    for (app, attempts) in apps.iter().zip([1, 2]) {
        let all = UsageBy { time: Some(Span::Day), app: true, function: true, caller: true };
        assert_eq!(total(store, &whole(&app.tenant, all)).await, sums(attempts));
    }
    let nobody = whole(&unused_tenant(), UsageBy::default());
    assert_eq!(store.usage(&nobody).await, Ok(Vec::new()));
}

/// However often it comes.
pub async fn a_number_that_makes_no_sense_keeps_no_other_from_being_counted<S>(
    store: &S,
    _clock: &TestClock,
) where
    S: UsageStore + InvocationQueue,
{
    let app = app(&unused_tenant(), "photos");
    let mut journal = Journal::new();
    let absurd = Sums { attempts: 1, cpu_us: u64::MAX, ..Sums::default() };
    for minute in 0..10 {
        let row = (NOON_US + minute % 3 * MINUTE_US, payer(&app, "a", ""), absurd);
        journal.roll(store, vec![row.clone(), row]).await;
    }
    for by in [UsageBy::default(), by_time(Span::Minute)] {
        let rows = store.usage(&whole(&app.tenant, by)).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.sums.attempts).sum::<u64>(), 20);
        assert!(rows.iter().all(|row| row.sums.cpu_us > 1 << 60));
    }
    assert!(store.totals(NOON_US).await.is_ok());
}

/// Once, however often its end is told, and for whoever sent it.
pub async fn an_attempt_of_an_event_is_counted_with_its_end<S>(store: &S, clock: &TestClock)
where
    S: UsageStore + InvocationQueue,
{
    let app = app(&unused_tenant(), "photos");
    let new = NewInvocation {
        id: InvocationId::new(),
        app: app.clone(),
        function: function("thumb"),
        kind: "invoke".into(),
        payload: b"{}".into(),
        due_us: 0,
        max_age_us: HOUR_US,
        caller: Some("laptop".into()),
        key: None,
    };
    assert!(matches!(store.accept(new).await, Ok(Accepted::Queued { .. })));
    let began_us = clock.now_us();
    let mut ended = Sums::default();
    for fault in [Some(Fault::new(FaultCode::FunctionError, "it threw")), None] {
        let (mut leases, _) = store.lease(&app, &function("thumb"), 1, HOUR_US).await.unwrap();
        let lease = leases.pop().unwrap();
        assert_eq!(lease.caller.as_deref(), Some("laptop"));
        let status =
            fault.as_ref().map_or(OutcomeStatus::Ok, |fault| OutcomeStatus::Fault(fault.code));
        let outcome = Outcome { wall_us: 1_500, bytes_in: 2, ..Outcome::nothing(status) };
        ended += Sums::of(&outcome, ByteSize::mb(256));
        let attempt = AttemptRecord {
            number: lease.attempt,
            revision: None,
            memory: Some(ByteSize::mb(256)),
            started_us: clock.now_us(),
            outcome,
            fault: fault.clone(),
        };
        let then = match fault {
            Some(_) => Then::Retry { due_us: clock.now_us(), counts: true },
            None => Then::Succeeded { result: None, keep_us: HOUR_US, send: None },
        };
        let (id, fence) = (lease.id, lease.fence);
        let completion = Completion { id, fence, attempt: Some(attempt), then };
        for _ in 0..2 {
            store.complete(completion.clone()).await.unwrap();
        }
        clock.advance(HOUR_US);
    }
    let by = UsageBy { caller: true, function: true, ..UsageBy::default() };
    let query = UsageQuery { from_us: 0, until_us: clock.now_us(), ..whole(&app.tenant, by) };
    let rows = store.usage(&query).await.unwrap();
    let expected = UsageRow {
        start_us: None,
        app: Some(app.app.clone()),
        function: Some(function("thumb")),
        caller: Some("laptop".into()),
        sums: ended,
    };
    assert_eq!(rows, [expected]);
    // Each counts in the minute in which it began.
    let until_us = Span::Minute.start_after(began_us + 1);
    let first = UsageQuery { until_us, by: UsageBy::default(), ..query };
    assert_eq!(total(store, &first).await.function_faults, 1);
    assert_eq!(total(store, &first).await.attempts, 1);
}

/// What ran is owed.
pub async fn usage_stays_when_an_app_is_deleted<S>(store: &S, _clock: &TestClock)
where
    S: UsageStore + InvocationQueue,
{
    let app = app(&unused_tenant(), "photos");
    Journal::new().roll(store, vec![(NOON_US, payer(&app, "a", ""), sums(1))]).await;
    store.delete_app(&app).await.unwrap();
    assert_eq!(total(store, &whole(&app.tenant, UsageBy::default())).await, sums(1));
}

/// From a time on.
pub async fn totals_are_of_all_tenants_by_function<S>(store: &S, _clock: &TestClock)
where
    S: UsageStore + InvocationQueue,
{
    let apps = [app(&unused_tenant(), "photos"), app(&unused_tenant(), "photos")];
    let mut journal = Journal::new();
    let mut rows = vec![(NOON_US - DAY_US, payer(&apps[0], "a", ""), sums(100))];
    for (app, attempts) in apps.iter().zip([1, 2]) {
        rows.push((NOON_US, payer(app, "a", ""), sums(attempts)));
        rows.push((NOON_US + 3 * HOUR_US, payer(app, "a", "laptop"), sums(10 * attempts)));
    }
    journal.roll(store, rows).await;
    let found = store.totals(NOON_US).await.unwrap();
    let found: Vec<_> = found.into_iter().filter(|(app, ..)| apps.contains(app)).collect();
    assert_eq!(found.len(), 2, "{found:?}");
    for (app, attempts) in apps.iter().zip([11, 22]) {
        assert!(found.contains(&(app.clone(), function("a"), sums(attempts))), "{found:?}");
    }
}

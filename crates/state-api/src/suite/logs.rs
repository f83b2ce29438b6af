//! What every [`LogStore`] must do.

use std::collections::BTreeSet;

use mayfly_types::{AppKey, InvocationId, LogLevel, TenantName};

use super::{Faulty, Plan, function, until_answered, unused_tenant};
use crate::{LogLine, LogQuery, LogStore};

/// One test per behaviour: `log_suite!(open)`, where `open` is an async function that answers a
/// pointer to a fresh store.
#[macro_export]
macro_rules! log_suite {
    (@list $($how:tt)*) => {
        $crate::log_suite! { @run $($how)*;
            lines_read_back_whole_and_in_order
            a_query_sees_every_line_taken_before_it
            the_newest_lines_come_without_a_position
            the_next_lines_come_after_a_position
            a_follower_gets_every_line_once
            a_query_narrows_by_function_invocation_and_time
            a_query_narrows_by_level_and_text
            apps_do_not_see_each_others_lines
            the_position_rises_when_lines_can_be_read
            a_position_from_the_future_leads_back_to_the_present
            a_flush_waits_for_every_line
            a_long_line_is_cut_and_says_so
            a_deleted_apps_lines_are_gone
            a_limit_of_nothing_reads_nothing
            queries_survive_faults
        }
    };
    (@run tests $open:path; $($name:ident)*) => {$(
        #[::tokio::test]
        async fn $name() {
            let store = $open().await;
            $crate::suite::logs::$name(&*store).await;
        }
    )*};
    (@run all $store:ident; $($name:ident)*) => {$(
        ::std::boxed::Box::pin($crate::suite::logs::$name($store)).await;
    )*};
    ($open:path) => { $crate::log_suite! { @list tests $open } };
}

/// Every behaviour on one store.
pub async fn all(store: &dyn LogStore) {
    log_suite! { @list all store }
}

fn app() -> AppKey {
    super::app(&unused_tenant(), "photos")
}

fn line(app: &AppKey, message: &str) -> LogLine {
    LogLine {
        time_us: 1_700_000_000_000_000,
        app: app.clone(),
        function: function("thumb"),
        invocation: None,
        level: "info".into(),
        message: message.into(),
    }
}

fn query(app: &AppKey, limit: usize) -> LogQuery {
    let app = app.clone();
    LogQuery::newest(app, limit)
}

fn append(store: &dyn LogStore, app: &AppKey, numbers: std::ops::Range<usize>) {
    for number in numbers {
        store.append(line(app, &number.to_string()));
    }
}

async fn messages(store: &dyn LogStore, query: LogQuery) -> Vec<String> {
    let (lines, _) = store.query(query).await.unwrap();
    lines.into_iter().map(|line| line.message).collect()
}

/// With every field, line breaks and any text.
pub async fn lines_read_back_whole_and_in_order(store: &dyn LogStore) {
    let app = app();
    let lines =
        ["one", "", "two\nlines\n", "\"quoted\" \\ \u{0} \u{1f41f} ü"].map(|message| LogLine {
            invocation: Some(InvocationId::new()),
            level: "error".into(),
            ..line(&app, message)
        });
    for line in &lines {
        store.append(line.clone());
    }
    assert_eq!(store.query(query(&app, 10)).await.unwrap().0, lines);
}

/// Without a flush.
pub async fn a_query_sees_every_line_taken_before_it(store: &dyn LogStore) {
    let app = app();
    for count in 1..50 {
        store.append(line(&app, "x"));
        assert_eq!(messages(store, query(&app, 100)).await.len(), count);
    }
}

/// At most `limit`, the oldest of them first.
pub async fn the_newest_lines_come_without_a_position(store: &dyn LogStore) {
    let app = app();
    append(store, &app, 0..100);
    assert_eq!(messages(store, query(&app, 3)).await, ["97", "98", "99"]);
    assert_eq!(messages(store, query(&app, 1000)).await.len(), 100);
}

/// At most `limit`, none left out.
pub async fn the_next_lines_come_after_a_position(store: &dyn LogStore) {
    let app = app();
    append(store, &app, 0..1);
    let (_, start) = store.query(query(&app, 10)).await.unwrap();
    append(store, &app, 1..10);
    let next = |after, limit| LogQuery { after: Some(after), ..query(&app, limit) };
    let (lines, position) = store.query(next(start, 3)).await.unwrap();
    assert_eq!(lines.iter().map(|line| &line.message).collect::<Vec<_>>(), ["1", "2", "3"]);
    assert_eq!(messages(store, next(position, 3)).await, ["4", "5", "6"]);
    let (lines, end) = store.query(next(position, 100)).await.unwrap();
    assert_eq!(lines.len(), 6);
    assert_eq!(store.query(next(end, 100)).await.unwrap(), (vec![], end));
}

/// Whatever the size of its steps, and while other functions and apps write.
pub async fn a_follower_gets_every_line_once(store: &dyn LogStore) {
    let (app, noise) = (app(), app());
    let (_, mut after) = store.query(query(&app, 0)).await.unwrap();
    let mut got = Vec::new();
    for round in 0..20 {
        for number in round * 10..round * 10 + 10 {
            let name = if number % 3 == 0 { "a" } else { "b" };
            let line = line(&app, &number.to_string());
            store.append(LogLine { function: function(name), ..line });
            append(store, &noise, 0..2);
        }
        let step = LogQuery { after: Some(after), ..query(&app, 1 + round % 13) };
        let (lines, position) = store.query(step).await.unwrap();
        assert!(position >= after);
        after = position;
        got.extend(lines);
    }
    let rest = LogQuery { after: Some(after), ..query(&app, 1000) };
    got.extend(store.query(rest).await.unwrap().0);
    let got: Vec<_> = got.into_iter().map(|line| line.message).collect();
    assert_eq!(got, (0..200).map(|number: usize| number.to_string()).collect::<Vec<_>>());
}

/// All of them at once, too.
pub async fn a_query_narrows_by_function_invocation_and_time(store: &dyn LogStore) {
    let app = app();
    let ids = [InvocationId::new(), InvocationId::new()];
    for number in 0..40_u32 {
        store.append(LogLine {
            time_us: number.into(),
            function: function(if number % 2 == 0 { "even" } else { "odd" }),
            invocation: Some(ids[usize::from(number % 4 < 2)]),
            ..line(&app, &number.to_string())
        });
    }
    let even = LogQuery { function: Some(function("even")), ..query(&app, 100) };
    assert_eq!(messages(store, even.clone()).await.len(), 20);
    let first = LogQuery { invocation: Some(ids[1]), ..even };
    assert_eq!(messages(store, first.clone()).await.len(), 10);
    let late = LogQuery { since_us: Some(32), ..first.clone() };
    assert_eq!(messages(store, late).await, ["32", "36"]);
    let newest = LogQuery { limit: 1, ..first.clone() };
    assert_eq!(messages(store, newest).await, ["36"]);
    let other = LogQuery { invocation: Some(InvocationId::new()), ..first };
    assert!(messages(store, other).await.is_empty());
}

/// And by an end.
pub async fn a_query_narrows_by_level_and_text(store: &dyn LogStore) {
    let app = app();
    for (i, level) in ["debug", "info", "warn", "error", "loud"].into_iter().enumerate() {
        let message = format!("{{\"event\":\"Order {i} failed\"}} ü");
        let (time_us, level) = (i as i64, level.to_owned());
        store.append(LogLine { time_us, level, ..line(&app, &message) });
    }
    let found = async |narrow: &dyn Fn(&mut LogQuery)| {
        let mut query = query(&app, 100);
        narrow(&mut query);
        let found = messages(store, query).await;
        found.iter().map(|message| message[16..17].to_owned()).collect::<Vec<_>>().concat()
    };
    // A level that nobody knows is not hidden.
    assert_eq!(found(&|query| query.level = Some(LogLevel::Warn)).await, "234");
    assert_eq!(found(&|query| query.level = Some(LogLevel::Debug)).await, "01234");
    assert_eq!(found(&|query| query.text = Some("order 3 FAIL".into())).await, "3");
    assert_eq!(found(&|query| query.text = Some("} ü".into())).await, "01234");
    assert_eq!(found(&|query| query.text = Some("order 9".into())).await, "");
    assert_eq!(found(&|query| query.until_us = Some(2)).await, "01");
    let both = |query: &mut LogQuery| {
        (query.level, query.text) = (Some(LogLevel::Info), Some("order".into()));
        (query.since_us, query.until_us) = (Some(2), Some(4));
    };
    assert_eq!(found(&both).await, "23");
}

/// Of one tenant or of two.
pub async fn apps_do_not_see_each_others_lines(store: &dyn LogStore) {
    let tenant: TenantName = unused_tenant();
    let apps = [super::app(&tenant, "a"), super::app(&tenant, "b"), app()];
    for app in &apps {
        store.append(line(app, &app.to_string()));
    }
    for app in &apps {
        assert_eq!(messages(store, query(app, 10)).await, [app.to_string()]);
    }
}

/// Whoever waits for it finds lines.
pub async fn the_position_rises_when_lines_can_be_read(store: &dyn LogStore) {
    let app = app();
    let (_, before) = store.query(query(&app, 1)).await.unwrap();
    let mut position = store.position();
    append(store, &app, 0..1);
    position.wait_for(|position| *position > before).await.unwrap();
    let next = LogQuery { after: Some(before), ..query(&app, 1) };
    assert_eq!(messages(store, next).await, ["0"]);
}

/// Logs were deleted while somebody followed them.
pub async fn a_position_from_the_future_leads_back_to_the_present(store: &dyn LogStore) {
    let app = app();
    append(store, &app, 0..1);
    let future = LogQuery { after: Some(u64::MAX), ..query(&app, 10) };
    let (lines, present) = store.query(future).await.unwrap();
    assert!(lines.is_empty());
    append(store, &app, 1..2);
    let next = LogQuery { after: Some(present), ..query(&app, 10) };
    assert_eq!(messages(store, next).await, ["1"]);
}

/// Also where there is none.
pub async fn a_flush_waits_for_every_line(store: &dyn LogStore) {
    let app = app();
    store.flush().await.unwrap();
    append(store, &app, 0..100);
    store.flush().await.unwrap();
    assert_eq!(messages(store, query(&app, 1000)).await.len(), 100);
}

/// Between characters; a line of 64 KB is not.
pub async fn a_long_line_is_cut_and_says_so(store: &dyn LogStore) {
    let app = app();
    let fits = "x".repeat(64 << 10);
    store.append(line(&app, &fits));
    store.append(line(&app, &format!("x{}", "ü".repeat(100_000))));
    let got = messages(store, query(&app, 2)).await;
    assert!(got[0] == fits);
    assert!(got[1].starts_with("xüü") && got[1].len() < (64 << 10) + 100);
    assert!(got[1].ends_with("[cut, 200001 bytes]"), "{}", &got[1][got[1].len() - 50..]);
}

/// No other's are; new ones can be written.
pub async fn a_deleted_apps_lines_are_gone(store: &dyn LogStore) {
    let (app, other) = (app(), app());
    append(store, &app, 0..10);
    append(store, &other, 0..10);
    store.delete_app(&app).await.unwrap();
    assert!(messages(store, query(&app, 100)).await.is_empty());
    assert_eq!(messages(store, query(&other, 100)).await.len(), 10);
    store.delete_app(&app).await.unwrap();
    append(store, &app, 10..11);
    assert_eq!(messages(store, query(&app, 100)).await, ["10"]);
}

/// With or without a position; it still tells where to go on.
pub async fn a_limit_of_nothing_reads_nothing(store: &dyn LogStore) {
    let app = app();
    append(store, &app, 0..5);
    let (lines, end) = store.query(query(&app, 0)).await.unwrap();
    assert!(lines.is_empty());
    append(store, &app, 5..6);
    let nothing = LogQuery { after: Some(end), ..query(&app, 0) };
    assert_eq!(store.query(nothing).await.unwrap(), (vec![], end));
    let next = LogQuery { after: Some(end), ..query(&app, 9) };
    assert_eq!(messages(store, next).await, ["5"]);
}

/// A follower that repeats what failed misses nothing.
pub async fn queries_survive_faults(store: &dyn LogStore) {
    let app = app();
    let faulty = Faulty::new(store, Plan::seeded(5));
    let (_, mut after) = until_answered(|| faulty.query(query(&app, 0))).await.unwrap();
    let mut got = BTreeSet::new();
    for number in 0..50_usize {
        append(&faulty, &app, number..number + 1);
        let next = LogQuery { after: Some(after), ..query(&app, 10) };
        let (lines, position) = until_answered(|| faulty.query(next.clone())).await.unwrap();
        after = position;
        got.extend(lines.into_iter().map(|line| line.message));
        until_answered(|| faulty.flush()).await.unwrap();
    }
    assert!(faulty.faults() > 10);
    assert_eq!(got.len(), 50);
}

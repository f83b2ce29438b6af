//! Sums that several nodes add to, each with connections of its own.

use std::time::Duration;

use futures_util::future::join_all;
use mayfly_state_api::suite::{app, function, unused_tenant};
use mayfly_state_api::{
    AttemptRecord, Completion, InvocationQueue, InvocationStatus, NewInvocation, Payer, Roll, Span,
    Sums, Then, UsageBy, UsageQuery, UsageStore,
};
use mayfly_state_cluster::Work;
use mayfly_types::{AppKey, ByteSize, InvocationId, Outcome, OutcomeStatus};

use crate::server::Server;
use crate::work_nodes::nodes;

const MINUTE_US: i64 = Span::Minute.micros();
const DAY_US: i64 = Span::Day.micros();
/// Noon of a day.
const NOON_US: i64 = 1_700_049_600_000_000;

fn payer(app: &AppKey, caller: &str) -> Payer {
    Payer { app: app.clone(), function: function("thumb"), caller: caller.to_owned() }
}

fn sums(attempts: u64) -> Sums {
    Sums::from_array(std::array::from_fn(|i| attempts * (i as u64 + 1)))
}

/// What an app came to, by each of the spans that it is kept for: all of them must say the same.
async fn total(node: &Work, app: &AppKey) -> Sums {
    let mut found = Vec::new();
    for span in Span::ALL {
        let query = UsageQuery {
            tenant: app.tenant.clone(),
            app: Some(app.app.clone()),
            function: None,
            from_us: 0,
            until_us: NOON_US + 100 * DAY_US,
            by: UsageBy { time: Some(span), ..UsageBy::default() },
        };
        let mut total = Sums::default();
        node.usage(&query).await.unwrap().iter().for_each(|row| total += row.sums);
        found.push(total);
    }
    assert!(found.iter().all(|of_one| *of_one == found[0]), "{found:?}");
    found[0]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_journal_that_many_add_up_at_once_is_counted_once() {
    let server = Server::shared();
    let (nodes, _clock) = nodes::<3>(&server, "one_journal").await;
    let app = app(&unused_tenant(), "photos");
    let mut expected = Sums::default();
    let mut from = 0;
    for round in 1..=20 {
        // Each has read a little more of it than the one before.
        let at_once = (0..9).map(|at: u64| {
            let row = (NOON_US, payer(&app, "laptop"), sums(round * 10 + at));
            let to = from + 100 + at;
            let roll = Roll { source: "node".into(), from, to, sums: vec![row] };
            nodes[at as usize % 3].roll(roll)
        });
        let answers = join_all(at_once).await;
        let to = *answers[0].as_ref().unwrap();
        assert!(answers.iter().all(|answer| *answer == Ok(to)), "{answers:?}");
        expected += sums(round * 10 + to - from - 100);
        assert_eq!(total(&nodes[0], &app).await, expected, "{answers:?}");
        assert_eq!(nodes[1].rolled("node").await, Ok(to));
        from = to;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn journals_with_the_same_payers_are_added_up_at_once() {
    const PAYERS: u64 = 120;
    // Its own, because it counts for all.
    let server = Server::start();
    let (nodes, _clock) = nodes::<3>(&server, "same_payers").await;
    let app = app(&unused_tenant(), "photos");
    let mut expected = Sums::default();
    for round in 0..5 {
        // New payers and known ones, in another order by each journal, as a map without order tells them.
        let at_once = (0..9_usize).map(|at| {
            let row = |i: u64| {
                let at_us = NOON_US + i as i64 % 3 * MINUTE_US;
                (at_us, payer(&app, &format!("caller-{}", round * 60 + i)), sums(i))
            };
            let mut rows: Vec<_> = (0..PAYERS).map(row).collect();
            rows.rotate_left(at * 13);
            if at % 2 == 0 {
                rows.reverse();
            }
            let (source, from) = (format!("node-{at}"), round * 100);
            nodes[at % 3].roll(Roll { source, from, to: from + 100, sums: rows })
        });
        let answers = join_all(at_once).await;
        assert!(answers.iter().all(|answer| *answer == Ok(round * 100 + 100)), "{answers:?}");
        (0..PAYERS).for_each(|i| expected += sums(9 * i));
        assert_eq!(total(&nodes[0], &app).await, expected);
    }
    // A connection tells of itself when it ends, at the latest.
    drop(nodes);
    let client = server.client("same_payers").await;
    let open = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'same_payers'";
    while client.query_one(open, &[]).await.unwrap().get::<_, i64>(0) > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let sql = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), 0);
}

fn event(app: &AppKey, caller: Option<&str>) -> NewInvocation {
    NewInvocation {
        id: InvocationId::new(),
        app: app.clone(),
        function: function("thumb"),
        kind: "invoke".into(),
        payload: b"1".to_vec(),
        due_us: 0,
        max_age_us: DAY_US,
        caller: caller.map(str::to_owned),
        key: None,
    }
}

/// Ends that are told of everything leased of an app.
async fn ends(node: &Work, app: &AppKey, outcome: &Outcome) -> Vec<Completion> {
    let (leases, _) = node.lease(app, &function("thumb"), 1_000, DAY_US).await.unwrap();
    let end = |lease: &mayfly_state_api::Lease| Completion {
        id: lease.id,
        fence: lease.fence,
        attempt: Some(AttemptRecord {
            number: lease.attempt,
            revision: None,
            memory: Some(ByteSize::mb(128)),
            started_us: NOON_US,
            outcome: outcome.clone(),
            fault: None,
        }),
        then: Then::Succeeded { result: None, keep_us: DAY_US, send: None },
    };
    leases.iter().map(end).collect()
}

fn outcome() -> Outcome {
    Outcome { wall_us: 1_500, cpu_us: 900, cold: true, ..Outcome::nothing(OutcomeStatus::Ok) }
}

/// Beside a journal that tells of the same payer.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn events_of_one_payer_that_end_on_several_nodes_at_once_are_each_counted_once() {
    let server = Server::shared();
    let (nodes, _clock) = nodes::<3>(&server, "one_payer").await;
    let app = app(&unused_tenant(), "photos");
    let mut expected = Sums::default();
    for round in 0..5 {
        for _ in 0..30 {
            nodes[0].accept(event(&app, Some("laptop"))).await.unwrap();
            expected += Sums::of(&outcome(), ByteSize::mb(128));
        }
        let ends = ends(&nodes[1], &app, &outcome()).await;
        assert_eq!(ends.len(), 30);
        // Each is told to two nodes.
        let both = ends.iter().enumerate().flat_map(|(at, end)| {
            [nodes[at % 3].complete(end.clone()), nodes[(at + 1) % 3].complete(end.clone())]
        });
        let row = || (NOON_US, payer(&app, "laptop"), sums(1));
        let rolls = (0..3).map(|at| {
            let (source, from) = (format!("node-{at}"), round * 100);
            nodes[at].roll(Roll { source, from, to: from + 100, sums: vec![row()] })
        });
        let (ended, rolled) = tokio::join!(join_all(both), join_all(rolls));
        assert!(ended.iter().all(|end| *end == Ok(InvocationStatus::Succeeded)), "{ended:?}");
        assert!(rolled.iter().all(|at| *at == Ok(round * 100 + 100)), "{rolled:?}");
        expected += sums(3);
        assert_eq!(total(&nodes[2], &app).await, expected);
    }
}

#[tokio::test]
async fn a_sum_that_is_full_stays_full_and_events_still_end() {
    let server = Server::shared();
    let ([node], _clock) = nodes(&server, "full_sums").await;
    let app = app(&unused_tenant(), "photos");
    let endless = Outcome { cpu_us: u64::MAX, ..outcome() };
    for _ in 0..8 {
        node.accept(event(&app, None)).await.unwrap();
    }
    for end in ends(&node, &app, &endless).await {
        assert_eq!(node.complete(end).await, Ok(InvocationStatus::Succeeded));
    }
    let row = (NOON_US, payer(&app, ""), Sums { cpu_us: u64::MAX, ..sums(1) });
    for from in [0, 100] {
        let roll = Roll { source: "node".into(), from, to: from + 100, sums: vec![row.clone()] };
        assert_eq!(node.roll(roll).await, Ok(from + 100));
    }
    let by_day = node.totals(NOON_US - DAY_US).await.unwrap();
    let [(_, _, sums)] = by_day.as_slice() else { panic!("{by_day:?}") };
    assert_eq!((sums.attempts, sums.cpu_us), (10, i64::MAX as u64));
}

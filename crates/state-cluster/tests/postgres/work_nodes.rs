//! Several nodes on one queue, each with connections of its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use mayfly_state_api::suite::queue::TestClock;
use mayfly_state_api::suite::{app, function, unused_tenant};
use mayfly_state_api::{
    Accepted, Completion, Error, IdempotencyKey, InvocationQueue, InvocationStatus, Lease,
    NewInvocation, Then,
};
use mayfly_state_cluster::Work;
use mayfly_types::{AppKey, Digest, InvocationId};

use crate::server::Server;

const MINUTE_US: i64 = 60_000_000;
const DAY_US: i64 = 24 * 60 * MINUTE_US;

/// So many nodes on a schema of their own, with one clock.
pub(crate) async fn nodes<const N: usize>(server: &Server, schema: &str) -> ([Work; N], TestClock) {
    let clock = TestClock::default();
    let open = join_all((0..N).map(|_| async {
        let clock = clock.clone();
        let database = server.connect(schema, Arc::new(move || clock.now_us())).await.unwrap();
        Work::open(&database)
    }));
    let nodes: Vec<Work> = open.await;
    (nodes.try_into().unwrap_or_else(|_| unreachable!("as many as were opened")), clock)
}

fn event(app: &AppKey, key: Option<IdempotencyKey>) -> NewInvocation {
    NewInvocation {
        id: InvocationId::new(),
        app: app.clone(),
        function: function("thumb"),
        kind: "invoke".into(),
        payload: b"1".to_vec(),
        due_us: 0,
        max_age_us: MINUTE_US,
        caller: None,
        key,
    }
}

fn key(name: &str) -> IdempotencyKey {
    IdempotencyKey { caller: "laptop".into(), key: name.into(), payload: Digest::of(b"1") }
}

fn end(lease: &Lease) -> Completion {
    let then = Then::Succeeded { result: None, keep_us: DAY_US, send: None };
    Completion { id: lease.id, fence: lease.fence, attempt: None, then }
}

async fn leases(node: &Work, app: &AppKey, limit: usize) -> Vec<Lease> {
    node.lease(app, &function("thumb"), limit, MINUTE_US).await.unwrap().0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_that_lease_and_complete_at_once_do_each_event_once() {
    const EVENTS: usize = 300;
    let server = Server::shared();
    let (nodes, _clock) = nodes::<3>(&server, "lease_at_once").await;
    let app = app(&unused_tenant(), "photos");
    let accept = join_all((0..12).map(|sender| {
        let (node, app) = (&nodes[sender % 3], &app);
        async move {
            let new: Vec<_> = (0..EVENTS / 12).map(|_| event(app, None)).collect();
            for new in &new {
                node.accept(new.clone()).await.unwrap();
            }
            new.into_iter().map(|new| new.id)
        }
    }));
    let accepted: Vec<InvocationId> = accept.await.into_iter().flatten().collect();
    // Each worker completes what it leased on another node than the one that gave it the lease.
    let work = join_all((0..12).map(|worker| {
        let (from, to, app) = (&nodes[worker % 3], &nodes[(worker + 1) % 3], &app);
        async move {
            let mut done = Vec::new();
            loop {
                let leased = leases(from, app, 7).await;
                if leased.is_empty() {
                    return done;
                }
                for lease in leased {
                    assert_eq!((lease.attempt, lease.lost), (1, 0));
                    assert_eq!(to.complete(end(&lease)).await, Ok(InvocationStatus::Succeeded));
                    done.push(lease.id);
                }
            }
        }
    }));
    let mut times: BTreeMap<InvocationId, u32> = BTreeMap::new();
    for id in work.await.into_iter().flatten() {
        *times.entry(id).or_default() += 1;
    }
    assert_eq!(times.len(), EVENTS);
    assert!(accepted.iter().all(|id| times.get(id) == Some(&1)), "{times:?}");
}

#[tokio::test]
async fn a_lease_that_was_lost_is_refused_on_every_node() {
    let server = Server::shared();
    let ([here, there], clock) = nodes(&server, "lost_lease").await;
    let app = app(&unused_tenant(), "photos");
    here.accept(event(&app, None)).await.unwrap();
    let lost = leases(&here, &app, 1).await.remove(0);
    there.forget(10).await.unwrap();
    assert_eq!(leases(&there, &app, 1).await, [], "its time is not over");
    clock.advance(MINUTE_US + 1);
    there.forget(10).await.unwrap();
    let held = leases(&there, &app, 1).await.remove(0);
    assert_eq!((held.id, held.lost, held.attempt), (lost.id, 1, 2));
    assert!(held.fence > lost.fence);
    for node in [&here, &there] {
        assert!(matches!(node.complete(end(&lost)).await, Err(Error::Conflict(_))));
        let over = node.extend(&[(lost.id, lost.fence)], MINUTE_US).await;
        assert_eq!(over, Ok(vec![lost.id]));
    }
    assert_eq!(here.extend(&[(held.id, held.fence)], MINUTE_US).await, Ok(vec![]));
    assert_eq!(here.complete(end(&held)).await, Ok(InvocationStatus::Succeeded));
}

#[tokio::test]
async fn a_node_that_starts_leaves_the_leases_of_others_alone() {
    let server = Server::shared();
    let ([first], clock) = nodes(&server, "start_beside").await;
    let app = app(&unused_tenant(), "photos");
    first.accept(event(&app, None)).await.unwrap();
    let lease = leases(&first, &app, 1).await.remove(0);
    let now = clock.clone();
    let second = server.connect("start_beside", Arc::new(move || now.now_us())).await.unwrap();
    let second = Work::open(&second);
    second.forget(10).await.unwrap();
    assert_eq!(leases(&second, &app, 1).await, []);
    assert_eq!(first.complete(end(&lease)).await, Ok(InvocationStatus::Succeeded));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_give_one_key_at_once_one_is_first() {
    let server = Server::shared();
    let (nodes, clock) = nodes::<2>(&server, "one_key").await;
    let app = app(&unused_tenant(), "photos");
    for round in 0..30 {
        // Every third time the key was used before, and is forgotten by now.
        let name = format!("order-{}", round / 3);
        clock.advance(DAY_US + 1);
        let new: Vec<_> = (0..8).map(|_| event(&app, Some(key(&name)))).collect();
        let at_once = new.iter().enumerate().map(|(at, new)| nodes[at % 2].accept(new.clone()));
        let answers = join_all(at_once).await;
        let queued =
            |answer: &Result<Accepted, Error>| matches!(answer, Ok(Accepted::Queued { .. }));
        let first: Vec<_> = answers.iter().zip(&new).filter(|(answer, _)| queued(answer)).collect();
        assert_eq!(first.len(), 1, "{answers:?}");
        let known = Ok(Accepted::Known(first[0].1.id));
        assert_eq!(answers.iter().filter(|answer| **answer == known).count(), 7, "{answers:?}");
        let leased = leases(&nodes[0], &app, 10).await;
        assert_eq!(leased.iter().map(|lease| lease.id).collect::<Vec<_>>(), [first[0].1.id]);
        nodes[1].complete(end(&leased[0])).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_event_handed_over_many_times_at_once_is_one() {
    let server = Server::shared();
    let (nodes, _clock) = nodes::<2>(&server, "one_event").await;
    let app = app(&unused_tenant(), "photos");
    for round in 0..20 {
        let new = event(&app, (round % 2 == 0).then(|| key(&format!("order-{round}"))));
        let at_once = (0..8).map(|at| nodes[at % 2].accept(new.clone()));
        let answers = join_all(at_once).await;
        let queued =
            |answer: &Result<Accepted, Error>| matches!(answer, Ok(Accepted::Queued { .. }));
        assert!(answers.iter().all(queued), "{answers:?}");
        let leased = leases(&nodes[0], &app, 10).await;
        assert_eq!(leased.iter().map(|lease| lease.id).collect::<Vec<_>>(), [new.id]);
        nodes[0].complete(end(&leased[0])).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_completion_told_many_times_at_once_is_done_once() {
    let server = Server::shared();
    let (nodes, _clock) = nodes::<2>(&server, "one_end").await;
    let app = app(&unused_tenant(), "photos");
    let told_at_once = async |told: Completion, expected| {
        let at_once = (0..6).map(|at| nodes[at % 2].complete(told.clone()));
        let answers = join_all(at_once).await;
        assert!(answers.iter().all(|answer| *answer == Ok(expected)), "{answers:?}");
    };
    for _ in 0..20 {
        nodes[0].accept(event(&app, None)).await.unwrap();
        let lease = leases(&nodes[0], &app, 1).await.remove(0);
        let then = Then::Retry { due_us: 0, counts: true };
        told_at_once(Completion { then, ..end(&lease) }, InvocationStatus::Queued).await;
        let lease = leases(&nodes[0], &app, 1).await.remove(0);
        assert_eq!((lease.attempt, lease.failed, lease.put_back), (2, 1, 0));
        let then = Then::PutBack { due_us: 0 };
        told_at_once(Completion { then, ..end(&lease) }, InvocationStatus::Queued).await;
        let lease = leases(&nodes[1], &app, 1).await.remove(0);
        assert_eq!((lease.attempt, lease.failed, lease.put_back), (2, 1, 1));
        let next = NewInvocation { function: function("next"), ..event(&app, None) };
        let then = Then::Succeeded { result: None, keep_us: DAY_US, send: Some(next) };
        told_at_once(Completion { then, ..end(&lease) }, InvocationStatus::Succeeded).await;
        let (sent, _) = nodes[1].lease(&app, &function("next"), 10, MINUTE_US).await.unwrap();
        assert_eq!(sent.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_ends_a_lease_while_it_is_taken_back_either_ends_it_or_is_refused() {
    let server = Server::shared();
    let (nodes, clock) = nodes::<2>(&server, "taken_back").await;
    let app = app(&unused_tenant(), "photos");
    for round in 0..60 {
        nodes[0].accept(event(&app, None)).await.unwrap();
        let lease = leases(&nodes[0], &app, 1).await.remove(0);
        clock.advance(MINUTE_US + 1);
        // A little later each time, so that now one is faster and now the other.
        let complete = async {
            tokio::time::sleep(Duration::from_micros(round % 6 * 500)).await;
            nodes[0].complete(end(&lease)).await
        };
        let (forgot, ended) = tokio::join!(nodes[1].forget(10), complete);
        assert!(forgot.is_ok(), "{forgot:?}");
        let again = leases(&nodes[1], &app, 10).await;
        match ended {
            Ok(status) => assert_eq!((status, again.len()), (InvocationStatus::Succeeded, 0)),
            Err(Error::Conflict(_)) => {
                assert_eq!(
                    again.iter().map(|it| (it.id, it.lost)).collect::<Vec<_>>(),
                    [(lease.id, 1)]
                );
                nodes[1].complete(end(&again[0])).await.unwrap();
            }
            Err(other) => panic!("{other}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_that_forget_extend_and_delete_at_once_get_in_nobodys_way() {
    let server = Server::shared();
    let (nodes, clock) = nodes::<2>(&server, "at_once").await;
    let (app, doomed) = (app(&unused_tenant(), "photos"), app(&unused_tenant(), "doomed"));
    for round in 0..10 {
        for at in 0..40 {
            let name = format!("{round}-{at}");
            nodes[0].accept(event(&app, None)).await.unwrap();
            nodes[1].accept(event(&doomed, Some(key(&name)))).await.unwrap();
        }
        let lost = leases(&nodes[0], &app, 20).await;
        clock.advance(MINUTE_US + 1);
        let held = leases(&nodes[1], &app, 20).await;
        let mut both: Vec<_> = lost.iter().chain(&held).map(|it| (it.id, it.fence)).collect();
        let there = both.clone();
        both.reverse();
        let (a, b, c, d, e, f) = tokio::join!(
            nodes[0].forget(1_000),
            nodes[1].forget(1_000),
            nodes[0].extend(&both, MINUTE_US),
            nodes[1].extend(&there, MINUTE_US),
            nodes[0].delete_app(&doomed),
            nodes[1].delete_app(&doomed),
        );
        assert!(a.is_ok() && b.is_ok() && c.is_ok() && d.is_ok(), "{a:?} {b:?} {c:?} {d:?}");
        assert_eq!((e, f), (Ok(()), Ok(())));
        let ends = join_all(held.iter().map(|lease| nodes[0].complete(end(lease)))).await;
        assert!(ends.iter().all(|end| *end == Ok(InvocationStatus::Succeeded)), "{ends:?}");
        assert_eq!(leases(&nodes[0], &doomed, 100).await, []);
        nodes[0].delete_app(&app).await.unwrap();
    }
}

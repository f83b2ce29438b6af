//! Handing out what is due.

use futures_util::future::join_all;

use super::*;

/// What was accepted is leased as it is, and by one alone.
pub async fn an_event_is_handed_out_once_as_it_was_accepted(
    queue: &dyn InvocationQueue,
    clock: &TestClock,
) {
    let app = some_app();
    assert_eq!(leases(queue, &app, 10).await, []);
    let new = NewInvocation { kind: "schedule".into(), ..event(&app, "{\"a\":\"ü\"}") };
    assert_eq!(queue.accept(new.clone()).await, Ok(Accepted::Queued { due_us: clock.now_us() }));
    let before = read(queue, &app.tenant, new.id).await;
    assert_eq!(before.status, InvocationStatus::Queued);
    assert_eq!((before.accepted_us, before.due_us), (clock.now_us(), clock.now_us()));
    assert_eq!((&before.app, before.kind.as_str()), (&app, "schedule"));
    let lease = one(queue, &app).await;
    assert_eq!(lease.id, new.id);
    assert_eq!((lease.kind.as_str(), &lease.payload), ("schedule", &new.payload));
    assert_eq!((lease.attempt, lease.failed, lease.lost, lease.put_back), (1, 0, 0, 0));
    assert_eq!((lease.due_us, lease.expires_us), (clock.now_us(), clock.now_us() + HOUR_US));
    assert_eq!(leases(queue, &app, 10).await, []);
    assert_eq!(read(queue, &app.tenant, new.id).await.status, InvocationStatus::Running);
}

/// An answer that was lost is asked for again.
pub async fn an_event_that_is_accepted_twice_is_one(
    queue: &dyn InvocationQueue,
    clock: &TestClock,
) {
    let app = some_app();
    let new = event(&app, "1");
    let first = queue.accept(new.clone()).await.unwrap();
    clock.advance(SECOND_US);
    assert_eq!(queue.accept(new.clone()).await.unwrap(), first);
    let lease = one(queue, &app).await;
    queue.complete(succeeded(&lease, clock, "1")).await.unwrap();
    queue.accept(new).await.unwrap();
    assert_eq!(leases(queue, &app, 10).await, []);
}

/// Delayed events wait, and the first time due is told.
pub async fn what_is_not_due_is_not_handed_out(queue: &dyn InvocationQueue, clock: &TestClock) {
    let app = some_app();
    let soon = clock.now_us() + 5 * SECOND_US;
    let new = NewInvocation { due_us: soon, ..event(&app, "1") };
    assert_eq!(queue.accept(new).await, Ok(Accepted::Queued { due_us: soon }));
    let later = NewInvocation { due_us: soon + SECOND_US, ..event(&app, "2") };
    queue.accept(later).await.unwrap();
    let thumb = function("thumb");
    let lease = || queue.lease(&app, &thumb, 10, SECOND_US);
    assert_eq!(lease().await, Ok((vec![], Some(soon))));
    clock.advance(5 * SECOND_US);
    let (leased, next) = lease().await.unwrap();
    assert_eq!(leased.iter().map(|lease| &lease.payload[..]).collect::<Vec<_>>(), [b"1"]);
    assert_eq!(next, Some(soon + SECOND_US));
}

/// Nothing overtakes, and nobody gets more than he can do.
pub async fn what_is_due_longest_comes_first_and_no_more_than_asked_for(
    queue: &dyn InvocationQueue,
    clock: &TestClock,
) {
    let app = some_app();
    for payload in ["1", "2", "3"] {
        accepted(queue, &app, payload).await;
        clock.advance(SECOND_US);
    }
    let payloads = |leases: Vec<Lease>| {
        leases
            .into_iter()
            .map(|lease| String::from_utf8(lease.payload).unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(payloads(leases(queue, &app, 2).await), ["1", "2"]);
    assert_eq!(payloads(leases(queue, &app, 2).await), ["3"]);
    assert_eq!(payloads(leases(queue, &app, 0).await), [""; 0]);
}

/// Whoever had it before can no longer end it.
pub async fn a_lease_that_ran_out_gives_way_to_another(
    queue: &dyn InvocationQueue,
    clock: &TestClock,
) {
    let app = some_app();
    let id = accepted(queue, &app, "1").await;
    let first = one(queue, &app).await;
    clock.advance(59 * SECOND_US);
    queue.forget(10).await.unwrap();
    assert_eq!(leases(queue, &app, 10).await, []);
    clock.advance(2 * SECOND_US);
    queue.forget(10).await.unwrap();
    let second = one(queue, &app).await;
    assert_eq!((second.id, second.attempt, second.lost), (id, 2, 1));
    assert!(second.fence > first.fence);
    assert!(is_conflict(queue.complete(succeeded(&first, clock, "1")).await));
    assert_eq!(read(queue, &app.tenant, id).await.status, InvocationStatus::Running);
    let end = queue.complete(succeeded(&second, clock, "2")).await;
    assert_eq!(end, Ok(InvocationStatus::Succeeded));
    assert_eq!(read(queue, &app.tenant, id).await.result.unwrap(), "2");
}

/// As long as it is extended in time; who extends one that was taken is told.
pub async fn a_lease_that_is_extended_holds(queue: &dyn InvocationQueue, clock: &TestClock) {
    let app = some_app();
    accepted(queue, &app, "1").await;
    let lease = one(queue, &app).await;
    let held = [(lease.id, lease.fence)];
    for _ in 0..3 {
        clock.advance(50 * SECOND_US);
        assert_eq!(queue.extend(&held, 60 * SECOND_US).await, Ok(vec![]));
        queue.forget(10).await.unwrap();
    }
    assert_eq!(leases(queue, &app, 10).await, []);
    clock.advance(61 * SECOND_US);
    queue.forget(10).await.unwrap();
    assert_eq!(queue.extend(&held, 60 * SECOND_US).await, Ok(vec![lease.id]));
    assert_eq!(one(queue, &app).await.attempt, 2);
}

/// Nothing of it ran, so the next attempt has its number.
pub async fn what_is_put_back_costs_no_attempt(queue: &dyn InvocationQueue, clock: &TestClock) {
    let app = some_app();
    let id = accepted(queue, &app, "1").await;
    for put_back in 0..3 {
        let lease = one(queue, &app).await;
        assert_eq!((lease.attempt, lease.put_back), (1, put_back));
        let then = Then::PutBack { due_us: clock.now_us() + SECOND_US };
        let end = queue.complete(completion(&lease, None, then)).await;
        assert_eq!(end, Ok(InvocationStatus::Queued));
        assert_eq!(leases(queue, &app, 10).await, []);
        clock.advance(SECOND_US);
    }
    assert_eq!(read(queue, &app.tenant, id).await.attempts, []);
    let lease = one(queue, &app).await;
    queue.complete(retry(&lease, clock, 0, true)).await.unwrap();
    assert_eq!(one(queue, &app).await.put_back, 0);
}

/// A retry has the next number; whether it cost one is the caller's to say.
pub async fn attempts_are_counted_and_those_that_cost_one(
    queue: &dyn InvocationQueue,
    clock: &TestClock,
) {
    let app = some_app();
    let id = accepted(queue, &app, "1").await;
    for (number, failed, counts) in [(1, 0, true), (2, 1, false), (3, 1, true), (4, 2, true)] {
        let lease = one(queue, &app).await;
        assert_eq!((lease.attempt, lease.failed), (number, failed));
        let end = queue.complete(retry(&lease, clock, 0, counts)).await;
        assert_eq!(end, Ok(InvocationStatus::Queued));
    }
    let record = read(queue, &app.tenant, id).await;
    assert_eq!(
        record.attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(),
        [1, 2, 3, 4]
    );
    assert_eq!(record.attempts[0].fault, Some(fault()));
    assert_eq!(record.attempts[0].outcome.wall_us, 1_500);
}

/// Its age counts from when it was due, and is the caller's to judge.
pub async fn an_event_tells_when_it_is_too_old(queue: &dyn InvocationQueue, clock: &TestClock) {
    let app = some_app();
    let due_us = clock.now_us() + SECOND_US;
    queue.accept(NewInvocation { due_us, ..event(&app, "1") }).await.unwrap();
    clock.advance(2 * HOUR_US);
    assert_eq!(one(queue, &app).await.expires_us, due_us + HOUR_US);
}

/// However many ask.
pub async fn many_who_lease_at_once_never_have_the_same(
    queue: &dyn InvocationQueue,
    _clock: &TestClock,
) {
    let app = some_app();
    let accept = join_all((0..60).map(|number| {
        let app = &app;
        async move { accepted(queue, app, &number.to_string()).await }
    }));
    let mut all = accept.await;
    let leased = join_all((0..20).map(|_| leases(queue, &app, 5))).await;
    let mut leased: Vec<_> = leased.into_iter().flatten().map(|lease| lease.id).collect();
    leased.sort_unstable();
    all.sort_unstable();
    assert_eq!(leased, all);
}

//! How invocations end, and what is left of them.

use super::*;
use crate::Redrive;

/// The answer and the attempt can be read.
pub async fn an_answer_is_kept_and_ends_an_invocation(
    queue: &dyn InvocationQueue,
    clock: &TestClock,
) {
    let app = some_app();
    let id = accepted(queue, &app, "1").await;
    let lease = one(queue, &app).await;
    let end = succeeded(&lease, clock, "{\"n\":12345678901234567890}");
    assert_eq!(queue.complete(end.clone()).await, Ok(InvocationStatus::Succeeded));
    let record = read(queue, &app.tenant, id).await;
    assert_eq!(record.status, InvocationStatus::Succeeded);
    assert_eq!(record.result.as_deref(), Some("{\"n\":12345678901234567890}"));
    assert_eq!(record.attempts, [end.attempt.unwrap()]);
    assert_eq!(record.fault, None);
    clock.advance(10 * SECOND_US);
    assert_eq!(leases(queue, &app, 10).await, []);
}

/// A completion whose answer was lost is repeated.
pub async fn what_is_told_twice_is_done_once(queue: &dyn InvocationQueue, clock: &TestClock) {
    let app = some_app();
    let id = accepted(queue, &app, "1").await;
    let lease = one(queue, &app).await;
    let again = retry(&lease, clock, 0, true);
    for _ in 0..2 {
        assert_eq!(queue.complete(again.clone()).await, Ok(InvocationStatus::Queued));
    }
    let second = one(queue, &app).await;
    assert_eq!((second.attempt, second.failed), (2, 1));
    assert!(is_conflict(queue.complete(again).await));
    for _ in 0..2 {
        let end = queue.complete(failed(&second, clock)).await;
        assert_eq!(end, Ok(InvocationStatus::Failed));
    }
    assert_eq!(read(queue, &app.tenant, id).await.attempts.len(), 2);
    let unknown = Completion { id: InvocationId::new(), ..failed(&second, clock) };
    assert!(matches!(queue.complete(unknown).await, Err(Error::NotFound { .. })));
}

/// With its event, and with all the attempts it may have.
pub async fn a_failure_is_a_dead_letter_until_it_is_redriven(
    queue: &dyn InvocationQueue,
    clock: &TestClock,
) {
    let app = some_app();
    let id = accepted(queue, &app, "poison").await;
    let lease = one(queue, &app).await;
    queue.complete(retry(&lease, clock, 0, true)).await.unwrap();
    let lease = one(queue, &app).await;
    queue.complete(failed(&lease, clock)).await.unwrap();
    let record = read(queue, &app.tenant, id).await;
    assert_eq!((record.status, record.fault), (InvocationStatus::Failed, Some(fault())));
    clock.advance(2 * SECOND_US);
    assert_eq!(leases(queue, &app, 10).await, []);

    let redrive = |id| {
        let (app, function) = (app.clone(), function("thumb"));
        async move { queue.redrive(&app, &function, &Redrive::One(id), 10).await }
    };
    assert_eq!(redrive(InvocationId::new()).await, Ok(0));
    assert_eq!(redrive(id).await, Ok(1));
    assert_eq!(redrive(id).await, Ok(0), "it is queued already");
    let lease = one(queue, &app).await;
    assert_eq!((lease.id, lease.attempt, lease.failed), (id, 3, 0));
    assert_eq!(lease.payload, b"poison");
    assert_eq!(lease.expires_us, clock.now_us() + HOUR_US);
    queue.complete(succeeded(&lease, clock, "1")).await.unwrap();
    let record = read(queue, &app.tenant, id).await;
    assert_eq!((record.status, record.fault), (InvocationStatus::Succeeded, None));
    assert_eq!(record.attempts.len(), 3);
}

/// Some or all of them.
pub async fn dead_letters_are_redriven_by_their_time_oldest_first(
    queue: &dyn InvocationQueue,
    clock: &TestClock,
) {
    let app = some_app();
    let began = clock.now_us();
    let mut ids = Vec::new();
    for payload in ["1", "2", "3", "4"] {
        ids.push(accepted(queue, &app, payload).await);
        let lease = one(queue, &app).await;
        queue.complete(failed(&lease, clock)).await.unwrap();
        clock.advance(SECOND_US);
    }
    let redrive = |from, to, limit| {
        let which = Redrive::Accepted {
            since_us: began + from * SECOND_US,
            until_us: began + to * SECOND_US,
        };
        let app = app.clone();
        async move { queue.redrive(&app, &function("thumb"), &which, limit).await.unwrap() }
    };
    assert_eq!(redrive(5, 9, 10).await, 0);
    assert_eq!(redrive(1, 3, 1).await, 1);
    assert_eq!(one(queue, &app).await.id, ids[1]);
    assert_eq!(redrive(0, 9, 10).await, 3);
    assert_eq!(leases(queue, &app, 10).await.len(), 3);
}

/// Both or neither: it is accepted in the same step.
pub async fn an_event_for_another_function_comes_with_the_end(
    queue: &dyn InvocationQueue,
    clock: &TestClock,
) {
    let app = some_app();
    for works in [true, false] {
        accepted(queue, &app, "1").await;
        let lease = one(queue, &app).await;
        let next = NewInvocation { function: function("next"), ..event(&app, "told") };
        let (id, send) = (next.id, Some(next));
        let then = match works {
            true => Then::Succeeded { result: None, keep_us: HOUR_US, send },
            false => Then::Failed { fault: fault(), keep_us: HOUR_US, send },
        };
        let end = completion(&lease, Some(attempt(&lease, clock, None)), then);
        queue.complete(end.clone()).await.unwrap();
        queue.complete(end).await.unwrap();
        let (sent, _) = queue.lease(&app, &function("next"), 10, SECOND_US).await.unwrap();
        assert_eq!(sent.iter().map(|lease| lease.id).collect::<Vec<_>>(), [id]);
        assert_eq!(sent[0].payload, b"told");
    }
}

/// It shows as cancelled.
pub async fn a_queued_invocation_that_is_cancelled_is_not_tried(
    queue: &dyn InvocationQueue,
    _clock: &TestClock,
) {
    let app = some_app();
    let id = accepted(queue, &app, "1").await;
    for _ in 0..2 {
        let record = queue.cancel(&app.tenant, id).await.unwrap();
        assert_eq!((record.id, record.status), (id, InvocationStatus::Cancelled));
    }
    assert_eq!(leases(queue, &app, 10).await, []);
    let missing = queue.cancel(&app.tenant, InvocationId::new()).await;
    assert!(matches!(missing, Err(Error::NotFound { .. })));
}

/// What its attempt comes to still counts.
pub async fn a_running_invocation_that_is_cancelled_is_not_tried_again(
    queue: &dyn InvocationQueue,
    clock: &TestClock,
) {
    let app = some_app();
    let leased = || async {
        accepted(queue, &app, "1").await;
        let lease = one(queue, &app).await;
        let record = queue.cancel(&app.tenant, lease.id).await.unwrap();
        assert_eq!(record.status, InvocationStatus::Running);
        let over = queue.extend(&[(lease.id, lease.fence)], SECOND_US).await.unwrap();
        assert_eq!(over, [lease.id], "whoever runs it learns of it");
        lease
    };
    let lease = leased().await;
    let end = queue.complete(retry(&lease, clock, 0, true)).await;
    assert_eq!(end, Ok(InvocationStatus::Cancelled));
    assert_eq!(read(queue, &app.tenant, lease.id).await.attempts.len(), 1);
    let lease = leased().await;
    let end = queue.complete(succeeded(&lease, clock, "1")).await;
    assert_eq!(end, Ok(InvocationStatus::Succeeded));
    assert!(is_conflict(queue.cancel(&app.tenant, lease.id).await));
    // One whose lease runs out is not handed out again either.
    let lease = leased().await;
    clock.advance(61 * SECOND_US);
    queue.forget(0).await.unwrap();
    assert_eq!(leases(queue, &app, 10).await, []);
    let record = read(queue, &app.tenant, lease.id).await;
    assert_eq!(record.status, InvocationStatus::Cancelled);
}

/// An event that waits for weeks does not grow.
pub async fn of_many_attempts_the_newest_are_kept(queue: &dyn InvocationQueue, clock: &TestClock) {
    let app = some_app();
    let id = accepted(queue, &app, "1").await;
    for _ in 0..50 {
        let lease = one(queue, &app).await;
        queue.complete(retry(&lease, clock, 0, true)).await.unwrap();
    }
    let attempts = read(queue, &app.tenant, id).await.attempts;
    assert!((10..50).contains(&attempts.len()), "{}", attempts.len());
    assert_eq!(attempts.last().unwrap().number, 50);
}

/// And nothing else.
pub async fn what_was_kept_long_enough_is_forgotten(
    queue: &dyn InvocationQueue,
    clock: &TestClock,
) {
    // What others on the same queue have left.
    while queue.forget(1_000).await.unwrap() > 0 {}
    let app = some_app();
    let ended = accepted(queue, &app, "1").await;
    let lease = one(queue, &app).await;
    queue.complete(succeeded(&lease, clock, "1")).await.unwrap();
    let dead = accepted(queue, &app, "2").await;
    let lease = one(queue, &app).await;
    queue.complete(failed(&lease, clock)).await.unwrap();
    clock.advance(HOUR_US - SECOND_US);
    assert!(queue.invocation(&app.tenant, ended).await.unwrap().is_some());
    let waits = accepted(queue, &app, "3").await;
    queue.forget(1_000).await.unwrap();
    assert!(queue.invocation(&app.tenant, ended).await.unwrap().is_some());
    clock.advance(2 * SECOND_US);
    while queue.forget(1).await.unwrap() > 0 {}
    for id in [ended, dead] {
        assert_eq!(queue.invocation(&app.tenant, id).await, Ok(None));
    }
    assert_eq!(one(queue, &app).await.id, waits);
}

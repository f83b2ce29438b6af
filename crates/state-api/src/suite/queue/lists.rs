//! Finding invocations.

use super::*;

/// Until nothing of a function is queued.
pub async fn functions_with_work_are_told_with_the_first_time_due(
    queue: &dyn InvocationQueue,
    clock: &TestClock,
) {
    let app = some_app();
    let backlog = || async {
        let all = queue.backlogs().await.unwrap();
        let mut own: Vec<_> = all.into_iter().filter(|backlog| backlog.app == app).collect();
        own.sort_unstable_by_key(|backlog| backlog.due_us);
        own.into_iter()
            .map(|backlog| (backlog.function.to_string(), backlog.due_us))
            .collect::<Vec<_>>()
    };
    assert_eq!(backlog().await, []);
    let now = clock.now_us();
    let later =
        NewInvocation { due_us: now + SECOND_US, function: function("next"), ..event(&app, "1") };
    queue.accept(later).await.unwrap();
    for seconds in [3, 2, 5] {
        let due_us = now + seconds * SECOND_US;
        queue.accept(NewInvocation { due_us, ..event(&app, "1") }).await.unwrap();
    }
    let expected = [("next", 1), ("thumb", 2)];
    let expected = expected.map(|(name, seconds)| (name.to_owned(), now + seconds * SECOND_US));
    assert_eq!(backlog().await, expected);
    clock.advance(10 * SECOND_US);
    assert_eq!(leases(queue, &app, 10).await.len(), 3);
    assert_eq!(backlog().await, expected[..1]);
}

/// Each page goes on where the one before ended.
pub async fn invocations_are_listed_newest_first_by_status_in_pages(
    queue: &dyn InvocationQueue,
    clock: &TestClock,
) {
    let app = some_app();
    let mut ids = Vec::new();
    for number in 0..9 {
        ids.push(accepted(queue, &app, &number.to_string()).await);
    }
    let mut leased = leases(queue, &app, 5).await;
    // What is due at one time comes in any order.
    leased.sort_unstable_by_key(|lease| lease.id);
    queue.complete(succeeded(&leased[0], clock, "1")).await.unwrap();
    queue.complete(failed(&leased[1], clock)).await.unwrap();
    queue.complete(failed(&leased[2], clock)).await.unwrap();
    ids.reverse();
    let list = |query| async move {
        let found = queue.invocations(&query).await.unwrap();
        found.iter().map(|record| record.id).collect::<Vec<_>>()
    };
    assert_eq!(list(query(&app, None, 100)).await, ids);
    assert_eq!(list(query(&app, None, 4)).await, ids[..4]);
    let next = InvocationQuery { before: Some(ids[3]), ..query(&app, None, 4) };
    assert_eq!(list(next).await, ids[4..8]);
    let dead = [leased[2].id, leased[1].id];
    assert_eq!(list(query(&app, Some(InvocationStatus::Failed), 100)).await, dead);
    assert_eq!(list(query(&app, Some(InvocationStatus::Failed), 1)).await, dead[..1]);
    assert_eq!(list(query(&app, Some(InvocationStatus::Running), 100)).await.len(), 2);
    assert_eq!(list(query(&app, Some(InvocationStatus::Queued), 100)).await.len(), 4);
    assert_eq!(list(query(&some_app(), None, 100)).await, []);
}

/// Whatever names another's id.
pub async fn tenants_do_not_see_each_others_invocations(
    queue: &dyn InvocationQueue,
    clock: &TestClock,
) {
    let (app, other) = (some_app(), some_app());
    let id = accepted(queue, &app, "1").await;
    assert_eq!(queue.invocation(&other.tenant, id).await, Ok(None));
    assert!(matches!(queue.cancel(&other.tenant, id).await, Err(Error::NotFound { .. })));
    assert_eq!(leases(queue, &other, 10).await, []);
    let lease = one(queue, &app).await;
    queue.complete(failed(&lease, clock)).await.unwrap();
    let redriven = queue.redrive(&other, &function("thumb"), &crate::Redrive::One(id), 10).await;
    assert_eq!(redriven, Ok(0));
    assert_eq!(read(queue, &app.tenant, id).await.status, InvocationStatus::Failed);
}

/// Whatever they were at.
pub async fn a_deleted_apps_invocations_are_gone_and_no_others(
    queue: &dyn InvocationQueue,
    clock: &TestClock,
) {
    let app = some_app();
    let other = super::super::app(&app.tenant, "movies");
    let kept = accepted(queue, &other, "1").await;
    let mut gone = vec![accepted(queue, &app, "1").await, accepted(queue, &app, "2").await];
    let leased = leases(queue, &app, 10).await;
    queue.complete(succeeded(&leased[0], clock, "1")).await.unwrap();
    let keyed = NewInvocation { key: Some(key("order-7", "1")), ..event(&app, "3") };
    gone.push(keyed.id);
    queue.accept(keyed.clone()).await.unwrap();
    queue.delete_app(&app).await.unwrap();
    for id in gone {
        assert_eq!(queue.invocation(&app.tenant, id).await, Ok(None));
    }
    let late = queue.complete(succeeded(&leased[1], clock, "1")).await;
    assert!(matches!(late, Err(Error::NotFound { .. })));
    assert_eq!(one(queue, &other).await.id, kept);
    let again = NewInvocation { id: InvocationId::new(), ..keyed };
    assert!(matches!(queue.accept(again).await, Ok(Accepted::Queued { .. })));
}

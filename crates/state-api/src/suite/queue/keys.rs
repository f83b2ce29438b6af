//! Callers' own names for their requests.

use super::*;

/// Also when it has ended.
pub async fn a_key_that_was_given_before_names_the_same_invocation(
    queue: &dyn InvocationQueue,
    clock: &TestClock,
) {
    let app = some_app();
    let first = NewInvocation { key: Some(key("order-7", "1")), ..event(&app, "1") };
    let again = || NewInvocation { id: InvocationId::new(), ..first.clone() };
    assert!(matches!(queue.accept(first.clone()).await, Ok(Accepted::Queued { .. })));
    assert_eq!(queue.accept(again()).await, Ok(Accepted::Known(first.id)));
    // A lost answer is no repetition of the caller's.
    assert!(matches!(queue.accept(first.clone()).await, Ok(Accepted::Queued { .. })));
    let lease = one(queue, &app).await;
    queue.complete(succeeded(&lease, clock, "1")).await.unwrap();
    assert_eq!(queue.accept(again()).await, Ok(Accepted::Known(first.id)));
    assert_eq!(leases(queue, &app, 10).await, []);
}

/// Nothing is accepted.
pub async fn a_key_with_another_payload_is_told_apart(
    queue: &dyn InvocationQueue,
    _clock: &TestClock,
) {
    let app = some_app();
    let first = NewInvocation { key: Some(key("order-7", "1")), ..event(&app, "1") };
    queue.accept(first).await.unwrap();
    let other = NewInvocation { key: Some(key("order-7", "2")), ..event(&app, "2") };
    assert_eq!(queue.accept(other).await, Ok(Accepted::Differs));
    assert_eq!(leases(queue, &app, 10).await.len(), 1);
}

/// A key is its caller's, for one function of one tenant.
pub async fn keys_of_other_callers_and_functions_are_others(
    queue: &dyn InvocationQueue,
    _clock: &TestClock,
) {
    let (app, elsewhere) = (some_app(), some_app());
    let first = NewInvocation { key: Some(key("order-7", "1")), ..event(&app, "1") };
    let phone = IdempotencyKey { caller: "phone".into(), ..key("order-7", "2") };
    let others = [
        NewInvocation { key: Some(phone), ..event(&app, "2") },
        NewInvocation { key: Some(key("order-8", "2")), ..event(&app, "2") },
        NewInvocation { key: Some(key("order-7", "2")), ..event(&elsewhere, "2") },
        NewInvocation {
            key: Some(key("order-7", "2")),
            function: function("next"),
            ..event(&app, "2")
        },
        event(&app, "2"),
    ];
    queue.accept(first).await.unwrap();
    for other in others {
        let told = format!("{other:?}");
        let accepted = queue.accept(other).await;
        assert!(matches!(accepted, Ok(Accepted::Queued { .. })), "{told}: {accepted:?}");
    }
}

/// Then it names another.
pub async fn a_key_is_remembered_for_a_day(queue: &dyn InvocationQueue, clock: &TestClock) {
    let app = some_app();
    let new = || NewInvocation { key: Some(key("order-7", "1")), ..event(&app, "1") };
    let first = new();
    queue.accept(first.clone()).await.unwrap();
    clock.advance(24 * HOUR_US - SECOND_US);
    queue.forget(1_000).await.unwrap();
    assert_eq!(queue.accept(new()).await, Ok(Accepted::Known(first.id)));
    clock.advance(2 * SECOND_US);
    let second = new();
    assert!(matches!(queue.accept(second.clone()).await, Ok(Accepted::Queued { .. })));
    assert_eq!(queue.accept(new()).await, Ok(Accepted::Known(second.id)));
}

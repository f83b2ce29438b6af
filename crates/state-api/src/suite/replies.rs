//! What every [`ReplyStore`] must do, on the same store as an [`InvocationQueue`].

use mayfly_types::InvocationId;

use super::function;
use super::queue::{HOUR_US, SECOND_US, TestClock, event, key, some_app};
use crate::{
    Accepted, Begun, Error, InvocationQueue, KeptReply, KeyedEnd, KeyedRequest, NewInvocation,
    ReplyStore,
};

/// One test per behaviour: `reply_suite!(open)`, where `open` is an async function that answers a pointer to a
/// fresh store and the clock that it was given.
#[macro_export]
macro_rules! reply_suite {
    (@list $($how:tt)*) => {
        $crate::reply_suite! { @run $($how)*;
            an_answer_is_told_again
            an_answer_that_is_too_large_is_known_but_not_told
            what_came_to_nothing_may_run_again
            a_key_with_another_payload_is_not_answered
            keys_are_their_callers_and_functions
            of_many_who_begin_at_once_one_runs
            whoever_holds_a_key_too_long_loses_it
            answers_are_kept_for_a_day
            an_events_key_is_no_requests_and_the_other_way_round
            answers_of_a_deleted_app_are_gone
        }
    };
    (@run tests $open:path; $($name:ident)*) => {$(
        #[::tokio::test]
        async fn $name() {
            let (store, clock) = $open().await;
            $crate::suite::replies::$name(&*store, &clock).await;
        }
    )*};
    (@run all $store:ident $clock:ident; $($name:ident)*) => {$(
        ::std::boxed::Box::pin($crate::suite::replies::$name($store, $clock)).await;
    )*};
    ($open:path) => { $crate::reply_suite! { @list tests $open } };
}

/// A store of both.
pub trait Keyed: ReplyStore + InvocationQueue {}

impl<S: ReplyStore + InvocationQueue> Keyed for S {}

/// Every behaviour on one store.
pub async fn all<S: Keyed>(store: &S, clock: &TestClock) {
    reply_suite! { @list all store clock }
}

const FOR_US: i64 = 60 * SECOND_US;

fn request(payload: &str) -> KeyedRequest {
    let key = key("order-7", payload);
    KeyedRequest { id: InvocationId::new(), app: some_app(), function: function("thumb"), key }
}

fn again(request: &KeyedRequest) -> KeyedRequest {
    KeyedRequest { id: InvocationId::new(), ..request.clone() }
}

fn reply(text: &str) -> KeptReply {
    KeptReply {
        head: format!("{{\"of\":\"{text}\"}}"),
        body: [text.as_bytes(), &[0, 255]].concat(),
    }
}

async fn runs(store: &impl Keyed, request: &KeyedRequest) {
    assert_eq!(store.begin(request, FOR_US).await, Ok(Begun::Run));
}

/// To whoever begins with its key, once there is one; until then it is told who runs.
pub async fn an_answer_is_told_again<S: Keyed>(store: &S, _clock: &TestClock) {
    let first = request("1");
    runs(store, &first).await;
    // Its own answer may have been lost.
    runs(store, &first).await;
    assert_eq!(store.begin(&again(&first), FOR_US).await, Ok(Begun::Runs(first.id)));
    for _ in 0..2 {
        store.end(&first, KeyedEnd::Kept(reply("1"))).await.unwrap();
    }
    for _ in 0..2 {
        let told = store.begin(&again(&first), FOR_US).await;
        assert_eq!(told, Ok(Begun::Answered(first.id, reply("1"))));
    }
    // Whoever ran is no other.
    let told = store.begin(&first, FOR_US).await;
    assert_eq!(told, Ok(Begun::Answered(first.id, reply("1"))));
}

/// It does not run again.
pub async fn an_answer_that_is_too_large_is_known_but_not_told<S: Keyed>(
    store: &S,
    _clock: &TestClock,
) {
    let first = request("1");
    runs(store, &first).await;
    store.end(&first, KeyedEnd::TooLarge).await.unwrap();
    assert_eq!(store.begin(&again(&first), FOR_US).await, Ok(Begun::TooLarge(first.id)));
}

/// With any payload.
pub async fn what_came_to_nothing_may_run_again<S: Keyed>(store: &S, _clock: &TestClock) {
    let first = request("1");
    runs(store, &first).await;
    for _ in 0..2 {
        store.end(&first, KeyedEnd::Nothing).await.unwrap();
    }
    let second = KeyedRequest { key: key("order-7", "2"), ..again(&first) };
    runs(store, &second).await;
    store.end(&second, KeyedEnd::Kept(reply("2"))).await.unwrap();
    let told = store.begin(&again(&second), FOR_US).await;
    assert_eq!(told, Ok(Begun::Answered(second.id, reply("2"))));
}

/// Neither while the first runs nor later.
pub async fn a_key_with_another_payload_is_not_answered<S: Keyed>(store: &S, _clock: &TestClock) {
    let first = request("1");
    let other = || KeyedRequest { key: key("order-7", "2"), ..again(&first) };
    runs(store, &first).await;
    assert_eq!(store.begin(&other(), FOR_US).await, Ok(Begun::Differs));
    store.end(&first, KeyedEnd::Kept(reply("1"))).await.unwrap();
    assert_eq!(store.begin(&other(), FOR_US).await, Ok(Begun::Differs));
}

/// Others with the same name are other keys.
pub async fn keys_are_their_callers_and_functions<S: Keyed>(store: &S, _clock: &TestClock) {
    let first = request("1");
    runs(store, &first).await;
    let mut phone = again(&first);
    phone.key.caller = "phone".into();
    let next = KeyedRequest { function: function("next"), ..again(&first) };
    let elsewhere = KeyedRequest { app: some_app(), ..again(&first) };
    for other in [phone, next, elsewhere] {
        runs(store, &other).await;
        store.end(&other, KeyedEnd::Kept(reply("2"))).await.unwrap();
    }
    assert_eq!(store.begin(&again(&first), FOR_US).await, Ok(Begun::Runs(first.id)));
}

/// The others are told which.
pub async fn of_many_who_begin_at_once_one_runs<S: Keyed>(store: &S, _clock: &TestClock) {
    let first = request("1");
    let all: Vec<KeyedRequest> = (0..16).map(|_| again(&first)).collect();
    let begun = all.iter().map(|request| store.begin(request, FOR_US));
    let begun = futures_util::future::join_all(begun).await;
    let ran: Vec<_> =
        all.iter().zip(&begun).filter(|(_, begun)| **begun == Ok(Begun::Run)).collect();
    assert_eq!(ran.len(), 1, "{begun:?}");
    let id = ran[0].0.id;
    assert_eq!(
        begun.iter().filter(|begun| **begun == Ok(Begun::Runs(id))).count(),
        15,
        "{begun:?}"
    );
}

/// And what it says then is not heard.
pub async fn whoever_holds_a_key_too_long_loses_it<S: Keyed>(store: &S, clock: &TestClock) {
    let first = request("1");
    runs(store, &first).await;
    clock.advance(FOR_US - 1);
    assert_eq!(store.begin(&again(&first), FOR_US).await, Ok(Begun::Runs(first.id)));
    clock.advance(1);
    let second = again(&first);
    runs(store, &second).await;
    let late = store.end(&first, KeyedEnd::Kept(reply("1"))).await;
    assert!(matches!(late, Err(Error::Conflict(_))), "{late:?}");
    let nothing = store.end(&first, KeyedEnd::Nothing).await;
    assert!(matches!(nothing, Ok(()) | Err(Error::Conflict(_))), "{nothing:?}");
    assert_eq!(store.begin(&again(&first), FOR_US).await, Ok(Begun::Runs(second.id)));
    store.end(&second, KeyedEnd::Kept(reply("2"))).await.unwrap();
    let told = store.begin(&again(&first), FOR_US).await;
    assert_eq!(told, Ok(Begun::Answered(second.id, reply("2"))));
}

/// Then the key is another's.
pub async fn answers_are_kept_for_a_day<S: Keyed>(store: &S, clock: &TestClock) {
    let first = request("1");
    runs(store, &first).await;
    store.end(&first, KeyedEnd::Kept(reply("1"))).await.unwrap();
    clock.advance(24 * HOUR_US - SECOND_US);
    store.forget(1_000).await.unwrap();
    let told = store.begin(&again(&first), FOR_US).await;
    assert_eq!(told, Ok(Begun::Answered(first.id, reply("1"))));
    clock.advance(2 * SECOND_US);
    let second = again(&first);
    runs(store, &second).await;
    // What is forgotten now is what the first left.
    store.forget(1_000).await.unwrap();
    store.end(&second, KeyedEnd::Kept(reply("2"))).await.unwrap();
    store.forget(1_000).await.unwrap();
    let told = store.begin(&again(&first), FOR_US).await;
    assert_eq!(told, Ok(Begun::Answered(second.id, reply("2"))));
}

/// Also with the same payload: one has an answer and the other an invocation to look at.
pub async fn an_events_key_is_no_requests_and_the_other_way_round<S: Keyed>(
    store: &S,
    _clock: &TestClock,
) {
    let first = request("1");
    let of_event = |request: &KeyedRequest| NewInvocation {
        key: Some(request.key.clone()),
        ..event(&request.app, "1")
    };
    runs(store, &first).await;
    assert_eq!(store.accept(of_event(&first)).await, Ok(Accepted::Differs));
    store.end(&first, KeyedEnd::Kept(reply("1"))).await.unwrap();
    assert_eq!(store.accept(of_event(&first)).await, Ok(Accepted::Differs));
    let second = request("1");
    let accepted = store.accept(of_event(&second)).await;
    assert!(matches!(accepted, Ok(Accepted::Queued { .. })), "{accepted:?}");
    assert_eq!(store.begin(&second, FOR_US).await, Ok(Begun::Differs));
}

/// And no others.
pub async fn answers_of_a_deleted_app_are_gone<S: Keyed>(store: &S, _clock: &TestClock) {
    let (first, other) = (request("1"), request("1"));
    for request in [&first, &other] {
        runs(store, request).await;
        store.end(request, KeyedEnd::Kept(reply("1"))).await.unwrap();
    }
    store.delete_app(&first.app).await.unwrap();
    runs(store, &again(&first)).await;
    let told = store.begin(&again(&other), FOR_US).await;
    assert_eq!(told, Ok(Begun::Answered(other.id, reply("1"))));
}

//! What every [`ReplyStore`] must do, on the same store as an [`InvocationQueue`].

use mayfly_types::InvocationId;

use super::function;
use super::queue::{HOUR_US, SECOND_US, TestClock, event, key, some_app};
use crate::{
    Accepted, BYTES_PER_KEY, Begun, Error, InvocationQueue, KeptReply, KeyedEnd, KeyedRequest,
    NewInvocation, ReplyStore,
};

/// One test per behaviour: `reply_suite!(open)`, where `open` is an async function that answers a pointer to a
/// fresh store and the clock that it was given.
#[macro_export]
macro_rules! reply_suite {
    (@list $($how:tt)*) => {
        $crate::reply_suite! { @run $($how)*;
            an_answer_is_told_again
            an_answer_that_is_not_kept_is_known_but_not_told
            what_came_to_nothing_may_run_again
            a_key_with_another_payload_is_not_answered
            keys_are_their_callers_and_functions
            of_many_who_begin_at_once_one_runs
            whoever_holds_a_key_too_long_loses_it
            answers_are_kept_for_a_day
            an_events_key_is_no_requests_and_the_other_way_round
            answers_of_a_deleted_app_are_gone
            answers_are_kept_while_there_is_room
            a_function_has_room_for_so_many_keys
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
    let (app, function) = (some_app(), function("thumb"));
    KeyedRequest { id: InvocationId::new(), app, function, key, room: 1 << 30 }
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
pub async fn an_answer_that_is_not_kept_is_known_but_not_told<S: Keyed>(
    store: &S,
    _clock: &TestClock,
) {
    let first = request("1");
    runs(store, &first).await;
    store.end(&first, KeyedEnd::NotKept).await.unwrap();
    assert_eq!(store.begin(&again(&first), FOR_US).await, Ok(Begun::NotKept(first.id)));
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

/// A request like another, with a key of its own.
fn numbered(like: &KeyedRequest, number: usize) -> KeyedRequest {
    KeyedRequest { key: key(&format!("order-{number}"), "1"), ..again(like) }
}

async fn answers(store: &impl Keyed, request: &KeyedRequest, bytes: usize) -> Begun {
    runs(store, request).await;
    let reply = KeptReply { head: String::new(), body: vec![7; bytes] };
    store.end(request, KeyedEnd::Kept(reply)).await.unwrap();
    store.begin(&again(request), FOR_US).await.unwrap()
}

/// Three quarters of it: then they are known but not told, until those before are forgotten. Other functions have theirs.
pub async fn answers_are_kept_while_there_is_room<S: Keyed>(store: &S, clock: &TestClock) {
    let bytes = 10 * BYTES_PER_KEY as usize;
    let first = KeyedRequest { room: 32 * BYTES_PER_KEY, ..request("1") };
    for number in 0..2 {
        let told = answers(store, &numbered(&first, number), bytes).await;
        assert!(matches!(told, Begun::Answered(..)), "{number}: {told:?}");
    }
    let third = numbered(&first, 2);
    assert_eq!(answers(store, &third, bytes).await, Begun::NotKept(third.id));
    // What is less still has room, and another function's answers have theirs.
    let told = answers(store, &numbered(&first, 3), 0).await;
    assert!(matches!(told, Begun::Answered(..)), "{told:?}");
    let other = KeyedRequest { function: function("next"), ..numbered(&first, 2) };
    let told = answers(store, &other, bytes).await;
    assert!(matches!(told, Begun::Answered(..)), "{told:?}");

    clock.advance(24 * HOUR_US + SECOND_US);
    store.forget(1_000).await.unwrap();
    let told = answers(store, &third, bytes).await;
    assert!(matches!(told, Begun::Answered(..)), "{told:?}");
}

/// Those that are there are answered nevertheless; events have their keys elsewhere; what came to nothing or is
/// forgotten takes none.
pub async fn a_function_has_room_for_so_many_keys<S: Keyed>(store: &S, clock: &TestClock) {
    const MOST: usize = 4;
    let first = KeyedRequest { room: MOST as u64 * BYTES_PER_KEY, ..request("1") };
    let nth = |number| numbered(&first, number);
    let of_event = NewInvocation { key: Some(nth(100).key), ..event(&first.app, "1") };
    store.accept(of_event).await.unwrap();
    let all: Vec<KeyedRequest> = (0..MOST).map(nth).collect();
    for request in &all {
        runs(store, request).await;
    }
    assert_eq!(store.begin(&nth(MOST), FOR_US).await, Ok(Begun::Full));
    assert_eq!(store.begin(&again(&all[0]), FOR_US).await, Ok(Begun::Runs(all[0].id)));
    store.end(&all[0], KeyedEnd::NotKept).await.unwrap();
    assert_eq!(store.begin(&nth(MOST), FOR_US).await, Ok(Begun::Full));
    assert_eq!(store.begin(&again(&all[0]), FOR_US).await, Ok(Begun::NotKept(all[0].id)));
    for _ in 0..2 {
        store.end(&all[1], KeyedEnd::Nothing).await.unwrap();
    }
    runs(store, &nth(MOST)).await;
    assert_eq!(store.begin(&nth(MOST + 1), FOR_US).await, Ok(Begun::Full));

    clock.advance(24 * HOUR_US + SECOND_US);
    store.forget(2).await.unwrap();
    store.forget(1_000).await.unwrap();
    for number in 10..10 + MOST {
        runs(store, &nth(number)).await;
    }
    assert_eq!(store.begin(&nth(0), FOR_US).await, Ok(Begun::Full));
    // One whose holder is gone is taken over, for it has its room.
    clock.advance(FOR_US);
    let next = nth(10);
    runs(store, &next).await;
    assert_eq!(store.begin(&nth(0), FOR_US).await, Ok(Begun::Full));
    store.end(&next, KeyedEnd::Nothing).await.unwrap();
    runs(store, &nth(0)).await;
    assert_eq!(store.begin(&nth(1), FOR_US).await, Ok(Begun::Full));
}

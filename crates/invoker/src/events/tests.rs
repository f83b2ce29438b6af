//! The dispatcher over SQLite and a runtime that does what each test tells it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use mayfly_control_api::{Error, Event};
use mayfly_runtime_api::{Call, Failure, Payload, Reply, ReplyBody};
use mayfly_state_api::suite::{Faulty, Plan, until_answered};
use mayfly_state_api::{InvocationQueue, InvocationRecord, InvocationStatus as Status, Redrive};
use mayfly_state_embedded::{DataDir, OpenOptions, Work};
use mayfly_types::{
    AsyncConfig, Fault, FaultCode, HandlerStyle, InvocationId, Outcome, OutcomeStatus, TimeSpan,
};
use tempfile::TempDir;
use tokio::sync::Semaphore;

use super::*;
use crate::tests::{World, app, function, outcome, release, revision_with, world};

fn config() -> AsyncConfig {
    AsyncConfig { backoff: TimeSpan::millis(1), ..AsyncConfig::default() }
}

/// A function that does this.
fn runs(
    concurrency: Option<u32>,
    handler: impl Fn(Call) -> Result<Reply, Failure> + Send + Sync + 'static,
) -> World {
    let revision = revision_with(HandlerStyle::Event, concurrency, "v1", config());
    world(vec![(1, release(1, revision))], handler)
}

fn answer(json: &str) -> Result<Reply, Failure> {
    let rest = ReplyBody::Complete(Bytes::new(), outcome());
    Ok(Reply::Event { json: Bytes::copy_from_slice(json.as_bytes()), rest })
}

fn fails(code: FaultCode) -> Result<Reply, Failure> {
    let status = OutcomeStatus::Fault(code);
    Err(Failure { fault: Fault::new(code, "it failed"), outcome: Outcome::nothing(status) })
}

/// The event of a call, with the number of its attempt.
fn given(call: &Call) -> (String, u32) {
    let Payload::Event(event) = &call.payload else { panic!("it is an event") };
    (String::from_utf8(event.json.to_vec()).unwrap(), event.attempt)
}

fn now_us() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    now.as_micros() as i64
}

fn open(dir: &TempDir) -> Arc<Work> {
    let data = DataDir::open(dir.path(), OpenOptions::default()).unwrap();
    Arc::new(Work::open(&data).unwrap())
}

async fn dispatcher(queue: Arc<dyn InvocationQueue>, world: &World) -> Dispatcher {
    let limits = EventLimits { lease: Duration::from_millis(300), ..EventLimits::default() };
    let parts = EventParts { queue, clock: Arc::new(now_us), limits };
    Dispatcher::start(parts, world.invoker.clone()).await.unwrap()
}

fn event(json: &str) -> Event {
    Event {
        id: InvocationId::new(),
        app: app(),
        function: function(),
        kind: "invoke".into(),
        json: Bytes::copy_from_slice(json.as_bytes()),
        due_us: None,
        caller: None,
        key: None,
        trace: None,
    }
}

async fn sent(dispatcher: &Dispatcher, json: &str) -> InvocationId {
    dispatcher.events().accept(event(json)).await.unwrap()
}

/// The invocation once it has come to an end.
async fn ended(queue: &dyn InvocationQueue, id: InvocationId) -> InvocationRecord {
    reached(queue, id, Status::is_end).await
}

async fn reached(
    queue: &dyn InvocationQueue,
    id: InvocationId,
    there: impl Fn(Status) -> bool,
) -> InvocationRecord {
    let wait = async {
        loop {
            let record = queue.invocation(&app().tenant, id).await.unwrap().unwrap();
            if there(record.status) {
                return record;
            }
            // The queue tells nobody what becomes of an invocation.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.expect("it comes to an end")
}

#[tokio::test]
async fn an_event_runs_and_what_it_answered_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let world = runs(None, |call| answer(&format!("[{}]", given(&call).0)));
    let queue = open(&dir);
    let dispatcher = dispatcher(queue.clone(), &world).await;
    let id = sent(&dispatcher, "7").await;
    let record = ended(&*queue, id).await;
    assert_eq!((record.status, record.result.as_deref()), (Status::Succeeded, Some("[7]")));
    let [attempt] = &record.attempts[..] else { panic!("{record:?}") };
    assert_eq!((attempt.number, attempt.outcome.status), (1, OutcomeStatus::Ok));
    assert!(attempt.revision.is_some() && attempt.outcome.wall_us > 0);
}

#[tokio::test]
async fn what_fails_is_tried_again_and_then_is_a_dead_letter() {
    let dir = tempfile::tempdir().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let seen_by = Arc::clone(&seen);
    let world = runs(None, move |call| {
        seen_by.lock().unwrap().push((call.id, given(&call).1));
        fails(FaultCode::FunctionError)
    });
    let queue = open(&dir);
    let dispatcher = dispatcher(queue.clone(), &world).await;
    let id = sent(&dispatcher, "1").await;
    let record = ended(&*queue, id).await;
    assert_eq!(record.status, Status::Failed);
    assert_eq!(record.fault.unwrap().message, "it failed");
    assert_eq!(*seen.lock().unwrap(), [(id, 1), (id, 2), (id, 3)]);
    assert_eq!(record.attempts.len(), 3);

    let redriven = dispatcher.events().redrive(&app(), &function(), &Redrive::One(id)).await;
    assert_eq!(redriven.unwrap(), 1);
    ended(&*queue, id).await;
    let attempts: Vec<_> = seen.lock().unwrap().iter().map(|(_, attempt)| *attempt).collect();
    assert_eq!(attempts, [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn what_the_platform_does_costs_no_attempt() {
    let dir = tempfile::tempdir().unwrap();
    let calls = AtomicU32::new(0);
    let world = runs(None, move |_| match calls.fetch_add(1, Ordering::SeqCst) {
        // More often than a function may fail.
        0..4 => fails(FaultCode::TooManyRequests),
        _ => answer("1"),
    });
    let queue = open(&dir);
    let dispatcher = dispatcher(queue.clone(), &world).await;
    let id = sent(&dispatcher, "1").await;
    assert_eq!(ended(&*queue, id).await.status, Status::Succeeded);
}

#[tokio::test]
async fn a_functions_limit_holds_and_nothing_is_lost_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let (running, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (now, highest) = (Arc::clone(&running), Arc::clone(&most));
    let world = runs(Some(2), move |_| {
        highest.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        now.fetch_sub(1, Ordering::SeqCst);
        answer("1")
    });
    let queue = open(&dir);
    let dispatcher = dispatcher(queue.clone(), &world).await;
    let mut ids = Vec::new();
    for number in 0..30 {
        ids.push(sent(&dispatcher, &number.to_string()).await);
    }
    for id in ids {
        let record = ended(&*queue, id).await;
        assert_eq!((record.status, record.attempts.len()), (Status::Succeeded, 1));
        assert_eq!(record.attempts[0].number, 1, "it was never refused");
    }
    assert!(most.load(Ordering::SeqCst) <= 2);
}

#[tokio::test]
async fn an_event_for_nobody_is_refused_and_one_whose_function_went_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let world = runs(None, |_| answer("1"));
    let queue = open(&dir);
    let dispatcher = dispatcher(queue.clone(), &world).await;
    let other = Event { function: "other".parse().unwrap(), ..event("1") };
    let refused = dispatcher.events().accept(other).await;
    assert!(matches!(refused, Err(Error::NotFound { .. })), "{refused:?}");
    let later = Event { due_us: Some(now_us() + 200_000), ..event("1") };
    let id = dispatcher.events().accept(later).await.unwrap();
    world.show(Vec::new(), 1);
    let record = ended(&*queue, id).await;
    assert_eq!(record.status, Status::Failed);
    assert_eq!(record.fault.unwrap().code, FaultCode::NotFound);
    assert_eq!(record.attempts, []);
}

#[tokio::test]
async fn a_node_that_stops_finishes_what_runs_and_the_next_one_does_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let (entered, go_on) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (began, may_end) = (Arc::clone(&entered), Arc::clone(&go_on));
    let world = runs(Some(1), move |_| {
        began.add_permits(1);
        Ok(Reply::Event {
            json: Bytes::from_static(b"1"),
            rest: ReplyBody::Running(Box::pin(Held(Arc::clone(&may_end), None))),
        })
    });
    let queue = open(&dir);
    let first = dispatcher(queue.clone(), &world).await;
    let (runs, waits) = (sent(&first, "1").await, sent(&first, "2").await);
    entered.acquire().await.unwrap().forget();
    let mut drained = Box::pin(first.drain());
    let waits_now =
        std::future::poll_fn(|cx| std::task::Poll::Ready(drained.as_mut().poll(cx).is_pending()));
    assert!(waits_now.await);
    go_on.add_permits(1);
    drained.await;
    assert_eq!(ended(&*queue, runs).await.status, Status::Succeeded);
    let record = queue.invocation(&app().tenant, waits).await.unwrap().unwrap();
    assert_eq!(record.status, Status::Queued);
    first.shutdown().await;
    drop(queue);

    go_on.add_permits(1);
    let queue = open(&dir);
    let _second = dispatcher(queue.clone(), &world).await;
    assert_eq!(ended(&*queue, waits).await.status, Status::Succeeded);
}

/// An attempt that goes on until it is let.
struct Held(Arc<Semaphore>, Option<Waiting>);

type Waiting = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

impl mayfly_runtime_api::ReplyStream for Held {
    fn poll_data(
        self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Bytes, Fault>>> {
        std::task::Poll::Ready(None)
    }

    fn poll_outcome(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Outcome> {
        let gate = Arc::clone(&self.0);
        let wait: Waiting = Box::pin(async move { gate.acquire().await.unwrap().forget() });
        let waiting = self.1.get_or_insert(wait);
        waiting.as_mut().poll(cx).map(|()| outcome())
    }

    fn remaining(&self) -> Option<u64> {
        Some(0)
    }

    fn so_far(self: std::pin::Pin<&mut Self>) -> Outcome {
        outcome()
    }
}

#[tokio::test]
async fn another_function_is_told_what_became_of_an_event() {
    let dir = tempfile::tempdir().unwrap();
    let to = |function: &str| {
        let function = function.parse().unwrap();
        Some(mayfly_types::Destination { app: app().app, function })
    };
    let events =
        AsyncConfig { attempts: 1, on_success: to("good"), on_failure: to("bad"), ..config() };
    let revision = revision_with(HandlerStyle::Event, None, "v1", events);
    let world = world(vec![(1, release(1, revision))], |call| match given(&call).0.as_str() {
        "1" => answer("12345678901234567890123"),
        _ => fails(FaultCode::FunctionError),
    });
    let queue = open(&dir);
    let dispatcher = dispatcher(queue.clone(), &world).await;
    for (json, function, condition, told) in [
        ("1", "good", "Success", "12345678901234567890123"),
        ("2", "bad", "RetriesExhausted", "{\"errorType\":\"function_error\","),
    ] {
        let id = sent(&dispatcher, json).await;
        ended(&*queue, id).await;
        let query = mayfly_state_api::InvocationQuery {
            app: app(),
            function: function.parse().unwrap(),
            status: None,
            before: None,
            limit: 10,
        };
        // Nobody is there to take it, and so it is found among what was given up.
        let record = queue.invocations(&query).await.unwrap().remove(0);
        let record = ended(&*queue, record.id).await;
        assert_eq!((record.kind.as_str(), record.status), ("destination", Status::Failed));
        let redriven = queue.redrive(&app(), &query.function, &Redrive::One(record.id), 1).await;
        assert_eq!(redriven, Ok(1));
        let (leases, _) = queue.lease(&app(), &query.function, 1, 1).await.unwrap();
        let text = String::from_utf8(leases[0].payload.clone()).unwrap();
        assert!(text.contains(&format!("\"condition\":\"{condition}\"")), "{text}");
        assert!(text.contains(&format!("\"requestPayload\":{json},")), "{text}");
        assert!(text.contains(&format!("\"responsePayload\":{told}")), "{text}");
        assert!(text.contains(&id.to_string()), "{text}");
    }
}

/// Whatever the queue does not answer, or does twice.
#[tokio::test]
async fn whatever_was_acknowledged_comes_to_an_end_over_a_queue_with_faults() {
    for seed in [1, 2] {
        let dir = tempfile::tempdir().unwrap();
        let ran = Arc::new(Mutex::new(BTreeMap::<String, Vec<u32>>::new()));
        let ran_by = Arc::clone(&ran);
        let world = runs(Some(5), move |call| {
            let (json, attempt) = given(&call);
            ran_by.lock().unwrap().entry(json.clone()).or_default().push(attempt);
            match json.parse::<u32>().unwrap() % 3 {
                0 => fails(FaultCode::FunctionError),
                1 if attempt == 1 => fails(FaultCode::Timeout),
                _ => answer(&json),
            }
        });
        let queue = open(&dir);
        let faulty = Arc::new(Faulty::new(
            queue.clone(),
            Plan { refused: 10, unanswered: 10, twice: 10, ..Plan::seeded(seed) },
        ));
        let dispatcher = loop {
            let limits =
                EventLimits { lease: Duration::from_millis(300), ..EventLimits::default() };
            let parts = EventParts { queue: faulty.clone(), clock: Arc::new(now_us), limits };
            // A node that cannot read its queue does not start.
            if let Ok(started) = Dispatcher::start(parts, world.invoker.clone()).await {
                break started;
            }
        };
        let mut ids = BTreeMap::new();
        for number in 0..12 {
            let event = event(&number.to_string());
            let accept = || async {
                dispatcher.events().accept(event.clone()).await.map_err(|error| match error {
                    Error::Unavailable(why) => mayfly_state_api::Error::Unavailable(why),
                    other => panic!("{other}"),
                })
            };
            ids.insert(number, until_answered(accept).await.unwrap());
        }
        for (number, id) in ids {
            let record = ended(&*queue, id).await;
            let expected = if number % 3 == 0 { Status::Failed } else { Status::Succeeded };
            assert_eq!(record.status, expected, "seed {seed}: {record:?}");
            let ran = ran.lock().unwrap();
            let attempts = &ran[&number.to_string()];
            assert!(attempts.is_sorted_by(|a, b| a < b), "seed {seed}: {attempts:?}");
        }
        // How many depends on how many operations one batch takes.
        assert!(faulty.faults() > 3, "seed {seed}: {} faults", faulty.faults());
    }
}

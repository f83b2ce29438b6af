//! Requests with keys, over a runtime that does what each test tells it.

use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use http::{HeaderMap, StatusCode};
use mayfly_runtime_api::{
    Call, Failure, Invocation, Invoke, Reply, ReplyBody, ReplyStream, ResponseHead, Target,
};
use mayfly_types::{HandlerStyle, Outcome, OutcomeStatus};

use super::*;
use crate::Limits;
use crate::tests::{
    World, app, event, function, http, outcome, release, revision, world, world_with,
};

fn keyed(payload: Payload, key: &str) -> Invocation {
    let target = Target { app: app(), function: function(), release: None };
    let key = Some(key.to_owned());
    Invocation { id: InvocationId::new(), target, payload, caller: None, key, trace: None }
}

/// A world whose function counts its runs, and answers with the count.
fn counting(
    style: HandlerStyle,
    answer: impl Fn(u32, &Call) -> Result<Reply, Failure> + Send + Sync + 'static,
) -> (World, Arc<AtomicU32>) {
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let world = world(vec![(100, release(1, revision(style, None, "a")))], move |call| {
        answer(counted.fetch_add(1, Ordering::SeqCst) + 1, &call)
    });
    (world, runs)
}

fn page(run: u32, body: Bytes) -> Result<Reply, Failure> {
    let headers = HeaderMap::from_iter([
        (http::header::SET_COOKIE, http::HeaderValue::from_static("a=1")),
        (http::HeaderName::from_static("x-run"), run.into()),
        (http::HeaderName::from_static("x-bytes"), http::HeaderValue::from_bytes(b"\xff").unwrap()),
    ]);
    let head = ResponseHead { status: StatusCode::CREATED, headers };
    Ok(Reply::Http { head, body: ReplyBody::Complete(body, outcome()) })
}

fn failed(code: FaultCode) -> Result<Reply, Failure> {
    let fault = Fault::new(code, "it threw").with_detail("Error: it threw\n  at line 1");
    Err(Failure { fault, outcome: Outcome::nothing(OutcomeStatus::Fault(code)) })
}

/// An answer's status, headers and body.
async fn read(answer: Result<Answer, Fault>) -> (StatusCode, HeaderMap, Bytes) {
    let Ok(Answer::Http { head, body }) = answer else { panic!("{answer:?}") };
    (head.status, head.headers, body.collect(usize::MAX).await.unwrap())
}

fn code(answered: Answered) -> FaultCode {
    answered.answer.unwrap_err().code
}

#[tokio::test]
async fn a_request_that_comes_again_is_answered_alike_and_runs_once() {
    let (world, runs) =
        counting(HandlerStyle::Fetch, |run, _| page(run, Bytes::from_static(b"\0hi")));
    let first = keyed(http("pay 7"), "order-7");
    let id = first.id;
    let answered = world.invoker.invoke(first).await;
    assert_eq!(answered.again, None);
    let (status, headers, body) = read(answered.answer).await;
    assert_eq!(
        (status, &headers["x-run"], &body[..]),
        (StatusCode::CREATED, &1.into(), &b"\0hi"[..])
    );
    for _ in 0..2 {
        let again = world.invoker.invoke(keyed(http("pay 7"), "order-7")).await;
        assert_eq!(again.again, Some(id));
        assert_eq!(read(again.answer).await, (status, headers.clone(), body.clone()));
    }
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    assert_eq!(world.ledger.taken().len(), 1, "and is paid once");
    let other = world.invoker.invoke(keyed(http("pay 7"), "order-8")).await;
    assert_eq!(read(other.answer).await.1["x-run"], "2");
}

#[tokio::test]
async fn the_result_of_an_event_is_told_again() {
    let (world, runs) = counting(HandlerStyle::Event, |run, _| {
        let rest = ReplyBody::Complete(Bytes::new(), outcome());
        Ok(Reply::Event { json: format!("[{run}]").into(), rest })
    });
    for _ in 0..2 {
        let answered = world.invoker.invoke(keyed(event("{\"n\":1}"), "order-7")).await;
        assert!(matches!(answered.answer, Ok(Answer::Event(json)) if json == "[1]"));
    }
    assert_eq!(
        code(world.invoker.invoke(keyed(event("{}"), "order-7")).await),
        FaultCode::KeyReused
    );
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn another_request_with_the_same_key_is_refused() {
    let (world, runs) = counting(HandlerStyle::Fetch, |run, _| page(run, Bytes::new()));
    let with = |change: fn(&mut mayfly_runtime_api::HttpRequest)| {
        let mut payload = http("pay 7");
        if let Payload::Http(request) = &mut payload {
            change(request);
        }
        keyed(payload, "order-7")
    };
    world.invoker.invoke(with(|_| {})).await.answer.unwrap();
    assert_eq!(
        code(world.invoker.invoke(keyed(http("pay 8"), "order-7")).await),
        FaultCode::KeyReused
    );
    let put = with(|request| request.method = http::Method::PUT);
    assert_eq!(code(world.invoker.invoke(put).await), FaultCode::KeyReused);
    let elsewhere = with(|request| request.url = "http://app.localhost/b?b=c".into());
    assert_eq!(code(world.invoker.invoke(elsewhere).await), FaultCode::KeyReused);
    // Another host of the same app is the same request.
    let host = with(|request| request.url = "http://example.com/a?b=c".into());
    assert!(world.invoker.invoke(host).await.again.is_some());
    // Who shows something else is somebody else, whatever the key.
    let other = with(|request| {
        request.headers.insert("authorization", http::HeaderValue::from_static("Bearer b"));
    });
    assert_eq!(world.invoker.invoke(other).await.again, None);
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_functions_failure_is_an_answer_and_the_platforms_is_none() {
    let (world, _) = counting(HandlerStyle::Fetch, |run, _| match run {
        1 => failed(FaultCode::Unavailable),
        2 => failed(FaultCode::FunctionError),
        _ => page(run, Bytes::new()),
    });
    let call = async || world.invoker.invoke(keyed(http("pay 7"), "order-7")).await;
    assert_eq!(code(call().await), FaultCode::Unavailable);
    let failed = call().await;
    assert_eq!(failed.again, None);
    let failed = failed.answer.unwrap_err();
    let again = call().await;
    assert!(again.again.is_some());
    assert_eq!(again.answer.unwrap_err(), failed);
}

/// A body of what its test sends.
struct Fed(mpsc::UnboundedReceiver<Bytes>);

impl ReplyStream for Fed {
    fn poll_data(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Fault>>> {
        self.0.poll_recv(cx).map(|data| data.map(Ok))
    }
    fn poll_outcome(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Outcome> {
        Poll::Ready(outcome())
    }
    fn remaining(&self) -> Option<u64> {
        None
    }
    fn so_far(self: Pin<&mut Self>) -> Outcome {
        outcome()
    }
}

/// A world whose function answers with what is sent, in its first run.
fn fed() -> (World, mpsc::UnboundedSender<Bytes>, Arc<AtomicU32>) {
    let (send, receive) = mpsc::unbounded_channel();
    let receive = Mutex::new(Some(receive));
    let (world, runs) = counting(HandlerStyle::Fetch, move |_, _| {
        let stream = Fed(receive.lock().unwrap().take().unwrap());
        let head = ResponseHead { status: StatusCode::OK, headers: HeaderMap::new() };
        Ok(Reply::Http { head, body: ReplyBody::Running(Box::pin(stream)) })
    });
    (world, send, runs)
}

/// Calls in a task, until the function runs.
async fn begun(
    world: &World,
    runs: &AtomicU32,
    invocation: Invocation,
) -> tokio::task::JoinHandle<Answered> {
    let invoker = world.invoker.clone();
    let call = tokio::spawn(async move { invoker.invoke(invocation).await });
    while runs.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    call
}

#[tokio::test]
async fn repetitions_wait_for_what_runs() {
    let (world, send, runs) = fed();
    let first = begun(&world, &runs, keyed(http("pay 7"), "order-7")).await;
    let mut again = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let invoker = world.invoker.clone();
        again.spawn(async move { invoker.invoke(keyed(http("pay 7"), "order-7")).await });
    }
    send.send(Bytes::from_static(b"done")).unwrap();
    drop(send);
    assert_eq!(&read(first.await.unwrap().answer).await.2[..], b"done");
    for answered in again.join_all().await {
        assert_eq!(&read(answered.answer).await.2[..], b"done");
    }
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_repetition_that_waits_long_is_told_that_the_first_still_runs() {
    let (world, send, runs) = fed();
    let first = begun(&world, &runs, keyed(http("pay 7"), "order-7")).await;
    let began = Instant::now();
    let refused = world.invoker.invoke(keyed(http("pay 7"), "order-7")).await.answer.unwrap_err();
    assert_eq!((refused.code, refused.wait_seconds()), (FaultCode::KeyInUse, Some(1)));
    // How much longer says nothing: time that is paused runs on while the store's thread works.
    assert!(began.elapsed() >= PATIENCE);
    drop(send);
    first.await.unwrap().answer.unwrap();
}

#[tokio::test]
async fn a_caller_who_leaves_finds_the_answer_when_it_asks_again() {
    let (world, send, runs) = fed();
    let first = begun(&world, &runs, keyed(http("pay 7"), "order-7")).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    send.send(Bytes::from_static(b"done")).unwrap();
    drop(send);
    let again = world.invoker.invoke(keyed(http("pay 7"), "order-7")).await;
    assert!(again.again.is_some());
    assert_eq!(&read(again.answer).await.2[..], b"done");
    let [(1, sums)] = world.ledger.taken()[..] else { panic!("it ran once") };
    assert_eq!((sums.attempts, sums.caller_faults), (1, 0), "and to its end");
}

#[tokio::test]
async fn bodies_and_answers_over_the_limit_are_not_kept() {
    let (world, send, runs) = fed();
    let mut large = http("");
    let Payload::Http(request) = &mut large else { unreachable!() };
    request.body = Body::full(vec![b'x'; LARGEST + 1]);
    assert_eq!(code(world.invoker.invoke(keyed(large, "large")).await), FaultCode::PayloadTooLarge);
    assert_eq!(runs.load(Ordering::SeqCst), 0);

    let piece = Bytes::from(vec![b'x'; LARGEST]);
    for piece in [piece.clone(), Bytes::from_static(b"yz"), piece] {
        send.send(piece).unwrap();
    }
    drop(send);
    let first = world.invoker.invoke(keyed(http("pay 7"), "order-7")).await;
    let (.., body) = read(first.answer).await;
    assert_eq!((body.len(), &body[LARGEST..LARGEST + 3]), (2 * LARGEST + 2, &b"yzx"[..]));
    let again = world.invoker.invoke(keyed(http("pay 7"), "order-7")).await;
    assert_eq!(code(again), FaultCode::NotReplayable);
    assert_eq!(runs.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_function_whose_keys_take_all_their_room_runs_none_with_another() {
    let limits = Limits { kept_answers: 3 << 10, ..Limits::default() };
    let live = vec![(100, release(1, revision(HandlerStyle::Fetch, None, "a")))];
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let world = world_with(limits, live, move |_| {
        page(counted.fetch_add(1, Ordering::SeqCst) + 1, Bytes::from_static(&[b'x'; 1200]))
    });
    let ask = async |key: &str| world.invoker.invoke(keyed(http("pay"), key)).await;
    for key in ["1", "2"] {
        assert!(ask(key).await.answer.is_ok());
    }
    assert!(ask("1").await.again.is_some());
    assert_eq!(code(ask("2").await), FaultCode::NotReplayable);
    let mut ran = 2;
    let fault = loop {
        match ask(&format!("more {ran}")).await.answer {
            Ok(_) => ran += 1,
            Err(fault) => break fault,
        }
    };
    assert_eq!(fault.code, FaultCode::TooManyRequests);
    assert!(fault.message.contains("3KB: ask later"), "{fault}");
    assert!(fault.detail.as_ref().is_some_and(|text| text.contains("`limits.kept_answers`")));
    assert!(fault.retry_after.is_some());
    assert_eq!(runs.load(Ordering::SeqCst), ran, "and those without room for a key not");
    assert!((4..12).contains(&ran), "{ran}");
    assert!(ask("1").await.again.is_some(), "what is kept is told");
    let without = Invocation { key: None, ..keyed(http("pay"), "") };
    assert!(world.invoker.invoke(without).await.answer.is_ok());
}

#[tokio::test]
async fn a_key_for_a_function_that_is_not_there_is_refused_before_its_body_is_read() {
    let (world, _) = counting(HandlerStyle::Fetch, |run, _| page(run, Bytes::new()));
    world.show(Vec::new(), 1);
    assert_eq!(code(world.invoker.invoke(keyed(http(""), "order-7")).await), FaultCode::NotFound);
}

//! The invoker over a runtime that does what each test tells it.

use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use mayfly_control_api::{AppView, ReleaseView, Secrets, SharedView, View};
use mayfly_manifest::RouteTable;
use mayfly_runtime_api::{
    Answer, Body, Call, EventRequest, Failure, HttpRequest, Instance, Invocation, Invoke, Payload,
    PrepareError, PrepareRequest, Prepared, Reply, ReplyBody, ReplyStream, ResponseHead, Runtime,
    StartRequest, Target,
};
use mayfly_state_api::{Error, LogLine, LogQuery, LogStore};
use mayfly_types::{
    AppKey, AppName, AsyncConfig, ByteSize, Digest, Fault, FaultCode, FunctionConfig, FunctionName,
    HandlerStyle, InvocationId, Isolation, Outcome, OutcomeStatus, ReleaseNumber, Revision,
    RuntimeKind, TenantName, TimeSpan,
};
use tokio::sync::{mpsc, watch};

use crate::{Invoker, Limits, Parts};

type Handler = dyn Fn(Call) -> Result<Reply, Failure> + Send + Sync;

struct Fake {
    handler: Arc<Handler>,
    starts: Mutex<Vec<BTreeMap<String, String>>>,
}

struct FakeInstance(Arc<Handler>);

impl Instance for FakeInstance {
    fn run(
        self: Arc<Self>,
        call: Call,
    ) -> Pin<Box<dyn Future<Output = Result<Reply, Failure>> + Send>> {
        Box::pin(async move { (self.0)(call) })
    }
}

#[async_trait]
impl Runtime for Fake {
    async fn prepare(&self, _request: PrepareRequest) -> Result<Prepared, PrepareError> {
        Ok(Prepared { style: HandlerStyle::Fetch, logs: Vec::new(), notes: Vec::new() })
    }

    async fn start(&self, request: StartRequest) -> Result<Arc<dyn Instance>, Fault> {
        self.starts.lock().unwrap().push((*request.secrets).clone());
        Ok(Arc::new(FakeInstance(Arc::clone(&self.handler))))
    }
}

struct NoLogs(watch::Sender<u64>);

#[async_trait]
impl LogStore for NoLogs {
    fn append(&self, _line: LogLine) {}
    async fn query(&self, _query: LogQuery) -> Result<(Vec<LogLine>, u64), Error> {
        Ok((Vec::new(), 0))
    }
    fn position(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
    async fn flush(&self) -> Result<(), Error> {
        Ok(())
    }
    async fn delete_app(&self, _app: &AppKey) -> Result<(), Error> {
        Ok(())
    }
}

pub(crate) fn outcome() -> Outcome {
    Outcome {
        status: OutcomeStatus::Ok,
        cold: false,
        init_us: 0,
        wall_us: 10,
        cpu_us: 10,
        memory_peak: 0,
        bytes_in: 0,
        bytes_out: 0,
    }
}

pub(crate) fn app() -> AppKey {
    AppKey::new(TenantName::fallback(), AppName::new("app").unwrap())
}

pub(crate) fn function() -> FunctionName {
    FunctionName::new("f").unwrap()
}

fn revision(style: HandlerStyle, concurrency: Option<u32>, code: &str) -> Revision {
    revision_with(style, concurrency, code, Default::default())
}

pub(crate) fn revision_with(
    style: HandlerStyle,
    concurrency: Option<u32>,
    code: &str,
    events: AsyncConfig,
) -> Revision {
    let config = FunctionConfig {
        runtime: RuntimeKind::Js,
        entry: "index.js".into(),
        handler: None,
        memory: ByteSize::mb(128),
        cpu: 1.0,
        disk: ByteSize::mb(512),
        timeout: TimeSpan::seconds(30),
        concurrency,
        concurrency_per_instance: None,
        isolation: Isolation::Invocation,
        env: BTreeMap::new(),
        secrets: vec!["GIVEN".into()],
        egress: Vec::new(),
        written: Default::default(),
        events,
    };
    Revision::new(app(), function(), Digest::of(code.as_bytes()), config, style)
}

fn secrets(generation: u64) -> Arc<Secrets> {
    let values = [("GIVEN", "a"), ("OTHER", "b")];
    let values = values.into_iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    Arc::new(Secrets { generation, values: Arc::new(values) })
}

pub(crate) fn release(number: u64, revision: Revision) -> Arc<ReleaseView> {
    Arc::new(ReleaseView {
        number: ReleaseNumber(number),
        routes: RouteTable::default(),
        functions: HashMap::from([(function(), Arc::new(revision))]),
    })
}

pub(crate) struct World {
    pub(crate) invoker: Invoker,
    runtime: Arc<Fake>,
    view: SharedView,
}

pub(crate) fn world(
    live: Vec<(u32, Arc<ReleaseView>)>,
    handler: impl Fn(Call) -> Result<Reply, Failure> + Send + Sync + 'static,
) -> World {
    let view: SharedView = Arc::new(ArcSwap::from_pointee(View::default()));
    let runtime = Arc::new(Fake { handler: Arc::new(handler), starts: Mutex::default() });
    let runtimes: BTreeMap<_, Arc<dyn Runtime>> =
        BTreeMap::from([(RuntimeKind::Js, runtime.clone() as Arc<dyn Runtime>)]);
    let invoker = Invoker::new(Parts {
        view: view.clone(),
        runtimes: Arc::new(runtimes),
        logs: Arc::new(NoLogs(watch::channel(0).0)),
        limits: Limits::default(),
    });
    let world = World { invoker, runtime, view };
    world.show(live, 1);
    world
}

impl World {
    pub(crate) fn show(&self, live: Vec<(u32, Arc<ReleaseView>)>, generation: u64) {
        let app_view = AppView { key: app(), live, secrets: secrets(generation) };
        let mut view = View::default();
        view.apps.insert(app(), Arc::new(app_view));
        self.view.store(Arc::new(view));
    }

    async fn call(&self, payload: Payload) -> Result<Answer, Fault> {
        self.call_release(payload, None).await
    }

    async fn call_release(&self, payload: Payload, release: Option<u64>) -> Result<Answer, Fault> {
        let target =
            Target { app: app(), function: function(), release: release.map(ReleaseNumber) };
        self.invoker.invoke(Invocation { id: InvocationId::new(), target, payload }).await
    }
}

fn http(body: &'static str) -> Payload {
    Payload::Http(HttpRequest {
        method: http::Method::POST,
        url: "http://app.localhost/a?b=c".into(),
        headers: http::HeaderMap::from_iter([(
            http::header::CONTENT_TYPE,
            http::HeaderValue::from_static("text/plain"),
        )]),
        body: Body::full(body),
        route: Some("/a".into()),
        params: Vec::new(),
        remote: None,
        version: http::Version::HTTP_11,
    })
}

fn event(json: &'static str) -> Payload {
    Payload::Event(EventRequest { kind: "invoke".into(), json: json.into(), attempt: 1 })
}

pub(crate) fn complete(text: &str) -> Result<Reply, Failure> {
    let head = ResponseHead { status: http::StatusCode::OK, headers: http::HeaderMap::new() };
    let body = ReplyBody::Complete(Bytes::copy_from_slice(text.as_bytes()), outcome());
    Ok(Reply::Http { head, body })
}

async fn text(answer: Answer) -> String {
    match answer {
        Answer::Http { body, .. } => {
            String::from_utf8(body.collect(1 << 20).await.unwrap().to_vec()).unwrap()
        }
        Answer::Event(json) => String::from_utf8(json.to_vec()).unwrap(),
    }
}

/// A reply that gives `chunks` and reports what becomes of it.
struct Stream {
    chunks: Vec<&'static str>,
    ended: mpsc::UnboundedSender<&'static str>,
}

impl ReplyStream for Stream {
    fn poll_data(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Fault>>> {
        let next = (!self.chunks.is_empty()).then(|| self.chunks.remove(0));
        Poll::Ready(next.map(|chunk| Ok(Bytes::from(chunk))))
    }

    fn poll_outcome(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<Outcome> {
        self.ended.send("finished").unwrap();
        Poll::Ready(outcome())
    }

    fn remaining(&self) -> Option<u64> {
        Some(self.chunks.iter().map(|chunk| chunk.len() as u64).sum())
    }

    fn cancelled(self: Pin<&mut Self>) -> Outcome {
        self.ended.send("cancelled").unwrap();
        outcome()
    }
}

fn streaming() -> (World, mpsc::UnboundedReceiver<&'static str>) {
    let (sender, ended) = mpsc::unbounded_channel();
    let live = vec![(100, release(1, revision(HandlerStyle::Fetch, Some(1), "x")))];
    let world = world(live, move |_| {
        let head = ResponseHead { status: http::StatusCode::OK, headers: http::HeaderMap::new() };
        let stream = Stream { chunks: vec!["one", "two"], ended: sender.clone() };
        Ok(Reply::Http { head, body: ReplyBody::Running(Box::pin(stream)) })
    });
    (world, ended)
}

#[tokio::test]
async fn a_request_for_an_event_handler_becomes_an_event_and_its_result_an_answer() {
    let live = vec![(100, release(1, revision(HandlerStyle::Event, None, "x")))];
    let world = world(live, |call| {
        let Payload::Event(event) = call.payload else { panic!("not an event") };
        let event: serde_json::Value = serde_json::from_slice(&event.json).unwrap();
        assert_eq!(event["version"], "2.0");
        assert_eq!(event["body"], "hello");
        let json = Bytes::from(r#"{"statusCode":201,"body":"made"}"#);
        Ok(Reply::Event { json, rest: ReplyBody::Complete(Bytes::new(), outcome()) })
    });
    let answer = world.call(http("hello")).await.unwrap();
    let Answer::Http { head, .. } = &answer else { panic!("not HTTP") };
    assert_eq!(head.status, 201);
    assert_eq!(text(answer).await, "made");
}

#[tokio::test]
async fn an_event_is_answered_with_the_handlers_own_result() {
    let live = vec![(100, release(1, revision(HandlerStyle::Event, None, "x")))];
    let world = world(live, |_| {
        let rest = ReplyBody::Complete(Bytes::new(), outcome());
        Ok(Reply::Event { json: Bytes::from("[1]"), rest })
    });
    assert_eq!(text(world.call(event("{}")).await.unwrap()).await, "[1]");
}

#[tokio::test]
async fn a_function_at_its_limit_refuses_the_next_until_one_has_ended() {
    let (world, mut ended) = streaming();
    let first = world.call(http("")).await.unwrap();
    let fault = world.call(http("")).await.unwrap_err();
    assert_eq!(fault.code, FaultCode::TooManyRequests);
    assert_eq!(text(first).await, "onetwo");
    assert_eq!(ended.recv().await, Some("finished"));
    world.invoker.drain().await;
    assert!(world.call(http("")).await.is_ok());
}

#[tokio::test]
async fn an_answer_that_is_read_to_its_end_lets_the_attempt_finish() {
    let (world, mut ended) = streaming();
    assert_eq!(text(world.call(http("")).await.unwrap()).await, "onetwo");
    assert_eq!(ended.recv().await, Some("finished"));
}

#[tokio::test]
async fn an_answer_that_is_dropped_half_way_cancels_the_attempt() {
    let (world, mut ended) = streaming();
    drop(world.call(http("")).await.unwrap());
    assert_eq!(ended.recv().await, Some("cancelled"));
    assert!(world.call(http("")).await.is_ok(), "the place is free again");
}

#[tokio::test]
async fn an_answer_whose_last_byte_was_taken_is_not_cancelled_by_its_drop() {
    use http_body_util::BodyExt;
    let (world, mut ended) = streaming();
    let Answer::Http { mut body, .. } = world.call(http("")).await.unwrap() else { panic!() };
    body.frame().await.unwrap().unwrap();
    body.frame().await.unwrap().unwrap();
    drop(body);
    assert_eq!(ended.recv().await, Some("finished"));
}

#[tokio::test]
async fn an_instance_is_given_only_the_secrets_that_its_function_names() {
    let live = vec![(100, release(1, revision(HandlerStyle::Fetch, None, "x")))];
    let world = world(live.clone(), |_| complete("ok"));
    world.call(http("")).await.unwrap();
    world.call(http("")).await.unwrap();
    let given = BTreeMap::from([("GIVEN".to_owned(), "a".to_owned())]);
    assert_eq!(*world.runtime.starts.lock().unwrap(), [given]);
    // A rotation retires the instance that holds the older ones.
    world.show(live, 2);
    world.call(http("")).await.unwrap();
    assert_eq!(world.runtime.starts.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_pinned_release_runs_while_it_is_live_and_else_what_is_live_now() {
    let old = release(1, revision(HandlerStyle::Event, None, "old"));
    let new = release(2, revision(HandlerStyle::Fetch, None, "new"));
    let world = world(vec![(99, old), (1, new.clone())], |call| match call.payload {
        Payload::Http(_) => complete("new"),
        Payload::Event(_) => {
            let rest = ReplyBody::Complete(Bytes::new(), outcome());
            Ok(Reply::Event { json: Bytes::from("\"old\""), rest })
        }
    });
    assert_eq!(text(world.call_release(http(""), Some(2)).await.unwrap()).await, "new");
    assert_eq!(text(world.call_release(http(""), Some(1)).await.unwrap()).await, "old");
    world.show(vec![(100, new)], 1);
    assert_eq!(text(world.call_release(http(""), Some(1)).await.unwrap()).await, "new");
}

#[tokio::test]
async fn what_is_not_deployed_is_not_found() {
    let live = vec![(100, release(1, revision(HandlerStyle::Fetch, None, "x")))];
    let world = world(live, |_| complete("ok"));
    let mut target = Target { app: app(), function: function(), release: None };
    target.function = FunctionName::new("other").unwrap();
    let invocation = Invocation { id: InvocationId::new(), target, payload: http("") };
    let fault = world.invoker.invoke(invocation).await.unwrap_err();
    assert_eq!(fault.code, FaultCode::NotFound);
    assert_eq!(fault.message, "app `app` has no function `other`");
}

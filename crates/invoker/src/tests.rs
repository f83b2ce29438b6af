//! The invoker over a runtime that does what each test tells it.

use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use mayfly_control_api::{AppView, ReleaseView, Secrets, SharedView, TenantView, View};
use mayfly_manifest::RouteTable;
use mayfly_runtime_api::{
    Answer, Body, Call, EventRequest, Failure, HttpRequest, Instance, Invocation, Invoke, Keep,
    Payload, PrepareError, PrepareRequest, Prepared, Reply, ReplyBody, ReplyStream, ResponseHead,
    Runtime, StartRequest, Target,
};
use mayfly_state_api::{
    BudgetKey, BudgetKind, BudgetRecord, Error, Ledger, LedgerEntry, LogLine, LogQuery, LogStore,
    Meter, Period, Prices, Sums,
};
use mayfly_state_embedded::{DataDir, OpenOptions, Work};
use mayfly_types::{
    AppKey, AppName, AsyncConfig, ByteSize, Digest, Fault, FaultCode, FunctionConfig, FunctionName,
    HandlerStyle, InvocationId, Isolation, Outcome, OutcomeStatus, ReleaseNumber, Revision,
    RuntimeKind, TenantName, TimeSpan,
};
use tokio::sync::{mpsc, watch};

use crate::{Accounts, Host, Invoker, Limits, Parts, Processors};

type Handler = dyn Fn(Call) -> Result<Reply, Failure> + Send + Sync;

struct Fake {
    handler: Arc<Handler>,
    starts: Mutex<Vec<BTreeMap<String, String>>>,
    kept: Arc<Mutex<Vec<Keep>>>,
}

struct FakeInstance(Arc<Handler>, Arc<Mutex<Vec<Keep>>>);

impl Instance for FakeInstance {
    fn keep(self: Arc<Self>, keep: Keep) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.1.lock().unwrap().push(keep);
        Box::pin(std::future::ready(()))
    }

    fn run(
        self: Arc<Self>,
        call: Call,
    ) -> Pin<Box<dyn Future<Output = Result<Reply, Failure>> + Send>> {
        Box::pin(async move {
            // One that is never answered.
            if let Payload::Http(request) = &call.payload
                && request.url.ends_with("/never")
            {
                return std::future::pending().await;
            }
            (self.0)(call)
        })
    }
}

#[async_trait]
impl Runtime for Fake {
    async fn prepare(&self, _request: PrepareRequest) -> Result<Prepared, PrepareError> {
        Ok(Prepared { style: HandlerStyle::Fetch, logs: Vec::new(), notes: Vec::new() })
    }

    async fn start(&self, request: StartRequest) -> Result<Arc<dyn Instance>, Fault> {
        self.starts.lock().unwrap().push((*request.secrets).clone());
        Ok(Arc::new(FakeInstance(Arc::clone(&self.handler), Arc::clone(&self.kept))))
    }
}

/// When everything happens, in UTC microseconds since 1970.
const NOW_US: i64 = 1_700_000_000_000_000;

/// A ledger that is read by its test.
#[derive(Default)]
pub(crate) struct Recorded(Mutex<Vec<(InvocationId, u32, Sums)>>);

impl Recorded {
    /// The attempts that ended since this was last asked: their numbers and sums.
    pub(crate) fn taken(&self) -> Vec<(u32, Sums)> {
        let taken = std::mem::take(&mut *self.0.lock().unwrap());
        taken.into_iter().map(|(_, number, sums)| (number, sums)).collect()
    }
}

#[async_trait]
impl Ledger for Recorded {
    fn append(&self, entry: &LedgerEntry<'_>) {
        assert_eq!(entry.app, &app());
        assert!(entry.function.as_str().starts_with(function().as_str()), "{}", entry.function);
        let sums = entry.sums();
        self.0.lock().unwrap().push((entry.invocation, entry.attempt, sums));
    }
    async fn flush(&self) -> Result<(), Error> {
        Ok(())
    }
    fn lost(&self) -> u64 {
        0
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
        cpu_estimated: false,
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

pub(crate) fn revision(style: HandlerStyle, concurrency: Option<u32>, code: &str) -> Revision {
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
        warm: 0,
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
    pub(crate) ledger: Arc<Recorded>,
    pub(crate) host: Arc<FakeHost>,
    _directory: tempfile::TempDir,
}

/// A machine as its test says.
#[derive(Default)]
pub(crate) struct FakeHost {
    /// How much later than [`NOW_US`] it is.
    pub(crate) later_us: AtomicI64,
    pub(crate) short: AtomicBool,
}

impl Host for FakeHost {
    fn free_memory(&self) -> f64 {
        if self.short.load(Ordering::SeqCst) { 0.05 } else { 0.5 }
    }
    fn processors(&self) -> Option<Processors> {
        None
    }
}

pub(crate) fn world(
    live: Vec<(u32, Arc<ReleaseView>)>,
    handler: impl Fn(Call) -> Result<Reply, Failure> + Send + Sync + 'static,
) -> World {
    let limits = Limits { wait: Duration::from_millis(20), ..Limits::default() };
    world_with(limits, live, handler)
}

pub(crate) fn world_with(
    limits: Limits,
    live: Vec<(u32, Arc<ReleaseView>)>,
    handler: impl Fn(Call) -> Result<Reply, Failure> + Send + Sync + 'static,
) -> World {
    let view: SharedView = Arc::new(ArcSwap::from_pointee(View::default()));
    let runtime = Arc::new(Fake {
        handler: Arc::new(handler),
        starts: Mutex::default(),
        kept: Arc::default(),
    });
    let runtimes: BTreeMap<_, Arc<dyn Runtime>> = [RuntimeKind::Js, RuntimeKind::Python]
        .map(|kind| (kind, runtime.clone() as Arc<dyn Runtime>))
        .into();
    let ledger = Arc::new(Recorded::default());
    let host = Arc::new(FakeHost::default());
    let now = Arc::clone(&host);
    let clock: crate::Clock = Arc::new(move || NOW_US + now.later_us.load(Ordering::SeqCst));
    let directory = tempfile::tempdir().unwrap();
    let data = DataDir::open(directory.path().join("data"), OpenOptions::default()).unwrap();
    let invoker = Invoker::new(Parts {
        view: view.clone(),
        runtimes: Arc::new(runtimes),
        logs: Arc::new(NoLogs(watch::channel(0).0)),
        ledger: ledger.clone(),
        replies: Arc::new(Work::open(&data).unwrap()),
        accounts: Arc::new(Accounts::new(clock.clone(), Prices::default())),
        clock,
        limits,
        observers: crate::Observers::default(),
        host: host.clone(),
    });
    let world = World { invoker, runtime, view, ledger, host, _directory: directory };
    world.show(live, 1);
    world
}

impl World {
    /// What instances were told to keep since this was last asked.
    pub(crate) fn kept(&self) -> Vec<Keep> {
        std::mem::take(&mut *self.runtime.kept.lock().unwrap())
    }

    /// How many instances were started.
    pub(crate) fn starts(&self) -> usize {
        self.runtime.starts.lock().unwrap().len()
    }

    /// Suspends the tenant of all, or lets it go on.
    pub(crate) fn suspend(&self, suspended: bool) {
        let mut view = View::clone(&self.view.load());
        let tenant = TenantView { suspended, ..TenantView::default() };
        view.tenants.insert(app().tenant, Arc::new(tenant));
        self.view.store(Arc::new(view));
    }

    pub(crate) fn show(&self, live: Vec<(u32, Arc<ReleaseView>)>, generation: u64) {
        let app_view = AppView { key: app(), live, secrets: secrets(generation) };
        let mut view = View::default();
        view.apps.insert(app(), Arc::new(app_view));
        self.view.store(Arc::new(view));
    }

    pub(crate) async fn call(&self, payload: Payload) -> Result<Answer, Fault> {
        self.call_release(payload, None).await
    }

    async fn call_release(&self, payload: Payload, release: Option<u64>) -> Result<Answer, Fault> {
        self.call_function(function(), payload, release).await
    }

    pub(crate) async fn call_function(
        &self,
        function: FunctionName,
        payload: Payload,
        release: Option<u64>,
    ) -> Result<Answer, Fault> {
        let target = Target { app: app(), function, release: release.map(ReleaseNumber) };
        let id = InvocationId::new();
        self.invoker
            .invoke(Invocation { id, target, payload, caller: None, key: None, trace: None })
            .await
            .answer
    }
}

pub(crate) fn http(body: &'static str) -> Payload {
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

pub(crate) fn event(json: &'static str) -> Payload {
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
        let _the_test_may_not_ask = self.ended.send("finished");
        Poll::Ready(outcome())
    }

    fn remaining(&self) -> Option<u64> {
        Some(self.chunks.iter().map(|chunk| chunk.len() as u64).sum())
    }

    fn so_far(self: Pin<&mut Self>) -> Outcome {
        let _the_test_may_not_ask = self.ended.send("cancelled");
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
    let (id, payload) = (InvocationId::new(), http(""));
    let invocation = Invocation { id, target, payload, caller: None, key: None, trace: None };
    let fault = world.invoker.invoke(invocation).await.answer.unwrap_err();
    assert_eq!(fault.code, FaultCode::NotFound);
    assert_eq!(fault.message, "app `app` has no function `other`");
}

#[tokio::test]
async fn the_ledger_has_an_attempt_before_its_answer_ends() {
    use http_body_util::BodyExt;
    let live = vec![(100, release(1, revision(HandlerStyle::Fetch, None, "x")))];
    let whole = world(live, |_| complete("ok"));
    let answer = whole.call(http("")).await.unwrap();
    assert_eq!(whole.ledger.taken().len(), 1, "before the answer begins");
    drop(answer);
    assert_eq!(whole.ledger.taken(), []);

    let (streamed, _ended) = streaming();
    let Answer::Http { mut body, .. } = streamed.call(http("")).await.unwrap() else { panic!() };
    body.frame().await.unwrap().unwrap();
    assert_eq!(streamed.ledger.taken(), [], "there is more to come");
    body.frame().await.unwrap().unwrap();
    assert_eq!(streamed.ledger.taken().len(), 1, "with the last bytes");
    drop(body);
    streamed.invoker.drain().await;
    assert_eq!(streamed.ledger.taken(), [], "and once");
}

#[tokio::test]
async fn an_attempt_that_goes_on_after_its_answer_is_in_the_ledger_then_and_with_the_rest_later() {
    /// Answers at once, and is done when it is told so.
    struct Lasting(mpsc::UnboundedReceiver<()>);

    impl ReplyStream for Lasting {
        fn poll_data(
            self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Bytes, Fault>>> {
            Poll::Ready(None)
        }
        fn poll_outcome(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
            self.0.poll_recv(cx).map(|_| Outcome { wall_us: 9_500, ..outcome() })
        }
        fn remaining(&self) -> Option<u64> {
            None
        }
        fn so_far(self: Pin<&mut Self>) -> Outcome {
            Outcome { wall_us: 2_500, ..Outcome::nothing(OutcomeStatus::Cancelled) }
        }
    }

    for style in [HandlerStyle::Fetch, HandlerStyle::Event] {
        let live = vec![(100, release(1, revision(style, None, "x")))];
        let (done, wait) = mpsc::unbounded_channel();
        let wait = Mutex::new(Some(wait));
        let world = world(live, move |_| {
            let stream = Lasting(wait.lock().unwrap().take().unwrap());
            let rest = ReplyBody::Running(Box::pin(stream));
            let head = ResponseHead { status: http::StatusCode::OK, headers: Default::default() };
            match style {
                HandlerStyle::Fetch => Ok(Reply::Http { head, body: rest }),
                HandlerStyle::Event => Ok(Reply::Event { json: Bytes::from("\"four\""), rest }),
            }
        });
        text(world.call(http("12345")).await.unwrap()).await;
        let [(1, first)] = world.ledger.taken()[..] else { panic!("it answered") };
        assert_eq!((first.attempts, first.caller_faults, first.billed_ms), (1, 0, 3));
        done.send(()).unwrap();
        world.invoker.drain().await;
        let [(1, rest)] = world.ledger.taken()[..] else { panic!("it ended") };
        assert_eq!((rest.attempts, rest.billed_ms), (0, 7));
    }
}

#[tokio::test]
async fn attempts_that_fail_or_are_cancelled_are_in_the_ledger_and_refusals_are_not() {
    let live = vec![(100, release(1, revision(HandlerStyle::Fetch, None, "x")))];
    let failing = world(live, |_| {
        let fault = Fault::new(FaultCode::FunctionError, "it threw");
        let status = OutcomeStatus::Fault(fault.code);
        Err(Failure { fault, outcome: Outcome { status, ..outcome() } })
    });
    failing.call(http("")).await.unwrap_err();
    let [(1, sums)] = failing.ledger.taken()[..] else { panic!() };
    assert_eq!((sums.attempts, sums.function_faults), (1, 1));

    let (world, _ended) = streaming();
    let first = world.call(http("")).await.unwrap();
    assert_eq!(world.call(http("")).await.unwrap_err().code, FaultCode::TooManyRequests);
    assert_eq!(world.ledger.taken(), []);
    drop(first);
    assert_eq!(world.ledger.taken().len(), 1);
}

#[tokio::test]
async fn a_caller_that_leaves_before_the_answer_pays_for_what_ran() {
    use futures_util::FutureExt as _;
    let live = vec![(100, release(1, revision(HandlerStyle::Fetch, Some(1), "x")))];
    let world = world(live, |_| complete("ok"));
    let Payload::Http(mut request) = http("") else { unreachable!() };
    request.url = "http://app.localhost/never".into();
    let mut call = Box::pin(world.call(Payload::Http(request)));
    while world.runtime.starts.lock().unwrap().is_empty() {
        assert!(call.as_mut().now_or_never().is_none());
    }
    assert!(call.as_mut().now_or_never().is_none());
    assert_eq!(world.ledger.taken(), []);
    drop(call);
    let [(1, sums)] = world.ledger.taken()[..] else { panic!("it ran") };
    assert_eq!((sums.attempts, sums.caller_faults), (1, 1));
    assert!(sums.billed_ms >= 1);
    assert!(world.call(http("")).await.is_ok(), "the place is free again");
}

#[tokio::test]
async fn a_tenant_is_held_to_its_budget_and_a_suspended_one_runs_nothing() {
    let live = vec![(100, release(1, revision(HandlerStyle::Fetch, None, "x")))];
    let world = world(live, |_| complete("ok"));
    let key = BudgetKey {
        app: None,
        function: None,
        meter: Meter::Requests,
        period: Period::Day,
        kind: BudgetKind::Hard,
        operator: false,
    };
    let budget = BudgetRecord { tenant: app().tenant, key, limit: 2.0 };
    let lay_down = |laid_down: TenantView| {
        let mut view = View::clone(&world.view.load());
        view.tenants.insert(app().tenant, Arc::new(laid_down));
        world.view.store(Arc::new(view));
    };
    lay_down(TenantView { budgets: vec![budget], suspended: false });
    let calls = async || world.call(http("")).await.map(drop).map_err(|fault| fault.code);
    assert_eq!(calls().await, Ok(()));
    assert_eq!(calls().await, Ok(()));
    assert_eq!(calls().await, Err(FaultCode::BudgetExceeded));
    lay_down(TenantView { suspended: true, ..TenantView::default() });
    assert_eq!(calls().await, Err(FaultCode::Suspended));
    lay_down(TenantView::default());
    assert_eq!(calls().await, Ok(()));
    assert_eq!(world.ledger.taken().len(), 3);
}

//! How often the way of one request asks for memory, from socket to socket: a node's own parts on one
//! thread, with the runtimes that run there.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use async_trait::async_trait;
use futures_util::future::BoxFuture;
use mayfly_control_api::{AppView, ReleaseView, Secrets, SharedView, View};
use mayfly_egress::{Client, ClientConfig, Egress, OperatorRules, SystemResolver};
use mayfly_gateway::{Gateway, Hosts, Server};
use mayfly_invoker::{Accounts, Invoker, Observers};
use mayfly_manifest::RouteTable;
use mayfly_runtime_api::{
    Call, ChildCommand, CodeStore, Failure, Instance, Keep, Places, PrepareError, PrepareRequest,
    Prepared, Reply, ReplyBody, ResponseHead, Runtime, StartRequest,
};
use mayfly_runtime_isolate::IsolateRuntime;
use mayfly_runtime_wasm::WasmRuntime;
use mayfly_state_api::Prices;
use mayfly_state_embedded::{
    DataDir, Journal, LedgerLimits, LogLimits, OpenOptions, SegmentLogs, Work,
};
use mayfly_testkit::repository;
use mayfly_types::{
    AppKey, AppName, ByteSize, Digest, Fault, FunctionConfig, FunctionName, HandlerStyle,
    Isolation, Outcome, OutcomeStatus, ReleaseNumber, Revision, Route, RuntimeKind, TenantName,
    TimeSpan,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

// Bounds are a little above what is counted, for a request that takes longer than a tick asks more often.

/// Requests that are counted, after as many that are not.
const REQUESTS: u64 = 200;

#[test]
fn the_way_to_a_function_and_back_asks_for_memory_a_few_times() {
    let (style, logs) = (HandlerStyle::Fetch, Vec::new());
    let ready = Prepared { style, logs, notes: Vec::new() };
    let per_request = count(RuntimeKind::Js, "", |_| Arc::new(Still(ready)));
    assert!(per_request <= 22, "{per_request} times per request");
}

#[test]
fn a_request_of_js_asks_for_memory_a_few_times() {
    let per_request = count(RuntimeKind::Js, "bench/hello.js", |place| {
        let runtime = IsolateRuntime::new(mayfly_runtime_isolate::Options {
            engine: place.scratch.join("engine"),
            images: place.scratch.join("images"),
            prepare: child("__prepare-js"),
            code: place.code(),
            client: client(),
            reset: None,
            idle: Duration::from_secs(60),
            places: Places::default(),
        });
        Arc::new(runtime.unwrap())
    });
    assert!(per_request <= 45, "{per_request} times per request");
}

#[test]
fn a_request_of_wasm_asks_for_memory_a_hundred_times() {
    let per_request = count(RuntimeKind::Wasm, "target/wasm/guests/hello.wasm", |place| {
        let runtime = WasmRuntime::new(mayfly_runtime_wasm::Options {
            cache: place.scratch.join("wasm"),
            prepare: child("__prepare-wasm"),
            code: place.code(),
            client: client(),
            instances: 16,
            idle: Duration::from_secs(60),
            places: Places::default(),
        });
        Arc::new(runtime.unwrap())
    });
    // Most are of the instance: its tables, its imports, what its calls hand over.
    assert!(per_request <= 125, "{per_request} times per request");
}

/// How often memory is asked for per request of a connection that is kept.
fn count(kind: RuntimeKind, code: &str, runtime: impl FnOnce(&Place) -> Arc<dyn Runtime>) -> u64 {
    let scratch = tempfile::tempdir().unwrap();
    let data = DataDir::open(scratch.path().join("data"), OpenOptions::default()).unwrap();
    let place = Place { code: repository(""), scratch: scratch.path().to_owned() };
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut connection = tokio.block_on(async {
        let runtime = runtime(&place);
        let config = config(kind, code);
        let (tenant, artifact) = (TenantName::fallback(), Digest::of(b"code"));
        let secrets = Default::default();
        let request = PrepareRequest { tenant, artifact, config: config.clone(), secrets };
        let prepared = runtime.prepare(request).await.unwrap();
        let revision = Revision::new(app(), function(), artifact, config, prepared.style);
        serve(runtime, revision, &data).await
    });
    let mut ask = || {
        tokio.block_on(async {
            for _ in 0..REQUESTS {
                ask(&mut connection).await;
            }
        });
    };
    ask();
    allocation_counter::measure(ask).count_total / REQUESTS
}

/// One request, without asking for memory.
async fn ask(connection: &mut TcpStream) {
    const REQUEST: &[u8] = b"GET /abc HTTP/1.1\r\nhost: app.localhost\r\nuser-agent: test\r\n\r\n";
    connection.write_all(REQUEST).await.unwrap();
    let mut answer = [0; 1024];
    let mut read = 0;
    // One that took longer than a tick is sent in chunks.
    let ends: [&[u8]; 2] = [b"hello abc 1\n", b"hello abc 1\n\r\n0\r\n\r\n"];
    while !ends.iter().any(|end| answer[..read].ends_with(end)) {
        let more = connection.read(&mut answer[read..]).await.unwrap();
        assert!(more > 0, "{}", String::from_utf8_lossy(&answer[..read]));
        read += more;
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 "));
}

/// A gateway and an invoker over one function, and a connection to them.
async fn serve(runtime: Arc<dyn Runtime>, revision: Revision, data: &DataDir) -> TcpStream {
    let kind = revision.config().runtime;
    let route = Route { path: "/{*rest}".into(), methods: Vec::new(), function: function() };
    let release = ReleaseView {
        number: ReleaseNumber(1),
        routes: RouteTable::new(&[route]).unwrap(),
        functions: HashMap::from([(function(), Arc::new(revision))]),
    };
    let live = vec![(100, Arc::new(release))];
    let secrets = Arc::new(Secrets::default());
    let apps = [(app(), Arc::new(AppView { key: app(), live, secrets }))].into_iter().collect();
    let view: SharedView = Arc::new(ArcSwap::from_pointee(View { apps, ..View::default() }));
    let work = Arc::new(Work::open(data).unwrap());
    let ledger = Journal::open(data, work.clone(), "here", LedgerLimits::default()).await.unwrap();
    let clock: mayfly_invoker::Clock = Arc::new(|| 1_700_000_000_000_000);
    let accounts = Accounts::load(work.as_ref(), clock.clone(), Prices::default()).await.unwrap();
    let invoker = Invoker::new(mayfly_invoker::Parts {
        view: Arc::clone(&view),
        runtimes: Arc::new(BTreeMap::from([(kind, runtime)])),
        logs: Arc::new(SegmentLogs::open(data, LogLimits::default()).unwrap()),
        ledger: Arc::new(ledger),
        replies: work,
        accounts,
        clock,
        limits: mayfly_invoker::Limits::default(),
        observers: Observers::default(),
        host: Arc::new(mayfly_invoker::AnyHost),
    });
    let gateway = Gateway::new(mayfly_gateway::Parts {
        view,
        invoke: Arc::new(invoker),
        hosts: Hosts::Under { base: "localhost".into() },
        limits: mayfly_gateway::Limits::default(),
        show_details: false,
        notice: Arc::new(ArcSwapOption::empty()),
        spans: None,
    });
    let server = Server::new(TcpListener::bind("127.0.0.1:0").await.unwrap()).unwrap();
    let address = server.address();
    // The sender is leaked, for the server runs as long as it holds false.
    let (stop, stopping) = watch::channel(false);
    std::mem::forget(stop);
    tokio::spawn(server.run(Arc::new(gateway), stopping, Duration::ZERO));
    TcpStream::connect(address).await.unwrap()
}

/// Where code is and what the runtimes keep.
struct Place {
    code: PathBuf,
    scratch: PathBuf,
}

impl Place {
    fn code(&self) -> Arc<dyn CodeStore> {
        Arc::new(Code(self.code.clone()))
    }
}

struct Code(PathBuf);

#[async_trait]
impl CodeStore for Code {
    async fn directory(&self, _tenant: &TenantName, _artifact: Digest) -> Result<PathBuf, Fault> {
        Ok(self.0.clone())
    }
}

fn child(argument: &str) -> ChildCommand {
    let program = Path::new(env!("CARGO_BIN_EXE_mayfly"));
    let command = vec![program.into(), argument.into()];
    ChildCommand { command, lifetime: Duration::from_secs(120) }
}

fn client() -> Arc<Client> {
    let egress = Egress::new(OperatorRules::default(), SystemResolver::new().unwrap());
    Arc::new(Client::new(egress, ClientConfig::default()).unwrap())
}

/// A runtime whose function does nothing.
struct Still(Prepared);

#[async_trait]
impl Runtime for Still {
    async fn prepare(&self, _request: PrepareRequest) -> Result<Prepared, PrepareError> {
        Ok(self.0.clone())
    }

    async fn start(&self, _request: StartRequest) -> Result<Arc<dyn Instance>, Fault> {
        Ok(Arc::new(StillInstance))
    }
}

struct StillInstance;

impl Instance for StillInstance {
    fn run(self: Arc<Self>, _call: Call) -> BoxFuture<'static, Result<Reply, Failure>> {
        let head = ResponseHead { status: http::StatusCode::OK, headers: http::HeaderMap::new() };
        let outcome = Outcome::nothing(OutcomeStatus::Ok);
        let body = ReplyBody::Complete("hello abc 1\n".into(), outcome);
        Box::pin(std::future::ready(Ok(Reply::Http { head, body })))
    }

    fn keep(self: Arc<Self>, _: Keep) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

fn app() -> AppKey {
    AppKey::new(TenantName::fallback(), AppName::new("app").unwrap())
}

fn function() -> FunctionName {
    FunctionName::new("main").unwrap()
}

fn config(runtime: RuntimeKind, entry: &str) -> FunctionConfig {
    FunctionConfig {
        runtime,
        entry: entry.into(),
        handler: None,
        memory: ByteSize::mb(128),
        cpu: 1.0,
        disk: ByteSize::mb(64),
        timeout: TimeSpan::seconds(30),
        concurrency: None,
        concurrency_per_instance: None,
        warm: 0,
        isolation: Isolation::Invocation,
        env: BTreeMap::new(),
        secrets: Vec::new(),
        egress: Vec::new(),
        written: Default::default(),
        events: Default::default(),
    }
}

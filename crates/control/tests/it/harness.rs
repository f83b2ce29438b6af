//! A node in a temporary directory, and requests to its API.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use mayfly_artifact::{Limits, pack};
use mayfly_control::admin::{AdminState, HostPolicy, Readiness, router};
use mayfly_control::{
    ControlLimits, ControlParts, ControlService, Follower, Sealer, ensure_admin_token,
};
use mayfly_control_api::{Control, SharedView};
use mayfly_runtime_api::Runtime;
use mayfly_state_api::{ArtifactStore, ControlStore, InvocationQueue, Ledger, Prices};
use mayfly_state_embedded::{
    DataDir, FileArtifacts, Journal, Keys, LedgerLimits, OpenOptions, Store, Work,
};
use mayfly_types::{AppKey, AppName, Digest, OperationId, RuntimeKind, TenantName};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::conform;
use crate::fakes::{
    FakeInvoke, FakeRuntime, HalfSpent, KeysSealer, ManyFunctions, MemoryLogs, QueuedEvents,
};

pub(crate) struct Node {
    pub(crate) store: Arc<dyn ControlStore>,
    pub(crate) artifacts: Arc<dyn ArtifactStore>,
    pub(crate) sealer: Arc<dyn Sealer>,
    pub(crate) logs: Arc<MemoryLogs>,
    pub(crate) queue: Arc<dyn InvocationQueue>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) runtime: Arc<FakeRuntime>,
    pub(crate) invoke: Arc<FakeInvoke>,
    pub(crate) view: SharedView,
    // Stops when it is dropped.
    _follower: Follower,
    pub(crate) token: String,
    pub(crate) api: Router,
    pub(crate) readiness: Arc<AtomicU8>,
    pub(crate) document: Value,
    pub(crate) root: tempfile::TempDir,
}

pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The same, if it has this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self
    }

    #[track_caller]
    pub(crate) fn error(self, status: u16, code: &str) -> Value {
        let error = self.expect(status).json()["error"].take();
        assert_eq!(error["code"], code, "{error:#}");
        error
    }
}

impl Node {
    pub(crate) async fn start() -> Self {
        Self::with(HostPolicy::Any, ControlLimits::default()).await
    }

    pub(crate) async fn with(allowed_hosts: HostPolicy, limits: ControlLimits) -> Self {
        let root = tempfile::tempdir().unwrap();
        let data = DataDir::open(root.path().join("data"), OpenOptions::default()).unwrap();
        let store: Arc<dyn ControlStore> = Arc::new(Store::open(&data).unwrap());
        let artifacts: Arc<dyn ArtifactStore> = Arc::new(FileArtifacts::open(&data).unwrap());
        let keys = Keys::open(&data.keys(), None).unwrap();
        let sealer: Arc<dyn Sealer> = Arc::new(KeysSealer(keys));
        let view = SharedView::default();
        let follower = Follower::start(store.clone(), sealer.clone(), view.clone()).await.unwrap();
        let runtime = Arc::new(FakeRuntime::default());
        let runtimes: BTreeMap<RuntimeKind, Arc<dyn Runtime>> =
            BTreeMap::from([(RuntimeKind::Js, runtime.clone() as Arc<dyn Runtime>)]);
        let logs = Arc::new(MemoryLogs::default());
        let work = Arc::new(Work::open(&data).unwrap());
        let queue: Arc<dyn InvocationQueue> = work.clone();
        let journal = Journal::open(&data, work.clone(), "here", LedgerLimits::default()).await;
        let ledger = Arc::new(journal.unwrap());
        let control: Arc<dyn Control> = Arc::new(ControlService::new(ControlParts {
            store: store.clone(),
            artifacts: artifacts.clone(),
            logs: logs.clone(),
            queue: queue.clone(),
            events: Arc::new(QueuedEvents { queue: queue.clone(), view: view.clone() }),
            runtimes: Arc::new(runtimes),
            sealer: sealer.clone(),
            progress: follower.progress(),
            urls: Arc::new(|app| vec![format!("http://{}.localhost:8080/", app.app)]),
            clock: Arc::new(|| 1_700_000_000_000_000),
            spool: root.path().join("data/cache/uploads"),
            usage: work,
            ledger: ledger.clone(),
            spending: Arc::new(HalfSpent),
            meters: Arc::new(ManyFunctions),
            prices: Prices { currency: "USD".into(), request: 0.5, gb_second: 2.0 },
            limits,
        }));
        let tenant = TenantName::fallback();
        let token =
            ensure_admin_token(&*store, &tenant, None, 1, |_| Ok(())).await.unwrap().unwrap();
        let invoke = Arc::new(FakeInvoke::default());
        let readiness = Arc::new(AtomicU8::new(0));
        let ready = readiness.clone();
        let api = router(AdminState {
            control,
            invoke: invoke.clone(),
            ready: Arc::new(move || match ready.load(Ordering::Relaxed) {
                0 => Readiness::Ready,
                1 => Readiness::Starting,
                _ => Readiness::Draining,
            }),
            allowed_hosts,
            spans: None,
            pages: Router::new(),
        });
        let mut node = Self {
            store,
            artifacts,
            sealer,
            logs,
            queue,
            ledger,
            runtime,
            invoke,
            view,
            _follower: follower,
            token,
            api,
            readiness,
            document: Value::Null,
            root,
        };
        let request = Request::get("/v1/openapi.json").header("host", "localhost");
        node.document = node.send(request.body(Body::empty()).unwrap()).await.expect(200).json();
        node
    }

    /// Sends a request as it is. The answer is held to the document.
    pub(crate) async fn send(&self, request: Request<Body>) -> Reply {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = self.api.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        if self.document.is_object() {
            let status = parts.status.as_u16();
            conform::answer(&self.document, method.as_str(), &path, status, &body);
        }
        Reply { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) async fn call(&self, method: &str, path: &str, body: impl Into<Body>) -> Reply {
        self.call_as(method, path, body, None).await
    }

    pub(crate) async fn call_as(
        &self,
        method: &str,
        path: &str,
        body: impl Into<Body>,
        operation: Option<OperationId>,
    ) -> Reply {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost:8081")
            .header("authorization", format!("Bearer {}", self.token));
        if let Some(operation) = operation {
            request = request.header("idempotency-key", operation.to_string());
        }
        self.send(request.body(body.into()).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.call("GET", path, Body::empty()).await
    }

    /// Packs files and uploads them.
    pub(crate) async fn upload(&self, files: &[(&str, &str)]) -> Digest {
        let packed = packed(files);
        let path = format!("/v1/artifacts/{}", packed.0);
        self.call("PUT", &path, packed.1).await.expect(201);
        packed.0
    }

    pub(crate) async fn deploy(&self, request: &Value) -> Reply {
        self.call("POST", "/v1/deployments", request.to_string()).await
    }

    /// Deploys app `photos` with one function whose code is `code`.
    pub(crate) async fn deploy_code(&self, code: &str, go_live: Value) -> Reply {
        let artifact = self.upload(&[("thumb.js", code)]).await;
        self.deploy(&deployment(MANIFEST, &[("thumb", artifact)], go_live)).await
    }
}

/// An app of one function in one file.
pub(crate) const MANIFEST: &str =
    "app = \"photos\"\n\n[functions.thumb]\ncode = \"functions/thumb.js\"\n";

pub(crate) fn deployment(manifest: &str, artifacts: &[(&str, Digest)], go_live: Value) -> Value {
    let code = |(name, artifact): &(&str, Digest)| {
        // What the client says about its files is not to be believed.
        ((*name).to_owned(), json!({ "artifact": artifact, "files": ["lies.py"] }))
    };
    let artifacts: serde_json::Map<_, _> = artifacts.iter().map(code).collect();
    json!({ "manifest": manifest, "artifacts": artifacts, "go_live": go_live })
}

pub(crate) fn packed(files: &[(&str, &str)]) -> (Digest, Bytes) {
    let root = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let packed = pack(root.path(), &Limits::default()).unwrap();
    (packed.digest(), packed.into_bytes())
}

pub(crate) fn app(name: &str) -> AppKey {
    AppKey::new(TenantName::fallback(), AppName::new(name).unwrap())
}

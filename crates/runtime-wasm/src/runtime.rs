//! The runtime as the invoker sees it.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use mayfly_egress::{Client, Policy};
use mayfly_runtime_api::{
    Call, ChildCommand, CodeStore, Diagnostic, Failure, Instance, Keep, KeyedLock, LogLevel,
    LogSink, Payload, Places, PrepareError, PrepareRequest, Prepared, Reply, Runtime, Share,
    StartRequest, lambda,
};
use mayfly_types::{
    ByteSize, Digest, Fault, FaultCode, FunctionConfig, HandlerStyle, Outcome, OutcomeStatus,
    Revision, TenantName,
};

use crate::compile::{BROKE, Job};
use crate::components::{Components, Loaded};
use crate::engine::{Engine, EngineError, Kind};
use crate::outgoing::Outgoing;
use crate::quota::Limiter;
use crate::run::{self, Run};
use crate::state::State;
use crate::stdio::Lines;

/// How often idle components are looked through.
const SWEEP: Duration = Duration::from_secs(1);
/// Most components in memory: each takes a few mappings, of which the kernel gives a process 65,530.
const LOADED: usize = 2048;
/// Fewer instances at once are not worth a node.
const LEAST_INSTANCES: u32 = 16;
/// Components that are compiled at once: each takes all processors and much memory.
const COMPILED_AT_ONCE: usize = 2;

/// What the runtime needs.
pub struct Options {
    /// Where compiled components are kept; anything in it may be deleted at any time.
    pub cache: PathBuf,
    /// How [`prepare_child`](crate::prepare_child) is started.
    pub prepare: ChildCommand,
    /// Where artifacts are unpacked.
    pub code: Arc<dyn CodeStore>,
    /// How functions call out.
    pub client: Arc<Client>,
    /// Most instances at once.
    pub instances: u32,
    /// How long a component lies idle before it is unloaded.
    pub idle: Duration,
    /// For guests that compute; shared with the other runtimes of the node.
    pub places: Places,
}

struct Shared {
    /// One of each kind.
    engines: [Arc<Engine>; 2],
    components: Components,
    options: Options,
    clock: AtomicU64,
    compiling: tokio::sync::Semaphore,
    /// One preparation at a time of each component.
    preparing: KeyedLock,
}

/// The `wasm` runtime.
pub struct WasmRuntime {
    shared: Arc<Shared>,
}

impl WasmRuntime {
    /// Starts it, with a task that unloads what lies idle and ends with the runtime.
    ///
    /// # Errors
    /// When the cache cannot be used, or the host gives no room for instances.
    pub fn new(options: Options) -> Result<Self, EngineError> {
        mayfly_artifact::private_directory(&options.cache)
            .map_err(|source| EngineError::Cache { path: options.cache.clone(), source })?;
        let shared = Arc::new(Shared {
            engines: [
                engine(Kind::Kept, options.instances)?,
                engine(Kind::Mapped, options.instances)?,
            ],
            components: Components::new(options.cache.clone(), LOADED),
            options,
            clock: AtomicU64::new(1),
            compiling: tokio::sync::Semaphore::new(COMPILED_AT_ONCE),
            preparing: KeyedLock::default(),
        });
        tokio::spawn(sweep(Arc::downgrade(&shared)));
        Ok(Self { shared })
    }
}

/// An engine for so many instances, or as many as there is address space for: each reserves 4 GB, of which
/// some machines have little.
pub(crate) fn engine(kind: Kind, instances: u32) -> Result<Arc<Engine>, EngineError> {
    match Engine::new(kind, instances) {
        Err(error) if instances > LEAST_INSTANCES => {
            let fewer = (instances / 2).max(LEAST_INSTANCES);
            tracing::warn!(%error, instances, "room for {fewer} `wasm` instances at once is tried instead");
            engine(kind, fewer)
        }
        made => made,
    }
}

/// Unloads components that lie idle.
async fn sweep(shared: Weak<Shared>) {
    let mut interval = tokio::time::interval(SWEEP);
    let mut ticks = VecDeque::new();
    loop {
        interval.tick().await;
        let Some(shared) = shared.upgrade() else { return };
        ticks.push_back(shared.tick());
        if ticks.len() as u64 > shared.options.idle.as_secs().max(1)
            && let Some(before) = ticks.pop_front()
        {
            shared.components.reap(before);
        }
        shared.engines.iter().for_each(|engine| engine.shrink());
    }
}

impl Shared {
    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }

    fn now(&self) -> u64 {
        self.clock.load(Ordering::Relaxed)
    }

    fn engine(&self, kind: Kind) -> &Engine {
        let [kept, mapped] = &self.engines;
        match kind {
            Kind::Kept => kept,
            Kind::Mapped => mapped,
        }
    }

    async fn compile(
        &self,
        tenant: &TenantName,
        artifact: Digest,
        config: &FunctionConfig,
    ) -> Result<Prepared, PrepareError> {
        let code = &self.options.code;
        let root = code.directory(tenant, artifact).await.map_err(PrepareError::Platform)?;
        let _turn = self.compiling.acquire().await;
        let job = Job {
            component: root.join(&config.entry),
            name: config.entry.clone(),
            compiled: Kind::ALL
                .map(|kind| (kind, self.components.path(self.engine(kind), key(artifact, config)))),
        };
        self.options.prepare.run(&job, &job.name, BROKE).await
    }

    async fn load(self: &Arc<Self>, key: Digest) -> Option<Arc<Loaded>> {
        let shared = Arc::clone(self);
        let load = move || {
            let load = |engine| shared.components.load(engine, key, shared.now());
            shared.engines.iter().find_map(load)
        };
        tokio::task::spawn_blocking(load).await.ok().flatten()
    }

    /// The function's component, and whether it had to be loaded or compiled.
    async fn component(
        self: &Arc<Self>,
        revision: &Revision,
        key: Digest,
    ) -> Result<(Arc<Loaded>, bool), Fault> {
        if let Some(loaded) = self.components.get(key) {
            return Ok((loaded, false));
        }
        let _lock = self.preparing.take(key).await;
        if let Some(loaded) = self.components.get(key) {
            return Ok((loaded, true));
        }
        if let Some(loaded) = self.load(key).await {
            return Ok((loaded, true));
        }
        let tenant = &revision.app().tenant;
        self.compile(tenant, revision.artifact(), revision.config()).await.map_err(|error| {
            let message = "the function's component cannot be compiled on this node";
            Fault::new(FaultCode::Internal, message).with_detail(error.to_string())
        })?;
        let missing = || Fault::new(FaultCode::Internal, "the function's component is missing");
        self.load(key).await.map(|loaded| (loaded, true)).ok_or_else(missing)
    }
}

/// A memory limit with which no instance could be made.
fn too_little(least: ByteSize, config: &FunctionConfig) -> Diagnostic {
    let message = format!(
        "this component begins with {least} of memory, which is more than its limit of {}",
        config.memory
    );
    let enough = (least.as_bytes() >> 20) + 1;
    Diagnostic { file: Some(config.entry.clone()), ..Diagnostic::new(message) }
        .help(format!("write `memory = \"{enough}MB\"` or more into its table in the manifest"))
}

/// Names a component: its artifact's digest names its bytes.
fn key(artifact: Digest, config: &FunctionConfig) -> Digest {
    Digest::of(format!("{artifact}/{}", config.entry).as_bytes())
}

#[async_trait]
impl Runtime for WasmRuntime {
    async fn prepare(&self, request: PrepareRequest) -> Result<Prepared, PrepareError> {
        let PrepareRequest { tenant, artifact, config, .. } = request;
        let key = key(artifact, &config);
        let _lock = self.shared.preparing.take(key).await;
        // What is in the cache was compiled from these very bytes.
        let kept = match self.shared.components.get(key) {
            Some(loaded) => Some(loaded),
            None => self.shared.load(key).await,
        };
        let loaded = match kept {
            Some(loaded) => loaded,
            None => {
                self.shared.compile(&tenant, artifact, &config).await?;
                self.shared.load(key).await.ok_or_else(|| {
                    let message = "a component that was just compiled cannot be loaded";
                    PrepareError::Platform(Fault::new(FaultCode::Internal, message))
                })?
            }
        };
        match loaded.least_memory() {
            Some(least) if least > config.memory => {
                Err(PrepareError::Code(vec![too_little(least, &config)]))
            }
            _ => Ok(Prepared { style: HandlerStyle::Fetch, logs: Vec::new(), notes: Vec::new() }),
        }
    }

    async fn start(&self, request: StartRequest) -> Result<Arc<dyn Instance>, Fault> {
        let StartRequest { revision, secrets, logs } = request;
        let config = revision.config();
        let policy = Policy::new(&config.egress)
            .map_err(|error| Fault::new(FaultCode::Internal, error.to_string()))?;
        let environment = config.env.iter().chain(secrets.iter());
        Ok(Arc::new(Function {
            shared: Arc::clone(&self.shared),
            key: key(revision.artifact(), config),
            policy: Arc::new(policy),
            environment: environment.map(|(name, value)| (name.clone(), value.clone())).collect(),
            logs,
            revision,
            loaded: Mutex::default(),
            share: self.shared.options.places.share(),
        }))
    }
}

/// A revision that can run. It holds no memory of its own while nothing runs.
struct Function {
    shared: Arc<Shared>,
    revision: Arc<Revision>,
    key: Digest,
    policy: Arc<Policy>,
    environment: Arc<[(String, String)]>,
    logs: Arc<dyn LogSink>,
    loaded: Mutex<Weak<Loaded>>,
    share: Share,
}

impl Instance for Function {
    /// Instances are made in microseconds; what would not be there is the loaded component.
    fn keep(self: Arc<Self>, keep: Keep) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            if keep.warm > 0
                && let Err(fault) = self.loaded().await
            {
                tracing::debug!(%fault, "keep a component");
            }
        })
    }

    fn run(self: Arc<Self>, call: Call) -> BoxFuture<'static, Result<Reply, Failure>> {
        Box::pin(async move {
            let began = Instant::now();
            let (loaded, cold) = match self.loaded().await {
                Ok(found) => found,
                Err(fault) => return Err(self.failed(fault)),
            };
            let config = self.revision.config();
            let lines = Lines::new(Arc::clone(&self.logs), call.id);
            let outgoing = Outgoing {
                client: Arc::clone(&self.shared.options.client),
                policy: Arc::clone(&self.policy),
                deadline: call.deadline,
                lines: lines.clone(),
            };
            let limiter = Limiter::of(config.memory, config.disk);
            let environment = Arc::clone(&self.environment);
            let request = match call.payload {
                Payload::Http(request) => request,
                Payload::Event(event) => lambda::http_from_event(&event, call.trace.as_ref()),
            };
            run::run(Run {
                loaded,
                state: State::new(limiter, call.deadline, environment, lines, outgoing),
                request,
                memory: config.memory,
                cpu: config.cpu,
                deadline: call.deadline,
                timeout: config.timeout.as_duration(),
                cold,
                init: if cold { began.elapsed() } else { Duration::ZERO },
                share: self.share.clone(),
            })
            .await
        })
    }
}

impl Function {
    async fn loaded(&self) -> Result<(Arc<Loaded>, bool), Fault> {
        let held = self.loaded.lock().unwrap_or_else(|e| e.into_inner()).upgrade();
        if let Some(loaded) = held {
            loaded.touch(self.shared.now());
            return Ok((loaded, false));
        }
        let found = self.shared.component(&self.revision, self.key).await?;
        found.0.touch(self.shared.now());
        *self.loaded.lock().unwrap_or_else(|e| e.into_inner()) = Arc::downgrade(&found.0);
        Ok(found)
    }

    fn failed(&self, fault: Fault) -> Failure {
        let detail = fault.detail.as_deref().unwrap_or(&fault.message);
        self.logs.write(None, LogLevel::Error, detail);
        let nothing = Outcome::nothing(OutcomeStatus::Fault(fault.code));
        Failure { fault, outcome: Outcome { cold: true, ..nothing } }
    }
}

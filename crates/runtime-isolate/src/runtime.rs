//! The runtime as the invoker sees it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use mayfly_egress::{Client, Policy};
use mayfly_runtime_api::{
    Body, Call, ChildCommand, CodeStore, Failure, HttpRequest, Instance, Keep, KeyedLock, LogLevel,
    LogSink, Payload, Places, PrepareError, PrepareRequest, Prepared, Reply, Runtime, Share,
    StartRequest, lambda,
};
use mayfly_types::{
    Digest, Fault, FaultCode, FunctionConfig, HandlerStyle, InvocationId, Outcome, OutcomeStatus,
    Revision, TenantName,
};

use crate::ResetScheme;
use crate::engine::{Engine, EngineError};
use crate::fetch::Fetcher;
use crate::image::Image;
use crate::images::Images;
use crate::loader::{SourceMap, remap_stack};
use crate::pool::Pool;
use crate::prepare::{BROKE, Job};
use crate::run::{self, Run};
use crate::wire::Writer;

/// A request's body of at most this many bytes goes to the guest with the request.
const INLINE_BODY: usize = 64 << 10;
/// How often idle slots and images are looked through.
const SWEEP: Duration = Duration::from_secs(1);

/// What the runtime needs.
pub struct Options {
    /// Where the compiled engine is kept; several nodes may share it. Anything in it may be deleted
    /// at any time.
    pub engine: PathBuf,
    /// Where images are kept; anything in it may be deleted at any time.
    pub images: PathBuf,
    /// How [`prepare_child`](crate::prepare_child) is started.
    pub prepare: ChildCommand,
    /// Where artifacts are unpacked.
    pub code: Arc<dyn CodeStore>,
    /// How functions call out.
    pub client: Arc<Client>,
    /// How memory is put back; `None` takes the best that the kernel has.
    pub reset: Option<ResetScheme>,
    /// How long a slot or an image lies idle before it is dropped.
    pub idle: Duration,
    /// For guests that compute; shared with the other runtimes of the node.
    pub places: Places,
}

struct Shared {
    engine: Arc<Engine>,
    pool: Arc<Pool>,
    images: Images,
    options: Options,
    /// One preparation at a time of each image.
    preparing: KeyedLock,
}

/// The `js` runtime.
pub struct IsolateRuntime {
    shared: Arc<Shared>,
}

impl IsolateRuntime {
    /// Loads the engine, or compiles it, which takes a second or two. It also starts a task that
    /// drops what lies idle, and that ends with the runtime.
    ///
    /// # Errors
    /// When the engine's directory cannot be used or the engine cannot be compiled.
    pub fn new(options: Options) -> Result<Self, EngineError> {
        let engine = Engine::open(&options.engine, options.reset)?;
        let images = Images::new(options.images.clone());
        let pool = Arc::default();
        let shared = Shared { engine, pool, images, options, preparing: KeyedLock::default() };
        let shared = Arc::new(shared);
        tokio::spawn(sweep(Arc::downgrade(&shared)));
        Ok(Self { shared })
    }

    /// How memory is put back on this host.
    pub fn reset_scheme(&self) -> ResetScheme {
        self.shared.engine.scanner().scheme()
    }
}

/// Drops slots, stacks and images that lie idle, so that an idle node holds none.
async fn sweep(shared: Weak<Shared>) {
    let mut interval = tokio::time::interval(SWEEP);
    let mut ticks = std::collections::VecDeque::new();
    loop {
        interval.tick().await;
        let Some(shared) = shared.upgrade() else { return };
        let idle = shared.options.idle;
        shared.engine.trim(shared.pool.reap(idle));
        ticks.push_back(shared.engine.tick());
        if ticks.len() as u64 > idle.as_secs().max(1)
            && let Some(before) = ticks.pop_front()
        {
            shared.images.reap(before);
        }
    }
}

impl Shared {
    /// Names a function's image: everything that its top level sees goes in.
    fn key(&self, artifact: Digest, config: &FunctionConfig) -> Digest {
        let parts =
            (self.engine.base().digest(), artifact, &config.entry, export(config), &config.env);
        Digest::of(&serde_json::to_vec(&parts).unwrap_or_default())
    }

    async fn prepare(
        &self,
        tenant: &TenantName,
        artifact: Digest,
        config: &FunctionConfig,
    ) -> Result<Prepared, PrepareError> {
        let code = &self.options.code;
        let root = code.directory(tenant, artifact).await.map_err(PrepareError::Platform)?;
        let job = Job {
            engine: self.options.engine.clone(),
            root,
            entry: config.entry.clone(),
            export: export(config).to_owned(),
            env: config.env.clone(),
            memory: config.memory,
            image: self.images.path(self.key(artifact, config)),
        };
        self.options.prepare.run(&job, &job.entry, BROKE).await
    }

    /// The function's image and whether it had to be fetched from the cache or made anew.
    async fn image(&self, revision: &Revision, key: Digest) -> Result<(Arc<Image>, bool), Fault> {
        // Reading a few hundred kilobytes that the page cache holds is shorter than a hop to
        // another thread.
        let find = || {
            let loaded = self.images.get(&self.engine, key).map(|image| (image, false));
            loaded.or_else(|| {
                self.images.load(&self.engine, &self.pool, key).map(|image| (image, true))
            })
        };
        if let Some(found) = find() {
            return Ok(found);
        }
        let _lock = self.preparing.take(key).await;
        if let Some(found) = find() {
            return Ok(found);
        }
        let tenant = &revision.app().tenant;
        self.prepare(tenant, revision.artifact(), revision.config()).await.map_err(|error| {
            let message = "the function's code cannot be prepared on this node";
            Fault::new(FaultCode::Internal, message).with_detail(error.to_string())
        })?;
        find().ok_or_else(|| Fault::new(FaultCode::Internal, "the function's image is missing"))
    }
}

/// The export that the configuration names: `handler` of `index.handler`.
fn export(config: &FunctionConfig) -> &str {
    config.handler.as_deref().and_then(|handler| handler.rsplit_once('.')).map_or("", |(_, e)| e)
}

#[async_trait]
impl Runtime for IsolateRuntime {
    async fn prepare(&self, request: PrepareRequest) -> Result<Prepared, PrepareError> {
        self.shared.prepare(&request.tenant, request.artifact, &request.config).await
    }

    async fn start(&self, request: StartRequest) -> Result<Arc<dyn Instance>, Fault> {
        let StartRequest { revision, secrets, logs } = request;
        let key = self.shared.key(revision.artifact(), revision.config());
        let policy = Policy::new(&revision.config().egress)
            .map_err(|error| Fault::new(FaultCode::Internal, error.to_string()))?;
        let maps = self.shared.images.path(key).with_extension("maps");
        Ok(Arc::new(JsInstance {
            shared: Arc::clone(&self.shared),
            key,
            policy: Arc::new(policy),
            logs: Arc::new(MappedLogs { logs, path: maps, maps: std::sync::OnceLock::new() }),
            secrets,
            revision,
            image: Mutex::default(),
            share: self.shared.options.places.share(),
        }))
    }
}

/// A revision that can run. It holds no memory of its own while nothing runs.
struct JsInstance {
    shared: Arc<Shared>,
    revision: Arc<Revision>,
    secrets: Arc<BTreeMap<String, String>>,
    logs: Arc<dyn LogSink>,
    key: Digest,
    policy: Arc<Policy>,
    image: Mutex<Weak<Image>>,
    share: Share,
}

impl Instance for JsInstance {
    fn run(self: Arc<Self>, call: Call) -> BoxFuture<'static, Result<Reply, Failure>> {
        Box::pin(async move {
            let began = Instant::now();
            let (image, cold) = match self.image().await {
                Ok(found) => found,
                Err(fault) => return Err(self.failed(fault)),
            };
            let shared = &self.shared;
            let mut slot = match shared.pool.take(&shared.engine, &image) {
                Ok(slot) => slot,
                Err(error) => {
                    tracing::error!(%error, "make a slot");
                    let message = "the node has no room for another environment";
                    return Err(self.failed(Fault::new(FaultCode::Unavailable, message)));
                }
            };
            slot.store.data_mut().logs = Some((Arc::clone(&self.logs), Some(call.id)));
            let config = self.revision.config();
            let deadline = call.deadline;
            let (message, body, bytes_in) = self.message(call, image.style());
            let fetcher = Fetcher {
                client: Arc::clone(&shared.options.client),
                policy: Arc::clone(&self.policy),
                deadline,
            };
            run::run(Run {
                engine: Arc::clone(&shared.engine),
                pool: Arc::clone(&shared.pool),
                slot,
                message,
                body,
                fetcher: Some(Arc::new(fetcher)),
                memory: config.memory,
                deadline,
                timeout: config.timeout.as_duration(),
                cold,
                init: if cold { began.elapsed() } else { Duration::ZERO },
                bytes_in,
                share: self.share.clone(),
            })
            .await
        })
    }

    /// VMs are made in microseconds; what would not be there is the image.
    fn keep(self: Arc<Self>, keep: Keep) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            if keep.warm > 0
                && let Err(fault) = self.image().await
            {
                tracing::debug!(%fault, "keep an image");
            }
        })
    }
}

impl JsInstance {
    async fn image(&self) -> Result<(Arc<Image>, bool), Fault> {
        let held = self.image.lock().unwrap_or_else(|e| e.into_inner()).upgrade();
        if let Some(image) = held {
            image.touch(self.shared.engine.tick());
            return Ok((image, false));
        }
        let found = self.shared.image(&self.revision, self.key).await?;
        *self.image.lock().unwrap_or_else(|e| e.into_inner()) = Arc::downgrade(&found.0);
        Ok(found)
    }

    fn failed(&self, fault: Fault) -> Failure {
        let detail = fault.detail.as_deref().unwrap_or(&fault.message);
        self.logs.write(None, LogLevel::Error, detail);
        let nothing = Outcome::nothing(OutcomeStatus::Fault(fault.code));
        let outcome = Outcome { cold: true, init_us: 0, ..nothing };
        Failure { fault, outcome }
    }

    /// The message that starts the guest, a body that it reads by operations, and how many bytes
    /// of the body are in the message.
    fn message(&self, call: Call, style: HandlerStyle) -> (Vec<u8>, Option<Body>, u64) {
        let Call { id, payload, deadline, trace } = call;
        let mut writer = Writer(Vec::with_capacity(512));
        // A generator of cryptographic strength in this thread, reseeded by the system.
        let seeds: [u8; 16] = rand::random();
        writer.0.extend_from_slice(&seeds);
        writer.u32(self.secrets.len() as u32);
        for (name, value) in self.secrets.iter() {
            writer.str(name).str(value);
        }
        match (style, payload) {
            (HandlerStyle::Fetch, Payload::Http(request)) => http(writer, request),
            (HandlerStyle::Event, Payload::Event(event)) => {
                let context = lambda::context(&self.revision, id, event.attempt, deadline);
                writer.bytes(&event.json).str(&context.to_string());
                let len = event.json.len() as u64;
                (writer.0, None, len)
            }
            (HandlerStyle::Fetch, Payload::Event(event)) => {
                http(writer, lambda::http_from_event(&event, trace.as_ref()))
            }
            (HandlerStyle::Event, Payload::Http(_)) => {
                // The invoker translates; an empty event is all that a mistake there can cause.
                let context = lambda::context(&self.revision, id, 1, deadline);
                writer.str("null").str(&context.to_string());
                (writer.0, None, 0)
            }
        }
    }
}

fn http(mut writer: Writer, request: HttpRequest) -> (Vec<u8>, Option<Body>, u64) {
    writer.str(request.method.as_str()).str(&request.url);
    let mut headers = Writer(Vec::with_capacity(256));
    for (name, value) in &request.headers {
        headers.str(name.as_str()).bytes(value.as_bytes());
    }
    writer.bytes(&headers.0);
    match request.body {
        Body::Empty => {
            writer.u8(0);
            (writer.0, None, 0)
        }
        Body::Full(bytes) if bytes.len() <= INLINE_BODY => {
            writer.u8(1).bytes(&bytes);
            (writer.0, None, bytes.len() as u64)
        }
        body => {
            writer.u8(2);
            (writer.0, Some(body), 0)
        }
    }
}

/// Turns positions in generated code back into those of the source.
struct MappedLogs {
    logs: Arc<dyn LogSink>,
    path: PathBuf,
    maps: std::sync::OnceLock<BTreeMap<String, SourceMap>>,
}

impl LogSink for MappedLogs {
    fn write(&self, invocation: Option<InvocationId>, level: LogLevel, message: &str) {
        if message.contains("\n    at ") {
            let message = &crate::abi::without_engine(message);
            let maps = self.maps.get_or_init(|| {
                let bytes = mayfly_artifact::read_checked(&self.path);
                bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
            });
            return match maps.is_empty() {
                true => self.logs.write(invocation, level, message),
                false => self.logs.write(invocation, level, &remap_stack(message, maps)),
            };
        }
        self.logs.write(invocation, level, message);
    }
}

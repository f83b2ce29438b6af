//! A node: every part of the platform in one process. The only place that names backends.

mod code;
mod host;
mod otlp;
mod processes;
mod seal;
mod serve;
mod token;
mod unwritten;
mod user;

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr, TcpListener as StdListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use arc_swap::{ArcSwap, ArcSwapOption};
use mayfly_control::admin::{self, AdminState, HostPolicy, Readiness};
use mayfly_control::{ControlLimits, ControlParts, ControlService, Follower, Urls};
use mayfly_control_api::{Control, SharedView, View, families};
use mayfly_egress::{Client, ClientConfig, Egress, OperatorRules, SystemResolver};
use mayfly_gateway::{Gateway, Hosts, Server};
use mayfly_invoker::{
    Accounts, Clock, Dispatcher, EventLimits, EventParts, Invoker, Observers, Parts as InvokerParts,
};
use mayfly_otlp::Exporter;
use mayfly_runtime_api::{ChildCommand, Places};
use mayfly_runtime_isolate::{IsolateRuntime, Options, ResetScheme};
use mayfly_runtime_wasm::WasmRuntime;
use mayfly_sandbox::Starter;
use mayfly_state_api::{ArtifactStore, ControlStore, InvocationQueue, Ledger, LogStore};
use mayfly_state_embedded::{
    DataDir, FileArtifacts, Journal, Keys, LedgerLimits, LogLimits, OpenOptions, SegmentLogs,
    Store, Work,
};
use mayfly_types::{AppKey, Fault, RuntimeKind, TenantName};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::Config;

pub(crate) use processes::{Tried, try_sandbox};
pub(crate) use serve::serve;

/// The argument that makes this program the child in which a `js` function is prepared.
pub(crate) const PREPARE_JS: &str = "__prepare-js";

/// The argument that makes this program the child in which a `wasm` function is compiled.
pub(crate) const PREPARE_WASM: &str = "__prepare-wasm";

/// The argument that makes this program the process that makes sandboxes.
pub(crate) const SPAWNER: &str = "__spawner";

/// The name of the node's journal among those that are added up in one store.
const THIS_NODE: &str = "node";

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// Longest time that getting a `js` function ready takes.
const JS_PREPARED_IN: Duration = Duration::from_secs(30);

/// Longest time that compiling a component takes, where the configuration does not say.
const WASM_PREPARED_IN: Duration = Duration::from_secs(180);

/// How long a component that nobody calls stays loaded.
const WASM_IDLE: Duration = Duration::from_secs(60);

/// How long idle slots and images of the `js` runtime are kept.
const JS_IDLE: Duration = Duration::from_secs(10);

/// The argument that makes this program the process that starts spawners.
pub(crate) const STARTER: &str = "__starter";

/// Starts spawners as children of this process.
pub(crate) fn here() -> Starter {
    Starter::here(spawner())
}

/// The command that is a spawner.
pub(crate) fn spawner() -> Vec<OsString> {
    vec![THIS_PROGRAM.into(), SPAWNER.into()]
}

/// Which address to listen on, and whether somebody asked for exactly that one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listen {
    pub(crate) address: SocketAddr,
    pub(crate) asked_for: bool,
}

/// What kind of node it is.
#[derive(Debug, Clone)]
pub(crate) enum Mode {
    /// `mayfly dev`: one app answers for every host, its author sees what it throws.
    Dev(AppKey),
    /// `mayfly serve`.
    Serve,
}

/// What a node starts from.
#[derive(Debug)]
pub(crate) struct NodeOptions {
    pub(crate) data: PathBuf,
    pub(crate) listener: StdListener,
    pub(crate) admin: StdListener,
    pub(crate) starter: Starter,
    pub(crate) mode: Mode,
    pub(crate) config: Config,
    pub(crate) reset: Option<ResetScheme>,
    /// Whether attempts are written down.
    pub(crate) ledger: bool,
}

/// A running node.
pub(crate) struct Node {
    pub(crate) ingress: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// Where the admin token is; `None` when the environment gave it.
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) control: Arc<dyn Control>,
    pub(crate) logs: Arc<dyn LogStore>,
    /// Rises with each change of what is stored.
    pub(crate) version: watch::Receiver<u64>,
    /// While this holds a fault, every request is answered with it (`mayfly dev`).
    pub(crate) notice: Arc<ArcSwapOption<Fault>>,
    stop: watch::Sender<bool>,
    ready: Arc<AtomicBool>,
    invoker: Invoker,
    dispatcher: Dispatcher,
    journal: Arc<Journal>,
    follower: Follower,
    servers: Vec<JoinHandle<()>>,
    exporter: Option<Exporter>,
    drain: Duration,
    _data: DataDir,
}

impl Node {
    /// Starts every part and returns when the node answers.
    pub(crate) async fn start(options: NodeOptions) -> anyhow::Result<Self> {
        let NodeOptions { data, listener, admin, starter, mode, config, reset, ledger: writes } =
            options;
        raise_descriptors();
        let ingress = TcpListener::from_std(listener)?;
        let admin_listener = TcpListener::from_std(admin)?;
        let ingress_address = ingress.local_addr()?;
        let admin_address = admin_listener.local_addr()?;

        let data = DataDir::open(&data, OpenOptions::default())?;
        let store: Arc<dyn ControlStore> = Arc::new(Store::open(&data)?);
        let version = store.version();
        let work = Arc::new(Work::open(&data)?);
        let queue: Arc<dyn InvocationQueue> = work.clone();
        let ledger = Journal::open(&data, work.clone(), THIS_NODE, ledger_limits(&config)).await?;
        let journal = Arc::new(ledger);
        let ledger: Arc<dyn Ledger> = match writes {
            true => journal.clone(),
            false => Arc::new(unwritten::NoLedger),
        };
        let clock: Clock = Arc::new(now_us);
        let prices = config.prices.clone();
        let accounts = Accounts::load(work.as_ref(), clock.clone(), prices.clone())
            .await
            .context("read what was used this month")?;
        let artifacts: Arc<dyn ArtifactStore> = Arc::new(FileArtifacts::open(&data)?);
        let logs: Arc<dyn LogStore> = Arc::new(SegmentLogs::open(&data, log_limits(&config))?);
        let master = std::env::var("MAYFLY_MASTER_KEY").ok();
        let sealer = Arc::new(seal::KeySealer(Keys::open(&data.keys(), master.as_deref())?));

        let tenant = TenantName::fallback();
        let token_file = match mode {
            Mode::Dev(_) => data.root().join("token"),
            Mode::Serve => data.root().join("admin-token"),
        };
        let token_file = token::ensure(store.as_ref(), &tenant, token_file, now_us()).await?;
        let spool = data.cache().join("uploads");
        std::fs::create_dir_all(&spool)
            .with_context(|| format!("make the directory {}", spool.display()))?;

        let code =
            Arc::new(code::ArtifactCode::open(data.cache().join("code"), artifacts.clone())?);
        let egress = egress(&config, [ingress_address, admin_address])?;
        let client = Client::new(egress.clone(), ClientConfig::default())
            .context("set up outgoing connections")?;
        let client = Arc::new(client);
        let engine = engine_cache(&mode, &data);
        let images = data.cache().join("js");
        let processes =
            processes::start(&starter, &mode, &config, &data, code.clone(), egress).await;
        let mut invoker_limits = mayfly_invoker::Limits::default();
        if let Some(function) = config.limits.function_concurrency {
            invoker_limits.function = function;
        }
        if let Some(node) = config.limits.node_concurrency {
            invoker_limits.node = node;
        }
        limit(&config, &mut invoker_limits)?;
        if let Some(span) = config.limits.keep_alive {
            invoker_limits.idle = invoker_limits.idle.max(span.as_duration());
            invoker_limits.most_idle = invoker_limits.most_idle.max(span.as_duration());
        }
        let places = Places::default();
        let wasm = mayfly_runtime_wasm::Options {
            cache: data.cache().join("wasm"),
            prepare: child(
                PREPARE_WASM,
                config.limits.compile_time.map_or(WASM_PREPARED_IN, |span| span.as_duration()),
            ),
            code: code.clone(),
            client: client.clone(),
            instances: invoker_limits.node,
            idle: WASM_IDLE,
            places: places.clone(),
        };
        let (isolate, wasm) = tokio::task::spawn_blocking({
            let handle = tokio::runtime::Handle::current();
            move || {
                let _context = handle.enter();
                let isolate = IsolateRuntime::new(Options {
                    engine,
                    images,
                    prepare: child(PREPARE_JS, JS_PREPARED_IN),
                    code,
                    client,
                    reset,
                    idle: JS_IDLE,
                    places,
                })?;
                anyhow::Ok((isolate, WasmRuntime::new(wasm)?))
            }
        })
        .await??;
        let mut runtimes = processes;
        runtimes.insert(RuntimeKind::Js, Arc::new(isolate));
        runtimes.insert(RuntimeKind::Wasm, Arc::new(wasm));
        let runtimes = Arc::new(runtimes);

        let exporter = otlp::start(&config.otlp, |name| std::env::var(name).ok())?;
        let spans = exporter.as_ref().and_then(Exporter::spans);
        let view: SharedView = Arc::new(ArcSwap::from_pointee(View::default()));
        let follower = Follower::start(store.clone(), sealer.clone(), view.clone()).await?;
        let invoker = Invoker::new(InvokerParts {
            view: view.clone(),
            runtimes: runtimes.clone(),
            logs: logs.clone(),
            ledger: ledger.clone(),
            replies: work.clone(),
            accounts: accounts.clone(),
            clock: clock.clone(),
            limits: invoker_limits,
            observers: Observers {
                spans: spans.clone(),
                report: config.logs.report.unwrap_or(matches!(mode, Mode::Dev(_))),
            },
            host: Arc::new(host::Machine),
        });
        if let Some(exporter) = &exporter {
            let (invoker, ledger) = (invoker.clone(), ledger.clone());
            exporter.measure(Arc::new(move || families(&invoker, ledger.lost(), None)));
        }
        let events = EventParts {
            queue: queue.clone(),
            clock: clock.clone(),
            limits: EventLimits::default(),
        };
        let dispatcher = Dispatcher::start(events, invoker.clone()).await?;

        let base = config.base.as_deref().unwrap_or("localhost").to_ascii_lowercase();
        let hosts = match &mode {
            Mode::Dev(app) => Hosts::Only(app.clone()),
            Mode::Serve => Hosts::Under { base: base.clone() },
        };
        let urls = urls(mode.clone(), base, ingress_address);
        let control: Arc<dyn Control> = Arc::new(ControlService::new(ControlParts {
            store,
            artifacts,
            logs: logs.clone(),
            queue,
            events: dispatcher.events(),
            runtimes,
            sealer,
            progress: follower.progress(),
            urls,
            clock,
            spool,
            usage: work,
            ledger: ledger.clone(),
            spending: accounts,
            meters: Arc::new(invoker.clone()),
            prices,
            limits: ControlLimits::default(),
        }));

        let (stop, stopping) = watch::channel(false);
        let notice = Arc::new(ArcSwapOption::empty());
        let mut gateway_limits = mayfly_gateway::Limits::default();
        if let Some(body) = config.limits.body {
            gateway_limits.body = body;
        }
        if let Some(span) = config.limits.head_timeout {
            gateway_limits.head = span.as_duration();
        }
        if let Some(span) = config.limits.body_timeout {
            gateway_limits.body_gap = span.as_duration();
        }
        let gateway = Gateway::new(mayfly_gateway::Parts {
            view,
            invoke: Arc::new(invoker.clone()),
            hosts,
            limits: gateway_limits,
            show_details: matches!(mode, Mode::Dev(_)),
            notice: notice.clone(),
            spans: spans.clone(),
        });
        let drain = config.limits.drain.map_or(Duration::from_secs(30), |span| span.as_duration());
        let ready = Arc::new(AtomicBool::new(true));
        let admin_router = admin::router(AdminState {
            control: control.clone(),
            invoke: Arc::new(invoker.clone()),
            ready: {
                let ready = ready.clone();
                Arc::new(move || match ready.load(Ordering::Relaxed) {
                    true => Readiness::Ready,
                    false => Readiness::Draining,
                })
            },
            allowed_hosts: match mode {
                Mode::Dev(_) => HostPolicy::Loopback,
                Mode::Serve => HostPolicy::Any,
            },
            spans,
            pages: axum::Router::new(),
        });
        let ingress = Server::new(ingress)?;
        let servers = vec![
            tokio::spawn(ingress.run(Arc::new(gateway), stopping.clone(), drain)),
            tokio::spawn(serve_admin(admin_listener, admin_router, stopping)),
        ];
        Ok(Self {
            ingress: ingress_address,
            admin: admin_address,
            token_file,
            control,
            logs,
            version,
            notice,
            stop,
            ready,
            invoker,
            dispatcher,
            journal,
            follower,
            servers,
            exporter,
            drain,
            _data: data,
        })
    }

    /// Takes no more requests, lets those under way finish, and ends.
    pub(crate) async fn stop(self) {
        self.ready.store(false, Ordering::Relaxed);
        let _ = self.stop.send(true);
        for server in self.servers {
            let _ = server.await;
        }
        let rest = async {
            self.dispatcher.drain().await;
            self.invoker.drain().await;
        };
        if tokio::time::timeout(self.drain, rest).await.is_err() {
            tracing::warn!("work after answers was cut off; events among it are tried again");
        }
        self.dispatcher.shutdown().await;
        self.follower.shutdown().await;
        if let Err(error) = self.journal.flush().await {
            tracing::warn!(%error, "add up the last attempts; the next start does");
        }
        self.journal.close().await;
        if let Err(error) = self.logs.flush().await {
            tracing::warn!(%error, "write the last log lines");
        }
        if let Some(exporter) = self.exporter {
            exporter.shutdown(OTLP_DRAIN).await;
        }
    }
}

/// How long the last spans and metrics may take to the collector.
const OTLP_DRAIN: Duration = Duration::from_secs(5);

/// How long the admin listener waits for its last answers. A long poll of `logs -f` that is cut off
/// loses nothing: it goes on from its position.
const ADMIN_DRAIN: Duration = Duration::from_secs(2);

async fn serve_admin(listener: TcpListener, router: axum::Router, mut stop: watch::Receiver<bool>) {
    let mut stopping = stop.clone();
    let graceful = async move {
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    let drained = async move {
        let _ = stop.wait_for(|stop| *stop).await;
        tokio::time::sleep(ADMIN_DRAIN).await;
    };
    tokio::select! {
        served = axum::serve(listener, router).with_graceful_shutdown(graceful) => {
            if let Err(error) = served {
                tracing::error!(%error, "the admin listener failed");
            }
        }
        () = drained => {}
    }
}

fn log_limits(config: &Config) -> LogLimits {
    let mut limits = LogLimits::default();
    if let Some(total) = config.logs.total {
        limits.total = total.as_bytes();
        limits.function = limits.function.min(limits.total);
    }
    if let Some(function) = config.logs.function {
        limits.function = function.as_bytes();
    }
    limits.rate = config.logs.rate.unwrap_or(limits.rate);
    limits.keep = config.logs.keep.map_or(limits.keep, |span| span.as_duration());
    limits
}

/// What of the configuration bounds admission.
fn limit(config: &Config, limits: &mut mayfly_invoker::Limits) -> anyhow::Result<()> {
    let Config { limits: given, .. } = config;
    limits.tenant = given.tenant_concurrency.unwrap_or(limits.tenant);
    limits.wait = given.queue_wait.map_or(limits.wait, |span| span.as_duration());
    limits.line = given.queue_length.unwrap_or(limits.line);
    limits.kept_answers = given.kept_answers.map_or(limits.kept_answers, |size| size.as_bytes());
    if let Some(oversell) = given.oversell {
        anyhow::ensure!(
            oversell.is_finite() && oversell > 0.0,
            "`oversell` in the configuration's `[limits]` is a number above 0: how often the machine's \
             memory and processors may be promised at once"
        );
        let system = rustix::system::sysinfo();
        let memory = system.totalram as f64 * f64::from(system.mem_unit);
        let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
        limits.memory = (memory * oversell) as u64;
        limits.cpu = (cores * oversell * 1000.0) as u64;
    }
    Ok(())
}

fn ledger_limits(config: &Config) -> LedgerLimits {
    let mut limits = LedgerLimits::default();
    if let Some(total) = config.ledger.total {
        limits.total = total.as_bytes();
    }
    if let Some(keep) = config.ledger.keep {
        limits.keep = keep.as_duration();
    }
    limits
}

/// Who may be called outside.
fn egress(config: &Config, listeners: [SocketAddr; 2]) -> anyhow::Result<Egress> {
    let mut deny_addrs = config.egress.deny.clone();
    deny_addrs.extend(listeners);
    let rules = OperatorRules { allow: config.egress.allow.clone(), deny_addrs };
    let resolver = SystemResolver::new().context("read the system's resolver configuration")?;
    Ok(Egress::new(rules, resolver))
}

/// Where the compiled JavaScript engine is kept. Apps under `mayfly dev` share the user's cache, so
/// that only the first start of all takes the seconds that compiling does.
fn engine_cache(mode: &Mode, data: &DataDir) -> PathBuf {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let user = variable("XDG_CACHE_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".cache")))
        .filter(|path| path.is_absolute());
    match (mode, user) {
        (Mode::Dev(_), Some(user)) => user.join("mayfly").join("js"),
        _ => data.cache().join("js"),
    }
}

/// This program again, as a process of another kind: this names the running program even when its
/// file was replaced by an upgrade.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// This program as the child that prepares functions.
fn child(argument: &str, lifetime: Duration) -> ChildCommand {
    ChildCommand { command: vec![THIS_PROGRAM.into(), argument.into()], lifetime }
}

/// Listens on an address; a port that nobody asked for moves to the next free one.
pub(crate) fn bind(listen: Listen) -> anyhow::Result<StdListener> {
    let mut address = listen.address;
    loop {
        match StdListener::bind(address) {
            Ok(listener) => {
                listener.set_nonblocking(true)?;
                // More than the library's 128: a burst connects at once.
                rustix::net::listen(&listener, BACKLOG)?;
                return Ok(listener);
            }
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
                let next = address.port().checked_add(1);
                match next {
                    Some(port) if !listen.asked_for && port < listen.address.port() + 100 => {
                        address.set_port(port);
                    }
                    _ => anyhow::bail!(
                        "{address} is in use by another program: stop it, or choose another \
                         address with --listen or --admin"
                    ),
                }
            }
            Err(error) => return Err(error).context(format!("listen on {address}")),
        }
    }
}

/// The time in UTC microseconds since 1970.
fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

fn urls(mode: Mode, base: String, ingress: SocketAddr) -> Urls {
    let reachable = match ingress.ip() {
        ip if ip.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        ip => ip,
    };
    let direct = SocketAddr::new(reachable, ingress.port());
    Arc::new(move |key| match &mode {
        Mode::Dev(_) => vec![format!("http://{direct}")],
        Mode::Serve => {
            let app = match key.tenant == TenantName::fallback() {
                true => key.app.to_string(),
                false => format!("{}--{}", key.app, key.tenant),
            };
            let port = match ingress.port() {
                80 => String::new(),
                port => format!(":{port}"),
            };
            let mut urls = vec![format!("http://{app}.{base}{port}")];
            if reachable.is_loopback() {
                urls.push(format!("http://{direct}/_mayfly/{app}"));
            }
            urls
        }
    })
}

/// Slots, images and connections need descriptors; the usual soft limit of 1024 is for `select`.
fn raise_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!(%error, "raise the limit of open files");
    }
}

/// Waits for SIGINT or SIGTERM.
pub(crate) async fn stop_signal() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

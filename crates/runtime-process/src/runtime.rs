//! The runtime as the invoker sees it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use mayfly_egress::{Egress, Policy};
use mayfly_runtime_api::{
    Call, CodeStore, Diagnostic, Failure, Instance, Keep, LogLevel, LogSink, Payload, PrepareError,
    PrepareRequest, Prepared, Reply, Runtime, StartRequest, lambda,
};
use mayfly_sandbox::{CgroupKind, Network, Spawner};
use mayfly_types::{
    Fault, FaultCode, FunctionConfig, HandlerStyle, InvocationId, Isolation, Outcome,
    OutcomeStatus, Revision, RuntimeKind,
};
use tokio::sync::OnceCell;

use crate::boots::Boots;
use crate::door::{MOST_PORTS, Way};
use crate::exchange::Exchange;
use crate::fault;
use crate::language::{Interpreter, Language, LanguageError};
use crate::log::Log;
use crate::pool::{Pool, Starts, Use, WAITING};
use crate::process::{Kind, Process, Start};
use crate::sandboxed::StartError;
use crate::stem::Stems;

/// How long a function may take to load: Lambda's own bound.
const LOADING: Duration = Duration::from_secs(10);
/// Most bytes of what a function writes while it is tried, and of one line of it.
const TRIED: usize = 256 << 10;
const TRIED_LINE: usize = 16 << 10;
/// Calls at once of a process whose handler takes requests.
const AT_ONCE: u32 = 64;

/// What the runtime needs.
pub struct Options {
    /// Makes the sandboxes.
    pub spawner: Spawner,
    /// Which of the process runtimes it is.
    pub kind: RuntimeKind,
    /// Where the language's interpreter is looked for, when it is first needed.
    pub interpreter: Interpreter,
    /// Where bootstraps are written; anything in it may be deleted while no node runs.
    pub bootstraps: PathBuf,
    /// The turns of interpreters to boot, of all runtimes of a node.
    pub boots: Boots,
    /// Most interpreters that are booted before they are needed.
    pub stems: usize,
    /// Who may be called outside.
    pub egress: Egress,
    /// Where artifacts are unpacked.
    pub code: Arc<dyn CodeStore>,
    /// How long a process waits for its next call before it is ended.
    pub idle: Duration,
    /// What becomes of functions that ask for what this host cannot hold.
    pub unheld: Unheld,
}

/// What becomes of a function whose manifest says what this host cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unheld {
    /// Its deployment is refused.
    Refused,
    /// It runs, and its deployment says what is not held: for authors who run their own code.
    Noted,
}

/// One of the process runtimes.
pub struct ProcessRuntime {
    shared: Arc<Shared>,
}

struct Shared {
    options: Options,
    kind: OnceCell<Kind>,
}

impl ProcessRuntime {
    /// The runtime. It does nothing until it is asked to.
    pub fn new(options: Options) -> Self {
        Self { shared: Arc::new(Shared { options, kind: OnceCell::new() }) }
    }
}

impl Shared {
    /// What runs in its processes: found at the first use, and again after each failure.
    async fn kind(&self) -> Result<&Kind, LanguageError> {
        let find = || async {
            let kind = self.options.kind;
            if kind == RuntimeKind::Provided {
                return Ok(Kind::Provided);
            }
            let (at, bootstraps) =
                (self.options.interpreter.clone(), self.options.bootstraps.clone());
            let spawner = self.options.spawner.clone();
            let boots = self.options.boots.clone();
            // A reduced sandbox sees no more files later.
            let most = if spawner.reduced().is_some() { 0 } else { self.options.stems };
            let silent = move |error: String| LanguageError::Silent(kind.as_str(), error);
            let found = tokio::task::spawn_blocking(move || {
                let language = Language::find(kind, &at)?;
                let installed = language.install(&bootstraps);
                installed.map_err(|error| silent(format!("write its bootstrap: {error}")))?;
                Ok(Kind::Language(Stems::new(spawner, language, bootstraps, boots, most)))
            });
            found.await.unwrap_or_else(|error| Err(silent(error.to_string())))
        };
        self.kind.get_or_try_init(find).await
    }

    /// What a function may call.
    fn way(&self, config: &FunctionConfig) -> Result<Way, Fault> {
        let policy = Policy::new(&config.egress);
        let policy = policy.map_err(|e| Fault::new(FaultCode::Internal, e.to_string()))?;
        let open = self.options.spawner.reduced().is_some() && !config.egress.is_empty();
        let network = match (open, self.options.unheld) {
            (true, Unheld::Noted) => Network::Host,
            _ => Network::Caught,
        };
        Ok(Way::new(self.options.egress.clone(), policy, network))
    }

    /// Refuses more ports than can be served, and what is written and nothing here would hold; else tells
    /// of the latter.
    fn check(&self, config: &FunctionConfig) -> Result<Vec<String>, PrepareError> {
        let refused = |message: String, help: &str| {
            Err(PrepareError::Code(vec![Diagnostic::new(message).help(help)]))
        };
        let ports = self.way(config).map_err(PrepareError::Platform)?.listen().len();
        if ports > MOST_PORTS {
            let message = format!(
                "`egress` asks for {ports} ports, those of names and the web among them; a sandbox \
                 serves {MOST_PORTS}"
            );
            return refused(message, "list fewer, or divide the function");
        }
        let spawner = &self.options.spawner;
        let bounded = spawner.cgroups() != CgroupKind::None;
        let reduced = spawner.reduced().is_some();
        let written = [
            ("memory", config.written.memory && !bounded),
            ("cpu", config.written.cpu && !bounded),
            ("egress", reduced && !config.egress.is_empty()),
            // Its Runtime API is a port, and others on the network may listen at the same.
            ("runtime = \"provided\"", reduced && config.runtime == RuntimeKind::Provided),
        ];
        let unheld: Vec<_> =
            written.into_iter().filter(|(_, unheld)| *unheld).map(|(key, _)| key).collect();
        if unheld.is_empty() {
            return Ok(Vec::new());
        }
        let keys = unheld.join("` and `");
        let message = match reduced {
            true => format!("this host has no sandboxes that hold `{keys}`"),
            false => format!("this host has no cgroups that hold `{keys}`"),
        };
        match self.options.unheld {
            Unheld::Noted => Ok(vec![format!("{message}: the function runs without")]),
            Unheld::Refused => {
                let help =
                    "`mayfly doctor` says how to get them; without these keys nothing is promised";
                refused(message, help)
            }
        }
    }

    /// What this host lacks, for whoever deploys.
    fn notes(&self) -> Vec<String> {
        let spawner = &self.options.spawner;
        let reduced = spawner.reduced().map(|why| {
            format!(
                "the function runs in a reduced sandbox, for {why}: it writes to $TMPDIR and not to /tmp, and \
                 less is held (docs/sandbox.md); `mayfly doctor` says how to get a whole one"
            )
        });
        let unbounded = (!spawner.unbounded().is_empty()).then(|| {
            format!(
                "this host bounds no memory, processors or processes of functions ({}); `mayfly doctor` \
                 on it says what to do",
                spawner.unbounded().join("; ")
            )
        });
        let problems = spawner.problems().iter();
        let problems = problems.map(|problem| format!("sandboxes on this host: {problem}"));
        reduced.into_iter().chain(unbounded).chain(problems).collect()
    }
}

/// Collects what a function writes while it is tried.
#[derive(Default)]
struct Collected(Mutex<Vec<String>>);

impl LogSink for Collected {
    fn write(&self, _invocation: Option<InvocationId>, _level: LogLevel, message: &str) {
        let mut lines = self.0.lock().unwrap_or_else(|e| e.into_inner());
        let held: usize = lines.iter().map(String::len).sum();
        if lines.len() < 1000 && held < TRIED {
            let end = message.floor_char_boundary(TRIED_LINE.min(message.len()));
            lines.push(message[..end].to_owned());
        }
    }
}

#[async_trait]
impl Runtime for ProcessRuntime {
    async fn prepare(&self, request: PrepareRequest) -> Result<Prepared, PrepareError> {
        let PrepareRequest { tenant, artifact, config, secrets } = request;
        let shared = &self.shared;
        let mut notes = shared.check(&config)?;
        let kind = shared.kind().await.map_err(|error| {
            let message = format!("this node cannot run `{}`: {error}", config.runtime);
            let help = "install it on the node, or name it in the configuration's `[runtimes]`";
            PrepareError::Code(vec![Diagnostic::new(message).help(help)])
        })?;
        let options = &shared.options;
        let code =
            options.code.directory(&tenant, artifact).await.map_err(PrepareError::Platform)?;
        let lines = Arc::new(Collected::default());
        let mut environment = standard_environment(&config, &serde_json::Value::Null);
        environment.extend(secrets.0);
        let start = Start {
            spawner: &options.spawner,
            kind,
            code: &code,
            config: &config,
            environment: &environment,
            context: &serde_json::Value::Null,
            log: Log(lines.clone()),
            way: shared.way(&config).map_err(PrepareError::Platform)?,
        };
        let started = Process::start(start, LOADING).await;
        let take = || std::mem::take(&mut *lines.0.lock().unwrap_or_else(|e| e.into_inner()));
        let process = started.map_err(|error| refused(error, &config, &take()))?;
        if process.style == HandlerStyle::Event && config.concurrency_per_instance > Some(1) {
            let message = "`concurrency_per_instance` is for handlers that take requests, and this one \
                           takes events";
            let help =
                "remove it: a process takes one event at a time, and more start when more come";
            return Err(PrepareError::Code(vec![Diagnostic::new(message).help(help)]));
        }
        if let Kind::Language(stems) = kind {
            // The first call comes soon.
            stems.grow();
        }
        notes.extend(shared.notes());
        Ok(Prepared { style: process.style, logs: take(), notes })
    }

    async fn start(&self, request: StartRequest) -> Result<Arc<dyn Instance>, Fault> {
        let StartRequest { revision, secrets, logs } = request;
        let tenant = &revision.app().tenant;
        let options = &self.shared.options;
        let code = options.code.directory(tenant, revision.artifact()).await?;
        let config = revision.config();
        let way = self.shared.way(config)?;
        let context = lambda::function_context(&revision);
        let mut environment = standard_environment(config, &context);
        environment.extend(secrets.iter().map(|(name, value)| (name.clone(), value.clone())));
        let fresh = config.isolation == Isolation::Invocation;
        // These fork for each call.
        let zygotes = matches!(config.runtime, RuntimeKind::Python | RuntimeKind::Ruby);
        let once = fresh && !zygotes;
        let at_once = match (fresh, revision.style()) {
            (true, _) | (_, HandlerStyle::Event) => 1,
            (false, HandlerStyle::Fetch) => config.concurrency_per_instance.unwrap_or(AT_ONCE),
        };
        let uses = Use {
            at_once,
            ahead: at_once == 1 && !fresh && config.runtime != RuntimeKind::Provided,
            once,
            idle: options.idle,
            freezes: options.spawner.cgroups() != CgroupKind::None,
        };
        let style = revision.style();
        let starts = Starting {
            shared: Arc::clone(&self.shared),
            revision,
            environment,
            context,
            code,
            log: Log(logs),
            way,
        };
        Ok(Arc::new(Processes { pool: Pool::new(Box::new(starts), uses), style }))
    }
}

/// A failed start in the words of a deployment.
fn refused(error: StartError, config: &FunctionConfig, lines: &[String]) -> PrepareError {
    let diagnostic = match error {
        StartError::Host(error) => {
            return PrepareError::Platform(Fault::new(FaultCode::Unavailable, error.to_string()));
        }
        StartError::Refused(told) => {
            let text = match told.stack.is_empty() {
                true => format!("{}: {}", told.name, told.message),
                false => told.stack,
            };
            Diagnostic::new(text)
        }
        StartError::Late => Diagnostic::new(format!(
            "the function's top level ran for more than {} seconds",
            LOADING.as_secs()
        )),
        // What it wrote before says more than how it ended.
        StartError::Broken(why) => {
            let last = lines.len().saturating_sub(20);
            let said = lines[last..].iter().map(|line| format!("\n  {line}"));
            Diagnostic::new(why + &said.collect::<String>())
        }
    };
    PrepareError::Code(vec![Diagnostic { file: Some(config.entry.clone()), ..diagnostic }])
}

/// What a function finds in its environment, secrets apart: the names that Lambda gives, and its own
/// variables.
fn standard_environment(
    config: &FunctionConfig,
    context: &serde_json::Value,
) -> BTreeMap<String, String> {
    let text = |key: &str| context[key].as_str().unwrap_or_default().to_owned();
    let mut all = BTreeMap::from([
        ("AWS_EXECUTION_ENV".to_owned(), format!("Mayfly_{}", config.runtime)),
        ("AWS_LAMBDA_FUNCTION_NAME".into(), text("functionName")),
        ("AWS_LAMBDA_FUNCTION_VERSION".into(), "$LATEST".into()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE".into(), (config.memory.as_bytes() >> 20).to_string()),
        ("AWS_LAMBDA_LOG_GROUP_NAME".into(), text("logGroupName")),
        ("AWS_LAMBDA_LOG_STREAM_NAME".into(), text("logStreamName")),
        ("AWS_LAMBDA_INITIALIZATION_TYPE".into(), "on-demand".into()),
        ("AWS_REGION".into(), "local".into()),
        ("AWS_DEFAULT_REGION".into(), "local".into()),
        ("LAMBDA_TASK_ROOT".into(), crate::sandboxed::TASK.into()),
        ("LAMBDA_RUNTIME_DIR".into(), "/var/runtime".into()),
        ("_HANDLER".into(), config.handler.clone().unwrap_or_default()),
    ]);
    all.extend(config.env.iter().map(|(name, value)| (name.clone(), value.clone())));
    all
}

/// Makes the processes of one revision.
struct Starting {
    shared: Arc<Shared>,
    revision: Arc<Revision>,
    environment: BTreeMap<String, String>,
    context: serde_json::Value,
    code: PathBuf,
    log: Log,
    way: Way,
}

#[async_trait]
impl Starts for Starting {
    async fn start(&self) -> Result<Process, Fault> {
        let kind = self.shared.kind().await.map_err(|error| {
            let message = format!("this node cannot run `{}`", self.revision.config().runtime);
            Fault::new(FaultCode::Unavailable, message).with_detail(error.to_string())
        });
        let started = match kind {
            Err(fault) => Err(fault),
            Ok(kind) => {
                let start = Start {
                    spawner: &self.shared.options.spawner,
                    kind,
                    code: &self.code,
                    config: self.revision.config(),
                    environment: &self.environment,
                    context: &self.context,
                    log: self.log.clone(),
                    way: self.way.clone(),
                };
                let started = Process::start(start, LOADING).await;
                started.map_err(|error| of_start(&error))
            }
        };
        if let Err(fault) = &started {
            let detail = fault.detail.as_deref().unwrap_or(&fault.message);
            self.log.write(None, LogLevel::Error, detail);
        }
        started
    }
}

/// A failed start in the words of a caller.
fn of_start(error: &StartError) -> Fault {
    match error {
        StartError::Host(_) => {
            let message = "the node cannot make an environment for the function";
            Fault::new(FaultCode::Unavailable, message).with_detail(error.to_string())
        }
        StartError::Refused(told) => fault::thrown(told),
        StartError::Broken(_) | StartError::Late => {
            let message = "the function's environment could not start";
            Fault::new(FaultCode::FunctionCrashed, message).with_detail(error.to_string())
        }
    }
}

/// The processes of one revision, as the invoker calls them.
struct Processes {
    pool: Arc<Pool>,
    style: HandlerStyle,
}

impl Instance for Processes {
    fn keep(self: Arc<Self>, keep: Keep) -> BoxFuture<'static, ()> {
        self.pool.keep(keep);
        Box::pin(std::future::ready(()))
    }

    fn run(self: Arc<Self>, call: Call) -> BoxFuture<'static, Result<Reply, Failure>> {
        Box::pin(async move {
            let began = Instant::now();
            let Call { id, payload, deadline, trace } = call;
            let payload = match (self.style, payload) {
                (HandlerStyle::Fetch, Payload::Event(event)) => {
                    Payload::Http(lambda::http_from_event(&event, trace.as_ref()))
                }
                (_, payload) => payload,
            };
            let trace = trace.map(|trace| trace.amzn());
            let exchange = Exchange::new(id, deadline, trace);
            let run = self.pool.run(&exchange, payload);
            let begun = tokio::time::timeout_at((deadline + WAITING).into(), run).await;
            let begun = begun.unwrap_or_else(|_| Err(fault::not_ready()));
            begun.map_err(|fault| failed(fault, began))?;
            exchange.reply().await
        })
    }
}

fn failed(fault: Fault, began: Instant) -> Failure {
    let nothing = Outcome::nothing(OutcomeStatus::Fault(fault.code));
    let outcome = Outcome { cold: true, init_us: began.elapsed().as_micros() as u64, ..nothing };
    Failure { fault, outcome }
}

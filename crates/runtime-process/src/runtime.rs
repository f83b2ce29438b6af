//! The runtime as the invoker sees it, and the processes that wait for their next call.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use mayfly_runtime_api::{
    Call, CodeStore, Diagnostic, Failure, Instance, LogLevel, LogSink, PrepareError,
    PrepareRequest, Prepared, Reply, Runtime, StartRequest, lambda,
};
use mayfly_sandbox::Spawner;
use mayfly_types::{
    Fault, FaultCode, FunctionConfig, InvocationId, Isolation, Outcome, OutcomeStatus, Revision,
};

use crate::call::{self, Input};
use crate::language::Language;
use crate::process::{Process, Start, StartError};

/// How long a function may take to load.
const LOADING: Duration = Duration::from_secs(10);
/// How often processes that wait are looked through.
const SWEEP: Duration = Duration::from_secs(1);

/// What the runtime needs.
pub struct Options {
    /// Makes the sandboxes.
    pub spawner: Spawner,
    /// The language and its interpreter.
    pub language: Language,
    /// Where bootstraps are written; anything in it may be deleted while no node runs.
    pub bootstraps: PathBuf,
    /// Where artifacts are unpacked.
    pub code: Arc<dyn CodeStore>,
    /// How long a process waits for its next call before it is ended.
    pub idle: Duration,
}

/// One of the process runtimes.
pub struct ProcessRuntime {
    options: Arc<Options>,
}

impl ProcessRuntime {
    /// Writes the bootstrap.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn new(options: Options) -> std::io::Result<Self> {
        options.language.install(&options.bootstraps)?;
        Ok(Self { options: Arc::new(options) })
    }
}

/// Collects what a function writes while it is tried.
#[derive(Default)]
struct Collected(Mutex<Vec<String>>);

impl LogSink for Collected {
    fn write(&self, _invocation: Option<InvocationId>, _level: LogLevel, message: &str) {
        let mut lines = self.0.lock().unwrap_or_else(|e| e.into_inner());
        if lines.len() < 1000 {
            lines.push(message.to_owned());
        }
    }
}

#[async_trait]
impl Runtime for ProcessRuntime {
    async fn prepare(&self, request: PrepareRequest) -> Result<Prepared, PrepareError> {
        let PrepareRequest { tenant, artifact, config } = request;
        let options = &self.options;
        let code =
            options.code.directory(&tenant, artifact).await.map_err(PrepareError::Platform)?;
        let lines = Arc::new(Collected::default());
        let start = Start {
            spawner: &options.spawner,
            language: &options.language,
            bootstraps: &options.bootstraps,
            code: &code,
            config: &config,
            environment: &config.env,
            logs: lines.clone(),
        };
        let started = Process::start(start, Instant::now() + LOADING).await;
        let process = started.map_err(|error| refused(error, &config))?;
        let logs = std::mem::take(&mut *lines.0.lock().unwrap_or_else(|e| e.into_inner()));
        Ok(Prepared { style: process.style, logs })
    }

    async fn start(&self, request: StartRequest) -> Result<Arc<dyn Instance>, Fault> {
        let StartRequest { revision, secrets, logs } = request;
        let tenant = &revision.app().tenant;
        let code = self.options.code.directory(tenant, revision.artifact()).await?;
        let environment = environment(&revision, &secrets);
        let instances = Arc::new(Processes {
            options: Arc::clone(&self.options),
            revision,
            environment,
            code,
            logs,
            waiting: Mutex::default(),
        });
        tokio::spawn(sweep(Arc::downgrade(&instances), self.options.idle));
        Ok(instances)
    }
}

/// A failed start in the words of a deployment.
fn refused(error: StartError, config: &FunctionConfig) -> PrepareError {
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
        StartError::Broken(why) => Diagnostic::new(why),
    };
    PrepareError::Code(vec![Diagnostic { file: Some(config.entry.clone()), ..diagnostic }])
}

/// What a function finds in its environment: Lambda's names, its own variables, its secrets.
fn environment(
    revision: &Revision,
    secrets: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let config = revision.config();
    let function = revision.function().to_string();
    let mut all = BTreeMap::from([
        ("AWS_LAMBDA_FUNCTION_NAME".to_owned(), function.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION".into(), "$LATEST".into()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE".into(), (config.memory.as_bytes() >> 20).to_string()),
        ("AWS_LAMBDA_LOG_GROUP_NAME".into(), format!("/mayfly/{}/{function}", revision.app().app)),
        ("AWS_LAMBDA_LOG_STREAM_NAME".into(), revision.id().short()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE".into(), "on-demand".into()),
        ("AWS_REGION".into(), "local".into()),
        ("AWS_DEFAULT_REGION".into(), "local".into()),
        ("LAMBDA_TASK_ROOT".into(), "/var/task".into()),
        ("LAMBDA_RUNTIME_DIR".into(), "/var/runtime".into()),
        ("_HANDLER".into(), config.handler.clone().unwrap_or_default()),
    ]);
    all.extend(config.env.iter().map(|(name, value)| (name.clone(), value.clone())));
    all.extend(secrets.iter().map(|(name, value)| (name.clone(), value.clone())));
    all
}

/// The processes of one revision.
struct Processes {
    options: Arc<Options>,
    revision: Arc<Revision>,
    environment: BTreeMap<String, String>,
    code: PathBuf,
    logs: Arc<dyn LogSink>,
    /// Those that wait for a call, the one that was called last at the end.
    waiting: Mutex<Vec<(Process, Instant)>>,
}

/// Ends processes that nobody called for a while, until their function is forgotten.
async fn sweep(processes: Weak<Processes>, idle: Duration) {
    let mut interval = tokio::time::interval(SWEEP.min(idle));
    loop {
        interval.tick().await;
        let Some(processes) = processes.upgrade() else { return };
        processes.lock().retain(|(_, since)| since.elapsed() < idle);
    }
}

impl Instance for Processes {
    fn run(self: Arc<Self>, call: Call) -> BoxFuture<'static, Result<Reply, Failure>> {
        Box::pin(async move {
            let began = Instant::now();
            let waiting = self.lock().pop();
            let cold = waiting.is_none();
            let process = match waiting {
                Some((process, _)) => process,
                None => self.begin(call.id).await.map_err(|fault| failed(fault, began))?,
            };
            let config = self.revision.config();
            let input = Input {
                id: call.id,
                payload: call.payload,
                context: lambda::context(&self.revision, call.id, call.deadline),
                deadline: call.deadline,
                timeout: config.timeout,
                memory: config.memory,
                cold,
                init_us: if cold { began.elapsed().as_micros() as u64 } else { 0 },
            };
            let again = config.isolation == Isolation::Instance;
            let weak = Arc::downgrade(&self);
            call::run(process, input, move |process| {
                if let Some(processes) = weak.upgrade().filter(|_| again) {
                    processes.lock().push((process, Instant::now()));
                }
            })
            .await
        })
    }
}

impl Processes {
    fn lock(&self) -> MutexGuard<'_, Vec<(Process, Instant)>> {
        self.waiting.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    async fn begin(&self, id: InvocationId) -> Result<Process, Fault> {
        let start = Start {
            spawner: &self.options.spawner,
            language: &self.options.language,
            bootstraps: &self.options.bootstraps,
            code: &self.code,
            config: self.revision.config(),
            environment: &self.environment,
            logs: Arc::clone(&self.logs),
        };
        let started = Process::start(start, Instant::now() + LOADING).await;
        started.map_err(|error| {
            let fault = match &error {
                StartError::Host(_) => {
                    let message = "the node cannot make an environment for the function";
                    Fault::new(FaultCode::Unavailable, message).with_detail(error.to_string())
                }
                StartError::Refused(told) => call::thrown(told),
                StartError::Broken(_) | StartError::Late => {
                    let message = "the function's environment could not start";
                    Fault::new(FaultCode::FunctionCrashed, message).with_detail(error.to_string())
                }
            };
            let detail = fault.detail.as_deref().unwrap_or(&fault.message);
            self.logs.write(Some(id), LogLevel::Error, detail);
            fault
        })
    }
}

fn failed(fault: Fault, began: Instant) -> Failure {
    let nothing = Outcome::nothing(OutcomeStatus::Fault(fault.code));
    let outcome = Outcome { cold: true, init_us: began.elapsed().as_micros() as u64, ..nothing };
    Failure { fault, outcome }
}

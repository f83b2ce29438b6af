//! The runtimes whose functions are sandboxed processes.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mayfly_egress::Egress;
use mayfly_runtime_api::{
    CodeStore, Diagnostic, Instance, PrepareError, PrepareRequest, Prepared, Runtime, StartRequest,
};
use mayfly_runtime_process::{Boots, Interpreter, Options, ProcessRuntime, Unheld};
use mayfly_sandbox::{SpawnError, Spawner, SpawnerOptions, Starter};
use mayfly_state_embedded::DataDir;
use mayfly_types::{Digest, Fault, FaultCode, RuntimeKind};

use super::{Mode, here};
use crate::config::{Config, Sandbox};

/// How long a process waits for its next call, where the configuration does not say.
const IDLE: Duration = Duration::from_secs(60);

/// The runtimes that are made here.
const KINDS: [RuntimeKind; 4] =
    [RuntimeKind::Nodejs, RuntimeKind::Python, RuntimeKind::Ruby, RuntimeKind::Provided];

/// Most interpreters of a language that are booted ahead, where the configuration does not say.
const STEMS: usize = 4;

type Runtimes = BTreeMap<RuntimeKind, Arc<dyn Runtime>>;

/// Starts the process that makes sandboxes, and the runtimes on it. Where the host lets none be made,
/// each refuses what is deployed to it, with the reason.
pub(super) async fn start(
    starter: &Starter,
    mode: &Mode,
    config: &Config,
    data: &DataDir,
    code: Arc<dyn CodeStore>,
    egress: Egress,
) -> Runtimes {
    let (reduced, unheld) = match (mode, config.sandbox) {
        (Mode::Dev(_), _) => (true, Unheld::Noted),
        (Mode::Serve, Sandbox::Reduced) => (true, Unheld::Refused),
        (Mode::Serve, Sandbox::Whole) => (false, Unheld::Refused),
    };
    let options = SpawnerOptions {
        starter: starter.clone(),
        name: name(data.root()),
        reduced: reduced.then(|| absolute(data.root()).join("cache/sandboxes")),
    };
    let spawner = match Spawner::start(options).await {
        Ok(spawner) => spawner,
        Err(error) => {
            tracing::warn!(%error, "this host makes no sandboxes: only `js` and `wasm` functions run");
            return KINDS.into_iter().map(|kind| (kind, absent(error.to_string()))).collect();
        }
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let named = &config.runtimes;
    let idle = config.limits.keep_alive.map_or(IDLE, |span| span.as_duration());
    let boots = Boots::new(std::thread::available_parallelism().map_or(1, usize::from));
    let runtime = |kind| {
        let program = match kind {
            RuntimeKind::Nodejs => &named.nodejs,
            RuntimeKind::Python => &named.python,
            RuntimeKind::Ruby => &named.ruby,
            _ => &None,
        };
        let runtime = ProcessRuntime::new(Options {
            spawner: spawner.clone(),
            kind,
            interpreter: Interpreter { program: program.clone(), path: path.clone() },
            bootstraps: data.cache().join("bootstraps"),
            boots: boots.clone(),
            stems: named.stems.unwrap_or(STEMS),
            egress: egress.clone(),
            code: code.clone(),
            idle,
            unheld,
        });
        (kind, Arc::new(runtime) as Arc<dyn Runtime>)
    };
    KINDS.into_iter().map(runtime).collect()
}

/// A runtime that this host cannot offer.
struct Absent(String);

fn absent(reason: String) -> Arc<dyn Runtime> {
    Arc::new(Absent(reason))
}

#[async_trait]
impl Runtime for Absent {
    async fn prepare(&self, request: PrepareRequest) -> Result<Prepared, PrepareError> {
        let runtime = request.config.runtime;
        let message = format!("this host cannot run `{runtime}` in a sandbox: {}", self.0);
        let help = "`mayfly doctor` on the node says what is missing; `js` and `wasm` functions run without it, and with \
             `sandbox = \"reduced\"` in the node's configuration others may, in weaker sandboxes";
        Err(PrepareError::Code(vec![Diagnostic::new(message).help(help)]))
    }

    async fn start(&self, _request: StartRequest) -> Result<Arc<dyn Instance>, Fault> {
        let message = "this host makes no sandboxes any more";
        Err(Fault::new(FaultCode::Unavailable, message).with_detail(self.0.clone()))
    }
}

/// The data directory, by the name that every process knows it by.
fn absolute(data: &Path) -> PathBuf {
    data.canonicalize().unwrap_or_else(|_| data.to_owned())
}

/// The name of this node's cgroups: the same after each start, for what an earlier process of it left
/// is found by it.
pub(super) fn name(data: &Path) -> String {
    let root = absolute(data);
    format!("mayfly-{}", Digest::of(root.as_os_str().as_bytes()).short())
}

/// What sandboxes this host makes.
pub(crate) struct Tried {
    /// Why they are reduced, if they are.
    pub(crate) reduced: Option<String>,
    /// What they do not hold.
    pub(crate) problems: Vec<String>,
}

/// Makes a sandbox; tells what this host cannot hold.
///
/// # Errors
/// Why there is none.
pub(crate) fn try_sandbox() -> Result<Tried, String> {
    let attempt = async {
        let name = format!("mayfly-doctor-{}", std::process::id());
        let scratch = tempfile::tempdir()?;
        let options =
            SpawnerOptions { starter: here(), name, reduced: Some(scratch.path().to_owned()) };
        let spawner = Spawner::start(options).await?;
        let reduced = spawner.reduced().map(str::to_owned);
        let problems = spawner.unbounded().iter().chain(spawner.problems()).cloned().collect();
        Ok::<_, SpawnError>(Tried { reduced, problems })
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(attempt).map_err(|error| error.to_string())
}

//! The runtimes whose functions are sandboxed processes.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mayfly_egress::Egress;
use mayfly_runtime_api::{
    CodeStore, Diagnostic, Instance, PrepareError, PrepareRequest, Prepared, Runtime, StartRequest,
};
use mayfly_runtime_process::{Interpreter, Options, ProcessRuntime};
use mayfly_sandbox::{Limits, SpawnError, Spawner, SpawnerOptions, Spec};
use mayfly_state_embedded::DataDir;
use mayfly_types::{Digest, Fault, FaultCode, RuntimeKind};

use super::{SPAWNER, THIS_PROGRAM};
use crate::config::Config;

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
    config: &Config,
    data: &DataDir,
    code: Arc<dyn CodeStore>,
    egress: Egress,
) -> Runtimes {
    let command = vec![THIS_PROGRAM.into(), SPAWNER.into(), name(data).into()];
    let spawner = match Spawner::start(SpawnerOptions { command }).await {
        Ok(spawner) => spawner,
        Err(error) => {
            tracing::warn!(%error, "this host makes no sandboxes: only `js` functions run");
            return KINDS.into_iter().map(|kind| (kind, absent(error.to_string()))).collect();
        }
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let named = &config.runtimes;
    let idle = config.limits.keep_alive.map_or(IDLE, |span| span.as_duration());
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
            stems: named.stems.unwrap_or(STEMS),
            egress: egress.clone(),
            code: code.clone(),
            idle,
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
        let help =
            "`mayfly doctor` on the node says what is missing; `js` functions run without it";
        Err(PrepareError::Code(vec![Diagnostic::new(message).help(help)]))
    }

    async fn start(&self, _request: StartRequest) -> Result<Arc<dyn Instance>, Fault> {
        let message = "this host makes no sandboxes any more";
        Err(Fault::new(FaultCode::Unavailable, message).with_detail(self.0.clone()))
    }
}

/// The name of this node's cgroups: the same after each start, for what an earlier process of it left
/// is found by it.
fn name(data: &DataDir) -> String {
    let root = data.root().canonicalize().unwrap_or_else(|_| data.root().to_owned());
    format!("mayfly-{}", Digest::of(root.as_os_str().as_bytes()).short())
}

/// Makes a sandbox and runs a program in it; tells what this host cannot hold.
///
/// # Errors
/// Why there is none.
pub(crate) fn try_sandbox() -> Result<Vec<String>, String> {
    let attempt = async {
        let name = format!("mayfly-doctor-{}", std::process::id());
        let command = vec![THIS_PROGRAM.into(), SPAWNER.into(), name.into()];
        let spawner = Spawner::start(SpawnerOptions { command }).await?;
        let spec = Spec {
            program: "/bin/true".into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            directory: "/".into(),
            binds: Vec::new(),
            places: Vec::new(),
            limits: Limits { memory: 32 << 20, cpu: 1.0, pids: 16, files: 64, tmp: 1 << 20 },
            descriptors: Vec::new(),
            listen: Vec::new(),
            anywhere: true,
        };
        spawner.spawn(&spec, &[]).await?.ended().await;
        Ok::<_, SpawnError>(spawner.problems().to_vec())
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(attempt).map_err(|error| error.to_string())
}

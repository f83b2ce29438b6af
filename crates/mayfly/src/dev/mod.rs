//! `mayfly dev`: one app on this machine, made live again whenever a file of it is saved.

mod report;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use mayfly_control_api::{Caller, DeployRequest, DeployedCode, Error};
use mayfly_state_api::{GoLive, LogQuery};
use mayfly_types::{AppKey, AppName, Fault, FaultCode, OperationId, TenantName};

use crate::config::Config;
use crate::local::LocalApp;
use crate::node::{Listen, Mode, Node, Options_, shown, stop_signal};

/// What the command line asks for.
#[derive(Debug)]
pub(crate) struct DevOptions {
    pub(crate) path: PathBuf,
    pub(crate) listen: Listen,
    pub(crate) admin: Listen,
    pub(crate) data: Option<PathBuf>,
}

/// How long a `logs` query of the terminal waits for the next line.
const LOG_WAIT: Duration = Duration::from_secs(30);

/// Runs until it is told to stop.
pub(crate) async fn run(options: DevOptions) -> anyhow::Result<()> {
    let began = Instant::now();
    let DevOptions { path, listen, admin, data } = options;
    anyhow::ensure!(
        admin.address.ip().is_loopback(),
        "the admin listener of `mayfly dev` stays on loopback, and {} is not: use `mayfly serve` \
         for a node that others reach",
        admin.address
    );
    let app = LocalApp::open(&path, None);
    // Whether or not the manifest is right now, the name and the directory are needed to start.
    let (base, name) = match &app {
        Ok(app) => (app.base.clone(), app.manifest.app().clone()),
        Err(_) => fallback(&path)?,
    };
    let data = data.unwrap_or_else(|| base.join(".mayfly"));
    let key = AppKey::new(TenantName::fallback(), name.clone());
    let node = Node::start(Options_ {
        data: data.clone(),
        listen,
        admin,
        mode: Mode::Dev(key.clone()),
        config: Config::default(),
        reset: None,
    })
    .await?;
    std::fs::write(data.join(".gitignore"), "*\n").context("write .mayfly/.gitignore")?;
    std::fs::write(data.join("admin"), format!("http://{}\n", node.admin))
        .context("write .mayfly/admin")?;

    let caller = Caller { tenant: TenantName::fallback(), name: "dev".into() };
    let mut session = Session { path, name, caller, node: &node, last: None };
    let mut changes = watch::Changes::start(&base)?;
    let deployed = session.reload().await;
    report::started(&node, deployed, began.elapsed());

    let logs = tokio::spawn(follow_logs(Arc::clone(&node.control), session.caller.clone(), key));
    let stopped = tokio::select! {
        stopped = stop_signal() => stopped,
        () = async {
            while changes.next().await {
                session.changed().await;
            }
        } => Ok(()),
    };
    logs.abort();
    node.stop().await;
    stopped
}

fn fallback(path: &Path) -> anyhow::Result<(PathBuf, AppName)> {
    let path = std::path::absolute(path)?;
    anyhow::ensure!(path.exists(), "{} does not exist", shown(&path));
    let base = match path.is_dir() {
        true => path.clone(),
        false => path.parent().unwrap_or(Path::new("/")).to_owned(),
    };
    let stem = base.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    Ok((base.clone(), mayfly_manifest::app_name_from(&stem)))
}

/// What was deployed last, by content.
type Fingerprint = (String, Vec<mayfly_types::Digest>);

struct Session<'a> {
    path: PathBuf,
    name: AppName,
    caller: Caller,
    node: &'a Node,
    last: Option<Fingerprint>,
}

impl Session<'_> {
    /// Makes the present files live and says so.
    async fn changed(&mut self) {
        let began = Instant::now();
        let before = self.last.clone();
        let deployed = self.reload().await;
        if deployed && self.last == before {
            return;
        }
        report::reloaded(deployed, began.elapsed());
    }

    /// Makes the present files live; tells whether that went well. What went wrong is shown in the
    /// terminal, and as the answer to every request until it is mended.
    async fn reload(&mut self) -> bool {
        match self.deploy().await {
            Ok(notes) => {
                self.node.notice.store(None);
                report::notes(&notes);
                true
            }
            Err(problem) => {
                self.last = None;
                report::problem(&problem);
                let fault = Fault::new(FaultCode::FunctionError, problem.title)
                    .with_detail(problem.text);
                self.node.notice.store(Some(Arc::new(fault)));
                false
            }
        }
    }

    async fn deploy(&mut self) -> Result<Vec<String>, report::Problem> {
        let path = self.path.clone();
        let packed = tokio::task::spawn_blocking(move || {
            let app = LocalApp::open(&path, None)?;
            let packed = app.pack()?;
            anyhow::Ok((app, packed))
        });
        let packed = packed.await.map_err(|error| report::Problem::plain(&error.into()))?;
        let (app, packed) = packed.map_err(|error| report::Problem::local(&error))?;
        if app.manifest.app() != &self.name {
            let error = anyhow::anyhow!(
                "the app's name changed from `{}` to `{}`: start `mayfly dev` again",
                self.name,
                app.manifest.app()
            );
            return Err(report::Problem::plain(&error));
        }
        let text = app.manifest.text().to_owned();
        let digests = packed.values().map(mayfly_artifact::Packed::digest).collect();
        let fingerprint = (text.clone(), digests);
        if self.last.as_ref() == Some(&fingerprint) {
            return Ok(Vec::new());
        }
        let control = &self.node.control;
        let mut artifacts = std::collections::BTreeMap::new();
        for (function, code) in packed {
            let digest = code.digest();
            let files = code.files().to_vec();
            let missing = control.missing_artifacts(&self.caller, &[digest]).await;
            if !missing.map_err(|error| report::Problem::control(&error))?.is_empty() {
                let content = Box::pin(std::io::Cursor::new(code.into_bytes()));
                control
                    .upload_artifact(&self.caller, digest, content)
                    .await
                    .map_err(|error| report::Problem::control(&error))?;
            }
            artifacts.insert(function, DeployedCode { artifact: digest, files });
        }
        let request = DeployRequest { manifest: text, artifacts, go_live: GoLive::All };
        let deployed = control
            .deploy(&self.caller, OperationId::new(), request)
            .await
            .map_err(|error: Error| report::Problem::control(&error))?;
        self.last = Some(fingerprint);
        Ok(deployed.notes)
    }
}

async fn follow_logs(
    control: Arc<dyn mayfly_control_api::Control>,
    caller: Caller,
    app: AppKey,
) {
    let mut query = LogQuery {
        app,
        function: None,
        invocation: None,
        since_us: None,
        after: None,
        limit: 0,
    };
    // The position of now: what earlier sessions wrote is not shown again.
    if let Ok((_, position)) = control.logs(&caller, query.clone(), None).await {
        query.after = Some(position);
    }
    query.limit = 1000;
    loop {
        match control.logs(&caller, query.clone(), Some(LOG_WAIT)).await {
            Ok((lines, position)) => {
                for line in &lines {
                    report::log(line);
                }
                query.after = Some(position);
            }
            Err(error) => {
                tracing::warn!(%error, "follow the logs");
                return;
            }
        }
    }
}

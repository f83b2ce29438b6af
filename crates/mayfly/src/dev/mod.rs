//! `mayfly dev`: one app on this machine, made live again whenever a file of it is saved.

mod report;
mod watch;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use mayfly_control_api::{Caller, DeployRequest, DeployedCode};
use mayfly_state_api::{GoLive, LogQuery, Role};
use mayfly_types::{AppKey, AppName, Fault, FaultCode, OperationId, TenantName};

use crate::cli::{AppSource, DevArgs, Failure, PackedApp, Palette, SourceError};
use crate::config::Config;
use crate::node::{Listen, Mode, Node, NodeOptions, bind, here, stop_signal};

/// How long a `logs` query of the terminal waits for the next line.
const LOG_WAIT: Duration = Duration::from_secs(30);

/// Runs until it is told to stop.
pub(crate) fn run(args: DevArgs) -> Result<(), Failure> {
    crate::start::log_to_stderr("warn");
    Ok(crate::start::block_on(develop(args))?)
}

async fn develop(args: DevArgs) -> anyhow::Result<()> {
    let began = Instant::now();
    let (listen, admin) = (listen(args.listen(), 8080), listen(args.admin(), 8081));
    anyhow::ensure!(
        admin.address.ip().is_loopback(),
        "the admin listener of `mayfly dev` stays on loopback, and {} is not: use `mayfly serve` \
         for a node that others reach",
        admin.address
    );
    let path = std::path::absolute(args.path())?;
    let (base, name) = place(&path)?;
    let data = args.data().map_or_else(|| base.join(".mayfly"), Path::to_owned);
    let key = AppKey::new(TenantName::fallback(), name.clone());
    let node = Node::start(NodeOptions {
        data: data.clone(),
        listener: bind(listen)?,
        admin: bind(admin)?,
        starter: here(),
        mode: Mode::Dev(key.clone()),
        config: Config::default(),
        reset: None,
        ledger: true,
    })
    .await?;
    std::fs::write(data.join(".gitignore"), "*\n").context("write .mayfly/.gitignore")?;
    std::fs::write(data.join("admin"), format!("http://{}\n", node.admin))
        .context("write .mayfly/admin")?;

    let (tenant, role) = (TenantName::fallback(), Role::Operator);
    let caller = Caller { tenant, name: "dev".into(), role };
    let builds = !args.no_build();
    let mut session = Session { wrong: None, path, builds, name, caller, node: &node, last: None };
    let mut changes = watch::Changes::start(&base, &data)?;
    let deployed = session.reload().await;
    report::started(&node, deployed, began.elapsed());

    let logs = tokio::spawn(follow_logs(Arc::clone(&node.control), session.caller.clone(), key));
    let stopped = tokio::select! {
        stopped = stop_signal() => stopped,
        () = async {
            let mut version = node.version.clone();
            loop {
                // A mistake may also be mended by a command: a secret that was missing is set.
                let wrong = session.wrong.is_some();
                tokio::select! {
                    more = changes.next() => if !more { return },
                    Ok(()) = version.changed(), if wrong => {}
                }
                session.changed().await;
            }
        } => Ok(()),
    };
    logs.abort();
    node.stop().await;
    // Commands find this process by the file; another node may listen there later.
    std::fs::remove_file(data.join("admin")).context("remove .mayfly/admin")?;
    stopped
}

/// A port that nobody asked for moves to the next free one.
fn listen(address: Option<SocketAddr>, port: u16) -> Listen {
    let fallback = || (Ipv4Addr::LOCALHOST, port).into();
    Listen { address: address.unwrap_or_else(fallback), asked_for: address.is_some() }
}

/// The app's directory and name. Both are needed to start, whether or not the manifest is right.
fn place(path: &Path) -> anyhow::Result<(PathBuf, AppName)> {
    if let Ok(app) = AppSource::open(path, None) {
        return Ok((app.directory().to_owned(), app.manifest().app().clone()));
    }
    let is_directory = std::fs::metadata(path)
        .with_context(|| format!("{} cannot be opened", path.display()))?
        .is_dir();
    let base = match is_directory {
        true => path,
        false => path.parent().unwrap_or(Path::new("/")),
    };
    anyhow::ensure!(
        !is_directory || base.join("mayfly.toml").exists(),
        "{} has no mayfly.toml: `mayfly init` starts an app; a single file needs none: \
         `mayfly dev hello.js`",
        path.display()
    );
    let name = base.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    Ok((base.to_owned(), mayfly_manifest::app_name_from(&name)))
}

/// What was deployed last, by content.
type Fingerprint = (String, Vec<mayfly_types::Digest>);

struct Session<'a> {
    /// What was last seen to be wrong; the same again is not told again.
    wrong: Option<String>,
    path: PathBuf,
    /// Whether dependencies are installed.
    builds: bool,
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
                self.wrong = None;
                self.node.notice.store(None);
                report::notes(&notes);
                true
            }
            Err(problem) => {
                self.last = None;
                let text = problem.text(Palette::Plain);
                let wrong = Some(format!("{}\n{text}", problem.title));
                // Callers see it before the terminal tells of it: who reads there asks at once.
                let fault = Fault::new(FaultCode::FunctionError, problem.title.clone());
                self.node.notice.store(Some(Arc::new(fault.with_detail(text))));
                if self.wrong != wrong {
                    report::problem(&problem);
                    self.wrong = wrong;
                }
                false
            }
        }
    }

    async fn deploy(&mut self) -> Result<Vec<String>, report::Problem> {
        let (path, builds) = (self.path.clone(), self.builds);
        let packed = tokio::task::spawn_blocking(move || {
            let mut app = AppSource::open(&path, None)?;
            if !builds {
                app = app.without_build();
            }
            let packed: PackedApp = app.pack()?;
            Ok::<_, SourceError>((app, packed))
        });
        let packed = packed.await.map_err(report::Problem::plain)?;
        let (app, packed) = packed.map_err(report::Problem::local)?;
        let manifest = app.manifest();
        if manifest.app() != &self.name {
            return Err(report::Problem::plain(format!(
                "the app is called `{}` now, and was `{}` at the start: start `mayfly dev` again",
                manifest.app(),
                self.name,
            )));
        }
        let text = manifest.text().to_owned();
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
            if !missing.map_err(report::Problem::control)?.is_empty() {
                let content = Box::pin(std::io::Cursor::new(code.into_bytes()));
                control
                    .upload_artifact(&self.caller, digest, content)
                    .await
                    .map_err(report::Problem::control)?;
            }
            artifacts.insert(function, DeployedCode { artifact: digest, files });
        }
        let request = DeployRequest { manifest: text, artifacts, go_live: GoLive::All };
        let deployed = control
            .deploy(&self.caller, OperationId::new(), request)
            .await
            .map_err(report::Problem::control)?;
        self.last = Some(fingerprint);
        Ok(deployed.notes)
    }
}

async fn follow_logs(control: Arc<dyn mayfly_control_api::Control>, caller: Caller, app: AppKey) {
    let mut query = LogQuery::newest(app, 0);
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

//! The real binary as a child process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::client::{AppClient, Client};
use crate::output::Output;
use crate::within;

/// How a node is started.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    binary: PathBuf,
    data: Option<PathBuf>,
    config: Option<String>,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    group: Option<PathBuf>,
}

impl NodeOptions {
    /// With a file of configuration.
    pub fn config(mut self, toml: &str) -> Self {
        self.config = Some(toml.to_owned());
        self
    }

    /// With more arguments; a later `--listen` replaces the usual one.
    pub fn args<const N: usize>(mut self, arguments: [&str; N]) -> Self {
        self.arguments.extend(arguments.map(str::to_owned));
        self
    }

    /// With an environment variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Inside a control group, from its first instruction on, so that all of its memory counts there.
    pub fn within(mut self, group: &Path) -> Self {
        self.group = Some(group.to_owned());
        self
    }

    /// On a data directory that outlives the node.
    pub fn data(mut self, directory: &Path) -> Self {
        self.data = Some(directory.to_owned());
        self
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// When it ends instead; what it said is in the error.
    pub async fn try_start(self) -> Result<Node, StartError> {
        let made = tempfile::Builder::new().prefix("mayfly-node-").tempdir().unwrap();
        let data = self.data.clone().unwrap_or_else(|| made.path().join("data"));
        let running = Running::start(&self, made.path(), &data).await?;
        Ok(Node { options: self, made: Arc::new(made), data, running: Some(running) })
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Panics
    /// When it ends instead.
    pub async fn start(self) -> Node {
        self.try_start().await.unwrap_or_else(|error| panic!("{error}"))
    }
}

/// A node that ended before it was ready.
#[derive(Debug)]
pub struct StartError {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to stdout and stderr.
    pub said: String,
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the node ended before it was ready (exit code {:?}):\n{}", self.code, self.said)
    }
}

impl std::error::Error for StartError {}

/// A running node. Dropping it kills its process, and tells what that wrote if the test failed.
#[derive(Debug)]
pub struct Node {
    options: NodeOptions,
    made: Arc<TempDir>,
    data: PathBuf,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    out: Output,
    err: Output,
    ingress: SocketAddr,
    admin: SocketAddr,
    token: String,
}

impl Node {
    /// How the binary at `binary` is started as a node; tests give `env!("CARGO_BIN_EXE_mayfly")`.
    pub fn options(binary: &str) -> NodeOptions {
        NodeOptions {
            binary: binary.into(),
            data: None,
            config: None,
            arguments: Vec::new(),
            environment: Vec::new(),
            group: None,
        }
    }

    /// A node with nothing but the defaults.
    pub async fn serve(binary: &str) -> Self {
        Self::options(binary).start().await
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("the node was stopped")
    }

    /// The ingress listener.
    pub fn client(&self) -> Client {
        Client::new(self.running().ingress)
    }

    /// The admin listener.
    pub fn admin(&self) -> Client {
        Client::new(self.running().admin)
    }

    /// The admin token.
    pub fn token(&self) -> &str {
        &self.running().token
    }

    /// An app of it.
    pub fn app(&self, name: &str) -> AppClient {
        AppClient { client: self.client(), app: name.to_owned() }
    }

    /// Its data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.running().child.id()
    }

    /// What it wrote to stderr so far.
    pub fn stderr(&self) -> Output {
        self.running().err.clone()
    }

    /// Asks it to stop and does not wait.
    pub fn send_term(&self) {
        let pid = Pid::from_child(&self.running().child);
        kill_process(pid, Signal::TERM).unwrap();
    }

    /// Waits for its process to end.
    pub async fn exited(&mut self) -> ExitStatus {
        let mut running = self.running.take().expect("the node was stopped");
        let wait = tokio::task::spawn_blocking(move || {
            let status = running.child.wait().unwrap();
            if std::env::var_os("MAYFLY_TEST_STDERR").is_some() {
                eprintln!("{}", running.err.text());
            }
            status
        });
        within("the node's end", wait).await.unwrap()
    }

    /// Asks it to stop (SIGTERM) and waits for its end.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.send_term();
        self.exited().await
    }

    /// Kills it without warning (SIGKILL).
    pub async fn kill9(&mut self) {
        self.running.as_mut().expect("the node was stopped").child.kill().unwrap();
        self.exited().await;
    }

    /// Starts it again, after [`Node::kill9`] or [`Node::terminate`], on the same data directory.
    pub async fn start_again(&mut self) {
        assert!(self.running.is_none(), "the node still runs");
        let started = Running::start(&self.options, self.made.path(), &self.data).await;
        self.running = Some(started.unwrap_or_else(|error| panic!("{error}")));
    }

    /// Stops it in good order and starts it again.
    pub async fn restart(&mut self) {
        let status = self.terminate().await;
        assert!(status.success(), "the node ended with {status}");
        self.start_again().await;
    }
}

impl Running {
    async fn start(options: &NodeOptions, made: &Path, data: &Path) -> Result<Self, StartError> {
        let mut command = match &options.group {
            None => Command::new(&options.binary),
            Some(group) => {
                // The shell joins the group and then becomes the node, which keeps its process id.
                let mut shell = Command::new("sh");
                shell.args(["-c", "echo $$ > \"$0\" && exec \"$@\""]);
                shell.arg(group.join("cgroup.procs")).arg(&options.binary);
                shell
            }
        };
        command.args(["serve", "--data"]).arg(data);
        // A test that names its own listener replaces the free port of the defaults.
        for listener in ["--listen", "--admin"] {
            if !options.arguments.iter().any(|argument| argument == listener) {
                command.args([listener, "127.0.0.1:0"]);
            }
        }
        if let Some(config) = &options.config {
            let file = made.join("config.toml");
            std::fs::write(&file, config).unwrap();
            command.arg("--config").arg(file);
        }
        command.args(&options.arguments).envs(options.environment.iter().cloned());
        for name in ["MAYFLY_ADMIN_TOKEN", "MAYFLY_MASTER_KEY", "MAYFLY_URL", "MAYFLY_TOKEN"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let out = Output::read(child.stdout.take().unwrap());
        let err = Output::read(child.stderr.take().unwrap());
        let mut child = Reaped(Some(child));

        let (mut ingress, mut admin, mut token) = (None, None, None);
        let ready = out.line(0, |line| {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match word {
                "ingress" => ingress = rest.strip_prefix("http://").and_then(|a| a.parse().ok()),
                "admin" => admin = rest.strip_prefix("http://").and_then(|a| a.parse().ok()),
                "token" => token = Some(PathBuf::from(rest)),
                "ready" => return Some(()),
                other => {
                    panic!("the node's first lines are a contract, and `{other}` is not in it")
                }
            }
            None
        });
        let ready = within("the node's readiness", ready).await;
        let mut child = child.0.take().unwrap();
        if ready.is_none() {
            let _ = child.kill();
            let code = child.wait().unwrap().code();
            // The process has ended, so its stderr ends too.
            within("the node's last words", err.line(usize::MAX, |_| None::<()>)).await;
            return Err(StartError { code, said: format!("{}\n{}", out.text(), err.text()) });
        }
        let (Some(ingress), Some(admin), Some(token)) = (ingress, admin, token) else {
            panic!("the node did not name its listeners and its token: {}", out.text());
        };
        let token = std::fs::read_to_string(token).unwrap().trim().to_owned();
        Ok(Self { child, out, err, ingress, admin, token })
    }
}

/// A child that does not outlive a failed start.
struct Reaped(Option<Child>);

impl Drop for Reaped {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the node's stdout\n{}", self.out.text());
            eprintln!("--- the node's stderr\n{}", self.err.text());
        }
    }
}

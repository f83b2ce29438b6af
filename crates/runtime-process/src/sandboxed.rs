//! Making the sandbox of a process.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use mayfly_runtime_api::LogLevel;
use mayfly_sandbox::{Bind, Ended, Limits, Listen, Network, Sandbox, SpawnError, Spawner, Spec};
use mayfly_types::FunctionConfig;
use tokio::net::unix::pipe;
use tokio::task::JoinHandle;

use crate::door::{Door, Way};
use crate::fault;
use crate::frames::Told;
use crate::log::{Log, follow};

/// Where the function's code is inside.
pub(crate) const TASK: &str = "/var/task";
/// Processes and threads of one sandbox.
const PIDS: u32 = 256;
/// Open files of one process.
const FILES: u64 = 1024;
/// How long a process that has closed its socket may take to end.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Why there is no process.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The host cannot make the sandbox.
    #[error("{0}")]
    Host(#[from] SpawnError),
    /// The function cannot be loaded.
    #[error("{}: {}", .0.name, .0.message)]
    Refused(Told),
    /// It ended, or said nothing that can be understood, before the function was loaded.
    #[error("{0}")]
    Broken(String),
    /// It was not ready in time.
    #[error("the function was not loaded in time")]
    Late,
}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

/// What runs in a sandbox.
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    /// What it sees besides the function's code.
    pub(crate) binds: Vec<Bind>,
    /// Its descriptor 3.
    pub(crate) socket: Option<OwnedFd>,
    /// The sockets inside that are served here.
    pub(crate) listen: Vec<Listen>,
    pub(crate) network: Network,
}

/// A sandbox whose program runs, of no function yet.
pub(crate) struct Bare {
    pub(crate) sandbox: Sandbox,
    sockets: Vec<OwnedFd>,
    outputs: [pipe::Receiver; 2],
}

/// A sandbox whose program runs, and its output.
pub(crate) struct Sandboxed {
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) output: Output,
    pub(crate) door: Door,
    followers: [JoinHandle<()>; 2],
}

/// Where the lines go that a process writes to its output: to the function's log until somebody is
/// there who knows whose they are.
pub(crate) type Output = Arc<OnceLock<Weak<dyn Hears>>>;

/// Knows which invocation a line of output is of.
pub(crate) trait Hears: Send + Sync {
    /// A line was written.
    fn output(&self, level: LogLevel, text: &str);
}

/// The limits of a function's sandbox.
pub(crate) fn limits(config: &FunctionConfig) -> Limits {
    let memory = config.memory.as_bytes();
    Limits {
        memory,
        cpu: config.cpu,
        pids: PIDS,
        files: FILES,
        // It is memory, so no more of it than the function may have.
        tmp: config.disk.as_bytes().min(memory),
    }
}

/// The function's code, as its sandbox sees it.
pub(crate) fn task(code: &Path) -> Bind {
    Bind { source: code.into(), target: TASK.into() }
}

impl Bare {
    /// Makes a sandbox and starts the program in it. Its code is among the binds, or comes later.
    pub(crate) async fn start(
        spawner: &Spawner,
        program: Program,
        limits: Limits,
    ) -> Result<Self, StartError> {
        let (out, out_inside) = pipe_pair()?;
        let (errors, errors_inside) = pipe_pair()?;
        let mut descriptors = vec![out_inside, errors_inside];
        let numbers = if program.socket.is_some() { vec![1, 2, 3] } else { vec![1, 2] };
        descriptors.extend(program.socket);
        let with_code = program.binds.iter().any(|bind| bind.target == Path::new(TASK));
        let spec = Spec {
            program: program.path,
            arguments: program.arguments,
            environment: program.environment,
            directory: if with_code { TASK } else { "/" }.into(),
            binds: program.binds,
            places: if with_code { Vec::new() } else { vec![TASK.into()] },
            limits,
            descriptors: numbers,
            listen: program.listen,
            network: program.network,
        };
        let mut sandbox = spawner.spawn(&spec, &descriptors).await?;
        let sockets = sandbox.take_listeners();
        Ok(Self { sandbox, sockets, outputs: [out, errors] })
    }

    /// Takes the first of its sockets.
    pub(crate) fn take_socket(&mut self) -> Option<OwnedFd> {
        (!self.sockets.is_empty()).then(|| self.sockets.remove(0))
    }

    /// Gives it to a function: from now on its lines are in that log, and it may call what that may.
    pub(crate) fn of(self, way: Way, log: &Log) -> io::Result<Sandboxed> {
        let output = Output::default();
        let follower = |pipe, level| {
            let (output, log) = (Arc::clone(&output), log.clone());
            tokio::spawn(follow(pipe, move |line| match output.get().and_then(Weak::upgrade) {
                Some(hears) => hears.output(level, line),
                None => log.write(None, level, line),
            }))
        };
        let [out, errors] = self.outputs;
        let followers = [follower(out, LogLevel::Info), follower(errors, LogLevel::Error)];
        let door = Door::open(way, self.sockets, log.clone(), &output)?;
        Ok(Sandboxed { sandbox: Arc::new(self.sandbox), output, door, followers })
    }
}

impl Sandboxed {
    /// Waits until the log has the last words of a process that has ended.
    pub(crate) async fn said_all(&mut self) {
        for follower in &mut self.followers {
            // One that does not end has lines that somebody else still writes.
            let _ = tokio::time::timeout(LAST_WORDS, follower).await;
        }
    }
}

fn pipe_pair() -> io::Result<(pipe::Receiver, OwnedFd)> {
    let (reading, writing) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&reading, true)?;
    Ok((pipe::Receiver::from_owned_fd(reading)?, writing))
}

/// The end of a process that has closed its socket. One that goes on all the same is ended.
pub(crate) async fn end_of(sandbox: &Sandbox) -> Ended {
    match tokio::time::timeout(LAST_WORDS, sandbox.ended()).await {
        Ok(ended) => ended,
        Err(_) => {
            if let Err(error) = sandbox.kill().await {
                tracing::warn!(%error, "end a sandbox");
            }
            sandbox.ended().await
        }
    }
}

/// Why a process ended before its function was loaded.
pub(crate) async fn ended_early(sandbox: &Sandbox) -> StartError {
    let ended = end_of(sandbox).await;
    let why = match ended.out_of_memory {
        true => "its memory was full".to_owned(),
        false => fault::exit(ended.exit),
    };
    StartError::Broken(format!("the process ended while the function was loaded: {why}"))
}

/// What a program needs before the function's own environment is there.
pub(crate) fn base_environment(more: &[(&str, &str)]) -> Vec<(String, String)> {
    let every = [
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("HOME", "/tmp"),
        ("TMPDIR", "/tmp"),
        ("LANG", "C.UTF-8"),
        ("TZ", ":UTC"),
    ];
    let all = every.iter().chain(more);
    all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

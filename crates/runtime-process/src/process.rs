//! One process: a sandbox with a bootstrap that has loaded a function.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mayfly_runtime_api::{LogLevel, LogSink};
use mayfly_sandbox::{Bind, Ended, Limits, Sandbox, SpawnError, Spawner, Spec};
use mayfly_types::{FunctionConfig, HandlerStyle, InvocationId};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;

use crate::frames::{Frame, Kind, Line, Load, Reader, Ready, Told, Writer};
use crate::language::Language;

/// Where the function's code is inside.
pub(crate) const TASK: &str = "/var/task";
/// Processes and threads of one sandbox.
const PIDS: u32 = 256;
/// Open files of one process.
const FILES: u64 = 1024;
/// How long a process that has closed its socket may take to end.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// Longest line of the log, in bytes.
const LONGEST_LINE: usize = 64 << 10;

/// What a process starts from.
pub(crate) struct Start<'a> {
    pub(crate) spawner: &'a Spawner,
    pub(crate) language: &'a Language,
    /// Where bootstraps lie.
    pub(crate) bootstraps: &'a Path,
    /// The function's code.
    pub(crate) code: &'a Path,
    pub(crate) config: &'a FunctionConfig,
    /// Its whole environment, secrets included.
    pub(crate) environment: &'a BTreeMap<String, String>,
    pub(crate) logs: Arc<dyn LogSink>,
}

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

/// Where the lines go that the present call writes.
#[derive(Clone)]
pub(crate) struct Log {
    sink: Arc<dyn LogSink>,
    call: Arc<Mutex<Option<InvocationId>>>,
}

impl Log {
    pub(crate) fn of(&self, invocation: Option<InvocationId>) {
        *self.call.lock().unwrap_or_else(|e| e.into_inner()) = invocation;
    }

    pub(crate) fn write(&self, level: LogLevel, message: &str) {
        let call = *self.call.lock().unwrap_or_else(|e| e.into_inner());
        self.sink.write(call, level, message);
    }
}

/// A process that has loaded its function.
pub(crate) struct Process {
    pub(crate) sandbox: Sandbox,
    pub(crate) reader: Reader,
    pub(crate) writer: Writer,
    pub(crate) log: Log,
    pub(crate) style: HandlerStyle,
    /// How many calls it has begun; also the number of the latest.
    pub(crate) calls: u32,
}

impl Process {
    /// Makes a sandbox, and has the bootstrap in it load the function.
    pub(crate) async fn start(start: Start<'_>, deadline: Instant) -> Result<Self, StartError> {
        match tokio::time::timeout_at(deadline.into(), Self::begin(start)).await {
            Ok(started) => started,
            Err(_) => Err(StartError::Late),
        }
    }

    async fn begin(start: Start<'_>) -> Result<Self, StartError> {
        let Start { spawner, language, bootstraps, code, config, environment, logs } = start;
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        let (out, out_inside) = pipe_pair()?;
        let (errors, errors_inside) = pipe_pair()?;
        let mut binds = language.binds(bootstraps);
        binds.push(Bind { source: code.into(), target: TASK.into() });
        let memory = config.memory.as_bytes();
        let spec = Spec {
            program: language.program().into(),
            arguments: language.arguments(),
            environment: base_environment(language),
            directory: TASK.into(),
            binds,
            limits: Limits {
                memory,
                cpu: config.cpu,
                pids: PIDS,
                files: FILES,
                // It is memory, so no more of it than the function may have.
                tmp: config.disk.as_bytes().min(memory),
            },
            descriptors: vec![1, 2, 3],
            listen: None,
        };
        let descriptors = [out_inside, errors_inside, OwnedFd::from(theirs)];
        let sandbox = spawner.spawn(&spec, &descriptors).await?;
        drop(descriptors);

        let log = Log { sink: logs, call: Arc::default() };
        tokio::spawn(follow(out, LogLevel::Info, log.clone()));
        tokio::spawn(follow(errors, LogLevel::Error, log.clone()));
        ours.set_nonblocking(true)?;
        let (reading, writing) = UnixStream::from_std(ours)?.into_split();
        let (mut reader, mut writer) = (Reader::new(reading), Writer::new(writing));
        let handler = config.handler.as_deref().unwrap_or_default();
        let handler = handler.rsplit_once('.').map_or(handler, |(_, export)| export);
        let load = Load { directory: TASK, entry: &config.entry, handler, environment };
        writer.add_json(Kind::Load, 0, &load)?;
        writer.flush().await?;
        let style = loaded(&mut reader, &log, &sandbox).await?;
        Ok(Self { sandbox, reader, writer, log, style, calls: 0 })
    }
}

/// Waits until the function is loaded.
async fn loaded(
    reader: &mut Reader,
    log: &Log,
    sandbox: &Sandbox,
) -> Result<HandlerStyle, StartError> {
    while let Some(frame) = reader.next().await? {
        match frame.kind {
            Kind::Ready => return Ok(frame.json::<Ready>()?.style),
            Kind::Refused | Kind::Fault => return Err(StartError::Refused(frame.json()?)),
            Kind::Log => log_line(log, &frame)?,
            _ => return Err(StartError::Broken("it spoke out of turn while it loaded".into())),
        }
    }
    let ended = end_of(sandbox).await;
    let why = match ended.out_of_memory {
        true => "its memory was full".to_owned(),
        false => format!("{:?}", ended.exit),
    };
    Err(StartError::Broken(format!("the process ended while the function was loaded ({why})")))
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

/// Writes a line that came in a frame.
pub(crate) fn log_line(log: &Log, frame: &Frame) -> io::Result<()> {
    let line: Line = frame.json()?;
    log.write(line.level, &line.message);
    Ok(())
}

fn pipe_pair() -> io::Result<(pipe::Receiver, OwnedFd)> {
    let (reading, writing) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&reading, true)?;
    Ok((pipe::Receiver::from_owned_fd(reading)?, writing))
}

/// Hands on what a process writes to its output, line by line, cutting what is too long for one.
async fn follow(output: impl AsyncRead + Unpin, level: LogLevel, log: Log) {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    loop {
        let Ok(available) = output.fill_buf().await else { return };
        if available.is_empty() {
            break;
        }
        let end = available.iter().position(|byte| *byte == b'\n');
        let take = end.unwrap_or(available.len()).min(LONGEST_LINE - line.len());
        line.extend_from_slice(&available[..take]);
        let whole = end == Some(take);
        output.consume(take + usize::from(whole));
        if whole || line.len() == LONGEST_LINE {
            log.write(level, &String::from_utf8_lossy(&line));
            line.clear();
        }
    }
    if !line.is_empty() {
        log.write(level, &String::from_utf8_lossy(&line));
    }
}

/// What an interpreter needs before the function's own environment is there.
fn base_environment(language: &Language) -> Vec<(String, String)> {
    let every = [
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("HOME", "/tmp"),
        ("TMPDIR", "/tmp"),
        ("LANG", "C.UTF-8"),
        ("TZ", "UTC"),
    ];
    let all = every.iter().chain(language.environment());
    all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

//! Getting a function ready in a process of its own: parsing, compiling and evaluating a stranger's code
//! there, its death costs one deployment and no more.

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use mayfly_types::{Fault, FaultCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{Diagnostic, PrepareError, Prepared};

/// Most bytes of a child's answer.
const LONGEST_ANSWER: u64 = 16 << 20;
/// Most bytes that are kept of what it writes to its standard error.
const LONGEST_COMPLAINT: u64 = 64 << 10;

/// What a child answers.
#[derive(Serialize, Deserialize)]
enum Answer {
    Ready(Prepared),
    Code(Vec<Diagnostic>),
    Platform(Fault),
}

/// What a child may use.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Processor time, in seconds.
    pub cpu: u64,
    /// Memory that it can write, in bytes.
    pub memory: u64,
    /// Size of each file that it writes, in bytes.
    pub file: u64,
}

impl Bounds {
    /// Bounds this process.
    fn apply(self) {
        use rustix::process::{Resource, Rlimit, setrlimit};
        let bounds = [
            (Resource::Cpu, self.cpu),
            (Resource::Core, 0),
            (Resource::Nofile, 256),
            (Resource::Data, self.memory),
            (Resource::Fsize, self.file),
        ];
        for (resource, bound) in bounds {
            let limit = Rlimit { current: Some(bound), maximum: Some(bound) };
            if let Err(error) = setrlimit(resource, limit) {
                tracing::warn!(?resource, %error, "bound the process that prepares code");
            }
        }
    }
}

/// Is the child: bounds itself before it reads anything of a stranger's, reads a job from standard input,
/// does it and writes its result to standard output.
pub fn child_main<J: DeserializeOwned>(
    bounds: Bounds,
    prepare: impl FnOnce(&J) -> Result<Prepared, PrepareError>,
) -> ExitCode {
    bounds.apply();
    let mut request = Vec::new();
    let read = io::stdin().read_to_end(&mut request);
    let job = read.and_then(|_| serde_json::from_slice(&request).map_err(io::Error::other));
    let result = match job {
        Ok(job) => prepare(&job),
        Err(error) => Err(platform(format!("read the job: {error}"))),
    };
    let answer = match result {
        Ok(prepared) => Answer::Ready(prepared),
        Err(PrepareError::Code(diagnostics)) => Answer::Code(diagnostics),
        Err(PrepareError::Platform(fault)) => Answer::Platform(fault),
    };
    let answered = serde_json::to_vec(&answer)
        .map_err(io::Error::other)
        .and_then(|answer| io::stdout().write_all(&answer));
    if answered.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How children are started that prepare functions.
#[derive(Debug, Clone)]
pub struct ChildCommand {
    /// The program, which calls [`child_main`], and its arguments.
    pub command: Vec<OsString>,
    /// How long a child may live. Its own bounds are lower, so this is for one that hangs.
    pub lifetime: Duration,
}

impl ChildCommand {
    /// Runs a job in a child. `entry` and `help` are what is told of code whose child died.
    ///
    /// # Errors
    /// What the child found wrong, or how it died.
    pub async fn run<J: Serialize>(
        &self,
        job: &J,
        entry: &str,
        help: &str,
    ) -> Result<Prepared, PrepareError> {
        let job = serde_json::to_vec(job).map_err(|error| platform(error.to_string()))?;
        let (status, answer, errors) =
            match tokio::time::timeout(self.lifetime, self.talk(&job)).await {
                Ok(Ok(ended)) => ended,
                Ok(Err(error)) => return Err(platform(format!("prepare code: {error}"))),
                Err(_) => {
                    let message = format!(
                        "preparing the code took more than {:?} and was stopped",
                        self.lifetime
                    );
                    return Err(PrepareError::Code(vec![Diagnostic::new(message).help(help)]));
                }
            };
        match serde_json::from_slice(&answer) {
            Ok(Answer::Ready(prepared)) => Ok(prepared),
            Ok(Answer::Code(diagnostics)) => Err(PrepareError::Code(diagnostics)),
            Ok(Answer::Platform(fault)) => Err(PrepareError::Platform(fault)),
            Err(_) => {
                let errors = String::from_utf8_lossy(&errors);
                tracing::warn!(%status, %errors, "a process that prepares code died");
                let message =
                    format!("preparing the code broke the process that did it ({})", how(status));
                let diagnostic = Diagnostic::new(message).at(entry, 1, 1).help(help);
                Err(PrepareError::Code(vec![diagnostic]))
            }
        }
    }

    /// Hands a job to a child; how that ended, its answer and its complaints.
    async fn talk(&self, job: &[u8]) -> io::Result<(ExitStatus, Vec<u8>, Vec<u8>)> {
        let (program, arguments) = self
            .command
            .split_first()
            .ok_or_else(|| io::Error::other("no command prepares functions"))?;
        let mut child = tokio::process::Command::new(program)
            .args(arguments)
            .env_clear()
            .envs(std::env::var_os("RUST_BACKTRACE").map(|value| ("RUST_BACKTRACE", value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        // Taken, so that the pipe closes when the job is written.
        if let Some(mut stdin) = child.stdin.take() {
            // A child that died already shows in its status.
            let _ = stdin.write_all(job).await;
        }
        let (mut answer, mut errors) = (Vec::new(), Vec::new());
        if let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) {
            let (mut stdout, mut stderr) =
                (stdout.take(LONGEST_ANSWER), stderr.take(LONGEST_COMPLAINT));
            tokio::try_join!(stdout.read_to_end(&mut answer), stderr.read_to_end(&mut errors))?;
        }
        Ok((child.wait().await?, answer, errors))
    }
}

fn how(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match status.signal() {
        Some(signal) => format!("signal {signal}"),
        None => status.to_string(),
    }
}

fn platform(message: String) -> PrepareError {
    PrepareError::Platform(Fault::new(FaultCode::Internal, message))
}

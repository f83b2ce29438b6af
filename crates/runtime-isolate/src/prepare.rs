//! Getting a function ready: parsing and evaluating a stranger's code in a child process, whose
//! death costs one deployment and no more.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use mayfly_runtime_api::{Diagnostic, PrepareError, Prepared};
use mayfly_types::{ByteSize, Fault, FaultCode};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// How long a child may live: its own limits are lower, so this is for one that hangs.
const LIFETIME: Duration = Duration::from_secs(30);
/// Most bytes of a child's answer.
const LONGEST_ANSWER: u64 = 16 << 20;

/// What a child is asked to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Job {
    /// Where the compiled engine is kept.
    pub(crate) engine: PathBuf,
    /// The unpacked artifact.
    pub(crate) root: PathBuf,
    /// The file to start from.
    pub(crate) entry: String,
    /// The export that handles; empty for the runtime's default.
    pub(crate) export: String,
    /// What the top level sees as `env`.
    pub(crate) env: BTreeMap<String, String>,
    /// The function's memory limit.
    pub(crate) memory: ByteSize,
    /// Where the image goes.
    pub(crate) image: PathBuf,
}

/// What it answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum JobResult {
    /// The image is written.
    Ready(Prepared),
    /// The code is at fault.
    Code(Vec<Diagnostic>),
    /// The platform is.
    Platform(String),
}

/// Runs a job in a child: `command` with the job on standard input and its result on standard
/// output.
pub(crate) async fn run(command: &[OsString], job: &Job) -> Result<Prepared, PrepareError> {
    let platform =
        |message: String| PrepareError::Platform(Fault::new(FaultCode::Internal, message));
    let (program, arguments) =
        command.split_first().ok_or_else(|| platform("no command prepares functions".into()))?;
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(std::env::var_os("RUST_BACKTRACE").map(|value| ("RUST_BACKTRACE", value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| platform(format!("start the process that prepares code: {error}")))?;
    let talk = async {
        let request = serde_json::to_vec(job).map_err(std::io::Error::other)?;
        // Taken, so that the pipe closes when the job is written.
        if let Some(mut stdin) = child.stdin.take() {
            // A child that died already shows in its status.
            let _ = stdin.write_all(&request).await;
        }
        let (mut answer, mut errors) = (Vec::new(), Vec::new());
        if let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) {
            let (mut stdout, mut stderr) = (stdout.take(LONGEST_ANSWER), stderr.take(64 << 10));
            tokio::try_join!(stdout.read_to_end(&mut answer), stderr.read_to_end(&mut errors))?;
        }
        std::io::Result::Ok((child.wait().await?, answer, errors))
    };
    let (status, answer, errors) = match tokio::time::timeout(LIFETIME, talk).await {
        Ok(Ok(ended)) => ended,
        Ok(Err(error)) => return Err(platform(format!("prepare code: {error}"))),
        Err(_) => {
            return Err(PrepareError::Code(vec![Diagnostic::new(format!(
                "preparing the code took more than {} seconds and was stopped",
                LIFETIME.as_secs()
            ))]));
        }
    };
    match serde_json::from_slice(&answer) {
        Ok(JobResult::Ready(prepared)) => Ok(prepared),
        Ok(JobResult::Code(diagnostics)) => Err(PrepareError::Code(diagnostics)),
        Ok(JobResult::Platform(message)) => Err(platform(message)),
        Err(_) => {
            use std::os::unix::process::ExitStatusExt;
            let errors = String::from_utf8_lossy(&errors);
            tracing::warn!(%status, %errors, "a process that prepares code died");
            let how = match status.signal() {
                Some(signal) => format!("signal {signal}"),
                None => status.to_string(),
            };
            let message = format!("preparing the code broke the process that did it ({how})");
            let help = "the code nests too deeply, or needs too much memory or time to parse";
            Err(PrepareError::Code(vec![
                Diagnostic {
                    file: Some(job.entry.clone()),
                    line: Some(1),
                    column: Some(1),
                    ..Diagnostic::new(message)
                }
                .help(help),
            ]))
        }
    }
}

//! Below the invoker: runtimes, instances and what they answer.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use mayfly_types::{
    Digest, Fault, FunctionConfig, HandlerStyle, InvocationId, Outcome, Revision, TenantName,
};
use serde::{Deserialize, Serialize};

use crate::{LogSink, Payload, ResponseHead, TraceContext};

/// Gives a runtime the unpacked code of an artifact.
#[async_trait]
pub trait CodeStore: Send + Sync {
    /// A directory that holds the artifact's files. It stays for as long as the process lives.
    ///
    /// # Errors
    /// `internal` when the artifact is missing, damaged or cannot be unpacked.
    async fn directory(&self, tenant: &TenantName, artifact: Digest) -> Result<PathBuf, Fault>;
}

/// What a deployment asks a runtime to get ready.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PrepareRequest {
    /// Who deploys.
    pub tenant: TenantName,
    /// The code.
    pub artifact: Digest,
    /// How it is to run.
    pub config: FunctionConfig,
    /// Its secrets, for runtimes that start it as it will run. They are never written anywhere.
    #[serde(skip)]
    pub secrets: OpenSecrets,
}

/// Secrets as a function sees them.
#[derive(Clone, Default)]
pub struct OpenSecrets(pub BTreeMap<String, String>);

impl std::fmt::Debug for OpenSecrets {
    /// Their names.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A function that can run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Prepared {
    /// What its handler takes.
    pub style: HandlerStyle,
    /// What its top level wrote to the console while it was prepared.
    #[serde(default)]
    pub logs: Vec<String>,
    /// What its owner should know of the host that runs it, a sentence each.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// One fault in a function's code, placed where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// What is wrong.
    pub message: String,
    /// The file, relative to the artifact's root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The column, from 1, in characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// The line of source that it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl Diagnostic {
    /// A fault that is in no file.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            file: None,
            line: None,
            column: None,
            source: None,
            help: None,
        }
    }

    /// The same with a remedy.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same, in a file at a line and column, both from 1.
    #[must_use]
    pub fn at(mut self, file: impl Into<String>, line: u32, column: u32) -> Self {
        self.file = Some(file.into());
        self.line = Some(line);
        self.column = Some(column);
        self
    }
}

impl std::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{file}:")?;
            if let Some(line) = self.line {
                write!(f, "{line}:")?;
            }
            if let Some(column) = self.column {
                write!(f, "{column}:")?;
            }
            f.write_str(" ")?;
        }
        f.write_str(&self.message)
    }
}

/// Why a function cannot be made ready.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PrepareError {
    /// The code is at fault.
    #[error("{}", .0.first().map_or_else(String::new, ToString::to_string))]
    Code(Vec<Diagnostic>),
    /// The platform is.
    #[error("{0}")]
    Platform(Fault),
}

/// What an instance starts from.
#[derive(Clone)]
pub struct StartRequest {
    /// The revision to run.
    pub revision: Arc<Revision>,
    /// Its secrets, opened.
    pub secrets: Arc<BTreeMap<String, String>>,
    /// Where its log lines go.
    pub logs: Arc<dyn LogSink>,
}

/// The adapter for one language or ABI.
#[async_trait]
pub trait Runtime: Send + Sync {
    /// Parses, compiles and tries the code in a bounded child process: its death fails this one
    /// deployment and nothing else.
    async fn prepare(&self, request: PrepareRequest) -> Result<Prepared, PrepareError>;

    /// Starts an instance of a revision that was prepared.
    ///
    /// # Errors
    /// The function's fault when its code fails at start, the platform's otherwise.
    async fn start(&self, request: StartRequest) -> Result<Arc<dyn Instance>, Fault>;
}

/// An initialised environment of one revision.
pub trait Instance: Send + Sync {
    /// Runs one attempt until its answer's head is there. Dropping the future cancels the attempt.
    fn run(self: Arc<Self>, call: Call) -> BoxFuture<'static, Result<Reply, Failure>>;

    /// Says what waits for calls from now on; until it is said, nothing has to.
    fn keep(self: Arc<Self>, keep: Keep) -> BoxFuture<'static, ()>;
}

/// What waits for calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keep {
    /// So many environments wait, or run, at the least.
    pub warm: u32,
    /// Memory is short: what waits beside them is ended soon, and none is started to wait.
    pub short: bool,
}

/// One attempt.
#[derive(Debug)]
pub struct Call {
    /// The invocation.
    pub id: InvocationId,
    /// What it carries, in the style of the revision's handler.
    pub payload: Payload,
    /// When it must have ended, the body of its answer included.
    pub deadline: Instant,
    /// The span below which the function's own stand. A request's headers say so already.
    pub trace: Option<TraceContext>,
}

/// An attempt that failed before it had an answer.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What went wrong.
    pub fault: Fault,
    /// What it cost.
    pub outcome: Outcome,
}

/// The start of an answer.
#[derive(Debug)]
pub enum Reply {
    /// To an HTTP payload.
    Http {
        /// Status and headers.
        head: ResponseHead,
        /// The rest.
        body: ReplyBody,
    },
    /// To an event: the whole result, as JSON.
    Event {
        /// The result.
        json: Bytes,
        /// What remains of the attempt, if anything does.
        rest: ReplyBody,
    },
}

/// The rest of an answer.
pub enum ReplyBody {
    /// All of it, and the attempt has ended.
    Complete(Bytes, Outcome),
    /// The attempt goes on.
    Running(Pin<Box<dyn ReplyStream>>),
}

impl std::fmt::Debug for ReplyBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Complete(bytes, outcome) => {
                f.debug_tuple("Complete").field(&bytes.len()).field(outcome).finish()
            }
            Self::Running(_) => f.write_str("Running"),
        }
    }
}

/// An attempt that goes on while its answer is read. Dropping it cancels the attempt.
pub trait ReplyStream: Send {
    /// Drives the attempt and takes the next bytes of its body. A fault ends the body.
    fn poll_data(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Fault>>>;

    /// Drives what remains after the body (`waitUntil`) and tells what the attempt cost. Ready at
    /// once where nothing remains.
    fn poll_outcome(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome>;

    /// How many bytes of the body are still to come, where that is known.
    fn remaining(&self) -> Option<u64>;

    /// What the attempt cost so far. Of one that is dropped next that is all: its status is `cancelled`.
    fn so_far(self: Pin<&mut Self>) -> Outcome;
}

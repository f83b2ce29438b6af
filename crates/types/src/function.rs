//! What a function is: its configuration and its immutable revisions.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{AppKey, AppName, ByteSize, Digest, FunctionName, ParseDigestError, TimeSpan};

/// The adapter for a language or an ABI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuntimeKind {
    /// A fresh JavaScript VM per invocation.
    Js,
    /// Node.js in a sandboxed process.
    Nodejs,
    /// Python in a sandboxed process.
    Python,
    /// Ruby in a sandboxed process.
    Ruby,
    /// An executable that speaks the Lambda Runtime API.
    Provided,
    /// A WebAssembly component.
    Wasm,
}

impl RuntimeKind {
    /// Every kind, in the order in which the documentation names them.
    pub const ALL: [Self; 6] =
        [Self::Js, Self::Nodejs, Self::Python, Self::Ruby, Self::Provided, Self::Wasm];

    /// The word a manifest uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Js => "js",
            Self::Nodejs => "nodejs",
            Self::Python => "python",
            Self::Ruby => "ruby",
            Self::Provided => "provided",
            Self::Wasm => "wasm",
        }
    }

    /// Whether its functions run in processes of their own.
    pub const fn is_process(self) -> bool {
        match self {
            Self::Nodejs | Self::Python | Self::Ruby | Self::Provided => true,
            Self::Js | Self::Wasm => false,
        }
    }
}

impl fmt::Display for RuntimeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How much of an environment one invocation leaves to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// Nothing: a fresh environment for every invocation.
    Invocation,
    /// Everything: an instance is reused.
    Instance,
}

/// What a handler takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HandlerStyle {
    /// A `Request`, answered by a `Response`.
    Fetch,
    /// Lambda's `(event, context)`.
    Event,
}

/// Which limits the manifest writes itself. A host that cannot hold a written limit refuses the
/// deployment; a default it cannot hold is only reported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenLimits {
    /// `memory` is written.
    pub memory: bool,
    /// `cpu` is written.
    pub cpu: bool,
    /// `disk` is written.
    pub disk: bool,
}

/// Where what became of an event goes: a function of the same tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// The app.
    pub app: AppName,
    /// The function.
    pub function: FunctionName,
}

/// What becomes of events that nobody waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AsyncConfig {
    /// Most attempts that may fail by the function's own fault.
    pub attempts: u32,
    /// How long after it was due an event is tried.
    pub max_age: TimeSpan,
    /// How long the first retry waits, more or less; each later one waits twice as long.
    pub backoff: TimeSpan,
    /// Who is told of an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_success: Option<Destination>,
    /// Who is told of an event that is tried no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<Destination>,
}

impl Default for AsyncConfig {
    fn default() -> Self {
        Self {
            attempts: 3,
            max_age: TimeSpan::seconds(6 * 3600),
            backoff: TimeSpan::seconds(10),
            on_success: None,
            on_failure: None,
        }
    }
}

impl AsyncConfig {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A function's configuration as its manifest states it, defaults filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FunctionConfig {
    /// The runtime, inferred from the code where the manifest does not name it.
    pub runtime: RuntimeKind,
    /// The file the runtime starts from, relative to the artifact's root.
    pub entry: String,
    /// The handler as the manifest names it; `None` is the runtime's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handler: Option<String>,
    /// Most memory of one instance.
    pub memory: ByteSize,
    /// Cores, as a fraction.
    pub cpu: f64,
    /// Size of its `/tmp`.
    pub disk: ByteSize,
    /// Longest run of one attempt.
    pub timeout: TimeSpan,
    /// Most attempts at once; `None` is the node's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// Most attempts at once in one instance; `None` is the runtime's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency_per_instance: Option<u32>,
    /// Environments that wait for calls, at the least.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub warm: u32,
    /// What one invocation leaves to the next.
    pub isolation: Isolation,
    /// Environment variables.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Names of the secrets it is given.
    #[serde(default)]
    pub secrets: Vec<String>,
    /// Who may be called: `host:port`, `host`, or `*`.
    #[serde(default)]
    pub egress: Vec<String>,
    /// Which limits stand in the manifest.
    #[serde(default)]
    pub written: WrittenLimits,
    /// What becomes of events that nobody waits for.
    #[serde(default, rename = "async", skip_serializing_if = "AsyncConfig::is_default")]
    pub events: AsyncConfig,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Names one revision. It is a digest of what the revision is, so an unchanged function keeps its
/// revision, and its warm instances, from one release to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RevisionId(Digest);

impl RevisionId {
    /// The first twelve digits, for people.
    pub fn short(&self) -> String {
        self.0.short()
    }

    /// The digest inside.
    pub fn digest(&self) -> Digest {
        self.0
    }
}

impl fmt::Display for RevisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RevisionId {
    type Err = ParseDigestError;
    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        Ok(Self(text.parse()?))
    }
}

/// An immutable artifact with its configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    id: RevisionId,
    app: AppKey,
    function: FunctionName,
    artifact: Digest,
    config: FunctionConfig,
    style: HandlerStyle,
}

impl Revision {
    /// The revision of `function` that runs `artifact` under `config`; its id follows from these.
    pub fn new(
        app: AppKey,
        function: FunctionName,
        artifact: Digest,
        config: FunctionConfig,
        style: HandlerStyle,
    ) -> Self {
        let identity = serde_json::to_vec(&(&app, &function, &artifact, &config, &style))
            .unwrap_or_else(|error| unreachable!("a configuration is plain data: {error}"));
        Self { id: RevisionId(Digest::of(&identity)), app, function, artifact, config, style }
    }

    /// Its name.
    pub fn id(&self) -> RevisionId {
        self.id
    }

    /// The app it belongs to.
    pub fn app(&self) -> &AppKey {
        &self.app
    }

    /// The function it belongs to.
    pub fn function(&self) -> &FunctionName {
        &self.function
    }

    /// The code.
    pub fn artifact(&self) -> Digest {
        self.artifact
    }

    /// The configuration.
    pub fn config(&self) -> &FunctionConfig {
        &self.config
    }

    /// What its handler takes.
    pub fn style(&self) -> HandlerStyle {
        self.style
    }
}

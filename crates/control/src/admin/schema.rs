//! The shapes of what other crates define, for the document alone. Tests hold every answer to
//! them, so that they cannot drift from what is sent.
#![allow(dead_code, reason = "only their shapes are used")]

use std::collections::BTreeMap;

use utoipa::ToSchema;

/// A deployment: a manifest and the artifacts of its functions, already uploaded.
#[derive(ToSchema)]
pub(super) struct DeployRequest {
    /// The manifest's text, with the app's name in it.
    manifest: String,
    /// The artifact of each function that the manifest names.
    artifacts: BTreeMap<String, DeployedCode>,
    /// What becomes of `live`.
    go_live: GoLive,
}

/// The bytes of an artifact.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
pub(super) struct Artifact(Vec<u8>);

/// Where one function's code is.
#[derive(ToSchema)]
pub(super) struct DeployedCode {
    /// SHA-256 of the artifact, in hexadecimal digits.
    artifact: String,
    /// The names of its files.
    files: Vec<String>,
}

/// What becomes of `live`: all traffic to the new release, a percentage from 1 to 99, or nothing.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum GoLive {
    All,
    Percent(u32),
    No,
}

/// What a deployment made.
#[derive(ToSchema)]
pub(super) struct Deployed {
    /// The app.
    app: String,
    /// The release.
    release: u64,
    /// What is live now: pairs of a release's number and its weight.
    live: Vec<(u64, u32)>,
    /// Where the app answers, the best first.
    urls: Vec<String>,
    /// Its functions.
    functions: Vec<FunctionSummary>,
    /// What the owner should know.
    notes: Vec<String>,
}

/// A function in a list.
#[derive(ToSchema)]
pub(super) struct FunctionSummary {
    /// The app.
    app: String,
    /// The function.
    function: String,
    /// Its runtime.
    runtime: String,
    /// Its revision's short id.
    revision: String,
    /// Whether this deployment changed it; only there in a deployment's answer.
    #[schema(required = false, nullable = false)]
    changed: Option<bool>,
    /// Its routes as `METHODS /path`.
    routes: Vec<String>,
}

/// An app.
#[derive(ToSchema)]
pub(super) struct AppSummary {
    /// The app.
    app: String,
    /// What is live: pairs of a release's number and its weight.
    live: Vec<(u64, u32)>,
    /// The newest release.
    newest: u64,
    /// When `live` last moved.
    #[schema(format = DateTime)]
    moved: String,
    /// Where it answers, the best first.
    urls: Vec<String>,
    /// Functions of the main live release.
    functions: Vec<FunctionSummary>,
}

/// A release.
#[derive(ToSchema)]
pub(super) struct ReleaseSummary {
    /// Its number.
    number: u64,
    /// Its part of a hundred of the traffic; 0 when it is not live.
    percent: u32,
    /// Who made it.
    by: String,
    /// When.
    #[schema(format = DateTime)]
    created: String,
    /// Its functions with their revisions' short ids.
    functions: BTreeMap<String, String>,
}

/// All about one function.
#[derive(ToSchema)]
pub(super) struct FunctionDetail {
    /// The release it is shown from.
    release: u64,
    /// The revision.
    revision: Revision,
    /// Its routes.
    routes: Vec<Route>,
    /// Where it answers.
    urls: Vec<String>,
}

/// An artifact with its configuration.
#[derive(ToSchema)]
pub(super) struct Revision {
    /// Its id.
    id: String,
    /// The app with its tenant.
    app: AppKey,
    /// The function.
    function: String,
    /// SHA-256 of the artifact.
    artifact: String,
    /// The configuration.
    config: FunctionConfig,
    /// What the handler takes: `fetch` or `event`.
    style: String,
}

/// An app with its tenant.
#[derive(ToSchema)]
pub(super) struct AppKey {
    /// The tenant.
    tenant: String,
    /// The app.
    app: String,
}

/// A function's configuration. Sizes and times are as a manifest writes them.
#[derive(ToSchema)]
pub(super) struct FunctionConfig {
    /// The runtime.
    runtime: String,
    /// The file that the runtime starts from.
    entry: String,
    /// The handler, where the manifest names it.
    #[schema(required = false, nullable = false)]
    handler: Option<String>,
    /// Most memory of one instance.
    memory: String,
    /// Cores.
    cpu: f64,
    /// Size of its `/tmp`.
    disk: String,
    /// Longest run of one attempt.
    timeout: String,
    /// Most attempts at once, where the manifest names it.
    #[schema(required = false, nullable = false)]
    concurrency: Option<u32>,
    /// `invocation` or `instance`.
    isolation: String,
    /// Environment variables.
    env: BTreeMap<String, String>,
    /// Names of its secrets.
    secrets: Vec<String>,
    /// Who may be called.
    egress: Vec<String>,
    /// Which limits stand in the manifest.
    written: WrittenLimits,
}

/// Which limits stand in the manifest.
#[derive(ToSchema)]
pub(super) struct WrittenLimits {
    /// `memory` does.
    memory: bool,
    /// `cpu` does.
    cpu: bool,
    /// `disk` does.
    disk: bool,
}

/// A path and its methods, to a function.
#[derive(ToSchema)]
pub(super) struct Route {
    /// The path.
    path: String,
    /// The methods; absent means all.
    #[schema(required = false)]
    methods: Vec<String>,
    /// The function.
    function: String,
}

/// A secret in a list.
#[derive(ToSchema)]
pub(super) struct SecretSummary {
    /// Its name.
    name: String,
    /// When it was set.
    #[schema(format = DateTime)]
    updated: String,
}

/// One line of a log.
#[derive(ToSchema)]
pub(super) struct LogLine {
    /// When.
    #[schema(format = DateTime)]
    time: String,
    /// The app.
    app: AppKey,
    /// The function.
    function: String,
    /// The invocation, where there was one.
    #[schema(required = false, nullable = false)]
    invocation: Option<String>,
    /// `debug`, `info`, `warn` or `error`.
    level: String,
    /// The line.
    message: String,
}

/// One thing that is wrong, where it is.
#[derive(ToSchema)]
pub(super) struct Diagnostic {
    /// What is wrong.
    message: String,
    /// The file, as seen from the manifest's directory.
    #[schema(required = false, nullable = false)]
    file: Option<String>,
    /// The line, from 1.
    #[schema(required = false, nullable = false)]
    line: Option<u32>,
    /// The column, from 1, in characters.
    #[schema(required = false, nullable = false)]
    column: Option<u32>,
    /// The line of source that it is in.
    #[schema(required = false, nullable = false)]
    source: Option<String>,
    /// What to do about it.
    #[schema(required = false, nullable = false)]
    help: Option<String>,
}

/// What came of an invocation. `kind` is `event`, with `result`, or `http`, with all the others.
#[derive(ToSchema)]
pub(super) struct Invoked {
    /// The invocation.
    invocation_id: String,
    /// `event` or `http`.
    kind: String,
    /// The handler's result: any JSON.
    #[schema(required = false)]
    result: Option<serde_json::Value>,
    /// The answer's status.
    #[schema(required = false, nullable = false)]
    status: Option<u16>,
    /// The answer's headers.
    #[schema(required = false, nullable = false)]
    headers: Option<Vec<(String, String)>>,
    /// The answer's body.
    #[schema(required = false, nullable = false)]
    body: Option<String>,
    /// Whether the body is base64, because it is no text.
    #[schema(required = false, nullable = false)]
    base64: Option<bool>,
}

/// An invocation that nobody waited for.
#[derive(ToSchema)]
pub(super) struct Invocation {
    /// Its id.
    id: String,
    /// The app.
    app: AppKey,
    /// The function.
    function: String,
    /// What kind of event it has.
    kind: String,
    /// `queued`, `running`, `succeeded`, `failed` or `cancelled`.
    status: String,
    /// When it was accepted.
    #[schema(format = DateTime)]
    accepted: String,
    /// When it is tried next, or was last due.
    #[schema(format = DateTime)]
    due: String,
    /// Its attempts that have ended, the oldest first; of many only the newest.
    attempts: Vec<Attempt>,
    /// Why it failed.
    #[schema(required = false, nullable = false)]
    fault: Option<Fault>,
    /// What it answered: any JSON, unless that was too large to be kept.
    #[schema(required = false)]
    result: Option<serde_json::Value>,
}

/// One attempt of an invocation.
#[derive(ToSchema)]
pub(super) struct Attempt {
    /// Which one it was, from 1.
    number: u32,
    /// The revision that ran.
    #[schema(required = false, nullable = false)]
    revision: Option<String>,
    /// When it began.
    #[schema(format = DateTime)]
    started: String,
    /// What it cost.
    outcome: Outcome,
    /// Why it failed.
    #[schema(required = false, nullable = false)]
    fault: Option<Fault>,
}

/// What an attempt cost and how it ended.
#[derive(ToSchema)]
pub(super) struct Outcome {
    /// `ok`, `fault` or `cancelled`.
    status: String,
    /// The fault's code.
    #[schema(required = false, nullable = false)]
    code: Option<String>,
    /// Whether an instance had to be started for it.
    cold: bool,
    /// Time to make the environment, in microseconds.
    init_us: u64,
    /// How long it ran, in microseconds.
    wall_us: u64,
    /// Processor time, in microseconds.
    cpu_us: u64,
    /// Whether that is a part of what a process used that ran other requests at the same time.
    cpu_estimated: bool,
    /// The most memory it held, in bytes.
    memory_peak: u64,
    /// Bytes that it was given.
    bytes_in: u64,
    /// Bytes that it answered.
    bytes_out: u64,
}

/// Why an attempt failed.
#[derive(ToSchema)]
pub(super) struct Fault {
    /// A word for programs.
    code: String,
    /// A sentence for people.
    message: String,
    /// The thrown error with its stack.
    #[schema(required = false, nullable = false)]
    detail: Option<String>,
}

//! The commands and queries behind the admin API, the command line and the AWS edge.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use mayfly_runtime_api::TraceContext;
use mayfly_state_api::{
    BudgetKey, ByteReader, GoLive, InvocationQuery, InvocationRecord, LogLine, LogQuery, Redrive,
    Role,
};
use mayfly_types::{
    AppName, Digest, FunctionName, InvocationId, Live, OperationId, ReleaseNumber, Revision, Route,
    TenantName,
};
use serde::{Deserialize, Serialize};

use crate::{BudgetSummary, Error, TenantSummary, TokenSummary, UsageReport, UsageRequest};

/// Who commands: the tenant that the credential names, and the credential's name for the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The tenant.
    pub tenant: TenantName,
    /// The credential's name.
    pub name: String,
    /// What it may do.
    pub role: Role,
}

impl Caller {
    /// Refuses who may not do what this role is needed for.
    ///
    /// # Errors
    /// [`Error::Forbidden`].
    pub fn needs(&self, role: Role) -> Result<(), Error> {
        if self.role.may(role) {
            return Ok(());
        }
        let text = format!(
            "the token `{}` has the role {}, and this needs the role {role}",
            self.name, self.role
        );
        Err(Error::Forbidden(text))
    }
}

/// A deployment: a manifest and the artifacts of its functions, already uploaded.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeployRequest {
    /// The manifest's text, with the app's name in it.
    pub manifest: String,
    /// The artifact of each function that the manifest names.
    pub artifacts: BTreeMap<FunctionName, DeployedCode>,
    /// What becomes of `live`.
    pub go_live: GoLive,
}

/// Where one function's code is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeployedCode {
    /// The artifact.
    pub artifact: Digest,
    /// The names of the artifact's files, as far as what the manifest leaves out is inferred from
    /// them (runtime, entry file).
    pub files: Vec<String>,
}

/// What a deployment made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Deployed {
    /// The app.
    pub app: AppName,
    /// The release.
    pub release: ReleaseNumber,
    /// What is live now.
    pub live: Live,
    /// Where the app answers, the best first.
    pub urls: Vec<String>,
    /// Its functions.
    pub functions: Vec<FunctionSummary>,
    /// What the owner should know: lines that top levels wrote, limits that are only reported.
    pub notes: Vec<String>,
}

/// A function in a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FunctionSummary {
    /// The app.
    pub app: AppName,
    /// The function.
    pub function: FunctionName,
    /// The runtime's word.
    pub runtime: String,
    /// The revision's short id.
    pub revision: String,
    /// Whether this deployment changed it; `None` in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<bool>,
    /// Its routes as `METHODS /path`.
    pub routes: Vec<String>,
}

/// All about one function.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FunctionDetail {
    /// The release it is shown from.
    pub release: ReleaseNumber,
    /// The revision.
    pub revision: Revision,
    /// Its routes.
    pub routes: Vec<Route>,
    /// Where it answers.
    pub urls: Vec<String>,
}

/// An app in a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AppSummary {
    /// The app.
    pub app: AppName,
    /// Which releases take traffic.
    pub live: Live,
    /// The newest release.
    pub newest: ReleaseNumber,
    /// When `live` last moved, in UTC microseconds since 1970; in JSON, as RFC 3339.
    #[serde(rename = "moved", with = "mayfly_types::rfc3339")]
    pub moved_us: i64,
    /// Where it answers, the best first.
    pub urls: Vec<String>,
    /// Functions of the main live release.
    pub functions: Vec<FunctionSummary>,
}

/// A release in a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReleaseSummary {
    /// Its number.
    pub number: ReleaseNumber,
    /// Its part of a hundred of the traffic; 0 when it is not live.
    pub percent: u32,
    /// Who made it.
    pub by: String,
    /// When, in UTC microseconds since 1970; in JSON, as RFC 3339.
    #[serde(rename = "created", with = "mayfly_types::rfc3339")]
    pub created_us: i64,
    /// Its functions with their revisions' short ids.
    pub functions: BTreeMap<FunctionName, String>,
}

/// A secret in a list; its value is never told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SecretSummary {
    /// Its name.
    pub name: String,
    /// When it was set, in UTC microseconds since 1970; in JSON, as RFC 3339.
    #[serde(rename = "updated", with = "mayfly_types::rfc3339")]
    pub updated_us: i64,
}

/// An event that somebody sends and does not wait for.
#[derive(Debug, Clone)]
pub struct SendRequest {
    /// The invocation's id.
    pub id: InvocationId,
    /// The app.
    pub app: AppName,
    /// The function.
    pub function: FunctionName,
    /// What kind of event it is.
    pub kind: String,
    /// The event as JSON.
    pub json: Bytes,
    /// No attempt begins before this, in UTC microseconds since 1970; `None` is now.
    pub due_us: Option<i64>,
    /// The caller's own name for the request.
    pub key: Option<String>,
    /// Where the caller stands in a trace.
    pub trace: Option<TraceContext>,
}

/// The commands and queries behind every API. The caller's tenant bounds what each can see.
#[async_trait]
pub trait Control: Send + Sync {
    /// Whose token this is; `None` when it is nobody's.
    async fn authenticate(&self, token: &str) -> Result<Option<Caller>, Error>;

    /// Which of these artifacts must still be uploaded.
    async fn missing_artifacts(
        &self,
        caller: &Caller,
        digests: &[Digest],
    ) -> Result<Vec<Digest>, Error>;
    /// Takes an artifact, checks that it is one (digest, size, paths, links, ratio) and stores it.
    async fn upload_artifact(
        &self,
        caller: &Caller,
        digest: Digest,
        content: ByteReader,
    ) -> Result<(), Error>;
    /// Checks and prepares every function, makes a release and moves `live`; any fault leaves all
    /// as it was.
    async fn deploy(
        &self,
        caller: &Caller,
        op: OperationId,
        request: DeployRequest,
    ) -> Result<Deployed, Error>;

    /// The tenant's apps.
    async fn apps(&self, caller: &Caller) -> Result<Vec<AppSummary>, Error>;
    /// One app.
    async fn app(&self, caller: &Caller, app: &AppName) -> Result<AppSummary, Error>;
    /// One function of what is live.
    async fn function(
        &self,
        caller: &Caller,
        app: &AppName,
        function: &FunctionName,
    ) -> Result<FunctionDetail, Error>;
    /// An app's releases, newest first.
    async fn releases(
        &self,
        caller: &Caller,
        app: &AppName,
        limit: usize,
    ) -> Result<Vec<ReleaseSummary>, Error>;
    /// Moves `live` to weights. Every release named is made ready before traffic reaches it.
    async fn set_live(
        &self,
        caller: &Caller,
        op: OperationId,
        app: &AppName,
        live: Live,
    ) -> Result<AppSummary, Error>;
    /// Moves `live` to `to`, or to the newest release older than the one that is live.
    async fn rollback(
        &self,
        caller: &Caller,
        op: OperationId,
        app: &AppName,
        to: Option<ReleaseNumber>,
    ) -> Result<AppSummary, Error>;
    /// Deletes an app and all that it has.
    async fn delete_app(
        &self,
        caller: &Caller,
        op: OperationId,
        app: &AppName,
    ) -> Result<(), Error>;

    /// Seals and stores a secret.
    async fn put_secret(
        &self,
        caller: &Caller,
        op: OperationId,
        app: &AppName,
        name: &str,
        value: &str,
    ) -> Result<(), Error>;
    /// Deletes a secret.
    async fn delete_secret(
        &self,
        caller: &Caller,
        op: OperationId,
        app: &AppName,
        name: &str,
    ) -> Result<(), Error>;
    /// An app's secrets, without their values.
    async fn secrets(&self, caller: &Caller, app: &AppName) -> Result<Vec<SecretSummary>, Error>;

    /// Takes an event: it is on disk when this returns. Answers the invocation's id; of an event whose key
    /// the caller gave before, the one that has it.
    async fn send(&self, caller: &Caller, request: SendRequest) -> Result<InvocationId, Error>;
    /// One invocation that nobody waited for.
    async fn invocation(
        &self,
        caller: &Caller,
        id: InvocationId,
    ) -> Result<InvocationRecord, Error>;
    /// Invocations of a function that nobody waited for, the newest first. The query's tenant is replaced by
    /// the caller's.
    async fn invocations(
        &self,
        caller: &Caller,
        query: InvocationQuery,
    ) -> Result<Vec<InvocationRecord>, Error>;
    /// Cancels an invocation.
    async fn cancel(&self, caller: &Caller, id: InvocationId) -> Result<InvocationRecord, Error>;
    /// Queues dead letters of a function again, and answers how many.
    async fn redrive(
        &self,
        caller: &Caller,
        app: &AppName,
        function: &FunctionName,
        which: Redrive,
    ) -> Result<usize, Error>;

    /// What a tenant used: the caller's, or another for the node's operator.
    async fn usage(
        &self,
        caller: &Caller,
        tenant: Option<&TenantName>,
        request: UsageRequest,
    ) -> Result<UsageReport, Error>;
    /// A tenant's budgets with how much of each is left: the caller's, or another for the node's operator.
    async fn budgets(
        &self,
        caller: &Caller,
        tenant: Option<&TenantName>,
    ) -> Result<Vec<BudgetSummary>, Error>;
    /// Sets a budget. One that the operator set cannot be changed by the tenant; who sets it decides which it is.
    async fn put_budget(
        &self,
        caller: &Caller,
        op: OperationId,
        tenant: Option<&TenantName>,
        key: BudgetKey,
        limit: f64,
    ) -> Result<BudgetSummary, Error>;
    /// Deletes a budget.
    async fn delete_budget(
        &self,
        caller: &Caller,
        op: OperationId,
        tenant: Option<&TenantName>,
        key: BudgetKey,
    ) -> Result<(), Error>;

    /// Metrics in the text form of OpenMetrics: of the caller's tenant, or of all for the node's operator.
    async fn metrics(&self, caller: &Caller) -> Result<String, Error>;

    /// All tenants, for the node's operator.
    async fn tenants(&self, caller: &Caller) -> Result<Vec<TenantSummary>, Error>;
    /// Makes a tenant.
    async fn create_tenant(
        &self,
        caller: &Caller,
        tenant: &TenantName,
    ) -> Result<TenantSummary, Error>;
    /// Suspends a tenant, or lets it go on.
    async fn suspend_tenant(
        &self,
        caller: &Caller,
        op: OperationId,
        tenant: &TenantName,
        suspended: bool,
    ) -> Result<TenantSummary, Error>;
    /// Deletes a tenant and all that it has, but not what it used.
    async fn delete_tenant(
        &self,
        caller: &Caller,
        op: OperationId,
        tenant: &TenantName,
    ) -> Result<(), Error>;
    /// A tenant's tokens.
    async fn tokens(
        &self,
        caller: &Caller,
        tenant: Option<&TenantName>,
    ) -> Result<Vec<TokenSummary>, Error>;
    /// Makes a token, or replaces the one of this name; answers it. It is stored nowhere.
    async fn create_token(
        &self,
        caller: &Caller,
        tenant: Option<&TenantName>,
        name: &str,
        role: Role,
    ) -> Result<String, Error>;
    /// Deletes a token.
    async fn delete_token(
        &self,
        caller: &Caller,
        op: OperationId,
        tenant: Option<&TenantName>,
        name: &str,
    ) -> Result<(), Error>;

    /// Lines of the caller's functions, with the position to go on from. The query's tenant is
    /// replaced by the caller's. With `wait`, an empty answer is given only after that long.
    async fn logs(
        &self,
        caller: &Caller,
        query: LogQuery,
        wait: Option<std::time::Duration>,
    ) -> Result<(Vec<LogLine>, u64), Error>;
}

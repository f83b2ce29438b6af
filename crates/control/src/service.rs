//! The service that carries out commands.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mayfly_control_api::{
    AppSummary, BudgetSummary, Caller, Control, DeployRequest, Deployed, Error, Events,
    FunctionDetail, Meters, ReleaseSummary, SecretSummary, SendRequest, Spending, TenantSummary,
    TokenSummary, UsageReport, UsageRequest,
};
use mayfly_runtime_api::Runtime;
use mayfly_state_api::{
    ArtifactStore, BudgetKey, ByteReader, ControlStore, InvocationQuery, InvocationQueue,
    InvocationRecord, Ledger, LogLine, LogQuery, LogStore, Prices, Redrive, Role, TokenRecord,
    UsageStore,
};
use mayfly_types::{
    AppKey, AppName, Digest, FunctionName, InvocationId, Live, OperationId, ReleaseNumber,
    RuntimeKind, TenantName,
};

use crate::bounded::Bounded;
use crate::{Progress, Sealer, tenants};

/// Tells the time in UTC microseconds since 1970.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;
/// Tells where an app answers, the best URL first.
pub type Urls = Arc<dyn Fn(&AppKey) -> Vec<String> + Send + Sync>;

/// Longest token that is looked up, in bytes.
const LONGEST_TOKEN: usize = 512;
/// How many names of artifacts' files are remembered.
const LISTED_FILES: usize = 200_000;
/// How many rollbacks are remembered with what they chose.
const CHOICES: usize = 4096;

/// What commands may cost.
#[derive(Debug, Clone)]
pub struct ControlLimits {
    /// Of an artifact.
    pub artifact: mayfly_artifact::Limits,
    /// Most bytes of a manifest.
    pub manifest: usize,
    /// Most functions of an app.
    pub functions: usize,
    /// Most bytes of a secret's value.
    pub secret: usize,
    /// How many functions and artifacts are prepared and checked at once.
    pub at_once: usize,
}

impl Default for ControlLimits {
    fn default() -> Self {
        Self {
            artifact: mayfly_artifact::Limits::default(),
            manifest: 1 << 20,
            functions: 500,
            secret: 64 << 10,
            at_once: std::thread::available_parallelism().map_or(2, usize::from),
        }
    }
}

/// What a [`ControlService`] works with.
pub struct ControlParts {
    /// Records.
    pub store: Arc<dyn ControlStore>,
    /// Code.
    pub artifacts: Arc<dyn ArtifactStore>,
    /// Lines of functions.
    pub logs: Arc<dyn LogStore>,
    /// Invocations that nobody waits for.
    pub queue: Arc<dyn InvocationQueue>,
    /// Takes events for them.
    pub events: Arc<dyn Events>,
    /// The runtimes that this node has.
    pub runtimes: Arc<BTreeMap<RuntimeKind, Arc<dyn Runtime>>>,
    /// Seals secrets.
    pub sealer: Arc<dyn Sealer>,
    /// How far this node's view is: see [`Follower::progress`](crate::Follower::progress).
    pub progress: Progress,
    /// Where apps answer.
    pub urls: Urls,
    /// The time.
    pub clock: Clock,
    /// A directory for uploads that are not checked yet. They have no name in it.
    pub spool: PathBuf,
    /// Sums of what was used.
    pub usage: Arc<dyn UsageStore>,
    /// Records that are to become part of them.
    pub ledger: Arc<dyn Ledger>,
    /// How much of budgets is used.
    pub spending: Arc<dyn Spending>,
    /// What the node measures of itself.
    pub meters: Arc<dyn Meters>,
    /// What things cost.
    pub prices: Prices,
    /// Bounds.
    pub limits: ControlLimits,
}

/// Carries out commands on the store. A command that changes what runs returns once this node's
/// view shows the change.
pub struct ControlService {
    pub(crate) parts: ControlParts,
    pub(crate) listings: Bounded<Digest, Arc<[String]>>,
    /// What rollbacks without a number chose, so that a repeated one chooses the same.
    pub(crate) choices: Bounded<(AppKey, OperationId), ReleaseNumber>,
    pub(crate) checks: tokio::sync::Semaphore,
}

impl ControlService {
    /// The service over `parts`.
    pub fn new(parts: ControlParts) -> Self {
        let checks = tokio::sync::Semaphore::new(parts.limits.at_once.max(1));
        Self { parts, listings: Bounded::new(LISTED_FILES), choices: Bounded::new(CHOICES), checks }
    }

    pub(crate) fn urls(&self, app: &AppKey) -> Vec<String> {
        (self.parts.urls)(app)
    }

    pub(crate) async fn caught_up(&self) -> Result<(), Error> {
        self.parts.progress.caught_up(&*self.parts.store).await
    }
}

/// The key of the caller's app.
pub(crate) fn key(caller: &Caller, app: &AppName) -> AppKey {
    AppKey::new(caller.tenant.clone(), app.clone())
}

#[async_trait]
impl Control for ControlService {
    async fn authenticate(&self, token: &str) -> Result<Option<Caller>, Error> {
        if token.is_empty() || token.len() > LONGEST_TOKEN {
            return Ok(None);
        }
        // The hash is compared, never the token: how long that takes tells nothing about it.
        let found = self.parts.store.token(Digest::of(token.as_bytes())).await?;
        Ok(found.map(|TokenRecord { tenant, name, role, .. }| Caller { tenant, name, role }))
    }

    async fn missing_artifacts(
        &self,
        caller: &Caller,
        digests: &[Digest],
    ) -> Result<Vec<Digest>, Error> {
        caller.needs(Role::Deploy)?;
        Ok(self.parts.artifacts.missing(&caller.tenant, digests).await?)
    }

    async fn upload_artifact(
        &self,
        caller: &Caller,
        digest: Digest,
        content: ByteReader,
    ) -> Result<(), Error> {
        caller.needs(Role::Deploy)?;
        self.upload(&caller.tenant, digest, content).await
    }

    async fn deploy(
        &self,
        caller: &Caller,
        op: OperationId,
        request: DeployRequest,
    ) -> Result<Deployed, Error> {
        caller.needs(Role::Deploy)?;
        self.make_release(caller, op, request).await
    }

    async fn apps(&self, caller: &Caller) -> Result<Vec<AppSummary>, Error> {
        caller.needs(Role::Read)?;
        self.list_apps(&caller.tenant).await
    }

    async fn app(&self, caller: &Caller, app: &AppName) -> Result<AppSummary, Error> {
        caller.needs(Role::Read)?;
        let record = self.app_record(&key(caller, app)).await?;
        self.summary(record).await
    }

    async fn function(
        &self,
        caller: &Caller,
        app: &AppName,
        function: &FunctionName,
    ) -> Result<FunctionDetail, Error> {
        caller.needs(Role::Read)?;
        self.function_detail(&key(caller, app), function).await
    }

    async fn releases(
        &self,
        caller: &Caller,
        app: &AppName,
        limit: usize,
    ) -> Result<Vec<ReleaseSummary>, Error> {
        caller.needs(Role::Read)?;
        self.list_releases(&key(caller, app), limit).await
    }

    async fn set_live(
        &self,
        caller: &Caller,
        op: OperationId,
        app: &AppName,
        live: Live,
    ) -> Result<AppSummary, Error> {
        caller.needs(Role::Deploy)?;
        self.move_live(op, &key(caller, app), live).await
    }

    async fn rollback(
        &self,
        caller: &Caller,
        op: OperationId,
        app: &AppName,
        to: Option<ReleaseNumber>,
    ) -> Result<AppSummary, Error> {
        caller.needs(Role::Deploy)?;
        self.roll_back(op, &key(caller, app), to).await
    }

    async fn delete_app(
        &self,
        caller: &Caller,
        op: OperationId,
        app: &AppName,
    ) -> Result<(), Error> {
        caller.needs(Role::Admin)?;
        self.remove_app(op, &key(caller, app)).await
    }

    async fn put_secret(
        &self,
        caller: &Caller,
        op: OperationId,
        app: &AppName,
        name: &str,
        value: &str,
    ) -> Result<(), Error> {
        caller.needs(Role::Deploy)?;
        self.seal_secret(op, &key(caller, app), name, value).await
    }

    async fn delete_secret(
        &self,
        caller: &Caller,
        op: OperationId,
        app: &AppName,
        name: &str,
    ) -> Result<(), Error> {
        caller.needs(Role::Deploy)?;
        self.remove_secret(op, &key(caller, app), name).await
    }

    async fn secrets(&self, caller: &Caller, app: &AppName) -> Result<Vec<SecretSummary>, Error> {
        caller.needs(Role::Read)?;
        self.list_secrets(&key(caller, app)).await
    }

    async fn send(&self, caller: &Caller, request: SendRequest) -> Result<InvocationId, Error> {
        caller.needs(Role::Invoke)?;
        self.send_event(caller, request).await
    }

    async fn invocation(
        &self,
        caller: &Caller,
        id: InvocationId,
    ) -> Result<InvocationRecord, Error> {
        sees_invocations(caller)?;
        let found = self.parts.queue.invocation(&caller.tenant, id).await?;
        found.ok_or_else(|| Error::NotFound { what: format!("invocation {id}") })
    }

    async fn invocations(
        &self,
        caller: &Caller,
        query: InvocationQuery,
    ) -> Result<Vec<InvocationRecord>, Error> {
        sees_invocations(caller)?;
        self.list_invocations(caller, query).await
    }

    async fn cancel(&self, caller: &Caller, id: InvocationId) -> Result<InvocationRecord, Error> {
        caller.needs(Role::Invoke)?;
        self.parts.events.cancel(&caller.tenant, id).await
    }

    async fn redrive(
        &self,
        caller: &Caller,
        app: &AppName,
        function: &FunctionName,
        which: Redrive,
    ) -> Result<usize, Error> {
        caller.needs(Role::Invoke)?;
        self.queue_again(&key(caller, app), function, which).await
    }

    async fn logs(
        &self,
        caller: &Caller,
        query: LogQuery,
        wait: Option<Duration>,
    ) -> Result<(Vec<LogLine>, u64), Error> {
        caller.needs(Role::Read)?;
        self.read_logs(&caller.tenant, query, wait).await
    }

    async fn usage(
        &self,
        caller: &Caller,
        tenant: Option<&TenantName>,
        request: UsageRequest,
    ) -> Result<UsageReport, Error> {
        caller.needs(Role::Read)?;
        let tenant = match tenant {
            // Who was deleted owes what it used.
            Some(tenant) if caller.role == Role::Operator => tenant.clone(),
            tenant => self.tenant_of(caller, tenant).await?,
        };
        self.report_usage(tenant, request).await
    }

    async fn budgets(
        &self,
        caller: &Caller,
        tenant: Option<&TenantName>,
    ) -> Result<Vec<BudgetSummary>, Error> {
        caller.needs(Role::Read)?;
        self.list_budgets(self.tenant_of(caller, tenant).await?).await
    }

    async fn put_budget(
        &self,
        caller: &Caller,
        op: OperationId,
        tenant: Option<&TenantName>,
        key: BudgetKey,
        limit: f64,
    ) -> Result<BudgetSummary, Error> {
        caller.needs(Role::Admin)?;
        let tenant = self.tenant_of(caller, tenant).await?;
        self.set_budget(caller, op, tenant, key, limit).await
    }

    async fn delete_budget(
        &self,
        caller: &Caller,
        op: OperationId,
        tenant: Option<&TenantName>,
        key: BudgetKey,
    ) -> Result<(), Error> {
        caller.needs(Role::Admin)?;
        let tenant = self.tenant_of(caller, tenant).await?;
        self.remove_budget(caller, op, tenant, key).await
    }

    async fn metrics(&self, caller: &Caller) -> Result<String, Error> {
        caller.needs(Role::Read)?;
        self.measure(caller)
    }

    async fn tenants(&self, caller: &Caller) -> Result<Vec<TenantSummary>, Error> {
        caller.needs(Role::Operator)?;
        Ok(self.parts.store.tenants().await?.into_iter().map(tenants::summary).collect())
    }

    async fn create_tenant(
        &self,
        caller: &Caller,
        tenant: &TenantName,
    ) -> Result<TenantSummary, Error> {
        caller.needs(Role::Operator)?;
        Ok(tenants::summary(self.parts.store.create_tenant(tenant).await?))
    }

    async fn suspend_tenant(
        &self,
        caller: &Caller,
        op: OperationId,
        tenant: &TenantName,
        suspended: bool,
    ) -> Result<TenantSummary, Error> {
        caller.needs(Role::Operator)?;
        self.set_suspended(op, tenant, suspended).await
    }

    async fn delete_tenant(
        &self,
        caller: &Caller,
        op: OperationId,
        tenant: &TenantName,
    ) -> Result<(), Error> {
        caller.needs(Role::Operator)?;
        self.remove_tenant(op, tenant).await
    }

    async fn tokens(
        &self,
        caller: &Caller,
        tenant: Option<&TenantName>,
    ) -> Result<Vec<TokenSummary>, Error> {
        caller.needs(Role::Admin)?;
        self.list_tokens(self.tenant_of(caller, tenant).await?).await
    }

    async fn create_token(
        &self,
        caller: &Caller,
        tenant: Option<&TenantName>,
        name: &str,
        role: Role,
    ) -> Result<String, Error> {
        caller.needs(Role::Admin)?;
        // Nobody gives away more than they have.
        caller.needs(role)?;
        self.make_token(caller, self.tenant_of(caller, tenant).await?, name, role).await
    }

    async fn delete_token(
        &self,
        caller: &Caller,
        op: OperationId,
        tenant: Option<&TenantName>,
        name: &str,
    ) -> Result<(), Error> {
        caller.needs(Role::Admin)?;
        self.remove_token(caller, op, self.tenant_of(caller, tenant).await?, name).await
    }
}

/// Who may run functions may also see what became of it.
fn sees_invocations(caller: &Caller) -> Result<(), Error> {
    caller.needs(Role::Invoke).or_else(|_| caller.needs(Role::Read))
}

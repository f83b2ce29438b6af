//! A wrapper that fails, delays and duplicates operations by a seeded plan.

use std::ops::Deref;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use mayfly_types::{
    AppKey, AppName, Digest, FunctionName, InvocationId, Live, OperationId, ReleaseNumber,
    RevisionId, TenantName,
};
use tokio::io::AsyncReadExt;
use tokio::sync::watch;

use super::Random;
use crate::{
    Accepted, AliasRecord, AppRecord, ArtifactStore, Backlog, BudgetKey, BudgetRecord, ByteReader,
    Changes, Completion, ControlStore, Error, InvocationQuery, InvocationQueue, InvocationRecord,
    InvocationStatus, Lease, LogLine, LogQuery, LogStore, NewInvocation, NewRelease, Redrive,
    ReleaseRecord, SecretRecord, TenantRecord, TokenRecord, VersionRecord,
};

/// Which faults there are and how often, in parts of a hundred. What is left passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// The same seed gives the same faults to the same operations.
    pub seed: u64,
    /// The operation is not done, and fails.
    pub refused: u32,
    /// The operation is done, but its answer is lost: it fails.
    pub unanswered: u32,
    /// The operation is done twice.
    pub twice: u32,
    /// The operation lets others go first, up to eight times.
    pub delayed: u32,
}

impl Plan {
    /// A plan of many faults of every kind.
    pub fn seeded(seed: u64) -> Self {
        Self { seed, refused: 20, unanswered: 20, twice: 20, delayed: 30 }
    }
}

/// A store that works as the one behind the pointer `inner` does, but for the faults of its plan. A
/// fault is [`Error::Unavailable`].
pub struct Faulty<S> {
    inner: S,
    plan: Plan,
    random: Mutex<Random>,
    faults: Mutex<u64>,
}

enum Fault {
    None,
    Refused,
    Unanswered,
    Twice,
}

impl<S> Faulty<S> {
    /// Wraps a store.
    pub fn new(inner: S, plan: Plan) -> Self {
        Self { inner, plan, random: Mutex::new(Random::new(plan.seed)), faults: Mutex::new(0) }
    }

    /// The pointer to the store without faults.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// How many operations had a fault.
    pub fn faults(&self) -> u64 {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn roll(&self, sides: u64) -> u64 {
        self.random.lock().unwrap_or_else(PoisonError::into_inner).below(sides)
    }

    fn fault(&self) -> Fault {
        let Plan { refused, unanswered, twice, .. } = self.plan;
        let roll = u32::try_from(self.roll(100)).unwrap_or(0);
        let fault = match roll {
            _ if roll < refused => Fault::Refused,
            _ if roll < refused + unanswered => Fault::Unanswered,
            _ if roll < refused + unanswered + twice => Fault::Twice,
            _ => return Fault::None,
        };
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        fault
    }

    async fn run<'a, T>(
        &'a self,
        operation: impl Fn() -> Operation<'a, T> + Send + Sync,
    ) -> Result<T, Error> {
        if self.roll(100) < u64::from(self.plan.delayed) {
            for _ in 0..=self.roll(8) {
                tokio::task::yield_now().await;
            }
        }
        match self.fault() {
            Fault::None => operation().await,
            Fault::Refused => Err(Error::Unavailable("a planned refusal".into())),
            Fault::Unanswered => {
                let _lost = operation().await;
                Err(Error::Unavailable("a planned loss of the answer".into()))
            }
            Fault::Twice => {
                let _first = operation().await;
                operation().await
            }
        }
    }
}

type Operation<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// Repeats an operation until its answer is another than [`Error::Unavailable`], as a caller with
/// one operation id would.
pub async fn until_answered<T, F>(operation: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    const TRIES: usize = 1000;
    for _ in 1..TRIES {
        match operation().await {
            Err(Error::Unavailable(_)) => tokio::task::yield_now().await,
            answer => return answer,
        }
    }
    operation().await
}

#[async_trait]
impl<S> ControlStore for Faulty<S>
where
    S: Deref<Target: ControlStore> + Send + Sync,
{
    async fn create_tenant(&self, name: &TenantName) -> Result<TenantRecord, Error> {
        self.run(|| self.inner.create_tenant(name)).await
    }

    async fn tenants(&self) -> Result<Vec<TenantRecord>, Error> {
        self.run(|| self.inner.tenants()).await
    }

    async fn tenant(&self, name: &TenantName) -> Result<Option<TenantRecord>, Error> {
        self.run(|| self.inner.tenant(name)).await
    }

    async fn set_suspended(
        &self,
        op: OperationId,
        name: &TenantName,
        suspended: bool,
    ) -> Result<TenantRecord, Error> {
        self.run(|| self.inner.set_suspended(op, name, suspended)).await
    }

    async fn delete_tenant(&self, op: OperationId, name: &TenantName) -> Result<(), Error> {
        self.run(|| self.inner.delete_tenant(op, name)).await
    }

    async fn put_budget(&self, op: OperationId, budget: BudgetRecord) -> Result<(), Error> {
        self.run(|| self.inner.put_budget(op, budget.clone())).await
    }

    async fn delete_budget(
        &self,
        op: OperationId,
        tenant: &TenantName,
        key: &BudgetKey,
    ) -> Result<(), Error> {
        self.run(|| self.inner.delete_budget(op, tenant, key)).await
    }

    async fn budgets(&self, tenant: &TenantName) -> Result<Vec<BudgetRecord>, Error> {
        self.run(|| self.inner.budgets(tenant)).await
    }

    async fn create_release(
        &self,
        op: OperationId,
        release: NewRelease,
    ) -> Result<ReleaseRecord, Error> {
        self.run(|| self.inner.create_release(op, release.clone())).await
    }

    async fn set_live(
        &self,
        op: OperationId,
        app: &AppKey,
        live: Live,
    ) -> Result<AppRecord, Error> {
        self.run(|| self.inner.set_live(op, app, live.clone())).await
    }

    async fn delete_app(&self, op: OperationId, app: &AppKey) -> Result<(), Error> {
        self.run(|| self.inner.delete_app(op, app)).await
    }

    async fn app(&self, app: &AppKey) -> Result<Option<AppRecord>, Error> {
        self.run(|| self.inner.app(app)).await
    }

    async fn apps(
        &self,
        tenant: &TenantName,
        after: Option<&AppName>,
        limit: usize,
    ) -> Result<Vec<AppRecord>, Error> {
        self.run(|| self.inner.apps(tenant, after, limit)).await
    }

    async fn release(
        &self,
        app: &AppKey,
        number: ReleaseNumber,
    ) -> Result<Option<ReleaseRecord>, Error> {
        self.run(|| self.inner.release(app, number)).await
    }

    async fn releases(
        &self,
        app: &AppKey,
        before: Option<ReleaseNumber>,
        limit: usize,
    ) -> Result<Vec<ReleaseRecord>, Error> {
        self.run(|| self.inner.releases(app, before, limit)).await
    }

    async fn publish_version(
        &self,
        op: OperationId,
        app: &AppKey,
        function: &FunctionName,
        revision: RevisionId,
    ) -> Result<VersionRecord, Error> {
        self.run(|| self.inner.publish_version(op, app, function, revision)).await
    }

    async fn versions(
        &self,
        app: &AppKey,
        function: &FunctionName,
    ) -> Result<Vec<VersionRecord>, Error> {
        self.run(|| self.inner.versions(app, function)).await
    }

    async fn put_alias(
        &self,
        op: OperationId,
        app: &AppKey,
        function: &FunctionName,
        alias: AliasRecord,
    ) -> Result<(), Error> {
        self.run(|| self.inner.put_alias(op, app, function, alias.clone())).await
    }

    async fn delete_alias(
        &self,
        op: OperationId,
        app: &AppKey,
        function: &FunctionName,
        name: &str,
    ) -> Result<(), Error> {
        self.run(|| self.inner.delete_alias(op, app, function, name)).await
    }

    async fn aliases(
        &self,
        app: &AppKey,
        function: &FunctionName,
    ) -> Result<Vec<AliasRecord>, Error> {
        self.run(|| self.inner.aliases(app, function)).await
    }

    async fn put_secret(&self, op: OperationId, secret: SecretRecord) -> Result<(), Error> {
        self.run(|| self.inner.put_secret(op, secret.clone())).await
    }

    async fn delete_secret(&self, op: OperationId, app: &AppKey, name: &str) -> Result<(), Error> {
        self.run(|| self.inner.delete_secret(op, app, name)).await
    }

    async fn secrets(&self, app: &AppKey) -> Result<Vec<SecretRecord>, Error> {
        self.run(|| self.inner.secrets(app)).await
    }

    async fn put_token(&self, op: OperationId, token: TokenRecord) -> Result<(), Error> {
        self.run(|| self.inner.put_token(op, token.clone())).await
    }

    async fn delete_token(
        &self,
        op: OperationId,
        tenant: &TenantName,
        name: &str,
    ) -> Result<(), Error> {
        self.run(|| self.inner.delete_token(op, tenant, name)).await
    }

    async fn token(&self, hash: Digest) -> Result<Option<TokenRecord>, Error> {
        self.run(|| self.inner.token(hash)).await
    }

    async fn tokens(&self, tenant: &TenantName) -> Result<Vec<TokenRecord>, Error> {
        self.run(|| self.inner.tokens(tenant)).await
    }

    async fn all_apps(&self) -> Result<(u64, Vec<AppRecord>), Error> {
        self.run(|| self.inner.all_apps()).await
    }

    async fn changes(&self, version: u64) -> Result<Changes, Error> {
        self.run(|| self.inner.changes(version)).await
    }

    fn version(&self) -> watch::Receiver<u64> {
        self.inner.version()
    }
}

#[async_trait]
impl<S> ArtifactStore for Faulty<S>
where
    S: Deref<Target: ArtifactStore> + Send + Sync,
{
    async fn put(
        &self,
        tenant: &TenantName,
        digest: Digest,
        mut content: ByteReader,
        limit: u64,
    ) -> Result<u64, Error> {
        let mut bytes = Vec::new();
        let read = content.read_to_end(&mut bytes).await;
        read.map_err(|error| Error::Unavailable(format!("read an upload: {error}")))?;
        let content = || Box::pin(std::io::Cursor::new(bytes.clone()));
        self.run(|| self.inner.put(tenant, digest, content(), limit)).await
    }

    async fn get(&self, tenant: &TenantName, digest: Digest) -> Result<ByteReader, Error> {
        self.run(|| self.inner.get(tenant, digest)).await
    }

    async fn missing(&self, tenant: &TenantName, digests: &[Digest]) -> Result<Vec<Digest>, Error> {
        self.run(|| self.inner.missing(tenant, digests)).await
    }

    async fn delete(&self, tenant: &TenantName, digest: Digest) -> Result<(), Error> {
        self.run(|| self.inner.delete(tenant, digest)).await
    }

    async fn list(&self, tenant: &TenantName) -> Result<Vec<(Digest, u64)>, Error> {
        self.run(|| self.inner.list(tenant)).await
    }
}

/// Lines are taken without a fault: they have no operation id, and `append` answers nothing.
#[async_trait]
impl<S> LogStore for Faulty<S>
where
    S: Deref<Target: LogStore> + Send + Sync,
{
    fn append(&self, line: LogLine) {
        self.inner.append(line);
    }

    async fn query(&self, query: LogQuery) -> Result<(Vec<LogLine>, u64), Error> {
        self.run(|| self.inner.query(query.clone())).await
    }

    fn position(&self) -> watch::Receiver<u64> {
        self.inner.position()
    }

    async fn flush(&self) -> Result<(), Error> {
        self.run(|| self.inner.flush()).await
    }

    async fn delete_app(&self, app: &AppKey) -> Result<(), Error> {
        self.run(|| self.inner.delete_app(app)).await
    }
}

#[async_trait]
impl<S> InvocationQueue for Faulty<S>
where
    S: Deref<Target: InvocationQueue> + Send + Sync,
{
    async fn accept(&self, new: NewInvocation) -> Result<Accepted, Error> {
        self.run(|| self.inner.accept(new.clone())).await
    }

    async fn backlogs(&self) -> Result<Vec<Backlog>, Error> {
        self.run(|| self.inner.backlogs()).await
    }

    async fn lease(
        &self,
        app: &AppKey,
        function: &FunctionName,
        limit: usize,
        for_us: i64,
    ) -> Result<(Vec<Lease>, Option<i64>), Error> {
        self.run(|| self.inner.lease(app, function, limit, for_us)).await
    }

    async fn extend(
        &self,
        leases: &[(InvocationId, u64)],
        for_us: i64,
    ) -> Result<Vec<InvocationId>, Error> {
        self.run(|| self.inner.extend(leases, for_us)).await
    }

    async fn complete(&self, completion: Completion) -> Result<InvocationStatus, Error> {
        self.run(|| self.inner.complete(completion.clone())).await
    }

    async fn cancel(
        &self,
        tenant: &TenantName,
        id: InvocationId,
    ) -> Result<InvocationRecord, Error> {
        self.run(|| self.inner.cancel(tenant, id)).await
    }

    async fn redrive(
        &self,
        app: &AppKey,
        function: &FunctionName,
        which: &Redrive,
        limit: usize,
    ) -> Result<usize, Error> {
        self.run(|| self.inner.redrive(app, function, which, limit)).await
    }

    async fn invocation(
        &self,
        tenant: &TenantName,
        id: InvocationId,
    ) -> Result<Option<InvocationRecord>, Error> {
        self.run(|| self.inner.invocation(tenant, id)).await
    }

    async fn invocations(&self, query: &InvocationQuery) -> Result<Vec<InvocationRecord>, Error> {
        self.run(|| self.inner.invocations(query)).await
    }

    async fn forget(&self, limit: usize) -> Result<usize, Error> {
        self.run(|| self.inner.forget(limit)).await
    }

    async fn delete_app(&self, app: &AppKey) -> Result<(), Error> {
        self.run(|| self.inner.delete_app(app)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts the lines it was asked to flush.
    #[derive(Default)]
    struct Counter(Mutex<u32>);

    #[async_trait]
    impl LogStore for Counter {
        fn append(&self, _: LogLine) {}
        async fn query(&self, _: LogQuery) -> Result<(Vec<LogLine>, u64), Error> {
            Err(Error::Full)
        }
        fn position(&self) -> watch::Receiver<u64> {
            watch::channel(0).1
        }
        async fn flush(&self) -> Result<(), Error> {
            *self.0.lock().unwrap() += 1;
            Ok(())
        }
        async fn delete_app(&self, _: &AppKey) -> Result<(), Error> {
            Ok(())
        }
    }

    async fn trace(plan: Plan) -> Vec<(bool, u32)> {
        let store = Faulty::new(Box::new(Counter::default()), plan);
        let mut trace = Vec::new();
        for _ in 0..200 {
            let answered = store.flush().await.is_ok();
            trace.push((answered, std::mem::take(&mut *store.inner().0.lock().unwrap())));
        }
        trace
    }

    #[tokio::test]
    async fn one_seed_gives_one_plan_with_every_kind_of_fault() {
        let first = trace(Plan::seeded(7)).await;
        assert_eq!(first, trace(Plan::seeded(7)).await);
        assert_ne!(first, trace(Plan::seeded(8)).await);
        for kind in [(true, 1), (false, 0), (false, 1), (true, 2)] {
            assert!(first.contains(&kind), "{kind:?}");
        }
    }

    #[tokio::test]
    async fn a_plan_without_faults_passes_everything() {
        let plan = Plan { seed: 1, refused: 0, unanswered: 0, twice: 0, delayed: 100 };
        assert!(trace(plan).await.iter().all(|pass| *pass == (true, 1)));
    }

    #[tokio::test]
    async fn a_caller_that_repeats_gets_its_answer() {
        let store = Faulty::new(Box::new(Counter::default()), Plan::seeded(3));
        for _ in 0..50 {
            until_answered(|| store.flush()).await.unwrap();
        }
        assert!(store.faults() > 10);
    }
}

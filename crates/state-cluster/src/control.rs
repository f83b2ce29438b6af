//! Control records.

mod commands;
mod follow;
mod operations;
mod queries;
mod tenants;

use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use mayfly_state_api::{
    AliasRecord, AppRecord, BudgetKey, BudgetRecord, Changes, ControlStore, Error, NewRelease,
    ReleaseRecord, SecretRecord, TenantRecord, TokenRecord, VersionRecord,
};
use mayfly_types::{
    AppKey, AppName, Digest, FunctionName, Live, OperationId, ReleaseNumber, RevisionId, TenantName,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Mutex, watch};

use self::follow::Versions;
use self::operations::Operation;
use crate::database::Tx;
use crate::database::failure::{Failure, Step};
use crate::{Database, OpenError};

/// How often answers are forgotten, in microseconds.
const FORGET_EVERY_US: i64 = 60_000_000;

/// Control records in PostgreSQL, for any number of nodes. Commands of all nodes run one after another; reads
/// run beside them.
///
/// Dropping it ends its connection for news of other nodes.
pub struct Store {
    database: Database,
    versions: Versions,
    /// Whose turn it is. Commands are one after another anyway: those that wait need no connection.
    turn: Mutex<()>,
    forgot_us: AtomicI64,
}

impl Store {
    /// The store of a database, with the tenant `default`.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub async fn open(database: &Database) -> Result<Self, OpenError> {
        let name = &TenantName::fallback();
        let prepare = |tx: Tx, now_us| async move {
            let work = || tenants::create_tenant(&tx, name, now_us);
            let (made, version) =
                operations::carry_out(&tx, "create a tenant", None, now_us, work).await?;
            made?;
            Ok(version)
        };
        let version = database.write(prepare).await.map_err(Failure::Refused);
        let version = version.map_err(OpenError::of("prepare"))?;
        let (config, schema) = (database.config().clone(), database.schema().clone());
        Ok(Self {
            database: database.clone(),
            versions: Versions::follow(config, schema, version),
            turn: Mutex::new(()),
            forgot_us: AtomicI64::new(0),
        })
    }

    /// Carries out a command that is known again by its id, where it has one. The answer is durable.
    async fn command<T, W, F>(
        &self,
        name: &'static str,
        op: Operation<'_>,
        work: W,
    ) -> Result<T, Error>
    where
        T: Serialize + DeserializeOwned + Send + Sync,
        W: Fn(Tx, i64) -> F + Send + Sync,
        F: Future<Output = Step<T>> + Send,
    {
        let work = &work;
        let whole = |tx: Tx, now_us| async move {
            operations::carry_out(&tx, name, op, now_us, || work(tx.clone(), now_us)).await
        };
        let turn = self.turn.lock().await;
        let (answer, version) = self.database.write(whole).await?;
        drop(turn);
        self.versions.committed(version);
        self.forget().await;
        answer
    }

    /// Forgets old answers, once in a while.
    async fn forget(&self) {
        let now_us = self.database.now_us();
        let forgot_us = self.forgot_us.load(Ordering::Relaxed);
        if now_us < forgot_us.saturating_add(FORGET_EVERY_US) {
            return;
        }
        self.forgot_us.store(now_us, Ordering::Relaxed);
        let work = |tx: Tx, now_us| async move { operations::forget(&tx, now_us).await };
        if let Err(error) = self.database.write(work).await {
            tracing::warn!(%error, "forget old operations");
        }
    }
}

#[async_trait]
impl ControlStore for Store {
    async fn create_tenant(&self, name: &TenantName) -> Result<TenantRecord, Error> {
        let work = |tx, now_us| async move { tenants::create_tenant(&tx, name, now_us).await };
        self.command("create a tenant", None, work).await
    }

    async fn tenants(&self) -> Result<Vec<TenantRecord>, Error> {
        self.database.read(|db| async move { queries::tenants(&db).await }).await
    }

    async fn tenant(&self, name: &TenantName) -> Result<Option<TenantRecord>, Error> {
        self.database.read(|db| async move { queries::tenant(&db, name).await }).await
    }

    async fn set_suspended(
        &self,
        op: OperationId,
        name: &TenantName,
        suspended: bool,
    ) -> Result<TenantRecord, Error> {
        let work = |tx, _| async move { tenants::set_suspended(&tx, name, suspended).await };
        self.command("suspend a tenant", Some((name, op)), work).await
    }

    async fn delete_tenant(&self, op: OperationId, name: &TenantName) -> Result<(), Error> {
        let work = |tx, _| async move { tenants::delete_tenant(&tx, name).await };
        self.command("delete a tenant", Some((name, op)), work).await
    }

    async fn put_budget(&self, op: OperationId, budget: BudgetRecord) -> Result<(), Error> {
        let budget = &budget;
        let work = |tx, _| async move { tenants::put_budget(&tx, budget).await };
        self.command("put a budget", Some((&budget.tenant, op)), work).await
    }

    async fn delete_budget(
        &self,
        op: OperationId,
        tenant: &TenantName,
        key: &BudgetKey,
    ) -> Result<(), Error> {
        let work = |tx, _| async move { tenants::delete_budget(&tx, tenant, key).await };
        self.command("delete a budget", Some((tenant, op)), work).await
    }

    async fn budgets(&self, tenant: &TenantName) -> Result<Vec<BudgetRecord>, Error> {
        self.database.read(|db| async move { queries::budgets(&db, tenant).await }).await
    }

    async fn create_release(
        &self,
        op: OperationId,
        release: NewRelease,
    ) -> Result<ReleaseRecord, Error> {
        let new = &release;
        let work = |tx, now_us| async move { commands::create_release(&tx, new, now_us).await };
        self.command("create a release", Some((&new.app.tenant, op)), work).await
    }

    async fn set_live(
        &self,
        op: OperationId,
        app: &AppKey,
        live: Live,
    ) -> Result<AppRecord, Error> {
        let live = &live;
        let work = |tx, now_us| async move { commands::set_live(&tx, app, live, now_us).await };
        self.command("move live", Some((&app.tenant, op)), work).await
    }

    async fn delete_app(&self, op: OperationId, app: &AppKey) -> Result<(), Error> {
        let work = |tx, _| async move { commands::delete_app(&tx, app).await };
        self.command("delete an app", Some((&app.tenant, op)), work).await
    }

    async fn app(&self, app: &AppKey) -> Result<Option<AppRecord>, Error> {
        self.database.read(|db| async move { queries::app(&db, app).await }).await
    }

    async fn apps(
        &self,
        tenant: &TenantName,
        after: Option<&AppName>,
        limit: usize,
    ) -> Result<Vec<AppRecord>, Error> {
        let read = |db: Tx| async move { queries::apps(&db, tenant, after, limit).await };
        self.database.read(read).await
    }

    async fn release(
        &self,
        app: &AppKey,
        number: ReleaseNumber,
    ) -> Result<Option<ReleaseRecord>, Error> {
        self.database.read(|db| async move { queries::release(&db, app, number).await }).await
    }

    async fn releases(
        &self,
        app: &AppKey,
        before: Option<ReleaseNumber>,
        limit: usize,
    ) -> Result<Vec<ReleaseRecord>, Error> {
        let read = |db: Tx| async move { queries::releases(&db, app, before, limit).await };
        self.database.read(read).await
    }

    async fn publish_version(
        &self,
        op: OperationId,
        app: &AppKey,
        function: &FunctionName,
        revision: RevisionId,
    ) -> Result<VersionRecord, Error> {
        let work = |tx, now_us| async move {
            commands::publish_version(&tx, app, function, revision, now_us).await
        };
        self.command("publish a version", Some((&app.tenant, op)), work).await
    }

    async fn versions(
        &self,
        app: &AppKey,
        function: &FunctionName,
    ) -> Result<Vec<VersionRecord>, Error> {
        self.database.read(|db| async move { queries::versions(&db, app, function).await }).await
    }

    async fn put_alias(
        &self,
        op: OperationId,
        app: &AppKey,
        function: &FunctionName,
        alias: AliasRecord,
    ) -> Result<(), Error> {
        let alias = &alias;
        let work = |tx, _| async move { commands::put_alias(&tx, app, function, alias).await };
        self.command("put an alias", Some((&app.tenant, op)), work).await
    }

    async fn delete_alias(
        &self,
        op: OperationId,
        app: &AppKey,
        function: &FunctionName,
        name: &str,
    ) -> Result<(), Error> {
        let work = |tx, _| async move { commands::delete_alias(&tx, app, function, name).await };
        self.command("delete an alias", Some((&app.tenant, op)), work).await
    }

    async fn aliases(
        &self,
        app: &AppKey,
        function: &FunctionName,
    ) -> Result<Vec<AliasRecord>, Error> {
        self.database.read(|db| async move { queries::aliases(&db, app, function).await }).await
    }

    async fn put_secret(&self, op: OperationId, secret: SecretRecord) -> Result<(), Error> {
        let secret = &secret;
        let work = |tx, _| async move { commands::put_secret(&tx, secret).await };
        self.command("put a secret", Some((&secret.app.tenant, op)), work).await
    }

    async fn delete_secret(&self, op: OperationId, app: &AppKey, name: &str) -> Result<(), Error> {
        let work = |tx, _| async move { commands::delete_secret(&tx, app, name).await };
        self.command("delete a secret", Some((&app.tenant, op)), work).await
    }

    async fn secrets(&self, app: &AppKey) -> Result<Vec<SecretRecord>, Error> {
        self.database.read(|db| async move { queries::secrets(&db, app).await }).await
    }

    async fn put_token(&self, op: OperationId, token: TokenRecord) -> Result<(), Error> {
        let token = &token;
        let work = |tx, _| async move { commands::put_token(&tx, token).await };
        self.command("put a token", Some((&token.tenant, op)), work).await
    }

    async fn delete_token(
        &self,
        op: OperationId,
        tenant: &TenantName,
        name: &str,
    ) -> Result<(), Error> {
        let work = |tx, _| async move { commands::delete_token(&tx, tenant, name).await };
        self.command("delete a token", Some((tenant, op)), work).await
    }

    async fn token(&self, hash: Digest) -> Result<Option<TokenRecord>, Error> {
        self.database.read(|db| async move { queries::token(&db, hash).await }).await
    }

    async fn tokens(&self, tenant: &TenantName) -> Result<Vec<TokenRecord>, Error> {
        self.database.read(|db| async move { queries::tokens(&db, tenant).await }).await
    }

    async fn all_apps(&self) -> Result<(u64, Vec<AppRecord>), Error> {
        self.database.read_moment(|db| async move { queries::all_apps(&db).await }).await
    }

    async fn changes(&self, version: u64) -> Result<Changes, Error> {
        self.database.read_moment(|db| async move { queries::changes(&db, version).await }).await
    }

    fn version(&self) -> watch::Receiver<u64> {
        self.versions.subscribe()
    }
}

//! Control records on `control.db`.

mod commands;
mod queries;
#[cfg(test)]
mod tests;
mod tokens;

use async_trait::async_trait;
use mayfly_state_api::{
    AliasRecord, AppRecord, BudgetKey, BudgetRecord, Changes, ControlStore, Error, NewRelease,
    ReleaseRecord, SecretRecord, TenantRecord, TokenRecord, VersionRecord,
};
use mayfly_types::{
    AppKey, AppName, Digest, FunctionName, Live, OperationId, ReleaseNumber, RevisionId, TenantName,
};
use rusqlite::Connection;
use tokio::sync::watch;

use self::tokens::Tokens;
use crate::sqlite::{Database, Kind};
use crate::{DataDir, OpenError, migrations};

/// `control.db`.
const CONTROL: Kind = Kind { file: "control.db", migrations: migrations::CONTROL, remembers: true };

/// Control records in SQLite. Commands of many callers share commits; reads run beside them.
///
/// Dropping it waits until the commands that were taken are on disk.
pub struct Store {
    database: Database,
    version: watch::Receiver<u64>,
    tokens: Tokens,
}

impl Store {
    /// Opens `control.db`, makes it where it is absent, and brings an older one forward.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(data: &DataDir) -> Result<Self, OpenError> {
        let (told, version) = watch::channel(0);
        let database = Database::open(data, &CONTROL, |database, now_us| {
            commands::create_tenant(database, &TenantName::fallback(), now_us)?;
            told.send_replace(queries::version(database)?);
            Ok(Box::new(move |database| tell_version(database, &told)))
        })?;
        Ok(Self { database, version, tokens: Tokens::default() })
    }

    /// Transactions committed since the store was opened.
    pub fn commits(&self) -> u64 {
        self.database.commits()
    }
}

fn tell_version(database: &Connection, told: &watch::Sender<u64>) {
    match queries::version(database) {
        Ok(version) => {
            told.send_if_modified(|told| std::mem::replace(told, version) != version);
        }
        Err(error) => tracing::error!(%error, "read the version of control.db"),
    }
}

#[async_trait]
impl ControlStore for Store {
    async fn create_tenant(&self, name: &TenantName) -> Result<TenantRecord, Error> {
        let name = name.clone();
        let work = move |db: &Connection, now_us| commands::create_tenant(db, &name, now_us);
        self.database.command("create a tenant", None, work).await
    }

    async fn tenants(&self) -> Result<Vec<TenantRecord>, Error> {
        self.database.read(queries::tenants).await
    }

    async fn tenant(&self, name: &TenantName) -> Result<Option<TenantRecord>, Error> {
        let name = name.clone();
        self.database.read(move |db| queries::tenant(db, &name)).await
    }

    async fn set_suspended(
        &self,
        op: OperationId,
        name: &TenantName,
        suspended: bool,
    ) -> Result<TenantRecord, Error> {
        let tenant = name.clone();
        let work = move |db: &Connection, _| commands::set_suspended(db, &tenant, suspended);
        self.database.command("suspend a tenant", Some((name, op)), work).await
    }

    async fn delete_tenant(&self, op: OperationId, name: &TenantName) -> Result<(), Error> {
        let tenant = name.clone();
        let work = move |db: &Connection, _| commands::delete_tenant(db, &tenant);
        self.database.command("delete a tenant", Some((name, op)), work).await
    }

    async fn put_budget(&self, op: OperationId, budget: BudgetRecord) -> Result<(), Error> {
        let tenant = budget.tenant.clone();
        let work = move |db: &Connection, _| commands::put_budget(db, &budget);
        self.database.command("put a budget", Some((&tenant, op)), work).await
    }

    async fn delete_budget(
        &self,
        op: OperationId,
        tenant: &TenantName,
        key: &BudgetKey,
    ) -> Result<(), Error> {
        let (owner, key) = (tenant.clone(), key.clone());
        let work = move |db: &Connection, _| commands::delete_budget(db, &owner, &key);
        self.database.command("delete a budget", Some((tenant, op)), work).await
    }

    async fn budgets(&self, tenant: &TenantName) -> Result<Vec<BudgetRecord>, Error> {
        let tenant = tenant.clone();
        self.database.read(move |db| queries::budgets(db, &tenant)).await
    }

    async fn create_release(
        &self,
        op: OperationId,
        release: NewRelease,
    ) -> Result<ReleaseRecord, Error> {
        let tenant = release.app.tenant.clone();
        let work = move |db: &Connection, now_us| commands::create_release(db, &release, now_us);
        self.database.command("create a release", Some((&tenant, op)), work).await
    }

    async fn set_live(
        &self,
        op: OperationId,
        app: &AppKey,
        live: Live,
    ) -> Result<AppRecord, Error> {
        let key = app.clone();
        let work = move |db: &Connection, now_us| commands::set_live(db, &key, &live, now_us);
        self.database.command("move live", Some((&app.tenant, op)), work).await
    }

    async fn delete_app(&self, op: OperationId, app: &AppKey) -> Result<(), Error> {
        let key = app.clone();
        let work = move |db: &Connection, _| commands::delete_app(db, &key);
        self.database.command("delete an app", Some((&app.tenant, op)), work).await
    }

    async fn app(&self, app: &AppKey) -> Result<Option<AppRecord>, Error> {
        let app = app.clone();
        self.database.read(move |db| queries::app(db, &app)).await
    }

    async fn apps(
        &self,
        tenant: &TenantName,
        after: Option<&AppName>,
        limit: usize,
    ) -> Result<Vec<AppRecord>, Error> {
        let (tenant, after) = (tenant.clone(), after.cloned());
        self.database.read(move |db| queries::apps(db, &tenant, after.as_ref(), limit)).await
    }

    async fn release(
        &self,
        app: &AppKey,
        number: ReleaseNumber,
    ) -> Result<Option<ReleaseRecord>, Error> {
        let app = app.clone();
        self.database.read(move |db| queries::release(db, &app, number)).await
    }

    async fn releases(
        &self,
        app: &AppKey,
        before: Option<ReleaseNumber>,
        limit: usize,
    ) -> Result<Vec<ReleaseRecord>, Error> {
        let app = app.clone();
        self.database.read(move |db| queries::releases(db, &app, before, limit)).await
    }

    async fn publish_version(
        &self,
        op: OperationId,
        app: &AppKey,
        function: &FunctionName,
        revision: RevisionId,
    ) -> Result<VersionRecord, Error> {
        let (key, function) = (app.clone(), function.clone());
        let work = move |db: &Connection, now_us| {
            commands::publish_version(db, &key, &function, revision, now_us)
        };
        self.database.command("publish a version", Some((&app.tenant, op)), work).await
    }

    async fn versions(
        &self,
        app: &AppKey,
        function: &FunctionName,
    ) -> Result<Vec<VersionRecord>, Error> {
        let (app, function) = (app.clone(), function.clone());
        self.database.read(move |db| queries::versions(db, &app, &function)).await
    }

    async fn put_alias(
        &self,
        op: OperationId,
        app: &AppKey,
        function: &FunctionName,
        alias: AliasRecord,
    ) -> Result<(), Error> {
        let (key, function) = (app.clone(), function.clone());
        let work = move |db: &Connection, _| commands::put_alias(db, &key, &function, &alias);
        self.database.command("put an alias", Some((&app.tenant, op)), work).await
    }

    async fn delete_alias(
        &self,
        op: OperationId,
        app: &AppKey,
        function: &FunctionName,
        name: &str,
    ) -> Result<(), Error> {
        let (key, function, name) = (app.clone(), function.clone(), name.to_owned());
        let work = move |db: &Connection, _| commands::delete_alias(db, &key, &function, &name);
        self.database.command("delete an alias", Some((&app.tenant, op)), work).await
    }

    async fn aliases(
        &self,
        app: &AppKey,
        function: &FunctionName,
    ) -> Result<Vec<AliasRecord>, Error> {
        let (app, function) = (app.clone(), function.clone());
        self.database.read(move |db| queries::aliases(db, &app, &function)).await
    }

    async fn put_secret(&self, op: OperationId, secret: SecretRecord) -> Result<(), Error> {
        let tenant = secret.app.tenant.clone();
        let work = move |db: &Connection, _| commands::put_secret(db, &secret);
        self.database.command("put a secret", Some((&tenant, op)), work).await
    }

    async fn delete_secret(&self, op: OperationId, app: &AppKey, name: &str) -> Result<(), Error> {
        let (key, name) = (app.clone(), name.to_owned());
        let work = move |db: &Connection, _| commands::delete_secret(db, &key, &name);
        self.database.command("delete a secret", Some((&app.tenant, op)), work).await
    }

    async fn secrets(&self, app: &AppKey) -> Result<Vec<SecretRecord>, Error> {
        let app = app.clone();
        self.database.read(move |db| queries::secrets(db, &app)).await
    }

    async fn put_token(&self, op: OperationId, token: TokenRecord) -> Result<(), Error> {
        let tenant = token.tenant.clone();
        let work = move |db: &Connection, _| commands::put_token(db, &token);
        self.database.command("put a token", Some((&tenant, op)), work).await
    }

    async fn delete_token(
        &self,
        op: OperationId,
        tenant: &TenantName,
        name: &str,
    ) -> Result<(), Error> {
        let (owner, name) = (tenant.clone(), name.to_owned());
        let work = move |db: &Connection, _| commands::delete_token(db, &owner, &name);
        self.database.command("delete a token", Some((tenant, op)), work).await
    }

    async fn token(&self, hash: Digest) -> Result<Option<TokenRecord>, Error> {
        // Before the read: what was committed meanwhile may be in it or not.
        let commits = self.database.commits();
        if let Some(known) = self.tokens.get(commits, &hash) {
            return Ok(Some(known));
        }
        let found = self.database.read(move |db| queries::token(db, hash)).await?;
        if let Some(token) = &found {
            self.tokens.put(commits, hash, token.clone());
        }
        Ok(found)
    }

    async fn tokens(&self, tenant: &TenantName) -> Result<Vec<TokenRecord>, Error> {
        let tenant = tenant.clone();
        self.database.read(move |db| queries::tokens(db, &tenant)).await
    }

    async fn all_apps(&self) -> Result<(u64, Vec<AppRecord>), Error> {
        self.database.read(queries::all_apps).await
    }

    async fn changes(&self, version: u64) -> Result<Changes, Error> {
        self.database.read(move |db| queries::changes(db, version)).await
    }

    fn version(&self) -> watch::Receiver<u64> {
        self.version.clone()
    }
}

//! Control records on `control.db`.

mod commands;
mod failure;
mod queries;
mod readers;
#[cfg(test)]
mod tests;
mod writer;

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use mayfly_state_api::{
    AliasRecord, AppRecord, Changes, ControlStore, Error, NewRelease, ReleaseRecord, SecretRecord,
    TenantRecord, TokenRecord, VersionRecord,
};
use mayfly_types::{
    AppKey, AppName, Digest, FunctionName, Live, OperationId, ReleaseNumber, RevisionId, TenantName,
};
use rusqlite::Connection;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{oneshot, watch};

use self::failure::Step;
use self::readers::Readers;
use self::writer::{Command, Writer};
use crate::{DataDir, OpenError, migrations};

/// How long a connection waits for another's lock: only a checkpoint or a recovery holds one.
const BUSY: Duration = Duration::from_secs(10);

/// Control records in SQLite. Commands of many callers share commits; reads run beside them.
///
/// Dropping it waits until the commands that were taken are on disk.
pub struct Store {
    writer: Writer,
    readers: Readers,
}

impl Store {
    /// Opens `control.db`, makes it where it is absent, and brings an older one forward.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(data: &DataDir) -> Result<Self, OpenError> {
        let path = data.root().join("control.db");
        let mut database = connect(&path)?;
        migrations::apply(&mut database, &path, migrations::CONTROL)?;
        let version = prepare(&database, data.now_us()).map_err(|error| match error {
            Error::Full => OpenError::Full { path: path.clone() },
            other => {
                OpenError::Database { doing: "open", path: path.clone(), reason: other.to_string() }
            }
        })?;
        let writer = Writer::start(database, data.clone(), version);
        let writer = writer.map_err(OpenError::io("start the writer of", &path))?;
        Ok(Self { writer, readers: Readers::new(&path) })
    }

    /// Transactions committed since the store was opened.
    pub fn commits(&self) -> u64 {
        self.writer.commits()
    }

    async fn command<T, F>(
        &self,
        name: &'static str,
        op: Option<(&TenantName, OperationId)>,
        mut work: F,
    ) -> Result<T, Error>
    where
        T: Serialize + DeserializeOwned,
        F: FnMut(&Connection, i64) -> Step<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let work = move |database: &Connection, now_us: i64| -> Step<String> {
            Ok(serde_json::to_string(&work(database, now_us)?)?)
        };
        let op = op.map(|(tenant, op)| (tenant.clone(), op));
        self.writer.submit(Command { name, op, work: Box::new(work), reply }).await?;
        let answer = answer.await.unwrap_or_else(|_| Err(writer::ended()))?;
        serde_json::from_str(&answer).map_err(|error| {
            Error::Unavailable(format!("the answer to {name} cannot be read: {error}"))
        })
    }
}

fn connect(path: &Path) -> Result<Connection, OpenError> {
    // SQLite gives its other files the mode of this one.
    let mut options = fs::OpenOptions::new();
    let options = options.append(true).create(true).mode(0o600);
    options.open(path).map_err(OpenError::io("open", path))?;
    let open = || -> rusqlite::Result<Connection> {
        let database = Connection::open(path)?;
        database.busy_timeout(BUSY)?;
        database.pragma_update(None, "journal_mode", "wal")?;
        database.pragma_update(None, "synchronous", "full")?;
        database.pragma_update(None, "foreign_keys", true)?;
        database.set_prepared_statement_cache_capacity(64);
        Ok(database)
    };
    open().map_err(migrations::refused("open", path))
}

/// Makes what a fresh store has, and answers the store's version.
fn prepare(database: &Connection, now_us: i64) -> Result<u64, Error> {
    let work = || -> Step<u64> {
        commands::create_tenant(database, &TenantName::fallback(), now_us)?;
        Ok(queries::version(database)?)
    };
    work().map_err(Error::from)
}

#[async_trait]
impl ControlStore for Store {
    async fn create_tenant(&self, name: &TenantName) -> Result<TenantRecord, Error> {
        let name = name.clone();
        let work = move |db: &Connection, now_us| commands::create_tenant(db, &name, now_us);
        self.command("create a tenant", None, work).await
    }

    async fn tenants(&self) -> Result<Vec<TenantRecord>, Error> {
        self.readers.read(queries::tenants).await
    }

    async fn create_release(
        &self,
        op: OperationId,
        release: NewRelease,
    ) -> Result<ReleaseRecord, Error> {
        let tenant = release.app.tenant.clone();
        let work = move |db: &Connection, now_us| commands::create_release(db, &release, now_us);
        self.command("create a release", Some((&tenant, op)), work).await
    }

    async fn set_live(
        &self,
        op: OperationId,
        app: &AppKey,
        live: Live,
    ) -> Result<AppRecord, Error> {
        let key = app.clone();
        let work = move |db: &Connection, now_us| commands::set_live(db, &key, &live, now_us);
        self.command("move live", Some((&app.tenant, op)), work).await
    }

    async fn delete_app(&self, op: OperationId, app: &AppKey) -> Result<(), Error> {
        let key = app.clone();
        let work = move |db: &Connection, _| commands::delete_app(db, &key);
        self.command("delete an app", Some((&app.tenant, op)), work).await
    }

    async fn app(&self, app: &AppKey) -> Result<Option<AppRecord>, Error> {
        let app = app.clone();
        self.readers.read(move |db| queries::app(db, &app)).await
    }

    async fn apps(
        &self,
        tenant: &TenantName,
        after: Option<&AppName>,
        limit: usize,
    ) -> Result<Vec<AppRecord>, Error> {
        let (tenant, after) = (tenant.clone(), after.cloned());
        self.readers.read(move |db| queries::apps(db, &tenant, after.as_ref(), limit)).await
    }

    async fn release(
        &self,
        app: &AppKey,
        number: ReleaseNumber,
    ) -> Result<Option<ReleaseRecord>, Error> {
        let app = app.clone();
        self.readers.read(move |db| queries::release(db, &app, number)).await
    }

    async fn releases(
        &self,
        app: &AppKey,
        before: Option<ReleaseNumber>,
        limit: usize,
    ) -> Result<Vec<ReleaseRecord>, Error> {
        let app = app.clone();
        self.readers.read(move |db| queries::releases(db, &app, before, limit)).await
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
        self.command("publish a version", Some((&app.tenant, op)), work).await
    }

    async fn versions(
        &self,
        app: &AppKey,
        function: &FunctionName,
    ) -> Result<Vec<VersionRecord>, Error> {
        let (app, function) = (app.clone(), function.clone());
        self.readers.read(move |db| queries::versions(db, &app, &function)).await
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
        self.command("put an alias", Some((&app.tenant, op)), work).await
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
        self.command("delete an alias", Some((&app.tenant, op)), work).await
    }

    async fn aliases(
        &self,
        app: &AppKey,
        function: &FunctionName,
    ) -> Result<Vec<AliasRecord>, Error> {
        let (app, function) = (app.clone(), function.clone());
        self.readers.read(move |db| queries::aliases(db, &app, &function)).await
    }

    async fn put_secret(&self, op: OperationId, secret: SecretRecord) -> Result<(), Error> {
        let tenant = secret.app.tenant.clone();
        let work = move |db: &Connection, _| commands::put_secret(db, &secret);
        self.command("put a secret", Some((&tenant, op)), work).await
    }

    async fn delete_secret(&self, op: OperationId, app: &AppKey, name: &str) -> Result<(), Error> {
        let (key, name) = (app.clone(), name.to_owned());
        let work = move |db: &Connection, _| commands::delete_secret(db, &key, &name);
        self.command("delete a secret", Some((&app.tenant, op)), work).await
    }

    async fn secrets(&self, app: &AppKey) -> Result<Vec<SecretRecord>, Error> {
        let app = app.clone();
        self.readers.read(move |db| queries::secrets(db, &app)).await
    }

    async fn put_token(&self, op: OperationId, token: TokenRecord) -> Result<(), Error> {
        let tenant = token.tenant.clone();
        let work = move |db: &Connection, _| commands::put_token(db, &token);
        self.command("put a token", Some((&tenant, op)), work).await
    }

    async fn delete_token(
        &self,
        op: OperationId,
        tenant: &TenantName,
        name: &str,
    ) -> Result<(), Error> {
        let (owner, name) = (tenant.clone(), name.to_owned());
        let work = move |db: &Connection, _| commands::delete_token(db, &owner, &name);
        self.command("delete a token", Some((tenant, op)), work).await
    }

    async fn token(&self, hash: Digest) -> Result<Option<TokenRecord>, Error> {
        self.readers.read(move |db| queries::token(db, hash)).await
    }

    async fn tokens(&self, tenant: &TenantName) -> Result<Vec<TokenRecord>, Error> {
        let tenant = tenant.clone();
        self.readers.read(move |db| queries::tokens(db, &tenant)).await
    }

    async fn all_apps(&self) -> Result<(u64, Vec<AppRecord>), Error> {
        self.readers.read(queries::all_apps).await
    }

    async fn changes(&self, version: u64) -> Result<Changes, Error> {
        self.readers.read(move |db| queries::changes(db, version)).await
    }

    fn version(&self) -> watch::Receiver<u64> {
        self.writer.version()
    }
}

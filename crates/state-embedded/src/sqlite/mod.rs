//! A database: one thread that writes and shares commits among callers, and readers beside it.

pub(crate) mod failure;
mod gather;
mod readers;
pub(crate) mod rows;
mod writer;

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use mayfly_state_api::Error;
use mayfly_types::{OperationId, TenantName};
use rusqlite::Connection;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use self::failure::Step;
use self::readers::Readers;
pub(crate) use self::writer::AfterCommit;
#[cfg(test)]
pub(crate) use self::writer::Command;
use self::writer::Writer;
use crate::{DataDir, OpenError, migrations};

/// How long a connection waits for another's lock: only a checkpoint or a recovery holds one.
const BUSY: Duration = Duration::from_secs(10);

/// What a database is.
pub(crate) struct Kind {
    /// Its file in the data directory.
    pub(crate) file: &'static str,
    /// The steps that make it.
    pub(crate) migrations: &'static [&'static str],
    /// Whether it remembers what commands answered, in a table `operations`.
    pub(crate) remembers: bool,
}

/// A database whose commands share commits. Dropping it waits until the commands that were taken are on
/// disk.
pub(crate) struct Database {
    name: &'static str,
    writer: Writer,
    readers: Readers,
}

impl Database {
    /// Opens a database, makes it where it is absent, and brings an older one forward. `prepare` runs
    /// before the first command, and what it makes runs after each commit.
    pub(crate) fn open(
        data: &DataDir,
        kind: &Kind,
        prepare: impl FnOnce(&Connection, i64) -> Step<AfterCommit>,
    ) -> Result<Self, OpenError> {
        let path = data.root().join(kind.file);
        let mut database = connect(&path)?;
        migrations::apply(&mut database, &path, kind.migrations)?;
        let after = prepare(&database, data.now_us()).map_err(|failure| {
            let path = path.clone();
            match failure.of(kind.file) {
                Error::Full => OpenError::Full { path },
                other => OpenError::Database { doing: "open", path, reason: other.to_string() },
            }
        })?;
        let writer = Writer::start(database, data.clone(), kind, after);
        let writer = writer.map_err(OpenError::io("start the writer of", &path))?;
        Ok(Self { name: kind.file, writer, readers: Readers::new(&path, kind.file) })
    }

    /// Transactions committed since it was opened.
    pub(crate) fn commits(&self) -> u64 {
        self.writer.commits()
    }

    /// Carries out a command that is known again by its id, where it has one. The answer is durable.
    pub(crate) async fn command<T, F>(
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
        let command = writer::Command { name, op, work: Box::new(work), reply };
        self.writer.submit(command).await?;
        let answer = answer.await.unwrap_or_else(|_| Err(writer::ended(self.name)))?;
        serde_json::from_str(&answer).map_err(|error| {
            Error::Unavailable(format!("the answer to {name} cannot be read: {error}"))
        })
    }

    /// Carries out a command whose answer is not remembered. It is durable when this returns.
    pub(crate) async fn write<T, F>(&self, name: &'static str, mut work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnMut(&Connection, i64) -> Step<T> + Send + 'static,
    {
        let (reply, done) = oneshot::channel();
        let (give, given) = std::sync::mpsc::channel();
        let work = move |database: &Connection, now_us: i64| -> Step<String> {
            let answer = work(database, now_us)?;
            let _caller_may_have_left = give.send(answer);
            Ok(String::new())
        };
        let command = writer::Command { name, op: None, work: Box::new(work), reply };
        self.writer.submit(command).await?;
        done.await.unwrap_or_else(|_| Err(writer::ended(self.name)))?;
        // It may have run more than once; the last time is the one that was committed.
        given.try_iter().last().ok_or_else(|| writer::ended(self.name))
    }

    /// Reads in a transaction, so that all it reads is of one version.
    pub(crate) async fn read<T, F>(&self, read: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Step<T> + Send + 'static,
    {
        self.readers.read(read).await
    }

    #[cfg(test)]
    pub(crate) async fn submit(&self, command: Command) -> Result<(), Error> {
        self.writer.submit(command).await
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

//! A few connections that only read. They see every commit that was answered, and never wait for
//! the writer.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use mayfly_state_api::Error;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use tokio::sync::Semaphore;

use super::failure::Step;

/// Most reads at once.
const CONNECTIONS: usize = 4;

pub(crate) struct Readers {
    path: PathBuf,
    name: &'static str,
    permits: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    /// Readers of the database at `path`; connections open when they are first needed.
    pub(crate) fn new(path: &Path, name: &'static str) -> Self {
        Self {
            path: path.to_owned(),
            name,
            permits: Arc::new(Semaphore::new(CONNECTIONS)),
            idle: Arc::new(Mutex::new(Vec::new())),
        }
    }

    /// Runs `read` in a transaction, so that all it reads is of one version.
    pub(crate) async fn read<T, F>(&self, read: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Step<T> + Send + 'static,
    {
        let permit = self.permits.clone().acquire_owned().await;
        let permit = permit.map_err(|error| Error::Unavailable(error.to_string()))?;
        let (path, pool) = (self.path.clone(), self.idle.clone());
        let work = move || -> Step<T> {
            // Held to the end of the read, also when the caller leaves before.
            let _permit = permit;
            let idle = pool.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut database = match idle {
                Some(database) => database,
                None => connect(&path)?,
            };
            let step = database.transaction_with_behavior(TransactionBehavior::Deferred)?;
            let answer = read(&step)?;
            step.finish()?;
            pool.lock().unwrap_or_else(PoisonError::into_inner).push(database);
            Ok(answer)
        };
        let answer = tokio::task::spawn_blocking(work).await;
        answer
            .map_err(|error| Error::Unavailable(format!("read {}: {error}", self.name)))?
            .map_err(|failure| failure.of(self.name))
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    // Not read-only: a reader of a WAL database may have to write its shared memory.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let database = Connection::open_with_flags(path, flags)?;
    database.pragma_update(None, "query_only", true)?;
    database.busy_timeout(super::BUSY)?;
    database.set_prepared_statement_cache_capacity(64);
    Ok(database)
}

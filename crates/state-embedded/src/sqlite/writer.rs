//! The one thread that writes a database. It commits whatever is queued in one transaction, so
//! that many commands share one sync of the disk.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use mayfly_state_api::Error;
use mayfly_types::{OperationId, TenantName};
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::{mpsc, oneshot};

use super::Kind;
use super::failure::{Failure, Step, store_error};
use crate::DataDir;

/// Most commands in one transaction.
const BATCH: usize = 256;
/// Most commands that wait; the next caller waits to be queued.
const QUEUE: usize = 1024;
/// How long answers are remembered, in microseconds.
const REMEMBERED_US: i64 = 24 * 3_600_000_000;
/// How often answers are forgotten, in microseconds, and most of them at once.
const FORGET_EVERY_US: i64 = 60_000_000;
const FORGET_MOST: i64 = 2_000;

/// The work of a command, at a time in UTC microseconds, and its answer as JSON. It may run more
/// than once, since a transaction may be lost to a neighbour's failure.
pub(crate) type Work = Box<dyn FnMut(&Connection, i64) -> Step<String> + Send>;

/// A command on its way.
pub(crate) struct Command {
    pub(crate) name: &'static str,
    /// What makes a repetition known.
    pub(crate) op: Option<(TenantName, OperationId)>,
    pub(crate) work: Work,
    pub(crate) reply: oneshot::Sender<Result<String, Error>>,
}

/// What is done after each commit, before the callers have their answers.
pub(crate) type AfterCommit = Box<dyn FnMut(&Connection) + Send>;

/// The writer's owner; dropping it waits until what is queued is done.
pub(crate) struct Writer {
    queue: Option<mpsc::Sender<Command>>,
    thread: Option<JoinHandle<()>>,
    name: &'static str,
    commits: Arc<AtomicU64>,
}

impl Writer {
    /// Starts the thread on a connection of its own.
    pub(crate) fn start(
        database: Connection,
        data: DataDir,
        kind: &Kind,
        after: AfterCommit,
    ) -> io::Result<Self> {
        let (queue, commands) = mpsc::channel(QUEUE);
        let commits = Arc::new(AtomicU64::new(0));
        let name = kind.file;
        let remembers = kind.remembers;
        let commits_told = commits.clone();
        let mut state =
            State { database, data, name, remembers, after, commits: commits_told, forgot_us: 0 };
        let thread =
            thread::Builder::new().name(format!("mayfly-{}", name.trim_end_matches(".db")));
        let thread = thread.spawn(move || state.run(commands))?;
        Ok(Self { queue: Some(queue), thread: Some(thread), name, commits })
    }

    /// Queues a command; its reply comes after the commit.
    pub(crate) async fn submit(&self, command: Command) -> Result<(), Error> {
        let Some(queue) = &self.queue else { return Err(ended(self.name)) };
        queue.send(command).await.map_err(|_| ended(self.name))
    }

    /// Transactions committed since the start.
    pub(crate) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            let _its_panic_was_reported_by_itself = thread.join();
        }
    }
}

/// What a caller is told whose command the writer will never answer.
pub(crate) fn ended(name: &str) -> Error {
    Error::Unavailable(format!("the writer of {name} has ended"))
}

type Answer = Result<String, Error>;

struct State {
    database: Connection,
    // Keeps the directory locked while this thread may write.
    data: DataDir,
    name: &'static str,
    remembers: bool,
    after: AfterCommit,
    commits: Arc<AtomicU64>,
    forgot_us: i64,
}

impl State {
    fn run(&mut self, mut commands: mpsc::Receiver<Command>) {
        let mut batch = Vec::with_capacity(BATCH);
        while commands.blocking_recv_many(&mut batch, BATCH) > 0 {
            self.commit(&mut batch);
            if self.remembers {
                self.forget();
            }
        }
    }

    fn commit(&mut self, batch: &mut Vec<Command>) {
        let answers = match self.together(batch) {
            Ok(answers) => answers,
            // One failure, such as a full disk, may take the whole transaction with it: each
            // command gets one of its own, so that it fails by itself.
            Err(_) if batch.len() > 1 => {
                let alone = batch.chunks_mut(1).map(|one| match self.together(one) {
                    Ok(mut answers) => answers.pop().unwrap_or_else(|| Err(ended(self.name))),
                    Err(error) => Err(error),
                });
                alone.collect()
            }
            Err(error) => vec![Err(error)],
        };
        (self.after)(&self.database);
        for (command, answer) in batch.drain(..).zip(answers) {
            let _caller_may_have_left = command.reply.send(answer);
        }
    }

    /// Runs commands in one transaction: either all have their answer and are on disk, or none ran.
    fn together(&self, commands: &mut [Command]) -> Result<Vec<Answer>, Error> {
        let now_us = self.data.now_us();
        let run = |commands: &mut [Command]| -> Result<Vec<Answer>, rusqlite::Error> {
            self.database.execute_batch("BEGIN IMMEDIATE")?;
            let answers =
                commands.iter_mut().map(|command| one(&self.database, self.name, command, now_us));
            let answers = answers.collect::<Result<_, _>>()?;
            self.database.execute_batch("COMMIT")?;
            Ok(answers)
        };
        let answers = run(commands).map_err(|error| {
            if !self.database.is_autocommit()
                && let Err(error) = self.database.execute_batch("ROLLBACK")
            {
                tracing::error!(%error, database = self.name, "roll back");
            }
            store_error(self.name, &error)
        })?;
        self.commits.fetch_add(1, Ordering::Relaxed);
        Ok(answers)
    }

    fn forget(&mut self) {
        let now_us = self.data.now_us();
        if now_us < self.forgot_us.saturating_add(FORGET_EVERY_US) {
            return;
        }
        self.forgot_us = now_us;
        let sql = "DELETE FROM operations WHERE rowid IN
            (SELECT rowid FROM operations WHERE at_us < ?1 ORDER BY at_us LIMIT ?2)";
        let before_us = now_us.saturating_sub(REMEMBERED_US);
        if let Err(error) = self.database.execute(sql, params![before_us, FORGET_MOST]) {
            tracing::warn!(%error, database = self.name, "forget old operations");
        }
    }
}

/// Runs one command in its own savepoint. An error is one of SQLite's: the transaction is in doubt.
fn one(
    database: &Connection,
    file: &str,
    command: &mut Command,
    now_us: i64,
) -> rusqlite::Result<Answer> {
    let Some((tenant, op)) = &command.op else {
        return in_savepoint(database, file, &mut command.work, now_us);
    };
    let (tenant, op) = (tenant.as_str(), op.to_string());
    if let Some((name, answer)) = recall(database, tenant, &op)? {
        return Ok(if name == command.name {
            answer
        } else {
            Err(Error::Conflict(format!("operation {op} was already used to {name}")))
        });
    }
    let answer = in_savepoint(database, file, &mut command.work, now_us)?;
    let (outcome, text) = match &answer {
        Ok(answer) => ("done", answer),
        Err(Error::NotFound { what }) => ("not_found", what),
        Err(Error::Conflict(reason)) => ("conflict", reason),
        Err(_) => return Ok(answer),
    };
    let sql = "INSERT INTO operations VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    database.prepare_cached(sql)?.execute(params![
        tenant,
        op,
        command.name,
        outcome,
        text,
        now_us
    ])?;
    Ok(answer)
}

fn in_savepoint(
    database: &Connection,
    name: &str,
    work: &mut Work,
    now_us: i64,
) -> rusqlite::Result<Answer> {
    database.prepare_cached("SAVEPOINT command")?.execute([])?;
    let answer = match work(database, now_us) {
        Ok(answer) => Ok(answer),
        Err(Failure::Refused(error)) => {
            database.prepare_cached("ROLLBACK TO command")?.execute([])?;
            Err(error)
        }
        Err(Failure::Unknown(what)) => {
            database.prepare_cached("ROLLBACK TO command")?.execute([])?;
            Err(Failure::Unknown(what).of(name))
        }
        Err(Failure::Sqlite(error)) => return Err(error),
    };
    database.prepare_cached("RELEASE command")?.execute([])?;
    Ok(answer)
}

fn recall(
    database: &Connection,
    tenant: &str,
    op: &str,
) -> rusqlite::Result<Option<(String, Answer)>> {
    let sql = "SELECT command, outcome, answer FROM operations WHERE tenant = ?1 AND id = ?2";
    let read = |row: &rusqlite::Row<'_>| {
        let (name, outcome, text): (_, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let answer = match outcome.as_str() {
            "done" => Ok(text),
            "not_found" => Err(Error::NotFound { what: text }),
            _ => Err(Error::Conflict(text)),
        };
        Ok((name, answer))
    };
    database.prepare_cached(sql)?.query_row([tenant, op], read).optional()
}

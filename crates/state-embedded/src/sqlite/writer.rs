//! The one thread that writes a database. It commits whatever is queued in one transaction, so
//! that many commands share one sync of the disk.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use mayfly_state_api::Error;
use mayfly_types::{OperationId, TenantName};
use rusqlite::{Connection, OptionalExtension, params};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::Kind;
use super::failure::{Failure, Step, store_error};
use super::gather::Gather;
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

/// A command that waits, with its room.
struct Queued {
    command: Command,
    _room: OwnedSemaphorePermit,
}

/// The writer's owner; dropping it waits until what is queued is done.
pub(crate) struct Writer {
    queue: Option<mpsc::Sender<Queued>>,
    room: Arc<Semaphore>,
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
        let (queue, commands) = mpsc::channel();
        let commits = Arc::new(AtomicU64::new(0));
        let name = kind.file;
        let remembers = kind.remembers;
        let commits_told = commits.clone();
        let mut state =
            State { database, data, name, remembers, after, commits: commits_told, forgot_us: 0 };
        let thread =
            thread::Builder::new().name(format!("mayfly-{}", name.trim_end_matches(".db")));
        let thread = thread.spawn(move || state.run(&commands))?;
        let room = Arc::new(Semaphore::new(QUEUE));
        Ok(Self { queue: Some(queue), room, thread: Some(thread), name, commits })
    }

    /// Queues a command; its reply comes after the commit.
    pub(crate) async fn submit(&self, command: Command) -> Result<(), Error> {
        let Some(queue) = &self.queue else { return Err(ended(self.name)) };
        let room = Arc::clone(&self.room).acquire_owned().await.map_err(|_| ended(self.name))?;
        queue.send(Queued { command, _room: room }).map_err(|_| ended(self.name))
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
    fn run(&mut self, commands: &mpsc::Receiver<Queued>) {
        let (mut batch, mut gather) = (Vec::with_capacity(BATCH), Gather::default());
        loop {
            if batch.is_empty() {
                let Ok(first) = commands.recv() else { return };
                batch.push(first);
            }
            batch.extend(commands.try_iter().take(BATCH - batch.len()));
            gather.fill(&mut batch, BATCH, |longest| commands.recv_timeout(longest).ok());
            let began = Instant::now();
            let answers = self.commit(&mut batch);
            // Who waits already comes with the next, beside those who are answered now.
            let next: Vec<_> = commands.try_iter().take(BATCH).collect();
            gather.committed(began.elapsed(), batch.len(), next.len());
            for (queued, answer) in std::mem::replace(&mut batch, next).into_iter().zip(answers) {
                let _caller_may_have_left = queued.command.reply.send(answer);
            }
            if self.remembers {
                self.forget();
            }
        }
    }

    fn commit(&mut self, batch: &mut [Queued]) -> Vec<Answer> {
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
        answers
    }

    /// Runs commands in one transaction: either all have their answer and are on disk, or none ran.
    fn together(&self, commands: &mut [Queued]) -> Result<Vec<Answer>, Error> {
        let done = match self.transaction(commands, Undo::Nothing) {
            Err(Stop::Refused) => self.transaction(commands, Undo::Each),
            other => other,
        };
        done.map_err(|stop| match stop {
            Stop::Failed(error) => store_error(self.name, &error),
            Stop::Refused => ended(self.name),
        })
    }

    fn transaction(&self, commands: &mut [Queued], undo: Undo) -> Result<Vec<Answer>, Stop> {
        let now_us = self.data.now_us();
        let run = |commands: &mut [Queued]| -> Result<Vec<Answer>, Stop> {
            self.database.execute_batch("BEGIN IMMEDIATE")?;
            let answers = commands
                .iter_mut()
                .map(|queued| one(&self.database, self.name, &mut queued.command, now_us, undo));
            let answers = answers.collect::<Result<_, _>>()?;
            self.database.execute_batch("COMMIT")?;
            Ok(answers)
        };
        let answers = run(commands).inspect_err(|_| {
            if !self.database.is_autocommit()
                && let Err(error) = self.database.execute_batch("ROLLBACK")
            {
                tracing::error!(%error, database = self.name, "roll back");
            }
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

/// What undoes a command that is refused in the midst of what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Undo {
    /// Nothing: the transaction is begun anew. A savepoint for each command costs as much as the command, and those
    /// that are refused have seldom changed anything.
    Nothing,
    /// Its own savepoint.
    Each,
}

/// Why a transaction is not committed.
enum Stop {
    /// A command that was refused has changed something.
    Refused,
    /// SQLite failed: it is in doubt.
    Failed(rusqlite::Error),
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        Self::Failed(error)
    }
}

/// Runs one command.
fn one(
    database: &Connection,
    file: &str,
    command: &mut Command,
    now_us: i64,
    undo: Undo,
) -> Result<Answer, Stop> {
    let Some((tenant, op)) = &command.op else {
        return by_itself(database, file, &mut command.work, now_us, undo);
    };
    let (tenant, op) = (tenant.as_str(), op.to_string());
    if let Some((name, answer)) = recall(database, tenant, &op)? {
        return Ok(if name == command.name {
            answer
        } else {
            Err(Error::Conflict(format!("operation {op} was already used to {name}")))
        });
    }
    let answer = by_itself(database, file, &mut command.work, now_us, undo)?;
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

/// Does a command's work, all of it or none.
fn by_itself(
    database: &Connection,
    name: &str,
    work: &mut Work,
    now_us: i64,
    undo: Undo,
) -> Result<Answer, Stop> {
    if undo == Undo::Each {
        database.prepare_cached("SAVEPOINT command")?.execute([])?;
    }
    let before = database.total_changes();
    let answer = match work(database, now_us) {
        Ok(answer) => Ok(answer),
        Err(Failure::Sqlite(error)) => return Err(error.into()),
        Err(refused) => {
            match undo {
                Undo::Each => {
                    database.prepare_cached("ROLLBACK TO command")?.execute([])?;
                }
                Undo::Nothing if database.total_changes() == before => {}
                Undo::Nothing => return Err(Stop::Refused),
            }
            Err(refused.of(name))
        }
    };
    if undo == Undo::Each {
        database.prepare_cached("RELEASE command")?.execute([])?;
    }
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

//! The ledger: a record of each attempt, in a journal of files, added up in a store.
//!
//! Records are written to mapped memory: that outlives the process, and costs no system call. A thread syncs
//! it each tenth of a second in which there was something, and a task adds what was synced to the sums.

mod reader;
mod record;
mod segment;
mod sync;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use async_trait::async_trait;
use mayfly_state_api::{Error, Ledger, LedgerEntry, Payer, Roll, UsageStore};
use mayfly_types::{ByteSize, InvocationId, Outcome};
use tokio::sync::Notify;

use self::reader::{Added, Reader};
use self::segment::{SIZE, Segment};
use crate::{DataDir, OpenError, files};

/// Records that wait in memory where the disk has no room for them; more are lost.
const WAITING: usize = 100_000;
/// Least time between two steps that add records up.
const ROLLED: Duration = Duration::from_secs(1);
/// How long to wait after the store failed.
const PAUSE: Duration = Duration::from_secs(5);

/// How much of the journal is kept once it was added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LedgerLimits {
    /// How long, after a file's last record.
    pub keep: Duration,
    /// Most bytes; the oldest go first.
    pub total: u64,
}

impl Default for LedgerLimits {
    fn default() -> Self {
        Self { keep: Duration::from_secs(7 * 24 * 3600), total: 1 << 30 }
    }
}

/// The ledger of one node. Dropping it waits until all that was appended is on disk.
pub struct Journal {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    task: Mutex<Option<tokio::task::JoinHandle<()>>>,
}

struct Shared {
    directory: PathBuf,
    limits: LedgerLimits,
    writer: Mutex<Writer>,
    /// Wakes the thread that syncs.
    wake: Condvar,
    /// Wakes the task that adds up.
    synced: Notify,
    store: Arc<dyn UsageStore>,
    source: String,
    reader: tokio::sync::Mutex<Option<Reader>>,
    // It keeps the directory locked.
    data: DataDir,
}

/// What is appended to.
struct Writer {
    segment: Option<Segment>,
    /// Where the next segment begins.
    next: u64,
    /// One that was made ahead, so that nobody waits for it.
    spare: Option<Segment>,
    /// Who has which number in the segment.
    names: HashMap<Payer, u32>,
    /// Segments that are full.
    full: Vec<Segment>,
    /// Whether a file has a name that may not be on disk.
    named: bool,
    /// Whether there is something to sync.
    dirty: bool,
    /// What there was no room for, and how many of these were lost.
    waiting: VecDeque<Waiting>,
    lost: u64,
    /// Up to where everything is on disk.
    synced: u64,
    closed: bool,
    /// Whose the last record was, and the number of that in the segment.
    last: Option<(Payer, u32)>,
}

/// A record that had no room.
struct Waiting {
    payer: Payer,
    invocation: InvocationId,
    attempt: u32,
    started_us: i64,
    memory: ByteSize,
    outcome: Outcome,
    before: Option<Outcome>,
}

impl Journal {
    /// Opens the ledger of a data directory, to be added up in `store` under the name of `source`. What an
    /// earlier process left is added up from there.
    ///
    /// # Errors
    /// See [`OpenError`].
    ///
    /// # Panics
    /// Outside of a runtime of tokio.
    pub async fn open(
        data: &DataDir,
        store: Arc<dyn UsageStore>,
        source: &str,
        limits: LedgerLimits,
    ) -> Result<Self, OpenError> {
        let directory = data.ledger();
        let rolled = store.rolled(source).await.map_err(|error| OpenError::Database {
            doing: "read the usage of",
            path: directory.clone(),
            reason: error.to_string(),
        })?;
        let next = tidy(&directory, rolled).map_err(OpenError::io("read", &directory))?;
        let shared = Arc::new(Shared {
            directory: directory.clone(),
            limits,
            writer: Mutex::new(Writer::new(next)),
            wake: Condvar::new(),
            synced: Notify::new(),
            store,
            source: source.to_owned(),
            reader: tokio::sync::Mutex::default(),
            data: data.clone(),
        });
        let syncing = Arc::clone(&shared);
        let thread = thread::Builder::new().name("mayfly-ledger".into());
        let thread = thread.spawn(move || syncing.run());
        let thread = thread.map_err(OpenError::io("start the writer of", &directory))?;
        let task = tokio::spawn(Arc::clone(&shared).add_up());
        let task = Mutex::new(Some(task));
        let journal = Self { shared, thread: Some(thread), task };
        // What an earlier process left is part of the sums before anybody reads them.
        if let Err(error) = journal.flush().await {
            journal.close().await;
            return Err(OpenError::Database {
                doing: "add up",
                path: directory,
                reason: error.to_string(),
            });
        }
        Ok(journal)
    }

    /// Adds no more up; returns when nothing of it holds on to the store.
    pub async fn close(&self) {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            task.abort();
            let _it_was_aborted = task.await;
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if let Some(task) = self.task.get_mut().unwrap_or_else(PoisonError::into_inner) {
            task.abort();
        }
        self.shared.writer().closed = true;
        self.shared.wake.notify_one();
        if let Some(thread) = self.thread.take() {
            let _its_panic_was_reported_by_itself = thread.join();
        }
    }
}

#[async_trait]
impl Ledger for Journal {
    fn append(&self, entry: &LedgerEntry<'_>) {
        let mut writer = self.shared.writer();
        writer.append(&self.shared.directory, entry);
        if !std::mem::replace(&mut writer.dirty, true) {
            drop(writer);
            self.shared.wake.notify_one();
        }
    }

    async fn flush(&self) -> Result<(), Error> {
        let shared = Arc::clone(&self.shared);
        let synced = tokio::task::spawn_blocking(move || shared.sync()).await;
        let synced = synced.map_err(|error| Error::Unavailable(format!("sync: {error}")))?;
        synced.map_err(|error| files::failed("write the ledger", &error))?;
        self.shared.roll().await
    }

    fn lost(&self) -> u64 {
        self.shared.writer().lost
    }
}

/// Cuts files that a process had no time to cut, removes empty ones, and says where the next begins.
fn tidy(directory: &Path, rolled: u64) -> io::Result<u64> {
    let mut next = rolled.next_multiple_of(SIZE);
    for start in segment::list(directory)? {
        let path = segment::path(directory, start);
        next = next.max(start + SIZE);
        if std::fs::metadata(&path)?.len() < SIZE {
            continue;
        }
        match reader::used(directory, start)? {
            used if used <= segment::FIRST as u64 => std::fs::remove_file(&path)?,
            used => {
                let file = std::fs::File::options().write(true).open(&path)?;
                file.set_len(used)?;
                file.sync_all()?;
            }
        }
    }
    Ok(next)
}

impl Writer {
    fn new(next: u64) -> Self {
        Self {
            segment: None,
            next,
            spare: None,
            names: HashMap::new(),
            full: Vec::new(),
            named: false,
            dirty: false,
            waiting: VecDeque::new(),
            lost: 0,
            synced: next,
            closed: false,
            last: None,
        }
    }

    /// The position after the last record.
    fn end(&self) -> u64 {
        self.segment.as_ref().map_or(self.next, Segment::end)
    }

    fn append(&mut self, directory: &Path, entry: &LedgerEntry<'_>) {
        if !self.waiting.is_empty() || self.write(directory, entry).is_err() {
            self.wait(entry);
        }
    }

    fn write(&mut self, directory: &Path, entry: &LedgerEntry<'_>) -> io::Result<()> {
        while !self.push(entry) {
            self.turn(directory)?;
        }
        Ok(())
    }

    /// Adds a record to the segment; answers whether there was one that had room.
    fn push(&mut self, entry: &LedgerEntry<'_>) -> bool {
        let Some(number) = self.number(entry) else { return false };
        let Some(segment) = &mut self.segment else { return false };
        segment.push(|into| record::attempt(into, number, entry))
    }

    /// The number of a function and a caller in the segment. A new one's names go before the record, if there is room.
    fn number(&mut self, entry: &LedgerEntry<'_>) -> Option<u32> {
        // Most records are of whoever had the one before.
        let caller = entry.caller.unwrap_or_default();
        if let Some((payer, number)) = &self.last
            && payer.function == *entry.function
            && payer.app == *entry.app
            && payer.caller == caller
        {
            return Some(*number);
        }
        let (app, function) = (entry.app.clone(), entry.function.clone());
        let payer = Payer { app, function, caller: caller.to_owned() };
        let number = match self.names.get(&payer) {
            Some(number) => *number,
            None => {
                let number = self.names.len() as u32;
                let segment = self.segment.as_mut()?;
                segment.push(|into| record::names(into, number, &payer)).then_some(())?;
                self.names.insert(payer.clone(), number);
                number
            }
        };
        self.last = Some((payer, number));
        Some(number)
    }

    /// Begins another segment.
    fn turn(&mut self, directory: &Path) -> io::Result<()> {
        // Names of the one before are not in the next.
        self.names.clear();
        self.last = None;
        let segment = match self.spare.take() {
            Some(spare) => spare,
            None => Segment::create(directory, self.reserve())?,
        };
        self.named = true;
        self.full.extend(self.segment.replace(segment));
        Ok(())
    }

    /// Where another segment begins. Nobody else gets the same: a file has one owner.
    fn reserve(&mut self) -> u64 {
        let start = self.next;
        self.next += SIZE;
        start
    }

    /// Keeps a record until there is room for it.
    fn wait(&mut self, entry: &LedgerEntry<'_>) {
        if self.waiting.len() >= WAITING {
            self.lost += 1;
            return;
        }
        self.waiting.push_back(Waiting {
            payer: Payer {
                app: entry.app.clone(),
                function: entry.function.clone(),
                caller: entry.caller.unwrap_or_default().to_owned(),
            },
            invocation: entry.invocation,
            attempt: entry.attempt,
            started_us: entry.started_us,
            memory: entry.memory,
            outcome: entry.outcome.clone(),
            before: entry.before.cloned(),
        });
    }

    /// Writes records that had no room.
    fn write_waiting(&mut self, directory: &Path) -> io::Result<()> {
        while let Some(waiting) = self.waiting.pop_front() {
            let entry = LedgerEntry {
                invocation: waiting.invocation,
                attempt: waiting.attempt,
                app: &waiting.payer.app,
                function: &waiting.payer.function,
                caller: Some(&waiting.payer.caller),
                started_us: waiting.started_us,
                memory: waiting.memory,
                outcome: &waiting.outcome,
                before: waiting.before.as_ref(),
            };
            if let Err(error) = self.write(directory, &entry) {
                self.waiting.push_front(waiting);
                return Err(error);
            }
        }
        Ok(())
    }
}

impl Shared {
    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds up what was synced, for as long as it is not aborted.
    async fn add_up(self: Arc<Self>) {
        loop {
            self.synced.notified().await;
            let wait = match self.roll().await {
                Ok(()) => ROLLED,
                Err(error) => {
                    tracing::warn!(%error, "add up usage; it is tried again");
                    self.synced.notify_one();
                    PAUSE
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// Adds up all that was synced.
    async fn roll(self: &Arc<Self>) -> Result<(), Error> {
        let mut held = self.reader.lock().await;
        loop {
            let mut reader = match held.take() {
                Some(reader) => reader,
                None => Reader::new(&self.directory, self.store.rolled(&self.source).await?),
            };
            let (from, until) = (reader.at(), self.writer().synced);
            if from >= until {
                *held = Some(reader);
                break;
            }
            let read = tokio::task::spawn_blocking(move || (reader.add_up(until), reader)).await;
            let (added, reader) =
                read.map_err(|error| Error::Unavailable(format!("read the ledger: {error}")))?;
            let added = added.map_err(|error| files::failed("read the ledger", &error))?;
            if self.tell(from, reader.at(), added).await? == reader.at() {
                *held = Some(reader);
            }
        }
        let (shared, rolled) = (Arc::clone(self), held.as_ref().map_or(0, Reader::at));
        let forgotten = tokio::task::spawn_blocking(move || shared.forget(rolled)).await;
        if let Ok(Err(error)) = forgotten {
            tracing::warn!(%error, "forget old records of the ledger");
        }
        Ok(())
    }

    async fn tell(&self, from: u64, to: u64, added: Added) -> Result<u64, Error> {
        let sums = added.into_iter().map(|((minute_us, payer), sums)| (minute_us, payer, sums));
        self.store.roll(Roll { source: self.source.clone(), from, to, sums: sums.collect() }).await
    }
}

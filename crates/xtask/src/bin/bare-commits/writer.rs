//! One thread that commits whatever waits.

use std::path::Path;
use std::sync::mpsc;
use std::thread::JoinHandle;

use anyhow::Context as _;
use bytes::Bytes;
use rusqlite::{Connection, params};

/// Most rows in one transaction.
const BATCH: usize = 256;

/// A row, and what follows when it is on disk.
type Wanted = (Bytes, Box<dyn FnOnce() + Send>);

pub(crate) struct Writer {
    wanted: mpsc::Sender<Wanted>,
    thread: JoinHandle<anyhow::Result<()>>,
}

impl Writer {
    pub(crate) fn start(file: &Path) -> anyhow::Result<Self> {
        let database = Connection::open(file).context("open a database")?;
        database.pragma_update(None, "journal_mode", "wal")?;
        database.pragma_update(None, "synchronous", "full")?;
        database.execute_batch(
            "CREATE TABLE rows (id BLOB PRIMARY KEY, row BLOB NOT NULL) WITHOUT ROWID",
        )?;
        let (wanted, receive) = mpsc::channel();
        let thread = std::thread::spawn(move || write(&database, &receive));
        Ok(Self { wanted, thread })
    }

    /// Commits a row with the next batch.
    pub(crate) fn commit(&self, row: Bytes, done: impl FnOnce() + Send + 'static) {
        // If the writer has ended, whoever waits learns of it when `done` is dropped.
        let _ended = self.wanted.send((row, Box::new(done)));
    }

    pub(crate) fn end(self) -> anyhow::Result<()> {
        drop(self.wanted);
        self.thread.join().map_err(|_| anyhow::anyhow!("the writer panicked"))?
    }
}

fn write(database: &Connection, receive: &mpsc::Receiver<Wanted>) -> anyhow::Result<()> {
    let mut next = 0_u64;
    while let Ok(first) = receive.recv() {
        let mut batch = vec![first];
        batch.extend(receive.try_iter().take(BATCH - 1));
        database.execute_batch("BEGIN IMMEDIATE")?;
        for (row, _) in &batch {
            next += 1;
            let sql = "INSERT INTO rows VALUES (?1, ?2)";
            database.prepare_cached(sql)?.execute(params![next.to_be_bytes(), &row[..]])?;
        }
        database.execute_batch("COMMIT")?;
        batch.into_iter().for_each(|(_, done)| done());
    }
    Ok(())
}

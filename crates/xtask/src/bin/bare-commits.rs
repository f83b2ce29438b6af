//! The yardstick *sqlite*: callers that wait for a row each, and one thread that commits whatever waits.
//!
//! Arguments: the file, seconds, callers, bytes of a row. It prints commits of rows per second.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rusqlite::{Connection, params};

/// Most rows in one transaction.
const BATCH: usize = 256;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, seconds, callers, bytes] = &arguments[..] else {
        anyhow::bail!("give FILE SECONDS CALLERS BYTES");
    };
    let (seconds, callers): (u64, usize) = (seconds.parse()?, callers.parse()?);
    let row = vec![b'x'; bytes.parse()?];
    let database = Connection::open(file).context("open a database")?;
    database.pragma_update(None, "journal_mode", "wal")?;
    database.pragma_update(None, "synchronous", "full")?;
    database.execute_batch(
        "CREATE TABLE rows (id BLOB PRIMARY KEY, row BLOB NOT NULL) WITHOUT ROWID",
    )?;

    let (send, receive) = mpsc::channel::<(u64, mpsc::Sender<()>)>();
    let writer = thread::spawn(move || write(&database, &receive, &row));
    let (over, next) = (AtomicBool::new(false), AtomicU64::new(0));
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..callers {
            let (send, over, next) = (send.clone(), &over, &next);
            scope.spawn(move || {
                let (done, wait) = mpsc::channel();
                while !over.load(Ordering::Relaxed) {
                    let id = next.fetch_add(1, Ordering::Relaxed);
                    if send.send((id, done.clone())).is_err() || wait.recv().is_err() {
                        return;
                    }
                }
            });
        }
        thread::sleep(Duration::from_secs(seconds));
        over.store(true, Ordering::Relaxed);
    });
    let rate = next.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64();
    drop(send);
    writer.join().map_err(|_| anyhow::anyhow!("the writer panicked"))??;
    std::io::stdout().write_all(format!("{rate}\n").as_bytes())?;
    Ok(())
}

fn write(
    database: &Connection,
    receive: &mpsc::Receiver<(u64, mpsc::Sender<()>)>,
    row: &[u8],
) -> anyhow::Result<()> {
    while let Ok(first) = receive.recv() {
        let mut batch = vec![first];
        batch.extend(receive.try_iter().take(BATCH - 1));
        database.execute_batch("BEGIN IMMEDIATE")?;
        for (id, _) in &batch {
            let sql = "INSERT INTO rows VALUES (?1, ?2)";
            database.prepare_cached(sql)?.execute(params![id.to_be_bytes(), row])?;
        }
        database.execute_batch("COMMIT")?;
        for (_, done) in batch {
            let _its_caller_may_be_gone = done.send(());
        }
    }
    Ok(())
}

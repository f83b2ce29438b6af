//! The yardstick *sqlite*: callers that wait for a row each, and one thread that commits whatever waits.
//!
//! With a file, seconds, callers and the bytes of a row it prints commits of rows per second. With a file alone it is a
//! server: hyper on one thread, which answers 202 when the body of a request is a row on disk.

use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;

#[path = "../shared/ready.rs"]
mod ready;
mod server;
mod writer;

use writer::Writer;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [file] => server::run(Path::new(file)),
        [file, seconds, callers, bytes] => {
            let row = Bytes::from(vec![b'x'; bytes.parse()?]);
            callers_alone(Path::new(file), seconds.parse()?, callers.parse()?, &row)
        }
        _ => anyhow::bail!("give FILE, or FILE SECONDS CALLERS BYTES"),
    }
}

fn callers_alone(file: &Path, seconds: u64, callers: usize, row: &Bytes) -> anyhow::Result<()> {
    let writer = Writer::start(file)?;
    let (over, count) = (AtomicBool::new(false), AtomicU64::new(0));
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..callers {
            let (writer, over, count) = (&writer, &over, &count);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let (done, wait) = mpsc::channel();
                    writer.commit(row.clone(), move || {
                        let _its_caller_may_be_gone = done.send(());
                    });
                    if wait.recv().is_err() {
                        return;
                    }
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        thread::sleep(Duration::from_secs(seconds));
        over.store(true, Ordering::Relaxed);
    });
    let rate = count.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64();
    writer.end()?;
    std::io::stdout().write_all(format!("{rate}\n").as_bytes())?;
    Ok(())
}

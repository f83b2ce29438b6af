//! A load that asks at its own pace, whether it is answered or not: as many strangers do.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::{cores, stats};

/// Longest time until an answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// A connection that nobody used for so long may be closed by the server meanwhile.
const IDLE: Duration = Duration::from_secs(5);
/// How exact tokio's clock is, twice.
const TICK: Duration = Duration::from_millis(2);
/// Most bytes of an answer.
const LARGEST: usize = 64 << 10;

/// A request that is sent at its time.
#[derive(Debug, Clone)]
pub(super) struct Due {
    /// How long after the beginning.
    pub(super) at: Duration,
    /// The app that it is for.
    pub(super) app: Arc<str>,
    pub(super) path: String,
}

/// How a request was answered.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) app: Arc<str>,
    pub(super) path: String,
    pub(super) at: Duration,
    pub(super) status: u16,
    /// From when it was due to the last byte of its answer.
    pub(super) took: Duration,
    pub(super) body: String,
}

/// Requests at a steady rate for some time, each a little sooner or later than the last would say.
pub(super) fn steady(app: &str, rate: f64, length: Duration) -> Vec<Due> {
    let count = (rate * length.as_secs_f64()).max(1.0) as u32;
    let app: Arc<str> = app.into();
    let due = |n: u32| {
        // A golden ratio's multiples are spread evenly, and no two sources that use it keep in step for long.
        let shift = (f64::from(n) * 0.618_033_988_75).fract() - 0.5;
        let at = ((f64::from(n) + 0.5 + shift) / rate).max(0.0);
        Due { at: Duration::from_secs_f64(at), app: Arc::clone(&app), path: format!("/{n}") }
    };
    let mut all: Vec<Due> = (0..count).map(due).collect();
    all.sort_by_key(|due| due.at);
    all
}

/// Sends all of them to a server, from the load's core, and waits for their answers.
pub(super) fn send(address: SocketAddr, mut all: Vec<Due>) -> anyhow::Result<Vec<Told>> {
    all.sort_by_key(|due| due.at);
    let _pinned = cores::Pinned::to_load()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let idle = Arc::new(Idle::default());
        let (began, mut under_way, mut told) = (Instant::now(), JoinSet::new(), Vec::new());
        for due in all {
            at(began + due.at).await;
            let idle = Arc::clone(&idle);
            under_way.spawn(async move {
                let asked = tokio::time::timeout(PATIENCE, ask(address, &idle, &due));
                let (status, body) = asked.await.context("no answer came")??;
                let took = began.elapsed().saturating_sub(due.at);
                anyhow::Ok(Told { app: due.app, path: due.path, at: due.at, status, took, body })
            });
            while let Some(ended) = under_way.try_join_next() {
                told.push(ended??);
            }
        }
        while let Some(ended) = under_way.join_next().await {
            told.push(ended??);
        }
        Ok(told)
    })
}

/// Waits until then, to the microsecond: tokio's clock alone is up to a millisecond late, which is much for a short call.
async fn at(then: Instant) {
    if let Some(early) = then.checked_sub(TICK) {
        tokio::time::sleep_until(early.into()).await;
    }
    while Instant::now() < then {
        tokio::task::yield_now().await;
    }
}

/// Connections that nobody uses, and since when.
#[derive(Default)]
struct Idle(Mutex<Vec<(TcpStream, Instant)>>);

impl Idle {
    fn take(&self) -> Option<TcpStream> {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(_, since)| since.elapsed() < IDLE);
        idle.pop().map(|(stream, _)| stream)
    }

    fn put(&self, stream: TcpStream) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((stream, Instant::now()));
    }
}

/// Asks on a connection that nobody uses, or on a new one.
async fn ask(address: SocketAddr, idle: &Idle, due: &Due) -> anyhow::Result<(u16, String)> {
    let mut stream = match idle.take() {
        Some(stream) => stream,
        None => TcpStream::connect(address).await.context("connect")?,
    };
    stream.set_nodelay(true)?;
    let request = format!("GET {} HTTP/1.1\r\nhost: {}.localhost\r\n\r\n", due.path, due.app);
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::with_capacity(512);
    let head = loop {
        if let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        more(&mut stream, &mut answer).await?;
    };
    let text = String::from_utf8_lossy(&answer[..head]).to_ascii_lowercase();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.context("an answer has no length")?.trim().parse()?;
    while answer.len() < head + length {
        more(&mut stream, &mut answer).await?;
    }
    if !text.contains("connection: close") {
        idle.put(stream);
    }
    let body = String::from_utf8_lossy(&answer[head..]).into_owned();
    Ok((status.context("an answer has no status")?, body))
}

async fn more(stream: &mut TcpStream, answer: &mut Vec<u8>) -> anyhow::Result<()> {
    ensure!(answer.len() < LARGEST, "an answer is too large");
    let read = stream.read_buf(answer).await?;
    ensure!(read > 0, "the connection ends before its answer");
    Ok(())
}

/// The time within which so many of a hundred were answered, in milliseconds.
pub(super) fn percentile(told: &[&Told], parts: f64) -> f64 {
    let took: Vec<f64> = told.iter().map(|told| told.took.as_secs_f64() * 1e3).collect();
    stats::percentile(&took, parts)
}

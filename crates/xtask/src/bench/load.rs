//! The load: wrk with `bench/load.lua`.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use super::machine::LOAD_CORE;
use crate::shell::{self, root};

const CONNECTIONS: usize = 64;

/// What is looked at in answers.
#[derive(Clone, Copy)]
pub(super) enum Check {
    /// Their status.
    Counted,
    /// Also that each holds a value of one request.
    Checked,
    /// Also that the module's counter is 1.
    Fresh,
}

/// What a load saw.
pub(super) struct Sample {
    /// Requests per second.
    pub(super) rate: f64,
    /// Milliseconds.
    pub(super) p50: f64,
    /// Milliseconds.
    pub(super) p99: f64,
    /// How much of its core the load used, 1 being all: near 1 the server may do better.
    pub(super) load_core: f64,
}

#[derive(Deserialize)]
struct Summary {
    requests: u64,
    micros: u64,
    failed: u64,
    refused: u64,
    wrong: u64,
    stale: u64,
    p50: f64,
    p99: f64,
}

/// Loads an app for some seconds. Fails when an answer is not what it must be.
pub(super) fn load(
    address: SocketAddr,
    app: &str,
    seconds: u64,
    check: Check,
) -> anyhow::Result<Sample> {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let prefix = format!("r{}-{}", std::process::id(), RUNS.fetch_add(1, Ordering::Relaxed));
    let mode = match check {
        Check::Counted => "counted",
        Check::Checked => "checked",
        Check::Fresh => "fresh",
    };
    let used = children_ticks()?;
    let began = Instant::now();
    let output = shell::output(
        Command::new("taskset")
            .args(["--cpu-list", &LOAD_CORE.to_string(), "wrk", "--threads", "1", "--latency"])
            .args(["--connections", &CONNECTIONS.to_string()])
            .args(["--duration", &format!("{seconds}s"), "--timeout", "10s"])
            .arg("--script")
            .arg(root().join("bench/load.lua"))
            .args(["--header", &format!("Host: {app}.localhost")])
            .arg(format!("http://{address}"))
            .args(["--", &prefix, mode]),
    )?;
    let wall = began.elapsed().as_secs_f64();
    let load_core = (children_ticks()? - used) / TICKS_PER_SECOND / wall;

    let summary =
        output.lines().find(|line| line.starts_with('{')).context("read wrk's summary")?;
    let summary: Summary = serde_json::from_str(summary)?;
    ensure!(summary.requests > 0, "no answer in {seconds} s");
    ensure!(summary.refused == 0, "{} answers have a status of failure", summary.refused);
    ensure!(summary.failed == 0, "{} requests got no answer", summary.failed);
    ensure!(summary.wrong == 0, "{} answers are not those of their requests", summary.wrong);
    ensure!(summary.stale == 0, "{} answers come from a VM that is not fresh", summary.stale);
    Ok(Sample {
        rate: summary.requests as f64 / (summary.micros as f64 / 1e6),
        p50: summary.p50 / 1e3,
        p99: summary.p99 / 1e3,
        load_core,
    })
}

/// Linux counts so in /proc, whatever the kernel's own clock does.
const TICKS_PER_SECOND: f64 = 100.0;

/// Processor time of the children that have ended.
fn children_ticks() -> anyhow::Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat").context("read /proc/self/stat")?;
    // The program's name, which may hold spaces, ends with the last bracket; field 3 follows.
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    let times = fields.split(' ').skip(13).take(2).map(str::parse::<f64>);
    times.sum::<Result<f64, _>>().context("read times of /proc/self/stat")
}

//! The load: wrk with `bench/load.lua`.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use super::{Extent, Settings, cores};
use crate::shell::{self, root};

/// Connections of a load that asks for all that a server can do.
const CONNECTIONS: usize = 64;
/// Connections of a load whose answers alone count.
const FEW: usize = 8;
/// How long a connection of a moderate load rests before it asks again, in milliseconds, on average.
const REST: u64 = 10;

/// Keeps wrk from sleeping; made of `bench/awake.c`.
const AWAKE: &str = "awake.so";

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

/// What is loaded, and how.
#[derive(Clone, Copy)]
pub(super) struct Load<'a> {
    address: SocketAddr,
    app: &'a str,
    connections: usize,
    /// Milliseconds that a connection rests, on average.
    rest: u64,
    /// Seconds after which a request has no answer.
    patience: u64,
    post: Option<Post<'a>>,
}

/// What is sent, where it is not a `GET` with a value of its own.
#[derive(Clone, Copy)]
pub(super) struct Post<'a> {
    pub(super) path: &'a str,
    /// Of the bearer.
    pub(super) token: &'a str,
    /// JSON.
    pub(super) body: &'a str,
}

/// What a load saw.
pub(super) struct Sample {
    /// Answers.
    pub(super) requests: u64,
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

/// Compiles what keeps wrk awake.
pub(super) fn prepare(work: &Path) -> anyhow::Result<()> {
    shell::run(&mut library(&root().join("bench/awake.c"), &work.join(AWAKE)))
}

/// What compiles a library that is loaded in front of others.
pub(super) fn library(source: &Path, to: &Path) -> Command {
    let mut cc = Command::new("cc");
    cc.args(["-O2", "-shared", "-fPIC", "-o"]).arg(to).arg(source);
    cc
}

impl<'a> Load<'a> {
    /// As much as an app of the server can answer.
    pub(super) fn new(settings: &Settings, address: SocketAddr, app: &'a str) -> Self {
        // A development build on a machine that does something else besides takes its time.
        let (connections, patience) = match settings.extent {
            Extent::Whole => (CONNECTIONS, 10),
            Extent::Smoke => (FEW, 120),
        };
        Self { address, app, connections, rest: 0, patience, post: None }
    }

    /// The same, but each connection rests between two requests, so that a core is not fully used.
    pub(super) fn moderate(self) -> Self {
        Self { rest: REST, ..self }
    }

    /// The same, but each request sends this.
    pub(super) fn sending(self, post: Post<'a>) -> Self {
        Self { post: Some(post), ..self }
    }

    /// Loads for some seconds. Fails when an answer is not what it must be.
    pub(super) fn run(self, seconds: u64, check: Check) -> anyhow::Result<Sample> {
        static RUNS: AtomicU64 = AtomicU64::new(0);
        let prefix = format!("r{}-{}", std::process::id(), RUNS.fetch_add(1, Ordering::Relaxed));
        let mode = match check {
            Check::Counted => "counted",
            Check::Checked => "checked",
            Check::Fresh => "fresh",
        };
        let began = Instant::now();
        let mut wrk = Command::new("taskset");
        wrk.env("LD_PRELOAD", root().join("target/bench").join(AWAKE).canonicalize()?)
            .args(["--cpu-list", &cores::load().to_string()])
            .args(["wrk", "--threads", "1", "--latency"])
            .args(["--connections", &self.connections.to_string()])
            .args(["--duration", &format!("{seconds}s")])
            .args(["--timeout", &format!("{}s", self.patience)])
            .arg("--script")
            .arg(root().join("bench/load.lua"))
            .args(["--header", &format!("Host: {}.localhost", self.app)]);
        if let Some(Post { token, .. }) = self.post {
            wrk.args(["--header", "Content-Type: application/json"]);
            wrk.args(["--header", &format!("Authorization: Bearer {token}")]);
        }
        wrk.arg(format!("http://{}", self.address));
        wrk.args(["--", &prefix, mode, &self.rest.to_string()]);
        if let Some(Post { path, body, .. }) = self.post {
            wrk.args([path, body]);
        }
        let output = both(&mut wrk)?;
        let wall = began.elapsed().as_secs_f64();
        let idle =
            output.lines().filter_map(|line| line.strip_prefix("idle ")?.parse::<f64>().ok());
        let load_core = 1.0 - idle.fold(0.0, f64::max) / wall;

        let summary =
            output.lines().find(|line| line.starts_with('{')).context("read wrk's summary")?;
        let summary: Summary = serde_json::from_str(summary)?;
        ensure!(summary.requests > 0, "no answer in {seconds} s");
        ensure!(summary.refused == 0, "{} answers have a status of failure", summary.refused);
        ensure!(summary.failed == 0, "{} requests got no answer", summary.failed);
        ensure!(summary.wrong == 0, "{} answers are not those of their requests", summary.wrong);
        ensure!(summary.stale == 0, "{} answers come from a VM that is not fresh", summary.stale);
        Ok(Sample {
            requests: summary.requests,
            rate: summary.requests as f64 / (summary.micros as f64 / 1e6),
            p50: summary.p50 / 1e3,
            p99: summary.p99 / 1e3,
            load_core,
        })
    }
}

/// What a program writes to its output and its errors.
fn both(command: &mut Command) -> anyhow::Result<String> {
    let output = command.stdin(Stdio::null()).output().context("start wrk")?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let all = text(&output.stdout) + &text(&output.stderr);
    ensure!(output.status.success(), "wrk ends with {}: {all}", output.status);
    Ok(all)
}

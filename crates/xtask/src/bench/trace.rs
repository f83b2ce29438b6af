//! `trace`: many functions that are called as those of a public cloud are: few often, most seldom, for very different times.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;

use super::memory_use::MemoryUse;
use super::node::Node;
use super::open::{self, Due, Told};
use super::report::{Goal, Report};
use super::{Bench, Settings, stats};

pub(super) const BENCH: Bench =
    Bench { name: "trace", title: "Functions that are called as those of a public cloud are", run };

/// Time is this much shorter than in the cloud: durations, pauses and how long processes are kept.
const SHORTER: f64 = 20.0;
/// How long processes wait for a call, as in the cloud: ours and the yardstick, in seconds.
const OURS: f64 = 60.0;
const FIXED: f64 = 600.0;
/// How long functions run: the logarithm of seconds has this mean and deviation (Azure, 2019: "Serverless in the Wild",
/// section 3.5), but none runs longer than the most.
const MEAN: f64 = -0.38;
const DEVIATION: f64 = 2.36;
const MOST: f64 = 60.0;
const FUNCTIONS: usize = 60;
/// How many run at once on average, and how many may.
const RUNNING: f64 = 16.0;
const PLACES: u32 = 32;
/// The most that the slowest of a hundred may be slowed down.
const SLOWED: f64 = 1.2;

/// Waits for as long as it is told, as functions that call others do, and computes a little.
const SOURCE: &str = "import time\n\ndef handler(event, context):\n    time.sleep(float(event['rawPath'].split('/')[1]))\n    \
                      return 'slept'\n";

fn run(settings: &Settings) -> anyhow::Result<Report> {
    let mut report = Report::new(settings);
    let functions = settings.amount(FUNCTIONS, 3);
    let length = Duration::from_secs(settings.seconds * settings.amount(15, 1));
    let calls = calls(functions, length, settings.amount(RUNNING, 1.0));
    let mut results = Vec::new();
    for (name, keep) in [("ours", OURS), ("fixed", FIXED)] {
        let replayed = replay(settings, name, keep / SHORTER, functions, &calls, length)?;
        println!(
            "    {name}: {} calls, slowdown p50 {:.2}, p99 {:.2}; {} refused; {:.0} MB s",
            replayed.slowdowns.len(),
            stats::percentile(&replayed.slowdowns, 50.0),
            stats::percentile(&replayed.slowdowns, 99.0),
            replayed.refused,
            replayed.memory
        );
        results.push(replayed);
    }
    let [ours, fixed] = &results[..] else { unreachable!("there are two") };
    let slowed = stats::percentile(&ours.slowdowns, 99.0);
    report.finding("slowdown, p99", Some(slowed), "x", Some(Goal::AtMost(SLOWED)));
    report.finding("refused", Some(ours.refused as f64), "calls", Some(Goal::AtMost(0.0)));
    let memory = ours.memory / fixed.memory;
    report.finding("memory seconds, ours / kept for ten minutes", Some(memory), "x", None);
    for (name, of) in [("ours", ours), ("kept for ten minutes", fixed)] {
        for parts in [50.0, 90.0, 99.0] {
            let value = stats::percentile(&of.slowdowns, parts);
            report.samples(format!("{name}, slowdown, p{parts}"), "x", vec![value]);
        }
        report.samples(format!("{name}, memory"), "MB s", vec![of.memory]);
    }
    report.note(format!(
        "{functions} `python` functions of one process each call, {} calls in {} s: a stand-in for the traces of Azure \
         Functions, which cannot be had here, by their published distributions. Durations are log-normal, calls follow a \
         power law, and all time is {SHORTER} times shorter, so that a minute here is {SHORTER} minutes there: {OURS} s and {FIXED} s \
         of keeping a process are {} s and {} s. Functions wait for most of their time; {RUNNING} run at once on average, \
         where {PLACES} may. Slowdown is the time of an answer over that of the same call to a process that is there on a node \
         that does nothing else. Memory is that of the node and its sandboxes above an idle node's.",
        calls.len(),
        length.as_secs(),
        OURS / SHORTER,
        FIXED / SHORTER,
    ));
    Ok(report)
}

/// One call: which function, when, and for how long it runs.
struct Call {
    function: usize,
    at: Duration,
    runs: f64,
}

struct Replayed {
    slowdowns: Vec<f64>,
    refused: usize,
    /// Megabytes times seconds.
    memory: f64,
}

fn replay(
    settings: &Settings,
    name: &str,
    keep: f64,
    functions: usize,
    calls: &[Call],
    length: Duration,
) -> anyhow::Result<Replayed> {
    let config = settings.work.join(format!("trace-{name}.toml"));
    let text = format!(
        "[limits]\nkeep_alive = \"{}ms\"\nnode_concurrency = {PLACES}\n",
        (keep * 1e3) as u64
    );
    std::fs::write(&config, text)?;
    let mut node = Node::start(settings, &["--config", &config.display().to_string()])?;
    let code = node.scratch()?;
    std::fs::write(code.path().join("app.py"), SOURCE)?;
    for i in 0..functions {
        node.deploy_path(&app(i), code.path(), "handler = \"app.handler\"")?;
    }
    // What a call takes besides, where its process is there.
    let mut client = node.client(&app(0));
    let mut besides = Vec::new();
    for _ in 0..settings.amount(50, 3) {
        let began = Instant::now();
        ensure!(client.get("/0")?.status == 200, "a call fails");
        besides.push(began.elapsed().as_secs_f64());
    }
    let besides = stats::median(&besides);
    drop(client);
    thread::sleep(
        Duration::from_secs_f64(keep) + settings.amount(Duration::from_secs(2), Duration::ZERO),
    );

    let idle = MemoryUse::of(node.pid())?.total;
    let over = Arc::new(AtomicBool::new(false));
    let watching = thread::spawn({
        let (over, pid) = (Arc::clone(&over), node.pid());
        move || {
            let (mut sum, mut last) = (0.0, Instant::now());
            while !over.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(500));
                // One that ends while it is looked at is not counted.
                let used = MemoryUse::of(pid).map_or(0.0, |used| (used.total - idle).max(0.0));
                sum += used * last.elapsed().as_secs_f64();
                last = Instant::now();
            }
            sum
        }
    });
    let due = |call: &Call| Due {
        at: call.at,
        app: app(call.function).into(),
        path: format!("/{:.4}", call.runs),
    };
    let told = open::send(node.address(), calls.iter().map(due).collect());
    // What is kept after the last call counts as well.
    thread::sleep(settings.amount(Duration::from_secs_f64(keep).min(length), Duration::ZERO));
    over.store(true, Ordering::Relaxed);
    let memory = watching.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?;
    let told = told?;
    let wrong = told.iter().find(|told| !matches!(told.status, 200 | 429 | 503));
    ensure!(wrong.is_none(), "a call is answered {wrong:?}");
    let slowdown = |told: &Told| {
        let runs: f64 = told.path.trim_start_matches('/').parse().unwrap_or(0.0);
        told.took.as_secs_f64() / (runs + besides)
    };
    let good = told.iter().filter(|told| told.status == 200);
    let slowdowns: Vec<f64> = good.map(slowdown).collect();
    Ok(Replayed { refused: told.len() - slowdowns.len(), slowdowns, memory })
}

fn app(number: usize) -> String {
    format!("f{number}")
}

/// Calls of so many functions for some time, of which so many run at once on average. The same each time.
fn calls(functions: usize, length: Duration, running: f64) -> Vec<Call> {
    let mut random = Random(0x5eed);
    let mut all = Vec::new();
    // Each function has its own usual time, and its calls differ from it by less.
    let usual: Vec<f64> = (0..functions).map(|_| MEAN + DEVIATION * random.normal()).collect();
    let runs =
        |usual: f64, random: &mut Random| (usual + 0.3 * random.normal()).exp().min(MOST) / SHORTER;
    let weights: Vec<f64> = (1..=functions).map(|rank| 1.0 / (rank as f64).powf(1.5)).collect();
    let mean = |i: usize| usual[i].exp().min(MOST) / SHORTER;
    let load: f64 = (0..functions).map(|i| weights[i] * mean(i)).sum();
    for i in 0..functions {
        let rate = weights[i] * running / load;
        let mut at = 0.0;
        loop {
            at += random.exponential() / rate;
            if at >= length.as_secs_f64() {
                break;
            }
            let runs = runs(usual[i], &mut random);
            all.push(Call { function: i, at: Duration::from_secs_f64(at), runs });
        }
    }
    all
}

/// Numbers that are the same each time (SplitMix64).
struct Random(u64);

impl Random {
    /// From 0 to 1, without either.
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((z ^ (z >> 31)) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    fn exponential(&mut self) -> f64 {
        -self.unit().ln()
    }

    /// By Box and Muller.
    fn normal(&mut self) -> f64 {
        (-2.0 * self.unit().ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }
}

//! `trace`: many functions that are called as those of a public cloud are: few often, most seldom, for very different times.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;

use super::memory_use::MemoryUse;
use super::node::Node;
use super::open::{self, Due, Told};
use super::report::{Goal, Report};
use super::{Bench, Settings, cores, stats};

pub(super) const BENCH: Bench =
    Bench { name: "trace", title: "Functions that are called as those of a public cloud are", run };

/// How long processes wait for a call: by themselves and the yardstick, in seconds.
const OURS: u64 = 60;
const FIXED: u64 = 600;
/// How long functions run: the logarithm of seconds has this mean and deviation (Azure, 2019: "Serverless in the Wild",
/// section 3.5), but none runs longer than the most.
const MEAN: f64 = -0.38;
const DEVIATION: f64 = 2.36;
const MOST: f64 = 30.0;
const FUNCTIONS: usize = 200;
/// How many run at once on average, and how many may.
const RUNNING: f64 = 64.0;
const PLACES: u32 = 128;
/// Until as many run as on average; what begins in it is not counted.
const FILLED: Duration = Duration::from_secs(40);
/// The most that the slowest of a hundred may be slowed down.
const SLOWED: f64 = 1.2;
/// What runs for less, in seconds, is called again to know how long it takes alone.
const SHORT: f64 = 0.1;
/// Debian's interpreter, where it is: others may load more than the function's own code.
const PYTHON: &str = "/usr/bin/python3";

/// Functions that wait for as long as they are told, as those do that call others.
const OF_PYTHON: &str = "import time\n\ndef handler(event, context):\n    time.sleep(float(event['rawPath'].split('/')[1]))\n    \
                         return 'slept'\n";
const OF_JS: &str = "export default {\n  async fetch(request) {\n    const seconds = Number(new URL(request.url).pathname.slice(1));\n    \
                     await new Promise((done) => setTimeout(done, seconds * 1000));\n    return new Response('slept');\n  },\n};\n";

fn run(settings: &Settings) -> anyhow::Result<Report> {
    let mut report = Report::new(settings);
    let functions = settings.amount(FUNCTIONS, 3);
    let filled = settings.amount(FILLED, Duration::ZERO);
    let length = filled + Duration::from_secs(settings.seconds * settings.amount(30, 1));
    let calls = calls(functions, length, settings.amount(RUNNING, 1.0));
    let python =
        |name, keep| Side { name, file: "app.py", source: OF_PYTHON, handler: "handler", keep };
    let sides = [
        Side { name: "js", file: "app.js", source: OF_JS, handler: "default", keep: OURS },
        python("python", OURS),
        python("python, kept for ten minutes", FIXED),
    ];
    let mut results = Vec::new();
    for side in &sides {
        let replayed = replay(settings, side, functions, &calls, filled)?;
        println!(
            "    {}: {} calls, slowdown p50 {:.2}, p99 {:.2}; {} refused; {:.0} MB s",
            side.name,
            replayed.slowdowns.len(),
            stats::percentile(&replayed.slowdowns, 50.0),
            stats::percentile(&replayed.slowdowns, 99.0),
            replayed.refused,
            replayed.memory
        );
        results.push(replayed);
    }
    let fixed = results[2].memory;
    for (side, of) in sides.iter().zip(&results) {
        let goal = |goal| (side.keep != FIXED).then_some(Goal::AtMost(goal));
        let slowed = stats::percentile(&of.slowdowns, 99.0);
        report.finding(format!("slowdown, p99, {}", side.name), Some(slowed), "x", goal(SLOWED));
        let refused = Some(of.refused as f64);
        report.finding(format!("refused, {}", side.name), refused, "calls", goal(0.0));
        for parts in [50.0, 90.0, 99.0] {
            let value = stats::percentile(&of.slowdowns, parts);
            report.samples(format!("{}, slowdown, p{parts}", side.name), "x", vec![value]);
        }
        report.samples(format!("{}, memory", side.name), "MB s", vec![of.memory]);
    }
    for (side, of) in sides.iter().zip(&results).take(2) {
        let what = format!("memory seconds, {} / python kept for ten minutes", side.name);
        report.finding(what, Some(of.memory / fixed), "x", None);
    }
    report.note(format!(
        "{functions} functions, {} calls in {} s: a stand-in for the traces of Azure Functions, which cannot be had here, by \
         their published distributions: durations are log-normal, calls follow a power law. Functions wait for most of their \
         time; {RUNNING} run at once on average, where {PLACES} may. `js` has a fresh VM for each call, `python` a process, \
         which is kept for {OURS} s after its last call, or for {FIXED} s. Slowdown is the time of an answer over that of the \
         same call to a function that is warm on a node that does nothing else; calls of the first {} s are not counted. \
         Memory is the anonymous memory of the node and its sandboxes above an idle node's (by `statm`, for to read more \
         would hold up what is measured), until {OURS} s after the last call: what is kept for longer would still cost.",
        calls.len(),
        length.as_secs(),
        filled.as_secs(),
    ));
    Ok(report)
}

/// What calls are replayed on.
struct Side {
    name: &'static str,
    file: &'static str,
    source: &'static str,
    handler: &'static str,
    /// How long a process is kept, in seconds.
    keep: u64,
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
    side: &Side,
    functions: usize,
    calls: &[Call],
    filled: Duration,
) -> anyhow::Result<Replayed> {
    let config = settings.work.join("trace.toml");
    let mut text = format!(
        "[limits]\nkeep_alive = \"{}s\"\nnode_concurrency = {PLACES}\nfunction_concurrency = {PLACES}\n",
        side.keep
    );
    if Path::new(PYTHON).exists() {
        text += &format!("[runtimes]\npython = \"{PYTHON}\"\n");
    }
    std::fs::write(&config, text)?;
    let mut node = Node::start(settings, &["--config", &config.display().to_string()])?;
    let code = node.scratch()?;
    let file = code.path().join(side.file);
    std::fs::write(&file, side.source)?;
    let lines = format!("timeout = \"60s\"\nhandler = \"app.{}\"", side.handler);
    for i in 0..functions {
        node.deploy_path(&app(i), &file, &lines)?;
    }
    let idle = MemoryUse::anonymous(node.pid());
    let over = Arc::new(AtomicBool::new(false));
    let watching = thread::spawn({
        let (over, pid) = (Arc::clone(&over), node.pid());
        move || {
            let _pinned = cores::Pinned::to_load();
            let (mut sum, mut last) = (0.0, Instant::now());
            while !over.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_secs(1));
                let used = (MemoryUse::anonymous(pid) - idle).max(0.0);
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
    thread::sleep(settings.amount(Duration::from_secs(OURS), Duration::ZERO));
    over.store(true, Ordering::Relaxed);
    let memory = watching.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?;
    let told = told?;
    let wrong = told.iter().find(|told| !matches!(told.status, 200 | 429 | 503));
    ensure!(wrong.is_none(), "a call is answered {wrong:?}");
    let counted: Vec<&Told> = told.iter().filter(|told| told.at >= filled).collect();
    let good: Vec<&Told> = counted.iter().copied().filter(|told| told.status == 200).collect();
    let slowdowns = slowdowns(settings, &node, &good)?;
    Ok(Replayed { refused: counted.len() - slowdowns.len(), slowdowns, memory })
}

/// How much longer each took than the same call to a warm function, when the node does nothing else.
fn slowdowns(settings: &Settings, node: &Node, good: &[&Told]) -> anyhow::Result<Vec<f64>> {
    let _pinned = cores::Pinned::to_load()?;
    let mut client = node.client(&app(0));
    let mut alone = |path: &str| -> anyhow::Result<f64> {
        let began = Instant::now();
        ensure!(client.get(path)?.status == 200, "a call fails");
        Ok(began.elapsed().as_secs_f64())
    };
    let mut at_once: Vec<f64> = Vec::new();
    for _ in 0..settings.amount(50, 3) {
        at_once.push(alone("/0")?);
    }
    let besides = stats::median(&at_once[at_once.len() / 2..]);
    let mut slowdowns = Vec::new();
    for told in good {
        let runs: f64 = told.path.trim_start_matches('/').parse().unwrap_or(0.0);
        let usual = if runs < SHORT {
            let thrice = [alone(&told.path)?, alone(&told.path)?, alone(&told.path)?];
            stats::median(&thrice)
        } else {
            runs + besides
        };
        slowdowns.push(told.took.as_secs_f64() / usual);
    }
    Ok(slowdowns)
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
    let runs = |usual: f64, random: &mut Random| (usual + 0.3 * random.normal()).exp().min(MOST);
    let weights: Vec<f64> = (1..=functions).map(|rank| 1.0 / (rank as f64).powf(1.5)).collect();
    let mean = |i: usize| usual[i].exp().min(MOST);
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

//! `js-first`: the first answer of a function that has never run.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;

use super::cores::{Busy, Pinned};
use super::http::Client;
use super::node::{Code, Node};
use super::report::{Goal, Report};
use super::{Bench, Settings, stats};

pub(super) const BENCH: Bench =
    Bench { name: "js-first", title: "First answer of a `js` function that has never run", run };

const FUNCTIONS: usize = 200;
/// How many warm answers each function gives after its first.
const WARM: usize = 3;
/// After its very first answer a node goes on for a moment with what it does once in its life.
const SETTLE: Duration = Duration::from_secs(1);

/// Apps that were just deployed and not called yet.
pub(super) struct Uncalled {
    pub(super) node: Node,
    /// Their names are `app(0)` and so on.
    pub(super) count: usize,
    /// How often the node is begun anew, after which nothing of any function is in its process.
    pub(super) restarts: usize,
    /// What each must answer.
    pub(super) answer: fn(usize) -> String,
}

/// Times of answers, in milliseconds.
#[derive(Default)]
struct Times {
    /// The first of all functions together, in which the node sets up the runtime.
    very_first: Vec<f64>,
    first: Vec<f64>,
    warm: Vec<f64>,
}

fn run(settings: &Settings) -> anyhow::Result<Report> {
    let mut report = Report::new(settings);
    // One is the node's very first, and at least one comes after it.
    let count = FUNCTIONS.min(settings.functions).max(2);
    let mut node = Node::start(settings, &[])?;
    for index in 0..count {
        node.deploy(&app(index), &[code(index)])?;
    }
    let answer = |index| format!("function {index}, answer 1\n");
    Uncalled { node, count, restarts: 1, answer }.measure(settings, &mut report)?;
    Ok(report)
}

/// The name of an app.
pub(super) fn app(index: usize) -> String {
    format!("first-{index}")
}

impl Uncalled {
    /// Calls them for the first time, once after their deployment and once after each restart.
    pub(super) fn measure(self, settings: &Settings, report: &mut Report) -> anyhow::Result<()> {
        let Self { mut node, count, restarts, answer } = self;
        let _busy = Busy::start()?;
        let mut deployed = Times::default();
        call(&node, count, answer, &mut deployed)?;
        let mut restarted = Times::default();
        for _ in 0..restarts {
            node = node.restart(settings)?;
            call(&node, count, answer, &mut restarted)?;
        }
        for (when, times) in [("after its deployment", deployed), ("after a restart", restarted)] {
            let (first, p99) = (stats::median(&times.first), stats::percentile(&times.first, 99.0));
            let above = first - stats::median(&times.warm);
            let limit = Some(Goal::AtMost(2.0));
            report.finding(format!("first {when}, above a warm one"), Some(above), "ms", limit);
            let limit = Some(Goal::AtMost(3.0));
            report.finding(format!("first {when}, p99 / p50"), Some(p99 / first), "x", limit);
            report.finding(format!("first {when}, p99"), Some(p99), "ms", None);
            let very_first = stats::median(&times.very_first);
            let what = format!("the node's very first {when}");
            report.finding(what.clone(), Some(very_first), "ms", None);
            report.samples(what, "ms", times.very_first);
            report.samples(format!("first {when}"), "ms", times.first);
            report.samples(format!("warm, {when}"), "ms", times.warm);
        }
        report.note(format!(
            "{count} distinct functions, one request at a time over one connection; a program that \
             never rests shares the client's core. The very first answer of a node, as soon as it says \
             that it is ready, is for itself; the others begin {} s later.",
            SETTLE.as_secs()
        ));
        Ok(())
    }
}

fn call(
    node: &Node,
    count: usize,
    answer: fn(usize) -> String,
    times: &mut Times,
) -> anyhow::Result<()> {
    let _pinned = Pinned::to_load()?;
    let mut client = Client::new(node.address(), &[]);
    // Opens the connection, which is no part of an answer.
    client.send("GET", "/", "host: nobody.localhost\r\n", b"")?;
    times.very_first.push(timed(&mut client, 0, answer)?);
    thread::sleep(SETTLE);
    for index in 1..count {
        times.first.push(timed(&mut client, index, answer)?);
        for _ in 0..WARM {
            times.warm.push(timed(&mut client, index, answer)?);
        }
    }
    Ok(())
}

fn timed(client: &mut Client, index: usize, answer: fn(usize) -> String) -> anyhow::Result<f64> {
    let host = format!("host: {}.localhost\r\n", app(index));
    let began = Instant::now();
    let given = client.send("GET", "/x", &host, b"")?;
    let time = began.elapsed().as_secs_f64() * 1e3;
    ensure!(given.status == 200, "it answers {}: {}", given.status, given.text());
    ensure!(given.text() == answer(index), "it is another function's: {}", given.text());
    Ok(time)
}

fn code(index: usize) -> Code {
    let source = format!(
        "let answers = 0;\n\
         export default {{\n  fetch() {{\n    answers += 1;\n    \
         return new Response(`function {index}, answer ${{answers}}\\n`);\n  }},\n}};\n"
    );
    Code { name: "f".into(), source }
}

//! `js-first`: the first answer of a function that has never run.

use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::ensure;
use rustix::thread::{CpuSet, sched_setaffinity};

use super::http::Client;
use super::machine::LOAD_CORE;
use super::node::{Code, Node};
use super::report::{Goal, Report};
use super::{Bench, Settings, stats};

pub(super) const BENCH: Bench =
    Bench { name: "js-first", title: "First answer of a `js` function that has never run", run };

const FUNCTIONS: usize = 200;
/// How many warm answers each function gives after its first.
const WARM: usize = 3;

/// Times of answers, in milliseconds.
#[derive(Default)]
struct Times {
    first: Vec<f64>,
    warm: Vec<f64>,
}

fn run(settings: &Settings) -> anyhow::Result<Report> {
    let mut report = Report::new(settings);
    let count = FUNCTIONS.min(settings.functions);
    let mut node = Node::start(settings, &[])?;
    for index in 0..count {
        node.deploy(&app(index), &[code(index)])?;
    }
    let _busy = Busy::start()?;
    let deployed = measure(&node, count)?;
    // Now nothing of any function is in the process either.
    let node = node.restart(settings)?;
    let restarted = measure(&node, count)?;

    for (when, times) in [("after its deployment", deployed), ("after a restart", restarted)] {
        let (first, p99) = (stats::median(&times.first), stats::percentile(&times.first, 99.0));
        let above = first - stats::median(&times.warm);
        let limit = Some(Goal::AtMost(2.0));
        report.finding(format!("first {when}, above a warm one"), Some(above), "ms", limit);
        let limit = Some(Goal::AtMost(3.0));
        report.finding(format!("first {when}, p99 / p50"), Some(p99 / first), "x", limit);
        report.finding(format!("first {when}, p99"), Some(p99), "ms", None);
        report.samples(format!("first {when}"), "ms", times.first);
        report.samples(format!("warm, {when}"), "ms", times.warm);
    }
    report.note(format!(
        "{count} distinct functions, one request at a time over one connection; a program that \
         never rests shares the client's core."
    ));
    Ok(report)
}

fn measure(node: &Node, count: usize) -> anyhow::Result<Times> {
    pin_to_load_core()?;
    let mut times = Times::default();
    let mut client = Client::new(node.address(), &[]);
    // Opens the connection, which is no part of an answer.
    client.send("GET", "/", "host: nobody.localhost\r\n", b"")?;
    for index in 0..count {
        times.first.push(timed(&mut client, index)?);
        for _ in 0..WARM {
            times.warm.push(timed(&mut client, index)?);
        }
    }
    Ok(times)
}

fn timed(client: &mut Client, index: usize) -> anyhow::Result<f64> {
    let host = format!("host: {}.localhost\r\n", app(index));
    let began = Instant::now();
    let answer = client.send("GET", "/x", &host, b"")?;
    let time = began.elapsed().as_secs_f64() * 1e3;
    ensure!(answer.status == 200, "it answers {}: {}", answer.status, answer.text());
    ensure!(answer.text() == format!("function {index}, answer 1\n"), "it is another function's");
    Ok(time)
}

fn app(index: usize) -> String {
    format!("first-{index}")
}

fn code(index: usize) -> Code {
    let source = format!(
        "let answers = 0;\n\
         export default {{\n  fetch() {{\n    answers += 1;\n    \
         return new Response(`function {index}, answer ${{answers}}\\n`);\n  }},\n}};\n"
    );
    Code { name: "f".into(), source }
}

fn pin_to_load_core() -> anyhow::Result<()> {
    let mut core = CpuSet::new();
    core.set(LOAD_CORE);
    Ok(sched_setaffinity(None, &core)?)
}

/// Keeps the core of the load busy, at the lowest priority.
struct Busy(Child);

impl Busy {
    fn start() -> anyhow::Result<Self> {
        let mut shell = Command::new("taskset");
        shell.args(["--cpu-list", &LOAD_CORE.to_string(), "nice", "-n", "19"]);
        shell.args(["sh", "-c", "while :; do :; done"]).stdin(Stdio::null());
        Ok(Self(shell.spawn()?))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

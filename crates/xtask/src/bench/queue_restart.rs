//! `queue-restart`: what a long queue of events costs a node that starts: the time until it is ready, and memory.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tempfile::TempDir;

use super::async_accept::{deploy, send};
use super::memory_use::{METHOD, MemoryUse};
use super::node::Node;
use super::report::{Goal, Report};
use super::{Bench, Settings, stats};

pub(super) const BENCH: Bench =
    Bench { name: "queue-restart", title: "Start of a node that has 100,000 events queued", run };

/// Events in the queue, and those of a smoke run.
const EVENTS: usize = 100_000;
const FEW: usize = 200;
/// Callers that fill it.
const CALLERS: usize = 64;
/// Longest time until it is ready, in seconds.
const READY: f64 = 2.0;
/// What it may use more than one without events: so many MB, or this part.
const MEMORY: (f64, f64) = (10.0, 0.1);
/// After this long a node that was started does nothing by itself.
const SETTLE: Duration = Duration::from_secs(3);

fn run(settings: &Settings) -> anyhow::Result<Report> {
    let mut report = Report::new(settings);
    let events = settings.amount(EVENTS, FEW);
    let mut empty = Node::start(settings, &[])?;
    deploy(&mut empty)?;
    let mut full = Node::start(settings, &[])?;
    deploy(&mut full)?;
    let last = fill(&full, events)?;
    let mut sides = [Side::stop(empty), Side::stop(full)];
    for round in 1..=settings.rounds {
        for side in &mut sides {
            side.turn(settings)?;
        }
        let [empty, full] = &sides;
        println!(
            "    round {round}: ready after {:.3} s, {:.3} s without events",
            full.ready[round - 1],
            empty.ready[round - 1],
        );
    }
    let [empty, mut full] = sides;
    full.holds(settings, &last)?;
    let ready = stats::median(&full.ready);
    report.finding("ready, with events queued", Some(ready), "s", Some(Goal::AtMost(READY)));
    let ratio = stats::ratio(&full.ready, &empty.ready);
    report.finding("ready, with events / without", Some(ratio), "x", None);
    let without = stats::median(&empty.memory);
    let more = stats::median(&full.memory) - without;
    let allowed = MEMORY.0.max(MEMORY.1 * without);
    let what = "memory with events, above that without";
    report.finding(what, Some(more), "MB", Some(Goal::AtMost(allowed)));
    report.samples("ready, with events", "s", full.ready);
    report.samples("ready, without", "s", empty.ready);
    report.samples("memory, with events", "MB", full.memory);
    report.samples("memory, without", "MB", empty.memory);
    report.note(format!(
        "{events} events are queued that are due in an hour. A node is ready when `/readyz` answers 200, counted from \
         the start of its process. Memory is looked at {} s later; the goal is 10 MB or a tenth of the node without \
         events, whichever is more.",
        SETTLE.as_secs()
    ));
    report.note(METHOD);
    Ok(report)
}

/// Sends that many events; the last one's id.
fn fill(node: &Node, events: usize) -> anyhow::Result<String> {
    let sent = AtomicUsize::new(0);
    let answers = thread::scope(|scope| {
        let caller = |_| {
            let (sent, mut client) = (&sent, node.admin());
            scope.spawn(move || {
                let mut last = None;
                while sent.fetch_add(1, Ordering::Relaxed) < events {
                    last = Some(send(&mut client)?);
                }
                anyhow::Ok(last)
            })
        };
        let callers: Vec<_> = (0..CALLERS).map(caller).collect();
        let ends = callers
            .into_iter()
            .map(|caller| caller.join().map_err(|_| anyhow::anyhow!("a caller panicked"))?);
        ends.collect::<anyhow::Result<Vec<_>>>()
    })?;
    let answer = answers.into_iter().flatten().last().context("no event was sent")?;
    let told: Value = serde_json::from_slice(&answer.body)?;
    Ok(told["invocation_id"].as_str().context("an event has an id")?.to_owned())
}

/// A node that is started again and again.
struct Side {
    data: Option<TempDir>,
    /// Seconds until it was ready.
    ready: Vec<f64>,
    /// MB that it used then.
    memory: Vec<f64>,
}

impl Side {
    fn stop(node: Node) -> Self {
        Self { data: Some(node.stop()), ready: Vec::new(), memory: Vec::new() }
    }

    /// Starts it, looks, and stops it.
    fn turn(&mut self, settings: &Settings) -> anyhow::Result<()> {
        let node = self.start(settings)?;
        thread::sleep(settings.amount(SETTLE, Duration::ZERO));
        self.memory.push(MemoryUse::of(node.pid())?.total);
        self.data = Some(node.stop());
        Ok(())
    }

    fn start(&mut self, settings: &Settings) -> anyhow::Result<Node> {
        let data = self.data.take().context("it was stopped")?;
        let began = Instant::now();
        let node = Node::start_on(settings, data)?;
        let answer = node.admin().get("/readyz")?;
        ensure!(answer.status == 200, "it says that it is ready, and /readyz {}", answer.status);
        self.ready.push(began.elapsed().as_secs_f64());
        Ok(node)
    }

    /// Whether an event is still queued.
    fn holds(&mut self, settings: &Settings, event: &str) -> anyhow::Result<()> {
        let node = self.start(settings)?;
        self.ready.pop();
        let shown = node.admin().get(&format!("/v1/invocations/{event}"))?;
        let record: Value = serde_json::from_slice(&shown.body)?;
        ensure!(record["status"] == "queued", "{event} is there no more: {}", shown.text());
        Ok(())
    }
}

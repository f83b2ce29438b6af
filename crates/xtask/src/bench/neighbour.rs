//! `neighbour`: what a function's callers notice of another that wants every core.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::hello::hello;
use super::load::{Check, Load, Sample};
use super::node::{Code, Node};
use super::report::{Goal, Report};
use super::{Bench, Settings, cores, stats};
use crate::wasm;

pub(super) const BENCH: Bench =
    Bench { name: "neighbour", title: "A hot function beside one that computes without end", run };

/// How much longer the slow answers may take.
const GOAL: f64 = 3.0;
const HOT: [&str; 2] = ["js", "wasm"];
const NEIGHBOUR: &str = "neighbour";
/// How long each call of the neighbour computes, in milliseconds.
const CALL: u64 = 2000;
/// Until the calls of the neighbour are under way.
const BEGIN: Duration = Duration::from_millis(200);

/// One hot function, without the neighbour and with it.
#[derive(Default)]
struct Times {
    alone: Vec<Sample>,
    beside: Vec<Sample>,
    /// How much of its core the node used, 1 being all.
    used_alone: Vec<f64>,
    used_beside: Vec<f64>,
}

fn run(settings: &Settings) -> anyhow::Result<Report> {
    let mut report = Report::new(settings);
    wasm::run()?;
    let mut node = Node::start(settings, &[])?;
    let [js, component] = HOT;
    node.deploy(js, &[hello()])?;
    node.deploy_path(component, &wasm::guests().join("hello.wasm"), "")?;
    let call = settings.amount(CALL, CALL / 10);
    node.deploy(NEIGHBOUR, &[computing(call)])?;

    // More than all cores, however few of them the node has here.
    let calls = 2 * cores::count();
    let mut times = HOT.map(|_| Times::default());
    let mut answered = Vec::new();
    for round in 1..=settings.rounds {
        for (hot, times) in HOT.into_iter().zip(&mut times) {
            Load::new(settings, node.address(), hot).run(1, Check::Fresh)?;
            let (alone, used_alone) = sample(settings, &node, hot)?;
            let neighbour = Neighbour::start(&node, calls);
            thread::sleep(BEGIN);
            let measured = sample(settings, &node, hot);
            answered.push(neighbour.stop()?);
            let (beside, used_beside) = measured?;
            println!(
                "    round {round}: {hot:<5} p99 {:>6.2} ms alone, {:>6.2} ms beside the neighbour; \
                 the node's core {:.0}% and {:.0}%",
                alone.p99,
                beside.p99,
                used_alone * 100.0,
                used_beside * 100.0
            );
            times.alone.push(alone);
            times.beside.push(beside);
            times.used_alone.push(used_alone);
            times.used_beside.push(used_beside);
        }
    }

    let of = |samples: &[Sample], value: fn(&Sample) -> f64| -> Vec<f64> {
        samples.iter().map(value).collect()
    };
    for (hot, times) in HOT.into_iter().zip(times) {
        let (alone, beside) =
            (of(&times.alone, |sample| sample.p99), of(&times.beside, |sample| sample.p99));
        let ratio = Some(stats::ratio(&beside, &alone));
        let goal = Some(Goal::AtMost(GOAL));
        report.finding(format!("p99 of `{hot}`, beside the neighbour / alone"), ratio, "x", goal);
        report.samples(format!("{hot} alone, p99"), "ms", alone);
        report.samples(format!("{hot} beside the neighbour, p99"), "ms", beside);
        for (name, samples) in [("alone", &times.alone), ("beside the neighbour", &times.beside)] {
            let p50 = of(samples, |sample| sample.p50);
            report.samples(format!("{hot} {name}, p50"), "ms", p50);
        }
        for (name, samples) in [("alone", &times.alone), ("beside the neighbour", &times.beside)] {
            let rates = of(samples, |sample| sample.rate);
            report.samples(format!("{hot} {name}"), "requests/s", rates);
        }
        let percent = |shares: Vec<f64>| shares.into_iter().map(|share| share * 100.0).collect();
        report.samples(format!("{hot} alone"), "% of the core", percent(times.used_alone));
        let beside = percent(times.used_beside);
        report.samples(format!("{hot} beside the neighbour"), "% of the core", beside);
    }
    report.samples("the neighbour's answers in a sample", "calls", answered);
    report.note(format!(
        "The node has one core. The neighbour is another app's `js` function that computes for {} s in \
         each of {calls} calls at a time, which is more than the machine has cores: alone it would use all \
         that the node has. The hot function is asked at a moderate rate by connections that rest \
         between requests, so that its core is not full without the neighbour; every one of its answers is \
         looked at, and every answer of the neighbour too.",
        call as f64 / 1e3
    ));
    Ok(report)
}

/// Loads a hot function, and says how much of its core the node used meanwhile.
fn sample(settings: &Settings, node: &Node, hot: &str) -> anyhow::Result<(Sample, f64)> {
    let (before, began) = (processor_time(node.pid())?, Instant::now());
    let load = Load::new(settings, node.address(), hot).moderate();
    let sample = load.run(settings.seconds, Check::Fresh)?;
    let used = processor_time(node.pid())? - before;
    Ok((sample, used.as_secs_f64() / began.elapsed().as_secs_f64()))
}

/// The processor time that a process has used.
fn processor_time(pid: u32) -> anyhow::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("look at a process")?;
    // The second field is its name, which may hold anything; what follows has no brackets.
    let fields = stat.rsplit_once(") ").map(|(_, fields)| fields).unwrap_or_default();
    let ticks = |field: usize| fields.split(' ').nth(field).and_then(|ticks| ticks.parse().ok());
    let ticks: Option<(u64, u64)> = ticks(11).zip(ticks(12));
    let (user, system) = ticks.context("read a process's times")?;
    let per_second = rustix::param::clock_ticks_per_second();
    Ok(Duration::from_secs_f64((user + system) as f64 / per_second as f64))
}

/// A function that computes for so many milliseconds in each call.
fn computing(milliseconds: u64) -> Code {
    let source = format!(
        "export default {{\n  fetch() {{\n    const end = Date.now() + {milliseconds};\n    \
         let turns = 0;\n    while (Date.now() < end) turns += 1;\n    \
         return new Response(`turns ${{turns}}\\n`);\n  }},\n}};\n"
    );
    Code { name: "f".into(), source }
}

/// Callers of the neighbour, who ask again as soon as they have their answer.
struct Neighbour {
    over: Arc<AtomicBool>,
    callers: Vec<JoinHandle<anyhow::Result<f64>>>,
}

impl Neighbour {
    fn start(node: &Node, calls: usize) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let caller = |_| {
            let (mut client, over) = (node.client(NEIGHBOUR), Arc::clone(&over));
            thread::spawn(move || {
                let mut answered = 0.0;
                while !over.load(Ordering::Relaxed) {
                    let answer = client.get("/")?.text();
                    let turns =
                        answer.strip_prefix("turns ").and_then(|turns| turns.trim().parse().ok());
                    let turns: u64 =
                        turns.with_context(|| format!("the neighbour answers {answer}"))?;
                    ensure!(turns > 0, "the neighbour computes nothing");
                    answered += 1.0;
                }
                Ok(answered)
            })
        };
        let callers = (0..calls).map(caller).collect();
        Self { over, callers }
    }

    /// Waits until all have their last answer, and says how many there were.
    fn stop(self) -> anyhow::Result<f64> {
        self.over.store(true, Ordering::Relaxed);
        let mut answered = 0.0;
        for caller in self.callers {
            let outcome = caller.join().map_err(|_| anyhow::anyhow!("a caller panicked"))?;
            answered += outcome.context("call the neighbour")?;
        }
        Ok(answered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_computes_uses_processor_time() {
        let pid = std::process::id();
        let (before, began) = (processor_time(pid).unwrap(), Instant::now());
        while processor_time(pid).unwrap() < before + Duration::from_millis(30) {
            assert!(began.elapsed() < Duration::from_secs(60), "it uses none");
        }
    }
}

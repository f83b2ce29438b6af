//! `overload`: what a node does that is asked for four times as much as it can do, and what others notice.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;

use super::node::{Code, Node};
use super::open::{self, Told};
use super::report::{Goal, Report};
use super::{Bench, Settings, stats};

pub(super) const BENCH: Bench =
    Bench { name: "overload", title: "Four times as many requests as a node can answer", run };

/// How often as much as it can do a node is asked for.
const TIMES: f64 = 4.0;
/// Part of what it can do that the other function is asked for.
const OTHER: f64 = 0.1;
/// Least part of its best that a node still does.
const GOODPUT: f64 = 0.9;
/// Longest time until a refusal, in milliseconds, of 99 in 100.
const REFUSED: f64 = 50.0;
/// How much longer the other function's slow answers may take.
const BESIDE: f64 = 1.5;
/// Until the node knows that it is more than a burst.
const KNOWN: Duration = Duration::from_secs(3);
/// Callers that ask one after the other, to find out what a node can do.
const CALLERS: usize = 4;
const STORM: &str = "storm";
const QUIET: &str = "quiet";

fn run(settings: &Settings) -> anyhow::Result<Report> {
    let mut report = Report::new(settings);
    let mut node = Node::start(settings, &[])?;
    for app in [STORM, QUIET] {
        node.deploy(app, &[computing(settings.amount(60_000, 600))])?;
    }
    let length = Duration::from_secs(settings.seconds);
    let known = settings.amount(KNOWN, Duration::ZERO);
    let (mut goodput, mut refusals, mut beside) = (Vec::new(), Vec::new(), Vec::new());
    let mut series: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for round in 1..=settings.rounds {
        let peak = best(&node, length)?;
        let times = settings.amount(TIMES, 0.5);
        let quiet = (peak * OTHER).max(1.0);
        let alone = open::send(node.address(), open::steady(QUIET, quiet, length * 2))?;
        let alone = p99(&alone, QUIET)?;

        let mut all = open::steady(STORM, peak * times, known + length);
        all.extend(open::steady(QUIET, quiet, known + length));
        let told = open::send(node.address(), all)?;
        let told: Vec<Told> = told.into_iter().filter(|told| told.at >= known).collect();
        let wrong = told.iter().find(|told| !matches!(told.status, 200 | 429 | 503));
        ensure!(wrong.is_none(), "a request is answered {wrong:?}");
        let good: Vec<&Told> = told.iter().filter(|told| told.status == 200).collect();
        ensure!(good.iter().all(|told| told.body.starts_with("sum ")), "an answer is none");
        let refused: Vec<&Told> = told.iter().filter(|told| told.status != 200).collect();
        let rate = good.len() as f64 / length.as_secs_f64();
        // A machine whose speed drifts is as quick as before and after on average.
        let best = f64::midpoint(peak, best(&node, length)?);
        let late = open::percentile(&refused, 99.0);
        let other = p99(&told, QUIET)?;
        let storm: Vec<&Told> = good.iter().copied().filter(|told| &*told.app == STORM).collect();
        println!(
            "    round {round}: at best {best:.0}/s; of {:.0}/s {rate:.0}/s are answered (p99 {:.0} ms), refused within \
             {late:.1} ms; the other function's p99 {alone:.1} ms alone, {other:.1} ms beside it, {} of {} refused",
            peak * (times + OTHER),
            open::percentile(&storm, 99.0),
            refused.iter().filter(|told| &*told.app == QUIET).count(),
            told.iter().filter(|told| &*told.app == QUIET).count(),
        );
        goodput.push(rate / best);
        refusals.push(late);
        beside.push(other / alone);
        let of_storm = open::percentile(&storm, 99.0);
        for (name, value) in [
            ("at best, answers/s", best),
            ("overloaded, answers/s", rate),
            ("the other function alone, p99 in ms", alone),
            ("the other function beside it, p99 in ms", other),
            ("overloaded, answered, p99 in ms", of_storm),
        ] {
            series.entry(name).or_default().push(value);
        }
    }
    let goal = Some(Goal::AtLeast(GOODPUT));
    report.finding("answers/s, overloaded / at best", Some(stats::median(&goodput)), "x", goal);
    let goal = Some(Goal::AtMost(REFUSED));
    report.finding("p99 until a refusal", Some(stats::median(&refusals)), "ms", goal);
    let goal = Some(Goal::AtMost(BESIDE));
    let found = Some(stats::median(&beside));
    report.finding("p99 of another function, beside the storm / alone", found, "x", goal);
    for (name, values) in series {
        let (name, unit) = name.split_once(", ").unwrap_or((name, ""));
        report.samples(name, unit, values);
    }
    report.note(format!(
        "The node has one core. Each call of either function computes the same for some milliseconds. What the node can do \
         at best is found by {CALLERS} callers that ask one after the other, before and after; in between strangers ask {TIMES} times as often, \
         whether they are answered or not, and of what was due in the first {} s nothing counts. The other function, of \
         another app, is asked a tenth as often as the node can answer. Times are from when a request was due.",
        KNOWN.as_secs()
    ));
    Ok(report)
}

/// The p99 of a function's good answers, in milliseconds.
fn p99(told: &[Told], app: &str) -> anyhow::Result<f64> {
    let good: Vec<&Told> =
        told.iter().filter(|told| &*told.app == app && told.status == 200).collect();
    ensure!(!good.is_empty(), "{app} has no answer");
    Ok(open::percentile(&good, 99.0))
}

/// How many calls a second a node answers at best.
fn best(node: &Node, length: Duration) -> anyhow::Result<f64> {
    let began = Instant::now();
    let caller = |_| {
        let mut client = node.client(STORM);
        thread::spawn(move || {
            let mut answered = 0;
            while began.elapsed() < length {
                let answer = client.get("/")?;
                ensure!(answer.status == 200, "a call is answered {}", answer.text());
                answered += 1;
            }
            Ok(answered)
        })
    };
    let callers: Vec<_> = (0..CALLERS).map(caller).collect();
    let mut answered = 0;
    for caller in callers {
        answered += caller.join().map_err(|_| anyhow::anyhow!("a caller panicked"))??;
    }
    Ok(f64::from(answered) / began.elapsed().as_secs_f64())
}

/// A function that computes the same in each call, however long that takes.
fn computing(turns: u32) -> Code {
    let source = format!(
        "export default {{\n  fetch() {{\n    let sum = 0;\n    for (let i = 0; i < {turns}; i += 1) sum = (sum * 31 + i) \
         % 65521;\n    return new Response(`sum ${{sum}}\\n`);\n  }},\n}};\n"
    );
    Code { name: "f".into(), source }
}

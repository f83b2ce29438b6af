//! `soak`: whether a node that answers for long comes to need more and more memory.

use std::thread;
use std::time::Duration;

use anyhow::ensure;

use super::hello::hello;
use super::load::{Check, Load};
use super::memory_use::{METHOD, MemoryUse};
use super::node::Node;
use super::report::{Goal, Report};
use super::{Bench, Settings};
use crate::shell::root;
use crate::wasm;

pub(super) const BENCH: Bench =
    Bench { name: "soak", title: "Memory of a node under ten minutes of load", run };

/// What is loaded in each window, one after the other.
const HOT: [(&str, Check); 3] =
    [("js", Check::Fresh), ("wasm", Check::Fresh), ("nodejs", Check::Checked)];
/// One load of a window, in seconds.
const TURN: u64 = 10;
/// Until what the last answers left is cleared up.
const SETTLE: Duration = Duration::from_secs(2);
/// How long the goals are of.
const LONG: Duration = Duration::from_secs(600);
/// By how much memory may have grown then, in percent.
const GROWTH: f64 = 5.0;
/// How many answers there are to be, in millions.
const MANY: f64 = 10.0;

/// Memory at the end of each window.
#[derive(Default)]
struct Windows {
    node: Vec<MemoryUse>,
    /// Together with the processes of its sandboxes.
    all: Vec<MemoryUse>,
}

fn run(settings: &Settings) -> anyhow::Result<Report> {
    let mut report = Report::new(settings);
    wasm::run()?;
    let mut node = Node::start(settings, &[])?;
    node.deploy("js", &[hello()])?;
    node.deploy_path("wasm", &wasm::guests().join("hello.wasm"), "")?;
    node.deploy_path("nodejs", &root().join("bench/functions/nodejs"), "")?;

    let turn = settings.amount(TURN, 1);
    let window = turn * HOT.len() as u64;
    let count = settings.soak.as_secs().div_ceil(window).max(2);
    let mut answers = [0; HOT.len()];
    let mut windows = Windows::default();
    // One more before, in which the node sets up what it keeps for good.
    for number in 0..=count {
        for ((app, check), answers) in HOT.into_iter().zip(&mut answers) {
            *answers += Load::new(settings, node.address(), app).run(turn, check)?.requests;
        }
        thread::sleep(SETTLE);
        let (alone, all) = (MemoryUse::alone(node.pid())?, MemoryUse::of(node.pid())?);
        println!(
            "    window {number} of {count}: {} answers so far, node {:.1} MB (RSS {:.1} MB), with its \
             sandboxes {:.1} MB",
            answers.iter().sum::<u64>(),
            alone.total,
            alone.resident,
            all.total
        );
        if number > 0 {
            windows.node.push(alone);
            windows.all.push(all);
        }
    }
    ensure!(answers.iter().all(|answers| *answers > 0), "a function gave no answer");

    // Shorter ones say nothing of the goals.
    let long = settings.soak >= LONG;
    let goal = |goal| long.then_some(goal);
    let of = |used: &[MemoryUse], what: fn(&MemoryUse) -> f64| -> Vec<f64> {
        used.iter().map(what).collect()
    };
    let series = [
        ("RSS of the node", of(&windows.node, |used| used.resident), Some(GROWTH)),
        ("memory of the node", of(&windows.node, |used| used.total), Some(GROWTH)),
        ("memory of the node and its sandboxes", of(&windows.all, |used| used.total), None),
    ];
    for (name, samples, bound) in series {
        let growth = (samples[samples.len() - 1] / samples[0] - 1.0) * 100.0;
        let bound = bound.and_then(|bound| goal(Goal::AtMost(bound)));
        let what = format!("{name}, last window above the first");
        report.finding(what, Some(growth), "%", bound);
        report.samples(format!("{name}, end of a window"), "MB", samples);
    }
    let millions = answers.iter().sum::<u64>() as f64 / 1e6;
    let enough = goal(Goal::AtLeast(MANY));
    report.finding("answers in all", Some(millions), "million", enough);
    for ((app, _), answers) in HOT.into_iter().zip(answers) {
        report.finding(format!("answers of `{app}`"), Some(answers as f64 / 1e6), "million", None);
    }
    report.note(METHOD);
    report.note(format!(
        "{count} windows after one to warm up, each with {turn} s of load on every function in turn; every \
         answer is looked at. Memory is taken {} s after the window's load; the node's own is without its \
         children. That of the sandboxes is their interpreters', which collect their garbage when they \
         like, so it has no goal.",
        SETTLE.as_secs()
    ));
    Ok(report)
}

//! `js-idle`: what a burst leaves behind.

use std::time::Duration;

use anyhow::ensure;

use super::hello::{APP, hello};
use super::load::{Check, Load};
use super::memory_use::{METHOD, MemoryUse};
use super::node::Node;
use super::report::{Goal, Report};
use super::{Bench, Settings, stats};

pub(super) const BENCH: Bench =
    Bench { name: "js-idle", title: "Memory after a burst and a minute of rest", run };

const REST: Duration = Duration::from_secs(60);
/// After this long a node that answered one request has let go of what that took.
const SETTLE: Duration = Duration::from_secs(15);

fn run(settings: &Settings) -> anyhow::Result<Report> {
    let mut report = Report::new(settings);
    let mut node = Node::start(settings, &[])?;
    node.deploy(APP, &[hello()])?;
    // One answer, because a node that never gave one has not set up what it keeps for good.
    let answer = node.client(APP).get("/x")?.text();
    ensure!(answer == "hello x 1\n", "it is another answer: {answer}");
    std::thread::sleep(settings.amount(SETTLE, Duration::ZERO));
    let before = MemoryUse::of(node.pid())?;
    let (mut after, mut rested) = (Vec::new(), Vec::new());
    for _ in 0..settings.rounds {
        Load::new(settings, node.address(), APP).run(settings.seconds, Check::Fresh)?;
        after.push(MemoryUse::of(node.pid())?);
        std::thread::sleep(settings.amount(REST, Duration::from_secs(1)));
        rested.push(MemoryUse::of(node.pid())?);
    }
    let of = |used: &[MemoryUse], what: fn(&MemoryUse) -> f64| used.iter().map(what).collect();
    let rested_resident: Vec<f64> = of(&rested, |used| used.resident);
    let ratio = stats::median(&rested_resident) / before.resident;
    let limit = Some(Goal::AtMost(1.1));
    report.finding("RSS a minute after a burst / before", Some(ratio), "x", limit);
    report.samples("RSS before", "MB", vec![before.resident]);
    report.samples("RSS right after", "MB", of(&after, |used| used.resident));
    report.samples("RSS a minute after", "MB", rested_resident);
    report.samples("memory before", "MB", vec![before.total]);
    report.samples("memory right after", "MB", of(&after, |used| used.total));
    report.samples("memory a minute after", "MB", of(&rested, |used| used.total));
    report.note(METHOD);
    Ok(report)
}

//! `wasm-hello`: how many requests a core answers, each by an instance of its own.

use super::hello::{APP, Contender, compete, tail};
use super::load::Check;
use super::node::Node;
use super::report::{Goal, Report};
use super::{Bench, Settings, stats, yardsticks};
use crate::wasm;

pub(super) const BENCH: Bench =
    Bench { name: "wasm-hello", title: "`wasm` hello, a fresh instance per request", run };

/// Yardsticks, and how often Mayfly is to be as quick.
const AGAINST: [(&str, f64); 3] = [("bare", 0.5), ("wserve tuned", 1.5), ("wserve", 3.0)];

fn run(settings: &Settings) -> anyhow::Result<Report> {
    let mut report = Report::new(settings);
    wasm::run()?;
    let component = wasm::guests().join("hello.wasm");
    let mut node = Node::start(settings, &[])?;
    node.deploy_path(APP, &component, "")?;
    let bare = yardsticks::bare(settings)?;
    let mut contenders = vec![
        Contender::new("mayfly", node.address(), Check::Fresh),
        Contender::new("bare", bare.address, Check::Checked),
    ];
    compete(
        settings,
        &mut report,
        &mut contenders,
        [
            ("wserve tuned", yardsticks::wserve(settings, &component, true)),
            ("wserve", yardsticks::wserve(settings, &component, false)),
        ],
    )?;
    let rates = |name: &str| {
        let contender = contenders.iter().find(|contender| contender.name == name);
        contender.map(|contender| contender.of(|sample| sample.rate))
    };
    let mayfly = rates("mayfly").unwrap_or_default();
    for (yardstick, goal) in AGAINST {
        let ratio = rates(yardstick).map(|rates| stats::ratio(&mayfly, &rates));
        let what = format!("requests/s, mayfly / {yardstick}");
        report.finding(what, ratio, "x", Some(Goal::AtLeast(goal)));
    }
    tail(&mut report, &contenders, "mayfly");
    report.note(
        "Mayfly and wserve answer each request by a fresh instance of the same component; bare runs no \
         function. Tuned, wserve has a pool, resident memory and the scan of written pages, which passes over \
         those that are being moved; Mayfly has kept memory that it zeroes, and an engine without support of \
         concurrency, which `serve` cannot do without.",
    );
    Ok(report)
}

//! `ledger`: what it costs to write down each attempt.

use std::net::SocketAddr;

use super::hello::{APP, Contender, hello, take_turns, write};
use super::load::Check;
use super::node::Node;
use super::report::{Goal, Report};
use super::{Bench, Settings, stats};

pub(super) const BENCH: Bench =
    Bench { name: "ledger", title: "`js` hello with the ledger and without", run };

/// Least part of what is answered without a ledger.
const GOAL: f64 = 0.97;

fn run(settings: &Settings) -> anyhow::Result<Report> {
    let mut report = Report::new(settings);
    // The difference is small. A machine whose speed drifts hides it unless turns are short and many, and a process that
    // got a better place in memory than another keeps it: so each round has two nodes of its own.
    let turns =
        Settings { seconds: 1, rounds: usize::try_from(settings.seconds)?, ..settings.clone() };
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut contenders =
        ["with", "without"].map(|name| Contender::new(name, nowhere, Check::Fresh));
    for _ in 0..settings.rounds {
        let mut nodes = [Node::start(settings, &[])?, Node::start(settings, &["--no-ledger"])?];
        for (node, contender) in nodes.iter_mut().zip(&mut contenders) {
            node.deploy(APP, &[hello()])?;
            contender.address = node.address();
        }
        take_turns(&turns, &mut contenders)?;
    }
    write(&mut report, &contenders);
    let [with, without] = contenders.map(|contender| contender.of(|sample| sample.rate));
    let ratio = stats::ratio(&with, &without);
    report.finding("requests/s, with / without", Some(ratio), "x", Some(Goal::AtLeast(GOAL)));
    report.note(
        "The node's one core writes the records, syncs them each tenth of a second and adds them up. Accounts for \
         budgets are kept on both sides.",
    );
    Ok(report)
}

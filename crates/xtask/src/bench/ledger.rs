//! `ledger`: what it costs to write down each attempt.

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
    let mut with = Node::start(settings, &[])?;
    with.deploy(APP, &[hello()])?;
    let mut without = Node::start(settings, &["--no-ledger"])?;
    without.deploy(APP, &[hello()])?;
    let mut contenders = [
        Contender::new("with", with.address(), Check::Fresh),
        Contender::new("without", without.address(), Check::Fresh),
    ];
    // The difference is small: a machine whose speed drifts hides it unless turns are short and many.
    let turns = Settings {
        seconds: 1,
        rounds: settings.rounds * usize::try_from(settings.seconds)?,
        ..settings.clone()
    };
    take_turns(&turns, &mut contenders)?;
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

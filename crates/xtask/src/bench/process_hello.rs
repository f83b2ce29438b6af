//! `process-hello`: how many requests a core answers, gateway and process together.

use super::hello::{Contender, compete, tail};
use super::load::Check;
use super::node::Node;
use super::report::{Goal, Report};
use super::{Bench, Settings, stats, yardsticks};
use crate::shell::root;

pub(super) const BENCH: Bench =
    Bench { name: "process-hello", title: "Warm hello in processes, behind the gateway", run };

/// Runtimes and what each is measured against.
const LANGUAGES: [(&str, &str, f64); 3] =
    [("nodejs", "node", 1.5), ("python", "uvicorn", 3.0), ("ruby", "puma", 3.0)];

fn run(settings: &Settings) -> anyhow::Result<Report> {
    let mut report = Report::new(settings);
    let mut node = Node::start(settings, &[])?;
    let mut contenders = Vec::new();
    for (language, ..) in LANGUAGES {
        node.deploy_path(language, &root().join("bench/functions").join(language), "")?;
        let contender = Contender::new(language, node.address(), Check::Checked);
        contenders.push(Contender { app: language, ..contender });
    }
    compete(
        settings,
        &mut report,
        &mut contenders,
        [
            ("node", yardsticks::node(settings)),
            ("uvicorn", yardsticks::uvicorn(settings)),
            ("puma", yardsticks::puma(settings)),
        ],
    )?;
    let rates = |name: &str| {
        let contender = contenders.iter().find(|contender| contender.name == name);
        contender.map(|contender| contender.of(|sample| sample.rate))
    };
    for (language, yardstick, goal) in LANGUAGES {
        let own = rates(language).unwrap_or_default();
        let ratio = rates(yardstick).map(|rates| stats::ratio(&own, &rates));
        let what = format!("requests/s, {language} / {yardstick}");
        report.finding(what, ratio, "x", Some(Goal::AtLeast(goal)));
    }
    for (language, ..) in LANGUAGES {
        tail(&mut report, &contenders, language);
    }
    report.note(
        "Gateway, node and the function's sandboxed process share one core; so does each yardstick, \
         which is one process and answers HTTP itself.",
    );
    Ok(report)
}

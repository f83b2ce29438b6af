//! `js-hello`: how many requests a core answers, each in a VM of its own.

use super::load::{Check, Load, Sample};
use super::node::{Code, Node};
use super::report::{Goal, Report};
use super::{Bench, Extent, Settings, stats, yardsticks};

pub(super) const BENCH: Bench =
    Bench { name: "js-hello", title: "`js` hello, a fresh VM per request", run };

pub(super) const APP: &str = "hello";

/// How long a server is warmed up before each sample, with every answer looked at.
const WARM_UP: u64 = 1;

/// The function that answers with a value of its request and with its module's counter.
pub(super) fn hello() -> Code {
    Code { name: "hello".into(), source: include_str!("../../../../bench/hello.js").into() }
}

/// One of those that take turns.
pub(super) struct Contender {
    pub(super) name: &'static str,
    /// Which app of a node; others answer for every host.
    pub(super) app: &'static str,
    pub(super) address: std::net::SocketAddr,
    pub(super) check: Check,
    pub(super) samples: Vec<Sample>,
}

impl Contender {
    pub(super) fn new(name: &'static str, address: std::net::SocketAddr, check: Check) -> Self {
        Self { name, app: APP, address, check, samples: Vec::new() }
    }

    pub(super) fn of(&self, value: impl Fn(&Sample) -> f64) -> Vec<f64> {
        self.samples.iter().map(value).collect()
    }
}

fn run(settings: &Settings) -> anyhow::Result<Report> {
    let mut report = Report::new(settings);
    let mut node = Node::start(settings, &[])?;
    node.deploy(APP, &[hello()])?;
    let bare = yardsticks::bare(settings)?;
    let mut contenders = vec![
        Contender::new("mayfly", node.address(), Check::Fresh),
        Contender::new("bare", bare.address, Check::Checked),
    ];
    compete(
        settings,
        &mut report,
        &mut contenders,
        [("node", yardsticks::node(settings)), ("workerd", yardsticks::workerd(settings))],
    )?;

    let rates = |name: &str| {
        let contender = contenders.iter().find(|contender| contender.name == name);
        contender.map(|contender| contender.of(|sample| sample.rate))
    };
    let mayfly = rates("mayfly").unwrap_or_default();
    let mut against = |yardstick: &str, goal: Option<Goal>| {
        let ratio = rates(yardstick).map(|rates| stats::ratio(&mayfly, &rates));
        report.finding(format!("requests/s, mayfly / {yardstick}"), ratio, "x", goal);
    };
    against("workerd", Some(Goal::AtLeast(1.5)));
    against("node", Some(Goal::AtLeast(0.7)));
    against("bare", None);
    tail(&mut report, &contenders, "mayfly");
    report.note(
        "Every answer of Mayfly comes from a fresh VM; node and workerd answer all requests from \
         one, as they are meant to.",
    );
    Ok(report)
}

/// Has contenders and those yardsticks that are installed take turns, and writes down what they did.
pub(super) fn compete<const N: usize>(
    settings: &Settings,
    report: &mut Report,
    contenders: &mut Vec<Contender>,
    against: [(&'static str, yardsticks::Started); N],
) -> anyhow::Result<()> {
    let (mut servers, mut absent) = (Vec::new(), Vec::new());
    for (name, started) in against {
        match started {
            Ok((server, version)) => {
                contenders.push(Contender::new(name, server.address, Check::Checked));
                report.version(name, version);
                servers.push(server);
            }
            Err(error) => absent.push((name, format!("{error:#}"))),
        }
    }
    take_turns(settings, contenders)?;
    write(report, contenders);
    for (name, why) in absent {
        report.missing(name, "requests/s", why);
    }
    Ok(())
}

/// Loads each contender in turn, as often as there are rounds.
pub(super) fn take_turns(settings: &Settings, contenders: &mut [Contender]) -> anyhow::Result<()> {
    for round in 1..=settings.rounds {
        // Back and forth, so that nobody is always the first.
        let mut turns: Vec<&mut Contender> = contenders.iter_mut().collect();
        if round % 2 == 0 {
            turns.reverse();
        }
        for contender in turns {
            let load = Load::new(settings, contender.address, contender.app);
            let sample = match settings.extent {
                Extent::Whole => {
                    load.run(WARM_UP, contender.check)?;
                    load.run(settings.seconds, Check::Counted)?
                }
                Extent::Smoke => load.run(settings.seconds, contender.check)?,
            };
            println!(
                "    round {round}: {:<10} {:>8.0}/s  p50 {:>6.2} ms  p99 {:>6.2} ms",
                contender.name, sample.rate, sample.p50, sample.p99
            );
            contender.samples.push(sample);
        }
    }
    Ok(())
}

/// Finds how much slower than its usual answer a contender's slow ones are.
pub(super) fn tail(report: &mut Report, contenders: &[Contender], name: &str) {
    let contender = contenders.iter().find(|contender| contender.name == name);
    let ratio = contender.map(|contender| {
        stats::ratio(&contender.of(|sample| sample.p99), &contender.of(|sample| sample.p50))
    });
    report.finding(format!("p99 / p50, {name}"), ratio, "x", Some(Goal::AtMost(3.0)));
}

/// Writes down what contenders did.
pub(super) fn write(report: &mut Report, contenders: &[Contender]) {
    for contender in contenders {
        report.samples(contender.name, "requests/s", contender.of(|sample| sample.rate));
    }
    for contender in contenders {
        let name = contender.name;
        report.samples(format!("{name}, p50"), "ms", contender.of(|sample| sample.p50));
        report.samples(format!("{name}, p99"), "ms", contender.of(|sample| sample.p99));
    }
    let busy = contenders.iter().map(|contender| {
        let shares = contender.of(|sample| sample.load_core);
        format!("{} {:.0}%", contender.name, stats::median(&shares) * 100.0)
    });
    report.note(format!(
        "How busy the load's core was: {}. Near 100% the server could have answered more.",
        busy.collect::<Vec<_>>().join(", ")
    ));
}

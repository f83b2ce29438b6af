//! `js-reset`: the fall-back reset of older kernels against the one chosen here.

use super::hello::{APP, Contender, hello, take_turns, write};
use super::load::Check;
use super::node::Node;
use super::report::Report;
use super::{Bench, Settings, stats};

pub(super) const BENCH: Bench =
    Bench { name: "js-reset", title: "`js` hello, the fall-back reset", run };

fn run(settings: &Settings) -> anyhow::Result<Report> {
    let mut report = Report::new(settings);
    let mut default = Node::start(settings, &[])?;
    default.deploy(APP, &[hello()])?;
    let mut pagemap = Node::start(settings, &["--js-reset", "pagemap"])?;
    pagemap.deploy(APP, &[hello()])?;
    let mut contenders = [
        Contender::new("default", default.address(), Check::Fresh),
        Contender::new("pagemap", pagemap.address(), Check::Fresh),
    ];
    take_turns(settings, &mut contenders)?;
    write(&mut report, &contenders);
    let [default, pagemap] = contenders.map(|contender| contender.of(|sample| sample.rate));
    let ratio = stats::ratio(&pagemap, &default);
    report.finding("requests/s, fall-back / default", Some(ratio), "x", None);
    report.note("The default asks the kernel for dirty pages by PAGEMAP_SCAN (Linux 6.7 on).");
    Ok(report)
}

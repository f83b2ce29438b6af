//! `js-memory`: what functions cost that are deployed and idle.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::hello::{APP, Contender, hello, take_turns};
use super::load::Check;
use super::memory_use::{METHOD, MemoryUse};
use super::node::{Code, Node};
use super::report::{Goal, Report};
use super::{Bench, Settings, stats};

pub(super) const BENCH: Bench =
    Bench { name: "js-memory", title: "Memory of functions that are deployed and idle", run };

/// Functions of one app: a deployment of more takes long to answer.
const PER_APP: usize = 100;
/// Least size of a function's source, in bytes.
const SOURCE: usize = 100 << 10;
/// After this long without a request a node has let go of what it keeps for the next one.
const IDLE: Duration = Duration::from_secs(15);

fn run(settings: &Settings) -> anyhow::Result<Report> {
    let mut report = Report::new(settings);
    let most = settings.functions.max(1);
    let mut sizes = vec![1, most.div_ceil(10), most];
    sizes.dedup();

    let mut nodes = Vec::new();
    for &size in &sizes {
        // Begun anew, because the first start compiles the engine, and what that leaves would count.
        let mut node = Node::start(settings, &[])?.restart(settings)?;
        node.deploy(APP, &[hello()])?;
        let began = Instant::now();
        deploy_idle(&mut node, size - 1)?;
        let rate = (size - 1) as f64 / began.elapsed().as_secs_f64();
        if size > 1 {
            report.finding(format!("deployed, {size} functions"), Some(rate), "functions/s", None);
        }
        nodes.push(node);
    }
    let used = measure(settings, &nodes)?;
    let nodes: Vec<Node> =
        nodes.into_iter().map(|node| node.restart(settings)).collect::<anyhow::Result<_>>()?;
    let restarted = measure(settings, &nodes)?;
    for ((used, restarted), size) in used.iter().zip(&restarted).zip(&sizes) {
        report.samples(format!("memory, {size} functions"), "MB", vec![used.total]);
        report.samples(format!("of which memfds, {size} functions"), "MB", vec![used.memfds]);
        let name = format!("memory after a restart, {size} functions");
        report.samples(name, "MB", vec![restarted.total]);
    }

    let names: Vec<&'static str> = ["one", "some", "all"].into_iter().take(nodes.len()).collect();
    let mut contenders: Vec<Contender> = nodes
        .iter()
        .zip(&names)
        .map(|(node, name)| Contender::new(name, node.address(), Check::Fresh))
        .collect();
    take_turns(settings, &mut contenders)?;

    for (contender, size) in contenders.iter().zip(&sizes) {
        let p99 = contender.of(|sample| sample.p99);
        report.samples(format!("p99 of a hot one beside {size} functions"), "ms", p99);
    }
    let above = used[used.len() - 1].total - used[0].total;
    // The goals are of 10,000 functions: fewer say nothing of them.
    let goal = |bound| (most >= GOAL).then_some(Goal::AtMost(bound));
    let what = format!("memory of {most} functions above one");
    report.finding(what, Some(above), "MB", goal(150.0));
    let p99 = |contender: &Contender| contender.of(|sample| sample.p99);
    let ratio = stats::ratio(&p99(&contenders[contenders.len() - 1]), &p99(&contenders[0]));
    let what = format!("p99 of a hot one, {most} functions / one");
    report.finding(what, Some(ratio), "x", goal(1.1));
    report.note(METHOD);
    report.note(format!(
        "Every function is distinct and has at least {} KB of source that stays in use; memory is \
         taken {} s after the last deployment and once more after a restart, while all nodes run, \
         which share the pages of their program.",
        SOURCE >> 10,
        IDLE.as_secs()
    ));
    Ok(report)
}

/// How many functions the goals are of.
const GOAL: usize = 10_000;

/// The memory of nodes that rest.
fn measure(settings: &Settings, nodes: &[Node]) -> anyhow::Result<Vec<MemoryUse>> {
    std::thread::sleep(settings.amount(IDLE, Duration::ZERO));
    // All at once, because they share the pages of their program, and PSS divides those by the
    // number of processes that run at the time.
    nodes.iter().map(|node| MemoryUse::of(node.pid())).collect()
}

/// Deploys functions that nobody calls.
fn deploy_idle(node: &mut Node, count: usize) -> anyhow::Result<()> {
    for first in (0..count).step_by(PER_APP) {
        let last = (first + PER_APP).min(count);
        let codes: Vec<Code> = (first..last).map(code).collect();
        node.deploy(&format!("idle-{}", first / PER_APP), &codes)?;
        if last.is_multiple_of(1000) {
            println!("    {last} functions deployed");
        }
    }
    Ok(())
}

/// A function that is like no other: half of it text, half of it functions.
fn code(index: usize) -> Code {
    let mut source = String::with_capacity(SOURCE + 1024);
    let mut random = Random(index as u64);
    source.push_str("const steps = [], words = [];\n");
    while source.len() < SOURCE {
        let (a, b) = (random.next(), random.next());
        let _ = writeln!(
            source,
            "steps.push((x) => (x * {} + {}) ^ (x >> {}));",
            a >> 40,
            b >> 40,
            b & 15
        );
        let _ = writeln!(source, "words.push(\"{a:016x}{b:016x}\");");
    }
    source.push_str(
        "export default {\n  fetch: () => new Response(`${words[7]} ${steps[7](3)}\\n`),\n};\n",
    );
    Code { name: format!("f{index}"), source }
}

/// Numbers that differ from function to function and are the same in every run (SplitMix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

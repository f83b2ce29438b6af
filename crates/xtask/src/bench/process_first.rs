//! `process-first`: the first answer of a function that has never run, and a fresh process for each.

use std::time::{Duration, Instant};

use anyhow::ensure;

use super::http::Client;
use super::node::Node;
use super::report::{Goal, Report};
use super::{Bench, Settings, stats};
use crate::shell::root;

pub(super) const BENCH: Bench = Bench {
    name: "process-first",
    title: "First answer of a function that has never run, and of a fresh process per invocation",
    run,
};

const FUNCTIONS: usize = 20;
const WARM: usize = 5;
/// Calls of a function whose every invocation is a process of its own.
const FRESH: usize = 200;
/// Until the next stem is there: functions come one by one, as callers do.
const PAUSE: Duration = Duration::from_millis(300);

fn run(settings: &Settings) -> anyhow::Result<Report> {
    let mut report = Report::new(settings);
    let mut node = Node::start(settings, &[])?;
    let (functions, fresh_calls) = (settings.amount(FUNCTIONS, 2), settings.amount(FRESH, 5));
    for (language, goal) in [("nodejs", Some(5.0)), ("python", Some(5.0)), ("ruby", None)] {
        let code = root().join("bench/functions").join(language);
        for index in 0..functions {
            // Each is a function of its own, by its environment.
            let lines = format!("env = {{ NUMBER = \"{index}\" }}");
            node.deploy_path(&format!("{language}-{index}"), &code, &lines)?;
        }
        let (mut first, mut warm) = (Vec::new(), Vec::new());
        for index in 0..functions {
            std::thread::sleep(PAUSE);
            let mut client = node.client(&format!("{language}-{index}"));
            first.push(timed(&mut client)?);
            for _ in 0..WARM {
                warm.push(timed(&mut client)?);
            }
        }
        let above = stats::median(&first) - stats::median(&warm);
        let what = format!("first of {language}, above a warm one");
        report.finding(what, Some(above), "ms", goal.map(Goal::AtMost));
        report.samples(format!("first, {language}"), "ms", first);
        report.samples(format!("warm, {language}"), "ms", warm);
    }
    for language in ["python", "ruby"] {
        let code = root().join("bench/functions").join(language);
        node.deploy_path(&format!("{language}-warm"), &code, "")?;
        node.deploy_path(&format!("{language}-fresh"), &code, "isolation = \"invocation\"")?;
        let measure = |app: String| -> anyhow::Result<Vec<f64>> {
            let mut client = node.client(&app);
            timed(&mut client)?;
            let mut times = Vec::new();
            for _ in 0..fresh_calls {
                // What the last call left is cleared up behind its answer.
                std::thread::sleep(Duration::from_millis(2));
                times.push(timed(&mut client)?);
            }
            Ok(times)
        };
        let warm = measure(format!("{language}-warm"))?;
        let fresh = measure(format!("{language}-fresh"))?;
        let above = stats::median(&fresh) - stats::median(&warm);
        let what = format!("a fresh process per invocation of {language}, above a warm one");
        report.finding(what, Some(above), "ms", Some(Goal::AtMost(2.5)));
        report.samples(format!("fresh process, {language}"), "ms", fresh);
        report.samples(format!("same process, {language}"), "ms", warm);
    }
    report.note(format!(
        "{functions} functions of each language, called one after the other with a pause of \
         {} ms, in which the next interpreter boots ahead of time.",
        PAUSE.as_millis()
    ));
    Ok(report)
}

fn timed(client: &mut Client) -> anyhow::Result<f64> {
    let began = Instant::now();
    let answer = client.get("/bench/value")?;
    let time = began.elapsed().as_secs_f64() * 1e3;
    ensure!(answer.status == 200, "it answers {}: {}", answer.status, answer.text());
    ensure!(answer.text().starts_with("hello value "), "it is another answer: {}", answer.text());
    Ok(time)
}

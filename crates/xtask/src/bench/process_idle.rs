//! `process-idle`: what functions cost that ran once, and what is left after their keep-alive.

use std::fs;
use std::time::Duration;

use anyhow::ensure;

use super::memory_use::{METHOD, MemoryUse};
use super::node::Node;
use super::report::{Goal, Report};
use super::{Bench, Settings};
use crate::shell::root;

pub(super) const BENCH: Bench =
    Bench { name: "process-idle", title: "Functions that each ran once and wait", run };

const FUNCTIONS: usize = 200;
/// Of a smoke run.
const FEW: usize = 4;
const KEEP_ALIVE: Duration = Duration::from_secs(45);
/// Longer than it takes until instances stand still.
const SETTLE: Duration = Duration::from_secs(4);

fn run(settings: &Settings) -> anyhow::Result<Report> {
    let mut report = Report::new(settings);
    let config = settings.work.join("process-idle.toml");
    let (functions, wait) = settings.amount((FUNCTIONS, KEEP_ALIVE), (FEW, Duration::from_secs(2)));
    let settle = settings.amount(SETTLE, Duration::from_secs(1));
    let keep_alive = wait.as_secs();
    fs::write(&config, format!("[limits]\nkeep_alive = \"{keep_alive}s\"\n"))?;
    let flags = ["--config", &config.display().to_string()].map(str::to_owned);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    for language in ["python", "nodejs"] {
        let count = if language == "nodejs" { functions / 4 } else { functions };
        let mut node = Node::start(settings, &flags)?;
        let code = root().join("bench/functions").join(language);
        for index in 0..count {
            let lines = format!("env = {{ NUMBER = \"{index}\" }}");
            node.deploy_path(&format!("f{index}"), &code, &lines)?;
        }
        std::thread::sleep(settle);
        let (before, processes) = (MemoryUse::of(node.pid())?, processes(&node));
        for index in 0..count {
            let answer = node.client(&format!("f{index}")).get("/bench/value")?.text();
            ensure!(answer == "hello value 1\n", "it is another answer: {answer}");
        }
        std::thread::sleep(settle);
        let held = MemoryUse::of(node.pid())?;
        let each = (held.total - before.total) / count as f64;
        report.finding(format!("memory per idle instance, {language}"), Some(each), "MB", None);
        report.samples(
            format!("memory, {count} idle instances of {language}"),
            "MB",
            vec![held.total],
        );
        report.samples(format!("memory before, {language}"), "MB", vec![before.total]);
        // The last of them was called a moment ago.
        std::thread::sleep(wait + settle);
        let left = self::processes(&node) as f64 - processes as f64;
        let what = format!("processes left after the keep-alive, {language}");
        report.finding(what, Some(left), "", Some(Goal::AtMost(0.0)));
        let after = MemoryUse::of(node.pid())?;
        report.samples(format!("memory after the keep-alive, {language}"), "MB", vec![after.total]);
    }
    report.note(METHOD);
    report.note("Interpreters that are booted ahead of time are in all figures.");
    Ok(report)
}

/// Sandboxed processes of a node: those of its spawner's children.
fn processes(node: &Node) -> usize {
    fn children(pid: u32) -> Vec<u32> {
        let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let text = text.unwrap_or_default();
        text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
    }
    let tasks = fs::read_dir(format!("/proc/{}/task", node.pid())).into_iter().flatten().flatten();
    let spawners = tasks.flat_map(|task| {
        let text = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>()
    });
    spawners.map(|spawner| children(spawner).len()).sum()
}

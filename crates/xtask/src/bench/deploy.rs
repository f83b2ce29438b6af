//! `js-deploy`: from a file to its first answer.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::http::Client;
use super::node::{Code, Node};
use super::report::{Goal, Report};
use super::{Bench, Settings, stats};
use crate::shell;

pub(super) const BENCH: Bench =
    Bench { name: "js-deploy", title: "Deploy of one `js` file to its first answer", run };

/// Deployments per round.
const PER_ROUND: usize = 4;
/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

fn run(settings: &Settings) -> anyhow::Result<Report> {
    let mut report = Report::new(settings);
    let mut node = Node::start(settings, &[])?;
    let app = node.scratch()?;
    fs::write(app.path().join("mayfly.toml"), "app = \"cli\"\n[functions.f]\ncode = \"f.js\"\n")?;
    let (mut by_cli, mut by_api, mut fork) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..settings.rounds * PER_ROUND {
        by_cli.push(deploy_by_cli(settings, &node, app.path(), turn)?);
        by_api.push(deploy_by_api(&mut node, turn)?);
        fork.push(fork_and_exec()?);
    }
    // The first one of each finds nothing in any cache; it is kept among the samples.
    let (cli, api) = (stats::median(&by_cli), stats::median(&by_api));
    report.finding("`mayfly deploy` to first answer", Some(cli), "ms", Some(Goal::AtMost(50.0)));
    report.finding("admin API to first answer", Some(api), "ms", None);
    report.finding("`mayfly deploy` / fork+exec", Some(stats::ratio(&by_cli, &fork)), "x", None);
    report.finding("admin API / fork+exec", Some(stats::ratio(&by_api, &fork)), "x", None);
    report.samples("mayfly deploy", "ms", by_cli);
    report.samples("admin API", "ms", by_api);
    report.samples("fork+exec of true", "ms", fork);
    report.note("Each deployment has new code; its time ends when that code has answered 200.");
    Ok(report)
}

fn deploy_by_cli(settings: &Settings, node: &Node, app: &Path, turn: usize) -> anyhow::Result<f64> {
    fs::write(app.join("f.js"), source(turn)).context("write a function")?;
    let mut deploy = Command::new(&settings.mayfly);
    deploy.arg("deploy").arg(app).current_dir(app).stdin(Stdio::null());
    deploy.env("MAYFLY_URL", format!("http://{}", node.admin_address));
    deploy.env("MAYFLY_TOKEN", &node.token);
    let began = Instant::now();
    shell::output(&mut deploy)?;
    await_answer(&mut node.client("cli"), turn)?;
    Ok(milliseconds(began))
}

fn deploy_by_api(node: &mut Node, turn: usize) -> anyhow::Result<f64> {
    let code = Code { name: "f".into(), source: source(turn) };
    let began = Instant::now();
    node.deploy("api", &[code])?;
    await_answer(&mut node.client("api"), turn)?;
    Ok(milliseconds(began))
}

/// The yardstick *fork*.
fn fork_and_exec() -> anyhow::Result<f64> {
    let began = Instant::now();
    let status = Command::new("/bin/true").stdin(Stdio::null()).status().context("start true")?;
    ensure!(status.success(), "true fails");
    Ok(milliseconds(began))
}

fn await_answer(client: &mut Client, turn: usize) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        let answer = client.get("/")?;
        if answer.status == 200 && answer.text() == format!("turn {turn}\n") {
            return Ok(());
        }
        let (status, text) = (answer.status, answer.text());
        ensure!(began.elapsed() < PATIENCE, "turn {turn} is not answered, but {status}: {text}");
    }
}

fn source(turn: usize) -> String {
    format!("export default {{ fetch: () => new Response(\"turn {turn}\\n\") }};\n")
}

fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

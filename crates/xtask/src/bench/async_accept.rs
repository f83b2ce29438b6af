//! `async-accept`: how many events a second are on disk and answered 202, against bare commits to the same disk.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use tempfile::TempDir;

use super::http::{Answer, Client};
use super::load::{self, Check, Load, Post, Sample};
use super::node::{Code, Node};
use super::report::{Goal, Report};
use super::server::Server;
use super::{Bench, Settings, cores, stats};
use crate::shell::{self, root};

pub(super) const BENCH: Bench =
    Bench { name: "async-accept", title: "Events taken, each on disk before its 202", run };

const GOAL: f64 = 0.7;
const SLOW: &str = "a disk that syncs in 8 ms";
const QUICK: &str = "this disk";
/// Callers that wait for an answer each.
const CALLERS: usize = 64;
const PATH: &str = "/v1/apps/jobs/functions/work/invocations?mode=async&delay=1h";
/// What each sends.
const EVENT: &str = r#"{"order":7,"items":["a","b","c"],"note":"a hundred bytes of an event, more or less, as they usually are"}"#;

fn run(settings: &Settings) -> anyhow::Result<Report> {
    let mut report = Report::new(settings);
    let callers = settings.amount(CALLERS, 4);
    let slow = settings.work.join("slow_sync.so");
    shell::run(&mut load::library(&root().join("bench/slow_sync.c"), &slow))?;
    let slow = Settings { library: Some(slow), ..settings.clone() };
    for (disk, settings, goal) in [(SLOW, &slow, Some(GOAL)), (QUICK, settings, None)] {
        let mut node = Node::start(settings, &[])?;
        deploy(&mut node)?;
        let bare = BareServer::start(settings, &node)?;
        let (mut events, mut answers, mut commits) = (Vec::new(), Vec::new(), Vec::new());
        for round in 1..=settings.rounds {
            let taken = accepted(settings, node.admin_address, &node.token)?;
            let answered = accepted(settings, bare.server.address, "none")?;
            let committed = committed(settings, &node, callers)?;
            println!(
                "    {disk}, round {round}: {:>8.0} events/s, {:>8.0} of a bare server ({:.0}% and {:.0}% of the load's \
                 core), {committed:>8.0} bare commits/s",
                taken.rate,
                answered.rate,
                taken.load_core * 100.0,
                answered.load_core * 100.0
            );
            events.push(taken.rate);
            answers.push(answered.rate);
            commits.push(committed);
        }
        let goal = goal.map(Goal::AtLeast);
        for (what, over, under, goal) in [
            ("events/s / those of a bare server", &events, &answers, goal),
            ("events/s / bare commits/s", &events, &commits, goal),
            ("a bare server's events/s / bare commits/s", &answers, &commits, None),
        ] {
            let ratio = Some(stats::ratio(over, under));
            report.finding(format!("{what}, {disk}"), ratio, "x", goal);
        }
        report.samples(format!("mayfly, {disk}"), "events/s", events);
        report.samples(format!("bare server, {disk}"), "events/s", answers);
        report.samples(format!("bare commits, {disk}"), "commits/s", commits);
    }
    report.note(format!(
        "{callers} callers wait for an answer each. Events are due in an hour, so that none runs. Bare commits are \
         rows of the same size in SQLite, by one thread that commits whatever waits, with full sync: no HTTP, no \
         key, no index but its own. The bare server is hyper in front of that thread: it answers 202 when the row is on \
         disk, whoever asks and whatever it says. Each has one core in turn. The slow disk is this one with a library in \
         front (bench/slow_sync.c) that lets each sync take 8 ms at least, as on drives without power-loss protection: \
         there the disk is measured, and the goals are for that. Where a sync is done at once it is the processor, \
         which bare commits spend on no HTTP at all."
    ));
    Ok(report)
}

/// The server that does nothing else, with a database on the node's disk.
struct BareServer {
    server: Server,
    _directory: TempDir,
}

impl BareServer {
    fn start(settings: &Settings, node: &Node) -> anyhow::Result<Self> {
        let directory = node.scratch()?;
        let file = directory.path().join("bare.db").display().to_string();
        let program = settings.bare.with_file_name("bare-commits");
        let log = settings.work.join("bare-commits.log");
        let (server, _) =
            Server::start_with(&program, &[&file], &log, settings.library.as_deref())?;
        Ok(Self { server, _directory: directory })
    }
}

/// Deploys the function that events are for.
pub(super) fn deploy(node: &mut Node) -> anyhow::Result<()> {
    let source = "export async function handler(event) { return event.order; }\n".to_owned();
    node.deploy("jobs", &[Code { name: "work".into(), source }])
}

/// Sends an event that is due in an hour.
pub(super) fn send(client: &mut Client) -> anyhow::Result<Answer> {
    let headers = "content-type: application/json\r\n";
    let answer = client.send("POST", PATH, headers, EVENT.as_bytes())?;
    ensure!(answer.status == 202, "an event is answered {}: {}", answer.status, answer.text());
    Ok(answer)
}

/// Events that a server takes while it is asked for all that it can do.
fn accepted(settings: &Settings, address: SocketAddr, token: &str) -> anyhow::Result<Sample> {
    let post = Post { path: PATH, token, body: EVENT };
    Load::new(settings, address, "jobs").sending(post).run(settings.seconds, Check::Counted)
}

/// Commits per second of the bare program, on the node's disk and core.
fn committed(settings: &Settings, node: &Node, callers: usize) -> anyhow::Result<f64> {
    let directory = node.scratch()?;
    let program = settings.bare.with_file_name("bare-commits");
    let output = run_there(
        &program,
        directory.path(),
        settings.seconds,
        callers,
        settings.library.as_deref(),
    )?;
    output.trim().parse().with_context(|| format!("bare commits say {output}"))
}

fn run_there(
    program: &Path,
    directory: &Path,
    seconds: u64,
    callers: usize,
    library: Option<&Path>,
) -> anyhow::Result<String> {
    let output = Command::new("taskset")
        .args(["--cpu-list", &cores::server().to_string()])
        .arg(program)
        .arg(directory.join("bare.db"))
        .args([seconds.to_string(), callers.to_string(), EVENT.len().to_string()])
        .envs(library.map(|library| ("LD_PRELOAD", library)))
        .stdin(Stdio::null())
        .output()
        .context("start bare commits")?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "bare commits end with {}: {said}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

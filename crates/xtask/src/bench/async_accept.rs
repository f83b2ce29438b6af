//! `async-accept`: how many events a second are on disk and answered 202, against bare commits to the same disk.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::http::{Answer, Client};
use super::node::{Code, Node};
use super::report::{Goal, Report};
use super::{Bench, Settings, cores, load, stats};
use crate::shell::{self, root};

pub(super) const BENCH: Bench =
    Bench { name: "async-accept", title: "Events taken, each on disk before its 202", run };

const GOAL: f64 = 0.7;
/// Callers that wait for an answer each.
const CALLERS: usize = 64;
/// What each sends.
const EVENT: &str = r#"{"order":7,"items":["a","b","c"],"note":"a hundred bytes of an event, more or less, as they usually are"}"#;

fn run(settings: &Settings) -> anyhow::Result<Report> {
    let mut report = Report::new(settings);
    let callers = settings.amount(CALLERS, 4);
    let slow = settings.work.join("slow_sync.so");
    shell::run(&mut load::library(&root().join("bench/slow_sync.c"), &slow))?;
    let slow = Settings { library: Some(slow), ..settings.clone() };
    for (disk, settings) in [("this disk", settings), ("a disk that syncs in 8 ms", &slow)] {
        let mut node = Node::start(settings, &[])?;
        deploy(&mut node)?;
        let (mut events, mut commits) = (Vec::new(), Vec::new());
        for round in 1..=settings.rounds {
            let taken = accepted(settings, &node, callers)?;
            let bare = committed(settings, &node, callers)?;
            println!(
                "    {disk}, round {round}: {taken:>8.0} events/s, {bare:>8.0} bare commits/s"
            );
            events.push(taken);
            commits.push(bare);
        }
        let ratio = Some(stats::ratio(&events, &commits));
        let goal = Some(Goal::AtLeast(GOAL));
        report.finding(format!("events/s / bare commits/s, {disk}"), ratio, "x", goal);
        report.samples(format!("mayfly, {disk}"), "events/s", events);
        report.samples(format!("bare commits, {disk}"), "commits/s", commits);
    }
    report.note(format!(
        "{callers} callers wait for an answer each. Events are due in an hour, so that none runs. Bare commits are \
         rows of the same size in SQLite, by one thread that commits whatever waits, with full sync: no HTTP, no \
         key, no index but its own. Both have one core, so that on a disk that syncs at once it is the processor that is \
         measured: HTTP against none. The slower disk is this one with a library in front (bench/slow_sync.c) that lets \
         each sync take 8 ms at least, as on drives without power-loss protection."
    ));
    Ok(report)
}

/// Deploys the function that events are for.
pub(super) fn deploy(node: &mut Node) -> anyhow::Result<()> {
    let source = "export async function handler(event) { return event.order; }\n".to_owned();
    node.deploy("jobs", &[Code { name: "work".into(), source }])
}

/// Sends an event that is due in an hour.
pub(super) fn send(client: &mut Client) -> anyhow::Result<Answer> {
    let path = "/v1/apps/jobs/functions/work/invocations?mode=async&delay=1h";
    let headers = "content-type: application/json\r\n";
    let answer = client.send("POST", path, headers, EVENT.as_bytes())?;
    ensure!(answer.status == 202, "an event is answered {}: {}", answer.status, answer.text());
    Ok(answer)
}

/// Events per second that the node took.
fn accepted(settings: &Settings, node: &Node, callers: usize) -> anyhow::Result<f64> {
    let (over, count) = (AtomicBool::new(false), AtomicU64::new(0));
    let _pinned = cores::Pinned::to_load()?;
    let began = Instant::now();
    thread::scope(|scope| {
        let caller = |_| {
            let (over, count, mut client) = (&over, &count, node.admin());
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    send(&mut client)?;
                    count.fetch_add(1, Ordering::Relaxed);
                }
                anyhow::Ok(())
            })
        };
        let callers: Vec<_> = (0..callers).map(caller).collect();
        thread::sleep(Duration::from_secs(settings.seconds));
        over.store(true, Ordering::Relaxed);
        for caller in callers {
            caller.join().map_err(|_| anyhow::anyhow!("a caller panicked"))??;
        }
        anyhow::Ok(())
    })?;
    Ok(count.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64())
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

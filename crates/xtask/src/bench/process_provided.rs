//! `process-provided`: AWS's client for Rust behind the gateway, against the same client in a bare loop.

use std::process::Command;

use anyhow::Context as _;

use super::load::{Check, Load};
use super::node::Node;
use super::report::{Goal, Report};
use super::{Bench, Extent, Settings, cores, stats};
use crate::shell::{self, cargo, root};

pub(super) const BENCH: Bench = Bench {
    name: "process-provided",
    title: "`provided` by lambda_runtime, behind the gateway and in a bare loop",
    run,
};

const APP: &str = "provided";

fn run(settings: &Settings) -> anyhow::Result<Report> {
    let mut report = Report::new(settings);
    let target = settings.work.join("provided");
    let manifest = root().join("bench/functions/provided/Cargo.toml");
    let mut build = cargo();
    build.args(["build", "--locked", "--manifest-path"]).arg(manifest);
    let profile = match settings.extent {
        Extent::Whole => {
            build.arg("--release");
            "release"
        }
        Extent::Smoke => "debug",
    };
    shell::run(build.env("CARGO_TARGET_DIR", &target))?;
    let program = target.join(profile).join("bench-provided");
    let code = target.join("bootstrap");
    std::fs::copy(&program, &code).context("copy the program")?;
    let mut node = Node::start(settings, &[])?;
    node.deploy_path(APP, &code, "runtime = \"provided\"")?;
    let (mut own, mut bare) = (Vec::new(), Vec::new());
    for round in 1..=settings.rounds {
        let load = Load::new(settings, node.address(), APP);
        load.run(1, Check::Checked)?;
        own.push(load.run(settings.seconds, Check::Counted)?.rate);
        let mut looped = Command::new("taskset");
        looped.args(["--cpu-list", &cores::server().to_string()]);
        looped.arg(settings.mayfly.with_file_name("bare-runtime-api")).arg(&program);
        let rate = shell::output(looped.arg(settings.seconds.to_string()))?;
        bare.push(rate.trim().parse().context("read the loop's rate")?);
        println!(
            "    round {round}: mayfly {:.0}/s, bare loop {:.0}/s",
            own[round - 1],
            bare[round - 1]
        );
    }
    let ratio = stats::ratio(&own, &bare);
    let goal = Some(Goal::AtLeast(1.0));
    report.finding("events/s, mayfly / the client in a bare loop", Some(ratio), "x", goal);
    report.samples("mayfly", "requests/s", own);
    report.samples("bare loop", "events/s", bare);
    report.note(
        "Mayfly takes each event from an HTTP request of its own, under 64 connections, and runs as \
         many processes as it likes; the loop has one process and no request. One core each.",
    );
    Ok(report)
}

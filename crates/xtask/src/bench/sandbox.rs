//! `sandbox`: what making a sandbox costs, against others who make some.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, ensure};

use super::report::{Goal, Report};
use super::{Bench, Settings, stats};
use crate::shell::which;

pub(super) const BENCH: Bench =
    Bench { name: "sandbox", title: "Making a sandbox, running true in it, and its end", run };

const PER_ROUND: usize = 40;

fn run(settings: &Settings) -> anyhow::Result<Report> {
    let mut report = Report::new(settings);
    let bundle = tempfile::tempdir_in(&settings.work)?;
    let per_round = settings.amount(PER_ROUND, 4);
    let (mut own, mut fork) = (Vec::new(), Vec::new());
    let (mut bwrap, mut runc) = (Ok(Vec::new()), Ok(Vec::new()));
    let runc_bundle = which("runc").context("runc is not installed: `apt-get install runc`");
    let runc_bundle =
        runc_bundle.and_then(|runc| write_bundle(&runc, bundle.path()).map(|()| runc));
    for round in 0..settings.rounds {
        own.extend(mayfly(settings, per_round)?);
        for _ in 0..per_round {
            fork.push(timed(Command::new("/bin/true"))?);
        }
        let sample = || -> anyhow::Result<Vec<f64>> {
            let program =
                which("bwrap").context("bwrap is not installed: `apt-get install bubblewrap`")?;
            (0..per_round).map(|_| timed(bwrap_command(&program))).collect()
        };
        extend(&mut bwrap, sample());
        let sample = || -> anyhow::Result<Vec<f64>> {
            let program = runc_bundle.as_ref().map_err(|error| anyhow::anyhow!("{error:#}"))?;
            let run = |turn| {
                let mut command = Command::new(program);
                let name = format!("bench-{}-{round}-{turn}", std::process::id());
                command.arg("run").arg("--bundle").arg(bundle.path()).arg(name);
                timed(command)
            };
            (0..per_round / 4).map(run).collect()
        };
        extend(&mut runc, sample());
    }
    let (mine, base) = (stats::median(&own), stats::median(&fork));
    report.finding("a sandbox of mayfly, above fork+exec", Some(mine - base), "ms", None);
    for (name, samples) in [("bwrap", bwrap), ("runc", runc)] {
        match samples {
            Ok(samples) => {
                let ratio = mine / stats::median(&samples);
                let goal = (name == "runc").then_some(Goal::AtMost(0.25));
                report.finding(format!("time, mayfly / {name}"), Some(ratio), "x", goal);
                report.samples(name, "ms", samples);
            }
            Err(error) => {
                report.finding(format!("time, mayfly / {name}"), None, "x", None);
                report.missing(name, "ms", format!("{error:#}"));
            }
        }
    }
    report.samples("mayfly", "ms", own);
    report.samples("fork+exec", "ms", fork);
    report.note(
        "Mayfly's has namespaces, cgroups, a root of its own with the host's programs, a sized /tmp, \
         /proc, Landlock and three seccomp filters; bwrap is asked for namespaces and the same files \
         and has no limits or filters; runc has the same files, namespaces and cgroups as `runc spec` asks for, which is without limits and filters.",
    );
    Ok(report)
}

fn extend(all: &mut anyhow::Result<Vec<f64>>, more: anyhow::Result<Vec<f64>>) {
    match (all.as_mut(), more) {
        (Ok(all), Ok(more)) => all.extend(more),
        (Ok(_), Err(error)) => *all = Err(error),
        (Err(_), _) => {}
    }
}

fn timed(mut command: Command) -> anyhow::Result<f64> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let began = Instant::now();
    let output = command.output().with_context(|| format!("start {command:?}"))?;
    let time = began.elapsed().as_secs_f64() * 1e3;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} fails: {}", said.trim());
    Ok(time)
}

/// Sandboxes of the spawner, by the program that its tests use.
fn mayfly(settings: &Settings, count: usize) -> anyhow::Result<Vec<f64>> {
    let program = settings.mayfly.with_file_name("examples/sandbox-probe");
    ensure!(
        program.exists(),
        "{} is missing: `cargo build -p mayfly-sandbox --example sandbox-probe`",
        program.display()
    );
    let output = Command::new(program).args(["time", &count.to_string()]).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let times: Vec<f64> = text.lines().filter_map(|line| line.parse().ok()).collect();
    ensure!(times.len() == count, "sandboxes fail: {text}");
    Ok(times)
}

fn bwrap_command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(["--unshare-all", "--die-with-parent", "--ro-bind", "/usr", "/usr"]);
    for link in ["bin", "lib", "lib64", "sbin"] {
        if Path::new("/").join(link).is_symlink() {
            command.args(["--symlink", &format!("usr/{link}"), &format!("/{link}")]);
        }
    }
    command.args(["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "/bin/true"]);
    command
}

/// A bundle of runc's own making, whose root shows the host's programs.
fn write_bundle(runc: &Path, directory: &Path) -> anyhow::Result<()> {
    let made = Command::new(runc).arg("spec").current_dir(directory).output()?;
    ensure!(made.status.success(), "runc spec: {}", String::from_utf8_lossy(&made.stderr));
    let file = directory.join("config.json");
    let mut config: serde_json::Value = serde_json::from_slice(&fs::read(&file)?)?;
    config["process"]["args"] = serde_json::json!(["/usr/bin/true"]);
    config["process"]["terminal"] = false.into();
    let root = directory.join("rootfs");
    fs::create_dir_all(root.join("usr"))?;
    for link in ["bin", "lib", "lib64", "sbin"] {
        if Path::new("/").join(link).is_symlink() {
            std::os::unix::fs::symlink(format!("usr/{link}"), root.join(link))?;
        }
    }
    let bind = serde_json::json!({
        "destination": "/usr", "type": "none", "source": "/usr", "options": ["rbind", "ro"]
    });
    if let Some(mounts) = config["mounts"].as_array_mut() {
        mounts.push(bind);
    }
    fs::write(file, serde_json::to_vec(&config)?)?;
    Ok(())
}

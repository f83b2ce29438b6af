//! What every bench works with.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::ensure;

use super::{Arguments, cores, load};
use crate::shell::{cargo, root, run, which};

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) extent: Extent,
    /// How long each sample of a load lasts.
    pub(super) seconds: u64,
    /// How many samples of each side are taken.
    pub(super) rounds: usize,
    /// How many functions are many.
    pub(super) functions: usize,
    /// How long `soak` loads a node.
    pub(super) soak: Duration,
    /// The binary that is measured.
    pub(super) mayfly: PathBuf,
    /// What is loaded into it in front of other libraries.
    pub(super) library: Option<PathBuf>,
    /// The yardstick *bare*.
    pub(super) bare: PathBuf,
    /// A directory for programs and logs that stay.
    pub(super) work: PathBuf,
}

/// How much is done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// What figures need.
    Whole,
    /// What it takes to see that every answer is right.
    Smoke,
}

impl Settings {
    /// Those of a measurement; builds a release unless there is one.
    pub(super) fn whole(arguments: &Arguments) -> anyhow::Result<Self> {
        ensure!(arguments.rounds > 0 && arguments.seconds > 0, "a sample takes time");
        ensure!(cores::count() >= 2, "the load and what it measures need a core each: here is one");
        let programs = match &arguments.built {
            Some(programs) => programs.clone(),
            None => release()?,
        };
        Ok(Self {
            extent: Extent::Whole,
            seconds: arguments.seconds,
            rounds: arguments.rounds,
            functions: arguments.functions,
            soak: Duration::from_secs(arguments.soak_seconds),
            ..Self::smoke(Some(&programs))?
        })
    }

    /// Those of a smoke run; makes a development build unless there are programs.
    pub(super) fn smoke(built: Option<&Path>) -> anyhow::Result<Self> {
        for program in ["taskset", "wrk"] {
            let present = which(program).is_some();
            ensure!(present, "{program} is missing: `apt-get install util-linux wrk`");
        }
        let programs = match built {
            Some(programs) => programs.to_owned(),
            None => development()?,
        }
        .canonicalize()?;
        let work = root().join("target/bench");
        fs::create_dir_all(&work)?;
        load::prepare(&work)?;
        Ok(Self {
            extent: Extent::Smoke,
            seconds: 1,
            rounds: 1,
            functions: 3,
            soak: Duration::from_secs(6),
            mayfly: programs.join("mayfly"),
            library: None,
            bare: programs.join("bare-server"),
            work: work.canonicalize()?,
        })
    }

    /// How many or how long: `whole` for figures, `smoke` in a smoke run.
    pub(super) fn amount<T>(&self, whole: T, smoke: T) -> T {
        match self.extent {
            Extent::Whole => whole,
            Extent::Smoke => smoke,
        }
    }
}

/// Builds a release and returns the directory of its programs.
fn release() -> anyhow::Result<PathBuf> {
    // One by one, because together they would share the features of their dependencies.
    run(cargo().args(["build", "--release", "--package", "mayfly"]))?;
    for bare in ["bare-server", "bare-runtime-api", "bare-commits"] {
        run(cargo().args(["build", "--release", "--package", "xtask", "--bin", bare]))?;
    }
    let probe = ["build", "--release", "--package", "mayfly-sandbox", "--example", "sandbox-probe"];
    run(cargo().args(probe))?;
    Ok(target().join("release"))
}

/// Makes what a development build lacks and returns the directory of its programs.
fn development() -> anyhow::Result<PathBuf> {
    // Together and of the whole workspace, because that is what the tests have compiled already.
    let mut build = cargo();
    build.args(["build", "--workspace", "--bin", "mayfly", "--bin", "bare-server"]);
    run(build.args([
        "--bin",
        "bare-runtime-api",
        "--bin",
        "bare-commits",
        "--example",
        "sandbox-probe",
    ]))?;
    Ok(target().join("debug"))
}

fn target() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    target.unwrap_or_else(|| root().join("target"))
}

//! Measures: each a ratio against a yardstick of the same minute.

mod deploy;
mod doc;
mod first;
mod hello;
mod http;
mod idle;
mod load;
mod machine;
mod memory;
mod memory_use;
mod node;
mod process_first;
mod process_hello;
mod process_idle;
mod process_provided;
mod report;
mod reset;
mod sandbox;
mod server;
mod stats;
mod wasm_hello;
mod yardsticks;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};

use crate::shell::{cargo, root, run as run_command, which};
use report::Report;

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The benches to run; all by default
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// How long each sample of a load lasts, in seconds
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// How many samples of each side are taken, by turns
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// How many functions `js-memory` deploys (and `js-first`, up to 200)
    #[arg(long, default_value_t = 10_000)]
    functions: usize,
    /// Write docs/BENCHMARKS.md from the results kept in bench/results, and measure nothing
    #[arg(long)]
    doc: bool,
    /// Measure the programs in this directory instead of building them
    #[arg(long, value_name = "DIR")]
    built: Option<PathBuf>,
    /// List the benches
    #[arg(long)]
    list: bool,
}

/// One bench.
struct Bench {
    name: &'static str,
    /// What it measures, as a heading.
    title: &'static str,
    run: fn(&Settings) -> anyhow::Result<Report>,
}

const ALL: &[Bench] = &[
    hello::BENCH,
    reset::BENCH,
    first::BENCH,
    deploy::BENCH,
    memory::BENCH,
    idle::BENCH,
    wasm_hello::BENCH,
    process_hello::BENCH,
    process_provided::BENCH,
    process_first::BENCH,
    process_idle::BENCH,
    sandbox::BENCH,
];

/// What every bench works with.
struct Settings {
    seconds: u64,
    rounds: usize,
    functions: usize,
    /// The binary that is measured.
    mayfly: PathBuf,
    /// The yardstick *bare*.
    bare: PathBuf,
    /// A directory for programs and logs that stay.
    work: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.list {
        ALL.iter().for_each(|bench| println!("{:<10} {}", bench.name, bench.title));
        return Ok(());
    }
    if arguments.doc {
        return doc::write();
    }
    let chosen = choose(&arguments.names)?;
    let settings = prepare(arguments)?;
    for bench in chosen {
        println!("\n=== {}: {}", bench.name, bench.title);
        let report = (bench.run)(&settings).with_context(|| format!("measure {}", bench.name))?;
        report.print();
        report.save(bench.name)?;
    }
    Ok(())
}

fn choose(names: &[String]) -> anyhow::Result<Vec<&'static Bench>> {
    if names.is_empty() {
        return Ok(ALL.iter().collect());
    }
    let find = |name: &String| {
        let bench = ALL.iter().find(|bench| bench.name == name);
        bench.with_context(|| format!("there is no bench `{name}`; `--list` shows them"))
    };
    names.iter().map(find).collect()
}

/// Builds what is measured and looks for what measures it.
fn prepare(arguments: &Arguments) -> anyhow::Result<Settings> {
    ensure!(arguments.rounds > 0 && arguments.seconds > 0, "a sample takes time");
    ensure!(machine::cores() >= 2, "the load and what it measures need a core each: here is one");
    for program in ["taskset", "wrk"] {
        ensure!(which(program).is_some(), "{program} is missing: `apt-get install util-linux wrk`");
    }
    let programs = match &arguments.built {
        Some(programs) => programs.canonicalize()?,
        None => build()?,
    };
    let work = root().join("target/bench");
    fs::create_dir_all(&work)?;
    load::prepare(&work)?;
    Ok(Settings {
        seconds: arguments.seconds,
        rounds: arguments.rounds,
        functions: arguments.functions,
        mayfly: programs.join("mayfly"),
        bare: programs.join("bare-server"),
        work: work.canonicalize()?,
    })
}

/// Builds a release and returns the directory of its programs.
fn build() -> anyhow::Result<PathBuf> {
    // One by one, because together they would share the features of their dependencies.
    run_command(cargo().args(["build", "--release", "--package", "mayfly"]))?;
    for bare in ["bare-server", "bare-runtime-api"] {
        run_command(cargo().args(["build", "--release", "--package", "xtask", "--bin", bare]))?;
    }
    let probe = ["build", "--release", "--package", "mayfly-sandbox", "--example", "sandbox-probe"];
    run_command(cargo().args(probe))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    Ok(target.unwrap_or_else(|| root().join("target")).join("release"))
}

//! Measures: each a ratio against a yardstick of the same minute.

mod async_accept;
mod cores;
mod deploy;
mod doc;
mod first;
mod hello;
mod http;
mod idle;
mod ledger;
mod load;
mod machine;
mod memory;
mod memory_use;
mod neighbour;
mod node;
mod open;
mod overload;
mod plot;
mod process_first;
mod process_hello;
mod process_idle;
mod process_provided;
mod queue_restart;
mod report;
mod reset;
mod sandbox;
mod server;
mod settings;
mod sharing;
mod smoke;
mod soak;
mod stats;
mod trace;
mod wasm_first;
mod wasm_hello;
mod yardsticks;

use std::path::PathBuf;

use anyhow::Context as _;

use report::Report;
use settings::{Extent, Settings};

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
    /// How long `soak` loads a node, in seconds
    #[arg(long, default_value_t = 600)]
    soak_seconds: u64,
    /// Run every bench as short as can be and judge its answers alone: nothing is measured or kept
    #[arg(long, conflicts_with_all = ["seconds", "rounds", "functions", "soak_seconds", "doc"])]
    smoke: bool,
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

/// All of them, the longest last.
const ALL: &[Bench] = &[
    hello::BENCH,
    reset::BENCH,
    first::BENCH,
    deploy::BENCH,
    memory::BENCH,
    idle::BENCH,
    wasm_hello::BENCH,
    wasm_first::BENCH,
    process_hello::BENCH,
    process_provided::BENCH,
    process_first::BENCH,
    process_idle::BENCH,
    sandbox::BENCH,
    neighbour::BENCH,
    overload::BENCH,
    trace::BENCH,
    ledger::BENCH,
    async_accept::BENCH,
    queue_restart::BENCH,
    soak::BENCH,
];

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.list {
        ALL.iter().for_each(|bench| println!("{:<16} {}", bench.name, bench.title));
        return Ok(());
    }
    if arguments.doc {
        return doc::write();
    }
    let chosen = choose(&arguments.names)?;
    if arguments.smoke {
        return smoke::run(&chosen, arguments.built.as_deref());
    }
    let settings = Settings::whole(arguments)?;
    for bench in chosen {
        println!("\n=== {}: {}", bench.name, bench.title);
        let report = (bench.run)(&settings).with_context(|| format!("measure {}", bench.name))?;
        report.print();
        report.save(bench.name)?;
    }
    Ok(())
}

/// Every bench, as short as can be, with programs of a development build.
pub(crate) fn smoke() -> anyhow::Result<()> {
    smoke::run(&choose(&[])?, None)
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

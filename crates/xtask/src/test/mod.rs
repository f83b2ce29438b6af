//! Everything that must pass before a change goes in.

mod steps;
mod tools;

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use tools::Tool;

/// Which steps run, and what may be fetched for them.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Fetch the tools that the tests need and this machine lacks
    #[arg(long)]
    install: bool,
    /// Run only the steps of these names
    #[arg(long, value_name = "STEP")]
    only: Vec<String>,
    /// List the steps
    #[arg(long)]
    list: bool,
}

/// One thing that must pass.
struct Step {
    name: &'static str,
    what: &'static str,
    /// What the machine must have for it, besides cargo.
    needs: &'static [Tool],
    run: fn() -> anyhow::Result<()>,
}

struct Ran {
    name: &'static str,
    time: Duration,
    outcome: anyhow::Result<()>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.list {
        for step in steps::ALL {
            println!("{:<10} {}", step.name, step.what);
        }
        return Ok(());
    }
    let chosen = choose(&arguments.only)?;
    let began = Instant::now();
    let needed = chosen.iter().flat_map(|step| step.needs).copied().collect();
    if arguments.install {
        tools::install(&needed)?;
    } else {
        tools::require(&needed)?;
    }

    let mut ran = Vec::new();
    for (index, step) in chosen.iter().enumerate() {
        println!("\n=== {}/{} {}: {}", index + 1, chosen.len(), step.name, step.what);
        let began = Instant::now();
        // The rest runs all the same: one look then shows all that is wrong.
        let outcome = (step.run)();
        let time = began.elapsed();
        match &outcome {
            Ok(()) => println!("=== {} passed in {}", step.name, seconds(time)),
            Err(error) => println!("=== {} FAILED after {}: {error:#}", step.name, seconds(time)),
        }
        ran.push(Ran { name: step.name, time, outcome });
    }
    summary(&ran, began.elapsed())
}

fn choose(only: &[String]) -> anyhow::Result<Vec<&'static Step>> {
    if only.is_empty() {
        return Ok(steps::ALL.iter().collect());
    }
    let find = |name: &String| {
        let step = steps::ALL.iter().find(|step| step.name == name);
        step.with_context(|| format!("there is no step `{name}`; `--list` shows them"))
    };
    only.iter().map(find).collect()
}

fn summary(ran: &[Ran], total: Duration) -> anyhow::Result<()> {
    println!("\n=== summary");
    for Ran { name, time, outcome } in ran {
        let verdict = if outcome.is_ok() { "passed" } else { "FAILED" };
        println!("    {name:<10} {verdict}  {:>8}", seconds(*time));
    }
    println!("    {:<10}         {:>8}", "in all", seconds(total));
    let failed: Vec<String> = ran
        .iter()
        .filter_map(|step| Some(format!("{}: {:#}", step.name, step.outcome.as_ref().err()?)))
        .collect();
    if !failed.is_empty() {
        bail!("{} of {} steps failed:\n  - {}", failed.len(), ran.len(), failed.join("\n  - "));
    }
    Ok(())
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

//! `docs/BENCHMARKS.md` and its pictures, made from `bench/results`.

use std::fmt::Write as _;
use std::fs;

use anyhow::Context as _;

use super::report::Report;
use super::{ALL, Bench, plot, sharing};
use crate::shell::root;

const METHOD: &str = "\
# Benchmarks

<!-- Written by `cargo xtask bench --doc` from bench/results, with docs/benchmarks: change those, not this. -->

Machines are noisy and differ, so every figure that counts is a ratio against a yardstick that ran
in the same minute on the same core. Milliseconds and requests per second are only good for
comparison inside one table.

How it is measured:

- Sides take turns (A B B A), several samples each. A ratio is taken within each turn; the table
  shows the median of those.
- The server runs on one core, alone under load; the load runs on another: wrk, one thread, 64
  connections. It never sleeps (`bench/awake.c`), so that no server pays for waking its core: on
  virtual machines that can cost more than an answer does.
- Every request has a value of its own in its path. Before each sample the server is warmed up for
  a second in which every answer must hold its request's value, and, where a fresh VM is claimed, a
  module's counter must be 1. During the sample itself statuses are looked at, since looking at
  bodies would make the load the slower side.
- Where a yardstick's program is missing, its row and its place in the picture say so.
- In pictures a bar is a median, its whiskers the least and the most of the samples, and yardsticks are grey.

The yardsticks: *bare* is a hyper server, on one thread, that returns the same bytes; *node* is
`node:http`; *workerd* is the npm package of that name, with the same handler; *wserve*
is `wasmtime serve` with the same component, tuned and as it comes; *uvicorn* is what
`pip install uvicorn` brings, one worker, with an ASGI app; *puma* is one worker with one thread, with a
Rack app; *bare loop* is Lambda's Runtime API with nothing behind it; *fork* is fork and exec of `true`.

To repeat it: `cargo xtask bench --seconds 10`, then `cargo xtask bench --doc`. Memory for 10,000
functions takes a while; `--functions 1000` is quicker. `soak` takes ten minutes; with fewer `--soak-seconds` its
goals are not judged.

";

pub(super) fn write() -> anyhow::Result<()> {
    let mut text = METHOD.to_owned() + sharing::TEXT;
    let pictures = root().join("docs/benchmarks");
    fs::create_dir_all(&pictures)?;
    for bench in ALL {
        let _ = write!(text, "\n## {}: {}\n\n", bench.name, bench.title);
        match Report::read(bench.name)? {
            Some(report) => {
                let picture = pictures.join(format!("{}.svg", bench.name));
                fs::write(&picture, plot::svg(&heading(bench), &report))
                    .with_context(|| format!("write {}", picture.display()))?;
                text += &section(bench, &report);
            }
            None => text += "Not measured yet.\n",
        }
    }
    let file = root().join("docs/BENCHMARKS.md");
    fs::write(&file, text).context("write docs/BENCHMARKS.md")?;
    println!("docs/BENCHMARKS.md and docs/benchmarks are written");
    Ok(())
}

/// A bench's heading without what is markdown in it.
fn heading(bench: &Bench) -> String {
    format!("{}: {}", bench.name, bench.title.replace('`', ""))
}

fn section(bench: &Bench, report: &Report) -> String {
    let mut text = table(&report.finding_rows());
    let _ = writeln!(text, "\n![{}](benchmarks/{}.svg)\n", plot::in_words(report), bench.name);
    text += &table(&report.series_rows());
    text.push('\n');
    for note in &report.notes {
        let _ = writeln!(text, "{note}");
    }
    let list = |facts: &std::collections::BTreeMap<String, String>| {
        let facts = facts.iter().map(|(name, value)| format!("{name} {value}"));
        facts.collect::<Vec<_>>().join(", ")
    };
    let _ = writeln!(
        text,
        "\nTaken {} with samples of {} s. Machine: {}. Versions: {}.",
        report.date,
        report.seconds,
        list(&report.machine),
        list(&report.versions)
    );
    text
}

/// A table whose first row is its heading.
fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let _ = writeln!(text, "| {} |", row.join(" | "));
        if index == 0 {
            let _ = writeln!(text, "|{}", "---|".repeat(N));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_heading() {
        let rows = [["a", "b"], ["1", "2"]].map(|row| row.map(str::to_owned));
        assert_eq!(table(&rows), "| a | b |\n|---|---|\n| 1 | 2 |\n");
    }
}

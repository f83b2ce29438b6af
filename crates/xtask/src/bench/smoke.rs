//! Benches that are only looked at whether they still run, and whether every answer is right.

use std::path::Path;
use std::time::Instant;

use anyhow::bail;

use super::Bench;
use super::settings::Settings;

/// Runs benches as short as can be. Goals are not judged and nothing is kept.
pub(super) fn run(chosen: &[&Bench], built: Option<&Path>) -> anyhow::Result<()> {
    let settings = Settings::smoke(built)?;
    let mut failed = Vec::new();
    for bench in chosen {
        println!("\n--- {}: {}", bench.name, bench.title);
        let began = Instant::now();
        // The rest runs all the same: one look then shows all that is wrong.
        let outcome = (bench.run)(&settings);
        let seconds = began.elapsed().as_secs_f64();
        match outcome {
            Ok(report) => {
                for (name, why) in report.absent() {
                    println!("    {name} is missing: {why}");
                }
                println!("--- {} answers right, {seconds:.1} s", bench.name);
            }
            Err(error) => {
                println!("--- {} FAILED after {seconds:.1} s: {error:#}", bench.name);
                failed.push(format!("{}: {error:#}", bench.name));
            }
        }
    }
    if !failed.is_empty() {
        bail!(
            "{} of {} benches failed:\n  - {}",
            failed.len(),
            chosen.len(),
            failed.join("\n  - ")
        );
    }
    Ok(())
}

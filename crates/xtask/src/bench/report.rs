//! What a bench found.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::{Settings, machine, stats};
use crate::shell::root;

/// A bench's result, as it is kept in `bench/results/NAME.json`.
#[derive(Serialize, Deserialize, Default)]
pub(super) struct Report {
    /// UTC, RFC 3339.
    pub(super) date: String,
    pub(super) machine: BTreeMap<String, String>,
    pub(super) versions: BTreeMap<String, String>,
    /// How long a sample of a load lasts, in seconds.
    pub(super) seconds: u64,
    pub(super) findings: Vec<Finding>,
    pub(super) series: Vec<Series>,
    pub(super) notes: Vec<String>,
}

/// Samples of one thing, in the order in which they were taken.
#[derive(Serialize, Deserialize)]
pub(super) struct Series {
    pub(super) name: String,
    pub(super) unit: String,
    pub(super) samples: Vec<f64>,
    /// Why there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) missing: Option<String>,
}

/// One number that the samples amount to.
#[derive(Serialize, Deserialize)]
pub(super) struct Finding {
    pub(super) what: String,
    /// None where a yardstick is missing.
    pub(super) value: Option<f64>,
    pub(super) unit: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) goal: Option<Goal>,
}

/// What good is.
#[derive(Serialize, Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

impl Goal {
    pub(super) fn holds(self, value: f64) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::AtMost(bound) => value <= bound,
        }
    }

    pub(super) fn shown(self) -> String {
        match self {
            Self::AtLeast(bound) => format!(">= {}", number(bound)),
            Self::AtMost(bound) => format!("<= {}", number(bound)),
        }
    }
}

impl Report {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            date: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            machine: machine::describe(),
            versions: machine::versions(),
            seconds: settings.seconds,
            ..Self::default()
        }
    }

    pub(super) fn version(&mut self, name: &str, version: Option<String>) {
        self.versions.extend(version.map(|version| (name.to_owned(), version)));
    }

    pub(super) fn samples(&mut self, name: impl Into<String>, unit: &str, samples: Vec<f64>) {
        let series = Series { name: name.into(), unit: unit.into(), samples, missing: None };
        self.series.push(series);
    }

    pub(super) fn missing(&mut self, name: impl Into<String>, unit: &str, why: impl Into<String>) {
        let (name, unit, missing) = (name.into(), unit.into(), Some(why.into()));
        self.series.push(Series { name, unit, samples: Vec::new(), missing });
    }

    pub(super) fn finding(
        &mut self,
        what: impl Into<String>,
        value: Option<f64>,
        unit: &str,
        goal: Option<Goal>,
    ) {
        self.findings.push(Finding { what: what.into(), value, unit: unit.into(), goal });
    }

    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Where a bench's result is kept.
    pub(super) fn file(bench: &str) -> PathBuf {
        root().join("bench/results").join(format!("{bench}.json"))
    }

    pub(super) fn save(&self, bench: &str) -> anyhow::Result<()> {
        let file = Self::file(bench);
        fs::create_dir_all(root().join("bench/results"))?;
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(&file, text).with_context(|| format!("write {}", file.display()))
    }

    /// The result of a bench that has been run here, if there is one.
    pub(super) fn read(bench: &str) -> anyhow::Result<Option<Self>> {
        let file = Self::file(bench);
        if !file.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(&file)?;
        serde_json::from_str(&text).with_context(|| format!("read {}", file.display())).map(Some)
    }

    /// What could not be measured, and why.
    pub(super) fn absent(&self) -> impl Iterator<Item = (&str, &str)> {
        self.series
            .iter()
            .filter_map(|series| Some((series.name.as_str(), series.missing.as_deref()?)))
    }

    pub(super) fn print(&self) {
        for row in self.series_rows() {
            println!(
                "    {:<42} {:>11} {:>11} {:>11} {:>4}  {}",
                row[0], row[1], row[2], row[3], row[4], row[5]
            );
        }
        println!();
        for row in self.finding_rows() {
            println!("    {:<60} {:>12}  {:<10} {}", row[0], row[1], row[2], row[3]);
        }
        self.notes.iter().for_each(|note| println!("    {note}"));
    }

    /// Name, median, least, most, number and unit of each series, below a heading.
    pub(super) fn series_rows(&self) -> Vec<[String; 6]> {
        let mut rows = vec![["series", "median", "min", "max", "n", "unit"].map(str::to_owned)];
        rows.extend(self.series.iter().map(|series| {
            let (name, unit) = (series.name.clone(), series.unit.clone());
            if let Some(why) = &series.missing {
                return [name, "missing".into(), "-".into(), "-".into(), "0".into(), why.clone()];
            }
            let samples = &series.samples;
            let least = samples.iter().copied().fold(f64::INFINITY, f64::min);
            let most = samples.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let median = stats::median(samples);
            [name, number(median), number(least), number(most), samples.len().to_string(), unit]
        }));
        rows
    }

    /// What was found, its value, its goal and whether that is reached, below a heading.
    pub(super) fn finding_rows(&self) -> Vec<[String; 4]> {
        let mut rows = vec![["finding", "value", "goal", "reached"].map(str::to_owned)];
        rows.extend(self.findings.iter().map(|finding| {
            let value = finding.value.map_or_else(
                || "not measured".to_owned(),
                |value| format!("{} {}", number(value), finding.unit).trim_end().to_owned(),
            );
            let goal = finding.goal.map_or_else(|| "-".to_owned(), Goal::shown);
            let reached = match (finding.goal, finding.value) {
                (Some(goal), Some(value)) if goal.holds(value) => "yes",
                (Some(_), Some(_)) => "no",
                _ => "-",
            };
            [finding.what.clone(), value, goal, reached.to_owned()]
        }));
        rows
    }
}

/// A number with as many digits as it deserves.
pub(super) fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        0.0 => "0".into(),
        _ => format!("{value:.2}"),
    }
}

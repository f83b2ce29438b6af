//! `mayfly doctor`: what this host offers, and what is missing, with the remedy.

mod checks;
mod host;

use std::path::PathBuf;

use serde::Serialize;

use self::host::Host;
use super::Failure;
use super::context::Context;
use super::failure::Exit;
use super::format::{self, Format, FormatArgs, count};
use super::frame::indented;
use super::table::{Cell, Table};
use super::terminal::{Palette, Tone, harmless};
use crate::client::DEFAULT_DATA;

/// Tells whether this machine can be a node
///
/// Looks at the kernel, at what bounds processes here, at memory, disk and ports. Every line is ok,
/// a warning, or a failure, with what to do about it. Nothing is changed. The command ends with 1
/// when a line is a failure.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    mayfly doctor\n  \
    mayfly doctor --data /var/lib/mayfly\n  \
    mayfly doctor --format json | jq '.[] | select(.status != \"ok\")'")]
pub(crate) struct DoctorArgs {
    /// The data directory that the node is to have [default: .mayfly-node]
    #[arg(long, value_name = "DIR", env = "MAYFLY_DATA", hide_env_values = true)]
    data: Option<PathBuf>,
    #[command(flatten)]
    format: FormatArgs,
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Warn,
    Fail,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Check {
    name: &'static str,
    status: Status,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, status: Status::Ok, found: found.into(), remedy: None }
    }

    fn warn(name: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { status: Status::Warn, remedy: Some(remedy.into()), ..Self::ok(name, found) }
    }

    fn fail(name: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { status: Status::Fail, ..Self::warn(name, found, remedy) }
    }
}

pub(super) fn run(context: &Context<'_>, args: DoctorArgs) -> Result<(), Failure> {
    let data = args.data.unwrap_or_else(|| DEFAULT_DATA.into());
    let checks = checks::all(&Host::this(), &data);
    match args.format.get() {
        Format::Json => format::json(context, &checks)?,
        Format::Table => context.terminal.print(render(&checks, context.terminal.out))?,
    }
    if checks.iter().any(|check| check.status == Status::Fail) {
        return Err(Failure::silent(Exit::Failed));
    }
    Ok(())
}

fn render(checks: &[Check], palette: Palette) -> String {
    let mut table = Table::bare();
    for check in checks {
        let status = match check.status {
            Status::Ok => Cell::new(Tone::Good, "ok"),
            Status::Warn => Cell::new(Tone::Warning, "warn"),
            Status::Fail => Cell::new(Tone::Bad, "fail"),
        };
        table.row([status, check.name.into(), harmless(&check.found).into()]);
    }
    let mut text = String::new();
    for (line, check) in table.render(palette).lines().zip(checks) {
        text.push_str(line);
        text.push('\n');
        if let Some(remedy) = &check.remedy {
            let arrow = palette.paint(Tone::Faint, "->");
            text.push_str(&format!("      {arrow} {}\n", indented(remedy, 9)));
        }
    }
    let with = |status| checks.iter().filter(|check| check.status == status).count();
    let (failures, warnings) = (with(Status::Fail), with(Status::Warn));
    let verdict = match (failures, warnings) {
        (0, 0) => palette.paint(Tone::Good, "this machine can be a node"),
        (0, n) => format!("this machine can be a node, with {}", count(n, "warning")),
        (n, _) => palette.paint(Tone::Bad, format!("{} to mend first", count(n, "failure"))),
    };
    format!("{text}\n{verdict}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_its_verdict_and_its_remedy() {
        let checks = [
            Check::ok("kernel", "Linux 6.8.0"),
            Check::warn("open files", "1024", "raise it:\nulimit -n 65536"),
        ];
        insta::assert_snapshot!(render(&checks, Palette::Plain), @r"
        ok    kernel      Linux 6.8.0
        warn  open files  1024
              -> raise it:
                 ulimit -n 65536

        this machine can be a node, with 1 warning
        ");
        let checks = [Check::fail("ports", "8080 is taken", "free it")];
        assert!(render(&checks, Palette::Plain).ends_with("\n\n1 failure to mend first"));
        assert_eq!(
            serde_json::to_string(&checks).unwrap(),
            r#"[{"name":"ports","status":"fail","found":"8080 is taken","remedy":"free it"}]"#
        );
    }
}

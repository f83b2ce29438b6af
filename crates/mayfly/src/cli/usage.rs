//! `mayfly usage`.

use clap::ValueEnum;
use jiff::Timestamp;
use mayfly_types::TenantName;

use super::context::Context;
use super::format;
use super::table::{Cell, Table};
use super::terminal::{Palette, harmless};
use super::time::Since;
use super::{Failure, Scope};
use crate::client::{Usage, UsageLine};

/// Shows what functions used and what that costs
///
/// Each attempt that ended counts, with the milliseconds that it ran, rounded up, times its memory limit. What
/// the platform failed is not billed. Costs are by the node's prices; without any they are left out. Times
/// are of UTC.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    mayfly usage                              this month, a line for each function\n  \
    mayfly usage photos --by day --since 7d\n  \
    mayfly usage --by function,caller --format csv")]
pub(crate) struct UsageArgs {
    /// APP or APP/FUNCTION; all apps by default
    #[arg(value_name = "APP[/FN]")]
    scope: Option<Scope>,
    /// Lines by minute, hour or day, and by app, function or caller
    #[arg(long, value_name = "WHAT", default_value = "function")]
    by: String,
    /// From then on: 2h, 7d, or a time; the first day of the month by default
    #[arg(long, value_name = "WHEN")]
    since: Option<Since>,
    /// Before then; now by default
    #[arg(long, value_name = "WHEN")]
    until: Option<Since>,
    /// Another tenant, for the node's operator
    #[arg(long, value_name = "TENANT")]
    tenant: Option<TenantName>,
    /// Form of the output: table, json or csv
    #[arg(
        long,
        value_enum,
        default_value = "table",
        value_name = "FORMAT",
        hide_possible_values = true
    )]
    format: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    Table,
    Json,
    Csv,
}

pub(super) fn run(context: &Context<'_>, args: UsageArgs) -> Result<(), Failure> {
    let now = Timestamp::now();
    let time = |since: Option<Since>| since.map(|since| since.time(now));
    let (app, function) = args.scope.map(Scope::parts).unwrap_or_default();
    let usage = context.client()?.usage(
        args.tenant.as_ref(),
        app.as_ref(),
        function.as_ref(),
        time(args.since),
        time(args.until),
        &args.by,
    )?;
    match args.format {
        Form::Json => format::json(context, &usage),
        Form::Csv => Ok(context.terminal.print(csv(&usage))?),
        Form::Table if usage.lines.is_empty() => {
            context.terminal.tell("nothing ran in that time");
            Ok(())
        }
        Form::Table => Ok(context.terminal.print(table(&usage, context.terminal.out))?),
    }
}

/// Names of a line, as far as lines are told apart by them.
fn names(line: &UsageLine) -> [Option<String>; 3] {
    let function = match (&line.app, &line.function) {
        (Some(app), Some(function)) => Some(format!("{app}/{function}")),
        (Some(app), None) => Some(app.to_string()),
        _ => None,
    };
    let caller = line.caller.as_deref();
    let caller = caller.map(|caller| if caller.is_empty() { "-" } else { caller }.to_owned());
    [line.start.map(|start| start.strftime("%Y-%m-%d %H:%M").to_string()), function, caller]
}

fn table(usage: &Usage, palette: Palette) -> String {
    let costs = usage.total.cost > 0.0 || !usage.currency.is_empty();
    let cost = match usage.currency.as_str() {
        "" => "COST".to_owned(),
        currency => format!("COST {}", harmless(currency)),
    };
    let mut headings = Vec::new();
    let first = usage.lines.first().map(names).unwrap_or_default();
    let function =
        if usage.lines.iter().any(|line| line.function.is_some()) { "FUNCTION" } else { "APP" };
    for (name, heading) in first.iter().zip(["TIME (UTC)", function, "CALLER"]) {
        if name.is_some() {
            headings.push(heading.to_owned());
        }
    }
    headings.extend(["RUNS", "FAILED", "BILLED", "GB-S", "CPU", "IN", "OUT"].map(String::from));
    if costs {
        headings.push(cost);
    }
    let mut table = Table::with(headings);
    let width = first.iter().flatten().count();
    let total = (usage.lines.len() > 1).then_some(&usage.total);
    for line in usage.lines.iter().chain(total) {
        let mut cells: Vec<Cell> =
            names(line).into_iter().flatten().map(|name| harmless(&name).into()).collect();
        if cells.len() < width {
            cells = vec![Cell::from("total")];
            cells.resize_with(width, || Cell::from(""));
        }
        let failed = line.function_faults + line.platform_faults + line.caller_faults;
        cells.extend([
            Cell::number(line.attempts),
            Cell::number(failed),
            Cell::number(seconds(line.billed_ms as f64 / 1e3)),
            Cell::number(format!("{:.3}", line.gb_seconds)),
            Cell::number(processor(line)),
            Cell::number(bytes(line.bytes_in)),
            Cell::number(bytes(line.bytes_out)),
        ]);
        if costs {
            cells.push(Cell::number(format!("{:.6}", line.cost)));
        }
        table.cells(cells);
    }
    table.render(palette)
}

/// Processor time, with a mark where a part of it is estimated.
fn processor(line: &UsageLine) -> String {
    let mark = if line.estimated_cpu_us > 0 { "~" } else { "" };
    format!("{mark}{}", seconds(line.cpu_us as f64 / 1e6))
}

fn seconds(seconds: f64) -> String {
    format!("{seconds:.3}s")
}

fn bytes(bytes: u64) -> String {
    let units = ["B", "KB", "MB", "GB"];
    let (mut amount, mut unit) = (bytes as f64, 0);
    while amount >= 1024.0 && unit + 1 < units.len() {
        amount /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes}B"),
        _ => format!("{amount:.1}{}", units[unit]),
    }
}

fn csv(usage: &Usage) -> String {
    let mut text =
        "start,app,function,caller,attempts,function_faults,platform_faults,caller_faults,cold,\
        billed_ms,gb_seconds,cpu_us,estimated_cpu_us,init_us,bytes_in,bytes_out,cost,currency"
            .to_owned();
    for line in &usage.lines {
        let field = |value: Option<String>| quoted(&value.unwrap_or_default());
        let names = [
            field(line.start.map(|start| start.to_string())),
            field(line.app.as_ref().map(ToString::to_string)),
            field(line.function.as_ref().map(ToString::to_string)),
            field(line.caller.clone()),
        ];
        text.push_str(&format!(
            "\n{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}",
            names.join(","),
            line.attempts,
            line.function_faults,
            line.platform_faults,
            line.caller_faults,
            line.cold,
            line.billed_ms,
            line.gb_seconds,
            line.cpu_us,
            line.estimated_cpu_us,
            line.init_us,
            line.bytes_in,
            line.bytes_out,
            line.cost,
            quoted(&usage.currency)
        ));
    }
    text
}

/// A field of RFC 4180.
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        return format!("\"{}\"", field.replace('"', "\"\""));
    }
    field.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(currency: &str) -> Usage {
        let line = |function: &str, attempts| UsageLine {
            start: Some("2026-03-01T10:00:00Z".parse().unwrap()),
            app: Some("photos".parse().unwrap()),
            function: Some(function.parse().unwrap()),
            attempts,
            function_faults: 1,
            billed_ms: 1_234 * attempts,
            gb_seconds: 0.5,
            cpu_us: 999_000,
            bytes_in: 10,
            bytes_out: 3 << 20,
            cost: if currency.is_empty() { 0.0 } else { 0.25 },
            ..UsageLine::default()
        };
        Usage {
            since: "2026-03-01T00:00:00Z".parse().unwrap(),
            until: "2026-03-02T00:00:00Z".parse().unwrap(),
            currency: currency.into(),
            total: UsageLine { start: None, app: None, function: None, ..line("all", 14) },
            lines: vec![line("thumb", 12), UsageLine { estimated_cpu_us: 9, ..line("up", 2) }],
        }
    }

    #[test]
    fn usage_is_a_table_with_its_total_and_costs_where_there_are_prices() {
        insta::assert_snapshot!(table(&usage("USD"), Palette::Plain), @r"
        TIME (UTC)        FUNCTION      RUNS  FAILED   BILLED   GB-S      CPU   IN    OUT  COST USD
        2026-03-01 10:00  photos/thumb    12       1  14.808s  0.500   0.999s  10B  3.0MB  0.250000
        2026-03-01 10:00  photos/up        2       1   2.468s  0.500  ~0.999s  10B  3.0MB  0.250000
        total                             14       1  17.276s  0.500   0.999s  10B  3.0MB  0.250000
        ");
        assert!(!table(&usage(""), Palette::Plain).contains("COST"));
    }

    #[test]
    fn csv_has_a_field_for_everything() {
        insta::assert_snapshot!(csv(&usage("a,\"b")), @r#"
        start,app,function,caller,attempts,function_faults,platform_faults,caller_faults,cold,billed_ms,gb_seconds,cpu_us,estimated_cpu_us,init_us,bytes_in,bytes_out,cost,currency
        2026-03-01T10:00:00Z,photos,thumb,,12,1,0,0,0,14808,0.5,999000,0,0,10,3145728,0.25,"a,""b"
        2026-03-01T10:00:00Z,photos,up,,2,1,0,0,0,2468,0.5,999000,9,0,10,3145728,0.25,"a,""b"
        "#);
    }
}

//! `mayfly budget`.

use jiff::Timestamp;
use mayfly_state_api::{BudgetKey, BudgetKind, Meter, Period};
use mayfly_types::TenantName;

use super::context::Context;
use super::format::{self, Format, FormatArgs};
use super::table::{Cell, Table};
use super::terminal::{Palette, Tone};
use super::{Failure, Scope};
use crate::client::Budget;

/// Sets, lists and deletes budgets
///
/// A hard budget is kept before anything runs: what an attempt may use at most, by its timeout and memory, is
/// held until it has ended. Then callers are answered 429 with the time at which the budget begins anew, and
/// events wait. A soft budget only warns in the log.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    mayfly budget set photos/thumb --requests 10000 --per day\n  \
    mayfly budget set --gb-seconds 400000 --per month\n  \
    mayfly budget set photos --money 5 --per month --soft\n  \
    mayfly budget list")]
pub(crate) struct BudgetArgs {
    #[command(subcommand)]
    command: BudgetCommand,
}

#[derive(Debug, clap::Subcommand)]
enum BudgetCommand {
    Set(SetArgs),
    List(ListArgs),
    Delete(DeleteArgs),
}

/// Sets a budget; what is used already counts
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("limit").required(true))]
#[command(after_help = "Examples:\n  \
    mayfly budget set photos/thumb --requests 10000 --per day\n  \
    mayfly budget set --money 5 --per month")]
struct SetArgs {
    /// APP or APP/FUNCTION; all apps together by default
    #[arg(value_name = "APP[/FN]")]
    scope: Option<Scope>,
    /// Most attempts
    #[arg(long, value_name = "N", group = "limit")]
    requests: Option<u64>,
    /// Most GB-seconds: billed time times memory limit
    #[arg(long, value_name = "N", group = "limit")]
    gb_seconds: Option<f64>,
    /// Most money, by the node's prices
    #[arg(long, value_name = "AMOUNT", group = "limit")]
    money: Option<f64>,
    /// day or month, of UTC
    #[arg(long, value_name = "PERIOD")]
    per: Period,
    /// Only warn in the log
    #[arg(long)]
    soft: bool,
    /// Another tenant, for the node's operator
    #[arg(long, value_name = "TENANT")]
    tenant: Option<TenantName>,
}

/// Lists budgets with how much of each is used
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    mayfly budget list\n  \
    mayfly budget list --format json")]
struct ListArgs {
    /// Another tenant, for the node's operator
    #[arg(long, value_name = "TENANT")]
    tenant: Option<TenantName>,
    #[command(flatten)]
    format: FormatArgs,
}

/// Deletes a budget
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    mayfly budget delete photos/thumb --meter requests --per day\n  \
    mayfly budget delete --meter money --per month --soft")]
struct DeleteArgs {
    /// APP or APP/FUNCTION; the one of all apps together by default
    #[arg(value_name = "APP[/FN]")]
    scope: Option<Scope>,
    /// What it counts: requests, gb_seconds or money
    #[arg(long, value_name = "METER")]
    meter: Meter,
    /// day or month
    #[arg(long, value_name = "PERIOD")]
    per: Period,
    /// The soft one
    #[arg(long)]
    soft: bool,
    /// Another tenant, for the node's operator
    #[arg(long, value_name = "TENANT")]
    tenant: Option<TenantName>,
}

fn key(scope: Option<Scope>, meter: Meter, period: Period, soft: bool) -> BudgetKey {
    let (app, function) = scope.map(Scope::parts).unwrap_or_default();
    let kind = if soft { BudgetKind::Soft } else { BudgetKind::Hard };
    BudgetKey { app, function, meter, period, kind, operator: false }
}

pub(super) fn run(context: &Context<'_>, args: BudgetArgs) -> Result<(), Failure> {
    let client = context.client()?;
    let terminal = context.terminal;
    match args.command {
        BudgetCommand::Set(args) => {
            let (meter, limit) = match (args.requests, args.gb_seconds, args.money) {
                (Some(requests), _, _) => (Meter::Requests, requests as f64),
                (_, Some(gb_seconds), _) => (Meter::GbSeconds, gb_seconds),
                (_, _, money) => (Meter::Money, money.unwrap_or_default()),
            };
            let key = key(args.scope, meter, args.per, args.soft);
            let set = client.put_budget(args.tenant.as_ref(), &key, limit)?;
            let text = format!(
                "set the {} budget of {}: {} {} for each {}; {} used so far",
                key.kind,
                key.scope(),
                set.limit,
                unit(meter),
                key.period,
                amount(meter, set.used)
            );
            Ok(terminal.print(text)?)
        }
        BudgetCommand::List(ListArgs { tenant, format }) => {
            let budgets = client.budgets(tenant.as_ref())?;
            if format.get() == Format::Json {
                return format::json(context, &budgets);
            }
            if budgets.is_empty() {
                terminal.tell("no budgets yet: `mayfly budget set` makes one");
                return Ok(());
            }
            Ok(terminal.print(render(&budgets, Timestamp::now(), terminal.out))?)
        }
        BudgetCommand::Delete(args) => {
            let key = key(args.scope, args.meter, args.per, args.soft);
            client.delete_budget(args.tenant.as_ref(), &key)?;
            Ok(terminal.print(format!(
                "deleted the {} budget of {} for {} of each {}",
                key.kind,
                key.scope(),
                unit(key.meter),
                key.period
            ))?)
        }
    }
}

fn unit(meter: Meter) -> &'static str {
    match meter {
        Meter::Requests => "requests",
        Meter::GbSeconds => "GB-seconds",
        Meter::Money => "of money",
    }
}

fn amount(meter: Meter, amount: f64) -> String {
    match meter {
        Meter::Requests => format!("{amount:.0}"),
        Meter::GbSeconds => format!("{amount:.3}"),
        Meter::Money => format!("{amount:.4}"),
    }
}

fn render(budgets: &[Budget], now: Timestamp, palette: Palette) -> String {
    let headings =
        ["FOR", "COUNTS", "EACH", "KIND", "SET BY", "USED", "HELD", "LIMIT", "BEGINS ANEW"];
    let mut table = Table::new(headings);
    for budget in budgets {
        let key = &budget.key;
        let show = |number| amount(key.meter, number);
        let tone = match budget.used >= budget.limit {
            true => Tone::Bad,
            false => Tone::Plain,
        };
        let left = budget.resets.duration_since(now).as_secs().max(0);
        let resets = match left {
            0..3_600 => format!("in {}m", left.div_euclid(60) + 1),
            3_600..172_800 => format!("in {}h", left / 3_600),
            _ => format!("in {}d", left / 86_400),
        };
        table.row([
            key.scope().into(),
            unit(key.meter).trim_start_matches("of ").into(),
            key.period.into(),
            key.kind.into(),
            if key.operator { "operator" } else { "tenant" }.into(),
            Cell::number(show(budget.used)).tone(tone),
            Cell::number(show(budget.held)),
            Cell::number(budget.limit),
            resets.into(),
        ]);
    }
    table.render(palette)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_listed_with_what_is_used_of_them() {
        let budget = |scope: Option<&str>, meter, used, limit| Budget {
            key: key(scope.map(|scope| scope.parse().unwrap()), meter, Period::Day, used > 1.5),
            limit,
            used,
            held: 0.5,
            resets: "2026-03-02T00:00:00Z".parse().unwrap(),
        };
        let budgets = [
            budget(None, Meter::Money, 1.25, 5.0),
            budget(Some("photos"), Meter::GbSeconds, 1.5, 1.5),
            budget(Some("photos/thumb"), Meter::Requests, 42.0, 100.0),
        ];
        let now = "2026-03-01T12:30:00Z".parse().unwrap();
        insta::assert_snapshot!(render(&budgets, now, Palette::Plain), @r"
        FOR                    COUNTS      EACH  KIND  SET BY    USED    HELD  LIMIT  BEGINS ANEW
        all apps               money       day   hard  tenant  1.2500  0.5000      5  in 11h
        app photos             GB-seconds  day   hard  tenant   1.500   0.500    1.5  in 11h
        function photos/thumb  requests    day   soft  tenant      42       0    100  in 11h
        ");
    }
}

//! `mayfly list`.

use jiff::Timestamp;
use mayfly_control_api::AppSummary;

use super::Failure;
use super::context::Context;
use super::format::{self, Format, FormatArgs};
use super::table::{Cell, Table};
use super::terminal::{Palette, Tone, harmless};
use super::time;

/// Lists apps and their functions
///
/// One line for each function of what is live, with its app's releases, the time traffic last
/// moved, and the address.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    mayfly list\n  \
    mayfly list --format json | jq -r '.[].urls[0]'")]
pub(crate) struct ListArgs {
    #[command(flatten)]
    format: FormatArgs,
}

pub(super) fn run(context: &Context<'_>, args: ListArgs) -> Result<(), Failure> {
    let apps = context.client()?.apps()?;
    if args.format.get() == Format::Json {
        return format::json(context, &apps);
    }
    if apps.is_empty() {
        context.terminal.tell("no apps yet: `mayfly deploy` makes one");
        return Ok(());
    }
    let now = Timestamp::now().as_microsecond();
    Ok(context.terminal.print(render(&apps, now, context.terminal.out))?)
}

fn render(apps: &[AppSummary], now: i64, palette: Palette) -> String {
    let mut table = Table::new(["APP", "LIVE", "MOVED", "FUNCTION", "RUNTIME", "REVISION", "URL"]);
    for app in apps {
        let mut head = Some(app);
        let mut functions = app.functions.iter();
        let mut function = functions.next();
        while head.is_some() || function.is_some() {
            let [name, live, moved, url] = match head.take() {
                Some(app) => [
                    Cell::new(Tone::Strong, &app.app),
                    format::live(&app.live).into(),
                    Cell::new(Tone::Faint, time::ago(app.moved_us, now)),
                    harmless(app.urls.first().map_or("", String::as_str)).into(),
                ],
                None => [const { "" }; 4].map(Cell::from),
            };
            let [function_name, runtime, revision] = match function {
                Some(function) => [
                    Cell::from(&function.function),
                    harmless(&function.runtime).into(),
                    Cell::new(Tone::Faint, &function.revision),
                ],
                None => ["", "", ""].map(Cell::from),
            };
            table.row([name, live, moved, function_name, runtime, revision, url]);
            function = functions.next();
        }
    }
    table.render(palette)
}

#[cfg(test)]
mod tests {
    use mayfly_control_api::FunctionSummary;
    use mayfly_types::{AppName, FunctionName, Live, ReleaseNumber};

    use super::*;

    #[test]
    fn every_function_has_a_line_and_its_app_stands_in_the_first() {
        let app = |name: &str, functions: &[&str], weights: &[(u64, u32)]| AppSummary {
            app: AppName::new(name).unwrap(),
            live: Live::weighted(weights.iter().map(|(n, w)| (ReleaseNumber(*n), *w)).collect())
                .unwrap(),
            newest: ReleaseNumber(9),
            moved_us: 0,
            urls: vec![format!("http://{name}.localhost:8080/")],
            functions: functions
                .iter()
                .map(|function| FunctionSummary {
                    app: AppName::new(name).unwrap(),
                    function: FunctionName::new(function).unwrap(),
                    runtime: "js".into(),
                    revision: "1f2e3d4c5b6a".into(),
                    changed: None,
                    routes: vec!["/".into()],
                })
                .collect(),
        };
        let apps = [
            app("photos", &["thumbnail", "up"], &[(7, 90), (8, 10)]),
            app("hello", &["hello"], &[(1, 100)]),
        ];
        insta::assert_snapshot!(render(&apps, 120_000_000, Palette::Plain));
    }
}

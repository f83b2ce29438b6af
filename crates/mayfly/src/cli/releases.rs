//! `mayfly releases`.

use jiff::Timestamp;
use mayfly_control_api::ReleaseSummary;
use mayfly_types::AppName;

use super::Failure;
use super::context::Context;
use super::format::{self, Format, FormatArgs};
use super::table::{Cell, Table};
use super::terminal::{Palette, Tone, harmless};
use super::time;

/// Lists an app's releases, the newest first
///
/// Every deployment makes a release; none is ever changed. LIVE is its part of the traffic,
/// CHANGED names the functions that differ from the release before.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    mayfly releases                   of this directory's app\n  \
    mayfly releases photos --limit 5\n  \
    mayfly releases photos --format json")]
pub(crate) struct ReleasesArgs {
    /// The app; this directory's by default
    #[arg(value_name = "APP")]
    app: Option<AppName>,
    /// At most so many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20,
        value_parser = clap::value_parser!(u16).range(1..))]
    limit: u16,
    #[command(flatten)]
    format: FormatArgs,
}

pub(super) fn run(context: &Context<'_>, args: ReleasesArgs) -> Result<(), Failure> {
    let client = context.client()?;
    let app = context.app(args.app, &client)?;
    let releases = client.releases(&app, args.limit.into())?;
    if args.format.get() == Format::Json {
        return format::json(context, &releases);
    }
    let now = Timestamp::now().as_microsecond();
    Ok(context.terminal.print(render(&releases, now, context.terminal.out))?)
}

fn render(releases: &[ReleaseSummary], now: i64, palette: Palette) -> String {
    let mut table = Table::new(["RELEASE", "LIVE", "MADE", "BY", "CHANGED"]);
    for (i, release) in releases.iter().enumerate() {
        let live = match release.percent {
            0 => Cell::number("-").tone(Tone::Faint),
            percent => Cell::number(format!("{percent}%")).tone(Tone::Good),
        };
        table.row([
            Cell::number(release.number),
            live,
            time::ago(release.created_us, now).into(),
            harmless(&release.by).into(),
            changes(release, releases.get(i + 1)).into(),
        ]);
    }
    table.render(palette)
}

/// The functions that differ from the release before; where that is not known, all.
fn changes(release: &ReleaseSummary, before: Option<&ReleaseSummary>) -> String {
    let old = |name| before.and_then(|before| before.functions.get(name));
    let changed = release.functions.iter().filter(|(name, revision)| old(*name) != Some(*revision));
    let mut words: Vec<String> = changed.map(|(name, _)| name.to_string()).collect();
    let gone = before.into_iter().flat_map(|before| before.functions.keys());
    let gone = gone.filter(|name| !release.functions.contains_key(*name));
    words.extend(gone.map(|name| format!("{name} (removed)")));
    if words.is_empty() { "no function".to_owned() } else { words.join(", ") }
}

#[cfg(test)]
mod tests {
    use mayfly_types::{FunctionName, ReleaseNumber};

    use super::*;

    #[test]
    fn releases_tell_their_traffic_and_what_they_changed() {
        let release = |number, percent, functions: &[(&str, &str)]| ReleaseSummary {
            number: ReleaseNumber(number),
            percent,
            by: "admin".into(),
            created_us: 1_000_000 * i64::try_from(number).unwrap(),
            functions: functions
                .iter()
                .map(|(name, revision)| (FunctionName::new(name).unwrap(), revision.to_string()))
                .collect(),
        };
        let releases = [
            release(12, 10, &[("a", "2"), ("c", "1")]),
            release(11, 90, &[("a", "2"), ("c", "1")]),
            release(10, 0, &[("a", "2"), ("b", "1")]),
            release(9, 0, &[("a", "1"), ("b", "1")]),
        ];
        insta::assert_snapshot!(render(&releases, 60_000_000, Palette::Plain), @r"
        RELEASE  LIVE  MADE     BY     CHANGED
             12   10%  48s ago  admin  no function
             11   90%  49s ago  admin  c, b (removed)
             10     -  50s ago  admin  a
              9     -  51s ago  admin  a, b
        ");
    }
}

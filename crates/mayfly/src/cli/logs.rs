//! `mayfly logs`.

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::{Timestamp, Zoned};
use mayfly_state_api::LogLine;
use mayfly_types::{AppName, FunctionName, FunctionPath, InvocationId, LogLevel};

use super::Failure;
use super::context::{Context, Here};
use super::format::{Format, FormatArgs};
use super::frame::indented;
use super::terminal::{Palette, Tone, harmless};
use super::time::{self, Since};
use crate::client::{Client, Error, LogsQuery};

/// How long an answer without lines is awaited.
const LONG_POLL: Duration = Duration::from_secs(20);

/// An answer without lines that comes sooner was not awaited: the next question waits instead.
const TOO_SOON: Duration = Duration::from_millis(200);

/// Longest pause between two tries to reach a node that is gone.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Most lines of one answer while lines are followed.
const BATCH: usize = 1000;

/// Shows what functions write
///
/// The newest lines of an app, or of one of its functions: what they write to the console, and
/// the stack of what they throw. Times are of this machine's time zone.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    mayfly logs -f                    this directory's app, as it writes\n  \
    mayfly logs photos --since 10m    all functions of the app `photos`\n  \
    mayfly logs photos --level error --grep 'order 7'\n  \
    mayfly logs photos/thumbnail --format json | jq .message")]
pub(crate) struct LogsArgs {
    /// APP/FUNCTION, FUNCTION in its app's directory, or APP
    #[arg(value_name = "FN|APP")]
    target: Option<Target>,
    /// Go on with new lines as they are written
    #[arg(long, short)]
    follow: bool,
    /// Only lines since then: 30s, 10m, 2h, 1d, or a time
    #[arg(long, value_name = "WHEN")]
    since: Option<Since>,
    /// Only lines before then
    #[arg(long, value_name = "WHEN")]
    until: Option<Since>,
    /// Only lines of this level or a graver one: debug, info, warn, error
    #[arg(long, value_name = "LEVEL")]
    level: Option<LogLevel>,
    /// Only lines that hold this text, in capitals or not
    #[arg(long, short, value_name = "TEXT")]
    grep: Option<String>,
    /// Only lines of one invocation, as x-mayfly-invocation-id names it
    #[arg(long, value_name = "ID")]
    invocation: Option<InvocationId>,
    /// At most so many lines, the newest
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100,
        value_parser = clap::value_parser!(u16).range(1..))]
    limit: u16,
    #[command(flatten)]
    format: FormatArgs,
}

/// What `FN|APP` names, as far as it can be told from the text alone.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    Function(AppName, FunctionName),
    Name(String),
}

impl std::str::FromStr for Target {
    type Err = mayfly_types::NameError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse()? {
            FunctionPath { app: Some(app), function } => Ok(Self::Function(app, function)),
            FunctionPath { app: None, .. } => Ok(Self::Name(text.to_owned())),
        }
    }
}

pub(super) fn run(context: &Context<'_>, args: LogsArgs) -> Result<(), Failure> {
    let client = context.client()?;
    let (app, function) = resolve(context, args.target, &client)?;
    let mut query = LogsQuery {
        function,
        invocation: args.invocation,
        since: args.since.map(|since| since.time(Timestamp::now())),
        until: args.until.map(|until| until.time(Timestamp::now())),
        level: args.level,
        text: args.grep,
        limit: args.limit.into(),
        ..LogsQuery::default()
    };
    let view = View {
        format: args.format.get(),
        palette: context.terminal.out,
        column: if query.function.is_some() { Column::Hidden } else { Column::Shown },
    };
    let (lines, position) = client.logs(&app, &query)?;
    print(context, &view, &lines)?;
    if !args.follow {
        if lines.is_empty() && view.format == Format::Table {
            context.terminal.tell("no lines; `-f` waits for some");
        }
        return Ok(());
    }
    query.after = Some(position);
    query.since = None;
    query.limit = BATCH;
    query.wait = Some(LONG_POLL);
    follow(context, &client, &app, query, &view)
}

/// Prints lines as they come, over every break of the connection.
fn follow(
    context: &Context<'_>,
    client: &Client,
    app: &AppName,
    mut query: LogsQuery,
    view: &View,
) -> Result<(), Failure> {
    let mut pause = None;
    loop {
        let asked = Instant::now();
        match client.logs(app, &query) {
            Ok((lines, position)) => {
                if pause.take().is_some() {
                    context.terminal.tell("connected again");
                }
                print(context, view, &lines)?;
                query.after = Some(position);
                if lines.is_empty() && asked.elapsed() < TOO_SOON {
                    std::thread::sleep(TOO_SOON);
                }
            }
            Err(error) if error.is_retryable() || matches!(error, Error::Unreachable { .. }) => {
                if pause.is_none() {
                    context.terminal.tell(format!("{error}; trying again"));
                }
                let next = pause.map_or(TOO_SOON, |pause: Duration| pause * 2).min(LONGEST_PAUSE);
                std::thread::sleep(next);
                pause = Some(next);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// A name alone is a function where the manifest here has it, and an app otherwise.
fn resolve(
    context: &Context<'_>,
    target: Option<Target>,
    client: &Client,
) -> Result<(AppName, Option<FunctionName>), Failure> {
    let name = match target {
        None => return Ok((context.app(None, client)?, None)),
        Some(Target::Function(app, function)) => return Ok((app, Some(function))),
        Some(Target::Name(name)) => name,
    };
    let usage = |error: mayfly_types::NameError| Failure::usage(error.to_string());
    if let Some(here) = Here::find(Path::new("."))
        && here.has_function(&name)
    {
        return Ok((here.app, Some(FunctionName::new(&name).map_err(usage)?)));
    }
    Ok((AppName::new(&name).map_err(usage)?, None))
}

struct View {
    format: Format,
    palette: Palette,
    column: Column,
}

/// Whether each line says whose it is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Column {
    Shown,
    Hidden,
}

fn print(context: &Context<'_>, view: &View, lines: &[LogLine]) -> Result<(), Failure> {
    let now = time::now();
    for line in lines {
        match view.format {
            Format::Json => {
                let text = serde_json::to_string(line);
                context
                    .terminal
                    .print(text.unwrap_or_else(|error| unreachable!("plain data: {error}")))?;
            }
            Format::Table => context.terminal.print(render(line, view, &now))?,
        }
    }
    Ok(())
}

fn render(line: &LogLine, view: &View, now: &Zoned) -> String {
    let tone = match line.level.as_str() {
        "error" | "fatal" => Tone::Bad,
        "warn" | "warning" => Tone::Warning,
        "debug" | "trace" => Tone::Faint,
        _ => Tone::Plain,
    };
    let time = view.palette.paint(Tone::Faint, time::short(line.time_us, now));
    let level = view.palette.paint(tone, format!("{:<5}", harmless(&line.level)));
    let message = indented(&line.message, 4);
    match view.column {
        Column::Hidden => format!("{time} {level} {message}"),
        Column::Shown => {
            let function = view.palette.paint(Tone::Strong, &line.function);
            format!("{time} {level} {function} {message}")
        }
    }
}

#[cfg(test)]
mod tests {
    use mayfly_types::{AppKey, TenantName};

    use super::*;

    fn line(level: &str, message: &str) -> LogLine {
        LogLine {
            time_us: 1_795_244_645_678_901,
            app: AppKey::new(TenantName::fallback(), AppName::new("photos").unwrap()),
            function: FunctionName::new("thumb").unwrap(),
            invocation: None,
            level: level.into(),
            message: message.into(),
        }
    }

    #[test]
    fn a_line_has_its_time_its_level_and_what_was_written() {
        let now = "2026-11-21T08:00:00+01:00[+01:00]".parse::<Zoned>().unwrap();
        let view = |palette, column| View { format: Format::Table, palette, column };
        let plain = view(Palette::Plain, Column::Shown);
        let lines = [line("info", "ready"), line("error", "Error: no\n    at fetch (a.js:1:2)\n")];
        let text: Vec<String> = lines.iter().map(|line| render(line, &plain, &now)).collect();
        insta::assert_snapshot!(text.join("\n"));
        let coloured = view(Palette::Colours, Column::Hidden);
        let text = render(&line("warn", "\u{1b}[2J"), &coloured, &now);
        assert!(text.contains("\u{1b}[33mwarn \u{1b}[0m \\u{1b}[2J"), "{text:?}");
    }

    #[test]
    fn a_target_is_a_function_with_its_app_or_a_name() {
        let target: Target = "photos/thumb".parse().unwrap();
        assert!(matches!(target, Target::Function(..)));
        assert_eq!("photos".parse(), Ok(Target::Name("photos".into())));
        assert!("a/b/c".parse::<Target>().is_err());
    }
}

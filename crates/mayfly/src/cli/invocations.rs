//! `mayfly invocations`.

use jiff::Timestamp;
use mayfly_state_api::{AttemptRecord, InvocationStatus};
use mayfly_types::{FunctionPath, InvocationId, OutcomeStatus};
use serde_json::json;

use super::Failure;
use super::context::Context;
use super::format::{self, Format, FormatArgs};
use super::table::{Cell, Table};
use super::terminal::{Palette, Tone, harmless};
use super::time::{self, Since};
use crate::client::{Invocation, Listing};

/// Follows events that nobody waits for, and queues those that failed again
///
/// `mayfly invoke --async` sends one. What fails is tried again as the function's `[async]` table says; what
/// fails for good is kept for two weeks, with its event: these are the function's dead letters.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    mayfly invocations list thumbnail\n  \
    mayfly invocations list thumbnail --status failed    its dead letters\n  \
    mayfly invocations redrive thumbnail --all           queues them again")]
pub(crate) struct InvocationsArgs {
    #[command(subcommand)]
    command: InvocationsCommand,
}

#[derive(Debug, clap::Subcommand)]
enum InvocationsCommand {
    List(ListArgs),
    Show(ShowArgs),
    Cancel(CancelArgs),
    Redrive(RedriveArgs),
}

/// Lists a function's invocations, the newest first
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    mayfly invocations list photos/thumbnail\n  \
    mayfly invocations list thumbnail --status failed --format json")]
struct ListArgs {
    /// The function: APP/FUNCTION, or FUNCTION in its app's directory
    #[arg(value_name = "FN")]
    function: FunctionPath,
    /// Only those that are queued, running, succeeded, failed or cancelled
    #[arg(long, value_name = "STATUS", value_parser = status)]
    status: Option<InvocationStatus>,
    /// At most so many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20,
        value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    #[command(flatten)]
    format: FormatArgs,
}

/// Shows an invocation with its attempts
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mayfly invocations show 01a2015c-f47e-770c-a652-3f7f381224d8\n  \
    mayfly invocations show 01a2015c-f47e-770c-a652-3f7f381224d8 --format json"
)]
struct ShowArgs {
    /// Its id, as `mayfly invoke --async` printed it
    #[arg(value_name = "ID")]
    id: InvocationId,
    #[command(flatten)]
    format: FormatArgs,
}

/// Cancels an invocation: one that waits is not tried, one that runs is not tried again
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  mayfly invocations cancel 01a2015c-f47e-770c-a652-3f7f381224d8"
)]
struct CancelArgs {
    /// Its id
    #[arg(value_name = "ID")]
    id: InvocationId,
}

/// Queues a function's dead letters again
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("which").required(true).multiple(true))]
#[command(after_help = "Examples:\n  \
    mayfly invocations redrive thumbnail --all\n  \
    mayfly invocations redrive thumbnail --since 2h\n  \
    mayfly invocations redrive thumbnail --invocation 01a2015c-f47e-770c-a652-3f7f381224d8")]
struct RedriveArgs {
    /// The function: APP/FUNCTION, or FUNCTION in its app's directory
    #[arg(value_name = "FN")]
    function: FunctionPath,
    /// All of them
    #[arg(long, group = "which", conflicts_with_all = ["invocation", "since", "until"])]
    all: bool,
    /// This one
    #[arg(long, value_name = "ID", group = "which", conflicts_with_all = ["since", "until"])]
    invocation: Option<InvocationId>,
    /// Those that were accepted since: 10m, 2h, 1d, or a time
    #[arg(long, value_name = "TIME", group = "which")]
    since: Option<Since>,
    /// Those that were accepted before: 10m, 2h, 1d ago, or a time
    #[arg(long, value_name = "TIME", group = "which")]
    until: Option<Since>,
}

fn status(text: &str) -> Result<InvocationStatus, String> {
    let found = InvocationStatus::ALL.into_iter().find(|status| status.as_str() == text);
    found.ok_or_else(|| {
        let words = InvocationStatus::ALL.map(InvocationStatus::as_str).join(", ");
        format!("write one of {words}")
    })
}

pub(super) fn run(context: &Context<'_>, args: InvocationsArgs) -> Result<(), Failure> {
    let client = context.client()?;
    let terminal = context.terminal;
    match args.command {
        InvocationsCommand::List(ListArgs { function, status, limit, format }) => {
            let (app, function) = context.function(function, &client)?;
            let listing = Listing { status, limit: limit.into() };
            let found = client.invocations(&app, &function, &listing)?;
            if format.get() == Format::Json {
                return format::json(context, &found);
            }
            if found.is_empty() {
                let which =
                    status.map(|status| format!("{} ", status.as_str())).unwrap_or_default();
                terminal.tell(format!("{app}/{function} has no {which}invocations"));
                return Ok(());
            }
            let now = Timestamp::now().as_microsecond();
            Ok(terminal.print(list(&found, now, terminal.out))?)
        }
        InvocationsCommand::Show(ShowArgs { id, format }) => {
            let found = client.invocation(id)?;
            if format.get() == Format::Json {
                return format::json(context, &found);
            }
            let now = Timestamp::now().as_microsecond();
            Ok(terminal.print(show(&found, now, terminal.out))?)
        }
        InvocationsCommand::Cancel(CancelArgs { id }) => {
            let told = match client.cancel(id)?.status {
                InvocationStatus::Running => format!("{id} runs, and is not tried again"),
                _ => format!("cancelled {id}"),
            };
            Ok(terminal.print(told)?)
        }
        InvocationsCommand::Redrive(RedriveArgs { function, all, invocation, since, until }) => {
            let (app, function) = context.function(function, &client)?;
            let now = Timestamp::now();
            let time = |since: Option<Since>| since.map(|since| since.time(now).to_string());
            let which = match (all, invocation) {
                (true, _) => json!({ "all": true }),
                (_, Some(id)) => json!({ "invocation": id }),
                _ => json!({ "since": time(since), "until": time(until) }),
            };
            let redriven = client.redrive(&app, &function, &which)?;
            let count = format::count(redriven, "invocation");
            Ok(terminal.print(format!("queued {count} of {app}/{function} again"))?)
        }
    }
}

fn tone(status: InvocationStatus) -> Tone {
    match status {
        InvocationStatus::Queued | InvocationStatus::Running => Tone::Plain,
        InvocationStatus::Succeeded => Tone::Good,
        InvocationStatus::Failed => Tone::Bad,
        InvocationStatus::Cancelled => Tone::Faint,
    }
}

fn list(found: &[Invocation], now: i64, palette: Palette) -> String {
    let mut table = Table::new(["INVOCATION", "STATUS", "ACCEPTED", "ATTEMPTS", "LAST"]);
    for one in found {
        let last = one.attempts.last();
        let why = one.fault.as_ref().or_else(|| last.and_then(|last| last.fault.as_ref()));
        let why = why.map(|fault| format!("{}: {}", fault.code, fault.message));
        table.row([
            one.id.into(),
            Cell::new(tone(one.status), one.status.as_str()),
            time::ago(one.accepted_us, now).into(),
            Cell::number(last.map_or(0, |last| last.number)),
            harmless(&why.unwrap_or_default()).into(),
        ]);
    }
    table.render(palette)
}

fn show(one: &Invocation, now: i64, palette: Palette) -> String {
    let mut table = Table::bare();
    let mut row = |name: &'static str, value: Cell| table.row([name.into(), value]);
    row("invocation", one.id.into());
    row("function", (&one.function).into());
    row("status", Cell::new(tone(one.status), one.status.as_str()));
    row("accepted", time::ago(one.accepted_us, now).into());
    if one.status == InvocationStatus::Queued {
        row("due", due(one.due_us, now).into());
    }
    if let Some(fault) = &one.fault {
        row("why", harmless(&fault.message).into());
    }
    if let Some(result) = &one.result {
        row("result", harmless(result.get()).into());
    }
    let mut text = table.render(palette);
    for attempt in &one.attempts {
        text.push('\n');
        text.push_str(&tried(attempt, palette));
    }
    text
}

fn due(due: i64, now: i64) -> String {
    match due.saturating_sub(now).saturating_add(999_999) / 1_000_000 {
        ..=0 => "now".into(),
        seconds @ 1..60 => format!("in {seconds}s"),
        seconds @ 60..3600 => format!("in {}m", seconds / 60),
        seconds => format!("in {}h", seconds / 3600),
    }
}

/// An attempt in a line, with what it threw below.
fn tried(attempt: &AttemptRecord, palette: Palette) -> String {
    let outcome = &attempt.outcome;
    let (tone, how) = match &attempt.fault {
        None if outcome.status == OutcomeStatus::Ok => (Tone::Good, "ok".to_owned()),
        None => (Tone::Faint, "cancelled".to_owned()),
        Some(fault) => (Tone::Bad, format!("{}: {}", fault.code, harmless(&fault.message))),
    };
    let about = if outcome.cpu_estimated { "about " } else { "" };
    let (billed_ms, cpu_ms) = (outcome.billed_ms(), outcome.cpu_us.div_ceil(1000));
    let cost = format!("{billed_ms} ms, {about}{cpu_ms} ms of processor");
    let mut text = format!("attempt {}  {}  {cost}", attempt.number, palette.paint(tone, how));
    let detail = attempt.fault.as_ref().and_then(|fault| fault.detail.as_deref());
    for line in detail.unwrap_or_default().lines() {
        text.push_str(&format!("\n  {}", harmless(line)));
    }
    text
}

#[cfg(test)]
mod tests {
    use mayfly_types::{Fault, FaultCode, Outcome};

    use super::*;

    fn invocation(status: InvocationStatus) -> Invocation {
        let fault =
            Fault::new(FaultCode::FunctionError, "it threw").with_detail("Error: x\n  at f");
        let failed = OutcomeStatus::Fault(FaultCode::FunctionError);
        let attempt = |number, fault: Option<Fault>| AttemptRecord {
            memory: Some(mayfly_types::ByteSize::mb(128)),
            number,
            revision: None,
            started_us: 1_000_000,
            outcome: Outcome {
                wall_us: 1_200,
                cpu_us: 900,
                ..Outcome::nothing(if fault.is_some() { failed } else { OutcomeStatus::Ok })
            },
            fault,
        };
        let mut attempts = vec![attempt(1, Some(fault.clone()))];
        if status == InvocationStatus::Succeeded {
            attempts.push(attempt(2, None));
        }
        Invocation {
            id: "01a2015c-f47e-770c-a652-3f7f381224d8".parse().unwrap(),
            function: "thumb".parse().unwrap(),
            kind: "invoke".into(),
            status,
            accepted_us: 1_000_000,
            due_us: 31_500_000,
            attempts,
            fault: (status == InvocationStatus::Failed).then_some(fault),
            result: serde_json::from_str("{\"n\":1}")
                .ok()
                .filter(|_| status == InvocationStatus::Succeeded),
        }
    }

    #[test]
    fn a_list_tells_how_far_each_is_and_why() {
        let found = [InvocationStatus::Queued, InvocationStatus::Succeeded].map(invocation);
        insta::assert_snapshot!(list(&found, 21_000_000, Palette::Plain), @r"
        INVOCATION                            STATUS     ACCEPTED  ATTEMPTS  LAST
        01a2015c-f47e-770c-a652-3f7f381224d8  queued     20s ago          1  function_error: it threw
        01a2015c-f47e-770c-a652-3f7f381224d8  succeeded  20s ago          2
        ");
    }

    #[test]
    fn an_invocation_is_shown_with_what_its_attempts_threw() {
        let text = show(&invocation(InvocationStatus::Queued), 21_000_000, Palette::Plain);
        insta::assert_snapshot!(text, @r"
        invocation  01a2015c-f47e-770c-a652-3f7f381224d8
        function    thumb
        status      queued
        accepted    20s ago
        due         in 11s
        attempt 1  function_error: it threw  2 ms, 1 ms of processor
          Error: x
            at f
        ");
        let text = show(&invocation(InvocationStatus::Succeeded), 21_000_000, Palette::Plain);
        assert!(text.contains("result      {\"n\":1}\n"), "{text}");
    }
}

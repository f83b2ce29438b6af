//! `mayfly invoke`.

use std::fs;
use std::path::PathBuf;
use std::str::FromStr;

use jiff::Timestamp;
use mayfly_types::{FunctionPath, InvocationId, TimeSpan};

use super::Failure;
use super::context::Context;
use super::failure::Exit;
use super::progress::Waiting;
use super::terminal::{Terminal, Tone, harmless};
use crate::client::{Answer, ApiError, Error, Invoked, Sending};

/// Runs a function once and prints what it returns
///
/// The function gets the event as its caller would send it; one that only answers HTTP gets it as
/// the body of `POST /`, and its answer's body is printed. The command ends with 1 when the
/// function fails, and shows its stack.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    mayfly invoke photos/thumbnail --data '{\"id\": 7}'\n  \
    mayfly invoke thumbnail --data @event.json      in the app's directory\n  \
    jq '.Records[0]' events.json | mayfly invoke thumbnail --data -\n  \
    mayfly invoke thumbnail --async --delay 10m     does not wait")]
pub(crate) struct InvokeArgs {
    /// The function: APP/FUNCTION, or FUNCTION in its app's directory
    #[arg(value_name = "FN")]
    function: FunctionPath,
    /// The event: JSON, @FILE, or - for standard input [default: {}]
    #[arg(long, short, value_name = "JSON|@FILE|-", allow_hyphen_values = true)]
    data: Option<Data>,
    /// What kind of event it is, for a function that only answers HTTP
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Send the event and do not wait: prints the invocation's id once the event is on the node's disk
    #[arg(long = "async")]
    queued: bool,
    /// With --async: run it no sooner than in so long, as 10s or 2h
    #[arg(long, value_name = "TIME", requires = "queued", conflicts_with = "at")]
    delay: Option<TimeSpan>,
    /// With --async: run it no sooner than at this time, as 2026-01-31T08:00:00Z
    #[arg(long, value_name = "TIME", requires = "queued")]
    at: Option<Timestamp>,
    /// The same key runs the same event once within 24 hours, and answers alike
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

/// Where the event is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Data {
    Here(String),
    File(PathBuf),
    Stdin,
}

impl FromStr for Data {
    type Err = std::convert::Infallible;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.strip_prefix('@') {
            Some(path) => Self::File(path.into()),
            None if text == "-" => Self::Stdin,
            None => Self::Here(text.to_owned()),
        })
    }
}

pub(super) fn run(context: &Context<'_>, args: InvokeArgs) -> Result<(), Failure> {
    let event = event(args.data, context.terminal)?;
    let client = context.client()?;
    let (app, function) = context.function(args.function, &client)?;
    if args.queued {
        let due = match (args.delay, args.at) {
            (Some(delay), _) => Some(format!("delay={delay}")),
            (None, at) => at.map(|at| format!("at={at}")),
        };
        let (kind, key) = (args.kind.as_deref(), args.idempotency_key);
        let id = client.send(&app, &function, &Sending { event, kind, due, key })?;
        context.terminal.print(id.to_string())?;
        if context.terminal.err_is_terminal {
            let hint = format!("`mayfly invocations show {id}` tells what came of it");
            context.terminal.tell(context.terminal.err.paint(Tone::Faint, hint));
        }
        return Ok(());
    }
    let waiting = Waiting::new(context.terminal, "the function runs");
    let (kind, key) = (args.kind.as_deref(), args.idempotency_key);
    let invoked = client.invoke(&app, &function, event, kind, key);
    drop(waiting);
    let Invoked { id, answer } = invoked.map_err(|error| match error {
        Error::Api(error) => fault(format!("{app}/{function}"), error),
        error => error.into(),
    })?;
    tell_id(context.terminal, id);
    match answer {
        Answer::Event(result) => {
            let pretty = context.terminal.out_is_terminal.then(|| pretty(result.get())).flatten();
            Ok(context.terminal.print(pretty.as_deref().unwrap_or(result.get()))?)
        }
        Answer::Http { status, body } => http(context.terminal, status, &body),
    }
}

/// JSON in lines; `None` for numbers that this program could not write as they were.
fn pretty(json: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_str(json).ok()?;
    Some(harmless(&serde_json::to_string_pretty(&value).ok()?))
}

/// What `mayfly logs --invocation` takes, for a person who may want it.
fn tell_id(terminal: &Terminal, id: InvocationId) {
    if terminal.err_is_terminal {
        terminal.tell(terminal.err.paint(Tone::Faint, format!("invocation {id}")));
    }
}

/// The event's bytes, once they are known to be JSON.
fn event(data: Option<Data>, terminal: &Terminal) -> Result<Vec<u8>, Failure> {
    let (bytes, what) = match data {
        None => return Ok(b"{}".to_vec()),
        Some(Data::Here(text)) => (text.into_bytes(), "--data".to_owned()),
        Some(Data::Stdin) => (terminal.read_all()?, "standard input".to_owned()),
        Some(Data::File(path)) => {
            let what = path.display().to_string();
            let bytes = fs::read(&path)
                .map_err(|error| Failure::failed(format!("read {what}: {error}")))?;
            (bytes, what)
        }
    };
    match serde_json::from_slice::<serde::de::IgnoredAny>(&bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => Err(Failure::usage(format!("{what} is not JSON: {error}"))
            .help("text needs its quotes: --data '\"hello\"'; a file is `--data @FILE`")),
    }
}

fn http(terminal: &Terminal, status: u16, body: &[u8]) -> Result<(), Failure> {
    let good = (200..300).contains(&status);
    let tone = if good { Tone::Good } else { Tone::Bad };
    terminal.tell(terminal.err.paint(tone, format!("HTTP {status}")));
    if !terminal.out_is_terminal {
        terminal.write(body)?;
    } else if let Ok(text) = std::str::from_utf8(body) {
        if !text.is_empty() {
            terminal.print(harmless(text.trim_end_matches('\n')))?;
        }
    } else {
        let size = body.len();
        terminal.tell(format!("a body of {size} bytes that is no text; send it to a file: > FILE"));
    }
    if good { Ok(()) } else { Err(Failure::silent(Exit::Failed)) }
}

/// What went wrong in the function, or before it ran.
fn fault(function: String, error: ApiError) -> Failure {
    let ApiError { code, message, retryable, details, detail, invocation_id } = error;
    let message = match code.as_str() {
        "not_found" => message,
        _ => format!("{function}: {message} ({code})"),
    };
    let failure =
        Failure::failed(message).frames(details.into_iter().map(Into::into)).detail(detail);
    match (code.as_str(), invocation_id) {
        ("not_found", _) => failure.help("`mayfly list` shows what is deployed"),
        ("budget_exceeded", _) => failure
            .help("`mayfly budget list` shows what is used; `mayfly budget set` allows more of it"),
        (_, Some(id)) if !retryable => {
            failure.help(format!("`mayfly logs {function} --invocation {id}` shows what it wrote"))
        }
        _ if retryable => failure.help("the same call may be made again"),
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_written_out_in_a_file_or_on_standard_input() {
        assert_eq!("@a.json".parse(), Ok(Data::File("a.json".into())));
        assert_eq!("-".parse(), Ok(Data::Stdin));
        assert_eq!("-1".parse(), Ok(Data::Here("-1".into())));
    }
}

//! `mayfly secret`.

use jiff::Timestamp;
use mayfly_control_api::SecretSummary;
use mayfly_types::AppName;

use super::Failure;
use super::context::Context;
use super::format::{self, Format, FormatArgs};
use super::table::{Cell, Table};
use super::terminal::{Palette, Terminal, Tone, harmless, without_newline};
use super::time;

/// Sets, lists and deletes an app's secrets
///
/// A function gets the secrets that its manifest names, as `secrets = ["API_KEY"]`. The node
/// seals them; nothing ever shows a value again.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    mayfly secret set API_KEY         asks for the value, or reads it from a pipe\n  \
    mayfly secret list --app photos\n  \
    mayfly secret delete API_KEY")]
pub(crate) struct SecretArgs {
    #[command(subcommand)]
    command: SecretCommand,
}

#[derive(Debug, clap::Subcommand)]
enum SecretCommand {
    Set(SetArgs),
    List(ListArgs),
    Delete(DeleteArgs),
}

/// Sets a secret
///
/// The value is asked for without showing it, or read from standard input; a line end after it is
/// dropped. It is never an argument, since every process can read those.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    mayfly secret set API_KEY\n  \
    pass show api-key | mayfly secret set API_KEY --app photos\n  \
    mayfly secret set API_KEY --from-env API_KEY")]
struct SetArgs {
    /// Its name, as the manifest and the function know it
    #[arg(value_name = "NAME")]
    name: String,
    /// The app; this directory's by default
    #[arg(long, value_name = "APP")]
    app: Option<AppName>,
    /// Take the value from this environment variable
    #[arg(long, value_name = "VAR")]
    from_env: Option<String>,
}

/// Lists an app's secrets, without their values
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    mayfly secret list\n  \
    mayfly secret list --app photos --format json")]
struct ListArgs {
    /// The app; this directory's by default
    #[arg(long, value_name = "APP")]
    app: Option<AppName>,
    #[command(flatten)]
    format: FormatArgs,
}

/// Deletes a secret
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    mayfly secret delete API_KEY\n  \
    mayfly secret delete API_KEY --app photos")]
struct DeleteArgs {
    /// Its name
    #[arg(value_name = "NAME")]
    name: String,
    /// The app; this directory's by default
    #[arg(long, value_name = "APP")]
    app: Option<AppName>,
}

pub(super) fn run(context: &Context<'_>, args: SecretArgs) -> Result<(), Failure> {
    let client = context.client()?;
    match args.command {
        SecretCommand::Set(SetArgs { name, app, from_env }) => {
            let app = context.app(app, &client)?;
            let value = value(context.terminal, &name, from_env)?;
            client.put_secret(&app, &name, &value)?;
            Ok(context.terminal.print(format!("set {name} of {app}"))?)
        }
        SecretCommand::List(ListArgs { app, format }) => {
            let secrets = client.secrets(&context.app(app, &client)?)?;
            if format.get() == Format::Json {
                return format::json(context, &secrets);
            }
            if secrets.is_empty() {
                context.terminal.tell("no secrets yet: `mayfly secret set NAME` makes one");
                return Ok(());
            }
            let now = Timestamp::now().as_microsecond();
            Ok(context.terminal.print(render(&secrets, now, context.terminal.out))?)
        }
        SecretCommand::Delete(DeleteArgs { name, app }) => {
            let app = context.app(app, &client)?;
            client.delete_secret(&app, &name)?;
            Ok(context.terminal.print(format!("deleted {name} of {app}"))?)
        }
    }
}

fn value(terminal: &Terminal, name: &str, from_env: Option<String>) -> Result<String, Failure> {
    let value = match from_env {
        Some(variable) => std::env::var(&variable).map_err(|_| {
            Failure::usage(format!("the environment has no `{variable}` that is text"))
        })?,
        None if terminal.in_is_terminal => terminal.secret_line(&format!("Value of {name}:"))?,
        None => {
            let text = String::from_utf8(terminal.read_all()?).map_err(|_| {
                Failure::failed("a secret is text, and standard input is not UTF-8")
            })?;
            without_newline(text)
        }
    };
    if value.is_empty() {
        return Err(Failure::usage(format!("the value of `{name}` is empty"))
            .help("type it, pipe it in, or name a variable with --from-env"));
    }
    Ok(value)
}

fn render(secrets: &[SecretSummary], now: i64, palette: Palette) -> String {
    let mut table = Table::new(["NAME", "SET"]);
    for secret in secrets {
        let set = time::ago(secret.updated_us, now);
        table.row([harmless(&secret.name).into(), Cell::new(Tone::Faint, set)]);
    }
    table.render(palette)
}

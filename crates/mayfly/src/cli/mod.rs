//! The command line: arguments, commands, and what people see of them.

mod budget;
mod build;
mod completions;
mod context;
mod delete;
mod deploy;
mod dev;
mod doctor;
mod failure;
mod format;
mod frame;
mod init;
mod invocations;
mod invoke;
mod list;
mod live;
mod login;
mod logs;
mod overview;
mod progress;
mod releases;
mod secret;
mod serve;
mod show;
mod source;
mod table;
mod tenant;
mod terminal;
mod time;
mod usage;

use std::process::ExitCode;

use clap::builder::styling::{AnsiColor, Styles};
use clap::error::ErrorKind;
use clap::{Arg, CommandFactory, FromArgMatches, Parser, Subcommand};

use mayfly_types::{AppName, FunctionName, NameError};

use self::context::Context;
pub(crate) use self::dev::DevArgs;
pub(crate) use self::failure::{Exit, Failure};
pub(crate) use self::frame::Frame;
pub(crate) use self::serve::ServeArgs;
pub(crate) use self::source::{AppSource, PackedApp, SourceError};
pub(crate) use self::terminal::{Palette, Terminal, Tone, harmless};

/// Commands that talk to no node.
const LOCAL: [&str; 5] = ["dev", "serve", "init", "doctor", "completions"];

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::BrightWhite.on_default().bold())
    .usage(AnsiColor::BrightWhite.on_default().bold())
    .literal(AnsiColor::Cyan.on_default())
    .placeholder(AnsiColor::White.on_default());

/// Runs functions on machines you own.
#[derive(Debug, Parser)]
#[command(
    name = "mayfly",
    version,
    styles = STYLES,
    disable_help_subcommand = true,
    about = "Functions on machines you own",
    long_about = "Mayfly turns machines you own into a serverless platform: deploy a function, \
                  get a URL. `mayfly dev` runs an app here while you write it, `mayfly serve` \
                  makes this machine a node, and the other commands talk to a node.",
    after_help = "Examples:\n  \
        mayfly dev hello.js               run one file here, reload on save\n  \
        mayfly deploy                     send this directory's app to a node\n  \
        mayfly logs -f                    watch what it writes"
)]
struct Cli {
    #[command(flatten)]
    node: NodeArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Which node a command talks to.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Node options")]
struct NodeArgs {
    /// Admin address of the node [env: MAYFLY_URL]
    #[arg(long, global = true, value_name = "URL", hide_short_help = true)]
    url: Option<String>,
    /// Token for the node; MAYFLY_TOKEN keeps it out of the list of processes
    #[arg(long, global = true, value_name = "TOKEN", hide_short_help = true)]
    token: Option<String>,
    /// A node saved by `mayfly login` [env: MAYFLY_PROFILE]
    #[arg(long, global = true, value_name = "NAME", hide_short_help = true)]
    profile: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Dev(DevArgs),
    Serve(ServeArgs),
    Init(init::InitArgs),
    Deploy(deploy::DeployArgs),
    Invoke(invoke::InvokeArgs),
    Invocations(invocations::InvocationsArgs),
    Logs(logs::LogsArgs),
    List(list::ListArgs),
    Show(show::ShowArgs),
    Releases(releases::ReleasesArgs),
    Rollback(live::RollbackArgs),
    Live(live::LiveArgs),
    Delete(delete::DeleteArgs),
    Secret(secret::SecretArgs),
    Usage(usage::UsageArgs),
    Budget(budget::BudgetArgs),
    Tenant(tenant::TenantArgs),
    Token(tenant::TokenArgs),
    Login(login::LoginArgs),
    Doctor(doctor::DoctorArgs),
    Completions(completions::CompletionsArgs),
}

/// An app, or a function of it: `APP` or `APP/FUNCTION`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scope {
    app: AppName,
    function: Option<FunctionName>,
}

impl Scope {
    fn parts(self) -> (Option<AppName>, Option<FunctionName>) {
        (Some(self.app), self.function)
    }
}

impl std::str::FromStr for Scope {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        match text.split_once('/') {
            None => Ok(Self { app: text.parse()?, function: None }),
            Some((app, function)) => {
                Ok(Self { app: app.parse()?, function: Some(function.parse()?) })
            }
        }
    }
}

/// Runs the command that the process was started with.
pub(crate) fn main() -> ExitCode {
    let terminal = Terminal::of_process();
    let matches = command().try_get_matches();
    let cli = match matches.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        Err(error) => {
            let exit = match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Done,
                _ => Exit::Usage,
            };
            // Nobody is left to read it when this fails.
            let _ = error.print();
            return exit.into();
        }
    };
    match run(cli, &terminal) {
        Ok(()) => Exit::Done.into(),
        Err(failure) => failure.report(&terminal).into(),
    }
}

/// All arguments, with the node's options hidden where they mean nothing.
fn command() -> clap::Command {
    LOCAL.into_iter().fold(Cli::command(), |command, local| {
        command.mut_subcommand(local, |mut local| {
            for option in ["url", "token", "profile"] {
                local = local.arg(Arg::new(option).long(option).hide(true));
            }
            local
        })
    })
}

fn run(cli: Cli, terminal: &Terminal) -> Result<(), Failure> {
    let Some(command) = cli.command else {
        return Ok(terminal.print(overview::render(terminal.out))?);
    };
    let context = Context::new(terminal, cli.node);
    match command {
        Command::Dev(args) => Ok(crate::dev::run(args)?),
        Command::Serve(args) => Ok(crate::node::serve(args)?),
        Command::Init(args) => init::run(&context, args),
        Command::Deploy(args) => deploy::run(&context, args),
        Command::Invoke(args) => invoke::run(&context, args),
        Command::Invocations(args) => invocations::run(&context, args),
        Command::Logs(args) => logs::run(&context, args),
        Command::List(args) => list::run(&context, args),
        Command::Show(args) => show::run(&context, args),
        Command::Releases(args) => releases::run(&context, args),
        Command::Rollback(args) => live::rollback(&context, args),
        Command::Live(args) => live::run(&context, args),
        Command::Delete(args) => delete::run(&context, args),
        Command::Secret(args) => secret::run(&context, args),
        Command::Usage(args) => usage::run(&context, args),
        Command::Budget(args) => budget::run(&context, args),
        Command::Tenant(args) => tenant::run(&context, args),
        Command::Token(args) => tenant::tokens(&context, args),
        Command::Login(args) => login::run(&context, args),
        Command::Doctor(args) => doctor::run(&context, args),
        Command::Completions(args) => completions::run(args),
    }
}

#[cfg(test)]
mod tests;

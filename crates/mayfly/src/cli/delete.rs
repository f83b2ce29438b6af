//! `mayfly delete`.

use mayfly_types::AppName;

use super::Failure;
use super::context::Context;
use super::failure::Exit;
use super::format::count;

/// Deletes an app with all that it has
///
/// Its functions stop answering, and its releases, secrets and logs are gone for good. It asks
/// first; where nobody can be asked, it needs --yes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    mayfly delete photos\n  \
    mayfly delete photos --yes        in a script")]
pub(crate) struct DeleteArgs {
    /// The app
    #[arg(value_name = "APP")]
    app: AppName,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

pub(super) fn run(context: &Context<'_>, args: DeleteArgs) -> Result<(), Failure> {
    let DeleteArgs { app, yes } = args;
    if !yes && !context.terminal.in_is_terminal {
        return Err(Failure::usage(format!("nobody can be asked whether to delete `{app}`"))
            .help("say so with --yes"));
    }
    let client = context.client()?;
    if !yes {
        let summary = client.app(&app)?;
        let functions = count(summary.functions.len(), "function");
        let question = format!(
            "Delete `{app}` at {} with its {functions}, its releases, secrets and logs? [y/N]",
            client.url()
        );
        if !context.terminal.confirm(&question)? {
            context.terminal.tell("nothing was deleted");
            return Err(Failure::silent(Exit::Failed));
        }
    }
    client.delete_app(&app)?;
    Ok(context.terminal.print(format!("deleted {app}"))?)
}

//! `mayfly completions`.

use std::io::{self, Write};

use clap_complete::Shell;

use super::Failure;

/// Prints a script that completes commands in a shell
///
/// The script goes where the shell looks for completions; how that is done differs by shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    mayfly completions bash > ~/.local/share/bash-completion/completions/mayfly\n  \
    mayfly completions fish > ~/.config/fish/completions/mayfly.fish\n  \
    mayfly completions zsh > ~/.zfunc/_mayfly")]
pub(crate) struct CompletionsArgs {
    /// bash, zsh, fish, elvish or powershell
    #[arg(value_enum, value_name = "SHELL", hide_possible_values = true)]
    shell: Shell,
}

pub(super) fn run(args: CompletionsArgs) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::command(), "mayfly", &mut script);
    Ok(io::stdout().lock().write_all(&script)?)
}

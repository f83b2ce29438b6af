//! `mayfly login`.

use std::fs;
use std::path::PathBuf;

use super::Failure;
use super::context::Context;
use super::terminal::Terminal;
use crate::client::{Client, Profile, Profiles, Surroundings, Token, Wanted, find, is_loopback};

/// Saves a node's address and token
///
/// Asks the node whether it knows the token, then keeps both in ~/.config/mayfly/profiles.toml,
/// which only you can read. The profile `default` is what commands use; another one is chosen with
/// --profile or MAYFLY_PROFILE.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    mayfly login http://10.0.0.5:8081 --token-file admin-token\n  \
    mayfly login https://lab.example.com --profile lab     asks for the token")]
pub(crate) struct LoginArgs {
    /// Admin address of the node
    #[arg(value_name = "URL")]
    node: String,
    /// File with the token, or - for standard input
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

pub(super) fn run(context: &Context<'_>, args: LoginArgs) -> Result<(), Failure> {
    let Some(path) = Surroundings::profiles_file() else {
        return Err(Failure::failed("there is no home directory to save a profile in")
            .help("set MAYFLY_URL and MAYFLY_TOKEN instead"));
    };
    let token = token(context, args.token_file)?;
    let wanted =
        Wanted { url: Some(args.node), token: Some(token.reveal().to_owned()), profile: None };
    let node = find(&wanted, &Surroundings::default(), &|_| false)?;
    Client::new(&node).apps()?;
    let url = node.url;

    let name = context.wanted().profile.as_deref().unwrap_or(Profiles::DEFAULT);
    let mut profiles = Profiles::load(&path)?;
    profiles.insert(name, Profile { url: url.clone(), token });
    profiles.save(&path)?;
    context.terminal.print(format!("saved {url} as `{name}` in {}", path.display()))?;
    warn_of_plain_text(context.terminal, &url);
    Ok(())
}

fn token(context: &Context<'_>, file: Option<PathBuf>) -> Result<Token, Failure> {
    let terminal = context.terminal;
    let text = match (file, &context.wanted().token) {
        (Some(path), _) if path.as_os_str() == "-" => {
            String::from_utf8_lossy(&terminal.read_all()?).into_owned()
        }
        (Some(path), _) => fs::read_to_string(&path)
            .map_err(|error| Failure::failed(format!("read {}: {error}", path.display())))?,
        (None, Some(token)) => token.clone(),
        (None, None) if terminal.in_is_terminal => terminal.secret_line("Token:")?,
        (None, None) => {
            return Err(Failure::usage("which token?")
                .help("name its file with --token-file, or `--token-file -` for standard input"));
        }
    };
    Token::new(&text).ok_or_else(|| Failure::usage("the token is empty"))
}

fn warn_of_plain_text(terminal: &Terminal, url: &str) {
    let local = url::Url::parse(url).is_ok_and(|url| is_loopback(&url));
    if url.starts_with("http:") && !local {
        terminal
            .tell("warning: http sends the token unencrypted; use https, a VPN or an SSH tunnel");
    }
}

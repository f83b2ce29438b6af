//! `mayfly live` and `mayfly rollback`: which releases take traffic.

use std::str::FromStr;

use mayfly_control_api::AppSummary;
use mayfly_types::{AppName, Live, ReleaseNumber};

use super::Failure;
use super::context::Context;
use super::format::{self, Format, FormatArgs};

/// Moves traffic between releases by weight
///
/// The weights are in proportion to each other: 90 and 10, or 9 and 1, are the same. A release
/// alone takes everything. Every release is made ready before traffic reaches it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    mayfly live photos 7=90 8=10      a tenth of the traffic to release 8\n  \
    mayfly live photos 8              all of it\n  \
    mayfly live 8                     in the app's directory")]
pub(crate) struct LiveArgs {
    /// The app, unless this is its directory; then releases with their weights
    #[arg(value_name = "[APP] RELEASE[=WEIGHT]", required = true, num_args = 1..)]
    words: Vec<String>,
    #[command(flatten)]
    format: FormatArgs,
}

/// Moves traffic back to an earlier release
///
/// To the newest release older than the one that is live, or to the one that --to names. Nothing
/// is deployed again: it takes as long as making that release's functions ready.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    mayfly rollback                   this directory's app, to the release before\n  \
    mayfly rollback photos --to 3")]
pub(crate) struct RollbackArgs {
    /// The app; this directory's by default
    #[arg(value_name = "APP")]
    app: Option<AppName>,
    /// The release to go back to
    #[arg(long, value_name = "RELEASE")]
    to: Option<u64>,
    #[command(flatten)]
    format: FormatArgs,
}

pub(super) fn run(context: &Context<'_>, args: LiveArgs) -> Result<(), Failure> {
    let (app, live) = parse(&args.words)?;
    let client = context.client()?;
    let app = context.app(app, &client)?;
    tell(context, &client.set_live(&app, &live)?, args.format.get())
}

pub(super) fn rollback(context: &Context<'_>, args: RollbackArgs) -> Result<(), Failure> {
    let client = context.client()?;
    let app = context.app(args.app, &client)?;
    tell(context, &client.rollback(&app, args.to.map(ReleaseNumber))?, args.format.get())
}

fn tell(context: &Context<'_>, app: &AppSummary, format: Format) -> Result<(), Failure> {
    match format {
        Format::Json => format::json(context, app),
        Format::Table => {
            let live = format::live(&app.live);
            Ok(context.terminal.print(format!("live of {}: release {live}", app.app))?)
        }
    }
}

/// An app's name may be a number too: the first word is one when more words follow and it has no
/// weight, and when it can be nothing else.
fn parse(words: &[String]) -> Result<(Option<AppName>, Live), Failure> {
    let (app, weights) = match words {
        [first, rest @ ..]
            if Weight::from_str(first).is_err() || (!rest.is_empty() && !first.contains('=')) =>
        {
            let app = AppName::new(first).map_err(|error| Failure::usage(error.to_string()))?;
            (Some(app), rest)
        }
        weights => (None, weights),
    };
    let weights = weights.iter().map(|word| word.parse::<Weight>());
    let weights: Vec<Weight> = weights.collect::<Result<_, _>>().map_err(Failure::usage)?;
    let live = Live::weighted(weights.into_iter().map(|weight| (weight.0, weight.1)).collect());
    let live = live.map_err(|error| {
        Failure::usage(error.to_string()).help("write releases with weights: `7=90 8=10`")
    })?;
    Ok((app, live))
}

struct Weight(ReleaseNumber, u32);

impl FromStr for Weight {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        let wrong = || format!("`{word}` is not a release with its weight: write `8=10`");
        let (release, weight) = word.split_once('=').unwrap_or((word, "100"));
        let release = release.parse().map_err(|_| wrong())?;
        Ok(Self(ReleaseNumber(release), weight.parse().map_err(|_| wrong())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Result<(Option<String>, String), Failure> {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        parse(&words).map(|(app, live)| (app.map(Into::into), format::live(&live)))
    }

    #[test]
    fn weights_may_follow_an_app() {
        let app = |name: &str| Some(name.to_owned());
        assert_eq!(
            words(&["photos", "7=90", "8=10"]).unwrap(),
            (app("photos"), "7 (90%), 8 (10%)".into())
        );
        assert_eq!(words(&["8"]).unwrap(), (None, "8".into()));
        assert_eq!(words(&["7=1", "8=1"]).unwrap(), (None, "7 (50%), 8 (50%)".into()));
        assert_eq!(words(&["2048", "8"]).unwrap(), (app("2048"), "8".into()));
        for wrong in [&["photos"][..], &["photos", "8=x"], &["photos", "8", "8"], &["7=0"]] {
            assert!(words(wrong).is_err(), "{wrong:?}");
        }
    }
}

//! `mayfly deploy`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mayfly_control_api::{DeployRequest, Deployed, DeployedCode};
use mayfly_state_api::GoLive;
use mayfly_types::AppName;

use super::Failure;
use super::context::Context;
use super::format::{self, Format, FormatArgs};
use super::progress::{Upload, Waiting};
use super::source::{AppSource, PackedApp};
use super::table::{Cell, Table};
use super::terminal::{Palette, Tone, harmless};
use crate::client::Client;

/// Packs an app, sends it to a node and makes it live
///
/// Code that the node has already is not sent again. The node checks and starts every function
/// before traffic moves: when anything is wrong, what is live stays as it was. A file without a
/// manifest becomes an app of its own, named after the file.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    mayfly deploy                     the app of this directory\n  \
    mayfly deploy hello.js            one file, as the app `hello`\n  \
    mayfly deploy --canary 10         the new release takes a tenth of the traffic")]
pub(crate) struct DeployArgs {
    /// App directory, manifest, or single file
    #[arg(default_value = ".", hide_default_value = true, value_name = "PATH")]
    path: PathBuf,
    /// Deploy under this name instead of the app's own
    #[arg(long, value_name = "NAME")]
    app: Option<AppName>,
    /// Give the new release this many parts of a hundred of the traffic, 1 to 99
    #[arg(long, value_name = "PERCENT", conflicts_with = "no_live",
        value_parser = clap::value_parser!(u32).range(1..100))]
    canary: Option<u32>,
    /// Make the release, and leave the traffic where it is
    #[arg(long)]
    no_live: bool,
    /// Send the code as it lies there, without installing its dependencies
    #[arg(long)]
    no_build: bool,
    #[command(flatten)]
    format: FormatArgs,
}

pub(super) fn run(context: &Context<'_>, args: DeployArgs) -> Result<(), Failure> {
    let started = Instant::now();
    let mut source = AppSource::open(&args.path, args.app.as_ref())?;
    if args.no_build {
        source = source.without_build();
    }
    let packed = source.pack()?;
    let client = context.client_for(source.directory())?;
    upload(context, &client, &packed)?;

    let artifacts = packed.iter().map(|(name, packed)| {
        let files = packed.files().to_vec();
        (name.clone(), DeployedCode { artifact: packed.digest(), files })
    });
    let request = DeployRequest {
        manifest: source.manifest().text().to_owned(),
        artifacts: artifacts.collect(),
        go_live: match args.canary {
            Some(percent) => GoLive::Percent(percent),
            None if args.no_live => GoLive::No,
            None => GoLive::All,
        },
    };
    let waiting = Waiting::new(context.terminal, "the node makes the functions ready");
    let deployed = client.deploy(&request);
    drop(waiting);
    let deployed = deployed?;
    match args.format.get() {
        Format::Json => format::json(context, &deployed),
        Format::Table => {
            let text = render(&deployed, started.elapsed(), context.terminal.out);
            Ok(context.terminal.print(text)?)
        }
    }
}

/// Sends what the node does not have.
fn upload(context: &Context<'_>, client: &Client, packed: &PackedApp) -> Result<(), Failure> {
    let digests: BTreeSet<_> = packed.values().map(|packed| packed.digest()).collect();
    let missing = client.missing(&digests.into_iter().collect::<Vec<_>>())?;
    let missing: BTreeSet<_> = missing.into_iter().collect();
    for digest in missing {
        let Some((name, code)) = packed.iter().find(|(_, code)| code.digest() == digest) else {
            return Err(Failure::failed(format!(
                "{} asks for an artifact that was not offered",
                client.url()
            )));
        };
        let mut progress = Upload::new(context.terminal, format!("upload {name}"), code.size());
        client.upload(digest, code.bytes(), &mut |sent| progress.at(sent))?;
    }
    Ok(())
}

fn render(deployed: &Deployed, took: Duration, palette: Palette) -> String {
    let Deployed { app, release, live, urls, functions, notes } = deployed;
    let name = palette.paint(Tone::Strong, app);
    let mut text = format!("deployed {name} release {release} in {}", duration(took));
    let mut table = Table::bare();
    for function in functions {
        let (tone, word) = match function.changed {
            Some(false) => (Tone::Faint, "unchanged"),
            Some(true) | None => (Tone::Good, "changed"),
        };
        table.row([
            "".into(),
            Cell::from(&function.function),
            Cell::new(tone, word),
            Cell::new(Tone::Faint, &function.revision),
            harmless(&function.routes.join(", ")).into(),
        ]);
    }
    let mut line = |more: &str| {
        text.push('\n');
        text.push_str(more);
    };
    line(&table.render(palette));
    for url in urls {
        line(&palette.paint(Tone::Strong, harmless(url)));
    }
    let parts = live.weights();
    if parts.iter().all(|(number, _)| number != release) {
        let now = format::live(live);
        line(&format!(
            "release {release} is not live ({now} is): `mayfly live {app} {release}` makes it so"
        ));
    } else if parts.len() > 1 {
        line(&format!("live: {}", format::live(live)));
    }
    for note in notes {
        line(&format!("{} {}", palette.paint(Tone::Warning, "note:"), harmless(note)));
    }
    text
}

/// `41 ms`, `2.3 s`.
fn duration(took: Duration) -> String {
    match took.as_millis() {
        millis @ ..1000 => format!("{millis} ms"),
        millis => format!("{}.{} s", millis / 1000, millis % 1000 / 100),
    }
}

#[cfg(test)]
mod tests {
    use mayfly_control_api::FunctionSummary;
    use mayfly_types::{FunctionName, Live, ReleaseNumber};

    use super::*;

    fn deployed(live: &[(u64, u32)]) -> Deployed {
        let function = |name: &str, changed, routes: &[&str]| FunctionSummary {
            app: AppName::new("photos").unwrap(),
            function: FunctionName::new(name).unwrap(),
            runtime: "js".into(),
            revision: "1f2e3d4c5b6a".into(),
            changed: Some(changed),
            routes: routes.iter().map(ToString::to_string).collect(),
        };
        let live = live.iter().map(|(number, weight)| (ReleaseNumber(*number), *weight));
        Deployed {
            app: AppName::new("photos").unwrap(),
            release: ReleaseNumber(3),
            live: Live::weighted(live.collect()).unwrap(),
            urls: vec!["http://photos.localhost:8080/".into()],
            functions: vec![
                function("thumbnail", true, &["GET /photos/{id}"]),
                function("up", false, &[]),
            ],
            notes: vec!["`cpu` is not held on this host".into()],
        }
    }

    fn text(live: &[(u64, u32)]) -> String {
        render(&deployed(live), Duration::from_millis(41), Palette::Plain)
    }

    #[test]
    fn a_deployment_tells_what_changed_where_it_answers_and_how_long_it_took() {
        insta::assert_snapshot!(text(&[(3, 100)]), @r"
        deployed photos release 3 in 41 ms
          thumbnail  changed    1f2e3d4c5b6a  GET /photos/{id}
          up         unchanged  1f2e3d4c5b6a
        http://photos.localhost:8080/
        note: `cpu` is not held on this host
        ");
    }

    #[test]
    fn a_release_that_is_partly_or_not_live_says_so() {
        assert!(text(&[(2, 90), (3, 10)]).contains("\nlive: 2 (90%), 3 (10%)\n"));
        assert!(
            text(&[(2, 1)])
                .contains("\nrelease 3 is not live (2 is): `mayfly live photos 3` makes it so\n")
        );
    }

    #[test]
    fn times_have_the_unit_that_fits() {
        assert_eq!(duration(Duration::from_millis(999)), "999 ms");
        assert_eq!(duration(Duration::from_millis(12_345)), "12.3 s");
    }
}

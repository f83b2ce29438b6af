//! `mayfly show`.

use mayfly_control_api::FunctionDetail;
use mayfly_types::{FunctionPath, HandlerStyle, Isolation, Route};

use super::Failure;
use super::context::Context;
use super::format::{self, Format, FormatArgs};
use super::table::{Cell, Table};
use super::terminal::{Palette, Tone, harmless};

/// Shows all about one function
///
/// Its revision and the release it is shown from, where it answers, and its configuration with
/// every default filled in.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    mayfly show photos/thumbnail\n  \
    mayfly show thumbnail --format json     in the app's directory")]
pub(crate) struct ShowArgs {
    /// The function: APP/FUNCTION, or FUNCTION in its app's directory
    #[arg(value_name = "FN")]
    function: FunctionPath,
    #[command(flatten)]
    format: FormatArgs,
}

pub(super) fn run(context: &Context<'_>, args: ShowArgs) -> Result<(), Failure> {
    let client = context.client()?;
    let (app, function) = context.function(args.function, &client)?;
    let detail = client.function(&app, &function)?;
    match args.format.get() {
        Format::Json => format::json(context, &detail),
        Format::Table => Ok(context.terminal.print(render(&detail, context.terminal.out))?),
    }
}

fn render(detail: &FunctionDetail, palette: Palette) -> String {
    let FunctionDetail { release, revision, routes, urls } = detail;
    let config = revision.config();
    let style = match revision.style() {
        HandlerStyle::Fetch => "answers HTTP (fetch)",
        HandlerStyle::Event => "takes events",
    };
    let handler = match &config.handler {
        Some(handler) => format!("{handler}, {style}"),
        None => style.to_owned(),
    };
    let isolation = match config.isolation {
        Isolation::Invocation => "a fresh environment per invocation",
        Isolation::Instance => "an environment is reused",
    };
    let concurrency = config.concurrency.map(|n| n.to_string());
    let concurrency = concurrency.unwrap_or_else(|| "the node's default".to_owned());
    let env = config.env.iter().map(|(name, value)| format!("{name}={value}"));
    let routes = routes.iter().map(route);

    let mut table = Table::bare();
    let mut add = |label: &str, values: Vec<String>| {
        let mut label = label;
        for value in values {
            table.row(["".into(), Cell::new(Tone::Faint, label), harmless(&value).into()]);
            label = "";
        }
    };
    add("revision", vec![format!("{} of release {release}", revision.id().short())]);
    add("artifact", vec![revision.artifact().short()]);
    add("url", urls.clone());
    add("routes", routes.collect());
    add("runtime", vec![format!("{}, from {}", config.runtime, config.entry)]);
    add("handler", vec![handler]);
    add("memory", vec![config.memory.to_string()]);
    add("cpu", vec![config.cpu.to_string()]);
    add("disk", vec![config.disk.to_string()]);
    add("timeout", vec![config.timeout.to_string()]);
    add("concurrency", vec![concurrency]);
    add("isolation", vec![isolation.to_owned()]);
    add("env", env.collect());
    add("secrets", config.secrets.clone());
    let egress =
        if config.egress.is_empty() { vec!["nothing".into()] } else { config.egress.clone() };
    add("egress", egress);
    let name = format!("{}/{}", revision.app().app, revision.function());
    format!("{}\n{}", palette.paint(Tone::Strong, name), table.render(palette))
}

fn route(route: &Route) -> String {
    match route.methods.is_empty() {
        true => route.path.clone(),
        false => format!("{} {}", route.methods.join(","), route.path),
    }
}

#[cfg(test)]
mod tests {
    use mayfly_types::{
        AppKey, AppName, Digest, FunctionName, ReleaseNumber, Revision, TenantName,
    };

    use super::*;

    #[test]
    fn a_function_is_shown_with_every_default_filled_in() {
        let config = serde_json::json!({
            "runtime": "js", "entry": "index.js", "memory": "128MB", "cpu": 1.0, "disk": "512MB",
            "timeout": "30s", "isolation": "invocation", "env": {"LEVEL": "info", "X": "1"},
            "secrets": ["API_KEY"],
        });
        let function = FunctionName::new("thumb").unwrap();
        let detail = FunctionDetail {
            release: ReleaseNumber(3),
            revision: Revision::new(
                AppKey::new(TenantName::fallback(), AppName::new("photos").unwrap()),
                function.clone(),
                Digest::of(b""),
                serde_json::from_value(config).unwrap(),
                HandlerStyle::Fetch,
            ),
            routes: vec![
                Route {
                    path: "/photos/{id}".into(),
                    methods: vec!["GET".into(), "PUT".into()],
                    function: function.clone(),
                },
                Route { path: "/all".into(), methods: vec![], function },
            ],
            urls: vec!["http://photos.localhost:8080/photos/".into()],
        };
        insta::with_settings!({filters => vec![(r"[0-9a-f]{12} of", "[REVISION] of")]}, {
            insta::assert_snapshot!(render(&detail, Palette::Plain));
        });
    }
}

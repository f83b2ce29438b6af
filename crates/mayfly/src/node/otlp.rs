//! Where spans and metrics go, by the configuration and OpenTelemetry's own variables.

use std::time::Duration;

use anyhow::Context as _;
use mayfly_otlp::{Collector, Exporter, Headers, Options, Samples};
use percent_encoding::percent_decode_str;

use crate::config::Otlp;

/// OpenTelemetry's names of what a configuration that says nothing is read from.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
/// How often metrics are sent where the configuration does not say.
const INTERVAL: Duration = Duration::from_secs(30);
/// The least of that.
const SHORTEST: Duration = Duration::from_secs(1);

/// Begins to export, if there is somewhere to.
pub(super) fn start(
    config: &Otlp,
    variable: impl Fn(&str) -> Option<String>,
) -> anyhow::Result<Option<Exporter>> {
    let given = config.endpoint.clone().map(|endpoint| ("`endpoint` in `[otlp]`", endpoint));
    let variable = |name| variable(name).filter(|value| !value.trim().is_empty());
    let Some((place, endpoint)) = given.or_else(|| Some((ENDPOINT, variable(ENDPOINT)?))) else {
        return Ok(None);
    };
    let mut headers = Headers::default();
    if config.headers.is_empty() {
        let list = variable(HEADERS).unwrap_or_default();
        for (name, value) in pairs(&list).with_context(|| format!("read {HEADERS}"))? {
            headers.add(&name, &value).map_err(anyhow::Error::msg).context(HEADERS)?;
        }
    }
    for (name, value) in &config.headers {
        let added = headers.add(name, &value.0).map_err(anyhow::Error::msg);
        added.context("`headers` in `[otlp]`")?;
    }
    // Only a URL without a password is named here.
    let collector =
        Collector::new(&endpoint, headers).with_context(|| format!("{place} is no collector's"))?;
    let sample = Samples::part(config.sample.unwrap_or(1.0)).context("`sample` in `[otlp]`")?;
    let interval = config.interval.map_or(INTERVAL, |interval| interval.as_duration());
    anyhow::ensure!(interval >= SHORTEST, "`interval` in `[otlp]` is at least {SHORTEST:?}");
    let service = config.service_name.clone().unwrap_or_else(|| "mayfly".into());
    tracing::info!(service, "spans and metrics go to a collector");
    Ok(Some(Exporter::start(Options {
        collector,
        service,
        traces: config.traces.unwrap_or(true).then_some(sample),
        metrics: config.metrics.unwrap_or(true).then_some(interval),
    })))
}

/// `name=value,name=value`, the values percent-encoded (OTLP exporter, "Specifying headers via environment
/// variables"). The error does not say what is there: it may be a secret.
fn pairs(list: &str) -> anyhow::Result<Vec<(String, String)>> {
    let pairs = list.split(',').map(str::trim).filter(|pair| !pair.is_empty());
    let read = |pair: &str| {
        let (name, value) = pair.split_once('=').context("it is a list of name=value")?;
        let value = percent_decode_str(value.trim()).decode_utf8();
        Ok((name.trim().to_owned(), value.context("a value is no UTF-8")?.into_owned()))
    };
    pairs.map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(config: &str, variables: &[(&str, &str)]) -> String {
        let config: Otlp = toml::from_str(config).unwrap();
        let variable = |name: &str| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        match start(&config, variable) {
            Err(error) => format!("{error:#}"),
            Ok(Some(_)) => "(it starts)".into(),
            Ok(None) => "(nothing)".into(),
        }
    }

    #[tokio::test]
    async fn what_is_no_configuration_is_refused_without_a_secret_in_the_words() {
        let good = "endpoint = \"http://localhost:4318\"";
        assert_eq!(refused("", &[]), "(nothing)");
        assert_eq!(refused("", &[(ENDPOINT, " ")]), "(nothing)");
        assert_eq!(refused(good, &[]), "(it starts)");
        assert_eq!(refused("", &[(ENDPOINT, "http://localhost:4318")]), "(it starts)");
        // What the file says holds.
        assert_eq!(refused(good, &[(ENDPOINT, "nowhere")]), "(it starts)");
        assert_eq!(
            refused("", &[(ENDPOINT, "grpc://localhost:4317")]),
            "OTEL_EXPORTER_OTLP_ENDPOINT is no collector's: it begins with http:// or https://"
        );
        for (config, told) in [
            (
                "endpoint = \"http://a:secret@b\"",
                "`endpoint` in `[otlp]` is no collector's: a user",
            ),
            ("headers = { a = \"secret\\n\" }\nsample = 2", "`sample` in `[otlp]`: the part"),
            ("headers = { \"a b\" = \"secret\" }", "`headers` in `[otlp]`: the header `a b`"),
            ("interval = \"10ms\"", "`interval` in `[otlp]` is at least 1s"),
        ] {
            let config = match config.starts_with("endpoint") {
                true => config.to_owned(),
                false => format!("{good}\n{config}"),
            };
            let said = refused(&config, &[]);
            assert!(said.starts_with(told) && !said.contains("secret"), "{said}");
        }
        let said = refused(good, &[(HEADERS, "authorization secret")]);
        assert_eq!(said, "read OTEL_EXPORTER_OTLP_HEADERS: it is a list of name=value");
    }

    #[test]
    fn headers_come_from_a_list_of_pairs() {
        let read = pairs(" a = 1 ,b=x%20y=z,, c=").unwrap();
        let read: Vec<_> = read.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(read, [("a", "1"), ("b", "x y=z"), ("c", "")]);
    }
}

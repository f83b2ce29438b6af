//! Metrics by OTLP beside those of `/metrics`.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{HistogramDataPoint, NumberDataPoint};

use super::receiver::{Receiver, attributes};
use super::{options, traced};

/// Values by `name{label="value",…}`, as Prometheus writes them.
type Series = BTreeMap<String, f64>;

fn key(name: &str, labels: &BTreeMap<String, String>) -> String {
    let labels: Vec<String> =
        labels.iter().map(|(key, value)| format!("{key}={value:?}")).collect();
    format!("{name}{{{}}}", labels.join(","))
}

fn number(into: &mut Series, name: &str, point: &NumberDataPoint) {
    let value = match point.value.as_ref().unwrap() {
        Value::AsInt(whole) => *whole as f64,
        Value::AsDouble(part) => *part,
    };
    into.insert(key(name, &attributes(&point.attributes)), value);
}

fn histogram(into: &mut Series, name: &str, point: &HistogramDataPoint) {
    let labels = attributes(&point.attributes);
    into.insert(key(&format!("{name}_sum"), &labels), point.sum.unwrap());
    into.insert(key(&format!("{name}_count"), &labels), point.count as f64);
    assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
    let mut below = 0;
    for (i, count) in point.bucket_counts.iter().enumerate() {
        below += count;
        let end = point.explicit_bounds.get(i).map_or("+Inf".to_owned(), |end| format!("{end:?}"));
        let mut labels = labels.clone();
        labels.insert("le".into(), end);
        into.insert(key(&format!("{name}_bucket"), &labels), below as f64);
    }
}

/// A batch as Prometheus would tell it.
fn told(batch: &ExportMetricsServiceRequest) -> Series {
    let mut all = Series::new();
    let [resource] = &batch.resource_metrics[..] else { panic!("of one node") };
    let [scope] = &resource.scope_metrics[..] else { panic!("of one scope") };
    for metric in &scope.metrics {
        let name = &metric.name;
        match metric.data.as_ref().unwrap() {
            Data::Sum(sum) => {
                assert!(sum.is_monotonic && sum.aggregation_temporality == 2, "{name}");
                for point in &sum.data_points {
                    assert!(0 < point.start_time_unix_nano, "{name}");
                    assert!(point.start_time_unix_nano < point.time_unix_nano, "{name}");
                    number(&mut all, &format!("{name}_total"), point);
                }
            }
            Data::Gauge(gauge) => {
                gauge.data_points.iter().for_each(|point| number(&mut all, name, point));
            }
            Data::Histogram(times) => {
                assert_eq!((times.aggregation_temporality, metric.unit.as_str()), (2, "s"));
                times.data_points.iter().for_each(|point| histogram(&mut all, name, point));
            }
            other => panic!("{name} is {other:?}"),
        }
    }
    all
}

/// The text of `/metrics`, read.
fn read(text: &str) -> Series {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let one = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) =
            name.strip_suffix('}').and_then(|it| it.split_once('{')).unwrap_or((name, ""));
        // None of the values here holds a comma.
        let labels = labels.split(',').filter(|label| !label.is_empty()).map(|label| {
            let (key, value) = label.split_once('=').unwrap();
            (key.to_owned(), value.trim_matches('"').to_owned())
        });
        (key(name, &labels.collect()), value.parse().unwrap())
    };
    lines.map(one).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_those_that_prometheus_reads() {
    let receiver = Receiver::start().await;
    let node = options(&receiver, "traces = false\ninterval = \"1s\"").start().await;
    let app = node.function("show", "", super::SHOW).await;
    for path in ["/", "/?status=404", "/throw", "/throw"] {
        traced(&app, path, "nothing").await;
    }
    app.call("GET", "/", &[("host", "nobody.localhost")], "").await.expect(404);
    // Refused before anything ran.
    node.command("POST", "/v1/apps/show/functions/nobody/invocations", None).await.expect(404);
    let text = node.command("GET", "/metrics", None).await.expect(200).text();
    let wanted = read(&text);
    assert!(wanted.len() > 30, "{text}");
    let functions = "app=\"show\",function=\"main\"";
    let ended = |outcome: &str| {
        let key =
            format!("mayfly_attempts_total{{{functions},outcome={outcome:?},tenant=\"default\"}}");
        wanted[&key]
    };
    assert_eq!((ended("ok"), ended("function")), (2.0, 2.0), "{text}");
    assert_eq!(wanted["mayfly_refused_total{code=\"not_found\"}"], 1.0, "{text}");
    // Nothing runs any more, so that whatever is measured from now on is the same.
    let before = receiver.sent().metrics.len();
    let more = |sent: &super::receiver::Sent| sent.metrics.len() >= before + 2;
    let sent = receiver.until("two more batches", more).await;
    let told = told(sent.metrics.last().unwrap());
    let differs: Vec<_> = wanted
        .keys()
        .chain(told.keys())
        .filter(|key| wanted.get(*key) != told.get(*key))
        .map(|key| (key, wanted.get(key), told.get(key)))
        .collect();
    assert!(differs.is_empty(), "{differs:#?}");
    assert!(sent.spans.is_empty());
    // The counts of all batches are from one beginning.
    let mut starts: Vec<u64> = Vec::new();
    for batch in &sent.metrics {
        let metrics = batch.resource_metrics[0].scope_metrics[0].metrics.iter();
        for metric in metrics {
            if let Some(Data::Sum(sum)) = &metric.data {
                starts.extend(sum.data_points.iter().map(|point| point.start_time_unix_nano));
            }
        }
    }
    starts.dedup();
    assert_eq!(starts.len(), 1);
}

//! Series as the protocol has them (opentelemetry/proto/metrics/v1/metrics.proto).

use mayfly_control_api::{BUCKETS_US, Data, Durations, Family, Labels, Number};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::{
    self as proto, AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

use crate::resource;

/// From when to when it was counted, in nanoseconds since 1970.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    pub(crate) since_ns: u64,
    pub(crate) until_ns: u64,
}

/// What was measured, as it is sent.
pub(crate) fn batch(
    resource: &Resource,
    families: Vec<Family>,
    over: Span,
) -> ExportMetricsServiceRequest {
    let metrics = families.into_iter().map(|family| one(family, over)).collect();
    let scope = Some(resource::scope());
    let scope_metrics = vec![ScopeMetrics { scope, metrics, ..ScopeMetrics::default() }];
    let resource = Some(resource.clone());
    let all = ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() };
    ExportMetricsServiceRequest { resource_metrics: vec![all] }
}

fn one(family: Family, over: Span) -> Metric {
    let cumulative = AggregationTemporality::Cumulative.into();
    let data = match family.data {
        Data::Counts(series) => proto::metric::Data::Sum(Sum {
            data_points: series.into_iter().map(|it| count(it, over)).collect(),
            aggregation_temporality: cumulative,
            is_monotonic: true,
        }),
        Data::Gauges(series) => proto::metric::Data::Gauge(Gauge {
            data_points: series.into_iter().map(|it| gauge(it, over)).collect(),
        }),
        Data::Times(series) => proto::metric::Data::Histogram(Histogram {
            data_points: series.into_iter().map(|it| times(it, over)).collect(),
            aggregation_temporality: cumulative,
        }),
    };
    Metric {
        name: family.name.to_owned(),
        description: family.help.to_owned(),
        unit: family.unit.to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

fn count((labels, number): (Labels, Number), over: Span) -> NumberDataPoint {
    let value = match number {
        Number::Whole(count) => whole(count),
        Number::Part(amount) => number_data_point::Value::AsDouble(amount),
    };
    NumberDataPoint {
        attributes: attributes(labels),
        start_time_unix_nano: over.since_ns,
        time_unix_nano: over.until_ns,
        value: Some(value),
        ..NumberDataPoint::default()
    }
}

fn gauge((labels, value): (Labels, u64), over: Span) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(labels),
        time_unix_nano: over.until_ns,
        value: Some(whole(value)),
        ..NumberDataPoint::default()
    }
}

fn times((labels, times): (Labels, Durations), over: Span) -> HistogramDataPoint {
    HistogramDataPoint {
        attributes: attributes(labels),
        start_time_unix_nano: over.since_ns,
        time_unix_nano: over.until_ns,
        count: times.count(),
        sum: Some(times.sum_us as f64 / 1e6),
        bucket_counts: times.buckets.to_vec(),
        explicit_bounds: BUCKETS_US.iter().map(|end| *end as f64 / 1e6).collect(),
        ..HistogramDataPoint::default()
    }
}

fn whole(number: u64) -> number_data_point::Value {
    number_data_point::Value::AsInt(i64::try_from(number).unwrap_or(i64::MAX))
}

fn attributes(labels: Labels) -> Vec<KeyValue> {
    labels.into_iter().map(|(key, value)| resource::text(key, value)).collect()
}

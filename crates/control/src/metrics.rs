//! Metrics in the text form of OpenMetrics 1.0, which Prometheus reads.

use std::fmt;

use mayfly_control_api::{BUCKETS_US, Caller, Data, Durations, Error, Family, Number, families};
use mayfly_state_api::Role;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::ControlService;

impl ControlService {
    pub(crate) fn measure(&self, caller: &Caller) -> Result<String, Error> {
        let tenant = (caller.role != Role::Operator).then_some(&caller.tenant);
        let lost = self.parts.ledger.lost();
        let mut registry = Registry::default();
        let series = Series(families(&*self.parts.meters, lost, tenant));
        registry.register_collector(Box::new(series));
        let mut text = String::new();
        encode(&mut text, &registry)
            .map_err(|error| Error::Unavailable(format!("write metrics: {error}")))?;
        Ok(text)
    }
}

#[derive(Debug)]
struct Series(Vec<Family>);

impl Collector for Series {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|family| one(family, &mut encoder))
    }
}

fn one(family: &Family, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let kind = match &family.data {
        Data::Counts(_) => MetricType::Counter,
        Data::Gauges(_) => MetricType::Gauge,
        Data::Times(_) => MetricType::Histogram,
    };
    let mut encoder = encoder.encode_descriptor(family.name, family.help, None, kind)?;
    match &family.data {
        Data::Counts(series) => series.iter().try_for_each(|(labels, number)| {
            let into = encoder.encode_family(labels)?;
            match number {
                Number::Whole(count) => ConstCounter::new(*count).encode(into),
                Number::Part(amount) => ConstCounter::new(*amount).encode(into),
            }
        }),
        Data::Gauges(series) => series.iter().try_for_each(|(labels, value)| {
            let value = i64::try_from(*value).unwrap_or(i64::MAX);
            ConstGauge::new(value).encode(encoder.encode_family(labels)?)
        }),
        Data::Times(series) => series
            .iter()
            .try_for_each(|(labels, times)| histogram(times, encoder.encode_family(labels)?)),
    }
}

fn histogram(times: &Durations, mut into: MetricEncoder<'_>) -> fmt::Result {
    let ends = BUCKETS_US.iter().map(|end| *end as f64 / 1e6).chain([f64::INFINITY]);
    let buckets: Vec<_> = ends.zip(times.buckets).collect();
    let sum = times.sum_us as f64 / 1e6;
    into.encode_histogram::<NoLabelSet>(sum, times.count(), &buckets, None)
}

//! Metrics in the text form of OpenMetrics 1.0, which Prometheus reads.

use std::fmt;
use std::sync::Arc;

use mayfly_control_api::{BUCKETS_US, Caller, Error, FunctionMeter};
use mayfly_state_api::{Role, Sums};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::ControlService;

/// Most functions that have series of their own: those with the most attempts. The others are told together.
const SERIES: usize = 1_000;
/// What the others are called; no app or function can be.
const OTHERS: &str = "(others)";

impl ControlService {
    pub(crate) fn measure(&self, caller: &Caller) -> Result<String, Error> {
        let meters = Arc::clone(&self.parts.meters);
        let mut registry = Registry::default();
        let tenant = (caller.role != Role::Operator).then(|| caller.tenant.clone());
        let mut functions = meters.functions();
        functions.retain(|it| tenant.as_ref().is_none_or(|tenant| it.app.tenant == *tenant));
        functions.sort_by_key(|it| std::cmp::Reverse(it.sums.attempts));
        let series = Series {
            functions: bounded(functions),
            node: tenant.is_none().then(|| meters.node()),
            lost: self.parts.ledger.lost(),
        };
        registry.register_collector(Box::new(series));
        let mut text = String::new();
        encode(&mut text, &registry)
            .map_err(|error| Error::Unavailable(format!("write metrics: {error}")))?;
        Ok(text)
    }
}

/// A function's labels and what is measured of it.
type Labelled = ([(&'static str, String); 3], FunctionMeter);

fn bounded(functions: Vec<FunctionMeter>) -> Vec<Labelled> {
    let mut all: Vec<Labelled> = Vec::new();
    for (i, meter) in functions.into_iter().enumerate() {
        if let Some((labels, others)) = all.get_mut(SERIES)
            && i >= SERIES
        {
            labels.iter_mut().for_each(|(_, value)| *value = OTHERS.to_owned());
            others.sums += meter.sums;
            for (bucket, more) in others.durations.buckets.iter_mut().zip(meter.durations.buckets) {
                *bucket += more;
            }
            others.durations.sum_us += meter.durations.sum_us;
            others.running += meter.running;
            others.waiting += meter.waiting;
            continue;
        }
        let labels = [
            ("tenant", meter.app.tenant.to_string()),
            ("app", meter.app.app.to_string()),
            ("function", meter.function.to_string()),
        ];
        all.push((labels, meter));
    }
    all
}

#[derive(Debug)]
struct Series {
    functions: Vec<Labelled>,
    node: Option<mayfly_control_api::NodeMeter>,
    lost: u64,
}

impl Series {
    /// A number of each function.
    fn each<M: EncodeMetric>(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        name: &str,
        help: &str,
        metric: impl Fn(&FunctionMeter) -> M,
        kind: MetricType,
    ) -> fmt::Result {
        let mut encoder = encoder.encode_descriptor(name, help, None, kind)?;
        for (labels, meter) in &self.functions {
            metric(meter).encode(encoder.encode_family(labels)?)?;
        }
        Ok(())
    }

    fn ended(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Attempts that ended, by whose fault it was if they failed";
        let mut encoder =
            encoder.encode_descriptor("mayfly_attempts", help, None, MetricType::Counter)?;
        for (labels, meter) in &self.functions {
            let Sums { attempts, function_faults, platform_faults, caller_faults, .. } = meter.sums;
            let failed = function_faults + platform_faults + caller_faults;
            for (outcome, count) in [
                ("ok", attempts.saturating_sub(failed)),
                ("function", function_faults),
                ("platform", platform_faults),
                ("caller", caller_faults),
            ] {
                let [tenant, app, function] = labels.clone();
                let labels = [tenant, app, function, ("outcome", outcome.to_owned())];
                ConstCounter::new(count).encode(encoder.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn durations(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "How long attempts ran";
        let name = "mayfly_attempt_duration_seconds";
        let mut encoder = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (labels, meter) in &self.functions {
            let durations = &meter.durations;
            let ends = BUCKETS_US.iter().map(|end| *end as f64 / 1e6).chain([f64::MAX]);
            let buckets: Vec<_> = ends.zip(durations.buckets).collect();
            let sum = durations.sum_us as f64 / 1e6;
            encoder.encode_family(labels)?.encode_histogram::<NoLabelSet>(
                sum,
                durations.count(),
                &buckets,
                None,
            )?;
        }
        Ok(())
    }

    fn of_node(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let Some(node) = &self.node else { return Ok(()) };
        let mut gauge = |name: &str, help: &str, value: u64| {
            let metric = ConstGauge::new(value as f64);
            metric.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
        };
        gauge("mayfly_node_running", "Attempts that run now", node.running)?;
        gauge("mayfly_node_waiting", "Attempts that wait for a place now", node.waiting)?;
        let help = "Records of attempts that were lost for want of space on the disk";
        let lost = ConstCounter::new(self.lost);
        let into =
            encoder.encode_descriptor("mayfly_ledger_lost", help, None, MetricType::Counter)?;
        lost.encode(into)?;
        let help = "Invocations that were refused before anything ran, by the code of the answer";
        let mut encoder =
            encoder.encode_descriptor("mayfly_refused", help, None, MetricType::Counter)?;
        for (code, count) in &node.refused {
            let labels = [("code", code.as_str())];
            ConstCounter::new(*count).encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

impl Collector for Series {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let into = &mut encoder;
        self.ended(into)?;
        self.durations(into)?;
        let counter = MetricType::Counter;
        let count = ConstCounter::<u64>::new;
        let seconds = ConstCounter::<f64>::new;
        let name = "mayfly_cold_starts";
        let help = "Attempts for which an instance had to be started";
        self.each(into, name, help, |it| count(it.sums.cold), counter)?;
        let name = "mayfly_billed_seconds";
        let help = "Time that is billed";
        self.each(into, name, help, |it| seconds(it.sums.billed_ms as f64 / 1e3), counter)?;
        let name = "mayfly_billed_gb_seconds";
        let help = "Time that is billed, times memory limits in GB of 2^30 bytes";
        self.each(into, name, help, |it| seconds(it.sums.gb_seconds()), counter)?;
        let name = "mayfly_cpu_seconds";
        let help = "Processor time of attempts";
        self.each(into, name, help, |it| seconds(it.sums.cpu_us as f64 / 1e6), counter)?;
        let name = "mayfly_received_bytes";
        let help = "Bytes of requests' bodies and of events";
        self.each(into, name, help, |it| count(it.sums.bytes_in), counter)?;
        let name = "mayfly_sent_bytes";
        let help = "Bytes of answers' bodies";
        self.each(into, name, help, |it| count(it.sums.bytes_out), counter)?;
        let gauge = MetricType::Gauge;
        let (name, help) = ("mayfly_running", "Attempts that run now");
        self.each(into, name, help, |it| ConstGauge::new(i64::from(it.running)), gauge)?;
        let (name, help) = ("mayfly_waiting", "Attempts that wait for a place now");
        self.each(into, name, help, |it| ConstGauge::new(i64::from(it.waiting)), gauge)?;
        self.of_node(into)
    }
}

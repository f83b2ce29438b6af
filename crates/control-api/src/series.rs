//! What a node measures of itself as series: one source for every form in which they are told.

use mayfly_state_api::Sums;
use mayfly_types::TenantName;

use crate::{Durations, FunctionMeter, Meters, NodeMeter};

/// Most functions that have series of their own: those with the most attempts. The others are told together.
const SERIES: usize = 1_000;
/// What the others are called; no app or function can be.
const OTHERS: &str = "(others)";

/// What tells one series of a family from another.
pub type Labels = Vec<(&'static str, String)>;

/// Series of one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Family {
    /// The name, without what a form of telling adds to it.
    pub name: &'static str,
    /// What it is, in a sentence.
    pub help: &'static str,
    /// What it counts, as UCUM writes it: `s`, `By`; nothing for plain numbers.
    pub unit: &'static str,
    /// The series.
    pub data: Data,
}

/// The series of a family.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// Counts since the node started, which only rise.
    Counts(Vec<(Labels, Number)>),
    /// What is now.
    Gauges(Vec<(Labels, u64)>),
    /// How long things took since the node started.
    Times(Vec<(Labels, Durations)>),
}

/// A number of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// A whole one.
    Whole(u64),
    /// One with a part behind the point.
    Part(f64),
}

/// The series of a node: of all tenants, or of one alone.
pub fn families(meters: &dyn Meters, lost: u64, tenant: Option<&TenantName>) -> Vec<Family> {
    let mut functions = meters.functions();
    functions.retain(|it| tenant.is_none_or(|tenant| it.app.tenant == *tenant));
    functions.sort_by_key(|it| std::cmp::Reverse(it.sums.attempts));
    let mut all = of_functions(&bounded(functions));
    if tenant.is_none() {
        all.extend(of_node(&meters.node(), lost));
    }
    all
}

/// A function's labels and what is measured of it.
type Labelled = (Labels, FunctionMeter);

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
        let labels = vec![
            ("tenant", meter.app.tenant.to_string()),
            ("app", meter.app.app.to_string()),
            ("function", meter.function.to_string()),
        ];
        all.push((labels, meter));
    }
    all
}

fn of_functions(functions: &[Labelled]) -> Vec<Family> {
    let counts = |name, help, unit, number: fn(&Sums) -> Number| {
        let each = functions.iter().map(|(labels, it)| (labels.clone(), number(&it.sums)));
        Family { name, help, unit, data: Data::Counts(each.collect()) }
    };
    let gauges = |name, help, number: fn(&FunctionMeter) -> u32| {
        let each = functions.iter().map(|(labels, it)| (labels.clone(), number(it).into()));
        Family { name, help, unit: "", data: Data::Gauges(each.collect()) }
    };
    let times = functions.iter().map(|(labels, it)| (labels.clone(), it.durations));
    vec![
        Family {
            name: "mayfly_attempts",
            help: "Attempts that ended, by whose fault it was if they failed",
            unit: "",
            data: Data::Counts(functions.iter().flat_map(outcomes).collect()),
        },
        Family {
            name: "mayfly_attempt_duration_seconds",
            help: "How long attempts ran",
            unit: "s",
            data: Data::Times(times.collect()),
        },
        counts(
            "mayfly_cold_starts",
            "Attempts for which an instance had to be started",
            "",
            |it| Number::Whole(it.cold),
        ),
        counts("mayfly_billed_seconds", "Time that is billed", "s", |it| {
            Number::Part(it.billed_ms as f64 / 1e3)
        }),
        counts(
            "mayfly_billed_gb_seconds",
            "Time that is billed, times memory limits in GB of 2^30 bytes",
            "",
            |it| Number::Part(it.gb_seconds()),
        ),
        counts("mayfly_cpu_seconds", "Processor time of attempts", "s", |it| {
            Number::Part(it.cpu_us as f64 / 1e6)
        }),
        counts("mayfly_received_bytes", "Bytes of requests' bodies and of events", "By", |it| {
            Number::Whole(it.bytes_in)
        }),
        counts("mayfly_sent_bytes", "Bytes of answers' bodies", "By", |it| {
            Number::Whole(it.bytes_out)
        }),
        gauges("mayfly_running", "Attempts that run now", |it| it.running),
        gauges("mayfly_waiting", "Attempts that wait for a place now", |it| it.waiting),
    ]
}

/// How many attempts of a function ended in which way.
fn outcomes((labels, meter): &Labelled) -> Vec<(Labels, Number)> {
    let Sums { attempts, function_faults, platform_faults, caller_faults, .. } = meter.sums;
    let failed = function_faults + platform_faults + caller_faults;
    let each = [
        ("ok", attempts.saturating_sub(failed)),
        ("function", function_faults),
        ("platform", platform_faults),
        ("caller", caller_faults),
    ];
    let with = |outcome: &str| {
        let mut labels = labels.clone();
        labels.push(("outcome", outcome.to_owned()));
        labels
    };
    each.into_iter().map(|(outcome, count)| (with(outcome), Number::Whole(count))).collect()
}

fn of_node(node: &NodeMeter, lost: u64) -> [Family; 4] {
    let refused = node
        .refused
        .iter()
        .map(|(code, count)| (vec![("code", code.as_str().to_owned())], Number::Whole(*count)));
    let gauge = |name, help, value| Family {
        name,
        help,
        unit: "",
        data: Data::Gauges(vec![(Vec::new(), value)]),
    };
    [
        gauge("mayfly_node_running", "Attempts that run now", node.running),
        gauge("mayfly_node_waiting", "Attempts that wait for a place now", node.waiting),
        Family {
            name: "mayfly_ledger_lost",
            help: "Records of attempts that were lost for want of space on the disk",
            unit: "",
            data: Data::Counts(vec![(Vec::new(), Number::Whole(lost))]),
        },
        Family {
            name: "mayfly_refused",
            help: "Invocations that were refused before anything ran, by the code of the answer",
            unit: "",
            data: Data::Counts(refused.collect()),
        },
    ]
}

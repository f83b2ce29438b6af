//! What gathers and sends.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mayfly_control_api::Family;
use mayfly_runtime_api::{Span, SpanId, Spans, TraceId};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::collector::{Collector, answer};
use crate::deliver::{Kind, Trouble, deliver};
use crate::{metrics, resource, spans};

/// Spans that wait to be sent.
const QUEUE: usize = 8192;
/// Most spans of a batch, and how long the first of one waits for others.
const BATCH: usize = 512;
const GATHERS: Duration = Duration::from_secs(1);
/// How long a batch of spans is tried.
const TRIED: Duration = Duration::from_secs(60);

/// Reads what is measured.
pub type Measure = Arc<dyn Fn() -> Vec<Family> + Send + Sync>;

/// Which of the traces that begin here are recorded. Whoever brings a trace has decided already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Samples {
    /// Those whose last 56 bits are below this.
    below: u64,
}

/// The part of traces is no number from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the part of traces that are recorded is a number from 0 to 1")]
pub struct SampleError;

impl Samples {
    /// So many of them, from 0 to 1.
    ///
    /// # Errors
    /// When it is another number.
    pub fn part(part: f64) -> Result<Self, SampleError> {
        if !(0.0..=1.0).contains(&part) {
            return Err(SampleError);
        }
        Ok(Self { below: (part * (1_u64 << 56) as f64) as u64 })
    }

    fn takes(self, trace: TraceId) -> bool {
        // The right-most seven bytes: those that are random whoever made the id.
        let number = u128::from_be_bytes(trace.bytes()) as u64 & ((1 << 56) - 1);
        number < self.below
    }
}

/// How an [`Exporter`] works.
pub struct Options {
    /// Where it sends.
    pub collector: Collector,
    /// What the node is called there.
    pub service: String,
    /// Which traces it sends; nothing for none at all.
    pub traces: Option<Samples>,
    /// Whether it sends metrics, and how often.
    pub metrics: Option<Duration>,
}

/// Sends spans and metrics until it is shut down.
pub struct Exporter {
    spans: Option<Arc<Queue>>,
    stop: watch::Sender<bool>,
    sender: Sender,
    every: Option<Duration>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Clone)]
struct Sender {
    collector: Arc<Collector>,
    resource: Arc<Resource>,
    stopping: watch::Receiver<bool>,
    since_ns: u64,
}

impl Exporter {
    /// Begins to send spans.
    pub fn start(options: Options) -> Self {
        let Options { collector, service, traces, metrics } = options;
        let (stop, stopping) = watch::channel(false);
        let instance = format!("{:032x}", rand::random::<u128>());
        let sender = Sender {
            collector: Arc::new(collector),
            resource: Arc::new(resource::of_service(&service, &instance)),
            stopping,
            since_ns: now_ns(),
        };
        let mut tasks = Vec::new();
        let spans = traces.map(|samples| {
            let (queue, taken) = mpsc::channel(QUEUE);
            let queue = Arc::new(Queue { queue, samples, dropped: AtomicU64::new(0) });
            tasks.push(tokio::spawn(sender.clone().spans(taken, Arc::clone(&queue))));
            queue
        });
        Self { spans, stop, sender, every: metrics, tasks: Mutex::new(tasks) }
    }

    /// What takes spans, if any are sent.
    pub fn spans(&self) -> Option<Arc<dyn Spans>> {
        self.spans.clone().map(|queue| queue as Arc<dyn Spans>)
    }

    /// Begins to send what is measured, if metrics are sent.
    pub fn measure(&self, measure: Measure) {
        if let Some(every) = self.every {
            let task = tokio::spawn(self.sender.clone().metrics(measure, every));
            self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(task);
        }
    }

    /// Sends what has gathered, and the metrics once more, for at most so long.
    pub async fn shutdown(self, within: Duration) {
        self.stop.send_replace(true);
        let until = tokio::time::Instant::now() + within;
        let tasks = self.tasks.into_inner().unwrap_or_else(PoisonError::into_inner);
        for mut task in tasks {
            if tokio::time::timeout_at(until, &mut task).await.is_err() {
                tracing::warn!("the collector took the last spans or metrics not in time");
                task.abort();
            }
        }
    }
}

/// Spans on their way to the task that sends them.
struct Queue {
    queue: mpsc::Sender<Span>,
    samples: Samples,
    dropped: AtomicU64,
}

impl Spans for Queue {
    fn trace_id(&self) -> TraceId {
        loop {
            if let Some(id) = TraceId::new(rand::random()) {
                return id;
            }
        }
    }

    fn span_id(&self) -> SpanId {
        loop {
            if let Some(id) = SpanId::new(rand::random()) {
                return id;
            }
        }
    }

    fn samples(&self, trace: TraceId) -> bool {
        self.samples.takes(trace)
    }

    fn now_ns(&self) -> u64 {
        now_ns()
    }

    fn end(&self, span: Span) {
        if self.queue.try_send(span).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

const SPANS: Kind = Kind {
    what: "spans",
    path: "v1/traces",
    partial: |body| {
        let partial = answer::<ExportTraceServiceResponse>(body).partial_success?;
        (partial.rejected_spans > 0).then_some((partial.rejected_spans, partial.error_message))
    },
};

const METRICS: Kind = Kind {
    what: "metrics",
    path: "v1/metrics",
    partial: |body| {
        let partial = answer::<ExportMetricsServiceResponse>(body).partial_success?;
        let refused = partial.rejected_data_points;
        (refused > 0).then_some((refused, partial.error_message))
    },
};

impl Sender {
    async fn spans(mut self, mut taken: mpsc::Receiver<Span>, queue: Arc<Queue>) {
        let mut trouble = Trouble::default();
        let mut batch = Vec::new();
        loop {
            let stopping = gather(&mut taken, &mut batch, &mut self.stopping).await;
            let dropped = queue.dropped.swap(0, Ordering::Relaxed);
            if dropped > 0 {
                trouble.lost(&SPANS, dropped, "they came faster than the collector took them");
            }
            if batch.is_empty() && stopping {
                return;
            }
            let count = batch.len() as u64;
            let request = spans::batch(&self.resource, std::mem::take(&mut batch));
            let bytes = request.encode_to_vec().into();
            let give_up = Instant::now() + TRIED;
            deliver(&self.collector, &SPANS, bytes, count, give_up, &mut trouble).await;
        }
    }

    async fn metrics(mut self, measure: Measure, every: Duration) {
        let mut trouble = Trouble::default();
        let mut due = tokio::time::Instant::now() + every;
        loop {
            let stopping = tokio::select! {
                _ = self.stopping.wait_for(|stop| *stop) => true,
                () = tokio::time::sleep_until(due) => false,
            };
            let over = metrics::Span { since_ns: self.since_ns, until_ns: now_ns() };
            let request = metrics::batch(&self.resource, measure(), over);
            let bytes = request.encode_to_vec().into();
            // The next ones hold all that these do.
            let give_up = Instant::now() + every;
            deliver(&self.collector, &METRICS, bytes, 1, give_up, &mut trouble).await;
            if stopping {
                return;
            }
            due = (due + every).max(tokio::time::Instant::now());
        }
    }
}

/// Waits for spans, and a moment for others with them. Tells whether the node stops: then none that are not
/// here come any more.
async fn gather(
    taken: &mut mpsc::Receiver<Span>,
    batch: &mut Vec<Span>,
    stopping: &mut watch::Receiver<bool>,
) -> bool {
    tokio::select! {
        biased;
        _ = taken.recv_many(batch, BATCH) => {}
        _ = stopping.wait_for(|stop| *stop) => return true,
    }
    let full = tokio::time::Instant::now() + GATHERS;
    while batch.len() < BATCH {
        let left = BATCH - batch.len();
        tokio::select! {
            biased;
            _ = taken.recv_many(batch, left) => {}
            _ = stopping.wait_for(|stop| *stop) => return true,
            () = tokio::time::sleep_until(full) => break,
        }
    }
    false
}

fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(low: u64) -> TraceId {
        let mut bytes = [0xff; 16];
        bytes[8..].copy_from_slice(&low.to_be_bytes());
        TraceId::new(bytes).unwrap()
    }

    #[test]
    fn a_part_of_the_traces_is_taken_by_their_last_56_bits() {
        let part = |part| Samples::part(part).unwrap();
        for low in [0, 1, u64::MAX] {
            assert!(!part(0.0).takes(trace(low)) && part(1.0).takes(trace(low)), "{low}");
        }
        let quarter = 1 << 54;
        assert!(part(0.25).takes(trace(quarter - 1)) && !part(0.25).takes(trace(quarter)));
        assert!(part(0.25).takes(trace((quarter - 1) | 0xab << 56)), "the rest does not count");
        for wrong in [-0.1, 1.1, f64::NAN] {
            assert_eq!(Samples::part(wrong), Err(SampleError));
        }
    }

    #[tokio::test]
    async fn what_the_queue_has_no_room_for_is_counted_and_nobody_waits() {
        let (queue, mut taken) = mpsc::channel(1);
        let samples = Samples::part(1.0).unwrap();
        let queue = Queue { queue, samples, dropped: AtomicU64::new(0) };
        let queue: Arc<Queue> = Arc::new(queue);
        let spans = Arc::clone(&queue) as Arc<dyn Spans>;
        for name in ["first", "second", "third"] {
            mayfly_runtime_api::OpenSpan::enter(&spans, None).end(name, |_| {});
        }
        assert_eq!(queue.dropped.load(Ordering::Relaxed), 2);
        assert_eq!(taken.recv().await.unwrap().name, "first");
    }
}

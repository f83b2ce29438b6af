//! Spans and metrics to a collector, by the OpenTelemetry protocol over HTTP: OTLP/HTTP with protobuf.
//!
//! Whoever ends a span hands it to a bounded queue and goes on. One task sends what has gathered, and goes on
//! trying for a while where the collector cannot take it; what the queue has no room for is dropped and counted.
//! Metrics are read and sent at an interval by another.

mod collector;
mod deliver;
mod exporter;
mod metrics;
mod resource;
mod spans;

pub use collector::{Collector, EndpointError, Headers};
pub use exporter::{Exporter, Measure, Options, SampleError, Samples};

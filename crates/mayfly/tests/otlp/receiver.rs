//! A collector: an HTTP server that reads what it is sent and keeps it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use mayfly_testkit::within;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A span as a test looks at it.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) name: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    pub(crate) parent: String,
    pub(crate) state: String,
    pub(crate) kind: SpanKind,
    pub(crate) began_ns: u64,
    pub(crate) ended_ns: u64,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) error: Option<String>,
    /// `TRACE-SPAN` of each.
    pub(crate) links: Vec<String>,
}

impl Span {
    pub(crate) fn get(&self, attribute: &str) -> &str {
        self.attributes.get(attribute).map_or("", String::as_str)
    }
}

/// What a collector was sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sent {
    pub(crate) spans: Vec<Span>,
    /// The batches of metrics.
    pub(crate) metrics: Vec<ExportMetricsServiceRequest>,
    /// What the batches said of who sent them.
    pub(crate) resource: BTreeMap<String, String>,
    /// The heads of all requests, also those that were refused.
    pub(crate) heads: Vec<(String, HeaderMap)>,
    /// How many were refused.
    pub(crate) refused: usize,
    /// What the next ones are answered with: a status and `Retry-After`.
    refuse: Vec<(u16, Option<u64>)>,
}

/// It runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Receiver {
    address: SocketAddr,
    sent: Arc<watch::Sender<Sent>>,
    task: JoinHandle<()>,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        Self::at("127.0.0.1:0".parse().unwrap()).await
    }

    pub(crate) async fn at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let sent = Arc::new(watch::Sender::new(Sent::default()));
        let task = tokio::spawn(accept(listener, Arc::clone(&sent)));
        Self { address, sent, task }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers the next requests so: with a status and `Retry-After`.
    pub(crate) fn refuse(&self, answers: &[(u16, Option<u64>)]) {
        self.sent.send_modify(|sent| sent.refuse.extend(answers));
    }

    pub(crate) fn sent(&self) -> Sent {
        self.sent.borrow().clone()
    }

    /// What it was sent, once that fits.
    pub(crate) async fn until(&self, what: &str, fits: impl Fn(&Sent) -> bool) -> Sent {
        let mut sent = self.sent.subscribe();
        let came = async { sent.wait_for(|sent| fits(sent)).await.unwrap().clone() };
        within(what, came).await
    }

    /// The spans of a trace, once there are so many.
    pub(crate) async fn spans(&self, trace: &str, count: usize) -> Vec<Span> {
        let of = |sent: &Sent| {
            sent.spans.iter().filter(|span| span.trace == trace).cloned().collect::<Vec<_>>()
        };
        let what = format!("{count} spans of trace {trace}");
        of(&self.until(&what, |sent| of(sent).len() >= count).await)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, sent: Arc<watch::Sender<Sent>>) {
    // Connections end with the receiver.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let sent = Arc::clone(&sent);
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let sent = Arc::clone(&sent);
                async move { Ok::<_, Infallible>(answer(request, &sent).await) }
            });
            let http = hyper::server::conn::http1::Builder::new();
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(request: Request<Incoming>, sent: &watch::Sender<Sent>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let path = head.uri.path().to_owned();
    assert_eq!(head.headers["content-type"], "application/x-protobuf");
    let mut refusal = None;
    sent.send_modify(|sent| {
        sent.heads.push((path.clone(), head.headers));
        if !sent.refuse.is_empty() {
            sent.refused += 1;
            refusal = Some(sent.refuse.remove(0));
            return;
        }
        match path.as_str() {
            "/v1/traces" => traces(sent, ExportTraceServiceRequest::decode(body).unwrap()),
            "/v1/metrics" => {
                let batch = ExportMetricsServiceRequest::decode(body).unwrap();
                let resource = batch.resource_metrics[0].resource.as_ref();
                sent.resource = attributes(&resource.unwrap().attributes);
                sent.metrics.push(batch);
            }
            other => panic!("nothing is sent to {other}"),
        }
    });
    let mut response = Response::builder().header("content-type", "application/x-protobuf");
    if let Some((status, after)) = refusal {
        response = response.status(StatusCode::from_u16(status).unwrap());
        if let Some(after) = after {
            response = response.header("retry-after", after);
        }
    }
    let nothing = ExportTraceServiceResponse::default().encode_to_vec();
    response.body(Full::new(nothing.into())).unwrap()
}

fn traces(sent: &mut Sent, batch: ExportTraceServiceRequest) {
    for of in batch.resource_spans {
        let Resource { attributes: resource, .. } = of.resource.unwrap();
        sent.resource = attributes(&resource);
        for span in of.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            let status = span.status.clone().filter(|status| status.code == 2);
            let links = span.links.iter();
            sent.spans.push(Span {
                kind: span.kind(),
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
                state: span.trace_state,
                began_ns: span.start_time_unix_nano,
                ended_ns: span.end_time_unix_nano,
                attributes: attributes(&span.attributes),
                error: status.map(|status| status.message),
                links: links.map(|to| hex(&to.trace_id) + "-" + &hex(&to.span_id)).collect(),
                name: span.name,
            });
        }
    }
}

pub(crate) fn attributes(given: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &KeyValue| match value.value.as_ref().and_then(|value| value.value.as_ref())
    {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(truth)) => truth.to_string(),
        other => panic!("an attribute is {other:?}"),
    };
    given.iter().map(|it| (it.key.clone(), text(it))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

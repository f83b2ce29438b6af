//! Traces and metrics to a collector: the real binary sends them to an HTTP server here, which reads them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;
#[path = "otlp/metrics.rs"]
mod metrics;
#[path = "otlp/receiver.rs"]
mod receiver;

use std::time::{Duration, Instant};

use common::{bootstrap, component, node, serve, with_bootstrap};
use mayfly_testkit::{Answer, App, AppClient, Node, NodeOptions, RequestBody, within};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use receiver::{Receiver, Span};
use serde_json::{Value, json};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// Answers with the place in a trace that it was given.
const SHOW: &str = r#"
export default {
    async fetch(request) {
        const url = new URL(request.url);
        if (url.pathname === "/throw") throw new Error("on purpose");
        const given = ["traceparent", "tracestate"].map((name) => request.headers.get(name));
        return Response.json(given, { status: Number(url.searchParams.get("status") ?? 200) });
    },
};
"#;

fn options(receiver: &Receiver, more: &str) -> NodeOptions {
    node().config(&format!("[otlp]\nendpoint = \"{}\"\n{more}\n", receiver.url()))
}

/// A node that exports, with an app that shows its place.
async fn showing(receiver: &Receiver, more: &str) -> (Node, AppClient) {
    let node = options(receiver, more).start().await;
    let app = node.function("show", "", SHOW).await;
    (node, app)
}

fn parent(trace: &str, flags: &str) -> String {
    format!("00-{trace}-{CALLER}-{flags}")
}

async fn traced(app: &AppClient, path: &str, traceparent: &str) -> Answer {
    app.call("GET", path, &[("traceparent", traceparent), ("tracestate", "a=1,b=2")], "").await
}

/// The trace and the span of a `traceparent`, and whether it is sampled.
fn place(traceparent: &Value) -> (String, String, bool) {
    let parts: Vec<&str> = traceparent.as_str().unwrap().split('-').collect();
    assert_eq!((parts.len(), parts[0]), (4, "00"), "{traceparent}");
    (parts[1].to_owned(), parts[2].to_owned(), parts[3] == "01")
}

fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let mut found = spans.iter().filter(|span| span.name == name);
    let span = found.next().unwrap_or_else(|| panic!("no span `{name}` in {spans:#?}"));
    assert!(found.next().is_none(), "two spans `{name}`: {spans:#?}");
    span
}

fn names(spans: &[Span]) -> Vec<&str> {
    let mut names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    names.sort_unstable();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callers_trace_goes_on_through_gateway_queue_start_and_run_into_the_function() {
    let receiver = Receiver::start().await;
    let (_node, app) = showing(&receiver, "service_name = \"edge\"").await;
    let answer = traced(&app, "/a?b=c", &parent(TRACE, "01")).await.expect(200);
    let spans = receiver.spans(TRACE, 4).await;
    assert_eq!(names(&spans), ["gateway", "queue", "run", "start"]);
    let gateway = named(&spans, "gateway");
    assert_eq!((gateway.parent.as_str(), gateway.kind), (CALLER, SpanKind::Server));
    let invocation = answer.header("x-mayfly-invocation-id");
    for (attribute, value) in [
        ("http.request.method", "GET"),
        ("http.route", "/{*rest}"),
        ("http.response.status_code", "200"),
        ("url.path", "/a"),
        ("url.scheme", "http"),
        ("faas.trigger", "http"),
        ("faas.name", "main"),
        ("faas.invocation_id", invocation),
        ("mayfly.app", "show"),
        ("mayfly.tenant", "default"),
    ] {
        assert_eq!(gateway.get(attribute), value, "{attribute}: {gateway:#?}");
    }
    for name in ["queue", "start", "run"] {
        let span = named(&spans, name);
        assert_eq!((span.parent.as_str(), span.kind), (gateway.id.as_str(), SpanKind::Internal));
        assert_eq!((span.get("faas.name"), span.get("mayfly.tenant")), ("main", "default"));
        assert_eq!((span.get("faas.invocation_id"), span.state.as_str()), (invocation, "a=1,b=2"));
        assert!(span.error.is_none() && span.id != gateway.id, "{span:#?}");
        assert!(gateway.began_ns <= span.began_ns && span.began_ns <= span.ended_ns);
        // What remains of a run after its answer is not the gateway's.
        assert!(name == "run" || span.ended_ns <= gateway.ended_ns, "{span:#?} {gateway:#?}");
    }
    let (start, run) = (named(&spans, "start"), named(&spans, "run"));
    assert!(named(&spans, "queue").ended_ns <= start.began_ns && start.ended_ns <= run.began_ns);
    assert_eq!((run.get("faas.coldstart"), run.get("mayfly.outcome")), ("true", "ok"));
    assert_eq!(run.get("faas.max_memory"), (128 << 20).to_string());
    for measured in ["mayfly.billed_ms", "mayfly.memory_peak", "mayfly.cpu_us"] {
        assert!(run.get(measured).parse::<u64>().unwrap() > 0, "{measured}: {run:#?}");
    }
    // The function stands below what runs it.
    let seen = answer.json();
    assert_eq!(place(&seen[0]), (TRACE.to_owned(), run.id.clone(), true));
    assert_eq!(seen[1], "a=1,b=2");
    let sent = receiver.sent();
    assert_eq!(sent.resource["service.name"], "edge");
    assert_eq!(sent.resource["service.version"], env!("CARGO_PKG_VERSION"));

    // A warm one, of nobody's trace, begins one.
    let (trace, run, sampled) = place(&app.get("/").await.expect(200).json()[0]);
    assert!(sampled && trace != TRACE);
    let spans = receiver.spans(&trace, 3).await;
    assert_eq!(names(&spans), ["gateway", "queue", "run"]);
    assert_eq!(named(&spans, "gateway").parent, "");
    assert_eq!(
        (&named(&spans, "run").id, named(&spans, "run").get("faas.coldstart")),
        (&run, "false")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_traceparent_is_ignored_and_one_that_is_not_sampled_is_obeyed() {
    let receiver = Receiver::start().await;
    let (mut node, app) = showing(&receiver, "").await;
    for wrong in [
        parent(TRACE, "1"),
        parent(&"0".repeat(32), "01"),
        parent(&TRACE.to_uppercase(), "01"),
        format!("{}-more", parent(TRACE, "01")),
        format!("ff{}", &parent(TRACE, "01")[2..]),
        "x".repeat(9_000),
    ] {
        let seen = traced(&app, "/", &wrong).await.expect(200).json();
        let (trace, _, sampled) = place(&seen[0]);
        assert!(sampled && trace != TRACE, "{wrong}: {seen}");
        assert_eq!(seen[1], Value::Null, "a state without its parent is nobody's");
        assert_eq!(named(&receiver.spans(&trace, 3).await, "gateway").parent, "");
    }
    let twice = [("traceparent", &*parent(TRACE, "01")), ("traceparent", &parent(TRACE, "01"))];
    let seen = app.call("GET", "/", &twice, "").await.expect(200).json();
    assert_ne!(place(&seen[0]).0, TRACE);
    // A state that goes on and on is cut, or left out where nobody can read it.
    let long: Vec<String> = (0..32).map(|i| format!("k{i}={}", "x".repeat(100))).collect();
    for (state, most) in [(long.join(","), 512), ("k".repeat(40_000), 0)] {
        let given = [("traceparent", &*parent(TRACE, "00")), ("tracestate", &state)];
        let seen = app.call("GET", "/", &given, "").await.expect(200).json();
        assert_eq!(place(&seen[0]).0, TRACE);
        assert!(seen[1].as_str().unwrap_or_default().len() <= most, "{seen}");
    }
    // Who decided against it is obeyed, and the function is told.
    let unsampled = TRACE.replace('0', "1");
    let seen = traced(&app, "/", &parent(&unsampled, "00")).await.expect(200).json();
    let (trace, span, sampled) = place(&seen[0]);
    assert!(trace == unsampled && span != CALLER && !sampled, "{seen}");
    assert_eq!(seen[1], "a=1,b=2");
    // Everything is sent before a node ends.
    assert!(node.terminate().await.success());
    let traces = receiver.sent().spans;
    assert!(traces.iter().all(|span| span.trace != unsampled && span.trace != TRACE));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_of_the_traces_that_begin_here_is_recorded_and_all_that_callers_record() {
    let receiver = Receiver::start().await;
    let (mut node, app) = showing(&receiver, "sample = 0.25\nmetrics = false").await;
    let mut sampled = Vec::new();
    for _ in 0..200 {
        let (trace, _, is) = place(&app.get("/").await.expect(200).json()[0]);
        sampled.extend(is.then_some(trace));
    }
    // Out of reach of chance: 0.25 of 200 is 50, and the deviation 6.
    assert!((10..=90).contains(&sampled.len()), "{} of 200", sampled.len());
    traced(&app, "/", &parent(TRACE, "01")).await.expect(200);
    assert!(node.terminate().await.success());
    let sent = receiver.sent();
    let mut traces: Vec<_> = sent.spans.iter().map(|span| span.trace.clone()).collect();
    traces.sort_unstable();
    traces.dedup();
    sampled.push(TRACE.to_owned());
    sampled.sort_unstable();
    assert_eq!(traces, sampled);
    assert!(sent.metrics.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_errors_of_the_spans_whose_fault_they_are() {
    let receiver = Receiver::start().await;
    let (_node, app) = showing(&receiver, "").await;
    let trace = |n: u32| format!("{n:032x}");
    traced(&app, "/throw", &parent(&trace(1), "01")).await.expect(502);
    let spans = receiver.spans(&trace(1), 4).await;
    let (gateway, run) = (named(&spans, "gateway"), named(&spans, "run"));
    for span in [gateway, run] {
        assert_eq!(span.error.as_deref(), Some("function_error"));
        assert_eq!(span.get("error.type"), "function_error");
    }
    assert_eq!(run.get("mayfly.outcome"), "function_error");
    assert_eq!(gateway.get("http.response.status_code"), "502");
    // What a function answers is its own word, and no error of what ran it.
    traced(&app, "/?status=503", &parent(&trace(2), "01")).await.expect(503);
    let spans = receiver.spans(&trace(2), 3).await;
    let (gateway, run) = (named(&spans, "gateway"), named(&spans, "run"));
    assert_eq!((gateway.error.as_deref(), run.error.as_deref()), (Some("503"), None));
    traced(&app, "/?status=404", &parent(&trace(3), "01")).await.expect(404);
    let spans = receiver.spans(&trace(3), 3).await;
    assert!(spans.iter().all(|span| span.error.is_none()), "{spans:#?}");
    // Nobody's request has one span.
    let headers = [("host", "nobody.localhost"), ("traceparent", &*parent(&trace(4), "01"))];
    app.call("BREW", "/x", &headers, "").await.expect(404);
    let spans = receiver.spans(&trace(4), 1).await;
    let gateway = named(&spans, "gateway");
    assert_eq!((gateway.get("http.response.status_code"), &gateway.error), ("404", &None));
    assert_eq!((gateway.get("http.request.method"), gateway.get("faas.name")), ("_OTHER", ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_spans_of_a_stream_end_with_it_and_with_a_caller_who_leaves() {
    let receiver = Receiver::start().await;
    let node = options(&receiver, "").start().await;
    let source = r#"
        export default {
            fetch(request) {
                const { readable, writable } = new TransformStream();
                const writer = writable.getWriter();
                (async () => {
                    await writer.write(new TextEncoder().encode("one"));
                    if (request.url.endsWith("/on")) await new Promise((done) => setTimeout(done, 25_000));
                    await writer.write(new TextEncoder().encode("two"));
                    await writer.close();
                })().catch(() => {});
                return new Response(readable);
            },
        };"#;
    let app = node.function("stream", "", source).await;
    let ends = TRACE.replace('0', "2");
    assert_eq!(traced(&app, "/ends", &parent(&ends, "01")).await.text(), "onetwo");
    let spans = receiver.spans(&ends, 4).await;
    let (gateway, run) = (named(&spans, "gateway"), named(&spans, "run"));
    assert!(gateway.error.is_none() && run.error.is_none(), "{spans:#?}");
    // It may go on after its answer.
    assert!(gateway.began_ns <= run.began_ns && gateway.ended_ns >= run.began_ns);
    let leaves = TRACE.replace('0', "3");
    let headers = [("traceparent", &*parent(&leaves, "01"))];
    let mut reply = app.open("GET", "/on", &headers, RequestBody::empty()).await.unwrap();
    assert_eq!(reply.read(3).await.unwrap(), b"one");
    drop(reply);
    let spans = receiver.spans(&leaves, 3).await;
    let (gateway, run) = (named(&spans, "gateway"), named(&spans, "run"));
    assert_eq!((run.get("mayfly.outcome"), run.error.as_deref()), ("cancelled", None));
    assert_eq!(gateway.error.as_deref(), Some("cancelled"));
    assert_eq!(gateway.get("http.response.status_code"), "200");
}

/// One function of each runtime that takes events, which tells its place in Lambda's words and the one that
/// its event names.
fn tellers() -> App {
    let node = "
        export const handler = async (event) => ({
            amzn: process.env._X_AMZN_TRACE_ID, parent: event.headers?.traceparent });";
    let python = "
import os
def handler(event, context):
    return {'amzn': os.environ.get('_X_AMZN_TRACE_ID'), 'parent': (event.get('headers') or {}).get('traceparent')}
";
    let ruby = "
def handler(event:, context:)
  { amzn: ENV['_X_AMZN_TRACE_ID'], parent: event.dig('headers', 'traceparent') }
end
";
    let provided = "answer = {'amzn': heads['lambda-runtime-trace-id'], 'parent': (event.get('headers') or {}).get('traceparent')}";
    let js = "
        export const handler = async (event) => ({ amzn: null, parent: event.headers?.traceparent });";
    let fetch = "
        export default { fetch: (request) => Response.json({ amzn: null, parent: request.headers.get('traceparent') }) };";
    let mut manifest = "app = \"tell\"\n".to_owned();
    for (name, code, runtime, handler) in [
        ("nodejs", "node.mjs", "nodejs", "node.handler"),
        ("python", "python.py", "python", "python.handler"),
        ("fork", "python.py", "python", "python.handler"),
        ("ruby", "ruby.rb", "ruby", "ruby.handler"),
        ("provided", "program", "provided", "x"),
        ("js", "js.js", "js", "js.handler"),
        ("fetch", "fetch.mjs", "nodejs", "fetch.default"),
        ("trace", "wasm.wasm", "wasm", ""),
    ] {
        manifest += &format!("[functions.{name}]\ncode = \"{code}\"\nruntime = \"{runtime}\"\n");
        if runtime != "wasm" {
            manifest += &format!("handler = \"{handler}\"\n");
        }
        if name == "fork" {
            manifest += "isolation = \"invocation\"\n";
        }
    }
    let app = App::new()
        .file("mayfly.toml", manifest)
        .file("node.mjs", node)
        .file("python.py", python)
        .file("ruby.rb", ruby)
        .file("js.js", js)
        .file("fetch.mjs", fetch)
        .file("wasm.wasm", component("behaviours"));
    with_bootstrap(app, &bootstrap(provided))
}

/// A place in Lambda's words.
fn amzn(trace: &str, span: &str) -> String {
    format!("Root=1-{}-{};Parent={span};Sampled=1", &trace[..8], &trace[8..])
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_of_every_runtime_are_told_their_place_in_its_own_words() {
    let receiver = Receiver::start().await;
    let node = options(&receiver, "").start().await;
    node.deploy(&tellers()).await.unwrap_or_else(|error| panic!("{error}"));
    let app = node.app("tell");
    let names = ["nodejs", "python", "fork", "ruby", "provided", "js", "fetch", "trace"];
    for (i, name) in names.into_iter().enumerate() {
        // Twice, for a process that stays is told anew each time.
        for round in 0..2 {
            let trace = format!("{:032x}", 0xabcd_0000_0000 + i * 2 + round);
            let path = format!("/{name}");
            let told = traced(&app, &path, &parent(&trace, "01")).await.expect(200).json();
            // A component is loaded since its deployment.
            let count = if round == 0 && name != "trace" { 4 } else { 3 };
            let spans = receiver.spans(&trace, count).await;
            let run = &named(&spans, "run").id;
            assert_eq!(place(&told["parent"]), (trace.clone(), run.clone(), true), "{name}");
            if !["js", "fetch", "trace"].contains(&name) {
                assert_eq!(told["amzn"], amzn(&trace, run), "{name}");
            }
        }
    }
    // By the admin API, where an event has no headers.
    for (i, name) in ["nodejs", "python", "ruby", "provided", "fetch"].into_iter().enumerate() {
        let trace = format!("{TRACE:.24}{i:08x}");
        let (answer, trace) = (invoke(&node, name, "", &parent(&trace, "01")).await, trace);
        let told = answer.expect(200).json();
        let spans = receiver.spans(&trace, 3).await;
        let (server, run) = (named(&spans, "invoke"), named(&spans, "run"));
        assert_eq!((server.parent.as_str(), server.kind), (CALLER, SpanKind::Server));
        assert_eq!((&run.parent, &named(&spans, "queue").parent), (&server.id, &server.id));
        if name == "fetch" {
            let body: Value = serde_json::from_str(told["body"].as_str().unwrap()).unwrap();
            assert_eq!(place(&body["parent"]), (trace, run.id.clone(), true));
        } else {
            assert_eq!(told["result"]["amzn"], amzn(&trace, &run.id), "{name}");
        }
    }
}

/// Runs a function of `tell` by the admin API.
async fn invoke(node: &Node, function: &str, query: &str, traceparent: &str) -> Answer {
    let path = format!("/v1/apps/tell/functions/{function}/invocations{query}");
    let request = http::Request::builder()
        .method("POST")
        .uri(path)
        .header("host", node.admin().address().to_string())
        .header("authorization", format!("Bearer {}", node.token()))
        .header("traceparent", traceparent)
        .body(RequestBody::full("{}"))
        .unwrap();
    let reply = within("an answer of the API", node.admin().send(request)).await.unwrap();
    within("the answer's body", reply.collect()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_attempts_of_an_event_stand_below_what_sent_it() {
    let receiver = Receiver::start().await;
    let node = options(&receiver, "").start().await;
    let source = "
        export const handler = async (event, context) => {
            if (context.attempt === 1) throw new Error('once');
        };
        export default { async fetch(request) {
            console.log(request.headers.get('traceparent'));
            return new Response();
        } };";
    let manifest = "app = \"tell\"\n\
        [functions.flaky]\ncode = \"js.js\"\nhandler = \"js.handler\"\n\
        [functions.flaky.async]\nattempts = 2\nbackoff = \"10ms\"\non_success = \"function:next\"\n\
        [functions.next]\ncode = \"js.js\"\nhandler = \"js.default\"\n";
    let app = App::new().file("mayfly.toml", manifest).file("js.js", source);
    node.deploy(&app).await.unwrap_or_else(|error| panic!("{error}"));
    let sent = invoke(&node, "flaky", "?mode=async", &parent(TRACE, "01")).await.expect(202);
    let id = sent.json()["invocation_id"].as_str().unwrap().to_owned();
    // The trace is named after the invocation, so that nobody has to keep it.
    let trace = id.replace('-', "");
    let spans = receiver.spans(&trace, 6).await;
    assert_eq!(names(&spans), ["queue", "queue", "run", "run", "send", "start"]);
    let send = named(&spans, "send");
    assert_eq!((send.kind, send.parent.as_str()), (SpanKind::Producer, ""));
    assert_eq!(send.links, [format!("{TRACE}-{CALLER}")]);
    assert_eq!(send.get("faas.invocation_id"), id);
    let below = spans.iter().filter(|span| span.name != "send");
    assert!(below.clone().all(|span| span.parent == send.id), "{spans:#?}");
    let mut runs: Vec<_> = below.filter(|span| span.name == "run").collect();
    runs.sort_unstable_by_key(|run| run.began_ns);
    let told = |run: &Span| (run.get("mayfly.attempt").to_owned(), run.error.clone());
    assert_eq!(told(runs[0]), ("1".into(), Some("function_error".into())));
    assert_eq!(told(runs[1]), ("2".into(), None));
    // A wait is from when it was due: after the backoff of the first attempt.
    let mut queues: Vec<_> = spans.iter().filter(|span| span.name == "queue").collect();
    queues.sort_unstable_by_key(|queue| queue.began_ns);
    let path = format!("/v1/invocations/{id}");
    let shown = node.command("GET", &path, None).await.expect(200).json();
    let due: jiff::Timestamp = shown["due"].as_str().unwrap().parse().unwrap();
    assert_eq!(queues[1].began_ns, due.as_nanosecond() as u64);
    assert!(queues[1].began_ns > runs[0].ended_ns && queues[1].ended_ns <= runs[1].began_ns);

    // What follows from it is a trace of its own that names the first.
    let line = node.logs("tell").containing("00-").await;
    let next = line.invocation.replace('-', "");
    let (seen, run, sampled) = place(&json!(line.message));
    let spans = receiver.spans(&next, 3).await;
    assert_eq!((seen, sampled), (next, true));
    assert_eq!(named(&spans, "run").id, run);
    assert_eq!(named(&spans, "send").links, [format!("{trace}-{}", send.id)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_gone_or_busy_holds_nobody_up_and_has_the_spans_later() {
    let nobody = Receiver::start().await;
    let (node, app) = showing(&nobody, "metrics = false").await;
    let address = nobody.address();
    drop(nobody);
    let trace = |n: usize| format!("{n:032x}");
    for n in 1..=20 {
        traced(&app, "/", &parent(&trace(n), "01")).await.expect(200);
    }
    // It was told of once.
    let stderr = node.stderr();
    let said = stderr.line(0, |line| line.contains("the collector").then(|| line.to_owned()));
    let (_, position) = within("a word of the collector", said).await.unwrap();
    let receiver = Receiver::at(address).await;
    for n in 1..=20 {
        receiver.spans(&trace(n), 3).await;
    }
    // Busy, for a moment or for as long as it says.
    for answer in [(503, None), (429, Some(1)), (502, Some(0)), (504, None)] {
        let refused = receiver.sent().refused;
        receiver.refuse(&[answer, answer]);
        let trace = trace(100 + usize::from(answer.0));
        let began = Instant::now();
        traced(&app, "/", &parent(&trace, "01")).await.expect(200);
        receiver.spans(&trace, 3).await;
        // Two waits, neither shorter than it was told.
        assert!(began.elapsed() >= Duration::from_secs(2 * answer.1.unwrap_or(0)));
        assert_eq!(receiver.sent().refused, refused + 2, "{answer:?}");
    }
    // What it will not have is dropped, and the next goes on.
    receiver.refuse(&[(400, None)]);
    traced(&app, "/", &parent(&trace(200), "01")).await.expect(200);
    receiver.until("a refusal", |sent| sent.refused == 9).await;
    traced(&app, "/", &parent(&trace(201), "01")).await.expect(200);
    receiver.spans(&trace(201), 3).await;
    let sent = receiver.sent();
    assert!(sent.spans.iter().all(|span| span.trace != trace(200)), "it was sent again");
    let lines = node.stderr().text();
    let told = lines.lines().skip(position).filter(|line| line.contains("the collector"));
    assert!(told.count() <= 1, "it is told of again and again: {lines}");
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_get_to_the_collector_and_into_no_log() {
    const SECRET: &str = "sesame-4711";
    let receiver = Receiver::start().await;
    receiver.refuse(&[(503, None), (401, None)]);
    let more = format!("headers = {{ authorization = \"Bearer {SECRET}\", x-team = \"a b\" }}");
    let starts = options(&receiver, &more).env("MAYFLY_LOG", "debug");
    let mut node = starts.start().await;
    let app = node.function("show", "", SHOW).await;
    traced(&app, "/", &parent(TRACE, "01")).await.expect(200);
    receiver.until("two refusals", |sent| sent.refused == 2).await;
    let again = TRACE.replace('0', "4");
    traced(&app, "/", &parent(&again, "01")).await.expect(200);
    receiver.spans(&again, 3).await;
    let stderr = node.stderr();
    assert!(node.terminate().await.success());
    let said = stderr.text();
    assert!(said.contains("the collector"), "{said}");
    assert!(!said.contains("sesame"), "the secret is in the log");
    for (path, head) in receiver.sent().heads {
        assert_eq!(head["authorization"], format!("Bearer {SECRET}"), "{path}");
        assert_eq!(head["x-team"], "a b");
    }
    // What is wrong with it is told without it.
    let wrong = format!("headers = {{ authorization = \"{SECRET}\\n\" }}\nsample = 7");
    let said = options(&receiver, &wrong).try_start().await.unwrap_err().said;
    assert!(said.contains("`sample` in `[otlp]`") && !said.contains(SECRET), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn opentelemetrys_own_variables_serve_where_the_configuration_is_silent() {
    let receiver = Receiver::start().await;
    let mut node = node()
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("{}/", receiver.url()))
        .env("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20b,x-other=c")
        .start()
        .await;
    let app = node.function("show", "", SHOW).await;
    traced(&app, "/", &parent(TRACE, "01")).await.expect(200);
    receiver.spans(TRACE, 4).await;
    assert!(node.terminate().await.success());
    let sent = receiver.sent();
    assert!(!sent.metrics.is_empty(), "the last metrics are sent before the end");
    for (path, head) in sent.heads {
        assert!(["/v1/traces", "/v1/metrics"].contains(&&*path), "{path}");
        assert_eq!(head["x-key"], "a b");
        assert_eq!(head["x-other"], "c");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_collector_a_callers_trace_is_passed_on_as_it_is() {
    let node = serve().await;
    let app = node.function("show", "", SHOW).await;
    let seen = traced(&app, "/", &parent(TRACE, "01")).await.expect(200).json();
    assert_eq!(seen, json!([parent(TRACE, "01"), "a=1,b=2"]));
    assert_eq!(app.get("/").await.expect(200).json(), json!([null, null]));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_attempt_has_a_line_of_what_it_took_where_the_operator_wants_it() {
    let source = "
        export default { async fetch(request) {
            if (request.url.endsWith('/throw')) throw new Error('on purpose');
            return new Response('hi');
        } };";
    let reporting = node().config("[logs]\nreport = true\n").start().await;
    let app = reporting.function("hi", "", source).await;
    for path in ["/", "/", "/throw"] {
        let answer = app.get(path).await;
        let id = answer.header("x-mayfly-invocation-id").to_owned();
        let mut logs = reporting.logs("hi");
        let line = logs
            .line("that reports", |it| it.message.starts_with("REPORT") && it.invocation == id)
            .await;
        let fields: Vec<_> = line.message.split('\t').collect();
        assert_eq!(fields[0], format!("REPORT RequestId: {id}"));
        let number = |field: &str, name: &str, unit: &str| -> f64 {
            let rest = field.strip_prefix(name).and_then(|rest| rest.strip_suffix(unit));
            rest.and_then(|number| number.trim().parse().ok())
                .unwrap_or_else(|| panic!("`{field}` is not `{name}N {unit}`"))
        };
        let duration = number(fields[1], "Duration: ", "ms");
        let billed = number(fields[2], "Billed Duration: ", "ms");
        assert!(duration <= billed && billed < duration + 1.01, "{}", line.message);
        assert_eq!(fields[3], "Memory Size: 128 MB");
        assert!(number(fields[4], "Max Memory Used: ", "MB") >= 1.0);
        assert_eq!((line.level.as_str(), line.function.as_str()), ("info", "main"));
    }
    let plain = serve().await;
    let app = plain.function("hi", "", source).await;
    app.get("/throw").await.expect(502);
    let mut logs = plain.logs("hi");
    logs.containing("on purpose").await;
    assert!(!logs.all().await.iter().any(|line| line.message.contains("REPORT")));
}

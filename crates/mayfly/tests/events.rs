//! Events that nobody waits for: sent, tried again, given up, redriven; and not one of them lost when the node
//! is killed.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use common::{bootstrap, component, serve, with_bootstrap};
use mayfly_testkit::{App, Node, RequestBody, until, within};
use serde_json::{Value, json};

const MANIFEST: &str = r#"
app = "jobs"

[functions.work]
code = "work.js"
handler = "work.handler"

[functions.work.async]
attempts = 2
backoff = "10ms"

[functions.page]
code = "page.js"
"#;

const WORK: &str = r#"
export async function handler(event, context) {
    if (event.bad) throw new Error(`no ${context.attempt}`);
    if (event.flaky && context.attempt === 1) throw new Error("once");
    return { n: event.n, attempt: context.attempt };
}
"#;

const PAGE: &str = r#"
export default {
    async fetch(request) {
        const event = await request.json();
        const head = ["x-mayfly-event", "x-mayfly-attempt"].map((name) => request.headers.get(name));
        return new Response([event.n, ...head].join(" "), { status: event.status ?? 200 });
    },
};
"#;

async fn node() -> Node {
    let node = serve().await;
    let app = App::new().file("mayfly.toml", MANIFEST).file("work.js", WORK).file("page.js", PAGE);
    node.deploy(&app).await.unwrap_or_else(|error| panic!("{error}"));
    node
}

/// Runs the command line against the node; what it prints, if it ends well.
fn mayfly(node: &Node, arguments: &[&str]) -> Result<String, String> {
    common::mayfly(node, node.token(), arguments)
}

/// The invocation once it has come to an end.
async fn ended(node: &Node, id: &str) -> Value {
    until("an invocation's end", async || {
        let path = format!("/v1/invocations/{id}");
        let shown = node.command("GET", &path, None).await.expect(200).json();
        let ended =
            ["succeeded", "failed", "cancelled"].contains(&shown["status"].as_str().unwrap());
        ended.then_some(shown)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_sent_tried_again_given_up_and_redriven() {
    let node = node().await;
    let send = |arguments: &[&str]| {
        let sent = mayfly(&node, &[&["invoke", "--async"], arguments].concat());
        sent.unwrap().trim().to_owned()
    };
    let good = send(&["jobs/work", "--data", "{\"n\":1}"]);
    let shown = ended(&node, &good).await;
    assert_eq!(shown["result"], json!({ "n": 1, "attempt": 1 }));
    let flaky = send(&["jobs/work", "--data", "{\"n\":2,\"flaky\":true}"]);
    let shown = ended(&node, &flaky).await;
    assert_eq!(shown["result"], json!({ "n": 2, "attempt": 2 }));
    assert_eq!(shown["attempts"][0]["fault"]["code"], "function_error");
    assert!(shown["attempts"][1]["outcome"]["cpu_us"].as_u64().unwrap() > 0);

    let bad = send(&["jobs/work", "--data", "{\"bad\":true}"]);
    assert_eq!(ended(&node, &bad).await["status"], "failed");
    let listed =
        mayfly(&node, &["invocations", "list", "jobs/work", "--status", "failed"]).unwrap();
    assert!(listed.contains(&bad) && !listed.contains(&good), "{listed}");
    let text = mayfly(&node, &["invocations", "show", &bad]).unwrap();
    for part in ["failed", "attempt 1", "Error: no 1", "attempt 2", "Error: no 2"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let redriven = mayfly(&node, &["invocations", "redrive", "jobs/work", "--all"]).unwrap();
    assert_eq!(redriven, "queued 1 invocation of jobs/work again\n");
    let shown = ended(&node, &bad).await;
    assert_eq!(
        (shown["attempts"].as_array().unwrap().len(), &shown["status"]),
        (4, &json!("failed"))
    );

    let later = send(&["jobs/work", "--delay", "1h"]);
    assert_eq!(
        mayfly(&node, &["invocations", "cancel", &later]).unwrap(),
        format!("cancelled {later}\n")
    );
    assert_eq!(ended(&node, &later).await["status"], "cancelled");
    let keyed = ["jobs/work", "--idempotency-key", "order-7", "--data"];
    let first = send(&[&keyed[..], &["{\"n\":7}"]].concat());
    assert_eq!(send(&[&keyed[..], &["{\"n\":7}"]].concat()), first);
    let other = [&["invoke", "--async"], &keyed[..], &["{\"n\":8}"]].concat();
    let refused = mayfly(&node, &other).unwrap_err();
    assert!(refused.contains("this Idempotency-Key was given with another event"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_of_requests_takes_events_as_requests() {
    let node = node().await;
    let send = async |event: Value| {
        let path = "/v1/apps/jobs/functions/page/invocations?mode=async";
        let taken = node.command("POST", path, Some(event)).await.expect(202).json();
        ended(&node, taken["invocation_id"].as_str().unwrap()).await
    };
    let shown = send(json!({ "n": 1 })).await;
    assert_eq!(shown["result"], json!({ "status": 200, "body": "1 invoke 1" }));
    let path = "/v1/apps/jobs/functions/page/invocations?mode=async";
    let taken = node.command("POST", path, Some(json!({ "n": 2, "status": 500 }))).await;
    let taken = taken.expect(202).json();
    let path = format!("/v1/invocations/{}", taken["invocation_id"].as_str().unwrap());
    let tried = until("an attempt", async || {
        let shown = node.command("GET", &path, None).await.expect(200).json();
        shown["attempts"].get(0).cloned()
    })
    .await;
    assert_eq!(tried["fault"]["message"], "the function answered with status 500");
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_of_every_runtime_are_told_which_attempt_it_is() {
    let node_js = "
        export const handler = async (event, context) => {
            if (context.attempt === 1) throw new Error('flaky');
            return { attempt: context.attempt };
        };";
    let python = "
def handler(event, context):
    if context.attempt == 1:
        raise ValueError('flaky')
    return {'attempt': context.attempt}
";
    let ruby = "
def handler(event:, context:)
  raise 'flaky' if context.attempt == 1
  { 'attempt' => context.attempt }
end
";
    let provided = "attempt = int(heads['x-mayfly-attempt'])
    where, answer = ('error', {'errorType': 'No', 'errorMessage': 'flaky'}) if attempt == 1 else ('response', {'attempt': attempt})";
    let mut manifest = "app = \"tries\"\n".to_owned();
    for (name, code, handler) in [
        ("nodejs", "node.mjs", "node.handler"),
        ("python", "python.py", "python.handler"),
        ("fork", "python.py", "python.handler"),
        ("ruby", "ruby.rb", "ruby.handler"),
        ("provided", "program", "x"),
        ("wasm", "wasm.wasm", ""),
    ] {
        manifest += &format!("[functions.{name}]\ncode = \"{code}\"\n");
        match name {
            "fork" => manifest += "isolation = \"invocation\"\nruntime = \"python\"\n",
            name => manifest += &format!("runtime = \"{name}\"\n"),
        }
        if !handler.is_empty() {
            manifest += &format!("handler = \"{handler}\"\n");
        }
        manifest += &format!("[functions.{name}.async]\nattempts = 2\nbackoff = \"1ms\"\n");
    }
    let app = App::new()
        .file("mayfly.toml", manifest)
        .file("node.mjs", node_js)
        .file("python.py", python)
        .file("ruby.rb", ruby)
        .file("wasm.wasm", component("behaviours"));
    let node = serve().await;
    let app = with_bootstrap(app, &bootstrap(provided));
    node.deploy(&app).await.unwrap_or_else(|error| panic!("{error}"));
    for name in ["nodejs", "python", "fork", "ruby", "provided", "wasm"] {
        let sent =
            mayfly(&node, &["invoke", "--async", &format!("tries/{name}"), "--data", "\"flaky\""]);
        let shown = ended(&node, sent.unwrap().trim()).await;
        assert_eq!(shown["attempts"].as_array().unwrap().len(), 2, "{name}: {shown}");
        let told = match name {
            "wasm" => {
                let body = shown["result"]["body"].as_str().unwrap();
                serde_json::from_str::<Value>(body).unwrap()["attempt"].take()
            }
            _ => shown["result"]["attempt"].clone(),
        };
        assert_eq!(told.to_string().trim_matches('"'), "2", "{name}: {shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_cannot_make_a_request_look_like_an_event() {
    let node = node().await;
    let app = node.app("jobs");
    let headers = [("x-mayfly-event", "schedule"), ("x-mayfly-attempt", "7"), ("x-other", "kept")];
    let request = app.request("POST", "/page", &headers, RequestBody::full("{\"n\":1}"));
    let reply = within("an answer", app.client().send(request)).await.unwrap();
    assert_eq!(reply.collect().await.expect(200).text(), "1  ");
}

/// How often the node is killed: `MAYFLY_TEST_KILLS`, or a few times.
fn kills() -> usize {
    let kills = std::env::var("MAYFLY_TEST_KILLS").ok();
    kills.map_or(8, |kills| kills.parse().expect("MAYFLY_TEST_KILLS is a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_event_is_lost_however_often_the_node_is_killed() {
    let mut node = node().await;
    let acknowledged = Arc::new(Mutex::new(HashMap::<String, u64>::new()));
    let mut next = 0_u64;
    for round in 0..kills() {
        let shared = Arc::new(node);
        let (said, mut counted) = tokio::sync::watch::channel(0);
        let senders: Vec<_> = (0..4)
            .map(|sender| {
                let (node, acknowledged, said) =
                    (Arc::clone(&shared), Arc::clone(&acknowledged), said.clone());
                let first = next + sender * 1_000_000;
                tokio::spawn(async move {
                    for n in first.. {
                        let node = Arc::clone(&node);
                        let sent = tokio::spawn(async move {
                            let path = "/v1/apps/jobs/functions/work/invocations?mode=async";
                            let event = json!({ "n": n, "flaky": n % 3 == 0 });
                            node.command("POST", path, Some(event)).await.expect(202).json()
                        });
                        // A request that the dying node cut off panics in its own task.
                        let Ok(taken) = sent.await else { return };
                        let id = taken["invocation_id"].as_str().unwrap().to_owned();
                        acknowledged.lock().unwrap().insert(id, n);
                        said.send_modify(|count| *count += 1);
                    }
                })
            })
            .collect();
        next += 10_000_000;
        let enough = 5 + 7 * (round % 6);
        within("events", counted.wait_for(|count| *count >= enough)).await.unwrap();
        let pid = rustix::process::Pid::from_raw(i32::try_from(shared.pid()).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        for sender in senders {
            within("the senders' end", sender).await.unwrap();
        }
        node = Arc::into_inner(shared).unwrap();
        node.exited().await;
        node.start_again().await;
    }
    let acknowledged = std::mem::take(&mut *acknowledged.lock().unwrap());
    assert!(acknowledged.len() >= kills() * 5);
    for (id, n) in acknowledged {
        let shown = ended(&node, &id).await;
        assert_eq!(
            (&shown["status"], &shown["result"]["n"]),
            (&json!("succeeded"), &json!(n)),
            "{shown}"
        );
        let numbers: Vec<_> =
            shown["attempts"].as_array().unwrap().iter().map(|a| &a["number"]).collect();
        assert!(numbers.is_sorted_by(|a, b| a.as_u64() < b.as_u64()), "{shown}");
    }
}

//! Events that end whatever runs them, and functions that always fail: neither is in another's way.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use mayfly_testkit::{App, Node, until};
use serde_json::{Value, json};

use super::load::{Caller, id, is_over};
use crate::common::serve;

const MANIFEST: &str = r#"
app = "jobs"

[functions.node]
code = "node.mjs"
runtime = "nodejs"
handler = "node.handler"

[functions.js]
code = "js.js"
handler = "js.handler"

[functions.provided]
code = "provided"

[functions.beside]
code = "js.js"
handler = "js.handler"
"#;

const ASYNC: &str = "attempts = 2\nbackoff = \"10ms\"\n";

const NODE: &str = "
export async function handler(event) {
    if (event.bad) process.kill(process.pid, 'SIGKILL');
    return event.n;
}";

const JS: &str = "
export async function handler(event) {
    const kept = [];
    while (event.bad) kept.push(new Array(100_000).fill(event.n));
    return event.n;
}";

const PROVIDED: &str = r#"#!/usr/bin/python3
import http.client, json, os
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
BASE = "/2018-06-01/runtime/invocation/"
while True:
    api.request("GET", BASE + "next")
    answer = api.getresponse()
    event = json.loads(answer.read())
    if event.get("bad"):
        os.abort()
    api.request("POST", BASE + answer.headers["lambda-runtime-aws-request-id"] + "/response", json.dumps(event["n"]))
    api.getresponse().read()
"#;

async fn sent(caller: &Caller, function: &str, event: Value) -> String {
    id(&caller.send(function, &event).await.expect("an answer").expect(202))
}

async fn ended(caller: &Caller, id: &str) -> Value {
    until(&format!("the end of {id}"), async || caller.show(id).await.filter(is_over)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_ends_what_runs_it_is_given_up_and_those_beside_it_are_not() {
    let node = serve().await;
    let mut manifest = MANIFEST.to_owned();
    for function in ["node", "js", "provided", "beside"] {
        manifest += &format!("[functions.{function}.async]\n{ASYNC}");
    }
    let app = App::new()
        .file("mayfly.toml", manifest)
        .file("node.mjs", NODE)
        .file("js.js", JS)
        .file("provided/bootstrap", PROVIDED);
    let bootstrap = app.directory().join("provided/bootstrap");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(bootstrap, executable).unwrap();
    node.deploy(&app).await.unwrap_or_else(|error| panic!("{error}"));
    let caller = Caller::of(&node);
    for (function, code) in
        [("node", "function_crashed"), ("js", "out_of_memory"), ("provided", "function_crashed")]
    {
        let poison = sent(&caller, function, json!({ "bad": true, "n": 0 })).await;
        let mut others = BTreeMap::new();
        for n in 1..=5 {
            others.insert(sent(&caller, "beside", json!({ "n": n })).await, n);
        }
        for (other, n) in others {
            let shown = ended(&caller, &other).await;
            assert_eq!((&shown["status"], &shown["result"]), (&json!("succeeded"), &json!(n)));
            assert_eq!(shown["attempts"].as_array().unwrap().len(), 1, "{shown}");
        }
        let shown = ended(&caller, &poison).await;
        assert_eq!(shown["status"], "failed", "{function}: {shown}");
        let attempts = shown["attempts"].as_array().unwrap();
        assert_eq!(attempts.len(), 2, "{function}: {shown}");
        for attempt in attempts {
            assert_eq!(attempt["fault"]["code"], code, "{function}: {shown}");
        }
        // The same function goes on with what is well.
        let good = sent(&caller, function, json!({ "n": 7 })).await;
        let shown = ended(&caller, &good).await;
        assert_eq!((&shown["status"], &shown["result"]), (&json!("succeeded"), &json!(7)));
    }
}

/// An app whose functions `good` and `bad` differ only in this.
fn pair(bad: &str) -> App {
    let manifest = "app = \"jobs\"\n\
        [functions.good]\ncode = \"good.js\"\nhandler = \"good.handler\"\n\
        [functions.bad]\ncode = \"bad.js\"\nhandler = \"bad.handler\"\n\
        [functions.bad.async]\nattempts = 3\nbackoff = \"1s\"\n";
    let good = "export async function handler(event) { return event.n; }";
    App::new().file("mayfly.toml", manifest).file("good.js", good).file("bad.js", bad)
}

/// All invocations of a function with a status, in the order in which they were accepted.
async fn all(node: &Node, function: &str, status: &str) -> Vec<Value> {
    let (mut found, mut before) = (Vec::new(), String::new());
    loop {
        let path = format!(
            "/v1/apps/jobs/functions/{function}/invocations?limit=1000&status={status}{before}"
        );
        let listed = node.command("GET", &path, None).await.expect(200).json();
        let page = listed["invocations"].as_array().unwrap();
        let Some(last) = page.last() else { break };
        before = format!("&before={}", last["id"].as_str().unwrap());
        found.extend(page.iter().cloned());
    }
    found.reverse();
    found
}

/// When an invocation's attempts began.
fn began(invocation: &Value) -> Vec<jiff::Timestamp> {
    let attempts = invocation["attempts"].as_array().unwrap().iter();
    attempts.map(|attempt| attempt["started"].as_str().unwrap().parse().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_always_fails_does_not_hold_up_one_that_succeeds() {
    const EVENTS: u64 = 1_000;
    /// Attempts at once, of all events.
    const PLACES: usize = 64;
    let node = serve().await;
    let bad = "export async function handler(event, context) { throw new Error(`no ${context.attempt}`); }";
    node.deploy(&pair(bad)).await.unwrap_or_else(|error| panic!("{error}"));
    // Nearly all are due at one time, some seconds after the first was sent.
    let due = Instant::now() + Duration::from_secs(20);
    let senders = (0..8).map(|sender| {
        let caller = Caller::of(&node);
        tokio::spawn(async move {
            for n in (sender..EVENTS).step_by(8) {
                for function in ["bad", "good"] {
                    let delay = due.saturating_duration_since(Instant::now()).as_millis();
                    let path = format!(
                        "/v1/apps/jobs/functions/{function}/invocations?mode=async&delay={delay}ms"
                    );
                    let answer = caller.command("POST", &path, json!({ "n": n }).to_string());
                    answer.await.expect("an answer").expect(202);
                }
            }
        })
    });
    for sender in senders.collect::<Vec<_>>() {
        sender.await.unwrap();
    }
    let over = async |function, status| {
        let found = all(&node, function, status).await;
        (found.len() as u64 == EVENTS).then_some(found)
    };
    let good = until("those that succeed", async || over("good", "succeeded").await).await;
    let dead = until("those that fail", async || over("bad", "failed").await).await;
    let began_all = |all: &[Value]| {
        let mut all: Vec<_> = all.iter().flat_map(began).collect();
        all.sort();
        all
    };
    let (of_good, of_bad) = (began_all(&good), began_all(&dead));
    assert_eq!((of_good.len() as u64, of_bad.len() as u64), (EVENTS, 3 * EVENTS));
    assert!(of_good.last() < of_bad.last(), "retries go on when nothing else is left");
    // They take turns: while one that succeeds waited, not many more of the others began than of its own kind. Who
    // is being leased misses a turn, so they do not alternate to the last one.
    for shown in &good {
        let due: jiff::Timestamp = shown["due"].as_str().unwrap().parse().unwrap();
        let start = began(shown)[0];
        let between = |all: &[jiff::Timestamp]| {
            all.partition_point(|at| *at < start) - all.partition_point(|at| *at < due)
        };
        let (bad, good) = (between(&of_bad), between(&of_good));
        assert!(bad <= 2 * good + 2 * PLACES, "{bad} and {good} began before {shown}");
    }
    for shown in &good {
        assert_eq!(shown["attempts"].as_array().unwrap().len(), 1, "{shown}");
    }
    for shown in &dead {
        let attempts = shown["attempts"].as_array().unwrap().iter();
        let numbers: Vec<_> = attempts.clone().map(|attempt| attempt["number"].clone()).collect();
        assert_eq!(numbers, [1, 2, 3].map(Value::from), "{shown}");
        assert!(attempts.clone().all(|it| it["fault"]["code"] == "function_error"), "{shown}");
    }

    // Mended, and queued again.
    node.deploy(&pair("export async function handler(event) { return event.n; }"))
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let path = "/v1/apps/jobs/functions/bad/redrive";
    let redriven =
        node.command("POST", path, Some(json!({ "all": true }))).await.expect(200).json();
    assert_eq!(redriven["redriven"], EVENTS);
    let mended = until("all of them", async || over("bad", "succeeded").await).await;
    for shown in mended {
        let attempts = shown["attempts"].as_array().unwrap();
        assert_eq!(attempts.len(), 4, "{shown}");
        assert!(shown["result"].is_u64() && shown["fault"].is_null(), "{shown}");
    }
}

//! What functions used: counted to the request and the byte, also when the node is killed; budgets that stop
//! them, and tenants that have each their own.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{bootstrap, component, mayfly, node, serve, with_bootstrap};
use mayfly_testkit::{App, Node, RequestBody, within};
use serde_json::{Value, json};

async fn used(node: &Node, query: &str) -> Value {
    node.command("GET", &format!("/v1/usage?{query}"), None).await.expect(200).json()
}

/// The line of a function, or nothing.
fn line<'a>(usage: &'a Value, function: &str) -> &'a Value {
    let lines = usage["lines"].as_array().unwrap();
    lines.iter().find(|line| line["function"] == function).unwrap_or(&Value::Null)
}

/// A function of each kind that answers with twice what it was sent (the component: with that); of `!` it fails.
fn echoes() -> App {
    let mut manifest = "app = \"echoes\"\n".to_owned();
    let handlers = [
        ("js-fetch", "js.js", "js", "js.default"),
        ("js-event", "js.js", "js", "js.handler"),
        ("node-fetch", "node.mjs", "nodejs", "node.default"),
        ("node-event", "node.mjs", "nodejs", "node.handler"),
        ("python", "python.py", "python", "python.handler"),
        ("ruby", "ruby.rb", "ruby", "ruby.handler"),
        ("provided", "program", "provided", "x"),
        ("wasm", "wasm.wasm", "wasm", ""),
    ];
    for (name, code, runtime, handler) in handlers {
        manifest += &format!("[functions.{name}]\ncode = \"{code}\"\nruntime = \"{runtime}\"\n");
        if runtime != "wasm" {
            manifest += &format!("handler = \"{handler}\"\n");
        }
        manifest += &format!("[[routes]]\npath = \"/{name}\"\nfunction = \"{name}\"\n");
    }
    // What the component does with a request, it has a path for.
    for path in ["echo", "panic"] {
        manifest += &format!("[[routes]]\npath = \"/{path}\"\nfunction = \"wasm\"\n");
    }
    let js = "
        export default { async fetch(request) {
            const text = await request.text();
            if (text.startsWith('!')) throw new Error(text);
            return new Response(text + text);
        } };
        export async function handler(event) {
            const text = event.body ?? '';
            if (text.startsWith('!')) throw new Error(text);
            return { statusCode: 200, body: text + text };
        }";
    let python = "
def handler(event, context):
    text = event.get('body') or ''
    if text.startswith('!'):
        raise ValueError(text)
    return {'statusCode': 200, 'body': text + text}
";
    let ruby = "
def handler(event:, context:)
  text = event['body'] || ''
  raise text if text.start_with?('!')
  { 'statusCode' => 200, 'body' => text + text }
end
";
    let provided = "text = event.get('body') or ''
    answer = {'statusCode': 200, 'body': text + text}
    if text.startswith('!'):
        where, answer = 'error', {'errorType': 'No', 'errorMessage': text}";
    let app = App::new()
        .file("mayfly.toml", manifest)
        .file("js.js", js)
        .file("node.mjs", js)
        .file("python.py", python)
        .file("ruby.rb", ruby)
        .file("wasm.wasm", component("behaviours"));
    with_bootstrap(app, &bootstrap(provided))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_counts_what_callers_sent_and_were_sent_in_every_runtime() {
    let node = serve().await;
    node.deploy(&echoes()).await.unwrap_or_else(|error| panic!("{error}"));
    let app = node.app("echoes");
    let names =
        ["js-fetch", "js-event", "node-fetch", "node-event", "python", "ruby", "provided", "wasm"];
    let mut expected = Vec::new();
    for name in names {
        let (mut sent, mut answered, mut failed) = (0, 0, 0);
        for i in 0..40_usize {
            let mark = if i % 10 == 9 { '!' } else { 'x' };
            let body: String = std::iter::repeat_n(mark, 1 + i * i * 7 % 4_000).collect();
            // A component that panics has not taken its body.
            sent += if (name, mark) == ("wasm", '!') { 0 } else { body.len() };
            let headers = [("content-type", "text/plain")];
            let path = match (name, mark) {
                ("wasm", '!') => "/panic".to_owned(),
                ("wasm", _) => "/echo".to_owned(),
                _ => format!("/{name}"),
            };
            let request = app.request("POST", &path, &headers, RequestBody::full(body));
            let reply = within("an answer", app.client().send(request)).await.unwrap();
            let answer = reply.collect().await;
            match answer.status {
                200 => answered += answer.body.len(),
                502 => failed += 1,
                other => panic!("{name} answered {other}: {}", answer.text()),
            }
        }
        expected.push((name, sent, answered, failed));
    }
    let usage = used(&node, "by=function").await;
    for (name, sent, answered, failed) in expected {
        let line = line(&usage, name);
        assert_eq!(line["attempts"], 40, "{name}: {line}");
        assert_eq!(line["bytes_in"], sent, "{name}: {line}");
        assert_eq!(line["bytes_out"], answered, "{name}: {line}");
        assert_eq!(line["function_faults"], failed, "{name}: {line}");
        assert!(line["billed_ms"].as_u64().unwrap() >= 40, "{name}: {line}");
        assert!(line["cpu_us"].as_u64().unwrap() > 0, "{name}: {line}");
    }
    assert_eq!(usage["total"]["attempts"], 40 * names.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_node_has_every_answer_it_gave_in_its_ledger() {
    let mut node = serve().await;
    let source = "export default { fetch: async (request) => new Response(await request.text()) }";
    node.function("echo", "", source).await;
    let (mut answered, mut bytes) = (0_u64, 0_u64);
    for round in 0..4 {
        let app = node.app("echo");
        // At once, so that some are under way when the node dies.
        let (told, mut ended) = tokio::sync::mpsc::unbounded_channel();
        let callers: Vec<_> = (0..4)
            .map(|_| {
                let (app, told) = (app.clone(), told.clone());
                tokio::spawn(async move {
                    loop {
                        let request = app.request("POST", "/", &[], RequestBody::full("12345"));
                        let Ok(reply) = app.client().send(request).await else { return };
                        let Ok(answer) = tokio::spawn(reply.collect()).await else { return };
                        assert_eq!(answer.text(), "12345");
                        told.send(answer.body.len() as u64).unwrap();
                    }
                })
            })
            .collect();
        drop(told);
        for _ in 0..50 + 20 * round {
            let length = within("an answer", ended.recv()).await.unwrap();
            (answered, bytes) = (answered + 1, bytes + length);
        }
        let pid = rustix::process::Pid::from_raw(i32::try_from(node.pid()).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        while let Some(length) = within("the end of answers", ended.recv()).await {
            (answered, bytes) = (answered + 1, bytes + length);
        }
        for caller in callers {
            caller.await.unwrap();
        }
        node.exited().await;
        node.start_again().await;
        let total = used(&node, "").await["total"].take();
        let counted = total["attempts"].as_u64().unwrap();
        // Those whose answers were cut off may be there: at most one of each caller in each round.
        let cut_off = 4 * (round + 1);
        assert!((answered..=answered + cut_off).contains(&counted), "{answered}: {total}");
        assert_eq!(total["bytes_out"].as_u64().unwrap(), 5 * counted);
        assert!(bytes <= 5 * counted);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_billed_to_whoever_sent_them_attempt_by_attempt() {
    let node = serve().await;
    let manifest = "app = \"jobs\"\n[functions.work]\ncode = \"work.js\"\nhandler = \"work.handler\"\n\
        memory = \"256MB\"\n[functions.work.async]\nattempts = 2\nbackoff = \"1ms\"\n";
    let work = "export async function handler(event) { throw new Error('no') }";
    let app = App::new().file("mayfly.toml", manifest).file("work.js", work);
    node.deploy(&app).await.unwrap_or_else(|error| panic!("{error}"));
    let token = mayfly(&node, node.token(), &["token", "create", "robot", "--role", "invoke"]);
    let token = token.unwrap();
    let sent = mayfly(&node, token.trim(), &["invoke", "--async", "jobs/work", "--data", "[1,2]"]);
    let id = sent.unwrap().trim().to_owned();
    let end = async || {
        let path = format!("/v1/invocations/{id}");
        let shown = node.command("GET", &path, None).await.expect(200).json();
        (shown["status"] == "failed").then_some(shown)
    };
    let shown = mayfly_testkit::until("the event's end", end).await;
    assert_eq!(shown["attempts"][0]["memory"], "256MB");
    let usage = used(&node, "by=function,caller").await;
    let line = line(&usage, "work");
    assert_eq!((&line["caller"], &line["attempts"]), (&json!("robot"), &json!(2)));
    assert_eq!((&line["function_faults"], &line["bytes_in"]), (&json!(2), &json!(10)));
    // The table that a person sees.
    let table = mayfly(&node, node.token(), &["usage", "jobs/work", "--by", "caller"]).unwrap();
    assert!(table.contains("CALLER") && table.contains("robot"), "{table}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_stops_a_function_until_it_is_raised_also_over_a_restart() {
    let mut node = node().config("[prices]\ncurrency = \"USD\"\nrequest = 0.25\n").start().await;
    let app = node.function("shop", "", "export default { fetch: () => new Response('ok') }").await;
    let cli = |node: &Node, arguments: &[&str]| mayfly(node, node.token(), arguments);
    let set = ["budget", "set", "shop/main", "--requests", "3", "--per", "day"];
    let function = app_function(&node).await;
    let set: Vec<&str> =
        set.iter().map(|word| if *word == "shop/main" { &*function } else { *word }).collect();
    let told = cli(&node, &set).unwrap();
    assert!(told.contains("3 requests for each day; 0 used so far"), "{told}");
    for _ in 0..2 {
        app.get("/").await.expect(200);
    }
    node.restart().await;
    let app = node.app("shop");
    app.get("/").await.expect(200);
    // What the third attempt held is given back a moment after its answer.
    let refused = mayfly_testkit::until("the end of the third attempt", async || {
        let refused = app.get("/").await.expect(429);
        assert_eq!(refused.code(), "budget_exceeded");
        refused.text().contains("begins anew at").then_some(refused)
    })
    .await;
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=86_400).contains(&wait), "{wait}");
    let told = cli(&node, &["invoke", &function]).unwrap_err();
    assert!(told.contains("begins anew at") && told.contains("`mayfly budget set`"), "{told}");
    assert!(!told.contains("the same call"), "{told}");
    let listed = cli(&node, &["budget", "list"]).unwrap();
    assert!(listed.contains("requests") && listed.contains('3'), "{listed}");
    // Money of all apps: four requests of 0.25 are one.
    cli(&node, &["budget", "set", "--money", "1", "--per", "month"]).unwrap();
    cli(&node, &["budget", "delete", &function, "--meter", "requests", "--per", "day"]).unwrap();
    app.get("/").await.expect(200);
    assert_eq!(app.get("/").await.expect(429).code(), "budget_exceeded");
    let usage = cli(&node, &["usage", "--by", "app"]).unwrap();
    assert!(usage.contains("COST USD") && usage.contains("1.000000"), "{usage}");
    let csv = cli(&node, &["usage", "--by", "day,function", "--format", "csv"]).unwrap();
    assert_eq!(csv.lines().count(), 2, "{csv}");
}

/// The only function of the app `shop`, as `APP/FUNCTION`.
async fn app_function(node: &Node) -> String {
    let shop = node.command("GET", "/v1/apps/shop", None).await.expect(200).json();
    format!("shop/{}", shop["functions"][0]["function"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_have_apps_of_the_same_name_and_one_that_is_suspended_runs_nothing() {
    let node = serve().await;
    node.function("shop", "", "export default { fetch: () => new Response('ours') }").await;
    let cli = |arguments: &[&str]| mayfly(&node, node.token(), arguments);
    let made = cli(&["tenant", "create", "acme"]).unwrap();
    assert!(made.starts_with("acme has the account "), "{made}");
    let token = cli(&["token", "create", "ci", "--role", "deploy", "--tenant", "acme"]).unwrap();
    let app = App::single("shop", "", "export default { fetch: () => new Response('theirs') }");
    let directory = app.directory().to_str().unwrap().to_owned();
    let deployed = mayfly(&node, token.trim(), &["deploy", &directory]).unwrap();
    assert!(deployed.contains("shop--acme"), "{deployed}");
    let (ours, theirs) = (node.app("shop"), node.app("shop--acme"));
    assert_eq!(ours.get("/").await.expect(200).text(), "ours");
    assert_eq!(theirs.get("/").await.expect(200).text(), "theirs");
    // Neither sees the other's bill.
    let table = mayfly(&node, token.trim(), &["usage", "--format", "json"]).unwrap();
    let usage: Value = serde_json::from_str(&table).unwrap();
    assert_eq!(usage["total"]["attempts"], 1);
    assert_eq!(used(&node, "").await["total"]["attempts"], 1);
    assert_eq!(used(&node, "tenant=acme").await["total"]["attempts"], 1);

    cli(&["tenant", "suspend", "acme"]).unwrap();
    assert_eq!(theirs.get("/").await.expect(403).code(), "suspended");
    assert_eq!(ours.get("/").await.expect(200).text(), "ours");
    cli(&["tenant", "resume", "acme"]).unwrap();
    assert_eq!(theirs.get("/").await.expect(200).text(), "theirs");
    let refused = mayfly(&node, token.trim(), &["tenant", "list"]).unwrap_err();
    assert!(refused.contains("has the role deploy, and this needs the role operator"), "{refused}");
    cli(&["tenant", "delete", "acme", "--yes"]).unwrap();
    theirs.get("/").await.expect(404);
    let listed = cli(&["tenant", "list"]).unwrap();
    assert!(!listed.contains("acme"), "{listed}");
    // What it used is owed all the same.
    assert_eq!(used(&node, "tenant=acme").await["total"]["attempts"], 2);
}

//! WebAssembly components on the real binary: what they find, what they may do, and what none gets away
//! with. `cargo xtask wasm` compiles them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "wasm/bad.rs"]
mod bad;
mod common;
#[path = "wasm/limits.rs"]
mod limits;

use common::{component, node, serve};
use mayfly_testkit::{App, AppClient, LogLine, Node, RequestBody, Upstream, within};

/// An app of one component; `settings` are lines of its function's table.
fn app(name: &str, component: &[u8], settings: &str) -> App {
    let manifest =
        format!("app = \"{name}\"\n\n[functions.main]\ncode = \"main.wasm\"\n{settings}\n");
    App::new().file("mayfly.toml", manifest).file("main.wasm", component)
}

/// The component of all behaviours, deployed.
async fn behaviours(node: &Node, settings: &str) -> AppClient {
    let deployed = node.deploy(&app("behaviours", &component("behaviours"), settings)).await;
    deployed.unwrap_or_else(|error| panic!("{error}"));
    node.app("behaviours")
}

async fn told(app: &AppClient, path: &str) -> String {
    app.get(path).await.expect(200).text()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_finds_a_fresh_instance() {
    let node = serve().await;
    node.deploy(&app("hello", &component("hello"), "")).await.unwrap();
    let hello = node.app("hello");
    let calls = (0..50).map(|call| {
        let hello = hello.clone();
        tokio::spawn(async move {
            let path = format!("/{call}?x=1");
            let answer = hello.get(&path).await.expect(200);
            assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
            // Its counter stands in the instance's memory.
            assert_eq!(answer.text(), format!("hello {call}?x=1 1\n"));
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
}

/// Of Python: an interpreter with its library in one component, by another language's tools.
#[tokio::test(flavor = "multi_thread")]
async fn a_component_of_another_language_answers_from_a_fresh_instance() {
    let node = serve().await;
    node.deploy(&app("snake", &component("python"), "memory = \"64MB\"")).await.unwrap();
    for call in 0..3 {
        let text = told(&node.app("snake"), &format!("/a/{call}")).await;
        assert_eq!(text, format!("hello {call} 1\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_finds_its_world() {
    let node = serve().await;
    node.secret("behaviours", "API_KEY", "s3cret").await;
    let settings = "env = { COLOUR = \"blue\" }\nsecrets = [\"API_KEY\"]\n";
    let app = behaviours(&node, settings).await;

    let headers = [("x-test", "value")];
    let answer = app.call("PUT", "/request?a=%20b", &headers, "").await.expect(200);
    assert_eq!(
        answer.text(),
        "Method::Put Some(Scheme::Http) behaviours.localhost /request?a=%20b Some(\"value\")"
    );
    assert_eq!(answer.header("x-set"), "by the guest");

    assert_eq!(told(&app, "/env").await, "API_KEY=s3cret COLOUR=blue args=0");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let clock: u64 = told(&app, "/clock").await.parse().unwrap();
    assert!(now.as_secs().abs_diff(clock) < 60, "{clock}");
    let (one, other) = (told(&app, "/random?bytes=16").await, told(&app, "/random?bytes=16").await);
    assert!(one.starts_with("16 ") && one.len() == 35 && one != other, "{one} {other}");
    assert_eq!(told(&app, "/files").await, "all as it should be");

    assert_eq!(told(&app, "/log").await, "logged");
    let mut logs = node.logs("behaviours");
    logs.containing("without an end").await;
    let line = |line: &LogLine| (line.level.clone(), line.message.clone());
    let lines: Vec<_> = logs.seen.iter().map(line).collect();
    let expected = [
        ("info", "to standard output"),
        ("error", "to standard error"),
        ("info", "in two pieces"),
        ("info", "without an end"),
    ];
    assert_eq!(lines, expected.map(|(level, text)| (level.to_owned(), text.to_owned())));
    assert!(logs.seen.iter().all(|line| !line.invocation.is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_stream_both_ways() {
    let node = serve().await;
    let app = behaviours(&node, "").await;
    let large: Vec<u8> = (0..5_000_000_u32).map(|n| (n % 251) as u8).collect();
    assert_eq!(app.post("/count", large.clone()).await.expect(200).text(), "5000000");
    assert_eq!(app.post("/echo", large.clone()).await.expect(200).body, large);

    // The first piece is back before the second one is sent.
    let (sender, body) = RequestBody::channel();
    let mut reply = {
        sender.send("one ").await;
        app.open("POST", "/echo", &[], body).await.unwrap()
    };
    assert_eq!(within("the first piece", reply.read(4)).await.unwrap(), b"one ");
    sender.send("two").await;
    drop(sender);
    assert_eq!(reply.collect().await.text(), "two");

    let answer = app.get("/flood?mb=64").await.expect(200);
    assert_eq!(answer.body.len(), 64 << 20);
    let answer = app.get("/length?said=10&sent=10").await.expect(200);
    assert_eq!((answer.header("content-length"), answer.text().len()), ("10", 10));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_comes_as_a_request() {
    let node = serve().await;
    behaviours(&node, "").await;
    let answer = node.invoke("behaviours", "main", serde_json::json!({ "n": 1 })).await;
    let told = answer.expect(200).json();
    assert_eq!((&told["kind"], &told["status"]), (&"http".into(), &200.into()), "{told}");
    assert_eq!(told["body"], "{\"kind\":\"invoke\",\"attempt\":\"1\",\"event\":{\"n\":1}}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_on_after_the_answer_is_let_go_on() {
    let node = serve().await;
    let app = behaviours(&node, "").await;
    assert_eq!(told(&app, "/late?ms=100").await, "answered\n");
    node.logs("behaviours").containing("still here").await;
    assert_eq!(told(&app, "/late?ms=20&then=panic").await, "answered\n");
    node.logs("behaviours").containing("after the answer").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_leaves_ends_the_guest() {
    let upstream = Upstream::start().await;
    let node = node().config("[egress]\nallow = [\"127.0.0.0/8\"]\n").start().await;
    let app = behaviours(&node, &format!("egress = [\"{}\"]\n", upstream.address())).await;
    // One that waits for a call of its own: the call ends too.
    let path = format!("/fetch?scheme=http&authority={}&path=/hang", upstream.address());
    let asked = tokio::spawn({
        let app = app.clone();
        async move { app.open("GET", &path, &[], RequestBody::empty()).await.map(drop) }
    });
    upstream.arrived(1).await;
    asked.abort();
    upstream.left(1).await;
    // One that is in the middle of its answer.
    let mut reply =
        app.open("GET", "/ticks?count=1000&ms=10", &[], RequestBody::empty()).await.unwrap();
    assert_eq!(within("the first tick", reply.read(7)).await.unwrap(), b"tick 0\n");
    drop(reply);
    // One that would write for long: it writes no further than somebody reads.
    let mut reply = app.open("GET", "/flood?mb=10240", &[], RequestBody::empty()).await.unwrap();
    assert!(within("a piece", reply.read(100_000)).await.unwrap().len() >= 100_000);
    drop(reply);
    // The next invocation is told of after anything that the last one could still say.
    told(&app, "/log").await;
    let mut logs = node.logs("behaviours");
    logs.containing("without an end").await;
    assert!(logs.seen.iter().all(|line| line.message != "all told"), "{:#?}", logs.seen);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_out_follow_the_rules_of_egress() {
    let upstream = Upstream::start().await;
    let node = node().config("[egress]\nallow = [\"127.0.0.0/8\"]\n").start().await;
    let address = upstream.address();
    let app = behaviours(&node, &format!("egress = [\"{address}\"]\n")).await;
    let fetch = |authority: &str, path: &str| {
        format!("/fetch?scheme=http&authority={authority}&path={path}")
    };
    let authority = address.to_string();
    let seen = told(&app, &fetch(&authority, "/echo")).await;
    let (status, seen) = seen.split_once(' ').unwrap();
    let seen: serde_json::Value = serde_json::from_str(seen).unwrap();
    assert_eq!((status, &seen["method"], &seen["path"]), ("200", &"GET".into(), &"/echo".into()));
    assert_eq!(header(&seen, "x-from"), "wasm", "{seen}");
    // A redirect is the guest's to follow.
    assert!(told(&app, &fetch(&authority, "/redirect/1")).await.starts_with("30"));
    let upload = format!("/upload?authority={authority}&path=/echo&bytes=200000");
    let seen = told(&app, &upload).await;
    let seen: serde_json::Value = serde_json::from_str(seen.split_once(' ').unwrap().1).unwrap();
    assert_eq!(header(&seen, "content-length"), "200000", "{seen}");
    assert!(told(&app, &fetch(&authority, "/broken")).await.contains("broken"));

    let own = node.client().address().to_string();
    for forbidden in ["example.com", "169.254.169.254", "10.0.0.1", own.as_str()] {
        let said = told(&app, &fetch(forbidden, "/")).await;
        assert!(said.contains("HttpRequestDenied"), "{forbidden}: {said}");
    }
    let mut logs = node.logs("behaviours");
    logs.containing("egress = [\"example.com:80\"]").await;
}

/// A header as [`Upstream`] saw it.
fn header<'a>(seen: &'a serde_json::Value, name: &str) -> &'a str {
    let headers = seen["headers"].as_array().unwrap().iter();
    let found = headers.map(|pair| (pair[0].as_str(), pair[1].as_str()));
    found
        .into_iter()
        .find(|(found, _)| *found == Some(name))
        .and_then(|(_, value)| value)
        .unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_http_leaves_a_component() {
    let node = serve().await;
    let app = behaviours(&node, "egress = [\"*\"]\n").await;
    let said = told(&app, "/connect").await;
    assert_eq!(said.matches("access-denied").count(), 4, "{said}");
    assert!(said.contains("lookup") && !said.contains("a lookup"), "{said}");
    let said = told(&app, "/outside").await;
    assert!(!said.contains("bytes"), "{said}");
    assert!(said.contains("wrote false") && said.contains("linked false"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_of_a_library_for_people_runs() {
    let node = serve().await;
    let example = App::new()
        .file("mayfly.toml", "app = \"words\"\n[functions.count]\ncode = \"app.wasm\"\n")
        .file("app.wasm", component("app"));
    node.deploy(&example).await.unwrap();
    let answer = node.app("words").post("/count", "to be or not to be").await.expect(200);
    assert_eq!(answer.text(), "2 be\n2 to\n1 not\n1 or\n");
    assert_eq!(node.app("words").get("/nowhere").await.status, 404);
}

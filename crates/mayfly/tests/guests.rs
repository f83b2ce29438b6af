//! Small functions, one for each behaviour, on the real binary: what a function finds, what comes
//! in, what goes out, what it may call.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{deploy_guests, guest_files, guests, node, serve};
use mayfly_testkit::{RequestBody, Upstream, within};
use serde_json::{Value, json};

/// Opens loopback to functions whose manifest lists it.
const LOOPBACK: &str = "[egress]\nallow = [\"127.0.0.0/8\"]\n";

/// Calls every guest of a directory and tells all failures at once.
async fn check_all(app: &mayfly_testkit::AppClient, directory: &str) {
    let mut failures = Vec::new();
    for (name, _) in guest_files(directory) {
        let answer = app.get(&format!("/{name}?q=%C3%BC%20%26")).await;
        if answer.status != 200 || !answer.text().starts_with("ok ") {
            failures.push(format!("{directory}/{name}.js: {} {}", answer.status, answer.text()));
        }
    }
    assert!(failures.is_empty(), "{} guests failed:\n{}", failures.len(), failures.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_guest_finds_the_platform_that_it_expects() {
    let node = serve().await;
    node.secret("guests", "API_KEY", "s3cret ü\n").await;
    node.deploy(&guests("guests", "js", "")).await.unwrap_or_else(|error| panic!("{error}"));
    let app = node.app("guests");
    check_all(&app, "js").await;
    // Again: now every image is loaded and slots are used a second time.
    check_all(&app, "js").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_call_what_the_operator_and_the_manifest_allow() {
    let upstream = Upstream::start().await;
    let node = node().config(LOOPBACK).start().await;
    let settings =
        format!("env = {{ UPSTREAM = \"http://{0}\" }}\negress = [\"{0}\"]\n", upstream.address());
    let app = deploy_guests(&node, "fetch", &settings).await;
    let answer = app.get("/calls").await;
    assert_eq!(answer.status, 200, "{}", answer.text());

    // A body is handed on while it comes.
    let mut reply = app.open("GET", "/gated", &[], RequestBody::empty()).await.unwrap();
    assert_eq!(reply.headers["x-from"], "upstream");
    assert_eq!(within("the first piece", reply.read(5)).await.unwrap(), b"first");
    upstream.open_gate();
    assert_eq!(reply.collect().await.text(), "second");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_body_outlives_a_call_and_can_be_handed_on() {
    let upstream = Upstream::start().await;
    let node = node().config(LOOPBACK).start().await;
    let settings =
        format!("env = {{ UPSTREAM = \"http://{0}\" }}\negress = [\"{0}\"]\n", upstream.address());
    let app = deploy_guests(&node, "fetch", &settings).await;
    // Small bodies come with the request, large ones piece by piece.
    for size in [10, 1 << 20] {
        let answer = app.post("/proxy", vec![b'x'; size]).await;
        assert_eq!(answer.text(), format!("200 {size}"), "the body after a call");
        let answer = app.post("/proxy?forward", vec![b'x'; size]).await;
        assert_eq!((answer.status, answer.body.len()), (200, size), "the body handed on");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_leaves_takes_along_the_calls_made_for_him() {
    let upstream = Upstream::start().await;
    let node = node().config(LOOPBACK).start().await;
    let settings =
        format!("egress = [\"{0}\"]\nenv = {{ UPSTREAM = \"http://{0}\" }}", upstream.address());
    let source = "export default { async fetch(request, env) { console.log('calling'); return fetch(`${env.UPSTREAM}/hang`) } }";
    let app = node.function("leaver", &settings, source).await;
    let asked = tokio::spawn(async move {
        let _ = app.open("GET", "/", &[], RequestBody::empty()).await;
    });
    upstream.arrived(1).await;
    asked.abort();
    upstream.left(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_call_says_which_key_would_allow_it() {
    let upstream = Upstream::start().await;
    let closed = serve().await;
    let listed = format!("egress = [\"{}\"]\n", upstream.address());
    let app =
        deploy_guests(&closed, "fetch", &(listed + "env = { UPSTREAM = \"http://x\" }\n")).await;
    let target = format!("http://{}/echo", upstream.address());
    let tell = async |app: &mayfly_testkit::AppClient, url: &str| {
        app.get(&format!("/refused?url={url}")).await.expect(200).text()
    };

    let told = tell(&app, &target).await;
    assert!(told.contains("egress.allow = [\"127.0.0.0/8\"]"), "{told}");
    let told = tell(&app, "http://example.com/").await;
    assert!(told.contains("egress = [\"example.com:80\"]"), "{told}");
    drop(closed);

    let open = node().config(LOOPBACK).start().await;
    let own = open.client().address();
    let every = format!(
        "egress = [\"{own}\", \"{}\", \"169.254.169.254\", \"*\"]\n",
        open.admin().address()
    );
    let app = deploy_guests(&open, "fetch", &(every + "env = { UPSTREAM = \"http://x\" }\n")).await;
    for (url, why) in [
        (format!("http://{own}/"), "listener of this node"),
        (format!("http://{}/", open.admin().address()), "listener of this node"),
        ("http://169.254.169.254/latest/meta-data/".into(), "metadata"),
        ("http://10.0.0.1/".into(), "private"),
        (target, "`*` means public addresses"),
    ] {
        let told = tell(&app, &url).await;
        assert!(told.starts_with("TypeError") && told.contains(why), "{url}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_arrive_as_they_were_sent() {
    let node = serve().await;
    let app = deploy_guests(&node, "http", "").await;
    let port = app.client().address().port();

    let headers = [
        ("X-One", "1"),
        ("x-one", "2"),
        ("x-latin", "gr\u{fc}n"),
        ("connection", "x-hop"),
        ("x-hop", "gone"),
    ];
    let seen = app.call("PATCH", "/echo/a%20b/%C3%BC?x=%20y&x=2", &headers, "grün").await.json();
    assert_eq!(seen["method"], "PATCH");
    assert_eq!(seen["url"], "http://http.localhost/echo/a%20b/%C3%BC?x=%20y&x=2");
    assert_eq!(seen["body"], "grün");
    assert_eq!(seen["headers"]["x-one"], "1, 2");
    assert_eq!(seen["headers"]["x-hop"], Value::Null);
    // A header's bytes are Latin-1 to the function; UTF-8 was sent.
    assert_eq!(seen["headers"]["x-latin"], "grÃ¼n");

    // By the path on loopback the app sees its own paths.
    let prefixed = [("host", &*format!("127.0.0.1:{port}"))];
    let seen = app.call("GET", "/_mayfly/http/echo/x?y", &prefixed, "").await.json();
    assert_eq!(seen["url"], format!("http://127.0.0.1:{port}/echo/x?y"));

    // Bodies around the size that is handed over with the request, with a length and without.
    for size in [0, 1, 65_535, 65_536, 65_537, 1 << 20, 10 << 20] {
        let seen = app.post("/echo", vec![b'x'; size]).await.json();
        assert_eq!(seen["size"], size);
        let (sender, body) = RequestBody::channel();
        let sent = tokio::spawn(async move {
            for piece in vec![b'x'; size].chunks(100_000) {
                sender.send(piece.to_vec()).await;
            }
        });
        let reply = app.open("POST", "/echo", &[], body).await.unwrap();
        assert_eq!(reply.collect().await.json()["size"], size, "chunked");
        sent.await.unwrap();
    }

    // HTTP/2 without TLS, several at once.
    let mut connection = app.client().connect_h2c().await;
    for at in 0..20 {
        let path = format!("/echo/{at}");
        let request = app.request("POST", &path, &[], RequestBody::full("two"));
        let reply = connection.send(request).await.unwrap();
        let seen = reply.collect().await.expect(200).json();
        assert_eq!(seen["url"], format!("http://http.localhost{path}"));
        assert_eq!(seen["body"], "two");
    }
    // And one HTTP/1.1 connection for many.
    let mut connection = app.client().connect().await.unwrap();
    for at in 0..20 {
        let request = app.request("POST", "/echo", &[], RequestBody::full(format!("{at}")));
        let reply = connection.send(request).await.unwrap();
        assert_eq!(reply.collect().await.json()["body"], at.to_string());
    }
    // Paths and hosts of nobody.
    assert_eq!(app.get("/nowhere").await.code(), "not_found");
    let stranger = app.call("GET", "/echo", &[("host", "nobody.localhost")], "").await;
    assert_eq!((stranger.status, stranger.code().as_str()), (404, "not_found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn forms_go_both_ways() {
    let node = serve().await;
    let app = deploy_guests(&node, "http", "").await;
    let urlencoded = [("content-type", "application/x-www-form-urlencoded")];
    let fields = app.call("POST", "/forms", &urlencoded, "a=1+2&b=%C3%BC&a=3").await.json();
    assert_eq!(fields, json!([["a", "1 2"], ["b", "ü"], ["a", "3"]]));

    let multipart = [("content-type", "multipart/form-data; boundary=------b")];
    let body = "--------b\r\ncontent-disposition: form-data; name=\"text\"\r\n\r\nwörld\r\n\
                --------b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"ü.txt\"\r\n\
                content-type: text/plain\r\n\r\nits\r\ncontent\r\n--------b--\r\n";
    let fields = app.call("POST", "/forms", &multipart, body).await.json();
    assert_eq!(
        fields,
        json!([["text", "wörld"], ["file", "ü.txt", "text/plain", "its\r\ncontent"]])
    );

    // What it sends back is read by another of its invocations: the boundary is in the header.
    let sent = app.call("POST", "/forms?back", &multipart, body).await.expect(200);
    let kind = sent.header("content-type").to_owned();
    assert!(kind.starts_with("multipart/form-data; boundary="), "{kind}");
    let again = app.call("POST", "/forms", &[("content-type", &kind)], sent.body).await.json();
    assert_eq!(again, fields);

    let no_form = app.post("/forms", "text").await;
    assert_eq!((no_form.status, no_form.code().as_str()), (502, "function_error"));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_leave_as_they_were_made() {
    let node = serve().await;
    let app = deploy_guests(&node, "http", "").await;
    let get = async |name: &str| app.get(&format!("/answers/{name}")).await;

    let text = get("text").await.expect(200);
    assert_eq!(
        (text.text().as_str(), text.header("content-type")),
        ("grün", "text/plain;charset=UTF-8")
    );
    assert_eq!(text.header("content-length"), "5");
    assert_eq!(text.header("x-mayfly-invocation-id").len(), 36);
    assert_eq!(get("bytes").await.body, (0..=255).collect::<Vec<u8>>());
    let json = get("json").await.expect(201);
    assert_eq!(
        (json.text().as_str(), json.header("content-type")),
        (r#"{"a":[1,"ü"]}"#, "application/json")
    );
    let redirect = get("redirect").await.expect(307);
    assert_eq!(redirect.header("location"), "http://other.example/%C3%BC?x");
    let empty = get("empty").await.expect(204);
    assert!(empty.body.is_empty() && empty.header("content-length").is_empty());
    assert_eq!(get("unmodified").await.expect(304).header("etag"), "\"v1\"");
    let nothing = get("nothing").await.expect(200);
    assert_eq!((nothing.header("content-length"), nothing.header("content-type")), ("0", ""));
    let cookies = get("cookies").await.expect(200);
    assert_eq!(cookies.headers_named("set-cookie"), ["a=1", "b=2; HttpOnly"]);
    assert_eq!(cookies.headers_named("x-twice").join(", "), "1, 2");
    assert_eq!(get("latin").await.headers["x-latin"].as_bytes(), b"gr\xfcn");
    assert_eq!(get("teapot").await.expect(418).text(), "short and stout");
    let own = get("own").await.expect(200);
    assert_eq!((own.text().as_str(), own.header("content-length")), ("<b>hi</b>", "9"));
    assert_eq!(own.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(get("large").await.body.len(), 2_000_000);
    assert_eq!(get("promise").await.text(), "later");
    assert_eq!(get("thenable").await.text(), "thenable");
    assert_eq!(get("params?a=%20b&c").await.text(), "?a=%20b&c");

    // HEAD has the headers of GET and no body.
    let head = app.call("HEAD", "/answers/text", &[], "").await.expect(200);
    assert!(head.body.is_empty());
    assert_eq!(head.header("content-type"), "text/plain;charset=UTF-8");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_flow_in_both_directions_at_once() {
    let node = serve().await;
    let app = deploy_guests(&node, "http", "").await;

    // Each piece comes back before the next is sent, over HTTP/1.1 and HTTP/2.
    for protocol in ["HTTP/1.1", "HTTP/2"] {
        let (sender, body) = RequestBody::channel();
        let request = app.request("POST", "/mirror", &[], body);
        let mut connection = match protocol {
            "HTTP/2" => app.client().connect_h2c().await,
            _ => app.client().connect().await.unwrap(),
        };
        assert!(sender.send("first ").await);
        let mut reply = within("the head", connection.send(request)).await.unwrap();
        assert_eq!(within("a piece", reply.read(6)).await.unwrap(), b"FIRST ", "{protocol}");
        // A character cut in two.
        sender.send(&b"gr\xc3"[..]).await;
        assert_eq!(within("a piece", reply.read(2)).await.unwrap(), b"GR", "{protocol}");
        sender.send(&b"\xbcn"[..]).await;
        drop(sender);
        assert_eq!(within("the rest", reply.collect()).await.text(), "ÜN", "{protocol}");
    }

    // What a timer makes arrives when it is made, not at the end.
    let mut reply =
        app.open("GET", "/ticker?words=one,two,three", &[], RequestBody::empty()).await.unwrap();
    let mut pieces = Vec::new();
    while let Some(piece) = within("a word", reply.piece()).await {
        pieces.push(String::from_utf8(piece.unwrap().to_vec()).unwrap());
    }
    assert_eq!(pieces, ["one", "two", "three"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_who_stops_reading_stops_the_function() {
    let node = serve().await;
    let app = deploy_guests(&node, "http", "").await;
    let mut reply = app.open("GET", "/source", &[], RequestBody::empty()).await.unwrap();
    within("the first bytes", reply.read(1 << 20)).await.unwrap();
    let mut logs = node.logs("http");
    logs.containing("made 64").await;
    // It goes on until the sockets are full. Another request of the same node, answered meanwhile,
    // shows that it is not merely slow; then nothing more may have been made.
    let made = |lines: &[mayfly_testkit::LogLine]| {
        lines.iter().filter(|line| line.message.starts_with("made ")).count()
    };
    let mut last = usize::MAX;
    let stalled = mayfly_testkit::until("the stream to stall", async || {
        app.get("/answers/text").await.expect(200);
        let mut logs = node.logs("http");
        let now = made(logs.all().await);
        let stalled = now == std::mem::replace(&mut last, now);
        stalled.then_some(now)
    })
    .await;
    // 64 pieces of 16 KB make a line: sockets hold a few megabytes, and the stream is endless.
    assert!(stalled < 64, "{} MB were made for a reader who read one", stalled);
    // Reading on lets it go on.
    within("more bytes", reply.read(20 << 20)).await.unwrap();
    let mut logs = node.logs("http");
    logs.line("of more pieces", |line| line.message == format!("made {}", (stalled + 1) * 64))
        .await;
    drop(reply);
    app.get("/answers/text").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn work_goes_on_after_the_answer() {
    let node = serve().await;
    let app = deploy_guests(&node, "http", "").await;
    let answer = app.get("/after?id=7").await.expect(200);
    assert_eq!(answer.text(), "answered 7");
    let mut logs = node.logs("http");
    let before = logs.containing("before 7").await;
    let after = logs.containing("after 7").await;
    assert_eq!(before.invocation, after.invocation);
    assert_eq!(before.invocation, answer.header("x-mayfly-invocation-id"));
    // A node that is told to stop waits for it.
    let mut node = node;
    app.get("/after?id=8").await.expect(200);
    assert!(node.terminate().await.success());
    node.start_again().await;
    node.logs("http").containing("after 8").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_function_writes_reaches_its_log() {
    let node = serve().await;
    let app = deploy_guests(&node, "http", "").await;
    let id = app.get("/logs").await.expect(200).header("x-mayfly-invocation-id").to_owned();
    let mut logs = node.logs("http");
    logs.containing("from a timer").await;
    let lines = logs.all().await.to_vec();
    assert!(lines.iter().all(|line| line.function == "logs" && line.invocation == id));
    let told = |level: &str, text: &str| {
        let found = lines.iter().any(|line| line.level == level && line.message.contains(text));
        assert!(found, "no {level} line with `{text}` in {lines:#?}");
    };
    told("info", "plain text 42 3 1.5 {\"a\":1} % [");
    told("info", "nested: { list: [ 1, 'two', null, undefined ], map: Map(1) {");
    told("warn", "RangeError: warned");
    told("error", "red");
    told("debug", "detail Symbol(s) -0 [ <1 empty item>, 1 ]");
    told("info", "two\nlines");
    told("error", "Assertion failed: must be");
    told("info", "│ (index) │ a │ b │");
    told("info", "n: 2");
    told("info", "  inner");
    told("error", "Uncaught Error: in a microtask");
    told("error", "Unhandled rejection: Error: nobody cares");

    // What a handler throws is in the log with its stack, and not in the answer.
    let thrown = app.get("/logs?throw").await;
    assert_eq!((thrown.status, thrown.code().as_str()), (502, "function_error"));
    assert!(!thrown.text().contains("logs.js"), "{}", thrown.text());
    let line = logs.containing("Oops: it broke").await;
    assert_eq!(line.invocation, thrown.header("x-mayfly-invocation-id"));
    assert!(
        line.message.contains("http/logs.js:") && line.message.contains("beneath"),
        "{}",
        line.message
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn handlers_in_lambdas_style_answer_http() {
    let node = serve().await;
    let app = deploy_guests(&node, "events", "").await;

    let cookies =
        [("cookie", "a=1; b=2"), ("x-forwarded-for", "9.9.9.9"), ("content-type", "text/plain")];
    let seen =
        app.call("PUT", "/payload/p%20q?k=1&k=2&e=", &cookies, "grün").await.expect(200).json();
    let event = &seen["event"];
    assert_eq!(event["version"], "2.0");
    assert_eq!(event["requestContext"]["http"]["method"], "PUT");
    assert_eq!(event["rawQueryString"], "k=1&k=2&e=");
    assert_eq!(event["queryStringParameters"], json!({ "k": "1,2", "e": "" }));
    assert_eq!(event["cookies"], json!(["a=1", "b=2"]));
    assert_eq!(event["headers"]["x-forwarded-for"], "9.9.9.9");
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("grün"), &json!(false)));
    assert_eq!(event["requestContext"]["http"]["sourceIp"], "127.0.0.1");
    assert_eq!(seen["context"]["name"], "payload");
    assert_eq!(seen["context"]["left"], true);
    let binary =
        app.call("POST", "/payload", &[("content-type", "image/png")], &b"\x89P\xff"[..]).await;
    assert_eq!(binary.json()["event"]["isBase64Encoded"], true);
    assert_eq!(binary.json()["event"]["body"], "iVD/");

    let get = async |path: &str| app.get(path).await;
    let full = get("/shapes/full").await.expect(201);
    assert_eq!(
        (full.text().as_str(), full.header("x-a"), full.header("content-type")),
        ("body {}", "1", "text/css")
    );
    assert_eq!(full.headers_named("set-cookie"), ["a=1; Path=/", "b=2"]);
    assert_eq!(get("/shapes/base64").await.expect(200).body, &b"GIF89a\xff\x00\xff"[..]);
    let bare = get("/shapes/bare").await.expect(200);
    assert_eq!(
        (bare.text().as_str(), bare.header("content-type")),
        (r#"{"hello":["wörld"]}"#, "application/json")
    );
    assert_eq!(get("/shapes/string").await.expect(200).text(), "just text");
    assert_eq!(get("/shapes/number").await.expect(200).text(), "42");
    assert_eq!(get("/shapes/nothing").await.expect(200).text(), "null");
    assert!(get("/shapes/empty").await.expect(204).body.is_empty());
    assert_eq!(get("/shapes/object_body").await.expect(200).text(), r#"{"inner":true}"#);
    assert_eq!(get("/shapes/multi").await.expect(200).headers_named("x-many").join(", "), "1, 2");
    for wrong in ["bad_status", "bad_header", "bad_base64"] {
        assert_eq!(get(&format!("/shapes/{wrong}")).await.code(), "invalid_response", "{wrong}");
    }

    assert_eq!(get("/callback/home").await.expect(200).text(), "called back home");
    assert_eq!(get("/callback/twice").await.expect(200).text(), "first");
    for wrong in [
        "/callback/error",
        "/throwing/error",
        "/throwing/string",
        "/throwing/circular",
        "/throwing/forever",
    ] {
        let answer = get(wrong).await;
        assert_eq!((answer.status, answer.code().as_str()), (502, "function_error"), "{wrong}");
    }
    let mut logs = node.logs("events");
    logs.containing("RangeError: told by callback").await;
    logs.containing("TypeError: wrong type").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_are_invoked_by_the_admin_api() {
    let node = serve().await;
    deploy_guests(&node, "events", "").await;
    let result = node
        .invoke("events", "payload", json!({ "any": ["thing", null, 1.5] }))
        .await
        .expect(200)
        .json();
    assert_eq!(result["kind"], "event");
    assert_eq!(result["result"]["event"], json!({ "any": ["thing", null, 1.5] }));
    assert_eq!(result["result"]["context"]["request"], result["invocation_id"]);
    assert_eq!(result["result"]["context"]["memory"], "128");
    let shape = node.invoke("events", "shapes", json!({ "want": "full" })).await.expect(200).json();
    assert_eq!(shape["result"]["statusCode"], 201);
    let called =
        node.invoke("events", "callback", json!({ "want": "home" })).await.expect(200).json();
    assert_eq!(called["result"]["body"], "called back home");

    // A handler in fetch style gets a POST, and its answer is told as it is.
    let http = node.invoke("events", "fetching", json!([1])).await.expect(200).json();
    assert_eq!((&http["kind"], &http["status"]), (&json!("http"), &json!(200)));
    let body: Value = serde_json::from_str(http["body"].as_str().unwrap()).unwrap();
    assert_eq!(body, json!({ "method": "POST", "kind": "invoke", "event": [1] }));

    // The owner sees what was thrown.
    let thrown = node.invoke("events", "throwing", json!({})).await;
    assert_eq!((thrown.status, thrown.code().as_str()), (502, "function_error"));
    assert!(thrown.text().contains("wrong type"), "{}", thrown.text());
    assert_eq!(node.invoke("events", "absent", json!({})).await.status, 404);
    assert_eq!(node.invoke("absent", "payload", json!({})).await.status, 404);
}

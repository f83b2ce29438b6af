//! An application on Hono: the same code, from the same lockfile, as the `js` runtime runs it and as
//! Node does, request by request.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::path::Path;
use std::process::{Command, Stdio};

use common::{Killed, serve};
use mayfly_testkit::{Answer, App, Client, Output, RequestBody, repository, within};

/// Headers of the connection or of the platform, which differ for good reasons: whether a body is
/// sent with its length or in chunks is the server's choice.
const OF_THE_PLATFORM: [&str; 5] =
    ["date", "connection", "keep-alive", "transfer-encoding", "content-length"];

struct Request {
    method: &'static str,
    path: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

fn get(path: &'static str) -> Request {
    Request { method: "GET", path, headers: Vec::new(), body: Vec::new() }
}

fn send(method: &'static str, path: &'static str, kind: &str, body: impl Into<Vec<u8>>) -> Request {
    let headers = vec![("content-type", kind.to_owned())];
    Request { method, path, headers, body: body.into() }
}

impl Request {
    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

async fn ask(client: Client, request: &Request) -> Answer {
    // One host for both: the application sees it in its URLs.
    let mut made = http::Request::builder()
        .method(request.method)
        .uri(request.path)
        .header("host", "hono.localhost");
    for (name, value) in &request.headers {
        made = made.header(*name, value);
    }
    let made = made.body(RequestBody::full(request.body.clone())).unwrap();
    let what = format!("{} {}", request.method, request.path);
    within(&what, async {
        client.send(made).await.unwrap_or_else(|e| panic!("{what}: {e}")).collect().await
    })
    .await
}

/// What of an answer must be the same: names in their order within each name.
fn comparable(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let mut headers: Vec<_> = answer
        .headers
        .iter()
        .map(|(name, value)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .filter(|(name, _)| !OF_THE_PLATFORM.contains(&&**name) && !name.starts_with("x-mayfly-"))
        .collect();
    headers.sort_by(|a, b| a.0.cmp(&b.0));
    (answer.status, headers, answer.text())
}

fn requests(token: &str, signed: &str) -> Vec<Request> {
    let multipart = "multipart/form-data; boundary=bb";
    let form = "--bb\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\n1\r\n--bb\r\n\
                content-disposition: form-data; name=\"a\"\r\n\r\n2\r\n--bb\r\n\
                content-disposition: form-data; name=\"f\"; filename=\"ü.txt\"\r\n\
                content-type: text/plain\r\n\r\nin the file\r\n--bb--\r\n";
    let everything: Vec<u8> = (0..=255).collect();
    vec![
        get("/"),
        Request { method: "HEAD", ..get("/") },
        get("/json"),
        get("/pretty"),
        get("/pretty?pretty"),
        get("/params/a%20b/c/d%2Fe?x"),
        get("/optional"),
        get("/optional/gr%C3%BCn"),
        get("/number/42"),
        get("/number/x"),
        get("/query?q=1&q=%C3%BC+2&r="),
        get("/headers").with("accept", "text/x").with("x-own", "own"),
        get("/id"),
        get("/page/%3Cscript%3E"),
        get("/redirect"),
        get("/empty"),
        get("/bytes"),
        get("/secure/page"),
        get("/open/data"),
        get("/open/data").with("origin", "https://example.com"),
        get("/open/data").with("origin", "https://evil.example"),
        Request { method: "OPTIONS", ..get("/open/data") }
            .with("origin", "https://example.com")
            .with("access-control-request-method", "PUT")
            .with("access-control-request-headers", "x-a, x-b"),
        get("/tagged/page"),
        get("/tagged/page").with("if-none-match", "\"stale\""),
        get("/account"),
        get("/account").with("authorization", "Basic YWRhOmxvdmVsYWNl"),
        get("/account").with("authorization", "Basic YWRhOndyb25n"),
        get("/token/who"),
        get("/token/who").with("authorization", format!("Bearer {token}")),
        get("/token/who").with("authorization", format!("Bearer {token}x")),
        get("/issue"),
        get("/cookies/set"),
        get("/cookies/get"),
        get("/cookies/get").with("cookie", format!("plain=x; {signed}")),
        get("/cookies/get").with("cookie", "signed=value.forged; odd=%zz"),
        send("POST", "/form", "application/x-www-form-urlencoded", "a=1&a=2&b=%C3%BC+x"),
        send("POST", "/form", multipart, form),
        send("POST", "/form", "text/plain", "no form"),
        send("POST", "/echo", "application/octet-stream", everything),
        send("POST", "/echo", "text/plain", "x".repeat(200_000)),
        send("POST", "/echo", "text/plain", ""),
        send("POST", "/limited", "text/plain", "short"),
        send("POST", "/limited", "text/plain", "much longer than ten"),
        send("POST", "/valid", "application/json", "{\"n\":21}"),
        send("POST", "/valid", "application/json", "{\"n\":\"x\"}"),
        send("POST", "/valid", "application/json", "{"),
        get("/stream/text"),
        get("/stream/bytes"),
        get("/stream/pipe"),
        get("/stream/events"),
        send("PUT", "/several", "text/plain", ""),
        Request { method: "DELETE", ..get("/several") },
        Request { method: "DELETE", ..get("/any") },
        get("/api/v1/books"),
        get("/api/v1/books/1"),
        get("/api/v1/books/2"),
        send("PUT", "/api/v1/books/3", "application/json", "{\"title\":\"x\"}"),
        Request { method: "DELETE", ..get("/api/v1/books/1") },
        get("/mounted/below/it?q"),
        get("/fails"),
        get("/refuses"),
        get("/nowhere"),
        get("//double//slashes"),
        get("/trailing/"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hono_application_answers_as_it_does_under_node() {
    let app = App::new().copy_of(&repository("tests/scenarios/hono"));
    install(app.directory());
    let node = serve().await;
    node.deploy(&app).await.unwrap_or_else(|error| panic!("{error}"));
    let ours = node.client();

    let mut child = Command::new("node")
        .arg("src/node.mjs")
        .current_dir(app.directory())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("this test compares with Node, which is not here: {error}"));
    let out = Output::read(child.stdout.take().unwrap());
    let _child = Killed(child);
    let address = within("Node's readiness", out.line(0, |line| line.parse().ok())).await;
    let theirs = Client::new(address.expect("Node ended").0);

    let token = ask(theirs, &get("/issue")).await.text();
    let signed = ask(theirs, &get("/cookies/set")).await;
    let signed =
        signed.headers_named("set-cookie").into_iter().find(|cookie| cookie.starts_with("signed="));
    let signed = signed.unwrap().split(';').next().unwrap().to_owned();
    let tag = ask(theirs, &get("/tagged/page")).await.header("etag").to_owned();
    let mut all = requests(&token, &signed);
    all.push(get("/tagged/page").with("if-none-match", tag));

    let mut failures = Vec::new();
    for request in &all {
        let (ours, theirs) = (ask(ours, request).await, ask(theirs, request).await);
        let (ours, theirs) = (comparable(&ours), comparable(&theirs));
        if ours != theirs {
            failures.push(format!(
                "{} {}\n  here: {ours:?}\n  Node: {theirs:?}",
                request.method, request.path
            ));
        }
    }
    assert!(
        failures.is_empty(),
        "{} of {} differ:\n{}",
        failures.len(),
        all.len(),
        failures.join("\n")
    );
}

/// Installs what the lockfile names, and nothing else.
fn install(directory: &Path) {
    let output = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"])
        .current_dir(directory)
        .output()
        .unwrap_or_else(|error| panic!("this test needs npm: {error}"));
    assert!(output.status.success(), "npm ci: {}", String::from_utf8_lossy(&output.stderr));
}

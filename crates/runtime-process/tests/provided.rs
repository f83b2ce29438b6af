//! Programs that speak Lambda's Runtime API, by AWS's own clients.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use common::{Function, body, function, function_of};
use mayfly_runtime_api::{LogLevel, PrepareError, Reply};
use mayfly_types::{
    ByteSize, FaultCode, FunctionConfig, HandlerStyle, Isolation, RuntimeKind, TimeSpan,
};
use serde_json::{Value, json};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A function by the crate lambda_runtime.
static RUST: LazyLock<Vec<u8>> = LazyLock::new(|| built("provided"));

/// A guest that cargo builds.
fn built(name: &str) -> Vec<u8> {
    let guest = repository().join("tests/guests").join(name);
    let target = repository().join("target/guests");
    let build = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--manifest-path"])
        .arg(guest.join("Cargo.toml"))
        .env("CARGO_TARGET_DIR", &target)
        .output()
        .unwrap();
    assert!(build.status.success(), "{}", String::from_utf8_lossy(&build.stderr));
    std::fs::read(target.join(format!("debug/{name}-guest"))).unwrap()
}

async fn rust(change: impl FnOnce(&mut FunctionConfig)) -> Function {
    function_of(RuntimeKind::Provided, &[("bootstrap", &RUST)], |config| {
        config.entry = "bootstrap".into();
        change(config);
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rust_client_answers_a_thousand_in_a_row_from_one_process() {
    let function = rust(|_| ()).await;
    assert_eq!(function.prepare().await.unwrap(), HandlerStyle::Event);
    let instance = function.start().await;
    for n in 0..1000 {
        let answer = function.event(&instance, &format!("{{\"n\":{n}}}")).await.unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let id = answer["id"].as_str().unwrap();
        assert_eq!(
            answer,
            json!({ "n": n, "id": id, "name": "function", "memory": 256, "token": "s3cret",
                "arn": "arn:aws:lambda:local:000000000000:function:app/function",
                "here": "/var/task" })
        );
        assert_eq!(id.len(), 36);
    }
}

/// A web server that knows nothing of functions, behind AWS's adapter.
#[tokio::test(flavor = "multi_thread")]
async fn a_web_server_answers_behind_the_web_adapter() {
    let server = "import http.server, os\n\
        class Handler(http.server.BaseHTTPRequestHandler):\n\
        \x20   def do_GET(self): self.answer(b'')\n\
        \x20   def do_POST(self): self.answer(self.rfile.read(int(self.headers['content-length'])))\n\
        \x20   def answer(self, body):\n\
        \x20       self.send_response(418)\n\
        \x20       self.send_header('x-seen', self.command + ' ' + self.path)\n\
        \x20       self.end_headers()\n\
        \x20       self.wfile.write(body or b'nothing')\n\
        http.server.HTTPServer(('127.0.0.1', 8080), Handler).serve_forever()\n";
    let start = "#!/bin/sh\npython3 server.py &\nexec ./adapter\n";
    let adapter = built("adapter");
    let files: [(&str, &[u8]); 3] =
        [("bootstrap", start.as_bytes()), ("server.py", server.as_bytes()), ("adapter", &adapter)];
    let function = function_of(RuntimeKind::Provided, &files, |config| {
        config.entry = "bootstrap".into();
    });
    let function = function.await;
    assert_eq!(function.prepare().await.unwrap(), HandlerStyle::Event);
    let instance = function.start().await;
    for (method, body, answer) in [("GET", "", "nothing"), ("POST", "a body", "a body")] {
        let event = json!({
            "version": "2.0", "routeKey": "$default", "rawPath": "/a/b", "rawQueryString": "c=d",
            "headers": { "host": "localhost", "content-length": body.len().to_string() },
            "requestContext": {
                "accountId": "0", "apiId": "a", "domainName": "localhost", "domainPrefix": "a",
                "http": { "method": method, "path": "/a/b", "protocol": "HTTP/1.1",
                    "sourceIp": "127.0.0.1", "userAgent": "" },
                "requestId": "1", "routeKey": "$default", "stage": "$default",
                "time": "21/Nov/2026:15:35:41 +0000", "timeEpoch": 1_795_275_341_000_u64,
            },
            "body": body, "isBase64Encoded": false,
        });
        let said = function.event(&instance, &event.to_string()).await.unwrap();
        let said: Value = serde_json::from_str(&said).unwrap();
        assert_eq!((&said["statusCode"], &said["body"]), (&json!(418), &json!(answer)), "{said}");
        assert_eq!(said["headers"]["x-seen"], format!("{method} /a/b?c=d"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_ended_leaves_no_socket_behind() {
    let function = rust(|config| config.isolation = Isolation::Invocation).await;
    let instance = function.start().await;
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let mut before = 0;
    for n in 0..40 {
        if n == 20 {
            before = open();
        }
        function.event(&instance, "{}").await.unwrap();
    }
    // Nothing tells when the last has ended.
    let mut after = open();
    for _ in 0..1000 {
        if after < before + 10 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        after = open();
    }
    panic!("{before} descriptors before 20 processes, {after} after them");
}

#[tokio::test(flavor = "multi_thread")]
async fn payloads_of_six_megabytes_go_both_ways_and_longer_ones_are_refused() {
    let function = rust(|_| ()).await;
    let instance = function.start().await;
    let event = json!({ "way": "length", "text": "y".repeat(6_000_000) }).to_string();
    assert_eq!(function.event(&instance, &event).await.unwrap(), "6000000");
    let long = |length: u32| json!({ "way": "long", "length": length }).to_string();
    let answer = function.event(&instance, &long(6_000_000)).await.unwrap();
    assert_eq!(answer.len(), 6_000_002);
    let failure = function.event(&instance, &long(7_000_000)).await.expect_err("too long");
    assert_eq!(failure.fault.code, FaultCode::InvalidResponse);
    assert_eq!(function.event(&instance, &long(1)).await.unwrap(), "\"x\"");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_of_failing_has_its_code_and_the_next_call_is_fine() {
    let function = rust(|config| config.timeout = TimeSpan::millis(1_000)).await;
    let instance = function.start().await;
    for (way, code, log) in [
        ("error", FaultCode::FunctionError, "thrown on purpose"),
        ("exit", FaultCode::FunctionCrashed, "code 3"),
        ("sleep", FaultCode::Timeout, "timeout of 1s"),
    ] {
        function.lines.0.lock().unwrap().clear();
        let failure = function.event(&instance, &format!("{{\"way\":\"{way}\"}}")).await;
        let failure = failure.expect_err(way);
        assert_eq!(failure.fault.code, code, "{way}: {:?}", failure.fault);
        assert!(!failure.fault.message.contains("purpose"), "{way}: a caller learns it");
        let lines = function.lines.0.lock().unwrap().clone();
        assert!(lines.iter().any(|(_, _, line)| line.contains(log)), "{way}: {lines:?}");
        assert_eq!(function.event(&instance, "{\"way\":\"length\"}").await.unwrap(), "0", "{way}");
    }
    if function.bounds_memory() {
        // What it computes is metered by its group.
        let Reply::Event { rest, .. } =
            function.reply(&instance, "{\"way\":\"spin\"}").await.unwrap()
        else {
            panic!("no result")
        };
        let outcome = common::outcome(rest).await;
        assert!((30_000..10_000_000).contains(&outcome.cpu_us), "{outcome:?}");
    }
    function.event(&instance, "{\"way\":\"print\"}").await.unwrap();
    // The pipe and the answer are two ways out.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    for (level, said) in [(LogLevel::Info, "printed"), (LogLevel::Error, "and an error")] {
        while !function
            .lines
            .0
            .lock()
            .unwrap()
            .iter()
            .any(|(_, l, line)| *l == level && line == said)
        {
            assert!(std::time::Instant::now() < deadline, "{said}");
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streamed_answer_comes_in_pieces_with_its_head() {
    let function = rust(|config| _ = config.env.insert("STREAMS".into(), "1".into())).await;
    let instance = function.start().await;
    match function.reply(&instance, "{}").await.unwrap() {
        Reply::Http { head, body: reply } => {
            assert_eq!(head.status, 418);
            assert_eq!(head.headers["x-kind"], "streamed");
            assert_eq!(head.headers.get_all("set-cookie").iter().count(), 2);
            let (pieces, fault) = body(reply).await;
            assert_eq!(pieces.concat(), "piece 0\npiece 1\npiece 2\n");
            assert!(fault.is_none(), "{fault:?}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_client_of_awss_sends_is_answered_by_the_rules() {
    let bootstrap = r#"#!/usr/bin/python3
import base64, http.client, json, os
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
BASE = "/2018-06-01/runtime/invocation/"

def ask(method, path, body=None, headers={}):
    api.request(method, path, body, headers)
    answer = api.getresponse()
    return answer.status, answer.headers, answer.read()

while True:
    _, headers, event = ask("GET", BASE + "next")
    assert headers["content-type"] == "application/json"
    own = BASE + headers["lambda-runtime-aws-request-id"]
    way = json.loads(event)
    if way == "trailers":
        error = base64.b64encode(b'{"errorType":"Late","errorMessage":"half way"}').decode()
        api.putrequest("POST", own + "/response")
        for name, value in {"Lambda-Runtime-Function-Response-Mode": "streaming", "Transfer-Encoding": "chunked",
                "Content-Type": "text/x", "Trailer": "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body"}.items():
            api.putheader(name, value)
        api.endheaders()
        api.send(b"5\r\nfirst\r\n0\r\nLambda-Runtime-Function-Error-Type: Late\r\n"
            b"Lambda-Runtime-Function-Error-Body: " + error.encode() + b"\r\n\r\n")
        assert api.getresponse().read() == b'{"status":"OK"}'
    elif way == "wrong":
        said = [ask("POST", BASE + "0/response", b"1")[0], ask("GET", "/nowhere")[0], ask("PUT", own + "/response", b"1")[0]]
        ask("POST", own + "/response", json.dumps(said))
        assert ask("POST", own + "/response", b"2")[0] == 400
        assert ask("POST", own + "/error", b"{}")[0] == 400
    else:
        ask("POST", own + "/error", json.dumps({"errorMessage": "mine", "errorType": "Own", "stackTrace": ["a", "b"]}))
"#;
    let files = [("bootstrap", bootstrap)];
    let function = function(RuntimeKind::Provided, &files, |_| ()).await;
    let instance = function.start().await;
    assert_eq!(function.event(&instance, "\"wrong\"").await.unwrap(), "[400, 404, 405]");
    match function.reply(&instance, "\"trailers\"").await.unwrap() {
        Reply::Http { head, body: reply } => {
            assert_eq!(
                (head.status.as_u16(), head.headers["content-type"].to_str().unwrap()),
                (200, "text/x")
            );
            let (pieces, fault) = body(reply).await;
            assert_eq!(pieces.concat(), "first");
            assert_eq!(fault.unwrap().code, FaultCode::FunctionError);
        }
        other => panic!("{other:?}"),
    }
    let failure = function.event(&instance, "\"error\"").await.expect_err("an error");
    assert_eq!(failure.fault.code, FaultCode::FunctionError);
    let lines = function.lines.0.lock().unwrap().clone();
    for said in ["Late: half way", "Own: mine\n  a\n  b"] {
        assert!(lines.iter().any(|(_, _, line)| line.contains(said)), "{said}: {lines:?}");
    }
    assert_eq!(lines.len(), 2, "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_that_never_ask_for_work_are_refused_with_what_they_said() {
    let fails = rust(|config| _ = config.env.insert("FAILS_AT_START".into(), "1".into())).await;
    let crashes =
        function(RuntimeKind::Provided, &[("bootstrap", "#!/bin/sh\nkill -11 $$\n")], |_| ());
    let text = function(RuntimeKind::Provided, &[("bootstrap", "no program at all")], |_| ());
    for (function, said) in [
        (fails, vec!["code 7", "it fails at its start"]),
        (crashes.await, vec!["signal 11"]),
        (text.await, vec!["bootstrap"]),
    ] {
        match function.prepare().await {
            Err(PrepareError::Code(diagnostics)) => {
                for said in said {
                    assert!(diagnostics[0].message.contains(said), "{}", diagnostics[0].message);
                }
            }
            other => panic!("{other:?}"),
        }
    }
}

/// A function by awslambdaric, with Debian's own Python.
async fn python(source: &str, change: impl FnOnce(&mut FunctionConfig)) -> Function {
    let bootstrap = "#!/bin/sh\nexec /usr/bin/python3 -m awslambdaric \"$_HANDLER\"\n";
    let files = [("bootstrap", bootstrap), ("app.py", source)];
    let function = function(RuntimeKind::Provided, &files, |config| {
        config.handler = Some("app.handler".into());
        change(config);
    })
    .await;
    let install = Command::new("/usr/bin/python3")
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"])
        .args(["--root-user-action=ignore", "--break-system-packages"])
        .args(["--target".as_ref(), function.code.as_os_str(), "awslambdaric==4.2.2".as_ref()])
        .output()
        .unwrap();
    assert!(install.status.success(), "{}", String::from_utf8_lossy(&install.stderr));
    function
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_client_runs_as_it_is() {
    let source = "
import os, sys, time

def handler(event, context):
    way = event.get('way')
    if way == 'raise': raise KeyError('missing thing')
    if way == 'exit': os._exit(3)
    if way == 'sleep': time.sleep(60)
    if way == 'length': return len(event['text'])
    if way == 'long': return 'x' * event['length']
    print('printed', context.aws_request_id == event.get('id'))
    return {'n': event.get('n'), 'name': context.function_name, 'token': os.environ['TOKEN'],
        'left': 0 < context.get_remaining_time_in_millis() <= 2000}
";
    let function = python(source, |config| {
        config.timeout = TimeSpan::millis(2_000);
        config.memory = ByteSize::mb(512);
    })
    .await;
    let instance = function.start().await;
    for n in 0..1000 {
        let answer = function.event(&instance, &format!("{{\"n\":{n}}}")).await.unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let expected = json!({ "n": n, "name": "function", "token": "s3cret", "left": true });
        assert_eq!(answer, expected);
    }
    let event = json!({ "way": "length", "text": "y".repeat(6_000_000) }).to_string();
    assert_eq!(function.event(&instance, &event).await.unwrap(), "6000000");
    let event = json!({ "way": "long", "length": 6_000_000 }).to_string();
    assert_eq!(function.event(&instance, &event).await.unwrap().len(), 6_000_002);
    for (way, code, log) in [
        ("raise", FaultCode::FunctionError, "KeyError"),
        ("exit", FaultCode::FunctionCrashed, "code 3"),
        ("sleep", FaultCode::Timeout, "timeout of 2s"),
    ] {
        function.lines.0.lock().unwrap().clear();
        let failure = function.event(&instance, &format!("{{\"way\":\"{way}\"}}")).await;
        let failure = failure.expect_err(way);
        assert_eq!(failure.fault.code, code, "{way}: {:?}", failure.fault);
        let lines = function.lines.0.lock().unwrap().clone();
        assert!(lines.iter().any(|(_, _, line)| line.contains(log)), "{way}: {lines:?}");
        assert!(function.event(&instance, "{}").await.is_ok(), "after {way}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_at_the_start_of_the_python_client_is_told() {
    let function = python("raise RuntimeError('at the top')", |_| ()).await;
    match function.prepare().await {
        Err(PrepareError::Code(diagnostics)) => {
            assert!(diagnostics[0].message.contains("at the top"), "{}", diagnostics[0].message);
        }
        other => panic!("{other:?}"),
    }
}

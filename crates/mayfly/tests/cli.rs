//! The command line as a process, against a node that is a script.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support {
    pub(crate) mod node;
    pub(crate) mod run;
}

use std::fs;

use support::node::{Node, Reply, Seen};
use support::run::{Mayfly, Output};

const ID: &str = "01990000-0000-7000-8000-000000000000";

fn error(status: u16, body: &str) -> Reply {
    Reply::Json(status, format!(r#"{{"error":{body}}}"#))
}

/// Everything that a deployment asks of a node, with `answer` for the deployment itself.
fn deployment(seen: &Seen, answer: Reply) -> Reply {
    match (seen.method(), seen.path()) {
        ("POST", "/v1/artifacts/missing") => {
            let digests = seen.json()["digests"].to_string();
            Reply::Json(200, format!(r#"{{"missing":{digests}}}"#))
        }
        ("PUT", path) if path.starts_with("/v1/artifacts/") => Reply::Json(204, String::new()),
        ("POST", "/v1/deployments") => answer,
        other => panic!("{other:?}"),
    }
}

fn deployed() -> Reply {
    let body = r#"{"app":"hello","release":1,"live":[[1,100]],
        "urls":["http://hello.localhost:8080/"],"notes":[],
        "functions":[{"app":"hello","function":"hello","runtime":"js",
            "revision":"1f2e3d4c5b6a","changed":true,"routes":["/"]}]}"#;
    Reply::Json(201, body.to_owned())
}

#[test]
fn mayfly_alone_shows_the_way_in() {
    let Output { code, out, .. } = Mayfly::new().run(&[]);
    assert_eq!(code, 0);
    assert!(out.contains("mayfly init"), "{out}");
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_is_right() {
    let mayfly = Mayfly::new();
    let told = [
        &["deply"][..],
        &["invoke"],
        &["logs", "a/b/c"],
        &["deploy", "--canary", "0"],
        &["deploy", "--canary", "5", "--no-live"],
        &["list", "--format", "xml"],
        &["delete", "photos"],
        &["live", "photos", "7=x"],
        &["invoke", "photos/thumb", "--delay", "10s"],
        &["list", "--url", "localhost:8081"],
        &["init", "shop"],
        &["releases"],
    ]
    .map(|args| {
        let Output { code, out, err } = mayfly.run(args);
        assert_eq!((code, out.as_str()), (2, ""), "{args:?}: {err}");
        format!("$ mayfly {}\n{err}", args.join(" "))
    });
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn a_node_that_is_not_there_is_named_with_the_way_to_start_one() {
    let Output { code, err, .. } = Mayfly::new().run(&["list", "--url", "http://127.0.0.1:1"]);
    assert_eq!(code, 1);
    insta::assert_snapshot!(err);
}

#[test]
fn a_file_is_deployed_once_though_the_connection_breaks() {
    let mut tries = 0;
    let node = Node::start(move |seen| {
        tries += i32::from(seen.path() == "/v1/deployments");
        deployment(seen, if tries == 1 { Reply::Break } else { deployed() })
    });
    let mayfly = Mayfly::new();
    mayfly.write("hello.js", "export default {}");
    let Output { code, out, err } = mayfly.node(&node).run(&["deploy", "hello.js"]);
    assert_eq!((code, err.as_str()), (0, ""));
    insta::with_settings!({filters => vec![(r"in \d.*s\n", "in [TIME]\n")]}, {
        insta::assert_snapshot!(out);
    });

    let seen = node.seen();
    let deploys: Vec<&Seen> = seen.iter().filter(|s| s.path() == "/v1/deployments").collect();
    let [first, second] = deploys[..] else { panic!("{} deployments", deploys.len()) };
    assert_eq!(first.header("idempotency-key"), second.header("idempotency-key"));
    assert!(first.header("idempotency-key").is_some());
    let request = second.json();
    assert_eq!(request["manifest"], "app = \"hello\"\n\n[functions.hello]\ncode = \"hello.js\"\n");
    assert_eq!(request["artifacts"]["hello"]["files"][0], "hello.js");
    assert_eq!(request["go_live"], "all");
    let upload = seen.iter().find(|seen| seen.method() == "PUT").unwrap();
    let digest = request["artifacts"]["hello"]["artifact"].as_str().unwrap();
    assert!(upload.path().ends_with(digest));
    assert!(seen.iter().all(|seen| seen.header("authorization") == Some("Bearer t0ken")));
}

#[test]
fn a_canary_under_another_name_is_asked_for_as_such() {
    let node = Node::start(|seen| deployment(seen, deployed()));
    let mayfly = Mayfly::new();
    mayfly.write("mayfly.toml", "app = \"photos\"\n[functions.a]\ncode = \"a.js\"\n");
    mayfly.write("a.js", "export default {}");
    let args = ["deploy", "--canary", "10", "--app", "staging", "--format", "json"];
    let Output { code, out, .. } = mayfly.node(&node).run(&args);
    assert_eq!(code, 0);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&out).unwrap()["release"], 1);
    let seen = node.seen();
    let request = seen.last().unwrap().json();
    assert_eq!(request["go_live"]["percent"], 10);
    assert!(request["manifest"].as_str().unwrap().starts_with("app = \"staging\"\n"));
}

#[test]
fn mistakes_are_shown_where_they_are() {
    let node = Node::start(|seen| {
        let body = r#"{"code":"invalid","message":"hello.js:1:16: unexpected token",
            "retryable":false,"details":[{"message":"unexpected token","file":"hello.js","line":1,
            "column":16,"source":"export default }","help":"close what is open"}]}"#;
        deployment(seen, error(422, body))
    });
    let mayfly = Mayfly::new().node(&node);
    mayfly.write("hello.js", "export default }");
    let code = mayfly.run(&["deploy", "hello.js"]);
    mayfly.write(
        "mayfly.toml",
        "app = \"photos\"\n[functions.a]\ncode = \"a.js\"\ntimeot = \"1s\"\n",
    );
    let manifest = mayfly.run(&["deploy"]);
    assert_eq!((code.code, manifest.code), (1, 1));
    insta::assert_snapshot!(format!("{}\n{}", code.err, manifest.err));
}

#[test]
fn an_invocation_prints_its_result_or_its_fault() {
    let node = Node::start(|seen| match seen.path() {
        "/v1/apps/photos/functions/event/invocations" => {
            assert_eq!(seen.body(), br#"{"id": 7}"#);
            let result = r#"{"big":12345678901234567890123,"x":1.0}"#;
            let body = format!(r#"{{"invocation_id":"{ID}","kind":"event","result":{result}}}"#);
            Reply::Json(200, body)
        }
        "/v1/apps/photos/functions/http/invocations" => {
            let body = format!(
                r#"{{"invocation_id":"{ID}","kind":"http","status":404,"headers":[],
                    "body":"no such photo","base64":false}}"#
            );
            Reply::Json(200, body)
        }
        _ => {
            let body = format!(
                r#"{{"code":"function_error","message":"the function threw","retryable":false,
                    "details":[],"detail":"Error: no\n    at fetch (a.js:1:2)",
                    "invocation_id":"{ID}"}}"#
            );
            error(502, &body)
        }
    });
    let mayfly = Mayfly::new().node(&node);
    let event = mayfly.run(&["invoke", "photos/event", "--data", r#"{"id": 7}"#]);
    assert_eq!((event.code, event.err.as_str()), (0, ""));
    assert_eq!(event.out, "{\"big\":12345678901234567890123,\"x\":1.0}\n");
    mayfly.write("mayfly.toml", "app = \"photos\"\n");
    let http = mayfly.run(&["invoke", "http"]);
    assert_eq!(
        (http.code, http.out.as_str(), http.err.as_str()),
        (1, "no such photo", "HTTP 404\n")
    );
    let fault = mayfly.run(&["invoke", "photos/throws"]);
    assert_eq!((fault.code, fault.out.as_str()), (1, ""));
    insta::assert_snapshot!(fault.err);
}

#[test]
fn logs_are_asked_for_by_function_time_and_invocation() {
    let node = Node::start(|_| {
        let line = r#"{"time":"2026-11-21T07:04:05.678901Z","app":{"tenant":"default","app":"photos"},
            "function":"thumb","level":"info","message":"a\u001b[2Jb"}"#;
        Reply::Json(200, format!(r#"{{"lines":[{line}],"position":7}}"#))
    });
    let mayfly = Mayfly::new().node(&node);
    let text = mayfly.run(&["logs", "photos"]);
    assert_eq!(text.code, 0);
    assert!(text.out.ends_with(" info  thumb a\\u{1b}[2Jb\n"), "{:?}", text.out);
    let since = "2026-11-21T00:00:00Z";
    let args = ["logs", "photos/thumb", "--since", since, "--invocation", ID, "-n", "5"];
    let json = mayfly.run(&[&args[..], &["--format", "json"]].concat());
    let line: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(line["message"], "a\u{1b}[2Jb");
    let seen = node.seen();
    assert_eq!(seen[0].path(), "/v1/apps/photos/logs?limit=100");
    assert_eq!(
        seen[1].path(),
        format!(
            "/v1/apps/photos/logs?limit=5&function=thumb&invocation={ID}&since=2026-11-21T00:00:00Z"
        )
    );
}

#[test]
fn a_secret_comes_from_a_pipe_or_a_variable() {
    let node = Node::start(|_| Reply::Json(204, String::new()));
    let mayfly = Mayfly::new().node(&node);
    let set = ["secret", "set", "API_KEY", "--app", "photos"];
    let piped = mayfly.run_with(&set, "s3cr3t\n");
    assert_eq!((piped.code, piped.out.as_str()), (0, "set API_KEY of photos\n"));
    let args = [&set[..], &["--from-env", "MAYFLY_TOKEN"]].concat();
    assert_eq!(mayfly.run(&args).code, 0);
    assert_eq!(mayfly.run(&set).code, 2, "an empty value is refused");
    let seen = node.seen();
    let values: Vec<_> = seen.iter().map(|seen| seen.json()["value"].clone()).collect();
    assert_eq!(values, ["s3cr3t", "t0ken"]);
    assert_eq!(seen[0].path(), "/v1/apps/photos/secrets/API%5FKEY");
}

#[test]
fn an_app_is_deleted_when_the_command_says_yes() {
    let node = Node::start(|_| Reply::Json(204, String::new()));
    let mayfly = Mayfly::new().node(&node);
    assert_eq!(mayfly.run(&["delete", "photos"]).code, 2);
    assert!(node.seen().is_empty());
    assert_eq!(mayfly.run(&["delete", "photos", "--yes"]).out, "deleted photos\n");
    let seen = node.seen();
    assert_eq!((seen[0].method(), seen[0].path()), ("DELETE", "/v1/apps/photos"));
}

#[test]
fn a_node_is_saved_only_when_it_knows_the_token() {
    let node = Node::start(|seen| match seen.header("authorization") {
        Some("Bearer good") => Reply::Json(200, r#"{"apps":[]}"#.to_owned()),
        _ => error(401, r#"{"code":"unauthorized","message":"no","retryable":false}"#),
    });
    let mayfly = Mayfly::new();
    let login = ["login", node.url(), "--token-file", "-"];
    let refused = mayfly.run_with(&login, "bad\n");
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("wants another token"), "{}", refused.err);
    assert_eq!(mayfly.run_with(&login, "good\n").code, 0);
    let list = mayfly.run(&["list"]);
    assert_eq!((list.code, list.err.as_str()), (0, "no apps yet: `mayfly deploy` makes one\n"));
}

#[test]
fn a_running_dev_is_found_and_its_only_app_is_meant() {
    let app = r#"{"app":"hello","live":[[1,100]],"newest":1,"moved":"1970-01-01T00:00:00Z","urls":[],"functions":[]}"#;
    let node = Node::start(move |seen| match seen.path() {
        "/v1/apps" => Reply::Json(200, format!(r#"{{"apps":[{app}]}}"#)),
        path => {
            assert_eq!(path, "/v1/apps/hello/releases?limit=20");
            Reply::Json(200, r#"{"releases":[]}"#.to_owned())
        }
    });
    let mayfly = Mayfly::new();
    mayfly.write(".mayfly/admin", node.url());
    mayfly.write(".mayfly/token", "t0ken\n");
    let Output { code, err, .. } = mayfly.run(&["releases"]);
    assert_eq!(code, 0, "{err}");
    assert_eq!(node.seen()[0].header("authorization"), Some("Bearer t0ken"));
}

#[test]
fn an_app_is_started_from_a_template_and_nothing_is_written_over() {
    let mayfly = Mayfly::new();
    let Output { code, out, .. } = mayfly.run(&["init", "api", "shop"]);
    assert_eq!(code, 0);
    assert!(out.contains("cd shop"), "{out}");
    let manifest = mayfly.directory().join("shop/mayfly.toml");
    assert!(fs::read_to_string(&manifest).unwrap().starts_with("app = \"shop\"\n"));
    fs::write(&manifest, "mine").unwrap();
    let again = mayfly.run(&["init", "js", "shop"]);
    assert_eq!(again.code, 1);
    assert!(again.err.contains("shop/mayfly.toml"), "{}", again.err);
    assert_eq!(fs::read_to_string(&manifest).unwrap(), "mine");
    assert!(!mayfly.directory().join("shop/index.js").exists());
    let Output { code, out, .. } = mayfly.run(&["init", "wasm-rust", "words"]);
    assert_eq!(code, 0);
    assert!(out.contains("cargo build --release --target wasm32-wasip2"), "{out}");
}

#[test]
fn the_doctor_tells_programs_what_it_tells_people() {
    let Output { out, .. } = Mayfly::new().run(&["doctor", "--format", "json"]);
    let checks: Vec<serde_json::Value> = serde_json::from_str(&out).unwrap();
    assert!(checks.iter().any(|check| check["name"] == "kernel"));
}

#[test]
fn a_shell_gets_its_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let Output { code, out, .. } = Mayfly::new().run(&["completions", shell]);
        assert_eq!(code, 0);
        assert!(out.contains("rollback"), "{shell}");
    }
}

//! Reading logs and waiting for them.

use std::time::Duration;

use axum::body::Body;
use mayfly_state_api::{LogLine, LogStore};
use mayfly_types::{FunctionName, InvocationId};
use serde_json::{Value, json};

use crate::harness::{Node, app};

fn line(name: &str, function: &str, message: &str) -> LogLine {
    LogLine {
        time_us: 1,
        app: app(name),
        function: FunctionName::new(function).unwrap(),
        invocation: Some(InvocationId::new()),
        level: "info".into(),
        message: message.into(),
    }
}

fn messages(answer: &Value) -> Vec<&str> {
    let lines = answer["lines"].as_array().unwrap().iter();
    lines.map(|line| line["message"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn lines_are_read_from_a_position_on() {
    let node = Node::start().await;
    for (function, message) in [("a", "1"), ("b", "2"), ("a", "3")] {
        node.logs.append(line("photos", function, message));
    }
    let all = node.get("/v1/apps/photos/logs").await.expect(200).json();
    assert_eq!((messages(&all), &all["position"]), (vec!["1", "2", "3"], &json!(3)));
    let some = node.get("/v1/apps/photos/logs?function=a&after=1").await.expect(200).json();
    assert_eq!(messages(&some), ["3"]);
    node.get("/v1/apps/photos/logs?invocation=7").await.error(400, "bad_request");
}

#[tokio::test]
async fn a_waiting_reader_wakes_when_its_line_is_written() {
    let node = Node::start().await;
    let wait = node.get("/v1/apps/photos/logs?function=a&wait_ms=60000");
    let write = async {
        // It has read and found nothing: from here on it waits.
        node.logs.read.notified().await;
        node.logs.append(line("photos", "b", "of another function"));
        node.logs.read.notified().await;
        node.logs.append(line("photos", "a", "at last"));
    };
    let (answer, ()) = tokio::join!(wait, write);
    let answer = answer.expect(200).json();
    assert_eq!((messages(&answer), &answer["position"]), (vec!["at last"], &json!(2)));
}

#[tokio::test]
async fn a_wait_ends_when_its_time_is_over() {
    let node = Node::start().await;
    tokio::time::pause();
    let start = tokio::time::Instant::now();
    let answer = node.get("/v1/apps/photos/logs?wait_ms=2500").await.expect(200).json();
    assert_eq!(messages(&answer), Vec::<&str>::new());
    let waited = start.elapsed();
    assert!(waited >= Duration::from_millis(2500) && waited < Duration::from_secs(3), "{waited:?}");
}

#[tokio::test]
async fn logs_go_with_their_app() {
    let node = Node::start().await;
    node.deploy_code("1", json!("all")).await.expect(201);
    node.logs.append(line("photos", "thumb", "1"));
    node.logs.append(line("other", "thumb", "2"));
    node.call("DELETE", "/v1/apps/photos", Body::empty()).await.expect(204);
    let gone = node.get("/v1/apps/photos/logs").await.expect(200).json();
    assert_eq!(messages(&gone), Vec::<&str>::new());
    let left = node.get("/v1/apps/other/logs").await.expect(200).json();
    assert_eq!(messages(&left), ["2"]);
}

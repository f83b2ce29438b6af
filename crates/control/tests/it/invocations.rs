//! Running functions by hand.

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use mayfly_runtime_api::{Answer, Body, Payload, ResponseHead};
use mayfly_types::{Fault, FaultCode};
use serde_json::{Value, json};

use crate::harness::{Node, app};

const PATH: &str = "/v1/apps/photos/functions/thumb/invocations";

fn answers(node: &Node, answer: Result<Answer, Fault>) {
    node.invoke.answers.lock().unwrap().push(answer);
}

#[tokio::test]
async fn an_event_is_passed_on_and_its_result_comes_back_as_it_is() {
    let node = Node::start().await;
    for (sent, passed) in [("", "null"), (" {\"n\": 1} ", " {\"n\": 1} ")] {
        let result = "{\"big\":123456789012345678901234567890}";
        answers(&node, Ok(Answer::Event(Bytes::from_static(result.as_bytes()))));
        let reply = node.call("POST", PATH, sent).await.expect(200);
        let taken = node.invoke.taken.lock().unwrap().pop().unwrap();
        assert_eq!(reply.headers["x-mayfly-invocation-id"], taken.id.to_string());
        assert!(reply.text().ends_with(&format!("\"kind\":\"event\",\"result\":{result}}}")));
        assert_eq!(taken.target.app, app("photos"));
        assert_eq!(taken.target.release, None);
        let Payload::Event(event) = taken.payload else { panic!("it is an event") };
        assert_eq!((event.kind.as_str(), &event.json[..]), ("invoke", passed.as_bytes()));
    }
}

#[tokio::test]
async fn the_kind_of_event_is_the_callers_choice() {
    let node = Node::start().await;
    let request = |kind: &str| {
        let token = format!("Bearer {}", node.token);
        let request = Request::post(PATH).header("authorization", token);
        request.header("x-mayfly-event", kind).body(axum::body::Body::empty()).unwrap()
    };
    answers(&node, Ok(Answer::Event(Bytes::new())));
    let reply = node.send(request("schedule")).await.expect(200).json();
    assert_eq!(reply["result"], Value::Null);
    let taken = node.invoke.taken.lock().unwrap().pop().unwrap();
    assert!(matches!(taken.payload, Payload::Event(event) if event.kind == "schedule"));
    node.send(request("a b")).await.error(400, "bad_request");
    node.call("POST", PATH, "{").await.error(400, "bad_request");
    let huge = vec![b' '; (6 << 20) + 1];
    node.call("POST", PATH, huge).await.error(413, "payload_too_large");
}

#[tokio::test]
async fn an_http_answer_is_told_with_its_head_and_its_body() {
    let node = Node::start().await;
    let mut headers = HeaderMap::new();
    for value in ["a=1", "b=2"] {
        headers.append("set-cookie", value.parse().unwrap());
    }
    let head = ResponseHead { status: StatusCode::CREATED, headers };
    for (body, told, base64) in [
        (Body::full("grüezi"), "grüezi", false),
        (Body::Empty, "", false),
        (Body::full(vec![0xff, 0]), "/wA=", true),
    ] {
        answers(&node, Ok(Answer::Http { head: head.clone(), body }));
        let mut reply = node.call("POST", PATH, "{}").await.expect(200).json();
        assert!(reply["invocation_id"].take().is_string());
        let expected = json!({
            "invocation_id": null, "kind": "http", "status": 201,
            "headers": [["set-cookie", "a=1"], ["set-cookie", "b=2"]],
            "body": told, "base64": base64,
        });
        assert_eq!(reply, expected);
    }
}

#[tokio::test]
async fn a_fault_is_told_with_its_status_and_its_detail() {
    let node = Node::start().await;
    for (code, status) in [
        (FaultCode::FunctionError, 502),
        (FaultCode::Timeout, 504),
        (FaultCode::NotFound, 404),
        (FaultCode::TooManyRequests, 429),
        (FaultCode::Unavailable, 503),
    ] {
        let fault = Fault::new(code, "it threw").with_detail("Error: x\n    at thumb.js:1:1");
        answers(&node, Err(fault));
        let reply = node.call("POST", PATH, "{}").await;
        let retry = reply.headers.contains_key("retry-after");
        assert_eq!(retry, matches!(status, 429 | 503));
        let id = reply.headers["x-mayfly-invocation-id"].to_str().unwrap().to_owned();
        let error = reply.error(status, code.as_str());
        assert_eq!(error["detail"], "Error: x\n    at thumb.js:1:1");
        assert_eq!(error["retryable"], code.retryable());
        assert_eq!(error["invocation_id"], id);
    }
    answers(&node, Ok(Answer::Event(Bytes::from_static(b"{not json"))));
    node.call("POST", PATH, "{}").await.error(502, "invalid_response");
    let head = ResponseHead { status: StatusCode::OK, headers: HeaderMap::new() };
    answers(&node, Ok(Answer::Http { head, body: Body::full(vec![b'x'; (6 << 20) + 1]) }));
    node.call("POST", PATH, "{}").await.error(502, "invalid_response");
}

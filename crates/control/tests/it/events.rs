//! Events that nobody waits for.

use axum::body::Body;
use http::Request;
use mayfly_control::ensure_admin_token;
use mayfly_state_api::{AttemptRecord, Completion, Lease, Then};
use mayfly_types::{
    Fault, FaultCode, FunctionName, InvocationId, Outcome, OutcomeStatus, TenantName,
};
use serde_json::{Value, json};

use crate::harness::{Node, Reply, app};

const PATH: &str = "/v1/apps/photos/functions/thumb/invocations";
const REDRIVE: &str = "/v1/apps/photos/functions/thumb/redrive";

async fn node() -> Node {
    let node = Node::start().await;
    node.deploy_code("export default {}", json!("all")).await.expect(201);
    node
}

async fn send(node: &Node, query: &str, key: Option<&str>, body: &str) -> Reply {
    let token = format!("Bearer {}", node.token);
    let mut request =
        Request::post(format!("{PATH}?mode=async{query}")).header("authorization", token);
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    node.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

async fn sent(node: &Node, body: &str) -> InvocationId {
    send(node, "", None, body).await.expect(202).json()["invocation_id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap()
}

fn thumb() -> FunctionName {
    FunctionName::new("thumb").unwrap()
}

async fn leased(node: &Node) -> Vec<Lease> {
    node.queue.lease(&app("photos"), &thumb(), 100, 60_000_000).await.unwrap().0
}

/// Ends the one lease that there is.
async fn ends(node: &Node, then: Then) {
    let lease = leased(node).await.remove(0);
    let fault = match &then {
        Then::Failed { fault, .. } => Some(fault.clone()),
        _ => None,
    };
    let status = fault.as_ref().map_or(OutcomeStatus::Ok, |fault| OutcomeStatus::Fault(fault.code));
    let attempt = AttemptRecord {
        memory: None,
        number: lease.attempt,
        revision: None,
        started_us: 1_700_000_000_000_000,
        outcome: Outcome::nothing(status),
        fault,
    };
    let completion = Completion { id: lease.id, fence: lease.fence, attempt: Some(attempt), then };
    node.queue.complete(completion).await.unwrap();
}

fn dead() -> Then {
    let fault = Fault::new(FaultCode::FunctionError, "it threw").with_detail("Error: x");
    Then::Failed { fault, keep_us: 3_600_000_000, send: None }
}

#[tokio::test]
async fn an_event_is_taken_and_can_be_followed_by_its_id() {
    let node = node().await;
    let reply = send(&node, "", None, "{\"n\": 1}").await.expect(202);
    let id = reply.json()["invocation_id"].as_str().unwrap().to_owned();
    let path = format!("/v1/invocations/{id}");
    assert_eq!(reply.headers["location"], path);
    assert_eq!(reply.headers["x-mayfly-invocation-id"], id);
    let shown = node.get(&path).await.expect(200).json();
    assert_eq!(shown["status"], "queued");
    assert_eq!(shown["attempts"], json!([]));
    let big = "{\"n\":12345678901234567890123}";
    ends(&node, Then::Succeeded { result: Some(big.into()), keep_us: 1_000_000, send: None }).await;
    let reply = node.get(&path).await.expect(200);
    assert_eq!(reply.json()["status"], "succeeded");
    assert!(reply.text().contains(&format!("\"result\":{big}")), "{}", reply.text());
}

#[tokio::test]
async fn an_event_may_be_due_later() {
    let node = node().await;
    let due = async |query: &str| {
        let reply = send(&node, query, None, "1").await.expect(202).json();
        let path = format!("/v1/invocations/{}", reply["invocation_id"].as_str().unwrap());
        node.get(&path).await.expect(200).json()["due"].as_str().unwrap().to_owned()
    };
    let later = in_seconds(30 * 24 * 3600);
    assert_eq!(due(&format!("&at={later}")).await, later);
    let hour = in_seconds(3600);
    assert!(due("&delay=2h").await > hour);
    assert_eq!(leased(&node).await.len(), 0);
    for query in ["&delay=2", "&at=tomorrow", "&delay=1s&at=2030-01-02T03:04:05Z", "&delay=9000h"] {
        send(&node, query, None, "1").await.error(400, "bad_request");
    }
    for path in [format!("{PATH}?delay=1s"), format!("{PATH}?mode=later")] {
        node.call("POST", &path, "1").await.error(400, "bad_request");
    }
}

/// A time of RFC 3339, so many seconds from now.
fn in_seconds(seconds: u64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let micros = (now.as_micros() as i64) + (seconds as i64) * 1_000_000;
    let mut text = Vec::new();
    mayfly_types::rfc3339::serialize(&micros, &mut serde_json::Serializer::new(&mut text)).unwrap();
    String::from_utf8(text).unwrap().trim_matches('"').to_owned()
}

#[tokio::test]
async fn a_repeated_key_is_the_same_invocation_and_another_event_is_not() {
    let node = node().await;
    let id = |reply: Reply| reply.expect(202).json()["invocation_id"].clone();
    let first = id(send(&node, "", Some("order-7"), "1").await);
    assert_eq!(id(send(&node, "", Some("order-7"), "1").await), first);
    assert_ne!(id(send(&node, "", Some("order-8"), "1").await), first);
    send(&node, "", Some("order-7"), "2").await.error(422, "invalid");
    let long = "x".repeat(256);
    for key in ["", " ", &long] {
        send(&node, "", Some(key), "1").await.error(400, "bad_request");
    }
    let token = format!("Bearer {}", node.token);
    let sync = Request::post(PATH).header("authorization", token).header("idempotency-key", "a");
    // Whoever runs functions looks after keys of requests.
    node.send(sync.body(Body::empty()).unwrap()).await.error(404, "not_found");
    assert_eq!(node.invoke.taken.lock().unwrap()[0].key.as_deref(), Some("a"));
    assert_eq!(leased(&node).await.len(), 2);
}

#[tokio::test]
async fn dead_letters_are_found_and_queued_again() {
    let node = node().await;
    let id = sent(&node, "1").await;
    ends(&node, dead()).await;
    let waits = sent(&node, "2").await;
    let listed = |value: Value| {
        let all = value["invocations"].as_array().unwrap().clone();
        all.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all = node.get(PATH).await.expect(200).json();
    assert_eq!(listed(all), [waits.to_string(), id.to_string()]);
    let failed = node.get(&format!("{PATH}?status=failed")).await.expect(200).json();
    assert_eq!(failed["invocations"][0]["fault"]["message"], "it threw");
    assert_eq!(failed["invocations"][0]["attempts"][0]["fault"]["detail"], "Error: x");
    assert_eq!(listed(failed), [id.to_string()]);
    let page = node.get(&format!("{PATH}?limit=1&before={waits}")).await.expect(200).json();
    assert_eq!(listed(page), [id.to_string()]);

    let redrive = async |body: Value| {
        node.call("POST", REDRIVE, body.to_string()).await.expect(200).json()["redriven"].clone()
    };
    assert_eq!(redrive(json!({ "until": "2001-01-01T00:00:00Z" })).await, 0);
    assert_eq!(redrive(json!({ "invocation": id })).await, 1);
    assert_eq!(redrive(json!({ "all": true })).await, 0);
    ends(&node, dead()).await;
    assert_eq!(redrive(json!({ "since": "2001-01-01T00:00:00Z" })).await, 1);
    for body in [json!({}), json!({ "all": true, "invocation": id }), json!({ "every": true })] {
        node.call("POST", REDRIVE, body.to_string()).await.error(400, "bad_request");
    }
}

#[tokio::test]
async fn an_invocation_is_cancelled_once() {
    let node = node().await;
    let id = sent(&node, "1").await;
    let path = format!("/v1/invocations/{id}");
    let cancelled = node.call("DELETE", &path, Body::empty()).await.expect(200).json();
    assert_eq!(cancelled["status"], "cancelled");
    assert_eq!(leased(&node).await.len(), 0);
    let id = sent(&node, "1").await;
    ends(&node, dead()).await;
    let path = format!("/v1/invocations/{id}");
    node.call("DELETE", &path, Body::empty()).await.error(409, "conflict");
}

#[tokio::test]
async fn what_is_not_there_or_anothers_is_not_found() {
    let mut node = node().await;
    let id = sent(&node, "1").await;
    let unknown = InvocationId::new();
    let other = "/v1/apps/photos/functions/other/invocations?mode=async";
    node.call("POST", other, "1").await.error(404, "not_found");
    node.get(&format!("/v1/invocations/{unknown}")).await.error(404, "not_found");
    node.get("/v1/invocations/7").await.error(400, "bad_request");

    let acme = TenantName::new("acme").unwrap();
    node.token = ensure_admin_token(&*node.store, &acme, None, 1).await.unwrap().unwrap();
    let path = format!("/v1/invocations/{id}");
    for (method, path, body) in [
        ("GET", path.as_str(), ""),
        ("DELETE", &path, ""),
        ("GET", PATH, ""),
        ("POST", &format!("{PATH}?mode=async"), "1"),
        ("POST", REDRIVE, "{\"all\":true}"),
    ] {
        node.call(method, path, body).await.error(404, "not_found");
    }
    assert_eq!(leased(&node).await.len(), 1, "nothing became of it");
}

#[tokio::test]
async fn a_deleted_app_takes_its_invocations_along() {
    let node = node().await;
    let id = sent(&node, "1").await;
    node.call("DELETE", "/v1/apps/photos", Body::empty()).await.expect(204);
    node.get(&format!("/v1/invocations/{id}")).await.error(404, "not_found");
}

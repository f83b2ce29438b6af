//! Who is let in.

use std::sync::atomic::Ordering;

use axum::body::Body;
use http::Request;
use mayfly_control::admin::HostPolicy;
use mayfly_control::{ControlLimits, ensure_admin_token};
use mayfly_types::TenantName;
use serde_json::json;

use crate::harness::Node;

fn request(path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let request = Request::get(path);
    let add = |request: http::request::Builder, (name, value): &(&str, &str)| {
        request.header(*name, *value)
    };
    headers.iter().fold(request, add).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn every_route_but_health_and_the_document_needs_a_token() {
    let node = Node::start().await;
    for path in ["/healthz", "/readyz", "/v1/openapi.json"] {
        node.send(request(path, &[])).await.expect(200);
    }
    for credentials in ["", "Bearer", "Bearer ", "Bearer wrong", "Basic abc", "Bearer ü"] {
        let reply = node.send(request("/v1/apps", &[("authorization", credentials)])).await;
        assert!(reply.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
        reply.error(401, "unauthorized");
    }
    let token = format!("bearer {}", node.token);
    node.send(request("/v1/apps", &[("authorization", &token)])).await.expect(200);
}

#[tokio::test]
async fn a_token_speaks_for_its_tenant_alone() {
    let mut node = Node::start().await;
    node.deploy_code("export default {}", json!("all")).await.expect(201);
    let other = TenantName::new("acme").unwrap();
    node.token =
        ensure_admin_token(&*node.store, &other, None, 1, |_| Ok(())).await.unwrap().unwrap();
    assert_eq!(node.get("/v1/apps").await.expect(200).json(), json!({ "apps": [] }));
    for path in ["/v1/apps/photos", "/v1/apps/photos/releases", "/v1/apps/photos/functions/thumb"] {
        node.get(path).await.error(404, "not_found");
    }
    node.call("DELETE", "/v1/apps/photos", Body::empty()).await.error(404, "not_found");
}

#[tokio::test]
async fn a_loopback_listener_refuses_foreign_hosts_and_origins() {
    let node = Node::with(HostPolicy::Loopback, ControlLimits::default()).await;
    let good: [&[(&str, &str)]; 4] = [
        &[("host", "localhost:8081")],
        &[("host", "127.0.0.1:8081"), ("origin", "http://127.0.0.1:8081")],
        &[("host", "[::1]:8081")],
        &[("host", "LOCALHOST")],
    ];
    for headers in good {
        node.send(request("/healthz", headers)).await.expect(200);
    }
    let bad: [&[(&str, &str)]; 7] = [
        &[],
        &[("host", "evil.example:8081")],
        &[("host", "localhost.evil.example")],
        &[("host", "localhost"), ("host", "evil.example")],
        &[("host", "localhost:8081"), ("origin", "http://evil.example")],
        &[("host", "localhost:8081"), ("origin", "null")],
        &[("host", "localhost:8081"), ("origin", "http://localhost:8080")],
    ];
    for headers in bad {
        node.send(request("/healthz", headers)).await.error(403, "forbidden");
        node.send(request("/no/such/route", headers)).await.error(403, "forbidden");
    }
    let absolute = request("http://evil.example/healthz", &[("host", "localhost")]);
    node.send(absolute).await.error(403, "forbidden");
}

#[tokio::test]
async fn a_node_is_ready_only_while_it_takes_work() {
    let node = Node::start().await;
    node.get("/readyz").await.expect(200);
    for (state, why) in [(1, "starting"), (2, "draining")] {
        node.readiness.store(state, Ordering::Relaxed);
        let error = node.get("/readyz").await.error(503, "unavailable");
        assert!(error["message"].as_str().unwrap().contains(why), "{error}");
        node.get("/healthz").await.expect(200);
    }
}

#[tokio::test]
async fn unknown_routes_and_methods_and_malformed_requests_are_explained() {
    let node = Node::start().await;
    let reply = node.get("/v2/apps").await;
    assert_eq!(reply.headers["x-mayfly-version"], env!("CARGO_PKG_VERSION"));
    reply.error(404, "not_found");
    let reply = node.call("PATCH", "/v1/apps", Body::empty()).await;
    assert_eq!(reply.headers["allow"], "GET,HEAD");
    reply.error(405, "method_not_allowed");

    for (method, path, body, named) in [
        ("GET", "/v1/apps/Photos", "", "'P'"),
        ("GET", "/v1/apps/photos/releases?limit=x", "", "limit"),
        ("GET", "/v1/apps/photos/releases?limits=1", "", "limits"),
        ("POST", "/v1/deployments", "{\"manifest\":", "EOF"),
        ("POST", "/v1/deployments", "{}", "manifest"),
        ("POST", "/v1/artifacts/missing", "{\"digests\":[\"ab\"]}", "hexadecimal"),
        ("PUT", "/v1/artifacts/abc", "", "hexadecimal"),
        ("PUT", "/v1/apps/photos/live", "{\"weights\":[[1]]}", "weights"),
    ] {
        let error = node.call(method, path, body).await.error(400, "bad_request");
        let message = error["message"].as_str().unwrap();
        assert!(message.contains(named) || named == "weights", "{path}: {message}");
    }
    let huge = vec![b' '; (2 << 20) + 1];
    node.call("POST", "/v1/deployments", huge).await.error(413, "payload_too_large");
    let wrong = Request::delete("/v1/apps/photos")
        .header("authorization", format!("Bearer {}", node.token))
        .header("idempotency-key", "not a uuid");
    node.send(wrong.body(Body::empty()).unwrap()).await.error(400, "bad_request");
}

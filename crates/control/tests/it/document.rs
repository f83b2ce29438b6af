//! The OpenAPI document.

use std::collections::BTreeSet;

use axum::body::Body;
use http::Request;
use mayfly_state_api::GoLive;
use serde_json::{Value, json};

use crate::conform;
use crate::harness::Node;

/// Every route there is, as the brief of the API names them.
const ROUTES: &[&str] = &[
    "get /healthz",
    "get /readyz",
    "get /v1/openapi.json",
    "put /v1/artifacts/{digest}",
    "post /v1/artifacts/missing",
    "post /v1/deployments",
    "get /v1/apps",
    "get /v1/apps/{app}",
    "delete /v1/apps/{app}",
    "get /v1/apps/{app}/functions/{function}",
    "post /v1/apps/{app}/functions/{function}/invocations",
    "get /v1/apps/{app}/functions/{function}/invocations",
    "post /v1/apps/{app}/functions/{function}/redrive",
    "get /v1/invocations/{id}",
    "delete /v1/invocations/{id}",
    "get /v1/apps/{app}/releases",
    "put /v1/apps/{app}/live",
    "post /v1/apps/{app}/rollback",
    "get /v1/apps/{app}/secrets",
    "put /v1/apps/{app}/secrets/{name}",
    "delete /v1/apps/{app}/secrets/{name}",
    "get /v1/apps/{app}/logs",
    "get /metrics",
    "get /v1/usage",
    "get /v1/budgets",
    "put /v1/budgets",
    "delete /v1/budgets",
    "get /v1/whoami",
    "get /v1/tenants",
    "post /v1/tenants",
    "patch /v1/tenants/{tenant}",
    "delete /v1/tenants/{tenant}",
    "get /v1/tokens",
    "post /v1/tokens",
    "delete /v1/tokens/{name}",
];

fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    document["paths"].as_object().unwrap().iter().flat_map(|(path, entry)| {
        let methods = entry.as_object().unwrap().iter();
        methods.map(move |(method, operation)| (method.as_str(), path.as_str(), operation))
    })
}

#[tokio::test]
async fn every_route_is_in_the_document_and_every_entry_is_a_route() {
    let node = Node::start().await;
    let told: BTreeSet<String> =
        operations(&node.document).map(|(method, path, _)| format!("{method} {path}")).collect();
    let expected: BTreeSet<String> = ROUTES.iter().map(|route| (*route).to_owned()).collect();
    assert_eq!(told, expected);

    let paths: BTreeSet<&str> = operations(&node.document).map(|(_, path, _)| path).collect();
    for template in paths {
        let path = template.replace("{digest}", &"0".repeat(64)).replace(['{', '}'], "");
        for method in ["get", "put", "post", "delete", "patch"] {
            // Without a token nothing happens, but a route that is there asks for one.
            let request = Request::builder().method(method.to_uppercase().as_str()).uri(&path);
            let token = format!("Bearer {}", node.token);
            let is_told = node.document["paths"][template].get(method).is_some();
            let bare = request.body(Body::empty()).unwrap();
            if is_told {
                let status = node.send(bare).await.status;
                assert!(matches!(status.as_u16(), 200 | 401), "{method} {path}: {status}");
            } else {
                let (mut parts, body) = bare.into_parts();
                parts.headers.insert("authorization", token.parse().unwrap());
                let status = node.send(Request::from_parts(parts, body)).await.status;
                assert_eq!(status, 405, "{method} {path} is not in the document");
            }
        }
    }
}

#[tokio::test]
async fn the_document_says_what_needs_a_token_and_refers_to_nothing_that_is_not_there() {
    let node = Node::start().await;
    let document = &node.document;
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(document["components"]["securitySchemes"]["token"]["scheme"], "bearer");
    assert_eq!(document["security"], json!([{ "token": [] }]));
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(document) {
        assert!(ids.insert(operation["operationId"].as_str()), "{method} {path} shares its id");
        let open = ["/healthz", "/readyz", "/v1/openapi.json"].contains(&path);
        let security = operation.get("security").cloned();
        assert_eq!(security, open.then(|| json!([{}])), "{method} {path}");
    }
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
}

#[tokio::test]
async fn requests_are_of_the_shape_that_the_document_tells() {
    let node = Node::start().await;
    let schema = json!({ "$ref": "#/components/schemas/DeployRequest" });
    for go_live in [GoLive::All, GoLive::Percent(10), GoLive::No] {
        let request = crate::harness::deployment("", &[], json!(go_live));
        assert_eq!(conform::mismatch(&node.document, &schema, &request), None);
    }
    let wrong = crate::harness::deployment("", &[], json!("some"));
    assert!(conform::mismatch(&node.document, &schema, &wrong).is_some());
}

//! Tenants, tokens and what each may do.

use axum::body::Body;
use http::Request;
use mayfly_control_api::Caller;
use mayfly_state_api::Role;
use mayfly_types::{AppName, Digest, InvocationId, OperationId, TenantName};
use serde_json::{Value, json};

use crate::harness::{Node, Reply, app};

/// Which role each route needs; the routes that need none are left out.
const NEEDS: &[(&str, Role)] = &[
    ("upload_artifact", Role::Deploy),
    ("missing_artifacts", Role::Deploy),
    ("deploy", Role::Deploy),
    ("list_apps", Role::Read),
    ("show_app", Role::Read),
    ("delete_app", Role::Admin),
    ("list_releases", Role::Read),
    ("set_live", Role::Deploy),
    ("roll_back", Role::Deploy),
    ("show_function", Role::Read),
    ("invoke_function", Role::Invoke),
    ("redrive", Role::Invoke),
    ("cancel_invocation", Role::Invoke),
    ("list_secrets", Role::Read),
    ("put_secret", Role::Deploy),
    ("delete_secret", Role::Deploy),
    ("read_logs", Role::Read),
    ("metrics", Role::Read),
    ("usage", Role::Read),
    ("list_budgets", Role::Read),
    ("put_budget", Role::Admin),
    ("delete_budget", Role::Admin),
    ("list_tenants", Role::Operator),
    ("create_tenant", Role::Operator),
    ("change_tenant", Role::Operator),
    ("delete_tenant", Role::Operator),
    ("list_tokens", Role::Admin),
    ("create_token", Role::Admin),
    ("delete_token", Role::Admin),
];
/// Those that every token may use.
const ANYBODY: [&str; 3] = ["whoami", "list_invocations", "show_invocation"];

async fn as_token(node: &Node, token: &str, method: &str, path: &str, body: &str) -> Reply {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost:8081")
        .header("authorization", format!("Bearer {token}"));
    node.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

async fn token(node: &Node, whose: &str, name: &str, role: &str) -> String {
    let body = json!({ "name": name, "role": role }).to_string();
    let made = node.call("POST", &format!("/v1/tokens{whose}"), body).await.expect(201).json();
    made["token"].as_str().unwrap().to_owned()
}

async fn tenant(node: &Node, name: &str) {
    node.call("POST", "/v1/tenants", json!({ "tenant": name }).to_string()).await.expect(201);
}

/// Every route with a body that it takes, and names of things that are there.
fn requests(
    document: &Value,
    invocation: &str,
    token: &str,
) -> Vec<(String, String, String, String)> {
    let mut requests = Vec::new();
    for (path, entry) in document["paths"].as_object().unwrap() {
        for (method, operation) in entry.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap().to_owned();
            if operation.get("security").is_some() {
                continue;
            }
            let body = match id.as_str() {
                "missing_artifacts" => json!({ "digests": [] }),
                "deploy" => json!({ "manifest": "", "artifacts": {}, "go_live": "all" }),
                "set_live" => json!({ "weights": [[1, 100]] }),
                "roll_back" => json!({}),
                "redrive" => json!({ "all": true }),
                "put_secret" => json!({ "value": "stolen" }),
                "put_budget" => {
                    json!({ "app": "photos", "meter": "requests", "period": "day", "limit": 7 })
                }
                "create_tenant" => json!({ "tenant": "made" }),
                "change_tenant" => json!({ "suspended": true }),
                "create_token" => json!({ "name": "made", "role": "read" }),
                _ => Value::Null,
            };
            let mut path = path
                .replace("{app}", "photos")
                .replace("{function}", "thumb")
                .replace("{id}", invocation)
                .replace("{digest}", &Digest::of(b"code").to_string())
                .replace("{tenant}", "default");
            path = match id.as_str() {
                "delete_token" => path.replace("{name}", token),
                _ => path.replace("{name}", "KEY"),
            };
            if id == "delete_budget" {
                path += "?app=photos&meter=requests&period=day";
            }
            let body = if body.is_null() { String::new() } else { body.to_string() };
            requests.push((id, method.to_uppercase(), path, body));
        }
    }
    requests
}

#[tokio::test]
async fn every_route_holds_tokens_to_their_role() {
    let node = Node::start().await;
    node.deploy_code("export default {}", json!("all")).await.expect(201);
    for role in [Role::Admin, Role::Deploy, Role::Invoke, Role::Read] {
        let token = token(&node, "", &format!("its-{role}"), role.as_str()).await;
        let gone = InvocationId::new().to_string();
        for (id, method, path, body) in requests(&node.document, &gone, "nobody") {
            // What it deletes is needed by those that follow.
            if id == "delete_app" && role == Role::Admin {
                continue;
            }
            let status = as_token(&node, &token, &method, &path, &body).await.status;
            let needed = NEEDS.iter().find(|(name, _)| *name == id).map(|(_, needed)| *needed);
            assert!(needed.is_some() || ANYBODY.contains(&id.as_str()), "{id} needs no role");
            let may = needed.is_none_or(|needed| role.may(needed));
            assert_eq!(status != 403, may, "{role}: {method} {path} answered {status}");
        }
    }
}

#[tokio::test]
async fn no_route_lets_a_tenant_name_what_is_anothers() {
    let node = Node::start().await;
    node.deploy_code("export default {}", json!("all")).await.expect(201);
    node.call("PUT", "/v1/apps/photos/secrets/KEY", json!({ "value": "secret" }).to_string())
        .await
        .expect(204);
    let budget = json!({ "app": "photos", "meter": "requests", "period": "day", "limit": 5 });
    node.call("PUT", "/v1/budgets", budget.to_string()).await.expect(200);
    token(&node, "", "laptop", "read").await;
    let path = "/v1/apps/photos/functions/thumb/invocations?mode=async";
    let sent = node.call("POST", path, "{}").await.expect(202).json();
    let invocation = sent["invocation_id"].as_str().unwrap().to_owned();
    let everything = async || {
        let mut all = Vec::new();
        for path in [
            "/v1/apps",
            "/v1/apps/photos/secrets",
            "/v1/apps/photos/releases",
            "/v1/budgets",
            "/v1/tokens",
            "/v1/tenants",
            &format!("/v1/invocations/{invocation}"),
        ] {
            all.push(node.get(path).await.expect(200).json());
        }
        all
    };
    tenant(&node, "acme").await;
    let thief = token(&node, "?tenant=acme", "thief", "admin").await;
    let before = everything().await;
    for (id, method, path, body) in requests(&node.document, &invocation, "laptop") {
        let reply = as_token(&node, &thief, &method, &path, &body).await;
        let status = reply.status.as_u16();
        let expected: &[u16] = match id.as_str() {
            // Of the node, and not of any tenant.
            "list_tenants" | "create_tenant" | "change_tenant" | "delete_tenant" => &[403],
            // These are of whoever asks; what they make is the thief's own.
            "whoami" | "metrics" | "list_apps" | "read_logs" | "list_secrets" | "usage"
            | "list_budgets" | "list_tokens" | "missing_artifacts" => &[200],
            "create_token" => &[201],
            "put_secret" | "delete_secret" => &[204],
            // The content is no artifact, and the manifest none either.
            "upload_artifact" | "deploy" => &[422],
            _ => &[404],
        };
        assert!(expected.contains(&status), "{method} {path}: {status} {}", reply.text());
        if id != "put_budget" {
            let text = reply.text();
            assert!(!text.contains("secret\"") && !text.contains("laptop\""), "{path}: {text}");
        }
        // Nor by its name.
        if operation_takes_tenant(&node.document, &id) {
            let and = if path.contains('?') { '&' } else { '?' };
            let path = format!("{path}{and}tenant=default");
            as_token(&node, &thief, &method, &path, &body).await.error(404, "not_found");
        }
    }
    assert_eq!(everything().await, before);
}

fn operation_takes_tenant(document: &Value, id: &str) -> bool {
    let entries = document["paths"].as_object().unwrap().values();
    let operations = entries.flat_map(|entry| entry.as_object().unwrap().values());
    let operation =
        operations.into_iter().find(|operation| operation["operationId"] == id).unwrap();
    let mut parameters = operation["parameters"].as_array().into_iter().flatten();
    parameters.any(|parameter| parameter["name"] == "tenant" && parameter["in"] == "query")
}

#[tokio::test]
async fn a_tenants_token_works_in_its_tenant_and_ends_with_its_deletion() {
    let mut node = Node::start().await;
    tenant(&node, "acme").await;
    let operator = node.token.clone();
    node.token = token(&node, "?tenant=acme", "ci", "deploy").await;
    let who = node.get("/v1/whoami").await.expect(200).json();
    assert_eq!(who, json!({ "tenant": "acme", "name": "ci", "role": "deploy" }));
    node.deploy_code("export default {}", json!("all")).await.expect(201);
    let acme = TenantName::new("acme").unwrap();
    let photos = mayfly_types::AppKey::new(acme.clone(), AppName::new("photos").unwrap());
    assert!(node.view.load().apps.contains_key(&photos));
    assert!(!node.view.load().apps.contains_key(&app("photos")));

    let mine = std::mem::replace(&mut node.token, operator);
    node.call("DELETE", "/v1/tokens/ci?tenant=acme", "").await.expect(204);
    as_token(&node, &mine, "GET", "/v1/apps", "").await.error(401, "unauthorized");
}

#[tokio::test]
async fn a_tenant_is_suspended_and_deleted_with_all_it_has() {
    let mut node = Node::start().await;
    tenant(&node, "acme").await;
    let operator = node.token.clone();
    node.token = token(&node, "?tenant=acme", "ci", "admin").await;
    node.deploy_code("export default {}", json!("all")).await.expect(201);
    let path = "/v1/apps/photos/functions/thumb/invocations?mode=async";
    let sent = node.call("POST", path, "{}").await.expect(202).json();
    node.token = operator;

    let suspend = json!({ "suspended": true }).to_string();
    let told = node.call("PATCH", "/v1/tenants/acme", suspend.clone()).await.expect(200).json();
    assert_eq!(told["suspended"], true);
    let acme = TenantName::new("acme").unwrap();
    assert!(node.view.load().tenants[&acme].suspended);
    node.call("PATCH", "/v1/tenants/nobody", suspend.clone()).await.error(404, "not_found");
    node.call("PATCH", "/v1/tenants/default", suspend).await.error(409, "conflict");
    node.call("DELETE", "/v1/tenants/default", "").await.error(409, "conflict");

    let op = Some(OperationId::new());
    for _ in 0..2 {
        node.call_as("DELETE", "/v1/tenants/acme", "", op).await.expect(204);
    }
    assert!(node.view.load().tenants.is_empty());
    assert!(node.view.load().apps.is_empty());
    assert_eq!(node.artifacts.list(&acme).await, Ok(vec![]));
    let id = sent["invocation_id"].as_str().unwrap().parse().unwrap();
    assert_eq!(node.queue.invocation(&acme, id).await, Ok(None));
    let tenants = node.get("/v1/tenants").await.expect(200).json();
    assert_eq!(tenants["tenants"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn nobody_gives_or_takes_more_than_they_may() {
    let mut node = Node::start().await;
    let operator = node.token.clone();
    node.token = token(&node, "", "admin-2", "admin").await;
    let body = |role: &str| json!({ "name": "more", "role": role }).to_string();
    node.call("POST", "/v1/tokens", body("operator")).await.error(403, "forbidden");
    node.call("DELETE", "/v1/tokens/admin", "").await.error(403, "forbidden");
    let instead = json!({ "name": "admin", "role": "read" }).to_string();
    node.call("POST", "/v1/tokens", instead).await.error(403, "forbidden");
    as_token(&node, &operator, "GET", "/v1/tenants", "").await.expect(200);
    let own = node.call("DELETE", "/v1/tokens/admin-2", "").await.error(409, "conflict");
    assert!(own["message"].as_str().unwrap().contains("use another"), "{own}");
    node.token = operator;
    tenant(&node, "acme").await;
    let refused = node.call("POST", "/v1/tokens?tenant=acme", body("operator")).await;
    refused.error(422, "invalid");
    for name in ["", "two words", &"x".repeat(65)] {
        let body = json!({ "name": name, "role": "read" }).to_string();
        node.call("POST", "/v1/tokens", body).await.error(422, "invalid");
    }
    node.call("POST", "/v1/tokens", body("king")).await.error(400, "bad_request");
}

#[test]
fn a_callers_role_is_named_when_it_is_not_enough() {
    let caller = Caller { tenant: TenantName::fallback(), name: "ci".into(), role: Role::Invoke };
    let refused = caller.needs(Role::Deploy).unwrap_err().to_string();
    assert_eq!(refused, "the token `ci` has the role invoke, and this needs the role deploy");
}

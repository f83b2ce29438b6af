//! Deployments, from upload to deletion.

use std::sync::Arc;

use axum::body::Body;
use mayfly_runtime_api::{Diagnostic, PrepareError};
use mayfly_types::{Digest, Fault, FaultCode, FunctionName, OperationId, ReleaseNumber};
use serde_json::{Value, json};

use crate::harness::{MANIFEST, Node, app, deployment};

/// What a failed deployment must not touch.
async fn everything(node: &Node) -> (u64, Value) {
    let version = node.store.changes(0).await.unwrap().version;
    (version, node.get("/v1/apps").await.expect(200).json())
}

#[tokio::test]
async fn an_app_is_deployed_shown_rolled_back_and_deleted() {
    let node = Node::start().await;
    let first = node.deploy_code("1", json!("all")).await.expect(201).json();
    assert_eq!(first["app"], "photos");
    assert_eq!(first["release"], 1);
    assert_eq!(first["live"], json!([[1, 100]]));
    assert_eq!(first["urls"], json!(["http://photos.localhost:8080/"]));
    assert_eq!(first["notes"], json!(["thumb: top level", "a note"]));
    let function = &first["functions"][0];
    assert_eq!(function["changed"], true);
    assert_eq!(function["runtime"], "js", "read from the artifact, not from what the client says");
    assert_eq!(function["routes"], json!(["ANY /", "ANY /{*rest}"]));
    assert!(node.view.load().apps.contains_key(&app("photos")), "it answers when deploy returns");

    let same = node.deploy_code("1", json!("all")).await.expect(201).json();
    assert_eq!((&same["release"], &same["functions"][0]["changed"]), (&json!(2), &json!(false)));
    node.deploy_code("2", json!("all")).await.expect(201);

    let shown = node.get("/v1/apps/photos").await.expect(200).json();
    assert_eq!((&shown["newest"], &shown["live"]), (&json!(3), &json!([[3, 100]])));
    let listed = node.get("/v1/apps").await.expect(200).json();
    assert_eq!(listed["apps"], json!([shown]));
    let detail = node.get("/v1/apps/photos/functions/thumb").await.expect(200).json();
    assert_eq!(detail["revision"]["config"]["entry"], "thumb.js");
    assert_eq!(detail["urls"], json!(["http://photos.localhost:8080/"]));
    node.get("/v1/apps/photos/functions/other").await.error(404, "not_found");

    let back = node.call("POST", "/v1/apps/photos/rollback", "{\"to\":1}").await.expect(200);
    assert_eq!(back.json()["live"], json!([[1, 100]]));
    let releases = node.get("/v1/apps/photos/releases?limit=2").await.expect(200).json();
    let numbers: Vec<_> = releases["releases"].as_array().unwrap().iter().collect();
    assert_eq!(numbers.len(), 2);
    assert_eq!((&numbers[0]["number"], &numbers[0]["percent"]), (&json!(3), &json!(0)));
    assert_eq!(numbers[0]["by"], "admin");

    node.call("DELETE", "/v1/apps/photos", Body::empty()).await.expect(204);
    assert!(node.view.load().apps.is_empty(), "it is gone when delete returns");
    node.get("/v1/apps/photos").await.error(404, "not_found");
    node.call("DELETE", "/v1/apps/photos", Body::empty()).await.error(404, "not_found");
    let again = node.deploy_code("1", json!("no")).await.expect(201).json();
    assert_eq!(again["release"], 4, "numbers are never used again");
}

#[tokio::test]
async fn a_syntax_error_is_told_with_its_place_and_changes_nothing() {
    let node = Node::start().await;
    node.deploy_code("good", json!("all")).await.expect(201);
    let before = everything(&node).await;
    let manifest = "app = \"photos\"\n\
        [functions.dir]\ncode = \"functions/dir\"\n\
        [functions.thumb]\ncode = \"functions/thumb.js\"\n";
    let dir = node.upload(&[("index.js", "bad"), ("lib/a.js", "worse")]).await;
    let file = node.upload(&[("thumb.js", "also bad")]).await;
    let found = Diagnostic::new("unexpected `}`").at("lib/a.js", 3, 7).help("remove it");
    node.runtime.refuse(dir, PrepareError::Code(vec![found, Diagnostic::new("too slow")]));
    let found = Diagnostic::new("what").at("thumb.js", 1, 1);
    node.runtime.refuse(file, PrepareError::Code(vec![found]));

    let request = deployment(manifest, &[("dir", dir), ("thumb", file)], json!("all"));
    let error = node.deploy(&request).await.error(422, "invalid");
    assert_eq!(
        error["details"],
        json!([
            {
                "message": "unexpected `}`", "file": "functions/dir/lib/a.js",
                "line": 3, "column": 7, "help": "remove it"
            },
            { "message": "function dir: too slow" },
            { "message": "what", "file": "functions/thumb.js", "line": 1, "column": 1 },
        ])
    );
    assert_eq!(everything(&node).await, before);
}

#[tokio::test]
async fn a_mistake_in_the_manifest_is_told_with_its_place() {
    let node = Node::start().await;
    let before = everything(&node).await;
    let artifact = node.upload(&[("thumb.js", "1")]).await;
    let manifest = MANIFEST.replace("code", "memory = \"256MB\"\ntimeuot = \"3s\"\ncode");
    let request = deployment(&manifest, &[("thumb", artifact)], json!("all"));
    let error = node.deploy(&request).await.error(422, "invalid");
    let detail = &error["details"][0];
    assert_eq!(
        (&detail["file"], &detail["line"], &detail["column"], &detail["source"]),
        (&json!("mayfly.toml"), &json!(5), &json!(1), &json!("timeuot = \"3s\""))
    );
    for (manifest, code, go_live) in [
        (MANIFEST, "stranger", json!("all")),
        (MANIFEST, "thumb", json!({ "percent": 100 })),
        ("", "thumb", json!("all")),
    ] {
        let request = deployment(manifest, &[(code, artifact)], go_live);
        node.deploy(&request).await.error(422, "invalid");
    }
    let request = deployment(MANIFEST, &[], json!("all"));
    let error = node.deploy(&request).await.error(422, "invalid");
    assert!(error["message"].as_str().unwrap().contains("thumb"), "{error}");
    assert_eq!(everything(&node).await, before);
}

#[tokio::test]
async fn what_was_not_uploaded_is_named() {
    let node = Node::start().await;
    let before = everything(&node).await;
    let absent = Digest::of(b"nothing");
    let request = deployment(MANIFEST, &[("thumb", absent)], json!("all"));
    let error = node.deploy(&request).await.error(422, "invalid");
    let detail = &error["details"][0];
    assert!(detail["message"].as_str().unwrap().contains("function thumb"), "{detail}");
    assert!(detail["help"].as_str().unwrap().contains("upload it first"), "{detail}");
    assert_eq!(everything(&node).await, before);
}

#[tokio::test]
async fn a_missing_secret_is_told_with_its_remedy() {
    let node = Node::start().await;
    let before = everything(&node).await;
    let artifact = node.upload(&[("thumb.js", "1")]).await;
    let manifest = format!("{MANIFEST}secrets = [\"API_KEY\"]\n");
    let request = deployment(&manifest, &[("thumb", artifact)], json!("all"));
    let error = node.deploy(&request).await.error(422, "invalid");
    assert_eq!(error["details"][0]["help"], "mayfly secret set API_KEY --app photos");
    assert_eq!(everything(&node).await, before);

    let path = "/v1/apps/photos/secrets/API_KEY";
    node.call("PUT", path, "{\"value\":\"hush\"}").await.expect(204);
    node.deploy(&request).await.expect(201);
    let view = node.view.load_full();
    assert_eq!(view.apps[&app("photos")].secrets.values["API_KEY"], "hush");
}

#[tokio::test]
async fn a_runtime_that_fails_is_the_platforms_fault_and_may_be_tried_again() {
    let node = Node::start().await;
    let before = everything(&node).await;
    let artifact = node.upload(&[("thumb.js", "1")]).await;
    let fault = Fault::new(FaultCode::Internal, "the compiler is gone").with_detail("inside");
    node.runtime.refuse(artifact, PrepareError::Platform(fault));
    let request = deployment(MANIFEST, &[("thumb", artifact)], json!("all"));
    let error = node.deploy(&request).await.error(503, "unavailable");
    assert_eq!(error["retryable"], true);
    assert!(!error.to_string().contains("inside"), "{error}");
    assert_eq!(everything(&node).await, before);
}

#[tokio::test]
async fn a_runtime_that_this_node_lacks_is_named() {
    let node = Node::start().await;
    let artifact = node.upload(&[("thumb.js", "1")]).await;
    let manifest = format!("{MANIFEST}runtime = \"nodejs\"\n");
    let request = deployment(&manifest, &[("thumb", artifact)], json!("all"));
    let error = node.deploy(&request).await.error(422, "invalid");
    assert!(error["message"].as_str().unwrap().contains("nodejs"), "{error}");
}

#[tokio::test]
async fn a_repeated_deployment_is_made_once_and_told_the_same() {
    let node = Node::start().await;
    node.deploy_code("0", json!("all")).await.expect(201);
    let artifact = node.upload(&[("thumb.js", "1")]).await;
    let request = deployment(MANIFEST, &[("thumb", artifact)], json!({ "percent": 10 }));
    let op = Some(OperationId::new());
    let body = request.to_string();
    let first = node.call_as("POST", "/v1/deployments", body.clone(), op).await.expect(201);
    let second = node.call_as("POST", "/v1/deployments", body, op).await.expect(201);
    assert_eq!(first.json(), second.json());
    assert_eq!(first.json()["release"], 2);
    let shown = node.get("/v1/apps/photos").await.expect(200).json();
    assert_eq!((&shown["newest"], &shown["live"]), (&json!(2), &json!([[1, 90], [2, 10]])));

    let other = node.upload(&[("thumb.js", "2")]).await;
    let request = deployment(MANIFEST, &[("thumb", other)], json!("all")).to_string();
    node.call_as("POST", "/v1/deployments", request, op).await.error(409, "conflict");
    let shown = node.get("/v1/apps/photos").await.expect(200).json();
    assert_eq!(shown["newest"], 2);
}

#[tokio::test]
async fn a_function_that_did_not_change_keeps_its_revision_in_the_view() {
    let node = Node::start().await;
    let manifest = "app = \"photos\"\n\
        [functions.a]\ncode = \"a.js\"\n[functions.b]\ncode = \"b.js\"\n";
    let (a, b) = (node.upload(&[("a.js", "1")]).await, node.upload(&[("b.js", "1")]).await);
    let request = deployment(manifest, &[("a", a), ("b", b)], json!("all"));
    node.deploy(&request).await.expect(201);
    let before = node.view.load().apps[&app("photos")].clone();
    let b = node.upload(&[("b.js", "2")]).await;
    let request = deployment(manifest, &[("a", a), ("b", b)], json!({ "percent": 50 }));
    node.deploy(&request).await.expect(201);
    let after = node.view.load().apps[&app("photos")].clone();

    let [one, two] = [1, 2].map(|number| after.release(ReleaseNumber(number)).unwrap());
    assert!(Arc::ptr_eq(one, before.release(ReleaseNumber(1)).unwrap()));
    let [a, b] = ["a", "b"].map(|name| FunctionName::new(name).unwrap());
    assert!(Arc::ptr_eq(&one.functions[&a], &two.functions[&a]));
    assert_ne!(one.functions[&b].id(), two.functions[&b].id());
}

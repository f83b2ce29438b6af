//! Secrets.

use axum::body::Body;
use mayfly_control::secret_aad;
use mayfly_types::OperationId;
use serde_json::json;

use crate::harness::{MANIFEST, Node, app, deployment};

const PATH: &str = "/v1/apps/photos/secrets/API_KEY";

#[tokio::test]
async fn a_secret_goes_in_sealed_and_never_comes_out() {
    let node = Node::start().await;
    node.call("PUT", PATH, "{\"value\":\"hush-hush\"}").await.expect(204);
    let stored = node.store.secrets(&app("photos")).await.unwrap().remove(0);
    assert!(!stored.sealed.windows(4).any(|bytes| bytes == b"hush"));
    let aad = secret_aad(&app("photos"), "API_KEY");
    let opened = node.sealer.open(&stored.key_id, &aad, &stored.sealed).unwrap();
    assert_eq!(opened, b"hush-hush");

    let listed = node.get("/v1/apps/photos/secrets").await.expect(200).json();
    let expected = json!([{ "name": "API_KEY", "updated": "2023-11-14T22:13:20Z" }]);
    assert_eq!(listed["secrets"], expected);
    node.call("DELETE", PATH, Body::empty()).await.expect(204);
    node.call("DELETE", PATH, Body::empty()).await.error(404, "not_found");
}

#[tokio::test]
async fn no_error_repeats_a_secrets_value() {
    let node = Node::start().await;
    for (path, body, status) in [
        (PATH, "{\"value\":\"hush\\u0000\"}".to_owned(), 422),
        (PATH, "{\"value\":[\"hush\"]}".to_owned(), 400),
        (PATH, "{\"valeu\":\"hush\"}".to_owned(), 400),
        (PATH, "\"hush\"".to_owned(), 400),
        (PATH, format!("{{\"value\":\"{}\"}}", "hush".repeat(20_000)), 413),
        ("/v1/apps/photos/secrets/1KEY", "{\"value\":\"hush\"}".to_owned(), 422),
        ("/v1/apps/photos/secrets/A-B", "{\"value\":\"hush\"}".to_owned(), 422),
    ] {
        let reply = node.call("PUT", path, body).await.expect(status);
        assert!(!reply.text().contains("hush"), "{}", reply.text());
    }
    assert!(node.store.secrets(&app("photos")).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_generation_rises_only_when_a_value_changes() {
    let node = Node::start().await;
    node.call("PUT", PATH, "{\"value\":\"one\"}").await.expect(204);
    let artifact = node.upload(&[("thumb.js", "1")]).await;
    let manifest = format!("{MANIFEST}secrets = [\"API_KEY\"]\n");
    let request = deployment(&manifest, &[("thumb", artifact)], json!("all"));
    node.deploy(&request).await.expect(201);
    let secrets = || node.view.load().apps[&app("photos")].secrets.clone();
    let first = secrets();
    assert_eq!(first.values["API_KEY"], "one");

    node.call("PUT", PATH, "{\"value\":\"one\"}").await.expect(204);
    node.deploy(&request).await.expect(201);
    assert_eq!(secrets().generation, first.generation);

    node.call("PUT", PATH, "{\"value\":\"two\"}").await.expect(204);
    let second = secrets();
    assert_eq!(second.values["API_KEY"], "two", "it is in the view when the command returns");
    assert_ne!(second.generation, first.generation);

    node.call("DELETE", "/v1/apps/photos", Body::empty()).await.expect(204);
    node.call("PUT", PATH, "{\"value\":\"three\"}").await.expect(204);
    node.deploy(&request).await.expect(201);
    let third = secrets();
    assert!(![first.generation, second.generation].contains(&third.generation));
}

#[tokio::test]
async fn a_secret_that_does_not_open_is_left_out_and_the_app_still_runs() {
    let node = Node::start().await;
    let manifest = format!("{MANIFEST}secrets = [\"API_KEY\", \"OTHER\"]\n");
    let other = "/v1/apps/photos/secrets/OTHER";
    for path in [PATH, other] {
        node.call("PUT", path, "{\"value\":\"one\"}").await.expect(204);
    }
    let mut damaged = node.store.secrets(&app("photos")).await.unwrap().remove(0);
    *damaged.sealed.last_mut().unwrap() ^= 1;
    node.store.put_secret(OperationId::new(), damaged).await.unwrap();
    let artifact = node.upload(&[("thumb.js", "1")]).await;
    let request = deployment(&manifest, &[("thumb", artifact)], json!("all"));
    node.deploy(&request).await.expect(201);
    let secrets = node.view.load().apps[&app("photos")].secrets.clone();
    let names: Vec<_> = secrets.values.keys().collect();
    assert_eq!(names, ["OTHER"]);
}

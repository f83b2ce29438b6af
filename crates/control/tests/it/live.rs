//! Moving `live`.

use mayfly_runtime_api::{Diagnostic, PrepareError};
use mayfly_types::OperationId;
use serde_json::json;

use crate::harness::{Node, app, packed};

const ROLLBACK: &str = "/v1/apps/photos/rollback";
const LIVE: &str = "/v1/apps/photos/live";

#[tokio::test]
async fn a_canary_takes_its_weight_and_a_rollback_ends_it() {
    let node = Node::start().await;
    for code in ["1", "2"] {
        node.deploy_code(code, json!("all")).await.expect(201);
    }
    let body = json!({ "weights": [[1, 90], [2, 10], [7, 0]] }).to_string();
    let moved = node.call("PUT", LIVE, body).await.expect(200).json();
    assert_eq!(moved["live"], json!([[1, 90], [2, 10]]));
    let view = node.view.load_full();
    let weights: Vec<_> =
        view.apps[&app("photos")].live.iter().map(|(weight, _)| *weight).collect();
    assert_eq!(weights, [90, 10], "traffic is shared when the command returns");
    let releases = node.get("/v1/apps/photos/releases").await.expect(200).json();
    let percents: Vec<_> =
        releases["releases"].as_array().unwrap().iter().map(|one| one["percent"].clone()).collect();
    assert_eq!(percents, [10, 90]);

    let back = node.call("POST", ROLLBACK, "{}").await.expect(200).json();
    assert_eq!(back["live"], json!([[1, 100]]));
    let error = node.call("POST", ROLLBACK, "{}").await.error(409, "conflict");
    assert!(error["message"].as_str().unwrap().contains("older"), "{error}");
}

#[tokio::test]
async fn weights_that_make_no_sense_are_refused() {
    let node = Node::start().await;
    node.deploy_code("1", json!("all")).await.expect(201);
    for weights in [json!([]), json!([[1, 0]]), json!([[1, 1], [1, 1]])] {
        let body = json!({ "weights": weights }).to_string();
        node.call("PUT", LIVE, body).await.error(422, "invalid");
    }
    let body = json!({ "weights": [[1, 1], [9, 1]] }).to_string();
    let error = node.call("PUT", LIVE, body).await.error(404, "not_found");
    assert_eq!(error["message"], "release 9 of app photos does not exist");
    let body = json!({ "weights": [[1, 1]] }).to_string();
    node.call("PUT", "/v1/apps/other/live", body).await.error(404, "not_found");
}

#[tokio::test]
async fn a_repeated_rollback_goes_back_one_step() {
    let node = Node::start().await;
    for code in ["1", "2", "3"] {
        node.deploy_code(code, json!("all")).await.expect(201);
    }
    let op = Some(OperationId::new());
    for _ in 0..2 {
        let back = node.call_as("POST", ROLLBACK, "{}", op).await.expect(200).json();
        assert_eq!(back["live"], json!([[2, 100]]));
    }
    let op = Some(OperationId::new());
    for _ in 0..2 {
        let back = node.call_as("POST", ROLLBACK, "{}", op).await.expect(200).json();
        assert_eq!(back["live"], json!([[1, 100]]));
    }
}

#[tokio::test]
async fn a_release_is_made_ready_before_traffic_reaches_it() {
    let node = Node::start().await;
    for code in ["1", "2"] {
        node.deploy_code(code, json!("all")).await.expect(201);
    }
    let old = packed(&[("thumb.js", "1")]).0;
    node.runtime.asked();
    let found = Diagnostic::new("this engine knows it no more").at("thumb.js", 2, 1);
    node.runtime.refuse(old, PrepareError::Code(vec![found]));
    let error = node.call("POST", ROLLBACK, "{}").await.error(422, "invalid");
    let detail = &error["details"][0];
    assert_eq!(detail["message"], "release 1: this engine knows it no more");
    assert_eq!(detail["file"], "functions/thumb.js");
    assert_eq!(node.runtime.asked(), [old], "what is live is not prepared again");
    let shown = node.get("/v1/apps/photos").await.expect(200).json();
    assert_eq!(shown["live"], json!([[2, 100]]));
}

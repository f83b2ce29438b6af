//! Answers that are made to harm whoever reads them.

use mayfly_testkit::{AppClient, Connection, RequestBody, within};
use serde_json::{Value, json};

use super::ground::{Ground, Who, attackers, python};

/// One request after the other on one connection.
async fn next(connection: &mut Connection, app: &AppClient, path: &str) -> (u16, String) {
    let request = app.request("GET", path, &[], RequestBody::empty());
    let reply = within(path, connection.send(request)).await.unwrap();
    let answer = within(path, reply.collect()).await;
    (answer.status, answer.text())
}

/// A function in Node.js that writes heads of answers itself.
async fn heads(ground: &Ground) -> AppClient {
    let manifest = "app = \"heads\"\n[functions.heads]\ncode = \".\"\nruntime = \"nodejs\"\n\
                    handler = \"heads.default\"\ntimeout = \"5s\"\n";
    ground.deploy(&attackers().file("mayfly.toml", manifest)).await;
    ground.node.app("heads")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_never_spills_into_the_next_one_of_its_connection() {
    for who in Who::all() {
        let ground = Ground::new(who).await;
        ground
            .deploy(&python("attacker", &[("answers.smuggled", ""), ("answers.lying", "")]))
            .await;
        let (attacker, neighbour) = (ground.node.app("attacker"), ground.node.app("neighbour"));
        let heads = heads(&ground).await;
        let watch = ground.watch();
        let mut connection = attacker.client().connect().await.unwrap();
        let well = (200, "well".to_owned());

        let (status, body) = next(&mut connection, &attacker, "/smuggled").await;
        assert!(status == 200 && body.ends_with("\r\n\r\nstolen"), "{who:?}: {status} {body}");
        assert_eq!(next(&mut connection, &neighbour, "/").await, well, "{who:?}");
        for _ in 0..2 {
            assert_eq!(next(&mut connection, &attacker, "/lying").await, (200, "lied".into()));
        }
        assert_eq!(next(&mut connection, &heads, "/own").await, (200, "its own".into()));
        for path in ["/split", "/none", "/informational", "/many", "/same"] {
            let (status, body) = next(&mut connection, &heads, path).await;
            let body: Value = serde_json::from_str(&body).unwrap_or_default();
            let told = (status, &body["error"]["code"]);
            assert_eq!(told, (502, &json!("invalid_response")), "{who:?}: {path}: {body}");
            assert_eq!(next(&mut connection, &neighbour, "/").await, well, "{who:?}: {path}");
        }
        watch.well().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_style_answer_of_too_many_headers_is_refused() {
    let ground = Ground::new(Who::Ourselves).await;
    let handlers = [("answers.many_headers", ""), ("answers.many_cookies", "")];
    ground.deploy(&python("attacker", &handlers)).await;
    for path in ["/many_headers", "/many_cookies"] {
        let answer = ground.node.app("attacker").get(path).await;
        assert_eq!((answer.status, answer.code().as_str()), (502, "invalid_response"), "{path}");
    }
}

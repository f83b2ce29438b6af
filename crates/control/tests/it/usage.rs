//! Usage and budgets.

use mayfly_state_api::LedgerEntry;
use mayfly_types::{ByteSize, FaultCode, FunctionName, InvocationId, Outcome, OutcomeStatus};
use serde_json::json;

use crate::harness::{Node, app};

/// The clock of the harness.
const NOW_US: i64 = 1_700_000_000_000_000;
const DAY_US: i64 = 86_400_000_000;

fn ran(node: &Node, name: &str, function: &str, caller: Option<&str>, ago_us: i64, ms: u64) {
    let status = match ms {
        13 => OutcomeStatus::Fault(FaultCode::FunctionError),
        _ => OutcomeStatus::Ok,
    };
    let outcome =
        Outcome { wall_us: ms * 1_000, bytes_in: 10, bytes_out: 5, ..Outcome::nothing(status) };
    node.ledger.append(&LedgerEntry {
        invocation: InvocationId::new(),
        attempt: 1,
        app: &app(name),
        function: &FunctionName::new(function).unwrap(),
        caller,
        started_us: NOW_US - ago_us,
        memory: ByteSize::mb(512),
        outcome: &outcome,
        before: None,
    });
}

#[tokio::test]
async fn usage_is_told_with_its_cost_and_by_what_was_asked() {
    let node = Node::start().await;
    ran(&node, "photos", "thumb", None, 1, 1_000);
    ran(&node, "photos", "thumb", Some("ci"), DAY_US, 13);
    ran(&node, "shop", "cart", None, 2 * DAY_US, 987);
    // Of the month before.
    ran(&node, "shop", "cart", None, 30 * DAY_US, 1);
    let all = node.get("/v1/usage").await.expect(200).json();
    assert_eq!(all["currency"], "USD");
    assert_eq!(all["since"], "2023-11-01T00:00:00Z");
    let total = &all["total"];
    assert_eq!(total["attempts"], 3);
    assert_eq!((&total["billed_ms"], &total["function_faults"]), (&json!(2_000), &json!(1)));
    assert_eq!((&total["bytes_in"], &total["bytes_out"]), (&json!(30), &json!(15)));
    assert_eq!(total["gb_seconds"], 1.0);
    // Three requests at 0.5 and a GB-second at 2.
    assert_eq!(total["cost"], 3.5);

    let by = node.get("/v1/usage?by=function").await.expect(200).json();
    let lines: Vec<_> = by["lines"].as_array().unwrap().iter().collect();
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[0]["app"], &lines[0]["function"]), (&json!("photos"), &json!("thumb")));
    let by = node.get("/v1/usage?by=day,caller&app=photos").await.expect(200).json();
    let told = |line: &serde_json::Value| (line["start"].clone(), line["caller"].clone());
    let lines: Vec<_> = by["lines"].as_array().unwrap().iter().map(told).collect();
    let days = ["2023-11-13T00:00:00Z", "2023-11-14T00:00:00Z"];
    assert_eq!(lines, [(json!(days[0]), json!("ci")), (json!(days[1]), json!(""))]);
    let since = "/v1/usage?since=2023-01-01T00:00:00Z&until=2023-11-01T00:00:00Z";
    assert_eq!(node.get(since).await.expect(200).json()["total"]["attempts"], 1);

    for wrong in ["by=week", "by=day,hour", "since=yesterday", "sinse=2023-01-01T00:00:00Z"] {
        node.get(&format!("/v1/usage?{wrong}")).await.error(400, "bad_request");
    }
    let wrong = "/v1/usage?since=2024-01-01T00:00:00Z&until=2023-11-01T00:00:00Z";
    node.get(wrong).await.error(422, "invalid");
    let long = "/v1/usage?by=minute&since=2023-11-01T00:00:00Z";
    let error = node.get(long).await.error(422, "invalid");
    assert!(error["details"][0]["help"].as_str().unwrap().contains("2 days"), "{error}");
}

#[tokio::test]
async fn budgets_are_set_shown_and_deleted() {
    let node = Node::start().await;
    node.deploy_code("export default {}", json!("all")).await.expect(201);
    let put =
        async |body: serde_json::Value| node.call("PUT", "/v1/budgets", body.to_string()).await;
    let all = json!({ "meter": "money", "period": "month", "limit": 5.5 });
    let told = put(all).await.expect(200).json();
    assert_eq!((&told["kind"], &told["used"]), (&json!("hard"), &json!(2.75)));
    let one = json!({ "app": "photos", "function": "thumb", "meter": "requests", "period": "day",
        "kind": "soft", "limit": 100 });
    put(one).await.expect(200);
    let budgets = node.get("/v1/budgets").await.expect(200).json();
    let budgets = budgets["budgets"].as_array().unwrap().clone();
    assert_eq!(budgets.len(), 2);
    assert!(budgets[0].get("app").is_none() && budgets[1]["function"] == "thumb");
    let view = node.view.load();
    assert_eq!(view.tenants[&app("photos").tenant].budgets.len(), 2);

    let path = "/v1/budgets?app=photos&function=thumb&meter=requests&period=day";
    node.call("DELETE", path, "").await.error(404, "not_found");
    node.call("DELETE", &format!("{path}&kind=soft"), "").await.expect(204);
    assert_eq!(node.view.load().tenants[&app("photos").tenant].budgets.len(), 1);
    node.call("DELETE", "/v1/budgets?meter=money&period=month", "").await.expect(204);
    assert!(node.view.load().tenants.is_empty(), "nothing is laid down any more");
}

#[tokio::test]
async fn a_budget_that_makes_no_sense_is_refused_with_the_reason() {
    let node = Node::start().await;
    node.deploy_code("export default {}", json!("all")).await.expect(201);
    for (app, function, limit, status, code) in [
        (None, None, -1.0, 422, "invalid"),
        (None, Some("thumb"), 1.0, 422, "invalid"),
        (Some("nothing"), None, 1.0, 404, "not_found"),
        (Some("photos"), Some("nothing"), 1.0, 404, "not_found"),
    ] {
        let body = json!({ "app": app, "function": function, "meter": "requests",
            "period": "day", "limit": limit });
        let error = node.call("PUT", "/v1/budgets", body.to_string()).await.error(status, code);
        assert!(!error["message"].as_str().unwrap().is_empty());
    }
    let body = json!({ "meter": "hours", "period": "day", "limit": 1 });
    let error = node.call("PUT", "/v1/budgets", body.to_string()).await.error(400, "bad_request");
    assert!(error["message"].as_str().unwrap().contains("requests"), "{error}");
}

#[tokio::test]
async fn a_tenant_cannot_change_what_the_operator_laid_down() {
    let mut node = Node::start().await;
    let tenant = json!({ "tenant": "acme" }).to_string();
    node.call("POST", "/v1/tenants", tenant).await.expect(201);
    let token = json!({ "name": "ci", "role": "admin" }).to_string();
    let made = node.call("POST", "/v1/tokens?tenant=acme", token).await.expect(201).json();
    let budget =
        |limit: f64| json!({ "meter": "requests", "period": "day", "limit": limit }).to_string();
    node.call("PUT", "/v1/budgets?tenant=acme", budget(10.0)).await.expect(200);
    node.token = made["token"].as_str().unwrap().to_owned();
    let path = "/v1/budgets?meter=requests&period=day";
    node.call("DELETE", path, "").await.error(403, "forbidden");
    // Its own stands beside the operator's.
    node.call("PUT", "/v1/budgets", budget(1_000.0)).await.expect(200);
    let told = node.get("/v1/budgets").await.expect(200).json();
    let limits: Vec<_> =
        told["budgets"].as_array().unwrap().iter().map(|it| it["limit"].clone()).collect();
    assert_eq!(limits, [json!(1_000.0), json!(10.0)]);
    node.call("DELETE", path, "").await.expect(204);
    node.call("DELETE", path, "").await.error(403, "forbidden");
}

#[tokio::test]
async fn metrics_are_bounded_and_a_tenant_sees_its_own() {
    let mut node = Node::start().await;
    let reply = node.get("/metrics").await.expect(200);
    let kind = reply.headers["content-type"].to_str().unwrap().to_owned();
    assert!(kind.starts_with("application/openmetrics-text; version=1.0.0"), "{kind}");
    let text = reply.text().to_owned();
    let series =
        |text: &str, name: &str| text.lines().filter(|line| line.starts_with(name)).count();
    assert_eq!(series(&text, "mayfly_running{"), 1_001);
    for line in [
        "mayfly_attempts_total{tenant=\"default\",app=\"photos\",function=\"f1002\",outcome=\"ok\"} 1002",
        "mayfly_attempts_total{tenant=\"default\",app=\"photos\",function=\"f1002\",outcome=\"function\"} 1",
        "mayfly_attempts_total{tenant=\"(others)\",app=\"(others)\",function=\"(others)\",outcome=\"ok\"} 3",
        "mayfly_running{tenant=\"(others)\",app=\"(others)\",function=\"(others)\"} 3",
        "mayfly_billed_seconds_total{tenant=\"acme\",app=\"photos\",function=\"f1001\"} 1.5",
        "mayfly_node_waiting 2",
        "mayfly_refused_total{code=\"too_many_requests\"} 7",
        "mayfly_ledger_lost_total 0",
        "# EOF",
    ] {
        assert!(text.lines().any(|it| it == line), "{line} is not in {}", &text[..2_000]);
    }
    let buckets: Vec<_> = text
        .lines()
        .filter(|line| line.contains("duration_seconds_bucket") && line.contains("\"f1002\""))
        .map(|line| line.rsplit(' ').next().unwrap().to_owned())
        .collect();
    // OpenMetrics 1.0, section 5.1.5: a histogram has a bucket without an end.
    let endless = |it: &&str| it.contains("le=\"+Inf\"") && it.contains("\"f1002\"");
    assert!(text.lines().find(endless).is_some_and(|it| it.ends_with(" 1003")));
    assert_eq!((&*buckets[0], &*buckets[2], &**buckets.last().unwrap()), ("0", "1003", "1003"));

    node.call("POST", "/v1/tenants", json!({ "tenant": "acme" }).to_string()).await.expect(201);
    let token = json!({ "name": "grafana", "role": "read" }).to_string();
    let made = node.call("POST", "/v1/tokens?tenant=acme", token).await.expect(201).json();
    node.token = made["token"].as_str().unwrap().to_owned();
    let text = node.get("/metrics").await.expect(200).text().to_owned();
    assert_eq!(series(&text, "mayfly_running{"), 501);
    assert!(!text.contains("default") && !text.contains("mayfly_node"), "{}", &text[..2_000]);
}

use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn request(method: Method, url: &str, headers: &[(&str, &str)]) -> HttpRequest {
    let header = |(name, value): &(&str, &str)| {
        (name.parse::<HeaderName>().unwrap(), value.parse::<HeaderValue>().unwrap())
    };
    HttpRequest {
        method,
        url: url.to_owned(),
        headers: headers.iter().map(header).collect(),
        body: Body::Empty,
        route: None,
        params: Vec::new(),
        remote: Some("192.0.2.1".parse().unwrap()),
        version: Version::HTTP_11,
    }
}

fn context() -> EventContext {
    EventContext {
        account: "123456789012".to_owned(),
        api: "api-id".to_owned(),
        stage: "$default".to_owned(),
        time: UNIX_EPOCH + Duration::from_millis(1_583_348_638_390),
    }
}

fn event(request: &HttpRequest, body: &[u8]) -> Value {
    let invocation = InvocationId::new();
    let json = event_from_http(request, body, invocation, &context());
    let mut event: Value = serde_json::from_slice(&json).unwrap();
    let id = event["requestContext"]["requestId"].take();
    assert_eq!(id, invocation.to_string());
    event
}

#[test]
fn the_event_is_the_documented_one() {
    let mut request = request(
        Method::POST,
        "https://id.execute-api.us-east-1.amazonaws.com/my/path?parameter1=value1&parameter1=value2&parameter2=value",
        &[
            ("Header1", "value1"),
            ("Header2", "value1"),
            ("Header2", "value2"),
            ("Cookie", "cookie1; cookie2"),
            ("User-Agent", "agent"),
            ("Content-Type", "text/plain"),
        ],
    );
    request.params = vec![("parameter1".to_owned(), "value1".to_owned())];
    let expected = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/my/path",
        "rawQueryString": "parameter1=value1&parameter1=value2&parameter2=value",
        "cookies": ["cookie1", "cookie2"],
        "headers": {
            "header1": "value1",
            "header2": "value1,value2",
            "user-agent": "agent",
            "content-type": "text/plain"
        },
        "queryStringParameters": { "parameter1": "value1,value2", "parameter2": "value" },
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api-id",
            "domainName": "id.execute-api.us-east-1.amazonaws.com",
            "domainPrefix": "id",
            "http": {
                "method": "POST",
                "path": "/my/path",
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "agent"
            },
            "requestId": null,
            "routeKey": "$default",
            "stage": "$default",
            "time": "04/Mar/2020:19:03:58 +0000",
            "timeEpoch": 1_583_348_638_390_u64
        },
        "body": "Hello from client!",
        "pathParameters": { "parameter1": "value1" },
        "isBase64Encoded": false
    });
    assert_eq!(event(&request, b"Hello from client!"), expected);
}

#[test]
fn what_a_request_does_not_have_is_not_in_its_event() {
    let event = event(&request(Method::GET, "http://photos.localhost:8080", &[]), b"");
    for absent in ["cookies", "queryStringParameters", "pathParameters", "body"] {
        assert!(event.get(absent).is_none(), "{absent}");
    }
    assert_eq!(event["rawPath"], "/");
    assert_eq!(event["rawQueryString"], "");
    assert_eq!(event["isBase64Encoded"], false);
    assert_eq!(event["requestContext"]["domainName"], "photos.localhost");
    assert_eq!(event["requestContext"]["domainPrefix"], "photos");
}

#[test]
fn a_route_is_named_as_the_format_names_it() {
    for (route, key) in [
        ("/photos/{id}", "GET /photos/{id}"),
        ("/files/{*rest}", "GET /files/{rest+}"),
        ("/", "GET /"),
    ] {
        let mut request = request(Method::GET, "http://a.test/", &[]);
        request.route = Some(route.to_owned());
        let event = event(&request, b"");
        assert_eq!(event["routeKey"], key);
        assert_eq!(event["requestContext"]["routeKey"], key);
    }
}

#[test]
fn the_query_is_decoded_and_the_raw_one_is_not() {
    let url = "http://a.test/p%20q?a=1+2&b=%C3%BC&a=%2C&&c&d=x=y#part";
    let event = event(&request(Method::GET, url, &[]), b"");
    assert_eq!(event["rawPath"], "/p%20q");
    assert_eq!(event["rawQueryString"], "a=1+2&b=%C3%BC&a=%2C&&c&d=x=y");
    let expected = json!({ "a": "1 2,,", "b": "ü", "c": "", "d": "x=y" });
    assert_eq!(event["queryStringParameters"], expected);
}

#[test]
fn a_body_is_text_by_its_type_and_base64_otherwise() {
    for (media, text) in [
        ("text/html; charset=utf-8", true),
        ("application/json", true),
        ("Application/JSON;charset=UTF-8", true),
        ("application/vnd.api+json", true),
        ("image/svg+xml", true),
        ("application/xml", true),
        ("application/javascript", true),
        ("application/x-www-form-urlencoded", true),
        ("application/octet-stream", false),
        ("image/png", false),
        ("multipart/form-data; boundary=x", false),
    ] {
        let request = request(Method::POST, "http://a.test/", &[("content-type", media)]);
        let event = event(&request, b"hi");
        assert_eq!(event["isBase64Encoded"], !text, "{media}");
        assert_eq!(event["body"], if text { "hi" } else { "aGk=" }, "{media}");
    }
}

#[test]
fn a_text_that_is_not_utf8_is_base64() {
    let request = request(Method::POST, "http://a.test/", &[("content-type", "text/plain")]);
    let event = event(&request, &[0xff, 0xfe]);
    assert_eq!((&event["isBase64Encoded"], &event["body"]), (&json!(true), &json!("//4=")));
}

#[test]
fn a_domain_has_no_port_whatever_its_form() {
    for (authority, expected) in [
        ("a.test", "a.test"),
        ("a.test:8080", "a.test"),
        ("user:pw@a.test:1", "a.test"),
        ("[::1]:8080", "[::1]"),
        ("[::1]", "[::1]"),
        ("", ""),
    ] {
        assert_eq!(domain(authority), expected);
    }
}

#[test]
fn times_are_those_of_the_common_log_format() {
    for (seconds, expected) in [
        (0, "01/Jan/1970:00:00:00 +0000"),
        (951_782_400, "29/Feb/2000:00:00:00 +0000"),
        (951_868_799, "29/Feb/2000:23:59:59 +0000"),
        (1_583_348_638, "04/Mar/2020:19:03:58 +0000"),
        (4_107_542_400, "01/Mar/2100:00:00:00 +0000"),
        (1_735_689_599, "31/Dec/2024:23:59:59 +0000"),
        (13_569_465_600, "01/Jan/2400:00:00:00 +0000"),
    ] {
        assert_eq!(common_log_time(seconds), expected);
    }
}

fn answer(result: &Value) -> (ResponseHead, Bytes) {
    http_from_result(result.to_string().as_bytes()).unwrap()
}

fn fault(result: &Value) -> String {
    let fault = http_from_result(result.to_string().as_bytes()).unwrap_err();
    assert_eq!(fault.code, FaultCode::InvalidResponse);
    fault.message
}

#[test]
fn the_documented_results_are_read_as_documented() {
    let (head, body) = answer(&json!("Hello from Lambda!"));
    assert_eq!((head.status, &body[..]), (StatusCode::OK, &b"Hello from Lambda!"[..]));
    assert_eq!(head.headers["content-type"], "application/json");

    let (head, body) = answer(&json!({ "message": "Hello from Lambda!" }));
    assert_eq!(
        (head.status, &body[..]),
        (StatusCode::OK, &br#"{"message":"Hello from Lambda!"}"#[..])
    );
    assert_eq!(head.headers["content-type"], "application/json");

    let (head, body) = answer(&json!({
        "cookies": ["cookie1", "cookie2"],
        "isBase64Encoded": true,
        "statusCode": 201,
        "headers": { "headername": "headervalue", "x-count": 3, "x-flag": true },
        "body": "SGVsbG8gZnJvbSBMYW1iZGEh"
    }));
    assert_eq!((head.status, &body[..]), (StatusCode::CREATED, &b"Hello from Lambda!"[..]));
    let cookies: Vec<_> = head.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["cookie1", "cookie2"]);
    assert_eq!(head.headers["headername"], "headervalue");
    assert_eq!(head.headers["x-count"], "3");
    assert_eq!(head.headers["x-flag"], "true");
}

#[test]
fn any_other_value_is_the_body() {
    for value in [json!(null), json!(3), json!([1, 2]), json!({}), json!({ "body": "x" })] {
        let (head, body) = answer(&value);
        assert_eq!((head.status, body), (StatusCode::OK, Bytes::from(value.to_string())));
    }
}

#[test]
fn a_result_may_be_less_strict_than_the_format() {
    let (head, body) = answer(&json!({ "statusCode": "404", "body": { "a": 1 }, "headers": null }));
    assert_eq!((head.status, &body[..]), (StatusCode::NOT_FOUND, &br#"{"a":1}"#[..]));
    assert_eq!(head.headers["content-type"], "application/json");

    let (head, body) = answer(&json!({
        "statusCode": 200.0,
        "headers": { "X-A": "1", "x-b": null },
        "multiValueHeaders": { "x-a": ["2", "3"] }
    }));
    assert!(body.is_empty());
    assert_eq!(head.headers.get_all("x-a").iter().collect::<Vec<_>>(), ["2", "3"]);
    assert_eq!(head.headers.len(), 2);
}

#[test]
fn a_text_without_a_type_is_plain_and_bytes_without_a_type_have_none() {
    let (head, _) = answer(&json!({ "statusCode": 200, "body": "hi" }));
    assert_eq!(head.headers["content-type"], "text/plain; charset=utf-8");
    let (head, _) = answer(&json!({ "statusCode": 200, "body": "aGk=", "isBase64Encoded": true }));
    assert!(head.headers.is_empty());
}

#[test]
fn a_handler_does_not_frame_its_answer() {
    let (head, _) = answer(&json!({
        "statusCode": 200,
        "headers": { "Content-Length": "5", "Transfer-Encoding": "chunked", "Connection": "close" },
        "body": "longer than five"
    }));
    assert_eq!(head.headers.len(), 1);
    assert!(head.headers.contains_key("content-type"));
}

#[test]
fn a_result_that_is_wrong_is_a_fault_that_says_what_is_wrong() {
    for (result, message) in [
        (json!({ "statusCode": 99 }), "statusCode is 99, not an HTTP status from 200 to 599"),
        (json!({ "statusCode": 101 }), "statusCode is 101, not an HTTP status from 200 to 599"),
        (json!({ "statusCode": 200.5 }), "statusCode is 200.5, not an HTTP status from 200 to 599"),
        (json!({ "statusCode": "ok" }), "statusCode is \"ok\", not an HTTP status from 200 to 599"),
        (json!({ "statusCode": null }), "statusCode is null, not an HTTP status"),
        (
            json!({ "statusCode": 200, "headers": { "x-a": "b\r\nset-cookie: c" } }),
            "header `x-a` has a line break or a control character",
        ),
        (
            json!({ "statusCode": 200, "headers": { "x a\n": "b" } }),
            "`x a\\n` is not a header name",
        ),
        (json!({ "statusCode": 200, "headers": { "x-a": [] } }), "header `x-a` is an array"),
        (json!({ "statusCode": 200, "headers": [] }), "headers is an array, not an object"),
        (
            json!({ "statusCode": 200, "multiValueHeaders": { "x-a": "b" } }),
            "multiValueHeaders has a string for `x-a`, not an array",
        ),
        (json!({ "statusCode": 200, "cookies": "a=b" }), "cookies is a string, not an array"),
        (json!({ "statusCode": 200, "cookies": [1] }), "cookies has a number, not a string"),
        (
            json!({ "statusCode": 200, "cookies": ["a\nb"] }),
            "a cookie has a line break or a control character",
        ),
        (
            json!({ "statusCode": 200, "isBase64Encoded": "true" }),
            "isBase64Encoded is a string, not a boolean",
        ),
        (
            json!({ "statusCode": 200, "isBase64Encoded": true, "body": 1 }),
            "isBase64Encoded is true and the body is a number",
        ),
    ] {
        assert_eq!(fault(&result), message);
    }
    let message = fault(&json!({ "statusCode": 200, "isBase64Encoded": true, "body": "%" }));
    assert!(message.starts_with("the body is not base64: "), "{message}");
    let fault = http_from_result(b"{").unwrap_err();
    assert!(fault.message.starts_with("the handler's result is not JSON: "), "{}", fault.message);
}

proptest! {
    #[test]
    fn no_request_panics(
        url in "\\PC{0,60}",
        value in prop::collection::vec(any::<u8>(), 0..40),
        media in "[a-z/+;]{0,20}",
        body in prop::collection::vec(any::<u8>(), 0..40),
        route in prop::option::of("\\PC{0,20}"),
        seconds in 0..u64::MAX / 4,
    ) {
        let mut request = request(Method::PATCH, &url, &[]);
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            request.headers.append("cookie", value.clone());
            request.headers.append("x-any", value);
        }
        request.headers.append("content-type", media.parse().unwrap());
        request.route = route;
        let context = EventContext {
            time: UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH),
            ..context()
        };
        let json = event_from_http(&request, &body, InvocationId::new(), &context);
        serde_json::from_slice::<Value>(&json).unwrap();
    }

    #[test]
    fn no_result_panics(json in "\\PC{0,60}") {
        let _ = http_from_result(json.as_bytes());
    }

    #[test]
    fn no_answer_panics(
        key in prop::sample::select(vec![
            "statusCode", "headers", "multiValueHeaders", "cookies", "body", "isBase64Encoded",
        ]),
        value in value(),
    ) {
        let mut result = json!({ "statusCode": 200, "isBase64Encoded": true, "body": "" });
        result[key] = value;
        let _ = http_from_result(result.to_string().as_bytes());
    }
}

/// JSON of any shape, two levels deep.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,10}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("\\PC{0,10}", inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

#[test]
fn an_event_for_a_handler_of_http_is_a_post_of_its_json() {
    let event = EventRequest { kind: "schedule".to_owned(), json: "{\"a\":1}".into(), attempt: 2 };
    let request = http_from_event(&event, None);
    assert_eq!((&request.method, request.url.as_str()), (&Method::POST, "http://localhost/"));
    assert_eq!(request.headers["x-mayfly-event"], "schedule");
    assert_eq!(request.headers["content-type"], "application/json");
    assert!(matches!(request.body, Body::Full(json) if json == "{\"a\":1}"));
}

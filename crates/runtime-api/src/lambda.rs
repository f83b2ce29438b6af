//! The one translation between HTTP and Lambda's payload format 2.0.
//!
//! The format is that of API Gateway's HTTP APIs, section "Create AWS Lambda proxy integrations for
//! HTTP APIs" of its developer guide: [`event_from_http`] is its event, [`http_from_result`] its
//! reading of what a handler returns. [`http_from_event`] is the platform's own way back, for
//! handlers that take HTTP alone.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue,
    SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, USER_AGENT,
};
use http::{Method, StatusCode, Version};
use mayfly_types::{Fault, FaultCode, InvocationId, Revision};
use percent_encoding::percent_decode;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::{Body, EventRequest, HttpRequest, ResponseHead, TraceContext, append_header};

/// The header that tells an HTTP-only handler what kind of event it is given.
pub const EVENT_HEADER: HeaderName = HeaderName::from_static("x-mayfly-event");

/// Which attempt of its invocation an event comes with, from 1.
pub const ATTEMPT_HEADER: HeaderName = HeaderName::from_static("x-mayfly-attempt");

const DEFAULT: &str = "$default";
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Of one connection, or for the platform to say: what a handler writes there is left out.
const NOT_A_HANDLERS: [HeaderName; 8] = [
    CONNECTION,
    CONTENT_LENGTH,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// What an event says beside its request.
#[derive(Debug, Clone)]
pub struct EventContext {
    /// The tenant's account, twelve digits.
    pub account: String,
    /// What stands for the API: the app's name.
    pub api: String,
    /// The stage; `$default` unless somebody has another.
    pub stage: String,
    /// When the request came.
    pub time: SystemTime,
}

/// The event of an HTTP request, as JSON. The domain is the request's host; `rawPath` is the path as
/// it was written. A body that is no text by its content type, or no UTF-8, is base64.
pub fn event_from_http(
    request: &HttpRequest,
    body: &[u8],
    invocation: InvocationId,
    context: &EventContext,
) -> Bytes {
    let url = Parts::of(&request.url);
    let method = request.method.as_str();
    let route = route_key(method, request.route.as_deref());
    let (headers, cookies) = headers_and_cookies(&request.headers);
    let domain = domain(url.authority);
    let text = std::str::from_utf8(body).ok().filter(|_| is_text(&request.headers));
    let since = context.time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let user_agent = request.headers.get(USER_AGENT).map(lossy).unwrap_or_default();
    let event = Event {
        version: "2.0",
        route_key: &route,
        raw_path: url.path,
        raw_query_string: url.query,
        cookies,
        headers,
        query_string_parameters: query(url.query),
        request_context: RequestContext {
            account_id: &context.account,
            api_id: &context.api,
            domain_name: domain,
            domain_prefix: domain.split('.').next().unwrap_or_default(),
            http: Http {
                method,
                path: url.path,
                protocol: protocol(request.version),
                source_ip: request.remote.map(|ip| ip.to_canonical().to_string()),
                user_agent,
            },
            request_id: invocation.to_string(),
            route_key: &route,
            stage: &context.stage,
            time: common_log_time(since.as_secs()),
            time_epoch: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
        },
        body: match text {
            _ if body.is_empty() => None,
            Some(text) => Some(Cow::Borrowed(text)),
            None => Some(Cow::Owned(BASE64.encode(body))),
        },
        path_parameters: Pairs(
            request
                .params
                .iter()
                .map(|(name, value)| (Cow::Borrowed(name.as_str()), value.clone()))
                .collect(),
        ),
        is_base64_encoded: text.is_none() && !body.is_empty(),
    };
    let json = serde_json::to_vec(&event)
        .unwrap_or_else(|error| unreachable!("an event is plain data: {error}"));
    json.into()
}

/// What a handler's result answers. An object with `statusCode` is taken apart; any other value is
/// the body of a 200 of type `application/json`, a string without its quotes.
///
/// Beyond the format it takes `multiValueHeaders`, which win over `headers` of the same name, and a
/// body that is JSON and no string. Headers of the connection and `content-length` are left out.
///
/// # Errors
/// `invalid_response`, with a sentence that names what is wrong.
pub fn http_from_result(json: &[u8]) -> Result<(ResponseHead, Bytes), Fault> {
    let value: Value = serde_json::from_slice(json)
        .map_err(|error| invalid(format!("the handler's result is not JSON: {error}")))?;
    let mut result = match value {
        Value::Object(result) if result.contains_key("statusCode") => result,
        Value::String(text) => return Ok(bare(text.into())),
        _ => return Ok(bare(Bytes::copy_from_slice(json.trim_ascii()))),
    };
    let status = status(&result["statusCode"])?;
    let headers = headers(&result)?;
    let encoded = match result.get("isBase64Encoded") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(encoded)) => *encoded,
        Some(other) => {
            return Err(invalid(format!("isBase64Encoded is {}, not a boolean", kind(other))));
        }
    };
    let body = result.remove("body").unwrap_or_default();
    finish(status, headers, body, encoded)
}

/// The request that gives an event to a handler that takes HTTP alone: `POST /` with
/// [`EVENT_HEADER`], its place in a trace and the event as its JSON body.
pub fn http_from_event(event: &EventRequest, trace: Option<&TraceContext>) -> HttpRequest {
    // A kind is one of the platform's own words; anything else could not stand in a header.
    let kind =
        HeaderValue::from_str(&event.kind).unwrap_or_else(|_| HeaderValue::from_static("unknown"));
    let mut headers = HeaderMap::new();
    headers.insert(HOST, HeaderValue::from_static("localhost"));
    headers.insert(CONTENT_TYPE, JSON);
    headers.insert(EVENT_HEADER, kind);
    headers.insert(ATTEMPT_HEADER, HeaderValue::from(event.attempt));
    if let Some(trace) = trace {
        trace.write(&mut headers);
    }
    HttpRequest {
        method: Method::POST,
        url: "http://localhost/".to_owned(),
        headers,
        body: Body::full(event.json.clone()),
        route: None,
        params: Vec::new(),
        remote: None,
        version: Version::HTTP_11,
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    version: &'static str,
    route_key: &'a str,
    raw_path: &'a str,
    raw_query_string: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<String>,
    headers: Pairs<'a>,
    #[serde(skip_serializing_if = "Pairs::is_empty")]
    query_string_parameters: Pairs<'a>,
    request_context: RequestContext<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Pairs::is_empty")]
    path_parameters: Pairs<'a>,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    account_id: &'a str,
    api_id: &'a str,
    domain_name: &'a str,
    domain_prefix: &'a str,
    http: Http<'a>,
    request_id: String,
    route_key: &'a str,
    stage: &'a str,
    time: String,
    time_epoch: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Http<'a> {
    method: &'a str,
    path: &'a str,
    protocol: &'static str,
    /// Empty, not absent, for a caller without an address: handlers take it for a string.
    #[serde(serialize_with = "or_empty")]
    source_ip: Option<String>,
    user_agent: Cow<'a, str>,
}

fn or_empty<S: Serializer>(value: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(value.as_deref().unwrap_or_default())
}

/// A JSON object in the order in which it was made.
struct Pairs<'a>(Vec<(Cow<'a, str>, String)>);

impl Pairs<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// The parts of an absolute URL, as they are written.
struct Parts<'a> {
    authority: &'a str,
    path: &'a str,
    query: &'a str,
}

impl<'a> Parts<'a> {
    fn of(url: &'a str) -> Self {
        let url = url.split('#').next().unwrap_or_default();
        let (before, query) = url.split_once('?').unwrap_or((url, ""));
        let (authority, path) = match before.split_once("://") {
            Some((_, rest)) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
            None => ("", before),
        };
        Self { authority, path: if path.is_empty() { "/" } else { path }, query }
    }
}

/// The host of an authority, without its port.
fn domain(authority: &str) -> &str {
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match host.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => host,
        _ => host,
    }
}

/// `GET /photos/{id}`. The tail of a path is `{rest+}` in the format and `{*rest}` in a manifest.
fn route_key<'a>(method: &str, route: Option<&'a str>) -> Cow<'a, str> {
    let Some(route) = route else { return Cow::Borrowed(DEFAULT) };
    let route = match route.split_once("{*") {
        Some((head, tail)) => match tail.split_once('}') {
            Some((name, rest)) => Cow::Owned(format!("{head}{{{name}+}}{rest}")),
            None => Cow::Borrowed(route),
        },
        None => Cow::Borrowed(route),
    };
    Cow::Owned(format!("{method} {route}"))
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_09 | Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        Version::HTTP_3 => "HTTP/3",
        _ => "HTTP/1.1",
    }
}

fn lossy(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

fn headers_and_cookies(headers: &HeaderMap) -> (Pairs<'_>, Vec<String>) {
    let mut cookies = Vec::new();
    let mut pairs = Vec::with_capacity(headers.keys_len());
    for name in headers.keys() {
        let values = headers.get_all(name).iter().map(lossy);
        if *name == COOKIE {
            for value in values {
                let several = value.split(';').map(str::trim).filter(|cookie| !cookie.is_empty());
                cookies.extend(several.map(str::to_owned));
            }
        } else {
            let joined = values.collect::<Vec<_>>().join(",");
            pairs.push((Cow::Borrowed(name.as_str()), joined));
        }
    }
    (Pairs(pairs), cookies)
}

/// Decoded parameters in the order of their first appearance, several of a name with commas.
fn query(query: &str) -> Pairs<'_> {
    let mut pairs: Vec<(Cow<'_, str>, String)> = Vec::new();
    let mut places = HashMap::new();
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let (name, value) = (form_decode(name), form_decode(value));
        match places.get(&name) {
            Some(&place) => {
                let (_, values): &mut (_, String) = &mut pairs[place];
                values.push(',');
                values.push_str(&value);
            }
            None => {
                places.insert(name.clone(), pairs.len());
                pairs.push((Cow::Owned(name), value));
            }
        }
    }
    Pairs(pairs)
}

fn form_decode(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode(spaced.as_bytes()).decode_utf8_lossy().into_owned()
}

/// Whether a content type is one that reaches a handler as it is.
fn is_text(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).map(lossy).unwrap_or_default();
    let media = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media.starts_with("text/")
        || media.ends_with("+json")
        || media.ends_with("+xml")
        || matches!(
            media.as_str(),
            "application/json"
                | "application/javascript"
                | "application/xml"
                | "application/x-www-form-urlencoded"
        )
}

/// `12/Mar/2020:19:03:58 +0000`, the time of the Common Log Format.
fn common_log_time(seconds: u64) -> String {
    const MONTHS: [(&str, u64); 12] = [
        ("Jan", 31),
        ("Feb", 28),
        ("Mar", 31),
        ("Apr", 30),
        ("May", 31),
        ("Jun", 30),
        ("Jul", 31),
        ("Aug", 31),
        ("Sep", 30),
        ("Oct", 31),
        ("Nov", 30),
        ("Dec", 31),
    ];
    /// The calendar repeats after 400 years.
    const DAYS_OF_400_YEARS: u64 = 146_097;
    let days = seconds / 86_400;
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970 + 400 * (days / DAYS_OF_400_YEARS);
    let mut day = days % DAYS_OF_400_YEARS;
    while day >= 365 + u64::from(leap(year)) {
        day -= 365 + u64::from(leap(year));
        year += 1;
    }
    let mut month = 0;
    loop {
        let length = MONTHS[month].1 + u64::from(month == 1 && leap(year));
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let name = MONTHS[month].0;
    format!("{:02}/{name}/{year}:{hour:02}:{minute:02}:{second:02} +0000", day + 1)
}

fn invalid(message: impl Into<String>) -> Fault {
    Fault::new(FaultCode::InvalidResponse, message)
}

/// A result that says nothing about HTTP.
fn bare(body: Bytes) -> (ResponseHead, Bytes) {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, JSON)]);
    (ResponseHead { status: StatusCode::OK, headers }, body)
}

fn finish(
    status: StatusCode,
    mut headers: HeaderMap,
    body: Value,
    encoded: bool,
) -> Result<(ResponseHead, Bytes), Fault> {
    // What API Gateway says of a text without a type; bytes are of a type that only the handler
    // knows.
    let (body, unsaid): (Bytes, _) = match body {
        Value::Null => (Bytes::new(), None),
        Value::String(text) if encoded => {
            let bytes = BASE64
                .decode(text)
                .map_err(|error| invalid(format!("the body is not base64: {error}")))?;
            (bytes.into(), None)
        }
        Value::String(text) => (text.into(), Some(TEXT)),
        other if encoded => {
            let kind = kind(&other);
            return Err(invalid(format!("isBase64Encoded is true and the body is {kind}")));
        }
        other => (other.to_string().into(), Some(JSON)),
    };
    if let Some(unsaid) = unsaid {
        headers.entry(CONTENT_TYPE).or_insert(unsaid);
    }
    Ok((ResponseHead { status, headers }, body))
}

fn status(value: &Value) -> Result<StatusCode, Fault> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    // Not below 200: an interim status is no answer.
    let status = number
        .filter(|number| number.fract() == 0.0 && (200.0..600.0).contains(number))
        .and_then(|number| StatusCode::from_u16(number as u16).ok());
    status.ok_or_else(|| match value {
        Value::Number(_) | Value::String(_) => {
            invalid(format!("statusCode is {value}, not an HTTP status from 200 to 599"))
        }
        other => invalid(format!("statusCode is {}, not an HTTP status", kind(other))),
    })
}

fn headers(result: &serde_json::Map<String, Value>) -> Result<HeaderMap, Fault> {
    let mut headers = HeaderMap::new();
    for (name, value) in object(result, "headers")? {
        if !value.is_null() {
            let (name, value) = header(name, value)?;
            append_header(&mut headers, name, value)?;
        }
    }
    for (name, values) in object(result, "multiValueHeaders")? {
        let Value::Array(values) = values else {
            let kind = kind(values);
            return Err(invalid(format!(
                "multiValueHeaders has {kind} for `{name}`, not an array"
            )));
        };
        let values: Vec<_> =
            values.iter().map(|value| header(name, value)).collect::<Result<_, _>>()?;
        for (i, (name, value)) in values.into_iter().enumerate() {
            if i == 0 {
                headers.remove(&name);
                append_header(&mut headers, name, value)?;
            } else {
                append_header(&mut headers, name, value)?;
            }
        }
    }
    match result.get("cookies") {
        None | Some(Value::Null) => {}
        Some(Value::Array(cookies)) => {
            for cookie in cookies {
                let Value::String(cookie) = cookie else {
                    return Err(invalid(format!("cookies has {}, not a string", kind(cookie))));
                };
                let cookie = HeaderValue::from_bytes(cookie.as_bytes())
                    .map_err(|_| invalid("a cookie has a line break or a control character"))?;
                append_header(&mut headers, SET_COOKIE, cookie)?;
            }
        }
        Some(other) => return Err(invalid(format!("cookies is {}, not an array", kind(other)))),
    }
    for name in NOT_A_HANDLERS {
        headers.remove(name);
    }
    Ok(headers)
}

fn object<'a>(
    result: &'a serde_json::Map<String, Value>,
    key: &str,
) -> Result<impl Iterator<Item = (&'a String, &'a Value)> + use<'a>, Fault> {
    match result.get(key) {
        None | Some(Value::Null) => Ok(None.into_iter().flatten()),
        Some(Value::Object(object)) => Ok(Some(object).into_iter().flatten()),
        Some(other) => Err(invalid(format!("{key} is {}, not an object", kind(other)))),
    }
}

/// The value is not in the message: it may be a secret.
fn header(name: &str, value: &Value) -> Result<(HeaderName, HeaderValue), Fault> {
    let text = match value {
        Value::String(text) => Cow::Borrowed(text.as_str()),
        Value::Number(number) => Cow::Owned(number.to_string()),
        Value::Bool(bool) => Cow::Borrowed(if *bool { "true" } else { "false" }),
        other => {
            let kind = kind(other);
            return Err(invalid(format!("header `{}` is {kind}", name.escape_debug())));
        }
    };
    let parsed = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| invalid(format!("`{}` is not a header name", name.escape_debug())))?;
    let value = HeaderValue::from_bytes(text.as_bytes()).map_err(|_| {
        invalid(format!("header `{parsed}` has a line break or a control character"))
    })?;
    Ok((parsed, value))
}

/// What Lambda's `context` says of every invocation of a revision, in the names that its Node.js
/// runtime gives it.
pub fn function_context(revision: &Revision) -> Value {
    let (app, function) = (&revision.app().app, revision.function());
    json!({
        "functionName": function,
        "functionVersion": "$LATEST",
        "invokedFunctionArn": format!("arn:aws:lambda:local:000000000000:function:{app}/{function}"),
        "memoryLimitInMB": (revision.config().memory.as_bytes() >> 20).to_string(),
        "logGroupName": format!("/mayfly/{app}/{function}"),
        "logStreamName": revision.id().short(),
    })
}

/// The plain fields of Lambda's context object; `deadlineMs` is when the attempt must have ended, in
/// milliseconds since 1970, for its remaining time.
pub fn context(revision: &Revision, id: InvocationId, attempt: u32, deadline: Instant) -> Value {
    let mut context = function_context(revision);
    context["awsRequestId"] = json!(id);
    context["attempt"] = json!(attempt);
    context["deadlineMs"] = json!(deadline_ms(deadline));
    context
}

/// When an invocation must have ended, in milliseconds since 1970.
pub fn deadline_ms(deadline: Instant) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (now + deadline.saturating_duration_since(Instant::now())).as_millis() as u64
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests;

//! Faults as answers: JSON that says whose fault it is, and in `dev` a page that shows it.

use bytes::Bytes;
use http::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use mayfly_runtime_api::Body;
use mayfly_types::{Fault, InvocationId};
use serde_json::json;

/// Carries the invocation's id on every answer.
pub(crate) const INVOCATION_ID: HeaderName = HeaderName::from_static("x-mayfly-invocation-id");

/// Says that an answer is the one to an earlier request with the same key.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Whether callers may see what a function threw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Details {
    /// They may not: it is in the function's log.
    Hidden,
    /// They are its author (`mayfly dev`), who asked for JSON.
    Shown,
    /// They are its author, before a browser.
    Page,
}

impl Details {
    /// Details for whoever asks so.
    pub(crate) fn shown(request: &HeaderMap) -> Self {
        let accept = request.get(ACCEPT).and_then(|accept| accept.to_str().ok());
        match accept.is_some_and(|accept| accept.contains("text/html")) {
            true => Self::Page,
            false => Self::Shown,
        }
    }
}

/// The answer for a fault.
pub(crate) fn response(fault: &Fault, id: InvocationId, details: Details) -> Response<Body> {
    let status =
        StatusCode::from_u16(fault.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let detail = fault.detail.as_deref().filter(|_| details != Details::Hidden);
    let (kind, body) = if details == Details::Page {
        ("text/html; charset=utf-8", page(fault, status, detail, id))
    } else {
        ("application/json", document(fault, detail, id))
    };
    let mut response = Response::new(Body::full(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(seconds) = fault.wait_seconds() {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// The answer for a path that is routed, but not for this method.
pub(crate) fn allow(response: &mut Response<Body>, methods: &[String]) {
    if let Ok(value) = HeaderValue::from_str(&methods.join(", ")) {
        response.headers_mut().insert(ALLOW, value);
    }
}

fn document(fault: &Fault, detail: Option<&str>, id: InvocationId) -> String {
    let mut error = json!({
        "code": fault.code.as_str(),
        "message": fault.message,
        "invocation_id": id.to_string(),
        "retryable": fault.code.retryable(),
    });
    if let Some(detail) = detail {
        error["detail"] = detail.into();
    }
    json!({ "error": error }).to_string() + "\n"
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn page(fault: &Fault, status: StatusCode, detail: Option<&str>, id: InvocationId) -> String {
    let detail = detail.map(|detail| format!("<pre>{}</pre>", escape(detail))).unwrap_or_default();
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8>\
         <meta name=viewport content=\"width=device-width\"><title>{status}</title>\
         <style>body{{font:16px/1.5 system-ui,sans-serif;margin:3rem auto;max-width:60rem;\
         padding:0 1rem;color:#222;background:#fff}}h1{{font-size:1.2rem}}h1 b{{color:#b00020}}\
         pre{{background:#f5f5f5;padding:1rem;overflow:auto;border-left:3px solid #b00020}}\
         small{{color:#666}}@media(prefers-color-scheme:dark){{body{{background:#161616;\
         color:#ddd}}pre{{background:#222}}small{{color:#999}}}}</style>\
         <h1><b>{}</b> {}</h1>{detail}<p><small>{status} · invocation {id} · shown because this \
         is <code>mayfly dev</code>; callers of a deployed app see neither stack nor source</small>\
         </html>\n",
        escape(fault.code.as_str()),
        escape(&fault.message),
    )
}

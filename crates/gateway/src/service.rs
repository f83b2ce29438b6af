//! The way of one request.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use http::header::{
    CONNECTION, CONTENT_LENGTH, HOST, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, Request, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use mayfly_control_api::SharedView;
use mayfly_runtime_api::lambda::{ATTEMPT_HEADER, EVENT_HEADER};
use mayfly_runtime_api::{
    Answer, Body, HttpRequest, Invocation, Invoke, Payload, Spans, idempotency_key,
};
use mayfly_types::{Fault, FaultCode, InvocationId};

use crate::body::{Bounded, Refusal};
use crate::errors::{self, Details, INVOCATION_ID, REPLAYED};
use crate::hosts::Hosts;
use crate::policy::{self, Limits};
use crate::route::{self, Unrouted};
use crate::trace::Traced;

/// What a gateway works with.
pub struct Parts {
    /// What is live.
    pub view: SharedView,
    /// Runs functions.
    pub invoke: Arc<dyn Invoke>,
    /// How hosts name apps.
    pub hosts: Hosts,
    /// Bounds of what comes in.
    pub limits: Limits,
    /// Whether callers see what a function threw; only for `mayfly dev`.
    pub show_details: bool,
    /// While this holds a fault, every request is answered with it.
    pub notice: Arc<ArcSwapOption<Fault>>,
    /// Takes spans, where traces are kept.
    pub spans: Option<Arc<dyn Spans>>,
}

/// Answers HTTP requests with functions.
pub struct Gateway {
    parts: Parts,
}

impl Gateway {
    /// A gateway.
    pub fn new(parts: Parts) -> Self {
        Self { parts }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.parts.limits
    }

    /// Answers one request. Dropping the future is the caller leaving.
    pub(crate) async fn serve(
        &self,
        request: Request<Incoming>,
        remote: Option<IpAddr>,
    ) -> Response<Body> {
        let id = InvocationId::new();
        let (mut parts, incoming) = request.into_parts();
        let details = match self.parts.show_details {
            true => Details::shown(&parts.headers),
            false => Details::Hidden,
        };
        let mut traced = self.parts.spans.as_ref().map(|spans| Traced::begin(spans, id, &parts));
        let answered = self.answer(id, &mut parts, incoming, remote, traced.as_deref_mut()).await;
        let (id, again) = match &answered {
            Ok(Served { again: Some(of), .. }) => (*of, true),
            _ => (id, false),
        };
        let answered = match answered {
            Ok(answered) => answered.response,
            Err(refused) => Err(refused),
        };
        let failed = answered.as_ref().err().map(|refused| refused.fault.code.as_str());
        let mut response = answered.unwrap_or_else(|Refused { fault, allow }| {
            let mut response = errors::response(&fault, id, details);
            if let Some(methods) = allow {
                errors::allow(&mut response, &methods);
            }
            response
        });
        if again {
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        }
        if let Ok(id) = HeaderValue::from_str(&id.to_string()) {
            response.headers_mut().insert(INVOCATION_ID, id);
        }
        match traced {
            Some(traced) => traced.answered(id, response, failed),
            None => response,
        }
    }

    async fn answer(
        &self,
        id: InvocationId,
        parts: &mut http::request::Parts,
        incoming: Incoming,
        remote: Option<IpAddr>,
        mut traced: Option<&mut Traced>,
    ) -> Result<Served, Refused> {
        if let Some(fault) = &*self.parts.notice.load() {
            return Err(Fault::clone(fault).into());
        }
        let authority = authority(parts)?;
        let path = parts.uri.path();
        let named = self.parts.hosts.find(&authority, path, remote).ok_or_else(|| {
            let message = format!("no app answers at `{authority}`");
            Fault::new(FaultCode::NotFound, message)
        })?;
        let url = url(&authority, named.path, parts.uri.query());
        let routed = {
            let view = self.parts.view.load();
            route::find(&view, named, parts.method.as_str())?
        };
        if let Some(traced) = &mut traced {
            traced.routed(&routed.target, &routed.pattern);
        }
        policy::admit(parts, &self.parts.limits)?;
        // Methods that change nothing need no key (RFC 9110, section 9.2.1).
        let key = match parts.method.is_safe() {
            true => None,
            false => idempotency_key(&parts.headers)?,
        };
        let (body, refusal) = self.body(incoming);
        let mut headers = std::mem::take(&mut parts.headers);
        strip_hop_by_hop(&mut headers);
        strip_own(&mut headers);
        let request = HttpRequest {
            method: parts.method.clone(),
            url,
            headers,
            body,
            route: Some(routed.pattern),
            params: routed.params,
            remote,
            version: parts.version,
        };
        let payload = Payload::Http(request);
        let trace = traced.and_then(|traced| traced.trace());
        let target = routed.target;
        let invocation = Invocation { id, target, payload, caller: None, key, trace };
        let answered = self.parts.invoke.invoke(invocation).await;
        // A body over the limit is the caller's fault, whatever the function made of it.
        if let Some(fault) = refusal.as_ref().and_then(|refusal| refusal.get()) {
            return Err(fault.clone().into());
        }
        let response = answered.answer.map_err(Refused::from);
        let response = response.and_then(|answer| response_of(answer, &parts.method));
        Ok(Served { response, again: answered.again })
    }

    fn body(&self, incoming: Incoming) -> (Body, Option<Refusal>) {
        if incoming.is_end_stream() {
            return (Body::Empty, None);
        }
        let (body, refusal) = Bounded::new(incoming, self.parts.limits);
        (Body::Stream(Box::pin(body)), Some(refusal))
    }
}

/// What an answer becomes for the caller.
fn response_of(answer: Answer, method: &http::Method) -> Result<Response<Body>, Refused> {
    let Answer::Http { head, body } = answer else {
        let message = "the function answered a request with an event's result";
        return Err(Fault::new(FaultCode::Internal, message).into());
    };
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    if head.status.is_informational() {
        let message = format!("a function cannot answer with status {}", head.status);
        return Err(Fault::new(FaultCode::InvalidResponse, message).into());
    }
    strip_hop_by_hop(response.headers_mut());
    // The body's own length is sent: a wrong one would break the connection.
    if method != http::Method::HEAD {
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    Ok(response)
}

/// What came of a request.
struct Served {
    response: Result<Response<Body>, Refused>,
    /// The invocation that was answered so before.
    again: Option<InvocationId>,
}

/// A request that is not answered by a function.
struct Refused {
    fault: Fault,
    allow: Option<Vec<String>>,
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        Self { fault, allow: None }
    }
}

impl From<Unrouted> for Refused {
    fn from(unrouted: Unrouted) -> Self {
        match unrouted {
            Unrouted::Fault(fault) => fault.into(),
            Unrouted::Method(methods) => {
                let message = format!("this path takes only {}", methods.join(", "));
                let fault = Fault::new(FaultCode::MethodNotAllowed, message);
                Self { fault, allow: Some(methods) }
            }
        }
    }
}

fn authority(parts: &http::request::Parts) -> Result<String, Fault> {
    if let Some(authority) = parts.uri.authority() {
        return Ok(authority.host().to_owned()
            + &authority.port().map(|port| format!(":{port}")).unwrap_or_default());
    }
    let mut hosts = parts.headers.get_all(HOST).iter();
    match (hosts.next().map(HeaderValue::to_str), hosts.next()) {
        // HTTP/1.0 may leave it out.
        (None, _) => Ok("localhost".into()),
        (Some(Ok(host)), None) if host.parse::<http::uri::Authority>().is_ok() => Ok(host.into()),
        // RFC 9112, section 3.2: a wrong or second Host is refused.
        _ => Err(Fault::new(FaultCode::BadRequest, "the request's Host header is not valid")),
    }
}

fn url(authority: &str, path: &str, query: Option<&str>) -> String {
    let query_len = query.map_or(0, |query| query.len() + 1);
    let mut url = String::with_capacity(8 + authority.len() + path.len() + query_len);
    url.push_str("http://");
    url.push_str(authority);
    url.push_str(path);
    if let Some(query) = query {
        url.push('?');
        url.push_str(query);
    }
    url
}

/// Removes what the platform alone says: with it a caller's request would look like an event.
fn strip_own(headers: &mut HeaderMap) {
    for name in [EVENT_HEADER, ATTEMPT_HEADER] {
        headers.remove(name);
    }
}

/// Removes what is of the connection and not of the message (RFC 9110, section 7.6.1).
fn strip_hop_by_hop(headers: &mut HeaderMap) {
    // Most messages have none, and to look through a few names is quicker than to look each up.
    if !headers.keys().any(is_hop_by_hop) {
        return;
    }
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

fn is_hop_by_hop(name: &HeaderName) -> bool {
    HOP_BY_HOP.contains(name)
}

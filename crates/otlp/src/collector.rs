//! A collector: where batches go, and what it says to each.

use std::fmt;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use http::{Method, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use ipnet::IpNet;
use mayfly_egress::{
    Client, ClientConfig, Egress, FetchRequest, OperatorRules, Policy, RedirectMode, RequestBody,
    SystemResolver,
};
use prost::Message;
use url::Url;

/// How long a collector has for one answer.
const ANSWERS_IN: Duration = Duration::from_secs(10);
/// Most bytes of an answer that are read.
const ANSWER: usize = 64 << 10;
/// Longest wait that a collector may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Headers of every request, such as a token. Nothing shows their values.
#[derive(Clone, Default)]
pub struct Headers(HeaderMap);

impl Headers {
    /// Adds one.
    ///
    /// # Errors
    /// Its name, when the name or the value cannot be sent, or when the protocol has it already.
    pub fn add(&mut self, name: &str, value: &str) -> Result<(), String> {
        let wrong = || format!("the header `{name}` cannot be sent");
        let mut value = HeaderValue::from_str(value.trim()).map_err(|_| wrong())?;
        value.set_sensitive(true);
        let key: HeaderName = name.trim().parse().map_err(|_| wrong())?;
        if key == CONTENT_TYPE {
            return Err(wrong());
        }
        self.0.append(key, value);
        Ok(())
    }
}

impl fmt::Debug for Headers {
    /// Their names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys().map(HeaderName::as_str)).finish()
    }
}

/// Why an endpoint is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// It cannot be read.
    #[error("it is no URL: {0}")]
    Url(#[from] url::ParseError),
    /// It is of another kind.
    #[error("it begins with http:// or https://")]
    Scheme,
    /// A user or password stands in it, where logs would show them.
    #[error("a user and a password belong into `headers`, not into a URL that is logged")]
    Credentials,
    /// It has a query or fragment.
    #[error("a path is added to it: it has no query and no fragment")]
    Query,
    /// There can be no connections.
    #[error("{0}")]
    Client(String),
}

/// Where batches go.
pub struct Collector {
    client: Client,
    policy: Policy,
    endpoint: Url,
    headers: HeaderMap,
}

/// What came of a batch (OTLP/HTTP, section "OTLP/HTTP Response").
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// It was taken; some of it was refused, if so many and with this reason.
    Taken(Option<(i64, String)>),
    /// It may be sent again, after this time if the collector says so.
    Later { why: String, after: Option<Duration> },
    /// It is of no use to send it again.
    Refused(String),
}

impl Collector {
    /// The collector at an endpoint, to which `/v1/traces` and `/v1/metrics` are added. It may be anywhere: it is the
    /// operator's, whom no rule of egress binds.
    ///
    /// # Errors
    /// See [`EndpointError`].
    pub fn new(endpoint: &str, headers: Headers) -> Result<Self, EndpointError> {
        let endpoint = Url::parse(endpoint)?;
        if !matches!(endpoint.scheme(), "http" | "https") {
            return Err(EndpointError::Scheme);
        }
        if !endpoint.username().is_empty() || endpoint.password().is_some() {
            return Err(EndpointError::Credentials);
        }
        if endpoint.query().is_some() || endpoint.fragment().is_some() {
            return Err(EndpointError::Query);
        }
        let client = |error: &dyn fmt::Display| EndpointError::Client(error.to_string());
        let (host, port) = (endpoint.host_str(), endpoint.port_or_known_default());
        let (Some(host), Some(port)) = (host, port) else { return Err(EndpointError::Scheme) };
        let policy = Policy::new(&[format!("{host}:{port}")]).map_err(|it| client(&it))?;
        let everywhere: [IpNet; 2] =
            [ipnet::Ipv4Net::default().into(), ipnet::Ipv6Net::default().into()];
        let rules = OperatorRules { allow: everywhere.to_vec(), deny_addrs: Vec::new() };
        let resolver = SystemResolver::new().map_err(|it| client(&it))?;
        let config = ClientConfig { max_connections: 8, max_idle: 2, ..ClientConfig::default() };
        let egress = Egress::new(rules, resolver);
        let client = Client::new(egress, config).map_err(|it| client(&it))?;
        let Headers(mut headers) = headers;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        let agent = concat!("mayfly/", env!("CARGO_PKG_VERSION"));
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(agent));
        Ok(Self { client, policy, endpoint, headers })
    }

    /// Sends a batch once. `partial` reads the answer: how many were refused, and why.
    pub(crate) async fn send(
        &self,
        path: &str,
        batch: Bytes,
        partial: fn(&[u8]) -> Option<(i64, String)>,
    ) -> Delivered {
        let mut url = self.endpoint.clone();
        url.set_path(&format!("{}/{path}", self.endpoint.path().trim_end_matches('/')));
        let request = FetchRequest {
            method: Method::POST,
            url,
            headers: self.headers.clone(),
            body: RequestBody::Full(batch),
            // A redirect would take the headers to somebody else.
            redirect: RedirectMode::Manual,
            deadline: Instant::now() + ANSWERS_IN,
        };
        let answer = match self.client.fetch(&self.policy, request).await {
            Ok(answer) => answer,
            Err(error) => return Delivered::Later { why: error.to_string(), after: None },
        };
        let (status, after) = (answer.status, wait(&answer.headers));
        let body = Limited::new(answer.body, ANSWER).collect().await;
        let body = body.map(|body| body.to_bytes()).unwrap_or_default();
        match status {
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => {
                Delivered::Later { why: format!("it answered {status}"), after }
            }
            status if status.is_success() => Delivered::Taken(partial(&body)),
            status => Delivered::Refused(format!("it answered {status}")),
        }
    }
}

/// How long the collector asks to wait: seconds alone, for who exports needs no dates.
fn wait(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST_WAIT))
}

/// An answer that is read as far as it can be: what is no message is an empty one.
pub(crate) fn answer<T: Message + Default>(body: &[u8]) -> T {
    T::decode(body).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_plain_url() {
        let refused = |endpoint| Collector::new(endpoint, Headers::default()).err();
        assert_eq!(refused("http://localhost:4318"), None);
        assert_eq!(refused("https://otlp.example.com/base/"), None);
        assert_eq!(refused("http://[::1]:4318"), None);
        assert!(matches!(refused("localhost"), Some(EndpointError::Url(_))));
        assert_eq!(refused("localhost:4318"), Some(EndpointError::Scheme));
        assert_eq!(refused("grpc://localhost:4317"), Some(EndpointError::Scheme));
        assert_eq!(refused("http://me:secret@localhost"), Some(EndpointError::Credentials));
        assert_eq!(refused("http://localhost/?a=b"), Some(EndpointError::Query));
    }

    #[test]
    fn nothing_shows_a_headers_value() {
        let mut headers = Headers::default();
        headers.add("authorization", "Bearer secret").unwrap();
        let shown = format!("{headers:?} {:?}", headers.0);
        assert!(shown.contains("authorization") && !shown.contains("secret"), "{shown}");
        let wrong = headers.add("x-key", "a\nsecret").unwrap_err();
        assert_eq!(wrong, "the header `x-key` cannot be sent");
    }
}

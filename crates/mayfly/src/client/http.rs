//! One HTTP exchange with a node.

use std::io::{ErrorKind, Read};
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use ureq::http::{self, HeaderValue, Method, StatusCode, header};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, SendBody, Timeout};

use super::find::is_loopback;
use super::{ApiError, Error, FoundBy, Node, Token};

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// Most bytes of an answer.
const MOST: u64 = 256 << 20;

/// One call.
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    /// Path and query, from `/v1/` on.
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Content<'a>,
    /// Longest time until the answer is complete; `None` waits for as long as it takes.
    pub(crate) timeout: Option<Duration>,
}

/// What a call sends.
pub(crate) enum Content<'a> {
    Nothing,
    Json(Vec<u8>),
    /// That many bytes from a reader.
    Stream(&'a mut dyn Read, u64),
}

impl Request<'_> {
    pub(crate) fn new(method: Method, path: String) -> Self {
        Self {
            method,
            path,
            headers: Vec::new(),
            body: Content::Nothing,
            timeout: Some(Duration::from_secs(60)),
        }
    }
}

/// The connection to one node.
pub(crate) struct Http {
    agent: Agent,
    url: String,
    by: FoundBy,
    token: Option<Token>,
}

impl Http {
    pub(crate) fn new(node: &Node) -> Self {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            // Not followed, because the token would go along.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_resolve(Some(CONNECT))
            .user_agent(concat!("mayfly/", env!("CARGO_PKG_VERSION")));
        if node.url.starts_with("https:") {
            config = config.tls_config(tls());
        }
        if url::Url::parse(&node.url).is_ok_and(|url| is_loopback(&url)) {
            config = config.proxy(None);
        }
        let Node { url, token, by } = node.clone();
        Self { agent: config.build().new_agent(), url, by, token }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What told the address.
    pub(crate) fn found_by(&self) -> &FoundBy {
        &self.by
    }

    /// Makes a call and reads its answer as `T`.
    pub(crate) fn json<T: DeserializeOwned>(&self, request: Request<'_>) -> Result<T, Error> {
        self.read(&self.bytes(request)?)
    }

    /// Reads an answer as `T`.
    pub(crate) fn read<T: DeserializeOwned>(&self, answer: &[u8]) -> Result<T, Error> {
        serde_json::from_slice(answer)
            .map_err(|error| self.strange(format!("its answer cannot be read: {error}")))
    }

    /// Makes a call and reads its answer.
    pub(crate) fn bytes(&self, request: Request<'_>) -> Result<Vec<u8>, Error> {
        let timeout = request.timeout;
        let mut head = http::Request::builder()
            .method(request.method)
            .uri(format!("{}{}", self.url, request.path))
            .header(header::ACCEPT, "application/json");
        for (name, value) in request.headers {
            head = head.header(name, value);
        }
        if let Some(token) = &self.token {
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.reveal()))
                .map_err(|_| self.strange("the token has characters that no token has".into()))?;
            value.set_sensitive(true);
            head = head.header(header::AUTHORIZATION, value);
        }
        let head = match &request.body {
            Content::Nothing => head,
            Content::Json(_) => head.header(header::CONTENT_TYPE, "application/json"),
            Content::Stream(_, length) => head
                .header(header::CONTENT_TYPE, "application/octet-stream")
                .header(header::CONTENT_LENGTH, *length),
        };
        let wrong = |error: http::Error| self.strange(error.to_string());
        let answer = match request.body {
            Content::Nothing => self.run(head.body(()).map_err(wrong)?, timeout),
            Content::Json(bytes) => self.run(head.body(bytes).map_err(wrong)?, timeout),
            Content::Stream(reader, _) => {
                self.run(head.body(SendBody::from_reader(reader)).map_err(wrong)?, timeout)
            }
        };
        let mut answer = answer.map_err(|error| self.failed(error))?;
        let body = answer.body_mut().with_config().limit(MOST).read_to_vec();
        let body = body.map_err(|error| self.failed(error))?;
        if answer.status().is_success() {
            Ok(body)
        } else {
            Err(self.refused(answer.status(), &body))
        }
    }

    fn run(
        &self,
        request: http::Request<impl ureq::AsSendBody>,
        timeout: Option<Duration>,
    ) -> Result<http::Response<ureq::Body>, ureq::Error> {
        let request = self.agent.configure_request(request).timeout_global(timeout).build();
        self.agent.run(request)
    }

    fn refused(&self, status: StatusCode, body: &[u8]) -> Error {
        #[derive(serde::Deserialize)]
        struct Envelope {
            error: ApiError,
        }
        if status == StatusCode::UNAUTHORIZED {
            return Error::Unauthorized { url: self.url.clone(), sent: self.token.is_some() };
        }
        match serde_json::from_slice::<Envelope>(body) {
            Ok(envelope) => Error::Api(envelope.error),
            Err(_) => self.strange(format!("it answers {status}")),
        }
    }

    /// The node did what no node does.
    pub(crate) fn strange(&self, what: String) -> Error {
        Error::Strange { url: self.url.clone(), what }
    }

    fn failed(&self, error: ureq::Error) -> Error {
        let url = self.url.clone();
        let unreachable = |reason: &str| Error::Unreachable {
            url: url.clone(),
            by: self.by.clone(),
            reason: reason.into(),
        };
        match error {
            ureq::Error::HostNotFound => unreachable("the host's name is unknown"),
            ureq::Error::ConnectionFailed => unreachable("the connection failed"),
            ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve) => {
                unreachable("it does not answer")
            }
            ureq::Error::Timeout(_) => Error::Lost { url, reason: "it took too long".into() },
            ureq::Error::Io(error) if is_distrust(&error) => {
                unreachable(&format!("{error} (SSL_CERT_FILE can name the roots to trust)"))
            }
            ureq::Error::Io(error) => match error.kind() {
                ErrorKind::ConnectionRefused => unreachable("connection refused"),
                ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
                    unreachable(&error.to_string())
                }
                _ => Error::Lost { url, reason: error.to_string() },
            },
            ureq::Error::Protocol(error) => Error::Lost { url, reason: error.to_string() },
            ureq::Error::Rustls(error) => unreachable(&error.to_string()),
            ureq::Error::BodyExceedsLimit(most) => {
                Error::Strange { url, what: format!("its answer is over {} MB", most >> 20) }
            }
            error => Error::Strange { url, what: error.to_string() },
        }
    }
}

/// Whether the handshake ended because the peer's certificate is not trusted.
fn is_distrust(error: &std::io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::InvalidCertificate(_)))
}

/// TLS with the machine's own roots.
fn tls() -> TlsConfig {
    let native = rustls_native_certs::load_native_certs();
    let roots = native.certs.iter().map(|der| Certificate::from_der(der).to_owned());
    let roots: Vec<Certificate<'static>> = roots.collect();
    TlsConfig::builder()
        .root_certs(RootCerts::new_with_certs(&roots))
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build()
}

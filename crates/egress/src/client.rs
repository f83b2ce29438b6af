//! `fetch`: an HTTP client that asks the rule book before every connection.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HOST, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use tokio::time::timeout_at;
use tokio_rustls::TlsConnector;
use url::{Position, Url};

use crate::body::{BodyError, Hold, Lease, Outgoing, RequestBody, ResponseBody, Wire};
use crate::connection::Connection;
use crate::decode::{Coding, Decoder};
use crate::egress::{self, ConnectError, Egress};
use crate::headers::{self, Decoding};
use crate::policy::Policy;
use crate::pool::{Key, Pool};
use crate::redirect::{self, Hop, Replay};
use crate::refused::Refused;

/// How many pooled connections a request tries before it opens one of its own.
const REUSES: usize = 3;

/// How a [`Client`] is made.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Certificate authorities to trust beside the host's own.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// Most connections at once. A request over it waits until its deadline.
    pub max_connections: usize,
    /// Most of them that wait for another request.
    pub max_idle: usize,
    /// How long one waits.
    pub idle_timeout: Duration,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            extra_roots: Vec::new(),
            max_connections: 4096,
            max_idle: 256,
            idle_timeout: Duration::from_secs(30),
        }
    }
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[error("set up TLS: {0}")]
pub struct ClientError(#[from] rustls::Error);

/// What `fetch` is asked for.
#[derive(Debug)]
pub struct FetchRequest {
    /// The method.
    pub method: Method,
    /// An `http` or `https` URL.
    pub url: Url,
    /// The headers. Those of a connection, `host` and `content-length` are the client's own.
    pub headers: HeaderMap,
    /// The body.
    pub body: RequestBody,
    /// What a redirect does.
    pub redirect: RedirectMode,
    /// When it must have ended, the answer's body included.
    pub deadline: Instant,
}

/// What a redirect does; the words of `fetch`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RedirectMode {
    /// It is followed.
    #[default]
    Follow,
    /// It is the answer.
    Manual,
    /// It is an error.
    Error,
}

/// An answer.
#[derive(Debug)]
pub struct FetchResponse {
    /// The status.
    pub status: StatusCode,
    /// The headers, without those of the connection. Where a content coding was undone,
    /// `content-encoding` and `content-length` are gone: they describe other bytes.
    pub headers: HeaderMap,
    /// The URL that answered, without its fragment.
    pub url: Url,
    /// Whether a redirect led there.
    pub redirected: bool,
    /// The body.
    pub body: ResponseBody,
}

/// Why there is no answer, or no more of it.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// A host may not be called: the first one, or one that a redirect led to.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The request cannot be sent at all.
    #[error("{0}")]
    Request(String),
    /// A redirect cannot be followed, or was not to be.
    #[error("cannot follow the redirect of {host}: {problem}")]
    Redirect {
        /// Who redirected.
        host: String,
        /// What forbids to follow it.
        problem: String,
    },
    /// The connection could not be made, or broke.
    #[error("cannot reach {host}: {source}")]
    Network {
        /// The host.
        host: String,
        /// What went wrong.
        source: BodyError,
    },
    /// The answer's headers are larger than 64 KB, or more than 128.
    #[error("the headers of the answer of {host} are too large")]
    HeadTooLarge {
        /// The host.
        host: String,
    },
    /// The request's own stream failed.
    #[error("the request's body failed: {0}")]
    RequestBody(BodyError),
    /// The answer's bytes are not of the coding it names.
    #[error("the answer's body is not valid {coding}: {source}")]
    Decode {
        /// The content coding.
        coding: &'static str,
        /// What the decoder said.
        source: std::io::Error,
    },
    /// The deadline passed.
    #[error("{host} did not answer in time")]
    Deadline {
        /// The host.
        host: String,
    },
}

impl FetchError {
    pub(crate) fn network(host: &str, source: impl Into<BodyError>) -> Self {
        Self::Network { host: host.to_owned(), source: source.into() }
    }

    fn protocol(host: &str, error: hyper::Error) -> Self {
        if error.is_parse_too_large() {
            return Self::HeadTooLarge { host: host.to_owned() };
        }
        if error.is_user() {
            return Self::RequestBody(error.into());
        }
        // Its own words are the general kind; the cause is what helps.
        match std::error::Error::source(&error) {
            Some(cause) => Self::network(host, format!("{error}: {cause}")),
            None => Self::network(host, error),
        }
    }
}

/// The HTTP client of every `fetch`. Clones share their connections.
#[derive(Clone)]
pub struct Client {
    egress: Egress,
    tls: TlsConnector,
    pool: Arc<Pool>,
}

impl Client {
    /// A client with the host's certificate authorities and those of `config`. It reads files.
    ///
    /// # Errors
    /// TLS cannot be set up. Single certificates that cannot be read are logged and left out.
    pub fn new(egress: Egress, config: ClientConfig) -> Result<Self, ClientError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots(config.extra_roots))
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self {
            egress,
            tls: TlsConnector::from(Arc::new(tls)),
            pool: Pool::new(config.max_connections, config.max_idle, config.idle_timeout),
        })
    }

    /// Sends a request and follows its redirects by the Fetch standard's rules ("HTTP-redirect
    /// fetch"). Each host on the way is checked against `policy`, each address against the
    /// operator's rules. Dropping the future, or the answer's body, cancels the request.
    ///
    /// # Errors
    /// Whatever keeps it from an answer; an answer of any status is none.
    pub async fn fetch(
        &self,
        policy: &Policy,
        request: FetchRequest,
    ) -> Result<FetchResponse, FetchError> {
        let host = request.url.host_str().unwrap_or_default().to_owned();
        let deadline = request.deadline;
        timeout_at(deadline.into(), Box::pin(self.follow(policy, request)))
            .await
            .unwrap_or(Err(FetchError::Deadline { host }))
    }

    async fn follow(
        &self,
        policy: &Policy,
        request: FetchRequest,
    ) -> Result<FetchResponse, FetchError> {
        let FetchRequest { method, url, headers, mut body, redirect, deadline } = request;
        let mut hop = Hop { method, url, headers, body: Replay::of(&body) };
        let mut redirects = 0;
        loop {
            let host = hop.url.host_str().unwrap_or_default().to_owned();
            let (answer, decoding) = self.exchange(policy, &hop, body, deadline).await?;
            let (head, wire) = answer;
            let location = match redirect {
                RedirectMode::Manual => None,
                RedirectMode::Follow | RedirectMode::Error => {
                    redirect::location(head.status, &head.headers)
                }
            };
            let Some(location) = location else {
                return Ok(finish(head, wire, decoding, hop, redirects > 0, deadline));
            };
            let fail = |problem: String| FetchError::Redirect { host: host.clone(), problem };
            if redirect == RedirectMode::Error {
                return Err(fail("the request does not allow one".to_owned()));
            }
            if redirects == redirect::MOST {
                return Err(fail(format!("it is one more than {}", redirect::MOST)));
            }
            redirects += 1;
            hop.follow(head.status, &location).map_err(fail)?;
            body = match &hop.body {
                Replay::Full(bytes) => RequestBody::Full(bytes.clone()),
                Replay::Empty | Replay::Spent => RequestBody::Empty,
            };
        }
    }

    /// One request and the head of its answer.
    async fn exchange(
        &self,
        policy: &Policy,
        hop: &Hop,
        body: RequestBody,
        deadline: Instant,
    ) -> Result<((http::response::Parts, Wire), Decoding), FetchError> {
        let (host, port, tls) = origin(&hop.url)?;
        let (target, grant) = egress::grant(policy, host, port)?;
        let key = Key { grant, tls, target };
        let (headers, decoding) = headers::outgoing(&hop.headers, &hop.method, &body);
        let (outgoing, mut hold) = Outgoing::new(body);
        let mut message = Message { method: &hop.method, url: &hop.url, headers, outgoing };
        let mut reuses_left = REUSES;
        loop {
            let pooled = if reuses_left == 0 { None } else { self.pool.take(&key) };
            let reused = pooled.is_some();
            let mut connection = match pooled {
                Some(connection) => connection,
                None => self.open(&key, deadline).await?,
            };
            reuses_left = reuses_left.saturating_sub(1);
            // A server may close an idle connection just as a request is on its way. What it did
            // not read goes to the next one; what it may have read, only if that does no harm.
            let again =
                if reused && hop.method.is_idempotent() { message.outgoing.again() } else { None };
            let Message { method, url, headers, outgoing } = message;
            let request = build(&connection, method, url, &headers, outgoing)?;
            match connection.send(request).await {
                Ok(response) => {
                    let lease = Lease { connection, key, pool: Arc::clone(&self.pool), hold };
                    return Ok((open_answer(response, lease, host), decoding));
                }
                Err(mut failed) => {
                    let unread = failed.take_message().filter(|_| reused);
                    let error = failed.into_error();
                    let outgoing = match (unread, again) {
                        (Some(request), _) => request.into_body(),
                        (None, Some(body)) if !error.is_parse() && !error.is_user() => {
                            let (outgoing, next): (Outgoing, Hold) = Outgoing::new(body);
                            hold = next;
                            outgoing
                        }
                        _ => return Err(FetchError::protocol(host, error)),
                    };
                    message = Message { method, url, headers, outgoing };
                }
            }
        }
    }

    async fn open(&self, key: &Key, deadline: Instant) -> Result<Connection, FetchError> {
        let host = key.target.host.to_string();
        let place = self.pool.place().await.map_err(|closed| FetchError::network(&host, closed))?;
        let stream = match self.egress.connect_granted(&key.target, key.grant, deadline).await {
            Ok(stream) => stream,
            Err(ConnectError::Refused(refused)) => return Err(refused.into()),
            Err(ConnectError::Deadline { .. }) => return Err(FetchError::Deadline { host }),
            Err(ConnectError::Resolve { source, .. } | ConnectError::Connect { source, .. }) => {
                return Err(FetchError::network(&host, source));
            }
        };
        let tls = key.tls.then_some(&self.tls);
        let connection = Connection::open(stream, &key.target.host, tls, place)
            .await
            .map_err(|error| FetchError::network(&host, error))?;
        if let Some(shared) = connection.share() {
            self.pool.put(key.clone(), shared);
        }
        Ok(connection)
    }
}

struct Message<'a> {
    method: &'a Method,
    url: &'a Url,
    headers: HeaderMap,
    outgoing: Outgoing,
}

/// Host, port and whether there is TLS.
fn origin(url: &Url) -> Result<(&str, u16, bool), FetchError> {
    let tls = match url.scheme() {
        "http" => false,
        "https" => true,
        other => {
            let problem = format!("cannot fetch {other}: URLs, only http: and https: ones");
            return Err(FetchError::Request(problem));
        }
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(FetchError::Request("the URL holds a user name or a password".to_owned()));
    }
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        return Err(FetchError::Request(format!("the URL {url} has no host")));
    };
    Ok((host, port, tls))
}

/// The request in the form of the connection's protocol: HTTP/1 names the host in a header,
/// HTTP/2 in the target.
fn build(
    connection: &Connection,
    method: &Method,
    url: &Url,
    headers: &HeaderMap,
    body: Outgoing,
) -> Result<Request<Outgoing>, FetchError> {
    let invalid = |error: &dyn std::fmt::Display| {
        FetchError::Request(format!("the URL {url} cannot be sent: {error}"))
    };
    let from = if connection.is_http2() { Position::BeforeScheme } else { Position::BeforePath };
    let uri = url[from..Position::AfterQuery].parse::<Uri>().map_err(|error| invalid(&error))?;
    let mut request = Request::new(body);
    *request.method_mut() = method.clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = headers.clone();
    if connection.is_http2() {
        *request.version_mut() = Version::HTTP_2;
    } else {
        let host = HeaderValue::from_str(&url[Position::BeforeHost..Position::AfterPort])
            .map_err(|error| invalid(&error))?;
        request.headers_mut().insert(HOST, host);
    }
    Ok(request)
}

fn open_answer(
    response: Response<Incoming>,
    lease: Lease,
    host: &str,
) -> (http::response::Parts, Wire) {
    let (mut head, incoming) = response.into_parts();
    headers::strip_hop_by_hop(&mut head.headers);
    (head, Wire::new(incoming, lease, host.to_owned()))
}

fn finish(
    head: http::response::Parts,
    wire: Wire,
    decoding: Decoding,
    hop: Hop,
    redirected: bool,
    deadline: Instant,
) -> FetchResponse {
    let http::response::Parts { status, mut headers, .. } = head;
    let mut url = hop.url;
    url.set_fragment(None);
    let host = url.host_str().unwrap_or_default().to_owned();
    // What has no bytes (HEAD, 204, 304) has nothing to undo, and its headers are about others.
    let coding =
        Coding::of(&headers).filter(|_| decoding == Decoding::Transparent && !wire.is_end());
    let body = match coding {
        None => ResponseBody::plain(wire, deadline, host),
        Some(coding) => {
            headers.remove(CONTENT_ENCODING);
            headers.remove(CONTENT_LENGTH);
            ResponseBody::coded(Decoder::new(coding, wire), deadline, host)
        }
    };
    FetchResponse { status, headers, url, redirected, body }
}

fn roots(extra: Vec<CertificateDer<'static>>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in native.errors {
        tracing::warn!(%error, "read the host's certificate authorities");
    }
    let (_, unread) = roots.add_parsable_certificates(native.certs.into_iter().chain(extra));
    if unread > 0 {
        tracing::warn!(unread, "some certificate authorities cannot be read");
    }
    if roots.is_empty() {
        tracing::warn!("the host trusts no certificate authority: every https: call will fail");
    }
    roots
}

//! Servers on loopback, names that lead to them, and clients that may call them.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use mayfly_egress::{
    BodyError, Client, ClientConfig, Egress, FetchRequest, FetchResponse, OperatorRules, Policy,
    RedirectMode, RequestBody, Resolver,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use url::Url;

pub(crate) type Reply = UnsyncBoxBody<Bytes, BodyError>;

/// A server; it ends with the test.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) accepted: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Every connection is given to `connection`.
    pub(crate) async fn raw<F: Future<Output = ()> + Send + 'static>(
        ip: &str,
        connection: impl Fn(TcpStream) -> F + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(connection(stream));
            }
        });
        Self { address, accepted, task }
    }

    /// HTTP/1.1 and HTTP/2 in the clear.
    pub(crate) async fn http<F: Future<Output = Response<Reply>> + Send + 'static>(
        handler: impl Fn(Request<Incoming>) -> F + Send + Sync + Clone + 'static,
    ) -> Self {
        Self::raw("127.0.0.1", move |stream| serve(stream, handler.clone())).await
    }

    /// The same with TLS; the second value is the authority to trust.
    pub(crate) async fn https<F: Future<Output = Response<Reply>> + Send + 'static>(
        protocol: &[u8],
        handler: impl Fn(Request<Incoming>) -> F + Send + Sync + Clone + 'static,
    ) -> (Self, CertificateDer<'static>) {
        let (acceptor, authority) = acceptor(protocol);
        let server = Self::raw("127.0.0.1", move |stream| {
            let (acceptor, handler) = (acceptor.clone(), handler.clone());
            async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(stream, handler).await;
                }
            }
        });
        (server.await, authority)
    }
}

async fn serve<F: Future<Output = Response<Reply>> + Send + 'static>(
    io: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    handler: impl Fn(Request<Incoming>) -> F + Send + Sync + Clone + 'static,
) {
    let service = service_fn(move |request| {
        let answer = handler(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let _ =
        auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(io), service).await;
}

fn acceptor(protocol: &[u8]) -> (TlsAcceptor, CertificateDer<'static>) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["api.test".to_owned(), "other.test".to_owned()])
        .unwrap()
        .signed_by(&key, &authority)
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .unwrap();
    config.alpn_protocols = vec![protocol.to_vec()];
    (TlsAcceptor::from(Arc::new(config)), authority.der().clone())
}

/// A reply with a whole body.
pub(crate) fn reply(body: impl Into<Bytes>) -> Response<Reply> {
    let body = http_body_util::Full::new(body.into()).map_err(|never| match never {});
    Response::new(body.boxed_unsync())
}

pub(crate) fn redirect(status: u16, location: &str) -> Response<Reply> {
    let mut response = reply("");
    *response.status_mut() = status.try_into().unwrap();
    response.headers_mut().insert("location", location.parse().unwrap());
    response
}

/// A body that is fed through a channel.
pub(crate) struct Feed(mpsc::Receiver<Bytes>);

impl Feed {
    pub(crate) fn new() -> (mpsc::Sender<Bytes>, Self) {
        let (sender, receiver) = mpsc::channel(1);
        (sender, Self(receiver))
    }
}

impl Body for Feed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.0.poll_recv(cx).map(|data| data.map(|data| Ok(Frame::data(data))))
    }
}

/// Every name leads to 127.0.0.1.
pub(crate) fn loopback(_: &str) -> io::Result<Vec<IpAddr>> {
    Ok(vec![[127, 0, 0, 1].into()])
}

/// A rule book whose operator opened `allow`.
pub(crate) fn egress(allow: &[&str], resolver: impl Resolver + 'static) -> Egress {
    let allow = allow.iter().map(|net| net.parse().unwrap()).collect();
    Egress::new(OperatorRules { allow, deny_addrs: Vec::new() }, resolver)
}

pub(crate) fn client_of(egress: Egress, extra_roots: Vec<CertificateDer<'static>>) -> Client {
    Client::new(egress, ClientConfig { extra_roots, ..ClientConfig::default() }).unwrap()
}

/// A client that may call 127.0.0.0/8, where every name leads.
pub(crate) fn client() -> Client {
    client_of(egress(&["127.0.0.0/8"], loopback), Vec::new())
}

pub(crate) fn policy(entries: &[&str]) -> Policy {
    Policy::new(&entries.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
}

/// Lists every host of a test at every port.
pub(crate) fn all(servers: &[&Server]) -> Policy {
    let entries: Vec<String> = servers
        .iter()
        .flat_map(|server| {
            ["api.test", "other.test", "127.0.0.1"].map(|host| format!("{host}:{}", server.port()))
        })
        .collect();
    Policy::new(&entries).unwrap()
}

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

pub(crate) fn get(url: &str) -> FetchRequest {
    FetchRequest {
        method: Method::GET,
        url: Url::parse(url).unwrap(),
        headers: HeaderMap::new(),
        body: RequestBody::Empty,
        redirect: RedirectMode::Follow,
        deadline: soon(),
    }
}

pub(crate) fn post(url: &str, body: RequestBody) -> FetchRequest {
    FetchRequest { method: Method::POST, body, ..get(url) }
}

pub(crate) async fn text(response: FetchResponse) -> String {
    let bytes = response.body.collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Waits until `condition` holds.
pub(crate) async fn eventually(condition: impl Fn() -> bool) {
    let end = soon();
    while !condition() {
        assert!(Instant::now() < end, "it never came true");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

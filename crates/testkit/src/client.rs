//! An HTTP client that hides nothing: one connection for each request unless a test holds one, no
//! redirects, no retries, no cookies, and a body that can be read and written piece by piece.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body::Frame;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::within;

/// A request's body.
pub type Body = http_body_util::combinators::BoxBody<Bytes, io::Error>;

/// Makes bodies.
#[derive(Debug)]
pub struct RequestBody;

impl RequestBody {
    /// None.
    pub fn empty() -> Body {
        Self::full("")
    }

    /// All at once, with its length.
    pub fn full(bytes: impl Into<Bytes>) -> Body {
        http_body_util::Full::new(bytes.into()).map_err(|never| match never {}).boxed()
    }

    /// Piece by piece and of unknown length, as the sender gives it.
    pub fn channel() -> (Sender, Body) {
        let (sender, receiver) = mpsc::channel(1);
        (Sender(sender), Pieces(receiver).boxed())
    }
}

/// The writing end of a body; dropping it ends the body.
#[derive(Debug)]
pub struct Sender(mpsc::Sender<Bytes>);

impl Sender {
    /// Sends a piece; false when nobody reads the body any more.
    pub async fn send(&self, piece: impl Into<Bytes>) -> bool {
        self.0.send(piece.into()).await.is_ok()
    }
}

struct Pieces(mpsc::Receiver<Bytes>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

/// Talks to one listener.
#[derive(Debug, Clone, Copy)]
pub struct Client {
    address: SocketAddr,
}

impl Client {
    /// A client of the listener at `address`.
    pub fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// Its listener.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A bare connection.
    pub async fn tcp(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// An HTTP/1.1 connection.
    ///
    /// # Errors
    /// When nobody listens.
    pub async fn connect(&self) -> io::Result<Connection> {
        let stream = TcpStream::connect(self.address).await?;
        let (sender, driver) =
            http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        Ok(Connection { sender: Protocol::One(sender), driver: Driver::spawn(driver) })
    }

    /// An HTTP/2 connection without TLS, by prior knowledge.
    pub async fn connect_h2c(&self) -> Connection {
        let stream = self.tcp().await;
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (sender, driver) = handshake.unwrap();
        Connection { sender: Protocol::Two(sender), driver: Driver::spawn(driver) }
    }

    /// Sends a request on a connection of its own. Dropping the reply closes the connection.
    ///
    /// # Errors
    /// When no answer's head came.
    pub async fn send(&self, request: Request<Body>) -> io::Result<Reply> {
        let mut connection = self.connect().await?;
        let mut reply = connection.send(request).await?;
        reply.connection = Some(connection);
        Ok(reply)
    }
}

/// A connection that carries several requests.
#[derive(Debug)]
pub struct Connection {
    sender: Protocol,
    driver: Driver,
}

#[derive(Debug)]
enum Protocol {
    One(http1::SendRequest<Body>),
    Two(http2::SendRequest<Body>),
}

/// The task that moves the bytes; it ends with its owner, which closes the socket.
#[derive(Debug)]
struct Driver(JoinHandle<()>);

impl Driver {
    fn spawn<E>(driver: impl Future<Output = Result<(), E>> + Send + 'static) -> Self {
        Self(tokio::spawn(async move {
            let _ = driver.await;
        }))
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Connection {
    /// Sends a request.
    ///
    /// # Errors
    /// When no answer's head came.
    pub async fn send(&mut self, mut request: Request<Body>) -> io::Result<Reply> {
        let response = match &mut self.sender {
            Protocol::One(sender) => {
                sender.ready().await.map_err(io::Error::other)?;
                sender.send_request(request).await
            }
            Protocol::Two(sender) => {
                // The host is part of an HTTP/2 request's target, and of no header.
                let host = request.headers_mut().remove(http::header::HOST);
                let host = host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or("localhost");
                let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
                *request.uri_mut() = format!("http://{host}{path}").parse().unwrap();
                sender.ready().await.map_err(io::Error::other)?;
                sender.send_request(request).await
            }
        };
        let (head, body) = response.map_err(io::Error::other)?.into_parts();
        let (status, headers) = (head.status.as_u16(), head.headers);
        Ok(Reply { status, headers, body, connection: None })
    }

    /// Waits until the other side has closed it.
    pub async fn closed(&mut self) {
        let _ = (&mut self.driver.0).await;
    }
}

/// An answer whose body is still under way.
#[derive(Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    body: Incoming,
    connection: Option<Connection>,
}

impl Reply {
    /// The next piece of the body; `None` at its end.
    ///
    /// # Errors
    /// When the body broke off.
    pub async fn piece(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            match self.body.frame().await? {
                Ok(frame) => {
                    if let Ok(data) = frame.into_data() {
                        return Some(Ok(data));
                    }
                }
                Err(error) => return Some(Err(io::Error::other(error))),
            }
        }
    }

    /// The next `len` bytes, or fewer when the body ends before.
    ///
    /// # Errors
    /// When the body broke off.
    pub async fn read(&mut self, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while bytes.len() < len {
            match self.piece().await {
                Some(piece) => bytes.extend_from_slice(&piece?),
                None => break,
            }
        }
        Ok(bytes)
    }

    /// The answer with all of its body.
    pub async fn collect(mut self) -> Answer {
        let mut body = Vec::new();
        let broken = loop {
            match self.piece().await {
                None => break None,
                Some(Ok(piece)) => body.extend_from_slice(&piece),
                Some(Err(error)) => break Some(error.to_string()),
            }
        };
        Answer { status: self.status, headers: self.headers, body: body.into(), broken }
    }
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, as far as it came.
    pub body: Bytes,
    /// How the body broke off, if it did.
    pub broken: Option<String>,
}

impl Answer {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {} {}", self.status, self.text()))
    }

    /// A header, or "" where it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// All values of a header.
    pub fn headers_named(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect()
    }

    /// `error.code` of a fault's body, or "".
    pub fn code(&self) -> String {
        let body: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        body["error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The same answer.
    ///
    /// # Panics
    /// When its status is another.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}

/// Talks to one app, by its host name.
#[derive(Debug, Clone)]
pub struct AppClient {
    pub(crate) client: Client,
    pub(crate) app: String,
}

impl AppClient {
    /// A request that is addressed to the app.
    pub fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Body,
    ) -> Request<Body> {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = Request::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            request = request.header("host", format!("{}.localhost", self.app));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(body).unwrap()
    }

    /// Sends a request, and does not wait for the answer's body.
    ///
    /// # Errors
    /// When no answer's head came.
    pub async fn open(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Body,
    ) -> io::Result<Reply> {
        let request = self.request(method, path, headers, body);
        within(&format!("{method} {path}"), self.client.send(request)).await
    }

    /// The whole answer to a request.
    pub async fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let body = RequestBody::full(body);
        let reply = self.open(method, path, headers, body).await;
        let reply = reply.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        within(&format!("the body of {method} {path}"), reply.collect()).await
    }

    /// The whole answer to a GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &[], "").await
    }

    /// The whole answer to a POST.
    pub async fn post(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.call("POST", path, &[], body).await
    }

    /// The listener.
    pub fn client(&self) -> Client {
        self.client
    }
}

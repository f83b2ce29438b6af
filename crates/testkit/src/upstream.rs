//! A server for functions to call.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::client::{Body, RequestBody};
use crate::within;

/// Answers on loopback until it is dropped:
///
/// | path | answer |
/// |---|---|
/// | `/echo` | method, path, headers and body of the request, as JSON |
/// | `/body` | the request's body, as it comes |
/// | `/redirect/N` | N redirects, then `/echo` |
/// | `/redirect-to?URL` | a redirect to that URL |
/// | `/status/N` | that status |
/// | `/headers` | two cookies, two values of a header and `server-timing` |
/// | `/gated` | `first`, and after [`Upstream::open_gate`] `second` |
/// | `/hang` | nothing, until the caller leaves |
/// | `/large/N` | N bytes |
/// | `/broken` | a body that stops in the middle |
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    gate: Notify,
    /// How many callers of `/hang` came, and how many of them have left.
    hanging: watch::Sender<(usize, usize)>,
}

impl Upstream {
    /// Starts one.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared { gate: Notify::new(), hanging: watch::Sender::new((0, 0)) });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { address, shared, task }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets one answer of `/gated` go on; the permission keeps until one asks.
    pub fn open_gate(&self) {
        self.shared.gate.notify_one();
    }

    /// Waits until `count` callers of `/hang` have come.
    pub async fn arrived(&self, count: usize) {
        let mut hanging = self.shared.hanging.subscribe();
        within("callers", hanging.wait_for(|(arrived, _)| *arrived >= count)).await.unwrap();
    }

    /// Waits until `count` callers of `/hang` have left.
    pub async fn left(&self, count: usize) {
        let mut hanging = self.shared.hanging.subscribe();
        within("callers who leave", hanging.wait_for(|(_, left)| *left >= count)).await.unwrap();
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let shared = Arc::clone(&shared);
                async move { Ok::<_, Infallible>(answer(request, shared).await) }
            });
            let builder = Builder::new(TokioExecutor::new());
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(request: Request<Incoming>, shared: Arc<Shared>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let (base, tail) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
    let number = || tail.parse::<usize>().unwrap_or(0);
    match base {
        "echo" => echo(request).await,
        "body" => Response::new(request.into_body().map_err(std::io::Error::other).boxed()),
        "redirect" => match number() {
            0 | 1 => moved("/echo"),
            more => moved(&format!("/redirect/{}", more - 1)),
        },
        "redirect-to" => moved(request.uri().query().unwrap_or("/echo")),
        "status" => {
            let mut response = Response::new(RequestBody::full("a status"));
            *response.status_mut() = StatusCode::from_u16(number() as u16).unwrap();
            response
        }
        "headers" => {
            let response = Response::builder()
                .header("set-cookie", "a=1; Path=/")
                .header("set-cookie", "b=2")
                .header("x-several", "one")
                .header("x-several", "two")
                .header("server-timing", "db;dur=3");
            response.body(RequestBody::full("")).unwrap()
        }
        "gated" => {
            let (sender, body) = RequestBody::channel();
            tokio::spawn(async move {
                sender.send("first").await;
                shared.gate.notified().await;
                sender.send("second").await;
            });
            Response::new(body)
        }
        "hang" => {
            shared.hanging.send_modify(|(arrived, _)| *arrived += 1);
            let _leaves = Leaves(shared);
            std::future::pending().await
        }
        "large" => Response::new(RequestBody::full(vec![b'x'; number()])),
        "broken" => Response::new(broken()),
        _ => {
            let mut response = Response::new(RequestBody::full("nothing here"));
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    }
}

/// A body whose second piece is an error, which cuts the connection.
fn broken() -> Body {
    struct Broken(u8);
    impl http_body::Body for Broken {
        type Data = Bytes;
        type Error = std::io::Error;
        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            cx: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, std::io::Error>>> {
            self.0 += 1;
            std::task::Poll::Ready(Some(match self.0 {
                1 => Ok(http_body::Frame::data(Bytes::from_static(b"half"))),
                // What was given is written while a body waits.
                2 => {
                    cx.waker().wake_by_ref();
                    return std::task::Poll::Pending;
                }
                _ => Err(std::io::Error::other("broken on purpose")),
            }))
        }
    }
    Broken(0).boxed()
}

struct Leaves(Arc<Shared>);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.0.hanging.send_modify(|(_, left)| *left += 1);
    }
}

fn moved(location: &str) -> Response<Body> {
    let response = Response::builder().status(302).header("location", location);
    response.body(RequestBody::empty()).unwrap()
}

async fn echo(request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => Bytes::from_static(b"(the body broke off)"),
    };
    let headers: Vec<_> = head
        .headers
        .iter()
        .map(|(name, value)| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())]))
        .collect();
    let document = json!({
        "method": head.method.as_str(),
        "path": head.uri.path_and_query().map(|path| path.as_str()),
        "headers": headers,
        "body": String::from_utf8_lossy(&body),
        "size": body.len(),
    });
    let response = Response::builder().header("content-type", "application/json");
    response.body(RequestBody::full(document.to_string())).unwrap()
}

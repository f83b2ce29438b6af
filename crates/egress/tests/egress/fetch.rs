//! The client: redirects, bodies, codings, connections.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderValue, Method, Response, Version};
use http_body_util::BodyExt as _;
use mayfly_egress::{Client, ClientConfig, FetchError, FetchRequest, RedirectMode, RequestBody};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{
    Feed, Server, all, client, client_of, egress, get, loopback, policy, post, redirect, reply,
    text,
};

#[tokio::test]
async fn a_request_names_its_host_and_its_client() {
    let server = Server::http(|request| async move {
        let header = |name| request.headers()[name].to_str().unwrap().to_owned();
        reply(format!("{} {} {}", request.uri(), header("host"), header("user-agent")))
    })
    .await;
    let url = format!("http://API.test:{}/a%20b?c=d|e#part", server.port());
    let response = client().fetch(&all(&[&server]), get(&url)).await.unwrap();
    assert_eq!(response.status, 200);
    assert!(!response.redirected);
    assert_eq!(response.url.as_str(), format!("http://api.test:{}/a%20b?c=d|e", server.port()));
    let expected = format!("/a%20b?c=d|e api.test:{} Mayfly", server.port());
    assert_eq!(text(response).await, expected);
}

#[tokio::test]
async fn https_speaks_http2_where_the_server_does() {
    for (protocol, version) in [(&b"h2"[..], Version::HTTP_2), (b"http/1.1", Version::HTTP_11)] {
        let (server, authority) = Server::https(protocol, move |request| async move {
            assert_eq!(request.version(), version);
            let host = request.uri().host().map(str::to_owned);
            reply(host.unwrap_or_else(|| request.headers()["host"].to_str().unwrap().to_owned()))
        })
        .await;
        let client = client_of(egress(&["127.0.0.0/8"], loopback), vec![authority]);
        let url = format!("https://api.test:{}/", server.port());
        for _ in 0..3 {
            let response = client.fetch(&all(&[&server]), get(&url)).await.unwrap();
            assert!(text(response).await.starts_with("api.test"));
        }
        assert_eq!(server.accepted(), 1, "{version:?}");
    }
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_an_error() {
    let (server, _) = Server::https(b"h2", |_| async { reply("") }).await;
    let url = format!("https://api.test:{}/", server.port());
    let error = client().fetch(&all(&[&server]), get(&url)).await.unwrap_err();
    assert!(matches!(&error, FetchError::Network { .. }), "{error}");
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[tokio::test]
async fn a_certificate_of_another_host_is_an_error() {
    let (server, authority) = Server::https(b"h2", |_| async { reply("") }).await;
    let client = client_of(egress(&["127.0.0.0/8"], loopback), vec![authority]);
    let url = format!("https://127.0.0.1:{}/", server.port());
    let error = client.fetch(&all(&[&server]), get(&url)).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[tokio::test]
async fn bodies_stream_in_both_directions_at_once() {
    for protocol in [&b"h2"[..], b"http/1.1"] {
        let (server, authority) = Server::https(protocol, |request| async move {
            Response::new(request.into_body().map_err(Into::into).boxed_unsync())
        })
        .await;
        let client = client_of(egress(&["127.0.0.0/8"], loopback), vec![authority]);
        let (sender, feed) = Feed::new();
        let url = format!("https://api.test:{}/", server.port());
        let request = post(&url, RequestBody::Stream(Box::pin(feed)));
        sender.send("first".into()).await.unwrap();
        let mut response = client.fetch(&all(&[&server]), request).await.unwrap();
        for part in ["first", "second", "third"] {
            let frame = response.body.frame().await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), part);
            if part == "first" {
                sender.send("second".into()).await.unwrap();
            } else if part == "second" {
                sender.send("third".into()).await.unwrap();
            }
        }
        drop(sender);
        let end = response.body.frame().await;
        assert!(end.is_none(), "{end:?}");
    }
}

#[tokio::test]
async fn a_reader_that_stops_stops_the_server() {
    let (sender, feed) = Feed::new();
    let feed = std::sync::Mutex::new(Some(feed));
    let feed = Arc::new(feed);
    let server = Server::http(move |_| {
        let feed = feed.lock().unwrap().take().unwrap();
        async move { Response::new(feed.boxed_unsync()) }
    })
    .await;
    let url = format!("http://api.test:{}/", server.port());
    let response = client().fetch(&all(&[&server]), get(&url)).await.unwrap();
    let chunk = Bytes::from(vec![0; 1024 * 1024]);
    let mut sent = 0;
    let pause = std::time::Duration::from_millis(300);
    while tokio::time::timeout(pause, sender.send(chunk.clone())).await.is_ok() {
        sent += 1;
        assert!(sent < 64, "64 MB went to a reader that reads nothing");
    }
    drop(sender);
    let read = response.body.collect().await.unwrap().to_bytes();
    assert_eq!(read.len(), sent * chunk.len());
}

#[tokio::test]
async fn a_failing_request_body_is_named_as_the_cause() {
    let server = Server::http(|request| async move {
        let _ = request.into_body().collect().await;
        reply("")
    })
    .await;
    let url = format!("http://api.test:{}/", server.port());
    let request = post(&url, RequestBody::Stream(Box::pin(Broken)));
    let error = client().fetch(&all(&[&server]), request).await.unwrap_err();
    assert!(matches!(error, FetchError::RequestBody(_)), "{error}");
}

struct Broken;

impl http_body::Body for Broken {
    type Data = Bytes;
    type Error = mayfly_egress::BodyError;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Ready(Some(Err("no more".into())))
    }
}

#[tokio::test]
async fn a_redirect_is_followed_with_the_body_at_hand() {
    let server = Server::http(|request| async move {
        if request.uri() == "/from" {
            return redirect(307, "/to");
        }
        let method = request.method().clone();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        reply(format!("{method} {}", String::from_utf8_lossy(&body)))
    })
    .await;
    let url = format!("http://api.test:{}/from", server.port());
    let request = post(&url, RequestBody::Full("again".into()));
    let response = client().fetch(&all(&[&server]), request).await.unwrap();
    assert!(response.redirected);
    assert_eq!(response.url.path(), "/to");
    assert_eq!(text(response).await, "POST again");
}

#[tokio::test]
async fn a_redirected_stream_is_an_error() {
    let server = Server::http(|_| async { redirect(308, "/") }).await;
    let (_sender, feed) = Feed::new();
    let url = format!("http://api.test:{}/", server.port());
    let request = post(&url, RequestBody::Stream(Box::pin(feed)));
    let error = client().fetch(&all(&[&server]), request).await.unwrap_err();
    assert!(error.to_string().contains("cannot be sent again"), "{error}");
}

#[tokio::test]
async fn the_twenty_first_redirect_is_an_error() {
    let hits = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&hits);
    let server = Server::http(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        async { redirect(302, "/on") }
    })
    .await;
    let url = format!("http://api.test:{}/", server.port());
    let error = client().fetch(&all(&[&server]), get(&url)).await.unwrap_err();
    assert!(matches!(error, FetchError::Redirect { .. }), "{error}");
    assert_eq!(hits.load(Ordering::SeqCst), 21);
}

#[tokio::test]
async fn a_redirect_is_an_answer_or_an_error_where_the_request_says_so() {
    let server = Server::http(|_| async { redirect(301, "http://10.0.0.1/") }).await;
    let url = format!("http://api.test:{}/", server.port());
    let manual = FetchRequest { redirect: RedirectMode::Manual, ..get(&url) };
    let response = client().fetch(&all(&[&server]), manual).await.unwrap();
    assert_eq!((response.status.as_u16(), response.redirected), (301, false));
    let error = FetchRequest { redirect: RedirectMode::Error, ..get(&url) };
    let error = client().fetch(&all(&[&server]), error).await.unwrap_err();
    assert!(matches!(error, FetchError::Redirect { .. }), "{error}");
}

#[tokio::test]
async fn only_http_and_https_are_fetched() {
    let client = client();
    for url in ["data:text/plain,hi", "ftp://api.test/", "file:///etc/passwd"] {
        let error = client.fetch(&policy(&["*"]), get(url)).await.unwrap_err();
        assert!(matches!(error, FetchError::Request(_)), "{error}");
    }
    let error = client.fetch(&policy(&["*"]), get("http://me:pw@api.test/")).await.unwrap_err();
    assert!(matches!(error, FetchError::Request(_)), "{error}");
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn coded(coding: &'static str, body: Vec<u8>) -> Response<crate::support::Reply> {
    let mut response = reply(body);
    response.headers_mut().insert("content-encoding", HeaderValue::from_static(coding));
    response
}

#[tokio::test]
async fn codings_are_undone_and_their_headers_go() {
    let server = Server::http(|request| async move {
        assert_eq!(request.headers()["accept-encoding"], "gzip, deflate, br");
        let data = b"mayfly ".repeat(1000);
        let level = flate2::Compression::fast();
        match request.uri().path() {
            "/gzip" => coded("gzip", gzip(&data)),
            "/members" => coded("gzip", [gzip(&data[..70]), gzip(&data[70..])].concat()),
            "/zlib" => {
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
                encoder.write_all(&data).unwrap();
                coded("deflate", encoder.finish().unwrap())
            }
            "/raw" => {
                let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), level);
                encoder.write_all(&data).unwrap();
                coded("deflate", encoder.finish().unwrap())
            }
            _ => {
                let mut encoder = async_compression::tokio::write::BrotliEncoder::new(Vec::new());
                encoder.write_all(&data).await.unwrap();
                encoder.shutdown().await.unwrap();
                coded("br", encoder.into_inner())
            }
        }
    })
    .await;
    let client = client();
    for path in ["gzip", "members", "zlib", "raw", "br"] {
        let url = format!("http://api.test:{}/{path}", server.port());
        let response = client.fetch(&all(&[&server]), get(&url)).await.unwrap();
        assert!(!response.headers.contains_key("content-encoding"), "{path}");
        assert!(!response.headers.contains_key("content-length"), "{path}");
        assert_eq!(text(response).await, "mayfly ".repeat(1000), "{path}");
    }
    assert_eq!(server.accepted(), 1, "a decoded body gives its connection back");
}

#[tokio::test]
async fn a_coding_that_the_caller_asked_for_is_left() {
    let server = Server::http(|_| async { coded("gzip", gzip(b"mayfly")) }).await;
    let url = format!("http://api.test:{}/", server.port());
    let mut request = get(&url);
    request.headers.insert("accept-encoding", HeaderValue::from_static("gzip"));
    let response = client().fetch(&all(&[&server]), request).await.unwrap();
    assert_eq!(response.headers["content-encoding"], "gzip");
    let body = response.body.collect().await.unwrap().to_bytes();
    assert_eq!(body, gzip(b"mayfly"));
}

#[tokio::test]
async fn an_answer_to_head_has_no_body_to_decode() {
    let server = Server::http(|_| async { coded("gzip", gzip(b"mayfly")) }).await;
    let url = format!("http://api.test:{}/", server.port());
    let request = FetchRequest { method: Method::HEAD, ..get(&url) };
    let response = client().fetch(&all(&[&server]), request).await.unwrap();
    assert_eq!(response.headers["content-encoding"], "gzip");
    assert_eq!(text(response).await, "");
}

#[tokio::test]
async fn a_damaged_coding_is_an_error_and_an_empty_body_is_none() {
    let server = Server::http(|request| async move {
        coded("gzip", if request.uri() == "/empty" { Vec::new() } else { b"not gzip".to_vec() })
    })
    .await;
    let url = format!("http://api.test:{}/empty", server.port());
    let response = client().fetch(&all(&[&server]), get(&url)).await.unwrap();
    assert_eq!(text(response).await, "");
    let url = format!("http://api.test:{}/", server.port());
    let response = client().fetch(&all(&[&server]), get(&url)).await.unwrap();
    let error = response.body.collect().await.unwrap_err();
    assert!(matches!(error, FetchError::Decode { coding: "gzip", .. }), "{error}");
}

#[tokio::test]
async fn a_connection_that_the_server_closed_while_it_waited_is_replaced() {
    let server = Server::raw("127.0.0.1", |mut stream| async move {
        let mut request = [0; 1024];
        let _ = stream.read(&mut request).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    })
    .await;
    let client = client();
    let url = format!("http://api.test:{}/", server.port());
    for i in 1..=5 {
        let response = client.fetch(&all(&[&server]), get(&url)).await.unwrap();
        assert_eq!(text(response).await, "ok");
        assert_eq!(server.accepted(), i);
    }
}

#[tokio::test]
async fn requests_one_after_another_share_a_connection() {
    let server = Server::http(|_| async { reply("ok") }).await;
    let client = client();
    let url = format!("http://api.test:{}/", server.port());
    for _ in 0..5 {
        let response = client.fetch(&all(&[&server]), get(&url)).await.unwrap();
        text(response).await;
        tokio::task::yield_now().await;
    }
    assert!(server.accepted() <= 2, "{} connections", server.accepted());
}

#[tokio::test]
async fn idle_connections_make_room_for_a_request_that_finds_no_place() {
    let first = Server::http(|_| async { reply("ok") }).await;
    let second = Server::http(|_| async { reply("ok") }).await;
    let config = ClientConfig { max_connections: 1, ..ClientConfig::default() };
    let client = Client::new(egress(&["127.0.0.0/8"], loopback), config).unwrap();
    for server in [&first, &second, &first] {
        let url = format!("http://api.test:{}/", server.port());
        let response = client.fetch(&all(&[server]), get(&url)).await.unwrap();
        assert_eq!(text(response).await, "ok");
    }
}

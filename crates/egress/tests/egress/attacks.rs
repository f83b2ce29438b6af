//! One attack per test: by a function on what it may not reach, by a server on its caller.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Method, Response};
use http_body_util::BodyExt as _;
use mayfly_egress::{FetchError, FetchRequest, Reason, RequestBody};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{
    Feed, Server, all, client, client_of, egress, eventually, get, loopback, policy, post,
    redirect, reply, soon, text,
};

#[tokio::test]
async fn a_redirect_to_a_private_address_is_refused() {
    let inside = Server::raw("127.0.0.2", |_| async {}).await;
    let to = format!("http://127.0.0.2:{}/", inside.port());
    let server = Server::http(move |_| {
        let to = to.clone();
        async move { redirect(302, &to) }
    })
    .await;
    let client = client_of(egress(&["127.0.0.1/32"], loopback), Vec::new());
    let listed =
        policy(&[&format!("api.test:{}", server.port()), &format!("127.0.0.2:{}", inside.port())]);
    let url = format!("http://api.test:{}/", server.port());
    match client.fetch(&listed, get(&url)).await {
        Err(FetchError::Refused(refused)) => {
            assert!(matches!(refused.reason(), Reason::Closed { range: "loopback", .. }));
        }
        other => panic!("it was not refused: {other:?}"),
    }
    assert_eq!(inside.accepted(), 0);
}

#[tokio::test]
async fn a_redirect_to_a_host_that_is_not_listed_is_refused() {
    let server = Server::http(|_| async { redirect(302, "http://evil.test/") }).await;
    let url = format!("http://api.test:{}/", server.port());
    match client().fetch(&all(&[&server]), get(&url)).await {
        Err(FetchError::Refused(refused)) => {
            assert_eq!(refused.reason(), Reason::NotListed);
            assert_eq!(refused.target(), "evil.test:80");
        }
        other => panic!("it was not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_redirect_to_another_scheme_is_not_followed() {
    let server = Server::http(|_| async { redirect(302, "file:///etc/passwd") }).await;
    let url = format!("http://api.test:{}/", server.port());
    let error = client().fetch(&all(&[&server]), get(&url)).await.unwrap_err();
    assert!(matches!(error, FetchError::Request(_)), "{error}");
}

#[tokio::test]
async fn a_redirect_to_another_origin_takes_no_credentials_along() {
    let to = Server::http(|request| async move {
        let has = |name| request.headers().contains_key(name);
        reply(format!("{} {} {}", has("authorization"), has("cookie"), has("x-mine")))
    })
    .await;
    let location = format!("http://other.test:{}/", to.port());
    let from = Server::http(move |_| {
        let location = location.clone();
        async move { redirect(307, &location) }
    })
    .await;
    let mut request = get(&format!("http://api.test:{}/", from.port()));
    for name in ["authorization", "cookie", "x-mine"] {
        request.headers.insert(name, HeaderValue::from_static("secret"));
    }
    let response = client().fetch(&all(&[&from, &to]), request).await.unwrap();
    assert_eq!(text(response).await, "false false true");
}

#[tokio::test]
async fn an_address_in_decimal_does_not_hide_from_the_rules() {
    for url in ["http://2130706433/", "http://0177.0.0.1/", "http://[::ffff:7f00:1]/"] {
        let client = client_of(egress(&[], loopback), Vec::new());
        match client.fetch(&policy(&["*"]), get(url)).await {
            Err(FetchError::Refused(refused)) => assert_eq!(refused.target(), "127.0.0.1:80"),
            other => panic!("{url} was not refused: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_pooled_connection_serves_no_function_that_may_not_make_it() {
    let server = Server::http(|_| async { reply("inside") }).await;
    let client = client();
    let url = format!("http://api.test:{}/", server.port());
    let response = client.fetch(&all(&[&server]), get(&url)).await.unwrap();
    assert_eq!(text(response).await, "inside");
    match client.fetch(&policy(&["*"]), get(&url)).await {
        Err(FetchError::Refused(refused)) => assert_eq!(refused.reason(), Reason::OnlyByStar),
        other => panic!("it was not refused: {other:?}"),
    }
    match client.fetch(&policy(&["else.test"]), get(&url)).await {
        Err(FetchError::Refused(refused)) => assert_eq!(refused.reason(), Reason::NotListed),
        other => panic!("it was not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_length_that_the_caller_writes_does_not_split_the_request() {
    let server = Server::http(|request| async move {
        let length = request.headers()["content-length"].to_str().unwrap().to_owned();
        assert!(!request.headers().contains_key("transfer-encoding"));
        let body = request.into_body().collect().await.unwrap().to_bytes();
        reply(format!("{length} {}", body.len()))
    })
    .await;
    let url = format!("http://api.test:{}/", server.port());
    let mut request = post(&url, RequestBody::Full("0\r\n\r\nGET /admin HTTP/1.1\r\n".into()));
    request.headers.insert("content-length", HeaderValue::from_static("5"));
    request.headers.insert("transfer-encoding", HeaderValue::from_static("chunked"));
    request.headers.insert("host", HeaderValue::from_static("other.test"));
    let response = client().fetch(&all(&[&server]), request).await.unwrap();
    assert_eq!(text(response).await, "26 26");
}

/// Answers with `head` and nothing more, and reads until the other side closes.
async fn answer(mut stream: TcpStream, head: Vec<u8>) {
    let mut request = [0; 4096];
    let _ = stream.read(&mut request).await;
    let _ = stream.write_all(&head).await;
    while stream.read(&mut request).await.is_ok_and(|read| read > 0) {}
}

#[tokio::test]
async fn a_huge_header_of_an_answer_is_refused() {
    let server = Server::raw("127.0.0.1", |stream| {
        let huge = format!("HTTP/1.1 200 OK\r\nx-huge: {}\r\n\r\n", "a".repeat(1 << 20));
        answer(stream, huge.into_bytes())
    })
    .await;
    let url = format!("http://api.test:{}/", server.port());
    let error = client().fetch(&all(&[&server]), get(&url)).await.unwrap_err();
    assert!(matches!(error, FetchError::HeadTooLarge { .. }), "{error}");
}

#[tokio::test]
async fn too_many_headers_of_an_answer_are_refused() {
    let server = Server::raw("127.0.0.1", |stream| {
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(1000));
        answer(stream, many.into_bytes())
    })
    .await;
    let url = format!("http://api.test:{}/", server.port());
    let error = client().fetch(&all(&[&server]), get(&url)).await.unwrap_err();
    assert!(matches!(error, FetchError::HeadTooLarge { .. }), "{error}");
}

#[tokio::test]
async fn a_huge_header_over_http2_is_refused() {
    let (server, authority) = Server::https(b"h2", |_| async {
        let mut response = reply("");
        for i in 0..64 {
            let name: http::HeaderName = format!("x-{i}").parse().unwrap();
            response.headers_mut().insert(name, "a".repeat(8000).parse().unwrap());
        }
        response
    })
    .await;
    let client = client_of(egress(&["127.0.0.0/8"], loopback), vec![authority]);
    let url = format!("https://api.test:{}/", server.port());
    let error = client.fetch(&all(&[&server]), get(&url)).await.unwrap_err();
    assert!(matches!(error, FetchError::Network { .. }), "{error}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_meets_the_deadline() {
    let server = Server::raw("127.0.0.1", |stream| answer(stream, Vec::new())).await;
    let url = format!("http://api.test:{}/", server.port());
    let started = Instant::now();
    let deadline = started + Duration::from_millis(100);
    let request = FetchRequest { deadline, ..get(&url) };
    let error = client().fetch(&all(&[&server]), request).await.unwrap_err();
    assert!(matches!(error, FetchError::Deadline { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_body_that_drips_meets_the_deadline() {
    let server = Server::raw("127.0.0.1", |stream| {
        answer(stream, b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\ndrip".to_vec())
    })
    .await;
    let url = format!("http://api.test:{}/", server.port());
    let deadline = Instant::now() + Duration::from_millis(200);
    let request = FetchRequest { deadline, ..get(&url) };
    let response = client().fetch(&all(&[&server]), request).await.unwrap();
    let error = response.body.collect().await.unwrap_err();
    assert!(matches!(error, FetchError::Deadline { .. }), "{error}");
}

#[tokio::test]
async fn a_body_that_ends_early_is_an_error() {
    let server = Server::raw("127.0.0.1", |mut stream| async move {
        let mut request = [0; 4096];
        let _ = stream.read(&mut request).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await;
    })
    .await;
    let url = format!("http://api.test:{}/", server.port());
    let response = client().fetch(&all(&[&server]), get(&url)).await.unwrap();
    let error = response.body.collect().await.unwrap_err();
    assert!(matches!(error, FetchError::Network { .. }), "{error}");
}

#[tokio::test]
async fn a_small_body_that_stands_for_a_huge_one_comes_in_small_pieces() {
    let bomb = {
        let encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        let mut encoder = encoder;
        std::io::copy(&mut std::io::Read::take(std::io::repeat(0), 32 << 20), &mut encoder)
            .unwrap();
        Bytes::from(encoder.finish().unwrap())
    };
    let server = Server::http(move |_| {
        let mut response = reply(bomb.clone());
        response.headers_mut().insert("content-encoding", HeaderValue::from_static("gzip"));
        async move { response }
    })
    .await;
    let url = format!("http://api.test:{}/", server.port());
    let mut response = client().fetch(&all(&[&server]), get(&url)).await.unwrap();
    for _ in 0..16 {
        let frame = response.body.frame().await.unwrap().unwrap();
        assert!(frame.into_data().unwrap().len() <= 16 * 1024);
    }
}

/// A server that sends `head` and tells when its caller closed the connection.
async fn watched(head: &'static [u8]) -> (Server, Arc<AtomicBool>) {
    let closed = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&closed);
    let server = Server::raw("127.0.0.1", move |stream| {
        let flag = Arc::clone(&flag);
        async move {
            answer(stream, head.to_vec()).await;
            flag.store(true, Ordering::SeqCst);
        }
    })
    .await;
    (server, closed)
}

#[tokio::test]
async fn a_dropped_fetch_closes_its_connection() {
    let (server, closed) = watched(b"").await;
    let url = format!("http://api.test:{}/", server.port());
    let (client, listed) = (client(), all(&[&server]));
    {
        let fetch = client.fetch(&listed, get(&url));
        let pause = tokio::time::timeout(Duration::from_millis(100), fetch);
        assert!(pause.await.is_err());
    }
    eventually(|| closed.load(Ordering::SeqCst)).await;
}

#[tokio::test]
async fn a_dropped_body_closes_its_connection() {
    let (server, closed) =
        watched(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n").await;
    let url = format!("http://api.test:{}/", server.port());
    let response = client().fetch(&all(&[&server]), get(&url)).await.unwrap();
    assert!(!closed.load(Ordering::SeqCst));
    drop(response);
    eventually(|| closed.load(Ordering::SeqCst)).await;
}

#[tokio::test]
async fn a_dropped_http2_fetch_stops_sending_its_body() {
    let (server, authority) = Server::https(b"h2", |request| async move {
        let (sender, feed) = Feed::new();
        tokio::spawn(async move {
            sender.send("go".into()).await.unwrap();
            sender.closed().await;
            drop(request);
        });
        Response::new(feed.boxed_unsync())
    })
    .await;
    let client = client_of(egress(&["127.0.0.0/8"], loopback), vec![authority]);
    let (sender, feed) = Feed::new();
    let url = format!("https://api.test:{}/", server.port());
    let request = post(&url, RequestBody::Stream(Box::pin(feed)));
    let response = client.fetch(&all(&[&server]), request).await.unwrap();
    drop(response);
    let closed = tokio::time::timeout_at(soon().into(), sender.closed()).await;
    assert!(closed.is_ok(), "the body of a dropped request is still read");
}

#[tokio::test]
async fn a_stalled_reader_does_not_hold_up_others_on_the_same_http2_connection() {
    let (server, authority) = Server::https(b"h2", |request| async move {
        if request.method() == Method::HEAD {
            return reply("");
        }
        reply(if request.uri() == "/large" { vec![0; 8 << 20] } else { vec![0; 200_000] })
    })
    .await;
    let client = client_of(egress(&["127.0.0.0/8"], loopback), vec![authority]);
    let listed = all(&[&server]);
    let base = format!("https://api.test:{}", server.port());
    let mut stalled = Vec::new();
    for _ in 0..31 {
        let request = get(&format!("{base}/large"));
        stalled.push(client.fetch(&listed, request).await.unwrap());
    }
    let response = client.fetch(&listed, get(&format!("{base}/small"))).await.unwrap();
    let read = tokio::time::timeout_at(soon().into(), response.body.collect()).await;
    assert_eq!(read.unwrap().unwrap().to_bytes().len(), 200_000);
    assert_eq!(server.accepted(), 1);
}

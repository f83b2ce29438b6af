//! What functions in processes may call.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::net::SocketAddr;

use common::function;
use mayfly_runtime_api::PrepareError;
use mayfly_types::RuntimeKind;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A server that answers every request with the host that it was asked for.
async fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.windows(4).any(|part| part == b"\r\n\r\n") {
                    if stream.read_buf(&mut request).await.unwrap() == 0 {
                        return;
                    }
                }
                let text = String::from_utf8(request).unwrap().to_lowercase();
                let host = text.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{host}",
                    host.len()
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
            });
        }
    });
    address
}

const NODE: &str = "
exports.handler = async ({ url }) => {
    try { return await (await fetch(url)).text(); }
    catch (error) { return `failed ${error.cause?.code}`; }
};";
const PYTHON: &str = "
import urllib.request

def handler(event, context):
    try:
        return urllib.request.urlopen(event['url']).read().decode()
    except OSError as error:
        return f'failed {error}'
";
const RUBY: &str = "
require 'net/http'

def handler(event:, context:)
  Net::HTTP.get(URI(event['url']))
rescue SocketError, SystemCallError => error
  \"failed #{error.message}\"
end
";

#[tokio::test(flavor = "multi_thread")]
async fn usual_clients_reach_what_is_allowed_without_a_word_of_it_in_the_code() {
    let port = upstream().await.port();
    for (kind, file, source) in [
        (RuntimeKind::Nodejs, "index.js", NODE),
        (RuntimeKind::Python, "app.py", PYTHON),
        (RuntimeKind::Ruby, "app.rb", RUBY),
    ] {
        let function = function(kind, &[(file, source)], |config| {
            config.egress = vec![format!("api.test:{port}"), "127.0.0.1".into()];
        })
        .await;
        let instance = function.start().await;
        let call = |url: String| {
            let (function, instance) = (&function, &instance);
            async move { function.event(instance, &format!("{{\"url\":\"{url}\"}}")).await.unwrap() }
        };
        for _ in 0..2 {
            let answer = call(format!("http://api.test:{port}/")).await;
            assert_eq!(answer, format!("\"api.test:{port}\""), "{kind}");
        }
        // A name that no entry lists has no address, and the log says what would allow it.
        let answer = call(format!("http://other.test:{port}/")).await;
        assert!(answer.starts_with("\"failed"), "{kind}: {answer}");
        // Another port than the one that is listed, an address instead of its name.
        for url in [format!("http://api.test:{}/", port ^ 1), format!("http://127.0.0.1:{port}/")] {
            let answer = call(url.clone()).await;
            assert!(answer.starts_with("\"failed"), "{kind}: {url}: {answer}");
        }
        let lines = function.lines.0.lock().unwrap();
        for said in [
            "egress = [\"other.test\"] there allows it".to_owned(),
            format!("127.0.0.1:{port} may not be called"),
        ] {
            let line = lines.iter().find(|(_, _, line)| line.contains(&said));
            let (invocation, ..) = line.unwrap_or_else(|| panic!("{kind}: {said}: {lines:?}"));
            assert!(invocation.is_some(), "{kind}: {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_without_egress_reaches_nothing_and_learns_why() {
    let port = upstream().await.port();
    let function = function(RuntimeKind::Python, &[("app.py", PYTHON)], |_| ()).await;
    let instance = function.start().await;
    for url in [format!("http://127.0.0.1:{port}/"), format!("http://api.test:{port}/")] {
        let answer = function.event(&instance, &format!("{{\"url\":\"{url}\"}}")).await.unwrap();
        assert!(answer.starts_with("\"failed"), "{answer}");
    }
    let lines = function.lines.0.lock().unwrap();
    assert!(lines.iter().any(|(_, _, line)| line.contains("api.test may not be called")));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_ports_than_a_sandbox_serves_are_refused() {
    let of = |ports: u16| {
        function(RuntimeKind::Python, &[("app.py", PYTHON)], move |config| {
            config.egress = (0..ports).map(|n| format!("api.test:{}", 20_000 + n)).collect();
        })
    };
    of(90).await.prepare().await.unwrap();
    match of(120).await.prepare().await {
        Err(PrepareError::Code(diagnostics)) => {
            let message = &diagnostics[0].message;
            assert!(message.contains("a sandbox serves 100"), "{message}");
        }
        other => panic!("{other:?}"),
    }
}

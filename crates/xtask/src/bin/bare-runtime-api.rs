//! The yardstick *bare loop*: Lambda's Runtime API without anything behind it. Starts the program that is
//! its first argument, gives it the next event at once for as many seconds as the second says, and prints
//! how many it answered.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// An event such as the gateway makes of a request.
const EVENT: &str = r#"{"version":"2.0","routeKey":"$default","rawPath":"/bench/value","rawQueryString":"","headers":{"host":"hello.localhost","accept":"*/*"},"requestContext":{"accountId":"000000000000","apiId":"hello","domainName":"hello.localhost","domainPrefix":"hello","http":{"method":"GET","path":"/bench/value","protocol":"HTTP/1.1","sourceIp":"127.0.0.1","userAgent":""},"requestId":"01a1fe75-cd26-72ed-8983-20ee3867c218","routeKey":"$default","stage":"$default","time":"21/Nov/2026:15:35:41 +0000","timeEpoch":1795275341000},"isBase64Encoded":false}"#;

#[allow(clippy::print_stdout, reason = "the bench reads this line")]
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (program, seconds) = (arguments.next(), arguments.next());
    let program = program.ok_or_else(|| anyhow::anyhow!("name a program"))?;
    let seconds: u64 = seconds.ok_or_else(|| anyhow::anyhow!("name seconds"))?.parse()?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let mut child = Command::new(program)
        .env("AWS_LAMBDA_RUNTIME_API", listener.local_addr()?.to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", "bench")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", "bench")
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "bench")
        .stdin(Stdio::null())
        .spawn()?;
    let answered = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&answered);
    let serving = async move {
        loop {
            let Ok((stream, _)) = listener.accept().await else { return };
            let _ = stream.set_nodelay(true);
            let counter = Arc::clone(&counter);
            tokio::spawn(async move {
                let service = service_fn(move |request| answer(request, Arc::clone(&counter)));
                let http = hyper::server::conn::http1::Builder::new();
                let _ = http.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    };
    let measuring = async {
        // Warm, as the other side is.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (before, began) = (answered.load(Ordering::Relaxed), Instant::now());
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        (answered.load(Ordering::Relaxed) - before) as f64 / began.elapsed().as_secs_f64()
    };
    let rate = tokio::select! {
        rate = measuring => rate,
        () = serving => anyhow::bail!("the listener ended"),
    };
    child.kill()?;
    child.wait()?;
    anyhow::ensure!(rate > 0.0, "it answered nothing");
    println!("{rate}");
    Ok(())
}

async fn answer(
    request: Request<Incoming>,
    answered: Arc<AtomicU64>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::new(Bytes::new()));
    let headers = response.headers_mut();
    headers.insert("content-type", "application/json".parse().unwrap_or_else(|_| unreachable!()));
    if request.method() == Method::GET {
        let number = answered.load(Ordering::Relaxed);
        let id = format!("01a1fe75-cd26-72ed-8983-{number:012x}");
        let deadline = "4102444800000";
        for (name, value) in [
            ("lambda-runtime-aws-request-id", id.as_str()),
            ("lambda-runtime-deadline-ms", deadline),
            (
                "lambda-runtime-invoked-function-arn",
                "arn:aws:lambda:local:000000000000:function:bench",
            ),
            ("lambda-runtime-trace-id", "Root=1-00000000-000000000000000000000000;Sampled=0"),
        ] {
            if let Ok(value) = value.parse() {
                headers.insert(name, value);
            }
        }
        *response.body_mut() = Full::new(Bytes::from_static(EVENT.as_bytes()));
    } else {
        // The answer is read, as the other side does.
        let _ = request.into_body().collect().await;
        answered.fetch_add(1, Ordering::Relaxed);
        *response.status_mut() = hyper::StatusCode::ACCEPTED;
        *response.body_mut() = Full::new(Bytes::from_static(br#"{"status":"OK"}"#));
    }
    Ok(response)
}

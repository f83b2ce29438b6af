//! hyper on one thread, in front of the writer.

use std::path::Path;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::ready::ready;
use crate::writer::Writer;

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(file: &Path) -> anyhow::Result<()> {
    let writer: &'static Writer = Box::leak(Box::new(Writer::start(file)?));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    ready(&listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let service = service_fn(|request| accept(writer, request));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // A client that goes away is how every run ends.
            let _ = connection.await;
        });
    }
}

async fn accept(
    writer: &Writer,
    request: Request<Incoming>,
) -> anyhow::Result<Response<Full<Bytes>>> {
    let row = request.into_body().collect().await?.to_bytes();
    let (done, wait) = oneshot::channel();
    writer.commit(row, move || {
        let _its_caller_may_be_gone = done.send(());
    });
    wait.await?;
    let mut response = Response::new(Full::new(Bytes::from_static(b"{\"status\":\"queued\"}\n")));
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}

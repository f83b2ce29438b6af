//! One connection to one origin: HTTP/1.1 or HTTP/2, with TLS or without.

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;
use url::Host;

use crate::body::Outgoing;

/// Most bytes of an answer's head.
pub(crate) const HEAD_BYTES: usize = 64 * 1024;
/// Most headers of an HTTP/1 answer. HTTP/2 counts 32 bytes for each against [`HEAD_BYTES`].
pub(crate) const HEAD_COUNT: usize = 128;

/// Most requests at once on an HTTP/2 connection, and what each may have unread. Their product is
/// the connection's window: a function that stalls on its answers cannot stall those of another.
const STREAMS: u32 = 32;
const STREAM_WINDOW: u32 = 256 * 1024;
const PING: Duration = Duration::from_secs(20);

/// A connection. Dropping the last holder of it closes it.
pub(crate) enum Connection {
    Http1 { sender: http1::SendRequest<Outgoing>, _driver: AbortOnDrop },
    Http2 { sender: http2::SendRequest<Outgoing>, holders: Arc<()> },
}

/// Ends the task that drives an HTTP/1 connection, whatever it waits for: the one request that the
/// connection carries was dropped.
pub(crate) struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Connection {
    /// Greets the server over `stream`; by TLS when there is a connector.
    pub(crate) async fn open(
        stream: TcpStream,
        host: &Host<String>,
        tls: Option<&TlsConnector>,
        place: OwnedSemaphorePermit,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let Some(tls) = tls else { return Ok(Self::http1(stream, place).await?) };
        let stream = tls.connect(server_name(host)?, stream).await?;
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            Ok(Self::http2(stream, place).await?)
        } else {
            Ok(Self::http1(stream, place).await?)
        }
    }

    async fn http1(
        io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        place: OwnedSemaphorePermit,
    ) -> hyper::Result<Self> {
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_BYTES)
            .max_headers(HEAD_COUNT)
            .handshake(TokioIo::new(io))
            .await?;
        let driver = tokio::spawn(drive(connection, place));
        Ok(Self::Http1 { sender, _driver: AbortOnDrop(driver.abort_handle()) })
    }

    async fn http2(
        io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        place: OwnedSemaphorePermit,
    ) -> hyper::Result<Self> {
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(STREAM_WINDOW * STREAMS)
            .max_header_list_size(HEAD_BYTES as u32)
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING)
            .handshake(TokioIo::new(io))
            .await?;
        tokio::spawn(drive(connection, place));
        Ok(Self::Http2 { sender, holders: Arc::new(()) })
    }

    pub(crate) async fn send(
        &mut self,
        request: Request<Outgoing>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Outgoing>>> {
        match self {
            Self::Http1 { sender, .. } => sender.try_send_request(request).await,
            Self::Http2 { sender, .. } => sender.try_send_request(request).await,
        }
    }

    pub(crate) fn is_http2(&self) -> bool {
        matches!(self, Self::Http2 { .. })
    }

    /// Another holder of the same connection, where it can have several.
    pub(crate) fn share(&self) -> Option<Self> {
        match self {
            Self::Http1 { .. } => None,
            Self::Http2 { sender, holders } => {
                Some(Self::Http2 { sender: sender.clone(), holders: Arc::clone(holders) })
            }
        }
    }

    pub(crate) fn takes_a_request(&self) -> bool {
        match self {
            Self::Http1 { sender, .. } => sender.is_ready(),
            // One holder is the pool.
            Self::Http2 { sender, holders } => {
                sender.is_ready() && Arc::strong_count(holders) <= STREAMS as usize
            }
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        match self {
            Self::Http1 { sender, .. } => sender.is_closed(),
            Self::Http2 { sender, .. } => sender.is_closed(),
        }
    }

    /// Whether requests are under way on it.
    pub(crate) fn is_busy(&self) -> bool {
        match self {
            Self::Http1 { .. } => false,
            Self::Http2 { holders, .. } => Arc::strong_count(holders) > 1,
        }
    }
}

/// Moves the bytes of a connection. It ends when the connection does or has no holder left.
async fn drive(connection: impl Future<Output = hyper::Result<()>>, _place: OwnedSemaphorePermit) {
    if let Err(error) = connection.await {
        tracing::debug!(%error, "connection ended");
    }
}

fn server_name(
    host: &Host<String>,
) -> Result<ServerName<'static>, rustls::pki_types::InvalidDnsNameError> {
    Ok(match host {
        Host::Domain(name) => ServerName::try_from(name.clone())?,
        Host::Ipv4(ip) => ServerName::IpAddress((*ip).into()),
        Host::Ipv6(ip) => ServerName::IpAddress((*ip).into()),
    })
}

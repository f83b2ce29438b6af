//! The bodies of a fetch: what goes out, and what comes back.

use std::fmt;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::oneshot;
use tokio::time::{Sleep, sleep_until};

use crate::client::FetchError;
use crate::connection::Connection;
use crate::decode::Decoder;
use crate::pool::{Key, Pool};

/// Why a request's stream ended early.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// A request's body.
#[derive(Default)]
pub enum RequestBody {
    /// None.
    #[default]
    Empty,
    /// Bytes at hand; a redirect can send them again.
    Full(Bytes),
    /// Bytes that come in time; a redirect that needs them again fails.
    Stream(Pin<Box<dyn Body<Data = Bytes, Error = BodyError> + Send>>),
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Full(bytes) => write!(f, "Full({} bytes)", bytes.len()),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

/// A body on its way to a connection. It fails as soon as its [`Hold`] is dropped: HTTP/2 would go
/// on to send the body of a request that nobody waits for.
pub(crate) struct Outgoing {
    body: RequestBody,
    dropped: oneshot::Receiver<()>,
}

/// Keeps an [`Outgoing`] body alive.
pub(crate) struct Hold(#[expect(dead_code, reason = "its drop is its use")] oneshot::Sender<()>);

impl Outgoing {
    pub(crate) fn new(body: RequestBody) -> (Self, Hold) {
        let (hold, dropped) = oneshot::channel();
        (Self { body, dropped }, Hold(hold))
    }

    /// The same body once more, where it is at hand.
    pub(crate) fn again(&self) -> Option<RequestBody> {
        match &self.body {
            RequestBody::Empty => Some(RequestBody::Empty),
            RequestBody::Full(bytes) => Some(RequestBody::Full(bytes.clone())),
            RequestBody::Stream(_) => None,
        }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if pin!(&mut self.dropped).poll(cx).is_ready() {
            return Poll::Ready(Some(Err("the request was dropped".into())));
        }
        match &mut self.body {
            RequestBody::Empty => Poll::Ready(None),
            RequestBody::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                self.body = RequestBody::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            RequestBody::Stream(stream) => stream.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            RequestBody::Empty => true,
            RequestBody::Full(_) => false,
            RequestBody::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            RequestBody::Empty => SizeHint::with_exact(0),
            RequestBody::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            RequestBody::Stream(stream) => stream.size_hint(),
        }
    }
}

/// An answer's body, read as fast as it is polled. Dropping it cancels what is left. It fails when
/// the fetch's deadline passes.
pub struct ResponseBody {
    source: Source,
    deadline: Pin<Box<Sleep>>,
    host: String,
}

enum Source {
    Plain(Wire),
    Coded(Box<Decoder>),
    Ended,
}

impl ResponseBody {
    pub(crate) fn plain(wire: Wire, deadline: Instant, host: String) -> Self {
        Self { source: Source::Plain(wire), deadline: Box::pin(sleep_until(deadline.into())), host }
    }

    pub(crate) fn coded(decoder: Decoder, deadline: Instant, host: String) -> Self {
        let source = Source::Coded(Box::new(decoder));
        Self { source, deadline: Box::pin(sleep_until(deadline.into())), host }
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").field("host", &self.host).finish_non_exhaustive()
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = FetchError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, FetchError>>> {
        if matches!(self.source, Source::Ended) {
            return Poll::Ready(None);
        }
        let polled = if self.deadline.as_mut().poll(cx).is_ready() {
            Poll::Ready(Some(Err(FetchError::Deadline { host: self.host.clone() })))
        } else {
            match &mut self.source {
                Source::Plain(wire) => wire.poll_data(cx),
                Source::Coded(decoder) => decoder.poll_data(cx),
                Source::Ended => Poll::Ready(None),
            }
        };
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.source = Source::Ended;
        }
        polled.map(|data| data.map(|data| data.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Plain(wire) => wire.is_end(),
            Source::Coded(_) => false,
            Source::Ended => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Plain(wire) => wire.size_hint(),
            Source::Coded(_) => SizeHint::default(),
            Source::Ended => SizeHint::with_exact(0),
        }
    }
}

/// An answer's body as it comes from the connection. At its end the connection goes back to the
/// pool; dropped before, an HTTP/1 connection closes and an HTTP/2 stream is reset.
pub(crate) struct Wire {
    incoming: Incoming,
    lease: Option<Lease>,
    host: String,
}

/// A connection that one answer is read from.
pub(crate) struct Lease {
    pub(crate) connection: Connection,
    pub(crate) key: Key,
    pub(crate) pool: Arc<Pool>,
    pub(crate) hold: Hold,
}

impl Lease {
    fn end(self) {
        // A request whose answer came first still sends its body: its connection is not ready, so
        // the pool does not hand it out before. An HTTP/2 one is in the pool already.
        if let connection @ Connection::Http1 { .. } = self.connection {
            self.pool.put(self.key, connection);
        }
        drop(self.hold);
    }
}

impl Wire {
    pub(crate) fn new(incoming: Incoming, lease: Lease, host: String) -> Self {
        let mut wire = Self { incoming, lease: Some(lease), host };
        if wire.incoming.is_end_stream() {
            wire.end();
        }
        wire
    }

    pub(crate) fn is_end(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }

    pub(crate) fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, FetchError>>> {
        loop {
            return match Pin::new(&mut self.incoming).poll_frame(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(None) => {
                    self.end();
                    Poll::Ready(None)
                }
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => Poll::Ready(Some(Ok(data))),
                    // HTTP/2's empty last frame, or trailers: fetch has no place for them.
                    _ => continue,
                },
                Poll::Ready(Some(Err(error))) => {
                    self.lease = None;
                    Poll::Ready(Some(Err(FetchError::network(&self.host, error))))
                }
            };
        }
    }

    fn end(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.end();
        }
    }
}

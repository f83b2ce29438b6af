//! A body: nothing, bytes at hand, or a stream.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use mayfly_types::Fault;

/// A stream of a body's bytes.
pub type BodyStream = Pin<Box<dyn http_body::Body<Data = Bytes, Error = Fault> + Send>>;

/// A request's or an answer's body.
#[derive(Default)]
pub enum Body {
    /// No body at all.
    #[default]
    Empty,
    /// The whole body.
    Full(Bytes),
    /// Bytes that come in time.
    Stream(BodyStream),
}

impl Body {
    /// The whole body.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        if bytes.is_empty() { Self::Empty } else { Self::Full(bytes) }
    }

    /// The whole body as bytes, however it comes.
    ///
    /// # Errors
    /// The stream's own fault, or `payload_too_large` when more than `limit` bytes come.
    pub async fn collect(self, limit: usize) -> Result<Bytes, Fault> {
        let too_large = || {
            Fault::new(
                mayfly_types::FaultCode::PayloadTooLarge,
                format!("the body is larger than the limit of {limit} bytes"),
            )
        };
        let mut stream = match self {
            Self::Empty => return Ok(Bytes::new()),
            Self::Full(bytes) if bytes.len() > limit => return Err(too_large()),
            Self::Full(bytes) => return Ok(bytes),
            Self::Stream(stream) => stream,
        };
        let mut all = bytes::BytesMut::new();
        while let Some(frame) =
            std::future::poll_fn(|cx| stream.as_mut().poll_frame(cx)).await.transpose()?
        {
            if let Ok(data) = frame.into_data() {
                if all.len() + data.len() > limit {
                    return Err(too_large());
                }
                all.extend_from_slice(&data);
            }
        }
        Ok(all.freeze())
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Full(bytes) => write!(f, "Full({} bytes)", bytes.len()),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Self::Stream(stream) => stream.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(_) => false,
            Self::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(stream) => stream.size_hint(),
        }
    }
}

//! Content codings of an answer, undone as it is read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_compression::tokio::bufread::{BrotliDecoder, DeflateDecoder, GzipDecoder, ZlibDecoder};
use bytes::{Buf, Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, HeaderMap};
use tokio::io::{AsyncBufRead, AsyncRead, ReadBuf};

use crate::body::Wire;
use crate::client::FetchError;

/// What one poll yields at most: a small input that stands for a large output waits for its reader
/// like any other.
const CHUNK: usize = 16 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Gzip,
    Deflate,
    Brotli,
}

impl Coding {
    /// The coding of an answer. Several at once are left as they are: nobody sends them.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(CONTENT_ENCODING).iter();
        let (value, None) = (values.next()?.to_str().ok()?, values.next()) else { return None };
        match value.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "deflate" => Some(Self::Deflate),
            "br" => Some(Self::Brotli),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
        }
    }
}

/// A body and the decoder of its coding.
pub(crate) struct Decoder {
    coding: Coding,
    state: State,
}

enum State {
    /// Nothing is read yet: the first byte tells the two forms of `deflate` apart, and a body
    /// without one is empty and not damaged.
    Start(Option<Input>),
    Gzip(GzipDecoder<Input>),
    Zlib(ZlibDecoder<Input>),
    Raw(DeflateDecoder<Input>),
    Brotli(BrotliDecoder<Input>),
}

impl Decoder {
    pub(crate) fn new(coding: Coding, wire: Wire) -> Self {
        Self { coding, state: State::Start(Some(Input { wire, chunk: Bytes::new() })) }
    }

    pub(crate) fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, FetchError>>> {
        if let State::Start(input) = &mut self.state {
            let Some(reader) = input else { return Poll::Ready(None) };
            let first = match ready!(Pin::new(reader).poll_fill_buf(cx)) {
                Ok(chunk) => chunk.first().copied(),
                Err(error) => return Poll::Ready(Some(Err(self.error(error)))),
            };
            let (Some(first), Some(input)) = (first, input.take()) else {
                return Poll::Ready(None);
            };
            self.state = start(self.coding, first, input);
        }
        let mut chunk = BytesMut::zeroed(CHUNK);
        let mut buffer = ReadBuf::new(&mut chunk);
        let read = match &mut self.state {
            State::Start(_) => return Poll::Ready(None),
            State::Gzip(decoder) => Pin::new(decoder).poll_read(cx, &mut buffer),
            State::Zlib(decoder) => Pin::new(decoder).poll_read(cx, &mut buffer),
            State::Raw(decoder) => Pin::new(decoder).poll_read(cx, &mut buffer),
            State::Brotli(decoder) => Pin::new(decoder).poll_read(cx, &mut buffer),
        };
        if let Err(error) = ready!(read) {
            return Poll::Ready(Some(Err(self.error(error))));
        }
        let filled = buffer.filled().len();
        if filled == 0 {
            self.read_to_end(cx);
            return Poll::Ready(None);
        }
        chunk.truncate(filled);
        Poll::Ready(Some(Ok(chunk.freeze())))
    }

    /// The coded stream says where it ends; the connection is free only when it was told as well.
    fn read_to_end(&mut self, cx: &mut Context<'_>) {
        let input = match &mut self.state {
            State::Start(_) => return,
            State::Gzip(decoder) => decoder.get_mut(),
            State::Zlib(decoder) => decoder.get_mut(),
            State::Raw(decoder) => decoder.get_mut(),
            State::Brotli(decoder) => decoder.get_mut(),
        };
        let _ = input.wire.poll_data(cx);
    }

    fn error(&self, error: io::Error) -> FetchError {
        match error.downcast::<FetchError>() {
            Ok(error) => error,
            Err(source) => FetchError::Decode { coding: self.coding.name(), source },
        }
    }
}

fn start(coding: Coding, first: u8, input: Input) -> State {
    match coding {
        Coding::Gzip => {
            let mut decoder = GzipDecoder::new(input);
            decoder.multiple_members(true);
            State::Gzip(decoder)
        }
        // RFC 9110 means zlib (RFC 1950) by `deflate`; some servers send it without its frame. A
        // zlib header's low nibble is 8, which no sensible first block is.
        Coding::Deflate if first & 0x0f == 8 => State::Zlib(ZlibDecoder::new(input)),
        Coding::Deflate => State::Raw(DeflateDecoder::new(input)),
        Coding::Brotli => State::Brotli(BrotliDecoder::new(input)),
    }
}

/// The wire as a reader.
struct Input {
    wire: Wire,
    chunk: Bytes,
}

impl AsyncRead for Input {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let chunk = ready!(self.as_mut().poll_fill_buf(cx))?;
        let taken = chunk.len().min(buffer.remaining());
        buffer.put_slice(&chunk[..taken]);
        self.consume(taken);
        Poll::Ready(Ok(()))
    }
}

impl AsyncBufRead for Input {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        while this.chunk.is_empty() {
            match ready!(this.wire.poll_data(cx)) {
                Some(Ok(chunk)) => this.chunk = chunk,
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
                None => break,
            }
        }
        Poll::Ready(Ok(&this.chunk))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        self.get_mut().chunk.advance(amount);
    }
}

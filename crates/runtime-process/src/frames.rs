//! What the host and a bootstrap say to each other, over one socket: frames of a kind, a call's number
//! and a payload. `guest/bootstraps` has the other side.

use std::io;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

/// Longest payload that is taken from a sandbox, in bytes: an event's result, or a piece of a body.
const LONGEST: usize = 16 << 20;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// To it: what to load, as [`Load`].
    Load = 1,
    /// To it: a call begins, as JSON of its style.
    Call = 2,
    /// To it: a piece of the call's body, or of its event.
    Data = 3,
    /// To it: the body is complete.
    End = 4,
    /// From it: the function is loaded, as [`Ready`].
    Ready = 16,
    /// From it: the function cannot be loaded, as [`Told`].
    Refused = 17,
    /// From it: the answer's status and headers, as [`Head`].
    Head = 18,
    /// From it: a piece of the answer's body.
    Piece = 19,
    /// From it: the answer's body is complete.
    Finish = 20,
    /// From it: the whole result of an event.
    Result = 21,
    /// From it: what was thrown, as [`Told`].
    Fault = 22,
    /// From it: a line, as [`Line`].
    Log = 23,
    /// From it: the call has ended, `waitUntil` included, as [`Done`].
    Done = 24,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            16 => Self::Ready,
            17 => Self::Refused,
            18 => Self::Head,
            19 => Self::Piece,
            20 => Self::Finish,
            21 => Self::Result,
            22 => Self::Fault,
            23 => Self::Log,
            24 => Self::Done,
            _ => return None,
        })
    }
}

/// What to load.
#[derive(Debug, Serialize)]
pub(crate) struct Load<'a> {
    pub(crate) directory: &'a str,
    pub(crate) entry: &'a str,
    pub(crate) handler: &'a str,
    pub(crate) environment: &'a std::collections::BTreeMap<String, String>,
}

/// What was loaded.
#[derive(Debug, Deserialize)]
pub(crate) struct Ready {
    pub(crate) style: mayfly_types::HandlerStyle,
}

/// An error as its language tells it.
#[derive(Debug, Deserialize)]
pub(crate) struct Told {
    pub(crate) name: String,
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) stack: String,
    /// The process goes down with it.
    #[serde(default)]
    pub(crate) crash: bool,
    /// The handler gave something that is no answer.
    #[serde(default)]
    pub(crate) invalid: bool,
}

/// The start of an answer.
#[derive(Debug, Deserialize)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
}

/// A line of the log.
#[derive(Debug, Deserialize)]
pub(crate) struct Line {
    pub(crate) level: mayfly_runtime_api::LogLevel,
    pub(crate) message: String,
}

/// The end of a call.
#[derive(Debug, Deserialize)]
pub(crate) struct Done {
    pub(crate) cpu_us: u64,
    pub(crate) memory: u64,
}

/// A frame that came from a sandbox.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) call: u32,
    pub(crate) payload: Bytes,
}

impl Frame {
    /// The payload as JSON.
    pub(crate) fn json<'a, T: Deserialize<'a>>(&'a self) -> io::Result<T> {
        Ok(serde_json::from_slice(&self.payload)?)
    }
}

/// The host's ear.
#[derive(Debug)]
pub(crate) struct Reader {
    socket: OwnedReadHalf,
    buffer: BytesMut,
}

impl Reader {
    pub(crate) fn new(socket: OwnedReadHalf) -> Self {
        Self { socket, buffer: BytesMut::with_capacity(16 << 10) }
    }

    /// The next frame; `None` when the process has closed its side. What is no frame is an error,
    /// before any room is made for it.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.take()? {
                return Ok(Some(frame));
            }
            if self.socket.read_buf(&mut self.buffer).await? == 0 {
                return Ok(None);
            }
        }
    }

    fn take(&mut self) -> io::Result<Option<Frame>> {
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let Some(length) = self.buffer.first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_le_bytes(*length) as usize;
        if !(5..=LONGEST + 5).contains(&length) {
            return Err(invalid("a frame is too long or too short"));
        }
        if self.buffer.len() < 4 + length {
            self.buffer.reserve(4 + length - self.buffer.len());
            return Ok(None);
        }
        let mut frame = self.buffer.split_to(4 + length).freeze();
        frame.advance(4);
        let kind = Kind::of(frame.get_u8()).ok_or_else(|| invalid("a frame has no known kind"))?;
        let call = frame.get_u32_le();
        Ok(Some(Frame { kind, call, payload: frame }))
    }
}

/// The host's mouth.
#[derive(Debug)]
pub(crate) struct Writer {
    socket: OwnedWriteHalf,
    buffer: BytesMut,
}

impl Writer {
    pub(crate) fn new(socket: OwnedWriteHalf) -> Self {
        Self { socket, buffer: BytesMut::new() }
    }

    /// Adds a frame to what is sent next.
    pub(crate) fn add(&mut self, kind: Kind, call: u32, payload: &[u8]) {
        self.buffer.reserve(9 + payload.len());
        self.buffer.put_u32_le(5 + payload.len() as u32);
        self.buffer.put_u8(kind as u8);
        self.buffer.put_u32_le(call);
        self.buffer.extend_from_slice(payload);
    }

    /// Adds a frame with JSON.
    pub(crate) fn add_json(
        &mut self,
        kind: Kind,
        call: u32,
        payload: &impl Serialize,
    ) -> io::Result<()> {
        self.add(kind, call, &serde_json::to_vec(payload)?);
        Ok(())
    }

    /// Sends all that was added.
    pub(crate) async fn flush(&mut self) -> io::Result<()> {
        let sent = self.socket.write_all_buf(&mut self.buffer).await;
        self.buffer.clear();
        sent
    }
}

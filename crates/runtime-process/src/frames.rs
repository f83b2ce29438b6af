//! What the host and a bootstrap say to each other, over one socket: frames of a kind, a call's number
//! and a payload. `guest/bootstraps` has the other side.
//!
//! A frame is the length of what follows (4 bytes, little-endian), its kind (1 byte), the call's number
//! (4 bytes, little-endian) and the payload.

use std::io;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

/// Longest payload that is taken from a sandbox, in bytes: an event's result, or a piece of a body.
const LONGEST: usize = 8 << 20;
/// Bytes of what a call cost: processor time, memory, and whether the first is estimated.
const COST: usize = 17;
/// How many bytes of a body may be on their way, in either direction, before the other side has taken
/// some.
pub(crate) const WINDOW: u32 = 1 << 20;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// To it: what to load, as [`Load`].
    Load = 1,
    /// To it: a request begins: [`request_head`].
    Call = 2,
    /// To it: a piece of the request's body.
    Data = 3,
    /// To it: the request's body is complete.
    End = 4,
    /// To it: so many bytes of the answer were taken.
    Credit = 5,
    /// To it: an event begins and is complete: four lines (id, deadline in milliseconds since 1970, number of
    /// the attempt, place in a trace in Lambda's words or nothing) and the event as JSON.
    Event = 6,
    /// To it: the request's body broke off.
    Abort = 7,
    /// To a zygote, with a socket: fork, and run there the call that comes over it. The frame's number is
    /// the fork's.
    Fork = 8,
    /// From it: the function is loaded, as [`Ready`].
    Ready = 16,
    /// From it: the function cannot be loaded, as [`Told`].
    Refused = 17,
    /// From it: the answer's status and headers: [`response_head`].
    Head = 18,
    /// From it: a piece of the answer's body.
    Piece = 19,
    /// From it: the answer's body is complete.
    Finish = 20,
    /// From it: the whole result of an event.
    Result = 21,
    /// From it: what was thrown, as [`Told`].
    Fault = 22,
    /// From it: a line: its level as a digit, and its text.
    Log = 23,
    /// From it: the call has ended, `waitUntil` included, as [`Done`].
    Done = 24,
    /// From it: so many bytes of the request's body were taken.
    Taken = 25,
    /// From a zygote: its fork has ended, with this code, or by this signal, negative.
    Ended = 26,
    /// From a fork: it begins its call.
    Begun = 27,
    /// From it: the whole answer to a request, and the call has ended: [`answer`].
    Answer = 28,
    /// From it: it has booted and waits for what to load.
    Booted = 29,
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
            25 => Self::Taken,
            26 => Self::Ended,
            27 => Self::Begun,
            28 => Self::Answer,
            29 => Self::Booted,
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
    /// What Lambda's context says of every call.
    pub(crate) context: &'a serde_json::Value,
    pub(crate) window: u32,
    /// It is to fork for each call.
    pub(crate) zygote: bool,
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

/// The end of a call.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Done {
    /// Processor time, in microseconds.
    pub(crate) cpu_us: u64,
    /// Whether that is a part of what the process used while it ran several calls, divided by time.
    pub(crate) estimated: bool,
    /// The most memory so far, in bytes.
    pub(crate) memory: u64,
}

/// A frame that came from a sandbox.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) call: u32,
    pub(crate) payload: Bytes,
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

impl Frame {
    /// The payload as JSON.
    pub(crate) fn json<'a, T: Deserialize<'a>>(&'a self) -> io::Result<T> {
        Ok(serde_json::from_slice(&self.payload)?)
    }

    /// The payload of [`Kind::Done`].
    pub(crate) fn done(&self) -> io::Result<Done> {
        if self.payload.len() != COST {
            return Err(invalid("a frame is too long or too short"));
        }
        Ok(done(&mut self.payload.clone()))
    }

    /// The payload of [`Kind::Answer`]: as of [`Kind::Done`], the head's length (4 bytes, little-endian),
    /// the head, the body.
    pub(crate) fn answer(&self) -> io::Result<(Done, Bytes, Bytes)> {
        let mut payload = self.payload.clone();
        if payload.len() < COST + 4 {
            return Err(invalid("a frame is too long or too short"));
        }
        let done = done(&mut payload);
        let length = payload.get_u32_le() as usize;
        if length > payload.len() {
            return Err(invalid("a head is longer than its frame"));
        }
        let head = payload.split_to(length);
        Ok((done, head, payload))
    }

    /// The payload as a number.
    pub(crate) fn number(&self) -> io::Result<u32> {
        let number = self.payload[..].try_into();
        number.map(u32::from_le_bytes).map_err(|_| invalid("a frame is too long or too short"))
    }
}

fn done(payload: &mut Bytes) -> Done {
    let (cpu_us, memory) = (payload.get_u64_le(), payload.get_u64_le());
    Done { cpu_us, memory, estimated: payload.get_u8() != 0 }
}

/// Takes the next frame that is complete. What is no frame is an error, before any room is made
/// for it.
pub(crate) fn take(buffer: &mut BytesMut) -> io::Result<Option<Frame>> {
    let Some(length) = buffer.first_chunk::<4>() else { return Ok(None) };
    let length = u32::from_le_bytes(*length) as usize;
    if !(5..=LONGEST + 5).contains(&length) {
        return Err(invalid("a frame is too long or too short"));
    }
    if buffer.len() < 4 + length {
        return Ok(None);
    }
    let mut frame = buffer.split_to(4 + length).freeze();
    frame.advance(4);
    let kind = Kind::of(frame.get_u8()).ok_or_else(|| invalid("a frame has no known kind"))?;
    let call = frame.get_u32_le();
    Ok(Some(Frame { kind, call, payload: frame }))
}

/// Adds a frame that holds these parts.
pub(crate) fn add(buffer: &mut BytesMut, kind: Kind, call: u32, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    buffer.reserve(9 + length);
    buffer.put_u32_le(5 + length as u32);
    buffer.put_u8(kind as u8);
    buffer.put_u32_le(call);
    parts.iter().for_each(|part| buffer.extend_from_slice(part));
}

/// Adds a frame whose payload `fill` writes.
pub(crate) fn add_with(
    buffer: &mut BytesMut,
    kind: Kind,
    call: u32,
    fill: impl FnOnce(&mut BytesMut),
) {
    let start = buffer.len();
    add(buffer, kind, call, &[]);
    fill(buffer);
    let length = (buffer.len() - start - 4) as u32;
    buffer[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

/// A request's head: whether a body follows (`1` or `0`) and the method, the URL, then names and
/// values, each on a line. None of them can hold a line's end.
pub(crate) fn request_head(request: &mayfly_runtime_api::HttpRequest, to: &mut BytesMut) {
    let bodied = !matches!(request.body, mayfly_runtime_api::Body::Empty);
    to.put_u8(if bodied { b'1' } else { b'0' });
    to.extend_from_slice(request.method.as_str().as_bytes());
    to.put_u8(b'\n');
    to.extend_from_slice(request.url.as_bytes());
    for (name, value) in &request.headers {
        to.put_u8(b'\n');
        to.extend_from_slice(name.as_str().as_bytes());
        to.put_u8(b'\n');
        to.extend_from_slice(value.as_bytes());
    }
}

/// An answer's head, in lines: the status, then names and values.
pub(crate) fn response_head(
    payload: &Bytes,
) -> Result<mayfly_runtime_api::ResponseHead, mayfly_types::Fault> {
    use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
    let invalid = |message: String| {
        mayfly_types::Fault::new(mayfly_types::FaultCode::InvalidResponse, message)
    };
    let mut lines = payload.split(|byte| *byte == b'\n');
    let status = lines.next().unwrap_or_default();
    let status = StatusCode::from_bytes(status).map_err(|_| {
        invalid(format!("{:?} is no status of HTTP", String::from_utf8_lossy(status)))
    })?;
    let mut headers = HeaderMap::new();
    while let Some(name) = lines.next() {
        let value = lines.next().map(|value| HeaderValue::from_bytes(value).ok());
        let (Ok(parsed), Some(Some(value))) = (HeaderName::from_bytes(name), value) else {
            let name = String::from_utf8_lossy(name);
            return Err(invalid(format!("the header {name:?} cannot be sent")));
        };
        mayfly_runtime_api::append_header(&mut headers, parsed, value)?;
    }
    Ok(mayfly_runtime_api::ResponseHead { status, headers })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_as_they_went_in_whole_or_not_yet() {
        let mut buffer = BytesMut::new();
        add(&mut buffer, Kind::Piece, 7, &[b"ab", b"c"]);
        add_with(&mut buffer, Kind::Finish, 8, |_| ());
        let whole = buffer.clone();
        for length in 0..12 {
            assert!(take(&mut whole[..length].into()).unwrap().is_none(), "{length}");
        }
        let first = take(&mut buffer).unwrap().unwrap();
        assert_eq!((first.kind, first.call, &first.payload[..]), (Kind::Piece, 7, &b"abc"[..]));
        let second = take(&mut buffer).unwrap().unwrap();
        assert_eq!((second.kind, second.call, second.payload.len()), (Kind::Finish, 8, 0));
        assert!(buffer.is_empty());
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        for wrong in [&b"\0\0\0\0"[..], b"\xff\xff\xff\x7f\x15", b"\x05\0\0\0\x03\0\0\0\0"] {
            assert!(take(&mut wrong.into()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_head_that_cannot_be_sent_is_told() {
        let head = response_head(&Bytes::from("201\nx-a\nb\nx-a\nc")).unwrap();
        assert_eq!((head.status.as_u16(), head.headers.get_all("x-a").iter().count()), (201, 2));
        for wrong in ["", "99", "20x", "200\nx", "200\nx y\nz", "200\nx\na\u{1}b"] {
            assert!(response_head(&Bytes::from(wrong)).is_err(), "{wrong:?}");
        }
        let many = format!("200{}", "\nx\ny".repeat(100_000));
        assert!(response_head(&Bytes::from(many)).is_err());
    }
}

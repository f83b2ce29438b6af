//! W3C Trace Context, level 1 (<https://www.w3.org/TR/trace-context-1/>): where in a trace a request stands.

mod state;

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header that names the trace and the span that sent a request.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The header in which each tracing system on the way keeps its own.
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The length of a `traceparent` of version 00.
const LENGTH: usize = 55;

/// A trace: 16 bytes that are not all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

/// A span of a trace: 8 bytes that are not all zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId([u8; 8]);

impl TraceId {
    /// The id of these bytes; nothing of zeroes alone.
    pub fn new(bytes: [u8; 16]) -> Option<Self> {
        (bytes != [0; 16]).then_some(Self(bytes))
    }

    /// The bytes.
    pub fn bytes(self) -> [u8; 16] {
        self.0
    }
}

impl SpanId {
    /// The id of these bytes; nothing of zeroes alone.
    pub fn new(bytes: [u8; 8]) -> Option<Self> {
        (bytes != [0; 8]).then_some(Self(bytes))
    }

    /// The bytes.
    pub fn bytes(self) -> [u8; 8] {
        self.0
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A place in a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace_id: TraceId,
    /// The span below which whoever is given this stands.
    pub span_id: SpanId,
    /// Whether spans of this trace are recorded: the one flag of level 1.
    pub sampled: bool,
    /// What other tracing systems on the way keep, as it is passed on.
    pub state: Option<Arc<str>>,
}

impl TraceContext {
    /// What a request says of its place (sections 3.2 and 3.3): nothing without one valid `traceparent`. A
    /// `tracestate` that cannot be read is left out, and one that is too long is cut.
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let mut given = headers.get_all(TRACEPARENT).iter();
        let (Some(parent), None) = (given.next(), given.next()) else { return None };
        let context = Self::parse(parent.as_bytes())?;
        let state = state::combined(headers.get_all(TRACESTATE).iter().map(HeaderValue::as_bytes));
        Some(Self { state, ..context })
    }

    /// Reads a `traceparent`: version 00 exactly, a later one by what it begins with (section 4.3).
    pub fn parse(text: &[u8]) -> Option<Self> {
        let fields: &[u8; LENGTH] = text.first_chunk()?;
        let dashes = [2, 35, 52].iter().all(|at| fields[*at] == b'-');
        let [version] = hex(&fields[..2])?;
        let follows = match text.get(LENGTH) {
            None => true,
            Some(byte) => version != 0 && *byte == b'-',
        };
        if !dashes || version == 0xff || !follows {
            return None;
        }
        let [flags] = hex(&fields[53..])?;
        Some(Self {
            trace_id: TraceId::new(hex(&fields[3..35])?)?,
            span_id: SpanId::new(hex(&fields[36..52])?)?,
            sampled: flags & 1 == 1,
            state: None,
        })
    }

    /// The `traceparent` of this place, in version 00.
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-{:02x}", self.trace_id, self.span_id, u8::from(self.sampled))
    }

    /// Writes both headers in place of those that are there.
    pub fn write(&self, headers: &mut HeaderMap) {
        headers.remove(TRACESTATE);
        if let Ok(parent) = HeaderValue::from_str(&self.traceparent()) {
            headers.insert(TRACEPARENT, parent);
        }
        if let Some(state) = self.state.as_deref().and_then(|it| HeaderValue::from_str(it).ok()) {
            headers.insert(TRACESTATE, state);
        }
    }

    /// The same place in the words of Lambda: what the header `Lambda-Runtime-Trace-Id` and the variable
    /// `_X_AMZN_TRACE_ID` hold.
    pub fn amzn(&self) -> String {
        let trace = self.trace_id.to_string();
        let (time, rest) = trace.split_at(8);
        format!("Root=1-{time}-{rest};Parent={};Sampled={}", self.span_id, u8::from(self.sampled))
    }
}

/// Lower-case hexadecimal digits, for which alone the specification has a place.
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let nibble = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    if digits.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;

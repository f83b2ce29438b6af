//! Which headers go out and which come back.

use http::Method;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LANGUAGE,
    CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_TYPE, COOKIE, EXPECT, HOST, HeaderMap, HeaderName,
    HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, RANGE, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE, USER_AGENT,
};

use crate::body::RequestBody;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Of one connection only (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 7] =
    [CONNECTION, KEEP_ALIVE, PROXY_CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

/// What the client alone decides on a request. A length that is not the body's would let one
/// request be read as two.
const OF_THE_CLIENT: [HeaderName; 4] = [HOST, CONTENT_LENGTH, EXPECT, PROXY_AUTHORIZATION];

/// What describes a body; it goes when a redirect drops the body (Fetch, "request-body-header
/// name").
pub(crate) const OF_A_BODY: [HeaderName; 4] =
    [CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LOCATION, CONTENT_TYPE];

/// What another origin is not to learn.
pub(crate) const CREDENTIALS: [HeaderName; 2] = [AUTHORIZATION, COOKIE];

const CODINGS: HeaderValue = HeaderValue::from_static("gzip, deflate, br");
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");
const ANYTHING: HeaderValue = HeaderValue::from_static("*/*");
const MAYFLY: HeaderValue = HeaderValue::from_static("Mayfly");
const ZERO: HeaderValue = HeaderValue::from_static("0");

/// Whether the client undoes a content coding: not when the caller asked for one itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decoding {
    Transparent,
    Left,
}

/// The headers of a request as they are sent, without `host`.
pub(crate) fn outgoing(
    headers: &HeaderMap,
    method: &Method,
    body: &RequestBody,
) -> (HeaderMap, Decoding) {
    let mut headers = headers.clone();
    strip_hop_by_hop(&mut headers);
    for name in OF_THE_CLIENT {
        headers.remove(name);
    }
    let decoding = if headers.contains_key(ACCEPT_ENCODING) {
        Decoding::Left
    } else if headers.contains_key(RANGE) {
        // A part of coded content is not content of the part.
        headers.insert(ACCEPT_ENCODING, IDENTITY);
        Decoding::Left
    } else {
        headers.insert(ACCEPT_ENCODING, CODINGS);
        Decoding::Transparent
    };
    headers.entry(ACCEPT).or_insert(ANYTHING);
    headers.entry(USER_AGENT).or_insert(MAYFLY);
    if matches!(body, RequestBody::Empty) && matches!(*method, Method::POST | Method::PUT) {
        headers.insert(CONTENT_LENGTH, ZERO);
    }
    (headers, decoding)
}

/// Takes out what belongs to one connection, and what `connection` says does.
pub(crate) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.into_iter().chain(HOP_BY_HOP).chain([PROXY_AUTHENTICATE]) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        let header = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        headers.iter().map(header).collect()
    }

    #[test]
    fn headers_of_the_connection_do_not_go_out() {
        let (sent, _) = outgoing(
            &map(&[
                ("connection", "close, X-Hop"),
                ("x-hop", "1"),
                ("transfer-encoding", "chunked"),
                ("content-length", "5"),
                ("host", "evil.test"),
                ("upgrade", "h2c"),
                ("x-mine", "2"),
            ]),
            &Method::GET,
            &RequestBody::Empty,
        );
        let expected = map(&[
            ("x-mine", "2"),
            ("accept", "*/*"),
            ("accept-encoding", "gzip, deflate, br"),
            ("user-agent", "Mayfly"),
        ]);
        assert_eq!(sent, expected);
    }

    #[test]
    fn a_coding_that_the_caller_asks_for_is_left_to_the_caller() {
        let asked = map(&[("accept-encoding", "zstd"), ("user-agent", "me")]);
        let (sent, decoding) = outgoing(&asked, &Method::GET, &RequestBody::Empty);
        assert_eq!(decoding, Decoding::Left);
        assert_eq!(sent["accept-encoding"], "zstd");
        assert_eq!(sent["user-agent"], "me");
    }

    #[test]
    fn a_range_is_asked_for_without_a_coding() {
        let asked = map(&[("range", "bytes=0-9")]);
        let (sent, decoding) = outgoing(&asked, &Method::GET, &RequestBody::Empty);
        assert_eq!(decoding, Decoding::Left);
        assert_eq!(sent["accept-encoding"], "identity");
    }

    #[test]
    fn a_post_without_a_body_says_so() {
        let (sent, _) = outgoing(&HeaderMap::new(), &Method::POST, &RequestBody::Empty);
        assert_eq!(sent["content-length"], "0");
    }
}

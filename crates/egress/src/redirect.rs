//! What a redirect makes of a request (Fetch, "HTTP-redirect fetch").

use http::header::{HeaderMap, LOCATION};
use http::{Method, StatusCode};
use url::Url;

use crate::body::RequestBody;
use crate::headers::{CREDENTIALS, OF_A_BODY};

/// Most redirects of one fetch.
pub(crate) const MOST: usize = 20;

/// The parts of a request that a redirect may change.
pub(crate) struct Hop {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Replay,
}

/// What is left of a body once it was sent.
#[derive(Debug, Clone)]
pub(crate) enum Replay {
    Empty,
    Full(bytes::Bytes),
    /// It was a stream: it cannot be sent again.
    Spent,
}

impl Replay {
    /// Keeps what can be sent again.
    pub(crate) fn of(body: &RequestBody) -> Self {
        match body {
            RequestBody::Empty => Self::Empty,
            RequestBody::Full(bytes) => Self::Full(bytes.clone()),
            RequestBody::Stream(_) => Self::Spent,
        }
    }
}

/// Where an answer redirects to, as it is written; `None` when it does not.
pub(crate) fn location(status: StatusCode, headers: &HeaderMap) -> Option<String> {
    let redirects = matches!(
        status,
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let location = headers.get(LOCATION).filter(|_| redirects)?;
    Some(String::from_utf8_lossy(location.as_bytes()).into_owned())
}

impl Hop {
    /// Turns the request into the one that follows a redirect.
    ///
    /// # Errors
    /// What forbids to follow it.
    pub(crate) fn follow(&mut self, status: StatusCode, location: &str) -> Result<(), String> {
        let mut to = self
            .url
            .join(location)
            .map_err(|error| format!("its location `{location}` is not a URL: {error}"))?;
        if to.fragment().is_none() {
            to.set_fragment(self.url.fragment());
        }
        let drops_body = match status {
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => self.method == Method::POST,
            StatusCode::SEE_OTHER => !matches!(self.method, Method::GET | Method::HEAD),
            _ => false,
        };
        // The standard lets go of a spent body on 303 alone, even where 301 and 302 drop it.
        let let_go = drops_body && status == StatusCode::SEE_OTHER;
        if matches!(self.body, Replay::Spent) && !let_go {
            return Err("the request's body was a stream, which cannot be sent again".to_owned());
        }
        if drops_body {
            self.method = Method::GET;
            self.body = Replay::Empty;
            for name in OF_A_BODY {
                self.headers.remove(name);
            }
        }
        if to.origin() != self.url.origin() {
            for name in CREDENTIALS {
                self.headers.remove(name);
            }
        }
        self.url = to;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE};

    use super::*;

    fn post() -> Hop {
        let headers = [(AUTHORIZATION, "secret"), (COOKIE, "a=1"), (CONTENT_TYPE, "text/plain")]
            .map(|(name, value)| (name, HeaderValue::from_static(value)));
        Hop {
            method: Method::POST,
            url: Url::parse("https://a.test/x/y?q#part").unwrap(),
            headers: headers.into_iter().collect(),
            body: Replay::Full("body".into()),
        }
    }

    #[test]
    fn a_moved_post_becomes_a_get_without_its_body_and_what_described_it() {
        for status in [301, 302, 303] {
            let mut hop = post();
            hop.follow(StatusCode::from_u16(status).unwrap(), "../z").unwrap();
            assert_eq!((hop.method.as_str(), hop.url.as_str()), ("GET", "https://a.test/z#part"));
            assert!(matches!(hop.body, Replay::Empty));
            assert!(!hop.headers.contains_key(CONTENT_TYPE));
            assert!(hop.headers.contains_key(AUTHORIZATION));
        }
    }

    #[test]
    fn a_temporary_redirect_sends_the_same_body_again() {
        for status in [307, 308] {
            let mut hop = post();
            hop.follow(StatusCode::from_u16(status).unwrap(), "/z#other").unwrap();
            assert_eq!((hop.method.as_str(), hop.url.as_str()), ("POST", "https://a.test/z#other"));
            assert!(matches!(hop.body, Replay::Full(_)));
        }
    }

    #[test]
    fn a_put_keeps_its_method_when_it_is_moved_and_loses_it_when_it_is_to_see_other() {
        let mut hop = Hop { method: Method::PUT, ..post() };
        hop.follow(StatusCode::FOUND, "/z").unwrap();
        assert_eq!(hop.method, Method::PUT);
        hop.follow(StatusCode::SEE_OTHER, "/z").unwrap();
        assert_eq!(hop.method, Method::GET);
    }

    #[test]
    fn a_stream_is_not_sent_again() {
        for status in [301, 302, 307, 308] {
            let mut hop = Hop { body: Replay::Spent, ..post() };
            assert!(hop.follow(StatusCode::from_u16(status).unwrap(), "/z").is_err());
        }
        let mut hop = Hop { body: Replay::Spent, ..post() };
        hop.follow(StatusCode::SEE_OTHER, "/z").unwrap();
    }

    #[test]
    fn another_origin_learns_no_credentials() {
        for location in ["https://b.test/", "http://a.test/", "https://a.test:8443/"] {
            let mut hop = post();
            hop.follow(StatusCode::TEMPORARY_REDIRECT, location).unwrap();
            assert!(!hop.headers.contains_key(AUTHORIZATION), "{location}");
            assert!(!hop.headers.contains_key(COOKIE), "{location}");
        }
    }
}

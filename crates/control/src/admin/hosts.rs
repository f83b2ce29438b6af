//! Which hosts the listener answers for.
//!
//! A page of a stranger can point a name of its own at 127.0.0.1 and then talk to this listener as
//! if it were its own server. Only the names in its requests tell.

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::header::{HOST, ORIGIN};

use super::error::ApiError;

/// Which hosts the listener answers for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostPolicy {
    /// `localhost`, `127.0.0.1` and `[::1]` on any port, and pages that came from there: the same
    /// host on the same port.
    Loopback,
    /// All: the listener is reached by names of the operator's choice.
    Any,
}

/// Refuses what the policy does not let in with 403, before any route is looked at.
pub(super) fn guard(router: Router, policy: HostPolicy) -> Router {
    match policy {
        HostPolicy::Any => router,
        HostPolicy::Loopback => router.layer(middleware::from_fn(loopback_only)),
    }
}

async fn loopback_only(request: Request, next: Next) -> Response {
    match check(&request) {
        Ok(()) => next.run(request).await,
        Err(why) => ApiError::forbidden(why).into_response(),
    }
}

fn check(request: &Request) -> Result<(), &'static str> {
    let in_target = request.uri().authority().map(|authority| authority.as_str());
    let in_headers = request.headers().get_all(HOST).iter().map(|host| host.to_str().ok());
    let mut hosts = in_headers.chain(in_target.map(Some));
    let Some(host) = hosts.next().flatten().filter(|host| is_loopback(host)) else {
        return Err("this listener answers for localhost, 127.0.0.1 and [::1] alone");
    };
    if !hosts.all(|other| other.is_some_and(|other| other.eq_ignore_ascii_case(host))) {
        return Err("the request names two hosts");
    }
    let own = |origin: &str| {
        let rest = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        rest.is_some_and(|rest| rest.eq_ignore_ascii_case(host))
    };
    let mut origins = request.headers().get_all(ORIGIN).iter();
    if !origins.all(|origin| origin.to_str().is_ok_and(own)) {
        return Err("this listener takes no requests from pages of another origin");
    }
    Ok(())
}

fn is_loopback(host: &str) -> bool {
    let end =
        if host.starts_with('[') { host.find(']').map(|end| end + 1) } else { host.find(':') };
    let (name, port) = host.split_at(end.unwrap_or(host.len()));
    let port =
        port.is_empty() || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    port && (name.eq_ignore_ascii_case("localhost") || matches!(name, "127.0.0.1" | "[::1]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_with_or_without_a_port_are_loopback() {
        for good in ["localhost", "LOCALHOST:1", "127.0.0.1:8081", "[::1]", "[::1]:8081"] {
            assert!(is_loopback(good), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "localhost.evil.example",
            "localhost:80:80",
            "localhost:x",
            "127.0.0.1.nip.io",
            "[::1",
            "[::1]evil",
            "user@localhost",
            "::1",
        ] {
            assert!(!is_loopback(bad), "{bad}");
        }
    }
}

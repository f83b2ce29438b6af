//! Which app a host name, or a path on loopback, stands for.

use std::net::IpAddr;

use mayfly_types::{AppKey, AppName, TenantName};

/// Under this path every app answers to callers on this machine, because `*.localhost` does not
/// resolve everywhere.
const LOOPBACK_PREFIX: &str = "/_mayfly/";

/// How hosts name apps.
#[derive(Debug, Clone)]
pub enum Hosts {
    /// One app answers for every host (`mayfly dev`).
    Only(AppKey),
    /// An app answers at `APP.BASE`, another tenant's at `APP--TENANT.BASE`.
    Under {
        /// The base, without a dot in front.
        base: String,
    },
}

/// What a request is for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named<'a> {
    pub(crate) app: AppKey,
    /// The path as the app sees it.
    pub(crate) path: &'a str,
}

impl Hosts {
    /// The app that a request names. `host` may carry a port.
    pub(crate) fn find<'a>(
        &self,
        host: &str,
        path: &'a str,
        remote: Option<IpAddr>,
    ) -> Option<Named<'a>> {
        if remote.is_some_and(|remote| remote.to_canonical().is_loopback())
            && let Some(named) = prefixed(path)
        {
            return Some(named);
        }
        match self {
            Self::Only(app) => Some(Named { app: app.clone(), path }),
            Self::Under { base } => {
                let host = host.rsplit_once(':').map_or(host, |(name, port)| {
                    if port.bytes().all(|c| c.is_ascii_digit()) { name } else { host }
                });
                let host = host.trim_end_matches('.').to_ascii_lowercase();
                let label = host.strip_suffix(base.as_str())?.strip_suffix('.')?;
                Some(Named { app: key(label)?, path })
            }
        }
    }
}

fn prefixed(path: &str) -> Option<Named<'_>> {
    let rest = path.strip_prefix(LOOPBACK_PREFIX)?;
    let (label, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, "/"),
    };
    Some(Named { app: key(label)?, path })
}

/// `APP` or `APP--TENANT`; neither name can hold `--` itself.
fn key(label: &str) -> Option<AppKey> {
    let (app, tenant) = match label.split_once("--") {
        Some((app, tenant)) => (app, TenantName::new(tenant).ok()?),
        None => (label, TenantName::fallback()),
    };
    Some(AppKey::new(tenant, AppName::new(app).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn under(host: &str, path: &'static str, remote: &str) -> Option<String> {
        let hosts = Hosts::Under { base: "localhost".into() };
        let named = hosts.find(host, path, Some(remote.parse().unwrap()))?;
        Some(format!("{} {}", named.app, named.path))
    }

    #[test]
    fn a_label_under_the_base_names_an_app_and_its_tenant() {
        let far = "192.0.2.1";
        assert_eq!(under("photos.localhost:8080", "/a", far).unwrap(), "default/photos /a");
        assert_eq!(under("Photos.LOCALHOST.", "/", far).unwrap(), "default/photos /");
        assert_eq!(under("photos--acme.localhost", "/", far).unwrap(), "acme/photos /");
        for other in
            ["localhost", "photos.example.com", "a.b.localhost", "xlocalhost", ".localhost"]
        {
            assert_eq!(under(other, "/", far), None, "{other}");
        }
    }

    #[test]
    fn a_path_prefix_names_an_app_on_loopback_alone() {
        assert_eq!(
            under("localhost", "/_mayfly/photos/a/b", "127.0.0.1").unwrap(),
            "default/photos /a/b"
        );
        assert_eq!(under("x", "/_mayfly/photos", "::ffff:127.0.0.1").unwrap(), "default/photos /");
        assert_eq!(under("localhost", "/_mayfly/photos/a", "192.0.2.1"), None);
    }
}

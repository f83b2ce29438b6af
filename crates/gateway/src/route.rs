//! From host, path and method to a function of a live release.

use mayfly_control_api::View;
use mayfly_manifest::RouteMatch;
use mayfly_runtime_api::Target;
use mayfly_types::{Fault, FaultCode};

use crate::hosts::Named;

/// A function that answers a request.
pub(crate) struct Routed {
    pub(crate) target: Target,
    pub(crate) pattern: String,
    pub(crate) params: Vec<(String, String)>,
}

/// Why none does.
pub(crate) enum Unrouted {
    Fault(Fault),
    /// The path is routed for these methods.
    Method(Vec<String>),
}

/// Chooses a live release by weight and looks the path up in its routes.
pub(crate) fn find(view: &View, named: Named<'_>, method: &str) -> Result<Routed, Unrouted> {
    let missing = |message: String| Unrouted::Fault(Fault::new(FaultCode::NotFound, message));
    let app = view
        .apps
        .get(&named.app)
        .ok_or_else(|| missing(format!("there is no app `{}` here", named.app.app)))?;
    let release = app
        .release_at(rand::random())
        .ok_or_else(|| missing(format!("app `{}` has no live release", named.app.app)))?;
    match release.routes.find(method, named.path) {
        RouteMatch::Found { function, pattern, params } => Ok(Routed {
            target: Target {
                app: named.app,
                function: function.clone(),
                release: Some(release.number),
            },
            pattern: pattern.to_owned(),
            params,
        }),
        RouteMatch::MethodNotAllowed { allow } => Err(Unrouted::Method(allow)),
        RouteMatch::NotFound => {
            let message =
                format!("app `{}` has no route for {} {}", named.app.app, method, named.path);
            Err(missing(message))
        }
    }
}

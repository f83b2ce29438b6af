//! The REST API of the admin listener.
//!
//! Routes and the OpenAPI document are made from the same annotations. All but health and the
//! document need a token; the host policy covers every route, also those that are not there.

mod apps;
mod artifacts;
mod auth;
mod error;
mod extract;
mod functions;
mod health;
mod hosts;
mod invocations;
mod logs;
mod metrics;
mod schema;
mod secrets;
mod tenants;
mod trace;
mod usage;

use std::sync::Arc;

use axum::extract::Request;
use axum::response::Response;
use axum::{Extension, Router, middleware};
use http::HeaderValue;
use mayfly_control_api::Control;
use mayfly_runtime_api::{Invoke, Spans};
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use hosts::HostPolicy;

use self::error::ApiError;

/// Whether this node takes work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// It does.
    Ready,
    /// It does not yet.
    Starting,
    /// It does no more.
    Draining,
}

/// What the API stands on.
pub struct AdminState {
    /// Carries out commands.
    pub control: Arc<dyn Control>,
    /// Runs functions.
    pub invoke: Arc<dyn Invoke>,
    /// Whether this node takes work.
    pub ready: Arc<dyn Fn() -> Readiness + Send + Sync>,
    /// Which hosts the listener answers for.
    pub allowed_hosts: HostPolicy,
    /// Takes spans, where traces are kept.
    pub spans: Option<Arc<dyn Spans>>,
    /// Routes of others on the same listener, such as the dashboard's; without a fallback. The
    /// host policy covers them, the token does not.
    pub pages: Router,
}

/// The API, and the pages it was given.
pub fn router(state: AdminState) -> Router {
    let (policy, pages) = (state.allowed_hosts, state.pages.clone());
    let (api, document) = api(Arc::new(state));
    let document = Arc::new(health::Document::new(&document));
    let router = api
        .layer(Extension(document))
        .merge(pages)
        .fallback(unknown_route)
        .method_not_allowed_fallback(unknown_method);
    hosts::guard(router, policy).layer(middleware::map_response(versioned))
}

fn api(state: Arc<AdminState>) -> (Router, utoipa::openapi::OpenApi) {
    let token = middleware::from_fn_with_state(Arc::clone(&state), auth::bearer);
    let open = OpenApiRouter::new()
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(health::openapi));
    let closed = OpenApiRouter::new()
        .routes(routes!(artifacts::upload))
        .routes(routes!(artifacts::missing))
        .routes(routes!(apps::deploy))
        .routes(routes!(apps::list))
        .routes(routes!(apps::show, apps::delete))
        .routes(routes!(apps::releases))
        .routes(routes!(apps::set_live))
        .routes(routes!(apps::rollback))
        .routes(routes!(functions::show))
        .routes(routes!(functions::invoke, invocations::list))
        .routes(routes!(invocations::show, invocations::cancel))
        .routes(routes!(invocations::redrive))
        .routes(routes!(secrets::list))
        .routes(routes!(secrets::put, secrets::delete))
        .routes(routes!(logs::read))
        .routes(routes!(metrics::read))
        .routes(routes!(usage::show))
        .routes(routes!(usage::budgets, usage::put_budget, usage::delete_budget))
        .routes(routes!(tenants::whoami))
        .routes(routes!(tenants::list, tenants::create))
        .routes(routes!(tenants::change, tenants::delete))
        .routes(routes!(tenants::tokens, tenants::create_token))
        .routes(routes!(tenants::delete_token))
        .route_layer(token);
    let mut document = Base::openapi();
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("token", SecurityScheme::Http(scheme));
    let routes = OpenApiRouter::with_openapi(document).merge(open).merge(closed);
    let (router, document) = routes.split_for_parts();
    (router.with_state(state), document)
}

/// What the document says beside the routes.
#[derive(OpenApi)]
#[openapi(
    info(title = "Mayfly", description = "Commands and queries of a Mayfly node"),
    security(("token" = []))
)]
struct Base;

async fn unknown_route(request: Request) -> ApiError {
    ApiError::not_found(format!("there is no {} {}", request.method(), request.uri().path()))
}

async fn unknown_method(request: Request) -> ApiError {
    ApiError::method_not_allowed(format!(
        "{} does not take {}",
        request.uri().path(),
        request.method()
    ))
}

async fn versioned(mut response: Response) -> Response {
    let version = HeaderValue::from_static(env!("CARGO_PKG_VERSION"));
    response.headers_mut().insert("x-mayfly-version", version);
    response
}

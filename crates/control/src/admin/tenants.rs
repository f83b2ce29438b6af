//! Tenants and tokens.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use http::StatusCode;
use jiff::Timestamp;
use mayfly_control_api::{Caller, TenantSummary, TokenSummary};
use mayfly_state_api::Role;
use mayfly_types::TenantName;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::AdminState;
use super::error::{ApiError, Failure};
use super::extract::{Json, Names, Operation, Params};
use super::usage::Whose;

/// Who a token is.
#[derive(Serialize, ToSchema)]
pub(super) struct Whoami {
    /// The tenant that it speaks for.
    #[schema(value_type = String)]
    tenant: TenantName,
    /// Its name.
    name: String,
    /// What it may do.
    #[schema(value_type = String)]
    role: Role,
}

/// Tells whose token this is.
#[utoipa::path(get, path = "/v1/whoami", tag = "tenants", operation_id = "whoami",
    responses(
        (status = 200, description = "Whose it is", body = Whoami),
        (status = "default", description = "A failure", body = Failure)))]
pub(super) async fn whoami(Extension(caller): Extension<Caller>) -> axum::Json<Whoami> {
    let Caller { tenant, name, role } = caller;
    axum::Json(Whoami { tenant, name, role })
}

/// A tenant.
#[derive(Serialize, ToSchema)]
pub(super) struct Tenant {
    /// Its name.
    #[schema(value_type = String)]
    tenant: TenantName,
    /// Its account id of twelve digits.
    account: String,
    /// Whether none of its functions runs.
    suspended: bool,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created: Timestamp,
}

impl From<TenantSummary> for Tenant {
    fn from(summary: TenantSummary) -> Self {
        let TenantSummary { tenant, account, suspended, created_us } = summary;
        Self { tenant, account, suspended, created: time(created_us) }
    }
}

fn time(time_us: i64) -> Timestamp {
    Timestamp::from_microsecond(time_us).unwrap_or_default()
}

/// The node's tenants.
#[derive(Serialize, ToSchema)]
pub(super) struct Tenants {
    /// By name.
    tenants: Vec<Tenant>,
}

/// A tenant to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewTenant {
    /// Its name.
    #[schema(value_type = String)]
    tenant: TenantName,
}

/// What of a tenant changes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TenantChange {
    /// Whether none of its functions runs.
    suspended: bool,
}

/// Lists tenants. For the operator.
#[utoipa::path(get, path = "/v1/tenants", tag = "tenants", operation_id = "list_tenants",
    responses(
        (status = 200, description = "The tenants", body = Tenants),
        (status = "default", description = "A failure", body = Failure)))]
pub(super) async fn list(
    State(state): State<Arc<AdminState>>,
    Extension(caller): Extension<Caller>,
) -> Result<axum::Json<Tenants>, ApiError> {
    let tenants = state.control.tenants(&caller).await?;
    Ok(axum::Json(Tenants { tenants: tenants.into_iter().map(Tenant::from).collect() }))
}

/// Makes a tenant; one that is there is answered as it is. For the operator.
#[utoipa::path(post, path = "/v1/tenants", tag = "tenants", operation_id = "create_tenant",
    request_body = NewTenant,
    responses(
        (status = 201, description = "The tenant", body = Tenant),
        (status = "default", description = "A failure", body = Failure)))]
pub(super) async fn create(
    State(state): State<Arc<AdminState>>,
    Extension(caller): Extension<Caller>,
    Json(new): Json<NewTenant>,
) -> Result<(StatusCode, axum::Json<Tenant>), ApiError> {
    let made = state.control.create_tenant(&caller, &new.tenant).await?;
    Ok((StatusCode::CREATED, axum::Json(made.into())))
}

/// Suspends a tenant, or lets it go on. For the operator.
#[utoipa::path(patch, path = "/v1/tenants/{tenant}", tag = "tenants", operation_id = "change_tenant",
    request_body = TenantChange,
    params(
        ("tenant" = String, Path, description = "The tenant"),
        ("idempotency-key" = Option<String>, Header, description = "A UUID")),
    responses(
        (status = 200, description = "The tenant", body = Tenant),
        (status = "default", description = "A failure", body = Failure)))]
pub(super) async fn change(
    State(state): State<Arc<AdminState>>,
    Extension(caller): Extension<Caller>,
    Operation(op): Operation,
    Names(tenant): Names<TenantName>,
    Json(change): Json<TenantChange>,
) -> Result<axum::Json<Tenant>, ApiError> {
    let changed = state.control.suspend_tenant(&caller, op, &tenant, change.suspended).await?;
    Ok(axum::Json(changed.into()))
}

/// Deletes a tenant with all that it has, but not what it used. For the operator.
#[utoipa::path(delete, path = "/v1/tenants/{tenant}", tag = "tenants", operation_id = "delete_tenant",
    params(
        ("tenant" = String, Path, description = "The tenant"),
        ("idempotency-key" = Option<String>, Header, description = "A UUID")),
    responses(
        (status = 204, description = "It is gone"),
        (status = "default", description = "A failure", body = Failure)))]
pub(super) async fn delete(
    State(state): State<Arc<AdminState>>,
    Extension(caller): Extension<Caller>,
    Operation(op): Operation,
    Names(tenant): Names<TenantName>,
) -> Result<StatusCode, ApiError> {
    state.control.delete_tenant(&caller, op, &tenant).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A token in a list.
#[derive(Serialize, ToSchema)]
pub(super) struct Token {
    /// Its name.
    name: String,
    /// What it may do.
    #[schema(value_type = String)]
    role: Role,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created: Timestamp,
}

/// A tenant's tokens.
#[derive(Serialize, ToSchema)]
pub(super) struct Tokens {
    /// By name.
    tokens: Vec<Token>,
}

/// A token to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewToken {
    /// A name for people; the token that had it is replaced.
    name: String,
    /// What it may do: `admin`, `deploy`, `invoke`, `read`, or `operator` for whoever runs the node.
    #[schema(value_type = String)]
    role: Role,
}

/// A token that was made.
#[derive(Serialize, ToSchema)]
pub(super) struct MadeToken {
    /// Its name.
    name: String,
    /// The token. It is told this once.
    token: String,
}

/// Lists a tenant's tokens.
#[utoipa::path(get, path = "/v1/tokens", tag = "tenants", operation_id = "list_tokens",
    params(("tenant" = Option<String>, Query, description = "Another tenant; for the operator")),
    responses(
        (status = 200, description = "The tokens", body = Tokens),
        (status = "default", description = "A failure", body = Failure)))]
pub(super) async fn tokens(
    State(state): State<Arc<AdminState>>,
    Extension(caller): Extension<Caller>,
    Params(whose): Params<Whose>,
) -> Result<axum::Json<Tokens>, ApiError> {
    let tokens = state.control.tokens(&caller, whose.tenant.as_ref()).await?;
    let told =
        |TokenSummary { name, role, created_us }| Token { name, role, created: time(created_us) };
    Ok(axum::Json(Tokens { tokens: tokens.into_iter().map(told).collect() }))
}

/// Makes a token.
#[utoipa::path(post, path = "/v1/tokens", tag = "tenants", operation_id = "create_token",
    request_body = NewToken,
    params(("tenant" = Option<String>, Query, description = "Another tenant; for the operator")),
    responses(
        (status = 201, description = "The token, this once", body = MadeToken),
        (status = "default", description = "A failure", body = Failure)))]
pub(super) async fn create_token(
    State(state): State<Arc<AdminState>>,
    Extension(caller): Extension<Caller>,
    Params(whose): Params<Whose>,
    Json(new): Json<NewToken>,
) -> Result<(StatusCode, axum::Json<MadeToken>), ApiError> {
    let tenant = whose.tenant.as_ref();
    let token = state.control.create_token(&caller, tenant, &new.name, new.role).await?;
    Ok((StatusCode::CREATED, axum::Json(MadeToken { name: new.name, token })))
}

/// Deletes a token: from then on nobody is let in with it.
#[utoipa::path(delete, path = "/v1/tokens/{name}", tag = "tenants", operation_id = "delete_token",
    params(
        ("name" = String, Path, description = "The token's name"),
        ("tenant" = Option<String>, Query, description = "Another tenant; for the operator"),
        ("idempotency-key" = Option<String>, Header, description = "A UUID")),
    responses(
        (status = 204, description = "It is gone"),
        (status = "default", description = "A failure", body = Failure)))]
pub(super) async fn delete_token(
    State(state): State<Arc<AdminState>>,
    Extension(caller): Extension<Caller>,
    Operation(op): Operation,
    Names(name): Names<String>,
    Params(whose): Params<Whose>,
) -> Result<StatusCode, ApiError> {
    state.control.delete_token(&caller, op, whose.tenant.as_ref(), &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

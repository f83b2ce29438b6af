//! Tenants and their tokens.

use mayfly_state_api::Role;
use mayfly_types::TenantName;
use serde::{Deserialize, Serialize};

/// A tenant in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantSummary {
    /// Its name.
    pub tenant: TenantName,
    /// Its account id of twelve digits.
    pub account: String,
    /// Whether none of its functions runs.
    pub suspended: bool,
    /// When it was made, in UTC microseconds since 1970; in JSON, as RFC 3339.
    #[serde(rename = "created", with = "mayfly_types::rfc3339")]
    pub created_us: i64,
}

/// A token in a list; the token itself is told once, when it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenSummary {
    /// Its name.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// When it was made, in UTC microseconds since 1970; in JSON, as RFC 3339.
    #[serde(rename = "created", with = "mayfly_types::rfc3339")]
    pub created_us: i64,
}

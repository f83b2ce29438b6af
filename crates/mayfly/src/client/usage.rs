//! Calls about usage, budgets, tenants and tokens.

use jiff::Timestamp;
use mayfly_state_api::{BudgetKey, Role};
use mayfly_types::{AppName, FunctionName, TenantName};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use ureq::http::Method;

use super::api::json as encoded;
use super::{Client, Error};

/// What was used.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Usage {
    /// From here on.
    pub(crate) since: Timestamp,
    /// Before this.
    pub(crate) until: Timestamp,
    /// The currency of costs, if it has a name.
    pub(crate) currency: String,
    /// Told apart by what was asked.
    pub(crate) lines: Vec<UsageLine>,
    /// All together.
    pub(crate) total: UsageLine,
}

/// A line of it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct UsageLine {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) start: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) app: Option<AppName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) function: Option<FunctionName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) caller: Option<String>,
    pub(crate) attempts: u64,
    pub(crate) function_faults: u64,
    pub(crate) platform_faults: u64,
    pub(crate) caller_faults: u64,
    pub(crate) cold: u64,
    pub(crate) billed_ms: u64,
    pub(crate) gb_seconds: f64,
    pub(crate) cpu_us: u64,
    #[serde(default)]
    pub(crate) estimated_cpu_us: u64,
    pub(crate) init_us: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) cost: f64,
}

/// A budget.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Budget {
    /// Which one.
    #[serde(flatten)]
    pub(crate) key: BudgetKey,
    /// Most that may be used.
    pub(crate) limit: f64,
    /// What is used.
    pub(crate) used: f64,
    /// What attempts under way may use beside that.
    pub(crate) held: f64,
    /// When it begins anew.
    pub(crate) resets: Timestamp,
}

/// A tenant.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Tenant {
    pub(crate) tenant: TenantName,
    pub(crate) account: String,
    pub(crate) suspended: bool,
    pub(crate) created: Timestamp,
}

/// A token, without what lets somebody in.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TokenLine {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) created: Timestamp,
}

/// Joins what is there to a path with a query.
fn query(path: &str, pairs: &[(&str, Option<String>)]) -> String {
    let mut text = path.to_owned();
    for (i, (name, value)) in pairs.iter().filter(|(_, value)| value.is_some()).enumerate() {
        let value = value.as_deref().unwrap_or_default();
        text.push(if i == 0 { '?' } else { '&' });
        text.push_str(name);
        text.push('=');
        text.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
    }
    text
}

fn of<T: ToString>(value: Option<&T>) -> Option<String> {
    value.map(ToString::to_string)
}

impl Client {
    /// What was used.
    pub(crate) fn usage(
        &self,
        tenant: Option<&TenantName>,
        app: Option<&AppName>,
        function: Option<&FunctionName>,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        by: &str,
    ) -> Result<Usage, Error> {
        let pairs = [
            ("tenant", of(tenant)),
            ("app", of(app)),
            ("function", of(function)),
            ("since", of(since.as_ref())),
            ("until", of(until.as_ref())),
            ("by", Some(by.to_owned())),
        ];
        self.get(query("/v1/usage", &pairs))
    }

    /// A tenant's budgets.
    pub(crate) fn budgets(&self, tenant: Option<&TenantName>) -> Result<Vec<Budget>, Error> {
        #[derive(Deserialize)]
        struct Budgets {
            budgets: Vec<Budget>,
        }
        Ok(self.get::<Budgets>(query("/v1/budgets", &[("tenant", of(tenant))]))?.budgets)
    }

    /// Sets a budget.
    pub(crate) fn put_budget(
        &self,
        tenant: Option<&TenantName>,
        key: &BudgetKey,
        limit: f64,
    ) -> Result<Budget, Error> {
        let BudgetKey { app, function, meter, period, kind, .. } = key;
        let body = json!({ "app": app, "function": function, "meter": meter, "period": period,
            "kind": kind, "limit": limit });
        let path = query("/v1/budgets", &[("tenant", of(tenant))]);
        let answer = self.change(Method::PUT, path, Some(encoded(&body)))?;
        self.http.read(&answer)
    }

    /// Deletes a budget.
    pub(crate) fn delete_budget(
        &self,
        tenant: Option<&TenantName>,
        key: &BudgetKey,
    ) -> Result<(), Error> {
        let pairs = [
            ("tenant", of(tenant)),
            ("app", of(key.app.as_ref())),
            ("function", of(key.function.as_ref())),
            ("meter", Some(key.meter.to_string())),
            ("period", Some(key.period.to_string())),
            ("kind", Some(key.kind.to_string())),
        ];
        self.change(Method::DELETE, query("/v1/budgets", &pairs), None)?;
        Ok(())
    }

    /// All tenants.
    pub(crate) fn tenants(&self) -> Result<Vec<Tenant>, Error> {
        #[derive(Deserialize)]
        struct Tenants {
            tenants: Vec<Tenant>,
        }
        Ok(self.get::<Tenants>("/v1/tenants".into())?.tenants)
    }

    /// Makes a tenant.
    pub(crate) fn create_tenant(&self, tenant: &TenantName) -> Result<Tenant, Error> {
        let body = encoded(&json!({ "tenant": tenant }));
        let answer = self.change(Method::POST, "/v1/tenants".into(), Some(body))?;
        self.http.read(&answer)
    }

    /// Suspends a tenant, or lets it go on.
    pub(crate) fn suspend(&self, tenant: &TenantName, suspended: bool) -> Result<Tenant, Error> {
        let body = encoded(&json!({ "suspended": suspended }));
        let answer = self.change(Method::PATCH, format!("/v1/tenants/{tenant}"), Some(body))?;
        self.http.read(&answer)
    }

    /// Deletes a tenant.
    pub(crate) fn delete_tenant(&self, tenant: &TenantName) -> Result<(), Error> {
        self.change(Method::DELETE, format!("/v1/tenants/{tenant}"), None)?;
        Ok(())
    }

    /// A tenant's tokens.
    pub(crate) fn tokens(&self, tenant: Option<&TenantName>) -> Result<Vec<TokenLine>, Error> {
        #[derive(Deserialize)]
        struct Tokens {
            tokens: Vec<TokenLine>,
        }
        Ok(self.get::<Tokens>(query("/v1/tokens", &[("tenant", of(tenant))]))?.tokens)
    }

    /// Makes a token, and answers it.
    pub(crate) fn create_token(
        &self,
        tenant: Option<&TenantName>,
        name: &str,
        role: Role,
    ) -> Result<String, Error> {
        #[derive(Deserialize)]
        struct Made {
            token: String,
        }
        let body = encoded(&json!({ "name": name, "role": role }));
        let path = query("/v1/tokens", &[("tenant", of(tenant))]);
        let answer = self.change(Method::POST, path, Some(body))?;
        Ok(self.http.read::<Made>(&answer)?.token)
    }

    /// Deletes a token.
    pub(crate) fn delete_token(
        &self,
        tenant: Option<&TenantName>,
        name: &str,
    ) -> Result<(), Error> {
        let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
        let path = query(&format!("/v1/tokens/{name}"), &[("tenant", of(tenant))]);
        self.change(Method::DELETE, path, None)?;
        Ok(())
    }
}

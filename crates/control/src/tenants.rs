//! Tenants and their tokens.

use mayfly_control_api::{Caller, Error, TenantSummary, TokenSummary};
use mayfly_runtime_api::Diagnostic;
use mayfly_state_api::{Role, TenantRecord, TokenRecord};
use mayfly_types::{Digest, OperationId, TenantName};

use crate::ControlService;
use crate::bootstrap::make;

/// Longest name of a token, in bytes.
const LONGEST_NAME: usize = 64;
/// Apps that are deleted at once with their tenant.
const PAGE: usize = 100;

/// A tenant as it is told.
pub(crate) fn summary(record: TenantRecord) -> TenantSummary {
    let TenantRecord { name, account, created_us, suspended } = record;
    TenantSummary { tenant: name, account: account.to_string(), suspended, created_us }
}

impl ControlService {
    /// The tenant that a command is about: the caller's, or another for the operator. For everybody else there is
    /// no other.
    pub(crate) async fn tenant_of(
        &self,
        caller: &Caller,
        tenant: Option<&TenantName>,
    ) -> Result<TenantName, Error> {
        match tenant {
            None => Ok(caller.tenant.clone()),
            Some(tenant) if *tenant == caller.tenant => Ok(tenant.clone()),
            Some(tenant) => {
                let there = caller.role == Role::Operator
                    && self.parts.store.tenant(tenant).await?.is_some();
                let what = || format!("tenant {tenant}");
                there.then(|| tenant.clone()).ok_or_else(|| Error::NotFound { what: what() })
            }
        }
    }

    pub(crate) async fn set_suspended(
        &self,
        op: OperationId,
        tenant: &TenantName,
        suspended: bool,
    ) -> Result<TenantSummary, Error> {
        if suspended && *tenant == TenantName::fallback() {
            let text = format!("the tenant {tenant} is the node's own and cannot be suspended");
            return Err(Error::Conflict(text));
        }
        let record = self.parts.store.set_suspended(op, tenant, suspended).await?;
        self.caught_up().await?;
        Ok(summary(record))
    }

    /// Deletes what a tenant has before the tenant, so that a deletion that was cut short can be repeated.
    pub(crate) async fn remove_tenant(
        &self,
        op: OperationId,
        tenant: &TenantName,
    ) -> Result<(), Error> {
        let store = &self.parts.store;
        if *tenant != TenantName::fallback() && store.tenant(tenant).await?.is_some() {
            store.set_suspended(OperationId::new(), tenant, true).await?;
            loop {
                let apps = store.apps(tenant, None, PAGE).await?;
                if apps.is_empty() {
                    break;
                }
                for app in apps {
                    match self.remove_app(OperationId::new(), &app.key).await {
                        // Somebody else deleted it.
                        Err(Error::NotFound { .. }) => {}
                        removed => removed?,
                    }
                }
            }
            for (digest, _) in self.parts.artifacts.list(tenant).await? {
                self.parts.artifacts.delete(tenant, digest).await?;
            }
        }
        store.delete_tenant(op, tenant).await?;
        self.caught_up().await
    }

    pub(crate) async fn list_tokens(&self, tenant: TenantName) -> Result<Vec<TokenSummary>, Error> {
        let summary =
            |TokenRecord { name, role, created_us, .. }| TokenSummary { name, role, created_us };
        Ok(self.parts.store.tokens(&tenant).await?.into_iter().map(summary).collect())
    }

    pub(crate) async fn make_token(
        &self,
        caller: &Caller,
        tenant: TenantName,
        name: &str,
        role: Role,
    ) -> Result<String, Error> {
        let fits = (1..=LONGEST_NAME).contains(&name.len())
            && name.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.@".contains(&c));
        if !fits {
            let text = format!("`{}` is not the name of a token", name.escape_debug());
            let help = format!("use letters, digits and `-_.@`, at most {LONGEST_NAME} of them");
            return Err(Error::Invalid(vec![Diagnostic::new(text).help(help)]));
        }
        if role == Role::Operator && tenant != TenantName::fallback() {
            let text =
                format!("the role {role} is for tokens of the tenant {}", TenantName::fallback());
            return Err(Error::Invalid(vec![Diagnostic::new(text).help("give the role admin")]));
        }
        // It ends the token that has the name now.
        self.may_end(caller, &tenant, name).await?;
        let token = make().map_err(|error| Error::Unavailable(error.to_string()))?;
        let record = TokenRecord {
            tenant,
            name: name.to_owned(),
            hash: Digest::of(token.as_bytes()),
            role,
            created_us: (self.parts.clock)(),
        };
        // Another token is made each time, so no repetition is known: it replaces the one before.
        self.parts.store.put_token(OperationId::new(), record).await?;
        Ok(token)
    }

    pub(crate) async fn remove_token(
        &self,
        caller: &Caller,
        op: OperationId,
        tenant: TenantName,
        name: &str,
    ) -> Result<(), Error> {
        if tenant == caller.tenant && name == caller.name {
            let text =
                format!("`{name}` is the token that asks for this; use another to delete it");
            return Err(Error::Conflict(text));
        }
        self.may_end(caller, &tenant, name).await?;
        Ok(self.parts.store.delete_token(op, &tenant, name).await?)
    }

    /// Nobody takes from those who may more.
    async fn may_end(&self, caller: &Caller, tenant: &TenantName, name: &str) -> Result<(), Error> {
        let tokens = self.parts.store.tokens(tenant).await?;
        match tokens.iter().find(|token| token.name == name) {
            Some(token) => caller.needs(token.role),
            None => Ok(()),
        }
    }
}

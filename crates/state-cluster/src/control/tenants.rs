//! What commands do to tenants and their budgets, inside a transaction that has the store's row locked.

use mayfly_state_api::{BudgetKey, BudgetRecord, Error, TenantRecord};
use mayfly_types::{AccountId, TenantName};

use super::commands::next_version;
use super::queries;
use crate::database::Tx;
use crate::database::failure::{Failure, Step, not_found};
use crate::database::rows::{execute, first, one};

pub(super) async fn create_tenant(tx: &Tx, name: &TenantName, now_us: i64) -> Step<TenantRecord> {
    if let Some(tenant) = queries::tenant(tx, name).await? {
        return Ok(tenant);
    }
    let taken = "SELECT EXISTS (SELECT 1 FROM tenants WHERE account = $1)";
    let account = loop {
        let account = random_account()?;
        let text = account.to_string();
        if !one(tx, taken, &[&text], |row| Ok(row.try_get::<_, bool>(0)?)).await? {
            break account;
        }
    };
    let sql = "INSERT INTO tenants (name, account, created_us, changed) VALUES ($1, $2, $3, $4)
        ON CONFLICT (name) DO UPDATE
        SET account = excluded.account, created_us = excluded.created_us,
            changed = excluded.changed, suspended = false, deleted = false";
    let version = next_version(tx).await?;
    execute(tx, sql, &[&name.as_str(), &account.to_string(), &now_us, &version]).await?;
    Ok(TenantRecord { name: name.clone(), account, created_us: now_us, suspended: false })
}

pub(super) async fn set_suspended(
    tx: &Tx,
    name: &TenantName,
    suspended: bool,
) -> Step<TenantRecord> {
    let before = queries::tenant(tx, name).await?.ok_or_else(|| no_tenant(name))?;
    if before.suspended != suspended {
        let sql = "UPDATE tenants SET suspended = $2, changed = $3 WHERE name = $1";
        let version = next_version(tx).await?;
        execute(tx, sql, &[&name.as_str(), &suspended, &version]).await?;
    }
    Ok(TenantRecord { suspended, ..before })
}

pub(super) async fn delete_tenant(tx: &Tx, name: &TenantName) -> Step<()> {
    require_tenant(tx, name).await?;
    if *name == TenantName::fallback() {
        let text = format!("the tenant {name} is the node's own and cannot be deleted");
        return Err(Error::Conflict(text).into());
    }
    let (version, tenant) = (next_version(tx).await?, name.as_str());
    // All apps in one statement, however many there are. Of those that were deleted before nothing is told.
    let sql = "WITH a AS (DELETE FROM apps WHERE tenant = $1 RETURNING app),
        v AS (DELETE FROM versions WHERE tenant = $1 RETURNING app),
        l AS (DELETE FROM aliases WHERE tenant = $1 RETURNING app),
        s AS (DELETE FROM secrets WHERE tenant = $1 RETURNING app)
        UPDATE app_names SET changed = $2 WHERE tenant = $1 AND app IN
            (TABLE a UNION TABLE v UNION TABLE l UNION TABLE s)";
    execute(tx, sql, &[&tenant, &version]).await?;
    for sql in ["DELETE FROM tokens WHERE tenant = $1", "DELETE FROM budgets WHERE tenant = $1"] {
        execute(tx, sql, &[&tenant]).await?;
    }
    let sql = "UPDATE tenants SET deleted = true, changed = $2 WHERE name = $1";
    execute(tx, sql, &[&tenant, &version]).await?;
    Ok(())
}

pub(super) async fn put_budget(tx: &Tx, budget: &BudgetRecord) -> Step<()> {
    require_tenant(tx, &budget.tenant).await?;
    let sql = "INSERT INTO budgets AS b (tenant, key, most) VALUES ($1, $2, $3)
        ON CONFLICT (tenant, key) DO UPDATE SET most = excluded.most
        WHERE b.most <> excluded.most";
    let key = serde_json::to_string(&budget.key)?;
    match execute(tx, sql, &[&budget.tenant.as_str(), &key, &budget.limit]).await? {
        0 => Ok(()),
        _ => touch_tenant(tx, &budget.tenant).await,
    }
}

pub(super) async fn delete_budget(tx: &Tx, tenant: &TenantName, key: &BudgetKey) -> Step<()> {
    require_tenant(tx, tenant).await?;
    let sql = "DELETE FROM budgets WHERE tenant = $1 AND key = $2";
    match execute(tx, sql, &[&tenant.as_str(), &serde_json::to_string(key)?]).await? {
        0 => Err(not_found(format!(
            "a {} budget of {} for {} of each {}",
            key.kind,
            key.scope(),
            key.meter,
            key.period
        ))),
        _ => touch_tenant(tx, tenant).await,
    }
}

/// Raises the store's version and marks the tenant as changed in it.
async fn touch_tenant(tx: &Tx, tenant: &TenantName) -> Step<()> {
    let version = next_version(tx).await?;
    let sql = "UPDATE tenants SET changed = $2 WHERE name = $1";
    execute(tx, sql, &[&tenant.as_str(), &version]).await?;
    Ok(())
}

pub(super) async fn require_tenant(tx: &Tx, tenant: &TenantName) -> Step<()> {
    let sql = "SELECT 1 FROM tenants WHERE name = $1 AND NOT deleted";
    let found = first(tx, sql, &[&tenant.as_str()], |_| Ok(())).await?;
    found.ok_or_else(|| no_tenant(tenant))
}

fn no_tenant(tenant: &TenantName) -> Failure {
    not_found(format!("tenant {tenant}"))
}

/// Twelve digits, the first of them not 0, since some tools read an account id as a number.
fn random_account() -> Result<AccountId, Error> {
    const SMALLEST: u64 = 100_000_000_000;
    let random = getrandom::u64();
    let random = random.map_err(|error| Error::Unavailable(format!("no randomness: {error}")))?;
    Ok(AccountId::new(SMALLEST + random % (9 * SMALLEST)))
}

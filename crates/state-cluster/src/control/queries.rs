//! Reads of control records.

use deadpool_postgres::Object;
use mayfly_state_api::{
    AliasRecord, AppRecord, BudgetRecord, Changes, ReleaseRecord, SecretRecord, TenantRecord,
    TokenRecord, VersionRecord,
};
use mayfly_types::{AccountId, AppKey, AppName, Digest, FunctionName, ReleaseNumber, TenantName};
use tokio_postgres::Row;

use crate::database::failure::Step;
use crate::database::rows::{
    Params, all, bounded, first, integer, json, number, one, parsed, unknown,
};

/// Waits until no other command runs, on any node. Answers the store's version.
pub(super) async fn lock(database: &Object) -> Step<u64> {
    one(database, "SELECT version FROM store FOR UPDATE", &[], |row| number(row, 0)).await
}

pub(super) async fn version(database: &Object) -> Step<u64> {
    one(database, "SELECT version FROM store", &[], |row| number(row, 0)).await
}

pub(super) async fn tenants(database: &Object) -> Step<Vec<TenantRecord>> {
    let sql = "SELECT name, account, created_us, suspended FROM tenants
        WHERE NOT deleted ORDER BY name";
    all(database, sql, &[], tenant_row).await
}

pub(super) async fn tenant(database: &Object, name: &TenantName) -> Step<Option<TenantRecord>> {
    let sql = "SELECT name, account, created_us, suspended FROM tenants
        WHERE name = $1 AND NOT deleted";
    first(database, sql, &[&name.as_str()], tenant_row).await
}

pub(super) async fn budgets(database: &Object, tenant: &TenantName) -> Step<Vec<BudgetRecord>> {
    let sql = "SELECT tenant, key, most FROM budgets WHERE tenant = $1";
    let mut budgets = all(database, sql, &[&tenant.as_str()], |row| {
        Ok(BudgetRecord { tenant: parsed(row, 0)?, key: json(row, 1)?, limit: row.try_get(2)? })
    })
    .await?;
    budgets.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(budgets)
}

pub(super) async fn app(database: &Object, app: &AppKey) -> Step<Option<AppRecord>> {
    let sql = "SELECT tenant, app, live, newest, created_us, moved_us FROM apps
        WHERE tenant = $1 AND app = $2";
    first(database, sql, &[&app.tenant.as_str(), &app.app.as_str()], app_row).await
}

pub(super) async fn apps(
    database: &Object,
    tenant: &TenantName,
    after: Option<&AppName>,
    limit: usize,
) -> Step<Vec<AppRecord>> {
    let sql = "SELECT tenant, app, live, newest, created_us, moved_us FROM apps
        WHERE tenant = $1 AND app > $2 ORDER BY app LIMIT $3";
    // No name is empty, so each stands after "".
    let after = after.map_or("", AppName::as_str);
    all(database, sql, &[&tenant.as_str(), &after, &bounded(limit)], app_row).await
}

pub(super) async fn all_apps(database: &Object) -> Step<(u64, Vec<AppRecord>)> {
    let sql = "SELECT tenant, app, live, newest, created_us, moved_us FROM apps
        ORDER BY tenant, app";
    Ok((version(database).await?, all(database, sql, &[], app_row).await?))
}

pub(super) async fn release(
    database: &Object,
    app: &AppKey,
    number: ReleaseNumber,
) -> Step<Option<ReleaseRecord>> {
    let sql = "SELECT tenant, app, number, manifest, routes, functions, made_by, created_us
        FROM releases WHERE tenant = $1 AND app = $2 AND number = $3";
    let key: Params<'_> = &[&app.tenant.as_str(), &app.app.as_str(), &integer(number.0)];
    first(database, sql, key, release_row).await
}

pub(super) async fn releases(
    database: &Object,
    app: &AppKey,
    before: Option<ReleaseNumber>,
    limit: usize,
) -> Step<Vec<ReleaseRecord>> {
    let sql = "SELECT tenant, app, number, manifest, routes, functions, made_by, created_us
        FROM releases WHERE tenant = $1 AND app = $2 AND number < $3
        ORDER BY number DESC LIMIT $4";
    let before = before.map_or(i64::MAX, |number| integer(number.0));
    let (tenant, name) = (app.tenant.as_str(), app.app.as_str());
    all(database, sql, &[&tenant, &name, &before, &bounded(limit)], release_row).await
}

pub(super) async fn versions(
    database: &Object,
    app: &AppKey,
    function: &FunctionName,
) -> Step<Vec<VersionRecord>> {
    let sql = "SELECT version, revision, created_us FROM versions
        WHERE tenant = $1 AND app = $2 AND function = $3 ORDER BY version";
    let key: Params<'_> = &[&app.tenant.as_str(), &app.app.as_str(), &function.as_str()];
    all(database, sql, key, version_row).await
}

pub(super) async fn newest_version(
    database: &Object,
    app: &AppKey,
    function: &FunctionName,
) -> Step<Option<VersionRecord>> {
    let sql = "SELECT version, revision, created_us FROM versions
        WHERE tenant = $1 AND app = $2 AND function = $3 ORDER BY version DESC LIMIT 1";
    let key: Params<'_> = &[&app.tenant.as_str(), &app.app.as_str(), &function.as_str()];
    first(database, sql, key, version_row).await
}

pub(super) async fn aliases(
    database: &Object,
    app: &AppKey,
    function: &FunctionName,
) -> Step<Vec<AliasRecord>> {
    let sql = "SELECT name, weights FROM aliases
        WHERE tenant = $1 AND app = $2 AND function = $3 ORDER BY name";
    let key: Params<'_> = &[&app.tenant.as_str(), &app.app.as_str(), &function.as_str()];
    all(database, sql, key, |row| Ok(AliasRecord { name: row.try_get(0)?, weights: json(row, 1)? }))
        .await
}

pub(super) async fn secrets(database: &Object, app: &AppKey) -> Step<Vec<SecretRecord>> {
    let sql = "SELECT tenant, app, name, key_id, sealed, updated_us FROM secrets
        WHERE tenant = $1 AND app = $2 ORDER BY name";
    all(database, sql, &[&app.tenant.as_str(), &app.app.as_str()], |row| {
        Ok(SecretRecord {
            app: app_key(row)?,
            name: row.try_get(2)?,
            key_id: row.try_get(3)?,
            sealed: row.try_get(4)?,
            updated_us: row.try_get(5)?,
        })
    })
    .await
}

pub(super) async fn token(database: &Object, hash: Digest) -> Step<Option<TokenRecord>> {
    let sql = "SELECT tenant, name, hash, role, created_us FROM tokens WHERE hash = $1";
    first(database, sql, &[&hash.to_string()], token_row).await
}

pub(super) async fn tokens(database: &Object, tenant: &TenantName) -> Step<Vec<TokenRecord>> {
    let sql = "SELECT tenant, name, hash, role, created_us FROM tokens
        WHERE tenant = $1 ORDER BY name";
    all(database, sql, &[&tenant.as_str()], token_row).await
}

pub(super) async fn changes(database: &Object, since: u64) -> Step<Changes> {
    let version = version(database).await?;
    let since = if since > version { 0 } else { since };
    let sql = "SELECT tenant, app FROM app_names WHERE changed > $1 ORDER BY tenant, app";
    let apps = all(database, sql, &[&integer(since)], app_key).await?;
    let sql = "SELECT name FROM tenants WHERE changed > $1 ORDER BY name";
    let tenants = all(database, sql, &[&integer(since)], |row| parsed(row, 0)).await?;
    Ok(Changes { version, apps, tenants })
}

fn tenant_row(row: &Row) -> Step<TenantRecord> {
    let account: &str = row.try_get(1)?;
    let account = account.parse().map_err(|_| unknown("an account id", account))?;
    let account = AccountId::new(account);
    let (created_us, suspended) = (row.try_get(2)?, row.try_get(3)?);
    Ok(TenantRecord { name: parsed(row, 0)?, account, created_us, suspended })
}

fn app_row(row: &Row) -> Step<AppRecord> {
    Ok(AppRecord {
        key: app_key(row)?,
        live: json(row, 2)?,
        newest: ReleaseNumber(number(row, 3)?),
        created_us: row.try_get(4)?,
        moved_us: row.try_get(5)?,
    })
}

fn release_row(row: &Row) -> Step<ReleaseRecord> {
    Ok(ReleaseRecord {
        app: app_key(row)?,
        number: ReleaseNumber(number(row, 2)?),
        manifest: row.try_get(3)?,
        routes: json(row, 4)?,
        functions: json(row, 5)?,
        by: row.try_get(6)?,
        created_us: row.try_get(7)?,
    })
}

fn version_row(row: &Row) -> Step<VersionRecord> {
    Ok(VersionRecord {
        version: number(row, 0)?,
        revision: parsed(row, 1)?,
        created_us: row.try_get(2)?,
    })
}

fn token_row(row: &Row) -> Step<TokenRecord> {
    Ok(TokenRecord {
        tenant: parsed(row, 0)?,
        name: row.try_get(1)?,
        hash: parsed(row, 2)?,
        role: parsed(row, 3)?,
        created_us: row.try_get(4)?,
    })
}

fn app_key(row: &Row) -> Step<AppKey> {
    Ok(AppKey::new(parsed(row, 0)?, parsed(row, 1)?))
}

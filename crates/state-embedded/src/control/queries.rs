//! Reads of `control.db`.

use mayfly_state_api::{
    AliasRecord, AppRecord, BudgetRecord, Changes, ReleaseRecord, SecretRecord, TenantRecord,
    TokenRecord, VersionRecord,
};
use mayfly_types::{AccountId, AppKey, AppName, Digest, FunctionName, ReleaseNumber, TenantName};
use rusqlite::{Connection, Row, params};

use crate::sqlite::failure::Step;
use crate::sqlite::rows::{all, bounded, first, integer, json, number, parsed, unknown};

pub(crate) fn tenants(database: &Connection) -> Step<Vec<TenantRecord>> {
    let sql = "SELECT name, account, created_us, suspended FROM tenants
        WHERE deleted = 0 ORDER BY name";
    all(database, sql, [], tenant_row)
}

pub(crate) fn tenant(database: &Connection, name: &TenantName) -> Step<Option<TenantRecord>> {
    let sql = "SELECT name, account, created_us, suspended FROM tenants
        WHERE name = ?1 AND deleted = 0";
    first(database, sql, [name.as_str()], tenant_row)
}

/// The apps that a tenant has or ever had.
pub(crate) fn app_names(database: &Connection, tenant: &TenantName) -> Step<Vec<AppKey>> {
    let sql = "SELECT tenant, app FROM app_names WHERE tenant = ?1";
    all(database, sql, [tenant.as_str()], app_key)
}

pub(crate) fn budgets(database: &Connection, tenant: &TenantName) -> Step<Vec<BudgetRecord>> {
    let sql = "SELECT tenant, key, most FROM budgets WHERE tenant = ?1";
    let mut budgets = all(database, sql, [tenant.as_str()], |row| {
        Ok(BudgetRecord { tenant: parsed(row, 0)?, key: json(row, 1)?, limit: row.get(2)? })
    })?;
    budgets.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(budgets)
}

pub(crate) fn app(database: &Connection, app: &AppKey) -> Step<Option<AppRecord>> {
    let sql = "SELECT tenant, app, live, newest, created_us, moved_us FROM apps
        WHERE tenant = ?1 AND app = ?2";
    first(database, sql, key(app), app_row)
}

pub(crate) fn apps(
    database: &Connection,
    tenant: &TenantName,
    after: Option<&AppName>,
    limit: usize,
) -> Step<Vec<AppRecord>> {
    let sql = "SELECT tenant, app, live, newest, created_us, moved_us FROM apps
        WHERE tenant = ?1 AND app > ?2 ORDER BY app LIMIT ?3";
    // No name is empty, so each stands after "".
    let after = after.map_or("", AppName::as_str);
    all(database, sql, params![tenant.as_str(), after, bounded(limit)], app_row)
}

pub(crate) fn all_apps(database: &Connection) -> Step<(u64, Vec<AppRecord>)> {
    let sql = "SELECT tenant, app, live, newest, created_us, moved_us FROM apps
        ORDER BY tenant, app";
    Ok((version(database)?, all(database, sql, [], app_row)?))
}

pub(crate) fn release(
    database: &Connection,
    app: &AppKey,
    number: ReleaseNumber,
) -> Step<Option<ReleaseRecord>> {
    let sql = "SELECT tenant, app, number, manifest, routes, functions, made_by, created_us
        FROM releases WHERE tenant = ?1 AND app = ?2 AND number = ?3";
    let [tenant, name] = key(app);
    first(database, sql, params![tenant, name, integer(number.0)], release_row)
}

pub(crate) fn releases(
    database: &Connection,
    app: &AppKey,
    before: Option<ReleaseNumber>,
    limit: usize,
) -> Step<Vec<ReleaseRecord>> {
    let sql = "SELECT tenant, app, number, manifest, routes, functions, made_by, created_us
        FROM releases WHERE tenant = ?1 AND app = ?2 AND number < ?3
        ORDER BY number DESC LIMIT ?4";
    let [tenant, name] = key(app);
    let before = before.map_or(i64::MAX, |number| integer(number.0));
    all(database, sql, params![tenant, name, before, bounded(limit)], release_row)
}

pub(crate) fn versions(
    database: &Connection,
    app: &AppKey,
    function: &FunctionName,
) -> Step<Vec<VersionRecord>> {
    let sql = "SELECT version, revision, created_us FROM versions
        WHERE tenant = ?1 AND app = ?2 AND function = ?3 ORDER BY version";
    let [tenant, name] = key(app);
    all(database, sql, [tenant, name, function.as_str()], version_row)
}

pub(crate) fn newest_version(
    database: &Connection,
    app: &AppKey,
    function: &FunctionName,
) -> Step<Option<VersionRecord>> {
    let sql = "SELECT version, revision, created_us FROM versions
        WHERE tenant = ?1 AND app = ?2 AND function = ?3 ORDER BY version DESC LIMIT 1";
    let [tenant, name] = key(app);
    first(database, sql, [tenant, name, function.as_str()], version_row)
}

pub(crate) fn aliases(
    database: &Connection,
    app: &AppKey,
    function: &FunctionName,
) -> Step<Vec<AliasRecord>> {
    let sql = "SELECT name, weights FROM aliases
        WHERE tenant = ?1 AND app = ?2 AND function = ?3 ORDER BY name";
    let [tenant, name] = key(app);
    all(database, sql, [tenant, name, function.as_str()], |row| {
        Ok(AliasRecord { name: row.get(0)?, weights: json(row, 1)? })
    })
}

pub(crate) fn secrets(database: &Connection, app: &AppKey) -> Step<Vec<SecretRecord>> {
    let sql = "SELECT tenant, app, name, key_id, sealed, updated_us FROM secrets
        WHERE tenant = ?1 AND app = ?2 ORDER BY name";
    all(database, sql, key(app), |row| {
        Ok(SecretRecord {
            app: app_key(row)?,
            name: row.get(2)?,
            key_id: row.get(3)?,
            sealed: row.get(4)?,
            updated_us: row.get(5)?,
        })
    })
}

pub(crate) fn token(database: &Connection, hash: Digest) -> Step<Option<TokenRecord>> {
    let sql = "SELECT tenant, name, hash, created_us, role FROM tokens WHERE hash = ?1";
    first(database, sql, [hash.to_string()], token_row)
}

pub(crate) fn tokens(database: &Connection, tenant: &TenantName) -> Step<Vec<TokenRecord>> {
    let sql = "SELECT tenant, name, hash, created_us, role FROM tokens
        WHERE tenant = ?1 ORDER BY name";
    all(database, sql, [tenant.as_str()], token_row)
}

pub(crate) fn changes(database: &Connection, since: u64) -> Step<Changes> {
    let version = version(database)?;
    let since = if since > version { 0 } else { since };
    let sql = "SELECT tenant, app FROM app_names WHERE changed > ?1 ORDER BY tenant, app";
    let apps = all(database, sql, [integer(since)], app_key)?;
    let sql = "SELECT name FROM tenants WHERE changed > ?1 ORDER BY name";
    let tenants = all(database, sql, [integer(since)], |row| parsed(row, 0))?;
    Ok(Changes { version, apps, tenants })
}

pub(crate) fn version(database: &Connection) -> rusqlite::Result<u64> {
    let sql = "SELECT version FROM store";
    database.prepare_cached(sql)?.query_row([], |row| number(row, 0))
}

/// The columns of an app's key.
pub(crate) fn key(app: &AppKey) -> [&str; 2] {
    [app.tenant.as_str(), app.app.as_str()]
}

fn tenant_row(row: &Row<'_>) -> Step<TenantRecord> {
    let account: String = row.get(1)?;
    let account = account.parse().map_err(|_| unknown("an account id", &account))?;
    let account = AccountId::new(account);
    let (created_us, suspended) = (row.get(2)?, row.get(3)?);
    Ok(TenantRecord { name: parsed(row, 0)?, account, created_us, suspended })
}

fn app_row(row: &Row<'_>) -> Step<AppRecord> {
    Ok(AppRecord {
        key: app_key(row)?,
        live: json(row, 2)?,
        newest: ReleaseNumber(number(row, 3)?),
        created_us: row.get(4)?,
        moved_us: row.get(5)?,
    })
}

fn release_row(row: &Row<'_>) -> Step<ReleaseRecord> {
    Ok(ReleaseRecord {
        app: app_key(row)?,
        number: ReleaseNumber(number(row, 2)?),
        manifest: row.get(3)?,
        routes: json(row, 4)?,
        functions: json(row, 5)?,
        by: row.get(6)?,
        created_us: row.get(7)?,
    })
}

fn version_row(row: &Row<'_>) -> Step<VersionRecord> {
    Ok(VersionRecord {
        version: number(row, 0)?,
        revision: parsed(row, 1)?,
        created_us: row.get(2)?,
    })
}

fn token_row(row: &Row<'_>) -> Step<TokenRecord> {
    Ok(TokenRecord {
        tenant: parsed(row, 0)?,
        name: row.get(1)?,
        hash: parsed(row, 2)?,
        created_us: row.get(3)?,
        role: parsed(row, 4)?,
    })
}

fn app_key(row: &Row<'_>) -> Step<AppKey> {
    Ok(AppKey::new(parsed(row, 0)?, parsed(row, 1)?))
}

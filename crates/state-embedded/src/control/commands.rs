//! What commands do to `control.db`, inside the writer's transaction.

use mayfly_state_api::{
    AliasRecord, AppRecord, BudgetKey, BudgetRecord, Error, NewRelease, ReleaseRecord,
    SecretRecord, TenantRecord, TokenRecord, VersionRecord,
};
use mayfly_types::{AccountId, AppKey, FunctionName, Live, ReleaseNumber, RevisionId, TenantName};
use rusqlite::{Connection, OptionalExtension, Params, params};

use super::queries::{self, key};
use crate::sqlite::failure::{Failure, Step, not_found};
use crate::sqlite::rows::{integer, number};

pub(crate) fn create_tenant(
    database: &Connection,
    name: &TenantName,
    now_us: i64,
) -> Step<TenantRecord> {
    if let Some(tenant) = queries::tenant(database, name)? {
        return Ok(tenant);
    }
    let taken = "SELECT EXISTS (SELECT 1 FROM tenants WHERE account = ?1)";
    let account = loop {
        let account = random_account()?;
        let text = account.to_string();
        if !database.prepare_cached(taken)?.query_row([text], |row| row.get(0))? {
            break account;
        }
    };
    let sql = "INSERT INTO tenants (name, account, created_us) VALUES (?1, ?2, ?3)
        ON CONFLICT (name) DO UPDATE SET
            account = excluded.account, created_us = excluded.created_us, deleted = 0, suspended = 0";
    execute(database, sql, params![name.as_str(), account.to_string(), now_us])?;
    touch_tenant(database, name)?;
    Ok(TenantRecord { name: name.clone(), account, created_us: now_us, suspended: false })
}

pub(crate) fn set_suspended(
    database: &Connection,
    name: &TenantName,
    suspended: bool,
) -> Step<TenantRecord> {
    let Some(before) = queries::tenant(database, name)? else { return Err(no_tenant(name)) };
    if before.suspended != suspended {
        let sql = "UPDATE tenants SET suspended = ?2 WHERE name = ?1";
        execute(database, sql, params![name.as_str(), suspended])?;
        touch_tenant(database, name)?;
    }
    Ok(TenantRecord { suspended, ..before })
}

pub(crate) fn delete_tenant(database: &Connection, name: &TenantName) -> Step<()> {
    require_tenant(database, name)?;
    if *name == TenantName::fallback() {
        let text = format!("the tenant {name} is the node's own and cannot be deleted");
        return Err(Error::Conflict(text).into());
    }
    for app in queries::app_names(database, name)? {
        match delete_app(database, &app) {
            // It was deleted before, and only its name is known.
            Err(Failure::Refused(Error::NotFound { .. })) => {}
            deleted => deleted?,
        }
    }
    for sql in [
        "DELETE FROM tokens WHERE tenant = ?1",
        "DELETE FROM budgets WHERE tenant = ?1",
        "UPDATE tenants SET deleted = 1 WHERE name = ?1",
    ] {
        execute(database, sql, [name.as_str()])?;
    }
    touch_tenant(database, name)
}

pub(crate) fn put_budget(database: &Connection, budget: &BudgetRecord) -> Step<()> {
    require_tenant(database, &budget.tenant)?;
    let sql =
        "INSERT INTO budgets VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET most = excluded.most
        WHERE most <> excluded.most";
    let key = serde_json::to_string(&budget.key)?;
    match execute(database, sql, params![budget.tenant.as_str(), key, budget.limit])? {
        0 => Ok(()),
        _ => touch_tenant(database, &budget.tenant),
    }
}

pub(crate) fn delete_budget(
    database: &Connection,
    tenant: &TenantName,
    key: &BudgetKey,
) -> Step<()> {
    require_tenant(database, tenant)?;
    let sql = "DELETE FROM budgets WHERE tenant = ?1 AND key = ?2";
    match execute(database, sql, params![tenant.as_str(), serde_json::to_string(key)?])? {
        0 => Err(not_found(format!(
            "a {} budget of {} for {} of each {}",
            key.kind,
            key.scope(),
            key.meter,
            key.period
        ))),
        _ => touch_tenant(database, tenant),
    }
}

pub(crate) fn create_release(
    database: &Connection,
    new: &NewRelease,
    now_us: i64,
) -> Step<ReleaseRecord> {
    let [tenant, name] = key(&new.app);
    touch(database, &new.app)?;
    let sql = "UPDATE app_names SET newest_release = newest_release + 1
        WHERE tenant = ?1 AND app = ?2 RETURNING newest_release";
    let newest = database.prepare_cached(sql)?.query_row([tenant, name], |row| number(row, 0))?;
    let number = ReleaseNumber(newest);

    let before = queries::app(database, &new.app)?;
    let live_before = before.as_ref().map(|app| &app.live);
    let live = new.go_live.over(live_before, number)?;
    let moved_us = match &before {
        Some(app) if app.live == live => app.moved_us,
        _ => now_us,
    };
    let sql = "INSERT INTO apps VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE
        SET live = excluded.live, newest = excluded.newest, moved_us = excluded.moved_us";
    let live = serde_json::to_string(&live)?;
    execute(database, sql, params![tenant, name, live, integer(number.0), now_us, moved_us])?;

    let sql = "INSERT INTO releases VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    execute(
        database,
        sql,
        params![
            tenant,
            name,
            integer(number.0),
            new.manifest,
            serde_json::to_string(&new.routes)?,
            serde_json::to_string(&new.functions)?,
            new.by,
            now_us
        ],
    )?;
    Ok(ReleaseRecord {
        app: new.app.clone(),
        number,
        manifest: new.manifest.clone(),
        routes: new.routes.clone(),
        functions: new.functions.clone(),
        by: new.by.clone(),
        created_us: now_us,
    })
}

pub(crate) fn set_live(
    database: &Connection,
    app: &AppKey,
    live: &Live,
    now_us: i64,
) -> Step<AppRecord> {
    let Some(before) = queries::app(database, app)? else { return Err(no_app(app)) };
    let [tenant, name] = key(app);
    let there = "SELECT EXISTS
        (SELECT 1 FROM releases WHERE tenant = ?1 AND app = ?2 AND number = ?3)";
    for (number, _) in live.weights() {
        let params = params![tenant, name, integer(number.0)];
        if !database.prepare_cached(there)?.query_row(params, |row| row.get(0))? {
            return Err(not_found(format!("release {number} of app {}", app.app)));
        }
    }
    touch(database, app)?;
    let sql = "UPDATE apps SET live = ?3, moved_us = ?4 WHERE tenant = ?1 AND app = ?2";
    execute(database, sql, params![tenant, name, serde_json::to_string(live)?, now_us])?;
    Ok(AppRecord { live: live.clone(), moved_us: now_us, ..before })
}

pub(crate) fn delete_app(database: &Connection, app: &AppKey) -> Step<()> {
    // The releases go with the app, by their foreign key.
    let mut deleted = 0;
    for sql in [
        "DELETE FROM apps WHERE tenant = ?1 AND app = ?2",
        "DELETE FROM versions WHERE tenant = ?1 AND app = ?2",
        "DELETE FROM aliases WHERE tenant = ?1 AND app = ?2",
        "DELETE FROM secrets WHERE tenant = ?1 AND app = ?2",
    ] {
        deleted += execute(database, sql, key(app))?;
    }
    if deleted == 0 {
        return Err(no_app(app));
    }
    touch(database, app)
}

pub(crate) fn publish_version(
    database: &Connection,
    app: &AppKey,
    function: &FunctionName,
    revision: RevisionId,
    now_us: i64,
) -> Step<VersionRecord> {
    if let Some(newest) = queries::newest_version(database, app, function)?
        && newest.revision == revision
    {
        return Ok(newest);
    }
    touch(database, app)?;
    let [tenant, name] = key(app);
    let sql = "INSERT INTO version_numbers VALUES (?1, ?2, ?3, 1)
        ON CONFLICT DO UPDATE SET newest = newest + 1 RETURNING newest";
    let params = [tenant, name, function.as_str()];
    let version = database.prepare_cached(sql)?.query_row(params, |row| number(row, 0))?;
    let sql = "INSERT INTO versions VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let (function, text) = (function.as_str(), revision.to_string());
    execute(database, sql, params![tenant, name, function, integer(version), text, now_us])?;
    Ok(VersionRecord { version, revision, created_us: now_us })
}

pub(crate) fn put_alias(
    database: &Connection,
    app: &AppKey,
    function: &FunctionName,
    alias: &AliasRecord,
) -> Step<()> {
    if alias.weights.is_empty() || alias.weights.iter().any(|(_, weight)| *weight == 0) {
        let text = format!("alias {} needs at least one version, each above 0", alias.name);
        return Err(Error::Conflict(text).into());
    }
    let [tenant, name] = key(app);
    let there = "SELECT EXISTS (SELECT 1 FROM versions
        WHERE tenant = ?1 AND app = ?2 AND function = ?3 AND version = ?4)";
    for (version, _) in &alias.weights {
        let params = params![tenant, name, function.as_str(), integer(*version)];
        if !database.prepare_cached(there)?.query_row(params, |row| row.get(0))? {
            return Err(not_found(format!("version {version} of function {function}")));
        }
    }
    touch(database, app)?;
    let sql = "INSERT INTO aliases VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT DO UPDATE SET weights = excluded.weights";
    let weights = serde_json::to_string(&alias.weights)?;
    execute(database, sql, params![tenant, name, function.as_str(), alias.name, weights])?;
    Ok(())
}

pub(crate) fn delete_alias(
    database: &Connection,
    app: &AppKey,
    function: &FunctionName,
    alias: &str,
) -> Step<()> {
    let sql = "DELETE FROM aliases
        WHERE tenant = ?1 AND app = ?2 AND function = ?3 AND name = ?4";
    let [tenant, name] = key(app);
    match execute(database, sql, [tenant, name, function.as_str(), alias])? {
        0 => Ok(()),
        _ => touch(database, app),
    }
}

pub(crate) fn put_secret(database: &Connection, secret: &SecretRecord) -> Step<()> {
    touch(database, &secret.app)?;
    let sql = "INSERT INTO secrets VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE
        SET key_id = excluded.key_id, sealed = excluded.sealed, updated_us = excluded.updated_us";
    let [tenant, name] = key(&secret.app);
    let SecretRecord { name: secret_name, key_id, sealed, updated_us, .. } = secret;
    execute(database, sql, params![tenant, name, secret_name, key_id, sealed, updated_us])?;
    Ok(())
}

pub(crate) fn delete_secret(database: &Connection, app: &AppKey, secret: &str) -> Step<()> {
    let sql = "DELETE FROM secrets WHERE tenant = ?1 AND app = ?2 AND name = ?3";
    let [tenant, name] = key(app);
    match execute(database, sql, [tenant, name, secret])? {
        0 => Err(not_found(format!("secret {secret} of app {}", app.app))),
        _ => touch(database, app),
    }
}

pub(crate) fn put_token(database: &Connection, token: &TokenRecord) -> Step<()> {
    require_tenant(database, &token.tenant)?;
    if let Some(other) = queries::token(database, token.hash)?
        && (&other.tenant, &other.name) != (&token.tenant, &token.name)
    {
        // The other's name stays unsaid: it may be another tenant's.
        return Err(
            Error::Conflict("this token is already stored under another name".into()).into()
        );
    }
    let sql =
        "INSERT INTO tokens (tenant, name, hash, created_us, role) VALUES (?1, ?2, ?3, ?4, ?5)
        ON CONFLICT (tenant, name) DO UPDATE
        SET hash = excluded.hash, created_us = excluded.created_us, role = excluded.role";
    let (tenant, hash) = (token.tenant.as_str(), token.hash.to_string());
    let row = params![tenant, token.name, hash, token.created_us, token.role.as_str()];
    execute(database, sql, row)?;
    Ok(())
}

pub(crate) fn delete_token(database: &Connection, tenant: &TenantName, name: &str) -> Step<()> {
    let sql = "DELETE FROM tokens WHERE tenant = ?1 AND name = ?2";
    match execute(database, sql, [tenant.as_str(), name])? {
        0 => Err(not_found(format!("token {name}"))),
        _ => Ok(()),
    }
}

/// Raises the store's version and marks the app as changed in it.
fn touch(database: &Connection, app: &AppKey) -> Step<()> {
    require_tenant(database, &app.tenant)?;
    let version = next_version(database)?;
    let sql = "INSERT INTO app_names VALUES (?1, ?2, 0, ?3)
        ON CONFLICT DO UPDATE SET changed = excluded.changed";
    let [tenant, name] = key(app);
    execute(database, sql, params![tenant, name, version])?;
    Ok(())
}

/// The same for a tenant.
fn touch_tenant(database: &Connection, tenant: &TenantName) -> Step<()> {
    let version = next_version(database)?;
    let sql = "UPDATE tenants SET changed = ?2 WHERE name = ?1";
    execute(database, sql, params![tenant.as_str(), version])?;
    Ok(())
}

fn next_version(database: &Connection) -> Step<i64> {
    let sql = "UPDATE store SET version = version + 1 RETURNING version";
    Ok(database.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

fn require_tenant(database: &Connection, tenant: &TenantName) -> Step<()> {
    let sql = "SELECT 1 FROM tenants WHERE name = ?1 AND deleted = 0";
    let found =
        database.prepare_cached(sql)?.query_row([tenant.as_str()], |_| Ok(())).optional()?;
    found.ok_or_else(|| no_tenant(tenant))
}

fn no_tenant(tenant: &TenantName) -> Failure {
    not_found(format!("tenant {tenant}"))
}

fn no_app(app: &AppKey) -> Failure {
    not_found(format!("app {}", app.app))
}

fn execute<P: Params>(database: &Connection, sql: &str, params: P) -> rusqlite::Result<usize> {
    database.prepare_cached(sql)?.execute(params)
}

/// Twelve digits, the first of them not 0, since some tools read an account id as a number.
fn random_account() -> Result<AccountId, Error> {
    const SMALLEST: u64 = 100_000_000_000;
    let random = getrandom::u64();
    let random = random.map_err(|error| Error::Unavailable(format!("no randomness: {error}")))?;
    Ok(AccountId::new(SMALLEST + random % (9 * SMALLEST)))
}

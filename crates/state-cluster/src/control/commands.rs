//! What commands do, inside a transaction that has the store's row locked.

use mayfly_state_api::{
    AliasRecord, AppRecord, Error, NewRelease, ReleaseRecord, SecretRecord, TokenRecord,
    VersionRecord,
};
use mayfly_types::{AppKey, FunctionName, Live, ReleaseNumber, RevisionId, TenantName};

use super::queries;
use super::tenants::require_tenant;
use crate::database::Tx;
use crate::database::failure::{Failure, Step, not_found};
use crate::database::rows::{Params, execute, integer, number, one};

pub(super) async fn create_release(tx: &Tx, new: &NewRelease, now_us: i64) -> Step<ReleaseRecord> {
    let (tenant, name) = key(&new.app);
    touch(tx, &new.app).await?;
    let sql = "UPDATE app_names SET newest_release = newest_release + 1
        WHERE tenant = $1 AND app = $2 RETURNING newest_release";
    let newest = one(tx, sql, &[&tenant, &name], |row| number(row, 0)).await?;
    let number = ReleaseNumber(newest);

    let before = queries::app(tx, &new.app).await?;
    let live_before = before.as_ref().map(|app| &app.live);
    let live = new.go_live.over(live_before, number)?;
    let moved_us = match &before {
        Some(app) if app.live == live => app.moved_us,
        _ => now_us,
    };
    let sql = "INSERT INTO apps (tenant, app, live, newest, created_us, moved_us)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant, app) DO UPDATE
        SET live = excluded.live, newest = excluded.newest, moved_us = excluded.moved_us";
    let (live, stored) = (serde_json::to_string(&live)?, integer(number.0));
    execute(tx, sql, &[&tenant, &name, &live, &stored, &now_us, &moved_us]).await?;

    let sql = "INSERT INTO releases
            (tenant, app, number, manifest, routes, functions, made_by, created_us)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let routes = serde_json::to_string(&new.routes)?;
    let functions = serde_json::to_string(&new.functions)?;
    let row: Params<'_> =
        &[&tenant, &name, &stored, &new.manifest, &routes, &functions, &new.by, &now_us];
    execute(tx, sql, row).await?;
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

pub(super) async fn set_live(tx: &Tx, app: &AppKey, live: &Live, now_us: i64) -> Step<AppRecord> {
    let before = queries::app(tx, app).await?.ok_or_else(|| no_app(app))?;
    for (number, _) in live.weights() {
        if queries::release(tx, app, *number).await?.is_none() {
            return Err(not_found(format!("release {number} of app {}", app.app)));
        }
    }
    touch(tx, app).await?;
    let sql = "UPDATE apps SET live = $3, moved_us = $4 WHERE tenant = $1 AND app = $2";
    let ((tenant, name), text) = (key(app), serde_json::to_string(live)?);
    execute(tx, sql, &[&tenant, &name, &text, &now_us]).await?;
    Ok(AppRecord { live: live.clone(), moved_us: now_us, ..before })
}

pub(super) async fn delete_app(tx: &Tx, app: &AppKey) -> Step<()> {
    let (tenant, name) = key(app);
    let mut deleted = 0;
    // The releases go with the app, by their foreign key.
    for sql in [
        "DELETE FROM apps WHERE tenant = $1 AND app = $2",
        "DELETE FROM versions WHERE tenant = $1 AND app = $2",
        "DELETE FROM aliases WHERE tenant = $1 AND app = $2",
        "DELETE FROM secrets WHERE tenant = $1 AND app = $2",
    ] {
        deleted += execute(tx, sql, &[&tenant, &name]).await?;
    }
    if deleted == 0 {
        return Err(no_app(app));
    }
    touch(tx, app).await
}

pub(super) async fn publish_version(
    tx: &Tx,
    app: &AppKey,
    function: &FunctionName,
    revision: RevisionId,
    now_us: i64,
) -> Step<VersionRecord> {
    if let Some(newest) = queries::newest_version(tx, app, function).await?
        && newest.revision == revision
    {
        return Ok(newest);
    }
    touch(tx, app).await?;
    let ((tenant, name), function) = (key(app), function.as_str());
    let sql = "INSERT INTO version_numbers AS v (tenant, app, function, newest)
        VALUES ($1, $2, $3, 1) ON CONFLICT (tenant, app, function) DO UPDATE
        SET newest = v.newest + 1 RETURNING newest";
    let version = one(tx, sql, &[&tenant, &name, &function], |row| number(row, 0)).await?;
    let sql = "INSERT INTO versions (tenant, app, function, version, revision, created_us)
        VALUES ($1, $2, $3, $4, $5, $6)";
    let (stored, text) = (integer(version), revision.to_string());
    execute(tx, sql, &[&tenant, &name, &function, &stored, &text, &now_us]).await?;
    Ok(VersionRecord { version, revision, created_us: now_us })
}

pub(super) async fn put_alias(
    tx: &Tx,
    app: &AppKey,
    function: &FunctionName,
    alias: &AliasRecord,
) -> Step<()> {
    if alias.weights.is_empty() || alias.weights.iter().any(|(_, weight)| *weight == 0) {
        let text = format!("alias {} needs at least one version, each above 0", alias.name);
        return Err(Error::Conflict(text).into());
    }
    let ((tenant, name), function) = (key(app), function.as_str());
    let there = "SELECT EXISTS (SELECT 1 FROM versions
        WHERE tenant = $1 AND app = $2 AND function = $3 AND version = $4)";
    for (version, _) in &alias.weights {
        let params: Params<'_> = &[&tenant, &name, &function, &integer(*version)];
        if !one(tx, there, params, |row| Ok(row.try_get::<_, bool>(0)?)).await? {
            return Err(not_found(format!("version {version} of function {function}")));
        }
    }
    touch(tx, app).await?;
    let sql = "INSERT INTO aliases (tenant, app, function, name, weights)
        VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant, app, function, name) DO UPDATE
        SET weights = excluded.weights";
    let weights = serde_json::to_string(&alias.weights)?;
    execute(tx, sql, &[&tenant, &name, &function, &alias.name, &weights]).await?;
    Ok(())
}

pub(super) async fn delete_alias(
    tx: &Tx,
    app: &AppKey,
    function: &FunctionName,
    alias: &str,
) -> Step<()> {
    let sql = "DELETE FROM aliases
        WHERE tenant = $1 AND app = $2 AND function = $3 AND name = $4";
    let ((tenant, name), function) = (key(app), function.as_str());
    match execute(tx, sql, &[&tenant, &name, &function, &alias]).await? {
        0 => Ok(()),
        _ => touch(tx, app).await,
    }
}

pub(super) async fn put_secret(tx: &Tx, secret: &SecretRecord) -> Step<()> {
    touch(tx, &secret.app).await?;
    let sql = "INSERT INTO secrets (tenant, app, name, key_id, sealed, updated_us)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant, app, name) DO UPDATE
        SET key_id = excluded.key_id, sealed = excluded.sealed, updated_us = excluded.updated_us";
    let (tenant, app) = key(&secret.app);
    let SecretRecord { name, key_id, sealed, updated_us, .. } = secret;
    execute(tx, sql, &[&tenant, &app, name, key_id, sealed, updated_us]).await?;
    Ok(())
}

pub(super) async fn delete_secret(tx: &Tx, app: &AppKey, secret: &str) -> Step<()> {
    let sql = "DELETE FROM secrets WHERE tenant = $1 AND app = $2 AND name = $3";
    let (tenant, name) = key(app);
    match execute(tx, sql, &[&tenant, &name, &secret]).await? {
        0 => Err(not_found(format!("secret {secret} of app {}", app.app))),
        _ => touch(tx, app).await,
    }
}

pub(super) async fn put_token(tx: &Tx, token: &TokenRecord) -> Step<()> {
    require_tenant(tx, &token.tenant).await?;
    if let Some(other) = queries::token(tx, token.hash).await?
        && (&other.tenant, &other.name) != (&token.tenant, &token.name)
    {
        // The other's name stays unsaid: it may be another tenant's.
        let text = "this token is already stored under another name";
        return Err(Error::Conflict(text.into()).into());
    }
    let sql =
        "INSERT INTO tokens (tenant, name, hash, role, created_us) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (tenant, name) DO UPDATE
        SET hash = excluded.hash, role = excluded.role, created_us = excluded.created_us";
    let (tenant, hash, role) = (token.tenant.as_str(), token.hash.to_string(), token.role.as_str());
    execute(tx, sql, &[&tenant, &token.name, &hash, &role, &token.created_us]).await?;
    Ok(())
}

pub(super) async fn delete_token(tx: &Tx, tenant: &TenantName, name: &str) -> Step<()> {
    let sql = "DELETE FROM tokens WHERE tenant = $1 AND name = $2";
    match execute(tx, sql, &[&tenant.as_str(), &name]).await? {
        0 => Err(not_found(format!("token {name}"))),
        _ => Ok(()),
    }
}

/// Raises the store's version and marks the app as changed in it.
async fn touch(tx: &Tx, app: &AppKey) -> Step<()> {
    require_tenant(tx, &app.tenant).await?;
    let version = next_version(tx).await?;
    let sql = "INSERT INTO app_names (tenant, app, newest_release, changed)
        VALUES ($1, $2, 0, $3) ON CONFLICT (tenant, app) DO UPDATE
        SET changed = excluded.changed";
    let (tenant, name) = key(app);
    execute(tx, sql, &[&tenant, &name, &version]).await?;
    Ok(())
}

/// Raises the store's version. Other nodes hear of it with the commit.
pub(super) async fn next_version(tx: &Tx) -> Step<i64> {
    let sql = "UPDATE store SET version = version + 1
        RETURNING version, pg_notify(current_schema()::text, '')";
    one(tx, sql, &[], |row| Ok(row.try_get(0)?)).await
}

/// The columns of an app's key.
fn key(app: &AppKey) -> (&str, &str) {
    (app.tenant.as_str(), app.app.as_str())
}

fn no_app(app: &AppKey) -> Failure {
    not_found(format!("app {}", app.app))
}

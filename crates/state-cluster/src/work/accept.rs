//! Taking events.

use mayfly_state_api::{Accepted, IdempotencyKey, NewInvocation};
use mayfly_types::{AppKey, FunctionName, InvocationId};

use super::{queries, replies};
use crate::database::Tx;
use crate::database::failure::{Failure, Step};
use crate::database::rows::{Params, execute, first, one};

/// How long a caller's name for a request is remembered, in microseconds.
pub(super) const KEYS_KEPT_US: i64 = 24 * 3_600_000_000;

/// Takes an event. What decides is what could be inserted, not what was there when it was looked for: another
/// node may take the same event, or one with the same key, at the same time.
pub(super) async fn accept(tx: &Tx, new: &NewInvocation, now_us: i64) -> Step<Accepted> {
    let sql = "SELECT (SELECT due_us FROM invocations WHERE id = $1),
        (SELECT number FROM functions WHERE tenant = $2 AND app = $3 AND function = $4)";
    let id = new.id.uuid();
    let names = (new.app.tenant.as_str(), new.app.app.as_str(), new.function.as_str());
    let there: Params<'_> = &[&id, &names.0, &names.1, &names.2];
    let (known, of) = one(tx, sql, there, |row| Ok((row.try_get(0)?, row.try_get(1)?))).await?;
    if let Some(due_us) = known {
        return Ok(Accepted::Queued { due_us });
    }
    let of = match of {
        Some(of) => of,
        None => number(tx, &new.app, &new.function).await?,
    };
    if let Some(key) = &new.key
        && let Some(known) = claim(tx, of, key, new.id, now_us).await?
    {
        return Ok(known);
    }
    let due_us = new.due_us.max(now_us);
    let expires_us = due_us.saturating_add(new.max_age_us);
    let sql = "INSERT INTO invocations
            (id, of, status, kind, payload, accepted_us, due_us, max_age_us, expires_us, caller)
        VALUES ($1, $2, 0, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING";
    let NewInvocation { kind, payload, max_age_us, caller, .. } = new;
    let row: Params<'_> =
        &[&id, &of, kind, payload, &now_us, &due_us, max_age_us, &expires_us, caller];
    match execute(tx, sql, row).await? {
        0 => {
            // Another took it since it was looked for; unless that one is deleted by now.
            let due_us = due(tx, new.id).await?.ok_or(Failure::Again)?;
            Ok(Accepted::Queued { due_us })
        }
        _ => Ok(Accepted::Queued { due_us }),
    }
}

async fn due(tx: &Tx, id: InvocationId) -> Step<Option<i64>> {
    let sql = "SELECT due_us FROM invocations WHERE id = $1";
    first(tx, sql, &[&id.uuid()], |row| Ok(row.try_get(0)?)).await
}

/// Gives a function its number.
pub(super) async fn number(tx: &Tx, app: &AppKey, function: &FunctionName) -> Step<i64> {
    let sql = "INSERT INTO functions (tenant, app, function) VALUES ($1, $2, $3)
        ON CONFLICT DO NOTHING RETURNING number";
    let names: Params<'_> = &[&app.tenant.as_str(), &app.app.as_str(), &function.as_str()];
    match first(tx, sql, names, |row| Ok(row.try_get(0)?)).await? {
        Some(number) => Ok(number),
        // Another transaction inserted it, and has committed: the insertion waited for that.
        None => queries::function(tx, app, function).await?.ok_or(Failure::Again),
    }
}

/// Gives the key to this invocation; or tells what has it already.
async fn claim(
    tx: &Tx,
    of: i64,
    key: &IdempotencyKey,
    id: InvocationId,
    now_us: i64,
) -> Step<Option<Accepted>> {
    let Some(holder) = replies::claim(tx, of, key, id, now_us, None).await? else {
        return Ok(None);
    };
    // The same event, handed over twice at once, is no repetition of the caller's.
    if holder.id == id
        && let Some(due_us) = due(tx, id).await?
    {
        return Ok(Some(Accepted::Queued { due_us }));
    }
    let known = holder.same && holder.state == 0;
    Ok(Some(if known { Accepted::Known(holder.id) } else { Accepted::Differs }))
}

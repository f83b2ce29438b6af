//! What commands do to `work.db`, inside the writer's transaction.

use mayfly_state_api::{
    Accepted, Completion, Error, InvocationRecord, InvocationStatus, Lease, NewInvocation, Payer,
    Redrive, Sums, Then,
};
use mayfly_types::{AppKey, ByteSize, FunctionName, InvocationId, TenantName};
use rusqlite::{Connection, OptionalExtension, Params, params};

use super::queries::{self, id, next_due};
use super::replies::{self, Holder};
use super::usage;
use crate::sqlite::failure::{Failure, Step, not_found};
use crate::sqlite::rows::{all, bounded, number, parsed};

/// How long a caller's name for a request is remembered, in microseconds.
pub(super) const KEYS_KEPT_US: i64 = 24 * 3_600_000_000;
/// How long what was cancelled is shown, in microseconds.
const CANCELLED_KEPT_US: i64 = 24 * 3_600_000_000;
/// How far events are spread that were lost more than once, in microseconds.
const APART_US: i64 = 100_000;
/// How many attempts of an invocation are kept.
const ATTEMPTS_KEPT: u32 = 20;

pub(crate) fn accept(database: &Connection, new: &NewInvocation, now_us: i64) -> Step<Accepted> {
    let of = function(database, &new.app, &new.function)?;
    if let Some(key) = &new.key {
        if let Some(due_us) = due(database, new.id)? {
            return Ok(Accepted::Queued { due_us });
        }
        match replies::holder(database, of, key, now_us)? {
            None => {}
            Some((Holder::Event(given), true)) => return Ok(Accepted::Known(given)),
            Some(_) => return Ok(Accepted::Differs),
        }
        let sql = "INSERT INTO keys (of, caller, key, payload, invocation, at_us)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET payload = excluded.payload,
                invocation = excluded.invocation, at_us = excluded.at_us, state = 0, held_us = NULL";
        let payload = key.payload.to_string();
        let row = params![of, key.caller, key.key, payload, new.id.as_bytes(), now_us];
        execute(database, sql, row)?;
    }
    let due_us = new.due_us.max(now_us);
    let sql = "INSERT INTO invocations
            (id, of, status, kind, accepted_us, due_us, max_age_us, expires_us, caller)
        VALUES (?1, ?2, 0, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (id) DO NOTHING";
    let expires_us = due_us.saturating_add(new.max_age_us);
    let row = params![
        new.id.as_bytes(),
        of,
        new.kind,
        now_us,
        due_us,
        new.max_age_us,
        expires_us,
        new.caller
    ];
    if execute(database, sql, row)? == 0 {
        // It came before, and its payload with it.
        let due_us = due(database, new.id)?.unwrap_or(due_us);
        return Ok(Accepted::Queued { due_us });
    }
    let sql = "INSERT INTO payloads VALUES (?1, ?2)";
    execute(database, sql, params![database.last_insert_rowid(), new.payload])?;
    Ok(Accepted::Queued { due_us })
}

/// When an event is due that came before.
fn due(database: &Connection, id: InvocationId) -> Step<Option<i64>> {
    let sql = "SELECT due_us FROM invocations WHERE id = ?1";
    Ok(database.prepare_cached(sql)?.query_row([id.as_bytes()], |row| row.get(0)).optional()?)
}

/// A function's number, given now if it has none.
pub(super) fn function(database: &Connection, app: &AppKey, function: &FunctionName) -> Step<i64> {
    if let Some(number) = queries::function(database, app, function)? {
        return Ok(number);
    }
    let sql = "INSERT INTO functions (tenant, app, function) VALUES (?1, ?2, ?3)";
    execute(database, sql, [app.tenant.as_str(), app.app.as_str(), function.as_str()])?;
    Ok(database.last_insert_rowid())
}

/// Queues again, or ends if it was cancelled, whatever was leased until `until_us` at most. What is lost
/// again and again is spread over time, so that an event that ends its node does so without the others.
pub(crate) fn take_back(database: &Connection, now_us: i64, until_us: i64) -> Step<()> {
    let sql = "UPDATE invocations SET
            status = CASE cancelled WHEN 0 THEN 0 ELSE 4 END,
            fence = fence + 1, lost = lost + 1, leased_us = NULL,
            due_us = ?1 + lost * (1 + number % 16) * ?3
        WHERE status = 1 AND leased_us <= ?2";
    execute(database, sql, [now_us, until_us, APART_US])?;
    Ok(())
}

pub(crate) fn lease(
    database: &Connection,
    app: &AppKey,
    function: &FunctionName,
    limit: usize,
    now_us: i64,
    for_us: i64,
) -> Step<(Vec<Lease>, Option<i64>)> {
    let Some(of) = queries::function(database, app, function)? else {
        return Ok((Vec::new(), None));
    };
    let sql =
        "SELECT i.number, i.id, i.fence + 1, i.attempts + 1, i.failed, i.lost, i.put_back, i.kind,
            p.payload, i.expires_us, i.caller, i.due_us
        FROM invocations i JOIN payloads p ON p.invocation = i.number
        WHERE i.of = ?1 AND i.status = 0 AND i.due_us <= ?2 ORDER BY i.due_us LIMIT ?3";
    let due = all(database, sql, params![of, now_us, bounded(limit)], |row| {
        let lease = Lease {
            id: id(row, 1)?,
            fence: number(row, 2)?,
            attempt: row.get(3)?,
            failed: row.get(4)?,
            lost: row.get(5)?,
            put_back: row.get(6)?,
            kind: row.get(7)?,
            payload: row.get(8)?,
            expires_us: row.get(9)?,
            caller: row.get(10)?,
            due_us: row.get(11)?,
        };
        Ok((row.get::<_, i64>(0)?, lease))
    })?;
    let sql = "UPDATE invocations SET status = 1, fence = fence + 1, attempts = attempts + 1,
            leased_us = ?2 WHERE number = ?1";
    let mut leases = Vec::with_capacity(due.len());
    for (number, lease) in due {
        execute(database, sql, [number, now_us.saturating_add(for_us)])?;
        leases.push(lease);
    }
    Ok((leases, next_due(database, of)?))
}

pub(crate) fn extend(
    database: &Connection,
    leases: &[(InvocationId, u64)],
    now_us: i64,
    for_us: i64,
) -> Step<Vec<InvocationId>> {
    let sql = "UPDATE invocations SET leased_us = ?3
        WHERE id = ?1 AND fence = ?2 AND status = 1 AND cancelled = 0";
    let until_us = now_us.saturating_add(for_us);
    let mut over = Vec::new();
    for (id, fence) in leases {
        let fence = crate::sqlite::rows::integer(*fence);
        if execute(database, sql, params![id.as_bytes(), fence, until_us])? == 0 {
            over.push(*id);
        }
    }
    Ok(over)
}

/// What is known of an invocation whose lease ends.
struct Held {
    number: i64,
    payer: Payer,
    status: InvocationStatus,
    fence: u64,
    cancelled: bool,
}

pub(crate) fn complete(
    database: &Connection,
    completion: &Completion,
    now_us: i64,
) -> Step<InvocationStatus> {
    let held = held(database, completion.id)?;
    if held.fence != completion.fence {
        let text = format!("another attempt has invocation {}", completion.id);
        return Err(Failure::Refused(Error::Conflict(text)));
    }
    if held.status != InvocationStatus::Running {
        return Ok(held.status);
    }
    if let Some(attempt) = &completion.attempt {
        let sql = "INSERT OR REPLACE INTO attempts VALUES (?1, ?2, ?3)";
        let record = serde_json::to_string(attempt)?;
        execute(database, sql, params![held.number, attempt.number, record])?;
        let sql = "DELETE FROM attempts WHERE invocation = ?1 AND number <= ?2";
        let forgotten = attempt.number.saturating_sub(ATTEMPTS_KEPT);
        execute(database, sql, params![held.number, forgotten])?;
        let sums = Sums::of(&attempt.outcome, attempt.memory.unwrap_or(ByteSize::bytes(0)));
        usage::add(database, attempt.started_us, &held.payer, sums)?;
    }
    match &completion.then {
        Then::Succeeded { result, keep_us, send } => {
            let sql =
                "UPDATE invocations SET status = 2, leased_us = NULL, result = ?2, kept_us = ?3
                WHERE number = ?1";
            let kept_us = now_us.saturating_add(*keep_us);
            execute(database, sql, params![held.number, result, kept_us])?;
            forget_payload(database, held.number)?;
            if let Some(new) = send {
                accept(database, new, now_us)?;
            }
            Ok(InvocationStatus::Succeeded)
        }
        Then::Failed { fault, keep_us, send } => {
            let sql =
                "UPDATE invocations SET status = 3, leased_us = NULL, fault = ?2, kept_us = ?3
                WHERE number = ?1";
            let fault = serde_json::to_string(fault)?;
            let kept_us = now_us.saturating_add(*keep_us);
            execute(database, sql, params![held.number, fault, kept_us])?;
            if let Some(new) = send {
                accept(database, new, now_us)?;
            }
            Ok(InvocationStatus::Failed)
        }
        Then::Retry { .. } | Then::PutBack { .. } if held.cancelled => {
            execute(
                database,
                "UPDATE invocations SET leased_us = NULL WHERE number = ?1",
                [held.number],
            )?;
            end_cancelled(database, held.number, now_us)?;
            Ok(InvocationStatus::Cancelled)
        }
        Then::Retry { due_us, counts } => {
            let sql = "UPDATE invocations SET status = 0, leased_us = NULL, due_us = ?2,
                    failed = failed + ?3, put_back = 0 WHERE number = ?1";
            execute(database, sql, params![held.number, due_us, counts])?;
            Ok(InvocationStatus::Queued)
        }
        Then::PutBack { due_us } => {
            let sql = "UPDATE invocations SET status = 0, leased_us = NULL, due_us = ?2,
                    attempts = attempts - 1, put_back = put_back + 1 WHERE number = ?1";
            execute(database, sql, params![held.number, due_us])?;
            Ok(InvocationStatus::Queued)
        }
    }
}

fn held(database: &Connection, id: InvocationId) -> Step<Held> {
    let sql =
        "SELECT i.number, i.status, i.fence, i.cancelled, i.caller, f.tenant, f.app, f.function
        FROM invocations i JOIN functions f ON f.number = i.of WHERE i.id = ?1";
    let mut statement = database.prepare_cached(sql)?;
    let mut rows = statement.query([id.as_bytes()])?;
    let Some(row) = rows.next()? else { return Err(not_found(format!("invocation {id}"))) };
    let caller: Option<String> = row.get(4)?;
    Ok(Held {
        number: row.get(0)?,
        payer: Payer {
            app: AppKey::new(parsed(row, 5)?, parsed(row, 6)?),
            function: parsed(row, 7)?,
            caller: caller.unwrap_or_default(),
        },
        status: queries::status(row.get(1)?)?,
        fence: number(row, 2)?,
        cancelled: row.get(3)?,
    })
}

fn forget_payload(database: &Connection, number: i64) -> Step<()> {
    execute(database, "DELETE FROM payloads WHERE invocation = ?1", [number])?;
    Ok(())
}

fn end_cancelled(database: &Connection, number: i64, now_us: i64) -> Step<()> {
    let sql = "UPDATE invocations SET status = 4, cancelled = 1, kept_us = ?2 WHERE number = ?1";
    execute(database, sql, [number, now_us.saturating_add(CANCELLED_KEPT_US)])?;
    forget_payload(database, number)
}

pub(crate) fn cancel(
    database: &Connection,
    tenant: &TenantName,
    id: InvocationId,
    now_us: i64,
) -> Step<InvocationRecord> {
    let missing = || not_found(format!("invocation {id}"));
    let found = queries::invocation(database, tenant, id)?.ok_or_else(missing)?;
    let held = held(database, id)?;
    match found.status {
        InvocationStatus::Queued => end_cancelled(database, held.number, now_us)?,
        InvocationStatus::Running => {
            let sql = "UPDATE invocations SET cancelled = 1, kept_us = ?2 WHERE number = ?1";
            execute(database, sql, [held.number, now_us.saturating_add(CANCELLED_KEPT_US)])?;
        }
        InvocationStatus::Cancelled => {}
        ended @ (InvocationStatus::Succeeded | InvocationStatus::Failed) => {
            let text = format!("invocation {id} has {} already", ended.as_str());
            return Err(Failure::Refused(Error::Conflict(text)));
        }
    }
    queries::invocation(database, tenant, id)?.ok_or_else(missing)
}

pub(crate) fn redrive(
    database: &Connection,
    app: &AppKey,
    function: &FunctionName,
    which: &Redrive,
    limit: usize,
    now_us: i64,
) -> Step<usize> {
    let Some(of) = queries::function(database, app, function)? else { return Ok(0) };
    let again = "UPDATE invocations SET status = 0, due_us = ?1, expires_us = ?1 + max_age_us,
            failed = 0, lost = 0, put_back = 0, cancelled = 0, kept_us = NULL, fault = NULL
        WHERE of = ?2 AND status = 3 AND";
    match which {
        Redrive::One(id) => {
            let sql = format!("{again} id = ?3");
            execute(database, &sql, params![now_us, of, id.as_bytes()])
        }
        Redrive::Accepted { since_us, until_us } => {
            let sql = format!(
                "{again} number IN (SELECT number FROM invocations WHERE of = ?2 AND status = 3
                    AND accepted_us >= ?3 AND accepted_us < ?4 ORDER BY id LIMIT ?5)"
            );
            execute(database, &sql, params![now_us, of, since_us, until_us, bounded(limit)])
        }
    }
}

pub(crate) fn forget(database: &Connection, limit: usize, now_us: i64) -> Step<usize> {
    take_back(database, now_us, now_us)?;
    let sql = "DELETE FROM keys WHERE (of, caller, key) IN
        (SELECT of, caller, key FROM keys WHERE at_us <= ?1 ORDER BY at_us LIMIT ?2)";
    let before_us = now_us.saturating_sub(KEYS_KEPT_US);
    let keys = execute(database, sql, params![before_us, bounded(limit)])?
        + replies::forget(database, limit, before_us)?;
    let sql = "DELETE FROM invocations WHERE number IN (SELECT number FROM invocations
        WHERE status > 1 AND kept_us <= ?1 ORDER BY kept_us LIMIT ?2)";
    Ok(keys + execute(database, sql, params![now_us, bounded(limit)])?)
}

pub(crate) fn delete_app(database: &Connection, app: &AppKey, limit: usize) -> Step<usize> {
    let [tenant, name] = [app.tenant.as_str(), app.app.as_str()];
    let sql = "DELETE FROM replies WHERE invocation IN (SELECT k.invocation FROM keys k
        JOIN functions f ON f.number = k.of WHERE f.tenant = ?1 AND f.app = ?2 AND k.state = 2)";
    execute(database, sql, [tenant, name])?;
    let sql = "DELETE FROM keys WHERE of IN
        (SELECT number FROM functions WHERE tenant = ?1 AND app = ?2)";
    execute(database, sql, [tenant, name])?;
    let sql = "DELETE FROM invocations WHERE number IN (SELECT number FROM invocations
        WHERE of IN (SELECT number FROM functions WHERE tenant = ?1 AND app = ?2) LIMIT ?3)";
    execute(database, sql, params![tenant, name, bounded(limit)])
}

pub(super) fn execute<P: Params>(database: &Connection, sql: &str, params: P) -> Step<usize> {
    Ok(database.prepare_cached(sql)?.execute(params)?)
}

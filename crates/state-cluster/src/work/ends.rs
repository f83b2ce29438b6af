//! How invocations end, and what becomes of them then.

use mayfly_state_api::{
    Completion, Error, InvocationRecord, InvocationStatus, NewInvocation, Payer, Redrive, Sums,
    Then,
};
use mayfly_types::{AppKey, ByteSize, FunctionName, InvocationId, TenantName};

use super::accept::{KEYS_KEPT_US, accept};
use super::{leases, queries, replies, usage};
use crate::database::Tx;
use crate::database::failure::{Failure, Step, not_found};
use crate::database::rows::{bounded, execute, first, number, parsed};

/// How long what was cancelled is shown, in microseconds.
const CANCELLED_KEPT_US: i64 = 24 * 3_600_000_000;
/// How many attempts of an invocation are kept.
const ATTEMPTS_KEPT: i64 = 20;

/// What is known of an invocation whose lease ends. Its row is locked.
struct Held {
    number: i64,
    payer: Payer,
    status: InvocationStatus,
    fence: u64,
    cancelled: bool,
}

pub(super) async fn complete(
    tx: &Tx,
    completion: &Completion,
    now_us: i64,
) -> Step<InvocationStatus> {
    let id = completion.id;
    let held = held(tx, id).await?.ok_or_else(|| not_found(format!("invocation {id}")))?;
    if held.fence != completion.fence {
        let text = format!("another attempt has invocation {id}");
        return Err(Failure::Refused(Error::Conflict(text)));
    }
    if held.status != InvocationStatus::Running {
        return Ok(held.status);
    }
    if let Some(attempt) = &completion.attempt {
        let number = i64::from(attempt.number);
        let sql = "INSERT INTO attempts (invocation, number, record) VALUES ($1, $2, $3)
            ON CONFLICT (invocation, number) DO UPDATE SET record = excluded.record";
        let record = serde_json::to_string(attempt)?;
        execute(tx, sql, &[&held.number, &number, &record]).await?;
        let sql = "DELETE FROM attempts WHERE invocation = $1 AND number <= $2";
        execute(tx, sql, &[&held.number, &(number - ATTEMPTS_KEPT)]).await?;
    }
    let status = then(tx, &held, &completion.then, now_us).await?;
    // Last, because from here until the commit nobody else adds to the same rows.
    if let Some(attempt) = &completion.attempt {
        let sums = Sums::of(&attempt.outcome, attempt.memory.unwrap_or(ByteSize::bytes(0)));
        usage::add_one(tx, held.number, attempt.started_us, &held.payer, sums).await?;
    }
    Ok(status)
}

async fn then(tx: &Tx, held: &Held, then: &Then, now_us: i64) -> Step<InvocationStatus> {
    match then {
        Then::Succeeded { result, keep_us, send } => {
            let sql = "UPDATE invocations SET status = 2, leased_us = NULL, payload = NULL,
                    result = $2, kept_us = $3 WHERE number = $1";
            let kept_us = now_us.saturating_add(*keep_us);
            execute(tx, sql, &[&held.number, result, &kept_us]).await?;
            tell(tx, send.as_ref(), now_us).await?;
            Ok(InvocationStatus::Succeeded)
        }
        Then::Failed { fault, keep_us, send } => {
            let sql = "UPDATE invocations SET status = 3, leased_us = NULL, fault = $2,
                    kept_us = $3 WHERE number = $1";
            let fault = serde_json::to_string(fault)?;
            let kept_us = now_us.saturating_add(*keep_us);
            execute(tx, sql, &[&held.number, &fault, &kept_us]).await?;
            tell(tx, send.as_ref(), now_us).await?;
            Ok(InvocationStatus::Failed)
        }
        Then::Retry { .. } | Then::PutBack { .. } if held.cancelled => {
            end_cancelled(tx, held.number, now_us).await?;
            Ok(InvocationStatus::Cancelled)
        }
        Then::Retry { due_us, counts } => {
            let sql = "UPDATE invocations SET status = 0, leased_us = NULL, due_us = $2,
                    failed = failed + $3, put_back = 0 WHERE number = $1";
            execute(tx, sql, &[&held.number, due_us, &i32::from(*counts)]).await?;
            Ok(InvocationStatus::Queued)
        }
        Then::PutBack { due_us } => {
            let sql = "UPDATE invocations SET status = 0, leased_us = NULL, due_us = $2,
                    attempts = attempts - 1, put_back = put_back + 1 WHERE number = $1";
            execute(tx, sql, &[&held.number, due_us]).await?;
            Ok(InvocationStatus::Queued)
        }
    }
}

async fn tell(tx: &Tx, new: Option<&NewInvocation>, now_us: i64) -> Step<()> {
    if let Some(new) = new {
        accept(tx, new, now_us).await?;
    }
    Ok(())
}

/// Locks an invocation, after whoever else has it locked.
async fn held(tx: &Tx, id: InvocationId) -> Step<Option<Held>> {
    let sql =
        "SELECT i.number, i.status, i.fence, i.cancelled, i.caller, f.tenant, f.app, f.function
        FROM invocations i JOIN functions f ON f.number = i.of WHERE i.id = $1 FOR UPDATE OF i";
    first(tx, sql, &[&id.uuid()], |row| {
        let caller: Option<String> = row.try_get(4)?;
        Ok(Held {
            number: row.try_get(0)?,
            payer: Payer {
                app: AppKey::new(parsed(row, 5)?, parsed(row, 6)?),
                function: parsed(row, 7)?,
                caller: caller.unwrap_or_default(),
            },
            status: queries::status(row.try_get(1)?)?,
            fence: number(row, 2)?,
            cancelled: row.try_get(3)?,
        })
    })
    .await
}

async fn end_cancelled(tx: &Tx, number: i64, now_us: i64) -> Step<()> {
    let sql = "UPDATE invocations SET status = 4, cancelled = true, leased_us = NULL,
            payload = NULL, kept_us = $2 WHERE number = $1";
    execute(tx, sql, &[&number, &now_us.saturating_add(CANCELLED_KEPT_US)]).await?;
    Ok(())
}

pub(super) async fn cancel(
    tx: &Tx,
    tenant: &TenantName,
    id: InvocationId,
    now_us: i64,
) -> Step<InvocationRecord> {
    let missing = || not_found(format!("invocation {id}"));
    // Whose it is comes before the lock: another tenant's is not even held up.
    queries::invocation(tx, tenant, id).await?.ok_or_else(missing)?;
    let held = held(tx, id).await?.ok_or_else(missing)?;
    match held.status {
        InvocationStatus::Queued => end_cancelled(tx, held.number, now_us).await?,
        InvocationStatus::Running => {
            let sql = "UPDATE invocations SET cancelled = true, kept_us = $2 WHERE number = $1";
            let kept_us = now_us.saturating_add(CANCELLED_KEPT_US);
            execute(tx, sql, &[&held.number, &kept_us]).await?;
        }
        InvocationStatus::Cancelled => {}
        ended @ (InvocationStatus::Succeeded | InvocationStatus::Failed) => {
            let text = format!("invocation {id} has {} already", ended.as_str());
            return Err(Failure::Refused(Error::Conflict(text)));
        }
    }
    queries::invocation(tx, tenant, id).await?.ok_or_else(missing)
}

pub(super) async fn redrive(
    tx: &Tx,
    app: &AppKey,
    function: &FunctionName,
    which: &Redrive,
    limit: usize,
    now_us: i64,
) -> Step<usize> {
    let Some(of) = queries::function(tx, app, function).await? else { return Ok(0) };
    let queued = match which {
        Redrive::One(id) => {
            let sql = "UPDATE invocations SET status = 0, due_us = $1,
                    expires_us = $1 + max_age_us, failed = 0, lost = 0, put_back = 0,
                    cancelled = false, kept_us = NULL, fault = NULL
                WHERE of = $2 AND status = 3 AND id = $3";
            execute(tx, sql, &[&now_us, &of, &id.uuid()]).await?
        }
        Redrive::Accepted { since_us, until_us } => {
            let sql = "UPDATE invocations SET status = 0, due_us = $1,
                    expires_us = $1 + max_age_us, failed = 0, lost = 0, put_back = 0,
                    cancelled = false, kept_us = NULL, fault = NULL
                WHERE number = ANY(ARRAY(
                    SELECT number FROM invocations WHERE of = $2 AND status = 3
                    AND accepted_us >= $3 AND accepted_us < $4 ORDER BY id LIMIT $5 FOR UPDATE))";
            execute(tx, sql, &[&now_us, &of, since_us, until_us, &bounded(limit)]).await?
        }
    };
    Ok(queued as usize)
}

pub(super) async fn forget(tx: &Tx, limit: usize, now_us: i64) -> Step<usize> {
    leases::take_back(tx, now_us).await?;
    // A row that was found locked stays where it is: one that moved was given anew, and is not old.
    let sql = "DELETE FROM keys WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM keys WHERE at_us <= $1 ORDER BY at_us LIMIT $2 FOR UPDATE SKIP LOCKED))";
    let before_us = now_us.saturating_sub(KEYS_KEPT_US);
    let keys = execute(tx, sql, &[&before_us, &bounded(limit)]).await?
        + replies::forget(tx, limit, before_us).await?;
    let sql = "DELETE FROM invocations WHERE number = ANY(ARRAY(
        SELECT number FROM invocations WHERE status > 1 AND kept_us <= $1 ORDER BY kept_us
        LIMIT $2 FOR UPDATE SKIP LOCKED))";
    let invocations = execute(tx, sql, &[&now_us, &bounded(limit)]).await?;
    Ok((keys + invocations) as usize)
}

/// All deletions see one moment, so that an event and its key go together or stay together.
pub(super) async fn delete_app(tx: &Tx, app: &AppKey, limit: usize) -> Step<usize> {
    let sql = "WITH its AS MATERIALIZED (
            SELECT number FROM functions WHERE tenant = $1 AND app = $2),
        named AS (DELETE FROM keys WHERE of IN (SELECT number FROM its)
            RETURNING invocation),
        answered AS (DELETE FROM replies WHERE invocation IN (SELECT invocation FROM named))
        DELETE FROM invocations WHERE number = ANY(ARRAY(
            SELECT number FROM invocations WHERE of IN (SELECT number FROM its)
            ORDER BY number LIMIT $3 FOR UPDATE))";
    let (tenant, name) = (app.tenant.as_str(), app.app.as_str());
    Ok(execute(tx, sql, &[&tenant, &name, &bounded(limit)]).await? as usize)
}

//! Keys of requests that somebody waits for, and answers that are kept for them.

use mayfly_state_api::{Begun, Error, IdempotencyKey, KeptReply, KeyedEnd, KeyedRequest, Taken};
use mayfly_types::InvocationId;
use tokio_postgres::Row;
use uuid::Uuid;

use super::accept::{KEYS_KEPT_US, number};
use super::queries;
use crate::database::Tx;
use crate::database::failure::{Failure, Step};
use crate::database::rows::{self, Params, bounded, execute, first, integer, one};

/// What has a key.
pub(super) struct Holder {
    pub(super) id: InvocationId,
    /// See the column.
    pub(super) state: i16,
    /// Whether it was given with the same payload.
    pub(super) same: bool,
}

/// Gives a key to an event, or to a request until `held_us`; or tells what has it already. Of several that claim one
/// key at once, all but the first wait for the end of that one's transaction.
pub(super) async fn claim(
    tx: &Tx,
    of: i64,
    key: &IdempotencyKey,
    id: InvocationId,
    now_us: i64,
    held_us: Option<i64>,
) -> Step<Option<Holder>> {
    let since_us = now_us.saturating_sub(KEYS_KEPT_US);
    let payload: &[u8] = key.payload.as_bytes();
    let state = i16::from(held_us.is_some());
    let sql = "INSERT INTO keys AS k (of, caller, key, payload, invocation, at_us, state, held_us)
        VALUES ($1, $2, $3, $4, $5, $6, $8, $9)
        ON CONFLICT (of, caller, key) DO UPDATE SET payload = excluded.payload,
            invocation = excluded.invocation, at_us = excluded.at_us, state = excluded.state,
            held_us = excluded.held_us
        WHERE k.at_us <= $7 OR (k.state = 1 AND k.held_us <= $6)";
    let row: Params<'_> =
        &[&of, &key.caller, &key.key, &payload, &id.uuid(), &now_us, &since_us, &state, &held_us];
    if execute(tx, sql, row).await? > 0 {
        return Ok(None);
    }
    // The insertion that gave way has locked the row: it stays as it is.
    let sql = "SELECT invocation, payload, state FROM keys
        WHERE of = $1 AND caller = $2 AND key = $3";
    one(tx, sql, &[&of, &key.caller, &key.key], |row| {
        let given: Uuid = row.try_get(0)?;
        Ok(Some(Holder {
            id: InvocationId::from_bytes(*given.as_bytes()),
            state: row.try_get(2)?,
            same: row.try_get::<_, &[u8]>(1)? == payload,
        }))
    })
    .await
}

pub(super) async fn begin(
    tx: &Tx,
    request: &KeyedRequest,
    now_us: i64,
    for_us: i64,
) -> Step<Begun> {
    let of = match queries::function(tx, &request.app, &request.function).await? {
        Some(of) => of,
        None => number(tx, &request.app, &request.function).await?,
    };
    if !taken(tx, of).await?.has_room_for_a_key(request.room)
        && !is_counted(tx, of, &request.key).await?
    {
        return Ok(Begun::Full);
    }
    let held_us = Some(now_us.saturating_add(for_us));
    let Some(Holder { id, state, same }) =
        claim(tx, of, &request.key, request.id, now_us, held_us).await?
    else {
        return Ok(Begun::Run);
    };
    Ok(match state {
        1 if same && id == request.id => Begun::Run,
        1 if same => Begun::Runs(id),
        2 if same => {
            let sql = "SELECT head, body FROM replies WHERE invocation = $1";
            one(tx, sql, &[&id.uuid()], |row| {
                let reply = KeptReply { head: row.try_get(0)?, body: row.try_get(1)? };
                Ok(Begun::Answered(id, reply))
            })
            .await?
        }
        3 if same => Begun::NotKept(id),
        _ => Begun::Differs,
    })
}

pub(super) async fn end(tx: &Tx, request: &KeyedRequest, end: &KeyedEnd, now_us: i64) -> Step<()> {
    let key = &request.key;
    let conflict = || {
        let text = format!("another invocation than {} has its key", request.id);
        Failure::Refused(Error::Conflict(text))
    };
    let Some(of) = queries::function(tx, &request.app, &request.function).await? else {
        return Err(conflict());
    };
    let id = request.id.uuid();
    let mine: Params<'_> = &[&of, &key.caller, &key.key, &id];
    if *end == KeyedEnd::Nothing {
        let sql = "DELETE FROM keys
            WHERE of = $1 AND caller = $2 AND key = $3 AND invocation = $4 AND state = 1";
        execute(tx, sql, mine).await?;
        return Ok(());
    }
    let sql = "SELECT state FROM keys
        WHERE of = $1 AND caller = $2 AND key = $3 AND invocation = $4 FOR UPDATE";
    match first(tx, sql, mine, |row| Ok(row.try_get::<_, i16>(0)?)).await? {
        Some(1) => {}
        // It was told before.
        Some(2 | 3) => return Ok(()),
        _ => return Err(conflict()),
    }
    let reply = match end {
        KeyedEnd::Kept(reply) => {
            let taken = taken(tx, of).await?;
            Some(reply).filter(|reply| taken.has_room_for(reply, request.room))
        }
        KeyedEnd::NotKept | KeyedEnd::Nothing => None,
    };
    let state: i16 = if reply.is_some() { 2 } else { 3 };
    let sql = "UPDATE keys SET state = $4, held_us = NULL
        WHERE of = $1 AND caller = $2 AND key = $3";
    execute(tx, sql, &[&of, &key.caller, &key.key, &state]).await?;
    if let Some(reply) = reply {
        let sql = "INSERT INTO replies (invocation, at_us, head, body, of, bytes)
            VALUES ($1, $2, $3, $4, $5, $6)";
        let bytes = integer(reply.size());
        execute(tx, sql, &[&id, &now_us, &reply.head, &reply.body, &of, &bytes]).await?;
    }
    Ok(())
}

/// As far as others have committed.
async fn taken(tx: &Tx, of: i64) -> Step<Taken> {
    let sql = "SELECT coalesce(sum(keys), 0)::bigint, coalesce(sum(answers), 0)::bigint
        FROM kept WHERE of = $1";
    let read =
        |row: &Row| Ok(Taken { keys: rows::number(row, 0)?, answers: rows::number(row, 1)? });
    one(tx, sql, &[&of], read).await
}

/// Whether a key is counted already: whoever has it or takes it over takes no more room.
async fn is_counted(tx: &Tx, of: i64, key: &IdempotencyKey) -> Step<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM keys
        WHERE of = $1 AND caller = $2 AND key = $3 AND state > 0)";
    one(tx, sql, &[&of, &key.caller, &key.key], |row| Ok(row.try_get(0)?)).await
}

/// Forgets answers whose keys are over. An answer comes after its key, so none goes before it.
pub(super) async fn forget(tx: &Tx, limit: usize, before_us: i64) -> Step<u64> {
    let sql = "DELETE FROM replies WHERE invocation = ANY(ARRAY(
        SELECT invocation FROM replies WHERE at_us <= $1 ORDER BY at_us LIMIT $2
        FOR UPDATE SKIP LOCKED))";
    execute(tx, sql, &[&before_us, &bounded(limit)]).await
}

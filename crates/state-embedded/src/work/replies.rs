//! Keys of requests that somebody waits for, and answers that are kept for them.

use mayfly_state_api::{Begun, Error, IdempotencyKey, KeptReply, KeyedEnd, KeyedRequest, Taken};
use mayfly_types::InvocationId;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::commands::{KEYS_KEPT_US, execute, function};
use super::queries::{self, id};
use crate::sqlite::failure::{Failure, Step};
use crate::sqlite::rows::{bounded, integer, number, unknown};

/// What has a key.
pub(super) enum Holder {
    /// An event.
    Event(InvocationId),
    /// A request that runs.
    Runs(InvocationId),
    /// A request whose answer is kept.
    Kept(InvocationId),
    /// A request whose answer was not kept.
    NotKept(InvocationId),
}

/// What has a key of a function now, and whether with the same payload.
pub(super) fn holder(
    database: &Connection,
    of: i64,
    key: &IdempotencyKey,
    now_us: i64,
) -> Step<Option<(Holder, bool)>> {
    let sql =
        "SELECT invocation, payload, state FROM keys WHERE of = ?1 AND caller = ?2 AND key = ?3
        AND at_us > ?4 AND (state <> 1 OR held_us > ?5)";
    let since_us = now_us.saturating_sub(KEYS_KEPT_US);
    let mut statement = database.prepare_cached(sql)?;
    let mut rows = statement.query(params![of, key.caller, key.key, since_us, now_us])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let given = id(row, 0)?;
    let same = row.get::<_, String>(1)? == key.payload.to_string();
    let holder = match row.get(2)? {
        0 => Holder::Event(given),
        1 => Holder::Runs(given),
        2 => Holder::Kept(given),
        3 => Holder::NotKept(given),
        other => return Err(unknown("state of a key", &i64::to_string(&other))),
    };
    Ok(Some((holder, same)))
}

pub(super) fn begin(
    database: &Connection,
    request: &KeyedRequest,
    now_us: i64,
    for_us: i64,
) -> Step<Begun> {
    let key = &request.key;
    let of = function(database, &request.app, &request.function)?;
    match holder(database, of, key, now_us)? {
        None => {}
        Some((_, false) | (Holder::Event(_), _)) => return Ok(Begun::Differs),
        Some((Holder::Runs(given), true)) if given == request.id => return Ok(Begun::Run),
        Some((Holder::Runs(given), true)) => return Ok(Begun::Runs(given)),
        Some((Holder::NotKept(given), true)) => return Ok(Begun::NotKept(given)),
        Some((Holder::Kept(given), true)) => {
            let sql = "SELECT head, body FROM replies WHERE invocation = ?1";
            let mut statement = database.prepare_cached(sql)?;
            let reply = statement.query_row([given.as_bytes()], |row| {
                Ok(KeptReply { head: row.get(0)?, body: row.get(1)? })
            });
            return Ok(Begun::Answered(given, reply?));
        }
    }
    if !taken(database, of)?.has_room_for_a_key(request.room) && !is_counted(database, of, key)? {
        return Ok(Begun::Full);
    }
    let sql = "INSERT INTO keys (of, caller, key, payload, invocation, at_us, state, held_us)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, ?7) ON CONFLICT DO UPDATE SET payload = excluded.payload,
            invocation = excluded.invocation, at_us = excluded.at_us, state = excluded.state,
            held_us = excluded.held_us";
    let held_us = now_us.saturating_add(for_us);
    let (payload, id) = (key.payload.to_string(), request.id.as_bytes());
    execute(database, sql, params![of, key.caller, key.key, payload, id, now_us, held_us])?;
    Ok(Begun::Run)
}

pub(super) fn end(
    database: &Connection,
    request: &KeyedRequest,
    end: &KeyedEnd,
    now_us: i64,
) -> Step<()> {
    let key = &request.key;
    let conflict = || {
        let text = format!("another invocation than {} has its key", request.id);
        Failure::Refused(Error::Conflict(text))
    };
    let Some(of) = queries::function(database, &request.app, &request.function)? else {
        return Err(conflict());
    };
    let mine = params![of, key.caller, key.key, request.id.as_bytes()];
    if *end == KeyedEnd::Nothing {
        let sql = "DELETE FROM keys
            WHERE of = ?1 AND caller = ?2 AND key = ?3 AND invocation = ?4 AND state = 1";
        execute(database, sql, mine)?;
        return Ok(());
    }
    let sql =
        "SELECT state FROM keys WHERE of = ?1 AND caller = ?2 AND key = ?3 AND invocation = ?4";
    match database.prepare_cached(sql)?.query_row(mine, |row| row.get::<_, i64>(0)).optional()? {
        Some(1) => {}
        // It was told before.
        Some(2 | 3) => return Ok(()),
        _ => return Err(conflict()),
    }
    let sql =
        "UPDATE keys SET state = ?4, held_us = NULL WHERE of = ?1 AND caller = ?2 AND key = ?3";
    let reply = match end {
        KeyedEnd::Kept(reply) => {
            let taken = taken(database, of)?;
            Some(reply).filter(|reply| taken.has_room_for(reply, request.room))
        }
        KeyedEnd::NotKept | KeyedEnd::Nothing => None,
    };
    let state = if reply.is_some() { 2 } else { 3 };
    execute(database, sql, params![of, key.caller, key.key, state])?;
    if let Some(reply) = reply {
        let sql = "INSERT INTO replies (invocation, at_us, head, body, of, bytes)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let (id, bytes) = (request.id.as_bytes(), integer(reply.size()));
        execute(database, sql, params![id, now_us, reply.head, reply.body, of, bytes])?;
    }
    Ok(())
}

fn taken(database: &Connection, of: i64) -> Step<Taken> {
    let sql = "SELECT keys, answers FROM functions WHERE number = ?1";
    let read = |row: &Row<'_>| Ok(Taken { keys: number(row, 0)?, answers: number(row, 1)? });
    Ok(database.prepare_cached(sql)?.query_row([of], read)?)
}

/// Whether a key is counted already, though nobody has it: its next holder takes no more room.
fn is_counted(database: &Connection, of: i64, key: &IdempotencyKey) -> Step<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM keys
        WHERE of = ?1 AND caller = ?2 AND key = ?3 AND state > 0)";
    let row = params![of, key.caller, key.key];
    Ok(database.prepare_cached(sql)?.query_row(row, |row| row.get(0))?)
}

/// Gives keys back that somebody held who is no more.
pub(super) fn take_back(database: &Connection) -> Step<()> {
    execute(database, "DELETE FROM keys WHERE state = 1", [])?;
    Ok(())
}

/// Forgets answers whose keys are over. An answer comes after its key, so none goes before it.
pub(super) fn forget(database: &Connection, limit: usize, before_us: i64) -> Step<usize> {
    let sql = "DELETE FROM replies WHERE invocation IN
        (SELECT invocation FROM replies WHERE at_us <= ?1 ORDER BY at_us LIMIT ?2)";
    execute(database, sql, params![before_us, bounded(limit)])
}

//! Handing out what is due.

use std::collections::BTreeSet;

use mayfly_state_api::Lease;
use mayfly_types::{AppKey, FunctionName, InvocationId};
use uuid::Uuid;

use super::queries::{self, id};
use crate::database::Tx;
use crate::database::failure::Step;
use crate::database::rows::{all, bounded, count, execute, integer, number, one};

/// How far events are spread that were lost more than once, in microseconds.
const APART_US: i64 = 100_000;

pub(super) async fn lease(
    tx: &Tx,
    app: &AppKey,
    function: &FunctionName,
    limit: usize,
    now_us: i64,
    for_us: i64,
) -> Step<(Vec<Lease>, Option<i64>)> {
    let Some(of) = queries::function(tx, app, function).await? else {
        return Ok((Vec::new(), None));
    };
    // What another connection is about to take is passed over, not waited for. As an array, here and below, so
    // that the rows are found by their numbers however many PostgreSQL expects.
    let sql = "UPDATE invocations SET status = 1, fence = fence + 1, attempts = attempts + 1,
            leased_us = $4
        WHERE number = ANY(ARRAY(
            SELECT number FROM invocations WHERE of = $1 AND status = 0 AND due_us <= $2
            ORDER BY due_us LIMIT $3 FOR UPDATE SKIP LOCKED))
        RETURNING id, fence, attempts, failed, lost, put_back, kind, payload, expires_us,
            caller, due_us, number";
    let until_us = now_us.saturating_add(for_us);
    let mut leased = all(tx, sql, &[&of, &now_us, &bounded(limit), &until_us], |row| {
        let lease = Lease {
            id: id(row, 0)?,
            fence: number(row, 1)?,
            attempt: count(row, 2)?,
            failed: count(row, 3)?,
            lost: count(row, 4)?,
            put_back: count(row, 5)?,
            kind: row.try_get(6)?,
            payload: row.try_get(7)?,
            expires_us: row.try_get(8)?,
            caller: row.try_get(9)?,
            due_us: row.try_get(10)?,
        };
        Ok(((row.try_get::<_, i64>(10)?, row.try_get::<_, i64>(11)?), lease))
    })
    .await?;
    leased.sort_unstable_by_key(|(order, _)| *order);
    let sql = "SELECT min(due_us) FROM invocations WHERE of = $1 AND status = 0";
    let next = one(tx, sql, &[&of], |row| Ok(row.try_get(0)?)).await?;
    Ok((leased.into_iter().map(|(_, lease)| lease).collect(), next))
}

pub(super) async fn extend(
    tx: &Tx,
    leases: &[(InvocationId, u64)],
    now_us: i64,
    for_us: i64,
) -> Step<Vec<InvocationId>> {
    let (ids, fences): (Vec<Uuid>, Vec<i64>) =
        leases.iter().map(|(id, fence)| (id.uuid(), integer(*fence))).unzip();
    // Locked in one order by all, so that two that extend many never wait for each other.
    let sql = "UPDATE invocations SET leased_us = $3
        WHERE number = ANY(ARRAY(
            SELECT i.number FROM invocations i
            JOIN unnest($1::uuid[], $2::bigint[]) AS l (id, fence)
                ON l.id = i.id AND l.fence = i.fence
            WHERE i.status = 1 AND NOT i.cancelled ORDER BY i.number FOR UPDATE OF i))
        RETURNING id";
    let until_us = now_us.saturating_add(for_us);
    let held = all(tx, sql, &[&ids, &fences, &until_us], |row| id(row, 0)).await?;
    let held: BTreeSet<InvocationId> = held.into_iter().collect();
    Ok(leases.iter().map(|(id, _)| *id).filter(|id| !held.contains(id)).collect())
}

/// Queues again, or ends if it was cancelled, whatever was leased until `now_us` at most. What is lost
/// again and again is spread over time, so that an event that ends its node does so without the others.
/// What somebody is at this moment extending or ending is left to him.
pub(super) async fn take_back(tx: &Tx, now_us: i64) -> Step<()> {
    let sql = "UPDATE invocations SET
            status = CASE WHEN cancelled THEN 4 ELSE 0 END,
            fence = fence + 1, lost = lost + 1, leased_us = NULL,
            due_us = $1 + lost * (1 + number % 16) * $2
        WHERE number = ANY(ARRAY(
            SELECT number FROM invocations WHERE status = 1 AND leased_us <= $1
            FOR UPDATE SKIP LOCKED))";
    execute(tx, sql, &[&now_us, &APART_US]).await?;
    Ok(())
}

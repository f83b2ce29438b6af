//! Reads of invocations.

use deadpool_postgres::Object;
use mayfly_state_api::{Backlog, InvocationQuery, InvocationRecord, InvocationStatus};
use mayfly_types::{AppKey, FunctionName, InvocationId, TenantName};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::database::failure::{Failure, Step};
use crate::database::rows::{all, bounded, first, parsed};

/// A function's number, if it ever had an event.
pub(super) async fn function(
    database: &Object,
    app: &AppKey,
    function: &FunctionName,
) -> Step<Option<i64>> {
    let sql = "SELECT number FROM functions WHERE tenant = $1 AND app = $2 AND function = $3";
    let (tenant, app, function) = (app.tenant.as_str(), app.app.as_str(), function.as_str());
    first(database, sql, &[&tenant, &app, &function], |row| Ok(row.try_get(0)?)).await
}

pub(super) async fn backlogs(database: &Object) -> Step<Vec<Backlog>> {
    let sql = "SELECT f.tenant, f.app, f.function, first.due_us FROM functions f
        CROSS JOIN LATERAL
            (SELECT min(due_us) AS due_us FROM invocations WHERE of = f.number AND status = 0)
            AS first
        WHERE first.due_us IS NOT NULL";
    all(database, sql, &[], |row| {
        let app = AppKey::new(parsed(row, 0)?, parsed(row, 1)?);
        Ok(Backlog { app, function: parsed(row, 2)?, due_us: row.try_get(3)? })
    })
    .await
}

pub(super) async fn invocation(
    database: &Object,
    tenant: &TenantName,
    id: InvocationId,
) -> Step<Option<InvocationRecord>> {
    let sql = "SELECT i.id, f.tenant, f.app, f.function, i.kind, i.status, i.accepted_us,
            i.due_us, i.fault, i.result,
            ARRAY(SELECT record FROM attempts WHERE invocation = i.number ORDER BY number)
        FROM invocations i JOIN functions f ON f.number = i.of
        WHERE i.id = $1 AND f.tenant = $2";
    first(database, sql, &[&id.uuid(), &tenant.as_str()], record).await
}

/// Each status has its own part of the index, in the order of ids.
pub(super) async fn invocations(
    database: &Object,
    query: &InvocationQuery,
) -> Step<Vec<InvocationRecord>> {
    let Some(of) = function(database, &query.app, &query.function).await? else {
        return Ok(Vec::new());
    };
    let sql = "SELECT i.id, f.tenant, f.app, f.function, i.kind, i.status, i.accepted_us,
            i.due_us, i.fault, i.result,
            ARRAY(SELECT record FROM attempts WHERE invocation = i.number ORDER BY number)
        FROM unnest($2::smallint[]) AS wanted (status)
        CROSS JOIN LATERAL (SELECT * FROM invocations
            WHERE of = $1 AND status = wanted.status AND id < $3 ORDER BY id DESC LIMIT $4) AS i
        JOIN functions f ON f.number = i.of
        ORDER BY i.id DESC LIMIT $4";
    let wanted = |status: &InvocationStatus| query.status.is_none_or(|wanted| wanted == *status);
    let wanted: Vec<i16> = InvocationStatus::ALL.into_iter().filter(wanted).map(number).collect();
    // No id is above this.
    let before = query.before.map_or(Uuid::max(), |id| id.uuid());
    all(database, sql, &[&of, &wanted, &before, &bounded(query.limit)], record).await
}

fn record(row: &Row) -> Step<InvocationRecord> {
    let fault: Option<&str> = row.try_get(8)?;
    let attempts: Vec<&str> = row.try_get(10)?;
    Ok(InvocationRecord {
        id: id(row, 0)?,
        app: AppKey::new(parsed(row, 1)?, parsed(row, 2)?),
        function: parsed(row, 3)?,
        kind: row.try_get(4)?,
        status: status(row.try_get(5)?)?,
        accepted_us: row.try_get(6)?,
        due_us: row.try_get(7)?,
        attempts: attempts.into_iter().map(serde_json::from_str).collect::<Result<_, _>>()?,
        fault: fault.map(serde_json::from_str).transpose()?,
        result: row.try_get(9)?,
    })
}

/// An invocation's id.
pub(super) fn id(row: &Row, column: usize) -> Step<InvocationId> {
    let id: Uuid = row.try_get(column)?;
    Ok(InvocationId::from_bytes(*id.as_bytes()))
}

/// A status as it is stored.
const fn number(status: InvocationStatus) -> i16 {
    match status {
        InvocationStatus::Queued => 0,
        InvocationStatus::Running => 1,
        InvocationStatus::Succeeded => 2,
        InvocationStatus::Failed => 3,
        InvocationStatus::Cancelled => 4,
    }
}

/// A status as [`number`] stored it.
pub(super) fn status(stored: i16) -> Step<InvocationStatus> {
    let status = InvocationStatus::ALL.into_iter().find(|status| number(*status) == stored);
    status.ok_or_else(|| Failure::Unknown(format!("{stored} is no status")))
}
